#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many receive windows: as many as the bounds let in and no more, what memory they
# take, and dumps of them under load. What their look-up costs: see bulk.sh.
: "${WAIT_TIMEOUT:=60}"
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

# Windows of one SA, and of one sender in a group; where it must not take long bounds
# are set that are met sooner.
all=$(count 65536 2048) each=$(count 8192 256)
GROUP=239.1.1.1 GROUP_SPI=0x2001
readonly full="VPE: the bound of receive windows is reached"

# windows ARG...: tools/windows.py in HV2; what it says goes to $said
said=''
windows() {
	said=$(ns_exec "$HV2" python3 -S -B "$lib_dir/tools/windows.py" "$@") ||
		fail "windows.py $*: $said"
	echo "$said"
}

# made NUMBER SPI SENDER IDS [SENDERS]: so many windows are made, the others refused
made() {
	local n=$1 dst=${OUTER[42]}
	shift

	[ $1 != $GROUP_SPI ] || dst=$GROUP
	windows set $dst "$@"
	[[ $said == "made=$n "* ]] || fail "made, not $n: $said"
	[[ $said == *refused=0* || $said == *" $full" ]] || fail "refused, but not for the bound: $said"
}

# windows_are N [SPI]: of that SA, of the namespace
windows_are() {
	local n

	n=$(windows_now "${@:2}")
	[ "$n" = "$1" ] || fail "$n windows, not $1 ${2-}"
}

# windows_now [SPI]
windows_now() {
	if [ -n "${1-}" ]; then
		ip -n "$HV2" -j xfrm vpe show spi $1 | jq '.[0]."rx-windows"'
	else
		vpe_total "$HV2" rx-windows
	fi
}

# At most NUMBER in the namespace
windows_left() {
	[ "$(windows_now)" -le $1 ]
}

# set_bound NAME NUMBER
set_bound() {
	run ip -n "$HV2" xfrm vpe set $1 $2
}

defaults() {
	batch "$HV2" <<-END
		xfrm vpe set rx-windows-max 1048576
		xfrm vpe set sa-rx-windows-max 65536
		xfrm vpe set sender-rx-windows-max 8192
	END
}

no_context() {
	[ "$(vpe_total "$HV2" contexts)" = 0 ]
}

afresh() {
	xfrm_flush
	slowwait no_context
	windows_are 0
	KEY12=$(random_key 16)
}

# sa_in [ARG...]: the SA that HV2 receives by
sa_in() {
	run sa_add "$HV2" 4 1 2 $SPI12 "$KEY12" flag af-unspec "$@"
}

# group_in [ARG...]: the same of a group
group_in() {
	run ip -n "$HV2" xfrm state add src "${OUTER[42]}" dst $GROUP proto vpe spi $GROUP_SPI \
		reqid 2 mode tunnel aead "$AEAD" "$KEY12" 128 group sender-id 9 flag af-unspec "$@"
}

# arrives VERDICT SPI DST SENDER WINDOW: an authentic packet of that window is
# accepted, or dropped for the bound
arrives() {
	local bound=0 spi=$2 dst=$3 id=$(($4 << 16 | $5))

	[ $1 = accepted ] || bound=1
	counters_mark
	vpe_wire inject window 4 "$KEY12" ${OUTER[41]} $dst $spi $id
	counters_check hv2:$spi:rx-packets==$((1 - bound)) "hv2:*:rx-windows==$bound" \
		"hv2:-:XfrmInBufferError==$bound" 'hv2:-:XfrmInNoPols>=0'
}

