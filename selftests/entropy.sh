#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ESP with entropy, in tunnel and transport mode: traffic, stock ESP at the other end,
# source ports and flow labels. (Bits and rules: esp; how a fabric spreads it:
# demo/fabric.)
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"
. "$lib_dir/modes.sh"

# mtu FAMILY: of the inner packet. ESP encrypts a multiple of 4, 2 of it its own.
mtu() {
	local ip=$(($1 == 4 ? 20 : 40)) udp=8

	[[ ${SA_ARGS[*]} == *espinudp* ]] || udp=0
	if [ ${SA_MODE:-tunnel} = transport ]; then
		echo $(((1500 - ip - udp - 16 - ${ICV_BITS:-128} / 8) / 4 * 4 - 2 + ip))
	else
		echo $(((1500 - ip - udp - 16 - ${ICV_BITS:-128} / 8) / 4 * 4 - 2))
	fi
}

# too_big FAMILY ADDRESS: a packet of the MTU passes, one of a byte more does not, and
# its sender is told
too_big() {
	local f=$1 to=$2 header edge

	header=$([[ $to == *:* ]] && echo 48 || echo 28)
	edge=$(mtu $f)
	ping_ok "$HV1" 1 $((edge - header)) $to -M 'do'
	ns_exec "$HV1" ping -n -c 1 -W 0.2 -M 'do' -s $((edge - header + 1)) \
		$to >"$TMP/ping" 2>&1 && fail "ping with DF got through"
	grep -q "essage too long.*mtu[:=] *$edge" "$TMP/ping" ||
		fail "no EMSGSIZE with MTU $edge: $(<"$TMP/ping")"
}

# traffic FAMILY [SA-ARG...]: pings of all sizes and TCP with large packets
traffic() {
	local f=$1 to size

	begin "$@"
	to=$(target $f)
	wire_watch
	for size in 0 1 2 3 1000; do
		ping_ok "$HV1" 1 $size $to
	done
	too_big $f $to
	# In transport mode IPv6 itself knows the path's MTU only.
	carried 6 6 "hv1:$SPI12:tx-size<=1" "hv1:-:XfrmOutStateModeError<=1"
	counters_mark
	ping_ok "$HV1" 1 4000 $to -M dont
	ping_ok "$HV1" 1 60000 $to -M dont
	if [ ${SA_MODE:-tunnel} = transport ]; then
		ns_exec "$HV1" ping -n -c 1 -W 0.2 -s 65500 $to -M dont >"$TMP/ping" 2>&1 &&
			fail "a packet larger than any was sent"
		counters_check hv1:$SPI12:tx-size==1 hv1:-:XfrmOutStateModeError==1 "hv?:*:?x-packets>0"
		counters_mark
	fi
	iperf_server "$HV2"
	iperf "$HV1" $to -n "$(count 3M 300K)"
	iperf "$HV1" $to -n "$(count 3M 300K)" -R
	carried '>=100' '>=100'
	wire_clean
}

# stock NS FAMILY [SA-ARG...]: the SAs of the namespace become stock ESP ones
stock() {
	local lines

	lines=$(SA_ARGS=(encap espinudp 4500 4500 0.0.0.0); sa_lines "${@:2}")
	batch "$1" <<<"xfrm state flush"
	batch "$1" <<<"$lines"
}

# stock_count NS SPI: packets of a stock SA
stock_count() {
	ip -n "$1" -s xfrm state list spi $2 | sed -n 's/.* \([0-9]*\)(packets).*/\1/p' | head -n 1
}

# mappings NS: from here on, XFRM_MSG_MAPPING is counted, in $TMP/mappings
mappings() {
	: >"$TMP/mappings"
	nsenter --net="/run/netns/$1" python3 -u -S -c '
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)	# SO_RCVBUFFORCE
s.bind((0, 1 << 7))	# XFRMNLGRP_MAPPING
print("ready")
while True:
    if struct.unpack_from("=IH", s.recv(65536))[1] == 0x26:
        print("mapping")' >>"$TMP/mappings" &
	defer stop_pid $!
	slowwait grep -q ready "$TMP/mappings"
}

# mapped NUMBER
mapped() {
	[ "$(mapping_count)" = $1 ]
}

mapping_count() {
	grep -c mapping "$TMP/mappings"
}

