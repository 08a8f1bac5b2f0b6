#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VPE in transport mode: on the wire beside a second implementation (vpe_wire.py), what
# must not be accepted, traffic of several protocols, and where it meets other
# transforms. (ESP's transport mode: esp, entropy.)
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/modes.sh"

# sent FAMILY: IP options and extension headers stay, what follows them is encrypted
sent() {
	local f=$1 n

	n=$(count 54 18)
	[ $f = 4 ] || [[ ${SA_ARGS[*]} != *espinudp* ]] || kernel_from 6.8 ||
		skip "older kernels do not find UDP's port behind extension headers"
	run ns_exec "$HV1" ethtool -K eth0 tx off	# the device's checksums
	defer ns_exec "$HV1" ethtool -K eth0 tx on
	begin $f
	sink
	vpe_wire sent-transport $f "$(wire_key)" ${OUTER[${f}1]} ${OUTER[${f}2]} $SPI12
	# ICMP answers what nobody listens to. The protocol makes no windows.
	counters_check hv1:$SPI12:tx-packets==$n hv2:$SPI12:rx-packets==$n \
		hv2:$SPI12:windows=="$(windows_of_cpus)" "hv?:$SPI21:*x-packets>=0"
}

# One for each CPU; in UDP one for each flow of a CPU, at most
windows_of_cpus() {
	local windows

	windows=$(ip -n "$HV1" -j xfrm vpe window show tx spi $SPI12 | jq length)
	if [[ ${SA_ARGS[*]} == *espinudp* ]]; then
		echo "$windows"
	else
		[ "$windows" = "$(nproc)" ] || fail "$windows windows of $(nproc) CPUs"
		nproc
	fi
}

# What windows hold; a flipped bit may make a number one that was seen.
windows_but_drops() {
	ip -n "$HV2" -j xfrm vpe window show | jq -c 'map(del(.replayed, .old, .behind, ."late-refused",
		."late-accepted"))'
}

# received FAMILY: what is accepted, and what is not
received() {
	local f=$1 n nat before

	n=$(count 40 12)
	begin $f
	sink
	counters_mark
	inject good $f $n
	sunk "$(repeat $n good)"
	counters_check hv2:$SPI12:rx-packets==$n hv2:$SPI12:windows==1

	counters_mark
	inject fill $f $n
	counters_check hv2:$SPI12:rx-fill==$n hv2:$SPI12:rx-replay==$n hv2:$SPI12:windows==1 \
		hv2:-:XfrmInStateSeqError==$n
	counters_mark
	inject sender $f $n
	# A first word of such a kind is none of layout ares'.
	if [ $LAYOUT = ares ]; then
		counters_check hv2:-:XfrmInNoStates==$n
	else
		counters_check hv2:$SPI12:rx-sender==$n hv2:-:XfrmInStateMismatch==$n
	fi
	counters_mark
	inject replayed $f $n
	inject old $f $n
	counters_check hv2:$SPI12:rx-packets==3 hv2:$SPI12:rx-replay==$n hv2:$SPI12:windows==2 \
		"hv2:$SPI12:rx-@(old|behind)==$n" hv2:-:XfrmInStateSeqError==$((2 * n))
	sunk xxx
	counters_mark
	before=$(windows_but_drops)
	inject truncated $f
	inject flipped $f "$(count 1 8)"
	sunk ''
	counters_check "hv2:$SPI12:rx-auth>30" "hv2:$SPI12:rx-short>10" hv2:$SPI12:rx-packets==0 \
		hv2:$SPI12:windows==0 "hv2:$SPI12:rx-@(sender|replay|old|behind|encap)>=0" "hv2:-:Xfrm*>30"
	[ "$(windows_but_drops)" = "$before" ] || fail "windows before: $before, after: $(windows_but_drops)"

	# In UDP NAT may have changed what the inner checksum covers.
	counters_mark
	inject checksums $f $n
	nat=''
	[[ ${SA_ARGS[*]} != *espinudp* ]] || nat=$(repeat $n nat)
	counters_check hv2:$SPI12:rx-packets==$n hv2:$SPI12:windows==1
	sunk "$nat"
}

