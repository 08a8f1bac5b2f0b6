#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SAs are updated while packets flow both ways: each attribute that xfrm lets
# change is in force at once, nothing is lost, and no IV repeats.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/flows.sh"

# update NS SPI ARG...: as in "ip xfrm state update"
update() {
	local ns=$1 spi=$2 line
	shift 2

	if [ $spi = $SPI12 ]; then
		line=$(sa_line 4 1 2 $spi "$KEY12" "$@")
	else
		line=$(sa_line 4 2 1 $spi "$KEY21" "$@")
	fi
	batch "$ns" <<<"${line/state add/state update}"
}

updates() {
	local ns

	for ns in "$HV1" "$HV2"; do
		update "$ns" $SPI12 "$@"
		update "$ns" $SPI21 "$@"
	done
}

states_are() {
	[ "$(ip -n "$1" xfrm state | grep -c '^src')" -eq "$2" ]
}

lifetimes() {
	local i

	tunnel 4 4
	counters_mark
	flows_start
	for ((i = 0; i < $(count 4 2); i++)); do
		updates limit packet-soft $((1000000 + i)) limit packet-hard $((2000000 + i))
	done
	flows_stop
	nothing_lost
	[ "$(ip -n "$HV2" -s xfrm state | grep -c "soft $((1000000 + i - 1))(packets), hard $((2000000 + i - 1))(packets)")" -eq 2 ] ||
		fail "not updated: $(ip -n "$HV2" -s xfrm state)"

	update "$HV1" $SPI12 limit packet-hard 10
	slowwait states_are "$HV1" 1
}

# Packets of HV1 with mark 7 or 8, sealed when sent, open when received
marks_count() {
	ns_exec "$HV1" nft -f - <<-END || skip "needs nft"
		table ip marks {
			chain out {
				type filter hook output priority 0
				ip protocol esp meta mark 7 counter
				ip protocol esp meta mark 8 counter
			}
			chain in {
				type filter hook input priority 0
				udp dport $port meta mark 7 counter
				udp dport $port meta mark 8 counter
			}
		}
	END
	defer ns_exec "$HV1" nft flush ruleset
}

# their numbers to $m7 and $m8
marks_read() {
	local pattern='packets ([0-9]+).*packets ([0-9]+).*packets ([0-9]+).*packets ([0-9]+)'

	[[ $(ns_exec "$HV1" nft list ruleset) =~ $pattern ]] || fail "nft"
	m7=${BASH_REMATCH[1]},${BASH_REMATCH[3]}
	m8=${BASH_REMATCH[2]},${BASH_REMATCH[4]}
	echo "mark 7: $m7, mark 8: $m8"
}

output_mark() {
	local before

	tunnel 4 4
	marks_count
	counters_mark
	flows_start
	updates output-mark 7
	pause 0.3
	marks_read
	[[ $m7 == [1-9]*,[1-9]* && $m8 = 0,0 ]] || fail "the first mark"
	updates output-mark 8
	pause 0.1
	marks_read
	before=$m7
	pause 0.3
	marks_read
	[[ $m7 = "$before" && $m8 == [1-9]*,[1-9]* ]] || fail "the second mark"
	flows_stop
	nothing_lost
}

# xfrm_interfaces NS: xf1 and xf2 there, with if_id 1 and 2, and policies of either
xfrm_interfaces() {
	local i side=1 peer=2

	[ "$1" = "$HV1" ] || side=2 peer=1
	for i in 1 2; do
		echo "link add xf$i type xfrm dev eth0 if_id $i"
		echo "link set xf$i addrgenmode none up"
		defer ip -n "$1" link del xf$i
		policy_lines $side $peer 4 4 | sed "s/$/ if_id $i/"
	done >"$TMP/interfaces"
	batch "$1" <"$TMP/interfaces"
}

# through hv1|hv2 INTERFACE: packets received or sent
through() {
	# shellcheck disable=SC2016	# awk's variables
	awk -v dev="$2:" '$1 == dev { print $3 + $11 }' "/proc/${hv_pid[$1]}/net/dev"
}

# Packets of one SA come in by the xfrm interface that it has at that moment.
if_id_in() {
	local i id old new

	tunnel 4 4
	xfrm_interfaces "$HV2"
	update "$HV2" $SPI12 if_id 1
	counters_mark
	flows_start
	for ((i = 0; i < $(count 4 2); i++)); do
		id=$((2 - i % 2))
		update "$HV2" $SPI12 if_id $id
		old=$(through hv2 xf$((3 - id)))
		new=$(through hv2 xf$id)
		pause 0.1
		[ "$(through hv2 xf$((3 - id)))" -eq "$old" ] || fail "still by the old interface"
		[ "$(through hv2 xf$id)" -gt "$new" ] || fail "not by the new interface"
	done
	flows_stop
	nothing_lost
}

# errors hv1|hv2 INTERFACE: packets it could not send
errors() {
	# shellcheck disable=SC2016	# awk's variables
	awk -v dev="$2:" '$1 == dev { print $12 }' "/proc/${hv_pid[$1]}/net/dev"
}

# The interface whose if_id the SA has sends; packets of the other are dropped. It
# counts all of them, and such of other senders; xfrm counts not those whose bundle
# has an SA that has just got another if_id.
if_id_out() {
	local i id

	tunnel 4 4
	xfrm_interfaces "$HV1"
	update "$HV1" $SPI12 if_id 1
	run ip -n "$HV1" xfrm policy delete src "${NET[41]}" dst "${NET[42]}" dir out
	run ip -n "$HV1" route replace "${NET[42]}" dev xf1 src "${INNER[41]}"
	defer ip -n "$HV1" route replace "${NET[42]}" via "${OUTER[42]}" src "${INNER[41]}"
	flows_start
	for ((i = 0; i < $(count 4 2); i++)); do
		id=$((2 - i % 2))
		update "$HV1" $SPI12 if_id $id
		run ip -n "$HV1" route replace "${NET[42]}" dev xf$id src "${INNER[41]}"
		pause 0.1
	done
	flows_stop
	[ $lost -ge $((dropped_in + dropped_out)) ] || fail "more drops than packets"
	[ $lost -le $((dropped_in + $(errors hv1 xf1) + $(errors hv1 xf2))) ] ||
		fail "lost without a count"
	no_iv_twice
	for i in 1 2; do
		[ "$(through hv1 xf$i)" -gt 0 ] || fail "nothing by xf$i"
	done
	fast_path
}

backlog_grow
topo_wire || skip_all "no namespaces"
ktap_plan 4
ktap_test "lifetimes" lifetimes
ktap_test "output-mark" output_mark
ktap_test "if_id, receiving" if_id_in
ktap_test "if_id, sending" if_id_out
ktap_finish
