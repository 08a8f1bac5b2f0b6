/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Key contexts: all that must not start afresh while a key is in use, that is
 * its sequence counters and its replay windows.
 */
#ifndef _VPE_CONTEXT_H
#define _VPE_CONTEXT_H

#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "window.h"

#define VPE_CONTEXT_WINDOWS_MAX	65536		/* receive windows of one SA, default */
#define VPE_SENDER_WINDOWS_MAX	8192		/* of one Sender ID in a group, default */
#define VPE_NET_WINDOWS_MAX	1048576		/* of one namespace, default */
#define VPE_AHEAD_MAX		(24 * 3600 * 1000000000ULL)	/* nanoseconds */
#define VPE_CLASS_BITS		3		/* of a Window ID, for QoS */
#define VPE_CLASSES		8
#define VPE_LANES_DEFAULT	1024		/* of one SA that spreads */
#define VPE_LANES_MAX		8192		/* what Window IDs have room for */
#define VPE_LANES_PER_CPU_MAX	4096		/* what per-CPU memory allows */
#define VPE_PORT_FIRST		49152		/* of source ports (RFC 6335) */
#define VPE_PORT_MASK		0x3fff

/**
 * struct vpe_scope - a network namespace as key contexts see it
 * @windows: receive windows there are
 * @windows_max: bound of these, settable
 * @context_max: bound of the receive windows of one context, settable
 * @sender_max: of these, of one Sender ID in a group, settable
 * @contexts: key contexts there are
 * @ahead_max: how far ahead of the clock a number from outside may be. All
 *	contexts of the host start above it afterwards: %VPE_AHEAD_MAX where the
 *	host does not trust the namespace, else U64_MAX
 */
