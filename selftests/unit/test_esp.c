// SPDX-License-Identifier: GPL-2.0
/*
 * Key contexts of ESP: one counter, one window, no claim.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/limits.h>
#include <linux/rcupdate.h>

#include "cases.h"
#include "contexts.h"
#include "model.h"

#define KEY	"0123456789abcdefSALT"
#define SUB	0x100000000ULL		/* numbers of a subspace */

static struct vpe_context *get(struct vpe_scope *scope, u64 last)
{
	struct vpe_context *ctx = vpe_context_get_esp(scope, KEY, 20, last);

	if (ctx)
		ctx->window_size = 64;
	return ctx;
}

static struct vpe_context *get_vpe(const char *key)
{
	static const struct vpe_lanes lanes = { .per_cpu = 1, .shift = 2 };

	return vpe_context_get(&here, key, 16, &lanes);
}

static u64 reserve(struct vpe_context *ctx, unsigned int cpu, unsigned int n)
{
	return reserve_by(ctx, cpu, n, cpu * 12345, 0);
}

/* It begins after the number the user names, whatever that is. */
static void first_number(void)
{
	const struct vpe_esp_start_case *c;
	struct vpe_context *ctx;

	load();
	for (c = vpe_esp_start_cases; c < vpe_esp_start_cases + ARRAY_SIZE(vpe_esp_start_cases);
	     c++) {
		/* how far ahead it is hurts nobody */
		ctx = get(&untrusted, c->last);
		expect(vpe_context_is_esp(ctx));
		expect(!vpe_context_started(ctx));
		expect_eq(vpe_context_last(ctx, 0), 0);
		expect(vpe_context_start(ctx, c->oseq) == c->err, "last %#llx oseq %#llx",
		       c->last, c->oseq);
		expect_eq(vpe_context_started(ctx), !c->err);
		if (!c->err) {
			expect_eq(vpe_context_sent(ctx, 0), 0);
			expect_eq(vpe_context_last(ctx, 0), 0);
			expect_eq(reserve(ctx, 1, 1), c->oseq + 1);
			expect_eq(vpe_context_last(ctx, 0), c->oseq + 1);
			/* it goes on, whatever another start says */
			expect_eq(vpe_context_start(ctx, 77), 0);
			expect_eq(ctx->first, c->oseq + 1);
		}
		vpe_context_put(ctx);
	}
	unload();
}

/* All CPUs have one, in the order they come. */
static void counter(void)
{
	struct vpe_context *ctx;
	unsigned int i, n;
	u64 next = SUB - 300;

	load();
	ctx = get(&here, U64_MAX);
	expect_eq(vpe_context_start(ctx, next - 1), 0);
	for (i = 0; i < 1000; i++, next += n) {
		n = 1 + i % 7;
		expect_eq(reserve(ctx, i * 5 % SHIM_CPUS, n), next);
		expect_eq(vpe_context_sent(ctx, 0), next + n - (SUB - 300));
		expect_eq(vpe_context_last(ctx, 0), next + n - 1);
	}
	for (i = 1; i <= 0x10000; i *= 2) {
		expect_eq(vpe_context_sent(ctx, i), 0);
		expect_eq(vpe_context_last(ctx, i), 0);
	}
	vpe_context_put(ctx);
	unload();
}

/* Takes what is left, then asks on. */
static void use_up(u64 last, const struct vpe_esp_end_case *c)
{
	static const unsigned int asked[] = { 1, 2, 64, 65535, ~0u };
	struct vpe_context *ctx = get(&here, last);
	u64 seq = last - c->room + 1;
	unsigned int i;

	expect_eq(vpe_context_start(ctx, last - c->room), 0);
	for (i = 0; i < ARRAY_SIZE(c->n) && c->n[i]; seq += c->n[i++])
		expect_eq(reserve(ctx, i, c->n[i]), seq);
	expect_eq(reserve_error(ctx, c->more), -EOVERFLOW);
	expect_eq(vpe_context_last(ctx, 0), last);
	for (i = 0; i < 500000; i++)
		expect_eq(reserve_error(ctx, asked[i % ARRAY_SIZE(asked)]), -EOVERFLOW);
	expect_eq(vpe_context_last(ctx, 0), last);
	expect_eq(vpe_context_sent(ctx, 0), c->room);
	vpe_context_put(ctx);
}

