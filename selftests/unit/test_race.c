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
 * @esp: one of ESP
 * @closed: %U64_MAX, or a number that was closed with all below it
 * @accepted: how often each number was
 * @base: lowest number of this round
 * @start: where threads wait for each other
 * @wrong: check refused what commit accepted
 * @winners: starts that succeeded
 */
static struct arena {
	struct vpe_scope	scope, elsewhere;
	struct vpe_context	*ctx, *other, *esp;
	u64			closed;
	unsigned int		accepted[NUMBERS];
	u64			base;
	pthread_barrier_t	start;
	unsigned int		wrong, winners;
	struct vpe_seq		taken[THREADS][NUMBERS];
} a;

static const struct vpe_lanes lanes = { .per_cpu = 2, .shift = 4 };

static void arena_init(void)
{
	memset(&a, 0, sizeof(a));
	shim_real_ns = 1800000000000000000ULL;
	vpe_contexts_init();
	a.scope.windows_max = VPE_NET_WINDOWS_MAX;
	a.scope.context_max = VPE_CONTEXT_WINDOWS_MAX;
	a.scope.sender_max = VPE_SENDER_WINDOWS_MAX;
	a.scope.ahead_max = U64_MAX;
	a.elsewhere.windows_max = VPE_NET_WINDOWS_MAX;
	a.ctx = vpe_context_get(&a.scope, "0123456789abcdef", 16, &lanes);
	a.other = vpe_context_get(&a.elsewhere, "0123456789abcdef", 16, &lanes);
	a.esp = vpe_context_get_esp(&a.scope, "0123456789abcdefsalt", 20, U64_MAX);
	a.ctx->window_size = NUMBERS;
	a.esp->window_size = NUMBERS;
	a.closed = U64_MAX;
	pthread_barrier_init(&a.start, NULL, THREADS);
}

