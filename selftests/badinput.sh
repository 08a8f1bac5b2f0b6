#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What must not be accepted: each packet is counted in one counter of VPE and one
# of /proc/net/xfrm_stat, nothing else changes, and the next good one passes.
. "$(dirname "$0")/lib.sh"

# bad OUTER KIND NUMBER WINDOWS SPEC...: inject, check counters; so many new
# windows are there then
bad() {
	local f=$1 packets=$2 number=$3 windows=$4 before after
	shift 4

	tunnel $f 4 6
	sink
	inject good $f 2
	sunk goodgood
	before=$(ip -n "$HV2" -j xfrm vpe window show)
	counters_mark
	inject $packets $f $number
	counters_check hv2:*:windows==$windows "$@"
	after=$(ip -n "$HV2" -j xfrm vpe window show)
	[ $windows != 0 ] || [ "$before" = "$after" ] ||
		[[ $packets =~ ^(old|replayed)$ ]] ||
		fail "windows before: $before, after: $after"
	[ "$(vpe_total "$HV2" rx-windows)" = $((1 + windows)) ] ||
		fail "$(vpe_total "$HV2" rx-windows) windows"
	[ "$(vpe_total "$HV2" contexts)" = 2 ] || fail "$(vpe_total "$HV2" contexts) contexts"
	case $packets in
	replayed) sunk x ;;
	old) sunk xx ;;
	huge) sunk huge ;;
	*) sunk '' ;;
	esac

	counters_mark
	inject good $f 2
	sunk goodgood
	counters_check hv2:$SPI12:rx-packets==2 hv2:*:windows==0
	[ "$(vpe_total "$HV1" rx-windows)" = 0 ] || fail "windows at the sender"
}

# UDP to a socket of an IKE daemon
in_udp() {
	[ $1 = 4 ] || modprobe -q udp_tunnel
	nsenter --net="/run/netns/$HV2" python3 -c '
import socket, time
s = socket.socket(socket.AF_INET6 if '$1' == 6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 100, 2)	# UDP_ENCAP, UDP_ENCAP_ESPINUDP
s.bind(("", 4500))
time.sleep(600)' &
	defer stop_pid $!
	slowwait listening "$HV2" udp 4500
	bad $1 in_udp 5 0 hv2:$SPI12:rx-encap==5 hv2:-:XfrmInStateMismatch==5
}

topo_wire || skip_all "no namespaces"
vpe_wire_start
# Bits of 68 bytes: SPI, Sender ID, and all else
step=$(count 1 8)
spi=$((32 / step)) sender=$((16 / step)) others=$((496 / step))
n=$(count 32 16)

ktap_plan 18 8
for f in 4 6; do
	[ $f = 4 ] && test=ktap_test || test=ktap_more
	$test "truncated, in IPv$f" bad $f truncated 1 0 \
		hv2:-:XfrmInHdrError==32 hv2:$SPI12:rx-short==28 \
		hv2:-:XfrmInStateProtoError==36 hv2:$SPI12:rx-auth==36
	ktap_test "bits flipped, in IPv$f" bad $f flipped $step 0 \
		hv2:-:XfrmInNoStates==$spi \
		hv2:-:XfrmInStateMismatch==$sender hv2:$SPI12:rx-sender==$sender \
		hv2:-:XfrmInStateProtoError==$others hv2:$SPI12:rx-auth==$others
	$test "Sender ID, in IPv$f" bad $f sender $n 0 \
		hv2:-:XfrmInStateMismatch==$n hv2:$SPI12:rx-sender==$n
	$test "SPI of no SA, in IPv$f" bad $f spi $n 0 hv2:-:XfrmInNoStates==$n
	$test "inner version, in IPv$f" bad $f nibble 1 1 \
		hv2:-:XfrmInStateModeError==13 hv2:$SPI12:rx-inner==13
	$test "replayed, in IPv$f" bad $f replayed $n 1 \
		hv2:$SPI12:rx-packets==1 \
		hv2:-:XfrmInStateSeqError==$n hv2:$SPI12:rx-replay==$n
	$test "too old, in IPv$f" bad $f old $n 1 \
		hv2:$SPI12:rx-packets==2 \
		hv2:-:XfrmInStateSeqError==$n hv2:$SPI12:rx-behind==$n
	$test "the largest, in IPv$f" bad $f huge 1 1 hv2:$SPI12:rx-packets==1 \
		hv2:-:XfrmInStateProtoError==1 hv2:$SPI12:rx-auth==1
	$test "in UDP, in IPv$f" in_udp $f
done
ktap_finish
