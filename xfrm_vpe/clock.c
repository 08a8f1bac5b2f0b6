// SPDX-License-Identifier: GPL-2.0
/*
 * Packet clocking: who watches an SA's packets sees one of one size at each tick,
 * whether there is something to send or not (paper, section 4.3).
 *
 *	packet -> queue of its lane
 *	tick, for each lane: packet from the queue, padded, or fill packet -> encrypt
 *
 * Each CPU has a timer, for its own lanes. A CPU that goes offline stops its lanes.
 */
#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <net/dst_cache.h>

#include "vpe.h"

#define VPE_CLOCK_QUEUE		64	/* packets that wait, of each lane */

/**
 * struct vpe_clock_cpu - the lanes of one CPU
 * @timer: its ticks
 * @clock: of all CPUs
 * @queue: what waits, for each lane
 * @ticks: the timer runs; its CPU's to change
 */
struct vpe_clock_cpu {
	struct hrtimer		timer;
	struct vpe_clock	*clock;
	struct sk_buff_head	*queue;
	bool			ticks;
};

static enum cpuhp_state vpe_clock_hotplug;

static struct sk_buff *vpe_clock_fill(struct vpe_clock *clock)
{
	struct xfrm_state *x = clock->sa->x;
	struct dst_entry *dst = dst_cache_get(&clock->path);
	struct sk_buff *skb;
	unsigned int head;

	if (!dst) {
		dst = vpe_sa_route(x);
		if (!dst)
			return NULL;
		if (x->props.family == AF_INET)
			dst_cache_set_ip4(&clock->path, dst, x->props.saddr.a4);
		else
			dst_cache_set_ip6(&clock->path, dst, &x->props.saddr.in6);
	}
	head = x->props.header_len + dst->header_len + LL_RESERVED_SPACE(dst->dev);
	skb = alloc_skb(head + clock->size, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(dst);
		return NULL;
	}
	skb_reserve(skb, head);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb_put_zero(skb, clock->size);
	skb_dst_set(skb, dst);
	return skb;
}

/* RCU read side, softirqs disabled. */
static void vpe_clock_send(struct vpe_clock_cpu *c, u32 lane)
{
	struct sk_buff *skb = skb_dequeue(&c->queue[lane]);
	struct vpe_clock *clock = c->clock;

	if (skb) {
		vpe_output_clocked(clock->sa, skb, lane);
		return;
	}
	skb = vpe_clock_fill(clock);
	if (skb)
		vpe_output_fill(clock->sa, skb, lane);
}

/* Send all that waits; of an SA that died, drop it. RCU read side, softirqs disabled. */
static void vpe_clock_flush(struct vpe_clock_cpu *c)
{
	struct sk_buff *skb;
	u32 lane;

	for (lane = 0; lane < c->clock->lanes; lane++)
		while ((skb = skb_dequeue(&c->queue[lane])))
			vpe_output_clocked(c->clock->sa, skb, lane);
}

/*
 * Ticks that were missed are not made up for: they would show. What waits holds the
 * SA, so that it must not wait when that has died.
 */
static enum hrtimer_restart vpe_clock_tick(struct hrtimer *timer)
{
	struct vpe_clock_cpu *c = container_of(timer, struct vpe_clock_cpu, timer);
	u32 lane;

	rcu_read_lock();
	if (unlikely(READ_ONCE(c->clock->sa->x->km.state) != XFRM_STATE_VALID))
		vpe_clock_flush(c);
	else
		for (lane = 0; lane < c->clock->lanes; lane++)
			vpe_clock_send(c, lane);
	rcu_read_unlock();
	hrtimer_forward_now(timer, c->clock->period);
	return HRTIMER_RESTART;
}

/**
 * vpe_clock_queue - have a packet sent at one of the next ticks
 * @clock: clock of its SA
 * @skb: the packet, with its bundle
 * @flow: hash of its flow, which chooses the lane
 *
 * Context: RCU read side.
 * Return: false if there is no room, or none of this CPU's lanes is clocked.
 */
