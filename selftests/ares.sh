#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Layout ares beside layout spi-first and classic ESP to one address: each packet
# goes to its SA. Where an ESP SA has an SPI that packets in layout ares begin
# with, they are ESP's, and who adds such an SA is warned.
. "$(dirname "$0")/lib.sh"

# By number: what goes to which inner address. Packets of window 1 begin with the
# SPI of clash.
readonly KINDS=(ares spi-first esp clash)
declare -rA SPI=([ares]=0x3001 [spi-first]=0x3002 [esp]=0x5001 [clash]=0x100)
declare -A keys=()

# inner FAMILY NUMBER: that address
inner() {
	if [ $1 = 4 ]; then echo 192.168.2.1$2; else echo fd00:2::1$2; fi
}

# sa FAMILY NUMBER
sa() {
	local what=${KINDS[$2]} SA_PROTO=vpe LAYOUT=spi-first

	case $what in
	ares) LAYOUT=ares ;;
	esp | clash) SA_PROTO=esp ;;
	esac
	sa_line $1 1 2 ${SPI[$what]} "${keys[$what]}" reqid $(($2 + 1))
}

# rule FAMILY NUMBER out|in
rule() {
	echo "xfrm policy add src ${NET[${1}1]} dst $(inner $1 $2) dir $3 tmpl" \
		"src ${OUTER[${1}1]} dst ${OUTER[${1}2]} proto esp reqid $(($2 + 1)) mode tunnel"
}

# begin FAMILY: all but clash
begin() {
	local f=$1 i

	xfrm_flush
	for i in "${!KINDS[@]}"; do
		keys[${KINDS[i]}]=$(random_key $((i < 2 ? 16 : 20)))
	done
	for i in 0 1 2 3; do rule $f $i out; done | batch "$HV1"
	for i in 0 1 2 3; do rule $f $i in; done | batch "$HV2"
	for i in 0 1 2; do sa $f $i; done | batch "$HV1"
	for i in 0 1 2; do sa $f $i; done | batch "$HV2"
}

# send FAMILY KIND CPU
send() {
	local i

	for i in "${!KINDS[@]}"; do
		[ ${KINDS[i]} != $2 ] || ns_exec "$HV1" taskset -c $3 \
			bash -c "echo $2 >/dev/udp/$(inner $1 $i)/9"
	done
}

# passes FAMILY KIND: from both CPUs
passes() {
	local cpu spi=${SPI[$2]} specs=()

	[[ $2 == @(esp|clash) ]] || specs=("hv1:$spi:tx-packets==2" "hv2:$spi:rx-packets==2")
	counters_mark
	for cpu in 0 1; do
		send $1 $2 $cpu
		sunk $2
	done
	counters_check "${specs[@]}"
}

together() {
	local f=$1 kind

	begin $f
	sink
	for kind in ares spi-first esp; do passes $f $kind; done

	sa $f 3 | batch "$HV1"
	sa $f 3 | batch "$HV2"
	for kind in spi-first esp clash; do passes $f $kind; done
	counters_mark
	send $f ares 0
	sunk ares
	send $f ares 1
	counters_check "hv1:${SPI[ares]}:tx-packets==2" "hv2:${SPI[ares]}:rx-packets==1" \
		hv2:-:XfrmInStateProtoError==1
	sunk ''

	run ip -n "$HV2" xfrm state delete src ${OUTER[${f}1]} dst ${OUTER[${f}2]} \
		proto esp spi ${SPI[clash]}
	passes $f ares
}

# The same, seen by GRO with esp4_offload before us
with_gro() {
	modprobe -a esp4_offload esp6_offload || skip "no esp4_offload"
	run ns_exec "$HV2" ethtool -K eth0 gro on
	together $1
}

# added WARNED NUMBER: of the SA in HV1, and it is added
added() {
	sa 4 $2 | ip -n "$HV1" -batch - >"$TMP/said" 2>&1 || fail "$(<"$TMP/said")"
	[ "$(grep -c 'VPE: an SA to the same address has an SPI that takes packets of layout ares' "$TMP/said")" = $1 ] ||
		fail "${KINDS[$2]} was added with: $(<"$TMP/said")"
}

warning() {
	begin 4
	run ip -n "$HV1" xfrm state flush
	added 0 0	# ares
	added 0 3	# clash
	run ip -n "$HV1" xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi ${SPI[ares]}
	added 0 2
	added 1 0
	ip -n "$HV1" xfrm state | grep -q 'layout ares' || fail "not shown"
}

topo_wire || skip_all "no namespaces"
for f in 4 6; do
	for i in "${!KINDS[@]}"; do
		run ip -n "$HV2" addr add "$(inner $f $i)/$((f == 4 ? 32 : 128))" dev lo
	done
done
ktap_plan 5 2
ktap_test "IPv4: both layouts and ESP" together 4
ktap_more "IPv6: both layouts and ESP" together 6
ktap_more "IPv4: both layouts and ESP, GRO" with_gro 4
ktap_test "IPv6: both layouts and ESP, GRO" with_gro 6
ktap_test "an SPI in the way is told" warning
ktap_finish
