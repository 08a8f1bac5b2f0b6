#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2154	# of lib.sh and hard.sh
#
# An attacker sits on the wire between hv1 and hv2 (topo_capture in hard.sh), hands on
# what hv1 sends, and beside that sends VPE_ATTACKS frames that he made of what he saw
# (tools/attack.c): before the original, after it, a second later, and when key or
# addresses have changed. What hv1 sent is received, once and as it was sent, and
# nothing else; each other frame is counted where it was dropped; the states and
# windows of hv2 are those that hv1's packets alone would have made.
#
# VPE_SEED=N takes the seed that a run printed; what comes when is chance all the same.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

tests=8 more=4	# that attack
port=9000
rate=$(count 250 100)
: "${VPE_ATTACKS:=20000}"
in_haste && each=$((VPE_ATTACKS / (tests - more))) || each=$((VPE_ATTACKS / tests))
declare -A mib_before=() mib=()
total='' next=()

known_addresses() {
	local f

	other_addresses
	# nothing on the wire but what is sent
	ns_exec "$HV1" sysctl -qw net.ipv6.conf.eth0.router_solicitations=0
	ns_exec "$HV2" sysctl -qw net.ipv6.conf.eth0.router_solicitations=0
	for f in 4 6; do
		run ip -n "$HV1" neigh replace ${OTHER[${f}2]} dev eth0 \
			lladdr "$(mac "$HV2" eth0)" nud permanent
	done
}

# HV2 counts what comes to the doors of IPsec and UDP (in IPv6 fragments are put
# together only behind them), and what was sent to groups, whether it is in them or
# not; to the receiver's port only what was decrypted. Fragments do not stay for long.
door() {
	ns_exec "$HV2" nft -f - <<-END || return
		table inet door {
			chain come {
				type filter hook prerouting priority -300
				ip daddr 224.0.0.0/4 counter
				ip6 daddr ff00::/8 counter
			}
			chain input {
				type filter hook input priority -300
				ip protocol esp counter
				ip6 nexthdr esp counter
				meta ipsec missing udp dport $port counter drop
				meta ipsec missing ip protocol udp counter
				meta ipsec missing ip6 nexthdr udp counter
				ip daddr 224.0.0.0/4 counter
				ip6 daddr ff00::/8 counter
			}
		}
	END
	ns_exec "$HV2" sysctl -qw net.ipv4.ipfrag_time=2 net.ipv6.ip6frag_time=2 \
		net.ipv4.ipfrag_max_dist=0 net.ipv4.ipfrag_high_thresh=268435456 \
		net.ipv6.ip6frag_high_thresh=268435456
}

# mibs: "NAME NUMBER" of all of HV2's counters of IP, UDP, xfrm, our sockets and the door
mibs() {
	local proc=/proc/${hv_pid[hv2]}/net

	awk '/^(Ip|Udp|IpExt):/ {
		if ($1 == seen) for (i = 2; i <= NF; i++) print substr($1, 1, length($1) - 1) name[i], $i
		else for (i = 2; i <= NF; i++) name[i] = $i
		seen = seen == $1 ? "" : $1
	}' "$proc/snmp" "$proc/netstat"
	cat "$proc/snmp6" "$proc/xfrm_stat"
	awk 'NR > 1 { print "martian", ("0x" $8) + ("0x" $9) }' "$proc/stat/rt_cache"
	ns_exec "$HV2" nft -j list table inet door |
		jq -r '[.nftables[].rule | select(.) | [.expr[].counter | select(.) | .packets][0]] |
			"doorEsp \(.[2] + .[3])\ndoorUdp \(.[5] + .[6])\n" +
			"others \(.[0] + .[1] - .[7] - .[8])"'
	ip -n "$HV2" -j xfrm vpe listen |
		jq -r '.[] | "listen \(.keepalive + .marker + .short + .nomem)"'
}

# mib_read ARRAY
# shellcheck disable=SC2034,SC2004,SC2178	# keys of an associative array
mib_read() {
	local -n into=$1
	local name value

	into=()
	while read -r name value; do
		into[$name]=$((${into[$name]-0} + value))
	done < <(mibs)
}

# mib_sum PATTERN: growth of all counters that match, since mib_before
mib_sum() {
	local key sum=0

	for key in "${!mib[@]}"; do
		# shellcheck disable=SC2053	# a pattern
		[[ $key != $1 ]] || sum=$((sum + mib[$key] - ${mib_before[$key]-0}))
	done
	echo $sum
}

