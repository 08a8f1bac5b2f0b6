// SPDX-License-Identifier: GPL-2.0
/*
 * Software steering, for devices that cannot: the CPU that receives a packet
 * looks at its header only and hands it to the CPU that has its window. There
 * is one queue for each CPU, which a NAPI instance empties there.
 *
 * A queue is a list without lock. Who finds it empty wakes its CPU; what
 * follows until that CPU looks is taken along with it. The CPU takes all there
 * is at once, so that under load nobody wakes anybody.
 *
 * Packets of a window stay in order, for they share a queue. Security does not
 * depend on any of this: a window holds whatever CPU a packet is on.
 *
 * Locks: vpe_steer_mutex inside of CPU hotplug's, nothing inside of it.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/hash.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "vpe.h"

#define VPE_STEER_QUEUE_MAX	4096	/* packets that wait for one CPU */

/**
 * struct vpe_steering - which CPUs decrypt
 * @rcu: frees it
 * @wanted: what the user asked for
 * @n: entries of @cpu
 * @cpu: those of @wanted that are online
 */
struct vpe_steering {
	struct rcu_head	rcu;
	struct cpumask	wanted;
	u32		n;
	u32		cpu[];
};

/**
 * struct vpe_steer_queue - packets that wait for one CPU
 * @list: the last one first
 * @len: packets that wait, those of @batch included
 * @woken: bit 0: @csd is on its way
 * @csd: wakes the CPU
 * @napi: runs there; what follows is its own
 * @batch: taken from @list, the first one first
 */
struct vpe_steer_queue {
	struct llist_head	list;
	atomic_t		len;
	unsigned long		woken;
	call_single_data_t	csd;
	struct napi_struct	napi ____cacheline_aligned_in_smp;
	struct llist_node	*batch;
};

/* A packet that waits; the beginning is IP's. */
struct vpe_steer_cb {
	union {
		struct inet_skb_parm	h4;
		struct inet6_skb_parm	h6;
	} header;
	struct vpe_sa	*sa;
	u16		family;
	u16		encap_type;
};

static struct vpe_steer_queue __percpu *vpe_steer_queues;
static DEFINE_MUTEX(vpe_steer_mutex);
static LIST_HEAD(vpe_steer_nets);
static enum cpuhp_state vpe_steer_hotplug;

static struct vpe_steer_cb *vpe_steer_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct vpe_steer_cb) > sizeof(skb->cb));
	return (struct vpe_steer_cb *)skb->cb;
}

/*
 * A sender's windows are numbered by its CPUs, so that to take turns is more
 * even than to draw.
 */
static u32 vpe_steer_target(const struct vpe_steering *steering,
			    const struct vpe_context *ctx, u32 window)
{
	u32 sender = hash_64(ctx->id << 16 | window >> 16, 32);

	return steering->cpu[(sender + (u16)window) % steering->n];
}

/**
 * vpe_steer_is_home - is a window's CPU this one?
 * @sa: the SA
 * @window: Sender ID << 16 | Window ID, host order
 *
 * Context: softirqs disabled, RCU read side.
 * Return: true if packets are steered, and those of the window here.
 */
bool vpe_steer_is_home(const struct vpe_sa *sa, u32 window)
{
	const struct vpe_steering *steering = rcu_dereference(sa->vnet->steering);

	return steering && steering->n &&
	       vpe_steer_target(steering, sa->ctx, window) == smp_processor_id();
}

static void vpe_steer_wake(struct vpe_steer_queue *q, unsigned int cpu)
{
	if (test_and_set_bit(0, &q->woken))
		return;
	/* It cannot go offline while we are here, but who knows why else. */
	if (unlikely(smp_call_function_single_async(cpu, &q->csd))) {
		clear_bit(0, &q->woken);
		napi_schedule(&q->napi);
	}
}

static void vpe_steer_woken(void *data)
{
	struct vpe_steer_queue *q = data;

	/* Before we look: who puts a packet there from here on wakes us again. */
	clear_bit(0, &q->woken);
	/* Pairs with llist_add() and test_and_set_bit() of those. */
	smp_mb__after_atomic();
	napi_schedule(&q->napi);
}

/**
 * vpe_steer - hand a packet to the CPU that has its window
 * @sa: its SA, of a namespace that steers
 * @skb: the packet
 * @window: Sender ID << 16 | Window ID, host order
 * @family: of the outer packet
 * @encap_type: as vpe_input_steered() gets it
 *
 * Context: softirqs disabled, RCU read side.
 * Return: 0, and vpe_input_steered() has or will have the packet; 1 if it is to
 * be received here; -ENOBUFS if its CPU's queue is full.
 */
