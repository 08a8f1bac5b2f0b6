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

static struct kunit_case vpe_header_cases[] = {
	KUNIT_CASE(vpe_test_hdr_write),
	KUNIT_CASE(vpe_test_hdr_read),
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
	w = vpe_window_alloc(size, first, GFP_ATOMIC);
	preempt_enable();
	KUNIT_ASSERT_NOT_NULL(test, w);
	return w;
}

static enum vpe_verdict vpe_test_commit(struct vpe_window *w, u64 seq)
{
	enum vpe_verdict verdict;

	local_bh_disable();
	verdict = vpe_window_commit(w, seq);
	local_bh_enable();
	return verdict;
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
			KUNIT_EXPECT_EQ_MSG(test, vpe_window_check(w, c->steps[i].seq),
					    c->steps[i].verdict, "%s: step %u", c->name, i);
			KUNIT_EXPECT_EQ_MSG(test, vpe_test_commit(w, c->steps[i].seq),
					    c->steps[i].verdict, "%s: step %u", c->name, i);
		}
		kfree(w);
	}
}

static void vpe_test_live(struct kunit *test, struct vpe_model *m, u64 *state)
{
	enum vpe_verdict check, commit, should;
	u64 seq = vpe_model_first(m, state);
	struct vpe_window *w;
	unsigned int i;

	w = vpe_test_window(test, m->size, seq);
	vpe_model_accept(m, seq);
	for (i = 0; i < 2000; i++) {
		seq = vpe_model_next(m, state);
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

static void vpe_test_window_model(struct kunit *test)
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
			vpe_test_live(test, &m, &state);
			kunit_kfree(test, m.set);
			cond_resched();
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
	const struct vpe_lanes lanes = { .per_cpu = 4 };
	struct vpe_context *ctx;

	ctx = vpe_context_get(scope, vpe_key, sizeof(vpe_key), &lanes);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->window_size = VPE_WINDOW_MIN;
	return ctx;
}

static u64 vpe_test_reserve(struct kunit *test, struct vpe_context *ctx, u32 n)
{
	struct vpe_seq seq = {};

	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 4, n, &seq), 0);
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
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 7, 1, &seq), 0);
	KUNIT_EXPECT_EQ(test, seq.window, window);
	KUNIT_EXPECT_EQ(test, seq.seq, ctx->first);
	KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 3, 45, &seq), 0);
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
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, 1, &seq), -EOVERFLOW);
		KUNIT_EXPECT_EQ(test, vpe_context_reserve(ctx, 0, U32_MAX, &seq), -EOVERFLOW);
	}
	KUNIT_EXPECT_EQ(test, this_cpu_read(ctx->counter->sent), 2);
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
	verdict = vpe_context_commit(ctx, id, seq, &w);
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
		KUNIT_EXPECT_EQ(test, vpe_test_context_commit(ctx, ids[i], 936), VPE_OLD);
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

static struct kunit_case vpe_context_cases[] = {
	KUNIT_CASE(vpe_test_context_first),
	KUNIT_CASE(vpe_test_context_claim),
	KUNIT_CASE(vpe_test_context_lanes),
	KUNIT_CASE(vpe_test_context_exhausted),
	KUNIT_CASE(vpe_test_context_windows),
	{}
};

static struct kunit_suite vpe_context_suite = {
	.name = "vpe_context",
	.init = vpe_context_test_init,
	.exit = vpe_context_test_exit,
	.test_cases = vpe_context_cases,
};

/* AEAD */

/* Drivers; whatever of these the kernel has, but the first two must be there. */
static const char * const vpe_ciphers[] = {
	"gcm(aes)",
	"rfc7539(chacha20,poly1305)",
	"gcm-aes-lib",
	"gcm_base(ctr(aes-lib),ghash-lib)",
	"gcm_base(ctr(aes-generic),ghash-generic)",
	"gcm_base(ctr-aes-aesni,ghash-lib)",
	"gcm_base(ctr-aes-aesni,ghash-generic)",
	"generic-gcm-aesni",
	"generic-gcm-aesni-avx",
	"generic-gcm-vaes-avx2",
	"generic-gcm-vaes-avx512",
	"cryptd(gcm-aes-lib)",
	"cryptd(gcm_base(ctr(aes-lib),ghash-lib))",
	"cryptd(gcm_base(ctr(aes-generic),ghash-generic))",
	"cryptd(generic-gcm-aesni)",
	"pcrypt(gcm-aes-lib)",
	"pcrypt(generic-gcm-aesni)",
};

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

/* Of a packet of @len bytes behind its header, cut after @cut of them. */
static int vpe_test_crypt(struct crypto_aead *tfm, struct vpe_hdr *hdr,
			  enum vpe_layout layout, unsigned int len,
			  unsigned int cut, bool seal, bool *async)
{
	unsigned int nents = (cut ? 1 : 0) + (cut < len ? 1 : 0);
	struct vpe_wait wait = {};
	struct vpe_op *op;
	int err;

	op = vpe_op_alloc(tfm, sizeof(void *), nents);
	if (!op)
		return -ENOMEM;
	init_completion(&wait.done);
	*(struct vpe_wait **)op->priv = &wait;
	if (cut)
		sg_set_buf(op->sg, hdr + 1, cut);
	if (cut < len)
		sg_set_buf(&op->sg[nents - 1], (u8 *)(hdr + 1) + cut, len - cut);
	err = (seal ? vpe_op_seal : vpe_op_open)(op, hdr, layout, nents, len, vpe_test_done);
	if (err == -EINPROGRESS) {
		*async = true;
		wait_for_completion(&wait.done);
		err = wait.err;
	}
	kfree(op);
	return err;
}