# attacker_start: from here on HV1 and HV2 see each other
attacker_start() {
	local layout=$LAYOUT seed=${VPE_SEED:-$SRANDOM}

	[ ${SA_PROTO:-vpe} = vpe ] || layout=esp
	echo "seed $seed"
	rm -f "$TMP/ask" "$TMP/answer"
	run mkfifo "$TMP/ask" "$TMP/answer"
	exec 6<>"$TMP/ask" 7<>"$TMP/answer"
	nsenter --net="/run/netns/$WIRE" "$tools/attack" -s "$seed" -l "$layout" \
		${VPE_KINDS:+-k "$VPE_KINDS"} to1 to2 <&6 >&7 6<&- 7<&- &
	defer stop_pid $!
}

# attacker COMMAND...: its answer to $total
attacker() {
	echo "$*" >&6
	read -r -t 3000 total <&7 || fail "the attacker does not answer"
}

# flow_start SIZE FIRST, flow_stop SIZE
flow_start() {
	TMP=$TMP/$1 sender_start "$HV1" -t 3000 -r $rate -s $1 -f $2 -h 20 "$target" $port
	senders[$1]=$sender_pid
}

flow_stop() {
	sender_pid=${senders[$1]}
	TMP=$TMP/$1 sender_report stop
	[ "$(value "$sent" einval)$(value "$sent" eperm)$(value "$sent" eother)" = 000 ] ||
		fail "the sender could not: $sent $(<"$TMP/$1/sent.err")"
	next[$1]=$(value "$sent" next)
}

# what HV2 has, but for counters and numbers
states() {
	ip -n "$HV2" xfrm state | grep -v -e anti-replay -e lastused
	ip -n "$HV2" xfrm policy
	ip -n "$HV2" -j xfrm vpe show | jq -c 'map([.spi, .context])'
}

# Half at once, and half when some of what was seen is old
attack() {
	local before after

	before=$(states)
	flow_start 40 ${next[40]}
	flow_start 1000 ${next[1000]}
	attacker send $part
	pause 1.2
	attacker send $part
	flow_stop 40
	flow_stop 1000
	busywait $((WAIT_TIMEOUT * 100)) same_windows ||
		fail "windows of hv1: $(windows "$HV1" tx); of hv2: $(windows "$HV2" rx)"
	after=$(states)
	[ "$before" = "$after" ] || fail "before: $before; after: $after"
}

# windows NS DIRECTION: Window ID and last number of each (jq rounds these numbers)
windows() {
	ip -n "$1" -j xfrm vpe window show spi $spi dir $2 |
		sed -E 's/: ?([0-9]{16,})/:"\1"/g' | jq -c 'map([."window-id", .seq]) | sort'
}

same_windows() {
	[ "$(windows "$HV1" tx)" = "$(windows "$HV2" rx)" ]
}

# Another key, and the old one is still there
new_key() {
	local key old=$spi

	spi=$((spi + 0x1000))
	key=$(random_key "${KEY_BYTES:-16}")
	sa_line $outer 1 2 $spi "$key" | batch "$HV2"
	sa_line $outer 1 2 $spi "$key" | batch "$HV1"
	delete_sa "$HV1" $old
	attacker age
}

delete_sa() {
	run ip -n "$1" xfrm state delete src ${OUTER[${outer}1]} dst ${OUTER[${outer}2]} \
		proto esp spi $2
}

# move NS SIDE PEER: policies and SAs to the other addresses
move() {
	local here=$outer$2 there=$outer$3 net=$inner
	local back=("${NET[$net$3]}" "${NET[$net$2]}" "${OUTER[$there]}" "${OUTER[$here]}"
		    "${OTHER[$there]}" "${OTHER[$here]}")

	run ns_exec "$1" python3 "$lib_dir/tools/migrate.py" 1 \
		out "${NET[$net$2]}" "${NET[$net$3]}" "${OUTER[$here]}" "${OUTER[$there]}" \
		"${OTHER[$here]}" "${OTHER[$there]}" in "${back[@]}" fwd "${back[@]}"
}

# Other addresses, and the old key is gone
new_addresses() {
	delete_sa "$HV2" $SPI12
	move "$HV1" 1 2
	move "$HV2" 2 1
	attacker age
}

# objects: "NAME NUMBER" of the caches that packets come from, of objects in use
objects() {
	local shrink

	for shrink in /sys/kernel/slab/{skbuff_*,kmalloc-*,:*}/shrink; do
		[ ! -e "$shrink" ] || echo 1 >"$shrink"
	done
	awk '/^skbuff|^kmalloc-([2-9]|1k)|^ip6?_dst/ { print $1, $2 }' /proc/slabinfo
}

slab_mark() {
	objects >"$TMP/slab"
}

# Neither objects of packets, nor anything that keeps the module
nothing_left() {
	cleanup_ns "$HV1" "$HV2" "$WIRE"
	slowwait unloadable
	run module_load
	objects | tee "$TMP/slab.now" | awk -v file="$TMP/slab" 'BEGIN { while (getline <file) n[$1] = $2 }
		$2 > n[$1] + 200 { print $1, n[$1], $2; more = 1 }
		END { exit more }' || fail "more objects than before"
	diff "$TMP/slab" "$TMP/slab.now"
	return 0
}

