// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "cases.h"
#include "model.h"
#include "shim.h"
#include "test.h"

static void round_sizes(void)
{
	const struct vpe_round_case *c;

	for (c = vpe_round_cases; c < vpe_round_cases + ARRAY_SIZE(vpe_round_cases); c++)
		expect_eq(vpe_window_round(c->asked), c->size);
}

static void table(void)
{
	const struct vpe_window_case *c;
	struct vpe_window *w;
	unsigned int i;

	for (c = vpe_window_cases; c < vpe_window_cases + ARRAY_SIZE(vpe_window_cases); c++) {
		w = vpe_window_alloc(64, c->first, 0, GFP_ATOMIC);
		for (i = 0; i < c->nr; i++) {
			if (c->steps[i].close) {
				vpe_window_close(w, c->steps[i].seq);
				continue;
			}
			expect(vpe_window_check(w, c->steps[i].seq) == c->steps[i].verdict,
			       "%s: step %u", c->name, i);
			expect(vpe_window_commit(w, c->steps[i].seq, 0) == c->steps[i].verdict,
			       "%s: step %u", c->name, i);
		}
		kfree(w);
	}
}

/* All of what a window says, against the model; and nothing is left set. */
static void compare(struct vpe_window *w, const struct vpe_model *m)
{
	u64 n;

	for (n = 0; n < m->size + 2; n++)
		expect(vpe_window_check(w, m->top - n) == vpe_model_check(m, m->top - n),
		       "size %llu, %llu behind %llu", m->size, n, m->top);
}

/* Close a number where it may be of any effect; seldom far ahead, that ends all. */
static void close_some(struct vpe_window *w, struct vpe_model *m, u64 *state)
{
	u64 r = vpe_random(state), seq = m->top - r % (m->size + 2);

	if (r >> 32 & 1)
		seq = vpe_model_next(m, state);
	if (seq > m->top && seq - m->top > 10 * m->size && r >> 33 & 15)
		seq = m->top;
	vpe_window_close(w, seq);
	vpe_model_close(m, seq);
	compare(w, m);
}

/* One window's life: so many steps, and after each @close a number is closed. */
static void live(struct vpe_model *m, u64 *state, unsigned int steps, unsigned int close)
{
	struct vpe_window *w;
	u64 seq, elsewhere = 0, refused = 0;
	enum vpe_verdict is, should;

	seq = vpe_model_first(m, state);
	shim_cpu = 0;
	w = vpe_window_alloc((unsigned int)m->size, seq, 0, GFP_ATOMIC);
	m->top = 0;
	m->start = seq;
	vpe_model_accept(m, seq);
	while (steps--) {
		if (close && !(steps % close))
			close_some(w, m, state);
		seq = vpe_model_next(m, state);
		should = vpe_model_check(m, seq);
		shim_cpu = (unsigned int)(vpe_random(state) % SHIM_CPUS);
		is = vpe_window_check(w, seq);
		expect(is == should, "check: %u, not %u: size %llu top %llu seq %llu",
		       is, should, m->size, m->top, seq);
		is = vpe_window_commit(w, seq, 0);
		expect(is == should, "commit: %u, not %u: size %llu top %llu seq %llu",
		       is, should, m->size, m->top, seq);
		if (should == VPE_FRESH) {
			vpe_model_accept(m, seq);
			elsewhere += shim_cpu != 0;
		} else {
			vpe_window_refused(w, should);
			refused++;
		}
		expect(w->top == m->top, "%llu, not %llu", w->top, m->top);
	}
	compare(w, m);
	expect_eq(w->packets, m->accepted);
	expect_eq(w->elsewhere, elsewhere);
	expect_eq(atomic64_read(&w->replayed) + atomic64_read(&w->old) +
		  atomic64_read(&w->behind), refused);
	kfree(w);
}

