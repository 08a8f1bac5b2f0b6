# SPDX-License-Identifier: GPL-2.0
#
# For people; kbuild reads Kbuild. "make help" tells what there is.

KDIR ?= /lib/modules/$(shell uname -r)/build
T ?=
K ?=
F ?=
export PATH := $(PATH):/usr/sbin:/sbin

# What the kernel must have been built with
needs := 64BIT MODULES NET INET IPV6 NETFILTER XFRM XFRM_USER INET_ESP INET6_ESP \
	 CRYPTO_AEAD CRYPTO_GCM GRO_CELLS
# The oldest kernel that has what the module hooks into
oldest := 6.1

jobs := $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
kbuild = $(MAKE) $(jobs) --no-print-directory -C $(KDIR) M=$(CURDIR) VPE_TEST_MODULES=
objects := *.o *.ko *.mod *.mod.c .*.cmd .*.d Module.symvers modules.order \
	   .module-common.o .tmp_versions

all: module

module: check-kdir
	@$(kbuild) modules
	@echo "Built: $(CURDIR)/xfrm_vpe.ko"

# One sentence for what is missing, instead of a page of errors.
check-kdir:
	@conf=$(KDIR)/include/config; \
	stop() { echo "make: $$1." >&2; exit 1; }; \
	command -v gcc >/dev/null || stop "There is no compiler: install the package gcc"; \
	[ -d $(KDIR) ] || \
		stop "No kernel headers in $(KDIR): install linux-headers-$$(uname -r), or name the directory of others as KDIR"; \
	[ -e $$conf/auto.conf ] && [ -e $$conf/kernel.release ] || \
		stop "The kernel in $(KDIR) is not prepared for modules (no include/config/auto.conf): make modules_prepare there"; \
	release=$$(cat $$conf/kernel.release); \
	printf '%s\n' $(oldest) $${release%%-*} | sort -VC || \
		stop "Kernel $$release is too old: $(oldest) is the oldest supported"; \
	for c in $(needs); do \
		grep -q "^CONFIG_$$c=[ym]$$" $$conf/auto.conf || \
			stop "Kernel $$release was built without CONFIG_$$c, which xfrm_vpe needs"; \
	done

# Signing is left to whoever has a key (dkms does it).
modules_install: module
	@header=$(KDIR)/include/generated/utsrelease.h; \
	release=$$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $$header); \
	to="$(INSTALL_MOD_PATH)/lib/modules/$$release/updates/xfrm_vpe.ko"; \
	install -D -m 644 xfrm_vpe.ko "$$to" && \
	depmod $(if $(INSTALL_MOD_PATH),-b "$(INSTALL_MOD_PATH)") $$release && \
	echo "Installed: $$to"

ip:
	@dir=$$(iproute2-patch/build | tail -n1) && [ -n "$$dir" ] && \
	echo "The ip that knows VPE:  $$dir/ip" && \
	echo "Its manual page:        man $$dir/ip-xfrm.8" && \
	echo "Its completion in bash: . $$dir/ip-xfrm.bash"

# Where Wireshark and tshark look for a user's own plugins
PLUGINDIR ?= $(HOME)/.local/lib/wireshark/plugins

tools:
	@$(MAKE) --no-print-directory -C tools O=$(CURDIR)/build && \
	echo "Built: $(CURDIR)/build/vpe-top"

install-tools:
	@install -D -m 644 -t "$(DESTDIR)$(PLUGINDIR)" tools/wireshark/*.lua && \
	echo "Installed: vpe.lua, vpe_aead.lua in $(DESTDIR)$(PLUGINDIR)" && \
	{ command -v wireshark || command -v tshark || \
		echo "Wireshark is not installed yet: 4.0 and later will find them there." >&2; } >/dev/null

demo:
	@demo/run

demo-fabric:
	@demo/fabric/run $(if $(K),-k '$(K)') $(if $(F),-f '$(F)')

demo-qos:
	@demo/qos/run $(if $(K),-k '$(K)')

bench:
	@selftests/bench/run $(if $(K),-k '$(K)') $(B)

check:
	@selftests/check $(if $(T),-t '$(T)') $(if $(K),-k '$(K)')

check-long:
	@selftests/check --long $(if $(T),-t '$(T)')

mutants:
	@selftests/vm/setup && selftests/mutants $(T)

clean:
	@find . \( -path ./.git -o -path ./build \) -prune -o \
		\( $(patsubst %,-name '%' -o,$(objects)) -false \) -exec rm -rf {} +
	@rm -rf build
	@echo "Cleaned. Downloads, kernels and ip are kept in $${XDG_CACHE_HOME:-$$HOME/.cache}/xfrm_vpe."

help:
	@echo 'See and test it (nothing is loaded into this machine'"'"'s own kernel):'
	@echo '  make demo              VXLAN between two hosts as ESP, then as VPE, in an'
	@echo '                         emulated machine: 1 minute, the first time 6'
	@echo '  make demo-fabric       a leaf-spine fabric: which of its links VXLAN, GENEVE'
	@echo '                         and GUE fill, plain, as ESP, as VPE; a table and a'
	@echo '                         picture: 2 minutes (K=KERNEL, F=6: over IPv6)'
	@echo '  make demo-qos          a congested link that sends a priority first: what'
	@echo '                         replay windows drop, in ESP and in VPE; a table and'
	@echo '                         a picture: 2 minutes (K=KERNEL)'
	@echo '  make check             all tests on all kernels: 30 minutes, the first'
	@echo '                         time up to an hour'
	@echo '  make check T=NAME      one test: families, unit, style, dissect, demo, ...'
	@echo '  make check K=KERNEL    one kernel: 6.1, 6.12, 7.3 or debug; goes with T='
	@echo '  make check-long        what takes longer; begun again, it goes on'
	@echo '  make check-long T=PART'
	@echo '  make mutants           the code with one guard removed after the other: a'
	@echo '                         test fails; half an hour, begun again, it goes on'
	@echo '  make bench             instructions that a packet costs in VPE, in ESP and in'
	@echo '                         WireGuard: 15 minutes (K=KERNEL, B=CASE)'
	@echo
	@echo 'Use it:'
	@echo '  make                   xfrm_vpe.ko for the running kernel'
	@echo '  make KDIR=DIR          for the kernel whose headers are in DIR'
	@echo '  make modules_install   installs it, so that "modprobe xfrm_vpe" works;'
	@echo '                         below INSTALL_MOD_PATH, where that is given'
	@echo '  make ip                builds the ip that knows VPE, and says where it is'
	@echo '  make tools             build/vpe-top: windows by rate, refreshed'
	@echo '  make install-tools     dissectors for Wireshark and tshark, into PLUGINDIR,'
	@echo '                         or ~/.local/lib/wireshark/plugins'
	@echo '  make clean             removes what was built here'
	@echo
	@echo 'README says more.'

.PHONY: all module check-kdir modules_install ip tools install-tools demo demo-fabric demo-qos bench check check-long mutants clean help
