// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "vpe"; Documentation/netlink/specs/vpe.yaml says what
 * it holds.
 */
#include <linux/cpu.h>
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "netlink-gen.h"
#include "vpe.h"

static struct genl_family vpe_nl_family;

enum {
	VPE_NLGRP_MONITOR,
};

static const struct genl_multicast_group vpe_nl_mcgrps[] = {
	[VPE_NLGRP_MONITOR] = { VPE_MCGRP_MONITOR },
};

static int vpe_put_addr(struct sk_buff *msg, int attr, u16 family,
			const xfrm_address_t *addr)
{
	return nla_put(msg, attr, family == AF_INET ? sizeof(addr->a4) :
						      sizeof(addr->a6), addr);
}

/* A nest of counters, each one's attribute being its index in @counter. */
static int vpe_put_counters(struct sk_buff *msg, int attr, const u64 *counter,
			    unsigned int max)
{
	struct nlattr *nest = nla_nest_start(msg, attr);
	unsigned int i;

	if (!nest)
		return -EMSGSIZE;
	/* 1 is the padding attribute in both sets. */
	for (i = 2; i <= max; i++)
		if (nla_put_u64_64bit(msg, i, counter[i], 1))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int vpe_put_sa_id(struct sk_buff *msg, const struct vpe_sa *sa)
{
	struct xfrm_state *x = sa->x;

	if (nla_put_u16(msg, VPE_A_SA_FAMILY, x->props.family) ||
	    vpe_put_addr(msg, VPE_A_SA_SRC, x->props.family, &x->props.saddr) ||
	    vpe_put_addr(msg, VPE_A_SA_DST, x->props.family, &x->id.daddr) ||
	    nla_put_be32(msg, VPE_A_SA_SPI, sa->spi) ||
	    nla_put_u32(msg, VPE_A_SA_REQID, x->props.reqid) ||
	    nla_put_u32(msg, VPE_A_SA_FLAGS, x->props.extra_flags))
		return -EMSGSIZE;
	if ((x->mark.m | x->mark.v) &&
	    (nla_put_u32(msg, VPE_A_SA_MARK, x->mark.v) ||
	     nla_put_u32(msg, VPE_A_SA_MARK_MASK, x->mark.m)))
		return -EMSGSIZE;
	if (x->if_id && nla_put_u32(msg, VPE_A_SA_IF_ID, x->if_id))
		return -EMSGSIZE;
	return 0;
}

static int vpe_put_sa_state(struct sk_buff *msg, const struct vpe_sa *sa)
{
	const struct vpe_context *ctx = sa->ctx;
	const char *cipher = crypto_tfm_alg_driver_name(&sa->tfm->base);

	if (nla_put_string(msg, VPE_A_SA_AEAD, cipher) ||
	    nla_put_u32(msg, VPE_A_SA_KEY_BITS, sa->key_bits) ||
	    nla_put_u32(msg, VPE_A_SA_REPLAY_WINDOW, vpe_input_window_size(sa)) ||
	    nla_put_u64_64bit(msg, VPE_A_SA_CONTEXT, ctx->id, VPE_A_SA_PAD) ||
	    nla_put_u32(msg, VPE_A_SA_RX_WINDOWS, READ_ONCE(ctx->nr_windows)))
		return -EMSGSIZE;
	if (vpe_context_started(ctx) &&
	    nla_put_u64_64bit(msg, VPE_A_SA_FIRST_SEQ, ctx->first, VPE_A_SA_PAD))
		return -EMSGSIZE;
	if (vpe_sa_is_esp(sa))
		return 0;
	return nla_put_u32(msg, VPE_A_SA_LANES, nr_cpu_ids * ctx->lanes.per_cpu) ?:
	       nla_put_u32(msg, VPE_A_SA_CLASSES, READ_ONCE(ctx->classes));
}

static int vpe_put_encap(struct sk_buff *msg, const struct xfrm_encap_tmpl *encap)
{
	if (!encap)
		return 0;
	return nla_put_be16(msg, VPE_A_SA_ENCAP_SPORT, READ_ONCE(encap->encap_sport)) ?:
	       nla_put_be16(msg, VPE_A_SA_ENCAP_DPORT, READ_ONCE(encap->encap_dport));
}

/* Of the path as it is now, unless there is none, or none that leaves this host. */
static int vpe_put_mtu(struct sk_buff *msg, struct xfrm_state *x)
{
	struct dst_entry *dst = vpe_sa_route(x);
	u32 mtu;

	if (!dst)
		return 0;
	mtu = xfrm_state_mtu(x, dst_mtu(dst));
	dst_release(dst);
	return nla_put_u32(msg, VPE_A_SA_MTU, mtu);
}

static int vpe_put_clock(struct sk_buff *msg, const struct vpe_sa *sa)
{
	const struct vpe_clock *clock = rcu_dereference(sa->clock);

	if (!clock)
		return 0;
	return nla_put_u32(msg, VPE_A_SA_CLOCK_RATE, clock->rate) ?:
	       nla_put_u32(msg, VPE_A_SA_CLOCK_SIZE, clock->size);
}

static int vpe_put_sa(struct sk_buff *msg, u32 portid, u32 seq, int flags,
		      const struct vpe_sa *sa)
{
	struct vpe_counters sum = {};
	void *hdr;

	hdr = genlmsg_put(msg, portid, seq, &vpe_nl_family, flags,
			  VPE_CMD_SA_GET);
	if (!hdr)
		return -EMSGSIZE;

	vpe_counters_sum(sa, &sum);
	if (vpe_put_sa_id(msg, sa) || vpe_put_sa_state(msg, sa) ||
	    vpe_put_encap(msg, sa->x->encap) ||
	    vpe_put_mtu(msg, sa->x) || vpe_put_clock(msg, sa) ||
	    vpe_put_counters(msg, VPE_A_SA_STATS, sum.stat, VPE_A_STATS_MAX) ||
	    vpe_put_counters(msg, VPE_A_SA_DROPS, sum.drop, VPE_A_DROPS_MAX) ||
	    nla_put(msg, VPE_A_SA_LATE_ACCEPTED, sizeof(sum.late[0]), sum.late[0]) ||
	    nla_put(msg, VPE_A_SA_LATE_REFUSED, sizeof(sum.late[1]), sum.late[1])) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/*
 * The mutex keeps SAs in the list; what xfrm frees of one that is deleted
 * meanwhile, its replay state and encapsulation, an RCU read side keeps.
 */
static void vpe_sas_lock(void)
	__acquires(RCU)
{
	mutex_lock(&vpe_sa_mutex);
	rcu_read_lock();
}

static void vpe_sas_unlock(void)
	__releases(RCU)
{
	rcu_read_unlock();
	mutex_unlock(&vpe_sa_mutex);
}

/* The SA must not be gone for the user: xfrm keeps dead ones while needed. */
static bool vpe_sa_is_shown(const struct vpe_sa *sa, const struct net *net)
{
	u8 state = READ_ONCE(sa->x->km.state);

	return net_eq(xs_net(sa->x), net) &&
	       (state == XFRM_STATE_VALID || state == XFRM_STATE_EXPIRED);
}

static bool vpe_addr_is(const struct nlattr *attr, const struct xfrm_state *x)
{
	unsigned int len = x->props.family == AF_INET ? sizeof(x->id.daddr.a4) :
							sizeof(x->id.daddr.a6);

	return nla_len(attr) == len && !memcmp(nla_data(attr), &x->id.daddr, len);
}

/* Attribute numbers of what names an SA, which differ between the sets. */
struct vpe_sa_key {
	int	family, dst, spi, mark;
};

static const struct vpe_sa_key vpe_key_of_sa = {
	VPE_A_SA_FAMILY, VPE_A_SA_DST, VPE_A_SA_SPI, VPE_A_SA_MARK,
};

static const struct vpe_sa_key vpe_key_of_window = {
	VPE_A_WINDOW_FAMILY, VPE_A_WINDOW_DST, VPE_A_WINDOW_SPI,
};

/* Is @sa what a request's attributes name, where they name anything? */
static bool vpe_sa_matches(const struct vpe_sa *sa, const struct net *net,
			   struct nlattr **attrs, const struct vpe_sa_key *key)
{
	const struct xfrm_state *x = sa->x;

	if (!vpe_sa_is_shown(sa, net))
		return false;
	if (!attrs)
		return true;
	if (attrs[key->family] &&
	    nla_get_u16(attrs[key->family]) != x->props.family)
		return false;
	if (attrs[key->dst] && !vpe_addr_is(attrs[key->dst], x))
		return false;
	if (attrs[key->spi] && nla_get_be32(attrs[key->spi]) != sa->spi)
		return false;
	return !key->mark || !attrs[key->mark] ||
	       nla_get_u32(attrs[key->mark]) == x->mark.v;
}

/* The SA that a request names; vpe_sa_mutex held. */
static struct vpe_sa *vpe_nl_find_sa(struct genl_info *info,
				     const struct vpe_sa_key *key)
{
	struct vpe_sa *sa;

	lockdep_assert_held(&vpe_sa_mutex);
	if (!info->attrs[key->spi]) {
		NL_SET_ERR_MSG(info->extack, "VPE: the request names no SPI");
		return ERR_PTR(-EINVAL);
	}
	list_for_each_entry(sa, &vpe_sa_list, list)
		if (vpe_sa_matches(sa, genl_info_net(info), info->attrs, key))
			return sa;
	NL_SET_ERR_MSG(info->extack, "VPE: there is no such SA of VPE or ESP with entropy");
	return ERR_PTR(-ENOENT);
}

int vpe_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	struct vpe_sa *sa;
	int err;

	if (!msg)
		return -ENOMEM;

	vpe_sas_lock();
	sa = vpe_nl_find_sa(info, &vpe_key_of_sa);
	err = PTR_ERR_OR_ZERO(sa);
	if (!err)
		err = vpe_put_sa(msg, info->snd_portid, info->snd_seq, 0, sa);
	vpe_sas_unlock();
	if (!err)
		return genlmsg_reply(msg, info);

	nlmsg_free(msg);
	return err;
}

/**
 * struct vpe_dump - where a dump goes on; lives in cb->ctx
 * @sa: number of the SA not done yet, or below it
 * @direction: and of its windows
 * @next: the first not done yet: Sender ID << 16 | Window ID
 */
struct vpe_dump {
	u64	sa;
	u32	direction;
	u64	next;
};

static struct vpe_dump *vpe_dump(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct vpe_dump) > sizeof(cb->ctx));
	return (struct vpe_dump *)cb->ctx;
}

