#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whoever looks at packets on their way (nft, conntrack, NAT, flow tables, tc,
# XDP, sniffers) sees of a tunnel with VPE what he sees of one with ESP: each
# test runs the same traffic with both and compares.
. "$(dirname "$0")/lib.sh"

tools=$lib_dir/tools
declare -rA key_bytes=([esp]=20 [vpe]=16)
declare -rA nft_family=([4]=ip [6]=ip6)

# as_esp COMMAND...: what it writes to the file $seen with SA_PROTO=vpe is what
# it wrote with SA_PROTO=esp.
seen=''
as_esp() {
	local SA_PROTO KEY_BYTES

	for SA_PROTO in esp vpe; do
		KEY_BYTES=${key_bytes[$SA_PROTO]}
		seen=$TMP/seen.$SA_PROTO
		: >"$seen"
		echo "$SA_PROTO:"
		"$@"
	done
	[ -s "$seen" ] || fail "nothing was seen"
	diff -u "$TMP/seen.esp" "$TMP/seen.vpe" || fail "not as with ESP"
	cat "$seen"
}

# passed N12 [N21]: as many packets went through the tunnel, without any trouble
passed() {
	if [ "$SA_PROTO" = vpe ]; then carried "$@"; else counters_check; fi
}

# ten packets each way
pings() {
	local f
	for f in 4 6; do
		ping_ok "$TENANT1" 3 1000 ${TENANT[${f}2]} -i 0.01
		ping_ok "$HV1" 2 56 ${INNER[${f}2]} -i 0.01
	done
}

each_hv() {
	"$1" "$HV1" "${@:2}"
	"$1" "$HV2" "${@:2}"
}

# must_see PATTERN...: it was
must_see() {
	local pattern
	for pattern in "$@"; do
		grep -Eq "$pattern" "$seen" || fail "not seen: $pattern: $(<"$seen")"
	done
}

##############################################################################
# nft, conntrack

# chain HOOK RULE...: counts at the hook
chain() {
	local hook=$1 rule

	echo "chain $hook { type filter hook $hook${device-} priority 10;"
	for rule in "${@:2}"; do echo "$rule counter"; done
	echo "}"
}

# rules OUTER-FAMILY: the counters of all hooks
rules() {
	local esp='meta l4proto esp' pings rule in=() out=()
	pings=('icmp type { echo-request, echo-reply }'
	       'icmpv6 type { echo-request, echo-reply }')

	for rule in "$esp" "${pings[@]}"; do
		in+=("$rule meta ipsec missing" "$rule meta ipsec exists ipsec in reqid 1")
		out+=("$rule rt ipsec missing" "$rule rt ipsec exists ipsec out reqid 1")
	done
	in+=("ipsec in spi $((SPI12))" "ipsec in spi $((SPI21))"
	     "ipsec in ${nft_family[$1]} saddr ${OUTER[${1}1]}")
	out+=("ipsec out spi $((SPI12))" "ipsec out spi $((SPI21))"
	      "ipsec out ${nft_family[$1]} daddr ${OUTER[${1}2]}")

	echo 'flush ruleset'
	echo 'table inet seen {'
	device=' device "eth0"' chain ingress "$esp" "${pings[@]}"
	chain prerouting "${in[@]}" 'ct state { new, established }'
	chain input "${in[@]}"
	chain forward "${in[@]}" "${out[@]}"
	chain output "${out[@]}"
	chain postrouting "${out[@]}"
	echo '}'
}

# counted NS: the rules and how they counted; ESP and VPE packets differ in size
counted() {
	run ns_exec "$1" nft list ruleset |
		sed -E '/l4proto (50|esp)|ct state/s/ bytes [0-9]+//' >>"$seen"
}

# tracked NS FAMILY: conntrack's entries, without what differs by chance
tracked() {
	run ns_exec "$1" conntrack -L -f ipv$2 2>/dev/null |
		sed -E 's/^([a-z0-9]+ +[0-9]+) [0-9]+/\1/; s/(id|use)=[0-9]+ ?//g
			/ 50 /s/bytes=[0-9]+ //g; / 58 .*type=13[3-7]/d' | sort >>"$seen"
}

# nft_load NS RULES: for the rest of the test
nft_load() {
	run ns_exec "$1" nft -f - <<<"$2"
	ns_exec "$1" conntrack -F 2>/dev/null
	defer ns_exec "$1" nft flush ruleset
}

filters() {
	local outer=$1

	tunnel $outer 4 6
	each_hv nft_load "$(rules $outer)"
	counters_mark
	pings
	ping_ok "$TENANT1" 1 3000 ${TENANT[42]} -M dont
	passed 11 11
	each_hv counted
	each_hv tracked 4
	each_hv tracked 6
	must_see 'esp .*counter packets 11$' 'unknown +50 .*packets=11 .*packets=11 ' \
		'icmp .*packets=3 .*packets=3 ' 'ipsec in reqid 1 counter packets 6 ' \
		'ipsec out reqid 1 counter packets 6 '
}

