#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which CPU decrypts: steering by the module, and by what the kernel has. All that is
# sent leaves from CPU 0 and, on these wires, arrives there.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
last=$(($(nproc) - 1))

steer() {
	run ip -n "$HV2" xfrm vpe steer $1
	defer ip -n "$HV2" xfrm vpe steer off
}

# cpus_of_windows: "CPU PACKETS" of each CPU that has windows
cpus_of_windows() {
	ip -n "$HV2" -j xfrm vpe window show dir rx |
		jq -r 'group_by(.cpu) | .[] | "\(.[0].cpu) \(map(.packets) | add)"'
}

elsewhere() {
	ip -n "$HV2" -j -s xfrm vpe window show dir rx | jq 'map(.elsewhere) | add // 0'
}

# flows_through N PACKETS: of N flows, all sent by CPU 0, each in order
flows_through() {
	local n=$(($1 * $2)) pid words

	counters_mark
	nsenter --net="/run/netns/$HV2" "$tools/manyflows" recv -i 1000 $port >"$TMP/flows" &
	pid=$!
	defer stop_pid $pid
	slowwait listening "$HV2" udp $port
	run ns_exec "$HV1" taskset -c 0 "$tools/manyflows" send -f $1 -n $2 -r 4000 \
		$port ${INNER[42]}
	slowwait gone $pid
	words=$(<"$TMP/flows")
	echo "$words"
	[[ $words == "received=$n flows=$1 duplicates=0 foreign=0 reordered_flows=0 "* ]] ||
		fail "lost or reordered"
	counters_check hv1:$SPI12:tx-packets==$n hv2:$SPI12:rx-packets==$n
}

# A tunnel whose packets all come to one CPU is decrypted by all of them.
spread() {
	local cpu packets n cpus=0 away=0

	tunnel 4 4
	steer 0-$last
	n=$(count 8192 1024)
	flows_through 512 $((n / 512))
	while read -r cpu packets; do
		echo "CPU $cpu: $packets packets"
		cpus=$((cpus + 1))
		[ $((packets * $(nproc) * 2)) -gt $n ] || fail "too small a share"
		[ $((packets * $(nproc))) -lt $((n * 2)) ] || fail "too large a share"
		[ $cpu = 0 ] || away=$((away + packets))
	done < <(cpus_of_windows)
	[ $cpus = "$(nproc)" ] || fail "$cpus CPUs of $(nproc) decrypt"
	[ "$(elsewhere)" = 0 ] || fail "packets reached another CPU than their window's"
	[ "$(vpe_stat "$HV2" $SPI12 rx-steered)" = $away ] ||
		fail "steered: $(vpe_stat "$HV2" $SPI12 rx-steered) of $away"
}

# one FAMILY: each window's packets stay in order, whatever the CPU
one() {
	tunnel $1 4
	steer $last
	flows_through 1 "$(count 1000 200)"
	[ "$(cpus_of_windows)" = "$last $(count 1000 200)" ] || fail "$(cpus_of_windows)"
}

steered_are_more() {
	[ "$(vpe_stat "$HV2" $SPI12 rx-steered)" -gt $1 ]
}

# under_load COMMAND...: while packets come, of which none is lost or comes twice
under_load() {
	tunnel 4 4
	steer 0-$last
	receiver_start "$HV2" $port 3000
	sender_start "$HV1" -t "$(slowly 60 120)" -h 50 ${INNER[42]} $port
	slowwait steered_are_more 100
	"$@"
	sender_report stop
	receiver_report stop
	echo "$sent; $received"
	all_received 0
	counters_check "hv1:*:tx-packets>0" "hv2:*:rx-packets>0"
}

change_cpus() {
	local i

	for ((i = 0; i < $(count 20 5); i++)); do
		batch "$HV2" <<-END
			xfrm vpe steer $last
			xfrm vpe steer 0
			xfrm vpe steer 0-$last
			xfrm vpe steer off
			xfrm vpe steer 0x3
		END
	done
}

