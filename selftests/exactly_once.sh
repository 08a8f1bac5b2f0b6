#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets are captured before they reach the receiver (topo_capture in hard.sh), and
# then all CPUs bring them at once, each several times and in an order of its own.
# Each must arrive once, and each other copy must be counted. Steering, where it is
# on, hands the copies to one CPU, or while it changes to another one.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

copies=4
port=9000

# windows_elsewhere: packets that windows took on another CPU than their first
windows_elsewhere() {
	ip -n "$HV2" -j -s xfrm vpe window show |
		jq '[.[] | select(.direction == "rx" and .elsewhere > 0)] |
		    "\(length) \(map(.elsewhere) | add)"' -r
}

once() {
	local outer=$1 inner=$2 n report shared unique full refused

	n=$(slowly "$(count 5000 2000)" 200)
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

	counters_growth
	# where one CPU gets all
	full=$(grown hv2:$SPI12:rx-queue)
	unique=$(value "$received" unique)
	refused=$((n * copies - unique - full))
	[ $unique -eq $n ] || [ $full -gt 0 ] || fail "not every packet arrived"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "packets arrived twice"
	counters_check "hv2:$SPI12:rx-packets==$unique" \
		"hv2:$SPI12:rx-@(replay|old|behind)==$refused" "hv2:-:XfrmInStateSeqError==$refused" \
		"hv2:$SPI12:rx-queue==$full" "hv2:-:XfrmInBufferError==$full"
	shared=$(windows_elsewhere)
	echo "windows with more than one CPU, packets elsewhere: $shared"
	${check_shared:-shared} "${shared% *}"
}

shared() {
	[ $1 -gt 0 ] || fail "no two CPUs met in a window"
}

alone() {
	[ $1 = 0 ] || fail "two CPUs met in a window"
	grown_steered || fail "no packet was steered"
}

changed() {
	local times

	times=$(wc -l <"$TMP/changed")
	echo "steering changed $times times"
	[ $times -gt 5 ] || fail "steering did not change"
	grown_steered || fail "no packet was steered"
}

grown_steered() {
	[ "$(vpe_stat "$HV2" $SPI12 rx-steered)" -gt 0 ]
}

# steered CPUS FAMILY: to these
steered() {
	local check_shared=alone

	run ip -n "$HV2" xfrm vpe steer $1
	defer ip -n "$HV2" xfrm vpe steer off
	once $2 $2
}

changes() {
	local last=$(($(nproc) - 1)) cpus

	while [ -e "$TMP/changes" ]; do
		for cpus in 0-$last 0 $last 0,$last off; do
			ip -n "$HV2" xfrm vpe steer $cpus
			echo >>"$TMP/changed"
		done
	done
}

# changing FAMILY: from one CPU to the next, and off
changing() {
	local check_shared=changed

	: >"$TMP/changes"
	: >"$TMP/changed"
	changes &
	defer wait $!
	defer rm "$TMP/changes"
	once $1 $1
}

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
backlog_grow
topo_capture || skip_all "no namespaces"
ktap_plan 6 4
ktap_test "IPv4: each packet arrives once" once 4 4
ktap_more "IPv6: each packet arrives once" once 6 6
ktap_more "IPv4: steered to all CPUs" steered "0-$(($(nproc) - 1))" 4
ktap_more "IPv6: steered to one" steered "$(($(nproc) - 1))" 6
ktap_test "IPv4: steering changes" changing 4
ktap_more "IPv6: ESP with entropy" label once 6 6
ktap_finish