# All Window IDs of Sender ID 0, then a bound below what is there
bound_of_sa() {
	local last=$((all - 1))

	afresh
	defer defaults
	sa_in
	set_bound sa-rx-windows-max $last
	made $last $SPI12 0 0-$last
	windows_are $last $SPI12
	arrives dropped $SPI12 ${OUTER[42]} 0 $last
	windows_are $last $SPI12
	set_bound sa-rx-windows-max $all
	arrives accepted $SPI12 ${OUTER[42]} 0 $last
	windows_are $all $SPI12
	windows_are $all

	set_bound sa-rx-windows-max 5
	windows_are $all $SPI12
	arrives accepted $SPI12 ${OUTER[42]} 0 $((last - 1))
	made 100 $SPI12 0 0-99
	windows dump spi=$SPI12,direction=1
	[ "$said" = $all ] || fail "a lower bound took windows: $said"
}

# In a group 8192 of each sender, and 65536 in all; these are the defaults
bound_of_group() {
	local senders all

	senders=$(count 8 2)
	all=$((senders * each))
	afresh
	defer defaults
	[ $all = 65536 ] || set_bound sa-rx-windows-max $all
	[ $each = 8192 ] || set_bound sender-rx-windows-max $each
	run ip -n "$HV2" addr add $GROUP/32 dev eth0 autojoin
	defer ip -n "$HV2" addr del $GROUP/32 dev eth0
	group_in
	made $each $GROUP_SPI 1 0-$each
	arrives dropped $GROUP_SPI $GROUP 1 $((each + 5))
	arrives accepted $GROUP_SPI $GROUP 1 7
	# others have room
	arrives accepted $GROUP_SPI $GROUP 2 9
	made $((each * (senders - 1))) $GROUP_SPI 2 0-$((each - 1)) $((senders - 1))
	windows_are $all $GROUP_SPI
	# a sender more, which has no window yet
	made 0 $GROUP_SPI 99 0-0
	arrives dropped $GROUP_SPI $GROUP 99 0
	arrives accepted $GROUP_SPI $GROUP $senders $((each - 1))
	windows_are $all $GROUP_SPI
}

bound_of_namespace() {
	afresh
	defer defaults
	ip -n "$HV2" -j xfrm vpe stats | jq -e '."rx-windows-max" == 1048576 and
		."sa-rx-windows-max" == 65536 and ."sender-rx-windows-max" == 8192' ||
		fail "other defaults"
	sa_in
	set_bound rx-windows-max 300
	made 200 $SPI12 0 0-199
	KEY12=$(random_key 16)
	run sa_add "$HV2" 4 1 2 0x3001 "$KEY12" flag af-unspec
	made 100 0x3001 0 0-149
	arrives dropped 0x3001 ${OUTER[42]} 0 1000
	arrives accepted 0x3001 ${OUTER[42]} 0 7
	set_bound rx-windows-max 10
	windows_are 300
	arrives accepted 0x3001 ${OUTER[42]} 0 8
	made 0 $SPI12 0 1000-1001
	# another namespace has its own
	[ "$(ip -n "$HV1" -j xfrm vpe stats | jq '."rx-windows-max"')" = 1048576 ] ||
		fail "another namespace is bounded"
	# an SA that is gone makes room
	sa_delete $SPI12
	set_bound rx-windows-max 101
	slowwait windows_left 100
	windows_are 100
	made 1 0x3001 0 1000-1001
}

# slab: kilobytes that the kernel's objects take
slab() {
	awk '$1 == "Slab:" { print $2 }' /proc/meminfo
}

# What was freed before is on its way for a while.
slab_is_quiet() {
	local before

	before=$(slab)
	pause 0.3
	[ "$(slab)" -ge $((before - 50)) ]
}

# slab_below KILOBYTES
slab_below() {
	[ "$(slab)" -le $1 ]
}

# costs DOCUMENTED WHAT COMMAND...: COMMAND makes $number of them, of so many bytes
# each: at most 1.5 times that. All is given back when the SA goes.
costs() {
	local bytes=$1 what=$2 before after is
	shift 2

	slowwait slab_is_quiet
	before=$(slab)
	"$@"
	after=$(slab)
	is=$(((after - before) * 1024 / number))
	echo "$what: $is bytes, documented $bytes"
	# objects of a debug kernel have other sizes, and few take too little to measure
	if [ "$(count big small)" = big ]; then
		[ $is -le $((bytes * 3 / 2)) ] || fail "$what: more than documented"
		[ $is -ge $((bytes * 2 / 3)) ] || fail "$what: less than documented, not measured"
	fi
	xfrm_flush
	slowwait no_context
	[ "$(count big small)" = small ] || slowwait slab_below $((before + 100 + (after - before) / 10))
}

