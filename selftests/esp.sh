#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ESP with entropy, bit by bit, beside a second implementation (vpe_wire.py), and the
# rules of RFC 4303: padding, next headers, sequence numbers, windows.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/modes.sh"

# numbers NS SPI: as xfrm shows them
numbers() {
	ip -n "$1" xfrm state list spi "$2" | tr -d '\n'
}

# sent FAMILY [SA-ARG...]
sent() {
	local f=$1 n

	n=$(count 120 40)
	run ns_exec "$HV1" ethtool -K eth0 tx off	# the device's checksums
	defer ns_exec "$HV1" ethtool -K eth0 tx on
	begin "$@"
	sink
	vpe_wire sent-esp $f "$(wire_key)" ${OUTER[${f}1]} ${OUTER[${f}2]} $SPI12 1
	# ICMP answers those to ports where nobody listens.
	counters_check hv1:$SPI12:tx-packets==$n hv2:$SPI12:rx-packets==$n "hv?:$SPI21:*x-packets>=0"
}

# sent_is_strict: and it would notice
sent_is_strict() {
	begin 4
	sink
	must_fail "sequence number" vpe_wire sent-esp 4 "$(wire_key)" ${OUTER[41]} ${OUTER[42]} $SPI12 2
	must_fail InvalidTag vpe_wire sent-esp 4 "esp:udp:$(random_key 20)" ${OUTER[41]} ${OUTER[42]} $SPI12 2
}

# received FAMILY [SA-ARG...]: RFC 4303's rules
received() {
	local f=$1 n

	n=$(count 40 12)
	begin "$@"
	sink
	counters_mark
	inject esp_good $f $n
	sunk "$(repeat $n good)"
	counters_check hv2:$SPI12:rx-packets==$n hv2:$SPI12:windows==1

	counters_mark
	inject esp_padding $f
	sunk "$(repeat 4 more)"
	counters_check hv2:$SPI12:rx-packets==4 hv2:$SPI12:rx-inner==6 \
		hv2:-:XfrmInStateModeError==6

	counters_mark
	inject esp_dummy $f $n
	counters_check hv2:$SPI12:rx-fill==$n
	inject esp_zero $f $n
	if [ -z "${ESN-}" ]; then
		counters_check hv2:$SPI12:rx-fill==$n "hv2:$SPI12:rx-@(replay|old)==$n" \
			hv2:-:XfrmInStateSeqError==$n
	else	# taken for the next one that ends with these 32 bits
		counters_check hv2:$SPI12:rx-fill==$n hv2:$SPI12:rx-auth==$n \
			hv2:-:XfrmInStateProtoError==$n
	fi

	counters_mark
	inject replayed $f $n
	inject old $f $n
	if [ -z "${ESN-}" ]; then
		counters_check hv2:$SPI12:rx-packets==3 hv2:$SPI12:rx-replay==$n \
			hv2:$SPI12:rx-old==$n hv2:-:XfrmInStateSeqError==$((2 * n))
	else
		counters_check hv2:$SPI12:rx-packets==3 hv2:$SPI12:rx-replay==$n \
			hv2:-:XfrmInStateSeqError==$n \
			hv2:$SPI12:rx-auth==$n hv2:-:XfrmInStateProtoError==$n
	fi
	[ ${SA_MODE:-tunnel} = tunnel ] || return 0
	slowwait sink_is_quiet
	: >"$TMP/sink"

	counters_mark
	inject padded $f $n
	sunk "$(repeat $n 'padded %03d')"
	inject esp_protocols $f 10
	inject nibble $f
	inject headless $f
	inject empty $f 3
	counters_check hv2:$SPI12:rx-packets==$n hv2:$SPI12:rx-inner==$((10 + 13 + 19 + 39 + 3)) \
		hv2:-:XfrmInStateModeError==$((10 + 13 + 19 + 39 + 3))
	sunk ''
}

sink_is_quiet() {
	local before

	before=$(<"$TMP/sink")
	pause 0.2
	[ "$before" = "$(<"$TMP/sink")" ]
}

# A flipped bit may make a number one that was seen.
windows_but_drops() {
	jq -c 'map(del(.replayed, .old))' <<<"$1"
}

