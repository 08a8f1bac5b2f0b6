#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Chapters of Documentation/user-guide.rst as a user follows them: their commands
# are typed on the hosts they name, HV1 and HV2. The guide's 192.0.2.* is 10.0.0.*
# here.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

guide=$lib_dir/../Documentation/user-guide.rst
port=9000

# blocks TITLE: the commands of that chapter to files $TMP/block.*; the first line
# is the host that the sentence before them ends with
blocks() {
	rm -f "$TMP"/block.*
	awk -v title="$1" -v out="$TMP/block" '
		/^=+$/ { inside = last == title }
		{ last = $0 }
		!inside { next }
		/^\t/ { if (file) print substr($0, 2) >file; next }
		/^$/ && text ~ /::$/ {
			host = ""
			if (text ~ /are exchanged\)::$/)
				host = "exchange"
			else while (match(text, /[Oo]n (both|hv1|hv2|gw1|gw2)/)) {
				host = substr(text, RSTART + 3, RLENGTH - 3)
				text = substr(text, RSTART + RLENGTH)
			}
			sub(/^[hg][vw]/, "", host)
			file = sprintf("%s.%02d", out, ++n)
			print host >file
		}
		/^$/ { text = ""; next }
		{ file = ""; text = text " " $0 }' "$guide"
	[ -e "$TMP/block.01" ] || fail "no chapter '$1' with commands"
}

# shell SIDE: commands from standard input
shell() {
	local ns=HV$1
	sed 's/192\.0\.2\./10.0.0./g' |
		ip netns exec "${!ns}" env KEY="${KEY12#0x}" KEY12="${KEY12#0x}" \
			KEY21="${KEY21#0x}" bash -eux ||
		fail "the guide's commands failed on host $1"
}

# .1 for .2 at the end of addresses, and the other way round; in a group host 2 has its
# own Sender ID
exchange() {
	sed -E 's/sender-id 1/sender-id 2/; s/\.1([^0-9.]|$)/.X\1/g; s/\.2([^0-9.]|$)/.1\1/g; s/\.X/.2/g'
}

# follow FILE...: as "blocks" made them
follow() {
	local file host commands
	for file in "$@"; do
		read -r host <"$file"
		commands=$(sed 1d "$file")
		case $host in
		1 | 2) shell $host <<<"$commands" ;;
		both) shell 1 <<<"$commands"; shell 2 <<<"$commands" ;;
		exchange) shell 1 <<<"$commands"; shell 2 <<<"$(exchange <<<"$commands")" ;;
		*) fail "the guide names no host: $(<"$file")" ;;
		esac
	done
}

# chapter TITLE: hosts that have followed it
chapter() {
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	new_keys
	blocks "$1"
	follow "$TMP"/block.*
	wire_start
	wire_watch
}

# addresses DEVICE PREFIX: .1 and .2
addresses() {
	run ip -n "$HV1" addr add "$2.1/24" dev "$1"
	run ip -n "$HV2" addr add "$2.2/24" dev "$1"
}

tunnel_of_vxlan() {
	chapter "From the module to a VXLAN tunnel"
	addresses vx0 10.42.0
	counters_mark_quiet
	ping_ok "$HV1" 5 56 10.42.0.2
	ping_ok "$HV1" 2 $((1398 - 28)) 10.42.0.2 -M 'do'
	carried '>=7' '>=7'
	wire_clean
}

# behind NS TENANT NETWORK
behind() {
	run ip link add eth0 netns "$2" type veth peer name ten0 netns "$1"
	batch "$2" <<-END
		addr add $3.2/24 dev eth0
		link set eth0 up
		route add default via $3.1
	END
	batch "$1" <<-END
		addr add $3.1/24 dev ten0
		link set ten0 up
	END
}

gateways() {
	chapter Gateways
	setup_ns TENANT1 TENANT2 || skip "no namespaces"
	behind "$HV1" "$TENANT1" 198.51.100
	behind "$HV2" "$TENANT2" 203.0.113
	counters_mark
	ping_ok "$TENANT1" 3 56 203.0.113.2
	ping_ok "$HV1" 2 56 203.0.113.2 -I 198.51.100.1
	carried 5 5
	wire_clean
}

