#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VXLAN between the hypervisors, protected by VPE:
#
#	 tenant1       hv1                            hv2       tenant2
#	+--------+    +-----------------+            +--------+
#	|    eth0|----|ten0-br0-vxlan0  | UDP 4789   |        |   192.168.9.1, .2
#	|        |    |          eth0   |====VPE=====|        |   fd00:9::1, ::2
#	+--------+    +-----------------+            +--------+
. "$(dirname "$0")/lib.sh"

MTU=1400

# side NS TENANT SIDE PEER FAMILY
side() {
	local ns=$1 tenant=$2 me=$3 peer=$4 f=$5

	run ip link add eth0 netns "$tenant" type veth peer name ten0 netns "$ns"
	batch "$tenant" <<-END
		addr add 192.168.9.$me/24 dev eth0
		addr add fd00:9::$me/64 dev eth0 nodad
		link set eth0 up mtu $MTU
	END
	batch "$ns" <<-END
		link add vxlan0 type vxlan id 100 dstport 4789 local ${OUTER[$f$me]} remote ${OUTER[$f$peer]} dev eth0 udp6zerocsumrx
		link add br0 type bridge mcast_snooping 0
		link set vxlan0 addrgenmode none
		link set br0 addrgenmode none
		link set ten0 addrgenmode none
		link set vxlan0 master br0
		link set ten0 master br0
		link set vxlan0 up mtu $MTU
		link set ten0 up mtu $MTU
		link set br0 up
	END
}

# vxlan_policy NS DIR FROM TO VXLAN-FAMILY OUTER-FAMILY
vxlan_policy() {
	local len=/32
	[ $5 = 4 ] || len=/128
	run ip -n "$1" xfrm policy add src ${OUTER[$5$3]}$len dst ${OUTER[$5$4]}$len \
		proto udp dport 4789 dir $2 tmpl src ${OUTER[$6$3]} dst ${OUTER[$6$4]} \
		proto esp reqid 1 mode tunnel
}

# vxlan VXLAN-FAMILY OUTER-FAMILY ADDRESS...: addresses of TENANT2
vxlan() {
	local f=$1 outer=$2 to
	shift 2

	topo_wire 1600 || skip "no namespaces"
	setup_ns TENANT1 TENANT2 || skip "no namespaces"
	sas $outer
	vxlan_policy "$HV1" out 1 2 $f $outer
	vxlan_policy "$HV1" in 2 1 $f $outer
	vxlan_policy "$HV2" out 2 1 $f $outer
	vxlan_policy "$HV2" in 1 2 $f $outer
	side "$HV1" "$TENANT1" 1 2 $f
	side "$HV2" "$TENANT2" 2 1 $f
	slowwait ns_exec "$TENANT1" ping -q -c 1 -W 1 192.168.9.2
	iperf_server "$TENANT2"
	# Not before: where no VXLAN socket is yet, IP tells that by ICMP, which
	# the policies do not cover.
	wire_start
	wire_watch

	for to in "$@"; do
		counters_mark_quiet
		ping_ok "$TENANT1" 5 56 $to
		ping_ok "$TENANT1" 2 1300 $to -M 'do'
		ping_ok "$TENANT1" 2 3000 $to
		# and whatever bridges and tenants have to say by themselves
		carried '>=9' '>=9'

		counters_mark_quiet
		iperf "$TENANT1" $to -n "$(count 2M 128K)"
		counters_wait_quiet
		carried ">=$(count 200 16)" '>=1' "hv1:$SPI12:tx-gso>0"

		counters_mark_quiet
		iperf "$TENANT1" $to -u -b "$(count 2M 200K)" -l 1000 -t 1 --json >"$TMP/udp"
		counters_wait_quiet
		grep -q '"lost_packets":[[:space:]]*0,' "$TMP/udp" || fail "UDP: packets lost"
		carried ">=$(count 100 10)" '>=1'
	done
	wire_clean
}

one() {
	defer cleanup_all_ns
	vxlan "$@"
}

backlog=$(</proc/sys/net/core/netdev_max_backlog)
defer sh -c "echo $backlog >/proc/sys/net/core/netdev_max_backlog"
echo 20000 >/proc/sys/net/core/netdev_max_backlog
ktap_plan 3 2
ktap_test "VXLAN over IPv4, VPE over IPv4" one 4 4 192.168.9.2 fd00:9::2
ktap_more "VXLAN over IPv6, VPE over IPv6" one 6 6 fd00:9::2
ktap_more "VXLAN over IPv4, VPE over IPv6" one 4 6 192.168.9.2
ktap_finish
