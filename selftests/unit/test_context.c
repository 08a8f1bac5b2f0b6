// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>

#include "contexts.h"

#define KEY_A	"0123456789abcdef"
#define KEY_B	"0123456789abcdeF"

static const struct vpe_lanes one_each = { .per_cpu = 1, .shift = 2 };

static struct vpe_context *get(struct vpe_scope *scope, const char *key)
{
	struct vpe_context *ctx = vpe_context_get(scope, key, 16, &one_each);

	if (ctx)
		ctx->window_size = 64;
	return ctx;
}

static u64 reserve(struct vpe_context *ctx, unsigned int cpu, unsigned int n)
{
	return reserve_by(ctx, cpu, n, 0, cpu);
}

/* Each source of the first number is the largest once. */
static void first_number(void)
{
	static const struct {
		const char	*winner;
		s64		step;	/* since load; if back, the real clock's alone */
		u64		used;	/* last number of an earlier context */
		u64		last;	/* that the user names */
		u64		first;
	} cases[] = {
		{ "real time", 5, 0, 0, NOW + 5 },
		{ "real time, others behind", 5, NOW, NOW + 1, NOW + 5 },
		{ "boot time and offset", -(s64)HOUR, 0, 0, NOW },
		{ "boot time and offset, others behind", -(s64)HOUR, NOW - 9, NOW - 8, NOW },
		{ "used", 5, NOW + HOUR, 0, NOW + HOUR + 1 },
		{ "used, user behind", -(s64)HOUR, NOW + 8, NOW + 7, NOW + 9 },
		{ "used: one more than the clock", 0, NOW, 0, NOW + 1 },
		{ "the user's", 5, 0, NOW + HOUR, NOW + HOUR + 1 },
		{ "the user's, used behind", 5, NOW + HOUR, NOW + HOUR + 1, NOW + HOUR + 2 },
		{ "the user's: one more than the clock", 0, 0, NOW, NOW + 1 },
		{ "the user's: one less", 0, 0, NOW - 1, NOW },
	};
	struct vpe_context *ctx;
	unsigned int i;

	/* each in a process of its own would be clean; "used" only ever grows */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 shift = i * 100 * HOUR;
		u64 used = cases[i].used;
		u64 last = cases[i].last;

		here.windows_max = VPE_NET_WINDOWS_MAX;
		here.ahead_max = U64_MAX;
		shim_real_ns = NOW + shift;
		shim_boot_ns = HOUR + shift;
		vpe_contexts_init();
		if (last)
			last += shift;
		if (used) {
			used += shift;
			shim_real_ns = 0;
			shim_boot_ns = 0;
			ctx = get(&here, KEY_B);
			expect_eq(vpe_context_start(ctx, used - 1), 0);
			expect_eq(reserve(ctx, 3, 1), used);
			vpe_context_put(ctx);
			shim_real_ns = NOW + shift;
			shim_boot_ns = HOUR + shift;
		}
		shim_real_ns += (u64)cases[i].step;
		if (cases[i].step > 0)
			shim_boot_ns += (u64)cases[i].step;
		ctx = get(&here, KEY_A);
		expect(!vpe_context_started(ctx));
		expect_eq(vpe_context_start(ctx, last), 0);
		expect(vpe_context_started(ctx));
		expect(ctx->first == cases[i].first + shift, "%s: %lld off", cases[i].winner,
		       (s64)(ctx->first - cases[i].first - shift));
		expect_eq(reserve(ctx, 0, 1), ctx->first);
		vpe_context_put(ctx);
		unload();
	}
}

/* The largest offset counts, whenever it was seen. */
static void clock_samples(void)
{
	struct vpe_context *ctx;

	load();
	shim_real_ns = NOW + 10 * HOUR;
	vpe_clock_sample();
	shim_real_ns = NOW - HOUR;
	shim_boot_ns += 7;
	vpe_clock_sample();
	ctx = get(&here, KEY_A);
	expect_eq(vpe_context_start(ctx, 0), 0);
	expect_eq(ctx->first, NOW + 10 * HOUR + 7);
	vpe_context_put(ctx);
	unload();
}

