#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets are captured before they reach the receiver, and then all CPUs bring
# them at once, each several times and in an order of its own:
#
#	 hv1                    wire                   hv2
#	+------+            +------------+            +------+
#	| eth0 |------------| to1    to2 |------------| eth0 |
#	+------+            +------------+            +------+
#	 sends             captures, injects          receives
#
# Each must arrive once, and each other copy must be counted.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

copies=4
port=9000

topo_capture() {
	local f

	setup_ns HV1 WIRE HV2 || return
	run ip link add eth0 netns "$HV1" type veth peer name to1 netns "$WIRE"
	run ip link add eth0 netns "$HV2" type veth peer name to2 netns "$WIRE"
	ns_exec "$WIRE" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	batch "$WIRE" <<-END
		link set to1 up
		link set to2 up
	END
	topo_hv "$HV1" 1 2
	topo_hv "$HV2" 2 1
	for f in 4 6; do
		run ip -n "$HV1" neigh replace "${OUTER[${f}2]}" dev eth0 \
			lladdr "$(mac "$HV2" eth0)" nud permanent
	done
}

mac() {
	ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'
}

# capture N FAMILY: N packets of hv1, in $TMP/capture, from one window after the
# other
capture() {
	capture_start "$WIRE" to1 "$TMP/capture" "$1"
	run ns_exec "$HV1" "$tools/numbered" send -n "$1" -h 10 "${INNER[${2}2]}" $port
	slowwait gone $capture_pid
}

# windows_elsewhere: packets that windows took on another CPU than their first
windows_elsewhere() {
	ip -n "$HV2" -j -s xfrm vpe window show |
		jq '[.[] | select(.direction == "rx" and .elsewhere > 0)] |
		    "\(length) \(map(.elsewhere) | add)"' -r
}

once() {
	local outer=$1 inner=$2 n report shared

	n=$(count 5000 200)
	tunnel "$outer" "$inner"
	capture "$n" "$inner"
	counters_mark
	receiver_start "$HV2" $port 2000
	report=$(ns_exec "$WIRE" "$tools/inject" to2 $copies "$TMP/capture") ||
		fail "inject: $report"
	echo "$report"
	[ "$report" = "frames=$n injected=$((n * copies))" ] || fail "not all injected"
	receiver_report
	echo "$received"

	[ "$(value "$received" unique)" -eq "$n" ] || fail "not every packet arrived"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "packets arrived twice"
	counters_check "hv2:$SPI12:rx-packets==$n" \
		"hv2:$SPI12:rx-@(replay|old|behind)==$((n * copies - n))" \
		"hv2:-:XfrmInStateSeqError==$((n * copies - n))"
	shared=$(windows_elsewhere)
	echo "windows with more than one CPU, packets elsewhere: $shared"
	[ "${shared% *}" -gt 0 ] || fail "no two CPUs met in a window"
}

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
backlog_grow
topo_capture || skip_all "no namespaces"
ktap_plan 3
ktap_test "IPv4: each packet arrives once" once 4 4
ktap_test "IPv6: each packet arrives once" once 6 6
ktap_test "IPv6: ESP with entropy" label once 6 6
ktap_finish