/* The last numbers go out; afterwards nothing does, and none comes again. */
static void exhaustion(void)
{
	const struct vpe_esp_end_case *c;

	load();
	for (c = vpe_esp_end_cases; c < vpe_esp_end_cases + ARRAY_SIZE(vpe_esp_end_cases); c++) {
		use_up(U32_MAX, c);
		use_up(U64_MAX, c);
	}
	unload();
}

static int by_value(const void *x, const void *y)
{
	const u64 *p = x, *q = y;

	return *p < *q ? -1 : *p > *q;
}

static void expect_distinct(u64 *values, unsigned int n)
{
	unsigned int i;

	qsort(values, n, sizeof(*values), by_value);
	for (i = 1; i < n; i++)
		expect(values[i - 1] != values[i], "%#llx twice", values[i]);
}

/* Big endian, the number XOR the mask: so no two are the same. */
static void ivs(void)
{
	static u64 seen[100000];
	struct vpe_context *ctx;
	unsigned int i;
	__be64 iv;
	u64 seq;

	load();
	ctx = get(&here, U64_MAX);
	expect_eq(vpe_context_start(ctx, SUB - 50000), 0);
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		seq = reserve(ctx, i % SHIM_CPUS, 1);
		iv = vpe_context_iv(ctx, seq);
		seen[i] = be64_to_cpu(iv);
		expect_eq(seen[i] ^ seen[0], seq ^ ctx->first);
		expect_eq(seen[i] ^ seq, ctx->iv_mask);
		expect_eq(((u8 *)&iv)[7] ^ (u8)seq, (u8)ctx->iv_mask);
	}
	expect_distinct(seen, ARRAY_SIZE(seen));
	vpe_context_put(ctx);
	unload();
}

/*
 * Contexts of one key draw masks of their own, so that their IVs do not meet
 * though their numbers do: half of the contexts have each bit, give or take
 * eight standard deviations.
 */
static void masks(void)
{
	enum { N = 4096, SPREAD = 8 * 32 };
	static u64 mask[N], seen[2 * 50000];
	static struct vpe_context *ctx[N];
	unsigned int i, bit, set;

	load();
	for (i = 0; i < N; i++) {
		ctx[i] = get(i % 2 ? &here : &there, i % 3 ? U64_MAX : U32_MAX);
		mask[i] = ctx[i]->iv_mask;
	}
	for (bit = 0; bit < 64; bit++) {
		for (set = 0, i = 0; i < N; i++)
			set += mask[i] >> bit & 1;
		expect(set > N / 2 - SPREAD && set < N / 2 + SPREAD, "bit %u: %u of %u", bit, set,
		       N);
	}
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		seen[i] = be64_to_cpu(vpe_context_iv(ctx[i % 2], 1 + i / 2));
	expect_distinct(seen, ARRAY_SIZE(seen));
	expect_distinct(mask, N);
	for (i = 0; i < N; i++)
		vpe_context_put(ctx[i]);
	unload();
}

