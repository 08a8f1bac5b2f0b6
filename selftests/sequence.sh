#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No IV is ever used twice under one key, whatever becomes of the SA, the
# module, the clock and the sender's CPU. A sniffer keeps them all.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
n=$(count 200 50)
spi_other=0x3001

# key_new: hv1 has one SA, of a new key; the sniffer knows the key
key_new() {
	key=$(random_key 16)
	emitted=0
	printf '%s\n' "$SPI12 $key" "$spi_other $key" >"$TMP/keys"
	xfrm_flush
	out_add
	policy "$HV1" out 1 2 4 4
}

# sniff COMMAND...: all that hv1 sends meanwhile, with $key alone. COMMAND calls
# emit; as many packets as that says must be on the wire.
sniff() {
	key_new
	# the neighbour known, no packet waits for it
	run ns_exec "$HV1" ping -q -c 1 -W 5 "${OUTER[42]}"
	capture_start "$HV1" eth0 "$TMP/capture"
	"$@"
	capture_stop "$TMP/capture" $emitted
	ivs "$TMP/capture"
}

# ivs CAPTURE...: fails if an IV repeats
ivs() {
	local report

	report=$(python3 "$lib_dir/tools/ivs.py" "$TMP/keys" "$@") ||
		fail "$report"
	echo "$report; $emitted sent"
	[ "$(value "${report##*$'\n'}" packets)" -eq "$emitted" ] && return
	ip -n "$HV1" -s xfrm vpe stats
	ns_exec "$HV1" grep -v '\<0$' /proc/net/xfrm_stat
	ip -n "$HV1" -s neigh
	fail "not all that was sent was seen"
}

# out_add [SPI]: the SA with the key, in hv1
out_add() {
	run sa_add "$HV1" 4 1 2 "${1-$SPI12}" "$key"
}

# out_delete [SPI]: and until nobody can send with it
out_delete() {
	run ip -n "$HV1" xfrm state delete src "${OUTER[41]}" dst "${OUTER[42]}" \
		proto esp spi "${1-$SPI12}"
}

# emit [ARG...]: $n packets by hv1
emit() {
	local report

	report=$(ns_exec "$HV1" "$tools/numbered" send -n $n "$@" "${INNER[42]}" $port) ||
		fail "cannot send"
	[ "$(value "$report" eother)$(value "$report" einval)$(value "$report" eperm)$(value "$report" eagain)" = 0000 ] ||
		fail "not all was sent: $report"
	emitted=$((emitted + n))
}

readd() {
	local i

	for ((i = 0; i < 5; i++)); do
		emit -h 5
		out_delete
		out_add
		emit -h 5
	done
}

# The first SA is gone entirely before the next comes
readd_later() {
	emit -h 5
	out_delete
	slowwait contexts_are 0
	out_add
	emit -h 5
}

# Key contexts of hv1
contexts_are() {
	[ "$(ip -n "$HV1" -j xfrm vpe show | jq length)" -eq "$1" ] &&
		[ "$(sas_of_module)" -eq "$1" ]
}

# References to the module: one for each SA that is not freed yet
sas_of_module() {
	cat /sys/module/xfrm_vpe/refcnt
}

readd_other_spi() {
	emit -h 5
	out_delete
	out_add $spi_other
	emit -h 5
	out_delete $spi_other
	out_add
	emit -h 5
}

update() {
	local i

	for ((i = 0; i < 5; i++)); do
		emit -h 5
		run ip -n "$HV1" xfrm state update src "${OUTER[41]}" dst "${OUTER[42]}" \
			proto vpe spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$key" 128 \
			limit packet-soft $((1000000 + i))
	done
	emit -h 5
}

migrate() {
	run ip -n "$HV1" addr add 10.0.0.11/24 dev eth0
	defer ip -n "$HV1" addr del 10.0.0.11/24 dev eth0
	emit -h 5
	ns_exec "$HV1" python3 "$lib_dir/tools/migrate.py" 1 out "${NET[41]}" "${NET[42]}" \
		"${OUTER[41]}" "${OUTER[42]}" 10.0.0.11 "${OUTER[42]}" || fail "migrate"
	ip -n "$HV1" xfrm state | grep -q 'src 10.0.0.11' || fail "not migrated"
	emit -h 5
	ns_exec "$HV1" python3 "$lib_dir/tools/migrate.py" 1 out "${NET[41]}" "${NET[42]}" \
		10.0.0.11 "${OUTER[42]}" "${OUTER[41]}" "${OUTER[42]}" || fail "migrate"
	emit -h 5
}

reload() {
	emit -h 5
	xfrm_flush
	slowwait unload
	run module_load
	out_add
	policy "$HV1" out 1 2 4 4
	emit -h 5
}

unload() {
	rmmod xfrm_vpe 2>/dev/null
}

clock_back() {
	emit -h 5
	out_delete
	slowwait contexts_are 0
	defer date -s '+1 hour'
	run date -s '-1 hour'
	out_add
	emit -h 5
}

# Several senders at once, each moved from CPU to CPU for every packet, and TCP
# in packets of many segments
bursts() {
	local pids=() i

	# in place of the SA that sniff made
	xfrm_flush
	sas 4
	policies 4 4
	printf '%s\n' "$SPI12 $KEY12" "$SPI21 $KEY21" >"$TMP/keys"
	counters_mark
	for i in 1 2 3; do
		nsenter --net="/run/netns/$HV1" "$tools/numbered" send -n $n -h 1 \
			"${INNER[42]}" $port >/dev/null &
		pids+=($!)
	done
	iperf_server "$HV2"
	iperf "$HV1" "${INNER[42]}" -n "$(count 1M 200K)" -P 2
	for i in "${pids[@]}"; do
		wait "$i" || fail "a sender failed"
	done
	counters_check "hv1:$SPI12:tx-packets>=$((3 * n))" "hv1:$SPI12:tx-gso>0" \
		'hv?:*:[rt]x-packets>=0' 'hv2:-:XfrmInNoPols>=0'
	emitted=$(($(vpe_stat "$HV1" $SPI12 tx-packets) + $(vpe_stat "$HV2" $SPI21 tx-packets)))
}

# Another namespace holds the key, too: it does not send until the first one's SA
# is gone.
two_namespaces() {
	local refused

	setup_ns HV3
	defer cleanup_ns "$HV3"
	run ip -n "$HV3" link add eth0 type dummy
	batch "$HV3" <<-END
		addr add ${OUTER[41]}/24 dev eth0
		addr add ${INNER[41]}/32 dev lo
		link set eth0 up
		neigh replace ${OUTER[42]} dev eth0 lladdr 02:00:00:00:00:01 nud permanent
		route add ${NET[42]} via ${OUTER[42]} src ${INNER[41]}
	END
	key_new
	run sa_add "$HV3" 4 1 2 $spi_other "$key"
	policy "$HV3" out 1 2 4 4

	capture_start "$HV1" eth0 "$TMP/capture1"
	pid1=$capture_pid
	capture_start "$HV3" eth0 "$TMP/capture3"
	pid3=$capture_pid
	emit -h 5
	ns_exec "$HV3" "$tools/numbered" send -n $n -h 5 "${INNER[42]}" $port || fail "send"
	refused=$(vpe_drop "$HV3" $spi_other tx-claim)
	[ "$refused" -eq $n ] || fail "$refused of $n packets refused for the claim"
	[ "$(vpe_stat "$HV3" $spi_other tx-packets)" -eq 0 ] || fail "both send"

	out_delete
	slowwait claim_is_free
	ns_exec "$HV3" "$tools/numbered" send -n $n -h 5 "${INNER[42]}" $port || fail "send"
	emitted=$((emitted + n + extra))
	capture_pid=$pid1
	capture_stop "$TMP/capture1"
	capture_pid=$pid3
	capture_stop "$TMP/capture3"
	ivs "$TMP/capture1" "$TMP/capture3"
}

# One more packet of hv3 goes out
extra=0
claim_is_free() {
	ns_exec "$HV3" "$tools/numbered" send -n 1 "${INNER[42]}" $port >/dev/null
	extra=$(vpe_stat "$HV3" $spi_other tx-packets)
	[ "$extra" -gt 0 ]
}

# A user who is root in a namespace of his own takes no numbers from the others.
untrusted() {
	local show sa

	# each message is printed
	defer sysctl -qw "net.core.message_cost=$(</proc/sys/net/core/message_cost)"
	sysctl -qw net.core.message_cost=0
	sa=$(sa_line 4 1 2 $SPI12 "$(random_key 16)" flag esn replay-window 64 \
		replay-oseq-hi 0xffffffff replay-oseq 0xfffffff0)
	show=$(unshare --user --map-root-user --net sh -eu <<-END
		ip link add eth0 type dummy
		ip addr add ${OUTER[41]}/24 dev eth0
		ip addr add ${INNER[41]}/32 dev lo
		ip link set eth0 up
		ip neigh replace ${OUTER[42]} dev eth0 lladdr 02:00:00:00:00:01 nud permanent
		ip route add ${NET[42]} via ${OUTER[42]} src ${INNER[41]}
		echo '$sa' | ip -batch -
		ip $(policy_line out 1 2 4 4)
		ping -q -c 1 -W 0.1 ${INNER[42]} >/dev/null 2>&1 || true
		ip -j -s xfrm vpe show
	END
	) || fail "namespace of a user: $show"
	jq -e '.[0] | .drops."tx-sequence" == 1 and .stats."tx-packets" == 0' <<<"$show" >/dev/null ||
		fail "not refused: $show"
	dmesg | grep -q 'over a day ahead of the clock' || fail "no message"
	sniff emit -h 5
}

topo_wire || skip_all "no namespaces"
ktap_plan 10
ktap_test "SA deleted and added again" sniff readd
ktap_test "SA deleted, gone, added again" sniff readd_later
ktap_test "SA deleted, added with another SPI" sniff readd_other_spi
ktap_test "SA updated" sniff update
ktap_test "SA migrated" sniff migrate
ktap_test "CPU after CPU, bursts" sniff bursts
ktap_test "two namespaces with one key" two_namespaces
ktap_test "number far ahead of the clock, user namespace" untrusted
ktap_test "clock stepped back by an hour" sniff clock_back
ktap_test "module reloaded" sniff reload
ktap_finish
