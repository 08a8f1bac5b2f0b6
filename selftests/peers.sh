#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of xfrm with VPE in ESP's place: what they tell ip of
# SAs is changed on its way (see vpe_ip), ipsec.c by peers/ipsec.patch. The runner
# brings them in (vm/kselftests), else VPE_KSELFTESTS names their directory.
#
# VPE_PEERS names what is run besides because it takes minutes: xfrm_state,
# xfrm_policy.
. "$(dirname "$0")/lib.sh"

kselftests=${VPE_KSELFTESTS:-$lib_dir/../build/kselftests}
tracing=/sys/kernel/tracing/instances/peers

##############################################################################
# For the kernel's tests, which find these functions in their environment

# ip before 6.11 knows the direction of an offload, not of an SA.
dir_known=''
! ip xfrm state help 2>&1 | grep -v offload | grep -qw dir || dir_known=1

# vpe_sa ARG...: what follows "ip xfrm state add", of a VPE SA instead; to
# $vpe_args. These tests use one key for many SAs, VPE wants one for each: it is
# made of what names the SA, and so is the same at both ends.
vpe_sa() {
	local src='' dst='' spi='' sum

	vpe_args=()
	while [ $# -gt 0 ]; do
		case $1 in
		enc | auth) shift 2 ;;
		aead | auth-trunc) shift 3 ;;
		replay-oseq) shift ;;
		proto) vpe_args+=(proto vpe); shift ;;
		dir) [ -z "$dir_known" ] || vpe_args+=(dir "$2"); shift ;;
		src) src=${src:-$2}; vpe_args+=(src) ;;
		dst) dst=${dst:-$2}; vpe_args+=(dst) ;;
		spi) spi=$2; vpe_args+=(spi) ;;
		*) vpe_args+=("$1") ;;
		esac
		shift
	done
	sum=$(md5sum <<<"$src $dst $spi")
	vpe_args+=(aead 'rfc4106(gcm(aes))' "0x${sum%% *}" 128)
	echo "${vpe_args[*]}" >>"$vpe_made"
}

# vpe_ip ARG...: what the tests call as ip
vpe_ip() {
	local IFS=$' \t\n' i args=("$@") vpe_args

	for ((i = 0; i + 3 < $#; i++)); do
		[[ ${args[*]:i:3} =~ ^(xfrm state add|x s add)$ ]] || continue
		vpe_sa "${args[@]:i + 3}"
		set -- "${args[@]:0:i + 3}" "${vpe_args[@]}"
		break
	done
	command ip "$@"
}

##############################################################################

trace_start() {
	[ -d $tracing ] || run mkdir $tracing
	echo >$tracing/trace
	echo 1 >$tracing/events/vpe/enable
	defer sh -c "echo 0 >$tracing/events/vpe/enable"
}

# trace_count EVENT
trace_count() {
	grep -c " $1: " $tracing/trace
}

# as_vpe COMMAND...: a test of the kernel, in its directory
as_vpe() (
	ip() { vpe_ip "$@"; }
	which() { command -v "$1"; }
	export -f ip which vpe_ip vpe_sa
	export dir_known vpe_made="$TMP/made" VERBOSE=0
	cd "$TMP/net" && "$@"
)

# peer PACKETS COMMAND...: it passes, and so many packets go by VPE
peer() {
	local least=$1 status=0 accepted
	shift

	rm -f "$TMP/made"
	trace_start
	as_vpe "$@" >"$TMP/peer" 2>&1 || status=$?
	cat "$TMP/peer"
	accepted=$(trace_count vpe_accept)
	echo "VPE: $(trace_count vpe_send) sent, $accepted accepted, $(trace_count vpe_drop) dropped"
	[ $status = 0 ] || fail "exit status $status"
	grep -qE '^ok|PASS|\[ OK' "$TMP/peer" || fail "nothing passed"
	! grep -E '^not ok|FAIL' "$TMP/peer" || fail "not all passed"
	[ "$accepted" -ge "$least" ] || fail "$accepted packets came by VPE, not $least"
	[ "$least" -gt 0 ] || grep -q 'proto vpe' "$TMP/made" || fail "no SA was made VPE"
}

# verdicts FILE
verdicts() {
	grep -E 'PASS|FAIL|SKIP|\[ OK' "$1"
}

# like_esp PACKETS COMMAND...: for tests that older kernels do not pass with ESP,
# either: the same verdicts, and so many packets go by VPE
like_esp() {
	local accepted
	trace_start
	(cd "$TMP/esp" && VERBOSE=0 "${@:2}") >"$TMP/esp.out" 2>&1 &
	as_vpe "${@:2}" >"$TMP/peer" 2>&1
	wait $!
	cat "$TMP/peer"
	accepted=$(trace_count vpe_accept)
	verdicts "$TMP/esp.out" >"$TMP/esp.verdicts"
	verdicts "$TMP/peer" >"$TMP/peer.verdicts"
	diff "$TMP/esp.verdicts" "$TMP/peer.verdicts" || fail "not as with ESP"
	grep -q PASS "$TMP/peer.verdicts" || fail "nothing passed"
	[ "$accepted" -ge "$1" ] || fail "$accepted packets came by VPE, not $1"
}

[ -e "$kselftests/ipsec" ] || skip_all "needs the kernel's own tests"
cp -r "$kselftests" "$TMP/net"
cp -r "$kselftests" "$TMP/esp"
[ -n "$dir_known" ] || sed -i -E 's/ dir (in|out)$//' "$TMP/esp/xfrm_state.sh"
# What VPE adds
sed -i 's/vti_mtu - 4 .*))/vti_mtu - 32))/' "$TMP/net/pmtu.sh"
# IPv6 packets of up to 1280 bytes always pass (RFC 2473, 7.1): VPE tells no less.
sed -i 's/mtu=1230/mtu=1280/' "$TMP/net/xfrm_state.sh"

# shellcheck disable=SC2206	# words
tests=(ipsec vrf l2tp rtnetlink pmtu ${VPE_PEERS-})
ktap_plan ${#tests[@]}
for t in "${tests[@]}"; do
	case $t in
	ipsec) ktap_test ipsec.c peer 72 ./ipsec ;;
	vrf) ktap_test vrf-xfrm-tests.sh peer 16 ./vrf-xfrm-tests.sh ;;
	l2tp) ktap_test l2tp.sh peer 16 ./l2tp.sh ;;
	rtnetlink) ktap_test rtnetlink.sh peer 0 ./rtnetlink.sh -t kci_test_ipsec ;;
	pmtu) ktap_test pmtu.sh peer 1 ./pmtu.sh pmtu_vti{4,6}_exception ;;
	xfrm_state) ktap_test xfrm_state.sh like_esp 20 ./xfrm_state.sh ;;
	xfrm_policy) ktap_test xfrm_policy.sh like_esp 20 ./xfrm_policy.sh ;;
	esac
done
ktap_finish