# mtu FAMILY: of a packet before encryption
mtu() {
	local udp=8

	[[ ${SA_ARGS[*]} == *espinudp* ]] || udp=0
	echo $((1500 - udp - 32))
}

# listener NS ADDRESS: what comes there, in socat's words, goes to $TMP/heard
listener() {
	: >"$TMP/heard"
	nsenter --net="/run/netns/$1" socat -u "$2" "OPEN:$TMP/heard,append" 2>"$TMP/socat" &
	defer stop_pid $!
}

heard() {
	[ "$(<"$TMP/heard")" = "$1" ]
}

# bracketed ADDRESS: as socat has it
bracketed() {
	if [[ $1 == *:* ]]; then echo "[$1]"; else echo "$1"; fi
}

# traffic FAMILY: pings of all sizes, and the one that is too large; TCP
traffic() {
	local f=$1 to size edge header

	begin "$@"
	to=$(target $f) edge=$(mtu $f)
	header=$([ $f = 6 ] && echo 48 || echo 28)
	wire_watch
	for size in 0 1 1000; do
		ping_ok "$HV1" 1 $size $to
	done
	ping_ok "$HV1" 1 $((edge - header)) $to -M 'do'
	ns_exec "$HV1" ping -n -c 1 -W 0.2 -M 'do' -s $((edge - header + 1)) $to >"$TMP/ping" 2>&1 &&
		fail "ping with DF got through"
	grep -q "essage too long.*mtu[:=] *$edge" "$TMP/ping" ||
		fail "no EMSGSIZE with MTU $edge: $(<"$TMP/ping")"
	carried 4 4 "hv1:$SPI12:tx-size<=1" "hv1:-:XfrmOutStateModeError<=1"
	counters_mark
	ping_ok "$HV1" 1 4000 $to -M dont
	ping_ok "$HV1" 1 60000 $to -M dont
	iperf_server "$HV2"
	iperf "$HV1" $to -n "$(count 3M 300K)"
	iperf "$HV1" $to -n "$(count 3M 300K)" -R
	carried '>=100' '>=100' "hv?:*:tx-gso>0"
	wire_clean
}

# gre FAMILY SIDE: a tunnel, which the debug kernel does not know of all families
gre() {
	local hv=HV$2 kind=(gre)

	[ $1 = 4 ] || kind=(ip6gre encaplimit none)
	ip -n "${!hv}" link add tun0 type "${kind[@]}" local ${OUTER[$1$2]} \
		remote ${OUTER[$1$((3 - $2))]} || return
	defer ip -n "${!hv}" link del tun0
	batch "${!hv}" <<-END
		addr add 172.16.0.$2/24 dev tun0
		link set tun0 up
	END
}

# GRE, VXLAN and SCTP between the hosts
protocols() {
	local f=$1 gre=1 to side hv

	begin $f
	to=$(bracketed "$(target $f)")
	wire_watch
	for side in 1 2; do
		hv=HV$side
		gre $f $side || gre=''
		batch "${!hv}" <<-END
			link add vx0 type vxlan id 7 dstport 4789 local ${OUTER[$f$side]} remote ${OUTER[$f$((3 - side))]}
			addr add 172.17.0.$side/24 dev vx0
			link set vx0 up
		END
		defer ip -n "${!hv}" link del vx0
	done
	counters_mark_quiet
	[ -z "$gre" ] || ping_ok "$HV1" 3 1000 172.16.0.2
	ping_ok "$HV1" 3 1000 172.17.0.2
	iperf_server "$HV2"
	iperf "$HV1" 172.17.0.2 -n "$(count 3M 300K)"
	carried '>=50' '>=20' "hv?:*:tx-size>=0" "hv?:-:XfrmOutStateModeError>=0" "hv?:*:tx-gso>0"

	if modprobe -q sctp; then
		listener "$HV2" "SCTP$f-LISTEN:7"
		slowwait ns_exec "$HV1" sh -c "echo sctp | socat -u - SCTP$f-CONNECT:$to:7 2>/dev/null"
		slowwait heard sctp
	fi
	wire_clean
}