static void clock_set(void)
{
	static const u64 new_year_2024 = 1704067200ULL * NSEC_PER_SEC;

	shim_real_ns = 0;
	expect(!vpe_clock_is_set());
	shim_real_ns = new_year_2024 - 1;
	expect(!vpe_clock_is_set());
	shim_real_ns = new_year_2024;
	expect(vpe_clock_is_set());

	/* not by itself, nor by going on; by being set */
	vpe_clock_distrust();
	expect(!vpe_clock_is_set());
	shim_real_ns += HOUR;
	shim_boot_ns += HOUR;
	expect(!vpe_clock_is_set());
	shim_real_ns += 1;
	expect(vpe_clock_is_set());
	shim_real_ns = 1;
	expect(!vpe_clock_is_set());
}

/* Deleted and added again, however the clock goes, a key meets fresh numbers. */
static void delete_and_add(void)
{
	static const s64 steps[] = { 1, 0, -(s64)HOUR, -24 * (s64)HOUR, 1, (s64)HOUR, -1 };
	u64 highest = 0, seq;
	struct vpe_context *ctx;
	unsigned int i, n;

	load();
	for (i = 0; i < 3 * ARRAY_SIZE(steps); i++) {
		shim_real_ns += (u64)steps[i % ARRAY_SIZE(steps)];
		ctx = get(i % 2 ? &here : &there, KEY_A);
		expect_eq(vpe_context_start(ctx, 0), 0);
		for (n = 0; n < 100; n++) {
			seq = reserve(ctx, n % SHIM_CPUS, 1 + n);
			if (n < SHIM_CPUS)
				expect(seq > highest, "life %u: %llu is not above %llu",
				       i, seq, highest);
		}
		for (n = 0; n < SHIM_CPUS; n++)
			if (vpe_context_last(ctx, n) > highest)
				highest = vpe_context_last(ctx, n);
		vpe_context_put(ctx);
	}
	unload();
}

/* Going backwards alone: the numbers used, not the clock, are what counts. */
static void used_counts(void)
{
	struct vpe_context *ctx;
	u64 last;

	load();
	ctx = get(&here, KEY_A);
	vpe_context_start(ctx, 0);
	reserve(ctx, 1, 1);
	last = reserve(ctx, 2, 1000000) + 999999;
	vpe_context_put(ctx);
	ctx = get(&here, KEY_B);
	expect_eq(vpe_context_start(ctx, 0), 0);
	expect_eq(ctx->first, last + 1);
	vpe_context_put(ctx);
	unload();
}

/* One that only received leaves nothing behind. */
static void receiver_uses_none(void)
{
	struct vpe_context *ctx;

	load();
	ctx = get(&here, KEY_A);
	vpe_context_put(ctx);
	ctx = get(&here, KEY_A);
	vpe_context_start(ctx, 0);
	expect_eq(ctx->first, NOW);
	vpe_context_put(ctx);
	unload();
}

static void two_scopes(void)
{
	struct vpe_context *a, *b, *c;

	load();
	a = get(&here, KEY_A);
	b = get(&there, KEY_A);
	c = get(&there, KEY_B);
	expect(a != b && b != c);
	expect(a->id != b->id && b->id != c->id);
	expect_eq(vpe_context_start(a, 0), 0);
	expect_eq(vpe_context_start(b, 0), -EBUSY);
	expect(!vpe_context_started(b));
	expect_eq(vpe_context_start(c, 0), 0);
	expect_eq(vpe_context_start(a, 0), 0);	/* again: nothing changes */
	expect_eq(a->first, NOW);
	reserve(a, 0, 5);

	vpe_context_put(a);
	expect_eq(vpe_context_start(b, 0), 0);
	expect_eq(b->first, NOW + 5);
	vpe_context_put(b);
	vpe_context_put(c);
	unload();
}

