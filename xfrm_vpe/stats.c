// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: written per CPU, read by summing up, and carried to where xfrm
 * keeps its own (lifetimes, statistics) a few times a second.
 */
#include <linux/module.h>
#include <linux/workqueue.h>

#include "trace.h"
#include "vpe.h"

/*
 * Lifetimes may be overrun by 100 ms of traffic (Documentation/protocol.rst).
 */
#define VPE_FOLD_INTERVAL	(HZ / 20)

/* xfrm's counter in /proc/net/xfrm_stat for each reason. */
static const u8 vpe_drop_mib[VPE_A_DROPS_MAX + 1] = {
	[VPE_A_DROPS_RX_STATE]		= LINUX_MIB_XFRMINSTATEINVALID,
	[VPE_A_DROPS_RX_ENCAP]		= LINUX_MIB_XFRMINSTATEMISMATCH,
	[VPE_A_DROPS_RX_SHORT]		= LINUX_MIB_XFRMINHDRERROR,
	[VPE_A_DROPS_RX_SENDER]		= LINUX_MIB_XFRMINSTATEMISMATCH,
	[VPE_A_DROPS_RX_REPLAY]		= LINUX_MIB_XFRMINSTATESEQERROR,
	[VPE_A_DROPS_RX_OLD]		= LINUX_MIB_XFRMINSTATESEQERROR,
	[VPE_A_DROPS_RX_AUTH]		= LINUX_MIB_XFRMINSTATEPROTOERROR,
	[VPE_A_DROPS_RX_INNER]		= LINUX_MIB_XFRMINSTATEMODEERROR,
	[VPE_A_DROPS_RX_WINDOWS]	= LINUX_MIB_XFRMINBUFFERERROR,
	[VPE_A_DROPS_RX_NOMEM]		= LINUX_MIB_XFRMINBUFFERERROR,
	[VPE_A_DROPS_RX_CRYPTO]		= LINUX_MIB_XFRMINERROR,
	[VPE_A_DROPS_RX_PATH]		= LINUX_MIB_XFRMINERROR,
	[VPE_A_DROPS_TX_STATE]		= LINUX_MIB_XFRMOUTSTATEINVALID,
	[VPE_A_DROPS_TX_SIZE]		= LINUX_MIB_XFRMOUTSTATEMODEERROR,
	[VPE_A_DROPS_TX_CLAIM]		= LINUX_MIB_XFRMOUTSTATESEQERROR,
	[VPE_A_DROPS_TX_SEQUENCE]	= LINUX_MIB_XFRMOUTSTATESEQERROR,
	[VPE_A_DROPS_TX_SEGMENT]	= LINUX_MIB_XFRMOUTERROR,
	[VPE_A_DROPS_TX_NOMEM]		= LINUX_MIB_XFRMOUTERROR,
	[VPE_A_DROPS_TX_CRYPTO]		= LINUX_MIB_XFRMOUTSTATEPROTOERROR,
	[VPE_A_DROPS_TX_FRAGMENT]	= LINUX_MIB_XFRMOUTSTATEMODEERROR,
	[VPE_A_DROPS_RX_REFLECTED]	= LINUX_MIB_XFRMINSTATEMISMATCH,
	[VPE_A_DROPS_RX_BEHIND]		= LINUX_MIB_XFRMINSTATESEQERROR,
	[VPE_A_DROPS_TX_SENDER]		= LINUX_MIB_XFRMOUTSTATEINVALID,
	[VPE_A_DROPS_RX_QUEUE]		= LINUX_MIB_XFRMINBUFFERERROR,
	[VPE_A_DROPS_TX_QUEUE]		= LINUX_MIB_XFRMOUTERROR,
};

static void vpe_fold_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(vpe_fold, vpe_fold_work);

/* The lower half of a received packet's sequence number. */
static __be32 vpe_audit_seq(const struct vpe_sa *sa, const struct sk_buff *skb)
{
	const void *hdr = skb_transport_header(skb);

	if (vpe_sa_is_esp(sa))
		return ((const struct vpe_esp_hdr *)hdr)->seq;
	return htonl((u32)le64_to_cpu(vpe_hdr_iv(hdr, sa->layout)->seq));
}

/*
 * What xfrm reports of ESP (RFC 4303 sections 2.2, 3.4.3 and 3.4.4). Of a
 * sequence number the record has the lower 32 bits; for a wrong ICV it has the
 * 32 bits where ESP's number would be, Sender and Window ID.
 */
static void vpe_audit(struct vpe_sa *sa, struct sk_buff *skb,
		      unsigned int reason)
{
	switch (reason) {
	case VPE_A_DROPS_RX_REPLAY:
	case VPE_A_DROPS_RX_OLD:
	case VPE_A_DROPS_RX_BEHIND:
		xfrm_audit_state_replay(sa->x, skb, vpe_audit_seq(sa, skb));
		break;
	case VPE_A_DROPS_RX_AUTH:
		xfrm_audit_state_icvfail(sa->x, skb, IPPROTO_ESP);
		break;
	case VPE_A_DROPS_TX_SEQUENCE:
		xfrm_audit_state_replay_overflow(sa->x, skb);
		break;
	}
}

