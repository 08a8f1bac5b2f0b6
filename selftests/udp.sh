#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VPE in UDP: sockets to receive with, source ports and flow labels by window,
# NAT, and all that may come to such a port. (Bits on the wire: wire; ICMP: pmtu.)
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

# begin OUTER [SA-ARG...]
begin() {
	local f=$1
	shift

	xfrm_flush
	sas $f "$@"
	policies 4 $f
	policies 6 $f
	counters_mark
}

# Pings of all sizes and TCP with large packets, in both layouts
traffic() {
	local f=$1 edge inner header

	edge=$((1500 - (f == 4 ? 20 : 40) - 40))
	begin $f
	wire_watch
	for inner in 4 6; do
		header=$((inner == 4 ? 28 : 48))
		ping_ok "$HV1" 1 0 ${INNER[${inner}2]} -M 'do'
		ping_ok "$HV1" 1 $((edge - header)) ${INNER[${inner}2]} -M 'do'
		ns_exec "$HV1" ping -n -c 1 -W 0.2 -M 'do' -s $((edge - header + 1)) \
			${INNER[${inner}2]} >"$TMP/ping" 2>&1 && fail "ping with DF got through"
		grep -q "essage too long.*mtu[:=] *$edge" "$TMP/ping" ||
			fail "no EMSGSIZE with MTU $edge: $(<"$TMP/ping")"
	done
	carried 4 4
	ping_ok "$HV1" 1 4000 ${INNER[42]} -M dont
	ping_ok "$HV1" 1 4000 ${INNER[62]} -M dont
	ping_ok "$HV1" 1 65507 ${INNER[42]} -M dont
	iperf_server "$HV2"
	iperf "$HV1" ${INNER[42]} -n "$(count 3M 300K)"
	iperf "$HV1" ${INNER[62]} -n "$(count 3M 300K)" -R
	carried '>=100' '>=100'
	wire_clean
}

# datagrams NS FLOWS EACH ADDRESS: of as many sockets, all by one CPU
datagrams() {
	run ns_exec "$1" taskset -c 0 python3 -S -c '
import socket, sys
flows, each, to = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(flows)]
for s in socks:
    s.connect((to, 9))
for _ in range(each):
    for s in socks:
        s.send(b"x")' "${@:2}"
}

# windows HV tx|rx JQ-FILTER
windows() {
	ip -n "$1" -j xfrm vpe window show "$2" | jq -r "$3"
}

# capture_flows FILTER: on the receiver's wire
capture_flows() {
	dump_start "$HV2" eth0 "$TMP/flows.pcap" -s 96 -U -w - "$1"
}

# captured_lines [FILTER]
captured_lines() {
	tcpdump -n -r "$TMP/flows.pcap" "$@" 2>/dev/null
}

captured() {
	[ "$(captured_lines | wc -l)" = $1 ]
}

# A flow has one window, a window one port, and many flows have many.
flows() {
	local f=$1 n

	begin $f
	sink
	capture_flows 'udp dst port 4500'
	counters_mark
	datagrams "$HV1" 100 5 ${INNER[42]}
	carried 500 0
	n=$(windows "$HV1" tx length)
	[ "$n" -ge 60 ] || fail "100 flows used $n windows"
	[ "$(windows "$HV1" tx 'map(.port) | unique | length')" = "$n" ] ||
		fail "$n windows share ports"
	[ "$(windows "$HV1" tx 'map(select(.packets % 5 != 0 or .cpu != 0)) | length')" = 0 ] ||
		fail "flows changed windows: $(windows "$HV1" tx .)"
	[ "$(windows "$HV2" rx 'map([."window-id", .packets]) | sort')" = \
	  "$(windows "$HV1" tx 'map([."window-id", .packets]) | sort')" ] ||
		fail "the receiver has other windows"
	slowwait captured 500
	captured_lines |
		sed -n 's/.*[.]\([0-9]*\) > .*/\1/p' | sort | uniq -c | awk '{ print $2, $1 }' >"$TMP/seen"
	windows "$HV1" tx '.[] | "\(.port) \(.packets)"' | sort >"$TMP/shown"
	diff "$TMP/shown" "$TMP/seen" || fail "ports on the wire are not those shown"
}