/* Two SAs of a key both send, in one namespace and in two; so may one of VPE. */
static void no_claim(void)
{
	struct vpe_context *a, *b, *c, *v;

	load();
	a = get(&here, U64_MAX);
	b = get(&here, U64_MAX);
	c = get(&there, U32_MAX);
	v = get_vpe(KEY);
	expect(a != b && b != c && a != v);
	expect(a->id != b->id && b->id != c->id && a->id != v->id);
	expect_eq(vpe_context_start(a, 10), 0);
	expect_eq(vpe_context_start(b, 10), 0);
	expect_eq(vpe_context_start(c, 10), 0);
	expect_eq(vpe_context_start(v, 0), 0);
	expect(!a->claimed && !b->claimed && !c->claimed && v->claimed);
	expect_eq(reserve(a, 0, 3), 11);
	expect_eq(reserve(b, 1, 1), 11);
	expect_eq(reserve(c, 2, 1), 11);
	expect_eq(reserve(a, 1, 1), 14);
	vpe_context_put(a);
	expect_eq(reserve(b, 0, 1), 12);
	vpe_context_put(b);
	vpe_context_put(c);
	vpe_context_put(v);

	/* the very bytes of a VPE key do not find it either */
	a = vpe_context_get_esp(&here, KEY, 16, U64_MAX);
	v = get_vpe(KEY);
	expect(a != v);
	expect(!vpe_context_is_esp(v));
	vpe_context_put(a);
	vpe_context_put(v);
	unload();
}

/* Whatever it sends, VPE's numbers begin at the clock. */
static void no_epoch(void)
{
	struct vpe_context *ctx, *v;

	load();
	ctx = get(&here, U64_MAX);
	expect_eq(vpe_context_start(ctx, U64_MAX - 3), 0);
	expect_eq(reserve(ctx, 0, 2), U64_MAX - 2);
	v = get_vpe("0123456789abcdeF");
	expect_eq(vpe_context_start(v, 0), 0);
	expect_eq(v->first, NOW);
	vpe_context_put(v);
	vpe_context_put(ctx);
	v = get_vpe("0123456789abcdeF");
	expect_eq(vpe_context_start(v, 0), 0);
	expect_eq(v->first, NOW);	/* no number of it was sent */
	vpe_context_put(v);

	/* nor does it read the clock */
	shim_real_ns = NOW + 1000;
	ctx = get(&here, U64_MAX);
	expect_eq(vpe_context_start(ctx, 0), 0);
	reserve(ctx, 0, 1);
	vpe_context_put(ctx);
	shim_real_ns = NOW;
	v = get_vpe("0123456789abcdeF");
	expect_eq(vpe_context_start(v, 0), 0);
	expect_eq(v->first, NOW);
	vpe_context_put(v);
	unload();
}

/* Clones share counter, mask and window; the last one out frees them. */
static void hold(void)
{
	struct vpe_context *a, *clone, *b;
	struct vpe_window *w;
	u64 mask;

	load();
	a = get(&here, U64_MAX);
	expect_eq(atomic_read(&here.contexts), 1);
	mask = a->iv_mask;
	clone = vpe_context_hold(a);
	expect(clone == a);
	expect_eq(atomic_read(&here.contexts), 1);
	b = get(&here, U64_MAX);
	expect_eq(atomic_read(&here.contexts), 2);

	expect_eq(vpe_context_start(a, 5), 0);
	expect_eq(reserve(a, 0, 1), 6);
	expect_eq(vpe_context_commit(a, 0, 100, 0, &w), VPE_FRESH);
	vpe_context_put(a);
	rcu_barrier();
	expect_eq(atomic_read(&here.contexts), 2);
	expect_eq(reserve(clone, 1, 1), 7);
	expect_eq(clone->iv_mask, mask);
	expect_eq(vpe_context_commit(clone, 0, 100, 0, &w), VPE_REPLAY);
	expect_eq(atomic_read(&here.windows), 1);
	vpe_context_put(clone);
	expect_eq(atomic_read(&here.contexts), 1);
	expect_eq(atomic_read(&here.windows), 0);
	vpe_context_put(b);
	expect_eq(atomic_read(&here.contexts), 0);
	unload();
}

