#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Classic ESP does not notice the module: esp4_offload and esp6_offload work, and
# not a packet is lost and no SA refused while it is loaded and unloaded.
#
# VPE_LOADS: how often it is; default 10 (IPv6: 3), on a slow machine 3.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000

unload() {
	! module_loaded || rmmod xfrm_vpe 2>/dev/null
}

# esp_add NS FAMILY FROM TO SPI [REQID]
esp_add() {
	ip -n "$1" xfrm state add src "${OUTER[$2$3]}" dst "${OUTER[$2$4]}" \
		proto esp spi "$5" reqid "${6-1}" mode tunnel flag esn replay-window 1024 \
		aead "$AEAD" "0x$(printf '%040x' "$5")" 128
}

# esp FAMILY: classic SAs and policies in both hypervisors
esp() {
	local ns

	for ns in "$HV1" "$HV2"; do
		run esp_add "$ns" "$1" 1 2 $SPI12
		run esp_add "$ns" "$1" 2 1 $SPI21
	done
	policies "$1" "$1"
}

# esp_runs FAMILY: traffic of all sorts by classic ESP, nothing lost
esp_runs() {
	local f=$1

	xfrm_flush
	esp "$f"
	counters_mark
	ping_ok "$HV1" 3 1000 "${INNER[${f}2]}"
	ping_ok "$HV1" 1 20000 "${INNER[${f}2]}"
	receiver_start "$HV2" $port 700
	run ns_exec "$HV1" "$tools/numbered" send -n 200 -r 2000 "${INNER[${f}2]}" $port
	receiver_report
	[ "$(value "$received" unique)" -eq 200 ] || fail "UDP: $received"
	iperf_server "$HV2"
	iperf "$HV1" "${INNER[${f}2]}" -n "$(count 1M 128K)" --bidir
	counters_check 'hv?:0x*:*>=0'
	# A connection that has not closed yet would hold its SA for minutes.
	slowwait closed hv1
	slowwait closed hv2
	xfrm_flush
}

# closed HV: no connection there is being closed
closed() {
	# shellcheck disable=SC2016	# awk's variables
	awk '$4 ~ /^(04|05|08|09|0B)$/ { exit 1 }' "/proc/${hv_pid[$1]}/net/tcp" \
		"/proc/${hv_pid[$1]}/net/tcp6"
}

# offload before|after: esp4_offload and esp6_offload are loaded before or after us
offload() {
	local m

	xfrm_flush
	slowwait unload
	for m in esp4_offload esp6_offload; do
		modprobe -nq $m || skip "this kernel has no $m"
		if grep -q "^$m " /proc/modules; then slowwait rmmod $m; fi
	done
	[ "$1" = after ] || run modprobe -a esp4_offload esp6_offload
	run module_load
	[ "$1" = before ] || run modprobe -a esp4_offload esp6_offload
	esp_runs 4
	esp_runs 6
	# and ours beside them
	tunnel 4 4
	counters_mark
	ping_ok "$HV1" 3 1000 "${INNER[42]}"
	iperf_server "$HV2" 5202
	iperf "$HV1" "${INNER[42]}" -p 5202 -n "$(count 1M 128K)"
	carried '>3' '>3' 'hv?:*:tx-gso>=0'
	xfrm_flush
	slowwait unload
	for m in esp4_offload esp6_offload; do
		slowwait rmmod $m
	done
	esp_runs 4
	run module_load
}

# SAs that no policy wants come and go in hv1, until $TMP/stop is there
churn() {
	local n=0

	while [ ! -e "$TMP/stop" ]; do
		if ! churn_once; then
			echo "failed in round $n"
			return 1
		fi
		n=$((n + 1))
	done
	echo "$n rounds"
}

churn_once() {
	local f

	for f in 4 6; do
		esp_add "$HV1" $f 1 2 0x9001 9 || return
		ip -n "$HV1" xfrm state delete src "${OUTER[${f}1]}" \
			dst "${OUTER[${f}2]}" proto esp spi 0x9001 || return
	done
}

# loads FAMILY NUMBER: load and unload under load
loads() {
	local i loads churner

	loads=${VPE_LOADS:-$(count "$2" 3)}
	xfrm_flush
	slowwait unload
	esp "$1"
	receiver_start "$HV2" $port 3000
	sender_start "$HV1" -t 600 -r 250 "${INNER[${1}2]}" $port
	rm -f "$TMP/stop"
	churn >"$TMP/churn" 2>&1 &
	churner=$!
	defer touch "$TMP/stop"
	for ((i = 0; i < loads; i++)); do
		run module_load
		pause 0.1
		slowwait unload
	done
	touch "$TMP/stop"
	wait $churner || fail "SAs: $(<"$TMP/churn")"
	sender_report stop
	receiver_report
	echo "$loads loads; $sent; $received; SAs added and deleted: $(<"$TMP/churn")"
	[ "$(value "$sent" attempts)" -ge $((loads * 20)) ] || fail "hardly anything was sent"
	[ "$(value "$sent" attempts)" -eq "$(value "$received" unique)" ] || fail "packets were lost"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "packets came twice"
	xfrm_flush
	run module_load
}

references() {
	local m
	for m in esp4 esp6 xfrm_user; do
		[ ! -e /sys/module/$m/refcnt ] || echo "$m $(<"/sys/module/$m/refcnt")"
	done
}

# Nothing of the module stays behind
left_behind() {
	local before

	xfrm_flush
	slowwait unload
	before=$(references)
	run module_load
	tunnel 4 4
	ping_ok "$HV1" 1 56 "${INNER[42]}"
	rmmod xfrm_vpe 2>"$TMP/rmmod" && fail "unloaded with SAs in use"
	grep -q 'in use' "$TMP/rmmod" || fail "rmmod: $(<"$TMP/rmmod")"
	xfrm_flush
	slowwait unload
	[ "$(references)" = "$before" ] || fail "references: before $before, after $(references)"
	grep -q '\[xfrm_vpe\]' /proc/kallsyms && fail "symbols are left"
	# esp4 and esp6 complain if somebody else is in their place
	slowwait esp_reload
	esp_runs 4
	esp_runs 6
	run module_load
}

esp_reload() {
	local m
	# xfrm loads the first two for whoever asks for offload
	for m in esp4_offload esp6_offload esp4 esp6; do
		if grep -q "^$m " /proc/modules; then rmmod $m 2>/dev/null || return; fi
	done
	modprobe -a esp4 esp6
}

backlog_grow
topo_wire || skip_all "no namespaces"
ktap_plan 5 2
ktap_test "unloading leaves nothing behind" left_behind
ktap_test "esp4_offload, esp6_offload loaded before" offload before
ktap_more "esp4_offload, esp6_offload loaded after" offload after
ktap_test "IPv4: loads and unloads under load" loads 4 10
ktap_more "IPv6: loads and unloads under load" loads 6 3
ktap_finish