/* A scope that is not trusted cannot use up the numbers of the others. */
static void too_far_ahead(void)
{
	struct vpe_context *ctx;

	load();
	ctx = get(&untrusted, KEY_A);
	expect_eq(vpe_context_start(ctx, U64_MAX - 1), -ERANGE);
	expect_eq(vpe_context_start(ctx, NOW + 24 * HOUR + 1), -ERANGE);
	expect(!vpe_context_started(ctx));
	expect(!ctx->claimed);
	expect_eq(vpe_context_start(ctx, NOW + 24 * HOUR), 0);
	expect_eq(reserve(ctx, 0, 1), NOW + 24 * HOUR + 1);
	vpe_context_put(ctx);

	/* It does not add up, nor hinder the others, who may go on from there. */
	ctx = get(&untrusted, KEY_B);
	expect_eq(vpe_context_start(ctx, NOW + 24 * HOUR + 2), -ERANGE);
	expect_eq(vpe_context_start(ctx, 0), 0);
	expect_eq(reserve(ctx, 0, 1), NOW + 24 * HOUR + 2);
	vpe_context_put(ctx);
	ctx = get(&here, KEY_B);
	expect_eq(vpe_context_start(ctx, U64_MAX - 1), 0);
	vpe_context_put(ctx);
	unload();
}

static void same_key(void)
{
	struct vpe_context *a, *b;

	load();
	a = get(&here, KEY_A);
	b = get(&here, KEY_A);
	expect(a == b);
	expect_eq(atomic_read(&here.contexts), 1);
	vpe_context_start(a, 0);
	expect_eq(reserve(a, 0, 3), NOW);
	expect(vpe_context_started(b));
	vpe_context_put(a);
	a = get(&here, KEY_A);
	expect(a == b, "another, while the first sends");
	vpe_context_put(a);
	expect_eq(reserve(b, 0, 1), NOW + 3);
	vpe_context_put(b);
	unload();
}

/* Keys differ in any bit, and in length. */
static void key_bytes(void)
{
	struct vpe_context *ctx[1 + 32 * 8 + 2];
	unsigned int n = 0, bit, i, j;
	u8 key[32] = { };

	load();
	ctx[n++] = vpe_context_get(&here, key, 32, &one_each);
	ctx[n++] = vpe_context_get(&here, key, 24, &one_each);
	ctx[n++] = vpe_context_get(&here, key, 16, &one_each);
	for (bit = 0; bit < 32 * 8; bit++) {
		key[bit / 8] ^= 1 << bit % 8;
		ctx[n++] = vpe_context_get(&here, key, 32, &one_each);
		key[bit / 8] ^= 1 << bit % 8;
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			expect(ctx[i] != ctx[j], "%u and %u", i, j);
	expect_eq(atomic_read(&here.contexts), n);
	while (n)
		vpe_context_put(ctx[--n]);
	unload();
}

static void lanes(void)
{
	struct vpe_context *ctx;
	unsigned int cpu;

	load();
	ctx = get(&here, KEY_A);
	for (cpu = 0; cpu < SHIM_CPUS; cpu++)
		expect_eq(vpe_context_last(ctx, cpu), 0);
	vpe_context_start(ctx, 0);
	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		expect_eq(reserve(ctx, cpu, 1), NOW);
		expect_eq(vpe_context_last(ctx, cpu), NOW);
		expect_eq(reserve(ctx, cpu, 10 + cpu), NOW + 1);
		expect_eq(vpe_context_last(ctx, cpu), NOW + 10 + cpu);
		expect_eq(reserve(ctx, cpu, 1), NOW + 11 + cpu);
	}
	for (cpu = 0; cpu < SHIM_CPUS; cpu++)
		expect_eq(vpe_context_last(ctx, cpu), NOW + 11 + cpu);
	vpe_context_put(ctx);
	unload();
}

/* Many windows a CPU: each its own numbers and its own port. */
static void spread(void)
{
	static bool seen[VPE_PORT_MASK + 1];
	struct vpe_lanes lanes;
	struct vpe_context *ctx;
	struct vpe_seq seq;
	unsigned int cpu, n, port;
	u32 window;

	load();
	expect_eq(vpe_lanes_set(&lanes, 1, 32), 0);
	expect_eq(lanes.per_cpu, 8);
	ctx = vpe_context_get(&here, KEY_A, 16, &lanes);
	vpe_context_start(ctx, 0);
	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		shim_cpu = cpu;
		for (n = 0; n < 64; n++) {
			expect_eq(vpe_context_reserve(ctx, 0, 0x12340 + n, 1 + cpu, 0, &seq), 0);
			window = 1 + cpu * 8 + n % 8;
			expect_eq(seq.window, window);
			expect_eq(seq.seq, NOW + n / 8 * (1 + cpu));
			expect_eq(vpe_context_cpu(ctx, window), cpu);
			expect_eq(vpe_context_sent(ctx, window), (n / 8 + 1) * (1 + cpu));
			expect_eq(vpe_context_last(ctx, window),
				  NOW + (n / 8 + 1) * (1 + cpu) - 1);
		}
	}
	expect_eq(vpe_context_last(ctx, 0), 0);
	expect_eq(vpe_context_last(ctx, 1 + SHIM_CPUS * 8), 0);
	expect_eq(vpe_context_last(ctx, 0xffff), 0);

	for (window = 1; window <= VPE_PORT_MASK; window++) {
		port = vpe_context_port(ctx, window);
		expect(port >= VPE_PORT_FIRST, "%u", port);
		expect(!seen[port - VPE_PORT_FIRST], "port %u twice", port);
		expect_eq(vpe_context_port(ctx, window), port);
		seen[port - VPE_PORT_FIRST] = true;
	}
	vpe_context_put(ctx);
	unload();
}

