#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Large packets whose data is in page fragments, or in a list of fragments: they are
# encrypted and decrypted from there into single pages. On the way through us nothing
# asks for more memory in one piece. (What comes from its socket in one piece, as IPv6
# fragments of 9000 bytes, stays so.)
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
pages=$lib_dir/tools/pages.py
tracing=/sys/kernel/tracing/instances/jumbo

# Note who asks for more than a page from here on.
large_start() {
	[ -d $tracing ] || run mkdir $tracing
	echo 1 >$tracing/options/stacktrace
	echo 'order > 0' >$tracing/events/kmem/mm_page_alloc/filter
	echo 'bytes_req > 4096' >$tracing/events/kmem/kmalloc/filter
	echo >$tracing/trace
	defer sh -c "echo 0 >$tracing/events/kmem/mm_page_alloc/enable
		echo 0 >$tracing/events/kmem/kmalloc/enable"
	echo 1 >$tracing/events/kmem/mm_page_alloc/enable
	echo 1 >$tracing/events/kmem/kmalloc/enable
}

# Nobody that we called did: what the packet's next stops do is theirs, and so is the
# size of slabs, and KASAN's notes.
large_none() {
	grep -q 'stack trace' $tracing/trace || fail "the trace is empty"
	# shellcheck disable=SC2016	# awk's variables
	awk '/<stack trace>/ { others = said = 0; text = ""; next }
		/^ => / { text = text $0 "\n" }
		/ => (net_rx_action|ip6?_local_out|dst_output|ip6?_output|gro_cells_receive)/ ||
		/ => (allocate_slab|new_slab|___slab_alloc|stack_depot_save_flags)/ { others = 1 }
		/ => vpe/ && !said { said = 1; if (!others) { print text; n++ } }
		END { exit n > 0 }' $tracing/trace >"$TMP/large" ||
		fail "more than a page in one piece: $(head -n 40 "$TMP/large")"
}

mtu() {
	run ip -n "$HV1" link set eth0 mtu $1
	run ip -n "$HV2" link set eth0 mtu $1
}

# begin OUTER INNER MTU [SA-ARG...]
begin() {
	local outer=$1 inner=$2
	mtu $3
	shift 3

	xfrm_flush
	sas $outer "$@"
	policies $inner $outer
	# Neighbours and paths, and slabs that have to grow
	ping_ok "$HV1" 2 56 ${INNER[${inner}2]}
	counters_mark
	large_start
}

# file OUTER INNER sendfile|zerocopy SEGMENTS [SA-ARG...]: pages of a file, over TCP
file() {
	local outer=$1 inner=$2 how=$3 segments=$4 pid
	shift 4

	run ip -n "$HV1" link set eth0 gso_max_segs $segments
	begin $outer $inner 9000 "$@"
	nsenter --net="/run/netns/$HV2" python3 "$pages" tcp-recv $port "$TMP/got" &
	pid=$!
	defer stop_pid $pid
	slowwait listening "$HV2" tcp $port
	run ns_exec "$HV1" timeout 60 python3 "$pages" tcp-send "$how" ${INNER[${inner}2]} $port "$file"
	slowwait gone $pid
	large_none
	cmp "$file" "$TMP/got" || fail "what arrived is not what was sent"
	[ "$(sha256sum <"$file")" = "$sum" ] || fail "$file: changed in the page cache"
	carried '>100' '>5'
}

# ping OUTER INNER MTU SIZE [SA-ARG...]: beyond 16 KB a socket's data is in page
# fragments; what comes in fragments, in a list or in page fragments
pings() {
	local outer=$1 inner=$2 mtu=$3 size=$4
	shift 4

	begin $outer $inner $mtu "$@"
	ping_ok "$HV1" 2 $size ${INNER[${inner}2]} -M dont
	ping_ok "$HV2" 1 $((size - 1)) ${INNER[${inner}1]} -M dont
	large_none
	carried '>=3' '>=3'
}

# A router that looks at whole packets has put the tenant's fragments together: a list.
list() {
	begin 4 4 1500 "$@"
	run ns_exec "$HV1" nft 'add table t; add chain t c { type filter hook forward priority 0; }; add rule t c ct state invalid counter'
	defer ns_exec "$HV1" nft delete table t
	ping_ok "$TENANT1" 3 $((LARGE)) ${TENANT[42]} -M dont
	large_none
	carried '3' '>=3'
}

backlog_grow
topo_wire || skip_all "no namespaces"
topo_tenants
file=/usr/bin/bash
sum=$(sha256sum <$file)
LARGE=60000
ktap_plan 14 4
ktap_test "IPv4, MTU 9000: a file in segments" file 4 4 sendfile 44
ktap_test "IPv6, MTU 9000: a file, packet by packet" file 6 6 sendfile 1
ktap_more "IPv4 in IPv6, MTU 9000: a file, packet by packet" file 6 4 sendfile 1
ktap_more "IPv4, MTU 9000: MSG_ZEROCOPY" file 4 4 zerocopy 1
ktap_test "IPv4, MTU 65535: page fragments" pings 4 4 65535 $LARGE
ktap_test "IPv6, MTU 65535: page fragments" pings 6 6 65535 $LARGE
ktap_more "layout ares, MTU 65535: page fragments" pings 4 6 65535 $LARGE layout ares
ktap_test "MTU 65535: page fragments that are padded" pings 4 4 65535 20000 tfcpad 65000
ktap_test "MTU 65535: the same in UDP and IPv6" udp pings 6 4 65535 20000 tfcpad 65000
ktap_test "MTU 65535: page fragments, ESP in UDP" entropy pings 4 6 65535 $LARGE
ktap_test "IPv4, MTU 1500: a list of fragments is received" pings 4 4 1500 $LARGE
ktap_test "IPv4, MTU 1500: the largest packet" pings 4 4 1500 65470
ktap_test "IPv4, MTU 1500: a list of fragments is sent" list
ktap_more "IPv4, MTU 9000: fragments of 9000 bytes" pings 4 4 9000 $LARGE
ktap_finish
