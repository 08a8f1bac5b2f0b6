#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SAs of either mode, for the tests of ESP with entropy. To be sourced after lib.sh
# and hard.sh.
# shellcheck disable=SC2034	# of lib.sh

# begin FAMILY [SA-ARG...]
begin() {
	local f=$1
	shift

	xfrm_flush
	sas $f "$@"
	policies 4 $f
	[ ${SA_MODE:-tunnel} = transport ] || policies 6 $f
	counters_mark
}

# target FAMILY [SIDE]: what traffic of an SA of that family is sent to
target() {
	if [ ${SA_MODE:-tunnel} = transport ]; then
		echo ${OUTER[$1${2:-2}]}
	else
		echo ${INNER[$((10 - $1))${2:-2}]}
	fi
}

# with NAME=VALUE... COMMAND...
with() {
	while [[ $1 == *=* ]]; do
		declare -g "$1"
		shift
	done
	"$@"
}

# topo_modes: the wire of lib.sh, where packets between the hosts may be encrypted
topo_modes() {
	local hv side

	topo_wire || skip_all "no namespaces"
	free_at_once
	# Neighbour discovery is not for policies that cover the hosts themselves.
	for hv in "$HV1" "$HV2"; do
		for side in 1 2; do
			ip -n "$hv" neigh replace ${OUTER[6$side]} lladdr 02:00:00:00:00:0$side \
				dev eth0 nud permanent 2>/dev/null
		done
	done
}

# Transport mode is not for fragments.
# shellcheck disable=SC2154	# of lib.sh
no_fragments() {
	local f=$1

	begin $f
	[ "$(ns_exec "$HV1" python3 "$lib_dir/tools/fragments.py" ${OUTER[${f}1]} ${OUTER[${f}2]} 9)" = 3 ] ||
		fail "not refused"
	counters_check hv1:$SPI12:tx-fragment==3 hv1:-:XfrmOutStateModeError==3
}
