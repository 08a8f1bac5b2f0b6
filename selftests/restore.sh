#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hosts that go on where they, or others, were: a standby that takes over, a module
# that another takes the place of, a machine that slept, one that went back to a
# snapshot.
#
#	 hv1, 10.0.0.1            wire                   hv2
#	+------+            +------------+            +------+
#	| eth0 |------------| to1    to2 |------------| eth0 |
#	+------+            |            |            +------+
#	+------+            | captures,  |
#	| eth0 |------------| injects    |
#	+------+        to3 +------------+
#	 standby, 10.0.0.1
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

STANDBY=''
monitor=/dev/vport0p8
n=$(count 200 50)

# sender NS: hv1's SA of $key, or who stands in for it
sender() {
	batch "$1" <<-END
		$(sa_line 4 1 2 $SPI12 "$key")
		$(policy_line out 1 2 4 4)
	END
}

receiver() {
	batch "$HV2" <<-END
		$(sa_line 4 1 2 $SPI12 "$key")
		$(policy_line in 1 2 4 4)
	END
}

begin() {
	xfrm_flush
	key=$(random_key 16)
	echo "$SPI12 $key" >"$TMP/keys"
	sender "$HV1"
	receiver
}

# send NS DEV FILE: $n packets of it, captured at the wire's DEV
send() {
	capture_start "$WIRE" "$2" "$3" $n
	run ns_exec "$1" "$tools/numbered" send -n $n -h 10 ${INNER[42]} 9000
	slowwait gone $capture_pid
}

# inject FILE: to hv2
inject() {
	[ "$(ns_exec "$WIRE" python3 -S "$lib_dir/tools/frames.py" "$1" to2)" = $n ] ||
		fail "$1 does not hold $n packets"
}

# accepted FILE...: all of it is new to hv2
accepted() {
	local file

	for file in "$@"; do
		counters_mark
		inject "$file"
		counters_check hv2:$SPI12:rx-packets==$n
	done
}

# refused FILE...: hv2 saw all of it before
refused() {
	local file

	for file in "$@"; do
		counters_mark
		inject "$file"
		counters_check "hv2:$SPI12:rx-@(replay|old|behind)==$n" 'hv2:-:Xfrm*>=0'
	done
}

