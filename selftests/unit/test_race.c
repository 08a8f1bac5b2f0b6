// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads at one window, at one counter and at one key. Also built with
 * the thread sanitizer: the shims make of READ_ONCE(), test_bit() and what
 * writes a bitmap relaxed atomics, so that the look at a window without its
 * lock is no false alarm, while what should be under the lock still is one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../../vpe/context.h"
#include "model.h"
#include "shim.h"
#include "test.h"

#define THREADS		8
#define NUMBERS		4096
#ifdef ONLY_RACES
#define ROUNDS		10	/* the thread sanitizer is slow */
#else
#define ROUNDS		40
#endif

/**
 * struct arena - what the threads of a case share
 * @scope: the namespace
 * @ctx: key context
 * @other: another with the same key
 * @accepted: how often each number was
 * @base: lowest number of this round
 * @start: where threads wait for each other
 * @wrong: check refused what commit accepted
 * @winners: starts that succeeded
 */
static struct arena {
	struct vpe_scope	scope, elsewhere;
	struct vpe_context	*ctx, *other;
	unsigned int		accepted[NUMBERS];
	u64			base;
	pthread_barrier_t	start;
	unsigned int		wrong, winners;
	struct vpe_seq		taken[THREADS][NUMBERS];
} a;

static const struct vpe_lanes lanes = { .per_cpu = 2 };

static void arena_init(void)
{
	memset(&a, 0, sizeof(a));
	shim_real_ns = 1800000000000000000ULL;
	vpe_contexts_init();
	a.scope.windows_max = VPE_NET_WINDOWS_MAX;
	a.scope.ahead_max = U64_MAX;
	a.elsewhere.windows_max = VPE_NET_WINDOWS_MAX;
	a.ctx = vpe_context_get(&a.scope, "0123456789abcdef", 16, &lanes);
	a.other = vpe_context_get(&a.elsewhere, "0123456789abcdef", 16, &lanes);
	a.ctx->window_size = NUMBERS;
	pthread_barrier_init(&a.start, NULL, THREADS);
}

static void arena_exit(void)
{
	pthread_barrier_destroy(&a.start);
	vpe_context_put(a.ctx);
	vpe_context_put(a.other);
	vpe_contexts_exit();
}