cpu_goes() {
	local online=/sys/devices/system/cpu/cpu$last/online i n

	for ((i = 0; i < $(count 5 2); i++)); do
		echo 0 >$online || skip "CPU $last cannot be taken away"
		defer sh -c "echo 1 >$online"
		[ "$(ip -n "$HV2" -j xfrm vpe steer | jq -r .steer)" = 0-$last ] || fail "forgotten"
		pause 0.2
		echo 1 >$online
		n=$(vpe_stat "$HV2" $SPI12 rx-steered)
		slowwait steered_are_more $((n + 50))
	done
}

xfrm_in_errors() {
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$HV2" awk '/^XfrmIn/ { sum += $2 } END { print sum }' /proc/net/xfrm_stat
}

# What is steered holds its SA; what comes without one is counted by xfrm.
sa_goes() {
	local i lost

	tunnel 4 4
	steer 0-$last
	lost=-$(xfrm_in_errors)
	receiver_start "$HV2" $port 3000
	sender_start "$HV1" -t "$(slowly 60 120)" -h 50 ${INNER[42]} $port
	slowwait steered_are_more 100
	for ((i = 0; i < $(count 10 3); i++)); do
		batch "$HV2" <<-END
			xfrm state delete src ${OUTER[41]} dst ${OUTER[42]} proto esp spi $SPI12
			$(sa_line 4 1 2 $SPI12 "$KEY12")
		END
		pause 0.1
	done
	sender_report stop
	receiver_report stop
	lost=$((lost + $(xfrm_in_errors)))
	echo "$sent; $received; counted $lost"
	[ "$(value "$received" duplicates)" = 0 ] || fail "packets came twice"
	[ "$(value "$sent" attempts)" -eq $(($(value "$received" unique) + lost)) ] ||
		fail "packets were lost that nobody counted"
}

# ns_goes: and with it all that waits
ns_goes() {
	tunnel 4 4
	run ip -n "$HV2" xfrm vpe steer 0-$last
	sender_start "$HV1" -t "$(slowly 60 120)" -h 50 ${INNER[42]} $port
	slowwait steered_are_more 100
	cleanup_ns "$HV2"
	sender_report stop
}

# A CPU that does nothing for a while: its queue is bounded, what it does not take is
# counted.
full() {
	local n=5000 full

	watch_load || skip "needs debugfs and vpe_watch.ko"
	run taskset -pc 0 $BASHPID >/dev/null
	tunnel 4 4
	capture $n 4
	steer $last
	counters_mark
	receiver_start "$HV2" $port 12000
	taskset -c $last sh -c "echo stall 10000 >$watch" &
	defer wait $!
	pause 0.5
	run ns_exec "$WIRE" taskset -c 0 "$tools/inject" to2 1 "$TMP/capture"
	receiver_report
	counters_growth
	full=$(grown hv2:$SPI12:rx-queue)
	echo "$received; $full of $n did not go in"
	[ $full -gt 0 ] || fail "the queue is never full"
	[ "$(value "$received" unique)" = $((n - full)) ] || fail "packets were lost"
	counters_check hv2:$SPI12:rx-packets==$((n - full)) hv2:$SPI12:rx-queue==$full \
		hv2:-:XfrmInBufferError==$full
}

# rps FAMILY: what the command does that "steer show" tells, outer packets being of
# that family; to $cpus on how many CPUs windows are then
rps() {
	local said n

	tunnel $1 4
	said=$(ip -n "$HV2" xfrm vpe steer show eth0)
	echo "$said"
	grep -q '^eth0: 1 receive queue$' <<<"$said" || fail "no line of the device"
	grep -q $'^\trps *off$' <<<"$said" || fail "RPS is not off"
	run ip netns exec "$HV2" sh -c "$(ip -n "$HV2" -j xfrm vpe steer show eth0 |
		jq -r '.can[] | select(.what == "rps") | .command')"
	defer ip netns exec "$HV2" sh -c 'echo 0 >/sys/class/net/eth0/queues/rx-0/rps_cpus'
	ip -n "$HV2" xfrm vpe steer show eth0 | grep -q $'^\trps *on$' || fail "RPS is not on"
	# of many windows, on protocol 50, too
	run ip -n "$HV1" xfrm vpe class set 1 1 2 2 3 3 4 4 5 5 6 6 7 7
	defer ip -n "$HV1" xfrm vpe class set 0-63 0
	n=$(count 1024 256)
	counters_mark
	capture_start "$WIRE" to1 "$TMP/capture" $n
	run ns_exec "$HV1" "$tools/manyflows" send -f 64 -n $((n / 64)) -c 8 $port ${INNER[42]}
	slowwait gone $capture_pid
	receiver_start "$HV2" $port 2000
	run ns_exec "$WIRE" "$tools/inject" to2 1 "$TMP/capture"
	receiver_report
	counters_check hv1:$SPI12:tx-packets==$n hv2:$SPI12:rx-packets==$n
	[ "$(elsewhere)" = 0 ] || fail "$(elsewhere) packets elsewhere"
	cpus=$(cpus_of_windows | wc -l)
	cpus_of_windows
}

