#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Traffic flow confidentiality (RFC 4303, section 2.7): packets that are padded to one
# size, of VPE and of ESP with entropy, as far as the path takes them.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/modes.sh"

# frames_start: from here on, time and length of what HV1 sends to HV2 go to
# $TMP/frames
frames_start() {
	dump_start "$HV1" eth0 "$TMP/frames" -l -e -tt -q \
		"outbound and (ip proto 50 or ip6 proto 50 or udp dst port 4500)"
}

# sizes: lengths of the frames so far, without Ethernet's header, how often each
sizes() {
	sed -n 's/.*, length \([0-9]*\): .*/\1/p' "$TMP/frames" | sort -n | uniq -c |
		awk '{ printf "%s%d:%d", n++ ? " " : "", $2 - 14, $1 }'
}

# sizes_are PATTERN
sizes_are() {
	# shellcheck disable=SC2053	# a pattern
	[[ $(sizes) == $1 ]]
}

# sent FAMILY SIZE: zeros behind the inner packet, up to that size
sent() {
	run ns_exec "$HV1" ethtool -K eth0 tx off	# the device's checksums
	defer ns_exec "$HV1" ethtool -K eth0 tx on
	begin $1 tfcpad $2
	vpe_wire sent $1 "$(wire_key)" ${OUTER[${1}1]} ${OUTER[${1}2]} $SPI12 pad=$2
	counters_check "hv?:*:?x-packets>0" "hv?:*:windows>=0"
}

# one_size FAMILY TFCPAD OUTER: the wire sees one size of what is smaller. Counters
# have what was in it.
one_size() {
	local f=$1 outer=$3 to size bytes=0 header

	begin $f tfcpad $2
	to=$(target $f)
	header=$([[ $to == *:* ]] && echo 48 || echo 28)
	frames_start
	for size in 0 1 56 300; do
		ping_ok "$HV1" 2 $size "$to"
		bytes=$((bytes + 2 * (size + header)))
	done
	carried 8 8 "hv?:*:?x-bytes==$((4 * bytes))"
	# tcpdump may keep the last one for a while
	busywait $((WAIT_TIMEOUT * 100)) sizes_are "$outer:[78]" || fail "sizes: $(sizes), not $outer:8"
}

# to_the_mtu FAMILY: not beyond what the path takes; large packets of TCP, whose pages
# are a file's
to_the_mtu() {
	local f=$1 to

	begin $f tfcpad 9000
	to=$(target $f)
	frames_start
	ping_ok "$HV1" 2 0 "$to"
	iperf_server "$HV2"
	iperf "$HV1" "$to" -n "$(count 3M 300K)" -Z
	carried '>=50' '>=20' "hv?:*:tx-gso>0" "hv?:*:tx-size>=0" "hv?:-:XfrmOutStateModeError>=0"
	[[ $(sizes) =~ ^1500:[0-9]+$ ]] || fail "sizes: $(sizes)"
}

# The stock receiver finds the inner packet before the padding.
stock_peer() {
	local f=$1 lines

	begin $f tfcpad 700
	lines=$(SA_ARGS=(); sa_lines $f)
	batch "$HV2" <<<"xfrm state flush"
	batch "$HV2" <<<"$lines"
	counters_mark
	ping_ok "$HV1" 5 56 "$(target $f)"
	counters_check hv1:$SPI12:tx-packets==5 hv1:$SPI21:rx-packets==5
}

# shown and refused
words() {
	begin 4 tfcpad 700
	[[ $(ip -n "$HV1" xfrm state list spi $SPI12) == *"tfcpad 700"* ]] || fail "not shown"
	begin 4
	[[ $(ip -n "$HV1" xfrm state list spi $SPI12) != *tfcpad* ]] || fail "shown"
	# late kernels have a sentence of their own
	must_fail "65535 bytes at most\|Excessive TFC padding" \
		sa_add "$HV1" 4 1 2 0x2001 "$(random_key 16)" tfcpad 65536
	must_fail "tunnel mode" run ip -n "$HV1" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} \
		proto vpe spi 0x2001 mode transport aead "$AEAD" "$(random_key 16)" 128 tfcpad 100
	[ "$(ip -n "$HV1" xfrm state list spi 0x2001)" = '' ] || fail "an SA is left"
}

##############################################################################
# Clocks

# clock {RATE SIZE | off}: of the SA from hv1 to hv2
clock() {
	run ip -n "$HV1" xfrm vpe clock dst $clock_dst spi $SPI12 "$@"
}

# lanes NUMBER COMMAND...: SAs in UDP have so many
lanes() {
	local ns n=$1
	shift

	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" xfrm vpe set lanes $n
		defer ip -n "$ns" xfrm vpe set lanes 1024
	done
	"$@"
}