# One port for all windows
fixed() {
	local f=$1

	begin $f
	dump_start "$HV2" eth0 "$TMP/fixed" -l "udp dst port 4500 and not udp src port 4501"
	datagrams "$HV1" 20 1 ${INNER[62]}
	ping_ok "$HV1" 2 56 ${INNER[42]}
	counters_check hv1:$SPI12:tx-packets==22 hv2:$SPI12:rx-packets==22 \
		"hv?:$SPI21:*x-packets>=4"
	[ "$(windows "$HV1" tx 'map(.port) | unique | join(" ")')" = 4501 ] ||
		fail "not shown: $(windows "$HV1" tx .)"
	[ ! -s "$TMP/fixed" ] || fail "on the wire: $(<"$TMP/fixed")"
	ip -n "$HV1" xfrm vpe show spi $SPI12 | grep -q 'encap espinudp sport 4501 dport 4500' ||
		fail "not shown: $(ip -n "$HV1" xfrm vpe show)"
}

# set_lanes NUMBER EXPECTED: of an SA made afterwards
set_lanes() {
	run ip -n "$HV1" xfrm vpe set lanes $1
	xfrm_flush
	sas 4
	[ "$(vpe_stat "$HV1" $SPI12 lanes)" = $2 ] ||
		fail "lanes $1: $(ip -n "$HV1" xfrm vpe show)"
}

# set_refused SENTENCE OPTION...
set_refused() {
	ip -n "$HV1" xfrm vpe set "${@:2}" 2>"$TMP/said" && fail "accepted: ${*:2}"
	grep -q "$1" "$TMP/said" || fail "${*:2}: $(<"$TMP/said")"
}

lanes() {
	local cpus json

	defer ip -n "$HV1" xfrm vpe set lanes 1024
	cpus=$(sed 's/.*-//' /sys/devices/system/cpu/possible)
	cpus=$((cpus + 1))
	set_lanes 1 $cpus
	set_lanes $((4 * cpus)) $((4 * cpus))
	set_lanes $((4 * cpus + 1)) $((8 * cpus))
	set_refused "out of range" lanes 0
	set_refused "out of range" lanes 8193
	set_refused "lanes" lanes many
	set_refused "on.*off" udpcsum maybe
	# nothing of a request with a fault
	set_refused "out of range" udpcsum on lanes 0
	json=$(ip -n "$HV1" -j xfrm vpe stats)
	[[ $json == *"\"lanes\":$((4 * cpus + 1)),\"udpcsum\":false"* ]] || fail "$json"
	# A key goes on as it began.
	policies 4 4
	counters_mark
	ping_ok "$HV1" 1 56 ${INNER[42]}
	carried 1 1
}

# without_checksum FILTER: how many packets of a ping of three match, on the
# receiver's wire; to $none
without_checksum() {
	capture_flows "udp dst port 4500 and (dst host ${OUTER[42]} or dst host ${OUTER[62]})"
	ns_exec "$HV1" ping -q -n -c 3 -i 0.05 -W 0.5 ${INNER[42]} >"$TMP/ping"
	slowwait captured 3
	stop_pid $dump_pid
	none=$(captured_lines "$1" | wc -l)
}

# Checksums or none in both families, as set, and as permitted by the receiver
checksums() {
	local none errors

	run ns_exec "$HV1" ethtool -K eth0 tx off
	defer ns_exec "$HV1" ethtool -K eth0 tx on
	defer ip -n "$HV1" xfrm vpe set udpcsum off udp6zerocsumtx off
	begin 4
	without_checksum 'udp[6:2] = 0'
	[ $none = 3 ] || fail "IPv4: $none of 3 packets without checksum"
	run ip -n "$HV1" xfrm vpe set udpcsum on
	without_checksum 'udp[6:2] = 0'
	[ $none = 0 ] || fail "IPv4, udpcsum: $none packets without checksum: $(<"$TMP/sums")"
	carried 6 6

	begin 6
	without_checksum 'ip6[46:2] = 0'
	[ $none = 0 ] || fail "IPv6: $none packets without checksum"
	carried 3 3
	run ip -n "$HV1" xfrm vpe set udp6zerocsumtx on
	counters_mark
	errors=$(snmp6 Udp6InErrors)
	without_checksum 'ip6[46:2] = 0'
	[ $none = 3 ] || fail "IPv6, udp6zerocsumtx: $none of 3 packets without checksum"
	counters_check hv1:$SPI12:tx-packets==3
	[ "$(snmp6 Udp6InErrors)" = $((errors + 3)) ] ||
		fail "Udp6InErrors: $errors, then $(snmp6 Udp6InErrors)"
	run ip -n "$HV2" xfrm vpe listen del 4500
	run ip -n "$HV2" xfrm vpe listen 4500 udp6zerocsumrx
	ip -n "$HV2" xfrm vpe listen | grep -q '^port 4500 udp6zerocsumrx' || fail "not shown"
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
}

