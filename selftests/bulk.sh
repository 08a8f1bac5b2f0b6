#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bulk TCP in VPE beside ESP with esp4_offload, and in ESP with the module beside
# ESP without, by bytes per instruction: the machine's clock counts those (vm/run
# -i). The two take turns; the medians are compared.
. "$(dirname "$0")/lib.sh"

[ -n "${VPE_ICOUNT-}" ] || skip_all "needs a clock that counts instructions"

ROUNDS=5
AMOUNT=24M

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

# esp_round FILE, vpe_round FILE: a measurement, to FILE
esp_round() {
	xfrm_flush
	policies 4 4
	sas_esp
	rate >>"$1" || fail "TCP does not pass in ESP"
}

vpe_round() {
	tunnel 4 4
	rate >>"$1" || fail "TCP does not pass in VPE"
	[ "$(vpe_stat "$HV1" $SPI12 tx-gso)" -gt 0 ] || fail "VPE had no large packets"
}

# compare LEAST NAME-A NAME-B: the median of file B must reach LEAST of A's
compare() {
	local a b
	a=$(median <"$TMP/$2")
	b=$(median <"$TMP/$3")
	echo "MB in 10^9 instructions, median (least, most): $2 $a, $3 $b"
	awk -v a="${a%% *}" -v b="${b%% *}" -v least="$1" -v name="$3 / $2" 'BEGIN {
		printf "%s: %.3f\n", name, b / a
		exit !(b >= least * a)
	}'
}

bulk() {
	local round

	modprobe esp4_offload || fail "no esp4_offload"
	for ((round = 0; round < ROUNDS; round++)); do
		esp_round "$TMP/esp"
		vpe_round "$TMP/vpe"
	done
	compare 0.8 esp vpe
}

unload() {
	! module_loaded || rmmod xfrm_vpe 2>/dev/null
}

# ESP with and without esp4_offload: hardly more instructions with the module
unharmed() {
	local round

	xfrm_flush
	for ((round = 0; round < ROUNDS; round++)); do
		slowwait unload
		esp_round "$TMP/without"
		module_load
		esp_round "$TMP/with"
		xfrm_flush
	done
	compare 0.99 without with
}

no_offload() {
	xfrm_flush
	slowwait unload
	slowwait rmmod esp4_offload
	rm "$TMP/with" "$TMP/without"
	unharmed
}

topo_wire || skip_all "no namespaces"
iperf_server "$HV2"
ktap_plan 3
VERBOSE=1
ktap_test "bulk TCP, VPE reaches 0.8 of ESP with esp4_offload" bulk
ktap_test "ESP with esp4_offload: within 1 % with the module" unharmed
ktap_test "ESP without: within 1 % with the module" no_offload
ktap_finish
