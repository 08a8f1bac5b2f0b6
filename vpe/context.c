// SPDX-License-Identifier: GPL-2.0
/*
 * Sequence numbers and replay windows, kept by key.
 *
 * The IV of a packet is (Sender ID, Window ID, sequence number), so that under
 * one key no (window, number) may be sent twice. Three things see to it:
 *
 * - a counter, one lane, belongs to one CPU and is moved on in one step that
 *   neither preemption nor an interrupt divides;
 * - the counters of a key outlive the SA that used them, and go on when the
 *   key comes back (struct vpe_context);
 * - a context starts above whatever any context has sent since the module was
 *   loaded, and above what the host's clock has shown: no window sends a packet
 *   per nanosecond, so the clock stays ahead of all that was sent before
 *   (vpe_draw()). In the whole kernel one context may send under a key.
 *
 * ESP's contexts have one counter for all CPUs, which starts where the user
 * says; what two contexts send under one key is kept apart by their iv_mask.
 *
 * Locks: vpe_contexts_lock guards the table, claims and epoch; taken with
 * softirqs disabled, nothing is taken inside. A context's xarray lock is
 * independent of it.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/hashtable.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "context.h"

/* 2024-01-01: a clock before that was never set. Seconds since the Epoch. */
#define VPE_CLOCK_MIN	1704067200ULL

static DEFINE_HASHTABLE(vpe_contexts, 10);
static DEFINE_SPINLOCK(vpe_contexts_lock);
static siphash_key_t vpe_hash_key[2];
static u64 vpe_context_ids;

/**
 * struct vpe_epoch - what new contexts must stay above
 * @offset: largest (real - boot time) seen since load, nanoseconds
 * @used: highest number used by a context that is gone or was revoked
 * @distrusted: the clock is not to be trusted while (real - boot time) is @stale
 * @stale: see there; nanoseconds
 */
static struct vpe_epoch {
	s64	offset;
	u64	used;
	bool	distrusted;
	s64	stale;
} vpe_epoch;

/* Real time less boot time, nanoseconds: changes when the clock is set, and then only. */
static s64 vpe_clock_offset(void)
{
	return ktime_mono_to_any(0, TK_OFFS_REAL) - ktime_mono_to_any(0, TK_OFFS_BOOT);
}

static void __vpe_clock_sample(void)
{
	vpe_epoch.offset = max(vpe_epoch.offset, vpe_clock_offset());
}

/**
 * vpe_clock_sample - remember how far ahead the clock has been
 *
 * Called now and then, so that a clock that is stepped back does not lead to
 * numbers used before.
 *
 * Context: process or softirq.
 */
void vpe_clock_sample(void)
{
	spin_lock_bh(&vpe_contexts_lock);
	__vpe_clock_sample();
	spin_unlock_bh(&vpe_contexts_lock);
}

/**
 * vpe_clock_distrust - the clock does not know how late it is
 *
 * It stood still while the machine's snapshot did.
 *
 * Context: process or softirq.
 */
void vpe_clock_distrust(void)
{
	spin_lock_bh(&vpe_contexts_lock);
	vpe_epoch.stale = vpe_clock_offset();
	vpe_epoch.distrusted = true;
	spin_unlock_bh(&vpe_contexts_lock);
}

/**
 * vpe_clock_is_set - has somebody set the host's clock?
 *
 * Context: process or softirq.
 * Return: false while it stands before 2024, or as it did at vpe_clock_distrust().
 */
bool vpe_clock_is_set(void)
{
	bool stale;

	spin_lock_bh(&vpe_contexts_lock);
	stale = vpe_epoch.distrusted && vpe_epoch.stale == vpe_clock_offset();
	spin_unlock_bh(&vpe_contexts_lock);
	return !stale && ktime_get_real_ns() >= VPE_CLOCK_MIN * NSEC_PER_SEC;
}

/**
 * vpe_contexts_init - draw the hash key, take the first look at the clock
 *
 * Context: process, before any other function of this file.
 */
void vpe_contexts_init(void)
{
	get_random_bytes(vpe_hash_key, sizeof(vpe_hash_key));
	vpe_clock_sample();
}

/**
 * vpe_contexts_exit - wait until freed contexts are gone
 *
 * Context: process, may sleep; no context is held any more.
 */
