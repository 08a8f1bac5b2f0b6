// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: the protocol core in a kernel, with the kernel's own locks, xarray,
 * per-CPU counters and ciphers. The core is compiled into this module, so that
 * nothing need be exported for it; selftests/unit has the longer tests.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "../../vpe/window.c"
#include "../../vpe/context.c"
#include "../../vpe/aead.c"
#include "../unit/cases.h"
#include "../unit/model.h"
#include "vectors.h"

/* Header */

static void vpe_test_hdr_write(struct kunit *test)
{
	const struct vpe_hdr_case *c;
	struct vpe_hdr hdr;

	for (c = vpe_hdr_cases; c < vpe_hdr_cases + ARRAY_SIZE(vpe_hdr_cases); c++) {
		memset(&hdr, 0x5a, sizeof(hdr));
		vpe_hdr_write(&hdr, c->layout, cpu_to_be32(c->spi), c->window, c->seq);
		KUNIT_EXPECT_EQ(test, memcmp(&hdr, c->bytes, sizeof(c->bytes)), 0);
		KUNIT_EXPECT_EQ(test, hdr.icv[0], 0x5a);
	}
}

static void vpe_test_hdr_read(struct kunit *test)
{
	const struct vpe_hdr_case *c;
	const struct vpe_iv *iv;
	struct vpe_hdr hdr;

	for (c = vpe_hdr_cases; c < vpe_hdr_cases + ARRAY_SIZE(vpe_hdr_cases); c++) {
		memcpy(&hdr, c->bytes, sizeof(c->bytes));
		iv = vpe_hdr_iv(&hdr, c->layout);
		KUNIT_EXPECT_EQ(test, vpe_iv_window(iv), c->window);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(iv->seq), c->seq);
	}
}

static void vpe_test_esp_trailer(struct kunit *test)
{
	u8 should[VPE_ESP_TRAILER_MAX], is[VPE_ESP_TRAILER_MAX];
	unsigned int len, n;

	for (len = 0; len <= 300; len++) {
		n = vpe_esp_trailer_len(len);
		KUNIT_ASSERT_EQ(test, n, vpe_model_trailer(should, len, len % 256));
		vpe_esp_trailer_write(is, n, len % 256);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(is, should, n), 0, "%u bytes", len);
	}
}

static void vpe_test_esp_padding(struct kunit *test)
{
	u8 *pad = kunit_kzalloc(test, 255, GFP_KERNEL);
	unsigned int i, len;

	KUNIT_ASSERT_NOT_NULL(test, pad);
	for (i = 0; i < 255; i++)
		pad[i] = i + 1;
	for (len = 0; len <= 255; len++) {
		KUNIT_EXPECT_TRUE(test, vpe_esp_padding_holds(pad, len));
		for (i = 0; i < len; i++) {
			pad[i] ^= 1 << len % 8;
			KUNIT_EXPECT_FALSE_MSG(test, vpe_esp_padding_holds(pad, len),
					       "%u of %u", i, len);
			pad[i] ^= 1 << len % 8;
		}
	}
}

static struct kunit_case vpe_header_cases[] = {
	KUNIT_CASE(vpe_test_hdr_write),
	KUNIT_CASE(vpe_test_hdr_read),
	KUNIT_CASE(vpe_test_esp_trailer),
	KUNIT_CASE(vpe_test_esp_padding),
	{}
};

static struct kunit_suite vpe_header_suite = {
	.name = "vpe_header",
	.test_cases = vpe_header_cases,
};

/* Window */

static struct vpe_window *vpe_test_window(struct kunit *test, unsigned int size,
					  u64 first)
{
	struct vpe_window *w;

	preempt_disable();
	w = vpe_window_alloc(size, first, 0, GFP_ATOMIC);
	preempt_enable();
	KUNIT_ASSERT_NOT_NULL(test, w);
	return w;
}

static enum vpe_verdict vpe_test_commit(struct vpe_window *w, u64 seq)
{
	enum vpe_verdict verdict;

	local_bh_disable();
	verdict = vpe_window_commit(w, seq, 0);
	local_bh_enable();
	return verdict;
}

static void vpe_test_close(struct vpe_window *w, u64 seq)
{
	local_bh_disable();
	vpe_window_close(w, seq);
	local_bh_enable();
}

static void vpe_test_window_round(struct kunit *test)
{
	const struct vpe_round_case *c;

	for (c = vpe_round_cases; c < vpe_round_cases + ARRAY_SIZE(vpe_round_cases); c++)
		KUNIT_EXPECT_EQ(test, vpe_window_round(c->asked), c->size);
}

static void vpe_test_window_table(struct kunit *test)
{
	const struct vpe_window_case *c;
	struct vpe_window *w;
	unsigned int i;

	for (c = vpe_window_cases; c < vpe_window_cases + ARRAY_SIZE(vpe_window_cases); c++) {
		w = vpe_test_window(test, 64, c->first);
		for (i = 0; i < c->nr; i++) {
			if (c->steps[i].close) {
				vpe_test_close(w, c->steps[i].seq);
				continue;
			}
			KUNIT_EXPECT_EQ_MSG(test, vpe_window_check(w, c->steps[i].seq),
					    c->steps[i].verdict, "%s: step %u", c->name, i);
			KUNIT_EXPECT_EQ_MSG(test, vpe_test_commit(w, c->steps[i].seq),
					    c->steps[i].verdict, "%s: step %u", c->name, i);
		}
		kfree(w);
	}
}

