#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pages of files are sent without a copy, and reach a receiver without a copy.
# Neither end may write into them: the files are unchanged afterwards, in the
# page cache and on disk.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
pages=$lib_dir/tools/pages.py

# A file on a disk, whose page cache can be dropped: what it says then is what
# stands on the disk.
pick_file() {
	for file in /usr/bin/bash /usr/bin/python3.[0-9]* ''; do
		[ -z "$file" ] || [ "$(stat -c %s "$file")" -lt 1000000 ] || break
	done
	[ -n "$file" ] || return
	size=$(stat -c %s "$file")
	sum_before=$(sha256sum <"$file")
}

file_is_unchanged() {
	[ "$(sha256sum <"$file")" = "$sum_before" ] || fail "$file: changed in the page cache"
}

# The last test: what is on the disk
disk_is_unchanged() {
	file_is_unchanged
	sync
	echo 1 >/proc/sys/vm/drop_caches
	file_is_unchanged
}

# tcp FAMILY sendfile|splice|zerocopy MAX: segments in a packet of TCP, at most
tcp() {
	local f=$1 pid gso='==0'

	tunnel "$f" "$f"
	run ip -n "$HV1" link set eth0 gso_max_segs "$3"
	[ "$3" = 1 ] || gso='>0'
	counters_mark
	nsenter --net="/run/netns/$HV2" python3 "$pages" tcp-recv $port "$TMP/got" &
	pid=$!
	defer stop_pid $pid
	slowwait listening "$HV2" tcp $port
	run ns_exec "$HV1" timeout 60 python3 "$pages" tcp-send "$2" "${INNER[${f}2]}" $port "$file"
	slowwait gone $pid
	cmp "$file" "$TMP/got" || fail "what arrived is not what was sent"
	file_is_unchanged
	carried '>100' '>10' "hv1:$SPI12:tx-gso$gso" "hv2:$SPI21:tx-gso>=0"
}

udp() {
	local n=$(((size + 4095) / 4096))

	tunnel 4 4
	counters_mark
	receiver_start "$HV2" $port 1000
	run ns_exec "$HV1" python3 "$pages" udp-send "${INNER[42]}" $port "$file" 1000
	file_is_unchanged
	receiver_report
	[ "$(value "$received" received)" -eq "$n" ] || fail "not all arrived: $received"
	carried "$n"
}

# Encrypted packets that lie in a file's pages reach the receiver, in UDP that
# its stack takes off (FOU). It must decrypt them, but not there.
receive() {
	local n=200 sum about

	modprobe -q fou
	xfrm_flush
	KEY12=$(random_key 16)
	run sa_add "$HV1" 4 1 2 $SPI12 "$KEY12"
	policies 4 4
	capture_start "$HV1" eth0 "$TMP/capture" $n
	run ns_exec "$HV1" "$tools/numbered" send -n $n -s 1000 "${INNER[42]}" $port
	slowwait gone $capture_pid
	about=$(python3 "$pages" payloads "$TMP/capture" "$TMP/payloads") || fail "payloads"
	echo "captured, length: $about"
	[ "${about% *}" -eq $n ] || fail "not all captured"
	sum=$(sha256sum <"$TMP/payloads")

	run sa_add "$HV2" 4 1 2 $SPI12 "$KEY12"
	run ip -n "$HV2" fou add port 5555 ipproto 50
	defer ip -n "$HV2" fou del port 5555
	receiver_start "$HV2" $port 1000
	counters_mark
	run ns_exec "$HV1" python3 "$pages" udp-send "${OUTER[42]}" 5555 "$TMP/payloads" "${about#* }"
	receiver_report stop
	echo "$received"
	[ "$(sha256sum <"$TMP/payloads")" = "$sum" ] ||
		fail "the receiver decrypted into a file's pages"
	[ "$(value "$received" unique)" -eq $n ] || fail "not all arrived"
	counters_check "hv2:$SPI12:rx-packets==$n"
}

backlog_grow
topo_wire || skip_all "no namespaces"
pick_file || skip_all "no file of a megabyte"
ktap_plan 9 3
ktap_test "IPv4: sendfile over TCP, up to 44 segments" tcp 4 sendfile 44
ktap_more "IPv4: sendfile over TCP, up to 1 segment" tcp 4 sendfile 1
ktap_more "IPv6: sendfile over TCP, up to 44 segments" tcp 6 sendfile 44
ktap_test "IPv6: sendfile over TCP, up to 1 segment" tcp 6 sendfile 1
ktap_more "splice over TCP" tcp 4 splice 44
ktap_test "MSG_ZEROCOPY over TCP" tcp 4 zerocopy 44
ktap_test "sendfile over UDP" udp
ktap_test "received pages of a file" receive
ktap_test "the file on the disk" disk_is_unchanged
ktap_finish
