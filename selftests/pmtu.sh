#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router between the hypervisors has less room than their links. Each case is
# run with ESP first: what works for ESP works for VPE, and the MTUs differ by
# what the headers do.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/middle.sh"

# The outer header, and 32 bytes of VPE or 34 of ESP with its padding
declare -rA OVERHEAD=([vpe4]=52 [vpe6]=72 [esp4]=54 [esp6]=74)
declare -rA HEADER=([4]=20 [6]=40)

# path_mtu MTU: of the router's routes to both hypervisors. IPv6 looks at what is
# locked only.
path_mtu() {
	batch "$MID" <<-END
		route change ${OUTER[41]}/32 dev left mtu lock $1
		route change ${OUTER[42]}/32 dev right mtu lock $1
		route change ${OUTER[61]}/128 dev left mtu lock $1
		route change ${OUTER[62]}/128 dev right mtu lock $1
	END
}

# Nobody knows anything of the path any more: that goes with the routes.
forget() {
	forget_lines 10.0.0.254 fd00::fe ${OUTER[42]}/32 ${OUTER[62]}/128 | batch "$HV1"
	forget_lines 10.0.0.254 fd00::fe ${OUTER[41]}/32 ${OUTER[61]}/128 | batch "$HV2"
	forget_lines ${INNER[41]} ${INNER[61]} default default | batch "$TENANT1"
	forget_lines ${INNER[42]} ${INNER[62]} default default | batch "$TENANT2"
}

# forget_lines GATEWAY4 GATEWAY6 DESTINATION4 DESTINATION6
forget_lines() {
	printf 'route del %s via %s\nroute add %s via %s\n' $3 $1 $3 $1 $4 $2 $4 $2
}