/* Now and then a number is closed, if so wanted. */
static void vpe_test_live(struct kunit *test, struct vpe_model *m, u64 *state, bool close)
{
	enum vpe_verdict check, commit, should;
	u64 seq = vpe_model_first(m, state);
	struct vpe_window *w;
	unsigned int i;

	w = vpe_test_window(test, m->size, seq);
	m->start = seq;
	vpe_model_accept(m, seq);
	for (i = 0; i < 2000; i++) {
		seq = vpe_model_next(m, state);
		if (close && i % 61 == 60) {
			/* not too far ahead: that would be all */
			seq = m->top + 70 - min(m->top, vpe_random(state) % (m->size + 72));
			vpe_test_close(w, seq);
			vpe_model_close(m, seq);
			continue;
		}
		should = vpe_model_check(m, seq);
		check = vpe_window_check(w, seq);
		commit = vpe_test_commit(w, seq);
		if (should == VPE_FRESH)
			vpe_model_accept(m, seq);
		if (check == should && commit == should && w->top == m->top)
			continue;
		KUNIT_FAIL(test, "check %u, commit %u, not %u: size %llu top %llu seq %llu",
			   check, commit, should, m->size, m->top, seq);
		break;
	}
	KUNIT_EXPECT_EQ(test, w->packets, m->accepted);
	kfree(w);
}

static void vpe_test_lives(struct kunit *test, bool close)
{
	const unsigned int slots = 4096;
	struct vpe_model m;
	u64 state, size;
	unsigned int i;

	get_random_bytes(&state, sizeof(state));
	kunit_info(test, "seed %llu", state);
	for (size = VPE_WINDOW_MIN; size <= VPE_WINDOW_MAX; size *= 2)
		for (i = 0; i < 4; i++) {
			m = (struct vpe_model){ .size = size, .mask = slots - 1 };
			m.set = kunit_kcalloc(test, slots, sizeof(*m.set), GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, m.set);
			vpe_test_live(test, &m, &state, close);
			kunit_kfree(test, m.set);
			cond_resched();
		}
}

static void vpe_test_window_model(struct kunit *test)
{
	vpe_test_lives(test, false);
}

static void vpe_test_window_closed(struct kunit *test)
{
	vpe_test_lives(test, true);
}

static void vpe_test_window_infer(struct kunit *test)
{
	const struct vpe_infer_case *c;
	struct vpe_infer_draw d;
	unsigned int i;
	u64 state;

	for (c = vpe_infer_cases; c < vpe_infer_cases + ARRAY_SIZE(vpe_infer_cases); c++)
		KUNIT_EXPECT_EQ_MSG(test, vpe_window_infer(c->top, c->size, c->low), c->seq,
				    "top %#llx size %u low %#x", c->top, c->size, c->low);

	get_random_bytes(&state, sizeof(state));
	kunit_info(test, "seed %llu", state);
	for (i = 0; i < 100000; i++) {
		d = vpe_model_infer_draw(&state);
		KUNIT_ASSERT_EQ_MSG(test, vpe_window_infer(d.top, d.size, d.low),
				    vpe_model_infer(d.top, d.size, d.low),
				    "top %#llx size %u low %#x", d.top, d.size, d.low);
	}
}

static void vpe_test_window_refused(struct kunit *test)
{
	struct vpe_window *w = vpe_test_window(test, 64, 1000);

	vpe_window_refused(w, VPE_REPLAY);
	vpe_window_refused(w, VPE_OLD);
	vpe_window_refused(w, VPE_OLD);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->replayed), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->old), 2);
	KUNIT_EXPECT_EQ(test, w->packets, 1);
	kfree(w);
}

#define VPE_TEST_THREADS	4
#define VPE_TEST_NUMBERS	1024

/**
 * struct vpe_race - what threads at one window share
 * @window: the window
 * @first: lowest number
 * @accepted: how often each number was
 * @wrong: times the check refused what was accepted then
 * @running: threads that are not done
 * @done: none is left
 */
struct vpe_race {
	struct vpe_window	*window;
	u64			first;
	atomic_t		accepted[VPE_TEST_NUMBERS];
	atomic_t		wrong;
	atomic_t		running;
	struct completion	done;
};

static int vpe_race_thread(void *data)
{
	struct vpe_race *race = data;
	enum vpe_verdict check;
	u64 state;
	u32 i, n;

	get_random_bytes(&state, sizeof(state));
	/* An odd factor goes through all numbers, each thread in its own order. */
	for (i = 0, n = state >> 32; i < VPE_TEST_NUMBERS; i++, n += state | 1) {
		check = vpe_window_check(race->window,
					 race->first + n % VPE_TEST_NUMBERS);
		if (vpe_test_commit(race->window, race->first + n % VPE_TEST_NUMBERS))
			continue;
		atomic_inc(&race->accepted[n % VPE_TEST_NUMBERS]);
		if (check != VPE_FRESH)
			atomic_inc(&race->wrong);
	}
	if (atomic_dec_and_test(&race->running))
		complete(&race->done);
	return 0;
}

/* Of many copies of a number one is accepted, on whatever CPUs they meet. */
static void vpe_test_window_race(struct kunit *test)
{
	struct task_struct *thread;
	struct vpe_race *race;
	unsigned int i, bad = 0;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->first = 5000;
	race->window = vpe_test_window(test, VPE_TEST_NUMBERS, 10);
	init_completion(&race->done);
	atomic_set(&race->running, VPE_TEST_THREADS);
	for (i = 0; i < VPE_TEST_THREADS; i++) {
		thread = kthread_run(vpe_race_thread, race, "vpe_race/%u", i);
		if (IS_ERR(thread) && atomic_dec_and_test(&race->running))
			complete(&race->done);
	}
	wait_for_completion(&race->done);
	for (i = 0; i < VPE_TEST_NUMBERS; i++)
		bad += atomic_read(&race->accepted[i]) != 1;
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->wrong), 0);
	KUNIT_EXPECT_EQ(test, race->window->packets, VPE_TEST_NUMBERS + 1);
	kfree(race->window);
}