# snmp6 NAME: of HV2
snmp6() {
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$HV2" awk -v name="$1" '$1 == name { print $2 }' /proc/net/snmp6
}

# snmp_udp COLUMN: of HV2, IPv4
snmp_udp() {
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$HV2" awk -v name="$1" '$1 == "Udp:" && !n { for (i = 2; i <= NF; i++) if ($i == name) n = i; next }
		$1 == "Udp:" { print $n }' /proc/net/snmp
}

# listen_refused SENTENCE ARG...
listen_refused() {
	ip -n "$HV1" xfrm vpe listen "${@:2}" 2>"$TMP/said" && fail "accepted: listen ${*:2}"
	grep -q "$1" "$TMP/said" || fail "listen ${*:2}: $(<"$TMP/said")"
}

# ike NS FAMILY: the socket of an IKE daemon on port 4500; what comes to it goes
# to $TMP/ike
ike() {
	[ $2 = 4 ] || modprobe -q udp_tunnel
	: >"$TMP/ike"
	nsenter --net="/run/netns/$1" python3 -u -S -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 100, 2)	# UDP_ENCAP, UDP_ENCAP_ESPINUDP
s.bind(("", 4500))
while True:
    print(s.recv(2000).hex())' $2 >>"$TMP/ike" &
	ike_pid=$!
	defer stop_pid $!
	slowwait listening "$1" udp 4500
}

sockets() {
	local ike_pid

	run ip -n "$HV1" xfrm vpe listen add 4501
	defer ip -n "$HV1" xfrm vpe listen del 4501
	run ip -n "$HV1" xfrm vpe listen 65535
	[ "$(ip -n "$HV1" -j xfrm vpe listen | jq -c 'map(.port)')" = '[4501,65535]' ] ||
		fail "listed: $(ip -n "$HV1" -j xfrm vpe listen)"
	listening "$HV1" udp 65535 || fail "no socket"
	listen_refused "listened on already" 4501
	run ip -n "$HV1" xfrm vpe listen del 65535
	! listening "$HV1" udp 65535 || fail "the socket is still there"
	listen_refused "nothing of ours listens on that port" del 65535
	listen_refused "PORT value is invalid" 0
	listen_refused "PORT value is invalid" 70000
	listen_refused "unknown" 4502 now
	for f in 4 6; do
		ike "$HV1" $f
		listen_refused "another socket has that port" 4500
		stop_pid $ike_pid
	done
	[ "$(ip -n "$HV1" xfrm vpe listen)" = 'port 4501 ' ] || fail "$(ip -n "$HV1" xfrm vpe listen)"
}

# send_udp FAMILY PORT HEX...: payloads to HV2
send_udp() {
	run ns_exec "$HV1" python3 -S -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for word in sys.argv[3:]:
    s.sendto(bytes.fromhex(word), (sys.argv[1], int(sys.argv[2])))' ${OUTER[${1}2]} "${@:2}"
}

ike_got() {
	[ "$(<"$TMP/ike")" = "$1" ]
}

# An IKE daemon's socket does as well, and the daemon gets what is its own.
with_ike() {
	local f=$1 ike_pid

	run ip -n "$HV2" xfrm vpe listen del 4500
	ike "$HV2" $f
	begin $f
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
	send_udp $f 4500 ff 00000000aabbcc 00000000
	slowwait ike_got $'00000000aabbcc\n00000000'
	stop_pid $ike_pid
	run ip -n "$HV2" xfrm vpe listen 4500
}