void vpe_contexts_exit(void)
{
	WARN_ON(!hash_empty(vpe_contexts));
	rcu_barrier();
	memzero_explicit(vpe_hash_key, sizeof(vpe_hash_key));
}

/* No second copy of a key lies in memory: contexts are found by its hash. */
static struct vpe_digest vpe_digest(const void *key, unsigned int len)
{
	return (struct vpe_digest) { .word = {
		siphash(key, len, &vpe_hash_key[0]),
		siphash(key, len, &vpe_hash_key[1]),
	} };
}

static bool vpe_digest_equal(const struct vpe_digest *a,
			     const struct vpe_digest *b)
{
	return !((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]));
}

/* Window IDs of the highest class must have room for the highest lane. */
static bool vpe_lanes_fit(const struct vpe_lanes *lanes)
{
	return vpe_lanes_end(lanes) <= 1 << (16 - VPE_CLASS_BITS);
}

/**
 * vpe_lanes_set - choose the windows of senders
 * @lanes: the choice, its Sender ID 0
 * @first: Window ID of the first lane
 * @want: how many there should be in all, at least; as many for each CPU
 *
 * Return: 0, or -E2BIG if there are more CPUs than Window IDs have room for.
 */
int vpe_lanes_set(struct vpe_lanes *lanes, u32 first, u32 want)
{
	*lanes = (struct vpe_lanes) { .first = first, .per_cpu = 1 };
	while (lanes->per_cpu * nr_cpu_ids < want &&
	       lanes->per_cpu < VPE_LANES_PER_CPU_MAX)
		lanes->per_cpu *= 2;
	while (lanes->per_cpu && !vpe_lanes_fit(lanes))
		lanes->per_cpu /= 2;
	lanes->shift = fls(vpe_lanes_end(lanes) - 1);
	return lanes->per_cpu ? 0 : -E2BIG;
}

static struct vpe_context *__vpe_context_alloc(struct vpe_scope *scope, u64 last,
					       const struct vpe_digest *digest)
{
	struct vpe_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return NULL;
	xa_init_flags(&ctx->windows, XA_FLAGS_LOCK_BH);
	xa_init_flags(&ctx->senders, XA_FLAGS_LOCK_BH);
	ctx->last = last;
	ctx->scope = scope;
	ctx->digest = *digest;
	refcount_set(&ctx->ref, 1);
	return ctx;
}

/**
 * vpe_context_add_classes - see to it that there are counters for classes
 * @ctx: key context of VPE
 * @classes: how many classes, 1 to %VPE_CLASSES
 *
 * Context: process, may sleep; not beside itself.
 * Return: 0, or -ENOMEM: then there may be some more than there were.
 */
int vpe_context_add_classes(struct vpe_context *ctx, u32 classes)
{
	size_t size = ctx->lanes.per_cpu * sizeof(struct vpe_lane);
	struct vpe_lane __percpu *counter;

	while (ctx->classes < classes) {
		counter = __alloc_percpu(size, __alignof__(struct vpe_lane));
		if (!counter)
			return -ENOMEM;
		ctx->counter[ctx->classes] = counter;
		/* Pairs with vpe_context_lane(). */
		smp_store_release(&ctx->classes, ctx->classes + 1);
	}
	return 0;
}

static struct vpe_context *vpe_context_alloc(struct vpe_scope *scope,
					     const struct vpe_digest *digest,
					     const struct vpe_lanes *lanes)
{
	struct vpe_context *ctx = __vpe_context_alloc(scope, U64_MAX, digest);

	if (!ctx)
		return NULL;

	ctx->lanes = *lanes;
	if (vpe_context_add_classes(ctx, 1)) {
		kfree(ctx);
		return NULL;
	}
	get_random_bytes(ctx->spread, sizeof(ctx->spread));
	return ctx;
}

static void vpe_context_free(struct rcu_head *rcu)
{
	struct vpe_context *ctx = container_of(rcu, struct vpe_context, rcu);
	struct vpe_sender *sender;
	struct vpe_window *w;
	unsigned long id;

	xa_for_each(&ctx->windows, id, w)
		vpe_window_free(w);
	xa_destroy(&ctx->windows);
	xa_for_each(&ctx->senders, id, sender)
		kfree(sender);
	xa_destroy(&ctx->senders);
	for (id = 0; id < VPE_CLASSES; id++)
		free_percpu(ctx->counter[id]);
	kfree(ctx);
}