static struct kunit_case vpe_window_kunit_cases[] = {
	KUNIT_CASE(vpe_test_window_round),
	KUNIT_CASE(vpe_test_window_table),
	KUNIT_CASE(vpe_test_window_model),
	KUNIT_CASE(vpe_test_window_closed),
	KUNIT_CASE(vpe_test_window_infer),
	KUNIT_CASE(vpe_test_window_refused),
	KUNIT_CASE(vpe_test_window_race),
	{}
};

static struct kunit_suite vpe_window_suite = {
	.name = "vpe_window",
	.test_cases = vpe_window_kunit_cases,
};

/* Context */

static struct vpe_scope vpe_here, vpe_there;
static const u8 vpe_key[16] = "0123456789abcdef";

static int vpe_context_test_init(struct kunit *test)
{
	vpe_here = (struct vpe_scope){
		.windows_max = VPE_NET_WINDOWS_MAX,
		.context_max = VPE_CONTEXT_WINDOWS_MAX,
		.sender_max = VPE_SENDER_WINDOWS_MAX,
		.ahead_max = U64_MAX,
	};
	vpe_there = vpe_here;
	vpe_epoch = (struct vpe_epoch){};
	vpe_contexts_init();
	return 0;
}

static void vpe_context_test_exit(struct kunit *test)
{
	vpe_contexts_exit();
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.windows), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.contexts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_there.contexts), 0);
}

static struct vpe_context *vpe_test_get(struct kunit *test,
					struct vpe_scope *scope)
{
	struct vpe_context *ctx;
	struct vpe_lanes lanes;

	KUNIT_ASSERT_EQ(test, vpe_lanes_set(&lanes, 0, 4 * nr_cpu_ids), 0);
	ctx = vpe_context_get(scope, vpe_key, sizeof(vpe_key), &lanes);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->window_size = VPE_WINDOW_MIN;
	return ctx;
}

static u64 vpe_test_reserve(struct kunit *test, struct vpe_context *ctx, u32 n)
{
	struct vpe_seq seq = {};

	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 4, n, 0, &seq), 0);
	KUNIT_EXPECT_LT(test, seq.window, nr_cpu_ids * ctx->lanes.per_cpu);
	return seq.seq;
}

static void vpe_test_context_first(struct kunit *test)
{
	struct vpe_context *ctx = vpe_test_get(test, &vpe_here);
	u64 before = ktime_get_real_ns(), far = before + 3600 * NSEC_PER_SEC;

	KUNIT_EXPECT_FALSE(test, vpe_context_started(ctx));
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, 0), 0);
	KUNIT_EXPECT_TRUE(test, vpe_context_started(ctx));
	KUNIT_EXPECT_GE(test, ctx->first, before);
	KUNIT_EXPECT_LE(test, ctx->first, ktime_get_real_ns());
	vpe_context_put(ctx);

	/* the user's number, then one above what was used with it */
	ctx = vpe_test_get(test, &vpe_here);
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, far), 0);
	KUNIT_EXPECT_EQ(test, vpe_test_reserve(test, ctx, 10), far + 1);
	vpe_context_put(ctx);
	ctx = vpe_test_get(test, &vpe_here);
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, 0), 0);
	KUNIT_EXPECT_EQ(test, ctx->first, far + 11);
	vpe_context_put(ctx);

	/* a clock that once was ahead */
	vpe_epoch.offset += 7200 * NSEC_PER_SEC;
	ctx = vpe_test_get(test, &vpe_here);
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, 0), 0);
	KUNIT_EXPECT_GE(test, ctx->first, before + 7200 * NSEC_PER_SEC);
	vpe_context_put(ctx);
}

static void vpe_test_context_claim(struct kunit *test)
{
	struct vpe_context *a = vpe_test_get(test, &vpe_here);
	struct vpe_context *b = vpe_test_get(test, &vpe_there);
	struct vpe_context *same = vpe_test_get(test, &vpe_here);

	KUNIT_EXPECT_PTR_EQ(test, a, same);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_EQ(test, vpe_context_start(a, 0), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_start(b, 0), -EBUSY);
	vpe_context_put(a);
	KUNIT_EXPECT_EQ(test, vpe_context_start(b, 0), -EBUSY);
	vpe_context_put(same);
	KUNIT_EXPECT_EQ(test, vpe_context_start(b, 0), 0);
	vpe_context_put(b);
}

static void vpe_test_context_lanes(struct kunit *test)
{
	struct vpe_context *ctx = vpe_test_get(test, &vpe_here);
	struct vpe_seq seq;
	u32 window;

	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, 0), 0);
	migrate_disable();
	window = smp_processor_id() * ctx->lanes.per_cpu + 3;
	KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, window), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 7, 1, 0, &seq), 0);
	KUNIT_EXPECT_EQ(test, seq.window, window);
	KUNIT_EXPECT_EQ(test, seq.seq, ctx->first);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 3, 45, 0, &seq), 0);
	KUNIT_EXPECT_EQ(test, seq.seq, ctx->first + 1);
	KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, window), ctx->first + 45);
	KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, window - 1), 0);
	migrate_enable();
	vpe_context_put(ctx);
}