/* How many windows each of four CPUs gets, classes having 3 bits above them. */
static void lanes_of_cpus(void)
{
	static const struct {
		u32 first, want, per_cpu;
	} cases[] = {
		{ 0, 0, 1 }, { 0, 1, 1 }, { 0, 4, 1 }, { 0, 5, 2 }, { 1, 4, 1 },
		{ 0, 1024, 256 }, { 1, 1024, 256 }, { 0, 1025, 512 },
		{ 0, 8192, 2048 }, { 1, 8192, 1024 }, { 0, 8193, 2048 },
		{ 0, ~0u, 2048 },
	};
	struct vpe_lanes lanes;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		expect_eq(vpe_lanes_set(&lanes, cases[i].first, cases[i].want), 0);
		expect_eq(lanes.first, cases[i].first);
		expect_eq(lanes.per_cpu, cases[i].per_cpu);
	}
	expect_eq(vpe_lanes_set(&lanes, 8192, 1), -E2BIG);
	expect_eq(vpe_lanes_set(&lanes, 8188, 8192), 0);
	expect_eq(lanes.per_cpu, 1);
}

/* The last numbers go out; afterwards nothing does, ever. */
static void exhaustion(void)
{
	static const struct {
		u64		last;
		unsigned int	n[3];	/* reservations that fit */
		unsigned int	more;	/* one that does not */
	} cases[] = {
		{ U64_MAX - 2, { 1, 1 }, 1 },
		{ U64_MAX - 2, { 2 }, 1 },
		{ U64_MAX - 2, { 1 }, 2 },
		{ U64_MAX - 2, { 0 }, 3 },
		{ U64_MAX - 1, { 1 }, 1 },
		{ U64_MAX - 1, { 0 }, 2 },
		{ U64_MAX - 1, { 0 }, ~0u },
		{ U64_MAX - 64, { 60, 3, 1 }, 1 },
	};
	struct vpe_context *ctx;
	unsigned int i, j, n;
	u64 seq, sent;

	load();
	ctx = get(&here, KEY_A);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* "used" is U64_MAX after the first: start by hand */
		ctx->first = cases[i].last + 1;
		ctx->quota = ctx->last - ctx->first + 1;
		per_cpu_ptr(ctx->counter[0], 0)->sent = 0;
		shim_cpu = 0;
		seq = ctx->first;
		for (j = 0; j < 3 && cases[i].n[j]; j++) {
			expect_eq(reserve(ctx, 0, cases[i].n[j]), seq);
			seq += cases[i].n[j];
		}
		expect_eq(reserve_error(ctx, cases[i].more), -EOVERFLOW);
		sent = per_cpu_ptr(ctx->counter[0], 0)->sent;
		for (n = 0; n < 100000; n++) {
			expect_eq(reserve_error(ctx, 1), -EOVERFLOW);
			expect_eq(reserve_error(ctx, ~0u), -EOVERFLOW);
		}
		/* it stands, so that more calls than anybody can wait for do the same */
		expect_eq(per_cpu_ptr(ctx->counter[0], 0)->sent, sent);
		expect_eq(vpe_context_last(ctx, 0), U64_MAX);
		/* another CPU's numbers are its own */
		expect_eq(vpe_context_last(ctx, 1), 0);
	}
	vpe_context_put(ctx);
	unload();
}

