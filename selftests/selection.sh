#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What chooses an SA, or refuses a packet to it, and what an SA chooses: marks,
# interfaces, selectors, reqids, directions, output marks; acquires; what "ip
# xfrm state" and "monitor" do with VPE SAs. As for ESP.
. "$(dirname "$0")/lib.sh"

# Another SA from hv1 to hv2
readonly SPI2=0x2001
KEY2=''

# rule DIR FROM TO FAMILY REQID [WORD...]: a policy; WORD... may give a protocol, a
# mark, an interface
rule() {
	echo "xfrm policy add src ${NET[$4$2]} dst ${NET[$4$3]} ${*:6} dir $1 tmpl" \
		"src ${OUTER[4$2]} dst ${OUTER[4$3]} proto esp reqid $5 mode tunnel"
}

# sa SPI KEY [WORD...]: an SA from hv1 to hv2
sa() {
	sa_line 4 1 2 "$@"
}

# begin: only what leads from hv2 to hv1
begin() {
	local back
	xfrm_flush
	new_keys
	KEY2=$(random_key 16)
	back=$(sa_line 4 2 1 $SPI21 "$KEY21")
	(echo "$back"; rule in 2 1 4 1) | batch "$HV1"
	(echo "$back"; rule out 2 1 4 1) | batch "$HV2"
}

# went SPI N [SPEC...]: since counters_mark N packets went by that SA, each
# answered
went() {
	counters_check "hv1:$1:tx-packets==$2" "hv2:$1:rx-packets==$2" \
		"hv2:$SPI21:tx-packets==$2" "hv1:$SPI21:rx-packets==$2" "${@:3}"
}

# by SPI PING-ARG...: three pings go by that SA
by() {
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]} "${@:2}"
	went $1 3
}

# refused SPEC... [-- PING-ARG...]: three pings come to nothing, counted so
refused() {
	local specs=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		specs+=("$1")
		shift
	done
	counters_mark
	ns_exec "$HV1" ping -q -c 3 -i 0.05 -W 0.1 "${@:2}" ${INNER[42]} && fail "answered"
	counters_check "${specs[@]}"
}

# By the mark of the policy that a packet meets, under its mask
marks_out() {
	begin
	batch "$HV1" <<-END
		$(sa $SPI12 "$KEY12" mark 0x10 mask 0xf0)
		$(sa $SPI2 "$KEY2" mark 0x20 mask 0xf0)
		$(rule out 1 2 4 1 mark 0x10 mask 0xf0)
		$(rule out 1 2 4 1 mark 0x20 mask 0xf0)
		$(rule out 1 2 4 1 mark 0x30 mask 0xf0)
	END
	batch "$HV2" <<-END
		$(sa $SPI12 "$KEY12")
		$(sa $SPI2 "$KEY2")
		$(rule in 1 2 4 1)
	END
	by $SPI12 -m $((0x10))
	by $SPI2 -m $((0x20))
	by $SPI12 -m $((0x715))
	refused "hv1:-:XfrmOutNoStates>=3" -- -m $((0x30))
}

# mark_by_dscp NS: what comes in is marked, as firewalls do
mark_by_dscp() {
	ns_exec "$1" nft -f - <<-END || fail "no nft"
		table ip selection {
			chain prerouting {
				type filter hook prerouting priority mangle
				ip protocol esp ip dscp cs1 meta mark set 0x911
				ip protocol esp ip dscp cs2 meta mark set 0x922
			}
		}
	END
	defer ns_exec "$1" nft delete table ip selection
}