static void vpe_test_context_exhausted(struct kunit *test)
{
	struct vpe_context *ctx = vpe_test_get(test, &vpe_here);
	struct vpe_seq seq;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, U64_MAX), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, U64_MAX - 2), 0);
	migrate_disable();
	KUNIT_EXPECT_EQ(test, vpe_test_reserve(test, ctx, 1), U64_MAX - 1);
	KUNIT_EXPECT_EQ(test, vpe_test_reserve(test, ctx, 1), U64_MAX);
	for (i = 0; i < 1000; i++) {
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, 1, 0, &seq), -EOVERFLOW);
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, U32_MAX, 0, &seq), -EOVERFLOW);
	}
	KUNIT_EXPECT_EQ(test, this_cpu_read(ctx->counter[0]->sent), 2);
	migrate_enable();
	vpe_context_put(ctx);
}

static enum vpe_verdict vpe_test_context_commit(struct vpe_context *ctx, u32 id,
						u64 seq)
{
	enum vpe_verdict verdict;
	struct vpe_window *w;

	local_bh_disable();
	rcu_read_lock();
	verdict = vpe_context_commit(ctx, id, seq, 0, &w);
	rcu_read_unlock();
	local_bh_enable();
	return verdict;
}

static void vpe_test_context_windows(struct kunit *test)
{
	static const u32 ids[] = { 0, 1, 0xffff, 0x10000, 0x12345678, 0xffffffff };
	struct vpe_context *ctx = vpe_test_get(test, &vpe_here);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		KUNIT_EXPECT_NULL(test, vpe_context_window(ctx, ids[i]));
		KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, ids[i], 1000), VPE_FRESH);
		KUNIT_EXPECT_NOT_NULL(test, vpe_context_window(ctx, ids[i]));
		KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, ids[i], 1000), VPE_REPLAY);
		KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, ids[i], 936), VPE_BEHIND);
		KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, ids[i], 937), VPE_FRESH);
		KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.windows), i + 1);
	}
	vpe_here.windows_max = i;
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 2, 1), VPE_NO_ROOM);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 1, 1001), VPE_FRESH);
	KUNIT_EXPECT_NULL(test, vpe_context_window(ctx, 2));
	vpe_here.windows_max = VPE_NET_WINDOWS_MAX;

	/* as if it had all but one already */
	ctx->nr_windows += VPE_CONTEXT_WINDOWS_MAX - 1 - i;
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 2, 1), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 3, 1), VPE_NO_ROOM);
	ctx->nr_windows -= VPE_CONTEXT_WINDOWS_MAX - 1 - i;
	vpe_context_put(ctx);
}

static const u8 vpe_esp_key[20] = "0123456789abcdefsalt";

static struct vpe_context *vpe_test_get_esp(struct kunit *test, u64 last)
{
	struct vpe_context *ctx;

	ctx = vpe_context_get_esp(&vpe_here, vpe_esp_key, sizeof(vpe_esp_key), last);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->window_size = VPE_WINDOW_MIN;
	return ctx;
}

static void vpe_test_esp_start(struct kunit *test)
{
	const struct vpe_esp_start_case *c;
	struct vpe_context *ctx;
	struct vpe_seq seq;

	for (c = vpe_esp_start_cases; c < vpe_esp_start_cases + ARRAY_SIZE(vpe_esp_start_cases);
	     c++) {
		ctx = vpe_test_get_esp(test, c->last);
		KUNIT_EXPECT_EQ_MSG(test, vpe_context_start(ctx, c->oseq), c->err,
				    "last %#llx oseq %#llx", c->last, c->oseq);
		KUNIT_EXPECT_EQ(test, vpe_context_started(ctx), !c->err);
		if (!c->err) {
			KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 5, 1, 0, &seq), 0);
			KUNIT_EXPECT_EQ(test, seq.seq, c->oseq + 1);
			KUNIT_EXPECT_EQ(test, seq.window, 0);
			KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, 0), c->oseq + 1);
			KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, 1), 0);
		}
		vpe_context_put(ctx);
	}
}

static void vpe_test_esp_use_up(struct kunit *test, u64 last, const struct vpe_esp_end_case *c)
{
	struct vpe_context *ctx = vpe_test_get_esp(test, last);
	u64 next = last - c->room + 1;
	struct vpe_seq seq;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, next - 1), 0);
	for (i = 0; i < ARRAY_SIZE(c->n) && c->n[i]; next += c->n[i++]) {
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, i, c->n[i], 0, &seq), 0);
		KUNIT_EXPECT_EQ(test, seq.seq, next);
	}
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, c->more, 0, &seq), -EOVERFLOW);
	for (i = 0; i < 1000; i++) {
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, 1, 0, &seq), -EOVERFLOW);
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, U32_MAX, 0, &seq), -EOVERFLOW);
	}
	KUNIT_EXPECT_EQ(test, vpe_context_last(ctx, 0), last);
	vpe_context_put(ctx);
}

static void vpe_test_esp_exhausted(struct kunit *test)
{
	const struct vpe_esp_end_case *c;

	for (c = vpe_esp_end_cases; c < vpe_esp_end_cases + ARRAY_SIZE(vpe_esp_end_cases); c++) {
		vpe_test_esp_use_up(test, U32_MAX, c);
		vpe_test_esp_use_up(test, U64_MAX, c);
	}
}

