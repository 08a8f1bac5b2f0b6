// SPDX-License-Identifier: GPL-2.0
/*
 * What the windows of a packet cost, by the number of windows that there are; for
 * a machine whose clock counts instructions. For tests only.
 *
 * Reading /sys/kernel/debug/vpe_lookup gives a line for each number: what a packet
 * takes to find its window and ask it, find it again and commit; nanoseconds. Each
 * packet is of a window chosen at random, and the next of it.
 *
 * The core is compiled into this module, so that nothing need be exported for it.
 */
#include <linux/bottom_half.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "../../vpe/window.c"
#include "../../vpe/context.c"

#define PACKETS		8192
#define WINDOWS_MAX	65536

/**
 * struct lookup_case - windows that there are
 * @senders: Sender IDs, spread from 1 to 65535; 0: Sender ID 0 alone
 * @windows: of each, from Window ID 0 on
 */
struct lookup_case {
	u32	senders;
	u32	windows;
};

static const struct lookup_case cases[] = {
	{ 0, 1 }, { 0, 16 }, { 0, 256 }, { 0, 4096 }, { 0, 65536 },
	{ 1, 1 }, { 8, 8192 }, { 4096, 16 },
};

/**
 * struct lookup - what a case is measured with
 * @ctx: a context, which has the windows
 * @id: of each window
 * @seq: the last number of each
 * @order: the windows of packets to come
 */
struct lookup {
	struct vpe_context	*ctx;
	u32			id[WINDOWS_MAX];
	u64			seq[WINDOWS_MAX];
	u32			order[PACKETS];
};

static struct vpe_scope scope = {
	.windows_max = WINDOWS_MAX,
	.context_max = WINDOWS_MAX,
	.sender_max = WINDOWS_MAX,
};

static struct dentry *lookup_file;

/* One packet; @find: or only what it takes to choose it. */
static __always_inline bool lookup_packet(struct lookup *l, u32 n, bool find)
{
	u32 which = READ_ONCE(l->order[n]), id = READ_ONCE(l->id[which]);
	u64 seq = ++l->seq[which];
	struct vpe_window *w;

	barrier();
	if (!find)
		return true;
	w = vpe_context_window(l->ctx, id);
	return w && vpe_window_check(w, seq) == VPE_FRESH &&
	       vpe_context_commit(l->ctx, id, seq, 0, &w) == VPE_FRESH;
}

/* Nanoseconds of all packets; 0 if one was refused. */
static noinline u64 lookup_time(struct lookup *l, bool find)
{
	unsigned long flags;
	bool good = true;
	u64 began;
	u32 n;

	rcu_read_lock();
	local_bh_disable();
	local_irq_save(flags);
	began = ktime_get_ns();
	for (n = 0; n < PACKETS; n++)
		good &= lookup_packet(l, n, find);
	began = ktime_get_ns() - began;
	local_irq_restore(flags);
	local_bh_enable();
	rcu_read_unlock();
	return good ? began : 0;
}

static int lookup_fill(struct lookup *l, const struct lookup_case *c, u32 *number)
{
	u32 senders = max(c->senders, 1U), n, sender;
	enum vpe_verdict verdict = VPE_FRESH;
	struct vpe_window *w;

	*number = senders * c->windows;
	for (n = 0; n < *number && verdict == VPE_FRESH; n++) {
		sender = n / c->windows;
		sender = c->senders ? 65535 - sender * (65535 / senders) : 0;
		l->id[n] = sender << 16 | n % c->windows;
		l->seq[n] = 1;
		local_bh_disable();
		rcu_read_lock();
		verdict = vpe_context_commit(l->ctx, l->id[n], 1, 0, &w);
		rcu_read_unlock();
		local_bh_enable();
	}
	for (n = 0; n < PACKETS; n++)
		l->order[n] = get_random_u32() % *number;
	return verdict == VPE_FRESH ? 0 : -ENOMEM;
}

static int lookup_case(struct seq_file *m, struct lookup *l, const struct lookup_case *c)
{
	u8 key[16];
	struct vpe_lanes lanes;
	u64 choose, packet;
	u32 number;
	int err;

	get_random_bytes(key, sizeof(key));
	err = vpe_lanes_set(&lanes, 0, 1);
	if (err)
		return err;
	l->ctx = vpe_context_get(&scope, key, sizeof(key), &lanes);
	if (!l->ctx)
		return -ENOMEM;
	l->ctx->window_size = VPE_WINDOW_DEFAULT;
	err = lookup_fill(l, c, &number);
	if (!err) {
		lookup_time(l, true);	/* the first meets cold caches */
		packet = lookup_time(l, true);
		choose = lookup_time(l, false);
		err = packet > choose ? 0 : -EIO;
		seq_printf(m, "senders=%u windows=%u packet=%llu\n", c->senders,
			   number, div_u64(packet - choose, PACKETS));
	}
	vpe_context_put(l->ctx);
	return err;
}

static int lookup_show(struct seq_file *m, void *v)
{
	struct lookup *l = kvmalloc(sizeof(*l), GFP_KERNEL);
	unsigned int i;
	int err = 0;

	if (!l)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(cases) && !err; i++)
		err = lookup_case(m, l, &cases[i]);
	kvfree(l);
	return err;
}
DEFINE_SHOW_ATTRIBUTE(lookup);

static int __init lookup_init(void)
{
	vpe_contexts_init();
	lookup_file = debugfs_create_file("vpe_lookup", 0400, NULL, NULL, &lookup_fops);
	return PTR_ERR_OR_ZERO(lookup_file);
}

static void __exit lookup_exit(void)
{
	debugfs_remove(lookup_file);
	vpe_contexts_exit();
}

module_init(lookup_init);
module_exit(lookup_exit);

MODULE_DESCRIPTION("Instructions that a receive window costs, to test xfrm_vpe");
MODULE_LICENSE("GPL");
