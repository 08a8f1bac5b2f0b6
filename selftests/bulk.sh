#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What it costs, in instructions: the machine's clock counts those (vm/run -i).
# Bulk TCP in VPE beside ESP with esp4_offload, and classic ESP with the module
# beside ESP without. The two take turns; the medians are compared. And the windows
# of a packet, by how many there are.
# Such a clock runs on while the machine waits for its disk.
WAIT_TIMEOUT=600
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

[ -n "${VPE_ICOUNT-}" ] || skip_all "needs a clock that counts instructions"

ROUNDS=$(count 5 3)
AMOUNT=8M
PACKETS=3000
port=9000

# The SAs of sas(), as ESP
sas_esp() {
	local ns key12 key21
	key12=$(random_key 20) key21=$(random_key 20)
	for ns in "$HV1" "$HV2"; do
		run esp_add "$ns" "${OUTER[41]}" "${OUTER[42]}" 0x2001 "$key12"
		run esp_add "$ns" "${OUTER[42]}" "${OUTER[41]}" 0x2002 "$key21"
	done
}

esp_add() {
	ip -n "$1" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 \
		mode tunnel replay-window 64 aead "$AEAD" "$5" 128
}

# rate: megabytes in 10^9 instructions; what connects the rounds is the wire
rate() {
	ns_exec "$HV1" iperf3 -J -c "${INNER[42]}" -n "$AMOUNT" |
		jq -e '.end.sum_received | .bytes / .seconds / 1e6'
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# compare LEAST NAME-A NAME-B: the median of file B must reach LEAST of A's
compare() {
	local a b
	a=$(median <"$TMP/$2")
	b=$(median <"$TMP/$3")
	echo "in 10^9 instructions, median (least, most): $2 $a, $3 $b"
	awk -v a="${a%% *}" -v b="${b%% *}" -v least="$1" -v name="$3 / $2" 'BEGIN {
		printf "%s: %.3f\n", name, b / a
		exit !(b >= least * a)
	}'
}

bulk() {
	local round

	modprobe esp4_offload || fail "no esp4_offload"
	for ((round = 0; round < ROUNDS; round++)); do
		xfrm_flush
		policies 4 4
		sas_esp
		rate >>"$TMP/esp" || fail "TCP does not pass in ESP"
		tunnel 4 4
		rate >>"$TMP/vpe" || fail "TCP does not pass in VPE"
		[ "$(vpe_stat "$HV1" $SPI12 tx-gso)" -gt 0 ] || fail "VPE had no large packets"
	done
	compare 0.8 esp vpe
}

unload() {
	! module_loaded || rmmod xfrm_vpe 2>/dev/null
}

# packets: small packets of classic ESP in 10^9 instructions; decrypted, and then
# refused by a policy, as waking up a receiver takes now more, now less. What
# comes first fills caches.
packets() {
	local report
	xfrm_flush
	policies 4 4
	sas_esp
	run ip -n "$HV2" xfrm policy update src "${NET[41]}" dst "${NET[42]}" dir in action block
	ns_exec "$HV1" "$tools/numbered" send -n 1000 "${INNER[42]}" $port >"$TMP/warm"
	report=$(ns_exec "$HV1" "$tools/numbered" send -n $PACKETS "${INNER[42]}" $port)
	xfrm_flush
	value "$report" rate
}

# unharmed with|without esp4_offload: loading the module changes hardly a thing
unharmed() {
	local round before arrived

	rm -f "$TMP/loaded" "$TMP/unloaded"
	xfrm_flush
	slowwait unload
	if [ $1 = without ]; then slowwait rmmod esp4_offload; fi
	before=$(xfrm_stat "$HV2" XfrmInPolBlock)
	for ((round = 0; round < ROUNDS; round++)); do
		slowwait unload
		packets >>"$TMP/unloaded"
		run module_load
		packets >>"$TMP/loaded"
	done
	arrived=$(($(xfrm_stat "$HV2" XfrmInPolBlock) - before))
	[ $arrived -eq $((2 * ROUNDS * (1000 + PACKETS))) ] || fail "$arrived packets arrived"
	compare 0.99 unloaded loaded
}

# A window is found by a tree of 64 branches at each level: three for all Window IDs
# of a sender, six with Sender IDs, some 50 instructions each (protocol.rst).
windows() {
	modprobe vpe_lookup || fail "no vpe_lookup"
	defer rmmod vpe_lookup
	tee "$TMP/windows" </sys/kernel/debug/vpe_lookup
	awk -F '[ =]' '
		NR == 1 { one = $6 }
		{ lines++; most = one + ($2 ? 400 : 200); bad += !($6 >= 100 && $6 <= most) }
		END { exit bad || lines != 8 }' "$TMP/windows" || fail "the look-up is not flat"
}

topo_wire || skip_all "no namespaces"
iperf_server "$HV2"
ktap_plan 4 1
VERBOSE=1
ktap_test "bulk TCP, VPE reaches 0.8 of ESP with esp4_offload" bulk
ktap_test "ESP with esp4_offload: the module costs less than 1 %" unharmed with
ktap_test "ESP without it: the module costs less than 1 %" unharmed without
ktap_more "65536 windows cost a packet hardly more than one" windows
ktap_finish
