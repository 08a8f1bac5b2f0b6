#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Common to all tests. topo_wire builds two hypervisors:
#
#	 hv1                                            hv2
#	+-----------------------+   wire (veth)   +-----------------------+
#	| lo    192.168.1.1     |                 | lo    192.168.2.1     |
#	|       fd00:1::1       | eth0       eth0 |       fd00:2::1       |
#	|             10.0.0.1  |-----------------|  10.0.0.2             |
#	|             fd00::1   |                 |  fd00::2              |
#	+-----------------------+                 +-----------------------+
#	         outer addresses 1                 outer addresses 2
#
# and topo_tenants puts a tenant behind each; the inner addresses stand on ten0
# instead of lo then:
#
#	 tenant1                hv1
#	+-----------------+    +---------------
#	|     192.168.1.2 |eth0|ten0 192.168.1.1
#	|     fd00:1::2   |----|     fd00:1::1         (tenant2, hv2 likewise)
#	+-----------------+    +---------------
#
# A test file sources this file, says ktap_plan, calls ktap_test for each test
# and ends with ktap_finish. A test is a function. It runs in a subshell, calls
# fail, skip and defer, and what it leaves in shell variables is forgotten; what
# it prints is shown if it fails.
#
# Slow machines (KSFT_MACHINE_SLOW=yes, set for the debug kernel) take the
# smaller number of: count MANY FEW. So does who wants to be through soon
# (KSFT_QUICK=yes), and leaves out what differs little from the rest: ktap_more.
set -u

# shellcheck disable=SC2034	# for tests
lib_dir=$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")
# shellcheck disable=SC2034	# for tests
readonly ksft_pass=0 ksft_fail=1 ksft_skip=4

: "${KSFT_MACHINE_SLOW:=no}"
[ "${VPE_KERNEL-}" != debug ] || KSFT_MACHINE_SLOW=yes
# For events that are certain to come, seconds
: "${WAIT_TIMEOUT:=40}"
[ "$KSFT_MACHINE_SLOW" = no ] || WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3))

TMP=$(mktemp -d "${TMPDIR:-/tmp}/vpe-test.XXXXXX") || exit $ksft_fail

##############################################################################
# Defer: commands that the end of a test, or of the file, runs in reverse order

defers=()

defer() {
	local command
	printf -v command '%q ' "$@"
	defers+=("$command")
}

defer_run() {
	local i
	for ((i = ${#defers[@]} - 1; i >= 0; i--)); do
		eval "${defers[i]}"
	done
	defers=()
}

lib_exit() {
	local status=$?

	trap '' INT TERM HUP
	defer_run
	cleanup_all_ns
	rm -rf "$TMP"
	exit $status
}
trap lib_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

##############################################################################
# KTAP

ktap_planned=0 ktap_run=0 ktap_passed=0 ktap_failed=0 ktap_skipped=0

in_haste() {
	[ "${KSFT_QUICK:-no}" = yes ]
}

# ktap_plan N [MORE]: N tests will follow, MORE of them by ktap_more
ktap_plan() {
	ktap_planned=$1
	! in_haste || ktap_planned=$(($1 - ${2-0}))
	echo "KTAP version 1"
	echo "1..$ktap_planned"
}

# ktap_more NAME COMMAND [ARG...]: as ktap_test, but not for who is in haste
ktap_more() {
	in_haste || ktap_test "$@"
}

# ktap_test NAME COMMAND [ARG...]
ktap_test() {
	local name=$1 status
	shift

	ktap_run=$((ktap_run + 1))
	(
		defers=()
		trap defer_run EXIT
		"$@"
	) >"$TMP/out" 2>&1 </dev/null
	status=$?
	case $status in
	"$ksft_pass")
		ktap_passed=$((ktap_passed + 1))
		echo "ok $ktap_run $name"
		[ -z "${VERBOSE-}" ] || sed 's/^/# /' "$TMP/out"
		;;
	"$ksft_skip")
		ktap_skipped=$((ktap_skipped + 1))
		echo "ok $ktap_run $name # SKIP $(tail -n1 "$TMP/out")"
		;;
	*)
		ktap_failed=$((ktap_failed + 1))
		sed 's/^/# /' "$TMP/out"
		echo "not ok $ktap_run $name"
		;;
	esac
	return 0
}

