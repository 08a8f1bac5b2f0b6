#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own netlink program reads Documentation/netlink/specs/vpe.yaml, and
# sees by it what "ip xfrm vpe" shows.
#
# In "make check" the program comes from Debian's source of the kernel (see
# vm/kselftests), else VPE_YNL names the kernel's directory tools/net/ynl.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

cli=${VPE_YNL:-$lib_dir/../build/ynl}/pyynl/cli.py
spec=$lib_dir/../Documentation/netlink/specs/vpe.yaml

# ynl ARG...: in HV1, to $TMP/ynl
ynl() {
	ns_exec "$HV1" python3 -B "$cli" --spec "$spec" --no-schema --output-json "$@" >"$TMP/ynl"
}

# addresses in the words of ynl
addresses() {
	local f
	for f in 4 6; do
		echo "s/\"${OUTER[${f}1]}\"/\"$1\"/g; s/\"${OUTER[${f}2]}\"/\"$2\"/g"
		set -- fd000000000000000000000000000001 fd000000000000000000000000000002
	done
}

# normal FILTER <JSON: jq knows numbers of 53 bits, so that longer ones become text
normal() {
	sed -E -e "$(addresses 0a000001 0a000002)" -e 's/"inet"/2/g; s/"inet6"/10/g' \
		-e 's/: ?([0-9]{16,})/:"\1"/g' | jq "$1" | python3 -m json.tool --sort-keys
}

# same FILTER: what ynl said, and standard input; for the end of a pipe
same() {
	normal "$1" >"$TMP/ip.json"
	normal "$1" <"$TMP/ynl" >"$TMP/ynl.json"
	[ "$(jq length "$TMP/ip.json")" -gt 0 ] || fail "ip shows nothing"
	diff -u "$TMP/ip.json" "$TMP/ynl.json" || fail "ip (-) and ynl (+) differ"
}

sa_fields='{family, src, dst, spi, reqid, flags, aead, "key-bits", "replay-window", context,
	"first-seq", "rx-windows", mtu, stats, drops}'

netns_fields='{sas, contexts, "rx-windows", "rx-windows-max", lanes,
	"sa-rx-windows-max", "sender-rx-windows-max", stats, drops}'

# Packets, and the answer to the first once more
traffic() {
	tunnel "$1" 4 6
	capture_start "$HV2" eth0 "$TMP/capture" 2
	ping_ok "$HV1" 1 56 ${INNER[42]}
	slowwait gone $capture_pid
	counters_mark
	run ns_exec "$HV2" "$tools/inject" eth0 1 "$TMP/capture"
	ping_ok "$HV1" 3 56 ${INNER[42]}
	ping_ok "$HV1" 2 56 ${INNER[62]}
	carried 5 5 hv1:$SPI21:rx-replay==1 hv1:-:XfrmInStateSeqError==1
}

# ynl_has EXPRESSION of jq: true of what ynl said
ynl_has() {
	jq -e "$1" "$TMP/ynl.json" >/dev/null || fail "not $1: $(<"$TMP/ynl.json")"
}

dumps() {
	traffic $1
	run ynl --dump sa-get
	ip -n "$HV1" -j xfrm vpe show | same "map($sa_fields) | sort_by(.spi)" ||
		exit $ksft_fail
	ynl_has 'map([.stats."tx-packets", .mtu > 0, .drops."rx-replay"]) ==
		[[6, true, 0], [0, false, 1]]'

	run ynl --dump window-get
	ip -n "$HV1" -j xfrm vpe window show |
		same 'sort_by(.spi, .direction, ."window-id")' || exit $ksft_fail
	ynl_has 'map(.direction) | index("tx") and index("rx")'
	ynl_has '[.[] | .replayed // 0] | add == 1'
}

# One SA, and one that is not there
get() {
	tunnel 4 4
	run ynl --do sa-get --json "{\"spi\": $((SPI12))}"
	ip -n "$HV1" -j xfrm vpe show spi $SPI12 | jq -c '.[]' | same "$sa_fields" ||
		exit $ksft_fail
	ynl --do sa-get --json '{"spi": 1}' 2>&1 && fail "an SA that is not there"
	grep -q 'VPE: there is no such SA of VPE or ESP with entropy' "$TMP/ynl" || fail "said: $(<"$TMP/ynl")"
}

totals() {
	tunnel 4 4
	run ynl --do netns-set --json '{"rx-windows-max": 70001}'
	run ynl --do netns-get
	ip -n "$HV1" -j xfrm vpe stats | same "$netns_fields" ||
		exit $ksft_fail
	[ "$(jq '."rx-windows-max"' "$TMP/ynl.json")" = 70001 ] || fail "$(<"$TMP/ynl.json")"
}

[ -e "$cli" ] || skip_all "needs the kernel's tools/net/ynl"
topo_wire || skip_all "no namespaces"
ktap_plan 4 1
ktap_more "SAs and windows, IPv4" dumps 4
ktap_test "SAs and windows, IPv6" dumps 6
ktap_test "one SA" get
ktap_test "totals of the namespace, and its bound" totals
ktap_finish
