#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a router between two hypervisors does to packets in UDP:
#
#	 hv1                      router                 hv2
#	+---------------+       +---------+ --fast-- +----------------+
#	| 10.0.0.1 eth0 |-------| near    |          | lo 10.0.1.2    |
#	| lo 192.168.1.1|       |         | --slow-- | lo 192.168.2.1 |
#	+---------------+       +---------+          +----------------+
#
# It has two paths, of which one may be slow, and chooses one for each flow of UDP or
# for each packet; or it hides hv2 behind an address of its own.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

ROUTER=''
outer1=10.0.0.1 outer2=10.0.1.2 public=10.0.0.254
# Known to the router: its question would take the slow path too.
declare -rA mac=([fast]=02:00:00:00:05:01 [slow]=02:00:00:00:05:02)

topo_paths() {
	setup_ns HV1 ROUTER HV2 || return
	run ip link add eth0 netns "$HV1" type veth peer name near netns "$ROUTER"
	run ip link add fast netns "$ROUTER" type veth peer name fast netns "$HV2" address ${mac[fast]}
	run ip link add slow netns "$ROUTER" type veth peer name slow netns "$HV2" address ${mac[slow]}
	ns_stay "$HV1"
	hv_pid[hv1]=$ns_pid
	ns_stay "$HV2"
	hv_pid[hv2]=$ns_pid
	batch "$HV1" <<-END
		addr add $outer1/24 dev eth0
		addr add ${INNER[41]}/32 dev lo
		link set eth0 up
		route add 10.0.0.0/8 via $public
		route add ${NET[42]} via $public src ${INNER[41]}
	END
	batch "$ROUTER" <<-END
		addr add $public/24 dev near
		addr add 10.5.1.1/24 dev fast
		addr add 10.5.2.1/24 dev slow
		link set near up
		link set fast up
		link set slow up
		neigh add 10.5.1.2 lladdr ${mac[fast]} dev fast
		neigh add 10.5.2.2 lladdr ${mac[slow]} dev slow
		route add $outer2/32 nexthop via 10.5.1.2 dev fast nexthop via 10.5.2.2 dev slow
		route add $outer2/32 via 10.5.1.2 dev fast table 101
		route add $outer2/32 via 10.5.2.2 dev slow table 102
		rule add fwmark 1 lookup 101
		rule add fwmark 2 lookup 102
	END
	batch "$HV2" <<-END
		addr add 10.5.1.2/24 dev fast
		addr add 10.5.2.2/24 dev slow
		addr add $outer2/32 dev lo
		addr add ${INNER[42]}/32 dev lo
		link set fast up
		link set slow up
		route add 10.0.0.0/24 via 10.5.1.1 src $outer2
		route add ${NET[41]} via 10.5.1.1 src ${INNER[42]}
	END
	# The hash of what is on the wire: that of the skb is the sender's.
	run ns_exec "$ROUTER" sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv4.fib_multipath_hash_policy=3 net.ipv4.fib_multipath_hash_fields=0x37
	run ns_exec "$HV2" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.fast.rp_filter=0 \
		net.ipv4.conf.slow.rp_filter=0
	run ip -n "$HV1" xfrm vpe listen 4500
	run ip -n "$HV2" xfrm vpe listen 4500
}

# half NS SRC12 DST12 SRC21 DST21 PROTO ENCAP12 ENCAP21 ARG...: both SAs as this host
# sees them
half() {
	local ns=$1 src12=$2 dst12=$3 src21=$4 dst21=$5 proto=$6 encap12=$7 encap21=$8
	shift 8

	batch "$ns" <<-END
		$flush_lines
		xfrm state add src $src12 dst $dst12 proto $proto spi $SPI12 reqid 1 mode tunnel aead $AEAD $KEY12 128 flag af-unspec $encap12 $*
		xfrm state add src $src21 dst $dst21 proto $proto spi $SPI21 reqid 1 mode tunnel aead $AEAD $KEY21 128 flag af-unspec $encap21 $*
	END
}

# policies_of NS SRC DST IN-SRC IN-DST DIR...: this host's
policies_of() {
	batch "$1" <<-END
		xfrm policy add src $2 dst $3 dir out tmpl src $4 dst $5 proto esp reqid 1 mode tunnel
		xfrm policy add src $3 dst $2 dir in tmpl src $7 dst $6 proto esp reqid 1 mode tunnel
	END
}

