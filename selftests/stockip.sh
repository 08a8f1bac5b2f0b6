#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's ip, which knows nothing of VPE, makes the same SAs; and what
# the patched one prints of them.
. "$(dirname "$0")/lib.sh"

[ "$(type -t ip-stock)" ] || skip_all "no second ip (ip-stock)"

listing() {
	ip -n "$HV1" xfrm state | grep -v -e '^[[:space:]]*lifetime' -e '^[[:space:]]*aead'
}

# The patched ip sees no difference but keys.
same() {
	local patched stock

	sas 4
	patched=$(listing)
	xfrm_flush
	IP=ip-stock sas 4
	stock=$(listing)
	[ "$patched" = "$stock" ] || fail "patched: $patched; stock: $stock"
	[ "$(grep -c 'proto vpe' <<<"$patched")" = 2 ] || fail "listing: $patched"
	[ "$(ip-stock -n "$HV1" xfrm state | grep -c 'proto esp')" = 2 ] ||
		fail "stock listing: $(ip-stock -n "$HV1" xfrm state)"
}

# json EXPRESSION of jq, for "ip -j xfrm vpe show" in HV1; must be true
json() {
	ip -n "$HV1" -j xfrm vpe show >"$TMP/json"
	jq -e "$1" "$TMP/json" >/dev/null || fail "$1: $(<"$TMP/json")"
}

shown() {
	local ip
	for ip in ip ip-stock; do
		xfrm_flush
		IP=$ip sas 6
		json 'length == 2 and all(.[]; .proto == "vpe" and .stock == false and
			.family == "inet6" and .flags == 2147483648 and
			."key-bits" == 128 and ."replay-window" == 1024 and
			.reqid == 1 and ."rx-windows" == 0)'
	done
}

traffic() {
	local f=$1
	xfrm_flush
	IP=ip-stock sas $f
	policies 4 $f
	policies 6 $f
	ping_ok "$HV1" 1 56 ${INNER[42]}
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	ping_ok "$HV1" 3 56 ${INNER[62]}
	carried 6 6
}

# One side by each
mixed() {
	xfrm_flush
	sas 4
	run ip -n "$HV2" xfrm state flush
	IP=ip-stock run sa_add "$HV2" 4 1 2 $SPI12 "$KEY12" flag af-unspec
	IP=ip-stock run sa_add "$HV2" 4 2 1 $SPI21 "$KEY21" flag af-unspec
	policies 4 4
	ping_ok "$HV1" 1 56 ${INNER[42]}
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
}

# In a template "vpe" is ESP, on the way in and out.
template() {
	local dir from to

	xfrm_flush
	sas 4
	for dir in out in; do
		from=1 to=2
		[ $dir = out ] || from=2 to=1
		run ip -n "$HV1" xfrm policy add src ${NET[4$from]} dst ${NET[4$to]} dir $dir \
			tmpl src ${OUTER[4$from]} dst ${OUTER[4$to]} proto vpe reqid 1 mode tunnel
		from=2 to=1
		[ $dir = out ] || from=1 to=2
		run ip-stock -n "$HV2" xfrm policy add src ${NET[4$from]} dst ${NET[4$to]} dir $dir \
			tmpl src ${OUTER[4$from]} dst ${OUTER[4$to]} proto esp reqid 1 mode tunnel
	done
	[ "$(ip -n "$HV1" xfrm policy | grep -c 'proto esp reqid 1')" = 2 ] ||
		fail "policies: $(ip -n "$HV1" xfrm policy)"
	ping_ok "$HV1" 1 56 ${INNER[42]}
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
}

# Taken away by whichever
delete() {
	xfrm_flush
	sas 4
	run ip-stock -n "$HV1" xfrm state del src ${OUTER[41]} dst ${OUTER[42]} proto esp spi $SPI12
	run ip -n "$HV1" xfrm state get src ${OUTER[42]} dst ${OUTER[41]} proto vpe spi $SPI21 >"$TMP/got"
	grep -q 'proto vpe' "$TMP/got" || fail "got: $(<"$TMP/got")"
	run ip -n "$HV1" xfrm state del src ${OUTER[42]} dst ${OUTER[41]} proto vpe spi $SPI21
	[ -z "$(ip -n "$HV1" xfrm state)" ] || fail "left: $(ip -n "$HV1" xfrm state)"
}

topo_wire || skip_all "no namespaces"
ktap_plan 7
ktap_test "the same SA in ip xfrm state" same
ktap_test "the same SA in ip xfrm vpe show" shown
ktap_test "traffic in IPv4" traffic 4
ktap_test "traffic in IPv6" traffic 6
ktap_test "one side by each program" mixed
ktap_test "templates" template
ktap_test "deleted by the other program" delete
ktap_finish
