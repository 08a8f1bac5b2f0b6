/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Key contexts: all that must not start afresh while a key is in use, that is
 * its sequence counters and its replay windows.
 */
#ifndef _VPE_CONTEXT_H
#define _VPE_CONTEXT_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "window.h"

#define VPE_CONTEXT_WINDOWS_MAX	65536		/* receive windows of one SA */
#define VPE_NET_WINDOWS_MAX	1048576		/* of one namespace, default */
#define VPE_AHEAD_MAX		(24 * 3600 * 1000000000ULL)	/* nanoseconds */

/**
 * struct vpe_scope - a network namespace as key contexts see it
 * @windows: receive windows there are
 * @windows_max: bound of these, settable
 * @contexts: key contexts there are
 * @ahead_max: how far ahead of the clock a number from outside may be. All
 *	contexts of the host start above it afterwards: %VPE_AHEAD_MAX where the
 *	host does not trust the namespace, else U64_MAX
 */
struct vpe_scope {
	atomic_t	windows;
	u32		windows_max;
	atomic_t	contexts;
	u64		ahead_max;
};

/**
 * struct vpe_digest - keyed hash of a key's bytes
 * @word: 128 bits of it
 */
struct vpe_digest {
	u64		word[2];
};

/**
 * struct vpe_lane - the sequence counter of one CPU
 * @sent: numbers taken so far; written by its CPU only
 */
struct vpe_lane {
	u64		sent;
};

/**
 * struct vpe_context - counters and windows of one (namespace, key)
 * @first: number that each lane starts with; 0 while nothing was sent
 * @lanes: one counter for each possible CPU
 * @windows: replay windows by Sender ID << 16 | Window ID
 * @window_size: packets, for windows to be made
 * @nr_windows: entries of @windows, under its lock
 * @scope: the namespace
 * @digest: of the key
 * @id: number to show to users
 * @ref: holders; the last one out ends the sending claim
 * @claimed: this context may send under the key; under vpe_contexts_lock
 * @node: in vpe_contexts
 * @rcu: frees it
 *
 * What senders read for each packet stands first and is not written after the
 * first packet.
 */
struct vpe_context {
	u64			first;
	struct vpe_lane __percpu *lanes;
	struct xarray		windows;
	u32			window_size;
	u32			nr_windows;
	struct vpe_scope	*scope;
	struct vpe_digest	digest;
	u64			id;
	refcount_t		ref;
	bool			claimed;
	struct hlist_node	node;
	struct rcu_head		rcu;
};

/**
 * struct vpe_seq - numbers reserved for packets about to be sent
 * @seq: the first of them
 * @window: Sender ID << 16 | Window ID, host order
 */
struct vpe_seq {
	u64		seq;
	u32		window;
};

void vpe_contexts_init(void);
void vpe_contexts_exit(void);
bool vpe_clock_is_set(void);
void vpe_clock_sample(void);

struct vpe_context *vpe_context_get(struct vpe_scope *scope, const void *key,
				    unsigned int len);
void vpe_context_put(struct vpe_context *ctx);

int vpe_context_start(struct vpe_context *ctx, u64 last);
int vpe_context_reserve(struct vpe_context *ctx, unsigned int n,
			struct vpe_seq *seq);
u64 vpe_context_last(const struct vpe_context *ctx, unsigned int cpu);

struct vpe_window *vpe_context_window(struct vpe_context *ctx, u32 id);
enum vpe_verdict vpe_context_commit(struct vpe_context *ctx, u32 id, u64 seq,
				    struct vpe_window **wp);

/**
 * vpe_context_started - may vpe_context_reserve() be called?
 * @ctx: key context
 *
 * Return: true once vpe_context_start() has succeeded.
 */
static inline bool vpe_context_started(const struct vpe_context *ctx)
{
	/* Pairs with vpe_context_start(). */
	return smp_load_acquire(&ctx->first);
}

#endif /* _VPE_CONTEXT_H */