# begin KIND OUTER INNER MTU [SA-ARG...]: to $mtu what is left for inner packets
begin() {
	local kind=$1 outer=$2 inner=$3

	mtu=$(($4 - ${OVERHEAD[$kind$outer]}))
	[ ${#SA_ARGS[@]} = 0 ] || mtu=$((mtu - 8))
	path_mtu $4
	shift 4
	forget
	tunnel_of $kind $outer $inner "$@"
	counters_mark
}

# learned HV PEER OUTER MTU: what HV knows of the path to PEER
learned() {
	[[ $(ip -n "$1" route get "${OUTER[$3$2]}") == *" mtu $4"* ]]
}

forgotten() {
	[[ $(ip -n "$1" route get "${OUTER[$3$2]}") != *" mtu "* ]]
}

unlearned() {
	forgotten "$@" ||
		fail "an MTU was learned: $(ip -n "$1" route get "${OUTER[$3$2]}")"
}

# size INNER BYTES: that of a ping in an inner packet of BYTES
size() {
	echo $(($2 - HEADER[$1] - 8))
}

# told NS INNER BYTES TO PATTERN: a ping with DF makes its sender hear of that.
# (Upon an error of its own host ping waits for its interval to end.)
told() {
	ns_exec "$1" ping -n -c 1 -i 0.1 -W "$(slowly 0.2 2)" -M 'do' -s "$(size $2 $3)" $4 \
		>"$TMP/ping" 2>&1 && fail "$3 bytes with DF got through"
	grep -qE "$5" "$TMP/ping" || fail "not told '$5': $(<"$TMP/ping")"
}

# lost NS INNER BYTES TO [ARG...]: a ping that the router drops
lost() {
	ns_exec "$1" ping -q -n -c 1 -W 0.2 -s "$(size $2 $3)" "${@:5}" $4 >"$TMP/ping" 2>&1 &&
		fail "$3 bytes got through"
	return 0
}

# vpe_counts KIND SPEC...: counters_check, where they are VPE's
vpe_counts() {
	[ $1 = esp ] || counters_check "${@:2}"
}

# A socket of hv1: the first packet is lost; of the second it hears EMSGSIZE, and
# nothing of it leaves; what fits passes. Then the same for hv2.
local_sender() {
	local kind=$1 outer=$2 inner=$3 mtu

	begin $kind $outer $inner 1400
	lost "$HV1" $inner 1410 ${INNER[${inner}2]} -M 'do'
	slowwait learned "$HV1" 2 $outer 1400
	vpe_counts $kind hv1:$SPI12:tx-packets==1
	told "$HV1" $inner 1410 ${INNER[${inner}2]} "essage too long.*mtu[:=] *$mtu\$"
	told "$HV1" $inner $((mtu + 1)) ${INNER[${inner}2]} "essage too long.*mtu[:=] *$mtu\$"
	ping_ok "$HV1" 1 "$(size $inner $mtu)" ${INNER[${inner}2]} -M 'do'
	vpe_counts $kind hv1:$SPI12:tx-packets==2 hv2:$SPI12:rx-packets==1 \
		"hv[12]:$SPI21:[rt]x-packets==2"

	# The answer was of the same size, but no larger.
	unlearned "$HV2" 1 $outer
	lost "$HV2" $inner 1410 ${INNER[${inner}1]} -M 'do'
	slowwait learned "$HV2" 1 $outer 1400
	told "$HV2" $inner 1410 ${INNER[${inner}1]} "essage too long.*mtu[:=] *$mtu\$"
}

# The same for a tenant, who hears it from hv1.
tenant() {
	local kind=$1 outer=$2 inner=$3 mtu what size=()

	begin $kind $outer $inner 1400
	what="Frag needed.*mtu = $mtu\\)"
	if [ $inner = 6 ]; then
		what="Packet too big: mtu=$mtu\$"
		size=("hv1:$SPI12:tx-size==2" hv1:-:XfrmOutStateModeError==2)
	fi
	lost "$TENANT1" $inner 1410 ${TENANT[${inner}2]} -M 'do'
	slowwait learned "$HV1" 2 $outer 1400
	told "$TENANT1" $inner 1410 ${TENANT[${inner}2]} "$what"
	forget_lines ${INNER[41]} ${INNER[61]} default default | batch "$TENANT1"
	told "$TENANT1" $inner $((mtu + 1)) ${TENANT[${inner}2]} "$what"
	ping_ok "$TENANT1" 1 "$(size $inner $mtu)" ${TENANT[${inner}2]} -M 'do'
	vpe_counts $kind hv1:$SPI12:tx-packets==2 hv2:$SPI12:rx-packets==1 \
		"hv[12]:$SPI21:[rt]x-packets==2" "${size[@]}"
}

# fragmented NS 4|6: packets that were
fragmented() {
	local file=/proc/net/snmp

	[ $2 = 4 ] || file=/proc/net/snmp6
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$1" awk '$1 == "Ip:" && !col { for (i = 2; i <= NF; i++) if ($i == "FragOKs") col = i; next }
		$1 == "Ip:" { print $col }
		$1 == "Ip6FragOKs" { print $2 }' $file
}

# Without DF: IPv4 goes into one packet. An IPv4 router fragments that; for IPv6
# hv1 does, when it has learned the MTU. IPv6 is fragmented before encryption.
without_df() {
	local kind=$1 outer=$2 inner=$3 mtu where=$MID before n=1

	[ $outer = 4 ] || where=$HV1
	begin $kind $outer $inner 1400
	if [ $outer$inner != 44 ]; then
		# Both learn
		lost "$HV1" $inner 1410 ${INNER[${inner}2]} -M dont
		slowwait learned "$HV1" 2 $outer 1400
		lost "$HV2" $inner 1410 ${INNER[${inner}1]} -M dont
		slowwait learned "$HV2" 1 $outer 1400
		counters_mark
	fi
	before=$(fragmented "$where" $outer)
	ping_ok "$HV1" 2 "$(size $inner 1410)" ${INNER[${inner}2]} -M dont
	if [ $inner = 4 ]; then
		[ $(($(fragmented "$where" $outer) - before)) -ge 2 ] || fail "not fragmented"
	else
		n=2
	fi
	[ $outer$inner != 44 ] || unlearned "$HV1" 2 4
	[ $kind = esp ] || carried $((2 * n)) $((2 * n))
}

# With nopmtudisc an outer IPv4 packet may always be fragmented.
nopmtudisc() {
	local kind=$1 inner=$3 mtu before

	begin $kind 4 $inner 1400 flag nopmtudisc
	before=$(fragmented "$MID" 4)
	ping_ok "$HV1" 1 "$(size $inner 1410)" ${INNER[${inner}2]} -M 'do'
	ping_ok "$TENANT1" 1 "$(size $inner 1410)" ${TENANT[${inner}2]} -M 'do'
	[ $(($(fragmented "$MID" 4) - before)) = 4 ] || fail "not fragmented"
	unlearned "$HV1" 2 4
	[ $kind = esp ] || carried 2 2
}

# A packet of 1280 bytes, which IPv6 promises to carry, over a path of 1280 bytes:
# the outer one is fragmented. (Not by ESP: it forbids the router to do so, and
# refuses the packet when it has learned the MTU.)
minimum() {
	local outer=$1 mtu

	begin vpe $outer 6 1280
	if [ $outer = 6 ]; then
		lost "$TENANT1" 6 1280 ${TENANT[62]} -M 'do'
		slowwait learned "$HV1" 2 6 1280
		lost "$TENANT2" 6 1280 ${TENANT[61]} -M 'do'
		slowwait learned "$HV2" 1 6 1280
		counters_mark
	fi
	ping_ok "$TENANT1" 2 "$(size 6 1280)" ${TENANT[62]} -M 'do'
	carried 2 2
}

# An ICMP error is believed if it is about an SA.
believed() {
	local kind=$1 outer=$2 mtu ends=("$2" "${OUTER[${2}1]}" "${OUTER[${2}2]}")

	begin $kind $outer 4 1500
	run ns_exec "$MID" python3 -S "$lib_dir/tools/too_big.py" "${ends[@]}" 0x1003 1300 $SPI12 1380
	slowwait learned "$HV1" 2 $outer 1380
	mtu=$((1380 - ${OVERHEAD[$kind$outer]}))
	told "$HV1" 4 1410 ${INNER[42]} "essage too long.*mtu[:=] *$mtu\$"
	[ $kind = esp ] || counters_check hv1:$SPI12:tx-packets==0
}

# What was learned is forgotten after some time.
expiry() {
	local kind=$1 outer=$2 ip=/proc/sys/net/ipv$2 mtu

	begin $kind $outer 4 1400
	defer ns_exec "$HV1" sh -c "echo 600 >$ip/route/mtu_expires"
	run ns_exec "$HV1" sh -c "echo $(slowly 2 5) >$ip/route/mtu_expires"
	lost "$HV1" 4 1410 ${INNER[42]} -M 'do'
	slowwait learned "$HV1" 2 $outer 1400
	told "$HV1" 4 1410 ${INNER[42]} "essage too long.*mtu[:=] *$mtu\$"
	path_mtu 1500
	slowwait forgotten "$HV1" 2 $outer
	counters_mark
	ping_ok "$HV1" 1 "$(size 4 1410)" ${INNER[42]} -M 'do'
	[ $kind = esp ] || carried 1 1
}

# The path shrinks under a TCP connection, which goes on in both directions.
tcp() {
	local outer=$1 inner=$2 from=$HV1 to=$HV2 address=${INNER[${2}2]} mtu

	if [ $3 = tenant ]; then
		from=$TENANT1 to=$TENANT2 address=${TENANT[${inner}2]}
	fi
	begin vpe $outer $inner 1500
	iperf_server "$to"
	nsenter --net="/run/netns/$from" iperf3 -c "$address" -t 300 --bidir >"$TMP/client" 2>&1 &
	defer stop_pid $!
	slowwait flows 50
	path_mtu $4
	slowwait learned "$HV1" 2 $outer $4
	slowwait learned "$HV2" 1 $outer $4
	counters_mark
	slowwait flows 100
}

# flows NUMBER: as many packets got through since counters_mark, both ways
flows() {
	counters_growth
	[ "${growth[hv2:$SPI12:rx-packets]-0}" -ge $1 ] &&
		[ "${growth[hv1:$SPI21:rx-packets]-0}" -ge $1 ]
}

# both FUNCTION OUTER INNER [ARG...]: for ESP and VPE
both() {
	local kind
	for kind in esp vpe; do
		echo "$kind:"
		("$1" $kind "${@:2}") || fail "$kind"
	done
}

topo_middle || skip_all "no namespaces"
middle_forwards
for ns in "$HV1" "$HV2"; do
	ns_exec "$ns" sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
		echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
done
ktap_plan 40 22
for outer in 4 6; do
	[ $outer = 4 ] && test=ktap_test || test=ktap_more
	for inner in 4 6; do
		[ $inner = $outer ] && pair=ktap_test || pair=ktap_more
		$pair "$inner in $outer: local sender" both local_sender $outer $inner
		$pair "$inner in $outer: tenant" both tenant $outer $inner
		$pair "$inner in $outer: without DF" both without_df $outer $inner
		ktap_more "$inner in $outer: TCP of a tenant" tcp $outer $inner tenant 1400
	done
	$test "4 in $outer: TCP" tcp $outer 4 local 1300
	$test "6 in $outer: the least that IPv6 carries" minimum $outer
	$test "layout ares, 4 in $outer: local sender" ares local_sender vpe $outer 4
	$test "layout ares, 6 in $outer: tenant" ares tenant vpe $outer 6
	$test "in UDP, 6 in $outer: local sender" udp local_sender vpe $outer 6
	$test "in UDP, 4 in $outer: tenant" udp tenant vpe $outer 4
	$test "layout ares in UDP, 4 in $outer: local sender" \
		udp ares local_sender vpe $outer 4
	$test "ESP with entropy, 4 in $outer: local sender" \
		entropy local_sender esp $outer 4
	$test "ESP with entropy, 6 in $outer: tenant" entropy tenant esp $outer 6
	$test "in $outer: errors that are believed" both believed $outer
	$test "in $outer: what was learned expires" both expiry $outer
done
ktap_test "4 in 4: nopmtudisc" both nopmtudisc 4 4
ktap_more "6 in 4: nopmtudisc" both nopmtudisc 4 6
ktap_finish
