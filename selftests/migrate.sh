#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# XFRM_MSG_MIGRATE and XFRM_MSG_MIGRATE_STATE while packets flow both ways: both
# ends of both SAs move to other outer addresses, of the same family and of the
# other. Lost is only what was under way to an address that the SA has left, as
# with ESP; numbers and windows go on.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/flows.sh"

known_addresses() {
	other_addresses
	ping_ok "$HV1" 1 56 "${OTHER[42]}"
	ping_ok "$HV1" 1 56 "${OTHER[62]}"
}

# move NS SIDE PEER OLD1 OLD2 NEW1 NEW2: policies and SAs of a hypervisor
move() {
	local here=$2 there=$3 old=([1]=$4 [2]=$5) new=([1]=$6 [2]=$7)
	local back=("${NET[4$there]}" "${NET[4$here]}" "${old[there]}" "${old[here]}"
		    "${new[there]}" "${new[here]}")

	run ns_exec "$1" python3 "$lib_dir/tools/migrate.py" 1 \
		out "${NET[4$here]}" "${NET[4$there]}" "${old[here]}" "${old[there]}" \
		"${new[here]}" "${new[there]}" in "${back[@]}" fwd "${back[@]}"
}

# move_states NS SIDE PEER OLD1 OLD2 NEW1 NEW2: likewise, first the SAs
move_states() {
	run ns_exec "$1" python3 "$lib_dir/tools/migrate.py" 1 \
		sa $SPI12 "$5" "$6" "$7" sa $SPI21 "$4" "$7" "$6"
	policy_lines $2 $3 4 4 | sed "s/ policy add / policy update /
		s/ tmpl src $4 dst $5 / tmpl src $6 dst $7 /
		s/ tmpl src $5 dst $4 / tmpl src $7 dst $6 /" | batch "$1"
}

# moves OLD1 OLD2 NEW1 NEW2: of both
mover=move
moves() {
	$mover "$HV1" 1 2 "$@"
	$mover "$HV2" 2 1 "$@"
}

contexts() {
	ip -n "$1" -j xfrm vpe show | jq -c 'map([.spi, .context]) | sort'
}

# replayed SRC DST: what was sent before the move is no use at the new addresses
replayed() {
	local n

	counters_mark_quiet
	n=$(ns_exec "$HV1" python3 "$lib_dir/tools/replay.py" "$TMP/early" $SPI12 "$1" "$2") ||
		fail "replay: $n"
	echo "replayed: $n"
	[ "$n" -eq $early ] || fail "not all was captured"
	counters_check "hv2:$SPI12:rx-@(replay|old|behind)==$n" "hv2:-:XfrmInStateSeqError==$n"
}

# early_packets: the first ones, kept to be replayed
early_packets() {
	capture_start "$HV1" eth0 "$TMP/early" $early
	run ns_exec "$HV1" "$tools/numbered" send -n $early -h 5 "${INNER[42]}" $port
	slowwait gone $capture_pid
}

# moved OLD1 OLD2 NEW1 NEW2 TIMES: there, back, there, ...
moved() {
	local i before old=("$1" "$2") new=("$3" "$4")

	early=$(count 100 20)
	flows_prepare
	early_packets
	before="$(contexts "$HV1") $(contexts "$HV2")"
	flows_start
	for ((i = 1; i <= $5; i++)); do
		if ((i % 2)); then
			moves "${old[@]}" "${new[@]}"
		else
			moves "${new[@]}" "${old[@]}"
		fi
		pause 0.2
	done
	flows_stop
	[ "$(contexts "$HV1") $(contexts "$HV2")" = "$before" ] ||
		fail "contexts: $before; $(contexts "$HV1") $(contexts "$HV2")"
	[ "$(ip -n "$HV2" xfrm state | grep -c "^src \(${new[0]} dst ${new[1]}\|${new[1]} dst ${new[0]}\)$")" -eq 2 ] ||
		fail "not moved: $(ip -n "$HV2" xfrm state)"
	all_named "$TMP/early"
	fast_path
	replayed "${new[@]}"
}

# moves_under_load OLD-FAMILY NEW-FAMILY TIMES
moves_under_load() {
	tunnel $1 4
	moved "${OUTER[${1}1]}" "${OUTER[${1}2]}" "${OTHER[${2}1]}" "${OTHER[${2}2]}" $3
}

# SAs alone; policies that wait for them meanwhile find none
states_under_load() {
	grep -qw xfrm_do_migrate_state /proc/kallsyms || skip "no XFRM_MSG_MIGRATE_STATE"
	mover=move_states
	moves_under_load 4 $1 1
}

# directions NS SIDE: contexts of what goes out and of what comes in
directions() {
	ip -n "$1" -j xfrm vpe show | jq -c --arg side "$2" \
		'map([(.src | endswith($side)), .context]) | sort'
}

# One SPI and one key for both directions, as ESP allows: each clone goes on with
# the counter and the window of its own.
one_key() {
	local ns before=() after=()

	new_keys
	for ns in "$HV1" "$HV2"; do
		batch "$ns" <<<"$flush_lines"
		{
			sa_line 6 1 2 $SPI12 "$KEY12"
			sa_line 6 2 1 $SPI12 "$KEY12"
		} | batch "$ns"
	done
	policies 4 6
	ping_ok "$HV1" 5 56 ${INNER[42]}
	pause 0.2	# xfrm has the numbers
	before=("$(directions "$HV1" 1)" "$(directions "$HV2" 1)")
	moves ${OUTER[61]} ${OUTER[62]} ${OTHER[61]} ${OTHER[62]}
	after=("$(directions "$HV1" 1)" "$(directions "$HV2" 1)")
	[ "${after[*]}" = "${before[*]}" ] ||
		fail "contexts before: ${before[*]}; after: ${after[*]}"
	ping_ok "$HV1" 5 56 ${INNER[42]}
}

backlog_grow
topo_wire || skip_all "no namespaces"
known_addresses
ktap_plan 8 4
ktap_test "IPv4 to IPv4" moves_under_load 4 4 "$(count 3 1)"
ktap_more "IPv4 to IPv6" moves_under_load 4 6 1
ktap_more "IPv6 to IPv4" moves_under_load 6 4 1
ktap_more "IPv6 to IPv6" moves_under_load 6 6 1
ktap_test "IPv6 to IPv6, ESP with entropy" label moves_under_load 6 6 1
ktap_test "IPv6 to IPv6, ESP with entropy, one key and SPI both ways" label one_key
ktap_more "SAs alone, IPv4 to IPv4" states_under_load 4
ktap_test "SAs alone, IPv4 to IPv6" states_under_load 6
ktap_finish
