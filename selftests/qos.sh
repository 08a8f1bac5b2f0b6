#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# QoS classes: packets of a class have windows of their own, so that no priority
# pushes another out of the replay window.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

# lane_bits: bits of a Window ID below the class; of the highest lane there may be
lane_bits() {
	local top n=0

	top=$(nproc --all)
	[[ ${SA_ARGS[*]} != *espinudp* ]] || top=1024
	[[ $LAYOUT != ares || ${SA_ARGS[*]} != *espinudp* ]] || top=$((top + 1))
	while [ $((1 << n)) -lt $top ]; do n=$((n + 1)); done
	echo $n
}

# classes_used NS SPI DIR: of the windows there are, "CLASS:PACKETS ..."
classes_used() {
	local bits

	bits=$(lane_bits)
	ip -n "$1" -j xfrm vpe window show spi $2 dir $3 |
		jq -r "group_by(.\"window-id\" / $((1 << bits)) | floor) | map(
			\"\(.[0].\"window-id\" / $((1 << bits)) | floor):\(map(.packets) | add)\") | join(\" \")"
}

# used_are WORDS: both ends, and what ip says of the classes
used_are() {
	local said

	said=$(classes_used "$HV1" $SPI12 tx)
	[ "$said" = "$1" ] || fail "sent by classes: $said, not $1"
	said=$(classes_used "$HV2" $SPI12 rx)
	[ "$said" = "$1" ] || fail "received by classes: $said, not $1"
	said=$(ip -n "$HV1" -j xfrm vpe window show spi $SPI12 dir tx |
		jq -r 'group_by(.class) | map("\(.[0].class):\(map(.packets) | add)") | join(" ")')
	[ "$said" = "$1" ] || fail "the kernel says: $said, not $1"
}

# send TOS COUNT
send() {
	ping_ok "$HV1" $2 56 ${INNER[${inner}2]} -Q $1
}

# map ARG...
map() {
	run ip -n "$HV1" xfrm vpe class "$@"
}

# by_dscp OUTER INNER
by_dscp() {
	local inner=$2

	tunnel $1 $inner
	map set 46 7
	map set 8-15 1
	send 0xb8 3	# 46
	send 0x20 2	# 8
	send 0x3c 4	# 15
	send 0x40 5	# 16
	send 0 1
	used_are "0:6 1:6 7:3"
	carried 15 15

	# At once, and for the SA that is there; what was sent stays with its class.
	map set 0 3
	send 0 2
	used_are "0:6 1:6 3:2 7:3"
	map set 0-63 0
	send 0xb8 2
	used_are "0:8 1:6 3:2 7:3"
	[ "$(ip -n "$HV1" -j xfrm vpe class show | jq '.classes | length')" = 0 ] ||
		fail "$(ip -n "$HV1" xfrm vpe class show)"
}

in_udp() {
	udp by_dscp "$@"
}

in_ares() {
	ares udp by_dscp "$@"
}

# What of skb->priority is above the map is class 0.
by_priority() {
	local inner=4

	tunnel 4 4
	map set 1 5 2 6
	map source priority
	# fib: TOS 0x10 is priority 6, 0x08 priority 2
	map set 6 4
	send 0x10 2
	send 0x08 3
	send 0xb8 1
	used_are "0:1 4:2 6:3"
	map source dscp
}

# The SA says whether the outer header has the DSCP; the class is the inner one's.
without_dscp() {
	local inner=4

	SA_ARGS=(extra-flag dont-encap-dscp)
	tunnel 4 4
	map set 46 2
	send 0xb8 3
	used_are "2:3"
}