# Prints the totals and ends the file.
ktap_finish() {
	echo "# Totals: pass:$ktap_passed fail:$ktap_failed xfail:0 xpass:0 skip:$ktap_skipped error:0"
	if [ "$ktap_run" -ne "$ktap_planned" ]; then
		echo "# planned $ktap_planned tests, ran $ktap_run"
		exit $ksft_fail
	fi
	[ $ktap_failed -eq 0 ] || exit $ksft_fail
	[ $ktap_passed -gt 0 ] || exit $ksft_skip
	exit $ksft_pass
}

# skip_all REASON: the whole file cannot run here
skip_all() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $1"
	exit $ksft_skip
}

# Ends the test as failed, for the reason given.
fail() {
	echo "FAIL: $*"
	exit $ksft_fail
}

# Ends the test as skipped, for the reason given.
skip() {
	echo "$*"
	exit $ksft_skip
}

# run COMMAND...: it must succeed
run() {
	local status=0
	"$@" || status=$?
	[ $status = 0 ] || fail "$(printf '%q ' "$@"): exit status $status"
}

# must_fail PATTERN COMMAND...: it must fail and print that; for tests of the tests
must_fail() {
	local pattern=$1
	shift

	("$@") >"$TMP/must_fail" 2>&1 && fail "passed, but should have failed: $*"
	grep -q "$pattern" "$TMP/must_fail" ||
		fail "failed without saying '$pattern': $*: $(<"$TMP/must_fail")"
}

# kernel_from VERSION: is this one as new?
kernel_from() {
	printf '%s\n' $1 "$(uname -r)" | sort -VC
}

# count MANY FEW: FEW on a slow machine, or in haste
count() {
	if [ "$KSFT_MACHINE_SLOW" = yes ] || in_haste; then echo "$2"; else echo "$1"; fi
}

# slowly FAST SLOW: of times, SLOW on a slow machine
slowly() {
	if [ "$KSFT_MACHINE_SLOW" = yes ]; then echo "$2"; else echo "$1"; fi
}

##############################################################################
# Waiting

# since boot: tests may change the clock
now_ms() {
	local up
	read -r up _ </proc/uptime
	echo "${up/./}0"
}

# A pipe that says nothing: what waits must not keep the CPU busy with processes.
exec {pause_fd}<> <(:)

# pause SECONDS
pause() {
	read -rt "$1" -u "$pause_fd"
	return 0
}

# busywait TIMEOUT_MS COMMAND...: until COMMAND succeeds; asked less and less often,
# as asking takes its time from others
busywait() {
	local up end ms=50 seconds

	read -r up _ </proc/uptime
	end=$((${up/./}0 + $1))
	shift
	until "$@"; do
		read -r up _ </proc/uptime
		[ "${up/./}0" -lt "$end" ] || return 1
		printf -v seconds 0.%03d $ms
		pause $seconds
		ms=$((ms < 300 ? ms * 5 / 4 : ms))
	done
}

# slowwait COMMAND...: for what is certain to come
slowwait() {
	busywait $((WAIT_TIMEOUT * 1000)) "$@" ||
		fail "waited $WAIT_TIMEOUT s in vain: $*"
}

# listening NS tcp|udp PORT: is a socket of either family there?
listening() {
	local state=0A end

	[ "$2" = tcp ] || state=07
	printf -v end ':%04X$' "$3"
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$1" awk -v end="$end" -v state=$state \
		'$2 ~ end && $4 == state { found = 1 } END { exit !found }' \
		"/proc/net/$2" "/proc/net/${2}6"
}

# in_file TEXT FILE: without another process
in_file() {
	local text=''

	[ ! -e "$2" ] || read -rd '' text <"$2"
	[[ $text == *"$1"* ]]
}

stop_pid() {
	kill "$1" 2>/dev/null && wait "$1" 2>/dev/null
	return 0
}

# dump_start NS DEV FILE TCPDUMP-ARG...: from here on, in the background, until
# $dump_pid is stopped; what it prints goes to FILE, what it has to say to FILE.err
dump_start() {
	: >"$3.err"	# what stood there is not to be waited for
	# Not ns_exec: a function in the background is a shell more.
	nsenter --net="/run/netns/$1" tcpdump -Z root --immediate-mode -n -p -i "$2" \
		"${@:4}" >"$3" 2>>"$3.err" &
	dump_pid=$!
	defer stop_pid $dump_pid
	slowwait in_file 'listening on' "$3.err"
}

##############################################################################
# Namespaces

NS_LIST=()