static void lives(unsigned int n, unsigned int steps, unsigned int close)
{
	const unsigned int slots = 1 << 15;
	u64 state = test_seed, size;
	struct vpe_model m;
	unsigned int i;

	for (size = VPE_WINDOW_MIN; size <= VPE_WINDOW_MAX; size *= 2)
		for (i = 0; i < n; i++) {
			m = (struct vpe_model){ .size = size, .mask = slots - 1 };
			m.set = calloc(slots, sizeof(*m.set));
			live(&m, &state, steps, close);
			free(m.set);
		}
}

static void model(void)
{
	lives(60, 4000, 0);
}

static void closed(void)
{
	lives(60, 2000, 97);
}

/* Each number of a window and around it closed, whatever was accepted before. */
static void closes(void)
{
	const unsigned int size = 64;
	struct vpe_window *w, *before;
	u64 first, n, seq;

	for (first = 10 * size; first < 11 * size; first++)
		for (n = first - size - 2; n <= first + 2 * size + 1; n++) {
			w = vpe_window_alloc(size, first, 0, GFP_ATOMIC);
			before = vpe_window_alloc(size, first, 0, GFP_ATOMIC);
			for (seq = first - size + 1; seq < first; seq += 1 + seq % 3) {
				vpe_window_commit(w, seq, 0);
				vpe_window_commit(before, seq, 0);
			}
			vpe_window_close(w, n);
			expect_eq(w->top, n > first ? n : first);
			expect_eq(w->packets, before->packets);
			for (seq = first - size - 2; seq <= first + 3 * size; seq++)
				expect(vpe_window_check(w, seq) ==
				       (seq > n ? vpe_window_check(before, seq) :
					w->top - seq < size ? VPE_REPLAY :
					seq <= first - size ? VPE_BEHIND : VPE_OLD),
				       "%llu, closed %llu: %llu", first, n, seq);
			kfree(w);
			kfree(before);
		}
}

static void infer_table(void)
{
	const struct vpe_infer_case *c;

	for (c = vpe_infer_cases; c < vpe_infer_cases + ARRAY_SIZE(vpe_infer_cases); c++) {
		expect(vpe_window_infer(c->top, c->size, c->low) == c->seq,
		       "case %td: %#llx, not %#llx", c - vpe_infer_cases,
		       vpe_window_infer(c->top, c->size, c->low), c->seq);
		expect_eq(vpe_model_infer(c->top, c->size, c->low), c->seq);
	}
}

static void infer_model(void)
{
	u64 state = test_seed, is, should;
	struct vpe_infer_draw d;
	unsigned int i;

	for (i = 0; i < 2000000; i++) {
		d = vpe_model_infer_draw(&state);
		is = vpe_window_infer(d.top, d.size, d.low);
		should = vpe_model_infer(d.top, d.size, d.low);
		expect(is == should, "%#llx, not %#llx: top %#llx size %u low %#x",
		       is, should, d.top, d.size, d.low);
		expect((u32)is == d.low);
	}
}

/*
 * A receiver that loses, reorders and is replayed to, yet infers each number that
 * its window has not left behind, from one subspace to the next.
 */
static void infer_stream(void)
{
	u64 state = test_seed, top, seq;
	u32 size;
	unsigned int i;

	for (size = VPE_WINDOW_MIN; size <= VPE_WINDOW_MAX; size *= 2) {
		top = vpe_random(&state) % 3 ? (1ULL << 32) - 20000 : 0;
		for (i = 0; i < 100000; i++) {
			seq = top + 1 + vpe_random(&state) % 8;
			if (i % 3 == 0)
				seq = top - vpe_random(&state) % (top < size ? top + 1 : size);
			if (i % 1000 == 0)	/* all but a subspace is lost */
				seq = top + (1ULL << 32) - size;
			expect(vpe_window_infer(top, size, (u32)seq) == seq,
			       "top %#llx size %u seq %#llx", top, size, seq);
			top = seq > top ? seq : top;
		}
	}
}