typedef int vpe_dump_fn(struct sk_buff *skb, struct netlink_callback *cb,
			struct vpe_sa *sa);

/* One SA after the other by @put, from where the dump goes on to where @skb is full. */
static int vpe_dump_sas(struct sk_buff *skb, struct netlink_callback *cb,
			const struct vpe_sa_key *key, vpe_dump_fn *put)
{
	struct nlattr **attrs = vpe_dump_attrs(cb);
	const struct net *net = sock_net(skb->sk);
	struct vpe_dump *dump = vpe_dump(cb);
	struct vpe_sa *sa;

	vpe_sas_lock();
	list_for_each_entry(sa, &vpe_sa_list, list) {
		if (sa->id < dump->sa ||
		    !vpe_sa_matches(sa, net, attrs, key))
			continue;
		if (sa->id > dump->sa)
			*dump = (struct vpe_dump) { .sa = sa->id };
		if (put(skb, cb, sa))
			break;
		*dump = (struct vpe_dump) { .sa = sa->id + 1 };
	}
	vpe_sas_unlock();
	return skb->len;
}

static int vpe_dump_sa(struct sk_buff *skb, struct netlink_callback *cb,
		       struct vpe_sa *sa)
{
	return vpe_put_sa(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  NLM_F_MULTI, sa);
}

int vpe_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return vpe_dump_sas(skb, cb, &vpe_key_of_sa, vpe_dump_sa);
}

/* A window in the words of netlink. */
struct vpe_nl_window {
	u32	direction, id, size, cpu;
	__be16	port;
	u64	seq, packets, bytes, replayed, old, behind, elsewhere;
	const struct vpe_late *late;
};