interfaces() {
	chapter "xfrm interfaces"
	counters_mark
	ping_ok "$HV1" 3 56 10.1.0.2
	ping_ok "$HV2" 2 $((1448 - 28)) 10.1.0.1 -M 'do'
	carried 5 5
	wire_clean
	[[ $(ip -n "$HV1" -j -s link show vpe0) =~ \"rx\":\{\"bytes\":[0-9]+,\"packets\":5, ]] ||
		fail "not through the interface: $(ip -n "$HV1" -s link show vpe0)"
}

# A peer without SAs gets nothing.
evpn() {
	chapter "Hypervisors with EVPN"
	addresses br42 10.42.0
	counters_mark_quiet
	ping_ok "$HV1" 5 56 10.42.0.2
	ping_ok "$HV1" 2 $((1398 - 28)) 10.42.0.2 -M 'do'
	carried '>=7' '>=7'
	run ns_exec "$HV1" bridge fdb append 00:00:00:00:00:00 dev vx42 dst 10.0.0.3
	ns_exec "$HV1" ping -q -c 1 -W 0.1 10.42.0.9
	counters_wait_quiet
	carried '>=8' '>=7' 'hv1:-:XfrmOutPolBlock>=1'
	wire_clean
}

paths() {
	chapter "Over many paths"
	policies 4 4
	sink
	counters_mark
	ns_exec "$HV1" bash -c "for i in {1..20}; do echo -n . >/dev/udp/${INNER[42]}/9; done"
	sunk ....................
	ping_ok "$HV1" 2 $((1440 - 28)) ${INNER[42]} -M 'do'
	carried 22 2
	[ "$(ip -n "$HV1" -j xfrm vpe window show tx | jq 'map(.port) | unique | length')" -ge 10 ] ||
		fail "20 flows have few ports"
	wire_clean
}

# Group and pair: what is flooded, and what is not.
group() {
	local want

	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	new_keys
	blocks "One group, many senders"
	follow "$TMP/block.01"
	addresses vx9 10.42.0
	wire_start 'igmp or (ip proto 50 and dst host 239.1.1.9)'
	wire_watch
	counters_mark
	ns_exec "$HV1" ping -q -c 1 -W 0.1 10.42.0.2 && fail "unicast passes without an SA"
	wire_clean
	sas 4
	for want in 1,2 2,1; do
		batch "$HV1" <<<"$(pair_policy out ${want/,/ })"$'\n'"$(pair_policy in ${want/,/ })"
		batch "$HV2" <<<"$(pair_policy out ${want/,/ })"$'\n'"$(pair_policy in ${want/,/ })"
	done
	ping_ok "$HV1" 5 56 10.42.0.2
	ns_exec "$HV2" ping -q -b -c 2 -i 0.1 -W 0.1 10.42.0.255
	counters_check "hv?:0x3001:tx-packets>0" "hv?:0x3001:rx-packets>0" "hv?:0x100?:?x-packets>0" \
		"hv?:-:XfrmOutPolBlock>0"
	wire_clean
	# the last one: windows are saved and restored
	cd "$TMP" || fail "$TMP"
	want=$(ip -n "$HV2" -j xfrm vpe window show dir rx | jq length)
	follow "$TMP/block.02"
	[ "$want" -gt 1 ] || fail "only $want windows"
	[ "$(wc -l <windows)" = "$want" ] || fail "not $want windows: $(<windows)"
}

# pair_policy DIR FROM TO: VXLAN of two hosts
pair_policy() {
	echo "xfrm policy add src ${OUTER[4$2]} dst ${OUTER[4$3]} proto udp dport 4789 dir $1" \
		"tmpl src ${OUTER[4$2]} dst ${OUTER[4$3]} proto esp reqid 1 mode tunnel"
}

priorities() {
	chapter Priorities
	tunnel 4 4
	counters_mark
	run ns_exec "$HV1" ping -q -c 3 -i 0.05 -Q 0xb8 ${INNER[42]}
	run ns_exec "$HV1" ping -q -c 2 -i 0.05 -Q 0x88 ${INNER[42]}
	carried 5 5
	[ "$(ip -n "$HV1" -j xfrm vpe window show tx |
		jq -c 'group_by(.class) | map([.[0].class, (map(.packets) | add)])')" = "[[1,2],[2,3]]" ] ||
		fail "$(ip -n "$HV1" xfrm vpe window show tx)"
}

steering() {
	chapter "Receiving on all CPUs"
	[ "$(ip -n "$HV2" -j xfrm vpe steer | jq -r .steer)" = "0-$(($(nproc) - 1))" ] || fail "no steering"
}

hiding() {
	local files

	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	tunnel 4 4
	blocks "Hiding when and how much"
	files=("$TMP"/block.*)
	counters_mark
	follow "${files[0]}"
	[[ $(ip -n "$HV1" xfrm vpe show spi $SPI12) == *"clock 200 1400"* ]] || fail "no clock"
	ping_ok "$HV1" 5 56 "${INNER[42]}"
	follow "${files[1]}"
	counters_wait_quiet
	counters_growth
	[ "$(grown hv2:$SPI12:rx-fill)" -gt 10 ] || fail "no fill packets"
}

# overlay TITLE: ESP or VPE in UDP below it, from ports that flows have
overlay() {
	chapter "$1"
	sniffed=$TMP/overlay
	dump_start "$HV2" eth0 "$sniffed" -l "udp dst port 4500 and src host ${OUTER[41]}"
	counters_mark_quiet
	ns_exec "$HV1" bash -c 'for i in {1..20}; do echo -n . >/dev/udp/10.2.0.2/9; done'
	ping_ok "$HV1" 2 $((1408 - 28)) 10.2.0.2 -M 'do'
	carried '>=22' '>=2'
	[ "$(sed -n 's/.*[.]\([0-9]*\) > .*/\1/p' "$sniffed" | sort -u | wc -l)" -ge 8 ] ||
		fail "20 flows have few ports: $(<"$sniffed")"
	wire_clean
}

esp_overlay() {
	KEY_BYTES=20
	overlay "$@"
}

# esp_lines SIDE: the SAs and policies of a pair of hosts before they know VPE
esp_lines() {
	local d=out e=in
	[ $1 = 1 ] || d='in' e='out'
	cat <<-END
		addr add 10.1.0.$1/32 dev lo
		route add 10.1.0.$((3 - $1)) via 10.0.0.$((3 - $1)) src 10.1.0.$1
		xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x101 reqid 1 mode tunnel aead $AEAD $esp12 128
		xfrm state add src 10.0.0.2 dst 10.0.0.1 proto esp spi 0x102 reqid 1 mode tunnel aead $AEAD $esp21 128
		xfrm policy add src 10.1.0.1 dst 10.1.0.2 dir $d tmpl src 10.0.0.1 dst 10.0.0.2 proto esp reqid 1 mode tunnel
		xfrm policy add src 10.1.0.2 dst 10.1.0.1 dir $e tmpl src 10.0.0.2 dst 10.0.0.1 proto esp reqid 1 mode tunnel
	END
}

# esp_packets NS FROM TO SPI: through an ESP SA
esp_packets() {
	ip -n "$1" -s xfrm state get src "10.0.0.$2" dst "10.0.0.$3" proto esp spi "$4" |
		sed -n '/lifetime current/{n;s/.* \([0-9]*\)(packets).*/\1/p}'
}

# outage FROM TO SPI-OF-ESP SPI: numbered packets flow all the time, and none is lost
outage() {
	local from=$1 to=$2 esp=$3 spi=$4 esp12 esp21 sender=HV$1 receiver=HV$2 before files

	esp12=$(random_key 20) esp21=$(random_key 20)
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	new_keys
	esp_lines 1 | batch "$HV1"
	esp_lines 2 | batch "$HV2"
	sender=${!sender} receiver=${!receiver}
	blocks "From ESP to VPE without an outage"
	files=("$TMP"/block.*)
	receiver_start "$receiver" $port 60000
	sender_start "$sender" -t 300 -r "$(count 1000 200)" "10.1.0.$to" $port
	pause 0.3
	follow "${files[@]::${#files[@]}-1}"
	before=$(esp_packets "$sender" $from $to $esp)
	pause 0.3
	[ "$(esp_packets "$sender" $from $to $esp)" -eq "$before" ] ||
		fail "ESP goes on: $before"
	follow "${files[-1]}"
	pause 0.3
	sender_report stop
	receiver_report stop
	echo "ESP carried $before; $sent; $received"
	[ "$before" -gt 0 ] || fail "ESP carried nothing"
	all_received 1
	[ "$(vpe_stat "$receiver" $spi rx-packets)" -eq \
		$(($(value "$received" unique) - before)) ] || fail "not by VPE"
	[ "$(vpe_stat "$sender" $spi tx-core)" -eq 0 ] || fail "not the fast path"
}

backlog_grow
ktap_plan 14 3
ktap_test "VXLAN tunnel" tunnel_of_vxlan
ktap_test "gateways" gateways
ktap_test "xfrm interfaces" interfaces
ktap_test "hypervisors with EVPN" evpn
ktap_test "over many paths" paths
ktap_more "ESP over many paths" esp_overlay "ESP over many paths"
ktap_more "GENEVE" esp_overlay GENEVE
ktap_test "GUE" overlay GUE
ktap_test "one group, many senders" group
ktap_test "priorities" priorities
ktap_test "receiving on all CPUs" steering
ktap_test "hiding when and how much" hiding
ktap_test "from ESP to VPE, hv1 sends" outage 1 2 0x101 $SPI12
ktap_more "from ESP to VPE, hv2 sends" outage 2 1 0x102 $SPI21
ktap_finish
