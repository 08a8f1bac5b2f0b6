#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What SAs stand on goes and comes back while packets flow both ways: the wire, a
# CPU, the SA itself, the module. All that is lost has a name, nothing goes in the
# clear, and no IV repeats.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/flows.sh"

# rx_more THAN: have that many more packets come to HV2 than $rx?
rx_more() {
	[ $(($(vpe_stat "$HV2" $SPI12 rx-packets) - rx)) -gt "$1" ]
}

# core_drops: what IP (but for missing routes) and the devices count, of both hypervisors
core_drops() {
	local ns

	for ns in "$HV1" "$HV2"; do ns_exec "$ns" cat /proc/net/snmp /proc/net/dev; done |
		awk '/^Ip: [0-9]/ { n += $5 + $6 + $9 + $12 }
			$1 == "eth0:" { n += $5 }
			END { print n }'
}

# What was sealed waits for its neighbour or is lost on the wire, as with ESP. What was
# just opened when its device went down is dropped, and counted, by the core.
wire_down() {
	local rx on_wire unseen=20 named core

	tunnel 4 4
	counters_mark
	core=$(core_drops)
	flows_start
	run ip -n "$HV1" link set eth0 down
	pause 0.3
	batch "$HV1" <<-END
		link set eth0 up
		route add ${NET[42]} via ${OUTER[42]} src ${INNER[41]}
	END
	rx=$(vpe_stat "$HV2" $SPI12 rx-packets)
	slowwait rx_more 20
	flows_stop
	counters_growth
	on_wire=$(grown 'hv?:*:tx-packets')
	on_wire=$((on_wire - $(grown 'hv?:*:rx-packets')))
	core=$(($(core_drops) - core))
	echo "lost on the wire: $on_wire; counted by the core: $core"
	[ "${refused[12]}" -gt 0 ] || fail "no packet was refused"
	named=$((refused[12] + refused[21] + dropped_in + on_wire))
	((lost >= named && lost <= named + core)) || fail "lost packets are not accounted for"
	fast_path
	no_iv_twice
}

# window_sent WINDOW: packets that hv1 sent in it
window_sent() {
	ip -n "$HV1" -j xfrm vpe window show spi $SPI12 | jq "[.[] |
		select(.direction == \"tx\" and .\"window-id\" == $1) | .packets] | add // 0"
}

# sends_more WINDOW THAN
sends_more() {
	[ "$(window_sent $1)" -gt "$2" ]
}

cpu_goes() {
	local cpu1=/sys/devices/system/cpu/cpu1/online sent0 sent1

	[ -e $cpu1 ] || skip "no CPU that can be taken away"
	tunnel 4 4
	counters_mark
	flows_start
	slowwait sends_more 1 0
	echo 0 >$cpu1 || skip "CPU 1 cannot be taken away"
	defer sh -c "echo 1 >$cpu1"
	sent0=$(window_sent 0)
	sent1=$(window_sent 1)
	slowwait sends_more 0 $((sent0 + 20))
	[ "$(window_sent 1)" -eq "$sent1" ] || fail "its window goes on without CPU 1"
	echo 1 >$cpu1
	slowwait sends_more 1 "$sent1"
	flows_stop
	nothing_lost
}

# Connected sockets keep their bundles.
deleted() {
	local i

	tunnel 4 4
	flows_prepare
	wire_start
	wire_watch
	flows_start
	for ((i = 0; i < $(count 2 1); i++)); do
		run ip -n "$HV1" xfrm state delete src "${OUTER[41]}" dst "${OUTER[42]}" \
			proto esp spi $SPI12
		pause 0.1
		run sa_add "$HV1" 4 1 2 $SPI12 "$KEY12" flag af-unspec
		pause 0.1
	done
	rx=$(vpe_stat "$HV2" $SPI12 rx-packets)
	slowwait rx_more 20
	flows_stop
	all_named
	[ $dropped_in -eq 0 ] || fail "lost by the receiver"
	fast_path
	wire_clean
}

unload() {
	rmmod xfrm_vpe 2>/dev/null
}

# All SAs go, and come back with their keys.
reloaded() {
	local ns lines

	tunnel 4 4
	flows_prepare
	wire_start
	wire_watch
	flows_start
	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" xfrm state flush
	done
	slowwait unload
	run module_load
	lines=$(sa_lines 4)
	for ns in "$HV1" "$HV2"; do
		batch "$ns" <<<"$lines"
	done
	rx=0
	slowwait rx_more 20
	# What came before the SAs were valid xfrm may have taken.
	counters_mark
	slowwait rx_more 40
	flows_stop
	counters_growth
	[ "$(grown 'hv?:*:?x-core')" -eq 0 ] || fail "not the fast path"
	all_named
	wire_clean
}

backlog_grow
free_at_once
topo_wire || skip_all "no namespaces"
ktap_plan 4
ktap_test "wire down and up" wire_down
ktap_test "CPU offline and online" cpu_goes
ktap_test "SA deleted below a connected socket" deleted
ktap_test "module reloaded, same keys" reloaded
ktap_finish