/* The window to send by of that Window ID. */
static bool vpe_get_tx_window(const struct vpe_sa *sa, u16 window,
			      struct vpe_nl_window *nw)
{
	const struct vpe_context *ctx = sa->ctx;
	u64 sent = vpe_context_sent(ctx, window);

	if (!vpe_context_started(ctx) || !sent)
		return false;
	*nw = (struct vpe_nl_window) {
		.direction = VPE_DIRECTION_TX,
		.id = (u32)ctx->lanes.sender << 16 | window,
		.cpu = vpe_context_cpu(ctx, window),
		.seq = vpe_context_last(ctx, window),
		.packets = sent,
		.bytes = vpe_sa_is_esp(sa) ? 0 : vpe_context_sent_bytes(ctx, window),
		.port = sa->udp && !vpe_sa_is_esp(sa) ? vpe_udp_sport(sa, window) : 0,
	};
	return true;
}

static void vpe_get_rx_window(struct vpe_window *w, u32 id,
			      struct vpe_nl_window *nw)
{
	spin_lock_bh(&w->lock);
	*nw = (struct vpe_nl_window) {
		.direction = VPE_DIRECTION_RX,
		.id = id,
		.size = w->size,
		.cpu = w->cpu,
		.seq = w->top,
		.packets = w->packets,
		.bytes = w->bytes,
		.elsewhere = w->elsewhere,
		.replayed = atomic64_read(&w->replayed),
		.old = atomic64_read(&w->old),
		.behind = atomic64_read(&w->behind),
		.late = READ_ONCE(w->late),
	};
	spin_unlock_bh(&w->lock);
}

/* Where a group's sender was heard from last, if it was. */
static int vpe_put_window_source(struct sk_buff *msg, const struct vpe_sa *sa, u32 id)
{
	const struct vpe_sender *sender = xa_load(&sa->ctx->senders, id >> 16);
	u64 source[2];

	if (!sender)
		return 0;
	source[0] = READ_ONCE(sender->source[0]);
	source[1] = READ_ONCE(sender->source[1]);
	if (!(source[0] | source[1]))
		return 0;
	return vpe_put_addr(msg, VPE_A_WINDOW_SOURCE, sa->x->props.family,
			    (xfrm_address_t *)source);
}

/* How late packets were: accepted ones (0) or refused ones (1). */
static int vpe_put_window_late(struct sk_buff *msg, int attr, const struct vpe_late *late,
			       bool refused)
{
	u64 packets[VPE_LATE_MAX];
	unsigned int n;

	for (n = 0; n < VPE_LATE_MAX; n++)
		packets[n] = atomic64_read(&late->packets[refused][n]);
	return nla_put(msg, attr, sizeof(packets), packets);
}

static int vpe_put_window_rx(struct sk_buff *msg, const struct vpe_sa *sa,
			     const struct vpe_nl_window *nw)
{
	if (nla_put_u32(msg, VPE_A_WINDOW_SIZE, nw->size) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_REPLAYED, nw->replayed,
			      VPE_A_WINDOW_PAD) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_OLD, nw->old,
			      VPE_A_WINDOW_PAD) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_BEHIND, nw->behind,
			      VPE_A_WINDOW_PAD) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_ELSEWHERE, nw->elsewhere,
			      VPE_A_WINDOW_PAD) ||
	    vpe_put_window_source(msg, sa, nw->id))
		return -EMSGSIZE;
	if (!nw->late)
		return 0;
	return vpe_put_window_late(msg, VPE_A_WINDOW_LATE_ACCEPTED, nw->late, false) ?:
	       vpe_put_window_late(msg, VPE_A_WINDOW_LATE_REFUSED, nw->late, true);
}

static int vpe_put_window_attrs(struct sk_buff *msg, const struct vpe_sa *sa,
				const struct vpe_nl_window *nw)
{
	u16 family = sa->x->props.family;

	if (nla_put_u16(msg, VPE_A_WINDOW_FAMILY, family) ||
	    vpe_put_addr(msg, VPE_A_WINDOW_DST, family, &sa->x->id.daddr) ||
	    nla_put_be32(msg, VPE_A_WINDOW_SPI, sa->spi) ||
	    nla_put_u32(msg, VPE_A_WINDOW_DIRECTION, nw->direction) ||
	    nla_put_u16(msg, VPE_A_WINDOW_SENDER_ID, nw->id >> 16) ||
	    nla_put_u16(msg, VPE_A_WINDOW_WINDOW_ID, nw->id & 0xffff) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_SEQ, nw->seq,
			      VPE_A_WINDOW_PAD) ||
	    nla_put_u64_64bit(msg, VPE_A_WINDOW_PACKETS, nw->packets,
			      VPE_A_WINDOW_PAD))
		return -EMSGSIZE;
	/* All CPUs count by ESP's counter, and count no bytes there. */
	if ((!vpe_sa_is_esp(sa) || nw->direction == VPE_DIRECTION_RX) &&
	    (nla_put_u32(msg, VPE_A_WINDOW_CPU, nw->cpu) ||
	     nla_put_u64_64bit(msg, VPE_A_WINDOW_BYTES, nw->bytes, VPE_A_WINDOW_PAD)))
		return -EMSGSIZE;
	if (nw->port && nla_put_be16(msg, VPE_A_WINDOW_PORT, nw->port))
		return -EMSGSIZE;
	if (!vpe_sa_is_esp(sa) &&
	    nla_put_u32(msg, VPE_A_WINDOW_CLASS,
			vpe_context_class(sa->ctx, nw->id & 0xffff)))
		return -EMSGSIZE;
	return nw->direction == VPE_DIRECTION_RX ? vpe_put_window_rx(msg, sa, nw) : 0;
}

