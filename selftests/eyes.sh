#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The operator's tools: vpe-top, the exporter for Prometheus and what its alerts and
# the scripts for bpftrace name. Each must tell what ip and the header tell.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

source=$lib_dir/../tools
exporter=$source/vpe-exporter
uapi=$lib_dir/../xfrm_vpe/uapi/linux/vpe.h

# vpe_top NS ARG...: to $TMP/top
vpe_top() {
	run ns_exec "$1" "$tools/vpe-top" -b "${@:2}" >"$TMP/top"
}

# top_start NS ARG...: in the background, to the same file, until it is ended
top_pid=''
top_start() {
	: >"$TMP/top"
	nsenter --net="/run/netns/$1" "$tools/vpe-top" -b "${@:2}" >"$TMP/top" 2>"$TMP/top.err" &
	top_pid=$!
	defer stop_pid $top_pid
	top_next
}

tables() {
	grep -c '^ *SPI' "$TMP/top"
}

more_tables() {
	[ "$(tables)" -ge "$1" ]
}

# What happened until now is in a table.
top_next() {
	slowwait more_tables $(($(tables) + 2))
}

# rows SPI DIR: of all tables
rows() {
	grep "^0000${1#0x} *$2 " "$TMP/top"
}

# narrow: no line of the file is wider than 80 characters
narrow() {
	! grep -E '.{81}' "$TMP/top" || fail "over 80 characters"
}

# summed HEAD PATTERN FIELD-NUMBER: of the lines that begin with PATTERN, times the
# time that each table is of
summed() {
	awk -v pattern="^$1" -v field=$2 '
		/^[0-9:]+ [0-9.]+ s / { seconds = $2 }
		$0 ~ pattern { sum += $field * seconds }
		END { print sum + 0 }' "$TMP/top"
}

# near A B PERCENT: and as much as is lost by rounding in all tables
near() {
	awk -v a="$1" -v b="$2" -v percent="$3" -v n="$(tables)" 'BEGIN {
		d = a > b ? a - b : b - a
		exit !(d <= b * percent / 100 + 1 + n * 0.3) }' ||
		fail "it is $1, should be $2: $(<"$TMP/top")"
}

# While packets go both ways, both directions have a rate.
rates() {
	local f=$1 dir spi

	tunnel $f $f
	ping_ok "$HV1" 1 56 ${INNER[${f}2]}
	nsenter --net="/run/netns/$HV1" ping -q -n -i 0.01 ${INNER[${f}2]} >/dev/null 2>&1 &
	defer stop_pid $!
	vpe_top "$HV1" -n 2
	narrow
	[ "$(tables)" = 2 ] || fail "not 2 tables: $(<"$TMP/top")"
	for spi in $SPI12 $SPI21; do
		dir=tx
		[ $spi = $SPI12 ] || dir=rx
		rows $spi $dir | awk '$7 > 0 { some = 1 } END { exit !some }' ||
			fail "$spi, $dir: no rate above zero: $(<"$TMP/top")"
	done
	[ -z "$(rows $SPI12 rx)$(rows $SPI21 tx)" ] || fail "wrong directions: $(<"$TMP/top")"
	[ "$(awk '/packets\/s/ && $2 > 0' "$TMP/top" | wc -l)" = 4 ] ||
		fail "no totals: $(<"$TMP/top")"
}

# dropped REASON NUMBER: by HV1
dropped() {
	[ "$(vpe_drop "$HV1" $SPI21 $1)" = $2 ]
}

# again NUMBER REASON: what was captured so often; HV1 takes one packet in two for its
# own, and drops it
again() {
	local i

	for ((i = 0; i < $1; i++)); do
		run ns_exec "$HV2" "$tools/inject" eth0 1 "$TMP/capture" >/dev/null
	done
	slowwait dropped $2 $1
}

# pings N ADDRESS: by the windows of one CPU
pings() {
	run ns_exec "$HV1" taskset -c 0 ping -q -n -c $1 -i 0.01 -W "$WAIT_TIMEOUT" $2
}