/* A context whose last reference is gone is as good as not there. */
static struct vpe_context *vpe_context_find(const struct vpe_scope *scope,
					    const struct vpe_digest *digest)
{
	struct vpe_context *ctx;

	lockdep_assert_held(&vpe_contexts_lock);
	hash_for_each_possible(vpe_contexts, ctx, node, digest->word[0])
		if (ctx->scope == scope &&
		    vpe_digest_equal(&ctx->digest, digest) &&
		    refcount_inc_not_zero(&ctx->ref))
			return ctx;
	return NULL;
}

/**
 * vpe_context_get - the context of a key, made if there is none
 * @scope: network namespace; outlives the context
 * @key: the cipher's key, without salt
 * @len: its length, bytes
 * @lanes: windows to send by, if it is made; they stay for its life
 *
 * Context: process, may sleep.
 * Return: a context, to be given back by vpe_context_put(), or NULL without
 * memory.
 */
struct vpe_context *vpe_context_get(struct vpe_scope *scope, const void *key,
				    unsigned int len,
				    const struct vpe_lanes *lanes)
{
	struct vpe_digest digest = vpe_digest(key, len);
	struct vpe_context *ctx, *new;

	new = vpe_context_alloc(scope, &digest, lanes);
	if (!new)
		return NULL;

	spin_lock_bh(&vpe_contexts_lock);
	ctx = vpe_context_find(scope, &digest);
	if (!ctx) {
		ctx = new;
		ctx->id = ++vpe_context_ids;
		hash_add(vpe_contexts, &ctx->node, digest.word[0]);
		atomic_inc(&scope->contexts);
		new = NULL;
	}
	spin_unlock_bh(&vpe_contexts_lock);

	if (new)
		vpe_context_free(&new->rcu);
	return ctx;
}

/**
 * vpe_context_get_esp - make the context of a new ESP SA
 * @scope: network namespace; outlives the context
 * @key: the cipher's key, with salt
 * @len: its length, bytes
 * @last: the last sequence number that may be sent
 *
 * Context: process, may sleep.
 * Return: a context, to be given back by vpe_context_put(), or NULL without
 * memory.
 */
struct vpe_context *vpe_context_get_esp(struct vpe_scope *scope, const void *key,
					unsigned int len, u64 last)
{
	struct vpe_digest digest = vpe_digest(key, len);
	struct vpe_context *ctx = __vpe_context_alloc(scope, last, &digest);

	if (!ctx)
		return NULL;
	ctx->lanes.per_cpu = 1;
	ctx->classes = 1;
	get_random_bytes(&ctx->iv_mask, sizeof(ctx->iv_mask));
	spin_lock_bh(&vpe_contexts_lock);
	ctx->id = ++vpe_context_ids;
	atomic_inc(&scope->contexts);
	spin_unlock_bh(&vpe_contexts_lock);
	return ctx;
}

/**
 * vpe_context_hold - another SA shares a context
 * @ctx: key context, of which the caller holds a reference
 *
 * Return: @ctx.
 */
struct vpe_context *vpe_context_hold(struct vpe_context *ctx)
{
	refcount_inc(&ctx->ref);
	return ctx;
}

/**
 * vpe_context_has_key - is it the context of this key?
 * @ctx: key context
 * @key: as it was given
 * @len: its length, bytes
 *
 * Return: true if it is.
 */
bool vpe_context_has_key(const struct vpe_context *ctx, const void *key,
			 unsigned int len)
{
	struct vpe_digest digest = vpe_digest(key, len);

	return vpe_digest_equal(&ctx->digest, &digest);
}

/* The highest number any lane of @ctx has taken; @ctx has started. */
static u64 vpe_context_highest(const struct vpe_context *ctx)
{
	u64 highest = 0;
	u32 window;

	for (window = ctx->lanes.first; window < vpe_context_windows_end(ctx); window++)
		highest = max(highest, vpe_context_last(ctx, window));
	return highest;
}