# interop FAMILY [SA-ARG...]: hv2 has stock ESP
interop() {
	local f=$1 to back
	shift

	begin $f "$@"
	to=$(target $f)
	back=$(target $f 1)
	stock "$HV2" $f "$@"
	mappings "$HV2"
	ping_ok "$HV1" 3 56 $to
	ping_ok "$HV2" 1 1000 $back
	ping_ok "$HV1" 2 4000 $to -M dont
	iperf_server "$HV2"
	iperf "$HV1" $to -n "$(count 1M 100K)"
	iperf "$HV1" $to -n "$(count 1M 100K)" -R
	counters_check "hv1:$SPI12:tx-packets>=20" "hv1:$SPI21:rx-packets>=20"
	counters_wait_quiet
	counters_growth
	[ "$(stock_count "$HV2" $SPI12)" = "$(grown hv1:$SPI12:tx-packets)" ] ||
		fail "stock ESP received $(stock_count "$HV2" $SPI12) packets, of $(grown hv1:$SPI12:tx-packets)"
	[ "$(stock_count "$HV2" $SPI21)" = "$(grown hv1:$SPI21:rx-packets)" ] ||
		fail "stock ESP sent $(stock_count "$HV2" $SPI21) packets, $(grown hv1:$SPI21:rx-packets) came"
	# A stock receiver tells a daemon of each packet that is not from the SA's port.
	slowwait mapped "$(stock_count "$HV2" $SPI12)"
}

# no_mapping FAMILY: with ours at both ends nobody is told, and nothing follows
no_mapping() {
	local f=$1 before

	begin $f
	before=$(ip -n "$HV2" xfrm state list spi $SPI12 | grep encap)
	mappings "$HV2"
	datagrams "$HV1" 50 4 "$(target $f)"
	counters_check hv1:$SPI12:tx-packets==200 hv2:$SPI12:rx-packets==200 \
		"hv?:$SPI21:*x-packets>=0"
	pause 0.2
	[ "$(mapping_count)" = 0 ] || fail "$(mapping_count) mapping messages"
	[ "$(ip -n "$HV2" xfrm state list spi $SPI12 | grep encap)" = "$before" ] ||
		fail "the SA changed: $before"
}

# datagrams NS FLOWS EACH ADDRESS [DPORT [SPORT [SIZE]]]
datagrams() {
	run ns_exec "$1" python3 -S -c '
import socket, sys
flows, each, to = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dport, sport, size = (list(map(int, sys.argv[4:])) + [9, 0, 1][len(sys.argv) - 4:])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(flows)]
for n, s in enumerate(socks):
    if sport:
        s.bind(("", sport + n))
    s.connect((to, dport))
for _ in range(each):
    for s in socks:
        try:
            s.send(bytes(size))
        except ConnectionRefusedError:
            s.send(bytes(size))' "${@:2}"
}

# sniff [FILTER]: what reaches hv2 in UDP to port 4500, or as told, from here on
sniff() {
	dump_start "$HV2" eth0 "$TMP/ports.pcap" -s 96 -U -w - \
		"${1:-udp dst port 4500} and (src ${OUTER[41]} or src ${OUTER[61]})"
}

# sniffed_lines [-v]
sniffed_lines() {
	tcpdump -n "$@" -r "$TMP/ports.pcap" 2>/dev/null
}

sniffed_is() {
	[ "$(sniffed_lines | wc -l)" = $1 ]
}

# sniffed N: the source ports of N packets, to $ports, one each
sniffed() {
	slowwait sniffed_is $1
	stop_pid $dump_pid
	ports=$(sniffed_lines | sed -n 's/.*[.]\([0-9]*\) > .*/\1/p' | sort -nu)
}

# The ports that stand for NVO3 are the namespace's to choose.
nvo3_ports() {
	local f=$1 to ports

	begin $f
	to=$(target $f)
	defer ip -n "$HV1" xfrm vpe set nvo3-ports 4789,8472,6081,6080
	sniff
	datagrams "$HV1" 5 2 $to 4789 1001
	sniffed 10
	[ "$ports" = $'1001\n1002\n1003\n1004\n1005' ] || fail "VXLAN: ports $ports"

	run ip -n "$HV1" xfrm vpe set nvo3-ports 4790,9999
	ip -n "$HV1" -j xfrm vpe stats | jq -e '."nvo3-ports" == [4790, 9999]' || fail "not shown"
	sniff
	datagrams "$HV1" 5 2 $to 9999 2001
	sniffed 10
	[ "$ports" = $'2001\n2002\n2003\n2004\n2005' ] || fail "port 9999: ports $ports"
	sniff
	datagrams "$HV1" 5 2 $to 4789 3001
	sniffed 10
	[ "$(awk '$1 >= 49152' <<<"$ports" | wc -l)" = 5 ] || fail "no NVO3 port any more: $ports"

	run ip -n "$HV1" xfrm vpe set nvo3-ports none
	sniff
	datagrams "$HV1" 5 2 $to 9999 2001
	sniffed 10
	[ "$(awk '$1 >= 49152' <<<"$ports" | wc -l)" = 5 ] || fail "none: $ports"
}