/* Two SAs of one key both send, VPE beside them, and none knows of another. */
static void vpe_test_esp_no_claim(struct kunit *test)
{
	struct vpe_epoch before = vpe_epoch;
	struct vpe_context *a = vpe_test_get_esp(test, U64_MAX);
	struct vpe_context *b = vpe_test_get_esp(test, U64_MAX);
	struct vpe_seq seq;

	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.contexts), 2);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_NE(test, a->id, b->id);
	KUNIT_EXPECT_NE(test, a->iv_mask, b->iv_mask);
	KUNIT_EXPECT_EQ(test, vpe_context_start(a, U64_MAX - 10), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_start(b, U64_MAX - 10), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(a, 0, 0, 5, 0, &seq), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(b, 0, 0, 1, 0, &seq), 0);
	KUNIT_EXPECT_EQ(test, seq.seq, U64_MAX - 9);
	KUNIT_EXPECT_FALSE(test, a->claimed || b->claimed);
	vpe_context_put(a);
	vpe_context_put(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.contexts), 0);
	KUNIT_EXPECT_EQ(test, vpe_epoch.used, before.used);
	KUNIT_EXPECT_EQ(test, vpe_epoch.offset, before.offset);

	a = vpe_context_get_esp(&vpe_here, vpe_key, sizeof(vpe_key), U64_MAX);
	KUNIT_ASSERT_NOT_NULL(test, a);
	b = vpe_test_get(test, &vpe_here);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_EQ(test, vpe_context_start(a, 0), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_start(b, 0), 0);
	vpe_context_put(a);
	vpe_context_put(b);
}

static void vpe_test_esp_hold(struct kunit *test)
{
	struct vpe_context *ctx = vpe_test_get_esp(test, U64_MAX);
	u8 key[sizeof(vpe_esp_key)];
	struct vpe_seq seq;
	unsigned int bit;

	KUNIT_EXPECT_PTR_EQ(test, vpe_context_hold(ctx), ctx);
	KUNIT_EXPECT_EQ(test, vpe_context_start(ctx, 0), 0);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, 1, 0, &seq), 0);
	vpe_context_put(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.contexts), 1);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 0, 1, 0, &seq), 0);
	KUNIT_EXPECT_EQ(test, seq.seq, 2);

	memcpy(key, vpe_esp_key, sizeof(key));
	KUNIT_EXPECT_TRUE(test, vpe_context_has_key(ctx, key, sizeof(key)));
	KUNIT_EXPECT_FALSE(test, vpe_context_has_key(ctx, key, sizeof(key) - 4));
	for (bit = 0; bit < 8 * sizeof(key); bit++) {
		key[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_FALSE(test, vpe_context_has_key(ctx, key, sizeof(key)));
		key[bit / 8] ^= 1 << bit % 8;
	}
	vpe_context_put(ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.contexts), 0);
}

static void vpe_test_esp_window(struct kunit *test)
{
	struct vpe_context *ctx = vpe_test_get_esp(test, U64_MAX);
	const u64 sub = 0x100000000ULL;

	ctx->closed = sub - 20;
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, -20), sub - 20);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, -83), sub - 83);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, -84), 2 * sub - 84);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, 5), sub + 5);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub + 5), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub + 5), VPE_REPLAY);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub - 20), VPE_REPLAY);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub - 58), VPE_REPLAY);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub - 59), VPE_OLD);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub - 19), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, sub + 6), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, atomic_read(&vpe_here.windows), 1);
	/* the window's top is sub + 6 now */
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, -57), sub - 57);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, -58), 2 * sub - 58);
	vpe_context_put(ctx);

	ctx = vpe_test_get_esp(test, U32_MAX);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, 5), 5);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, U32_MAX), VPE_FRESH);
	KUNIT_EXPECT_EQ(test, vpe_context_infer(ctx, 5), 5);
	KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, 0, 5), VPE_OLD);
	vpe_context_put(ctx);
}

/**
 * struct vpe_counting - what threads at one counter share
 * @ctx: key context of ESP
 * @first: lowest number
 * @ivs: bit n: the IV of number n below VPE_TEST_THREADS * VPE_TEST_NUMBERS was met
 * @wrong: IVs that were met before, or are of no number
 * @running: threads that are not done
 * @done: none is left
 */
struct vpe_counting {
	struct vpe_context	*ctx;
	u64			first;
	DECLARE_BITMAP(ivs, VPE_TEST_THREADS * VPE_TEST_NUMBERS);
	atomic_t		wrong;
	atomic_t		running;
	struct completion	done;
};

static int vpe_counting_thread(void *data)
{
	struct vpe_counting *c = data;
	struct vpe_seq seq;
	unsigned int i;
	u64 n;

	for (i = 0; i < VPE_TEST_NUMBERS; i++) {
		if (vpe_context_reserve(c->ctx, 0, i, 1, 0, &seq)) {
			atomic_inc(&c->wrong);
			continue;
		}
		n = (be64_to_cpu(vpe_context_iv(c->ctx, seq.seq)) ^ c->ctx->iv_mask) - c->first;
		if (n >= VPE_TEST_THREADS * VPE_TEST_NUMBERS || test_and_set_bit(n, c->ivs))
			atomic_inc(&c->wrong);
	}
	if (atomic_dec_and_test(&c->running))
		complete(&c->done);
	return 0;
}

