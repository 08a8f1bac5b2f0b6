#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Several transforms in a row: VPE goes by xfrm's own output path then, and
# inside a transform in transport mode by its input path as well; nothing else
# does.
. "$(dirname "$0")/lib.sh"

# both DIRECTION-COMMAND...: COMMAND NS FROM TO SPI for both SAs in both
both() {
	local ns
	for ns in "$HV1" "$HV2"; do
		"$@" "$ns" 1 2 1
		"$@" "$ns" 2 1 2
	done
}

declare -A keys=()

# esp MODE FAMILY NS FROM TO N: an ESP SA, reqid 2
esp() {
	local mode=$1 f=$2 ns=$3 from=$4 to=$5 n=$6
	[ -n "${keys[$n]-}" ] || keys[$n]=$(random_key 20)
	run ip -n "$ns" xfrm state add src ${OUTER[$f$from]} dst ${OUTER[$f$to]} \
		proto esp spi 0x500$n reqid 2 mode $mode aead "$AEAD" "${keys[$n]}" 128 \
		flag af-unspec
}

# ipcomp FAMILY NS FROM TO N: an IPComp SA, reqid 3, between the inner addresses
ipcomp() {
	local f=$1 ns=$2 from=$3 to=$4 n=$5
	run ip -n "$ns" xfrm state add src ${INNER[$f$from]} dst ${INNER[$f$to]} \
		proto comp spi 0x600$n reqid 3 mode transport comp deflate
}

# nested FAMILY TEMPLATE...: policies with these templates, the innermost first:
# vpe, esp:tunnel, esp:transport or comp
nested() {
	local f=$1
	shift
	nested_policy "$HV1" out 1 2 $f "$@"
	nested_policy "$HV1" in 2 1 $f "$@"
	nested_policy "$HV2" out 2 1 $f "$@"
	nested_policy "$HV2" in 1 2 $f "$@"
}

nested_policy() {
	local ns=$1 dir=$2 from=$3 to=$4 f=$5 tmpl=() outer t
	shift 5

	outer=(src ${OUTER[$f$from]} dst ${OUTER[$f$to]})
	for t in "$@"; do
		case $t in
		vpe) tmpl+=(tmpl "${outer[@]}" proto esp reqid 1 mode tunnel) ;;
		esp:*) tmpl+=(tmpl "${outer[@]}" proto esp reqid 2 mode ${t#*:}) ;;
		comp) tmpl+=(tmpl proto comp reqid 3 mode transport level use) ;;
		esac
	done
	run ip -n "$ns" xfrm policy add src ${NET[$f$from]} dst ${NET[$f$to]} dir $dir \
		"${tmpl[@]}"
}

# both_ways FAMILY WAY...: through nested transforms in one family, straight
# through the same VPE SA in the other: only the former count in tx-core (and
# rx-core, if WAY says so).
both_ways() {
	local f=$1 other=$((10 - $1)) n core=() way
	shift
	n=$(count 5 3)
	for way in "$@"; do
		case $way in
		tx-core) core+=(hv1:$SPI12:tx-core==$n hv2:$SPI21:tx-core==$n) ;;
		rx-core) core+=(hv2:$SPI12:rx-core==$n hv1:$SPI21:rx-core==$n) ;;
		esac
	done
	ping_ok "$HV1" 1 56 ${INNER[${f}2]}
	ping_ok "$HV1" 1 56 ${INNER[${other}2]}
	counters_mark
	ping_ok "$HV1" $n 56 ${INNER[${f}2]}
	carried $n $n "${core[@]}"
	ping_ok "$HV1" $n 1000 ${INNER[${other}2]}
	carried $((2 * n)) $((2 * n)) "${core[@]}"
	counters_mark
	ping_ok "$HV2" 1 3000 ${INNER[${f}1]}
	core=()
	for way in "$@"; do
		core+=("hv?:*:$way>=2")
	done
	counters_check "hv?:*:?x-packets>=4" "${core[@]}"
}

# vpe_and_esp FAMILY TEMPLATE...
vpe_and_esp() {
	local f=$1 mode=transport ways=(tx-core)
	shift
	[[ $* != *esp:tunnel* ]] || mode=tunnel
	# What is in UDP comes from its socket, as ever.
	[ $mode = tunnel ] || [ ${#SA_ARGS[@]} != 0 ] || ways+=(rx-core)
	xfrm_flush
	sas $f
	both esp $mode $f
	nested $f "$@"
	policies $((10 - f)) $f
	both_ways $f "${ways[@]}"
}

compressed() {
	local f=$1
	modprobe -q -a ipcomp ipcomp6 deflate
	xfrm_flush
	sas $f
	ip -n "$HV1" xfrm state add src ${INNER[${f}1]} dst ${INNER[${f}2]} proto comp \
		spi 0x6009 reqid 9 mode transport comp deflate || skip "no IPComp here"
	both ipcomp $f
	nested $f comp vpe
	policies $((10 - f)) $f
	ping_ok "$HV1" 1 56 ${INNER[${f}2]}
	counters_mark
	# Compressible, one packet each
	ping_ok "$HV1" 3 4000 ${INNER[${f}2]} -p 00 -M dont
	ping_ok "$HV1" 2 56 ${INNER[$((10 - f))2]}
	counters_wait_quiet
	carried '>=5' '>=5' 'hv1:*:tx-core>=3' 'hv2:*:tx-core>=3'
	counters_check "hv1:$SPI12:tx-packets>=5" "hv?:*:?x-packets>=20" \
		"hv?:*:tx-core>=6"
}

# Where xfrm interfaces are loaded, xfrm checks policies between two tunnels: ESP in
# VPE, like ESP in ESP, wants one more then.
modprobe -qr xfrm_interface
topo_wire || skip_all "no namespaces"
ktap_plan 12 6
for f in 4 6; do
	[ $f = 4 ] && plain=ktap_test other=ktap_more || plain=ktap_more other=ktap_test
	$plain "IPv$f: VPE in ESP transport" vpe_and_esp $f vpe esp:transport
	$plain "IPv$f: VPE in ESP tunnel" vpe_and_esp $f vpe esp:tunnel
	$plain "IPv$f: ESP tunnel in VPE" vpe_and_esp $f esp:tunnel vpe
	$other "IPv$f: VPE in UDP in ESP transport" udp vpe_and_esp $f vpe esp:transport
	$other "IPv$f: ESP tunnel in VPE in UDP" udp vpe_and_esp $f esp:tunnel vpe
	$plain "IPv$f: IPComp in VPE" compressed $f
done
ktap_finish
