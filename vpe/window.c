// SPDX-License-Identifier: GPL-2.0
/*
 * Replay windows (RFC 4303 section 3.4.3, with 64-bit numbers that travel
 * whole): exact, so that no duplicate passes and nothing inside the window is
 * refused. A window is looked at before decryption and changed only after the
 * ICV held.
 */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "window.h"

/**
 * vpe_window_round - the size a window gets
 * @size: packets asked for; 0 stands for the default
 *
 * Return: packets, a power of two from %VPE_WINDOW_MIN to %VPE_WINDOW_MAX.
 */
unsigned int vpe_window_round(unsigned int size)
{
	if (!size)
		return VPE_WINDOW_DEFAULT;
	return roundup_pow_of_two(clamp_t(unsigned int, size, VPE_WINDOW_MIN,
					  VPE_WINDOW_MAX));
}

/**
 * vpe_window_alloc - a window that has accepted one number
 * @size: packets, a value of vpe_window_round()
 * @seq: the number, whatever it is
 * @bytes: of its packet, decrypted
 * @gfp: how to allocate
 *
 * Context: preemption disabled (remembers the CPU).
 * Return: the window, or NULL without memory.
 */
struct vpe_window *vpe_window_alloc(unsigned int size, u64 seq, u32 bytes, gfp_t gfp)
{
	struct vpe_window *w;
	size_t all = struct_size(w, seen, BITS_TO_LONGS(size));

	w = kzalloc(ALIGN(all, SMP_CACHE_BYTES), gfp);
	if (!w)
		return NULL;

	spin_lock_init(&w->lock);
	w->size = size;
	w->cpu = smp_processor_id();
	w->top = seq;
	w->start = seq;
	w->packets = 1;
	w->bytes = bytes;
	__set_bit(seq & (size - 1), w->seen);
	return w;
}

/**
 * vpe_window_free - free a window that nobody uses any more
 * @w: the window
 */
void vpe_window_free(struct vpe_window *w)
{
	kfree(w->late);
	kfree(w);
}

/**
 * vpe_window_infer - a sequence number of which the lower half travelled
 * @top: highest number accepted
 * @size: of the window, packets
 * @low: the lower 32 bits
 *
 * RFC 4303 appendix A2.2: what is not in the window is ahead of it.
 *
 * Return: the number that is meant, if it authenticates.
 */
u64 vpe_window_infer(u64 top, u32 size, u32 low)
{
	u64 bottom = top >= size ? top - size + 1 : 0;

	return bottom + (u32)(low - (u32)bottom);
}

/**
 * vpe_window_check - would this number be accepted now?
 * @w: the window
 * @seq: the number
 *
 * Without the lock, to spare the work of decryption. Beside a commit on
 * another CPU it may say %VPE_FRESH too often, or give the other reason for a
 * refusal, but what it refuses vpe_window_commit() would refuse: a bit of
 * @seq's that is set stands for @seq, or for a number a window ahead of it.
 *
 * What is more than a window below the first number that came was sent before
 * we listened, or by a sender that started again with an earlier clock.
 *
 * Context: any; RCU read side, or @w kept by other means.
 * Return: %VPE_FRESH, %VPE_REPLAY, %VPE_OLD or %VPE_BEHIND.
 */
enum vpe_verdict vpe_window_check(const struct vpe_window *w, u64 seq)
{
	/* Pairs with vpe_window_slide(): bits are not older than the top. */
	u64 top = smp_load_acquire(&w->top);

	if (seq > top)
		return VPE_FRESH;
	if (top - seq >= w->size)
		return w->start > seq && w->start - seq >= w->size ?
		       VPE_BEHIND : VPE_OLD;
	return test_bit(seq & (w->size - 1), w->seen) ? VPE_REPLAY : VPE_FRESH;
}

