#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of xfrm give the same results with and without the
# module. They are not in this repository: the runner brings them in (see
# vm/kselftests), else VPE_KSELFTESTS names the directory net of selftests.
#
# xfrm_policy.sh inserts policies in random order 100 times and sleeps up to 20
# seconds: on an emulated CPU that takes minutes. VPE_LONG=1 lets it; else it is
# run with 4 times and up to 5 seconds.
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
	[ -n "${VPE_LONG-}" ] ||
		sed -i 's/seq 50/seq 2/; s/RANDOM%5/RANDOM%2/' "$1/net/xfrm_policy.sh"
	for t in xfrm_policy xfrm_state; do
		(cd "$1/net" && timeout "${VPE_LONG:+1}200" "./$t.sh" >"$1/$t.out" 2>&1
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