# bad FAMILY [SA-ARG...]: what is not authentic changes nothing
bad() {
	local f=$1 n before after

	n=$(count 32 16)
	begin "$@"
	sink
	inject esp_good $f 2
	sunk goodgood
	before=$(ip -n "$HV2" -j xfrm vpe window show)
	counters_mark
	inject truncated $f
	inject flipped $f "$(count 1 8)"
	inject spi $f $n
	counters_check "hv2:$SPI12:rx-auth>30" "hv2:$SPI12:rx-short>10" "hv2:-:XfrmInNoStates>=$((n + 32 / $(count 1 8)))" \
		"hv2:-:XfrmInStateProtoError>30" "hv2:-:XfrmInHdrError>10" \
		hv2:$SPI12:rx-packets==0 "hv2:$SPI12:rx-@(replay|old)>=0" "hv2:-:XfrmInStateSeqError>=0"
	after=$(ip -n "$HV2" -j xfrm vpe window show)
	[ "$(windows_but_drops "$before")" = "$(windows_but_drops "$after")" ] ||
		fail "windows before: $before, after: $after"
	inject esp_good $f 2
	sunk goodgood
}

# Packets of every size, from buffers that have room behind them or not
all_sizes() {
	begin 4
	sink
	counters_mark
	run ns_exec "$HV1" python3 -S -c '
import socket, sys
sys.path.insert(0, sys.argv[1])
sys.path.append("/usr/lib/python3/dist-packages")
from vpe_wire import ip_header, udp
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for size in range(1391):
    packet = udp(*sys.argv[2:4], 9, bytes(size))
    s.sendto(ip_header(4, *sys.argv[2:4], 17, len(packet), ident=1) + packet, (sys.argv[3], 0))' \
		"$lib_dir" ${OUTER[41]} ${OUTER[42]}
	carried 1391 0
}

# 32-bit numbers end.
exhausted() {
	local f=$1

	begin $f replay-oseq 0xfffffffc
	vpe_monitor_start "$HV1" "$TMP/events"
	ns_exec "$HV1" ping -q -n -c 6 -i 0.05 -W 0.2 "$(target $f)" >"$TMP/ping"
	counters_check hv1:$SPI12:tx-packets==3 hv1:$SPI12:tx-sequence==3 \
		hv1:-:XfrmOutStateSeqError==3 hv2:$SPI12:rx-packets==3 "hv?:$SPI21:*x-packets==6"
	[[ $(numbers "$HV1" $SPI12) == *"oseq 0xffffffff"* ]] || fail "$(numbers "$HV1" $SPI12)"
	[[ $(numbers "$HV2" $SPI12) == *"seq 0xffffffff"* ]] || fail "$(numbers "$HV2" $SPI12)"
	slowwait grep -q '"near-end"' "$TMP/events"
	[ "$(grep -c '"near-end"' "$TMP/events")" = 1 ] || fail "told more than once: $(<"$TMP/events")"
}

# Extended numbers pass 2^32, in order and not.
extended() {
	local f=$1 ESN=1

	begin $f flag esn replay-window 64 replay-oseq 0xfffffff0 replay-oseq-hi 7 \
		replay-seq 0xffffffef replay-seq-hi 7
	ping_ok "$HV1" 40 56 "$(target $f)" -i 0.01
	carried 40 40
	[[ $(numbers "$HV1" $SPI12) == *"oseq-hi 0x8, oseq 0x18"* ]] || fail "$(numbers "$HV1" $SPI12)"
	[[ $(numbers "$HV2" $SPI12) == *"seq-hi 0x8, seq 0x18"* ]] || fail "$(numbers "$HV2" $SPI12)"

	# behind the edge, and far ahead of it; what was closed when it was added
	begin $f flag esn replay-window 64 replay-seq 0xffffffff replay-seq-hi 7
	sink
	inject esp_from $f 0x7ffffffff
	counters_check hv2:$SPI12:rx-old==1 hv2:-:XfrmInStateSeqError==1
	counters_mark
	inject esp_from $f 0x800000020
	inject esp_from $f 0x800000001
	inject esp_from $f 0x8f0000000
	inject esp_from $f 0x8f0000000
	inject esp_from $f 0x8efffffff
	inject esp_from $f 0x8effffff0
	counters_check hv2:$SPI12:rx-packets==5 hv2:$SPI12:rx-replay==1 hv2:-:XfrmInStateSeqError==1
	# a window back it is taken for one that is yet to come
	counters_mark
	inject esp_from $f 0x8efffff00
	counters_check hv2:$SPI12:rx-auth==1 hv2:-:XfrmInStateProtoError==1
}

