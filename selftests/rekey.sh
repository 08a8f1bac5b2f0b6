#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Keys change, SAs, policies and namespaces go, while numbered packets flow: no
# packet is lost by a rekey, and none without a counter by the rest.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000
# SPIs of rekeys follow this one
spi_base=$((0x2000))
outer=4

# half_peak: half of the packets per second that this machine carries now
half_peak() {
	receiver_start "$HV2" $port 700
	run ns_exec "$HV1" "$tools/numbered" send -t 1 "${INNER[${1}2]}" $port >"$TMP/peak"
	receiver_report
	echo "peak: $(<"$TMP/peak"), $received"
	half=$(($(value "$(<"$TMP/peak")" rate) / 2))
	[ $half -gt 0 ] || fail "nothing could be sent"
}

# outbound NS add SPI KEY, outbound NS delete SPI: an SA from hv1 to hv2
outbound() {
	case $2 in
	add) run sa_add "$1" "$outer" 1 2 "$3" "$4" ;;
	delete) run ip -n "$1" xfrm state delete src "${OUTER[${outer}1]}" \
			dst "${OUTER[${outer}2]}" proto esp spi "$3" ;;
	esac
}

# The order of an IKE daemon: the new SA at the receiver, then at the sender;
# later the old one goes at the sender, then at the receiver.
rekey() {
	local old=$1 new=$2 key

	key=$(random_key 16)
	outbound "$HV2" add "$new" "$key"
	outbound "$HV1" add "$new" "$key"
	pause 0.1
	outbound "$HV1" delete "$old"
	pause 0.1
	outbound "$HV2" delete "$old"
}

rekeys() {
	local outer=$1 inner=$1 n half i spi=$SPI12

	n=$(count "$2" 3)
	tunnel "$outer" "$inner"
	half_peak "$inner"
	receiver_start "$HV2" $port 60000
	sender_start "$HV1" -t 300 -r $half "${INNER[${inner}2]}" $port
	pause 0.3
	for ((i = 1; i <= n; i++)); do
		rekey "$spi" $((spi_base + i))
		spi=$((spi_base + i))
	done
	pause 0.3
	sender_report stop
	receiver_report stop
	echo "$n rekeys at $half packets a second: $sent; $received"
	all_received $n
	[ "$(vpe_stat "$HV2" "$spi" rx-packets)" -gt 0 ] || fail "the last SA carried nothing"
	[ "$(vpe_stat "$HV1" "$spi" tx-packets)" -gt 0 ] || fail "the last SA sent nothing"
	[ "$(vpe_stat "$HV1" "$spi" tx-core)" -eq 0 ] || fail "not the fast path"
	[ "$(ip -n "$HV1" -j xfrm vpe show | jq length)" -eq 2 ] || fail "old SAs are left"
}

# drops NS: all that xfrm dropped there, each with a name
drops() {
	# shellcheck disable=SC2016	# awk's
	ns_exec "$1" awk '$1 != "XfrmAcquireError" { sum += $2 } END { print sum }' \
		/proc/net/xfrm_stat
}

# accounted COMMAND: runs COMMAND with packets flowing; each packet that was not
# received must be a named drop of xfrm, or have been refused to its sender
accounted() {
	local before after lost named

	tunnel 4 4
	before=$(($(drops "$HV1") + $(drops "$HV2")))
	receiver_start "$HV2" $port 60000
	sender_start "$HV1" -t 300 -r "$(count 1500 200)" "${INNER[42]}" $port
	pause 0.2
	"$@"
	pause 0.3
	sender_report stop
	receiver_report stop
	after=$(($(drops "$HV1") + $(drops "$HV2")))
	lost=$(($(value "$sent" attempts) - $(value "$received" unique)))
	# EINVAL and EPERM are what the sender of a dropped packet gets
	named=$((after - before + $(value "$sent" eagain) + $(value "$sent" eother)))
	echo "$sent; $received; lost $lost; named drops $((after - before))"
	for ns in "$HV1" "$HV2"; do
		ns_exec "$ns" grep -v '\<0$' /proc/net/xfrm_stat
	done
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "packets came twice"
	[ "$(value "$received" unique)" -gt 0 ] || fail "nothing was received"
	[ $lost -gt 0 ] || fail "nothing was lost: the test did not do its work"
	[ $lost -eq $named ] || fail "of $lost lost packets $named are accounted for"
}

# The receiver's SA goes and comes back
delete_inbound() {
	local i
	for ((i = 0; i < $(count 3 2); i++)); do
		outbound "$HV2" delete $SPI12
		pause 0.05
		outbound "$HV2" add $SPI12 "$KEY12"
		pause 0.1
	done
}

# Everything goes and comes back with new keys; policies stop what has no SA
flush_states() {
	local i
	for ((i = 0; i < $(count 3 2); i++)); do
		run ip -n "$HV1" xfrm policy update src "${NET[41]}" dst "${NET[42]}" \
			dir out action block
		run ip -n "$HV1" xfrm state flush
		run ip -n "$HV2" xfrm state flush
		sas 4
		run ip -n "$HV1" xfrm policy delete src "${NET[41]}" dst "${NET[42]}" dir out
		policy "$HV1" out 1 2 4 4
		pause 0.1
	done
}

# Without policies packets go in the clear, and hv2 does not take them
flush_policies() {
	local i
	for ((i = 0; i < $(count 3 2); i++)); do
		run ip -n "$HV1" xfrm policy flush
		pause 0.05
		policies_of_hv1
		pause 0.1
	done
}

policies_of_hv1() {
	policy "$HV1" out 1 2 4 4
	policy "$HV1" in 2 1 4 4
}

# The sender's namespace and the receiver's go while packets flow. Packets are
# sent by a tenant: a namespace lives as long as a process in it.
namespaces() {
	local i

	xfrm_flush
	for ((i = 0; i < $(count 4 2); i++)); do
		topo_wire
		topo_tenants
		defer cleanup_ns "$TENANT1" "$TENANT2" "$HV1" "$HV2"
		tunnel 4 4
		ping_ok "$TENANT1" 1 56 "${TENANT[42]}"
		sender_start "$TENANT1" -t 300 -r 1000 -h 20 "${TENANT[42]}" $port
		pause 0.3
		if ((i % 2)); then
			cleanup_ns "$HV2"
			pause 0.1
			cleanup_ns "$HV1"
		else
			cleanup_ns "$HV1"
			pause 0.1
			cleanup_ns "$HV2"
		fi
		gone $sender_pid && fail "the sender ended: $(<"$TMP/sent.err")"
		sender_report stop
		cleanup_ns "$TENANT1" "$TENANT2"
	done
	slowwait unloadable
	run module_load
}

unloadable() {
	rmmod xfrm_vpe 2>/dev/null
}

reload() {
	local i

	cleanup_ns "$HV1" "$HV2"
	slowwait unloadable
	for ((i = 0; i < $(count 3 2); i++)); do
		run module_load
		run rmmod xfrm_vpe
	done
	run module_load
}

backlog_grow
free_at_once
topo_wire || skip_all "no namespaces"
ktap_plan 7
ktap_test "IPv4: rekeys lose nothing" rekeys 4 20
ktap_test "IPv6: rekeys lose nothing" rekeys 6 5
ktap_test "SA deleted at the receiver" accounted delete_inbound
ktap_test "SAs flushed" accounted flush_states
ktap_test "policies flushed" accounted flush_policies
ktap_test "namespaces deleted" namespaces
ktap_test "module reloaded" reload
ktap_finish