# Rates of all tables, each times its time, give the number of packets; and of those
# refused.
adds_up() {
	local f=$1 replays=30 pings=200

	tunnel $f $f
	capture_start "$HV2" eth0 "$TMP/capture" 2
	ping_ok "$HV1" 1 56 ${INNER[${f}2]}
	slowwait gone $capture_pid
	top_start "$HV1" -d 0.5 -s replayed
	pings $pings ${INNER[${f}2]}
	again $replays rx-replay
	top_next
	stop_pid $top_pid
	narrow
	near "$(summed out 2)" $pings 0
	near "$(summed in 2)" $pings 0
	near "$(summed in 6)" $replays 0
	near "$(summed 00001001 7)" $pings 15
	near "$(summed 00001002 7)" $pings 15
	near "$(summed 00001002 8)" $replays 15
	# the window that refuses is above that which sends
	awk '/^drops\/s/ { refuses = / rx-replay [0-9]/ }
		/^most by/ { most = $3 == "00001002" && $5 == "rx-replay" }
		/^ *SPI/ { title = NR }
		refuses && NR == title + 1 { some = 1; if (!most || $1 != "00001002") bad = 1 }
		END { exit bad || !some }' "$TMP/top" || fail "not sorted: $(<"$TMP/top")"
}

contexts() {
	[ "$(vpe_total "$HV1" contexts)" = $1 ]
}

# Packets old by more than a window, and after a new SA behind all that it took
late() {
	local f=$1

	xfrm_flush
	sas $f replay-window 64
	policies $f $f
	capture_start "$HV2" eth0 "$TMP/capture" 2
	pings 1 ${INNER[${f}2]}
	slowwait gone $capture_pid
	pings 100 ${INNER[${f}2]}
	top_start "$HV1" -d 0.5 -s late
	again 30 rx-old
	top_next
	run ip -n "$HV1" xfrm state delete dst ${OUTER[${f}1]} proto vpe spi $SPI21
	slowwait contexts 1
	run sa_add "$HV1" $f 2 1 $SPI21 "$KEY21" flag af-unspec replay-window 64
	pings 1 ${INNER[${f}2]}
	top_next
	again 20 rx-behind
	top_next
	stop_pid $top_pid
	narrow
	near "$(summed in 6)" 50 0
	near "$(summed 00001002 9)" 50 15
	grep -q '^drops/s .* rx-old [0-9]' "$TMP/top" || fail "no rx-old: $(<"$TMP/top")"
	grep -q '^drops/s .* rx-behind [0-9]' "$TMP/top" || fail "no rx-behind: $(<"$TMP/top")"
}

# Packets that one CPU sends, and another one gets to receive
elsewhere() {
	local f=$1

	tunnel $f $f
	pings 2 ${INNER[${f}2]}
	run ip netns exec "$HV1" sh -c 'echo 2 >/sys/class/net/eth0/queues/rx-0/rps_cpus'
	defer ip netns exec "$HV1" sh -c 'echo 0 >/sys/class/net/eth0/queues/rx-0/rps_cpus'
	nsenter --net="/run/netns/$HV1" taskset -c 0 ping -q -n -i 0.01 ${INNER[${f}2]} \
		>/dev/null 2>&1 &
	defer stop_pid $!
	vpe_top "$HV1" -n 2
	narrow
	awk '/^in / { totals = $9 }
		/^00001002 +rx +0 +0 +[0-9] +0 / { window = $10 }
		END { exit !(totals > 90 && totals <= 100 && window > 90 && window <= 100) }' \
		"$TMP/top" || fail "not elsewhere: $(<"$TMP/top")"
}

# What both say of each window, alike, numbers of 64 bits as they are
windows_of_ip() {
	ip -n "$HV1" -j xfrm vpe window show | sed -E 's/: ?([0-9]{16,})/:"\1"/g' |
		jq -r '.[] | [.spi, .direction, ."sender-id", ."window-id", .class // "-",
			.cpu // "-", .seq, .dst, .packets, .port // "-"] | join(" ")' |
		while read -r spi rest; do printf '%08x %s\n' "$spi" "$rest"; done | sort
}

