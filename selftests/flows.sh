#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Numbered packets both ways between HV1 and HV2 while something changes, all on
# the wire kept by a sniffer, and all that do not arrive accounted for. To be
# sourced after hard.sh.
# shellcheck disable=SC2034,SC2154	# for tests; of lib.sh and hard.sh

port=9000
rate=$(count 500 80)
# by way, 12 or 21
declare -A sender=() receiver=() attempts=() refused=() unique=()
# packets of way 12 before flows_start, with the first numbers
early=0
drops_before=() lost=0 dropped_in=0 dropped_out=0
# packets that the sniffer may miss, as its interface goes down
unseen=0

# flows_prepare: the receivers, for what is sent before flows_start as well
flows_prepare() {
	mkdir -p "$TMP/12" "$TMP/21"
	# neighbours known, no packet waits for them
	ping_ok "$HV1" 1 56 "${OUTER[42]}"
	printf '%s\n' "$SPI12 $KEY12" "$SPI21 $KEY21" >"$TMP/keys"
	TMP=$TMP/12 receiver_start "$HV2" $port 60000
	receiver[12]=$receiver_pid
	TMP=$TMP/21 receiver_start "$HV1" $port 60000
	receiver[21]=$receiver_pid
	drops_before=("$(drops In)" "$(drops Out)")
}

# flows_start
flows_start() {
	[ "${#receiver[@]}" -gt 0 ] || flows_prepare
	capture_start "$HV1" eth0 "$TMP/capture"
	flow "$HV1" 12 "${INNER[42]}"
	flow "$HV2" 21 "${INNER[41]}"
	pause 0.3
}

# flow NS WAY ADDRESS
flow() {
	TMP=$TMP/$2 sender_start "$1" -t 300 -r $rate -f $early -h 20 "$3" $port
	sender[$2]=$sender_pid
}

# drops In|Out: what both have dropped, by /proc/net/xfrm_stat
drops() {
	awk -v name="^Xfrm$1" '$1 ~ name { sum += $2 } END { print sum }' \
		"/proc/${hv_pid[hv1]}/net/xfrm_stat" "/proc/${hv_pid[hv2]}/net/xfrm_stat"
}

# flows_stop: to $attempts, $refused, $unique of each way, and in all to $lost,
# $dropped_in, $dropped_out
flows_stop() {
	local way

	pause 0.3
	for way in 12 21; do
		sender_pid=${sender[$way]}
		TMP=$TMP/$way sender_report stop
		attempts[$way]=$(value "$sent" attempts)
		refused[$way]=$(($(value "$sent" einval) + $(value "$sent" eperm) +
			$(value "$sent" eagain) + $(value "$sent" eother)))
		echo "$way: $sent $(<"$TMP/$way/sent.err")"
	done
	counters_wait_quiet
	for way in 12 21; do
		flow_received $way
	done
	attempts[12]=$((attempts[12] + early))
	lost=$((attempts[12] + attempts[21] - unique[12] - unique[21]))
	dropped_in=$(($(drops In) - drops_before[0]))
	dropped_out=$(($(drops Out) - drops_before[1]))
	echo "lost $lost, dropped in $dropped_in, out $dropped_out"
	capture_stop "$TMP/capture"
}

flow_received() {
	receiver_pid=${receiver[$1]}
	kill "$receiver_pid"
	TMP=$TMP/$1 receiver_report
	unique[$1]=$(value "$received" unique)
	echo "$1: $received"
	[ "${unique[$1]}" -gt 0 ] || fail "way $1: nothing was received"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "way $1: packets came twice"
}

# no_iv_twice [CAPTURE...]: besides that of flows_start
no_iv_twice() {
	local report

	report=$(python3 "$lib_dir/tools/ivs.py" "$TMP/keys" "$TMP/capture" "$@") ||
		fail "$report"
	echo "$report"
	[ "$(value "${report##*$'\n'}" packets)" -ge $((unique[12] + unique[21] - unseen)) ] ||
		fail "not all that was received was seen on the wire"
}

# nothing_lost: of flows_start's packets, all by the fast path
nothing_lost() {
	[ $lost -eq 0 ] || fail "$lost packets were lost"
	carried "${attempts[12]}" "${attempts[21]}"
	no_iv_twice
}

# all_named [CAPTURE...]: each lost packet was dropped by its sender or its receiver,
# and some counter of xfrm's says so
all_named() {
	[ $lost -gt 0 ] || fail "nothing was lost: the test did not do its work"
	[ $lost -eq $((dropped_in + dropped_out)) ] ||
		fail "of $lost lost packets $((dropped_in + dropped_out)) are accounted for"
	no_iv_twice "$@"
}

# fast_path: what there is now has sent, and not by xfrm's own paths
fast_path() {
	local hv

	for hv in "$HV1 $SPI12 tx" "$HV2 $SPI12 rx" "$HV2 $SPI21 tx" "$HV1 $SPI21 rx"; do
		# shellcheck disable=SC2086	# namespace, SPI, direction
		set -- $hv
		[ "$(vpe_stat $1 $2 "$3-packets")" -gt 0 ] || fail "$hv: nothing"
		[ "$(vpe_stat $1 $2 "$3-core")" -eq 0 ] || fail "$hv: not the fast path"
	done
}