# By the packet's mark where it comes in: SAs with equal SPIs, too. The mark goes on
# to the policy, and with fwmark_reflect to the answer's.
marks_in() {
	begin
	(sa $SPI12 "$KEY12"; rule out 1 2 4 1) | batch "$HV1"
	batch "$HV2" <<-END
		$(sa $SPI12 "$KEY12" mark 0x11 mask 0xff)
		$(sa $SPI12 "$KEY2" mark 0x22 mask 0xff)
		$(rule in 1 2 4 1 mark 0x900 mask 0xf00)
		xfrm policy delete src ${NET[42]} dst ${NET[41]} dir out
		$(rule out 2 1 4 1 mark 0x11 mask 0xff)
	END
	ns_exec "$HV2" sh -c 'echo 1 >/proc/sys/net/ipv4/fwmark_reflect'
	refused hv1:$SPI12:tx-packets==3 hv2:-:XfrmInNoStates==3
	mark_by_dscp "$HV2"
	by $SPI12 -Q 0x20
	# The key is the other SA's.
	refused hv1:$SPI12:tx-packets==3 hv2:-:XfrmInStateProtoError==3 \
		hv2:$SPI12:rx-auth==3 -- -Q 0x40
}

# Of the other family, though its address begins with the one that packets go to
family() {
	begin
	(sa $SPI12 "$KEY12"; rule out 1 2 4 1) | batch "$HV1"
	(sa $SPI12 "$KEY12"; rule in 1 2 4 1) |
		sed "s/ src ${OUTER[41]} dst ${OUTER[42]} / src ${OUTER[61]} dst a00:2:: /" |
		batch "$HV2"
	refused hv1:$SPI12:tx-packets==3 hv2:-:XfrmInNoStates==3
}

# A second wire, by a rule on the outer packet's mark, the inner one has none; and
# the mark that a packet gets where it comes in.
output_mark() {
	local sent

	begin
	run ip link add eth1 netns "$HV1" type veth peer name eth1 netns "$HV2"
	defer ip -n "$HV1" link delete eth1
	batch "$HV1" <<-END
		addr add 10.1.0.1/24 dev eth1
		link set eth1 up
		route add ${OUTER[42]} via 10.1.0.2 table 77
		rule add fwmark 0x77/0xff table 77
		$(sa $SPI12 "$KEY12" output-mark 0x77 mask 0xff)
		$(rule out 1 2 4 1)
	END
	defer ip -n "$HV1" rule del fwmark 0x77/0xff table 77
	batch "$HV2" <<-END
		addr add 10.1.0.2/24 dev eth1
		link set eth1 up
		$(sa $SPI12 "$KEY12" output-mark 0x88 mask 0xff)
		$(rule in 1 2 4 1 mark 0x88 mask 0xff)
	END
	ping_ok "$HV1" 1 56 ${INNER[42]}
	sent=$(link_stat "$HV1" eth1 tx)
	by $SPI12 -m $((0x100))
	sent=$(($(link_stat "$HV1" eth1 tx) - sent))
	[ $sent -ge 3 ] || fail "sent $sent packets on eth1"
}

# link_stat NS DEVICE rx|tx [WHAT]: packets, or errors
link_stat() {
	ip -n "$1" -j -s link show "$2" | jq ".[0].stats64.$3.${4-packets}"
}

# xfrm_interface SIDE PEER OUTER-FAMILY: all by device xf0
xfrm_interface() {
	local ns=HV$1 inner
	defer ip -n "${!ns}" route replace ${NET[4$2]} via ${OUTER[4$2]} src ${INNER[4$1]}
	defer ip -n "${!ns}" route replace ${NET[6$2]} via ${OUTER[6$2]} src ${INNER[6$1]}
	defer ip -n "${!ns}" link delete xf0
	(
		echo "link add xf0 type xfrm dev eth0 if_id 42"
		echo "link set xf0 up"
		sa_lines $3 if_id 42
		for inner in 4 6; do
			policy_lines $1 $2 $inner $3
			echo "route replace ${NET[$inner$2]} dev xf0 src ${INNER[$inner$1]}"
		done
	) | sed 's/ tmpl / if_id 42&/' | batch "${!ns}"
}

# xf0_carried N: since xf0_mark, both ways on both sides
xf0_mark() {
	xf0_before=$(xf0_now)
}

xf0_now() {
	local ns way
	for ns in "${AWAY:-$HV1}" "$HV2"; do
		for way in rx tx; do
			link_stat "$ns" xf0 $way
		done
	done
}

