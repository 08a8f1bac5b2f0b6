#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ciphers that finish later: the same traffic, then SAs, a namespace and the
# module go with requests in flight. pcrypt hands requests to work queues of all
# CPUs; every kernel has it.
. "$(dirname "$0")/lib.sh"
. "$lib_dir/hard.sh"

port=9000

# alg_bind NAME: makes the kernel instantiate an AEAD
alg_bind() {
	modprobe vpe_watch "aead=$1" && rmmod vpe_watch
}

cipher='gcm(aes)'

# Driver of the cipher with the highest priority
best_driver() {
	awk -F ' *: *' -v cipher="$cipher" '
		$1 == "name" { name = $2 }
		$1 == "driver" { driver = $2 }
		$1 == "priority" && name == cipher && $2 > most {
			most = $2; best = driver
		}
		END { print best }' /proc/crypto
}

# wrap pcrypt: from now on the cipher is the wrapped one, which has the
# higher priority. It has to be asked for by its driver's name: any other would
# be wrapped again and again, for it is not the one that was asked for.
wrap() {
	modprobe "$1" || skip "this kernel has no $1"
	alg_bind "$cipher" || fail "$cipher"
	alg_bind "$1($(best_driver))" || skip "cannot make $1($(best_driver))"
	[[ $(best_driver) == "$1("* ]] || fail "$cipher is still $(best_driver)"
}

# The wrapped cipher goes with its module, once nobody uses it.
unwrap() {
	local ns
	for ns in "$HV1" "$HV2"; do
		ip -n "$ns" xfrm policy flush
		ip -n "$ns" xfrm state flush
	done 2>/dev/null
	busywait 5000 rmmod "$1" 2>/dev/null
	return 0
}

# async_stat NS SPI: encryptions and decryptions that finished later
async_stat() {
	echo $(($(vpe_stat "$1" "$2" tx-async) + $(vpe_stat "$1" "$2" rx-async)))
}

is_async() {
	local name
	name=$(ip -n "$HV1" -j xfrm vpe show | jq -r '.[0].aead')
	echo "cipher: $name"
	[[ $name == "$1("* ]] || fail "the SA's cipher is not $1's"
}

traffic() {
	local f=$2 n ns spi near=${INNER[${2}1]} far=${INNER[${2}2]}

	[ ${SA_MODE:-tunnel} = tunnel ] || near=${OUTER[${f}1]} far=${OUTER[${f}2]}
	wrap "$1"
	tunnel "$f" "$f"
	is_async "$1"
	counters_mark
	ping_ok "$HV1" 5 56 "$far"
	ping_ok "$HV2" 5 1400 "$near"
	ping_ok "$HV1" 2 20000 "$far"
	n=$(count 500 100)
	receiver_start "$HV2" $port 1000
	run ns_exec "$HV1" "$tools/numbered" send -n "$n" -r "$(count 2000 300)" -h 10 \
		"$far" $port
	receiver_report
	[ "$(value "$received" unique)" -eq "$n" ] || fail "UDP: $received"
	[ "$(value "$received" duplicates)" -eq 0 ] || fail "UDP: $received"
	iperf_server "$HV2"
	iperf "$HV1" "$far" -n "$(count 1M 128K)"
	iperf "$HV1" "$far" -n "$(count 1M 128K)" -R
	carried ">$(count 700 150)" ">$(count 200 60)" "hv?:*:tx-gso>0"
	for ns in "$HV1" "$HV2"; do
		for spi in $SPI12 $SPI21; do
			echo "$ns $spi: $(async_stat "$ns" $spi) finished later"
			[ "$(async_stat "$ns" $spi)" -gt 0 ] ||
				fail "no request finished later: nothing was tested"
		done
	done
}

# SAs deleted and flushed while requests are in flight
deletion() {
	local i later=0

	wrap "$1"
	tunnel 4 4
	sender_start "$HV1" -t 300 -h 50 "${INNER[42]}" $port
	for ((i = 0; i < $(count 10 3); i++)); do
		pause 0.05
		later=$((later + $(async_stat "$HV1" $SPI12)))
		run ip -n "$HV1" xfrm state flush
		run ip -n "$HV2" xfrm state flush
		sas 4
	done
	sender_report stop
	echo "$sent, $later finished later"
	[ $later -gt 0 ] || fail "no request finished later: nothing was tested"
}

# Both namespaces, then the module; the traffic is a tenant's
teardown() {
	wrap "$1"
	topo_wire
	topo_tenants
	defer cleanup_ns "$TENANT1" "$TENANT2" "$HV1" "$HV2"
	tunnel 4 4
	ping_ok "$TENANT1" 2 56 "${TENANT[42]}"
	sender_start "$TENANT1" -t 300 -h 50 "${TENANT[42]}" $port
	pause 0.5
	[ "$(async_stat "$HV1" $SPI12)" -gt 0 ] || fail "no request finished later"
	cleanup_ns "$HV1"
	cleanup_ns "$HV2"
	sender_report stop
	cleanup_ns "$TENANT1" "$TENANT2"
}

unload() {
	wrap "$1"
	tunnel 4 4
	sender_start "$HV1" -t 300 -h 50 "${INNER[42]}" $port
	pause 0.2
	rmmod xfrm_vpe 2>/dev/null && fail "unloaded with SAs in use"
	xfrm_flush
	slowwait rmmod_quiet
	sender_report stop
	run module_load
}

rmmod_quiet() {
	rmmod xfrm_vpe 2>/dev/null
}

with() {
	defer unwrap "$2"
	"$@"
}

# ESP's use of the cipher
esp() {
	cipher='rfc4106(gcm(aes))'
	entropy "$@"
}

backlog_grow
topo_wire || skip_all "no namespaces"
modprobe -nq pcrypt || skip_all "this kernel has no pcrypt"
ktap_plan 9 8
ktap_more "IPv4 traffic" with traffic pcrypt 4
ktap_more "IPv6 traffic" with traffic pcrypt 6
ktap_more "IPv6 traffic in UDP" udp with traffic pcrypt 6
ktap_more "ESP with entropy: IPv4 traffic" esp with traffic pcrypt 4
ktap_more "ESP with entropy: IPv4 traffic, transport mode" transport esp with traffic pcrypt 4
ktap_more "ESP with entropy: SAs deleted" esp with deletion pcrypt
ktap_test "SAs deleted" with deletion pcrypt
ktap_more "namespaces deleted" with teardown pcrypt
ktap_more "module unloaded" with unload pcrypt
ktap_finish