static void no_number_left(void)
{
	struct vpe_context *a, *b;

	load();
	a = get(&here, KEY_A);
	expect_eq(vpe_context_start(a, U64_MAX), -EOVERFLOW);
	expect(!vpe_context_started(a));
	expect(!a->claimed);
	expect_eq(vpe_context_start(a, U64_MAX - 1), 0);
	expect_eq(a->first, U64_MAX);
	expect_eq(reserve(a, 0, 1), U64_MAX);
	expect_eq(reserve_error(a, 1), -EOVERFLOW);
	vpe_context_put(a);
	b = get(&here, KEY_A);
	expect_eq(vpe_context_start(b, 0), -EOVERFLOW);
	expect(!vpe_context_started(b));
	vpe_context_put(b);
	unload();
}

static enum vpe_verdict commit(struct vpe_context *ctx, u32 id, u64 seq,
			       struct vpe_window **wp)
{
	*wp = NULL;
	return vpe_context_commit(ctx, id, seq, 0, wp);
}

/* It sends nothing any more, whatever it sent before; its key begins anew. */
static void revoked(void)
{
	struct vpe_context *old, *idle, *new;
	u64 last;

	load();
	old = get(&here, KEY_A);
	idle = get(&here, KEY_B);
	expect_eq(vpe_context_start(old, 0), 0);
	last = reserve(old, 0, 3) + 2;
	vpe_context_revoke(old);
	vpe_context_revoke(idle);
	/* a lane that was used, one that was not */
	expect_eq(reserve_error(old, 1), -EOVERFLOW);
	shim_cpu = 1;
	expect_eq(reserve_error(old, 1), -EOVERFLOW);
	expect_eq(vpe_context_last(old, 0), last);
	expect_eq(vpe_context_last(old, 1), 0);
	expect_eq(vpe_context_start(idle, 0), -ESTALE);
	expect(!vpe_context_started(idle));

	new = get(&here, KEY_A);
	expect(new != old, "the key finds it");
	expect_eq(here.contexts.counter, 3);
	shim_real_ns += HOUR;
	expect_eq(vpe_context_start(new, 0), 0);
	expect(new->first >= NOW + HOUR);
	expect_eq(reserve(new, 0, 1), new->first);
	vpe_context_put(old);
	vpe_context_put(idle);
	vpe_context_put(new);
	unload();
}

static void windows(void)
{
	static const u32 ids[] = { 0, 1, 0xffff, 0x10000, 0x12345678, 0xffffffff };
	struct vpe_context *ctx;
	struct vpe_window *w;
	unsigned int i;

	load();
	ctx = get(&here, KEY_A);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		expect(!vpe_context_window(ctx, ids[i]));
		expect_eq(commit(ctx, ids[i], 1000 + i, &w), VPE_FRESH);
		expect(!w, "it was not there before");
		w = vpe_context_window(ctx, ids[i]);
		if (!w) {
			expect(w);
			continue;
		}
		expect_eq(w->top, 1000 + i);
		expect_eq(w->size, 64);
		expect_eq(commit(ctx, ids[i], 1000 + i, &w), VPE_REPLAY);
		expect(w == vpe_context_window(ctx, ids[i]));
		expect_eq(commit(ctx, ids[i], 1, &w), VPE_BEHIND);
		expect(w == vpe_context_window(ctx, ids[i]));
		expect_eq(atomic_read(&here.windows), i + 1);
		expect_eq(ctx->nr_windows, i + 1);
	}
	vpe_context_put(ctx);
	expect_eq(atomic_read(&here.windows), 0);
	unload();
}

static void context_bound(void)
{
	struct vpe_context *ctx;
	struct vpe_window *w;
	u32 id;

	load();
	here.sender_max = ~0u;
	ctx = get(&here, KEY_A);
	for (id = 0; id < VPE_CONTEXT_WINDOWS_MAX; id++)
		if (commit(ctx, id * 3, 1, &w) != VPE_FRESH)
			break;
	expect_eq(id, 65536);
	expect_eq(commit(ctx, 1, 1, &w), VPE_NO_ROOM);
	expect(!w);
	expect(!vpe_context_window(ctx, 1));
	expect_eq(commit(ctx, 3, 2, &w), VPE_FRESH);
	expect_eq(atomic_read(&here.windows), 65536);
	vpe_context_put(ctx);
	unload();
}