int vpe_steer(struct vpe_sa *sa, struct sk_buff *skb, u32 window, u16 family,
	      int encap_type)
{
	const struct vpe_steering *steering = rcu_dereference(sa->vnet->steering);
	struct vpe_steer_queue *q;
	struct vpe_steer_cb *cb;
	unsigned int cpu;

	if (!steering || !steering->n)
		return 1;
	cpu = vpe_steer_target(steering, sa->ctx, window);
	if (cpu == smp_processor_id() || unlikely(!cpu_online(cpu)))
		return 1;

	q = per_cpu_ptr(vpe_steer_queues, cpu);
	if (unlikely(atomic_inc_return(&q->len) > VPE_STEER_QUEUE_MAX)) {
		atomic_dec(&q->len);
		return -ENOBUFS;
	}
	/* What it refers to must be there later, beyond this RCU read side. */
	percpu_ref_get(&sa->inflight);
	dev_hold(skb->dev);
	skb_dst_force(skb);
	skb_orphan(skb);
	cb = vpe_steer_cb(skb);
	cb->sa = sa;
	cb->family = family;
	cb->encap_type = encap_type;
	if (llist_add(&skb->ll_node, &q->list))
		vpe_steer_wake(q, cpu);
	return 0;
}

static struct sk_buff *vpe_steer_next(struct vpe_steer_queue *q)
{
	struct sk_buff *skb;

	if (!q->batch)
		q->batch = llist_reverse_order(llist_del_all(&q->list));
	if (!q->batch)
		return NULL;
	skb = llist_entry(q->batch, struct sk_buff, ll_node);
	q->batch = q->batch->next;
	skb_mark_not_on_list(skb);
	return skb;
}

