#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two machines on one wire, each with its own kernel: what one sends the other
# takes. Both run this file: VPE_SIDE=A is hv1 and has the tests; B is hv2 and
# does what A says, over TCP between the outer addresses, which no policy covers.
#
#	vm/run -k 6.1,7.3 -- ./run interop -- ./run interop
#
# Inner packets in the clear would fail the other side's policies and so be
# counted there: "carried" sees them.
# shellcheck disable=SC2016	# what the other machine expands
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

control=7000
port=9000
rate=$(count 500 100)
# The namespace of this machine's hypervisor
hv=''

# hypervisor SIDE PEER: this machine's, with the wire
hypervisor() {
	local name=HV$1

	setup_ns "$name" || skip_all "no namespaces"
	hv=${!name}
	run ip link set eth0 netns "$hv"
	# CoDel drops what waits since the host is busy
	run tc -n "$hv" qdisc replace dev eth0 root pfifo limit 20000
	topo_hv "$hv" $1 $2
	backlog_grow
}

# control_open ADDRESS: socat's other end is the other machine
control_open() {
	coproc exec nsenter --net="/run/netns/$hv" socat STDIO "$1"
	# Those of coproc are not for subshells.
	exec 8<&"${COPROC[0]}" 9>&"${COPROC[1]}"
	disown
}

##############################################################################
# Side B

# serve: commands, one a line, until bye; one that calls fail ends it all
serve() {
	local line status served=''

	# What ends by fail still has the output of eval
	exec 7>&1
	defer eval 'cat "$TMP/said" >&7'
	while IFS= read -r line <&8; do
		eval "$line" >"$TMP/said" 2>&1
		status=$?
		{ sed 's/^/> /' "$TMP/said"; echo "= $status"; } >&9
		[ -z "$served" ] || return 0
	done
	fail "the other machine ended first"
}

bye() {
	served=1
}

##############################################################################
# Side A

# there COMMAND: on B, in one line; says what it said and returns its status
there() {
	local line

	echo "$1" >&9
	while IFS= read -rt $((WAIT_TIMEOUT * 2)) line <&8; do
		case $line in
		'> '*) echo "${line#> }" ;;
		'= '*) return "${line#= }" ;;
		esac
	done
	fail "the other machine does not answer: $1"
}

# at SIDE COMMAND: here or there; it must succeed
at() {
	if [ $1 = 1 ]; then eval "$2"; else there "$2"; fi || fail "side $1: $2"
}

# counters_read and what is based on it count both machines' counters.
both_counters() {
	eval "near_$(declare -f counters_of)"
	counters_of() {
		if [ $1 = hv1 ]; then near_counters_of hv1; else there "counters_of $1"; fi
	}
}

# tunnels OUTER-FAMILY: for both inner families
tunnels() {
	new_keys
	tunnel_side 1 2 $1 4 6
	at 2 "KEY12=$KEY12 KEY21=$KEY21 LAYOUT=$LAYOUT; tunnel_side 2 1 $1 4 6"
	counters_mark
}

# Nothing passes that has another key, and the other machine counts it.
wrong_key() {
	tunnels 4
	at 2 "run ip -n \$hv xfrm state del src ${OUTER[41]} dst ${OUTER[42]} proto esp spi $SPI12"
	at 2 "run sa_add \$hv 4 1 2 $SPI12 $(random_key 16)"
	ns_exec "$hv" ping -q -c 3 -i 0.05 -W 0.2 ${INNER[42]} && fail "ping was answered"
	must_fail 'rx-packets grew by 0, not == 3' carried 3 3
	counters_check hv1:$SPI12:tx-packets==3 hv2:$SPI12:rx-auth==3 \
		hv2:-:XfrmInStateProtoError==3
}

pings() {
	local inner size n=0

	tunnels $1
	for inner in 4 6; do
		for size in 0 56 1300; do
			at 1 "ping_ok \$hv 2 $size ${INNER[${inner}2]}"
			at 2 "ping_ok \$hv 2 $size ${INNER[${inner}1]}"
			n=$((n + 4))
		done
	done
	carried $n $n
}

tcp() {
	local inner

	for inner in 4 6; do
		tunnels $1
		iperf "$hv" ${INNER[${inner}2]} -n "$(count 1M 256K)"
		counters_wait_quiet
		carried ">=$(count 150 25)" '>=1' "hv1:$SPI12:tx-gso>0"

		counters_mark
		iperf "$hv" ${INNER[${inner}2]} -n "$(count 1M 256K)" -R
		counters_wait_quiet
		carried '>=1' ">=$(count 150 25)" "hv2:$SPI21:tx-gso>0"
	done
}