static int vpe_put_window(struct sk_buff *msg, u32 portid, u32 seq, int flags,
			  const struct vpe_sa *sa,
			  const struct vpe_nl_window *nw)
{
	void *hdr = genlmsg_put(msg, portid, seq, &vpe_nl_family, flags,
				VPE_CMD_WINDOW_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (vpe_put_window_attrs(msg, sa, nw)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/* Sender ID << 16 | Window ID that a request names, each 0 if it does not. */
static u32 vpe_nl_window_id(struct nlattr **attrs)
{
	u32 id = 0;

	if (attrs[VPE_A_WINDOW_SENDER_ID])
		id = (u32)nla_get_u16(attrs[VPE_A_WINDOW_SENDER_ID]) << 16;
	if (attrs[VPE_A_WINDOW_WINDOW_ID])
		id |= nla_get_u16(attrs[VPE_A_WINDOW_WINDOW_ID]);
	return id;
}

/* The window that a request names by direction, Sender ID and Window ID. */
static bool vpe_nl_find_window(const struct vpe_sa *sa,
			       struct nlattr **attrs, struct vpe_nl_window *nw)
{
	u32 id = vpe_nl_window_id(attrs);
	struct vpe_window *w;

	if (attrs[VPE_A_WINDOW_DIRECTION] &&
	    nla_get_u32(attrs[VPE_A_WINDOW_DIRECTION]) == VPE_DIRECTION_TX)
		return vpe_get_tx_window(sa, id, nw) && nw->id == id;

	rcu_read_lock();
	w = vpe_context_window(sa->ctx, id);
	if (w)
		vpe_get_rx_window(w, id, nw);
	rcu_read_unlock();
	return w;
}

int vpe_nl_window_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	struct vpe_nl_window nw;
	struct vpe_sa *sa;
	int err;

	if (!msg)
		return -ENOMEM;

	vpe_sas_lock();
	sa = vpe_nl_find_sa(info, &vpe_key_of_window);
	err = PTR_ERR_OR_ZERO(sa);
	if (!err && !vpe_nl_find_window(sa, info->attrs, &nw)) {
		NL_SET_ERR_MSG(info->extack, "VPE: there is no such window");
		err = -ENOENT;
	}
	if (!err)
		err = vpe_put_window(msg, info->snd_portid, info->snd_seq, 0,
				     sa, &nw);
	vpe_sas_unlock();
	if (!err)
		return genlmsg_reply(msg, info);

	nlmsg_free(msg);
	return err;
}

static bool vpe_window_matches(const struct vpe_nl_window *nw,
			       struct nlattr **attrs)
{
	if (!attrs)
		return true;
	if (attrs[VPE_A_WINDOW_DIRECTION] &&
	    nla_get_u32(attrs[VPE_A_WINDOW_DIRECTION]) != nw->direction)
		return false;
	if (attrs[VPE_A_WINDOW_SENDER_ID] &&
	    nla_get_u16(attrs[VPE_A_WINDOW_SENDER_ID]) != nw->id >> 16)
		return false;
	return !attrs[VPE_A_WINDOW_WINDOW_ID] ||
	       nla_get_u16(attrs[VPE_A_WINDOW_WINDOW_ID]) == (nw->id & 0xffff);
}

/* The next window of an SA's at or after where the dump stands. */
static bool vpe_dump_next(struct vpe_sa *sa, struct vpe_dump *dump,
			  struct vpe_nl_window *nw)
{
	struct vpe_window *w;
	unsigned long id;

	if (dump->direction == VPE_DIRECTION_TX) {
		for (; dump->next < vpe_context_windows_end(sa->ctx); dump->next++)
			if (vpe_get_tx_window(sa, dump->next, nw))
				return true;
		dump->direction = VPE_DIRECTION_RX;
		dump->next = 0;
	}

	id = dump->next;
	rcu_read_lock();
	w = dump->next <= U32_MAX ?
	    xa_find(&sa->ctx->windows, &id, U32_MAX, XA_PRESENT) : NULL;
	if (w)
		vpe_get_rx_window(w, id, nw);
	rcu_read_unlock();
	dump->next = id;
	return w;
}

static int vpe_dump_windows(struct sk_buff *skb, struct netlink_callback *cb,
			    struct vpe_sa *sa)
{
	struct nlattr **attrs = vpe_dump_attrs(cb);
	struct vpe_dump *dump = vpe_dump(cb);
	struct vpe_nl_window nw;

	while (vpe_dump_next(sa, dump, &nw)) {
		if (vpe_window_matches(&nw, attrs) &&
		    vpe_put_window(skb, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, NLM_F_MULTI, sa, &nw))
			return -EMSGSIZE;
		dump->next++;
	}
	return 0;
}

int vpe_nl_window_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return vpe_dump_sas(skb, cb, &vpe_key_of_window, vpe_dump_windows);
}

/* Why an SA cannot be clocked so; NULL if it can. */
static const char *vpe_refuse_clock(const struct vpe_sa *sa, u32 rate, u32 size)
{
	struct dst_entry *dst;
	bool fits = true;

	if (vpe_sa_is_esp(sa) || !vpe_sa_is_tunnel(sa))
		return "VPE: a clock is for VPE in tunnel mode";
	if (READ_ONCE(sa->x->km.state) != XFRM_STATE_VALID)
		return "VPE: the SA is not valid any more";
	if (!rate)
		return NULL;
	if (rate > VPE_CLOCK_RATE_MAX / sa->ctx->lanes.per_cpu)
		return "VPE: too many packets a second for the lanes of one CPU";
	if (size < VPE_CLOCK_SIZE_MIN || size > IP_MAX_MTU - sa->x->props.header_len)
		return "VPE: no packet can have that size";
	dst = vpe_sa_route(sa->x);
	if (dst) {
		fits = size <= xfrm_state_mtu(sa->x, dst_mtu(dst));
		dst_release(dst);
	}
	return fits ? NULL : "VPE: the path does not take packets of that size";
}

static int vpe_nl_clock(struct genl_info *info, struct vpe_sa *sa)
{
	u32 rate = nla_get_u32(info->attrs[VPE_A_SA_CLOCK_RATE]), size = 0;
	const char *why;

	if (info->attrs[VPE_A_SA_CLOCK_SIZE])
		size = nla_get_u32(info->attrs[VPE_A_SA_CLOCK_SIZE]);
	why = vpe_refuse_clock(sa, rate, size);
	if (why) {
		do_trace_netlink_extack(why);
		if (info->extack)
			info->extack->_msg = why;
		return -EINVAL;
	}
	if (vpe_clock_set(sa, rate, size)) {
		NL_SET_ERR_MSG(info->extack, "VPE: no memory for the clock");
		return -ENOMEM;
	}
	return 0;
}

int vpe_nl_clock_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct vpe_sa *sa;
	int err;

	if (!info->attrs[VPE_A_SA_CLOCK_RATE]) {
		NL_SET_ERR_MSG(info->extack, "VPE: the request names no rate");
		return -EINVAL;
	}
	cpus_read_lock();
	mutex_lock(&vpe_sa_mutex);
	sa = vpe_nl_find_sa(info, &vpe_key_of_sa);
	err = PTR_ERR_OR_ZERO(sa);
	if (!err)
		err = vpe_nl_clock(info, sa);
	mutex_unlock(&vpe_sa_mutex);
	cpus_read_unlock();
	return err;
}

