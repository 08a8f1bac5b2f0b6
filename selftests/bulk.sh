#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bulk TCP in VPE beside ESP with esp4_offload, by bytes per instruction: the
# machine's clock counts those (vm/run -i). They take turns; VPE's median must
# reach 0.8 of ESP's.
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

bulk() {
	local round esp vpe

	modprobe esp4_offload || fail "no esp4_offload"
	iperf_server "$HV2"
	for ((round = 0; round < ROUNDS; round++)); do
		xfrm_flush
		policies 4 4
		sas_esp
		rate >>"$TMP/esp" || fail "TCP does not pass in ESP"
		tunnel 4 4
		rate >>"$TMP/vpe" || fail "TCP does not pass in VPE"
		[ "$(vpe_stat "$HV1" $SPI12 tx-gso)" -gt 0 ] || fail "VPE had no large packets"
	done
	esp=$(median <"$TMP/esp")
	vpe=$(median <"$TMP/vpe")
	echo "MB in 10^9 instructions, median (least, most): ESP $esp, VPE $vpe"
	awk -v e="${esp%% *}" -v v="${vpe%% *}" 'BEGIN {
		printf "VPE / ESP: %.2f\n", v / e
		exit !(v >= 0.8 * e)
	}'
}

topo_wire || skip_all "no namespaces"
ktap_plan 1
VERBOSE=1 ktap_test "bulk TCP, VPE reaches 0.8 of ESP with esp4_offload" bulk
ktap_finish