/* No IV comes twice, whatever CPUs take them. */
static void vpe_test_esp_race(struct kunit *test)
{
	struct task_struct *thread;
	struct vpe_counting *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	c->ctx = vpe_test_get_esp(test, U64_MAX);
	c->first = U32_MAX - VPE_TEST_NUMBERS;
	KUNIT_EXPECT_EQ(test, vpe_context_start(c->ctx, c->first - 1), 0);
	init_completion(&c->done);
	atomic_set(&c->running, VPE_TEST_THREADS);
	for (i = 0; i < VPE_TEST_THREADS; i++) {
		thread = kthread_run(vpe_counting_thread, c, "vpe_counting/%u", i);
		if (IS_ERR(thread) && atomic_dec_and_test(&c->running))
			complete(&c->done);
	}
	wait_for_completion(&c->done);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->wrong), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_full(c->ivs, VPE_TEST_THREADS * VPE_TEST_NUMBERS));
	KUNIT_EXPECT_EQ(test, vpe_context_last(c->ctx, 0),
			c->first + VPE_TEST_THREADS * VPE_TEST_NUMBERS - 1);
	vpe_context_put(c->ctx);
}

static struct kunit_case vpe_context_cases[] = {
	KUNIT_CASE(vpe_test_context_first),
	KUNIT_CASE(vpe_test_context_claim),
	KUNIT_CASE(vpe_test_context_lanes),
	KUNIT_CASE(vpe_test_context_exhausted),
	KUNIT_CASE(vpe_test_context_windows),
	KUNIT_CASE(vpe_test_esp_start),
	KUNIT_CASE(vpe_test_esp_exhausted),
	KUNIT_CASE(vpe_test_esp_no_claim),
	KUNIT_CASE(vpe_test_esp_hold),
	KUNIT_CASE(vpe_test_esp_window),
	KUNIT_CASE(vpe_test_esp_race),
	{}
};

static struct kunit_suite vpe_context_suite = {
	.name = "vpe_context",
	.init = vpe_context_test_init,
	.exit = vpe_context_test_exit,
	.test_cases = vpe_context_cases,
};

/* AEAD */

/* Drivers; whatever of these the kernel has, but the first four must be there. */
static const char * const vpe_ciphers[] = {
	"gcm(aes)",
	"rfc7539(chacha20,poly1305)",
	"rfc4106(gcm(aes))",
	"rfc7539esp(chacha20,poly1305)",
	"gcm-aes-lib",
	"gcm_base(ctr(aes-lib),ghash-lib)",
	"gcm_base(ctr(aes-generic),ghash-generic)",
	"gcm_base(ctr-aes-aesni,ghash-lib)",
	"gcm_base(ctr-aes-aesni,ghash-generic)",
	"generic-gcm-aesni",
	"generic-gcm-aesni-avx",
	"generic-gcm-vaes-avx2",
	"generic-gcm-vaes-avx512",
	"rfc4106(gcm-aes-lib)",
	"rfc4106(gcm_base(ctr(aes-lib),ghash-lib))",
	"rfc4106(gcm_base(ctr(aes-generic),ghash-generic))",
	"rfc4106(gcm_base(ctr-aes-aesni,ghash-lib))",
	"rfc4106(gcm_base(ctr-aes-aesni,ghash-generic))",
	"rfc4106-gcm-aesni",
	"rfc4106-gcm-aesni-avx",
	"rfc4106-gcm-vaes-avx2",
	"rfc4106-gcm-vaes-avx512",
	"cryptd(gcm-aes-lib)",
	"cryptd(gcm_base(ctr(aes-lib),ghash-lib))",
	"cryptd(gcm_base(ctr(aes-generic),ghash-generic))",
	"cryptd(generic-gcm-aesni)",
	"cryptd(rfc4106(gcm-aes-lib))",
	"cryptd(rfc4106-gcm-aesni)",
	"cryptd(rfc7539esp(chacha20-lib,poly1305-generic))",
	"pcrypt(gcm-aes-lib)",
	"pcrypt(generic-gcm-aesni)",
	"pcrypt(rfc4106(gcm-aes-lib))",
	"pcrypt(rfc4106-gcm-aesni)",
	"pcrypt(rfc7539esp(chacha20-lib,poly1305-generic))",
};

#define VPE_CIPHERS_NEEDED	4

/* Is this driver one for this vector? */
static bool vpe_test_fits(const char *name, const struct vpe_vector *v)
{
	bool esp = strstr(name, "rfc4106") || strstr(name, "rfc7539esp");

	return esp == vpe_is_esp(v->layout) &&
	       !strstr(name, "chacha") == !strstr(v->cipher, "chacha");
}

/**
 * struct vpe_wait - of a request
 * @done: it is through
 * @err: what came of it
 */
struct vpe_wait {
	struct completion	done;
	int			err;
};

static void vpe_test_done(vpe_completion_arg *arg, int err)
{
	struct vpe_op *op = vpe_completion_data(arg);
	struct vpe_wait *wait = *(struct vpe_wait **)op->priv;

	if (err == -EINPROGRESS)
		return;
	wait->err = err;
	complete(&wait->done);
}

/* What follows the text: VPE has its ICV in the header. */
static unsigned int vpe_test_tail(const struct vpe_vector *v)
{
	return vpe_is_esp(v->layout) ? v->icv_len : 0;
}

static unsigned int vpe_test_text(const struct vpe_vector *v)
{
	return v->packet_len - vpe_formats[v->layout].hlen - vpe_test_tail(v);
}

/**
 * struct vpe_try - a packet for the cipher
 * @tfm: the cipher
 * @packet: the packet
 * @layout: of it
 * @seq: its number
 * @len: of its text
 * @cut: where the list has it in two
 * @seal: or open it
 * @async: set if the cipher was asynchronous
 */
struct vpe_try {
	struct crypto_aead	*tfm;
	void			*packet;
	enum vpe_layout		layout;
	u64			seq;
	unsigned int		len;
	unsigned int		cut;
	bool			seal;
	bool			*async;
};