/**
 * vpe_count_drop - count a dropped packet of an SA, and tell audit
 * @sa: the SA
 * @skb: the packet
 * @reason: VPE_A_DROPS_*
 *
 * For those who leave /proc/net/xfrm_stat and the packet to xfrm.
 */
void vpe_count_drop(struct vpe_sa *sa, struct sk_buff *skb, unsigned int reason)
{
	this_cpu_inc(sa->cpu->counters.drop[reason]);
	trace_vpe_drop(sa, reason);
	vpe_audit(sa, skb, reason);
}

static int vpe_mib(const struct vpe_sa *sa, unsigned int reason)
{
	if (reason == VPE_A_DROPS_RX_STATE && vpe_xfrm_is_out(sa->x))
		return LINUX_MIB_XFRMINSTATEDIRERROR;
	return vpe_drop_mib[reason];
}

/**
 * vpe_drop - drop a packet of an SA, and count it
 * @sa: the SA
 * @skb: the packet, freed
 * @reason: VPE_A_DROPS_*
 */
void vpe_drop(struct vpe_sa *sa, struct sk_buff *skb, unsigned int reason)
{
	vpe_count_drop(sa, skb, reason);
	XFRM_INC_STATS(xs_net(sa->x), vpe_mib(sa, reason));
	kfree_skb(skb);
}

/**
 * vpe_counters_add - add up
 * @to: sum
 * @from: what to add to it
 */
void vpe_counters_add(struct vpe_counters *to, const struct vpe_counters *from)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(to->stat); i++)
		to->stat[i] += READ_ONCE(from->stat[i]);
	for (i = 0; i < ARRAY_SIZE(to->drop); i++)
		to->drop[i] += READ_ONCE(from->drop[i]);
	for (i = 0; i < VPE_LATE_MAX; i++) {
		to->late[0][i] += READ_ONCE(from->late[0][i]);
		to->late[1][i] += READ_ONCE(from->late[1][i]);
	}
}

/**
 * vpe_counters_sum - add an SA's counters of all CPUs to a sum
 * @sa: the SA
 * @sum: where they go
 */
void vpe_counters_sum(const struct vpe_sa *sa, struct vpe_counters *sum)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		vpe_counters_add(sum, &per_cpu_ptr(sa->cpu, cpu)->counters);
}

/* What an SA's counters grew by since the last time; false: by nothing. */
static bool vpe_counters_grew(struct vpe_sa *sa, struct vpe_counters *grew)
{
	struct vpe_counters now = {};
	unsigned int i;

	vpe_counters_sum(sa, &now);
	if (!memcmp(&now, &sa->folded, sizeof(now)))
		return false;

	for (i = 0; i < ARRAY_SIZE(now.stat); i++)
		grew->stat[i] = now.stat[i] - sa->folded.stat[i];
	for (i = 0; i < ARRAY_SIZE(now.drop); i++)
		grew->drop[i] = now.drop[i] - sa->folded.drop[i];
	sa->folded = now;
	return true;
}

/*
 * xfrm looks at the hard limits first, and would pass over a soft one that was
 * met since the last time as well.
 */
static void vpe_expire_softly(struct xfrm_state *x)
{
	const struct xfrm_lifetime_cfg *lft = &x->lft;
	const struct xfrm_lifetime_cur *cur = &x->curlft;

	if (x->km.dying ||
	    (cur->bytes < lft->hard_byte_limit &&
	     cur->packets < lft->hard_packet_limit))
		return;
	if ((cur->bytes >= lft->soft_byte_limit &&
	     lft->soft_byte_limit < lft->hard_byte_limit) ||
	    (cur->packets >= lft->soft_packet_limit &&
	     lft->soft_packet_limit < lft->hard_packet_limit)) {
		x->km.dying = 1;
		km_state_expired(x, 0, 0);
	}
}

static void vpe_fold_lifetime(struct xfrm_state *x, const u64 *stat)
{
	/* What took xfrm's own paths xfrm has counted. */
	u64 packets = stat[VPE_A_STATS_TX_PACKETS] +
		      stat[VPE_A_STATS_RX_PACKETS] -
		      stat[VPE_A_STATS_TX_CORE] - stat[VPE_A_STATS_RX_CORE];

	lockdep_assert_held(&x->lock);
	if (!packets)
		return;
	x->curlft.packets += packets;
	x->curlft.bytes += stat[VPE_A_STATS_TX_BYTES] +
			   stat[VPE_A_STATS_RX_BYTES] -
			   stat[VPE_A_STATS_CORE_BYTES];
	x->lastused = ktime_get_real_seconds();
	if (x->km.state == XFRM_STATE_VALID) {
		vpe_expire_softly(x);
		xfrm_state_check_expire(x);
	}
}

/*
 * Where users and IKE daemons look for an ESP SA's numbers. xfrm's own input
 * path, which nested packets take, has a window there: it keeps that.
 */
