#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Payloads reach the tunnel in many shapes: memory by reference, datagrams of
# 64 KB, jumbo frames, packets that hold many, lists of packets. All of it is to
# arrive unchanged, and the memory to stay as it was. (Pages of files: pagecache.)
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
senders=$lib_dir/tools/senders.py
SENDERS_LENGTH=$(count 300000 60000)
export SENDERS_LENGTH

# Packets of a datagram of 60000 bytes: IPv6 is fragmented first.
declare -rA PIECES=([4_1500]=1 [4_9000]=1 [6_1500]=44 [6_9000]=7)

mtu() {
	run ip -n "$HV1" link set eth0 mtu "$1"
	run ip -n "$HV2" link set eth0 mtu "$1"
}

# begin FAMILY MTU
begin() {
	mtu $2
	tunnel "$1" "$1"
	wire_watch
	counters_mark
}

# transfer FROM TO ADDRESS SENDER RECEIVER [SIZE]: what both say goes to
# $TMP/sent and $TMP/received
transfer() {
	local from=$1 to=$2 address=$3 pid

	nsenter --net="/run/netns/$to" python3 -S "$senders" recv "$5" $port "${@:6}" >"$TMP/received" 2>&1 &
	pid=$!
	defer stop_pid $pid
	[ $5 = sctp ] || slowwait listening "$to" "${5%-*}" $port
	ns_exec "$from" timeout $((WAIT_TIMEOUT * 2)) python3 -S "$senders" send "$4" "$address" $port "${@:6}" \
		>"$TMP/sent" 2>&1 || fail "sender: $(tail -n 3 "$TMP/sent")"
	wait $pid || fail "receiver: $(tail -n 3 "$TMP/received")"
	echo "$(<"$TMP/sent") $(<"$TMP/received")"
	wire_clean
}

# datagrams SIZE: how many it takes
datagrams() {
	echo $(((SENDERS_LENGTH + $1 - 5) / ($1 - 4)))
}

# tcp HOW FAMILY MTU: memory by reference: all of it comes back.
tcp() {
	begin $2 $3
	transfer "$HV1" "$HV2" "${INNER[${2}2]}" $1 tcp
	carried ">=$(count 20 5)" '>=1' "hv1:$SPI12:tx-gso>0"
}

# udp HOW FAMILY MTU SIZE PACKETS: datagrams, each in that many packets
udp() {
	begin $2 $3
	transfer "$HV1" "$HV2" "${INNER[${2}2]}" $1 udp $4
	carried $(($(datagrams $4) * $5))
}

# From a tenant: packets of many datagrams, into which hv1 puts them (fraglist,
# forwarding) or which leave the tenant that way (segmentation); to a tenant, or
# to a socket of hv2's that takes many at once
tenant_udp() {
	local f=$1 what=$2 to=$TENANT2 address=${TENANT[${1}2]} receiver=udp gso='>0' size=1200
	local udp=off list=off forwarding=off

	case $what in
	single) gso='==0' ;;
	segmentation) udp=on ;;
	fraglist) list=on ;;
	forwarding) forwarding=on ;;
	gro) udp=on to=$HV2 address=${INNER[${f}2]} receiver=udp-gro ;;
	esac
	run ns_exec "$TENANT1" ethtool -K eth0 tx-udp-segmentation $udp
	run ns_exec "$HV1" ethtool -K ten0 gro on rx-gro-list $list rx-udp-gro-forwarding $forwarding
	[ $what != gro ] || run ns_exec "$HV2" ethtool -K eth0 gro on
	begin $f 1500
	transfer "$TENANT1" "$to" "$address" udp-gso $receiver $size
	carried "$(datagrams $size)" 0 "hv1:$SPI12:tx-gso$gso"
	[ $what != gro ] || [ "$(value "$(<"$TMP/received")" calls)" -lt "$(datagrams $size)" ] ||
		fail "not one datagram came together with another"
}

# SCTP leaves its checksum, which is none of IP's, to the device, and puts packets
# together that are segmented by the list in them.
tenant_sctp() {
	local f=$1 gso='>0'

	modprobe -q sctp || skip "this kernel has no SCTP"
	[ $2 = on ] || gso='==0'
	run ns_exec "$TENANT1" ethtool -K eth0 tx-sctp-segmentation $2
	begin $f 1500
	transfer "$TENANT1" "$TENANT2" "${TENANT[${f}2]}" sctp sctp
	counters_wait_quiet
	carried ">=$(count 150 30)" '>=1' "hv1:$SPI12:tx-gso$gso"
}

backlog_grow
topo_wire 9000 || skip_all "no namespaces"
topo_tenants || skip_all "no namespaces"
# What fits
run ip -n "$TENANT1" link set eth0 mtu 1400
# Neighbours known: few packets can wait for one
for f in 4 6; do
	tunnel $f $f
	ping_ok "$TENANT1" 1 56 ${TENANT[${f}2]} >"$TMP/ping"
done
wire_start
ktap_plan 30 14
for f in 4 6; do
	[ $f = 4 ] && test=ktap_test || test=ktap_more
	ktap_test "IPv$f: MSG_ZEROCOPY over TCP" tcp tcp-zerocopy $f 1500
	$test "IPv$f: MSG_ZEROCOPY over TCP, jumbo frames" tcp tcp-zerocopy $f 9000
	$test "IPv$f: io_uring over TCP" tcp tcp-uring $f 1500
	$test "IPv$f: MSG_ZEROCOPY over UDP" udp udp-zerocopy $f 1500 1300 1
	$test "IPv$f: MSG_ZEROCOPY over UDP, jumbo frames" udp udp-zerocopy $f 9000 8500 1
	$test "IPv$f: io_uring over UDP" udp udp-uring $f 1500 1300 1
	$test "IPv$f: UDP of 60000 bytes" udp udp $f 1500 60000 ${PIECES[${f}_1500]}
	$test "IPv$f: UDP of 60000 bytes, jumbo frames" udp udp $f 9000 60000 ${PIECES[${f}_9000]}
	for what in single segmentation fraglist forwarding gro; do
		$test "IPv$f: UDP of a tenant: $what" tenant_udp $f $what
	done
	$test "IPv$f: SCTP of a tenant" tenant_sctp $f off
	$test "IPv$f: SCTP of a tenant: segmentation" tenant_sctp $f on
done
ktap_finish
