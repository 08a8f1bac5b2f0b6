#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Groups: many senders under one key. Hosts with VXLAN to a multicast group on one
# underlay, and all that they send is flooded to all, so that each packet is seen
# by each other host:
#
#	+---------------------+
#	| host 1  192.168.9.1 | vxlan0   group 239.1.1.1
#	|         10.9.0.1    | eth0 ----+
#	+---------------------+          |   switch
#	+---------------------+          +--- br0
#	| host 2 ...          | eth0 ----+
#	+---------------------+
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

declare -rA GROUP=([4]=239.1.1.1 [6]=ff0e::1:1)
declare -rA UNDER=([4]=10.9.0. [6]=fd09::) TENANT_NET=([4]=192.168.9. [6]=fd90::)
readonly SPI=0x3001
SWITCH='' MEMBER='' KEY='' family=4
# of hosts from 1
HOST=()

# hosts N FAMILY: their namespaces and the underlay, IPv4 or IPv6
hosts() {
	local n

	family=$2
	setup_ns SWITCH || skip "no namespaces"
	batch "$SWITCH" <<-END
		link add br0 type bridge mcast_snooping 0
		link set br0 addrgenmode none
		link set br0 up
	END
	HOST=('')
	for ((n = 1; n <= $1; n++)); do
		setup_ns MEMBER || skip "no namespaces"
		HOST[n]=$MEMBER
		run ip link add eth0 netns "$MEMBER" mtu 1600 type veth \
			peer name port$n mtu 1600 netns "$SWITCH"
		batch "$SWITCH" <<-END
			link set port$n addrgenmode none
			link set port$n master br0
			link set port$n up
		END
		batch "$MEMBER" <<-END
			addr add ${UNDER[4]}$n/24 dev eth0
			addr add ${UNDER[6]}$n/64 dev eth0 nodad
			link set eth0 up
			route add ${GROUP[4]} dev eth0
			route add ff0e::/16 dev eth0 table local
		END
	done
	KEY=$(random_key 16)
}

# member N [SENDER-ID [SPI [KEY [REQID]]]]: host N's SA
member() {
	local n=$1 proto=${SA_PROTO:-vpe} how="group sender-id ${2-$1}"

	[ $LAYOUT = spi-first ] || how+=" layout ares"
	[ $proto = vpe ] || how=''
	echo "xfrm state add src ${UNDER[$family]}$n dst ${GROUP[$family]} proto $proto" \
		"spi ${3-$SPI} reqid ${5-1} mode tunnel aead $AEAD ${4-$KEY} 128 $how ${SA_ARGS[*]}"
}

# member_policies N [REQID]: for the VXLAN of host N; of any SA in
member_policies() {
	local n=$1 dst="${GROUP[$family]}/$((family == 4 ? 32 : 128)) proto udp dport 4789"
	local tmpl="tmpl src ${UNDER[$family]}$n dst ${GROUP[$family]} proto esp mode tunnel"

	echo "xfrm policy update dst $dst dir out $tmpl reqid ${2-1}"
	echo "xfrm policy update dst $dst dir in $tmpl reqid 0"
}

# vxlan_lines N: its VXLAN, which floods all there is to the group; nobody asks whether
# a neighbour is still there. Without an address of IPv6 nothing is told by MLD, which
# it does when it likes.
vxlan_lines() {
	local n=$1 bits=24 flags=''

	[ "${inner-4}" = 4 ] || bits=64 flags=nodad
	cat <<-END
		link add vxlan0 address 02:00:00:00:09:0$n type vxlan id 100 dstport 4789 local ${UNDER[$family]}$n group ${GROUP[$family]} dev eth0 nolearning ttl 8 udp6zerocsumrx
		link set vxlan0 addrgenmode none
		addr add ${TENANT_NET[${inner-4}]}$n/$bits dev vxlan0 $flags
		link set vxlan0 up mtu 1400
		ntable change name arp_cache dev vxlan0 delay_probe 600000
		ntable change name ndisc_cache dev vxlan0 delay_probe 600000
	END
}

