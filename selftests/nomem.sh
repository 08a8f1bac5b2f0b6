#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory runs out, at each place in turn: nothing is left behind, everything lost
# is counted, and it all goes on when there is memory again.
. "$(dirname "$0")/lib.sh"

failslab=/sys/kernel/debug/failslab

[ -d $failslab ] || mount -t debugfs none /sys/kernel/debug 2>/dev/null
[ -d $failslab ] || skip_all "needs fault injection (CONFIG_FAILSLAB)"

# faults NAME VALUE...: settings of fault injection
faults() {
	while [ $# -gt 0 ]; do
		echo "$2" >$failslab/$1 || fail "$1: $2"
		shift 2
	done
}

# faults_off: as it was
faults_off() {
	faults probability 0 times 1 require-start 0 require-end 0xffffffffffffffff
}

left() {
	[ -z "$(ip -n "$HV1" xfrm state)" ] && [ "$(vpe_total "$HV1" sas)" = 0 ] &&
		[ "$(vpe_total "$HV1" contexts)" = 0 ] &&
		[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ]
}

# Every allocation while an SA is added fails once.
adding() {
	local sentence

	defer faults ignore-gfp-wait Y verbose 2
	faults ignore-gfp-wait N verbose 0
	run ns_exec "$HV1" python3 "$lib_dir/tools/sa.py" --starve 10.0.0.1 10.0.0.2 \
		0x2000 "$(random_key 32)" >"$TMP/said"
	cat "$TMP/said"
	sentence="VPE: the cipher or memory for the SA is not to be had"
	[ "$(sed -n "s/ $sentence$//p" "$TMP/said")" -ge 3 ] ||
		fail "'$sentence' said less than 3 times"
	slowwait left
}

# traffic FAMILY: one allocation of five fails on the paths of the module. No more
# than 7 callers are looked at: what IP fails to allocate further down, to cut
# fragments, it does not count exactly.
traffic() {
	local start size sent short seen lost

	tunnel $1 $1
	ping_ok "$HV1" 2 56 ${INNER[${1}2]}
	counters_mark_quiet
	start=$(</sys/module/xfrm_vpe/sections/.text)
	defer faults_off
	faults verbose 0 stacktrace-depth 7 require-start $start \
		require-end "$(printf %#x $((start + $(</sys/module/xfrm_vpe/coresize))))" \
		times -1 probability 20
	for size in 56 1500 20000; do
		ns_exec "$HV1" ping -q -c 100 -i 0.01 -W 1 -s $size ${INNER[${1}2]} | grep transmitted
	done
	faults_off
	counters_wait_quiet
	counters_growth
	sent=${growth[hv1:$SPI12:tx-packets]} short=${growth[hv1:$SPI12:tx-nomem]-0}
	seen=${growth[hv2:$SPI12:rx-packets]} lost=${growth[hv2:$SPI12:rx-nomem]-0}
	echo "no memory to send: $short; sent: $sent, no memory to receive: $lost, received: $seen"
	[ "$short" -ge 20 ] || fail "no memory to send: less than 20 times"
	[ "$lost" -ge 20 ] || fail "no memory to receive: less than 20 times"
	[ "$sent" = $((seen + lost)) ] || fail "lost without a count"
	counters_mark
	ping_ok "$HV1" 5 56 ${INNER[${1}2]}
	carried 5 5
}

topo_wire || skip_all "no namespaces"
ktap_plan 3 1
ktap_test "an SA is added" adding
ktap_test "IPv4 traffic" traffic 4
ktap_more "IPv6 traffic" traffic 6
ktap_finish
