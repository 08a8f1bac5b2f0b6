#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads vpe_kunit.ko, whose tests run at once, and prints what they said as
# KTAP. Exit status 4: this kernel has no KUnit.
set -u
suites='vpe_header vpe_window vpe_context vpe_aead'

skip() { echo "1..0 # SKIP $*"; exit 4; }
die() { echo "Bail out! $*"; exit 1; }

[ ! -d /sys/module/vpe_kunit ] || rmmod vpe_kunit
# off by default in some kernels; as a module it can be loaded switched on
modprobe -qr kunit
modprobe -q kunit enable=1 autorun=1
[ -d /sys/module/kunit ] || skip "this kernel has no KUnit"
# asynchronous ciphers on demand
modprobe -aq cryptd pcrypt

mark="vpe_kunit.sh: $$ $(date +%s%N)"
echo "$mark" >/dev/kmsg
if [ -e "${VPE_BUILD:-}/vpe_kunit.ko" ]; then
	insmod "$VPE_BUILD/vpe_kunit.ko" || die "vpe_kunit.ko cannot be loaded"
else
	modprobe vpe_kunit || die "no module vpe_kunit"
fi

# The log's own lines only: other parts of the kernel may talk in between.
said=$(dmesg | sed -n "/$mark/,\$p")
rmmod vpe_kunit
if grep -q 'kunit: disabled$' <<<"$said"; then
	skip "KUnit is switched off: boot with kunit.enable=1"
fi
log=$(sed -nE 's/^\[[^]]*\]( ?\[[^]]*\])? //; /^ *(KTAP version|1\.\.[0-9]|(not )?ok [0-9]|#)/p' <<<"$said")
printf '%s\n' "$log"

failed=0
for suite in $suites; do
	if ! grep -qE "^ok [0-9]+ $suite( |$)" <<<"$log"; then
		echo "# $suite failed, or did not run"
		failed=1
	fi
done
if grep -qE '^ *not ok ' <<<"$log"; then failed=1; fi
exit $failed