/* Why a window cannot be set; NULL if it can. */
static const char *vpe_refuse_window_set(const struct vpe_sa *sa, u32 id)
{
	if (vpe_sa_is_esp(sa))
		return "VPE: the window of ESP is set by its SA's replay state";
	if (sa->group == !(id >> 16))
		return "VPE: the Sender ID of a window is 0 outside of groups, and only there";
	if (sa->group && id >> 16 == sa->ctx->lanes.sender)
		return "VPE: packets with our own Sender ID are never accepted";
	return NULL;
}

static int vpe_nl_window_close(struct genl_info *info, struct vpe_sa *sa)
{
	u32 id = vpe_nl_window_id(info->attrs);
	const char *why = vpe_refuse_window_set(sa, id);

	if (why) {
		do_trace_netlink_extack(why);
		if (info->extack)
			info->extack->_msg = why;
		return -EINVAL;
	}
	switch (vpe_input_close(sa, id, nla_get_u64(info->attrs[VPE_A_WINDOW_SEQ]))) {
	case VPE_NO_ROOM:
		NL_SET_ERR_MSG(info->extack, "VPE: the bound of receive windows is reached");
		return -ENOSPC;
	case VPE_NO_MEM:
		NL_SET_ERR_MSG(info->extack, "VPE: no memory for the window");
		return -ENOMEM;
	default:
		return 0;
	}
}

int vpe_nl_window_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct vpe_sa *sa;
	int err;

	if (!info->attrs[VPE_A_WINDOW_WINDOW_ID] || !info->attrs[VPE_A_WINDOW_SEQ]) {
		NL_SET_ERR_MSG(info->extack, "VPE: the request names no window or no number");
		return -EINVAL;
	}
	vpe_sas_lock();
	sa = vpe_nl_find_sa(info, &vpe_key_of_window);
	err = PTR_ERR_OR_ZERO(sa);
	if (!err)
		err = vpe_nl_window_close(info, sa);
	vpe_sas_unlock();
	return err;
}

/* Totals: what SAs that are gone left, and those there are. */
static void vpe_net_sum(const struct net *net, struct vpe_counters *sum)
{
	const struct vpe_net *vnet = vpe_pernet(net);
	struct vpe_sa *sa;

	lockdep_assert_held(&vpe_sa_mutex);
	vpe_counters_add(sum, &vnet->gone);
	list_for_each_entry(sa, &vpe_sa_list, list)
		if (sa->vnet == vnet)
			vpe_counters_sum(sa, sum);
}

static int vpe_put_nvo3_ports(struct sk_buff *msg, const struct vpe_net *vnet)
{
	__be16 ports[VPE_NVO3_PORTS_MAX];
	unsigned int i;

	for (i = 0; i < VPE_NVO3_PORTS_MAX; i++) {
		ports[i] = READ_ONCE(vnet->nvo3_ports[i]);
		if (!ports[i])
			break;
	}
	return nla_put(msg, VPE_A_NETNS_NVO3_PORTS, i * sizeof(*ports), ports);
}

static int vpe_put_steering(struct sk_buff *msg, struct vpe_net *vnet)
{
	char *list = vpe_steering_list(vnet);
	int err;

	if (!list)
		return -ENOMEM;
	err = nla_put_string(msg, VPE_A_NETNS_STEER_CPUS, list);
	kfree(list);
	return err;
}

static int vpe_put_net(struct sk_buff *msg, const struct net *net)
{
	struct vpe_net *vnet = vpe_pernet(net);
	const struct vpe_scope *scope = &vnet->scope;
	struct vpe_counters sum = {};

	vpe_net_sum(net, &sum);
	if (nla_put_u32(msg, VPE_A_NETNS_SAS, vnet->nr_sas) ||
	    nla_put_u32(msg, VPE_A_NETNS_CONTEXTS,
			atomic_read(&scope->contexts)) ||
	    nla_put_u32(msg, VPE_A_NETNS_RX_WINDOWS,
			atomic_read(&scope->windows)) ||
	    nla_put_u32(msg, VPE_A_NETNS_RX_WINDOWS_MAX,
			READ_ONCE(scope->windows_max)) ||
	    vpe_put_counters(msg, VPE_A_NETNS_STATS, sum.stat,
			     VPE_A_STATS_MAX) ||
	    vpe_put_counters(msg, VPE_A_NETNS_DROPS, sum.drop,
			     VPE_A_DROPS_MAX) ||
	    nla_put_u32(msg, VPE_A_NETNS_LANES, READ_ONCE(vnet->lanes)) ||
	    nla_put_u8(msg, VPE_A_NETNS_UDP_CSUM, READ_ONCE(vnet->udp_csum)) ||
	    nla_put_u8(msg, VPE_A_NETNS_UDP6_ZERO_CSUM_TX,
		       READ_ONCE(vnet->udp6_zero_csum_tx)) ||
	    vpe_put_nvo3_ports(msg, vnet) ||
	    nla_put_u32(msg, VPE_A_NETNS_SA_RX_WINDOWS_MAX,
			READ_ONCE(scope->context_max)) ||
	    nla_put_u32(msg, VPE_A_NETNS_SENDER_RX_WINDOWS_MAX,
			READ_ONCE(scope->sender_max)) ||
	    nla_put(msg, VPE_A_NETNS_CLASS_MAP, sizeof(vnet->class_map),
		    vnet->class_map) ||
	    nla_put_u32(msg, VPE_A_NETNS_CLASS_SOURCE,
			READ_ONCE(vnet->class_source)) ||
	    nla_put_u32(msg, VPE_A_NETNS_FLOW_REKEY, vnet->flow_rekey))
		return -EMSGSIZE;
	return vpe_put_steering(msg, vnet);
}

