#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets of all sizes through all four combinations of outer and inner family.
. "$(dirname "$0")/lib.sh"

# Bytes of the IP and fragment headers, and the largest ping
declare -rA HEADER=([4]=20 [6]=40) FRAGMENT=([4]=0 [6]=8)
declare -rA LARGEST=([4]=65507 [6]=65487)

# inner_mtu OUTER: what fits into an outer packet of 1500 bytes
inner_mtu() {
	echo $((1500 - HEADER[$1] - 32))
}

# fragments OUTER INNER SIZE: number of inner fragments of a ping that fit
fragments() {
	local room=$((($(inner_mtu "$1") - HEADER[$2] - FRAGMENT[$2]) / 8 * 8))
	echo $((($3 + 8 + room - 1) / room))
}

begin() {
	tunnel "$1" "$2"
	ping_ok "$HV1" 1 56 "${INNER[${2}2]}"
	wire_watch
	counters_mark
}

# What fits: one outer packet each
small() {
	local outer=$1 inner=$2 edge size n=0

	edge=$(($(inner_mtu $outer) - HEADER[$inner] - 8))
	begin $outer $inner
	for size in 0 1 56 $((edge - 1)) $edge; do
		ping_ok "$HV1" 1 "$size" "${INNER[${inner}2]}" -M 'do'
		n=$((n + 1))
	done
	carried $n $n hv?:*:tx-gso==0
	wire_clean
}

# Too big for the path and may be fragmented: IPv4 goes into one VPE packet, as
# long as there is an outer packet that large, and that is fragmented; IPv6 is
# fragmented first.
large() {
	local outer=$1 inner=$2 edge size n=0

	edge=$(($(inner_mtu $outer) - HEADER[$inner] - 8))
	begin $outer $inner
	for size in $((edge + 1)) 1472 1500 3000 8972 ${LARGEST[$inner]}; do
		# ping leaves fragmenting to the kernel with "dont" only
		ping_ok "$HV1" 1 "$size" "${INNER[${inner}2]}" -M dont
		if [ $inner = 6 ] || [ $size = ${LARGEST[4]} ]; then
			n=$((n + $(fragments $outer $inner $size)))
		else
			n=$((n + 1))
		fi
	done
	carried $n $n
	wire_clean
}

# With DF a packet over the path's MTU is refused: by the socket that knows the
# MTU, by VPE where the socket only looks at the device's.
too_big() {
	local outer=$1 inner=$2 edge mtu option=0:10:3 to=${INNER[${2}2]}

	mtu=$(inner_mtu $outer)
	edge=$((mtu - HEADER[$inner] - 8))
	begin $outer $inner
	ns_exec "$HV1" ping -n -c 1 -W 0.2 -M 'do' -s $((edge + 1)) "${INNER[${inner}2]}" \
		>"$TMP/ping" 2>&1 && fail "ping with DF got through"
	grep -q "essage too long.*mtu[:=] *$mtu" "$TMP/ping" ||
		fail "no EMSGSIZE with MTU $mtu: $(<"$TMP/ping")"
	carried 0 0

	[ $inner = 4 ] || to="[$to]"
	# IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: probe
	[ $inner = 4 ] || option=41:23:3
	head -c $((edge + 1)) /dev/zero | ns_exec "$HV1" socat -u -b 2000 - \
		"UDP$inner:$to:9,setsockopt-int=$option" >"$TMP/socat" 2>&1
	grep -q "Message too long" "$TMP/socat" || fail "no EMSGSIZE: $(<"$TMP/socat")"
	carried 0 0 "hv1:$SPI12:tx-size==1" hv1:-:XfrmOutStateModeError==1

	ping_ok "$HV1" 1 $edge "${INNER[${inner}2]}" -M 'do'
	wire_clean
}

# The wire's watch is no good if it would not see.
watch_sees() {
	xfrm_flush
	wire_watch
	ping_ok "$HV1" 1 56 "${INNER[42]}"
	must_fail 'in the clear: [1-9]' wire_clean
}

# With another key nothing passes, and the counters say so.
wrong_key() {
	tunnel 4 4
	run ip -n "$HV2" xfrm state del src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12
	run sa_add "$HV2" 4 1 2 $SPI12 "$(random_key 16)"
	counters_mark
	ns_exec "$HV1" ping -q -c 3 -i 0.05 -W 0.1 ${INNER[42]} && fail "ping was answered"
	must_fail 'rx-packets grew by 0, not == 3' carried 3 3
	counters_check hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-auth==3 \
		hv2:-:XfrmInStateProtoError==3
}

topo_wire || skip_all "no namespaces"
wire_start
ktap_plan 14
ktap_test "a packet in the clear is seen" watch_sees
ktap_test "another key: nothing passes" wrong_key
for outer in 4 6; do
	for inner in 4 6; do
		ktap_test "$inner in $outer: what fits" small $outer $inner
		ktap_test "$inner in $outer: larger" large $outer $inner
		ktap_test "$inner in $outer: too big" too_big $outer $inner
	done
done
ktap_finish