static void scope_bound(void)
{
	struct vpe_context *a, *b;
	struct vpe_window *w;
	u32 id;

	load();
	here.windows_max = 10;
	a = get(&here, KEY_A);
	b = get(&here, KEY_B);
	for (id = 0; id < 10; id++)
		expect_eq(commit(id % 2 ? a : b, id, 1, &w), VPE_FRESH);
	expect_eq(commit(a, 10, 1, &w), VPE_NO_ROOM);
	expect(!w);
	expect_eq(commit(b, 11, 1, &w), VPE_NO_ROOM);
	expect_eq(commit(b, 0, 2, &w), VPE_FRESH);
	expect_eq(atomic_read(&here.windows), 10);

	vpe_context_put(a);
	expect_eq(atomic_read(&here.windows), 5);
	expect_eq(commit(b, 11, 1, &w), VPE_FRESH);
	here.windows_max = 0;
	expect_eq(commit(b, 12, 1, &w), VPE_NO_ROOM);
	expect_eq(commit(b, 11, 2, &w), VPE_FRESH);
	vpe_context_put(b);
	unload();
}

static void no_memory(void)
{
	struct vpe_context *ctx = NULL;
	struct vpe_window *w;
	unsigned int n;

	load();
	for (n = 1; !ctx; n++) {
		expect_eq(atomic_read(&here.contexts), 0);
		shim_fail_alloc = n;
		ctx = get(&here, KEY_A);
	}
	shim_fail_alloc = 0;
	expect(n > 2, "nothing was allocated");

	for (n = 1; n < 10; n++) {
		shim_fail_alloc = n;
		if (commit(ctx, 5, 1, &w) == VPE_FRESH)
			break;
		expect(!w);
		expect(!vpe_context_window(ctx, 5));
		expect_eq(atomic_read(&here.windows), 0);
		expect_eq(ctx->nr_windows, 0);
	}
	expect(n > 2 && n < 10);
	shim_fail_alloc = 0;
	expect_eq(commit(ctx, 5, 1, &w), VPE_REPLAY);
	expect_eq(atomic_read(&here.windows), 1);
	vpe_context_put(ctx);
	unload();
}

/* Classes above the lanes: counters of their own, and of ports. */
static void classes(void)
{
	static const struct {
		u32 first, want, shift;
	} cases[] = {
		{ 0, 1, 2 }, { 1, 1, 3 }, { 0, 8, 3 }, { 1, 8, 4 }, { 0, 1024, 10 }, { 0, ~0u, 13 },
	};
	u32 cpu, class, flow, lane, window;
	struct vpe_lanes lanes;
	struct vpe_context *ctx;
	struct vpe_seq seq;
	unsigned int i;
	u64 first;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		load();
		expect_eq(vpe_lanes_set(&lanes, cases[i].first, cases[i].want), 0);
		expect_eq(lanes.shift, cases[i].shift);
		lanes.sender = 0xabcd;
		ctx = vpe_context_get(&here, KEY_A, 16, &lanes);
		expect_eq(vpe_context_start(ctx, 0), 0);
		expect_eq(vpe_context_add_classes(ctx, 3), 0);
		expect_eq(vpe_context_add_classes(ctx, 2), 0);
		expect_eq(ctx->classes, 3);
		for (cpu = 0; cpu < SHIM_CPUS; cpu++)
			for (class = 0; class < 3; class++)
				for (flow = 0; flow < lanes.per_cpu; flow++) {
					shim_cpu = cpu;
					lane = lanes.first + cpu * lanes.per_cpu + flow;
					expect_eq(vpe_context_reserve(ctx, class, flow,
								      1 + class, 100 + lane,
								      &seq), 0);
					window = class << lanes.shift | lane;
					expect_eq(seq.window, 0xabcd0000 | window);
					expect_eq(seq.seq, ctx->first);
					expect_eq(vpe_context_cpu(ctx, window), cpu);
					expect_eq(vpe_context_class(ctx, window), class);
					expect_eq(vpe_context_sent(ctx, window), 1 + class);
					expect_eq(vpe_context_sent_bytes(ctx, window), 100 + lane);
					expect(window < vpe_context_windows_end(ctx));
				}
		/* a class that has no counters is class 0 */
		expect_eq(vpe_context_reserve(ctx, 3, 0, 1, 0, &seq), 0);
		expect_eq(seq.window >> lanes.shift & 7, 0);
		expect_eq(seq.seq, ctx->first + 1);
		expect_eq(vpe_context_sent(ctx, 3 << lanes.shift | lanes.first), 0);
		expect_eq(vpe_context_add_classes(ctx, VPE_CLASSES), 0);
		expect_eq(vpe_context_reserve(ctx, 7, 0, 5, 70000, &seq), 0);
		expect_eq(vpe_context_sent_bytes(ctx, seq.window & 0xffff), 70000);
		expect_eq(seq.window >> lanes.shift & 7, 7);
		expect_eq(seq.seq, ctx->first);
		expect(vpe_context_windows_end(ctx) <= 0x10000);
		first = ctx->first;
		vpe_context_put(ctx);
		/* the highest number counts, whatever its class */
		ctx = vpe_context_get(&here, KEY_B, 16, &lanes);
		shim_real_ns = NOW - 10;
		expect_eq(vpe_context_start(ctx, 0), 0);
		expect(ctx->first >= first + 5, "%llu", ctx->first);
		vpe_context_put(ctx);
		unload();
	}
}