bool vpe_clock_queue(struct vpe_clock *clock, struct sk_buff *skb, u32 flow)
{
	struct sk_buff_head *queue;
	struct vpe_clock_cpu *c;
	bool room;

	local_bh_disable();
	c = this_cpu_ptr(clock->cpu);
	queue = &c->queue[flow & (clock->lanes - 1)];
	room = c->ticks && skb_queue_len_lockless(queue) < VPE_CLOCK_QUEUE &&
	       skb_dst_force(skb);
	if (room)
		skb_queue_tail(queue, skb);
	local_bh_enable();
	return room;
}

/* On the CPU that it is for, interrupts disabled or not */
static void vpe_clock_start(void *data)
{
	struct vpe_clock_cpu *c = this_cpu_ptr(((struct vpe_clock *)data)->cpu);

	c->ticks = true;
	hrtimer_start(&c->timer, c->clock->period, HRTIMER_MODE_REL_PINNED_SOFT);
}

/* Nobody puts anything into the queues of @cpu any more. */
static void vpe_clock_drain(struct vpe_clock *clock, unsigned int cpu)
{
	local_bh_disable();
	rcu_read_lock();
	vpe_clock_flush(per_cpu_ptr(clock->cpu, cpu));
	rcu_read_unlock();
	local_bh_enable();
}

static void vpe_clock_free(struct vpe_clock *clock)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		kvfree(per_cpu_ptr(clock->cpu, cpu)->queue);
	free_percpu(clock->cpu);
	dst_cache_destroy(&clock->path);
	kfree(clock);
}

static int vpe_clock_init_cpu(struct vpe_clock *clock, unsigned int cpu)
{
	struct vpe_clock_cpu *c = per_cpu_ptr(clock->cpu, cpu);
	u32 lane;

	c->clock = clock;
	vpe_hrtimer_setup(&c->timer, vpe_clock_tick, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_PINNED_SOFT);
	c->queue = kvcalloc(clock->lanes, sizeof(*c->queue), GFP_KERNEL);
	if (!c->queue)
		return -ENOMEM;
	for (lane = 0; lane < clock->lanes; lane++)
		skb_queue_head_init(&c->queue[lane]);
	return 0;
}

static struct vpe_clock *vpe_clock_alloc(struct vpe_sa *sa, u32 rate, u32 size)
{
	struct vpe_clock *clock = kzalloc(sizeof(*clock), GFP_KERNEL);
	unsigned int cpu;

	if (!clock)
		return NULL;
	clock->sa = sa;
	clock->rate = rate;
	clock->size = size;
	clock->lanes = sa->ctx->lanes.per_cpu;
	clock->period = ns_to_ktime(NSEC_PER_SEC / rate);
	clock->cpu = alloc_percpu(struct vpe_clock_cpu);
	if (!clock->cpu || dst_cache_init(&clock->path, GFP_KERNEL))
		goto err;
	for_each_possible_cpu(cpu)
		if (vpe_clock_init_cpu(clock, cpu))
			goto err_queues;
	return clock;

err_queues:
	vpe_clock_free(clock);
	return NULL;
err:
	free_percpu(clock->cpu);
	kfree(clock);
	return NULL;
}

/* Use @clock, which may be NULL, from now on; what waits is sent at once. */
static void vpe_clock_replace(struct vpe_sa *sa, struct vpe_clock *clock)
{
	struct vpe_clock *old;
	unsigned int cpu;

	lockdep_assert_held(&vpe_sa_mutex);
	old = rcu_replace_pointer(sa->clock, clock, lockdep_is_held(&vpe_sa_mutex));
	if (clock)
		for_each_online_cpu(cpu)
			smp_call_function_single(cpu, vpe_clock_start, clock, true);
	if (!old)
		return;
	for_each_possible_cpu(cpu)
		hrtimer_cancel(&per_cpu_ptr(old->cpu, cpu)->timer);
	synchronize_rcu();
	for_each_possible_cpu(cpu)
		vpe_clock_drain(old, cpu);
	vpe_clock_free(old);
}