/* One vector, both ways, each with its packet cut in two somewhere else. */
static void vpe_test_vector(struct kunit *test, struct crypto_aead *tfm,
			    const struct vpe_vector *v, bool *async)
{
	struct vpe_hdr *hdr = kunit_kzalloc(test, v->packet_len, GFP_KERNEL);
	unsigned int len = v->plaintext_len, cut, bit;
	const char *name = crypto_aead_alg(tfm)->base.cra_driver_name;

	KUNIT_ASSERT_NOT_NULL(test, hdr);
	for (cut = 0; cut < len; cut += 13) {
		vpe_hdr_write(hdr, v->layout, cpu_to_be32(v->spi), v->window, v->seq);
		memset(hdr->icv, 0x5a, VPE_ICV_LEN);
		memcpy(hdr + 1, v->plaintext, len);
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(tfm, hdr, v->layout, len, cut,
							 true, async), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(hdr, v->packet, v->packet_len), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(tfm, hdr, v->layout, len, cut,
							 false, async), 0, "%s", name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(hdr + 1, v->plaintext, len), 0, "%s", name);
	}
	for (bit = 32; bit < v->packet_len * 8; bit += 37) {
		if (v->layout == VPE_ARES && bit / 32 == 3)
			continue;	/* the SPI */
		memcpy(hdr, v->packet, v->packet_len);
		((u8 *)hdr)[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_EQ_MSG(test, vpe_test_crypt(tfm, hdr, v->layout, len, len,
							 false, async),
				    -EBADMSG, "%s: bit %u", name, bit);
	}
	kunit_kfree(test, hdr);
}

/* All vectors with one cipher. Return: is it there? */
static bool vpe_test_cipher(struct kunit *test, const char *name, bool *async)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	bool first = true;

	for (v = vpe_vectors; v < vpe_vectors + ARRAY_SIZE(vpe_vectors); v++) {
		if (!strstr(name, "chacha") != !strstr(v->cipher, "chacha"))
			continue;
		tfm = vpe_aead_alloc(name, v->key, v->key_len);
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
		vpe_test_vector(test, tfm, v, async);
		crypto_free_aead(tfm);
	}
	return !first;
}

static void vpe_test_aead_vectors(struct kunit *test)
{
	bool async = false;
	unsigned int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, vpe_test_cipher(test, vpe_ciphers[i], &async));
	for (; i < ARRAY_SIZE(vpe_ciphers); i++)
		if (strncmp(vpe_ciphers[i], "cryptd", 6) &&
		    strncmp(vpe_ciphers[i], "pcrypt", 6))
			vpe_test_cipher(test, vpe_ciphers[i], &async);
}

static void vpe_test_aead_async(struct kunit *test)
{
	bool async = false, any = false;
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(vpe_ciphers); i++)
		if (!strncmp(vpe_ciphers[i], "cryptd", 6) ||
		    !strncmp(vpe_ciphers[i], "pcrypt", 6))
			any |= vpe_test_cipher(test, vpe_ciphers[i], &async);
	if (!any)
		kunit_skip(test, "this kernel has neither cryptd nor pcrypt");
	KUNIT_EXPECT_TRUE(test, async);
}

static int vpe_test_empty(struct crypto_aead *tfm, struct vpe_hdr *hdr, bool seal,
			  bool *async)
{
	return vpe_test_crypt(tfm, hdr, VPE_SPI_FIRST, 0, 0, seal, async);
}

static void vpe_test_aead_empty(struct kunit *test)
{
	struct vpe_hdr *hdr = kunit_kzalloc(test, sizeof(*hdr), GFP_KERNEL);
	struct crypto_aead *tfm;
	bool async = false;

	KUNIT_ASSERT_NOT_NULL(test, hdr);
	tfm = vpe_aead_alloc("gcm(aes)", vpe_key, sizeof(vpe_key));
	KUNIT_ASSERT_FALSE(test, IS_ERR(tfm));
	vpe_hdr_write(hdr, VPE_SPI_FIRST, cpu_to_be32(0x100), 3, 4);
	KUNIT_EXPECT_EQ(test, vpe_test_empty(tfm, hdr, false, &async), -EBADMSG);
	KUNIT_EXPECT_EQ(test, vpe_test_empty(tfm, hdr, true, &async), 0);
	KUNIT_EXPECT_EQ(test, vpe_test_empty(tfm, hdr, false, &async), 0);
	hdr->icv[3] ^= 0x10;
	KUNIT_EXPECT_EQ(test, vpe_test_empty(tfm, hdr, false, &async), -EBADMSG);
	crypto_free_aead(tfm);
}

static void vpe_test_aead_refused(struct kunit *test)
{
	static const u8 key[33];
	struct crypto_aead *tfm;
	unsigned int len;

	for (len = 0; len <= sizeof(key); len++) {
		tfm = vpe_aead_alloc("gcm(aes)", key, len);
		if (len == 16 || len == 24 || len == 32)
			KUNIT_EXPECT_FALSE(test, IS_ERR(tfm));
		else
			KUNIT_EXPECT_EQ(test, PTR_ERR(tfm), -EINVAL);
		if (!IS_ERR(tfm))
			crypto_free_aead(tfm);
	}
	/* salted: its IV has 8 bytes */
	tfm = vpe_aead_alloc("rfc4106(gcm(aes))", key, 20);
	KUNIT_EXPECT_EQ(test, PTR_ERR(tfm), -EINVAL);
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