##############################################################################
# NAT

# Outside what the policies protect
declare -rA STRANGER=([4]=172.16.1.2 [6]=fd00:99::2)
declare -rA VISITOR=([4]=192.168.1.9 [6]=fd00:1::9)
declare -rA SERVICE=([4]=192.168.2.100 [6]=fd00:2::100)

# A tenant whose address no policy knows gets another before the tunnel, and
# what he calls gets another behind it.
nat_begin() {
	local f=$1 rule=$2 ip=${nft_family[$1]}

	tunnel $f $f
	nft_load "$HV1" "flush ruleset
		table $ip nat {
			chain postrouting { type nat hook postrouting priority 100;
				$ip saddr ${STRANGER[$f]} counter $rule
			}
		}"
	nft_load "$HV2" "flush ruleset
		table $ip nat {
			chain prerouting { type nat hook prerouting priority -100;
				$ip daddr ${SERVICE[$f]} counter dnat to ${TENANT[${f}2]}
			}
		}"
	counters_mark
}

# nat_pings FAMILY ADDRESS: the stranger got that
nat_pings() {
	local f=$1

	ping_ok "$TENANT1" 3 1000 ${SERVICE[$f]} -I ${STRANGER[$f]}
	passed 3 3
	each_hv counted
	each_hv tracked $f
	must_see "src=${STRANGER[$f]} dst=${SERVICE[$f]}.*src=${SERVICE[$f]} dst=$2 " \
		"src=$2 dst=${SERVICE[$f]}.*src=${TENANT[${f}2]} dst=$2 "
}

nat() {
	local f=$1

	nat_begin $f "snat to ${VISITOR[$f]}"
	nat_pings $f ${VISITOR[$f]}
	[ $f = 4 ] || return 0
	# segments whose checksums are still to be done
	iperf "$TENANT1" ${SERVICE[$f]} -B ${STRANGER[$f]} -n "$(count 512K 64K)" -p 5300 --bidir
	counters_wait_quiet
	[ "$SA_PROTO" = esp ] || carried '>20' '>20' 'hv?:*:tx-gso>0' \
		'hv?:*:tx-size>=0' 'hv?:-:XfrmOutStateModeError>=0'
}

# The stranger gets hv1's own address, for which there are policies as well.
masquerade() {
	local f=$1 own=${OUTER[${1}1]}

	nat_begin $f masquerade
	policy_lines 1 2 $f $f | sed "s,${NET[${f}1]},$own," | batch "$HV1"
	policy_lines 2 1 $f $f | sed "s,${NET[${f}1]},$own," | batch "$HV2"
	nat_pings $f $own
}

nats() {
	iperf_server "$TENANT2" 5300
	as_esp nat 4
	as_esp masquerade 6
	in_haste && return
	as_esp nat 6
	as_esp masquerade 4
}

##############################################################################
# Flow tables

# echoes NS ADDRESS NUMBER: one byte there and back, many times
echoes() {
	# shellcheck disable=SC2016	# its own variables
	run ns_exec "$1" bash -c 'exec 3<>/dev/udp/$0/7
		for ((i = 0; i < $1; i++)); do
			printf %d $((i % 10)) >&3
			read -rN1 -t $2 reply <&3 || exit
			[ $reply = $((i % 10)) ] || exit 2
		done' "$2" "$3" "$WAIT_TIMEOUT"
}

flow_rules='flush ruleset
	table inet seen {
		flowtable fast { hook ingress priority 0; devices = { eth0, ten0 }; counter; }
		chain forward { type filter hook forward priority 0;
			meta l4proto udp counter
			ct state established meta l4proto udp flow add @fast
		}
	}'

flow() {
	local f=$2 server

	tunnel $1 $f
	each_hv nft_load "$flow_rules"
	nsenter --net="/run/netns/$TENANT2" socat UDP$f-LISTEN:7 PIPE &
	server=$!
	defer stop_pid $server
	slowwait listening "$TENANT2" udp 7
	counters_mark
	echoes "$TENANT1" ${TENANT[${f}2]} 20
	passed 20 20
	each_hv counted
	each_hv tracked $f
	sed -i -E 's/sport=[0-9]+|dport=[0-9]{2,}//g' "$seen"
	stop_pid $server
	must_see 'udp .*packets=20 .*packets=20 .*\[OFFLOAD\]'
	grep -Eq 'udp counter packets [1-9] ' "$seen" ||
		fail "packets do not take the flow table's way: $(<"$seen")"
}