/* Not found any more; who comes next with its key stays above what it has sent. */
static void vpe_context_retire(struct vpe_context *ctx)
{
	lockdep_assert_held(&vpe_contexts_lock);
	if (ctx->claimed)
		vpe_epoch.used = max(vpe_epoch.used, vpe_context_highest(ctx));
	hash_del(&ctx->node);
}

/**
 * vpe_context_put - let go of a context
 * @ctx: key context; nobody can send through this reference any more
 *
 * The last one out releases the claim to send, and leaves behind the highest
 * number that was used.
 *
 * Context: process or softirq.
 */
void vpe_context_put(struct vpe_context *ctx)
{
	if (!refcount_dec_and_test(&ctx->ref))
		return;

	spin_lock_bh(&vpe_contexts_lock);
	vpe_context_retire(ctx);
	atomic_sub(ctx->nr_windows, &ctx->scope->windows);
	atomic_dec(&ctx->scope->contexts);
	spin_unlock_bh(&vpe_contexts_lock);

	call_rcu(&ctx->rcu, vpe_context_free);
}

static bool vpe_context_may_claim(const struct vpe_context *ctx)
{
	const struct vpe_context *other;

	lockdep_assert_held(&vpe_contexts_lock);
	hash_for_each_possible(vpe_contexts, other, node, ctx->digest.word[0])
		if (other->claimed &&
		    other->lanes.sender == ctx->lanes.sender &&
		    vpe_digest_equal(&other->digest, &ctx->digest))
			return false;
	return true;
}

/* The first number of a context; design: "Sequence" */
static int vpe_draw(const struct vpe_scope *scope, u64 last, u64 *first)
{
	u64 now;

	lockdep_assert_held(&vpe_contexts_lock);
	__vpe_clock_sample();
	now = max_t(u64, ktime_get_real_ns(),
		    ktime_get_boottime_ns() + vpe_epoch.offset);
	if (last > now && last - now > scope->ahead_max)
		return -ERANGE;
	last = max(last, vpe_epoch.used);
	if (last == U64_MAX)
		return -EOVERFLOW;
	*first = max(now, last + 1);
	return 0;
}

static int vpe_context_claim(struct vpe_context *ctx, u64 last, u64 *first)
{
	int err;

	if (!vpe_context_may_claim(ctx))
		return -EBUSY;
	err = vpe_draw(ctx->scope, last, first);
	if (!err)
		ctx->claimed = true;
	return err;
}

/* ESP goes on where the user says, and knows no claims. */
static int vpe_context_start_esp(const struct vpe_context *ctx, u64 last, u64 *first)
{
	*first = last + 1;
	return last < ctx->last ? 0 : -EOVERFLOW;
}

/**
 * vpe_context_start - claim a key for sending and draw the first number
 * @ctx: key context
 * @last: the last number its user knows to have been used, 0 if none
 *
 * To be called by who finds vpe_context_started() false, before
 * vpe_context_reserve().
 *
 * Context: process or softirq.
 * Return: 0; -EBUSY if another context sends under this key; -ERANGE if @last is
 * too far ahead of the clock; -EOVERFLOW if no number is left; -ESTALE if it was
 * revoked.
 */
int vpe_context_start(struct vpe_context *ctx, u64 last)
{
	int err = 0;
	u64 first;

	spin_lock_bh(&vpe_contexts_lock);
	if (vpe_context_started(ctx))
		goto out;
	err = ctx->revoked ? -ESTALE :
	      vpe_context_is_esp(ctx) ? vpe_context_start_esp(ctx, last, &first) :
					vpe_context_claim(ctx, last, &first);
	if (err)
		goto out;
	ctx->quota = ctx->last - first + 1;
	/* Pairs with vpe_context_started(). */
	smp_store_release(&ctx->first, first);
out:
	spin_unlock_bh(&vpe_contexts_lock);
	return err;
}

/**
 * vpe_context_revoke - have a context send nothing any more
 * @ctx: key context
 *
 * Its numbers may have been used by somebody who knows nothing of us. Its key, when
 * it comes again, gets another context.
 *
 * Context: process or softirq.
 */