static int vpe_steer_poll(struct napi_struct *napi, int budget)
{
	struct vpe_steer_queue *q = container_of(napi, struct vpe_steer_queue, napi);
	struct net_device *dev;
	struct sk_buff *skb;
	struct vpe_sa *sa;
	int done = 0;

	rcu_read_lock();
	while (done < budget && (skb = vpe_steer_next(q))) {
		sa = vpe_steer_cb(skb)->sa;
		dev = skb->dev;
		vpe_input_steered(sa, skb, vpe_steer_cb(skb)->family,
				  vpe_steer_cb(skb)->encap_type);
		dev_put(dev);
		percpu_ref_put(&sa->inflight);
		done++;
	}
	rcu_read_unlock();
	atomic_sub(done, &q->len);
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

/* Use those of the wanted CPUs that are online, but @but. */
static void vpe_steering_fill(struct vpe_steering *steering, unsigned int but)
{
	unsigned int cpu;

	steering->n = 0;
	for_each_cpu_and(cpu, &steering->wanted, cpu_online_mask)
		if (cpu != but)
			steering->cpu[steering->n++] = cpu;
}

static struct vpe_steering *vpe_steering_alloc(const struct cpumask *wanted)
{
	struct vpe_steering *steering;

	steering = kzalloc(struct_size(steering, cpu, cpumask_weight(wanted)), GFP_KERNEL);
	if (steering)
		cpumask_copy(&steering->wanted, wanted);
	return steering;
}

/* Also of one that is off: then @new is NULL, and @vnet in no list. */
static void vpe_steering_replace(struct vpe_net *vnet, struct vpe_steering *new)
{
	struct vpe_steering *old;

	old = rcu_replace_pointer(vnet->steering, new,
				  lockdep_is_held(&vpe_steer_mutex));
	if (old)
		list_del(&vnet->steers);
	if (new)
		list_add(&vnet->steers, &vpe_steer_nets);
	kfree_rcu(old, rcu);
}

/**
 * vpe_steering_parse - read which CPUs are to decrypt
 * @list: of CPUs, as "0-3,8"; empty for none: packets stay where they come
 *
 * Context: process, sleeps.
 * Return: for vpe_steering_use() or kfree(); NULL of an empty list. -EINVAL or
 * -ERANGE if @list is none, or of CPUs that are not possible; -ENXIO if none of
 * them is online; -ENOMEM.
 */
struct vpe_steering *vpe_steering_parse(const char *list)
{
	struct vpe_steering *steering;
	cpumask_var_t wanted;
	int err;

	if (!*list)
		return NULL;
	if (!zalloc_cpumask_var(&wanted, GFP_KERNEL))
		return ERR_PTR(-ENOMEM);
	err = cpulist_parse(list, wanted);
	if (!err && !cpumask_subset(wanted, cpu_possible_mask))
		err = -ERANGE;
	if (!err && !cpumask_intersects(wanted, cpu_online_mask))
		err = -ENXIO;
	steering = err ? ERR_PTR(err) : vpe_steering_alloc(wanted);
	free_cpumask_var(wanted);
	return steering ?: ERR_PTR(-ENOMEM);
}

/**
 * vpe_steering_use - have CPUs decrypt
 * @vnet: the namespace
 * @steering: of vpe_steering_parse(); NULL: whichever packets come to
 *
 * Context: process, sleeps.
 */
void vpe_steering_use(struct vpe_net *vnet, struct vpe_steering *steering)
{
	cpus_read_lock();
	mutex_lock(&vpe_steer_mutex);
	if (steering)
		vpe_steering_fill(steering, nr_cpu_ids);
	vpe_steering_replace(vnet, steering);
	mutex_unlock(&vpe_steer_mutex);
	cpus_read_unlock();
}

/**
 * vpe_steering_list - the CPUs that were chosen
 * @vnet: the namespace
 *
 * Context: process, sleeps.
 * Return: them as vpe_steering_parse() takes them, to be freed; NULL without
 * memory.
 */
char *vpe_steering_list(struct vpe_net *vnet)
{
	struct vpe_steering *steering;
	char *list;

	mutex_lock(&vpe_steer_mutex);
	steering = rcu_dereference_protected(vnet->steering,
					     lockdep_is_held(&vpe_steer_mutex));
	list = steering ? kasprintf(GFP_KERNEL, "%*pbl",
				    cpumask_pr_args(&steering->wanted)) :
			  kstrdup("", GFP_KERNEL);
	mutex_unlock(&vpe_steer_mutex);
	return list;
}

/* Without memory the old one stays: vpe_steer() looks whether a CPU is online. */
static void vpe_steer_renew(unsigned int but)
{
	struct vpe_net *vnet, *next;
	struct vpe_steering *old, *new;

	mutex_lock(&vpe_steer_mutex);
	list_for_each_entry_safe(vnet, next, &vpe_steer_nets, steers) {
		old = rcu_dereference_protected(vnet->steering,
						lockdep_is_held(&vpe_steer_mutex));
		new = vpe_steering_alloc(&old->wanted);
		if (!new)
			continue;
		vpe_steering_fill(new, but);
		vpe_steering_replace(vnet, new);
	}
	mutex_unlock(&vpe_steer_mutex);
}

static int vpe_steer_cpu_online(unsigned int cpu)
{
	vpe_steer_renew(nr_cpu_ids);
	return 0;
}

/* What waits for @cpu then, the network core moves to another one. */
static int vpe_steer_cpu_offline(unsigned int cpu)
{
	vpe_steer_renew(cpu);
	return 0;
}

/**
 * vpe_steer_init - make the queues
 * @dev: device that their NAPI instances belong to
 *
 * Return: 0 or an error.
 */
int vpe_steer_init(struct net_device *dev)
{
	struct vpe_steer_queue *q;
	unsigned int cpu;
	int ret;

	vpe_steer_queues = alloc_percpu(struct vpe_steer_queue);
	if (!vpe_steer_queues)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(vpe_steer_queues, cpu);
		init_llist_head(&q->list);
		INIT_CSD(&q->csd, vpe_steer_woken, q);
		set_bit(NAPI_STATE_NO_BUSY_POLL, &q->napi.state);
		netif_napi_add(dev, &q->napi, vpe_steer_poll);
		napi_enable(&q->napi);
	}
	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "net/vpe:online",
					vpe_steer_cpu_online, vpe_steer_cpu_offline);
	if (ret < 0) {
		vpe_steer_hotplug = CPUHP_INVALID;
		vpe_steer_exit();
		return ret;
	}
	vpe_steer_hotplug = ret;
	return 0;
}

/**
 * vpe_steer_exit - free the queues
 *
 * Context: process, sleeps; no SA is left, and nobody receives.
 */
void vpe_steer_exit(void)
{
	struct vpe_steer_queue *q;
	unsigned int cpu;

	if (vpe_steer_hotplug != CPUHP_INVALID)
		cpuhp_remove_state_nocalls(vpe_steer_hotplug);
	/* An interrupt may be on its way to an empty queue. */
	for_each_possible_cpu(cpu)
		while (test_bit(0, &per_cpu_ptr(vpe_steer_queues, cpu)->woken))
			usleep_range(100, 1000);
	synchronize_net();
	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(vpe_steer_queues, cpu);
		napi_disable(&q->napi);
		netif_napi_del(&q->napi);
	}
	free_percpu(vpe_steer_queues);
}