nested() {
	local inner=4

	tunnel 4 4
	map set 46 2
	batch "$HV1" <<-END
		xfrm policy flush
		xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi 0x99 reqid 9 mode transport aead $AEAD 0x$(printf %040d 7) 128 flag af-unspec
		xfrm policy add src ${NET[41]} dst ${NET[42]} dir out tmpl src ${OUTER[41]} dst ${OUTER[42]} proto esp reqid 1 mode tunnel tmpl src ${OUTER[41]} dst ${OUTER[42]} proto esp reqid 9 mode transport
	END
	ns_exec "$HV1" ping -q -c 2 -i 0.05 -W 1 -Q 0xb8 ${INNER[42]}
	[ "$(classes_used "$HV1" $SPI12 tx)" = 2:2 ] || fail "$(classes_used "$HV1" $SPI12 tx)"
}

# refused PATTERN ARG...: that, and the map is as it was
refused() {
	local pattern=$1 before said
	shift

	before=$(ip -n "$HV1" -j xfrm vpe class show)
	said=$(ip -n "$HV1" xfrm vpe class "$@" 2>&1) && fail "accepted: $*"
	grep -qi -- "$pattern" <<<"$said" || fail "$*: $said"
	[ "$(ip -n "$HV1" -j xfrm vpe class show)" = "$before" ] || fail "$*: changed something"
}

wrong() {
	map set 46 2
	refused class set 46 8
	refused DSCP set 64 1
	refused DSCP set 9-8 1
	refused source source tos
	# another namespace has its own
	[ "$(ip -n "$HV2" -j xfrm vpe class show | jq '.classes | length')" = 0 ] ||
		fail "another namespace has it"
	map set 0-63 0
}

# overtaken: 150 packets wait at a slow link, 100 of priority overtake them
overtaken() {
	local sent received

	run ns_exec "$HV1" tc qdisc replace dev eth0 root handle 1: tbf rate "$(count 300kbit 60kbit)" burst 3000 limit 1000000
	run ns_exec "$HV1" tc qdisc replace dev eth0 parent 1:1 handle 2: prio
	run ns_exec "$HV1" python3 -S -c '
import socket
for tos, number, size in (0x08, 150, 400), (0x10, 100, 100):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_SNDBUFFORCE
        s.setsockopt(socket.SOL_IP, socket.IP_TOS, tos)
        for _ in range(number):
            s.sendto(bytes(size), ("'${INNER[42]}'", 9))
'
	slowwait queue_is_empty
	run ns_exec "$HV1" tc qdisc del dev eth0 root
}

queue_is_empty() {
	ns_exec "$HV1" tc -s qdisc show dev eth0 | grep -q 'backlog 0b 0p'
}

priorities() {
	local -A lost=()
	local proto

	backlog_grow
	sink

	map set 2 1 4 2
	for proto in esp vpe; do
		# SA_ARGS: the smallest window there is
		SA_ARGS=(replay-window 64) KEY_BYTES=16 SA_PROTO=$proto
		[ $proto = vpe ] || { SA_ARGS=(replay-window 32); KEY_BYTES=20; }
		tunnel 4 4
		ping_ok "$HV1" 1 56 ${INNER[42]}
		counters_mark
		overtaken
		counters_wait_quiet
		counters_growth
		lost[$proto]=$(grown 'hv2:-:XfrmInStateSeqError')
		echo "$proto: ${lost[$proto]} of 250 packets refused by the replay window"
		# both have lost no packet otherwise
		[ "$(grown 'hv?:-:Xfrm*')" = ${lost[$proto]} ] || fail "other drops"
	done
	map set 0-63 0
	[ ${lost[vpe]} = 0 ] || fail "VPE lost packets"
	[ ${lost[esp]} -ge 20 ] || fail "nothing was overtaken"
}

topo_wire || skip_all "no namespaces"
ktap_plan 9 2
ktap_test "by DSCP, IPv4" by_dscp 4 4
ktap_more "by DSCP, IPv6" by_dscp 6 6
ktap_more "by DSCP, in UDP" in_udp 4 6
ktap_test "by DSCP, in UDP, layout ares" in_ares 6 4
ktap_test "by priority" by_priority
ktap_test "outer header without DSCP" without_dscp
ktap_test "nested" nested
ktap_test "refused" wrong
ktap_test "a priority that overtakes" priorities
ktap_finish