void vpe_context_revoke(struct vpe_context *ctx)
{
	spin_lock_bh(&vpe_contexts_lock);
	ctx->revoked = true;
	WRITE_ONCE(ctx->quota, 0);
	vpe_context_retire(ctx);
	spin_unlock_bh(&vpe_contexts_lock);
}

/* The numbers of ESP; no machine wraps their 64-bit count. */
static int vpe_context_reserve_esp(struct vpe_context *ctx, unsigned int n,
				   struct vpe_seq *seq)
{
	u64 sent = atomic64_add_return(n, &ctx->sent);

	if (unlikely(sent > READ_ONCE(ctx->quota)))
		return -EOVERFLOW;
	*seq = (struct vpe_seq) { .seq = ctx->first + sent - n };
	return 0;
}

/* The counters of a class, which is 0 of one that has none. */
static struct vpe_lane __percpu *vpe_context_lane(struct vpe_context *ctx, u32 *class)
{
	/* Pairs with vpe_context_add_classes(). */
	if (unlikely(*class >= smp_load_acquire(&ctx->classes)))
		*class = 0;
	return ctx->counter[*class];
}

/**
 * vpe_context_reserve - take the next numbers of one of this CPU's windows
 * @ctx: key context, started
 * @class: its QoS class
 * @flow: hash of the inner flow, which chooses the window
 * @n: how many, at least 1
 * @bytes: of their packets, before encryption
 * @seq: where to put the first of them, and their window
 *
 * The window is the one of the CPU that counts, whatever happens to the caller
 * between here and the wire.
 *
 * Context: any but NMI.
 * Return: 0, or -EOVERFLOW when the window has used up its numbers, or the context
 * was revoked.
 */
int vpe_context_reserve(struct vpe_context *ctx, u32 class, u32 flow,
			unsigned int n, u32 bytes, struct vpe_seq *seq)
{
	u32 lane = flow & (ctx->lanes.per_cpu - 1);
	struct vpe_lane __percpu *counter;
	u64 quota, sent;
	int err = 0;

	if (vpe_context_is_esp(ctx))
		return vpe_context_reserve_esp(ctx, n, seq);

	counter = vpe_context_lane(ctx, &class) + lane;
	preempt_disable();
	lane += ctx->lanes.first + smp_processor_id() * ctx->lanes.per_cpu;
	sent = this_cpu_add_return(counter->sent, n);
	quota = READ_ONCE(ctx->quota);
	if (unlikely(sent > quota)) {
		/*
		 * It stands, or enough further calls would wrap it; not where an
		 * interrupt took more before the context was revoked.
		 */
		this_cpu_cmpxchg(counter->sent, sent, max(quota, sent - n));
		err = -EOVERFLOW;
	} else {
		this_cpu_add(counter->bytes, bytes);
	}
	preempt_enable();
	seq->window = (u32)ctx->lanes.sender << 16 |
		      class << ctx->lanes.shift | lane;

	if (likely(!err))
		seq->seq = ctx->first + sent - n;
	return err;
}

/* Without those who came too late. */
static u64 vpe_context_sent_esp(const struct vpe_context *ctx)
{
	u64 sent = atomic64_read(&ctx->sent);

	return sent ? min(sent - 1, ctx->last - ctx->first) + 1 : 0;
}

/* The counters of a window; NULL if it is not for sending. */
static const struct vpe_lane *vpe_context_find_lane(const struct vpe_context *ctx,
						    u32 window)
{
	u32 class = vpe_context_class(ctx, window);
	u32 cpu = vpe_context_cpu(ctx, window);

	/* Pairs with vpe_context_add_classes(). */
	if (class >= smp_load_acquire(&ctx->classes) || cpu >= nr_cpu_ids ||
	    !cpu_possible(cpu))
		return NULL;
	window = (window - ctx->lanes.first) & (ctx->lanes.per_cpu - 1);
	return per_cpu_ptr(ctx->counter[class], cpu) + window;
}

/**
 * vpe_context_sent - how many numbers of a window were taken
 * @ctx: key context
 * @window: Window ID
 *
 * Return: their number, 0 of a window that is not for sending.
 */
u64 vpe_context_sent(const struct vpe_context *ctx, u32 window)
{
	const struct vpe_lane *lane;

	if (vpe_context_is_esp(ctx))
		return window ? 0 : vpe_context_sent_esp(ctx);
	lane = vpe_context_find_lane(ctx, window);
	return lane ? READ_ONCE(lane->sent) : 0;
}