static void has_key(void)
{
	u8 key[36] = "a key of 32 bytes and their 4, salt";
	struct vpe_context *ctx, *v;
	unsigned int bit, len;

	load();
	ctx = vpe_context_get_esp(&here, key, sizeof(key), U64_MAX);
	for (len = 0; len <= sizeof(key); len++)
		expect_eq(vpe_context_has_key(ctx, key, len), len == sizeof(key));
	for (bit = 0; bit < 8 * sizeof(key); bit++) {
		key[bit / 8] ^= 1 << bit % 8;
		expect(!vpe_context_has_key(ctx, key, sizeof(key)), "bit %u", bit);
		key[bit / 8] ^= 1 << bit % 8;
	}
	expect(vpe_context_has_key(ctx, key, sizeof(key)));
	vpe_context_put(ctx);

	v = get_vpe("0123456789abcdef");
	expect(vpe_context_has_key(v, "0123456789abcdef", 16));
	expect(!vpe_context_has_key(v, "0123456789abcdeF", 16));
	vpe_context_put(v);
	unload();
}

static enum vpe_verdict commit(struct vpe_context *ctx, u64 seq)
{
	struct vpe_window *w;

	return vpe_context_commit(ctx, 0, seq, 0, &w);
}

/* The first packet makes the window; what was closed stays out, the rest does not. */
static void first_window(void)
{
	static const u64 closed[] = {
		0, 1, 63, 64, 1000, SUB - 1, SUB, SUB + 5, NOW, U64_MAX - 70, U64_MAX - 2,
	};
	static const u64 ahead[] = { 1, 2, 30, 63, 64, 65, 500, SUB, 1ULL << 60 };
	struct vpe_context *ctx;
	struct vpe_model m;
	unsigned int i, j;
	u64 seq, n;

	load();
	for (i = 0; i < ARRAY_SIZE(closed); i++)
		for (j = 0; j < ARRAY_SIZE(ahead); j++) {
			if (ahead[j] > U64_MAX - closed[i])
				continue;
			seq = closed[i] + ahead[j];
			ctx = get(&here, U64_MAX);
			ctx->closed = closed[i];
			expect_eq(commit(ctx, closed[i]), VPE_OLD);
			expect(!vpe_context_has_windows(ctx));
			m = (struct vpe_model) { .size = 64, .mask = 255 };
			m.set = calloc(256, sizeof(*m.set));
			expect_eq(commit(ctx, seq), VPE_FRESH);
			vpe_model_accept(&m, seq);
			vpe_model_close(&m, closed[i]);
			/* from the top down past the window */
			for (n = 0; n < 70 && n <= seq; n++) {
				enum vpe_verdict should = vpe_model_check(&m, seq - n);

				expect(commit(ctx, seq - n) == should,
				       "closed %llu, first %llu: %llu", closed[i], seq, seq - n);
				if (should == VPE_FRESH)
					vpe_model_accept(&m, seq - n);
			}
			expect_eq(vpe_context_window(ctx, 0)->packets, m.accepted);
			free(m.set);
			vpe_context_put(ctx);
		}
	unload();
}

/* VPE's windows take whatever comes first, and all around it. */
static void vpe_closes_nothing(void)
{
	struct vpe_context *v;

	load();
	v = get_vpe("0123456789abcdef");
	v->window_size = 64;
	v->closed = 50;
	expect_eq(commit(v, 60), VPE_FRESH);
	expect_eq(commit(v, 50), VPE_FRESH);
	expect_eq(commit(v, 0), VPE_FRESH);
	vpe_context_put(v);
	unload();
}