unloadable() {
	rmmod xfrm_vpe 2>/dev/null
}

# attacked OUTER INNER
attacked() {
	local outer=$1 inner=$2 spi=$SPI12 target=${INNER[${2}2]} part=$((each / 6 + 1))
	local -A senders=()

	xfrm_flush
	tunnel $outer $inner
	mkdir -p "$TMP/40" "$TMP/1000"
	next=([40]=0 [1000]=8000000)
	receiver_start "$HV2" $port 600000 -c
	attacker_start
	counters_mark
	mib_read mib_before
	attack
	new_key
	attack
	new_addresses
	attack
	counters_wait_quiet
	pause 2.5	# for fragments
	mib_read mib
	attacker report
	receiver_report stop
	accounted
}

# differ WHAT CAME COUNTED MAY: by MAY at most
differ() {
	local more=$(($2 - $3))

	echo "$1: $2 came, $3 are counted"
	[ ${more#-} -le $4 ] || fail "$1: not all are accounted for"
}

accounted() {
	local all key odd odd6=0 put_together=0

	all=$((next[40] + next[1000] - 8000000))
	for key in "${!mib[@]}"; do
		[ "${mib[$key]}" = "${mib_before[$key]-0}" ] ||
			echo "$key $((mib[$key] - ${mib_before[$key]-0}))"
	done | sort
	echo "$total"
	echo "sent $all; $received"
	[ "$(value "$total" made)" -ge $each ] || fail "not all was sent"
	# what hv1 sent, once and as it was
	[ "$(value "$received" foreign)" = 0 ] || fail "what nobody sent was received"
	[ "$(value "$received" duplicates)" = 0 ] || fail "packets were received twice"
	[ "$(value "$received" unique)" = $all ] || fail "packets were lost"
	counters_check 'hv1:*:rx-*==0' 'hv1:-:XfrmIn*==0' 'hv?:*>=0'
	# All else is counted, by IP, by UDP, and by IPsec.
	odd=$(value "$total" odd)
	[ $outer = 4 ] || odd6=$odd
	# A host's report of its groups may come between two of the readings.
	differ wire $(($(value "$total" wire4) + $(value "$total" wire6) + all)) \
		"$(mib_sum 'Ip?(6)InReceives')" 2
	differ IP "$(mib_sum 'Ip?(6)InReceives')" "$(ip_counted)" "$odd"
	if [[ ${SA_ARGS[*]} == *espinudp* ]]; then
		differ UDP $(($(mib_sum doorUdp) + $(mib_sum Ip6ReasmOKs))) "$(udp_counted)" $odd6
	else
		put_together=$(mib_sum Ip6ReasmOKs)
	fi
	differ IPsec $(($(mib_sum doorEsp) + put_together + $(mib_sum 'Udp?(6)InDatagrams') - all)) \
		$((all + $(mib_sum 'XfrmIn*') + $(mib_sum listen))) $odd6
}

# Twice a packet comes to IP, and to UDP, that was decrypted.
ip_counted() {
	echo $(($(mib_sum 'Ip?(6|Ext)In@(HdrErrors|TruncatedPkts|AddrErrors|NoRoutes|Discards)') +
		$(mib_sum 'Ip?(6)In@(UnknownProtos|Delivers|TooBigErrors)') +
		$(mib_sum 'Ip?(6)ReasmReqds') - $(mib_sum 'Ip?(6)ReasmOKs') +
		$(mib_sum martian) + $(mib_sum others)))
}

udp_counted() {
	echo $(($(mib_sum 'Udp?(6)@(InErrors|NoPorts|InDatagrams|IgnoredMulti)') - all))
}

backlog_grow
topo_capture || skip_all "no namespaces"
known_addresses
door || skip_all "no nftables"
run ns_exec "$HV1" ethtool -K eth0 tx off >/dev/null
slab_mark
ktap_plan $((tests + 1)) $more
ktap_test "VPE in IPv4" attacked 4 6
ktap_more "VPE in IPv6" attacked 6 4
ktap_test "layout ares in IPv6" ares attacked 6 6
ktap_more "VPE in UDP, in IPv4" udp attacked 4 4
ktap_test "VPE in UDP, in IPv6" udp attacked 6 4
ktap_more "layout ares in UDP, in IPv4" ares udp attacked 4 4
ktap_test "ESP with entropy in UDP, in IPv4" entropy attacked 4 4
ktap_more "ESP with labels, in IPv6" label attacked 6 4
ktap_test "no memory is lost" nothing_left
ktap_finish