# join N [ARG...]: host N with all it needs; ARG... as member
join() {
	batch "${HOST[$1]}" < <(
		[ ${#SA_ARGS[@]} = 0 ] || echo "xfrm vpe listen 4500"
		member "$@"
		member_policies $1
		vxlan_lines $1)
}

# ask FROM TO [COUNT]: pings between tenants, in IPv4 (ARP by broadcast) or IPv6
ask() {
	ns_exec "${HOST[$1]}" ping -q -n -c "${3-10}" -i 0.05 -W "$WAIT_TIMEOUT" \
		${TENANT_NET[${inner-4}]}$2
}

# all_ask COUNT HOST...: each the next one, all at once; all must be answered
all_ask() {
	local n=$1 pids=() i
	shift
	local ring=("$@" "$1")

	for ((i = 0; i < $#; i++)); do
		ask ${ring[i]} ${ring[i + 1]} $n >"$TMP/ask.${ring[i]}" 2>&1 &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		wait ${pids[i]} || fail "host ${ring[i]}: $(<"$TMP/ask.${ring[i]}")"
	done
}

# counters_of_members HOST...: to $now, "HOST.COUNTER", each of their SPI
declare -A now=() before=()
counters_of_members() {
	local n json

	now=()
	for n in "$@"; do
		json=$(ip -n "${HOST[n]}" -j -s xfrm vpe show spi "${spi-$SPI}")
		while [[ $json =~ \"([rt]x-[a-z]+)\":([0-9]+) ]]; do
			now[$n.${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
			json=${json#*"${BASH_REMATCH[0]}"}
		done
	done
}

members_are_quiet() {
	local -A last=()
	local key

	for key in "${!now[@]}"; do last[$key]=${now[$key]}; done
	counters_of_members "$@"
	for key in "${!now[@]}"; do
		[ "${last[$key]-}" = "${now[$key]}" ] || return 1
	done
}

# mark HOST...: from here on
mark() {
	local key

	slowwait members_are_quiet "$@"
	before=()
	for key in "${!now[@]}"; do before[$key]=${now[$key]}; done
}

# grew HOST COUNTER: since mark, as of the last look
grew() {
	echo $((${now[$1.$2]-0} - ${before[$1.$2]-0}))
}

# all_heard HOST...: each had from each other just what that sent; none dropped a
# packet
all_heard() {
	local n m sent key

	slowwait members_are_quiet "$@"
	for n in "$@"; do
		sent=0
		for m in "$@"; do
			[ $m = $n ] || sent=$((sent + $(grew $m tx-packets)))
		done
		[ "$(grew $n rx-packets)" = $sent ] ||
			fail "host $n received $(grew $n rx-packets) of $sent packets"
		[ "$(grew $n tx-packets)" -gt 0 ] || fail "host $n sent nothing"
	done
	nothing_dropped "$@"
}

readonly drop_names=' rx-state rx-encap rx-short rx-sender rx-replay rx-old rx-auth rx-inner rx-windows rx-nomem rx-crypto rx-path tx-state tx-size tx-claim tx-sequence tx-segment tx-nomem tx-crypto rx-reflected rx-behind tx-sender rx-queue tx-queue '

nothing_dropped() {
	local n name
	for n in "$@"; do
		for name in $drop_names; do
			# What is sent by a completion of the cipher's IP gives back to a
			# member of the group, as it does not come from a device's queue.
			[ $name = rx-reflected ] && [ "$(grew $n tx-async)" -gt 0 ] && continue
			[ "$(grew $n $name)" = 0 ] || fail "host $n: $name $(grew $n $name)"
		done
	done
}

# dropped HOST: how many by all names
dropped() {
	local name sum=0
	for name in $drop_names; do sum=$((sum + $(grew $1 $name))); done
	echo $sum
}

# variant OUTER-FAMILY INNER-FAMILY: three hosts speak
variant() {
	local n inner=$2

	defer cleanup_all_ns
	hosts 3 $1
	for n in 1 2 3; do join $n; done
	mark 1 2 3
	all_ask "$(count 20 5)" 1 2 3
	all_heard 1 2 3
}

# variants FAMILY: both layouts, protocol 50 and UDP
variants() {
	case $1 in
	ares*) LAYOUT=ares ;;
	esac
	case $1 in
	*udp) SA_ARGS=(encap espinudp 0 4500 0.0.0.0) ;;
	esac
	variant $2 $3
}

# frames_replay: all that was captured, from the switch; to $replayed
frames_replay() {
	replayed=$(run ns_exec "$SWITCH" python3 -S "$lib_dir/tools/frames.py" "$TMP/capture" br0)
}

# nothing_new HOST...: what was replayed was refused, by name, every packet of it.
# Of a host's own IPv4 refuses them before, as they come from its own address.
nothing_new() {
	local n own

	slowwait members_are_quiet "$@"
	for n in "$@"; do
		[ "$(grew $n rx-packets)" = 0 ] ||
			fail "host $n accepted $(grew $n rx-packets) of $replayed packets once more"
		own=$(tcpdump -n -r "$TMP/capture" "src host ${UNDER[$family]}$n" 2>/dev/null | wc -l)
		[ "$own" -gt 0 ] || fail "host $n: nothing of its own"
		[ $family = 6 ] && [ "$(grew $n rx-reflected)" = $own ] && own=0
		[ "$(dropped $n)" = $((replayed - own)) ] ||
			fail "host $n dropped $(dropped $n) of $replayed packets, $own of its own"
	done
}

# windows_save N: host N's receive windows, as lines for ip -batch; to $TMP/windows.N
windows_save() {
	ip -n "${HOST[$1]}" -j xfrm vpe window show dir rx |
		jq -r '.[] | "xfrm vpe window set dst \(.dst) spi \(.spi) sender-id \(.["sender-id"]) window-id \(.["window-id"]) seq \(.seq)"' \
		>"$TMP/windows.$1"
	[ -s "$TMP/windows.$1" ] || fail "host $1 has no windows"
}

no_contexts() {
	ip -n "${HOST[$1]}" link show vxlan0 >/dev/null 2>&1 && return 1
	[ "$(vpe_total "${HOST[$1]}" contexts)" = 0 ]
}

# leave N: nothing of it stays but its underlay
leave() {
	batch "${HOST[$1]}" <<-END
		link del vxlan0
		$flush_lines
	END
	slowwait no_contexts $1
}

ivs_are_unique() {
	local report

	printf '%s\n' "$@" >"$TMP/keys"
	report=$(python3 -S "$lib_dir/tools/ivs.py" "$TMP/keys" "$TMP/capture") || fail "$report"
	echo "$report"
	[[ $report =~ windows=([0-9]+) ]]
	[ "${BASH_REMATCH[1]-0}" -ge "$members" ] || fail "not all senders were captured"
}

# life FAMILY HOSTS: of a group: all at once, one late, one leaves, one restarts with
# and without its windows, and everything replayed at everybody.
life() {
	local members n all=() early=()

	members=$2
	defer cleanup_all_ns
	hosts $members $1
	for ((n = 1; n <= members; n++)); do all+=($n); done
	early=("${all[@]:0:members-1}")
	for n in "${early[@]}"; do join $n; done
	mark "${early[@]}"
	all_ask "$(count 10 5)" "${early[@]}"
	all_heard "${early[@]}"

	# One joins late: at numbers in the middle of all windows. What was sent before
	# is new to it, as it would be in ESP.
	capture_start "$SWITCH" br0 "$TMP/capture"
	join $members
	mark "${all[@]}"
	all_ask "$(count 10 5)" "${all[@]}"
	all_heard "${all[@]}"

	# one leaves; the others do not mind
	leave 2
	mark 1 "${all[@]:2}"
	all_ask "$(count 5 3)" 1 "${all[@]:2}"
	all_heard 1 "${all[@]:2}"
	# it comes back, with its Sender ID and key
	join 2
	mark "${all[@]}"
	all_ask "$(count 5 3)" "${all[@]}"
	all_heard "${all[@]}"

	capture_stop "$TMP/capture"
	ivs_are_unique "$SPI $KEY"
	# host 2, which restarted, would answer to old packets
	run ip -n "$SWITCH" link set port2 down
	mark 1 "${all[@]:2}"
	frames_replay
	nothing_new 1 "${all[@]:2}"

	# without its windows a host that restarted takes old packets for new ones;
	# with them it takes none
	windows_save 3
	leave 3
	join 3
	batch "${HOST[3]}" <"$TMP/windows.3"
	mark "${all[@]:2}"
	frames_replay
	nothing_new "${all[@]:2}"
	leave 3
	join 3
	mark 3
	frames_replay
	slowwait members_are_quiet 3
	[ "$(grew 3 rx-packets)" -gt 0 ] || fail "the test's replays are no valid packets"
}

# rekeyed N NEW-KEY: host N gets the SA of the next key, and sends by the first
rekey_add() {
	batch "${HOST[$1]}" < <(member $1 $1 0x3002 "$2" 2)
}

# All hosts get the next key while they send by the first, then one after the other
# sends by it, then the first goes: nothing is lost.
rekey() {
	local n key pids=() hosts=(1 2 3 4) spi pings

	# as long as the rekey takes
	pings=$(slowly "$(count 200 100)" 400)

	defer cleanup_all_ns
	hosts 4 4
	for n in "${hosts[@]}"; do join $n; done
	all_ask 2 "${hosts[@]}"
	key=$(random_key 16)
	capture_start "$SWITCH" br0 "$TMP/capture"
	for n in "${hosts[@]}"; do
		ask $n $((n % 4 + 1)) $pings >"$TMP/ask.$n" 2>&1 &
		pids+=($!)
	done
	for n in "${hosts[@]}"; do rekey_add $n "$key"; done
	for n in "${hosts[@]}"; do
		batch "${HOST[n]}" < <(member_policies $n 2)
		pause 0.2
	done
	# all packets of the first are through
	pause 1
	for n in "${hosts[@]}"; do
		run ip -n "${HOST[n]}" xfrm state del dst ${GROUP[4]} proto esp spi $SPI
	done
	for n in "${hosts[@]}"; do
		wait ${pids[n - 1]} || fail "host $n: $(<"$TMP/ask.$n")"
		grep -q ' 0% packet loss' "$TMP/ask.$n" || fail "host $n: $(<"$TMP/ask.$n")"
	done
	for n in "${hosts[@]}"; do
		spi=0x3002
		[ "$(vpe_stat "${HOST[n]}" $spi rx-packets)" -gt 0 ] || fail "host $n: old key"
		[ "$(vpe_total "${HOST[n]}" sas)" = 1 ] || fail "host $n: SAs"
	done
	capture_stop "$TMP/capture"
	members=4
	ivs_are_unique "$SPI $KEY" "0x3002 $key"
}

# One Sender ID twice on a machine: the second does not send, and says why.
claim() {
	local said

	defer cleanup_all_ns
	hosts 3 4
	join 1
	join 2 1
	join 3
	ask 1 3 3 || fail "host 1 cannot send"
	mark 1 2 3
	ns_exec "${HOST[2]}" ping -q -n -c 2 -W 1 ${TENANT_NET[4]}3 && fail "host 2 sent"
	slowwait members_are_quiet 1 2 3
	[ "$(grew 2 tx-claim)" -gt 0 ] || fail "host 2: not counted"
	[ "$(grew 2 tx-packets)" = 0 ] || fail "host 2 sent"
	# what it hears bears its own Sender ID
	ask 1 3 3
	slowwait members_are_quiet 1 2 3
	[ "$(grew 2 rx-reflected)" -gt 0 ] || fail "not reflected"
	# another Sender ID under a key that is there is refused, and changes nothing
	said=$(member 1 9 0x3009 | ip -n "${HOST[1]}" -batch - 2>&1) && fail "two SAs, one key"
	grep -q 'holds this key' <<<"$said" || fail "$said"
}

# One that has Sender ID 0 receives, and never sends.
receive_only() {
	defer cleanup_all_ns
	hosts 3 4
	join 1
	join 2
	join 3 0
	ask 1 2 3 || fail "no answer"
	mark 1 2 3
	ask 1 2 5 || fail "no answer"
	ns_exec "${HOST[3]}" ping -q -n -c 2 -W 1 ${TENANT_NET[4]}1 && fail "host 3 sent"
	slowwait members_are_quiet 1 2 3
	[ "$(grew 3 rx-packets)" -ge 10 ] || fail "host 3 received $(grew 3 rx-packets)"
	[ "$(grew 3 tx-packets)" = 0 ] || fail "host 3 sent"
	[ "$(grew 3 tx-sender)" -gt 0 ] || fail "not counted"
}

# A Sender ID that comes from two addresses is told, and nothing else is done.
alarm() {
	defer cleanup_all_ns
	hosts 2 4
	join 1
	join 2
	ask 1 2 3 || fail "no answer"
	run ip -n "${HOST[1]}" addr add ${UNDER[4]}101/24 dev eth0
	vpe_monitor_start "${HOST[2]}" "$TMP/events"
	mark 1 2
	ask 1 2 3 || fail "no answer"
	slowwait members_are_quiet 1 2
	[ "$(grew 2 rx-moved)" = 0 ] || fail "alarm without reason"
	run ns_exec "${HOST[1]}" nft -f - <<-END
		table ip t {
			chain out {
				type filter hook postrouting priority 200
				ip protocol esp ip saddr set ${UNDER[4]}101
			}
		}
	END
	ask 1 2 3 || fail "the hint acts"
	slowwait members_are_quiet 1 2
	[ "$(grew 2 rx-moved)" = 1 ] || fail "moved $(grew 2 rx-moved) times"
	nothing_dropped 1 2
	slowwait grep -q '"moved"' "$TMP/events"
	grep '"moved"' "$TMP/events" | grep -q "${UNDER[4]}101" || fail "$(<"$TMP/events")"
}

# A packet of our own that comes back, by the socket's own loop, is no news.
reflected() {
	defer cleanup_all_ns
	hosts 2 4
	join 1
	join 2
	mark 1 2
	# the host itself speaks to the group, and is in it by its VXLAN
	batch "${HOST[1]}" <<-END
		xfrm policy add dst ${GROUP[4]}/32 proto udp dport 9 dir out tmpl src ${UNDER[4]}1 dst ${GROUP[4]} proto esp mode tunnel reqid 1
	END
	run ns_exec "${HOST[1]}" socat -u - "UDP4-DATAGRAM:${GROUP[4]}:9,ip-multicast-if=${UNDER[4]}1,ip-multicast-loop=1" <<<hello
	slowwait members_are_quiet 1 2
	[ "$(grew 1 tx-packets)" = 1 ] || fail "sent $(grew 1 tx-packets)"
	[ "$(grew 1 rx-reflected)" = 1 ] || fail "reflected $(grew 1 rx-reflected)"
	[ "$(grew 2 rx-packets)" = 1 ] || fail "received $(grew 2 rx-packets)"
}

# bounds N: of one Sender ID, of one SA; what is there goes on
bounds() {
	defer cleanup_all_ns
	hosts 3 4
	join 1
	join 2
	join 3
	run ip -n "${HOST[3]}" xfrm vpe set sender-rx-windows-max 1
	mark 1 2 3
	run ns_exec "${HOST[1]}" taskset -c 0 ping -q -c 3 -i 0.05 -W "$WAIT_TIMEOUT" ${TENANT_NET[4]}2
	run ns_exec "${HOST[1]}" taskset -c 1 ping -q -c 3 -i 0.05 -W "$WAIT_TIMEOUT" ${TENANT_NET[4]}2
	slowwait members_are_quiet 1 2 3
	[ "$(grew 3 rx-windows)" -ge 3 ] || fail "bound not kept: $(grew 3 rx-windows)"
	[ "$(grew 3 rx-packets)" -ge 3 ] || fail "nothing goes on"
	ip -n "${HOST[3]}" xfrm vpe window show dir rx sender-id 1
	[ "$(ip -n "${HOST[3]}" -j xfrm vpe window show dir rx sender-id 1 | jq length)" = 1 ] ||
		fail "windows of Sender ID 1"
}

# refused PATTERN ARG...: with that sentence, and nothing is left
refused() {
	local pattern=$1 said
	shift

	said=$(ip -n "${HOST[1]}" xfrm state add src ${UNDER[4]}1 dst "$1" proto vpe spi 0x4000 \
		mode tunnel reqid 1 aead "$AEAD" "$(random_key 16)" 128 "${@:2}" 2>&1) && fail "accepted: $*"
	grep -q -- "$pattern" <<<"$said" || fail "$*: $said"
	[ "$(vpe_total "${HOST[1]}" sas)$(vpe_total "${HOST[1]}" contexts)" = 00 ] ||
		fail "$*: something is left"
}

wrong() {
	defer cleanup_all_ns
	hosts 1 4
	refused 'multicast' 10.9.0.2 group sender-id 1
	refused 'unicast SA is 0' 10.9.0.2 extra-flag 0x80000100
	if printf '%s\n' 6.10 "$(uname -r)" | sort -VC; then
		ns_exec "${HOST[1]}" python3 -S "$lib_dir/tools/sa.py" --sender 1 --dir out \
			${UNDER[4]}1 ${GROUP[4]} $SPI "$KEY" 2>&1 | grep -q 'both directions' ||
			fail "an SA of one direction"
	fi
	batch "${HOST[1]}" < <(member 1)
	ip -n "${HOST[1]}" xfrm vpe window set dst ${GROUP[4]} spi $SPI sender-id 1 window-id 0 seq 5 2>&1 |
		grep -q 'our own Sender ID' || fail "own windows"
	ip -n "${HOST[1]}" xfrm vpe window set dst ${GROUP[4]} spi $SPI window-id 0 seq 5 2>&1 |
		grep -q 'Sender ID of a window is 0' || fail "Sender ID 0"
	[ "$(ip -n "${HOST[1]}" -j xfrm vpe window show | jq length)" = 0 ] || fail "windows"
}

# The same with stock ESP: one key, one window for all senders; a table.
esp_row() {
	local n sent received=0 again window=$1 pids=()

	SA_PROTO=esp KEY=$(random_key 20) SA_ARGS=(replay-window $window)
	for n in "${all[@]}"; do
		batch "${HOST[n]}" < <(echo "$flush_lines"; member $n; member_policies $n)
	done
	capture_start "$SWITCH" br0 "$TMP/capture"
	received=-$(vxlan_packets)
	for n in "${all[@]}"; do
		ask $n $((n % ${#all[@]} + 1)) "$(count 20 5)" >/dev/null 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	pause 1
	capture_stop "$TMP/capture"
	again=$(vxlan_packets)
	received=$((received + again))
	sent=$(tcpdump -n -r "$TMP/capture" 2>/dev/null | wc -l)
	# nobody answers what is replayed
	for n in "${all[@]}"; do run ns_exec "${HOST[n]}" sysctl -qw net.ipv4.icmp_echo_ignore_all=1; done
	frames_replay
	pause 1
	again=$(($(vxlan_packets) - again))
	for n in "${all[@]}"; do run ns_exec "${HOST[n]}" sysctl -qw net.ipv4.icmp_echo_ignore_all=0; done
	row "ESP, window $window" $((sent * (${#all[@]} - 1))) $received $again
}

# What all VXLANs got: an ESP SA counts both directions as one.
vxlan_packets() {
	local n

	for n in "${all[@]}"; do
		ip -n "${HOST[n]}" -s -j link show vxlan0 | jq '.[0].stats64.rx.packets'
	done | awk '{ sum += $1 } END { print sum }'
}

row() {
	printf '%-18s %8s %9s %9s\n' "$@" >>"$TMP/table"
}

compare() {
	local n all=(1 2 3 4) sent received again

	defer cleanup_all_ns
	hosts ${#all[@]} 4
	row '' sent received replayed
	for n in "${all[@]}"; do join $n; done
	capture_start "$SWITCH" br0 "$TMP/capture"
	mark "${all[@]}"
	all_ask "$(count 20 5)" "${all[@]}"
	all_heard "${all[@]}"
	capture_stop "$TMP/capture"
	sent=0 received=0 again=0
	for n in "${all[@]}"; do
		sent=$((sent + 3 * $(grew $n tx-packets)))
		received=$((received + $(grew $n rx-packets)))
	done
	mark "${all[@]}"
	frames_replay
	nothing_new "${all[@]}"
	row "VPE, window 1024" $sent $received 0
	esp_row 64
	esp_row 0
	cat "$TMP/table"
	# so that the table is seen: what a window for all costs, and what none does
	awk '/window 64/ && $5 * 10 > $4 * 9 { exit 1 }
		/window 0/ && $6 == 0 { exit 1 }' "$TMP/table" ||
		fail "ESP does what it cannot"
}

ktap_plan 14 8
ktap_more "three hosts, IPv4, spi-first" variants spi-first 4 4
ktap_more "three hosts, IPv6, ares" variants ares 6 6
ktap_more "three hosts, IPv4 in IPv6, spi-first in UDP" variants spi-first-udp 6 4
ktap_test "three hosts, IPv6 in IPv4, ares in UDP" variants ares-udp 4 6
ktap_test "life of a group of eight, IPv4" life 4 "$(count 8 4)"
ktap_more "life of a group, IPv6" life 6 4
ktap_test "rekey loses nothing" rekey
ktap_test "one Sender ID twice on a host" claim
ktap_more "receive only" receive_only
ktap_more "alarm: one Sender ID, two sources" alarm
ktap_test "reflected packets" reflected
ktap_more "bounds" bounds
ktap_test "refused" wrong
ktap_more "what stock ESP does with many senders" compare
ktap_finish
