#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For the tests that count every packet: numbered traffic, captures, background
# work. To be sourced after lib.sh.

shopt -s extglob	# counters_check's patterns

tools=${VPE_TOOLS:-$lib_dir/../build/tools}
if [ ! -x "$tools/numbered" ]; then
	skip_all "needs the tools: make -C $lib_dir/tools"
fi

gone() {
	! kill -0 "$1" 2>/dev/null
}

# value "NAME=NUMBER ..." NAME
value() {
	local word
	for word in $1; do
		[ "${word%%=*}" != "$2" ] || echo "${word#*=}"
	done
}

# Queues long enough that a burst is lost by none of them.
backlog_grow() {
	defer sysctl -qw "net.core.netdev_max_backlog=$(</proc/sys/net/core/netdev_max_backlog)"
	sysctl -qw net.core.netdev_max_backlog=50000
}

# free_at_once: packets are freed when they have been read. Else late kernels leave
# UDP's to the CPU that they came by, for when it gets its next one: so long they
# hold their SAs, and the module.
free_at_once() {
	local max=/proc/sys/net/core/skb_defer_max

	[ -e $max ] || return 0
	defer sysctl -qw "net.core.skb_defer_max=$(<$max)"
	echo 0 >$max
}

# receiver_start NS PORT IDLE_MS [ARG...]: counts numbered packets until none came
# for that long (on a slow machine: five times that)
receiver_pid='' received=''
receiver_start() {
	nsenter --net="/run/netns/$1" "$tools/numbered" recv -i $(($3 * $(slowly 1 5))) "${@:4}" \
		"$2" >"$TMP/received" &
	receiver_pid=$!
	defer stop_pid $receiver_pid
	slowwait listening "$1" udp "$2"
}

# receiver_report [stop]: waits until it is through, or makes it stop soon; its
# words go to $received
receiver_report() {
	if [ -n "${1-}" ]; then
		pause 1
		kill $receiver_pid
	fi
	slowwait gone $receiver_pid
	wait $receiver_pid
	received=$(<"$TMP/received")
	[ -n "$received" ] || fail "the receiver said nothing"
}

# sender_start NS ARG...: numbered packets in the background
sender_pid='' sent=''
sender_start() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$tools/numbered" send "$@" >"$TMP/sent" 2>"$TMP/sent.err" &
	sender_pid=$!
	defer stop_pid $sender_pid
}

# sender_report [stop]: waits until it is through (or makes it stop); its words
# go to $sent
sender_report() {
	[ -z "${1-}" ] || kill $sender_pid
	slowwait gone $sender_pid
	wait $sender_pid
	sent=$(<"$TMP/sent")
	[ -n "$sent" ] || fail "the sender said nothing: $(<"$TMP/sent.err")"
}

# all_received DELETED: by $sent and $received each packet came, and once. While
# DELETED SAs were deleted as many may have been refused to their sender: what is
# between look-up and output at that moment xfrm refuses, ESP's as well.
all_received() {
	local refused

	refused=$(value "$sent" einval)
	[ "$(value "$received" unique)" -gt 0 ] || fail "nothing was received"
	[ "$refused" -le $1 ] || fail "$refused packets were refused"
	[ $(($(value "$sent" attempts) - refused)) -eq "$(value "$received" unique)" ] ||
		fail "packets were lost"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "packets came twice"
}

# capture_start NS INTERFACE FILE [COUNT]: protocol 50 and UDP, whole packets (of up to
# 2048 bytes: the buffer has one slot of the largest size for each); ends by
# itself after COUNT
capture_pid=''
capture_start() {
	dump_start "$1" "$2" "$3" -U -s 2048 -B 16384 ${4:+-c "$4"} -w - \
		'proto 50 or (ip6 proto 50) or udp dst port 4500'
	# shellcheck disable=SC2154	# of lib.sh
	capture_pid=$dump_pid
}

# capture_written FILE [COUNT]: whether it has all that the kernel had for tcpdump
# so far, and at least so many
capture_written() {
	kill -USR1 $capture_pid
	pause 0.3
	[[ $(tail -n1 "$1.err") =~ ([0-9]+)\ packets?\ captured,\ ([0-9]+)\ packets?\ received ]] &&
		[ "${BASH_REMATCH[1]}" -eq "${BASH_REMATCH[2]}" ] &&
		[ "${BASH_REMATCH[1]}" -ge "${2-0}" ]
}

# capture_stop FILE [COUNT]: fails if the kernel had to drop packets. Up to COUNT may
# still be with an asynchronous cipher, or with a tcpdump that stands still: they are
# waited for, some time. (What came before tcpdump had its filter counts as received
# for ever.)
capture_stop() {
	busywait $((WAIT_TIMEOUT * 250)) capture_written "$@"
	kill -INT $capture_pid 2>/dev/null
	slowwait gone $capture_pid
	wait $capture_pid
	grep -q '^0 packets dropped by kernel' "$1.err" ||
		fail "the capture is not complete: $(<"$1.err")"
}

# watch_load: what selftests/watch has, at $watch
watch=/sys/kernel/debug/vpe_watch
watch_load() {
	[ -e $watch ] && return
	if [ -n "${VPE_BUILD-}" ]; then
		insmod "$VPE_BUILD/selftests/watch/vpe_watch.ko" || return
	else
		modprobe vpe_watch || return
	fi
	defer rmmod vpe_watch
	[ -e $watch ]
}

# Packets that are captured before they reach the receiver:
#
#	 hv1                    wire                   hv2
#	+------+            +------------+            +------+
#	| eth0 |------------| to1    to2 |------------| eth0 |
#	+------+            +------------+            +------+
#	 sends             captures, injects          receives
WIRE=''
topo_capture() {
	local f

	setup_ns HV1 WIRE HV2 || return
	run ip link add eth0 netns "$HV1" type veth peer name to1 netns "$WIRE"
	run ip link add eth0 netns "$HV2" type veth peer name to2 netns "$WIRE"
	ns_exec "$WIRE" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	batch "$WIRE" <<-END
		link set to1 up
		link set to2 up
	END
	topo_hv "$HV1" 1 2
	topo_hv "$HV2" 2 1
	for f in 4 6; do
		run ip -n "$HV1" neigh replace "${OUTER[${f}2]}" dev eth0 \
			lladdr "$(mac "$HV2" eth0)" nud permanent
	done
}

# Second addresses, for SAs that move: [family][side]
declare -rA OTHER=([41]=10.0.0.11 [42]=10.0.0.12 [61]=fd00::11 [62]=fd00::12)

other_addresses() {
	local side ns

	for side in 1 2; do
		ns=HV$side
		batch "${!ns}" <<-END
			addr add ${OTHER[4$side]}/24 dev eth0
			addr add ${OTHER[6$side]}/64 dev eth0 nodad
		END
	done
}

mac() {
	ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'
}

# capture N FAMILY [ARG...]: N packets of hv1, in $TMP/capture, from one window after
# the other; ARG... as "numbered send" takes them
capture() {
	capture_start "$WIRE" to1 "$TMP/capture" "$1"
	run ns_exec "$HV1" "$tools/numbered" send -n "$1" -h 10 "${@:3}" "${INNER[${2}2]}" 9000
	slowwait gone $capture_pid
}
