#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# TCP in both directions, with large packets handed down whole, and without;
# with Ethernet's MTU and with jumbo frames.
. "$(dirname "$0")/lib.sh"

AMOUNT=$(count 2M 256K)
# At least; the end of iperf3 cuts off what is still on its way. Acknowledgements
# go back.
PACKETS=$(count 300 25)

# offloads on|off: of both ends of the wire. TCP makes large packets whatever
# the device says, unless told to have one segment in each.
offloads() {
	local ns segs=65535
	[ $1 = on ] || segs=1
	for ns in "$HV1" "$HV2"; do
		run ns_exec "$ns" ethtool -K eth0 tso $1 gso $1 gro $1
		run ip -n "$ns" link set eth0 gso_max_segs $segs
	done
}

mtu() {
	run ip -n "$HV1" link set eth0 mtu $1
	run ip -n "$HV2" link set eth0 mtu $1
}

# tcp OUTER INNER MTU on|off
tcp() {
	local outer=$1 inner=$2 mtu=$3 offloads=$4 n=$PACKETS gso='==0' to=${INNER[${2}2]}

	[ $offloads = off ] || gso='>0'
	[ $mtu = 1500 ] || n=$((n / 7))
	mtu $mtu
	offloads $offloads
	tunnel $outer $inner
	iperf_server "$HV2"
	ping_ok "$HV1" 1 56 $to
	wire_watch
	counters_mark
	iperf "$HV1" $to -n "$AMOUNT"
	counters_wait_quiet
	carried ">=$n" '>=1' "hv1:$SPI12:tx-gso$gso"

	counters_mark
	iperf "$HV1" $to -n "$AMOUNT" -R
	counters_wait_quiet
	carried '>=1' ">=$n" "hv2:$SPI21:tx-gso$gso"
	wire_clean
}

topo_wire || skip_all "no namespaces"
# What one CPU leaves to another must not get lost when the machine is slow.
backlog=$(</proc/sys/net/core/netdev_max_backlog)
defer sh -c "echo $backlog >/proc/sys/net/core/netdev_max_backlog"
echo 20000 >/proc/sys/net/core/netdev_max_backlog

wire_start
ktap_plan 10 4
for mtu in 1500 9000; do
	for offloads in on off; do
		for family in 4 6; do
			case $mtu,$offloads,$family in
			9000,off,* | 1500,on,6) test=ktap_more ;;
			*) test=ktap_test ;;
			esac
			$test "IPv$family, MTU $mtu, offloads $offloads" \
				tcp $family $family $mtu $offloads
		done
	done
done
ktap_test "IPv6 in IPv4" tcp 4 6 1500 on
ktap_more "IPv4 in IPv6" tcp 6 4 1500 on
ktap_finish
