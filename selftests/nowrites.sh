#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A VPE SA is shared by all CPUs and written by none of them for a packet:
# hardware watchpoints on its lock and its reference counter see nothing while
# packets flow, in either direction. On a classic ESP SA they do, or this test
# would prove nothing. Cached routes only: an uncached one takes a reference.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
packets=2000

# watch_spi NS SPI
watch_spi() {
	run nsenter --net="/run/netns/$1" sh -c "echo $2 >$watch"
}

watch_clear() {
	echo clear >$watch
}

# flow ADDRESS: numbered packets from hv1 to hv2, and the watchpoints of both
# ends' SA 0x1001 while they do
flow() {
	local n=${2:-$packets}

	receiver_start "$HV2" $port 3000
	run ns_exec "$HV1" "$tools/numbered" send -n 8 -h 1 "$1" $port
	# the first packet sets up the flow; SAs look at their timers after a second
	sender_start "$HV1" -n $((n + 1)) -f 8 -h 100 -p "$(slowly 1500 6000)" "$1" $port
	pause "$(slowly 1.2 2)"
	defer watch_clear
	watch_spi "$HV1" $SPI12
	watch_spi "$HV2" $SPI12
	sender_report
	pause 0.3
	cat $watch
	writes=$(awk -F 'writes=' '{ sum += $2 } END { print sum + 0 }' $watch)
	work=$(awk -F 'work=' '{ sum += $2 } END { print sum + 0 }' $watch)
	[ "$(wc -l <$watch)" -eq 4 ] || fail "not four watchpoints"
	watch_clear
	echo "packets $n, writes for packets $writes, by work items $work"
	receiver_report
	[ "$(value "$received" unique)" -eq $((n + 9)) ] ||
		fail "not all packets arrived: $received"
}

# The end of a flow lets go of its route, which may be seen: once, not per packet.
no_writes() {
	[ "$writes" -le 2 ] || fail "$writes writes for $packets packets"
}

vpe_connected() {
	tunnel 4 "$1"
	counters_mark
	flow "${INNER[${1}2]}"
	carried $((packets + 9))
	no_writes
	# the fold, 20 times a second at each end
	[ "$work" -gt 0 ] || fail "the watchpoints do not even see the fold"
}

# What is steered holds its SA on its way, by no counter that CPUs share.
steered() {
	run ip -n "$HV2" xfrm vpe steer "0-$(($(nproc) - 1))"
	defer ip -n "$HV2" xfrm vpe steer off
	vpe_connected 4
	[ "$(vpe_stat "$HV2" $SPI12 rx-steered)" -gt 0 ] || fail "nothing was steered"
}

vpe_vxlan() {
	local ns n=1

	tunnel 4 4
	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" link add vx0 type vxlan id 7 dstport 4789 \
			local "${INNER[4$n]}" remote "${INNER[4$((3 - n))]}"
		defer ip -n "$ns" link del vx0
		run ip -n "$ns" addr add "172.16.0.$n/24" dev vx0
		run ip -n "$ns" link set vx0 mtu 1390 up
		n=$((n + 1))
	done
	ping_ok "$HV1" 2 56 172.16.0.2
	counters_mark
	flow 172.16.0.2
	# duplicate address detection and the like may pass, too
	counters_check "hv1:$SPI12:tx-packets>=$packets" "hv2:$SPI12:rx-packets>=$packets" \
		'hv?:*:[rt]x-packets>=0'
	no_writes
}

classic() {
	local ns

	xfrm_flush
	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" xfrm state add src "${OUTER[41]}" dst "${OUTER[42]}" \
			proto esp spi $SPI12 reqid 1 mode tunnel replay-window 32 \
			aead "$AEAD" "$(printf '0x%040x' 42)" 128
	done
	policies 4 4
	flow "${INNER[42]}" 300
	[ "$writes" -ge 300 ] ||
		fail "only $writes writes for 300 packets of classic ESP"
}

topo_wire || skip_all "no namespaces"
watch_load || skip_all "needs debugfs and vpe_watch.ko"
topo_hv_probe() {
	tunnel 4 4
	nsenter --net="/run/netns/$HV1" sh -c "echo $SPI12 >$watch" 2>"$TMP/probe" || return
	watch_clear
}
topo_hv_probe || skip_all "no hardware watchpoints: $(tail -n1 "$TMP/probe")"
ktap_plan 6 2
ktap_test "classic ESP: writes are seen" classic
ktap_test "VPE, connected IPv4 sockets: no writes" vpe_connected 4
ktap_more "VPE, connected IPv6 sockets: no writes" vpe_connected 6
ktap_more "VPE in UDP, connected IPv4 sockets: no writes" udp vpe_connected 4
ktap_test "VPE in UDP, steered: no writes" udp steered
ktap_test "VPE under VXLAN: no writes" vpe_vxlan
ktap_finish