struct vpe_scope {
	atomic_t	windows;
	u32		windows_max;
	u32		context_max;
	u32		sender_max;
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
 * struct vpe_lanes - the windows that a sender uses:
 *	class << @shift | (@first + cpu * @per_cpu + n)
 * @first: number of the first one
 * @per_cpu: how many each CPU has in each class, a power of two
 * @shift: bits below the class
 * @sender: Sender ID of its packets, 0 outside of groups
 */
struct vpe_lanes {
	u32		first;
	u32		per_cpu;
	u8		shift;
	u16		sender;
};

/**
 * struct vpe_lane - the sequence counter of one window, which one CPU has
 * @sent: numbers taken so far; written by its CPU only
 * @bytes: of their packets, before encryption; likewise
 */
struct vpe_lane {
	u64		sent;
	u64		bytes;
};

/**
 * struct vpe_sender - one Sender ID of a group, as a receiver sees it
 * @windows: its receive windows, under the lock of vpe_context.windows
 * @source: outer address its last packet came from; IPv4 in the first word
 */
struct vpe_sender {
	u32		windows;
	u64		source[2];
};

/**
 * struct vpe_context - counters and windows of one (namespace, key)
 * @first: number that each lane starts with; 0 while nothing was sent
 * @last: number that each lane ends with
 * @quota: how many numbers each lane has from @first to @last; 0 before @first is
 *	set, and when the context is revoked
 * @counter: of each class @lanes.per_cpu counters for each possible CPU; NULL
 *	from @classes on, and in ESP
 * @lanes: which windows are used
 * @classes: how many classes there are counters for; only grows
 * @spread: what makes a source port of a Window ID, see vpe_context_entropy()
 * @windows: replay windows by Sender ID << 16 | Window ID
 * @window_size: packets, for windows to be made; stays once there is one
 * @closed: ESP's window is made with this number and all below it refused;
 *	likewise
 * @iv_mask: makes a sequence number of ESP an IV
 * @nr_windows: entries of @windows, under its lock
 * @senders: struct vpe_sender by Sender ID, that of 0 excepted
 * @scope: the namespace
 * @digest: of the key
 * @id: number to show to users
 * @ref: holders; the last one out ends the sending claim
 * @claimed: this context may send under the key; under vpe_contexts_lock
 * @revoked: nothing is sent by it any more; likewise
 * @node: in vpe_contexts
 * @rcu: frees it
 * @sent: numbers of ESP taken so far, by all CPUs
 *
 * What senders read for each packet stands first and is not written after the
 * first packet.
 *
 * ESP has one counter and one window, Window ID 0. Its context is not found by
 * the key: an SA has its own, which only its clones share.
 */
struct vpe_context {
	u64			first;
	u64			last;
	u64			quota;
	struct vpe_lane __percpu *counter[VPE_CLASSES];
	struct vpe_lanes	lanes;
	u32			classes;
	u32			spread[2];
	struct xarray		windows;
	u32			window_size;
	u32			nr_windows;
	struct xarray		senders;
	u64			closed;
	u64			iv_mask;
	struct vpe_scope	*scope;
	struct vpe_digest	digest;
	u64			id;
	refcount_t		ref;
	bool			claimed;
	bool			revoked;
	struct hlist_node	node;
	struct rcu_head		rcu;
	atomic64_t		sent ____cacheline_aligned_in_smp;
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
void vpe_clock_distrust(void);

int vpe_lanes_set(struct vpe_lanes *lanes, u32 first, u32 want);
int vpe_context_add_classes(struct vpe_context *ctx, u32 classes);

struct vpe_context *vpe_context_get(struct vpe_scope *scope, const void *key,
				    unsigned int len,
				    const struct vpe_lanes *lanes);
struct vpe_context *vpe_context_get_esp(struct vpe_scope *scope, const void *key,
					unsigned int len, u64 last);
struct vpe_context *vpe_context_hold(struct vpe_context *ctx);
bool vpe_context_has_key(const struct vpe_context *ctx, const void *key,
			 unsigned int len);
void vpe_context_put(struct vpe_context *ctx);

int vpe_context_start(struct vpe_context *ctx, u64 last);
void vpe_context_revoke(struct vpe_context *ctx);
int vpe_context_reserve(struct vpe_context *ctx, u32 class, u32 flow,
			unsigned int n, u32 bytes, struct vpe_seq *seq);
u64 vpe_context_sent(const struct vpe_context *ctx, u32 window);
u64 vpe_context_sent_bytes(const struct vpe_context *ctx, u32 window);
u64 vpe_context_last(const struct vpe_context *ctx, u32 window);

u64 vpe_context_infer(struct vpe_context *ctx, u32 low);
struct vpe_window *vpe_context_window(struct vpe_context *ctx, u32 id);
enum vpe_verdict vpe_context_commit(struct vpe_context *ctx, u32 id, u64 seq,
				    u32 bytes, struct vpe_window **wp);
enum vpe_verdict vpe_context_close(struct vpe_context *ctx, u32 id, u64 seq);
bool vpe_context_moved(struct vpe_context *ctx, u32 id, const u64 source[2]);

/**
 * vpe_context_entropy - what spreads the packets of a window over paths
 * @ctx: key context
 * @window: Window ID
 *
 * All windows of a context differ in the lower 16 bits, and contexts among
 * each other.
 *
 * Return: 32 bits, the same for as long as the context lives.
 */
static inline u32 vpe_context_entropy(const struct vpe_context *ctx, u16 window)
{
	return window * (ctx->spread[0] | 1) + ctx->spread[1];
}

/**
 * vpe_context_port - the UDP source port of a window
 * @ctx: key context
 * @window: Window ID
 *
 * One window has one port, so that its packets take one path and one receive
 * queue. As long as there are not more windows than ports no two share one.
 *
 * Return: port, host order, of the dynamic range.
 */
static inline u16 vpe_context_port(const struct vpe_context *ctx, u16 window)
{
	return VPE_PORT_FIRST + (vpe_context_entropy(ctx, window) & VPE_PORT_MASK);
}

/**
 * vpe_context_is_esp - is it a context of ESP's?
 * @ctx: key context
 *
 * Return: false if of VPE's.
 */
static inline bool vpe_context_is_esp(const struct vpe_context *ctx)
{
	return !ctx->counter[0];
}

/**
 * vpe_context_has_windows - has an authenticated packet come?
 * @ctx: key context
 *
 * Return: true once window_size and closed are in use.
 */
static inline bool vpe_context_has_windows(const struct vpe_context *ctx)
{
	/* Pairs with vpe_context_insert(). */
	return smp_load_acquire(&ctx->nr_windows);
}

/**
 * vpe_context_iv - the IV of an ESP packet
 * @ctx: key context of ESP
 * @seq: its sequence number, all 64 bits
 *
 * Another context that has the same key, as ESP allows, is unlikely to meet
 * it: its own bits are drawn at random.
 *
 * Return: IV, which no other packet of the context has.
 */
static inline __be64 vpe_context_iv(const struct vpe_context *ctx, u64 seq)
{
	return cpu_to_be64(seq ^ ctx->iv_mask);
}

/**
 * vpe_lanes_end - one more than the highest lane of a sender
 * @lanes: its windows
 *
 * Return: lane, those of CPUs that are not possible included.
 */
static inline u32 vpe_lanes_end(const struct vpe_lanes *lanes)
{
	return lanes->first + nr_cpu_ids * lanes->per_cpu;
}

/**
 * vpe_context_windows_end - one more than the highest window of a sender
 * @ctx: key context
 *
 * Return: Window ID, of the classes that there are now.
 */
static inline u32 vpe_context_windows_end(const struct vpe_context *ctx)
{
	u32 above = READ_ONCE(ctx->classes) - 1;

	return (above << ctx->lanes.shift) + vpe_lanes_end(&ctx->lanes);
}

/**
 * vpe_context_class - the class of a window
 * @ctx: key context
 * @window: Window ID
 *
 * Return: class; that of what no sender with these lanes uses is no less.
 */
static inline u32 vpe_context_class(const struct vpe_context *ctx, u32 window)
{
	return window >> ctx->lanes.shift;
}

/**
 * vpe_context_cpu - the CPU that sends by a window
 * @ctx: key context
 * @window: Window ID
 *
 * Return: its number; nr_cpu_ids or more if none does.
 */
static inline u32 vpe_context_cpu(const struct vpe_context *ctx, u32 window)
{
	window &= (1 << ctx->lanes.shift) - 1;
	return (window - ctx->lanes.first) / ctx->lanes.per_cpu;
}

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