# sa_sent SPI: how many packets left by that SA, all by the fast path
sa_sent() {
	[ "$(vpe_stat "$hv" $1 tx-core)" = 0 ] || fail "SPI $1: not the fast path"
	[ "$(vpe_stat "$hv" $1 tx-packets)" -gt 0 ] || fail "SPI $1 sent nothing"
	vpe_stat "$hv" $1 tx-packets
}

# sa_delete OUTER-FAMILY FROM TO SPI
sa_delete() {
	run ip -n "$hv" xfrm state delete src ${OUTER[$1$2]} dst ${OUTER[$1$3]} proto esp spi $4
}

sa_received() {
	[ "$(vpe_stat "$hv" $1 rx-packets)" -ge $2 ]
}

# sa_wait SPI PACKETS: until all came
sa_wait() {
	busywait $((WAIT_TIMEOUT * 500)) sa_received $1 $2 && return
	ip -n "$hv" -s link show eth0
	tc -n "$hv" -s qdisc show dev eth0
	ip -n "$hv" -s xfrm vpe show spi $1
	grep -v '\<0$' "/proc/$ns_pid/net/xfrm_stat"
	fail "SPI $1: $2 packets were sent, not all came"
}

# rekey OUTER-FAMILY FROM TO OLD NEW: the sender draws a key; the order is that
# of an IKE daemon, see rekey.sh. 7.3 sends by the old SA until that is deleted.
# The old SA goes at the receiver when nothing is on its way by it any more.
rekey() {
	local key n

	key=$(at $2 'random_key 16') || fail "$key"
	at $3 "run sa_add \$hv $1 $2 $3 $5 $key"
	at $2 "run sa_add \$hv $1 $2 $3 $5 $key"
	pause 0.1
	n=$(at $2 "sa_sent $4") || fail "$n"
	at $2 "sa_delete $1 $2 $3 $4"
	at $3 "sa_wait $4 $n; sa_wait $5 1"
	at $3 "sa_delete $1 $2 $3 $4"
}

# all_came FROM SENT RECEIVED SPI: no packet lost, none twice
all_came() {
	at $1 "sa_sent $4" || fail
	echo "from $1: $2; $3"
	sent=$2 received=$3 all_received "$(count 3 2)"
}

# rekeys FAMILY: numbered packets both ways meanwhile
rekeys() {
	local i old12=$SPI12 old21=$SPI21 new12 new21 sent12 sent21 received12 received21

	tunnels $1
	at 1 "receiver_start \$hv $port 60000"
	at 2 "receiver_start \$hv $port 60000"
	at 1 "sender_start \$hv -t 300 -r $rate -h 20 ${INNER[${1}2]} $port"
	at 2 "sender_start \$hv -t 300 -r $rate -h 20 ${INNER[${1}1]} $port"
	for ((i = 1; i <= $(count 3 2); i++)); do
		new12=$((0x2000 + i)) new21=$((0x3000 + i))
		rekey $1 1 2 $old12 $new12
		rekey $1 2 1 $old21 $new21
		old12=$new12 old21=$new21
	done
	sent12=$(at 1 'sender_report stop; echo "$sent"') || fail "$sent12"
	sent21=$(at 2 'sender_report stop; echo "$sent"') || fail "$sent21"
	received12=$(at 2 'receiver_report stop; echo "$received"') || fail "$received12"
	received21=$(at 1 'receiver_report stop; echo "$received"') || fail "$received21"
	all_came 1 "$sent12" "$received12" $old12
	all_came 2 "$sent21" "$received21" $old21
}

case ${VPE_SIDE-} in
A)
	hypervisor 1 2
	control_open "TCP:${OUTER[42]}:$control,nodelay,retry=200,interval=0.1"
	both_counters
	defer there bye
	there 'iperf_server "$hv"' || fail "no iperf3"
	ktap_plan 11 2
	ktap_test "another key: nothing passes" wrong_key
	for family in 4 6; do
		ktap_test "IPv$family: pings both ways" pings $family
		ktap_test "IPv$family: pings both ways, layout ares" ares pings $family
		ktap_test "IPv$family: TCP both ways" tcp $family
		ktap_test "IPv$family: each rekeys the other, no packet lost" rekeys $family
		ktap_more "IPv$family: TCP both ways, layout ares" ares tcp $family
	done
	;;
B)
	hypervisor 2 1
	control_open "TCP-LISTEN:$control,nodelay,accept-timeout=$((WAIT_TIMEOUT * 3))"
	ktap_plan 1
	ktap_test "the other side" serve
	;;
*)
	skip_all "needs two machines"
	;;
esac
ktap_finish