windows_of_top() {
	awk '/^[0-9a-f]+ +[tr]x / { print $1, $2, $3, $4, $5, $6, $11, $12, $13, $14 }' "$TMP/top" |
		sort
}

# The same windows, numbers and sums as ip's
agrees() {
	local f=$1 sums

	tunnel $f $f
	flows 30 ${INNER[${f}2]}
	ping_ok "$HV1" 3 56 ${INNER[${f}2]}
	counters_wait_quiet
	COLUMNS=200 vpe_top "$HV1" -n 1 -d 0.2
	windows_of_ip >"$TMP/ip"
	windows_of_top >"$TMP/shown"
	[ -s "$TMP/ip" ] || fail "ip shows no windows"
	diff -u "$TMP/ip" "$TMP/shown" || fail "ip (-) and vpe-top (+) differ: $(<"$TMP/top")"
	sums="SAs 2 (ESP $([ "${SA_PROTO-}" = esp ] && echo 2 || echo 0))"
	sums+="  windows tx $(grep -c ' tx ' "$TMP/ip"), rx $(grep -c ' rx ' "$TMP/ip")"
	sums+=" of $(vpe_total "$HV1" rx-windows-max)"
	grep -qF "$sums" "$TMP/top" || fail "no '$sums': $(<"$TMP/top")"
	vpe_top "$HV1" -n 1 -d 0.2
	narrow
	windows_of_top | awk '{ print $1, $2, $3, $4, $5, $6, $7 }' >"$TMP/narrow"
	cut -d' ' -f1-7 "$TMP/ip" | diff -u - "$TMP/narrow" || fail "the narrow one differs"
}

# flows N ADDRESS: a packet of each, by HV1
flows() {
	run ns_exec "$HV1" python3 -S -c '
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
for _ in range(int(sys.argv[1])):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.sendto(b"x", (sys.argv[2], 9))' "$@"
}

