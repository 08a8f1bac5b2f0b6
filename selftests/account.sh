#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every packet is accounted for in one place: accepted, or dropped under one name
# of VPE's and one of /proc/net/xfrm_stat; and audit has the record that it has of
# ESP's drops.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000

# frames_start FAMILY: from here on packets of protocol 50 that reach HV2 are counted
frames_start() {
	ns_exec "$HV2" nft -f - <<-END
		table ip$([ $1 = 4 ] || echo 6) count {
			chain seen {
				type filter hook input priority -300
				meta l4proto esp meta iif eth0 counter
			}
		}
	END
	defer ns_exec "$HV2" nft flush ruleset
}

frames() {
	ns_exec "$HV2" nft -j list ruleset | jq '[.. | .counter?.packets? // empty] | add'
}

# received FAMILY: good and bad packets at once
received() {
	local f=$1 rounds before came accepted dropped named others i kind

	rounds=$(count 3 1)
	tunnel $f 4 6
	frames_start $f
	ping_ok "$HV1" 1 56 "${INNER[${f}2]}"
	counters_mark_quiet
	before=$(frames)
	sender_start "$HV1" -t 300 -r 300 -h 20 "${INNER[${f}2]}" $port
	for ((i = 0; i < rounds; i++)); do
		for kind in 'flipped 4' 'replayed 20' 'truncated 1' 'fill 5' 'old 7' \
			    'nibble 1' 'spi 3' 'sender 9' 'empty 4'; do
			inject ${kind% *} $f ${kind#* }
		done
	done
	sender_report stop
	counters_wait_quiet
	counters_growth
	came=$(($(frames) - before))
	accepted=$(($(grown 'hv2:*:rx-packets') + $(grown 'hv2:*:rx-fill')))
	dropped=$(grown 'hv2:0x*:rx-@(state|encap|short|sender|replay|old|behind|reflected|auth|inner|windows|nomem|crypto|path)')
	named=$(grown 'hv2:-:XfrmIn*')
	# "truncated" makes four packets that are too short for an SPI
	others=$(($(grown 'hv2:-:XfrmInNoStates') + 4 * rounds))
	echo "$sent; $came came: $accepted accepted, $dropped dropped by VPE;" \
		"xfrm_stat: $named, $others of them without an SA"
	[ $dropped -gt $((rounds * 100)) ] || fail "hardly anything was dropped"
	[ $came -eq $((accepted + named)) ] || fail "packets are lost without a name"
	[ $named -eq $((dropped + others)) ] || fail "a drop is not in both places, or in two"
}

# audit_on 1|0: the kernel's log has what a daemon would get; all of it
audit_on() {
	python3 - "$1" <<-'END' || skip "no audit here"
		import socket, struct, sys
		AUDIT_SET, MASK_ENABLED = 1001, 1
		with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as s:
		    s.bind((0, 0))
		    status = struct.pack("=10I", MASK_ENABLED, int(sys.argv[1]), *[0] * 8)
		    s.send(struct.pack("=IHHII", 16 + len(status), AUDIT_SET, 5, 1, 0) + status)
		    error = -struct.unpack_from("=i", s.recv(4096), 16)[0]
		sys.exit(error)
	END
}

# records OP [PATTERN]: audit's, since the last time the log was cleared
records() {
	dmesg | grep -c "audit: type=1415 .*op=$1 .*${2-}"
}

audited() {
	local f=$1 spi

	spi="spi=$((SPI12))($(printf '0x%x' $SPI12))"
	tunnel $f 4 6
	defer sysctl -qw "kernel.printk_ratelimit=$(</proc/sys/kernel/printk_ratelimit)"
	sysctl -qw kernel.printk_ratelimit=0
	audit_on 1
	defer audit_on 0
	dmesg -C
	inject flipped $f 64
	inject replayed $f 3
	inject old $f 2
	inject spi $f 2
	counters_wait_quiet
	dmesg | grep 'type=1415' | tail -n 12
	[ "$(records SA-icv-failure "dst=.*$spi")" = 8 ] || fail "wrong ICVs: not 8 records"
	[ "$(records SA-replayed-pkt "dst=.*$spi")" = 5 ] || fail "replays: not 5 records"
	[ "$(records SA-notfound)" = 3 ] || fail "unknown SPIs: not 3 records"
}

backlog_grow
topo_wire || skip_all "no namespaces"
vpe_wire_start
ktap_plan 4 2
ktap_test "IPv4: what is received" received 4
ktap_test "IPv4: audit" audited 4
ktap_more "IPv6: what is received" received 6
ktap_more "IPv6: audit" audited 6
ktap_finish
