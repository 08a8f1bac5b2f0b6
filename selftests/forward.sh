#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tenants behind the hypervisors: forwarded packets.
. "$(dirname "$0")/lib.sh"

declare -rA HEADER=([4]=20 [6]=40)

begin() {
	tunnel $1 $2
	forget
	ping_ok "$TENANT1" 1 56 ${TENANT[${2}2]}
	wire_watch
	counters_mark
}

pings() {
	begin $1 $2
	ping_ok "$TENANT1" 3 56 ${TENANT[${2}2]}
	ping_ok "$TENANT2" 2 1000 ${TENANT[${2}1]}
	carried 5 5
	wire_clean
}

# hop INNER LIMIT ROUTER: a packet with that hop limit comes to that router
hop() {
	ns_exec "$TENANT1" ping -n -c 1 -W "$WAIT_TIMEOUT" -t $2 ${TENANT[${1}2]} >"$TMP/ping"
	grep -qi "from $3.*exceeded" "$TMP/ping" ||
		fail "hop limit $2: not from $3: $(<"$TMP/ping")"
}

# As traceroute: the tunnel is one hop
hops() {
	begin $1 $2
	hop $2 1 ${INNER[${2}1]}
	carried 0 0
	hop $2 2 ${INNER[${2}2]}
	carried 1 1
	ping_ok "$TENANT1" 1 56 ${TENANT[${2}2]} -t 3
	carried 2 2
	wire_clean
}

# A packet with DF that is too big for the tunnel: the tenant is told the MTU. For
# IPv4 the kernel looks at the tunnel's when forwarding; for IPv6 it looks at the
# device's, and VPE has to tell.
pmtu() {
	local mtu=$((1500 - HEADER[$1] - 32)) edge what

	edge=$((mtu - HEADER[$2] - 8))
	what="Frag needed.*mtu = $mtu"
	[ $2 = 4 ] || what="Packet too big: mtu=$mtu"
	begin $1 $2
	# Nothing of it leaves
	ns_exec "$TENANT1" ping -n -c 1 -W 2 -M 'do' -s $((1500 - HEADER[$2] - 8)) \
		${TENANT[${2}2]} >"$TMP/ping" 2>&1
	grep -q "$what" "$TMP/ping" || fail "not told an MTU of $mtu: $(<"$TMP/ping")"
	if [ $2 = 4 ]; then
		carried 0 0
	else
		carried 0 0 hv1:$SPI12:tx-size==1 hv1:-:XfrmOutStateModeError==1
	fi
	counters_mark
	ping_ok "$TENANT1" 1 $edge ${TENANT[${2}2]} -M 'do'
	carried 1 1
	wire_clean
}

# Tenants know nothing of the path any more
forget() {
	local ns
	for ns in "$TENANT1" "$TENANT2"; do
		run ip -n "$ns" route flush cache
		run ip -n "$ns" -6 route flush cache
	done
}

# The tenant's own fragments; those of IPv4 are fragmented once more outside.
fragments() {
	begin $1 $2
	if [ $2 = 6 ]; then
		# Both learn the MTU
		ns_exec "$TENANT1" ping -q -c 2 -i 0.2 -W 0.5 -s 3000 ${TENANT[62]}
		ns_exec "$TENANT2" ping -q -c 2 -i 0.2 -W 0.5 -s 3000 ${TENANT[61]}
		counters_wait_quiet
		counters_mark
	fi
	ping_ok "$TENANT1" 2 3000 ${TENANT[${2}2]} -M dont
	# 3008 bytes in fragments of at most 1480 (IPv6: below 1428)
	carried 6 6
	wire_clean
}

# TCP of the tenants finds out the MTU by itself
tcp() {
	local too_big=()

	# Packets with segments for a larger MTU
	[ $2 = 4 ] || too_big=('hv?:*:tx-size>=1' 'hv?:-:XfrmOutStateModeError>=1')
	begin $1 $2
	iperf_server "$TENANT2"
	iperf "$TENANT1" ${TENANT[${2}2]} -n "$(count 2M 256K)"
	iperf "$TENANT1" ${TENANT[${2}2]} -n "$(count 2M 256K)" -R
	counters_wait_quiet
	carried ">=$(count 400 40)" ">=$(count 400 40)" \
		"hv1:$SPI12:tx-gso>0" "hv2:$SPI21:tx-gso>0" "${too_big[@]}"
	wire_clean
}

# What is decrypted still meets the policies.
blocked() {
	tunnel 4 4
	ping_ok "$TENANT1" 1 56 ${TENANT[42]}
	run ip -n "$HV2" xfrm policy update src ${NET[41]} dst ${NET[42]} dir fwd action block
	counters_mark
	ns_exec "$TENANT1" ping -q -c 2 -i 0.05 -W 0.2 ${TENANT[42]} && fail "was let through"
	counters_check "hv1:$SPI12:tx-packets==2" "hv2:$SPI12:rx-packets==2" \
		hv2:-:XfrmInPolBlock==2
}

topo_wire || skip_all "no namespaces"
topo_tenants || skip_all "no namespaces"
backlog=$(</proc/sys/net/core/netdev_max_backlog)
defer sh -c "echo $backlog >/proc/sys/net/core/netdev_max_backlog"
echo 20000 >/proc/sys/net/core/netdev_max_backlog

wire_start
ktap_plan 21 10
ktap_test "a policy that blocks" blocked
for inner in 4 6; do
	for outer in 4 6; do
		[ $inner = $outer ] && test=ktap_test || test=ktap_more
		$test "$inner in $outer: ping" pings $outer $inner
		$test "$inner in $outer: hop limit" hops $outer $inner
		$test "$inner in $outer: path MTU" pmtu $outer $inner
		$test "$inner in $outer: TCP" tcp $outer $inner
		$test "$inner in $outer: fragments" fragments $outer $inner
	done
done
ktap_finish
