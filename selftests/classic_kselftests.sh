#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of xfrm give the same results with and without the
# module. They are not in this repository: the runner brings them in (see
# vm/kselftests), else VPE_KSELFTESTS names the directory net of selftests.
#
# xfrm_policy.sh inserts policies in random order 100 times: on an emulated CPU
# both take up to 20 minutes, so give more than the limit in "settings":
# run -t 3600 classic_kselftests
. "$(dirname "$0")/lib.sh"

kselftests=${VPE_KSELFTESTS:-$lib_dir/../build/kselftests}

unload() {
	! module_loaded || rmmod xfrm_vpe 2>/dev/null
}

# verdicts FILE: what a test of the kernel had to say, without the times and the
# names that change
verdicts() {
	grep -E 'PASS|FAIL|SKIP|TEST:|\[ ' "$1" | sed -E 's/[a-z0-9]+-[A-Za-z0-9]{6}\>/NS/g'
}

# kernel_tests DIR: all of them at once; output and exit status to DIR
kernel_tests() {
	local t pids=()

	mkdir "$1"
	cp -r "$kselftests" "$1/net"
	# iproute2 before 6.11 knows the direction of an offload, not of an SA
	ip xfrm state help 2>&1 | grep -v offload | grep -qw dir ||
		sed -i -E 's/ dir (in|out)$//' "$1/net/xfrm_state.sh"
	for t in xfrm_policy xfrm_state; do
		(cd "$1/net" && timeout 1200 "./$t.sh" >"$1/$t.out" 2>&1
		 echo "exit status $?" >>"$1/$t.out") &
		pids+=($!)
	done
	wait "${pids[@]}"
	for t in xfrm_policy xfrm_state; do
		verdicts "$1/$t.out" >"$1/$t"
		tail -n1 "$1/$t.out" >>"$1/$t"
	done
}

kernels_own() {
	local t

	slowwait unload
	kernel_tests "$TMP/without"
	run module_load
	kernel_tests "$TMP/with"
	for t in xfrm_policy xfrm_state; do
		echo "$t: $(grep -cE 'PASS|\[ OK \]' "$TMP/with/$t") passed, $(tail -n1 "$TMP/with/$t")"
		diff "$TMP/without/$t" "$TMP/with/$t" || fail "$t: not the same results"
		grep -qE 'PASS|\[ OK \]' "$TMP/with/$t" || {
			tail -n5 "$TMP/with/$t.out"
			fail "$t: nothing passed"
		}
	done
}

[ -e "$kselftests/xfrm_policy.sh" ] || skip_all "needs the kernel's own tests"
ktap_plan 1
ktap_test "xfrm_policy.sh, xfrm_state.sh" kernels_own
ktap_finish