# memory REPLAY-WINDOW BYTES: documented in protocol.rst
memory() {
	local number

	number=$(count 16384 2048)
	afresh
	sa_in replay-window $1
	costs $2 "a window of $1 packets" made $number $SPI12 0 0-$((number - 1))
}

# Sender IDs of a group, each with one window of 64 packets; bytes without the window
memory_of_senders() {
	local number=$each

	afresh
	group_in replay-window 64
	costs 1528 "a sender and its window" made $each $GROUP_SPI 100 0-0 $each
}

# create IDS: while others are busy
create() {
	nsenter --net="/run/netns/$HV2" python3 -S -B "$lib_dir/tools/windows.py" set \
		${OUTER[42]} $SPI12 0 $1 >"$TMP/created" 2>&1 &
	create_pid=$!
	defer stop_pid $create_pid
}

# sa_delete SPI: of HV2's
sa_delete() {
	run ip -n "$HV2" xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto esp spi $1
}

# sas_dumped: SPI12 between others, in the order of a dump
sas_dumped() {
	local spi

	sa_delete $SPI12
	for spi in 0x3001 0x0fff; do sa_line 4 1 2 $spi "$(random_key 16)"; done
	sa_line 4 1 2 $SPI12 "$KEY12"
	sa_line 4 1 2 0x4001 "$(random_key 16)"
}

# Windows 7, 15, 23 ... are made, SAs are deleted, and packets pass while the others
# are dumped. The dump stands still meanwhile: it waits for who reads what ip prints.
dump_under_load() {
	local all last lasting lacking dump_pid create_pid pipe

	all=$(count 65536 8192)
	last=$((all - 1)) lasting=$((all - all / 8)) lacking=7-$((all - 1))/8
	afresh
	tunnel 4 4
	sas_dumped >"$TMP/lines"
	batch "$HV2" <"$TMP/lines"
	made 192 0x3001,0x0fff,0x4001 0 0-63
	made $lasting $SPI12 0 "0-$last/8,1-$last/8,2-$last/8,3-$last/8,4-$last/8,5-$last/8,6-$last/8"

	backlog_grow
	receiver_start "$HV2" 9000 3000
	sender_start "$HV1" -t 300 -r "$(count 200 20)" -h 10 ${INNER[42]} 9000
	pause 1
	run mkfifo "$TMP/pipe"
	nsenter --net="/run/netns/$HV2" ip -j xfrm vpe window show >"$TMP/pipe" &
	dump_pid=$!
	defer stop_pid $dump_pid
	exec {pipe}<"$TMP/pipe"
	head -c 40000 <&$pipe >"$TMP/dump"
	create $lacking
	sa_delete 0x3001
	sa_delete 0x4001
	slowwait gone $create_pid
	gone $dump_pid && fail "the dump was through before"
	cat <&$pipe >>"$TMP/dump"
	slowwait gone $dump_pid
	wait $dump_pid || fail "the dump failed"
	sender_report stop
	receiver_report

	echo "made meanwhile: $(<"$TMP/created")"
	windows once "$TMP/dump" $SPI12 0-$last $lacking 0x0fff 0-63 no
	windows dump spi=$SPI12
	[ "$said" = $all ] || fail "a dump of $said windows"
	windows_are $all $SPI12
	echo "sent: $sent"
	echo "received: $received"
	all_received 0
}

