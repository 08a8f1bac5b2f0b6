#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is refused, each with the sentence that says why, whichever ip asks; and
# nothing is left of it.
. "$(dirname "$0")/lib.sh"

ESP_XFLAG=0x10000000	# entropy
SALT=4

# add IP ARG...: an SA as everybody wants it, but for ARG...; mode, cipher and
# flags among them replace its own
add() {
	local ip=$1 id=() mode=(mode tunnel) cipher=(aead "$AEAD" "$KEY" 128)
	local rest=() flags=0x80000000 proto=vpe
	shift

	[ $ip = ip ] || proto=esp
	while [ $# -gt 0 ]; do
		case $1 in
		proto) proto=$2; shift 2 ;;
		mode) mode=(mode "$2"); shift 2 ;;
		aead) cipher=("${@:1:4}"); shift 4 ;;
		auth) cipher=("${@:1:6}"); shift 6 ;;
		xflag) flags=$2; shift 2 ;;
		*) rest+=("$1"); shift ;;
		esac
	done
	[ ${#id[@]} -gt 0 ] || id=(src 10.0.0.1 dst 10.0.0.2)
	[ $proto = vpe ] || rest+=(extra-flag $flags)
	$ip -n "$HV1" xfrm state add "${id[@]}" proto $proto spi 0x2000 \
		reqid 1 "${mode[@]}" "${cipher[@]}" "${rest[@]}"
}

nothing_left() {
	local state
	state=$(ip -n "$HV1" xfrm state)
	[ -z "$state" ] || fail "left: $state"
	[ "$(vpe_total "$HV1" sas)" = 0 ] || fail "an SA is left"
	[ "$(vpe_total "$HV1" contexts)" = 0 ] || fail "a key context is left"
	[ "$(cat /sys/module/xfrm_vpe/refcnt)" = "$refcnt" ] ||
		fail "references to the module: $(cat /sys/module/xfrm_vpe/refcnt)"
}

# says SENTENCE COMMAND...: COMMAND fails with that sentence of the kernel
says() {
	local sentence=$1
	shift

	"$@" >"$TMP/said" 2>&1 && fail "accepted: $*"
	grep -qxF "Error: $sentence." "$TMP/said" ||
		fail "'$sentence' expected of '$*', got: $(<"$TMP/said")"
}

# refused SENTENCE ARG...: by both programs
refused() {
	local sentence=$1 ip
	shift

	for ip in ip ip-stock; do
		[ "$(type -t $ip)" ] || continue
		KEY=$(random_key ${KEY_BYTES:-16})
		says "$sentence" add $ip "$@"
	done
	nothing_left
}

# flag_refused SENTENCE FLAGS: as a number
flag_refused() {
	KEY=$(random_key 16)
	says "$1" add ip proto esp xflag $2
	[ -z "$(type -t ip-stock)" ] || says "$1" add ip-stock xflag $2
	nothing_left
}

# option_refused SENTENCE OPTION...: as the patched ip names it
option_refused() {
	local sentence=$1
	shift
	KEY=$(random_key 16)
	says "$sentence" add ip "$@"
	nothing_left
}

salted() {
	local bytes
	for bytes in 16 24 32; do
		refused "VPE: the key must come without salt, so that the SA can never run as ESP" \
			aead "$AEAD" "$(random_key $((bytes + SALT)))" 128
	done
}

odd_keys() {
	local bytes
	for bytes in 1 8 15 17 23 25 31 33 40 64; do
		refused "VPE: the key must have 16, 24 or 32 bytes" \
			aead "$AEAD" "$(random_key $bytes)" 128
	done
}

icv() {
	local bits
	for bits in 64 96; do
		refused "VPE: the ICV must have 128 bits" aead "$AEAD" "$(random_key 16)" $bits
	done
}

other_aeads() {
	local ours='rfc4106(gcm(aes)) or rfc7539esp(chacha20,poly1305)'

	refused "VPE: the cipher must be $ours" aead 'rfc4543(gcm(aes))' "$(random_key 20)" 128
	refused "VPE: the cipher must be $ours" aead 'rfc4309(ccm(aes))' "$(random_key 19)" 128
}

chacha_keys() {
	local chacha='rfc7539esp(chacha20,poly1305)' bytes

	refused "VPE: the key must come without salt, so that the SA can never run as ESP" \
		aead $chacha "$(random_key 36)" 128
	for bytes in 16 24; do
		refused "VPE: a key of ChaCha20-Poly1305 must have 32 bytes" \
			aead $chacha "$(random_key $bytes)" 128
	done
}

not_aead() {
	refused "VPE: needs an AEAD, as rfc4106(gcm(aes))" \
		auth 'hmac(sha256)' "$(random_key 32)" enc 'cbc(aes)' "$(random_key 16)"
}

unknown_flags() {
	local bit
	for bit in 2 3 4 5 6 7 24 25 26 27; do
		flag_refused "VPE: unknown extra flag" \
			"$(printf '%#x' $((0x80000000 | 1 << bit)))"
	done
}

entropy() {
	flag_refused "VPE: entropy needs encap (UDP), or an IPv6 outer header for its label" \
		0x90000000
	option_refused "VPE: entropy needs encap (UDP), or an IPv6 outer header for its label" \
		entropy
	option_refused "VPE: entropy needs the source port 0, all packets share another" \
		entropy encap espinudp 4500 4500 0.0.0.0
}

# esp_refused SENTENCE ARG...: ESP with entropy, by both programs
esp_refused() {
	KEY_BYTES=20 refused "$1" proto esp xflag $ESP_XFLAG "${@:2}"
}

# too_much_padding: to $too_much what is said of it; late kernels say it of ESP, too
too_much_padding() {
	too_much="VPE: padding to send (tfcpad) is to 65535 bytes at most"
	if ip -n "$HV1" xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi 0x7001 mode tunnel \
		aead "$AEAD" "$(random_key 20)" 128 tfcpad 65536 2>"$TMP/said"; then
		run ip -n "$HV1" xfrm state delete dst ${OUTER[42]} proto esp spi 0x7001
	else
		too_much=$(sed -n 's/^Error: \(.*\)\.$/\1/p' "$TMP/said")
	fi
}

esp_entropy() {
	local chacha='rfc7539esp(chacha20,poly1305)' bits udp=(encap espinudp 0 4500 0.0.0.0)

	esp_refused "VPE: entropy needs encap (UDP), or an IPv6 outer header for its label"
	esp_refused "VPE: entropy needs the source port 0, all packets share another" \
		encap espinudp 4500 4500 0.0.0.0
	esp_refused "VPE: encap needs a destination port" encap espinudp 0 0 0.0.0.0
	esp_refused "VPE: the encapsulation must be espinudp" encap espintcp 0 4500 0.0.0.0
	for bits in 0x50000000 0x30000000 0x10000100; do
		esp_refused "VPE: layout, group and Sender ID are for VPE, not for ESP" \
			xflag $bits "${udp[@]}"
	done
	for bits in 0x11000000 0x10000004; do
		esp_refused "VPE: unknown extra flag" xflag $bits "${udp[@]}"
	done
	esp_refused "VPE: sequence numbers never wrap, OSEQ_MAY_WRAP is refused" \
		xflag 0x10000002 "${udp[@]}"
	esp_refused "VPE: the mode must be tunnel or transport" mode beet "${udp[@]}"
	too_much_padding
	esp_refused "$too_much" tfcpad 65536 "${udp[@]}"
	esp_refused "VPE: needs an AEAD, as rfc4106(gcm(aes))" \
		auth 'hmac(sha256)' "$(random_key 32)" enc 'cbc(aes)' "$(random_key 16)" "${udp[@]}"
	esp_refused "VPE: the cipher must be rfc4106(gcm(aes)) or rfc7539esp(chacha20,poly1305)" \
		aead 'rfc4543(gcm(aes))' "$(random_key 20)" 128 "${udp[@]}"
	esp_refused "VPE: the key of an ESP SA must have 20, 28 or 36 bytes, salt included" \
		aead "$AEAD" "$(random_key 16)" 128 "${udp[@]}"
	esp_refused "VPE: a key of ChaCha20-Poly1305 must have 36 bytes, salt included" \
		aead "$chacha" "$(random_key 20)" 128 "${udp[@]}"
}

sender_id() {
	local bit
	for bit in 8 15 23; do
		flag_refused "VPE: the Sender ID of a unicast SA is 0" \
			"$(printf '%#x' $((0x80000000 | 1 << bit)))"
	done
	option_refused "VPE: the Sender ID of a unicast SA is 0" sender-id 7
}

group() {
	flag_refused "VPE: the destination of a group is a multicast address" 0xa0000000
	option_refused "VPE: the destination of a group is a multicast address" group
}

modes() {
	refused "VPE: the mode must be tunnel or transport" mode beet
	says "VPE: the mode must be tunnel or transport" by_hand 6 --mode ro
	nothing_left
	says "Requested mode not found" by_hand 4 --mode ro
	nothing_left
	if kernel_from 6.14; then
		says "VPE: the mode must be tunnel or transport" by_hand 4 --mode iptfs --dir out
		says "VPE: the mode must be tunnel or transport" by_hand 6 --mode iptfs --dir in
	else
		says "Unsupported mode" by_hand 4 --mode iptfs
	fi
	nothing_left
}

# by_hand OUTER-FAMILY OPTION...: an SA that no ip at hand can ask for
by_hand() {
	ns_exec "$HV1" python3 "$lib_dir/tools/sa.py" "${@:2}" ${OUTER[${1}1]} ${OUTER[${1}2]} \
		0x2000 "$(random_key 16)"
}

# In kernels from 6.13 on
one_cpu() {
	kernel_from 6.13 || skip "this kernel has no SAs of one CPU"
	says "VPE: an SA of one CPU makes no sense, all CPUs share one" \
		by_hand 4 --pcpu 1 --dir out
	nothing_left
}

# By the kernel, whatever the device; the SA was made by then.
offload() {
	local sentence="Type doesn't support offload" dev dir stock

	! grep -qw xfrm_set_type_offload /proc/kallsyms ||
		sentence="TFC padding can't be offloaded"
	for dev in lo eth0 "$@"; do
		for dir in in out; do
			KEY=$(random_key 16)
			says "$sentence" add ip offload dev $dev dir $dir
			[ -z "$(type -t ip-stock)" ] ||
				says "$sentence" add ip-stock offload dev $dev dir $dir
		done
	done
	slowwait unreferenced
	nothing_left
	# What the refusal takes does not stay.
	KEY=$(random_key 16)
	run add ip
	stock=$(type -P ip-stock) || stock=ip
	! $stock -n "$HV1" xfrm state | grep tfcpad || fail "padding is left"
	xfrm_flush
	slowwait unreferenced
}

# A device that takes any SA: it must not have been asked.
offload_device() {
	local dev had has sas=/sys/kernel/debug/netdevsim/netdevsim1/ports/0/ipsec

	modprobe -q netdevsim || skip "no netdevsim"
	defer modprobe -r netdevsim
	[ -d /sys/kernel/debug/netdevsim ] || run mount -t debugfs debugfs /sys/kernel/debug
	ns_exec "$HV1" sh -c 'echo 1 1 >/sys/bus/netdevsim/new_device' || fail "no device"
	defer sh -c 'echo 1 >/sys/bus/netdevsim/del_device'
	# the newest
	dev=$(ip -n "$HV1" -j link | jq -r 'max_by(.ifindex).ifname')
	run ip -n "$HV1" link set "$dev" up
	had=$(<$sas)
	offload "$dev"
	has=$(<$sas)
	[ "$had" = "$has" ] || fail "the device has: $has"
	# ESP's it takes.
	run ip -n "$HV1" xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x2000 \
		reqid 1 mode tunnel aead "$AEAD" "$(random_key $((16 + SALT)))" 128 \
		offload dev "$dev" dir out
	[ "$had" != "$(<$sas)" ] || fail "the device took nothing: $had"
	xfrm_flush
}

# Bit 31 is VPE's with ESP only: AH and IPComp stay what they are, or the kernel
# has none.
other_protocols() {
	local protos=0 ip

	for ip in ip ip-stock; do
		[ "$(type -t $ip)" ] || continue
		classic $ip ah 'auth hmac(sha256) 0x00112233445566778899aabbccddeeff'
		classic $ip comp 'comp deflate'
	done
	[ $protos -gt 0 ] || skip "this kernel has neither AH nor IPComp"
}

# classic IP PROTO ALGORITHM
classic() {
	local algorithm

	read -ra algorithm <<<"$3"
	$1 -n "$HV1" xfrm state add src 10.0.0.1 dst 10.0.0.2 proto $2 spi 0x2000 reqid 1 \
		mode tunnel "${algorithm[@]}" extra-flag 0x80000000 2>"$TMP/said" || return
	protos=$((protos + 1))
	[ "$(vpe_total "$HV1" sas)" = 0 ] || fail "$2 became VPE"
	ip -n "$HV1" xfrm state | grep -q "proto $2" ||
		fail "not $2: $(ip -n "$HV1" xfrm state)"
	[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ] || fail "$2 holds the module"
	run ip -n "$HV1" xfrm state flush
	nothing_left
}

encap() {
	refused "VPE: encap needs a destination port" encap espinudp 4500 0 0.0.0.0
	refused "VPE: the encapsulation must be espinudp" encap espintcp 4500 4500 0.0.0.0
}

tfcpad() {
	too_much_padding
	refused "$too_much" tfcpad 65536
	refused "$too_much" tfcpad 4294967295
}

may_wrap() {
	flag_refused "VPE: sequence numbers never wrap, OSEQ_MAY_WRAP is refused" 0x80000002
	option_refused "VPE: sequence numbers never wrap, OSEQ_MAY_WRAP is refused" \
		extra-flag oseq-may-wrap
}

# One key, one SA
key_in_use() {
	local taken="VPE: another SA of this namespace holds this key" ns ip=(ip -n "$HV1")

	KEY=$(random_key 16)
	sas 4
	for ns in "$HV1" "$HV2"; do
		says "$taken" sa_add "$ns" 4 1 2 0x3000 "$KEY12"
		says "$taken" sa_add "$ns" 4 2 1 0x3000 "$KEY12"
		says "$taken" sa_add "$ns" 6 1 2 $SPI12 "$KEY12"
		says "$taken" sa_add "$ns" 4 1 2 0x3000 "$KEY21"
		[ -z "$(type -t ip-stock)" ] ||
			IP=ip-stock says "$taken" sa_add "$ns" 4 1 2 0x3000 "$KEY12"
	done
	[ "$(vpe_total "$HV1" sas)" = 2 ] || fail "SAs: $(vpe_total "$HV1" sas)"
	# and the holder works on
	policies 4 4
	ping_ok "$HV1" 1 56 ${INNER[42]}
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
	# Its key is free when it is gone.
	run "${ip[@]}" xfrm state flush
	run "${ip[@]}" xfrm policy flush
	slowwait no_context
	run sa_add "$HV1" 4 1 2 0x3000 "$KEY12"
	xfrm_flush
	slowwait no_context
	nothing_left
}

no_context() {
	[ "$(vpe_total "$HV1" contexts)" = 0 ]
}

unset_clock() {
	local offset

	# between the clock and time since boot, milliseconds
	offset=$((${EPOCHREALTIME/[.,]/} / 1000 - $(now_ms)))
	defer set_clock $offset
	run date -s @1577836800 >/dev/null	# 2020
	refused "VPE: the clock is not set (before 2024), sequence numbers could repeat"
	run date -s @1704067100 >/dev/null
	refused "VPE: the clock is not set (before 2024), sequence numbers could repeat"
	set_clock $offset
	KEY=$(random_key 16)
	run add ip
	xfrm_flush
	slowwait no_context
}

# A little ahead, so that no time is seen twice
set_clock() {
	local ms=$(($1 + $(now_ms) + 500))
	date -s @$((ms / 1000 + 1)) >/dev/null
}

# The module stays while an SA is there, classic ones do not hold it.
unloading() {
	KEY=$(random_key 16)
	run add ip
	rmmod xfrm_vpe >"$TMP/said" 2>&1 && fail "unloaded under an SA"
	grep -q "in use" "$TMP/said" || fail "rmmod: $(<"$TMP/said")"
	xfrm_flush
	slowwait no_context
	run ip -n "$HV1" xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x2000 \
		reqid 1 mode tunnel aead "$AEAD" "$(random_key $((16 + SALT)))" 128
	run rmmod xfrm_vpe
	esp_refuses "$AEAD" 16 24 32
	esp_refuses 'rfc7539esp(chacha20,poly1305)' 16 24 32
	run module_load
	xfrm_flush
	nothing_left
}

# esp_refuses CIPHER BYTES...: without the module the keys of VPE make no ESP SA.
# (Our ip would have it loaded.)
esp_refuses() {
	local bytes

	[ -n "$(type -t ip-stock)" ] || return 0
	for bytes in "${@:2}"; do
		ip-stock -n "$HV1" xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x2001 \
			reqid 1 mode tunnel aead "$1" "$(random_key $bytes)" 128 \
			extra-flag 0x80000000 2>"$TMP/said" && fail "ESP takes $bytes bytes for $1"
	done
	module_loaded && fail "the module is loaded"
	return 0
}

# An update of an SA is the same SA: key context, numbers and windows go on.
update() {
	local before after

	tunnel 4 4
	ping_ok "$HV1" 2 56 ${INNER[42]}
	before=$(context "$HV1") || fail "no context"
	run ip -n "$HV1" xfrm state update src ${OUTER[41]} dst ${OUTER[42]} proto vpe \
		spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128 flag af-unspec \
		limit packet-soft 1000000
	run ip -n "$HV2" xfrm state update src ${OUTER[41]} dst ${OUTER[42]} proto vpe \
		spi $SPI12 reqid 1 mode tunnel aead "$AEAD" "$KEY12" 128 flag af-unspec
	after=$(context "$HV1") || fail "no context"
	[ "$before" = "$after" ] || fail "before: $before; after: $after"
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
	xfrm_flush
}

# context NS: number and first sequence number
context() {
	local json
	json=$(ip -n "$1" -j xfrm vpe show spi $SPI12)
	[[ $json =~ \"context\":([0-9]+),\"first-seq\":([0-9]+) ]] || return
	echo "${BASH_REMATCH[*]:1}"
}

# Adding once more fails as it does for ESP, and does no harm.
duplicate() {
	tunnel 4 4
	ping_ok "$HV1" 2 56 ${INNER[42]}
	sa_add "$HV1" 4 1 2 $SPI12 "$KEY12" flag af-unspec 2>"$TMP/said" && fail "accepted"
	grep -q "File exists" "$TMP/said" || fail "said: $(<"$TMP/said")"
	sa_add "$HV1" 4 1 2 $SPI12 "$(random_key 16)" 2>"$TMP/said" && fail "accepted"
	grep -q "File exists" "$TMP/said" || fail "said: $(<"$TMP/said")"
	slowwait two_contexts
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]}
	carried 3 3
	xfrm_flush
	slowwait no_context
	nothing_left
}

two_contexts() {
	[ "$(vpe_total "$HV1" contexts)" = 2 ]
}

topo_wire || skip_all "no namespaces"
# What tests before have deleted is destroyed a little later.
unreferenced() {
	[ "$(</sys/module/xfrm_vpe/refcnt)" = 0 ]
}
slowwait unreferenced
refcnt=0
ktap_plan 24
ktap_test "salted keys" salted
ktap_test "other key sizes" odd_keys
ktap_test "short ICVs" icv
ktap_test "other AEADs" other_aeads
ktap_test "keys of ChaCha20-Poly1305" chacha_keys
ktap_test "no AEAD" not_aead
ktap_test "unknown flags" unknown_flags
ktap_test "entropy" entropy
ktap_test "entropy without VPE" esp_entropy
ktap_test "Sender ID" sender_id
ktap_test "group" group
ktap_test "other modes" modes
ktap_test "one CPU" one_cpu
ktap_test "hardware offload" offload
ktap_test "hardware offload, a device that would" offload_device
ktap_test "AH, IPComp" other_protocols
ktap_test "UDP" encap
ktap_test "tfcpad" tfcpad
ktap_test "oseq-may-wrap" may_wrap
ktap_test "key in use" key_in_use
ktap_test "clock not set" unset_clock
ktap_test "unloading" unloading
ktap_test "update" update
ktap_test "duplicate" duplicate
ktap_finish