int vpe_nl_netns_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	/* A list of CPUs has up to 6 characters for each. */
	struct sk_buff *msg = nlmsg_new(NLMSG_GOODSIZE + 6 * nr_cpu_ids, GFP_KERNEL);
	int err = -EMSGSIZE;
	void *hdr;

	if (!msg)
		return -ENOMEM;

	hdr = genlmsg_put_reply(msg, info, &vpe_nl_family, 0,
				VPE_CMD_NETNS_GET);
	mutex_lock(&vpe_sa_mutex);
	if (hdr)
		err = vpe_put_net(msg, genl_info_net(info));
	mutex_unlock(&vpe_sa_mutex);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/* Why a setting cannot be; it is checked before any is made. */
static int vpe_check_u32(struct genl_info *info, int attr, u32 max)
{
	const struct nlattr *nla = info->attrs[attr];

	if (!nla || (nla_get_u32(nla) && nla_get_u32(nla) <= max))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: the value is out of range");
	return -ERANGE;
}

/* A list of whole ports, none of them 0. */
static int vpe_check_ports(struct genl_info *info, int attr)
{
	const struct nlattr *nla = info->attrs[attr];
	const __be16 *port;
	int left;

	if (!nla)
		return 0;
	port = nla_data(nla);
	for (left = nla_len(nla); left >= (int)sizeof(*port) && *port; port++)
		left -= sizeof(*port);
	if (!left && nla_len(nla) <= VPE_NVO3_PORTS_MAX * (int)sizeof(*port))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: these are not UDP ports, or more than 8");
	return -EINVAL;
}

static void vpe_set_nvo3_ports(struct vpe_net *vnet, const struct nlattr *nla)
{
	unsigned int i, n = nla_len(nla) / sizeof(__be16);
	const __be16 *port = nla_data(nla);

	for (i = 0; i < VPE_NVO3_PORTS_MAX; i++)
		WRITE_ONCE(vnet->nvo3_ports[i], i < n ? port[i] : 0);
}

/*
 * Memory and CPUs are the host's: the root of a user namespace may not claim them,
 * nor have a program of the host's write to a socket that was opened there.
 */
static int vpe_check_host(struct sk_buff *skb, struct genl_info *info, int attr)
{
	const struct nlattr *nla = info->attrs[attr];

	if (!nla || netlink_capable(skb, CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, nla,
			    "VPE: only the host's administrator sets bounds of windows, and chooses CPUs");
	return -EPERM;
}

static int vpe_check_bound(struct sk_buff *skb, struct genl_info *info, int attr)
{
	return vpe_check_host(skb, info, attr) ?: vpe_check_u32(info, attr, INT_MAX);
}

/* What a request wants steered, for vpe_steering_use(); NULL: nothing. */
static struct vpe_steering *vpe_nl_steering(struct genl_info *info)
{
	const struct nlattr *nla = info->attrs[VPE_A_NETNS_STEER_CPUS];
	struct vpe_steering *steering;

	if (!nla)
		return NULL;
	steering = vpe_steering_parse(nla_data(nla));
	switch (PTR_ERR_OR_ZERO(steering)) {
	case 0:
		break;
	case -ERANGE:
		NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: the host has no such CPU");
		break;
	case -ENXIO:
		NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: none of these CPUs is online");
		break;
	case -ENOMEM:
		NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: no memory to steer");
		break;
	default:
		NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: this is no list of CPUs, as 0-3,8");
	}
	return steering;
}

static int vpe_check_class_map(struct genl_info *info)
{
	const struct nlattr *nla = info->attrs[VPE_A_NETNS_CLASS_MAP];
	const u8 *map;
	unsigned int i;

	if (!nla)
		return 0;
	map = nla_data(nla);
	for (i = 0; i < VPE_CLASS_MAP_LEN; i++) {
		if (map[i] < VPE_CLASSES)
			continue;
		NL_SET_ERR_MSG_ATTR(info->extack, nla, "VPE: classes are 0 to 7");
		return -ERANGE;
	}
	return 0;
}

/* SAs get their windows first: without memory nothing has changed. */
static int vpe_set_class_map(struct genl_info *info, struct vpe_net *vnet)
{
	const u8 *map = nla_data(info->attrs[VPE_A_NETNS_CLASS_MAP]);
	struct vpe_sa *sa;
	u8 classes = 1;
	unsigned int i;
	int err = 0;

	for (i = 0; i < VPE_CLASS_MAP_LEN; i++)
		classes = max_t(u8, classes, map[i] + 1);
	mutex_lock(&vpe_sa_mutex);
	list_for_each_entry(sa, &vpe_sa_list, list)
		if (!err && sa->vnet == vnet && !vpe_sa_is_esp(sa))
			err = vpe_context_add_classes(sa->ctx, classes);
	if (!err) {
		for (i = 0; i < VPE_CLASS_MAP_LEN; i++)
			WRITE_ONCE(vnet->class_map[i], map[i]);
		WRITE_ONCE(vnet->classes, classes);
	}
	mutex_unlock(&vpe_sa_mutex);
	if (err)
		NL_SET_ERR_MSG(info->extack, "VPE: no memory for the windows of all classes");
	return err;
}

static void vpe_set_bounds(struct vpe_scope *scope, struct nlattr **attrs)
{
	if (attrs[VPE_A_NETNS_RX_WINDOWS_MAX])
		WRITE_ONCE(scope->windows_max,
			   nla_get_u32(attrs[VPE_A_NETNS_RX_WINDOWS_MAX]));
	if (attrs[VPE_A_NETNS_SA_RX_WINDOWS_MAX])
		WRITE_ONCE(scope->context_max,
			   nla_get_u32(attrs[VPE_A_NETNS_SA_RX_WINDOWS_MAX]));
	if (attrs[VPE_A_NETNS_SENDER_RX_WINDOWS_MAX])
		WRITE_ONCE(scope->sender_max,
			   nla_get_u32(attrs[VPE_A_NETNS_SENDER_RX_WINDOWS_MAX]));
}

static int vpe_check_settings(struct sk_buff *skb, struct genl_info *info)
{
	unsigned int i;

	for (i = 1; i <= VPE_A_NETNS_MAX && !info->attrs[i];)
		i++;
	if (i > VPE_A_NETNS_MAX) {
		NL_SET_ERR_MSG(info->extack, "VPE: the request names nothing to set");
		return -EINVAL;
	}
	return vpe_check_bound(skb, info, VPE_A_NETNS_RX_WINDOWS_MAX) ?:
	       vpe_check_bound(skb, info, VPE_A_NETNS_SA_RX_WINDOWS_MAX) ?:
	       vpe_check_bound(skb, info, VPE_A_NETNS_SENDER_RX_WINDOWS_MAX) ?:
	       vpe_check_host(skb, info, VPE_A_NETNS_STEER_CPUS) ?:
	       vpe_check_u32(info, VPE_A_NETNS_LANES, VPE_LANES_MAX) ?:
	       vpe_check_ports(info, VPE_A_NETNS_NVO3_PORTS) ?:
	       vpe_check_class_map(info);
}

int vpe_nl_netns_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct vpe_net *vnet = vpe_pernet(genl_info_net(info));
	struct nlattr **attrs = info->attrs;
	struct vpe_steering *steering;
	int err;

	err = vpe_check_settings(skb, info);
	if (err)
		return err;
	steering = vpe_nl_steering(info);
	if (IS_ERR(steering))
		return PTR_ERR(steering);
	if (attrs[VPE_A_NETNS_CLASS_MAP])
		err = vpe_set_class_map(info, vnet);
	if (err) {
		kfree(steering);
		return err;
	}

	/* From here on nothing fails. */
	if (attrs[VPE_A_NETNS_STEER_CPUS])
		vpe_steering_use(vnet, steering);
	if (attrs[VPE_A_NETNS_FLOW_REKEY]) {
		mutex_lock(&vpe_sa_mutex);
		vpe_output_flow_rekey(vnet, nla_get_u32(attrs[VPE_A_NETNS_FLOW_REKEY]));
		mutex_unlock(&vpe_sa_mutex);
	}
	vpe_set_bounds(&vnet->scope, attrs);
	if (attrs[VPE_A_NETNS_CLASS_SOURCE])
		WRITE_ONCE(vnet->class_source,
			   nla_get_u32(attrs[VPE_A_NETNS_CLASS_SOURCE]));
	if (attrs[VPE_A_NETNS_LANES])
		WRITE_ONCE(vnet->lanes, nla_get_u32(attrs[VPE_A_NETNS_LANES]));
	if (attrs[VPE_A_NETNS_UDP_CSUM])
		WRITE_ONCE(vnet->udp_csum, nla_get_u8(attrs[VPE_A_NETNS_UDP_CSUM]));
	if (attrs[VPE_A_NETNS_UDP6_ZERO_CSUM_TX])
		WRITE_ONCE(vnet->udp6_zero_csum_tx,
			   nla_get_u8(attrs[VPE_A_NETNS_UDP6_ZERO_CSUM_TX]));
	if (attrs[VPE_A_NETNS_NVO3_PORTS])
		vpe_set_nvo3_ports(vnet, attrs[VPE_A_NETNS_NVO3_PORTS]);
	return 0;
}