# Any destination port, and no stock socket at either end
other_port() {
	local f=$1 hv

	for hv in "$HV1" "$HV2"; do
		run ip -n "$hv" xfrm vpe listen 8484
		defer ip -n "$hv" xfrm vpe listen del 8484
	done
	SA_ARGS=(encap espinudp 0 8484 0.0.0.0 entropy)
	begin $f
	ping_ok "$HV1" 3 56 "$(target $f)"
	carried 3 3
}

# Fragments of one packet share a port: that of their addresses. (They are made
# before encryption by a tenant; IPv6's at the hypervisor, too.)
fragments() {
	local f=$1 inner ports

	begin $f
	for inner in 4 6; do
		sniff
		run ns_exec "$HV1" python3 "$lib_dir/tools/fragments.py" ${INNER[${inner}1]} ${INNER[${inner}2]} 4789
		sniffed 3
		[[ $ports =~ ^[0-9]+$ && $ports -ge 49152 ]] ||
			fail "fragments of IPv$inner have ports $ports"
	done
}

# On protocol 50, IPv6's flow label alone
labels() {
	local n ports

	begin 6
	sink
	sniff "ip6 proto 50"
	counters_mark
	datagrams "$HV1" 60 3 "$(target 6)"
	carried 180 0
	sniffed 180
	n=$(sniffed_lines -v | sed -n 's/.*flowlabel \(0x[0-9a-f]*\).*/\1/p' | sort | uniq -c |
		awk '{ if ($1 % 3) bad = 1; n++ } END { print bad ? 0 : n }')
	[ "$n" -ge 55 ] || fail "60 flows: $n labels, each of whole flows"
}

# A packet that belongs to no device and no socket: a TCP reset of netfilter's
reset() {
	begin "$1"
	run ns_exec "$HV2" nft -f - <<-'END'
		table inet filter {
			chain input {
				type filter hook input priority 0
				tcp dport 99 reject with tcp reset
			}
		}
	END
	defer ns_exec "$HV2" nft delete table inet filter
	# shellcheck disable=SC2016	# what the other shell expands
	ns_exec "$HV1" bash -c 'exec 3<>"/dev/tcp/$1/99"' - "$(target $1)" 2>"$TMP/said" &&
		fail "connected"
	grep -q "refused" "$TMP/said" || fail "no reset: $(<"$TMP/said")"
	carried 1 1
}

unreferenced() {
	[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ]
}

# Nothing holds the namespaces' devices, nor the module.
unloaded() {
	cleanup_all_ns
	slowwait unreferenced
	run timeout "$WAIT_TIMEOUT" rmmod xfrm_vpe
	module_load
}

topo_modes
wire_start
esn=(flag esn replay-window 4096)
ktap_plan 26 8
for f in 4 6; do
	[ $f = 4 ] && plain=ktap_test other=ktap_more || plain=ktap_more other=ktap_test
	for mode in tunnel transport; do
		[ $mode = transport ] && m=transport || m=''
		$plain "IPv$f, $mode: traffic" $m entropy traffic $f
		$other "IPv$f, $mode: traffic, AES-256, ESN, ICV of 12 bytes" \
			$m entropy with KEY_BYTES=36 ICV_BITS=96 traffic $f "${esn[@]}"
		$plain "IPv$f, $mode: stock ESP there" $m entropy interop $f
		$other "IPv$f, $mode: stock ESP there, ESN, ICV of 8 bytes" \
			$m entropy with ICV_BITS=64 interop $f "${esn[@]}"
	done
	ktap_test "IPv$f: nobody is told of ports" entropy no_mapping $f
done
ktap_test "another port" entropy other_port 4
ktap_test "NVO3 ports" entropy nvo3_ports 4
ktap_test "fragments share a port" entropy fragments 4
ktap_test "transport mode takes no fragments" transport entropy no_fragments 4
ktap_test "transport mode takes no fragments, IPv6" transport entropy no_fragments 6
ktap_test "flow labels without UDP" label labels
ktap_test "a packet without device and socket" entropy reset 4
ktap_test "namespaces and module go" unloaded
ktap_finish