xf0_carried() {
	local before now i

	mapfile -t before <<<"$xf0_before"
	mapfile -t now < <(xf0_now)
	for i in 0 1 2 3; do
		[ $((now[i] - before[i])) -eq $1 ] ||
			fail "xf0 (rx, tx of hv1, rx, tx of hv2): before ${before[*]}, now ${now[*]}"
	done
}

interfaces() {
	local xf0_before AWAY=''

	xfrm_flush
	new_keys
	xfrm_interface 1 2 $1
	xfrm_interface 2 1 $1
	# Neighbour discovery finds no policy; without SAs for it nothing is counted.
	ping_ok "$HV1" 1 56 ${INNER[42]}
	counters_mark
	xf0_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	ping_ok "$HV1" 3 1000 ${INNER[62]}
	carried 6 6
	xf0_carried 6
	moved
	interface_errors $1
	wrong_interface $1
}

# The device goes into another namespace; SAs and the outer packets stay.
moved() {
	setup_ns AWAY || fail "no namespace"
	defer cleanup_ns "$AWAY"
	run ip -n "$HV1" link set xf0 netns "$AWAY"
	batch "$AWAY" <<-END
		link set xf0 up
		addr add 192.168.1.9/32 dev xf0
		addr add fd00:1::9/128 dev xf0 nodad
		route add ${NET[42]} dev xf0
		route add ${NET[62]} dev xf0
	END
	xf0_mark
	counters_mark
	ping_ok "$AWAY" 3 56 ${INNER[42]}
	ping_ok "$AWAY" 3 1000 ${INNER[62]}
	ping_ok "$HV2" 2 56 192.168.1.9
	carried 8 8
	xf0_carried 8
}

# hv2_sa OUTER-FAMILY KEY IF_ID: in place of the one that receives
hv2_sa() {
	batch "$HV2" <<-END
		xfrm state delete src ${OUTER[${1}1]} dst ${OUTER[${1}2]} proto vpe spi $SPI12
		$(sa_line $1 1 2 $SPI12 "$2" if_id $3)
	END
}

# away_refused SPEC...: three packets are sent, none gets through
away_refused() {
	counters_mark
	ns_exec "$AWAY" ping -q -c 3 -i 0.05 -W 0.1 ${INNER[42]} && fail "was let through"
	counters_check hv1:$SPI12:tx-packets==3 "$@"
}

# Errors are counted at the device as well.
interface_errors() {
	local before

	before=$(link_stat "$HV2" xf0 rx errors)
	hv2_sa $1 "$(random_key 16)" 42
	away_refused hv2:$SPI12:rx-auth==3 hv2:-:XfrmInStateProtoError==3
	[ $(($(link_stat "$HV2" xf0 rx errors) - before)) -eq 3 ] ||
		fail "xf0: $before errors before, now $(link_stat "$HV2" xf0 rx errors)"
}

# By an SA of another interface than the policy's, and by one of no interface
wrong_interface() {
	local id received=0

	run ip -n "$HV2" link add xf1 type xfrm dev eth0 if_id 43
	defer ip -n "$HV2" link delete xf1
	run ip -n "$HV2" link set xf1 up
	for id in 43 44; do
		hv2_sa $1 "$KEY12" $id
		away_refused hv2:$SPI12:rx-packets==3 hv2:-:XfrmInNoPols==3
	done
	received=$(link_stat "$HV2" xf1 rx)
	[ "$received" -eq 3 ] || fail "xf1 received $received packets"
}

# udp_by SPI: a datagram goes by that SA
udp_by() {
	counters_mark
	ns_exec "$HV1" bash -c "echo text >/dev/udp/${INNER[42]}/9"
	sunk text
	counters_check hv1:$1:tx-packets==1 hv2:$1:rx-packets==1
}