# setup_ns NAME...: makes a namespace for each and puts its full name into the
# variable NAME
setup_ns() {
	local name ns

	for name in "$@"; do
		printf -v ns '%s-%06x' "${name,,}" $((SRANDOM & 0xffffff))
		ip netns add "$ns" || return $ksft_skip
		NS_LIST+=("$ns")
		ip -n "$ns" link set lo up
		printf -v "$name" %s "$ns"
	done
}

# cleanup_ns NS...: with all processes in them
cleanup_ns() {
	local inode file pids=()
	local -A doomed=()

	while read -r inode file; do
		case $file in
		/run/*) doomed[$inode]=1 ;;
		*) [ -z "${doomed[$inode]-}" ] || pids+=("${file//[!0-9]/}") ;;
		esac
	done < <(stat -L -c '%i %n' "${@/#//run/netns/}" /proc/[0-9]*/ns/net 2>/dev/null)
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	printf 'netns del %s\n' "$@" | ip -force -batch - 2>/dev/null
	return 0
}

cleanup_all_ns() {
	[ ${#NS_LIST[@]} = 0 ] || cleanup_ns "${NS_LIST[@]}"
	NS_LIST=()
}

# ns_exec NS COMMAND...; quicker than "ip netns exec", which mounts /sys anew
ns_exec() {
	nsenter --net="/run/netns/$1" -- "${@:2}"
}

##############################################################################
# Topology

HV1='' HV2='' TENANT1='' TENANT2=''
ns_pid=''
declare -A hv_pid=()
# [family][side]
declare -rA OUTER=([41]=10.0.0.1 [42]=10.0.0.2 [61]=fd00::1 [62]=fd00::2)
declare -rA INNER=([41]=192.168.1.1 [42]=192.168.2.1
		   [61]=fd00:1::1 [62]=fd00:2::1)
declare -rA TENANT=([41]=192.168.1.2 [42]=192.168.2.2
		    [61]=fd00:1::2 [62]=fd00:2::2)
declare -rA NET=([41]=192.168.1.0/24 [42]=192.168.2.0/24
		 [61]=fd00:1::/64 [62]=fd00:2::/64)

# batch NS: ip commands from standard input, quicker than one by one
batch() {
	run "${IP:-ip}" -n "$1" -batch -
}

# ns_stay NS: a process that stays there; its number in variable ns_pid
ns_stay() {
	nsenter --net="/run/netns/$1" sleep infinity >/dev/null 2>&1 </dev/null &
	ns_pid=$!
	disown
}

# topo_wire [MTU]: HV1 and HV2, without SAs
topo_wire() {
	setup_ns HV1 HV2 || return
	# The addresses are known to vpe_wire.py.
	run ip link add eth0 address 02:00:00:00:00:01 mtu "${1:-1500}" netns "$HV1" type veth \
		peer name eth0 address 02:00:00:00:00:02 mtu "${1:-1500}" netns "$HV2"
	topo_hv "$HV1" 1 2
	topo_hv "$HV2" 2 1
}

# topo_hv NS SIDE PEER: addresses and routes of a hypervisor
topo_hv() {
	ns_stay "$1"
	hv_pid[hv$2]=$ns_pid
	batch "$1" <<-END
		addr add ${OUTER[4$2]}/24 dev eth0
		addr add ${OUTER[6$2]}/64 dev eth0 nodad
		addr add ${INNER[4$2]}/32 dev lo
		addr add ${INNER[6$2]}/128 dev lo nodad
		link set eth0 up
		route add ${NET[4$3]} via ${OUTER[4$3]} src ${INNER[4$2]}
		route add ${NET[6$3]} via ${OUTER[6$3]} src ${INNER[6$2]}
	END
}

# topo_tenants: TENANT1 and TENANT2 behind HV1 and HV2
topo_tenants() {
	setup_ns TENANT1 TENANT2 || return
	topo_tenant "$TENANT1" "$HV1" 1 2
	topo_tenant "$TENANT2" "$HV2" 2 1
}

topo_tenant() {
	run ip link add eth0 netns "$1" type veth peer name ten0 netns "$2"
	batch "$1" <<-END
		addr add ${TENANT[4$3]}/24 dev eth0
		addr add ${TENANT[6$3]}/64 dev eth0 nodad
		link set eth0 up
		route add default via ${INNER[4$3]}
		route add default via ${INNER[6$3]}
	END
	batch "$2" <<-END
		addr del ${INNER[4$3]}/32 dev lo
		addr del ${INNER[6$3]}/128 dev lo
		addr add ${INNER[4$3]}/24 dev ten0
		addr add ${INNER[6$3]}/64 dev ten0 nodad
		link set ten0 up
		route replace ${NET[4$4]} via ${OUTER[4$4]} src ${INNER[4$3]}
		route replace ${NET[6$4]} via ${OUTER[6$4]} src ${INNER[6$3]}
	END
	ns_exec "$2" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

##############################################################################
# SAs and policies

# random_key BYTES
random_key() {
	local key='' i
	for ((i = 0; i < $1; i++)); do
		printf -v key '%s%02x' "$key" $((SRANDOM & 255))
	done
	echo "0x$key"
}

AEAD='rfc4106(gcm(aes))' LAYOUT=spi-first
# SPIs of the two directions
readonly SPI12=0x1001 SPI21=0x1002
KEY12='' KEY21=''

# What all SAs have besides
SA_ARGS=()

# udp COMMAND...: with SAs in UDP, and sockets for them
udp() {
	local hv

	SA_ARGS=(encap espinudp ${UDP_SPORT:-0} 4500 0.0.0.0)
	for hv in "$HV1" "$HV2"; do
		run ip -n "$hv" xfrm vpe listen 4500
		defer ip -n "$hv" xfrm vpe listen del 4500
	done
	"$@"
}

# entropy COMMAND...: with SAs of ESP in UDP, whose ports carry flows
entropy() {
	SA_PROTO=esp KEY_BYTES=20
	udp entropy_args "$@"
}

entropy_args() {
	SA_ARGS+=(entropy)
	"$@"
}

# label COMMAND...: on protocol 50; only IPv6 has a label
label() {
	SA_PROTO=esp KEY_BYTES=20 SA_ARGS=(entropy)
	"$@"
}

# transport COMMAND...: with SAs in that mode, between the outer addresses
transport() {
	SA_MODE=transport
	"$@"
}

# ares COMMAND...: in that layout
ares() {
	LAYOUT=ares
	"$@"
}

# sa_add NS OUTER-FAMILY FROM TO SPI KEY [ARG...]: one VPE SA, FROM and TO being
# sides; ARG... as in "ip xfrm state add". IP=ip-stock makes it with that.
sa_add() {
	local ns=$1 f=$2 from=$3 to=$4 spi=$5 key=$6 kind=(proto vpe) flag=()
	shift 6

	if [ "${IP:-ip}" != ip ]; then
		kind=(proto esp)
		flag=(extra-flag 0x80000000)
	elif [ $LAYOUT != spi-first ]; then
		flag=(layout $LAYOUT)
	fi
	"${IP:-ip}" -n "$ns" xfrm state add src "${OUTER[$f$from]}" \
		dst "${OUTER[$f$to]}" "${kind[@]}" spi "$spi" reqid 1 mode tunnel \
		aead "$AEAD" "$key" 128 "$@" "${SA_ARGS[@]}" "${flag[@]}"
}

# sas OUTER-FAMILY [ARG...]: the SAs of both directions in both hypervisors.
# The selector of an SA is of its outer family, unless told otherwise: af-unspec
# lets any in.
sas() {
	local lines

	new_keys
	lines=$(sa_lines "$@")
	batch "$HV1" <<<"$lines"
	batch "$HV2" <<<"$lines"
}

new_keys() {
	KEY12=$(random_key "${KEY_BYTES:-16}") KEY21=$(random_key "${KEY_BYTES:-16}")
}

# sa_lines OUTER-FAMILY [ARG...]
sa_lines() {
	local f=$1
	shift
	sa_line $f 1 2 $SPI12 "$KEY12" "$@"
	sa_line $f 2 1 $SPI21 "$KEY21" "$@"
}

# sa_line OUTER-FAMILY FROM TO SPI KEY [ARG...]: as sa_add, for batch.
# SA_PROTO=esp KEY_BYTES=20: classic ones, to compare with
sa_line() {
	local f=$1 from=$2 to=$3 spi=$4 key=$5 proto=${SA_PROTO:-vpe} xflag=''
	shift 5

	if [ "${IP:-ip}" != ip ]; then
		proto=esp xflag='extra-flag 0x80000000'
	elif [ $proto$LAYOUT = vpeares ]; then
		xflag='layout ares'
	fi
	echo "xfrm state add src ${OUTER[$f$from]} dst ${OUTER[$f$to]} proto $proto spi $spi" \
		"reqid 1 mode ${SA_MODE:-tunnel} aead $AEAD $key ${ICV_BITS:-128} flag af-unspec" \
		"$* ${SA_ARGS[*]} $xflag"
}

# policy NS DIR FROM TO INNER-FAMILY OUTER-FAMILY
policy() {
	policy_line "${@:2}" | batch "$1"
}

# policy_line DIR FROM TO INNER-FAMILY OUTER-FAMILY; in transport mode there is one
# family
policy_line() {
	if [ ${SA_MODE:-tunnel} = transport ]; then
		echo "xfrm policy add src ${OUTER[$5$2]} dst ${OUTER[$5$3]} dir $1 priority 10" \
			"tmpl proto esp reqid 1 mode transport"
		# UDP asks for a policy before it hands the packet on.
		[ $1 != in ] ||
			echo "xfrm policy add src ${OUTER[$5$2]} dst ${OUTER[$5$3]} proto udp" \
				"dport 4500 dir in priority 1"
		return
	fi
	echo "xfrm policy add src ${NET[$4$2]} dst ${NET[$4$3]} dir $1 tmpl" \
		"src ${OUTER[$5$2]} dst ${OUTER[$5$3]} proto esp reqid 1 mode tunnel"
}

# policy_lines SIDE PEER INNER-FAMILY OUTER-FAMILY
policy_lines() {
	policy_line out $1 $2 $3 $4
	policy_line in $2 $1 $3 $4
	policy_line fwd $2 $1 $3 $4
}

# policies INNER-FAMILY OUTER-FAMILY: for local and forwarded packets
policies() {
	policy_lines 1 2 $1 $2 | batch "$HV1"
	policy_lines 2 1 $1 $2 | batch "$HV2"
}

readonly flush_lines=$'xfrm policy flush\nxfrm state flush'

# tunnel OUTER-FAMILY INNER-FAMILY...: in place of what was there
tunnel() {
	new_keys
	tunnel_side 1 2 "$@"
	tunnel_side 2 1 "$@"
}

# tunnel_side SIDE PEER OUTER-FAMILY INNER-FAMILY...: a hypervisor's half of it
tunnel_side() {
	local hv=HV$1
	{
		echo "$flush_lines"
		sa_lines "$3"
		tunnel_policies "$@"
	} | batch "${!hv}"
}

# tunnel_policies SIDE PEER OUTER-FAMILY INNER-FAMILY...
tunnel_policies() {
	local inner
	for inner in "${@:4}"; do policy_lines $1 $2 $inner $3; done
}

xfrm_flush() {
	local ns
	for ns in "$HV1" "$HV2"; do
		batch "$ns" <<<"$flush_lines"
	done
}

##############################################################################
# Events

# monitoring PID: it listens to xfrm
monitoring() {
	awk -v pid=$1 '$2 == 6 && $3 == pid && $4 != "00000000" { found = 1 }
		END { exit !found }' "/proc/$1/net/netlink"
}

# monitor_start NS FILE ARG...: from here on FILE gets what "ip ARG..." says, which is
# a monitor
monitor_start() {
	local ns=$1 file=$2
	shift 2

	: >"$file"
	nsenter --net="/run/netns/$ns" ip "$@" >>"$file" 2>&1 &
	defer stop_pid $!
	slowwait monitoring $!
}

# listens NS: somebody there listens to generic netlink
listens() {
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$1" awk '$2 == 16 && $4 != "00000000" { found = 1 } END { exit !found }' \
		/proc/net/netlink
}

# vpe_monitor_start NS FILE: from here on FILE gets the module's events, in JSON
vpe_monitor_start() {
	nsenter --net="/run/netns/$1" ip -j xfrm vpe monitor >"$2" 2>&1 &
	defer stop_pid $!
	slowwait listens "$1"
}

##############################################################################
# Counters
#
# A counter's name is HV:SPI:COUNTER, for instance hv1:0x1001:tx-packets. Those
# of /proc/net/xfrm_stat have "-" for SPI. The number of receive windows of an
# SA is counter "windows".

declare -A counters_before=() counters_now=() growth=()

# counters_read ARRAY: all counters of HV1 and HV2 that are not 0
# shellcheck disable=SC2034,SC2004	# keys of an associative array
counters_read() {
	local -n into=$1
	local name value

	into=()
	while read -r name value; do into[$name]=$value; done < <(counters_list)
}

# counters_of HV: its counters, as ip and the kernel print them
counters_of() {
	local ns=${1^^} text

	ip -n "${!ns}" -j -s xfrm vpe show
	read -rd '' text <"/proc/${hv_pid[$1]}/net/xfrm_stat"
	echo "{sample:xfrm}
$text"
}

# counters_list: "NAME NUMBER" of each. Between brackets and commas the output of
# ip has one name and its value.
counters_list() {
	local hv
	for hv in hv1 hv2; do
		echo "{sample:$hv}"
		counters_of $hv
	done | awk -v RS='[][{},\n]' -F '[: \t]+' '
		{ gsub("\"", "") }
		$1 == "sample" { if ($2 == "xfrm") spi = "-"; else hv = $2 }
		$1 == "family" { section = "sa" }
		$1 == "stats" || $1 == "drops" { section = $1 }
		$1 == "spi" { spi = sprintf("0x%x", $2) }
		$1 == "rx-windows" && section == "sa" { $1 = "windows" }
		$1 ~ /^([rt]x-|windows$|Xfrm)/ && $2 > 0 { print hv ":" spi ":" $1, $2 }'
}

# vpe_stat NS SPI COUNTER: tx-packets, rx-replay, ... of the only SA with that
# SPI; of equal names the last, which is a drop's
vpe_stat() {
	local json
	json=$(ip -n "$1" -j -s xfrm vpe show spi "$2")
	[[ $json =~ .*\"$3\":([0-9]+) ]] || return
	echo "${BASH_REMATCH[1]}"
}

vpe_drop() {
	vpe_stat "$@"
}

# vpe_total NS sas|contexts|rx-windows: of the whole namespace, now
vpe_total() {
	local json
	json=$(ip -n "$1" -j xfrm vpe stats)
	[[ $json =~ \"$2\":([0-9]+) ]] || return
	echo "${BASH_REMATCH[1]}"
}

# xfrm_stat NS NAME
xfrm_stat() {
	# shellcheck disable=SC2016	# awk's variables
	ns_exec "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/xfrm_stat
}

# From here on counters_check counts.
counters_mark() {
	counters_read counters_before
}

# May change unmentioned
counters_are_free() {
	case $1 in
	*-bytes | *-async | *:rx-elsewhere | *:rx-steered | *:tx-gso | *:windows) return 0 ;;
	esac
	return 1
}

# A counter that is gone, or 0 again, has grown by a negative number.
counters_growth() {
	local key
	growth=()
	counters_read counters_now
	for key in "${!counters_now[@]}" "${!counters_before[@]}"; do
		[ "${counters_now[$key]-0}" = "${counters_before[$key]-0}" ] ||
			growth[$key]=$((${counters_now[$key]-0} - ${counters_before[$key]-0}))
	done
}

# grown PATTERN: sum of what counters that match it grew by, after counters_growth
grown() {
	local key sum=0

	for key in "${!growth[@]}"; do
		# shellcheck disable=SC2053	# a pattern
		[[ $key != $1 ]] || sum=$((sum + growth[$key]))
	done
	echo $sum
}

# holds A OP B
holds() {
	case $2 in
	'==') [ "$1" -eq "$3" ] ;;
	'>=') [ "$1" -ge "$3" ] ;;
	'<=') [ "$1" -le "$3" ] ;;
	'>') [ "$1" -gt "$3" ] ;;
	'<') [ "$1" -lt "$3" ] ;;
	esac
}

# counters_ok SPEC...: see counters_check; says what is wrong
counters_ok() {
	local -A named=()
	local spec pattern op number key sum bad=0

	counters_growth
	for spec in "$@"; do
		[[ $spec =~ ^([^=\<\>]+)(==|>=|<=|>|<)(-?[0-9]+)$ ]] ||
			fail "counters_check: cannot read '$spec'"
		pattern=${BASH_REMATCH[1]} op=${BASH_REMATCH[2]} number=${BASH_REMATCH[3]}
		sum=0
		for key in "${!growth[@]}"; do
			# shellcheck disable=SC2053	# a pattern
			[[ $key == $pattern ]] || continue
			named[$key]=1
			sum=$((sum + growth[$key]))
		done
		if ! holds $sum "$op" "$number"; then
			echo "$pattern grew by $sum, not $op $number"
			bad=1
		fi
	done
	for key in "${!growth[@]}"; do
		if [ -z "${named[$key]-}" ] && ! counters_are_free "$key"; then
			echo "$key grew by ${growth[$key]}, not expected"
			bad=1
		fi
	done
	return $bad
}

# counters_check SPEC...: how all counters grew since counters_mark. A SPEC is
# PATTERN OP NUMBER, without blanks: hv1:0x1001:tx-packets==5, hv?:*:rx-auth>0;
# the sum of all counters that match PATTERN (a shell pattern) is compared. What
# no SPEC names must not have grown, but for bytes and details of how packets
# went (counters_are_free). Packets may still be on their way: waits some time.
counters_check() {
	busywait $((WAIT_TIMEOUT * 100)) counters_ok "$@" >"$TMP/counters" && return
	counters_ok "$@"
	fail "counters: $*"
}

# No counter changed in 0.1 s; else they are marked anew.
counters_same() {
	local key

	pause 0.1
	counters_growth
	[ ${#growth[@]} != 0 ] || return 0
	counters_before=()
	for key in "${!counters_now[@]}"; do
		counters_before[$key]=${counters_now[$key]}
	done
	return 1
}

# counters_mark_quiet: counters_mark at a moment when nothing is on its way
counters_mark_quiet() {
	counters_mark
	slowwait counters_same
}

# counters_wait_quiet: until no counter changes any more
counters_wait_quiet() {
	local -A counters_before=()
	counters_mark_quiet
}

# As many packets received as sent since counters_mark, both ways
all_arrived() {
	local sent received

	[ "${1-}" = again ] && counters_growth
	sent="${growth[hv1:$SPI12:tx-packets]-0}, ${growth[hv2:$SPI21:tx-packets]-0}"
	received="${growth[hv2:$SPI12:rx-packets]-0}, ${growth[hv1:$SPI21:rx-packets]-0}"
	[ "$sent" = "$received" ] && return
	echo "sent $sent packets, received $received"
	return 1
}

# carried N12 [N21 [SPEC...]]: counters_check for N12 packets from hv1 to hv2,
# N21 back, by the fast path, and no other event. A number may have an operator
# before it: '>=100' (then as many as were sent must have come through).
carried() {
	local a=$1 b=${2:-==0}
	shift $(($# < 2 ? $# : 2))

	case $a in [0-9]*) a="==$a" ;; esac
	case $b in [0-9]*) b="==$b" ;; esac
	counters_check "hv1:$SPI12:tx-packets$a" "hv2:$SPI12:rx-packets$a" \
		"hv2:$SPI21:tx-packets$b" "hv1:$SPI21:rx-packets$b" "$@"
	all_arrived >"$TMP/arrived" && return
	busywait $((WAIT_TIMEOUT * 100)) all_arrived again >"$TMP/arrived" ||
		fail "$(tail -n1 "$TMP/arrived")"
}

##############################################################################
# The wire

wire_pids=() wire_before=''

# wire_start [FILTER]: for the rest of the file (of the test, if called there), all
# packets are looked at that a hypervisor puts on the wire and that are not protocol 50,
# or UDP to port 4500 (or a fragment of that), between outer addresses, ARP or neighbour
# discovery, or what FILTER lets pass. (Those that come in are seen once more decrypted,
# as with ESP.)
wire_start() {
	local hv allowed='arp'

	allowed+=' or (icmp6 and ip6[40] >= 130 and ip6[40] <= 143)'
	allowed+=' or (ip6[6] == 0 and ip6[40] == 58)'
	allowed+=" or ((ip proto 50 or udp dst port 4500 or (ip proto 17 and ip[6:2] & 0x1fff != 0))"
	allowed+=" and host ${OUTER[41]} and host ${OUTER[42]})"
	allowed+=" or ((ip6 proto 50 or udp dst port 4500 or (ip6[6] == 44 and ip6[40] == 17))"
	allowed+=" and host ${OUTER[61]} and host ${OUTER[62]})"
	[ -z "${1-}" ] || allowed+=" or ($1)"
	wire_pids=()
	for hv in HV1 HV2; do
		dump_start "${!hv}" eth0 "$TMP/clear.$hv" -l "outbound and not ($allowed)"
		wire_pids+=($dump_pid)
	done
}

# wire_seen: how many packets that were until now, of both; to $seen. (tcpdump
# says so when it gets SIGUSR1.)
wire_seen() {
	local hv

	seen=''
	for hv in HV1 HV2; do
		: >"$TMP/clear.$hv.err"
	done
	kill -USR1 "${wire_pids[@]}" || fail "tcpdump is gone"
	for hv in HV1 HV2; do
		slowwait in_file 'received by filter' "$TMP/clear.$hv.err"
		[[ $(<"$TMP/clear.$hv.err") =~ ([0-9]+)\ packets?\ received ]] ||
			fail "tcpdump: $(<"$TMP/clear.$hv.err")"
		seen+="${BASH_REMATCH[1]} "
	done
}

# wire_watch: from here on there must be none.
wire_watch() {
	wire_seen
	wire_before=$seen
}

# Fails if there was one since wire_watch.
wire_clean() {
	wire_seen
	[ "$seen" = "$wire_before" ] && return
	tail -n 3 "$TMP/clear.HV1" "$TMP/clear.HV2"
	fail "wire: packets of HV1 and HV2 in the clear: $seen, before $wire_before"
}

##############################################################################
# Traffic

# ping_ok NS COUNT SIZE ADDRESS [ARG...]: all must be answered
ping_ok() {
	local ns=$1 n=$2 size=$3 to=$4
	shift 4
	ns_exec "$ns" ping -q -n -c "$n" -i 0.05 -W "$WAIT_TIMEOUT" -s "$size" "$@" "$to" &&
		return
	counters_list
	fail "ping $to, $n times $size bytes $*"
}

# iperf_server NS [PORT]
iperf_server() {
	local port=${2:-5201}
	nsenter --net="/run/netns/$1" iperf3 -s -p "$port" >"$TMP/iperf.$port" 2>&1 </dev/null &
	defer stop_pid $!
	slowwait listening "$1" tcp "$port"
}

# iperf NS ADDRESS ARG...
iperf() {
	local ns=$1 to=$2
	shift 2
	run ns_exec "$ns" timeout "$WAIT_TIMEOUT" iperf3 -c "$to" --connect-timeout 5000 "$@"
}

# vpe_wire_start: vpe_wire.py in HV1, for all tests that follow
vpe_wire_start() {
	run mkfifo "$TMP/wire.ask" "$TMP/wire.answer"
	# Both ends: neither waits for the other to be opened
	exec 8<>"$TMP/wire.ask" 9<>"$TMP/wire.answer"
	nsenter --net="/run/netns/$HV1" python3 "$lib_dir/vpe_wire.py" <&8 >&9 2>&1 &
	defer stop_pid $!
}

# vpe_wire sent|inject ...: see vpe_wire.py
vpe_wire() {
	local answer
	echo "$*" >&8
	read -r -t $((WAIT_TIMEOUT * 3)) answer <&9 || fail "vpe_wire.py does not answer"
	[ "$answer" = ok ] || fail "vpe_wire.py $*: $answer"
}

# wire_key: KEY12 as vpe_wire.py wants it
wire_key() {
	[[ $AEAD != *chacha* ]] || echo -n chacha:
	[ $LAYOUT = spi-first ] || echo -n $LAYOUT:
	[[ ${SA_ARGS[*]} != *espinudp* ]] || echo -n udp:
	[ ${SA_PROTO:-vpe} != esp ] || echo -n esp:
	[ ${SA_MODE:-tunnel} != transport ] || echo -n transport:
	[ -z "${ESN-}" ] || echo -n esn:
	echo "$KEY12"
}

# inject KIND OUTER-FAMILY [NUMBER]: packets made by vpe_wire.py, to HV2
inject() {
	vpe_wire inject $1 $2 "$(wire_key)" ${OUTER[${2}1]} ${OUTER[${2}2]} $SPI12 "${3:-1}"
}

# sink: what UDP packets to port 9 of HV2 hold goes to $TMP/sink
sink() {
	: >"$TMP/sink"
	nsenter --net="/run/netns/$HV2" socat -u UDP6-RECV:9,ipv6only=0 "OPEN:$TMP/sink,append" &
	defer stop_pid $!
	slowwait listening "$HV2" udp 9
}

# repeat NUMBER FORMAT
repeat() {
	local i
	# shellcheck disable=SC2059	# the format is a parameter
	for ((i = 0; i < $1; i++)); do printf "$2" $i; done
}

sink_has() {
	[ "$(<"$TMP/sink")" = "$1" ]
}

# sunk TEXT: that and nothing else came since the last time
sunk() {
	if ! busywait $((WAIT_TIMEOUT * 100)) sink_has "$1"; then
		fail "HV2 was to get '$1', got '$(<"$TMP/sink")'"
	fi
	: >"$TMP/sink"
}

##############################################################################
# The machine

module_loaded() {
	[ -d /sys/module/xfrm_vpe ]
}

module_load() {
	module_loaded && return
	if [ -n "${VPE_KO-}" ]; then
		insmod "$VPE_KO"
	else
		modprobe xfrm_vpe
	fi
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
ip xfrm vpe help >"$TMP/help" 2>&1
grep -q 'vpe show' "$TMP/help" || skip_all "needs the patched ip"
module_load || skip_all "xfrm_vpe cannot be loaded"