static int vpe_test_crypt(const struct vpe_try *t)
{
	unsigned int tail = vpe_is_esp(t->layout) ? crypto_aead_authsize(t->tfm) : 0;
	u8 *text = t->packet + vpe_formats[t->layout].hlen;
	unsigned int all = t->len + tail, cut = min(t->cut, all);
	unsigned int nents = (cut ? 1 : 0) + (cut < all ? 1 : 0);
	struct vpe_wait wait = {};
	struct vpe_op *op;
	int err;

	op = vpe_op_alloc(t->tfm, t->layout, sizeof(void *), nents, 0);
	if (!op)
		return -ENOMEM;
	init_completion(&wait.done);
	*(struct vpe_wait **)op->priv = &wait;
	if (cut)
		sg_set_buf(op->sg, text, cut);
	if (cut < all)
		sg_set_buf(&op->sg[nents - 1], text + cut, all - cut);
	err = (t->seal ? vpe_op_seal : vpe_op_open)(op, t->packet, t->seq, nents, t->len,
						    vpe_test_done);
	if (err == -EINPROGRESS) {
		*t->async = true;
		wait_for_completion(&wait.done);
		err = wait.err;
	}
	vpe_op_free(op);
	return err;
}

static void vpe_test_plain(const struct vpe_vector *v, u8 *packet)
{
	u8 *text = packet + vpe_formats[v->layout].hlen;
	struct vpe_esp_hdr *esp = (void *)packet;

	memset(packet, 0x5a, v->packet_len);
	memcpy(text, v->plaintext, v->plaintext_len);
	if (!vpe_is_esp(v->layout)) {
		vpe_hdr_write((struct vpe_hdr *)packet, v->layout, cpu_to_be32(v->spi), v->window,
			      v->seq);
		return;
	}
	esp->spi = cpu_to_be32(v->spi);
	esp->seq = cpu_to_be32(v->seq);
	memcpy(&esp->iv, v->iv, VPE_ESP_IV_LEN);
	vpe_esp_trailer_write(text + v->plaintext_len, vpe_esp_trailer_len(v->plaintext_len),
			      v->next_header);
}

static bool vpe_test_is_spi(enum vpe_layout layout, unsigned int bit)
{
	return !vpe_is_esp(layout) && bit / 32 == (layout == VPE_ARES ? 3 : 0);
}

/* Every stepth bit, but of VPE's SPI, which is not authenticated. */
static void vpe_test_flips(struct kunit *test, const struct vpe_vector *v, struct vpe_try *t,
			   unsigned int step)
{
	const char *name = crypto_aead_alg(t->tfm)->base.cra_driver_name;
	unsigned int bit;

	t->seal = false;
	for (bit = 0; bit < v->packet_len * 8; bit += step) {
		if (vpe_test_is_spi(v->layout, bit))
			continue;
		memcpy(t->packet, v->packet, v->packet_len);
		((u8 *)t->packet)[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(t), -EBADMSG, "%s: bit %u", name, bit);
		cond_resched();
	}
	/* the half of the number that does not travel */
	for (bit = 32; bit < 64 && v->layout == VPE_ESP_ESN; bit += min(step, 11U)) {
		memcpy(t->packet, v->packet, v->packet_len);
		t->seq = v->seq ^ BIT_ULL(bit);
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(t), -EBADMSG, "%s: number's bit %u",
				    name, bit);
	}
}

/* One vector, both ways, each with its packet cut in two somewhere else. */
static void vpe_test_vector(struct kunit *test, struct crypto_aead *tfm,
			    const struct vpe_vector *v, unsigned int step, bool *async)
{
	u8 *packet = kunit_kzalloc(test, v->packet_len, GFP_KERNEL);
	struct vpe_try t = {
		.tfm = tfm, .packet = packet, .layout = v->layout, .seq = v->seq,
		.len = vpe_test_text(v), .async = async,
	};
	const char *name = crypto_aead_alg(tfm)->base.cra_driver_name;
	unsigned int hlen = vpe_formats[v->layout].hlen;

	KUNIT_ASSERT_NOT_NULL(test, packet);
	for (t.cut = 0; t.cut <= t.len + vpe_test_tail(v); t.cut += 13 + v->plaintext_len / 8) {
		vpe_test_plain(v, packet);
		t.seal = true;
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(&t), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(packet, v->packet, v->packet_len), 0,
				    "%s: %*phN", name, min(64, (int)v->packet_len), packet);
		memcpy(packet, v->packet, v->packet_len);
		t.seal = false;
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(&t), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(packet, v->packet, hlen), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(packet + hlen, v->plaintext, v->plaintext_len), 0,
				    "%s", name);
	}
	vpe_test_flips(test, v, &t, v->packet_len > 512 ? 37 : step);
	kunit_kfree(test, packet);
}

/* All vectors with one cipher; of packets every stepth bit is flipped. Return: is it there? */
static bool vpe_test_cipher(struct kunit *test, const char *name, unsigned int step, bool *async)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	bool first = true;

	for (v = vpe_vectors; v < vpe_vectors + ARRAY_SIZE(vpe_vectors); v++) {
		if (!vpe_test_fits(name, v))
			continue;
		tfm = vpe_aead_alloc(name, v->key, v->key_len, v->layout, v->icv_len);
		if (IS_ERR(tfm)) {
			/* -ENOENT, or what the template makes of its parts */
			KUNIT_EXPECT_TRUE_MSG(test, first, "%s: a key is refused", name);
			return false;
		}
		if (first)
			kunit_info(test, "%s is %s, %ssynchronous", name,
				   crypto_aead_alg(tfm)->base.cra_driver_name,
				   vpe_aead_is_async(tfm) ? "a" : "");
		first = false;
		vpe_test_vector(test, tfm, v, step, async);
		crypto_free_aead(tfm);
	}
	return !first;
}

