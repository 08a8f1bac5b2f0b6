// SPDX-License-Identifier: GPL-2.0
/*
 * Counts who writes to an SA's lock and reference counter, by hardware
 * watchpoints. For tests only.
 *
 * A line with an SPI written to /sys/kernel/debug/vpe_watch watches the SAs of
 * the writer's network namespace that have it, "clear" ends all. Reading gives
 * a line for each watchpoint: namespace, SPI, member, number of writes, and
 * how many more writes came from work items (the periodic fold of counters).
 *
 * "stall MS" has the writer's CPU receive no packet for so long, 10000 at most.
 *
 * "aead=NAME" at load has the kernel instantiate that AEAD, which stays.
 */
#include <crypto/aead.h>
#include <linux/bottom_half.h>
#include <linux/debugfs.h>
#include <linux/hw_breakpoint.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/perf_event.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/xfrm.h>

#define WATCH_MAX	4	/* x86 has no more */

/**
 * struct watch - one watchpoint
 * @event: NULL: not in use
 * @x: the SA, held
 * @what: name of the member
 * @packets: writes by whoever handles packets
 * @work: writes by work items, outside of softirqs
 */
struct watch {
	struct perf_event * __percpu	*event;
	struct xfrm_state		*x;
	const char			*what;
	atomic_t			packets;
	atomic_t			work;
};

static struct watch watches[WATCH_MAX];
static DEFINE_MUTEX(watch_mutex);
static struct dentry *watch_file;

/* The exception itself looks like an interrupt: do not ask in_task(). */
static bool watch_in_work(void)
{
	return (current->flags & PF_WQ_WORKER) && !in_serving_softirq();
}

static void watch_hit(struct perf_event *event, struct perf_sample_data *data,
		      struct pt_regs *regs)
{
	struct watch *w = event->overflow_handler_context;

	atomic_inc(watch_in_work() ? &w->work : &w->packets);
}

/* Takes over a reference to @x. */
static int watch_add(struct xfrm_state *x, const char *what, void *addr)
{
	struct perf_event_attr attr;
	struct watch *w = watches;

	while (w < watches + WATCH_MAX && w->x)
		w++;
	if (w == watches + WATCH_MAX) {
		xfrm_state_put(x);
		return -ENOSPC;
	}

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)addr;
	attr.bp_len = HW_BREAKPOINT_LEN_4;
	attr.bp_type = HW_BREAKPOINT_W;
	w->x = x;
	w->what = what;
	atomic_set(&w->packets, 0);
	atomic_set(&w->work, 0);
	w->event = register_wide_hw_breakpoint(&attr, watch_hit, w);
	if (IS_ERR((void __force *)w->event)) {
		int err = PTR_ERR((void __force *)w->event);

		w->event = NULL;
		w->x = NULL;
		xfrm_state_put(x);
		return err;
	}
	return 0;
}

static void watch_clear(void)
{
	struct xfrm_state *x;
	struct watch *w;

	for (w = watches; w < watches + WATCH_MAX; w++) {
		if (!w->x)
			continue;
		unregister_wide_hw_breakpoint(w->event);
		x = w->x;
		w->event = NULL;
		w->x = NULL;
		xfrm_state_put(x);
	}
}

/**
 * struct watch_search - an SA looked for
 * @spi: its SPI
 * @found: the SA, held twice: a write of ours must not be seen later
 */
struct watch_search {
	__be32			spi;
	struct xfrm_state	*found;
};

static int watch_match(struct xfrm_state *x, int count, void *data)
{
	struct watch_search *search = data;

	if (search->found || x->id.spi != search->spi)
		return 0;
	xfrm_state_hold(x);
	xfrm_state_hold(x);
	search->found = x;
	return 0;
}

static int watch_spi(struct net *net, u32 spi)
{
	struct watch_search search = { .spi = htonl(spi) };
	struct xfrm_state_walk walk;
	int err;

	xfrm_state_walk_init(&walk, IPPROTO_ESP, NULL);
	err = xfrm_state_walk(net, &walk, watch_match, &search);
	xfrm_state_walk_done(&walk, net);
	if (!search.found)
		return err ?: -ENOENT;

	err = watch_add(search.found, "lock", &search.found->lock);
	if (err) {
		xfrm_state_put(search.found);
		return err;
	}
	return watch_add(search.found, "refcnt", &search.found->refcnt);
}

/* What is received meanwhile waits. */
static void watch_stall(unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(min(ms, 10000U));

	local_bh_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	local_bh_enable();
}

static ssize_t watch_write(struct file *file, const char __user *user,
			   size_t len, loff_t *off)
{
	char line[32] = "";
	unsigned int ms;
	int err = 0;
	u32 spi;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, user, len))
		return -EFAULT;

	if (sscanf(line, "stall %u", &ms) == 1) {
		watch_stall(ms);
		return len;
	}
	mutex_lock(&watch_mutex);
	if (!strncmp(line, "clear", 5))
		watch_clear();
	else if (kstrtou32(strim(line), 0, &spi))
		err = -EINVAL;
	else
		err = watch_spi(current->nsproxy->net_ns, spi);
	mutex_unlock(&watch_mutex);
	return err ?: len;
}

static int watch_show(struct seq_file *m, void *v)
{
	struct watch *w;

	mutex_lock(&watch_mutex);
	for (w = watches; w < watches + WATCH_MAX; w++)
		if (w->x)
			seq_printf(m, "netns=%u spi=0x%08x member=%s writes=%d work=%d\n",
				   xs_net(w->x)->ns.inum,
				   ntohl(w->x->id.spi), w->what,
				   atomic_read(&w->packets),
				   atomic_read(&w->work));
	mutex_unlock(&watch_mutex);
	return 0;
}

static int watch_open(struct inode *inode, struct file *file)
{
	return single_open(file, watch_show, NULL);
}

static const struct file_operations watch_fops = {
	.owner		= THIS_MODULE,
	.open		= watch_open,
	.read		= seq_read,
	.write		= watch_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static char *aead;
module_param(aead, charp, 0);
MODULE_PARM_DESC(aead, "AEAD to instantiate");

static int __init watch_aead(void)
{
	struct crypto_aead *tfm = crypto_alloc_aead(aead, 0, 0);

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	crypto_free_aead(tfm);
	return 0;
}

static int __init watch_init(void)
{
	int err = aead ? watch_aead() : 0;

	if (err)
		return err;
	watch_file = debugfs_create_file("vpe_watch", 0600, NULL, NULL,
					 &watch_fops);
	return PTR_ERR_OR_ZERO(watch_file);
}

static void __exit watch_exit(void)
{
	debugfs_remove(watch_file);
	mutex_lock(&watch_mutex);
	watch_clear();
	mutex_unlock(&watch_mutex);
}

module_init(watch_init);
module_exit(watch_exit);

MODULE_DESCRIPTION("Watchpoints on SAs, to test xfrm_vpe");
MODULE_LICENSE("GPL");