# straight PROTO ARG...: between the two outer addresses
straight() {
	local proto=$1 encap='encap espinudp 0 4500 0.0.0.0'
	shift

	[ $proto = vpe ] || encap+=' entropy'
	KEY_BYTES=$([ $proto = vpe ] && echo 16 || echo 20) new_keys
	half "$HV1" $outer1 $outer2 $outer2 $outer1 $proto "$encap" "$encap" "$@"
	half "$HV2" $outer1 $outer2 $outer2 $outer1 $proto "$encap" "$encap" "$@"
	policies_of "$HV1" ${NET[41]} ${NET[42]} $outer1 $outer2 $outer1 $outer2
	policies_of "$HV2" ${NET[42]} ${NET[41]} $outer2 $outer1 $outer2 $outer1
	counters_mark
}

# slow SECONDS: the second path
slow() {
	run tc -n "$ROUTER" qdisc replace dev slow root netem delay "$1s" limit 100000
}

# per_packet: path after path, whatever the flow
per_packet() {
	run ns_exec "$ROUTER" nft -f - <<-'END'
		table ip spray {
			chain pre {
				type filter hook prerouting priority mangle
				iifname "near" meta mark set numgen inc mod 2 offset 1
			}
		}
	END
	defer ns_exec "$ROUTER" nft delete table ip spray
}

# send PACKETS [RATE]: of 512 flows, or $flows, on all CPUs, or $cpus; how many in a
# second to $pps
send() {
	local began took n=${flows:-512}

	began=$(now_ms)
	run ns_exec "$HV1" ${cpus:+taskset -c $cpus} "$tools/manyflows" send -f $n -n $(($1 / n)) -b 1 ${2:+-r "$2"} \
		9 ${INNER[42]} >"$TMP/sent"
	took=$(($(now_ms) - began))
	pps=$(($1 / n * n * 1000 / (took ? took : 1)))
}

# discard: nobody answers that there is nobody
discard() {
	nsenter --net="/run/netns/$HV2" socat -u UDP4-RECV:9 OPEN:/dev/null &
	defer stop_pid $!
	slowwait listening "$HV2" udp 9
}

# lost WINDOW PROTO: how many of $n packets a window that large drops, to $drops
lost() {
	straight $2 replay-window $1
	send $n $rate
	pause $delay	# what is on the slow path
	counters_wait_quiet
	counters_growth
	[ "$(grown hv1:$SPI12:tx-packets)" = $n ] || fail "sent: $(grown hv1:$SPI12:tx-packets) of $n"
	drops=$(grown "hv2:$SPI12:rx-@(old|behind|replay)")
	[ $((drops + $(grown hv2:$SPI12:rx-packets))) = $n ] ||
		fail "packets are missing: $(counters_list)"
}

# reordered [WINDOW]: a slow path, twice as slow as a window of the whole SA lasts. ESP
# must lose packets to its window, VPE none: its windows have a lane each, and may be
# that small
reordered() {
	local window rate pps delay drops n line

	discard
	defer tc -n "$ROUTER" qdisc del dev slow root
	slow 0
	straight esp replay-window 4096
	send 4096
	# a rate that is kept, as far as one can know
	rate=$((pps * 2 / 3))
	printf '%6s %9s %8s %8s | %s\n' window packets/s delay distance \
		"dropped by windows: ESP, VPE with ${1:-that window}"
	for window in $(count '64 1024 4096' 64); do
		n=$((window * 4 < 2048 ? 2048 : window * 4))
		while :; do
			delay=$(awk "BEGIN { printf \"%.3f\", 2 * $window / $rate }")
			slow $delay
			lost $window esp
			[ $pps -lt $((rate * 4 / 5)) ] || break
			# other work of this machine's host took part of it
			echo "$pps packets/s of $rate: once more"
			rate=$((pps * 2 / 3))
		done
		line=$(printf '%6d %9d %7ss %8d | %d of %d' $window $rate $delay $((2 * window)) $drops $n)
		[ "$drops" -gt 0 ] || fail "ESP lost nothing: $line"
		lost ${1:-$window} vpe
		echo "$line, $drops"
		[ "$drops" = 0 ] || fail "VPE lost packets"
	done
}

sprayed() {
	per_packet
	reordered
}