listen_stat() {
	ip -n "$HV2" -j xfrm vpe listen | jq -c '.[] | select(.port == 4500) |
		[.keepalive, .marker, .short, .nomem]'
}

listen_stat_is() {
	[ "$(listen_stat)" = "$1" ]
}

# What is neither ESP nor VPE, is nobody's, or comes by another way
stray() {
	local f=$1 mib

	run ip -n "$HV2" xfrm vpe listen del 4500
	run ip -n "$HV2" xfrm vpe listen 4500
	run ip -n "$HV2" xfrm vpe listen 4502
	defer ip -n "$HV2" xfrm vpe listen del 4502
	begin $f
	send_udp $f 4500 ff ff '' ab 0102030405060708 00000000 00000000ffff 0000000001020304050607
	slowwait listen_stat_is "[2,3,3,0]"
	counters_check hv2:*==0
	send_udp $f 4500 00005a5a00000001020304050607080910111213141516171819202122232425262728
	counters_check hv2:-:XfrmInNoStates==1

	# too short for VPE, and to another port
	counters_mark
	send_udp $f 4500 0000100100000001020304050607
	# xfrm finds SAs in layout ares by their SPI as well, and counts for itself
	mib=XfrmInHdrError
	[ $LAYOUT = spi-first ] || mib=XfrmInStateProtoError
	counters_check hv2:$SPI12:rx-short==1 hv2:-:$mib==1
	counters_mark
	run ip -n "$HV1" xfrm state update src ${OUTER[${f}1]} dst ${OUTER[${f}2]} proto vpe \
		spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128 flag af-unspec \
		encap espinudp 0 4502 0.0.0.0
	ns_exec "$HV1" ping -q -n -c 3 -i 0.05 -W 0.2 ${INNER[42]} && fail "ping was answered"
	counters_check hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-encap==3 \
		hv2:-:XfrmInStateMismatch==3
	run ip -n "$HV1" xfrm state update src ${OUTER[${f}1]} dst ${OUTER[${f}2]} proto vpe \
		spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128 flag af-unspec \
		encap espinudp 0 4500 0.0.0.0
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
}

csum_errors_are() {
	[ "$(snmp_udp InCsumErrors)" = $1 ]
}

# A forged checksum: UDP drops it.
forged() {
	local before

	begin 4
	before=$(snmp_udp InCsumErrors)
	run ns_exec "$HV1" python3 -S -c '
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)
payload = bytes.fromhex("00001001") + bytes(60)
s.sendto(struct.pack("!HHHH", 50000, 4500, 8 + len(payload), 0x1234) + payload, (sys.argv[1], 0))' \
		${OUTER[42]}
	slowwait csum_errors_are $((before + 1))
	counters_check hv2:*==0
}

# An SA of the one kind does not take packets of the other.
mixed() {
	begin 4
	run ip -n "$HV1" xfrm state del src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12
	SA_ARGS=()
	run sa_add "$HV1" 4 1 2 $SPI12 "$KEY12" flag af-unspec
	ns_exec "$HV1" ping -q -n -c 3 -i 0.05 -W 0.2 ${INNER[42]} && fail "ping was answered"
	counters_check hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-encap==3 \
		hv2:-:XfrmInStateMismatch==3
}

# Nobody listens: ICMP says so, and nothing changes.
unreachable() {
	local f=$1

	run ip -n "$HV2" xfrm vpe listen del 4500
	begin $f
	ns_exec "$HV1" ping -q -n -c 2 -i 0.05 -W 0.2 ${INNER[42]} && fail "ping was answered"
	counters_check hv1:$SPI12:tx-packets==2
	run ip -n "$HV2" xfrm vpe listen 4500
	counters_mark
	ping_ok "$HV1" 2 56 ${INNER[42]}
	carried 2 2
}

# Classic ESP in UDP by the same sockets, with the stock ip's words, and VPE beside
beside_esp() {
	local f=$1 esp

	begin $f
	ping_ok "$HV1" 2 56 ${INNER[42]}
	carried 2 2
	SA_ARGS=(encap espinudp 4500 4500 0.0.0.0)
	esp=$(SA_PROTO=esp KEY_BYTES=20; new_keys; sa_lines $f)
	xfrm_flush
	batch "$HV1" <<<"$esp"
	batch "$HV2" <<<"$esp"
	policies 4 $f
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	ping_ok "$HV1" 1 4000 ${INNER[42]}
	counters_check hv?:*==0
	ip -n "$HV2" -s xfrm state get src ${OUTER[${f}1]} dst ${OUTER[${f}2]} proto esp spi $SPI12 |
		grep -q ' 4(packets)' || fail "ESP did not carry them"
}

