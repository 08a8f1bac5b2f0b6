// SPDX-License-Identifier: GPL-2.0
/*
 * One replay window beside the exact model: the input says which numbers are
 * checked, committed and closed.
 */
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "../../vpe/window.h"
#include "../unit/model.h"
#include "../unit/shim.h"
#include "fuzz.h"

#define OPS_MAX	1000	/* half of the model's slots */

/**
 * struct count - what the window must have counted
 * @bytes: of accepted packets
 * @elsewhere: of these, not on the first one's CPU
 * @refused: by verdict
 * @late: accepted and refused, of one range
 */
struct count {
	u64 bytes;
	u64 elsewhere;
	u64 refused[VPE_BEHIND + 1];
	u64 late[2];
};

static u64 slots[2048];

static void commit(struct vpe_window *w, struct vpe_model *m, struct count *count, u64 seq,
		   struct input *in)
{
	enum vpe_verdict should = vpe_model_check(m, seq);
	u8 how = take(in, 1);

	shim_cpu = how % SHIM_CPUS;
	shim_assert(vpe_window_check(w, seq) == should);
	shim_assert(vpe_window_commit(w, seq, how) == should);
	if (should == VPE_FRESH) {
		vpe_model_accept(m, seq);
		count->bytes += how;
		count->elsewhere += shim_cpu != w->cpu;
	} else {
		vpe_window_refused(w, should);
		count->refused[should]++;
	}
	if (how & 0x80) {
		shim_fail_alloc = !!(how & 0x40);
		if (w->late || !shim_fail_alloc)
			count->late[should != VPE_FRESH]++;
		vpe_window_late(w, VPE_LATE_MAX - 1, should != VPE_FRESH);
		shim_fail_alloc = 0;
	}
}

static void infer(const struct vpe_window *w, u32 low)
{
	u64 seq = vpe_window_infer(w->top, w->size, low);

	shim_assert(seq == vpe_model_infer(w->top, w->size, low));
}

static void compare_one(const struct vpe_window *w, const struct vpe_model *m, u64 seq)
{
	shim_assert(vpe_window_check(w, seq) == vpe_model_check(m, seq));
}

/* What the window says of numbers in it and around it: all near its edges, else some */
static void compare(const struct vpe_window *w, const struct vpe_model *m,
		    const struct count *count)
{
	u64 n;

	for (n = 0; n < m->size; n += 1 + n / 64)
		compare_one(w, m, m->top - n);
	for (n = 0; n < 5; n++) {
		compare_one(w, m, m->top - m->size - 2 + n);
		compare_one(w, m, m->start - m->size - 2 + n);
	}
	shim_assert(w->packets == m->accepted && w->bytes == count->bytes);
	shim_assert(w->elsewhere == count->elsewhere);
	shim_assert((u64)atomic64_read(&w->replayed) == count->refused[VPE_REPLAY]);
	shim_assert((u64)atomic64_read(&w->old) == count->refused[VPE_OLD]);
	shim_assert((u64)atomic64_read(&w->behind) == count->refused[VPE_BEHIND]);
	for (n = 0; w->late && n < 2; n++)
		shim_assert((u64)atomic64_read(&w->late->packets[n][VPE_LATE_MAX - 1]) ==
			    count->late[n]);
}

static void step(struct vpe_window *w, struct vpe_model *m, struct count *count,
		 struct input *in)
{
	u8 op = take(in, 1);
	u64 seq = take_seq(in, m->top, m->size);

	switch (op % 8) {
	case 0:
		vpe_window_close(w, seq);
		vpe_model_close(m, seq);
		break;
	case 1:
		infer(w, seq);
		break;
	case 2:
		compare_one(w, m, seq);
		break;
	default:
		commit(w, m, count, seq, in);
	}
	shim_assert(w->top == m->top);
}

static unsigned int take_size(struct input *in)
{
	unsigned int asked = take(in, 2), size = vpe_window_round(asked);

	shim_assert(size >= VPE_WINDOW_MIN && size <= VPE_WINDOW_MAX && !(size & (size - 1)));
	shim_assert(!asked || size >= min_t(unsigned int, asked, VPE_WINDOW_MAX));
	shim_assert(!asked || size == VPE_WINDOW_MIN || size / 2 < asked);
	return size;
}

int fuzz_one(const u8 *data, size_t len)
{
	struct input in = { data, data + len };
	struct vpe_model m = { .size = take_size(&in), .set = slots, .mask = 2047 };
	struct count count = { };
	struct vpe_window *w;
	unsigned int n = 0;

	memset(slots, 0, sizeof(slots));
	m.start = take_seq(&in, 0, m.size);
	shim_cpu = 0;
	w = vpe_window_alloc(m.size, m.start, 0, GFP_ATOMIC);
	vpe_model_accept(&m, m.start);
	while (left(&in) && n++ < OPS_MAX)
		step(w, &m, &count, &in);
	compare(w, &m, &count);
	vpe_window_free(w);
	return 0;
}