# begin_clocked FAMILY RATE SIZE
begin_clocked() {
	begin $1
	clock_dst=${OUTER[${1}2]}
	clock $2 $3
}

# frames_of SECONDS NAME: what passes meanwhile, to $TMP/frames.NAME
frames_of() {
	: >"$TMP/frames"
	pause "$1"
	cp "$TMP/frames" "$TMP/frames.$2"
}

# gaps FILE: how many frames, their sizes, and the median and the 90th percentile of
# the time between two ticks, in ms
gaps() {
	awk '{
		match($0, /, length [0-9]+/)
		size = substr($0, RSTART + 9, RLENGTH - 9) - 14
		if (!(size in seen))
			sizes = sizes (sizes ? "," : "") size
		seen[size] = 1
		if (last && $1 - last > 0.002)
			print ($1 - last) * 1000
		last = $1
		n++
	}
	END { print "frames", n + 0, sizes }' "$1" | sort -n | awk '
		/^frames/ { frames = $2; sizes = $3; next }
		{ gap[++n] = $1 }
		END { printf "%d %s %.1f %.1f\n", frames, sizes, gap[int((n + 1) / 2)], gap[int(n * 0.9)] }'
}

# observed FAMILY RATE SECONDS: an idle SA and a busy one look the same. What other
# work takes from this machine differs from time to time: a difference shows each time.
observed() {
	begin_clocked $1 $2 1000
	frames_start
	look_the_same "$@" || look_the_same "$@" || look_the_same "$@" || fail "idle and busy differ"
}

look_the_same() {
	local f=$1 rate=$2 seconds=$3 idle busy pid

	pause 0.5
	counters_mark
	frames_of $seconds idle
	counters_growth
	[ "$(grown hv1:$SPI12:tx-packets)" = 0 ] || fail "not idle"
	[ "$(grown hv1:$SPI12:tx-fill)" -gt $((rate * seconds / 2)) ] || fail "no fill packets"
	nsenter --net="/run/netns/$HV1" ping -q -i 0.02 -s 300 "$(target $f)" >"$TMP/ping" &
	pid=$!
	defer stop_pid $pid
	pause 0.5
	counters_mark
	frames_of $seconds busy
	counters_growth
	stop_pid $pid
	[ "$(grown hv1:$SPI12:tx-packets)" -gt $((seconds * 5)) ] || fail "not busy"
	idle=$(gaps "$TMP/frames.idle") busy=$(gaps "$TMP/frames.busy")
	echo "frames, sizes, median and 90 % of gaps in ms: idle $idle, busy $busy"
	awk -v idle="$idle" -v busy="$busy" -v jitter="$(slowly 0.2 0.5)" 'BEGIN {
		split(idle, i); split(busy, b)
		if (i[2] != b[2] || i[2] ~ /,/ || i[1] == 0)
			exit 1
		for (n = 1; n <= 4; n++)
			if (n != 2 && (b[n] < i[n] * (1 - jitter) || b[n] > i[n] * (1 + jitter)))
				exit 1
	}'
}

# clocked FAMILY: all that is sent arrives, and nothing stays behind when the clock
# changes or stops
clocked() {
	local f=$1 inner=$((10 - $1)) to fill

	begin_clocked $f 200 1400
	to=$(target $f)
	wire_watch
	ping_ok "$HV1" 5 56 "$to"
	ping_ok "$HV1" 2 4000 "$to" -M dont
	iperf_server "$HV2"
	# local TCP is to know
	batch "$HV1" <<<"route change ${NET[${inner}2]} via ${OUTER[${inner}2]} src ${INNER[${inner}1]} mtu 1300"
	defer ip -n "$HV1" route change ${NET[${inner}2]} via ${OUTER[${inner}2]} src ${INNER[${inner}1]}
	iperf "$HV1" "$to" -n "$(count 300K 100K)"
	clock 100 1300
	[[ $(ip -n "$HV1" xfrm vpe show spi $SPI12) == *"clock 100 1300"* ]] || fail "not shown"
	ping_ok "$HV1" 5 56 "$to"
	clock off
	[[ $(ip -n "$HV1" xfrm vpe show spi $SPI12) != *clock* ]] || fail "shown"
	counters_wait_quiet
	counters_growth
	fill=$(grown hv1:$SPI12:tx-fill)
	[ "$fill" -gt 10 ] || fail "$fill fill packets"
	carried '>=50' '>=20' hv1:$SPI12:tx-fill==$fill hv2:$SPI12:rx-fill==$fill "hv?:*:tx-gso>=0" \
		"hv?:*:tx-@(queue|size)>=0" "hv?:-:XfrmOut*Error>=0"
	wire_clean
}