selectors() {
	begin
	sink
	batch "$HV1" <<-END
		$(sa $SPI12 "$KEY12" sel src ${NET[41]} dst ${NET[42]} proto icmp)
		$(sa $SPI2 "$KEY2" sel src ${NET[41]} dst ${NET[42]} proto udp)
		$(rule out 1 2 4 1)
	END
	batch "$HV2" <<-END
		$(sa $SPI12 "$KEY12" sel src ${NET[41]} dst ${NET[42]} proto icmp)
		$(sa $SPI2 "$KEY2" sel src ${NET[41]} dst ${NET[42]} proto udp)
		$(rule in 1 2 4 1)
	END
	by $SPI12
	udp_by $SPI2
	# What the receiver's selector does not have
	batch "$HV2" <<-END
		xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12
		$(sa $SPI12 "$KEY12" sel src ${NET[41]} dst ${NET[42]} proto tcp)
	END
	refused hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-packets==3 \
		hv2:-:XfrmInStateMismatch==3
}

# reqid_lines out|in
reqid_lines() {
	sa $SPI12 "$KEY12"
	sa $SPI2 "$KEY2" reqid 2
	rule $1 1 2 4 1 proto icmp
	rule $1 1 2 4 2 proto udp
}

reqids() {
	begin
	sink
	reqid_lines out | batch "$HV1"
	reqid_lines in | batch "$HV2"
	by $SPI12
	udp_by $SPI2
	batch "$HV2" <<-END
		xfrm policy delete src ${NET[41]} dst ${NET[42]} proto icmp dir in
		$(rule in 1 2 4 2 proto icmp)
	END
	refused hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-packets==3 \
		hv2:-:XfrmInTmplMismatch==3
}

# The newest of several SAs sends, all receive.
newest() {
	begin
	(sa $SPI12 "$KEY12"; sa $SPI2 "$KEY2"; rule in 1 2 4 1) | batch "$HV2"
	(sa $SPI12 "$KEY12"; rule out 1 2 4 1) | batch "$HV1"
	by $SPI12
	sa $SPI2 "$KEY2" | batch "$HV1"
	by $SPI2
	run ip -n "$HV1" xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI2
	by $SPI12
}

# An optional template lets in what came in the clear, too; when sending, the kernel
# has none for tunnels.
optional() {
	begin
	(sa $SPI12 "$KEY12"; rule out 1 2 4 1) | batch "$HV1"
	(sa $SPI12 "$KEY12"; rule in 1 2 4 1) | batch "$HV2"
	run ip -n "$HV1" xfrm policy delete src ${NET[41]} dst ${NET[42]} dir out
	refused hv2:-:XfrmInTmplMismatch==3
	(echo "xfrm policy delete src ${NET[41]} dst ${NET[42]} dir in"
	 echo "$(rule in 1 2 4 1) level use") | batch "$HV2"
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	counters_check hv2:$SPI21:tx-packets==3 hv1:$SPI21:rx-packets==3
	rule out 1 2 4 1 | batch "$HV1"
	by $SPI12
	run ip -n "$HV1" xfrm policy delete src ${NET[41]} dst ${NET[42]} dir out
	echo "$(rule out 1 2 4 1) level use" |
		ip -n "$HV1" -batch - >"$TMP/said" 2>&1 && fail "accepted"
	grep -q "optional template not allowed" "$TMP/said" || fail "said: $(<"$TMP/said")"
}

# directed NS FROM TO SPI KEY in|out: in place of the SA that is there
directed() {
	ip -n "$1" xfrm state delete src ${OUTER[4$2]} dst ${OUTER[4$3]} proto vpe spi $4
	run ns_exec "$1" python3 "$lib_dir/tools/sa.py" --dir $6 ${OUTER[4$2]} ${OUTER[4$3]} $4 $5
}

directions() {
	printf '%s\n' 6.10 "$(uname -r)" | sort -VC || skip "SAs have no direction here"
	tunnel 4 4
	directed "$HV1" 1 2 $SPI12 "$KEY12" out
	directed "$HV2" 1 2 $SPI12 "$KEY12" in
	by $SPI12
	directed "$HV2" 1 2 $SPI12 "$KEY12" out
	refused hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-state==3 \
		hv2:-:XfrmInStateDirError==3
	directed "$HV1" 1 2 $SPI12 "$KEY12" in
	# The kernel refuses it to the socket.
	refused 'hv1:-:XfrmOutStateDirError>=1' 'hv1:-:XfrmOutPolError>=0'
}

