#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SAs are updated, and what is below and around them comes and goes, while
# packets flow both ways: updates lose nothing and are in force at once; what
# else is lost has a name; and no IV repeats.
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
# counts all of them, those as well whose bundle has an SA that has just got another
# if_id: xfrm knows nothing of these.
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
	dropped_out=$(($(errors hv1 xf1) + $(errors hv1 xf2)))
	all_named
	for i in 1 2; do
		[ "$(through hv1 xf$i)" -gt 0 ] || fail "nothing by xf$i"
	done
	fast_path
}

# rx_more THAN: have that many more packets come to HV2 than $rx?
rx_more() {
	[ $(($(vpe_stat "$HV2" $SPI12 rx-packets) - rx)) -gt "$1" ]
}

# What was sealed and went into a wire that is down is lost there, as with ESP.
wire_down() {
	local rx on_wire

	tunnel 4 4
	counters_mark
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
	echo "lost on the wire: $on_wire"
	[ "${refused[12]}" -gt 0 ] || fail "no packet was refused"
	[ $on_wire -gt 0 ] || fail "no packet was lost on the wire"
	[ $lost -eq $((refused[12] + refused[21] + dropped_in + on_wire)) ] ||
		fail "lost packets are not accounted for"
	fast_path
	no_iv_twice
}

# window_sent WINDOW: packets that hv1 sent in it
window_sent() {
	ip -n "$HV1" -j xfrm vpe window show spi $SPI12 | jq "[.[] |
		select(.direction == \"tx\" and .\"window-id\" == $1) | .packets] | add"
}

cpu_goes() {
	local cpu1=/sys/devices/system/cpu/cpu1/online i sent0 sent1

	[ -e $cpu1 ] || skip "no CPU that can be taken away"
	tunnel 4 4
	counters_mark
	flows_start
	for ((i = 0; i < $(count 2 1); i++)); do
		echo 0 >$cpu1 || skip "CPU 1 cannot be taken away"
		defer sh -c "echo 1 >$cpu1"
		sent0=$(window_sent 0)
		sent1=$(window_sent 1)
		pause 0.2
		[ "$(window_sent 0)" -gt "$sent0" ] || fail "CPU 0 does not send"
		[ "$(window_sent 1)" -eq "$sent1" ] || fail "its window goes on without CPU 1"
		echo 1 >$cpu1
		pause 0.2
	done
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
	flows_stop
	all_named
	fast_path
	wire_clean
}

backlog_grow
topo_wire || skip_all "no namespaces"
ktap_plan 8
ktap_test "lifetimes updated" lifetimes
ktap_test "output-mark updated" output_mark
ktap_test "if_id updated, receiving" if_id_in
ktap_test "if_id updated, sending" if_id_out
ktap_test "wire down and up" wire_down
ktap_test "CPU offline and online" cpu_goes
ktap_test "SA deleted below a connected socket" deleted
ktap_test "module reloaded, same keys" reloaded
ktap_finish