# ordered N RATE: of N packets at that rate, what came out of order, to $reordered. All
# on one CPU: two, of which one waits for its host, put packets out of order, too.
ordered() {
	local pid words cpus=0

	straight vpe replay-window 64
	nsenter --net="/run/netns/$HV2" "$tools/manyflows" recv -i 3000 9 >"$TMP/flows" &
	pid=$!
	defer stop_pid $pid
	slowwait listening "$HV2" udp 9
	send $1 $2
	slowwait gone $pid
	words=$(<"$TMP/flows")
	[[ $words == "received=$1 flows=$flows duplicates=0 "* ]] || fail "not all came: $words"
	windows=$(ip -n "$HV1" -j xfrm vpe window show tx | jq length)
	reordered=$(value "$words" reordered)
	counters_check hv1:$SPI12:tx-packets==$1 hv2:$SPI12:rx-packets==$1
}

# Flows that change windows change paths with them: what is under way on the slow one
# then may be overtaken, for as long as that takes, and nothing else.
rekeyed() {
	local rate=500 flows=64 n reordered windows stay changes most

	n=$(count 2560 1280)
	defer tc -n "$ROUTER" qdisc del dev slow root
	slow 0.5	# several packets of each flow
	ordered $n $rate
	echo "flows stay: $windows windows, $reordered packets out of order"
	stay=$windows
	[ $reordered = 0 ] || fail "flows changed paths"
	run ip -n "$HV1" xfrm vpe set flow-rekey 1
	defer ip -n "$HV1" xfrm vpe set flow-rekey 0
	ordered $n $rate
	changes=$((n / pps + 1))
	most=$((changes * pps / 2))
	echo "they change, $changes times: $windows windows, $reordered packets out of order, of" \
		"$most under way then"
	[ $windows -gt $stay ] || fail "flows keep their windows"
	[ $reordered -gt 0 ] || fail "flows keep their paths"
	[ $reordered -le $most ] || fail "more out of order than was under way"
}

# behind ENCAP CHAIN: the router hides hv2; and what it does with what comes in
behind() {
	run ns_exec "$ROUTER" nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "near" ip saddr $outer2 snat to $public
			}
			$2
		}
	END
	defer ns_exec "$ROUTER" nft delete table ip nat
	new_keys
	half "$HV1" $outer1 $public $public $outer1 vpe "$1" "$1"
	half "$HV2" $outer1 $outer2 $outer2 $outer1 vpe "$1" "$1"
	policies_of "$HV1" ${NET[41]} ${NET[42]} $outer1 $public $outer1 $public
	policies_of "$HV2" ${NET[42]} ${NET[41]} $outer2 $outer1 $outer2 $outer1
	counters_mark
}

# Toward a peer behind NAT: its packets open the way, all from one port.
fixed_port() {
	local encap='encap espinudp 4500 4500 0.0.0.0'

	behind "$encap" "chain in {
		type filter hook input priority filter
		iifname near udp dport 4500 drop
	}"
	# nobody knows hv2 yet
	ns_exec "$HV1" ping -q -n -c 2 -i 0.05 -W 0.2 ${INNER[42]} && fail "ping was answered"
	counters_check hv1:$SPI12:tx-packets==2
	counters_mark
	ping_ok "$HV2" 3 56 ${INNER[41]}
	ping_ok "$HV1" 3 1000 ${INNER[42]}
	carried 6 6
}

# Or the NAT forwards a port, and windows keep theirs.
forwarded_port() {
	local encap='encap espinudp 0 4500 0.0.0.0'

	behind "$encap" "chain pre {
		type nat hook prerouting priority dstnat
		iifname near ip daddr $public udp dport 4500 dnat to $outer2
	}"
	discard
	send 1024
	counters_check hv1:$SPI12:tx-packets==1024 hv2:$SPI12:rx-packets==1024 "hv?:$SPI21:*x-packets>=0"
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	ping_ok "$HV2" 3 1000 ${INNER[41]}
	carried 6 6
	[ "$(ip -n "$HV1" -j xfrm vpe window show tx | jq 'map(.port) | unique | length')" -gt 20 ] ||
		fail "few ports"
}

topo_paths || skip_all "no namespaces"
backlog_grow
run ip -n "$HV1" xfrm vpe set lanes 1024
ktap_plan 5
VERBOSE=1 ktap_test "two paths of different delay, flow by flow" reordered 64
VERBOSE=1 ktap_test "two paths of different delay, packet by packet" sprayed
VERBOSE=1 ktap_test "flows change windows from time to time" rekeyed
ktap_test "a peer behind NAT: fixed port" fixed_port
ktap_test "a peer behind NAT: forwarded port" forwarded_port
ktap_finish