static void vpe_fold_replay(struct vpe_sa *sa)
{
	struct xfrm_replay_state_esn *esn = sa->x->replay_esn;
	struct vpe_replay replay = vpe_sa_replay(sa->x);
	struct vpe_context *ctx = sa->ctx;
	struct vpe_window *w;

	lockdep_assert_held(&sa->x->lock);
	if (vpe_context_started(ctx) && vpe_context_sent(ctx, 0))
		replay.oseq = vpe_context_last(ctx, 0);
	rcu_read_lock();
	w = vpe_context_window(ctx, 0);
	if (w && !sa->folded.stat[VPE_A_STATS_RX_CORE])
		replay.seq = READ_ONCE(w->top);
	rcu_read_unlock();

	if (esn) {
		esn->oseq = replay.oseq;
		esn->oseq_hi = replay.oseq >> 32;
		esn->seq = replay.seq;
		esn->seq_hi = replay.seq >> 32;
	} else {
		sa->x->replay.oseq = replay.oseq;
		sa->x->replay.seq = replay.seq;
	}
}

/* Packets that may still be sent when a user is told */
#define VPE_NEAR_END	0x1000000ULL

/* Told once: 4 seconds of 4 million packets a second are left. */
static void vpe_tell_near_end(struct vpe_sa *sa)
{
	const struct vpe_context *ctx = sa->ctx;
	u64 last = 0;

	/* While it is valid its namespace is whole. */
	if (sa->near_end || !vpe_context_started(ctx) ||
	    READ_ONCE(sa->x->km.state) != XFRM_STATE_VALID)
		return;
	/* That of VPE's highest window; where it stands near the clock, by far. */
	if (ctx->last - ctx->first >= VPE_NEAR_END)
		last = vpe_context_is_esp(ctx) ? vpe_context_last(ctx, 0) : ctx->first;
	if (last && ctx->last - last >= VPE_NEAR_END)
		return;
	sa->near_end = true;
	vpe_notify(sa, VPE_EVENT_KIND_NEAR_END, 0, last, NULL);
}

/* As xfrm does when a hard limit is reached. */
static void vpe_expire_revoked(struct vpe_sa *sa)
{
	struct xfrm_state *x = sa->x;

	if (likely(!READ_ONCE(sa->ctx->revoked)))
		return;
	spin_lock_bh(&x->lock);
	if (x->km.state == XFRM_STATE_VALID) {
		x->km.state = XFRM_STATE_EXPIRED;
		hrtimer_start(&x->mtimer, 0, HRTIMER_MODE_REL_SOFT);
	}
	spin_unlock_bh(&x->lock);
}

/* Is it time for the flows of a namespace to change windows? */
static void vpe_flow_rekey(struct vpe_net *vnet)
{
	lockdep_assert_held(&vpe_sa_mutex);
	if (vnet->flow_rekey && time_after_eq(jiffies, vnet->flow_due))
		vpe_output_flow_rekey(vnet, vnet->flow_rekey);
}

/* Carry an SA's new counts to its xfrm_state. */
static void vpe_stats_fold(struct vpe_sa *sa)
{
	struct vpe_counters grew;
	struct xfrm_state *x = sa->x;

	lockdep_assert_held(&vpe_sa_mutex);
	if (!vpe_counters_grew(sa, &grew))
		return;
	vpe_tell_near_end(sa);

	spin_lock_bh(&x->lock);
	vpe_fold_lifetime(x, grew.stat);
	/* xfrm frees replay_esn of a dead one before it has us destroy it. */
	if (vpe_sa_is_esp(sa) && x->km.state != XFRM_STATE_DEAD)
		vpe_fold_replay(sa);
	x->stats.replay += grew.drop[VPE_A_DROPS_RX_REPLAY];
	x->stats.replay_window += grew.drop[VPE_A_DROPS_RX_OLD] +
				  grew.drop[VPE_A_DROPS_RX_BEHIND];
	x->stats.integrity_failed += grew.drop[VPE_A_DROPS_RX_AUTH];
	spin_unlock_bh(&x->lock);
}

static void vpe_fold_work(struct work_struct *work)
{
	struct vpe_sa *sa;

	vpe_clock_sample();
	mutex_lock(&vpe_sa_mutex);
	list_for_each_entry(sa, &vpe_sa_list, list) {
		vpe_stats_fold(sa);
		vpe_expire_revoked(sa);
		vpe_flow_rekey(sa->vnet);
		/* A clone of xfrm_state_migrate() nobody told us of. */
		vpe_km_allow_gso(sa->x);
	}
	if (!list_empty(&vpe_sa_list))
		queue_delayed_work(system_highpri_wq, &vpe_fold,
				   VPE_FOLD_INTERVAL);
	mutex_unlock(&vpe_sa_mutex);
}

/**
 * vpe_stats_start - an SA was added: see to it that it is folded
 */
void vpe_stats_start(void)
{
	queue_delayed_work(system_highpri_wq, &vpe_fold,
			   VPE_FOLD_INTERVAL);
}

/**
 * vpe_stats_exit - stop folding
 *
 * Context: process, sleeps; no SA is left.
 */
void vpe_stats_exit(void)
{
	cancel_delayed_work_sync(&vpe_fold);
}