# On terminals: as many lines and columns as there are, more when it grows; keys.
# It prints each screen, and what was wrong.
terminal() {
	cat >"$TMP/terminal.py" <<-'END'
	import fcntl, os, pty, re, struct, sys, termios

	def resize(fd, lines, columns):
	    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

	def screen():
	    """The next one, without what is said to the terminal."""
	    text = b""
	    while b"\033[J" not in text:
	        text += os.read(fd, 65536)
	    text = text.split(b"\033[H")[-1].split(b"\033[J")[0].decode()
	    return re.sub("\033\\[[0-9;]*[A-Za-z]", "", text).split("\r\n")

	def check(what, ok):
	    if not ok:
	        sys.exit(f"{what}: {show}")

	pid, fd = pty.fork()
	if not pid:
	    resize(0, 24, 80)
	    os.execv(sys.argv[1], [sys.argv[1], "-d", "0.5"])
	show = screen()
	check("24 lines", len(show) == 24 and not show[23])
	check("80 columns", all(len(line) <= 80 for line in show))
	check("titles", len(show[5]) == 80 and show[5].split()[-1] == "LAST")
	check("no echo", not termios.tcgetattr(fd)[3] & termios.ECHO)
	resize(fd, 12, 40)
	for _ in range(3):
	    show = screen()
	check("12 lines", len(show) == 12)
	check("40 columns", all(len(line) <= 40 for line in show))
	resize(fd, 40, 132)
	for _ in range(3):
	    show = screen()
	check("40 lines", len(show) == 40 and not show[39])
	check("132 columns", all(len(line) <= 132 for line in show))
	check("wide titles", show[5].split()[-3:] == ["TO", "PACKETS", "PORT"])
	os.write(fd, b"rq")
	try:
	    while os.read(fd, 65536):
	        pass
	except OSError:
	    pass
	check("exit status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)
	END
	tunnel 4 4
	flows 100 ${INNER[42]}
	[ "$(ip -n "$HV1" -j xfrm vpe window show | jq length)" -gt 40 ] || fail "too few windows"
	run ns_exec "$HV1" timeout $((WAIT_TIMEOUT * 2)) python3 "$TMP/terminal.py" "$tools/vpe-top"
}

refused() {
	local why=$1
	shift

	"$tools/vpe-top" "$@" >"$TMP/top" 2>&1 && fail "accepted: $*"
	grep -q -- "$why" "$TMP/top" || fail "'$why' expected of '$*': $(<"$TMP/top")"
}

options() {
	refused '^vpe-top: -d: 0.1 to 86400 seconds, not "0"$' -d 0
	refused '^vpe-top: -d: .*, not "x"$' -d x
	refused '^vpe-top: -n: a number from 1 on, not "-1"$' -n -1
	refused '^vpe-top: -s: one of packets, replayed, late and elsewhere, not "x"$' -s x
	refused '^usage: ' -x
	refused '^usage: ' more
	run "$tools/vpe-top" -h >"$TMP/top"
	narrow
	grep -q '^usage: ' "$TMP/top" || fail "no help"
}

readonly absent='vpe-top: the module xfrm_vpe is not loaded ("modprobe xfrm_vpe" does that)'

# Not loaded, nor by who asks for it; unloaded under it
without_module() {
	defer sysctl -qw "kernel.modprobe=$(</proc/sys/kernel/modprobe)"
	sysctl -qw kernel.modprobe=/bin/false
	defer module_load
	xfrm_flush
	top_start "$HV1" -d 0.2
	slowwait rmmod xfrm_vpe
	slowwait gone $top_pid
	[ "$(<"$TMP/top.err")" = "$absent" ] || fail "unloaded: $(<"$TMP/top.err")"
	"$tools/vpe-top" -b -n 1 >"$TMP/top" 2>&1 && fail "it found something"
	[ "$(<"$TMP/top")" = "$absent" ] || fail "not loaded: $(<"$TMP/top")"

	"$exporter" "$TMP/vpe.prom" 2>"$TMP/said" && fail "the exporter found something"
	grep -q '^vpe-exporter: ip xfrm vpe stats: Error: .*not loaded' "$TMP/said" ||
		fail "the exporter said: $(<"$TMP/said")"
	[ "$(grep -v '^#' "$TMP/vpe.prom")" = 'vpe_up 0' ] || fail "$(<"$TMP/vpe.prom")"
}

# export_to FILE ARG...: of HV1
export_to() {
	run ns_exec "$HV1" "$exporter" "${@:2}" "$1"
}

# Each line is of the format, each metric has its type before it, no series is there
# twice.
well_formed() {
	local name='[a-z][a-z0-9_]*'

	! grep -vE -e "^# HELP vpe_$name [A-Z][^\\]*[.]\$" -e "^# TYPE vpe_$name (counter|gauge)\$" \
		-e "^vpe_$name(\{$name=\"[^\"\\]*\"(,$name=\"[^\"\\]*\")*\})? [0-9]+\$" "$1" ||
		fail "not of the format"
	awk '$2 == "HELP" { help = $3 }
		$2 == "TYPE" {
			if (help != $3) { print "no HELP: " $0; bad = 1 }
			if ($4 == "counter" != /_total counter$/) { print "no _total: " $0; bad = 1 }
			if (type[$3]++) { print "twice: " $0; bad = 1 }
			now = $3
		}
		!/^#/ {
			sub(/[ {].*/, "")
			if ($0 != now) { print "not below its TYPE: " $0; bad = 1 }
			some[$0] = 1
		}
		END {
			for (n in type) if (!(n in some)) { print "nothing of " n; bad = 1 }
			exit bad
		}' "$1" || fail "metrics are mixed up"
	[ -z "$(grep -v '^#' "$1" | sed 's/ [0-9]*$//' | sort | uniq -d)" ] || fail "a series twice"
}

# Prometheus' words for ip's, of SAs (in all: of the namespace, as an SA without name)
# shellcheck disable=SC2016	# jq's variables
readonly counters_of_sas='.[] |
	(if .spi then "spi=\"\(.spi)\",dst=\"\(.dst)\"" else "" end) as $sa |
	(.stats | to_entries[] | "\(.key)_total{\($sa)} \(.value)"),
	(.drops | to_entries[] | "drops_total{\($sa),reason=\"\(.key)\"} \(.value)")'
# shellcheck disable=SC2016
readonly counters_of_windows='.[] | . as $w |
	"spi=\"\(.spi)\",dst=\"\(.dst)\",direction=\"\(.direction)\",sender_id=\"\(."sender-id")\"" +
	",window_id=\"\(."window-id")\",class=\"\(.class)\",cpu=\"\(.cpu)\"" |
	. as $id | ("packets", "bytes", "replayed", "old", "behind", "elsewhere") |
	select($w[.] != null) | "\(.)_total{\($id)} \($w[.])"'

# as_metrics PREFIX FILTER: of JSON, sorted
as_metrics() {
	jq -r "$2" | sed -E "s/^[a-z-]+_total/$1&/; s/\{,/{/; s/\{\}//" |
		awk -F '{' -v OFS='{' '{ gsub("-", "_", $1); print }' |
		sed -E 's/spi="4097"/spi="0x00001001"/; s/spi="4098"/spi="0x00001002"/' | sort
}

# has EXPECTED REGEX: the samples in $TMP/vpe.prom that match are these and no others
has() {
	grep -E "$2" "$TMP/vpe.prom" | sort >"$TMP/samples"
	[ -s "$1" ] || fail "ip shows nothing"
	diff -u "$1" "$TMP/samples" || fail "ip (-) and the exporter (+) differ"
}

exported() {
	local f=$1 up

	tunnel $f $f
	flows 10 ${INNER[${f}2]}
	capture_start "$HV2" eth0 "$TMP/capture" 2
	ping_ok "$HV1" 1 56 ${INNER[${f}2]}
	slowwait gone $capture_pid
	run ns_exec "$HV2" "$tools/inject" eth0 3 "$TMP/capture"
	counters_wait_quiet
	export_to "$TMP/vpe.prom" --windows
	well_formed "$TMP/vpe.prom"
	ip -n "$HV1" -j xfrm vpe show | as_metrics vpe_sa_ "$counters_of_sas" >"$TMP/sas"
	ip -n "$HV1" -j xfrm vpe stats | jq '[.]' | as_metrics vpe_ "$counters_of_sas" >"$TMP/totals"
	ip -n "$HV1" -j xfrm vpe window show |
		as_metrics vpe_window_ "$counters_of_windows" >"$TMP/windows"
	has "$TMP/sas" '^vpe_sa_(([rt]x|core)_[a-z]+|drops)_total'
	has "$TMP/totals" '^vpe_(([rt]x|core)_[a-z]+|drops)_total'
	has "$TMP/windows" '^vpe_window_'
	grep -q 'rx-replay"} [1-9]' "$TMP/sas" || fail "no replay"
	for up in 'vpe_up 1' 'vpe_sas 2' "vpe_rx_windows $(vpe_total "$HV1" rx-windows)" \
		'vpe_stock_sas 0'; do
		grep -qxF "$up" "$TMP/vpe.prom" || fail "no '$up'"
	done
}

# How much is asked for, and of what
extent() {
	tunnel 4 4
	ping_ok "$HV1" 1 56 ${INNER[42]}
	export_to "$TMP/vpe.prom"
	well_formed "$TMP/vpe.prom"
	grep -q '^vpe_sa_drops_total{' "$TMP/vpe.prom" || fail "no SA"
	! grep '^vpe_window_' "$TMP/vpe.prom" || fail "windows"
	export_to "$TMP/vpe.prom" --totals
	grep -q '^vpe_tx_packets_total 1$' "$TMP/vpe.prom" || fail "no totals"
	! grep '^vpe_sa_' "$TMP/vpe.prom" || fail "SAs"
	run "$exporter" --netns "$HV1" --windows "$TMP/vpe.prom"
	well_formed "$TMP/vpe.prom"
	! grep '^vpe' "$TMP/vpe.prom" | grep -v "{netns=\"$HV1\"" || fail "without a label"
	[ "$(run ns_exec "$HV1" "$exporter" --totals - | grep '^vpe_sas')" = 'vpe_sas 2' ] ||
		fail "not on standard output"
}

# A reader has the old file or the new one, and nothing else is left.
replaced() {
	local dir=$TMP/collector old

	mkdir "$dir"
	export_to "$dir/vpe.prom"
	[ "$(stat -c %a "$dir/vpe.prom")" = 644 ] || fail "mode $(stat -c %a "$dir/vpe.prom")"
	exec 7<"$dir/vpe.prom"
	old=$(<"$dir/vpe.prom")
	export_to "$dir/vpe.prom" --totals
	[ "$(cat <&7)" = "$old" ] || fail "the old file was changed"
	! grep -q '^vpe_sa_' "$dir/vpe.prom" || fail "the new file is not there"
	[ "$(ls -A "$dir")" = vpe.prom ] || fail "left: $(ls -A "$dir")"
	ns_exec "$HV1" "$exporter" "$dir/none/vpe.prom" 2>"$TMP/said" && fail "no directory"
	[ "$(<"$TMP/said")" = "vpe-exporter: $dir/none/vpe.prom: No such file or directory" ] ||
		fail "said: $(<"$TMP/said")"
}

# Numbers and names of drops, as the header has them
header_drops() {
	sed -n 's/^\tVPE_A_DROPS_\([A-Z_]*\)\( = 1\)*,$/\1/p' "$uapi" | tr A-Z_ a-z- | cat -n |
		awk '$2 != "pad" { print $1, $2 }'
}

# The tools know each reason; alerts name what there is.
names() {
	local name

	header_drops >"$TMP/drops"
	grep -qx '8 rx-auth' "$TMP/drops" || fail "header: $(<"$TMP/drops")"
	sed -n 's/^\t@name\[\([0-9]*\)\] = "\(.*\)";$/\1 \2/p' "$source/bpftrace/drops.bt" |
		diff -u "$TMP/drops" - || fail "drops.bt (+) has other reasons"
	sed -n 's/^\t\[VPE_A_DROPS_\([A-Z_]*\)\]\t*= "\(.*\)",$/\1 \2/p' "$source/vpe-top.c" |
		while read -r name word; do echo "$(tr A-Z_ a-z- <<<"$name") $word"; done >"$TMP/top"
	cut -d' ' -f2 "$TMP/drops" | sed 's/.*/& &/' | diff -u - "$TMP/top" ||
		fail "vpe-top.c (+) has other reasons"

	tunnel 4 4
	export_to "$TMP/vpe.prom" --windows
	grep -oE '\<vpe_[a-z_]+' "$source/vpe-alerts.yml" | sort -u >"$TMP/words"
	[ -s "$TMP/words" ] || fail "alerts: none"
	while read -r name; do
		grep -q "^# TYPE $name " "$TMP/vpe.prom" || fail "alerts: there is no $name"
	done <"$TMP/words"
	sed -n 's/.*[{,]reason="\([^"]*\)".*/\1/p' "$source/vpe-alerts.yml" >"$TMP/words"
	[ -s "$TMP/words" ] || fail "alerts: no reasons"
	while read -r name; do
		grep -q " $name\$" "$TMP/drops" || fail "alerts: there is no reason $name"
	done <"$TMP/words"
	python3 -c 'import sys, yaml; yaml.safe_load(sys.stdin)' <"$source/vpe-alerts.yml" ||
		fail "alerts: no YAML"
}

[ -x "$tools/vpe-top" ] || skip_all "needs vpe-top: make -C $lib_dir/tools"
topo_wire || skip_all "no namespaces"
ktap_plan 16
ktap_test "rates both ways" rates 4
ktap_test "rates add up to packets" adds_up 6
ktap_test "packets that come late" late 4
ktap_test "packets that come elsewhere" elsewhere 4
for f in 4 6; do
	ktap_test "IPv$f: the windows of ip" agrees $f
	ktap_test "IPv$f: metrics" exported $f
done
ktap_test "the windows of ip, in UDP" udp agrees 4
ktap_test "the windows of ip, ESP" entropy agrees 6
ktap_test "on a terminal" udp terminal
ktap_test "options" options
ktap_test "without the module" without_module
ktap_test "metrics, as many as asked for" extent
ktap_test "metrics replace the file at once" replaced
ktap_test "names of drops and metrics" names
ktap_finish
