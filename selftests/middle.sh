#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034,SC2153,SC2154	# lib.sh's variables
#
# For the tests that look at what happens to the outer packet on its way, and
# that let ESP show what is to be expected: there is a third namespace between
# the hypervisors, and the same SAs can be had with ESP in the place of VPE. To
# be sourced after lib.sh.
#
#	 tenant1 --- hv1 eth0 --- left  MID  right --- eth0 hv2 --- tenant2
#	         10.0.0.1, fd00::1    10.0.0.254      10.0.0.2, fd00::2
#	                                fd00::fe

MID=''

# topo_middle: HV1, MID, HV2 and the tenants, without SAs. MID forwards nothing
# until middle_forwards.
topo_middle() {
	setup_ns HV1 HV2 MID || return
	middle_link "$HV1" left 1
	middle_link "$HV2" right 2
	topo_hv "$HV1" 1 2
	topo_hv "$HV2" 2 1
	topo_tenants || return
	middle_routes "$HV1" 1 2
	middle_routes "$HV2" 2 1
}

middle_link() {
	run ip link add eth0 netns "$1" address 02:00:00:00:00:0$3 type veth \
		peer name "$2" netns "$MID" address 02:00:00:00:01:0$3
	batch "$MID" <<-END
		addr add 10.0.0.254/32 dev $2
		addr add fd00::fe/128 dev $2 nodad
		link set $2 up
		route add ${OUTER[4$3]}/32 dev $2
		route add ${OUTER[6$3]}/128 dev $2
	END
}

# All of the other side is behind MID.
middle_routes() {
	batch "$1" <<-END
		link set ten0 address 02:00:00:00:02:0$2
		route add ${OUTER[4$3]}/32 via 10.0.0.254
		route add ${OUTER[6$3]}/128 via fd00::fe
		route replace ${NET[4$3]} via 10.0.0.254 src ${INNER[4$2]}
		route replace ${NET[6$3]} via fd00::fe src ${INNER[6$2]}
	END
}

middle_forwards() {
	ns_exec "$MID" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
		echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
}

# tunnel_of vpe|esp OUTER-FAMILY INNER-FAMILY [SA-ARG...]: in place of what was
# there
tunnel_of() {
	local kind=$1 outer=$2 inner=$3 sas KEY_BYTES=16
	shift 3

	[ "$kind" = vpe ] || KEY_BYTES=20
	new_keys
	sas=$(sa_lines "$outer" "$@")
	[ "$kind" = vpe ] || sas=${sas//proto vpe/proto esp}
	sas=$flush_lines$'\n'$sas
	(echo "$sas"; policy_lines 1 2 "$inner" "$outer") | batch "$HV1"
	(echo "$sas"; policy_lines 2 1 "$inner" "$outer") | batch "$HV2"
}

# as_esp COMMAND...: "COMMAND esp" and "COMMAND vpe" are to print the same
as_esp() {
	local kind

	for kind in esp vpe; do
		("$@" $kind) >"$TMP/$kind" 2>&1 || fail "$kind: $(tail -n 5 "$TMP/$kind")"
	done
	[ -s "$TMP/esp" ] || fail "nothing to compare"
	diff -u0 "$TMP/esp" "$TMP/vpe" >"$TMP/diff" || fail "not as ESP: $(head -n 20 "$TMP/diff")"
}