/* Move the window's upper edge to @seq, its last number not seen yet. */
static void vpe_window_slide(struct vpe_window *w, u64 seq)
{
	unsigned int start = (w->top + 1) & (w->size - 1);
	u64 ahead = seq - w->top;
	unsigned int run;

	if (ahead >= w->size) {
		bitmap_zero(w->seen, w->size);
	} else {
		run = min_t(unsigned int, ahead, w->size - start);
		bitmap_clear(w->seen, start, run);
		bitmap_clear(w->seen, 0, ahead - run);
	}
	/* Pairs with vpe_window_check(). */
	smp_store_release(&w->top, seq);
}

/**
 * vpe_window_commit - accept an authenticated packet's number, once
 * @w: the window
 * @seq: the number
 * @bytes: of the packet, decrypted
 *
 * Of any number of simultaneous calls with the same @seq one gets %VPE_FRESH.
 *
 * Context: softirqs disabled; takes @w->lock.
 * Return: %VPE_FRESH, or why not, as vpe_window_check(): then the window is as
 * before.
 */
enum vpe_verdict vpe_window_commit(struct vpe_window *w, u64 seq, u32 bytes)
{
	enum vpe_verdict verdict;

	spin_lock(&w->lock);
	verdict = vpe_window_check(w, seq);
	if (verdict == VPE_FRESH) {
		if (seq > w->top)
			vpe_window_slide(w, seq);
		__set_bit(seq & (w->size - 1), w->seen);
		w->packets++;
		w->bytes += bytes;
		if (w->cpu != smp_processor_id())
			w->elsewhere++;
	}
	spin_unlock(&w->lock);
	return verdict;
}

/**
 * vpe_window_close - refuse a number and all below it from now on
 * @w: the window
 * @seq: the number
 *
 * Context: softirqs disabled; takes @w->lock.
 */
void vpe_window_close(struct vpe_window *w, u64 seq)
{
	u64 oldest, n;

	spin_lock(&w->lock);
	if (seq > w->top)
		vpe_window_slide(w, seq);
	oldest = w->top - min_t(u64, w->top, w->size - 1);
	if (seq >= oldest)
		for (n = 0; n <= seq - oldest; n++)
			__set_bit((oldest + n) & (w->size - 1), w->seen);
	spin_unlock(&w->lock);
}

/**
 * vpe_window_refused - count a packet that a window refused
 * @w: the window
 * @verdict: %VPE_REPLAY, %VPE_OLD or %VPE_BEHIND
 *
 * Context: any; RCU read side, or @w kept by other means.
 */
void vpe_window_refused(struct vpe_window *w, enum vpe_verdict verdict)
{
	atomic64_inc(verdict == VPE_BEHIND ? &w->behind :
		     verdict == VPE_OLD ? &w->old : &w->replayed);
}

/* Room to count late packets; NULL without memory. */
static struct vpe_late *vpe_window_late_alloc(struct vpe_window *w)
{
	struct vpe_late *late = kzalloc(sizeof(*late), GFP_ATOMIC | __GFP_NOWARN);
	struct vpe_late *first;

	if (!late)
		return NULL;
	first = cmpxchg(&w->late, NULL, late);
	if (!first)
		return late;
	kfree(late);
	return first;
}

/**
 * vpe_window_late - count a packet that was behind the highest number
 * @w: its window
 * @range: log2 of the distance, below %VPE_LATE_MAX
 * @refused: by the window
 *
 * Only windows with late packets have the memory for this; without memory
 * the packet is not counted here.
 *
 * Context: any; RCU read side, or @w kept by other means.
 */
void vpe_window_late(struct vpe_window *w, unsigned int range, bool refused)
{
	struct vpe_late *late = READ_ONCE(w->late) ?: vpe_window_late_alloc(w);

	if (late)
		atomic64_inc(&late->packets[refused][range]);
}

/**
 * vpe_window_uncount - no packet made the window
 * @w: a new one
 *
 * Context: softirqs disabled; takes @w->lock.
 */
void vpe_window_uncount(struct vpe_window *w)
{
	spin_lock(&w->lock);
	w->packets--;
	spin_unlock(&w->lock);
}
