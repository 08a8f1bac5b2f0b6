#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What users see of VPE SAs: the inner MTU in "ip xfrm vpe show", what "ip xfrm
# monitor" says of them, and how bash completes it all.
. "$(dirname "$0")/lib.sh"

# Bytes of the IP header, and of an address
declare -rA HEADER=([4]=20 [6]=40) LENGTH=([4]=32 [6]=128)

# mtu_is SPI [MTU]: of that SA in HV1, in text and JSON; without MTU: it has none
mtu_is() {
	local text json mtu='' want=${2-}

	text=$(ip -n "$HV1" xfrm vpe show spi $1)
	json=$(ip -n "$HV1" -j xfrm vpe show spi $1)
	[[ $text =~ spi\ 0x0000${1#0x} ]] || fail "not shown: $text"
	[[ ! $json =~ \"mtu\":([0-9]+) ]] || mtu=${BASH_REMATCH[1]}
	[ "$mtu" = "$want" ] || fail "mtu $mtu, not $want: $json"
	[[ ! $text =~ [[:blank:]]mtu\ ([0-9]+) ]] || want="-${BASH_REMATCH[1]}"
	[ "$want" = "${mtu:+-$mtu}" ] || fail "not mtu $mtu: $text"
}

# routes LINE...: of HV1, by ip
routes() {
	printf '%s\n' "$@" | batch "$HV1"
}

# mtu OUTER INNER: the largest packet for the path as it is now
mtu() {
	local f=$1 inner=$2 to=${OUTER[${1}2]}/${LENGTH[$1]} over

	over=$((HEADER[$f] + 32))
	tunnel $f $inner
	mtu_is $SPI12 $((1500 - over))
	mtu_is $SPI21
	defer ip -n "$HV1" link set eth0 mtu 1500
	routes "link set eth0 mtu 1400"
	mtu_is $SPI12 $((1400 - over))

	ping_ok "$HV1" 1 56 ${INNER[${inner}2]}
	counters_mark
	ping_ok "$HV1" 1 $((1400 - over - HEADER[$inner] - 8)) ${INNER[${inner}2]} -M 'do'
	ns_exec "$HV1" ping -q -c 1 -W 0.2 -M 'do' ${INNER[${inner}2]} \
		-s $((1401 - over - HEADER[$inner] - 8)) && fail "a larger one passed"
	carried 1 1

	routes "route add $to dev eth0 mtu 1330"
	mtu_is $SPI12 $((1330 - over))
	routes "route del $to dev eth0" "route add unreachable $to"
	mtu_is $SPI12
	routes "route del unreachable $to"
	mtu_is $SPI12 $((1400 - over))
}

# By the route of the mark that the SA gives its packets
output_mark() {
	local f=$1

	xfrm_flush
	sas $f output-mark 7
	defer ip -n "$HV1" -$f rule del fwmark 7 table 7
	run ip -n "$HV1" -$f rule add fwmark 7 table 7
	mtu_is $SPI12 $((1500 - HEADER[$f] - 32))
	routes "route add ${OUTER[${f}2]} dev eth0 mtu 1350 table 7"
	mtu_is $SPI12 $((1350 - HEADER[$f] - 32))
}

# shows PATTERN WORD...: what ip says of HV2's windows, on one line
shows() {
	local out

	out=$(ip -n "$HV2" "${@:2}" | tr '\n\t' '/ ')
	[[ $out =~ $1 ]] || fail "ip ${*:2}: no '$1' in $out"
}

# Bytes of windows; how late packets were, by window, sum and SA: two accepted, 1023
# apart, and three more than a window behind
late() {
	local accepted='"late-accepted":\[\{"from":512,"packets":1,"to":1023\}\]'
	local refused='"late-refused":\[\{"from":1024,"packets":3,"to":2047\}\]'
	local bytes lines='/ late accepted: 512-1023: 1/ late refused: 1024-2047: 3/'

	tunnel 4 4
	vpe_wire_start
	inject good 4 3
	inject old 4 3
	ping_ok "$HV2" 2 56 ${INNER[41]}
	counters_wait_quiet
	shows "\"window-id\":17,.*\"bytes\":58,.*,$accepted,$refused" -j xfrm vpe window show window-id 17
	shows "\"bytes\":58,.*,$accepted,$refused" -j xfrm vpe window show window-id 17 sum cpu
	shows "$accepted,$refused" -j xfrm vpe show spi $SPI12
	shows "^DIR .*/rx .* 0x00001001 ${OUTER[42]}$lines\$" -s xfrm vpe window show window-id 17
	shows "/rx  *0  *1  *2  *58 .*$lines\$" -s xfrm vpe window show window-id 17 sum sender
	shows "$lines" -s xfrm vpe show spi $SPI12
	shows '^[^/]*/[^/]*\\ late accepted[^/]*\\ late refused[^/]*\\/$' \
		-o -s xfrm vpe window show window-id 17
	# not without -s, and not of windows without late packets
	shows '^[^/]*/[^/]*/$' xfrm vpe window show window-id 17
	shows '^[^/]*/[^/]*/$' -s xfrm vpe window show window-id 7
	# all windows of an SA have what the SA has
	bytes=$(vpe_stat "$HV2" $SPI21 tx-bytes)
	[ "$bytes" -ge 168 ] || fail "$bytes bytes of two pings"
	shows "\"bytes\":$bytes," -j xfrm vpe window show tx sum class
}

# said PATTERN: by the monitor, since the last time
said() {
	slowwait grep -q -- "$1" "$TMP/monitor"
	: >"$TMP/monitor"
}

state() {
	run ip -n "$HV1" xfrm state "$1" src ${OUTER[41]} dst ${OUTER[42]} "${@:2}"
}

# A new SA, a changed one, one that is gone
monitor() {
	local id="src ${OUTER[41]} dst ${OUTER[42]}.*proto vpe spi 0x00001001"
	local vpe=(proto vpe spi $SPI12) aead=(mode tunnel aead "$AEAD" "$(random_key 16)" 128)

	xfrm_flush
	monitor_start "$HV1" "$TMP/monitor" -o xfrm monitor
	state add "${vpe[@]}" "${aead[@]}"
	said "^$id.* mode tunnel"
	state update "${vpe[@]}" "${aead[@]}" replay-window 64
	said "^Updated $id"
	state delete "${vpe[@]}"
	said "^Deleted $id"
	state add "${vpe[@]}" "${aead[@]}"
	run ip -n "$HV1" xfrm state flush proto vpe
	said "^Deleted $id"
}

# The message has no flags, and says "esp".
monitor_expiry() {
	xfrm_flush
	monitor_start "$HV1" "$TMP/monitor" -o xfrm monitor
	state add proto vpe spi $SPI12 mode tunnel aead "$AEAD" "$(random_key 16)" 128 \
		limit time-hard 1
	said "^src .*proto vpe"
	said "^Expired src ${OUTER[41]} dst ${OUTER[42]}.*proto esp spi 0x00001001.*hard 1"
}

# ESP is told from VPE, before it and after it.
monitor_esp() {
	local esp=(proto esp spi 0x1003)

	xfrm_flush
	monitor_start "$HV1" "$TMP/monitor" -o xfrm monitor
	state add "${esp[@]}" mode tunnel aead "$AEAD" "$(random_key 20)" 128
	said "^src .*proto esp spi 0x00001003"
	state delete "${esp[@]}"
	said "^Deleted src .*proto esp spi 0x00001003"
}

# All options by name: of an SA from before the module came, which takes more than
# the module does.
monitor_options() {
	[ "$(type -t ip-stock)" ] || skip "no second ip (ip-stock)"
	xfrm_flush
	slowwait rmmod xfrm_vpe
	defer module_load
	monitor_start "$HV1" "$TMP/monitor" -o xfrm monitor
	run ip-stock -n "$HV1" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi $SPI12 \
		mode tunnel aead "$AEAD" "$(random_key 20)" 128 extra-flag 0xf0001200
	said "proto vpe spi .*layout ares sender-id 18 group entropy"
	run ip-stock -n "$HV1" xfrm state flush
}

# complete_line LINE: what bash offers, to COMPREPLY
complete_line() {
	read -ra COMP_WORDS <<<"$1"
	[[ $1 != *' ' ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_ip_xfrm ip "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
}

# completes LINE WORD...: with these and no others
completes() {
	complete_line "$1"
	shift
	[ "${COMPREPLY[*]}" = "$*" ] || fail "${COMP_WORDS[*]}: '${COMPREPLY[*]}', not '$*'"
}

completion() {
	# shellcheck source=iproute2-patch/ip-xfrm.bash
	. "$lib_dir/../iproute2-patch/ip-xfrm.bash"
	completes 'ip xfrm v' vpe
	completes 'ip -n hv1 -s -j xfrm v' vpe
	completes 'ip xfrm vpe s' show stats set steer
	completes 'ip xfrm vpe clock dst 10.0.0.1 ' spi off
	completes 'ip xfrm vpe set lanes 8 udpcsum on u' udp6zerocsumtx
	completes 'ip xfrm vpe show dst fd00::1 ' src spi
	completes 'ip xfrm vpe window show spi 1 tx ' dst sender-id window-id sum
	completes 'ip xfrm vpe window show spi '
	completes 'ip xfrm state add src 10.0.0.1 proto v' vpe
	completes 'ip xfrm state add proto vpe layout ' spi-first ares
	completes 'ip xfrm state add proto vpe layout ares s' src spi seq sel sender-id
	completes 'ip xfrm state add proto esp g'
	completes 'ip xfrm state add proto vpe g' group
	completes 'ip xfrm state add proto esp e' enc encap extra-flag entropy
	completes 'ip xfrm policy add dir out tmpl proto v' vpe
	# what is not ours
	completes 'ip link '
	_ip() {
		COMPREPLY=("$@")
	}
	completes 'ip link se' ip se link
}

# All that "ip xfrm vpe help" names
completion_help() {
	local line word offered=' '

	. "$lib_dir/../iproute2-patch/ip-xfrm.bash"
	for line in '' 'vpe ' 'vpe show ' 'vpe set ' 'vpe set udpcsum ' 'vpe set nvo3-ports ' \
		'vpe listen ' \
		'vpe listen add 4500 ' 'vpe window ' 'vpe window show ' \
		'vpe class ' 'vpe class source ' 'vpe steer ' 'vpe window set ' 'vpe window show dir ' \
		'vpe window show sum ' 'vpe clock '; do
		complete_line "ip xfrm $line"
		offered+="${COMPREPLY[*]} "
	done
	for word in $(ip xfrm vpe help 2>&1 | grep -oE '\<[a-z][a-z0-9-]+' | grep -vx -e ip -e xfrm); do
		[[ $offered == *" $word "* ]] || fail "'$word' is not offered: $offered"
	done
	[ -n "${word-}" ] || fail "no help"
}

topo_wire || skip_all "no namespaces"
ktap_plan 13
for outer in 4 6; do
	for inner in 4 6; do
		ktap_test "$inner in $outer: inner MTU" mtu $outer $inner
	done
	ktap_test "inner MTU, IPv$outer route of a mark" output_mark $outer
done
ktap_test "bytes of windows, late packets" late
ktap_test "monitor: VPE" monitor
ktap_test "monitor: expiry" monitor_expiry
ktap_test "monitor: ESP" monitor_esp
ktap_test "monitor: all options" monitor_options
ktap_test "completion in bash" completion
ktap_test "completion in bash knows the help" completion_help
ktap_finish