# The hypervisor's packets get another source address and other ports on their
# way, as by a NAT.
behind_nat() {
	begin 4
	run ip -n "$HV1" addr add 10.0.0.9/24 dev eth0
	defer ip -n "$HV1" addr del 10.0.0.9/24 dev eth0
	run ns_exec "$HV1" nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				ip saddr ${OUTER[41]} udp dport 4500 snat to 10.0.0.9:20000-20100
			}
		}
	END
	defer ns_exec "$HV1" nft delete table ip nat
	counters_mark
	sink
	datagrams "$HV1" 50 2 ${INNER[42]}
	ping_ok "$HV1" 3 56 ${INNER[42]}
	counters_check hv1:$SPI12:tx-packets==103 hv2:$SPI12:rx-packets==103 \
		"hv?:$SPI21:*x-packets>=6"
	[ "$(ns_exec "$HV1" nft -j list ruleset | grep -c snat)" = 1 ] || fail "no NAT"
	# The peer's state is as before: nothing follows the packets' addresses.
	ip -n "$HV2" xfrm state get src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12 |
		grep -q "encap type espinudp sport 0 dport 4500" || fail "the SA has changed"
}

# Layout ares in UDP has no window 0: a key that has one is no key for it.
used_key() {
	LAYOUT=ares
	xfrm_flush
	SA_ARGS=()
	sas 4
	policies 4 4
	counters_mark
	ping_ok "$HV1" 1 56 ${INNER[42]}
	SA_ARGS=(encap espinudp 0 4500 0.0.0.0)
	ip -n "$HV1" xfrm state update src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12 \
		reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128 layout ares "${SA_ARGS[@]}" \
		2>"$TMP/said" && fail "accepted"
	grep -q "needs a key not used otherwise before" "$TMP/said" || fail "$(<"$TMP/said")"
	counters_mark
	ping_ok "$HV1" 2 56 ${INNER[42]}
	carried 2 2
}

unreferenced() {
	[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ]
}

# A namespace goes with its sockets, the module with all.
gone() {
	local extra

	setup_ns extra
	run ip -n "$extra" xfrm vpe listen 4500
	cleanup_ns "$extra"
	xfrm_flush
	slowwait unreferenced
	run rmmod xfrm_vpe
	! listening "$HV1" udp 4500 || fail "the socket is still there"
	module_load
	run ip -n "$HV1" xfrm vpe listen 4500
	run ip -n "$HV2" xfrm vpe listen 4500
	begin 4
	ping_ok "$HV1" 2 56 ${INNER[42]}
	carried 2 2
}

topo_wire || skip_all "no namespaces"
free_at_once
wire_start
ktap_plan 26 4
ktap_test "listen" sockets
for f in 4 6; do
	[ $f = 4 ] && test=ktap_test || test=ktap_more
	ktap_test "IPv$f: traffic" udp traffic $f
	ktap_test "IPv$f: layout ares" udp ares traffic $f
	ktap_test "IPv$f: a port for each window" udp flows $f
	UDP_SPORT=4501 $test "IPv$f: one port" udp fixed $f
	$test "IPv$f: an IKE daemon's socket" udp with_ike $f
	ktap_test "IPv$f: stray packets" udp stray $f
	$test "IPv$f: stray packets, layout ares" udp ares stray $f
	ktap_test "IPv$f: port unreachable" udp unreachable $f
	$test "IPv$f: classic ESP in UDP beside it" udp beside_esp $f
done
ktap_test "lanes and other settings" udp lanes
ktap_test "checksums" udp checksums
ktap_test "a forged checksum" udp forged
ktap_test "not in UDP, to an SA in UDP" udp mixed
ktap_test "a sender behind NAT" udp behind_nat
ktap_test "layout ares, a key that was used without UDP" udp used_key
ktap_test "namespace deleted, module unloaded" udp gone
ktap_finish