static void run_threads(void *(*work)(void *))
{
	pthread_t threads[THREADS];
	unsigned long i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void shuffle(u16 *order, u64 *state)
{
	unsigned int i, j;
	u16 swap;

	for (i = 0; i < NUMBERS; i++)
		order[i] = (u16)i;
	for (i = NUMBERS - 1; i; i--) {
		j = (unsigned int)(vpe_random(state) % (i + 1));
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
}

/* A packet as the receive path takes it; the decryption left out. */
static enum vpe_verdict receive(u64 seq)
{
	enum vpe_verdict seen = VPE_FRESH, verdict;
	struct vpe_window *w;

	w = vpe_context_window(a.ctx, 7);
	if (w)
		seen = vpe_window_check(w, seq);
	verdict = vpe_context_commit(a.ctx, 7, seq, &w);
	if (verdict == VPE_FRESH && seen != VPE_FRESH)
		__atomic_add_fetch(&a.wrong, 1, __ATOMIC_RELAXED);
	if (verdict == VPE_FRESH)
		__atomic_add_fetch(&a.accepted[seq - a.base], 1, __ATOMIC_RELAXED);
	else
		vpe_window_refused(w, verdict);
	return verdict;
}

static void *commit_all(void *arg)
{
	u64 state = test_seed + (unsigned long)arg;
	u16 order[NUMBERS];
	unsigned int i;

	shim_cpu = (unsigned long)arg % SHIM_CPUS;
	shuffle(order, &state);
	pthread_barrier_wait(&a.start);
	for (i = 0; i < NUMBERS; i++)
		receive(a.base + order[i]);
	return NULL;
}

/*
 * The numbers of a round are those of one window, so that each is accepted by
 * one thread. The first round makes the window: who comes first?
 */
static void exactly_once(void)
{
	struct vpe_window *w;
	unsigned int round, i;

	arena_init();
	a.base = shim_real_ns;
	for (round = 0; round < ROUNDS; round++, a.base += NUMBERS) {
		memset(a.accepted, 0, sizeof(a.accepted));
		run_threads(commit_all);
		for (i = 0; i < NUMBERS; i++)
			expect(a.accepted[i] == 1, "round %u: number %u %u times",
			       round, i, a.accepted[i]);
	}
	expect_eq(a.wrong, 0);
	w = vpe_context_window(a.ctx, 7);
	expect_eq(w->packets, NUMBERS * ROUNDS);
	expect_eq(atomic64_read(&w->replayed) + atomic64_read(&w->old),
		  (u64)NUMBERS * ROUNDS * (THREADS - 1));
	expect_eq(atomic_read(&a.scope.windows), 1);
	arena_exit();
}

/* As before with a window that is too small: never twice, none unaccounted. */
static void at_most_once(void)
{
	struct vpe_window *w;
	unsigned int round, i;
	u64 sum = 0;

	arena_init();
	a.ctx->window_size = VPE_WINDOW_MIN;
	a.base = 0;
	for (round = 0; round < ROUNDS; round++, a.base += NUMBERS) {
		memset(a.accepted, 0, sizeof(a.accepted));
		run_threads(commit_all);
		for (i = 0; i < NUMBERS; i++) {
			expect(a.accepted[i] <= 1, "number %u %u times", i, a.accepted[i]);
			sum += a.accepted[i];
		}
	}
	expect_eq(a.wrong, 0);
	w = vpe_context_window(a.ctx, 7);
	expect_eq(w->packets, sum);
	expect_eq(sum + atomic64_read(&w->replayed) + atomic64_read(&w->old),
		  (u64)NUMBERS * ROUNDS * THREADS);
	arena_exit();
}

static void *one_window(void *arg)
{
	struct vpe_window *w = NULL;

	pthread_barrier_wait(&a.start);
	if (vpe_context_commit(a.ctx, 9, 100 + (unsigned long)arg, &w) != VPE_FRESH)
		__atomic_add_fetch(&a.wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* With room for one window only, its makers' rivals are let in to it. */
static void last_room(void)
{
	unsigned int round;

	for (round = 0; round < 20 * ROUNDS; round++) {
		arena_init();
		a.scope.windows_max = 1;
		run_threads(one_window);
		expect_eq(a.wrong, 0);
		expect_eq(atomic_read(&a.scope.windows), 1);
		arena_exit();
	}
}

static void *reserve_all(void *arg)
{
	unsigned long me = (unsigned long)arg;
	unsigned int i;

	shim_cpu = me % SHIM_CPUS;
	pthread_barrier_wait(&a.start);
	if (!vpe_context_started(a.ctx))
		vpe_context_start(a.ctx, 0);
	for (i = 0; i < NUMBERS; i++)
		vpe_context_reserve(a.ctx, i / 7, 1 + i % 3, &a.taken[me][i]);
	return NULL;
}

static int by_number(const void *x, const void *y)
{
	const struct vpe_seq *p = x, *q = y;

	if (p->window != q->window)
		return p->window < q->window ? -1 : 1;
	return p->seq < q->seq ? -1 : p->seq > q->seq;
}

/* Two threads a CPU, as if each interrupted the other between any two steps. */
static void numbers_once(void)
{
	static struct vpe_seq all[2 * THREADS * NUMBERS];
	unsigned int n = 0, i, j, t;

	arena_init();
	run_threads(reserve_all);
	for (t = 0; t < THREADS; t++)
		for (i = 0; i < NUMBERS; i++)
			for (j = 0; j < 1 + i % 3; j++, n++)
				if (n < ARRAY_SIZE(all)) {
					all[n] = a.taken[t][i];
					all[n].seq += j;
				}
	n = n < ARRAY_SIZE(all) ? n : ARRAY_SIZE(all);
	qsort(all, n, sizeof(all[0]), by_number);
	for (i = 1; i < n; i++)
		expect(by_number(&all[i - 1], &all[i]), "window %u number %llu twice",
		       all[i].window, all[i].seq);
	arena_exit();
}

static void *start_one(void *arg)
{
	pthread_barrier_wait(&a.start);
	if (!vpe_context_start((unsigned long)arg % 2 ? a.ctx : a.other, 0))
		__atomic_or_fetch(&a.winners, 1u << ((unsigned long)arg % 2),
				  __ATOMIC_RELAXED);
	return NULL;
}

/* Of two namespaces with one key, one sends. */
static void one_claim(void)
{
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		arena_init();
		run_threads(start_one);
		expect(a.winners == 1 || a.winners == 2, "%u", a.winners);
		expect_eq(vpe_context_started(a.ctx), a.winners == 2);
		expect_eq(vpe_context_started(a.other), a.winners == 1);
		arena_exit();
	}
}

static const struct test_case cases[] = {
	{ "exactly_once", exactly_once },
	{ "at_most_once", at_most_once },
	{ "last_room", last_room },
	{ "numbers_once", numbers_once },
	{ "one_claim", one_claim },
	{ }
};

#ifdef ONLY_RACES
const struct test_suite suite_race = { "vpe_race_tsan", cases };
#else
const struct test_suite suite_race = { "vpe_race", cases };
#endif