static void arena_exit(void)
{
	pthread_barrier_destroy(&a.start);
	vpe_context_put(a.ctx);
	vpe_context_put(a.other);
	vpe_context_put(a.esp);
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
	verdict = vpe_context_commit(a.ctx, 7, seq, 0, &w);
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
	expect_eq(atomic64_read(&w->replayed) + atomic64_read(&w->old) +
		  atomic64_read(&w->behind),
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
	expect_eq(sum + atomic64_read(&w->replayed) + atomic64_read(&w->old) +
		  atomic64_read(&w->behind),
		  (u64)NUMBERS * ROUNDS * THREADS);
	arena_exit();
}

static void *one_window(void *arg)
{
	struct vpe_window *w = NULL;

	pthread_barrier_wait(&a.start);
	if (vpe_context_commit(a.ctx, 9, 100 + (unsigned long)arg, 0, &w) != VPE_FRESH)
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
		vpe_context_reserve(a.ctx, 0, i / 7, 1 + i % 3, 0, &a.taken[me][i]);
	return NULL;
}

static int by_number(const void *x, const void *y)
{
	const struct vpe_seq *p = x, *q = y;

	if (p->window != q->window)
		return p->window < q->window ? -1 : 1;
	return p->seq < q->seq ? -1 : p->seq > q->seq;
}

static int by_value(const void *x, const void *y)
{
	const u64 *p = x, *q = y;

	return *p < *q ? -1 : *p > *q;
}

/* Two threads a CPU, as if each interrupted the other between any two steps. */
static void numbers_once(void)
{
	static struct vpe_seq all[2 * THREADS * NUMBERS];
	unsigned int n, i, j, t, round;

	for (round = 0; round < ROUNDS; round++) {
		arena_init();
		run_threads(reserve_all);
		for (n = 0, t = 0; t < THREADS; t++)
			for (i = 0; i < NUMBERS; i++)
				for (j = 0; j < 1 + i % 3 && n < ARRAY_SIZE(all); j++, n++) {
					all[n] = a.taken[t][i];
					all[n].seq += j;
				}
		qsort(all, n, sizeof(all[0]), by_number);
		for (i = 1; i < n; i++)
			expect(by_number(&all[i - 1], &all[i]), "window %u number %llu twice",
			       all[i].window, all[i].seq);
		arena_exit();
	}
}

/* One closes, each time further; all take note of it when it is done. */
static void *commit_and_close(void *arg)
{
	unsigned long me = (unsigned long)arg;
	u64 state = test_seed + me, closed;
	struct vpe_window *w;
	u16 order[NUMBERS];
	unsigned int i;

	shim_cpu = me % SHIM_CPUS;
	shuffle(order, &state);
	w = vpe_context_window(a.ctx, 7);
	pthread_barrier_wait(&a.start);
	for (i = 0; i < NUMBERS; i++) {
		if (!me && i % 64 == 63) {
			closed = a.base + i / 2;
			vpe_window_close(w, closed);
			__atomic_store_n(&a.closed, closed, __ATOMIC_RELEASE);
		}
		closed = __atomic_load_n(&a.closed, __ATOMIC_ACQUIRE);
		if (receive(a.base + order[i]) == VPE_FRESH && closed != U64_MAX &&
		    a.base + order[i] <= closed)
			__atomic_add_fetch(&a.wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What is closed stays out while others come in, once each. */
static void closed_meanwhile(void)
{
	unsigned int round, i;
	struct vpe_window *w;

	for (round = 0; round < ROUNDS; round++) {
		arena_init();
		a.base = shim_real_ns;
		vpe_context_commit(a.ctx, 7, a.base - 1, 0, &w);
		run_threads(commit_and_close);
		expect_eq(a.wrong, 0);
		expect_eq(a.closed, a.base + NUMBERS / 2 - 1);
		for (i = 0; i < NUMBERS; i++)
			expect(a.accepted[i] == 1 || (a.accepted[i] == 0 && i < NUMBERS / 2),
			       "round %u: number %u %u times", round, i, a.accepted[i]);
		arena_exit();
	}
}

/* The lower halves of numbers that go from one subspace to the next. */
static void *infer_all(void *arg)
{
	u64 state = test_seed + (unsigned long)arg, seq;
	struct vpe_window *w;
	u16 order[NUMBERS];
	unsigned int i;

	shim_cpu = (unsigned long)arg % SHIM_CPUS;
	shuffle(order, &state);
	pthread_barrier_wait(&a.start);
	for (i = 0; i < NUMBERS; i++) {
		seq = vpe_context_infer(a.esp, (u32)(a.base + order[i]));
		if (seq != a.base + order[i])
			__atomic_add_fetch(&a.wrong, 1, __ATOMIC_RELAXED);
		else if (seq <= a.esp->closed)
			continue;
		else if (vpe_context_commit(a.esp, 0, seq, 0, &w) == VPE_FRESH)
			__atomic_add_fetch(&a.accepted[order[i]], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* ESP's window, made by whoever comes first: what was closed is not in it. */
static void esp_exactly_once(void)
{
	unsigned int round, i, closed = NUMBERS / 4;

	for (round = 0; round < ROUNDS; round++) {
		arena_init();
		a.base = (1ULL << 32) - NUMBERS / 2;
		a.esp->closed = a.base + closed;
		run_threads(infer_all);
		expect_eq(a.wrong, 0);
		for (i = 0; i < NUMBERS; i++)
			expect(a.accepted[i] == (i > closed), "round %u: number %u %u times",
			       round, i, a.accepted[i]);
		expect_eq(atomic_read(&a.scope.windows), 1);
		arena_exit();
	}
}

static void *reserve_esp(void *arg)
{
	unsigned long me = (unsigned long)arg;
	unsigned int i;

	shim_cpu = me % SHIM_CPUS;
	pthread_barrier_wait(&a.start);
	if (!vpe_context_started(a.esp))
		vpe_context_start(a.esp, a.base + me);
	for (i = 0; i < NUMBERS; i++)
		if (vpe_context_reserve(a.esp, 0, i, 1 + i % 3, 0, &a.taken[me][i]))
			a.taken[me][i].window = ~0u;
	return NULL;
}

/* The numbers taken, sorted. Return: how many */
static unsigned int collect(u64 *all, unsigned int size)
{
	unsigned int n = 0, i, j, t;

	for (t = 0; t < THREADS; t++)
		for (i = 0; i < NUMBERS; i++)
			for (j = 0; j < 1 + i % 3 && a.taken[t][i].window != ~0u; j++) {
				expect_eq(a.taken[t][i].window, 0);
				if (n < size)
					all[n++] = a.taken[t][i].seq + j;
			}
	qsort(all, n, sizeof(*all), by_value);
	return n;
}

/* One counter for all: no number is left out or comes twice, and so no IV. */
static void esp_numbers_once(void)
{
	static u64 all[2 * THREADS * NUMBERS];
	unsigned int n, i, round;

	for (round = 0; round < ROUNDS; round++) {
		arena_init();
		a.base = (1ULL << 32) - NUMBERS;
		run_threads(reserve_esp);
		/* of the starts one counts */
		expect(a.esp->first > a.base && a.esp->first <= a.base + THREADS);
		n = collect(all, ARRAY_SIZE(all));
		expect_eq(n, vpe_context_sent(a.esp, 0));
		for (i = 0; i < n; i++)
			expect_eq(all[i], a.esp->first + i);
		for (i = 0; i < n; i++)
			all[i] = be64_to_cpu(vpe_context_iv(a.esp, all[i]));
		qsort(all, n, sizeof(*all), by_value);
		for (i = 1; i < n; i++)
			expect(all[i - 1] != all[i], "IV %#llx twice", all[i]);
		arena_exit();
	}
}

/* All run into the end: what is left goes out once, and that is it. */
static void esp_end(void)
{
	static u64 all[2 * THREADS * NUMBERS];
	unsigned int n, i, round;

	for (round = 0; round < 2 * ROUNDS; round++) {
		arena_init();
		a.esp->last = round % 2 ? U32_MAX : U64_MAX;
		a.base = a.esp->last - 5000;
		run_threads(reserve_esp);
		n = collect(all, ARRAY_SIZE(all));
		/* one reservation may not have fit, of three numbers at most */
		expect(n <= a.esp->last - a.esp->first + 1 &&
		       n + 2 >= a.esp->last - a.esp->first + 1, "%u", n);
		for (i = 0; i < n; i++)
			expect_eq(all[i], a.esp->first + i);
		expect_eq(vpe_context_last(a.esp, 0), a.esp->last);
		arena_exit();
	}
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
	{ "closed_meanwhile", closed_meanwhile },
	{ "esp_exactly_once", esp_exactly_once },
	{ "esp_numbers_once", esp_numbers_once },
	{ "esp_end", esp_end },
	{ }
};

#ifdef ONLY_RACES
const struct test_suite suite_race = { "vpe_race_tsan", cases };
#else
const struct test_suite suite_race = { "vpe_race", cases };
#endif