# AH outside: by xfrm's own path
nested() {
	local f=$1 ns hv

	xfrm_flush
	sas $f
	for ns in "$HV1" "$HV2"; do
		batch "$ns" <<-END
			xfrm state add src ${OUTER[${f}1]} dst ${OUTER[${f}2]} proto ah spi 0x5001 reqid 2 mode transport auth-trunc hmac(sha256) 0x${KEY12:2:32} 128 flag af-unspec
			xfrm state add src ${OUTER[${f}2]} dst ${OUTER[${f}1]} proto ah spi 0x5002 reqid 2 mode transport auth-trunc hmac(sha256) 0x${KEY21:2:32} 128 flag af-unspec
		END
	done
	{ policy_ah $f out 1 2; policy_ah $f in 2 1; } | batch "$HV1"
	{ policy_ah $f out 2 1; policy_ah $f in 1 2; } | batch "$HV2"
	counters_mark
	ping_ok "$HV1" 3 56 "$(target $f)"
	carried 3 3 hv1:$SPI12:tx-core==3 hv2:$SPI21:tx-core==3 hv2:$SPI12:rx-core==3 hv1:$SPI21:rx-core==3
}

policy_ah() {
	policy_line $2 $3 $4 $1 $1 | sed "s/\$/ tmpl src ${OUTER[$1$3]} dst ${OUTER[$1$4]} proto ah reqid 2 mode transport/"
}

# An ESP SA's SPI that packets of layout ares could begin with: told, and it wins.
clash() {
	xfrm_flush
	new_keys
	run ip -n "$HV2" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi 0x11000007 \
		mode transport aead "$AEAD" "$(random_key 20)" 128
	sas_of_hv2 2>"$TMP/said"
	grep -q "an SA to the same address has an SPI that takes packets of layout ares" "$TMP/said" ||
		fail "not told: $(<"$TMP/said")"
	run ip -n "$HV2" xfrm state delete dst ${OUTER[42]} proto esp spi 0x11000007
	run ip -n "$HV2" xfrm state delete dst ${OUTER[42]} proto vpe spi $SPI12
	run ip -n "$HV2" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi 0x11010007 \
		mode transport aead "$AEAD" "$(random_key 20)" 128
	sas_of_hv2 2>"$TMP/said"
	[ ! -s "$TMP/said" ] || fail "told: $(<"$TMP/said")"
}

sas_of_hv2() {
	ip -n "$HV2" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12 reqid 1 \
		mode transport layout ares aead "$AEAD" "$KEY12" 128 || fail "not added: $(<"$TMP/said")"
}

topo_modes
vpe_wire_start
wire_start
SA_MODE=transport
ktap_plan 18 7
for f in 4 6; do
	[ $f = 4 ] && plain=ktap_test other=ktap_more || plain=ktap_more other=ktap_test
	$plain "IPv$f: sent" sent $f
	$other "IPv$f: sent, layout ares in UDP" ares udp sent $f
	$other "IPv$f: received" received $f
	$plain "IPv$f: received, layout ares in UDP" ares udp received $f
	$plain "IPv$f: traffic" traffic $f
	$other "IPv$f: traffic, layout ares in UDP" ares udp traffic $f
	ktap_test "IPv$f: GRE, VXLAN, SCTP inside" protocols $f
done
ktap_test "transport mode takes no fragments" no_fragments 4
ktap_test "IPv4: AH outside" nested 4
ktap_more "IPv6: AH outside" nested 6
ktap_test "layout ares beside an SPI in its way" clash
ktap_finish