/* The port that a request names, host order; 0 and a sentence if it does not. */
static u16 vpe_nl_port(struct genl_info *info)
{
	if (info->attrs[VPE_A_LISTEN_PORT])
		return ntohs(nla_get_be16(info->attrs[VPE_A_LISTEN_PORT]));
	NL_SET_ERR_MSG(info->extack, "VPE: the request names no port");
	return 0;
}

static struct vpe_listen *vpe_nl_find_listen(struct genl_info *info, u16 port)
{
	struct vpe_listen *listen = NULL;

	if (!port)
		return ERR_PTR(-EINVAL);
	listen = vpe_listen_find(vpe_pernet(genl_info_net(info)), port);
	if (listen)
		return listen;
	NL_SET_ERR_MSG(info->extack, "VPE: nothing of ours listens on that port");
	return ERR_PTR(-ENOENT);
}

static int vpe_put_listen_attrs(struct sk_buff *msg, const struct vpe_listen *listen)
{
	unsigned int i;

	if (nla_put_be16(msg, VPE_A_LISTEN_PORT, htons(listen->port)) ||
	    (listen->zero_csum6_rx &&
	     nla_put_flag(msg, VPE_A_LISTEN_UDP6_ZERO_CSUM_RX)))
		return -EMSGSIZE;
	for (i = VPE_A_LISTEN_KEEPALIVE; i <= VPE_A_LISTEN_MAX; i++)
		if (nla_put_u64_64bit(msg, i, atomic64_read(&listen->stat[i]),
				      VPE_A_LISTEN_PAD))
			return -EMSGSIZE;
	return 0;
}

static int vpe_put_listen(struct sk_buff *msg, u32 portid, u32 seq, int flags,
			  const struct vpe_listen *listen)
{
	void *hdr = genlmsg_put(msg, portid, seq, &vpe_nl_family, flags,
				VPE_CMD_LISTEN_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (vpe_put_listen_attrs(msg, listen)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int vpe_nl_listen_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	struct vpe_listen *listen;
	int err;

	if (!msg)
		return -ENOMEM;

	mutex_lock(&vpe_listen_mutex);
	listen = vpe_nl_find_listen(info, vpe_nl_port(info));
	err = PTR_ERR_OR_ZERO(listen);
	if (!err)
		err = vpe_put_listen(msg, info->snd_portid, info->snd_seq, 0, listen);
	mutex_unlock(&vpe_listen_mutex);
	if (!err)
		return genlmsg_reply(msg, info);

	nlmsg_free(msg);
	return err;
}

int vpe_nl_listen_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vpe_net *vnet = vpe_pernet(sock_net(skb->sk));
	struct vpe_listen *listen;
	long n = 0;

	mutex_lock(&vpe_listen_mutex);
	list_for_each_entry(listen, &vnet->listens, list) {
		if (n++ < cb->args[0])
			continue;
		if (vpe_put_listen(skb, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, NLM_F_MULTI, listen))
			break;
		cb->args[0] = n;
	}
	mutex_unlock(&vpe_listen_mutex);
	return skb->len;
}

int vpe_nl_listen_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	bool zero_csum = info->attrs[VPE_A_LISTEN_UDP6_ZERO_CSUM_RX];
	struct net *net = genl_info_net(info);
	u16 port = vpe_nl_port(info);
	int err;

	if (!port)
		return -EINVAL;
	mutex_lock(&vpe_listen_mutex);
	err = vpe_listen_find(vpe_pernet(net), port) ?
	      -EEXIST : vpe_listen_add(net, port, zero_csum);
	mutex_unlock(&vpe_listen_mutex);
	if (err == -EEXIST)
		NL_SET_ERR_MSG(info->extack, "VPE: that port is listened on already");
	else if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(info->extack, "VPE: another socket has that port");
	else if (err)
		NL_SET_ERR_MSG(info->extack, "VPE: the port's sockets could not be made");
	else
		vpe_notify_listen(net, VPE_EVENT_KIND_LISTEN_NEW, port);
	return err;
}