/* Every so many bits are flipped: the sanitizers are slow, and selftests/unit flips all. */
#define VPE_TEST_STEP		(IS_ENABLED(CONFIG_KASAN) ? 11 : 1)
#define VPE_TEST_STEP_MORE	(IS_ENABLED(CONFIG_KASAN) ? 149 : 37)	/* of other ciphers */

static bool vpe_test_is_wrapped(const char *name)
{
	return !strncmp(name, "cryptd", 6) || !strncmp(name, "pcrypt", 6);
}

static void vpe_test_aead_vectors(struct kunit *test)
{
	bool async = false, there;
	unsigned int i;

	for (i = 0; i < VPE_CIPHERS_NEEDED; i++) {
		there = vpe_test_cipher(test, vpe_ciphers[i], VPE_TEST_STEP, &async);
		KUNIT_EXPECT_TRUE_MSG(test, there, "%s", vpe_ciphers[i]);
	}
	for (; i < ARRAY_SIZE(vpe_ciphers); i++)
		if (!vpe_test_is_wrapped(vpe_ciphers[i]))
			vpe_test_cipher(test, vpe_ciphers[i], VPE_TEST_STEP_MORE, &async);
}

static void vpe_test_aead_async(struct kunit *test)
{
	bool async = false, any = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vpe_ciphers); i++)
		if (vpe_test_is_wrapped(vpe_ciphers[i]))
			any |= vpe_test_cipher(test, vpe_ciphers[i], VPE_TEST_STEP_MORE, &async);
	if (!any)
		kunit_skip(test, "this kernel has neither cryptd nor pcrypt");
	KUNIT_EXPECT_TRUE(test, async);
}

static void vpe_test_aead_empty(struct kunit *test)
{
	struct vpe_hdr *hdr = kunit_kzalloc(test, sizeof(*hdr), GFP_KERNEL);
	struct vpe_try t = { .packet = hdr, .layout = VPE_SPI_FIRST };
	bool async = false;

	KUNIT_ASSERT_NOT_NULL(test, hdr);
	t.async = &async;
	t.tfm = vpe_aead_alloc("gcm(aes)", vpe_key, sizeof(vpe_key), VPE_SPI_FIRST, VPE_ICV_LEN);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t.tfm));
	vpe_hdr_write(hdr, VPE_SPI_FIRST, cpu_to_be32(0x100), 3, 4);
	KUNIT_EXPECT_EQ(test, vpe_test_crypt(&t), -EBADMSG);
	t.seal = true;
	KUNIT_EXPECT_EQ(test, vpe_test_crypt(&t), 0);
	t.seal = false;
	KUNIT_EXPECT_EQ(test, vpe_test_crypt(&t), 0);
	hdr->icv[3] ^= 0x10;
	KUNIT_EXPECT_EQ(test, vpe_test_crypt(&t), -EBADMSG);
	crypto_free_aead(t.tfm);
}

static void vpe_test_key(struct kunit *test, const char *cipher, unsigned int len,
			 enum vpe_layout layout, unsigned int icv_len, bool taken)
{
	static const u8 key[40];
	struct crypto_aead *tfm = vpe_aead_alloc(cipher, key, len, layout, icv_len);

	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(tfm), taken ? 0 : -EINVAL,
			    "%s, key %u, layout %d, ICV %u", cipher, len, layout, icv_len);
	if (!IS_ERR(tfm))
		crypto_free_aead(tfm);
}

static void vpe_test_aead_refused(struct kunit *test)
{
	unsigned int len;

	for (len = 0; len <= 40; len++) {
		vpe_test_key(test, "gcm(aes)", len, VPE_SPI_FIRST, 16,
			     len == 16 || len == 24 || len == 32);
		vpe_test_key(test, "rfc4106(gcm(aes))", len, VPE_ESP, 16,
			     len == 20 || len == 28 || len == 36);
		vpe_test_key(test, "rfc7539esp(chacha20,poly1305)", len, VPE_ESP_ESN, 16,
			     len == 36);
	}
	for (len = 0; len <= 17; len++) {
		vpe_test_key(test, "rfc4106(gcm(aes))", 20, VPE_ESP, len,
			     len == 8 || len == 12 || len == 16);
		vpe_test_key(test, "rfc7539esp(chacha20,poly1305)", 36, VPE_ESP, len, len == 16);
	}
	/* an IV of 8 bytes where there are 12, and the other way round */
	vpe_test_key(test, "rfc4106(gcm(aes))", 20, VPE_SPI_FIRST, 16, false);
	vpe_test_key(test, "gcm(aes)", 16, VPE_ESP, 16, false);
}

static struct kunit_case vpe_aead_cases[] = {
	KUNIT_CASE(vpe_test_aead_vectors),
	KUNIT_CASE(vpe_test_aead_async),
	KUNIT_CASE(vpe_test_aead_empty),
	KUNIT_CASE(vpe_test_aead_refused),
	{}
};

static struct kunit_suite vpe_aead_suite = {
	.name = "vpe_aead",
	.test_cases = vpe_aead_cases,
};

kunit_test_suites(&vpe_header_suite, &vpe_window_suite, &vpe_context_suite,
		  &vpe_aead_suite);

MODULE_DESCRIPTION("KUnit tests of VPE's protocol core");
MODULE_LICENSE("GPL");