/**
 * vpe_context_sent_bytes - how much a window sent
 * @ctx: key context of VPE
 * @window: Window ID
 *
 * Return: bytes before encryption, 0 of a window that is not for sending.
 */
u64 vpe_context_sent_bytes(const struct vpe_context *ctx, u32 window)
{
	const struct vpe_lane *lane = vpe_context_find_lane(ctx, window);

	return lane ? READ_ONCE(lane->bytes) : 0;
}

/**
 * vpe_context_last - the last number of a window that was taken
 * @ctx: key context, started
 * @window: Window ID
 *
 * Return: the number, 0 if nothing was sent by that window.
 */
u64 vpe_context_last(const struct vpe_context *ctx, u32 window)
{
	u64 sent = vpe_context_sent(ctx, window);

	if (!sent)
		return 0;
	return ctx->first + min(sent - 1, ctx->last - ctx->first);
}

/**
 * vpe_context_infer - the whole sequence number of an ESP packet
 * @ctx: key context of ESP
 * @low: its lower 32 bits
 *
 * Context: RCU read side.
 * Return: the number, if the packet authenticates.
 */
u64 vpe_context_infer(struct vpe_context *ctx, u32 low)
{
	const struct vpe_window *w = xa_load(&ctx->windows, 0);

	if (ctx->last == U32_MAX)
		return low;
	return vpe_window_infer(w ? READ_ONCE(w->top) : READ_ONCE(ctx->closed),
				READ_ONCE(ctx->window_size), low);
}

/**
 * vpe_context_window - look up a receive window
 * @ctx: key context
 * @id: Sender ID << 16 | Window ID, host order
 *
 * Context: RCU read side.
 * Return: the window, or NULL if no authenticated packet has made it yet.
 */
struct vpe_window *vpe_context_window(struct vpe_context *ctx, u32 id)
{
	return xa_load(&ctx->windows, id);
}

/* What is known of a window's sender, made if it is new; NULL without memory. */
static struct vpe_sender *vpe_context_sender(struct vpe_context *ctx, u32 id)
{
	struct vpe_sender *old = xa_load(&ctx->senders, id >> 16);
	struct vpe_sender *sender = old ?: kzalloc(sizeof(*sender), GFP_ATOMIC);

	if (old || !sender)
		return sender;
	xa_lock_bh(&ctx->senders);
	if (__xa_insert(&ctx->senders, id >> 16, sender, GFP_ATOMIC)) {
		kfree(sender);
		sender = xa_load(&ctx->senders, id >> 16);
	}
	xa_unlock_bh(&ctx->senders);
	return sender;
}

/*
 * Enter a new window. -EBUSY: somebody else was first; -ENOSPC: a bound;
 * -ENOMEM.
 */
static int vpe_context_insert(struct vpe_context *ctx, u32 id,
			      struct vpe_window *w)
{
	struct vpe_scope *scope = ctx->scope;
	struct vpe_sender *sender = NULL;
	int err = -ENOSPC;

	if (id >> 16) {
		sender = vpe_context_sender(ctx, id);
		if (!sender)
			return -ENOMEM;
	}
	xa_lock_bh(&ctx->windows);
	if (ctx->nr_windows >= READ_ONCE(scope->context_max) ||
	    (sender && sender->windows >= READ_ONCE(scope->sender_max)))
		goto out;
	if (atomic_inc_return(&scope->windows) >
	    READ_ONCE(scope->windows_max)) {
		atomic_dec(&scope->windows);
		goto out;
	}
	err = __xa_insert(&ctx->windows, id, w, GFP_ATOMIC);
	if (err) {
		atomic_dec(&scope->windows);
		goto out;
	}
	/* Pairs with vpe_context_has_windows(). */
	smp_store_release(&ctx->nr_windows, ctx->nr_windows + 1);
	if (sender)
		sender->windows++;
out:
	xa_unlock_bh(&ctx->windows);
	return err;
}