# More than there is room for is counted; what waits does not keep the SA.
overrun() {
	local full waits

	begin_clocked 4 1 1000
	counters_mark
	run ns_exec "$HV1" "$tools/numbered" send -n 400 -r 2000 "$(target 4)" 9000
	counters_growth
	full=$(grown hv1:$SPI12:tx-queue)
	waits=$((400 - full - $(grown hv1:$SPI12:tx-packets)))
	echo "$full found no room, $waits wait"
	[ "$full" -gt 100 ] || fail "more wait than there is room for"
	[ "$waits" -ge 50 ] || fail "not 64 wait for each CPU's tick"
	[ "$(grown hv1:-:XfrmOutError)" = "$full" ] || fail "not counted by xfrm"
	xfrm_flush
	slowwait unreferenced
}

unreferenced() {
	[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ]
}

# A CPU goes and comes: its lanes stop, and go on.
hotplug() {
	local cpu=/sys/devices/system/cpu/cpu1/online

	[ -w $cpu ] || skip "no CPU to take away"
	defer sh -c "echo 1 >$cpu"
	begin_clocked 4 50 500
	lanes_tick 2
	echo 0 >$cpu
	lanes_tick 1
	echo 1 >$cpu
	lanes_tick 2
	ping_ok "$HV1" 3 56 "$(target 4)"
	clock off
	lanes_tick 0
}

# lanes_tick NUMBER: so many send
lanes_tick() {
	local before after

	before=$(ip -n "$HV1" xfrm vpe window show tx spi $SPI12 | awk 'NR > 1 { print $3, $5 }')
	pause 1
	after=$(ip -n "$HV1" xfrm vpe window show tx spi $SPI12 | awk 'NR > 1 { print $3, $5 }')
	[ "$(comm -13 <(sort <<<"$before") <(sort <<<"$after") | wc -l)" = "$1" ] ||
		fail "not $1 windows send: $before, then $after"
}

# While clocks run
namespaces_go() {
	begin_clocked 6 200 1000
	ping_ok "$HV1" 3 56 "$(target 6)"
	cleanup_all_ns
	slowwait unreferenced
}

clock_refused() {
	local clock=(ip -n "$HV1" xfrm vpe clock dst ${OUTER[42]} spi $SPI12)

	begin 4
	must_fail "too many packets a second" "${clock[@]}" 1000001 1000
	must_fail "no packet can have that size" "${clock[@]}" 100 63
	must_fail "no packet can have that size" "${clock[@]}" 100 65500
	must_fail "the path does not take packets of that size" "${clock[@]}" 100 1449
	must_fail "there is no such SA" ip -n "$HV1" xfrm vpe clock dst ${OUTER[42]} spi 0x9999 100 1000
	run "${clock[@]}" off
	SA_MODE=transport begin 4
	must_fail "a clock is for VPE in tunnel mode" "${clock[@]}" 100 1000
	[[ $(ip -n "$HV1" xfrm vpe show) != *clock* ]] || fail "there is a clock"
}

topo_modes
vpe_wire_start
wire_start
ktap_plan 19 7
ktap_test "IPv4: zeros behind the inner packet" sent 4 700
ktap_more "IPv6: zeros behind the inner packet" sent 6 1300
ktap_test "layout ares in UDP: zeros behind the inner packet" ares udp sent 4 300
ktap_test "IPv4: one size" one_size 4 500 552
ktap_more "IPv6 in UDP: one size" udp one_size 6 500 580
ktap_test "ESP with entropy: one size" label one_size 6 500 576
ktap_test "IPv4: no larger than the path takes" to_the_mtu 4
ktap_more "IPv6: no larger than the path takes" to_the_mtu 6
ktap_more "ESP with entropy: no larger than the path takes" label to_the_mtu 6
ktap_test "ESP with entropy: a stock peer" label stock_peer 6
ktap_test "words" words
ktap_test "IPv4, clocked: what an observer sees" observed 4 50 "$(count 8 4)"
ktap_more "IPv6 in UDP, clocked: what an observer sees" lanes 2 udp observed 6 50 8
ktap_test "IPv4, clocked: traffic" clocked 4
ktap_more "IPv6, layout ares in UDP, clocked: traffic" lanes 4 ares udp clocked 6
ktap_test "clocked: more than there is room for" overrun
ktap_test "clocked: CPU hotplug" hotplug
ktap_test "clock refused" clock_refused
ktap_more "clocked: namespaces go" namespaces_go
ktap_finish