# told PATTERN...: the monitor has a line for each
told() {
	local pattern
	for pattern in "$@"; do
		busywait $((WAIT_TIMEOUT * 100)) grep -q -- "$pattern" "$TMP/monitor" ||
			fail "no '$pattern': $(<"$TMP/monitor")"
	done
}

# An SA is asked for, and a larval one stands in until there is one.
acquire() {
	local line="src ${OUTER[41]} dst ${OUTER[42]}"

	begin
	(sa $SPI12 "$KEY12"; rule in 1 2 4 1) | batch "$HV2"
	rule out 1 2 4 1 | batch "$HV1"
	monitor_start "$HV1" "$TMP/monitor" xfrm monitor acquire
	ns_exec "$HV1" ping -q -c 2 -i 0.05 -W 0.1 ${INNER[42]} && fail "answered"
	told "^acquire proto esp" "tmpl $line" "proto esp reqid 1 "
	ip -n "$HV1" xfrm state | grep -q 'spi 0x00000000 reqid 1' || fail "no larval SA"
	sa $SPI12 "$KEY12" | batch "$HV1"
	by $SPI12
	! ip -n "$HV1" xfrm state | grep 'spi 0x00000000' || fail "the larval SA is left"
}

# As IKE daemons do it: the SPI first, the key later
allocated() {
	begin
	(sa $SPI12 "$KEY12"; rule out 1 2 4 1) | batch "$HV1"
	rule in 1 2 4 1 | batch "$HV2"
	run ip -n "$HV2" xfrm state allocspi src ${OUTER[41]} dst ${OUTER[42]} proto esp \
		reqid 1 mode tunnel min $SPI12 max $SPI12
	refused hv1:$SPI12:tx-packets==3 'hv2:-:Xfrm*==3'
	sa $SPI12 "$KEY12" | sed 's/state add/state update/' | batch "$HV2"
	by $SPI12
}

# listed N [SELECTOR...]: that many SAs
listed() {
	local n
	n=$(ip -n "$HV1" xfrm state list "${@:2}" | grep -c '^src')
	[ "$n" -eq $1 ] || fail "$n SAs, not $1 ($*): $(ip -n "$HV1" xfrm state)"
}

# two_of_each: VPE and ESP SAs
two_of_each() {
	local i
	xfrm_flush
	new_keys
	(
		sa_lines 4
		for i in 1 2; do
			echo "xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi" \
				"0x300$i reqid 3 mode tunnel aead $AEAD $(random_key 20) 128"
		done
	) | batch "$HV1"
}

commands() {
	local id=(src ${OUTER[41]} dst ${OUTER[42]})

	two_of_each
	ip -n "$HV1" xfrm state count | grep -q 'count 4' || fail "$(ip -n "$HV1" xfrm state count)"
	listed 4
	listed 2 proto vpe
	listed 2 proto esp
	listed 1 proto vpe spi $SPI12
	ip -n "$HV1" xfrm state get "${id[@]}" proto vpe spi $SPI12 | grep -q "proto vpe spi.*${SPI12#0x}" ||
		fail "get: $(ip -n "$HV1" xfrm state get "${id[@]}" proto vpe spi $SPI12)"
	ip -n "$HV1" xfrm state get "${id[@]}" proto vpe spi 0x3001 2>"$TMP/said" && fail "ESP is VPE"
	grep -q "ESP, not VPE" "$TMP/said" || fail "said: $(<"$TMP/said")"
	run ip -n "$HV1" xfrm state update "${id[@]}" proto vpe spi $SPI12 reqid 1 mode tunnel \
		aead "$AEAD" "$KEY12" 128 flag af-unspec limit packet-hard 1234567
	ip -n "$HV1" -s xfrm state list proto vpe spi $SPI12 | grep -q 'hard 1234567(packets)' ||
		fail "not updated: $(ip -n "$HV1" -s xfrm state list proto vpe)"
	run ip -n "$HV1" xfrm state delete "${id[@]}" proto esp spi $SPI12
	listed 1 proto vpe
	run ip -n "$HV1" xfrm state deleteall proto vpe
	listed 0 proto vpe
	listed 2 proto esp
	two_of_each
	run ip -n "$HV1" xfrm state deleteall proto esp
	listed 2 proto vpe
	listed 0 proto esp
	two_of_each
	run ip -n "$HV1" xfrm state flush proto vpe
	listed 2
	# by protocol number: both
	two_of_each
	run ip -n "$HV1" xfrm state flush proto esp
	listed 0
	ip -n "$HV1" xfrm state count | grep -q 'count 0' || fail "$(ip -n "$HV1" xfrm state count)"
}