static void classes_without_memory(void)
{
	struct vpe_context *ctx;
	struct vpe_seq seq;

	load();
	ctx = get(&here, KEY_A);
	vpe_context_start(ctx, 0);
	shim_fail_alloc = 2;
	expect_eq(vpe_context_add_classes(ctx, 4), -ENOMEM);
	expect_eq(ctx->classes, 2);
	expect_eq(vpe_context_reserve(ctx, 3, 0, 1, 0, &seq), 0);
	expect_eq(vpe_context_class(ctx, seq.window), 0);
	expect_eq(vpe_context_add_classes(ctx, 4), 0);
	expect_eq(ctx->classes, 4);
	vpe_context_put(ctx);
	unload();
}

/* One key, several Sender IDs: each once in the whole kernel. */
static void senders_claim(void)
{
	struct vpe_lanes one = one_each, two = one_each;
	struct vpe_context *a, *b, *c;

	load();
	one.sender = 1;
	two.sender = 2;
	a = vpe_context_get(&here, KEY_A, 16, &one);
	b = vpe_context_get(&there, KEY_A, 16, &two);
	c = vpe_context_get(&untrusted, KEY_A, 16, &one);
	expect_eq(vpe_context_start(a, 0), 0);
	expect_eq(vpe_context_start(b, 0), 0);
	expect_eq(vpe_context_start(c, 0), -EBUSY);
	vpe_context_put(b);
	expect_eq(vpe_context_start(c, 0), -EBUSY);
	vpe_context_put(a);
	expect_eq(vpe_context_start(c, 0), 0);
	vpe_context_put(c);
	unload();
}

static void sender_bound(void)
{
	struct vpe_context *ctx;
	struct vpe_window *w;
	u32 id;

	load();
	ctx = get(&here, KEY_A);
	for (id = 0; id < 0x10000; id++)
		if (commit(ctx, 0x50000 + id, 1, &w) != VPE_FRESH)
			break;
	expect_eq(id, 8192);
	expect_eq(commit(ctx, 0x5ffff, 1, &w), VPE_NO_ROOM);
	expect_eq(commit(ctx, 0x50000, 2, &w), VPE_FRESH);
	expect_eq(commit(ctx, 0x60000, 2, &w), VPE_FRESH);
	here.sender_max = 1;
	expect_eq(commit(ctx, 0x60001, 2, &w), VPE_NO_ROOM);
	/* one sender alone has no Sender ID, and the context's bound */
	expect_eq(commit(ctx, 0, 1, &w), VPE_FRESH);
	expect_eq(commit(ctx, 1, 1, &w), VPE_FRESH);
	expect_eq(ctx->nr_windows, 8195);
	here.context_max = 8195;
	expect_eq(commit(ctx, 2, 1, &w), VPE_NO_ROOM);
	vpe_context_put(ctx);
	unload();
}