# RPS hashes UDP ports, and where ESP has its SPI.
rps_spreads() {
	local cpus

	rps $1
	[ $cpus -gt 1 ] || fail "all on one CPU"
}

# That is the same of all windows in layout spi-first, for which steering is.
rps_does_not() {
	local cpus

	rps 4
	[ $cpus = 1 ] || fail "RPS saw windows in layout spi-first"
}

# refused PATTERN CPUS: with that sentence, and nothing changes
refused() {
	local said

	said=$(ip -n "$HV2" xfrm vpe steer "$2" 2>&1) && fail "accepted: $2"
	grep -q -- "$1" <<<"$said" || fail "$2: $said"
	[ "$(ip -n "$HV2" xfrm vpe steer)" = "steer 0 " ] || fail "$2: $(ip -n "$HV2" xfrm vpe steer)"
}

wrong() {
	steer 0
	refused 'no such CPU' $((last + 1))
	refused 'no such CPU' 0,8000
	refused 'no list of CPUs' nonsense
	refused 'no list of CPUs' 1-0
	refused 'no mask of CPUs' 0xg
	refused 'mask of no CPU' 0x0
	refused 'mask of no CPU' 0x
	refused 'too short a list' ''
	refused 'too long' "$(printf '0,%.0s' {1..600})0"
	run ip -n "$HV2" xfrm vpe steer 0x1
	ip -n "$HV2" xfrm vpe stats | grep -q 'steer 0 flow-rekey 0' || fail "stats"
	ip -n "$HV2" xfrm vpe steer show nowhere 2>&1 | grep -q 'Cannot find device' || fail "no device"
	ip -n "$HV2" -j xfrm vpe steer show eth0 | jq -e '.steer == "0" and .queues == 1' || fail "JSON"
	run ip -n "$HV2" xfrm vpe set flow-rekey 10
	ip -n "$HV2" xfrm vpe stats | grep -q 'flow-rekey 10' || fail "flow-rekey"
	must_fail 'out of range' ip -n "$HV2" xfrm vpe set flow-rekey 86401
	run ip -n "$HV2" xfrm vpe set flow-rekey 0
	# the host's CPUs are the host's
	unshare -Urn ip xfrm vpe steer 0 2>&1 | grep -q "host's administrator" || fail "anybody may"
	[ "$(ip -n "$HV1" xfrm vpe steer)" = "steer off " ] || fail "another namespace steers"
}

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
backlog_grow
free_at_once
ktap_plan 15
topo_wire || skip_all "no namespaces"
ktap_test "what one CPU receives all decrypt" udp spread
ktap_test "each flow in order, layout ares" udp ares spread
ktap_test "one window, one CPU, IPv4" one 4
ktap_test "one window, one CPU, in IPv6" one 6
ktap_test "one window, one CPU, ESP with entropy" label one 6
ktap_test "other CPUs are chosen" udp under_load change_cpus
ktap_test "a CPU goes and comes" udp under_load cpu_goes
ktap_test "the SA goes and comes" udp sa_goes
ktap_test "refused" wrong
ktap_test "the namespace goes" udp ns_goes
cleanup_all_ns
topo_capture || fail "no namespaces"
ktap_test "a queue is full" full
ktap_test "RPS: windows in UDP" udp rps_spreads 4
ktap_test "RPS: layout ares" ares rps_spreads 4
ktap_test "RPS: layout ares, over IPv6" ares rps_spreads 6
ktap_test "RPS: layout spi-first" rps_does_not
ktap_finish