monitored() {
	xfrm_flush
	new_keys
	monitor_start "$HV1" "$TMP/monitor" xfrm monitor SA
	run sa_add "$HV1" 4 1 2 $SPI12 "$KEY12"
	told "^\s*proto vpe spi.*${SPI12#0x}"
	run ip -n "$HV1" xfrm state update src ${OUTER[41]} dst ${OUTER[42]} proto vpe \
		spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128
	run ip -n "$HV1" xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12
	told "^Updated src" "^Deleted src"
	[ "$(grep -c 'proto vpe spi' "$TMP/monitor")" = 3 ] || fail "$(<"$TMP/monitor")"
	! grep 'proto esp' "$TMP/monitor" || fail "not vpe"
}

# vti SIDE PEER FAMILY: device vti0, SAs, policies and routes
vti() {
	local ns=HV$1 f=$3 type=vti
	[ $f = 4 ] || type=vti6
	run ip -n "${!ns}" link add vti0 type $type local ${OUTER[$f$1]} remote ${OUTER[$f$2]} \
		key 42
	defer ip -n "${!ns}" route replace ${NET[4$2]} via ${OUTER[4$2]} src ${INNER[4$1]}
	defer ip -n "${!ns}" link delete vti0
	(
		sa_lines $f mark 42
		policy_line out $1 $2 4 $f
		policy_line in $2 $1 4 $f
		echo "link set vti0 up"
		echo "route replace ${NET[4$2]} dev vti0 src ${INNER[4$1]}"
	) | sed 's/ dir / mark 42&/' | batch "${!ns}"
}

# VTI devices are not supported: VTI has the incoming packet decrypted, but is not
# told. Then it meets no policy, those having the mark of the device.
vti_refused() {
	xfrm_flush
	new_keys
	vti 1 2 $1
	vti 2 1 $1
	refused hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-packets==3 hv2:$SPI12:rx-core==3 \
		hv2:-:XfrmInNoPols==3
	[ "$(link_stat "$HV1" vti0 tx)" = 3 ] || fail "not sent by vti0"
	[ "$(link_stat "$HV2" vti0 rx)" = 0 ] || fail "came by vti0"
}

topo_wire || skip_all "no namespaces"
wire_start
wire_watch
ktap_plan 18 1
ktap_test "marks when sending" marks_out
ktap_test "marks when receiving, fwmark_reflect" marks_in
ktap_test "an SA of the other family" family
ktap_test "output-mark" output_mark
ktap_test "xfrm interfaces over IPv4" interfaces 4
ktap_more "xfrm interfaces over IPv6" interfaces 6
ktap_test "selectors" selectors
ktap_test "reqids" reqids
ktap_test "the newest of several SAs" newest
ktap_test "directions" directions
ktap_test "acquire" acquire
ktap_test "SPI allocated before" allocated
ktap_test "ip xfrm state" commands
ktap_test "ip xfrm monitor" monitored
for f in 4 6; do
	ktap_test "VTI over IPv$f: refused" vti_refused $f
done
ktap_test "nothing of all that in the clear" wire_clean
ktap_test "optional templates" optional
ktap_finish