# selects NUMBER [FILTER...]: ip shows so many, all of them what was asked for, and
# hears no more of the kernel. A FILTER is NAME=VALUE.
selects() {
	local n=$1 words=() word bytes=0 all=''
	shift

	for word in "$@"; do
		case $word in
		direction=0) words+=(dir tx) all+=' and .direction == "tx"' ;;
		direction=1) words+=(dir rx) all+=' and .direction == "rx"' ;;
		*) words+=("${word%=*}" "${word#*=}") all+=" and .\"${word%=*}\" == ${word#*=}" ;;
		esac
	done
	[ -z "$nlmon" ] || bytes=$(heard)
	ip -n "$HV2" -j xfrm vpe window show "${words[@]}" >"$TMP/shown" || fail "${words[*]}"
	[ -z "$nlmon" ] || bytes=$(($(heard) - bytes))
	jq -e "length == $n and all(true$all)" "$TMP/shown" >/dev/null ||
		fail "'${words[*]}' shows $(jq length "$TMP/shown"), not $n, or others: $(head -c 500 "$TMP/shown")"
	# a window takes 164 bytes, the family's number and the end some 300
	[ $bytes -le $((1000 + n * 200)) ] || fail "$bytes bytes of netlink for $n windows: '${words[*]}'"
	echo "${words[*]}: $n windows, $bytes bytes of netlink"
	word="$*"
	asked+=("${word// /,}") wanted+=("$n")
}

# heard: bytes of netlink in HV2
heard() {
	awk '$1 == "nlmon0:" { print $2 }' "/proc/${hv_pid[hv2]}/net/dev"
}

filters() {
	local nlmon='' few asked=() wanted=()

	few=$(count 8192 1024)

	afresh
	tunnel 4 4
	ping_ok "$HV1" 1 56 ${INNER[42]}	# a window to send by, one to receive by
	KEY12=$(random_key 16)
	group_in
	made 3 $GROUP_SPI 5 10-12
	made 3 $GROUP_SPI 6 11-13
	made $few $SPI12 0 16-$((15 + few))
	if modprobe -q nlmon; then
		nlmon=yes
		run ip -n "$HV2" link add nlmon0 type nlmon
		run ip -n "$HV2" link set nlmon0 up
		defer ip -n "$HV2" link del nlmon0
	fi
	selects $((few + 8))
	selects $((few + 1)) spi=$((SPI12))
	selects 1 spi=$((SPI21))
	selects 6 spi=$((GROUP_SPI))
	selects 0 spi=4097000
	selects 1 direction=0
	selects $((few + 7)) direction=1
	selects 3 sender-id=5
	selects 3 sender-id=6
	selects 0 sender-id=7
	selects $((few + 2)) sender-id=0
	selects 2 window-id=11
	selects 1 window-id=13
	selects 1 window-id=17
	selects 1 window-id=11 sender-id=6
	selects 0 window-id=10 sender-id=6
	selects 1 window-id=17 direction=1 spi=$((SPI12))
	selects 0 window-id=17 direction=0
	selects 0 window-id=17 spi=$((GROUP_SPI))
	selects $((few + 1)) spi=$((SPI12)) direction=1 sender-id=0

	# The messages, of which a client here drops none
	windows dump "${asked[@]}"
	[ "${said//$'\n'/ }" = "${wanted[*]}" ] || fail "the kernel sends ${said//$'\n'/ }, not ${wanted[*]}"
}

topo_wire || skip_all "no namespaces"
vpe_wire_start
ktap_plan 9
ktap_test "all windows of an SA, its bound" bound_of_sa
ktap_test "bounds of senders in a group" bound_of_group
ktap_test "bound of a namespace" bound_of_namespace
ktap_test "memory, replay-window 64" memory 64 137
ktap_test "memory, replay-window 1024" memory 1024 265
ktap_test "memory, replay-window 4096" memory 4096 1033
ktap_test "memory of senders" memory_of_senders
ktap_test "dump while packets pass and windows come and go" dump_under_load
ktap_test "filters" filters
ktap_finish
