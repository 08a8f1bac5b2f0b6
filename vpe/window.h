/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One replay window: which of the last numbers of one sequence were seen.
 */
#ifndef _VPE_WINDOW_H
#define _VPE_WINDOW_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define VPE_WINDOW_MIN		64	/* packets */
#define VPE_WINDOW_DEFAULT	1024	/* packets */
#define VPE_WINDOW_MAX		4096	/* packets */

#define VPE_LATE_MAX		16	/* ranges of lateness that are told apart */

/**
 * enum vpe_verdict - what a window says of a sequence number
 * @VPE_FRESH: not seen, to be accepted
 * @VPE_REPLAY: seen before
 * @VPE_OLD: behind the window; whether it was seen is no longer known
 * @VPE_BEHIND: likewise, and below all that the window ever took
 * @VPE_NO_ROOM: a new window would exceed a bound
 * @VPE_NO_MEM: no memory for a new window
 */
enum vpe_verdict {
	VPE_FRESH,
	VPE_REPLAY,
	VPE_OLD,
	VPE_BEHIND,
	VPE_NO_ROOM,
	VPE_NO_MEM,
};

/**
 * struct vpe_late - how far behind the highest number packets of a window were
 * @packets: accepted ones (0) and refused ones (1), by log2 of the distance
 */
struct vpe_late {
	atomic64_t	packets[2][VPE_LATE_MAX];
};

/**
 * struct vpe_window - replay window of one (key context, Sender ID, Window ID)
 * @lock: guards all that follows, drop counters excepted
 * @size: packets, a power of two
 * @cpu: CPU that made the window
 * @top: highest number accepted
 * @start: the first number it took; 0 in ESP
 * @packets: packets accepted
 * @bytes: bytes decrypted of these
 * @elsewhere: of these, accepted on another CPU than @cpu
 * @replayed: packets refused as %VPE_REPLAY
 * @old: packets refused as %VPE_OLD
 * @behind: packets refused as %VPE_BEHIND
 * @late: NULL until a packet was late
 * @seen: bit n set: the number in (@top - @size, @top] that is n modulo @size
 *	  was accepted
 *
 * Each window has cache lines of its own: as long as its packets reach one
 * CPU nobody else writes there.
 */
struct vpe_window {
	spinlock_t	lock;	/* guards what follows */
	u32		size;
	u32		cpu;
	u64		top;
	u64		start;
	u64		packets;
	u64		bytes;
	u64		elsewhere;
	atomic64_t	replayed;
	atomic64_t	old;
	atomic64_t	behind;
	struct vpe_late	*late;
	unsigned long	seen[];
};

unsigned int vpe_window_round(unsigned int size);
struct vpe_window *vpe_window_alloc(unsigned int size, u64 seq, u32 bytes, gfp_t gfp);
void vpe_window_free(struct vpe_window *w);
u64 vpe_window_infer(u64 top, u32 size, u32 low);
enum vpe_verdict vpe_window_check(const struct vpe_window *w, u64 seq);
enum vpe_verdict vpe_window_commit(struct vpe_window *w, u64 seq, u32 bytes);
void vpe_window_close(struct vpe_window *w, u64 seq);
void vpe_window_uncount(struct vpe_window *w);
void vpe_window_refused(struct vpe_window *w, enum vpe_verdict verdict);
void vpe_window_late(struct vpe_window *w, unsigned int range, bool refused);

#endif /* _VPE_WINDOW_H */