static void moved(void)
{
	static const u64 x[] = { 1, 0 }, y[] = { 1, 2 }, z[] = { 3, 2 };
	struct vpe_context *ctx;
	struct vpe_window *w;

	load();
	ctx = get(&here, KEY_A);
	commit(ctx, 0, 1, &w);
	expect(!vpe_context_moved(ctx, 0, x));
	expect(!vpe_context_moved(ctx, 0, y), "outside of groups nothing is noted");
	commit(ctx, 0x10000, 1, &w);
	commit(ctx, 0x10007, 1, &w);
	commit(ctx, 0x20000, 1, &w);
	expect(!vpe_context_moved(ctx, 0x10000, x), "the first is no move");
	expect(!vpe_context_moved(ctx, 0x20000, z));
	expect(!vpe_context_moved(ctx, 0x10007, x));
	expect(vpe_context_moved(ctx, 0x10007, y));
	expect(!vpe_context_moved(ctx, 0x10000, y));
	expect(vpe_context_moved(ctx, 0x10000, z));
	expect(!vpe_context_moved(ctx, 0x20001, z));
	expect(!vpe_context_moved(ctx, 0x30001, z), "never heard of");
	vpe_context_put(ctx);
	unload();
}

/* What a user closes, of windows that are there and that are not. */
static void close_windows(void)
{
	static const u32 ids[] = { 0, 7, 0x10000, 0xffffffff };
	struct vpe_context *ctx;
	struct vpe_window *w;
	unsigned int i;

	load();
	ctx = get(&here, KEY_A);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		if (i & 1)
			expect_eq(commit(ctx, ids[i], 500, &w), VPE_FRESH);
		expect_eq(vpe_context_close(ctx, ids[i], 1000), VPE_FRESH);
		expect_eq(vpe_context_window(ctx, ids[i])->packets, i & 1);
		expect_eq(commit(ctx, ids[i], 1000, &w), VPE_REPLAY);
		expect_eq(commit(ctx, ids[i], 999, &w), VPE_REPLAY);
		expect_eq(commit(ctx, ids[i], 1000 - 63, &w), VPE_REPLAY);
		expect_eq(commit(ctx, ids[i], 1000 - 64, &w), i & 1 ? VPE_OLD : VPE_BEHIND);
		expect_eq(commit(ctx, ids[i], 1002, &w), VPE_FRESH);
		expect_eq(vpe_context_close(ctx, ids[i], 5), VPE_FRESH);
		expect_eq(commit(ctx, ids[i], 1001, &w), VPE_FRESH);
		expect_eq(vpe_context_window(ctx, ids[i])->packets, 2 + (i & 1));
	}
	here.windows_max = 0;
	expect_eq(vpe_context_close(ctx, 8, 1), VPE_NO_ROOM);
	expect_eq(vpe_context_close(ctx, 0, 2000), VPE_FRESH);
	expect_eq(commit(ctx, 0, 2000, &w), VPE_REPLAY);
	here.windows_max = 100;
	shim_fail_alloc = 1;
	expect_eq(vpe_context_close(ctx, 8, 1), VPE_NO_MEM);
	expect(!vpe_context_window(ctx, 8));
	vpe_context_put(ctx);
	unload();
}

static const struct test_case cases[] = {
	{ "first_number", first_number },
	{ "clock_samples", clock_samples },
	{ "clock_set", clock_set },
	{ "delete_and_add", delete_and_add },
	{ "used_counts", used_counts },
	{ "receiver_uses_none", receiver_uses_none },
	{ "two_scopes", two_scopes },
	{ "too_far_ahead", too_far_ahead },
	{ "same_key", same_key },
	{ "key_bytes", key_bytes },
	{ "lanes", lanes },
	{ "spread", spread },
	{ "lanes of CPUs", lanes_of_cpus },
	{ "classes", classes },
	{ "classes_without_memory", classes_without_memory },
	{ "senders_claim", senders_claim },
	{ "sender_bound", sender_bound },
	{ "moved", moved },
	{ "close_windows", close_windows },
	{ "exhaustion", exhaustion },
	{ "no_number_left", no_number_left },
	{ "revoked", revoked },
	{ "windows", windows },
	{ "context_bound", context_bound },
	{ "scope_bound", scope_bound },
	{ "no_memory", no_memory },
	{ }
};

const struct test_suite suite_context = { "vpe_context", cases };
