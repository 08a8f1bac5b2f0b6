#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is on the wire, bit by bit: packets that VPE sends are taken apart and
# decrypted, and packets made elsewhere are received; by a second implementation
# in vpe_wire.py.
. "$(dirname "$0")/lib.sh"

# begin OUTER KEY-BYTES [SA-ARG...]
begin() {
	local f=$1
	KEY_BYTES=$2
	shift 2

	xfrm_flush
	sas $f "$@"
	policies 4 $f
	policies 6 $f
}

# sent OUTER KEY-BYTES [OPTION]: inner packets of both families, all sizes, DS
# fields, with and without DF, from every CPU
sent() {
	local f=$1 option=${3-} arg=()

	case $option in
	dont-encap-dscp) arg=(extra-flag dont-encap-dscp) ;;
	noecn) arg=(flag noecn) ;;
	esac
	begin $f $2 "${arg[@]}"
	sink
	counters_mark
	vpe_wire sent $f "$(wire_key)" ${OUTER[${f}1]} ${OUTER[${f}2]} $SPI12 fresh $option
	carried '>=13'
}

# Another key, SPI or expectation and "sent" must notice.
sent_is_strict() {
	begin 4 16
	sink
	must_fail InvalidTag vpe_wire sent 4 "$KEY21" ${OUTER[41]} ${OUTER[42]} $SPI12
	must_fail "SPI: $SPI12" vpe_wire sent 4 "$KEY12" ${OUTER[41]} ${OUTER[42]} $SPI21
	must_fail "outer DS" vpe_wire sent 4 "$KEY12" ${OUTER[41]} ${OUTER[42]} $SPI12 noecn
	must_fail "outer DS" vpe_wire sent 4 "$KEY12" ${OUTER[41]} ${OUTER[42]} $SPI12 dont-encap-dscp
	vpe_wire sent 4 "$KEY12" ${OUTER[41]} ${OUTER[42]} $SPI12
}

# received OUTER KEY-BYTES: packets with and without padding are delivered, fill
# packets are counted, what has no inner packet is dropped; all were authentic,
# so their windows took note of them
received() {
	local f=$1 n

	n=$(count 40 12)
	begin $f $2
	sink
	counters_mark
	inject good $f $n
	sunk "$(repeat $n good)"
	counters_check hv2:$SPI12:rx-packets==$n \
		hv2:$SPI12:rx-bytes==$((n * (32 + 52) / 2)) hv2:$SPI12:windows==1

	counters_mark
	inject padded $f $n
	sunk "$(repeat $n 'padded %03d')"
	counters_check hv2:$SPI12:rx-packets==$n \
		hv2:$SPI12:rx-bytes==$((n * (38 + 58) / 2)) hv2:$SPI12:windows==1

	counters_mark
	inject fill $f $n
	counters_check hv2:$SPI12:rx-fill==$n hv2:$SPI12:rx-replay==$n \
		hv2:-:XfrmInStateSeqError==$n hv2:$SPI12:rx-bytes==0 \
		hv2:$SPI12:windows==1

	counters_mark
	inject empty $f $n
	inject nibble $f
	inject headless $f
	n=$((n + 13 + 19 + 39))
	counters_check hv2:$SPI12:rx-inner==$n hv2:-:XfrmInStateModeError==$n \
		hv2:$SPI12:rx-bytes==0 hv2:$SPI12:windows==3
	sunk ''
}

# scattered OUTER: the fragments of an inner packet reach several CPUs
scattered() {
	local f=$1 n

	n=$(count 20 4)
	begin $f 16
	sink
	counters_mark
	inject scattered $f $n
	sunk "$(repeat $n 'what comes in three fragments. ')"
	counters_check hv2:$SPI12:rx-packets==$((n * 3)) hv2:$SPI12:windows==1 \
		"hv2:$SPI12:rx-elsewhere>0"
}

# chacha COMMAND...: with that cipher
chacha() {
	AEAD='rfc7539esp(chacha20,poly1305)'
	"$@"
}

# udp6 COMMAND...: in UDP; the kernel, not the device, sums up
udp6() {
	run ns_exec "$HV1" ethtool -K eth0 tx off
	defer ns_exec "$HV1" ethtool -K eth0 tx on
	udp "$@"
}

topo_wire || skip_all "no namespaces"
vpe_wire_start
ktap_plan 23 6
ktap_test "AES-128 in IPv4" sent 4 16
ktap_test "AES-192 in IPv6" sent 6 24
ktap_more "AES-256 in IPv4" sent 4 32
ktap_test "AES-256 in IPv6, dont-encap-dscp" sent 6 32 dont-encap-dscp
ktap_more "AES-128 in IPv4, noecn" sent 4 16 noecn
ktap_test "ChaCha20-Poly1305 in IPv6" chacha sent 6 32
ktap_test "layout ares in IPv4" ares sent 4 16
ktap_test "layout ares, ChaCha20-Poly1305 in IPv6" ares chacha sent 6 32
ktap_test "UDP in IPv4" udp sent 4 16
ktap_test "UDP in IPv6, ChaCha20-Poly1305" udp6 chacha sent 6 32
ktap_more "layout ares in UDP in IPv4" udp ares sent 4 16
ktap_test "layout ares in UDP in IPv6" udp6 ares sent 6 24
ktap_test "differences are seen" sent_is_strict
ktap_test "received: AES-128 in IPv4" received 4 16
ktap_test "received: AES-192 in IPv6" received 6 24
ktap_more "received: AES-256 in IPv4" received 4 32
ktap_test "received: ChaCha20-Poly1305 in IPv4" chacha received 4 32
ktap_more "received: layout ares in IPv4" ares received 4 16
ktap_test "received: layout ares, ChaCha20-Poly1305 in IPv6" ares chacha received 6 32
ktap_test "received: UDP in IPv4" udp received 4 16
ktap_test "received: layout ares in UDP in IPv6" udp ares received 6 32
ktap_more "fragments inside, IPv4" scattered 4
ktap_test "fragments inside, IPv6" scattered 6
ktap_finish