##############################################################################
# tc

# tc_lines: filters that count what enters and leaves eth0, by the protocol, the
# SPI and the inner packet, and mirror the tunnel's packets
tc_lines() {
	local dir spi

	echo qdisc add dev eth0 clsact
	for dir in ingress egress; do
		echo filter add dev eth0 $dir pref 1 protocol ip flower ip_proto 0x32 \
			action mirred egress mirror dev mirror action continue
		for spi in $SPI12 $SPI21; do
			echo filter add dev eth0 $dir pref ${spi: -1}0 protocol ip \
				u32 match ip protocol 50 0xff \
				match u32 $spi 0xffffffff at 20 action continue
		done
		echo filter add dev eth0 $dir pref 30 protocol ip flower \
			ip_proto icmp src_ip ${NET[41]} action continue
		echo filter add dev eth0 $dir pref 31 protocol ip flower \
			ip_proto icmp dst_ip ${NET[41]} action continue
		echo filter add dev eth0 $dir pref 32 protocol ipv6 flower \
			ip_proto icmpv6 type 128 action continue
	done
}

tc_load() {
	ns_exec "$1" tc qdisc del dev eth0 clsact 2>/dev/null
	defer ns_exec "$1" tc qdisc del dev eth0 clsact
	run ns_exec "$1" tc -batch - <<<"$2"
}

# filtered NS: what tc's filters counted
filtered() {
	local dir

	for dir in ingress egress; do
		echo $dir
		run ns_exec "$1" tc -s filter show dev eth0 $dir |
			grep -oE 'pref [0-9]+|action order.*|Sent .*|dropped [0-9]+' |
			sed -E 's/Sent [0-9]+ bytes//; s/random.*//' | uniq
	done >>"$seen"
}

tc_count() {
	tunnel 4 4 6
	each_hv mirror_add
	each_hv tc_load "$(tc_lines)"
	counters_mark
	pings
	passed 10 10
	each_hv filtered
	each_hv mirrored
	must_see ' 10 pkt' ' 5 pkt' 'mirrored 20'
}

mirror_add() {
	batch "$1" <<-END
		link add mirror type dummy
		link set mirror up
	END
}

mirrored() {
	# shellcheck disable=SC2016	# awk's variables
	echo "mirrored $(ns_exec "$1" awk '$1 == "mirror:" { print $11 }' /proc/net/dev)" >>"$seen"
	run ip -n "$1" link del mirror
}

# What tc drops is counted by tc, and a socket is told as with ESP.
tc_drop() {
	tunnel 4 4
	tc_load "$HV1" "qdisc add dev eth0 clsact
		filter add dev eth0 egress pref 1 protocol ip flower ip_proto 0x32 action drop"
	counters_mark
	ns_exec "$TENANT1" ping -q -n -c 2 -i 0.01 -W 0.1 ${TENANT[42]} && fail "was let through"
	[ "$SA_PROTO" = esp ] || counters_check "hv1:$SPI12:tx-packets==2"
	filtered "$HV1"
	# it tries again, some times
	ns_exec "$HV1" ping -n -c 1 -W 0.1 ${INNER[42]} 2>&1 | grep sendmsg | sort -u >>"$seen"
	must_see 'dropped 2' 'No buffer space'
}

filters_of_tc() {
	as_esp tc_count
	as_esp tc_drop
}

##############################################################################
# XDP

# xdp_start MODE VERDICT: a program at HV2's eth0 that gives it to all packets
xdp_start() {
	: >"$TMP/xdp"
	nsenter --net="/run/netns/$HV2" python3 "$tools/xdp.py" "$1" eth0 "$2" >"$TMP/xdp" 2>&1 &
	xdp_pid=$!
	defer stop_pid $xdp_pid
	slowwait grep -q . "$TMP/xdp"
	grep -q attached "$TMP/xdp" || fail "$(tail -n1 "$TMP/xdp")"
}

xdp() {
	local mode=$1 n=20 runs

	tunnel 4 4 6
	ping_ok "$TENANT1" 1 56 ${TENANT[42]}
	xdp_start $mode pass
	counters_mark
	ping_ok "$TENANT1" $n 56 ${TENANT[42]} -i 0.01
	ping_ok "$TENANT1" $n 1000 ${TENANT[62]} -i 0.01
	passed 40 40
	stop_pid $xdp_pid
	runs=$(sed -n 's/^runs=//p' "$TMP/xdp")
	# once for each packet, or once more for what was in it; few others come
	echo "each packet: $((runs / 40))" >>"$seen"
	must_see 'each packet: [12]$'
}

