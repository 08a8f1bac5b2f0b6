#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What becomes of header fields: the outer header, and the inner packet at the
# other end, for packets of all shapes. Each case is run with ESP first; VPE is to
# do the same.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/middle.sh"

# headers.py, for all tests that follow
headers_start() {
	run mkfifo "$TMP/headers.ask" "$TMP/headers.answer"
	# Both ends: neither waits for the other to be opened
	exec 8<>"$TMP/headers.ask" 9<>"$TMP/headers.answer"
	python3 "$lib_dir/tools/headers.py" "$TENANT1" "$MID" "$TENANT2" <&8 >&9 2>&1 &
	defer stop_pid $!
}

# headers ds|shapes OUTER INNER: prints what was seen; the number of packets on
# the wire to $tunnelled
tunnelled=0
headers() {
	local answer
	echo "$1 $2 $3 $TMP/headers ${4-}" >&8
	read -r -t $((WAIT_TIMEOUT * 3)) answer <&9 || fail "headers.py does not answer"
	[[ $answer =~ ^ok\ ([0-9]+)$ ]] || fail "headers.py $*: $answer"
	tunnelled=${BASH_REMATCH[1]}
	cat "$TMP/headers"
}

few=$(count '' few)

# same ds|shapes OUTER INNER SA-ARGS KIND
same() {
	local args

	read -ra args <<<"$4"
	tunnel_of "$5" "$2" "$3" "${args[@]}"
	counters_mark
	headers "$1" "$2" "$3" "$few"
	[ "$5" = vpe ] || return 0
	# What hv2 says of some of them is on its way back
	counters_check "hv1:$SPI12:tx-packets==$tunnelled" \
		"hv2:$SPI12:rx-packets==$tunnelled" "hv2:$SPI21:tx-packets>=0" >&2
}

# ds SA-ARGS: ECN and DSCP, both ways
ds() {
	local outer inner

	for outer in 4 6; do
		for inner in 4 6; do
			as_esp same ds $outer $inner "$1"
		done
	done
}

# As ESP is no use if the cases do not differ: with "noecn" no CE gets through,
# with "decap-dscp" the DSCP of the way does, and a comparison notices.
ds_differs() {
	local args

	for args in '' 'flag noecn' 'flag decap-dscp' 'extra-flag dont-encap-dscp'; do
		(same ds 4 6 "$args" vpe) >"$TMP/ds.${args##* }" || fail "$(tail "$TMP/ds.${args##* }")"
	done
	[ "$(cat "$TMP"/ds.* | grep -c '^then')" -eq $((4 * $(count 40 20))) ] || fail "not all seen"
	# ECT(0), CE on the way
	grep -A4 '^inner 0xba' "$TMP/ds." | grep -q '^then 0xbb' || fail "CE was lost"
	grep -A4 '^inner 0xb8' "$TMP/ds." | grep '^then' | grep -v 0xb8 && fail "CE without ECT"
	grep -A4 '^inner 0xba' "$TMP/ds.noecn" | grep '^then 0xbb' && fail "CE in spite of noecn"
	grep -A4 '^inner 0xba' "$TMP/ds.decap-dscp" | grep -q '^then 0x53' || fail "DSCP was not taken over"
	grep -q '^sent.* ds 0xb' "$TMP/ds.dont-encap-dscp" && fail "DSCP was shown"
	return 0
}

# different KIND: VPE with a flag that ESP has not
different() {
	local args=''
	[ $1 = esp ] || args='flag noecn'
	same ds 4 4 "$args" $1
}

shapes() {
	local inner

	for inner in 4 6; do
		as_esp same shapes "$1" $inner ''
		grep -c ^received "$TMP/vpe"
	done
}

# The outer hop limit is that of the route, or the default.
limit() {
	local outer=$1 via=10.0.0.254 bits=32

	[ $outer = 4 ] || via=fd00::fe bits=128
	ns_exec "$HV1" sysctl -qw net.ipv4.ip_default_ttl=77 net.ipv6.conf.eth0.hop_limit=77
	defer ns_exec "$HV1" sysctl -qw net.ipv4.ip_default_ttl=64 net.ipv6.conf.eth0.hop_limit=64
	as_esp same shapes $outer $outer ''
	grep '^sent' "$TMP/vpe" | grep -v ' ttl 77 ' && fail "outer hop limit is not the default"

	run ip -n "$HV1" route change ${OUTER[${outer}2]}/$bits via $via hoplimit 33
	defer ip -n "$HV1" route change ${OUTER[${outer}2]}/$bits via $via
	as_esp same shapes $outer $outer ''
	grep '^sent' "$TMP/vpe" | grep -v ' ttl 33 ' && fail "outer hop limit is not the route's"
	return 0
}

topo_middle || skip_all "no namespaces"
for ns in "$HV1" "$HV2"; do
	ns_exec "$ns" sysctl -qw net.ipv4.conf.all.accept_source_route=1
done
headers_start
ktap_plan 10 2
ktap_test "differences are seen" must_fail 'not as ESP' as_esp different
ktap_test "DS field: what the flags change" ds_differs
ktap_test "DS field: no flag" ds ''
ktap_test "DS field: flag noecn" ds 'flag noecn'
ktap_more "DS field: flag decap-dscp" ds 'flag decap-dscp'
ktap_more "DS field: extra-flag dont-encap-dscp" ds 'extra-flag dont-encap-dscp'
for outer in 4 6; do
	ktap_test "in IPv$outer: hop limits, fragments, options, protocols" shapes $outer
	ktap_test "in IPv$outer: outer hop limit" limit $outer
done
ktap_finish