/**
 * vpe_clock_set - clock an SA, or no longer
 * @sa: SA of VPE in tunnel mode
 * @rate: packets a second of each lane; 0: as they come
 * @size: of inner packets, bytes
 *
 * Context: process, sleeps; CPUs held, vpe_sa_mutex held.
 * Return: 0 or -ENOMEM, then all is as before.
 */
int vpe_clock_set(struct vpe_sa *sa, u32 rate, u32 size)
{
	struct vpe_clock *clock = NULL;

	if (rate) {
		clock = vpe_clock_alloc(sa, rate, size);
		if (!clock)
			return -ENOMEM;
	}
	vpe_clock_replace(sa, clock);
	return 0;
}

/**
 * vpe_clock_stop - an SA goes
 * @sa: the SA; nobody sends by it any more
 *
 * What waited has been dropped at a tick since the SA died: it held the SA.
 *
 * Context: process, sleeps.
 */
void vpe_clock_stop(struct vpe_sa *sa)
{
	if (!rcu_access_pointer(sa->clock))
		return;
	cpus_read_lock();
	mutex_lock(&vpe_sa_mutex);
	vpe_clock_replace(sa, NULL);
	mutex_unlock(&vpe_sa_mutex);
	cpus_read_unlock();
}

/**
 * vpe_clock_stop_net - a network namespace goes
 * @vnet: the namespace, in which routes can still be looked up
 *
 * Context: process, sleeps.
 */
void vpe_clock_stop_net(const struct vpe_net *vnet)
{
	struct vpe_sa *sa;

	cpus_read_lock();
	mutex_lock(&vpe_sa_mutex);
	list_for_each_entry(sa, &vpe_sa_list, list)
		if (sa->vnet == vnet)
			vpe_clock_replace(sa, NULL);
	mutex_unlock(&vpe_sa_mutex);
	cpus_read_unlock();
}

static int vpe_clock_cpu_online(unsigned int cpu)
{
	struct vpe_clock *clock;
	struct vpe_sa *sa;

	mutex_lock(&vpe_sa_mutex);
	list_for_each_entry(sa, &vpe_sa_list, list) {
		clock = rcu_dereference_protected(sa->clock, lockdep_is_held(&vpe_sa_mutex));
		if (clock)
			vpe_clock_start(clock);
	}
	mutex_unlock(&vpe_sa_mutex);
	return 0;
}

/* On the CPU that goes. Packets that still come there find no room. */
static int vpe_clock_cpu_offline(unsigned int cpu)
{
	struct vpe_clock *clock;
	struct vpe_clock_cpu *c;
	struct vpe_sa *sa;

	mutex_lock(&vpe_sa_mutex);
	list_for_each_entry(sa, &vpe_sa_list, list) {
		clock = rcu_dereference_protected(sa->clock, lockdep_is_held(&vpe_sa_mutex));
		if (!clock)
			continue;
		c = per_cpu_ptr(clock->cpu, cpu);
		local_bh_disable();
		c->ticks = false;
		local_bh_enable();
		hrtimer_cancel(&c->timer);
		vpe_clock_drain(clock, cpu);
	}
	mutex_unlock(&vpe_sa_mutex);
	return 0;
}

/**
 * vpe_clock_init - follow CPUs that come and go
 *
 * Return: 0 or an error.
 */
int vpe_clock_init(void)
{
	int ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "net/vpe:clock",
					    vpe_clock_cpu_online, vpe_clock_cpu_offline);

	if (ret < 0)
		return ret;
	vpe_clock_hotplug = ret;
	return 0;
}

/**
 * vpe_clock_exit - no longer
 */
void vpe_clock_exit(void)
{
	cpuhp_remove_state_nocalls(vpe_clock_hotplug);
}
