#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Limits of an SA's life, in packets, bytes and time: each event once and in
# order, nothing after the hard one; and what xfrm shows of an SA's use.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000

# watch_start: what expires in both hypervisors
watch_start() {
	local hv

	for hv in HV1 HV2; do
		monitor_start "${!hv}" "$TMP/events.$hv" -s xfrm monitor expire
	done
}

# events HV SPI: "soft", "hard" of that SA, in order of their coming
events() {
	awk -v spi="$(printf '0x%08x' $2)" '
		/^Expired/ { ours = 0 }
		index($0, spi) { ours = 1 }
		ours && /^\thard [01]$/ { printf "%s%s", n++ ? " " : "", \
			$2 == 1 ? "hard" : "soft" }' "$TMP/events.$1"
}

events_are() {
	[ "$(events HV1 $SPI12), $(events HV2 $SPI12)" = "$1, $1" ]
}

# expect EVENTS: of the SA from hv1 to hv2, at both; no more come
expect() {
	if busywait $((WAIT_TIMEOUT * 1000)) events_are "$1"; then
		pause 0.2
		! events_are "$1" || return 0
	fi
	fail "expected '$1' at both, got '$(events HV1 $SPI12)' and '$(events HV2 $SPI12)'"
}

# begin OUTER LIMIT...: SAs, of which the one from hv1 to hv2 has limits
begin() {
	local outer=$1 lines

	shift
	watch_start
	new_keys
	lines=$flush_lines$'\n'$(sa_line $outer 1 2 $SPI12 "$KEY12" "${@/#/limit }"
		sa_line $outer 2 1 $SPI21 "$KEY21")
	batch "$HV1" <<<"$lines"$'\n'"$(policy_lines 1 2 $outer $outer)"
	batch "$HV2" <<<"$lines"$'\n'"$(policy_lines 2 1 $outer $outer)"
}

# total NS COUNTER: of all SAs, gone ones included
total() {
	ip -n "$1" -j -s xfrm vpe stats | jq "[.. | objects | .[\"$2\"]? // empty] | add"
}

# over OUTER: the SA is gone at both, and nothing comes after the event
over() {
	local n=0 before after

	before="$(total "$HV1" tx-packets) $(total "$HV2" rx-packets)"
	[ "$(ip -n "$HV1" -j xfrm vpe show | jq length)" = 1 ] || fail "the SA is still there"
	ns_exec "$HV1" ping -q -c 3 -i 0.05 -W 0.2 "${INNER[${1}2]}" && fail "ping was answered"
	after="$(total "$HV1" tx-packets) $(total "$HV2" rx-packets)"
	[ "$before" = "$after" ] || fail "packets after the hard event: $before, then $after"
}

# limit OUTER PACKETS SIZE LIMIT...: the soft limit is met by PACKETS pings of
# SIZE bytes, the hard one by twice as many
limit() {
	local outer=$1 n=$2 size=$3 to=${INNER[${1}2]}
	shift 3

	begin $outer "$@"
	counters_mark
	ping_ok "$HV1" $((n - 1)) $size $to
	carried $((n - 1)) $((n - 1))
	expect ''
	ping_ok "$HV1" 1 $size $to
	expect soft
	ping_ok "$HV1" $((n - 1)) $size $to
	carried $((2 * n - 1)) $((2 * n - 1))
	expect soft
	ping_ok "$HV1" 1 $size $to
	expect 'soft hard'
	over $outer
}

# Both limits are met between two looks at the counters.
at_once() {
	local rate sent_before extra

	sent_before=$(total "$HV1" tx-packets)
	begin 4 packet-soft\ 5 packet-hard\ 10
	sender_start "$HV1" -t 300 -r "$(count 1000 200)" "${INNER[42]}" $port
	expect 'soft hard'
	sender_report stop
	rate=$(value "$sent" rate)
	extra=$(($(total "$HV1" tx-packets) - sent_before - 10))
	echo "at $rate packets a second, $extra packets more than the limit"
	[ $extra -ge 0 ] || fail "the limit was not met"
	[ $extra -le $((rate / 10)) ] || fail "over 100 ms of traffic more than the limit"
	over 4
}