xdp_drop() {
	tunnel 4 4
	xdp_start generic drop
	counters_mark
	ns_exec "$TENANT1" ping -q -n -c 2 -i 0.05 -W 0.1 ${TENANT[42]} &&
		fail "was let through"
	counters_check "hv1:$SPI12:tx-packets==2"
	stop_pid $xdp_pid
}

xdps() {
	as_esp xdp native
	xdp_drop
	in_haste || as_esp xdp generic
}

##############################################################################
# Sniffers

sniff_start() {
	dump_start "$1" eth0 "$TMP/sniff.$1" -l -e "$2"
	sniffers+=($dump_pid)
}

# sniffed NS: the kinds of packets that were seen there, and how many
sniffed() {
	sed -E 's/^[^ ]+ //; s/seq(=0x[0-9a-f]+|[= ][0-9]+)//; s/id [0-9]+//
		/ESP/s/length [0-9]+//g; /^$/d' "$TMP/sniff.$1" | sort | uniq -c >>"$seen"
}

sniffed_all() {
	[ "$(cat "$TMP/sniff.$HV1" "$TMP/sniff.$HV2" | wc -l)" -ge $1 ]
}

sniff() {
	local outer=$1 sniffers=() pid

	tunnel $outer 4 6
	each_hv sniff_start '(ip proto 50) or (ip6 proto 50) or icmp or
		(icmp6 and (ip6[40] == 128 or ip6[40] == 129))'
	counters_mark
	pings
	passed 10 10
	# ten there and back, once more what was in those that came in
	slowwait sniffed_all 60
	for pid in "${sniffers[@]}"; do stop_pid $pid; done
	each_hv sniffed
	must_see 'ESP\(spi=0x00001001' 'ICMP echo request' 'ICMP6, echo reply'
}

# held_start NS FAMILY
held_start() {
	: >"$TMP/held.$1"
	nsenter --net="/run/netns/$1" python3 "$tools/held.py" "${@:2}" >"$TMP/held.$1" 2>&1 &
	holders+=($!)
	defer stop_pid $!
}

# Packets that a sniffer holds as clones are decrypted elsewhere: it still reads
# the ciphertext, whole and in fragments.
held() {
	local f=$1 holders=() ns pid

	tunnel $f 4
	for ns in "$HV1" "$HV2"; do
		held_start "$ns" $f \
			"$KEY12" ${OUTER[${f}1]} ${OUTER[${f}2]} $SPI12 \
			"$KEY21" ${OUTER[${f}2]} ${OUTER[${f}1]} $SPI21
	done
	for ns in "$HV1" "$HV2"; do slowwait grep -q . "$TMP/held.$ns"; done
	counters_mark
	ping_ok "$TENANT1" 5 1000 ${TENANT[42]}
	ping_ok "$HV1" 2 3000 ${INNER[42]} -M dont
	carried 7 7
	for pid in "${holders[@]}"; do stop_pid $pid; done
	for ns in "$HV1" "$HV2"; do
		grep -qx "outer=14 inner=7" "$TMP/held.$ns" || fail "$(tail -n 3 "$TMP/held.$ns")"
	done
}

sniffs() {
	as_esp sniff 4
	as_esp sniff 6
}

holds_clones() {
	held 4
	in_haste || held 6
}

##############################################################################

# Entries that expire would be asked for.
neighbours() {
	local f
	for f in 4 6; do
		echo neigh replace ${OUTER[$f$2]} lladdr 02:00:00:00:00:0$2 dev eth0 nud permanent
	done | batch "$1"
}

topo_wire || skip_all "no namespaces"
topo_tenants || skip_all "no namespaces"
neighbours "$HV1" 2
neighbours "$HV2" 1
ns_exec "$HV1" nft list ruleset >"$TMP/nft" 2>&1 || skip_all "nft: $(<"$TMP/nft")"
for f in 4 6; do
	run ip -n "$TENANT1" addr add ${STRANGER[$f]} dev eth0
	run ip -n "$HV1" route add ${STRANGER[$f]} dev ten0
done
for ns in "$HV1" "$HV2"; do
	run ns_exec "$ns" modprobe nf_conntrack
	run ns_exec "$ns" sysctl -qw net.netfilter.nf_conntrack_acct=1
done
ktap_plan 9 2
ktap_test "nft and conntrack, IPv4" as_esp filters 4
ktap_more "nft and conntrack, IPv6" as_esp filters 6
ktap_test "NAT before the tunnel and behind it" nats
ktap_test "flow tables, 4 in 6" as_esp flow 6 4
ktap_more "flow tables, 6 in 4" as_esp flow 4 6
ktap_test "tc" filters_of_tc
ktap_test "XDP below" xdps
ktap_test "sniffers" sniffs
ktap_test "sniffers that hold packets" holds_clones
ktap_finish