/* VPE_FRESH: made, with @seq in it, or *@wp is the one that was made meanwhile. */
static enum vpe_verdict vpe_context_new_window(struct vpe_context *ctx, u32 id,
					       u64 seq, u32 bytes,
					       struct vpe_window **wp)
{
	u64 closed = READ_ONCE(ctx->closed);
	struct vpe_window *w;
	int err;

	if (vpe_context_is_esp(ctx) && seq <= closed)
		return VPE_OLD;
	w = vpe_window_alloc(READ_ONCE(ctx->window_size), seq, bytes, GFP_ATOMIC);
	if (!w)
		return VPE_NO_MEM;
	if (vpe_context_is_esp(ctx)) {
		w->start = 0;
		vpe_window_close(w, closed);
	}

	err = vpe_context_insert(ctx, id, w);
	if (!err)
		return VPE_FRESH;
	vpe_window_free(w);
	/* Another CPU may have been first, and have taken the last room. */
	*wp = xa_load(&ctx->windows, id);
	if (*wp)
		return VPE_FRESH;
	return err == -ENOSPC ? VPE_NO_ROOM : VPE_NO_MEM;
}

/**
 * vpe_context_commit - accept the number of an authenticated packet, once
 * @ctx: key context
 * @id: Sender ID << 16 | Window ID, host order
 * @seq: the number
 * @bytes: of the packet, decrypted
 * @wp: set to the window that was there, or to NULL: the packet made it, or
 *	there is none
 *
 * A window that was not there is made, and takes whatever number it is, but in
 * ESP what is closed. It is never evicted while the context lives: that would
 * let old packets in again.
 *
 * Context: softirqs disabled, RCU read side.
 * Return: %VPE_FRESH if the packet is to be accepted.
 */
enum vpe_verdict vpe_context_commit(struct vpe_context *ctx, u32 id, u64 seq,
				    u32 bytes, struct vpe_window **wp)
{
	enum vpe_verdict verdict = VPE_FRESH;

	*wp = xa_load(&ctx->windows, id);
	if (unlikely(!*wp))
		verdict = vpe_context_new_window(ctx, id, seq, bytes, wp);
	return *wp ? vpe_window_commit(*wp, seq, bytes) : verdict;
}

/**
 * vpe_context_close - refuse all up to a number from now on
 * @ctx: key context
 * @id: Sender ID << 16 | Window ID, host order
 * @seq: the number
 *
 * A window that is not there is made. What was closed before stays so.
 *
 * Context: softirqs disabled, RCU read side.
 * Return: %VPE_FRESH, or why the window could not be made.
 */
enum vpe_verdict vpe_context_close(struct vpe_context *ctx, u32 id, u64 seq)
{
	enum vpe_verdict verdict = VPE_FRESH;
	struct vpe_window *w;

	w = xa_load(&ctx->windows, id);
	if (!w) {
		verdict = vpe_context_new_window(ctx, id, seq, 0, &w);
		if (verdict == VPE_NO_ROOM || verdict == VPE_NO_MEM)
			return verdict;
		if (verdict == VPE_FRESH && !w) {
			w = xa_load(&ctx->windows, id);
			/* No packet made it. */
			vpe_window_uncount(w);
		}
	}
	if (w)
		vpe_window_close(w, seq);
	return VPE_FRESH;
}

/**
 * vpe_context_moved - note where an accepted packet of a group came from
 * @ctx: key context
 * @id: its Sender ID << 16 | Window ID, host order; has a window
 * @source: its outer source address; IPv4 in the first word
 *
 * Two hosts with one Sender ID show by this; so does one that changes its
 * address.
 *
 * Context: RCU read side.
 * Return: true if the sender's last packet came from elsewhere.
 */
bool vpe_context_moved(struct vpe_context *ctx, u32 id, const u64 source[2])
{
	struct vpe_sender *sender = xa_load(&ctx->senders, id >> 16);
	u64 old[2];

	if (!sender)
		return false;
	/* Beside another CPU that writes it may tell once too often. */
	old[0] = READ_ONCE(sender->source[0]);
	old[1] = READ_ONCE(sender->source[1]);
	if (likely(old[0] == source[0] && old[1] == source[1]))
		return false;
	WRITE_ONCE(sender->source[0], source[0]);
	WRITE_ONCE(sender->source[1], source[1]);
	return old[0] | old[1];
}