unique() {
	local report

	report=$(python3 -S "$lib_dir/tools/ivs.py" "$TMP/keys" "$@") || fail "$report"
	[ "$(value "$report" packets)" = $(($# * n)) ] || fail "not all was seen: $report"
}

# It has had the key from the beginning, and sends nothing before hv1 is gone.
takeover() {
	setup_ns STANDBY
	defer cleanup_ns "$STANDBY"
	run ip link add eth0 netns "$STANDBY" type veth peer name to3 netns "$WIRE"
	run ip -n "$WIRE" link set to3 up
	topo_hv "$STANDBY" 1 2
	run ip -n "$STANDBY" neigh replace ${OUTER[42]} dev eth0 lladdr "$(mac "$HV2" eth0)" nud permanent
	begin
	sender "$STANDBY"

	send "$HV1" to1 "$TMP/first"
	accepted "$TMP/first"
	batch "$HV1" <<<"$flush_lines"
	slowwait no_context "$HV1"
	send "$STANDBY" to3 "$TMP/second"
	accepted "$TMP/second"
	refused "$TMP/first" "$TMP/second"
	unique "$TMP/first" "$TMP/second"
}

no_context() {
	[ "$(vpe_total "$1" contexts)" = 0 ]
}

# What was seen is kept by whoever replaces the module, as the user guide has it.
upgrade() {
	begin
	send "$HV1" to1 "$TMP/first"
	accepted "$TMP/first"
	ip -n "$HV2" -j xfrm vpe window show dir rx |
		jq -r '.[] | "xfrm vpe window set dst \(.dst) spi \(.spi) sender-id \(.["sender-id"]) window-id \(.["window-id"]) seq \(.seq)"' \
		>"$TMP/windows"
	xfrm_flush
	slowwait unload
	run module_load
	sender "$HV1"
	receiver
	batch "$HV2" <"$TMP/windows"
	refused "$TMP/first"
	send "$HV1" to1 "$TMP/second"
	accepted "$TMP/second"
	refused "$TMP/first" "$TMP/second"
	unique "$TMP/first" "$TMP/second"
}

unload() {
	rmmod xfrm_vpe 2>/dev/null
}

asleep() {
	local slept

	grep -q "$1" /sys/power/state 2>/dev/null || skip "this kernel does not sleep"
	! kernel_from 7 || skip "this kernel does not wake up in QEMU, with or without the module"
	begin
	send "$HV1" to1 "$TMP/first"
	accepted "$TMP/first"
	slept=$(now_ms)
	run rtcwake -m "$1" -s 3
	slept=$(($(now_ms) - slept))
	[ $slept -ge 2000 ] || fail "it slept for $slept ms"
	refused "$TMP/first"
	send "$HV1" to1 "$TMP/second"
	accepted "$TMP/second"
	refused "$TMP/first" "$TMP/second"
	unique "$TMP/first" "$TMP/second"
}

# prompt: QEMU has done what it was told
prompt() {
	local word

	while read -r -t $WAIT_TIMEOUT -d ' ' word <&$monitor_fd; do
		[[ $word != *"(qemu)"* ]] || return 0
	done
	fail "QEMU's monitor does not answer"
}

restored() {
	dmesg | grep -q 'the machine went back to a snapshot'
}

# From here on once more, as a copy of a machine that went on
snapshot_and_restore() {
	exec {monitor_fd}<>$monitor
	prompt
	echo "savevm s" >&$monitor_fd
	prompt
	busywait 2000 restored && return
	[ "$(spis | wc -w)" = 4 ] || fail "SAs ended before the machine did"
	echo quit >&$monitor_fd
	pause 60
	fail "the machine does not end"
}

# spis: of all SAs there are, in both hypervisors
spis() {
	{ ip -n "$HV1" xfrm state; ip -n "$HV2" xfrm state; } |
		awk '{ for (i = 1; i < NF; i++) if ($i == "spi") printf "%s ", $(i + 1) }'
}

spis_are() {
	[ "$(spis)" = "$*${*:+ }" ]
}

# expired_are N: hv1's SAs of which a daemon is told
expired_are() {
	[ "$(grep -c 'hard 1' "$TMP/expired")" = "$1" ]
}

sent_frames() {
	ip -n "$HV1" -s -j link show dev eth0 | jq '.[0].stats64.tx.packets'
}

# Whoever went on from the snapshot may have used any number that comes next here.
snapshot() {
	local esp=0x00002001 classic=0x00002002 said frames before pid

	[ -w $monitor ] || skip "this machine has no monitor"
	[ -n "$(find /sys/bus/*/drivers/vmgenid/ -type l -name 'QEMU*' 2>/dev/null)" ] ||
		skip "this kernel has no VMGENID"
	begin
	# ESP with entropy repeats as well; classic ESP is none of ours
	SA_PROTO=esp sa_line 6 1 2 $esp "$(random_key 20)" entropy | batch "$HV1"
	SA_PROTO=esp sa_line 6 1 2 $classic "$(random_key 20)" | batch "$HV1"
	send "$HV1" to1 "$TMP/first"
	accepted "$TMP/first"
	monitor_start "$HV1" "$TMP/expired" xfrm monitor expire
	nsenter --net="/run/netns/$HV1" "$tools/numbered" send -t 60 -r 200 ${INNER[42]} 9000 >/dev/null 2>&1 &
	pid=$!
	defer stop_pid $pid
	before=$(date +%s%N)

	snapshot_and_restore
	slowwait spis_are $classic
	frames=$(sent_frames)
	pause 0.5
	[ "$(sent_frames)" = "$frames" ] || fail "something is sent"
	kill -0 $pid || fail "the sender ended too early"
	stop_pid $pid
	slowwait expired_are 2

	said=$(sa_add "$HV1" 4 1 2 $SPI12 "$key" 2>&1) && fail "an SA although the clock is late"
	grep -q 'the clock was not set since the machine went back to a snapshot' <<<"$said" ||
		fail "$said"
	defer date -s '-1 minute'
	run date -s '+1 minute'
	batch "$HV1" <<<'xfrm policy flush'
	batch "$HV2" <<<'xfrm policy flush'
	sender "$HV1"
	receiver
	send "$HV1" to1 "$TMP/second"
	accepted "$TMP/second"
	unique "$TMP/first" "$TMP/second"
	[ "$(ip -n "$HV1" -j xfrm vpe show spi $SPI12 | jq '.[0]."first-seq"')" -gt \
		$((before + 60000000000)) ] || fail "it begins below what the clock says"
}

topo_capture || skip_all "no namespaces"
ktap_plan 4 1
ktap_test "a standby takes over" takeover
ktap_test "the module is replaced, its SAs restored" upgrade
# QEMU's machine resets itself instead of waking up, now and then
ktap_more "the machine sleeps" asleep mem
VERBOSE=1 ktap_test "the machine goes back to a snapshot" snapshot
ktap_finish
