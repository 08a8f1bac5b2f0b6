/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Namespaces for tests of key contexts, and numbers taken there.
 */
#ifndef _UNIT_CONTEXTS_H
#define _UNIT_CONTEXTS_H

#include <linux/rcupdate.h>

#include "../../vpe/context.h"
#include "shim.h"
#include "test.h"

#define NOW	1800000000000000000ULL	/* 2027 */
#define HOUR	(3600ULL * 1000000000ULL)

static struct vpe_scope here, there, untrusted;

static inline void load(void)
{
	here = (struct vpe_scope) {
		.windows_max = VPE_NET_WINDOWS_MAX,
		.context_max = VPE_CONTEXT_WINDOWS_MAX,
		.sender_max = VPE_SENDER_WINDOWS_MAX,
		.ahead_max = U64_MAX,
	};
	there = here;
	untrusted = here;
	untrusted.ahead_max = VPE_AHEAD_MAX;
	shim_real_ns = NOW;
	shim_boot_ns = HOUR;
	vpe_contexts_init();
}

static inline void unload(void)
{
	vpe_contexts_exit();
	expect_eq(atomic_read(&here.windows), 0);
	expect_eq(atomic_read(&here.contexts), 0);
	expect_eq(atomic_read(&there.contexts), 0);
	expect_eq(atomic_read(&untrusted.contexts), 0);
}

/* By that CPU, which is to use that window. */
static inline u64 reserve_by(struct vpe_context *ctx, unsigned int cpu, unsigned int n,
			     u32 flow, u32 window)
{
	struct vpe_seq seq = { .window = ~0u };

	shim_cpu = cpu;
	expect_eq(vpe_context_reserve(ctx, 0, flow, n, 0, &seq), 0);
	expect_eq(seq.window, window);
	expect_eq(shim_preempt_off, 0);
	return seq.seq;
}

static inline int reserve_error(struct vpe_context *ctx, unsigned int n)
{
	struct vpe_seq seq = { };

	return vpe_context_reserve(ctx, 0, 0, n, 0, &seq);
}

#endif /* _UNIT_CONTEXTS_H */