/* By the window's top, or before there is one by what is closed. */
static void infer(void)
{
	u64 state = test_seed, is, should, top;
	struct vpe_infer_draw d;
	struct vpe_context *ctx;
	unsigned int i;

	load();
	for (i = 0; i < 20000; i++) {
		d = vpe_model_infer_draw(&state);
		ctx = get(&here, U64_MAX);
		ctx->window_size = d.size;
		ctx->closed = d.top;
		should = vpe_model_infer(d.top, d.size, d.low);
		is = vpe_context_infer(ctx, d.low);
		expect(is == should, "closed %#llx size %u low %#x: %#llx, not %#llx", d.top,
		       d.size, d.low, is, should);
		/* a packet above it; then the window's top is what counts */
		top = d.top + 1 + vpe_random(&state) % 100000;
		if (top > d.top) {
			expect_eq(commit(ctx, top), VPE_FRESH);
			should = vpe_model_infer(top, d.size, d.low);
			is = vpe_context_infer(ctx, d.low);
			expect(is == should, "top %#llx size %u low %#x: %#llx, not %#llx", top,
			       d.size, d.low, is, should);
		}
		vpe_context_put(ctx);
		if (i % 100 == 0)
			rcu_barrier();
	}
	unload();
}

/* Numbers of 32 bits are what they are, and none comes after the last. */
static void infer_32(void)
{
	static const u32 lows[] = { 0, 1, 63, 64, 1000, 0x7fffffff, 0x80000000, ~0u - 1, ~0u };
	struct vpe_context *ctx;
	unsigned int i;

	load();
	ctx = get(&here, U32_MAX);
	ctx->closed = 1000;
	for (i = 0; i < ARRAY_SIZE(lows); i++)
		expect_eq(vpe_context_infer(ctx, lows[i]), lows[i]);
	expect_eq(commit(ctx, U32_MAX), VPE_FRESH);
	for (i = 0; i < ARRAY_SIZE(lows); i++)
		expect_eq(vpe_context_infer(ctx, lows[i]), lows[i]);
	expect_eq(commit(ctx, vpe_context_infer(ctx, 0)), VPE_OLD);
	expect_eq(commit(ctx, vpe_context_infer(ctx, ~0u)), VPE_REPLAY);
	vpe_context_put(ctx);
	unload();
}

static void bounds(void)
{
	struct vpe_context *a, *b;

	load();
	here.windows_max = 1;
	a = get(&here, U64_MAX);
	b = get(&here, U64_MAX);
	expect_eq(commit(a, 5), VPE_FRESH);
	expect_eq(commit(b, 5), VPE_NO_ROOM);
	expect(!vpe_context_window(b, 0));
	expect_eq(commit(a, 6), VPE_FRESH);
	expect_eq(a->nr_windows, 1);
	vpe_context_put(a);
	expect_eq(commit(b, 5), VPE_FRESH);
	vpe_context_put(b);
	unload();
}

static void no_memory(void)
{
	struct vpe_context *ctx = NULL;
	unsigned int n;

	load();
	for (n = 1; !ctx; n++) {
		expect_eq(atomic_read(&here.contexts), 0);
		shim_fail_alloc = n;
		ctx = get(&here, U64_MAX);
	}
	expect(n > 2, "nothing was allocated");
	for (n = 1; n < 10; n++) {
		shim_fail_alloc = n;
		if (commit(ctx, 5) == VPE_FRESH)
			break;
		expect(!vpe_context_window(ctx, 0));
		expect_eq(atomic_read(&here.windows), 0);
	}
	expect(n > 1 && n < 10);
	shim_fail_alloc = 0;
	expect_eq(commit(ctx, 5), VPE_REPLAY);
	vpe_context_put(ctx);
	unload();
}

static const struct test_case cases[] = {
	{ "first_number", first_number },
	{ "counter", counter },
	{ "exhaustion", exhaustion },
	{ "ivs", ivs },
	{ "masks", masks },
	{ "no_claim", no_claim },
	{ "no_epoch", no_epoch },
	{ "hold", hold },
	{ "has_key", has_key },
	{ "first_window", first_window },
	{ "vpe_closes_nothing", vpe_closes_nothing },
	{ "infer", infer },
	{ "infer_32", infer_32 },
	{ "bounds", bounds },
	{ "no_memory", no_memory },
	{ }
};

const struct test_suite suite_esp = { "vpe_esp", cases };
