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
		w = vpe_window_alloc(64, c->first, GFP_ATOMIC);
		for (i = 0; i < c->nr; i++) {
			expect(vpe_window_check(w, c->steps[i].seq) == c->steps[i].verdict,
			       "%s: step %u", c->name, i);
			expect(vpe_window_commit(w, c->steps[i].seq) == c->steps[i].verdict,
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

/* One window's life: so many steps. */
static void live(struct vpe_model *m, u64 *state, unsigned int steps)
{
	struct vpe_window *w;
	u64 seq, elsewhere = 0, refused = 0;
	enum vpe_verdict is, should;

	seq = vpe_model_first(m, state);
	shim_cpu = 0;
	w = vpe_window_alloc((unsigned int)m->size, seq, GFP_ATOMIC);
	m->top = 0;
	vpe_model_accept(m, seq);
	while (steps--) {
		seq = vpe_model_next(m, state);
		should = vpe_model_check(m, seq);
		shim_cpu = (unsigned int)(vpe_random(state) % SHIM_CPUS);
		is = vpe_window_check(w, seq);
		expect(is == should, "check: %u, not %u: size %llu top %llu seq %llu",
		       is, should, m->size, m->top, seq);
		is = vpe_window_commit(w, seq);
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
	expect_eq(atomic64_read(&w->replayed) + atomic64_read(&w->old), refused);
	kfree(w);
}

static void model(void)
{
	const unsigned int slots = 1 << 15, steps = 4000, lives = 60;
	u64 state = test_seed, size;
	struct vpe_model m;
	unsigned int i;

	for (size = VPE_WINDOW_MIN; size <= VPE_WINDOW_MAX; size *= 2)
		for (i = 0; i < lives; i++) {
			m = (struct vpe_model){ .size = size, .mask = slots - 1 };
			m.set = calloc(slots, sizeof(*m.set));
			live(&m, &state, steps);
			free(m.set);
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
			w = vpe_window_alloc(size, first, GFP_ATOMIC);
			for (n = 1; n < size; n++)
				vpe_window_commit(w, first - n);
			expect_eq(vpe_window_commit(w, first + ahead), VPE_FRESH);
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
	w = vpe_window_alloc(64, 1000, GFP_ATOMIC);
	expect_eq(w->size, 64);
	expect_eq(w->cpu, 2);
	expect_eq(w->top, 1000);
	expect_eq(w->packets, 1);
	expect_eq(w->elsewhere, 0);

	vpe_window_commit(w, 1001);
	shim_cpu = 3;
	vpe_window_commit(w, 1002);
	vpe_window_commit(w, 1000);	/* refused: counts for nobody here */
	shim_cpu = 2;
	vpe_window_commit(w, 10);
	vpe_window_commit(w, 1003);
	expect_eq(w->packets, 4);
	expect_eq(w->elsewhere, 1);
	expect_eq(w->top, 1003);
	expect_eq(w->cpu, 2);

	vpe_window_refused(w, VPE_REPLAY);
	vpe_window_refused(w, VPE_OLD);
	vpe_window_refused(w, VPE_OLD);
	expect_eq(atomic64_read(&w->replayed), 1);
	expect_eq(atomic64_read(&w->old), 2);
	expect_eq(w->packets, 4);
	kfree(w);
}

static void no_memory(void)
{
	shim_fail_alloc = 1;
	expect(!vpe_window_alloc(64, 1, GFP_ATOMIC));
}

static const struct test_case cases[] = {
	{ "round", round_sizes },
	{ "table", table },
	{ "slides", slides },
	{ "model", model },
	{ "statistics", statistics },
	{ "no_memory", no_memory },
	{ }
};

const struct test_suite suite_window = { "vpe_window", cases };