# What is not authentic does not fix where the window begins: the state that a standby
# hands over counts, up to the first packet.
handed_over() {
	local f=$1

	begin $f replay-window 32	# more, and xfrm has another state
	sink
	inject flipped $f 100
	counters_wait_quiet
	run ns_exec "$HV2" python3 "$lib_dir/tools/newae.py" $SPI12 ${OUTER[${f}1]} ${OUTER[${f}2]} 0 1000
	run ns_exec "$HV1" python3 "$lib_dir/tools/newae.py" $SPI12 ${OUTER[${f}1]} ${OUTER[${f}2]} 2000 0
	counters_mark
	inject esp_from $f 1000
	inject esp_from $f 999
	counters_check hv2:$SPI12:rx-old==2 hv2:-:XfrmInStateSeqError==2 hv2:$SPI12:windows==0
	inject esp_from $f 1001
	counters_check hv2:$SPI12:rx-old==2 hv2:-:XfrmInStateSeqError==2 hv2:$SPI12:rx-packets==1
	counters_mark
	ping_ok "$HV1" 1 56 "$(target $f)"
	carried 1 1
	[[ $(numbers "$HV1" $SPI12) == *"oseq 0x7d1,"* ]] || fail "$(numbers "$HV1" $SPI12)"
}

# An update is the same SA: numbers and window go on.
updated() {
	local f=$1 hv

	begin $f
	ping_ok "$HV1" 5 56 "$(target $f)"
	for hv in "$HV1" "$HV2"; do
		sa_lines $f replay-oseq 0 limit packet-hard 1000000 | sed 's/state add/state update/' |
			batch "$hv"
	done
	ping_ok "$HV1" 5 56 "$(target $f)"
	carried 10 10
	[[ $(numbers "$HV1" $SPI12) == *"oseq 0xa,"* ]] || fail "$(numbers "$HV1" $SPI12)"
	ip -n "$HV1" -s xfrm state list spi $SPI12 | grep -q 'hard 1000000(packets)' || fail "not updated"
}

# nested FAMILY OUTER-PROTO: under another transform, on xfrm's own paths
nested() {
	local f=$1 ns

	xfrm_flush
	sas $f
	for ns in "$HV1" "$HV2"; do
		run ip -n "$ns" xfrm state add src ${OUTER[${f}1]} dst ${OUTER[${f}2]} proto ah spi 0x5001 \
			reqid 2 mode transport auth-trunc 'hmac(sha256)' 0x${KEY12:2:32} 128 flag af-unspec
		run ip -n "$ns" xfrm state add src ${OUTER[${f}2]} dst ${OUTER[${f}1]} proto ah spi 0x5002 \
			reqid 2 mode transport auth-trunc 'hmac(sha256)' 0x${KEY21:2:32} 128 flag af-unspec
	done
	policies $f $f
	for ns in "$HV1" "$HV2"; do
		policy_all "$ns" $f
	done
	counters_mark
	ping_ok "$HV1" 3 56 "$([ ${SA_MODE:-tunnel} = transport ] && target $f || echo ${INNER[${f}2]})"
	carried 3 3 hv1:$SPI12:tx-core==3 hv2:$SPI21:tx-core==3 hv2:$SPI12:rx-core==3 hv1:$SPI21:rx-core==3
}

# policy_all NS FAMILY: AH outside, in place of what is there
policy_all() {
	ip -n "$1" xfrm policy flush
	if [ "$1" = "$HV1" ]; then
		policy_ah out 1 2 $2 | batch "$1"
		policy_ah in 2 1 $2 | batch "$1"
	else
		policy_ah out 2 1 $2 | batch "$1"
		policy_ah in 1 2 $2 | batch "$1"
	fi
}

policy_ah() {
	policy_line $1 $2 $3 $4 $4 | sed "s/\$/ tmpl src ${OUTER[$4$2]} dst ${OUTER[$4$3]} proto ah reqid 2 mode transport/"
}

chacha() {
	AEAD='rfc7539esp(chacha20,poly1305)' KEY_BYTES=36
	"$@"
}

topo_modes
vpe_wire_start
esn=(flag esn replay-window 128)
ktap_plan 27 10
for f in 4 6; do
	[ $f = 4 ] && plain=ktap_test other=ktap_more || plain=ktap_more other=ktap_test
	for mode in tunnel transport; do
		[ $mode = transport ] && m=transport || m=''
		$plain "IPv$f, $mode: sent" $m entropy sent $f
		$other "IPv$f, $mode: sent, ChaCha20-Poly1305, ESN" \
			$m entropy chacha with ESN=1 sent $f "${esn[@]}"
		$plain "IPv$f, $mode: received" $m entropy received $f replay-window 1024
		$other "IPv$f, $mode: received, AES-192, ESN" \
			$m entropy with KEY_BYTES=28 ESN=1 received $f flag esn replay-window 1024
		$plain "IPv$f, $mode: not authentic" $m entropy bad $f
	done
done
ktap_test "differences are seen" entropy sent_is_strict
ktap_test "all sizes" transport entropy all_sizes
ktap_test "numbers used up" entropy exhausted 4
ktap_test "extended numbers beyond 32 bits" entropy extended 6
ktap_test "replay state handed over" entropy handed_over 4
ktap_test "update" entropy updated 4
ktap_test "AH outside" label nested 6
ktap_finish