/* Each distance a window can be moved by, from each place in its bitmap. */
static void slides(void)
{
	const unsigned int size = 64;
	struct vpe_window *w;
	u64 first, ahead, n;

	for (first = 10 * size; first < 11 * size; first++)
		for (ahead = 1; ahead <= 2 * size + 1; ahead++) {
			w = vpe_window_alloc(size, first, 0, GFP_ATOMIC);
			for (n = 1; n < size; n++)
				vpe_window_commit(w, first - n, 0);
			expect_eq(vpe_window_commit(w, first + ahead, 0), VPE_FRESH);
			for (n = 1; n < size; n++)
				expect(vpe_window_check(w, first + ahead - n) ==
				       (n < ahead ? VPE_FRESH : VPE_REPLAY),
				       "%llu and %llu ahead, %llu behind that", first, ahead, n);
			kfree(w);
		}
}

static void statistics(void)
{
	struct vpe_window *w;

	shim_cpu = 2;
	w = vpe_window_alloc(64, 1000, 100, GFP_ATOMIC);
	expect_eq(w->size, 64);
	expect_eq(w->cpu, 2);
	expect_eq(w->top, 1000);
	expect_eq(w->packets, 1);
	expect_eq(w->elsewhere, 0);
	expect_eq(w->bytes, 100);

	vpe_window_commit(w, 1001, 1);
	shim_cpu = 3;
	vpe_window_commit(w, 1002, 20);
	vpe_window_commit(w, 1000, 5000);	/* refused: counts for nobody here */
	shim_cpu = 2;
	vpe_window_commit(w, 10, 7000);
	vpe_window_commit(w, 1003, 300);
	expect_eq(w->packets, 4);
	expect_eq(w->bytes, 421);
	expect_eq(w->elsewhere, 1);
	expect_eq(w->top, 1003);
	expect_eq(w->cpu, 2);

	vpe_window_refused(w, VPE_REPLAY);
	vpe_window_refused(w, VPE_OLD);
	vpe_window_refused(w, VPE_OLD);
	vpe_window_refused(w, VPE_BEHIND);
	vpe_window_refused(w, VPE_BEHIND);
	vpe_window_refused(w, VPE_BEHIND);
	expect_eq(atomic64_read(&w->replayed), 1);
	expect_eq(atomic64_read(&w->behind), 3);
	expect_eq(atomic64_read(&w->old), 2);
	expect_eq(w->packets, 4);
	expect(!w->late, "memory for what did not happen");
	vpe_window_free(w);
}

static void lateness(void)
{
	struct vpe_window *w = vpe_window_alloc(64, 1000, 0, GFP_ATOMIC);

	shim_fail_alloc = 1;
	vpe_window_late(w, 3, false);
	expect(!w->late, "counted without memory");
	vpe_window_late(w, 0, false);
	vpe_window_late(w, 15, true);
	vpe_window_late(w, 15, true);
	expect_eq(atomic64_read(&w->late->packets[0][0]), 1);
	expect_eq(atomic64_read(&w->late->packets[0][3]), 0);
	expect_eq(atomic64_read(&w->late->packets[1][15]), 2);
	expect_eq(atomic64_read(&w->late->packets[0][15]), 0);
	vpe_window_free(w);
}

static void no_memory(void)
{
	shim_fail_alloc = 1;
	expect(!vpe_window_alloc(64, 1, 0, GFP_ATOMIC));
}

static const struct test_case cases[] = {
	{ "round", round_sizes },
	{ "table", table },
	{ "slides", slides },
	{ "model", model },
	{ "closes", closes },
	{ "closed", closed },
	{ "infer_table", infer_table },
	{ "infer_model", infer_model },
	{ "infer_stream", infer_stream },
	{ "statistics", statistics },
	{ "lateness", lateness },
	{ "no_memory", no_memory },
	{ }
};

const struct test_suite suite_window = { "vpe_window", cases };