# Seconds since it was added
added() {
	begin 4 "time-soft $(slowly 1 3)" "time-hard $(slowly 5 10)"
	ping_ok "$HV1" 1 56 "${INNER[42]}"
	expect soft
	ping_ok "$HV1" 1 56 "${INNER[42]}"
	expect 'soft hard'
	over 4
}

# Seconds since the first packet. An SA nobody used does not age.
used() {
	begin 4 time-use-soft\ 1 time-use-hard\ 2
	pause 2.5
	expect ''
	ping_ok "$HV1" 1 56 "${INNER[42]}"
	expect 'soft hard'
	over 4
}

# state_has NS PATTERN: the SA from hv1 to hv2, as ip -s xfrm state prints it
state_has() {
	ip -n "$1" -s xfrm state get src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12 |
		tr -s '\n\t ' ' ' >"$TMP/state"
	grep -Eq "$2" "$TMP/state"
}

state_shows() {
	slowwait state_has "$@"
}

# What xfrm shows of an SA's use: lengths are those of inner packets.
shown() {
	local bytes=$((5 * (20 + 8 + 500))) today

	tunnel 4 4
	today=$(date +%Y-%m-%d)
	ping_ok "$HV1" 5 500 "${INNER[42]}"
	for ns in "$HV1" "$HV2"; do
		state_shows "$ns" "current: $bytes\(bytes\), 5\(packets\) add $today [0-9:]* use $today"
		state_shows "$ns" "stats: replay-window 0 replay 0 failed 0"
	done
	vpe_wire_start
	inject flipped 4 8
	inject replayed 4 3
	inject old 4 2
	state_shows "$HV2" "stats: replay-window 2 replay 3 failed 62"
}

# A daemon's work: at the soft event a new SA, then the old one goes.
replace() {
	local new=$((SPI12 + 0x1000 + $1)) old=$((SPI12 + 0xfff + $1)) ns

	[ $1 -gt 1 ] || old=$SPI12
	new_keys
	for ns in "$HV2" "$HV1"; do
		sa_line 4 1 2 $new "$KEY12" "limit packet-soft $soft" "limit packet-hard $((soft * 100))" |
			batch "$ns"
	done
	pause 0.1
	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $old
		pause 0.1
	done
}

expired_softly() {
	[ "$(events HV1 "$1")" = soft ]
}

rekeyed() {
	local soft i spi=$SPI12

	soft=$(count 300 50)
	begin 4 "packet-soft $soft" "packet-hard $((soft * 100))"
	receiver_start "$HV2" $port 3000
	sender_start "$HV1" -t 300 -r "$(count 1000 150)" "${INNER[42]}" $port
	for i in 1 2 3; do
		slowwait expired_softly $spi
		replace $i
		spi=$((SPI12 + 0x1000 + i))
	done
	sender_report stop
	receiver_report
	echo "$sent; $received"
	all_received 3
	! grep -q 'hard 1' "$TMP"/events.HV? || fail "something expired hard"
	[ "$(vpe_stat "$HV1" $spi tx-core)" -eq 0 ] || fail "not the fast path"
}

backlog_grow
topo_wire || skip_all "no namespaces"
ktap_plan 8
ktap_test "IPv4: packets" limit 4 4 56 packet-soft\ 4 packet-hard\ 8
ktap_test "IPv6: packets" limit 6 4 56 packet-soft\ 4 packet-hard\ 8
ktap_test "bytes" limit 4 3 972 byte-soft\ 3000 byte-hard\ 6000
ktap_test "both limits at once" at_once
ktap_test "seconds since it was added" added
ktap_test "seconds since the first packet" used
ktap_test "use, as xfrm shows it" shown
ktap_test "replaced when it expires softly: nothing is lost" rekeyed
ktap_finish