int vpe_nl_listen_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct vpe_listen *listen;
	int err;

	mutex_lock(&vpe_listen_mutex);
	listen = vpe_nl_find_listen(info, vpe_nl_port(info));
	err = PTR_ERR_OR_ZERO(listen);
	if (!err) {
		vpe_notify_listen(genl_info_net(info), VPE_EVENT_KIND_LISTEN_DEL,
				  listen->port);
		vpe_listen_del(listen);
	}
	mutex_unlock(&vpe_listen_mutex);
	return err;
}

/* Does anybody want to know, and is it not too often? */
static bool vpe_event_wanted(struct net *net)
{
	struct vpe_net *vnet = vpe_pernet(net);

	if (likely(!genl_has_listeners(&vpe_nl_family, net, VPE_NLGRP_MONITOR)))
		return false;
	if (__ratelimit(&vnet->events))
		return true;
	atomic64_inc(&vnet->events_lost);
	return false;
}

static struct sk_buff *vpe_event_new(struct net *net, unsigned int kind, void **hdr)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);

	if (msg) {
		*hdr = genlmsg_put(msg, 0, 0, &vpe_nl_family, 0, VPE_CMD_EVENT);
		nla_put_u32(msg, VPE_A_EVENT_KIND, kind);
	} else {
		atomic64_inc(&vpe_pernet(net)->events_lost);
	}
	return msg;
}

/* There was room for all that is put into an event. */
static void vpe_event_send(struct net *net, struct sk_buff *msg, void *hdr)
{
	nla_put_u64_64bit(msg, VPE_A_EVENT_LOST,
			  atomic64_read(&vpe_pernet(net)->events_lost),
			  VPE_A_EVENT_PAD);
	genlmsg_end(msg, hdr);
	genlmsg_multicast_netns(&vpe_nl_family, net, msg, 0, VPE_NLGRP_MONITOR,
				GFP_ATOMIC);
}

/**
 * vpe_notify - tell those who listen of an event of an SA
 * @sa: the SA
 * @kind: enum vpe_event_kind
 * @window: Sender ID << 16 | Window ID, host order
 * @seq: number of the packet
 * @skb: the received packet, network header at its outer one, or NULL
 *
 * Context: any but hard interrupt.
 */
void vpe_notify(const struct vpe_sa *sa, unsigned int kind, u32 window, u64 seq,
		const struct sk_buff *skb)
{
	struct net *net = xs_net(sa->x);
	u16 family = sa->x->props.family;
	struct sk_buff *msg;
	void *hdr;

	if (!vpe_event_wanted(net))
		return;
	msg = vpe_event_new(net, kind, &hdr);
	if (!msg)
		return;
	nla_put_u16(msg, VPE_A_EVENT_FAMILY, family);
	vpe_put_addr(msg, VPE_A_EVENT_DST, family, &sa->x->id.daddr);
	nla_put_be32(msg, VPE_A_EVENT_SPI, sa->spi);
	if (skb) {
		nla_put_u16(msg, VPE_A_EVENT_SENDER_ID, window >> 16);
		nla_put_u16(msg, VPE_A_EVENT_WINDOW_ID, window & 0xffff);
		nla_put_u64_64bit(msg, VPE_A_EVENT_SEQ, seq, VPE_A_EVENT_PAD);
		vpe_put_addr(msg, VPE_A_EVENT_SOURCE, family, family == AF_INET ?
			     (const xfrm_address_t *)&ip_hdr(skb)->saddr :
			     (const xfrm_address_t *)&ipv6_hdr(skb)->saddr);
		nla_put_u32(msg, VPE_A_EVENT_CPU, raw_smp_processor_id());
	}
	vpe_event_send(net, msg, hdr);
}

/**
 * vpe_notify_listen - tell those who listen of a socket of ours
 * @net: its network namespace
 * @kind: enum vpe_event_kind
 * @port: UDP port, host order
 *
 * Context: process.
 */
void vpe_notify_listen(struct net *net, unsigned int kind, u16 port)
{
	struct sk_buff *msg;
	void *hdr;

	if (!vpe_event_wanted(net))
		return;
	msg = vpe_event_new(net, kind, &hdr);
	if (!msg)
		return;
	nla_put_be16(msg, VPE_A_EVENT_PORT, htons(port));
	vpe_event_send(net, msg, hdr);
}

static struct genl_family vpe_nl_family = {
	.name		= VPE_FAMILY_NAME,
	.version	= VPE_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= vpe_nl_ops,
	.n_ops		= ARRAY_SIZE(vpe_nl_ops),
	.resv_start_op	= VPE_CMD_MAX + 1,
	.mcgrps		= vpe_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vpe_nl_mcgrps),
};

/**
 * vpe_netlink_init - register the family
 *
 * Return: 0 or an error.
 */
int vpe_netlink_init(void)
{
	return genl_register_family(&vpe_nl_family);
}

/**
 * vpe_netlink_exit - unregister the family
 */
void vpe_netlink_exit(void)
{
	genl_unregister_family(&vpe_nl_family);
}
