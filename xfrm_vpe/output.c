// SPDX-License-Identifier: GPL-2.0
/*
 * Sending. Bundles that begin with a VPE SA have our function for their
 * output, so that packets do not pass xfrm_output(), which takes x->lock and a
 * reference to the SA for each.
 *
 *	POST_ROUTING -> segment -> fits the path? -> reserve a number ->
 *	outer and VPE header -> AEAD, ICV into the header -> local output
 *
 * A GSO packet is segmented before encryption, once for all its segments: they
 * come out of skb_gso_segment() linear and unshared, checksum done on the way,
 * and are encrypted where they are; jumbo ones stay in pages. Late segmentation (as
 * esp4_offload does) would show tc and netfilter a packet that is not encrypted yet
 * under the outer header, and devices a GSO type that none of them may handle.
 *
 * An SA with a clock sends at its ticks (clock.c), and what its packets look like
 * does not tell what is in them.
 *
 * Bundles where another transform follows ours go through xfrm_output(), which
 * calls vpe_type_output().
 */
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "trace.h"
#include "vpe.h"

/* Bytes that fit a buffer of one page, with the room that linearizing leaves. */
#define VPE_PIECE_MAX	(SKB_WITH_OVERHEAD(PAGE_SIZE) - 128)

/**
 * struct vpe_tx - a packet being encrypted
 * @sa: its SA
 * @skb: the packet, network header at the outer, skb->data at what is encrypted
 * @num: its number and window
 * @pages: where what is not in its head is encrypted to
 * @len: bytes to encrypt, without ESP's trailer
 * @fill: there is nothing in it
 */
struct vpe_tx {
	struct vpe_sa		*sa;
	struct sk_buff		*skb;
	struct vpe_seq		num;
	struct vpe_pages	pages;
	unsigned int		len;
	bool			fill;
};

/**
 * struct vpe_room - a packet that is ours to write
 * @pad: bytes of TFC padding there is room for
 * @fill: it is a fill packet
 */
struct vpe_room {
	unsigned int	pad;
	bool		fill;
};

/* What the outer header takes from the inner one; of clocked SAs always the same. */
struct vpe_inner {
	__be32	flow;		/* IPv6 flow label */
	__be16	df;		/* htons(IP_DF) or 0 */
	u8	ds;
};

static DEFINE_PER_CPU(u16, vpe_ip_id);
static u16 vpe_ip_id_base;
static siphash_key_t vpe_flow_key;

/*
 * An IPv4 ID for packets that may be fragmented: each CPU has its share of the
 * numbers, so that no two CPUs' fragments meet in reassembly. Not
 * ip_select_ident(): that is an atomic all CPUs share.
 */
static __be16 vpe_select_ident(void)
{
	u16 id;

	preempt_disable();
	id = this_cpu_inc_return(vpe_ip_id) * nr_cpu_ids + smp_processor_id();
	preempt_enable();
	return htons(vpe_ip_id_base + id);
}

static struct vpe_inner vpe_inner(const struct vpe_sa *sa, struct sk_buff *skb)
{
	struct vpe_inner in = {};

	if (unlikely(rcu_access_pointer(sa->clock))) {
		in.df = htons(IP_DF);
	} else if (skb->protocol == htons(ETH_P_IP)) {
		in.ds = ipv4_get_dsfield(ip_hdr(skb));
		in.df = ip_hdr(skb)->frag_off & htons(IP_DF);
	} else {
		in.ds = ipv6_get_dsfield(ipv6_hdr(skb));
		in.flow = ip6_flowlabel(ipv6_hdr(skb));
		in.df = htons(IP_DF);
	}
	return in;
}

static u8 vpe_outer_ds(const struct xfrm_state *x, u8 inner)
{
	u8 ds = x->props.extra_flags & XFRM_SA_XFLAG_DONT_ENCAP_DSCP ?
		0 : inner;

	ds = INET_ECN_encapsulate(ds, inner);
	if (x->props.flags & XFRM_STATE_NOECN)
		ds &= ~INET_ECN_MASK;
	return ds;
}

/* The route of an outer packet. A fill packet has no bundle. */
static struct dst_entry *vpe_path(const struct sk_buff *skb)
{
	return xfrm_dst_child(skb_dst(skb)) ?: skb_dst(skb);
}

static u8 vpe_sa_proto(const struct vpe_sa *sa)
{
	return sa->udp ? IPPROTO_UDP : IPPROTO_ESP;
}

static void vpe_push_ipv4(struct sk_buff *skb, const struct xfrm_state *x,
			  const struct vpe_inner *in)
{
	bool small_ipv6 = skb->protocol == htons(ETH_P_IPV6) &&
			  skb->len <= IPV6_MIN_MTU;
	struct iphdr *iph = ip_hdr(skb);

	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = vpe_outer_ds(x, in->ds);
	iph->frag_off = x->props.flags & XFRM_STATE_NOPMTUDISC || small_ipv6 ?
			0 : in->df;
	iph->id = iph->frag_off ? 0 : vpe_select_ident();
	iph->ttl = ip4_dst_hoplimit(vpe_path(skb));
	iph->protocol = vpe_sa_proto(vpe_sa_of(x));
	iph->saddr = x->props.saddr.a4;
	iph->daddr = x->id.daddr.a4;

	skb->protocol = htons(ETH_P_IP);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->flags = IPSKB_XFRM_TRANSFORMED | IPSKB_XFRM_TUNNEL_SIZE;
}

static void vpe_push_ipv6(struct sk_buff *skb, const struct xfrm_state *x,
			  const struct vpe_inner *in)
{
	struct ipv6hdr *ip6h = ipv6_hdr(skb);

	ip6_flow_hdr(ip6h, vpe_outer_ds(x, in->ds), in->flow);
	ip6h->nexthdr = vpe_sa_proto(vpe_sa_of(x));
	ip6h->hop_limit = ip6_dst_hoplimit(vpe_path(skb));
	ip6h->saddr = *(const struct in6_addr *)&x->props.saddr;
	ip6h->daddr = *(const struct in6_addr *)&x->id.daddr;

	/*
	 * The outer packet may be fragmented here, whatever is in it: inner
	 * IPv4 without DF, or IPv6 of 1280 bytes, which has to pass.
	 */
	skb->ignore_df = 1;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->flags = IP6SKB_XFRM_TRANSFORMED;
}

/*
 * The outer IP header, in the headroom. skb->data stays at the inner packet;
 * the IP stack fills in lengths and checksum. Returns the next header of what
 * is encrypted.
 */
static u8 vpe_push_tunnel(struct sk_buff *skb, const struct xfrm_state *x)
{
	u8 next = skb->protocol == htons(ETH_P_IP) ? IPPROTO_IPIP : IPPROTO_IPV6;
	struct vpe_inner in = vpe_inner(vpe_sa_of(x), skb);

	skb_set_inner_network_header(skb, skb_network_offset(skb));
	skb_set_network_header(skb, -x->props.header_len);

	if (x->props.family == AF_INET)
		vpe_push_ipv4(skb, x, &in);
	else
		vpe_push_ipv6(skb, x, &in);
	return next;
}

/*
 * Bytes of IP header that stay before the ESP header in transport mode, and
 * where the protocol of what follows is; an error for a fragment, which
 * transport mode is not for (RFC 4301 section 4.1).
 */
static int vpe_transport_hlen(struct sk_buff *skb, u8 **proto)
{
	int hlen;

	if (skb->protocol == htons(ETH_P_IP)) {
		*proto = &ip_hdr(skb)->protocol;
		return ip_is_fragment(ip_hdr(skb)) ? -EINVAL : ip_hdrlen(skb);
	}
	hlen = ip6_find_1stfragopt(skb, proto);
	return hlen > 0 && **proto == NEXTHDR_FRAGMENT ? -EINVAL : hlen;
}

/* Make room after the IP header. Returns as vpe_push_tunnel(), or an error. */
static int vpe_push_transport(struct sk_buff *skb, const struct xfrm_state *x)
{
	u8 *ip = skb_network_header(skb), *proto, next;
	int hlen = vpe_transport_hlen(skb, &proto);

	if (hlen < 0)
		return hlen;
	next = *proto;
	*proto = vpe_sa_proto(vpe_sa_of(x));
	skb_set_network_header(skb, -x->props.header_len);
	__skb_pull(skb, hlen);
	memmove(skb_network_header(skb), ip, hlen);

	if (x->props.family == AF_INET) {
		IPCB(skb)->flags = IPSKB_XFRM_TRANSFORMED;
	} else {
		/* 1280 bytes have to pass. */
		skb->ignore_df = 1;
		IP6CB(skb)->flags = IP6SKB_XFRM_TRANSFORMED;
	}
	return next;
}

static int vpe_push_ip(struct sk_buff *skb, const struct xfrm_state *x)
{
	const struct vpe_sa *sa = vpe_sa_of(x);
	int next;

	skb_set_inner_transport_header(skb, skb_transport_offset(skb));
	next = x->props.mode == XFRM_MODE_TUNNEL ? vpe_push_tunnel(skb, x) :
						   vpe_push_transport(skb, x);
	skb_set_transport_header(skb, -(int)(vpe_sa_format(sa)->hlen +
					     (sa->udp ? sizeof(struct udphdr) : 0)));
	skb->encapsulation = 0;
	skb->ip_summed = CHECKSUM_NONE;
	return next;
}

/* TFC padding, up to the size that the user wants or the path takes; bytes. */
static unsigned int vpe_tx_pad_len(const struct vpe_sa *sa, const struct sk_buff *skb)
{
	const struct vpe_clock *clock = rcu_dereference(sa->clock);
	unsigned int want;

	if (likely(!sa->pad && !clock))
		return 0;
	want = min(clock ? clock->size : sa->pad, dst_mtu(skb_dst(skb)));
	return want > skb->len ? want - skb->len : 0;
}

/*
 * Make the packet's head ours to write, with room for what comes before it, and in
 * a linear one for padding and ESP's trailer: cloned data is a socket's. 0 or an
 * error.
 */
static int vpe_tx_own(const struct vpe_sa *sa, struct sk_buff *skb, struct vpe_room *room)
{
	const struct dst_entry *dst = skb_dst(skb);
	int head, tail = 0;

	room->fill = false;
	room->pad = vpe_tx_pad_len(sa, skb);

	head = dst->header_len + LL_RESERVED_SPACE(dst->dev) -
	       skb_headroom(skb);
	head = max(head, 0);
	if (!skb_is_nonlinear(skb)) {
		tail = dst->xfrm->props.trailer_len + room->pad - skb_tailroom(skb);
		tail = max(tail, 0);
	}
	if (!head && !tail && !skb_cloned(skb))
		return 0;
	return pskb_expand_head(skb, SKB_DATA_ALIGN(head), tail, GFP_ATOMIC);
}

/* A number for the packet. 0, or the reason to drop it. */
static unsigned int vpe_tx_number(struct vpe_sa *sa, const struct vpe_flow *flow,
				  u32 bytes, struct vpe_seq *num)
{
	int err;

	if (unlikely(sa->group && !sa->ctx->lanes.sender))
		return VPE_A_DROPS_TX_SENDER;
	if (unlikely(!vpe_context_started(sa->ctx))) {
		err = vpe_context_start(sa->ctx, vpe_sa_replay(sa->x).oseq);
		if (err == -EBUSY) {
			net_warn_ratelimited("vpe: SPI 0x%08x does not send: another SA of this host sends with its key\n",
					     ntohl(sa->spi));
			vpe_notify(sa, VPE_EVENT_KIND_CLAIM, 0, 0, NULL);
			return VPE_A_DROPS_TX_CLAIM;
		}
		if (err == -ERANGE)
			net_warn_ratelimited("vpe: SPI 0x%08x does not send: its oseq is over a day ahead of the clock\n",
					     ntohl(sa->spi));
		if (err)
			return VPE_A_DROPS_TX_SEQUENCE;
	}
	if (vpe_context_reserve(sa->ctx, flow->class, flow->hash, 1, bytes, num))
		return VPE_A_DROPS_TX_SEQUENCE;
	return 0;
}

/* What a fabric may tell packets apart by; @more bytes will follow. */
static void vpe_tx_entropy(const struct vpe_tx *tx, const struct vpe_flow *flow,
			   unsigned int more)
{
	const struct vpe_sa *sa = tx->sa;
	struct sk_buff *skb = tx->skb;
	u16 window = tx->num.window;
	u32 label = vpe_sa_is_esp(sa) ? flow->hash :
					vpe_context_entropy(sa->ctx, window);

	if (sa->udp)
		vpe_udp_push(sa, skb, vpe_sa_is_esp(sa) ? flow->sport :
							  vpe_udp_sport(sa, window), more);
	if (sa->label)
		ip6_flow_hdr(ipv6_hdr(skb), ipv6_get_dsfield(ipv6_hdr(skb)),
			     htonl(label) & IPV6_FLOWLABEL_MASK);
}

/*
 * All that precedes the ciphertext, but VPE's ICV. IP headers are there; @more bytes
 * of pages will follow what is in the packet.
 */
static void vpe_tx_write(const struct vpe_tx *tx, const struct vpe_flow *flow, u8 next,
			 unsigned int more)
{
	const struct vpe_sa *sa = tx->sa;
	void *hdr = tx->skb->data - vpe_sa_format(sa)->hlen;
	u32 window = tx->num.window;

	if (!vpe_sa_is_tunnel(sa))
		window |= (u32)next << 16;

	if (vpe_sa_is_esp(sa))
		*(struct vpe_esp_hdr *)hdr = (struct vpe_esp_hdr) {
			.spi	= sa->spi,
			.seq	= htonl(tx->num.seq),
			.iv	= vpe_context_iv(sa->ctx, tx->num.seq),
		};
	else
		vpe_hdr_write(hdr, sa->layout, sa->spi, window, tx->num.seq);
	vpe_tx_entropy(tx, flow, more);
}

/* Bytes that follow what is in the packet: padding, ESP's trailer and its ICV. */
static unsigned int vpe_tx_tail_len(const struct vpe_sa *sa, unsigned int len,
				    unsigned int pad)
{
	return pad + (vpe_sa_is_esp(sa) ? vpe_esp_trailer_len(len + pad) + sa->icv_len : 0);
}

static void vpe_tx_write_tail(const struct vpe_tx *tx, unsigned int pad, unsigned int len,
			      u8 next)
{
	u8 trailer[VPE_ESP_TRAILER_MAX + VPE_ICV_LEN] = {};

	if (vpe_sa_is_esp(tx->sa))
		vpe_esp_trailer_write(trailer, len - pad - tx->sa->icv_len, next);
	vpe_pages_write_tail(&tx->pages, tx->skb, pad, trailer, len - pad);
}

/*
 * Number and encrypt. skb->data is at what is to be encrypted, room for the
 * header before it; *@opp is what to free when that is through.
 * Returns 0, the reason to drop the packet, or -EINPROGRESS.
 */
static int vpe_tx_seal(struct vpe_sa *sa, struct sk_buff *skb,
		       const struct vpe_flow *flow, const struct vpe_room *room,
		       u8 next, crypto_completion_t done, struct vpe_op **opp)
{
	unsigned int len = skb->len, tail = vpe_tx_tail_len(sa, len, room->pad), reason;
	struct vpe_op *op;
	struct vpe_tx *tx;
	int nents, err;

	op = vpe_pages_op(sa, skb, sizeof(*tx), tail);
	if (!op)
		return VPE_A_DROPS_TX_NOMEM;
	*opp = op;

	tx = (struct vpe_tx *)op->priv;
	tx->sa = sa;
	tx->skb = skb;
	tx->len = room->fill ? 0 : len;
	tx->fill = room->fill;
	nents = vpe_pages_map(&tx->pages, op, skb, tail);
	if (nents < 0)
		return VPE_A_DROPS_TX_NOMEM;
	if (tail)
		vpe_tx_write_tail(tx, room->pad, tail, next);
	reason = vpe_tx_number(sa, flow, tx->len, &tx->num);
	if (unlikely(reason))
		return reason;
	vpe_tx_write(tx, flow, next, len + tail - skb->len);

	err = vpe_op_seal(op, skb->data - vpe_sa_format(sa)->hlen, tx->num.seq, nents,
			  len + tail - sa->icv_len, done);
	if (likely(!err))
		return 0;
	if (err != -EINPROGRESS)
		return VPE_A_DROPS_TX_CRYPTO;
	vpe_count(sa, VPE_A_STATS_TX_ASYNC, 1);
	return err;
}

static void vpe_tx_free(struct vpe_op *op)
{
	if (op)
		vpe_pages_free(&((struct vpe_tx *)op->priv)->pages);
	vpe_op_free(op);
}

/* From here the packet is what goes on the wire. */
static void vpe_tx_encrypted(struct vpe_tx *tx)
{
	vpe_pages_use(&tx->pages, tx->skb);
	__skb_push(tx->skb, -skb_network_offset(tx->skb));
}

static void vpe_tx_sent(struct vpe_tx *tx)
{
	trace_vpe_send(tx->sa, tx->num.window, tx->num.seq, tx->len);
	if (unlikely(tx->fill)) {
		vpe_count(tx->sa, VPE_A_STATS_TX_FILL, 1);
		return;
	}
	vpe_count(tx->sa, VPE_A_STATS_TX_PACKETS, 1);
	vpe_count(tx->sa, VPE_A_STATS_TX_BYTES, tx->len);
}

/*
 * Encrypted: off to the outer destination, and @op is free. RCU read side. The
 * bundle's child stays for a grace period after the bundle.
 */
static int vpe_tx_finish(struct net *net, struct sock *sk, struct vpe_op *op)
{
	struct vpe_tx *tx = (struct vpe_tx *)op->priv;
	struct sk_buff *skb = tx->skb;
	struct dst_entry *path = vpe_path(skb);
	int err;

	vpe_tx_encrypted(tx);
	vpe_tx_sent(tx);
	if (tx->sa->async) {
		dst_hold(path);
		skb_dst_drop(skb);
		skb_dst_set(skb, path);
	} else if (likely(!tx->fill)) {
		skb_dst_drop(skb);
		skb_dst_set_noref(skb, path);
	}
	nf_reset_ct(skb);
	/* Before other packets are encrypted on the way, or decrypted. */
	vpe_tx_free(op);

	err = path->ops->local_out(net, sk, skb);
	return err == 1 ? dst_output(net, sk, skb) : err;
}

static void vpe_tx_done(vpe_completion_arg *arg, int err)
{
	struct vpe_op *op = vpe_completion_data(arg);
	struct vpe_tx *tx = (struct vpe_tx *)op->priv;
	struct sk_buff *skb = tx->skb;
	struct net_device *dev = skb->dev;
	struct vpe_sa *sa = tx->sa;
	bool fill = tx->fill;

	if (err == -EINPROGRESS)
		return;

	local_bh_disable();
	rcu_read_lock();
	if (err) {
		vpe_drop(sa, skb, VPE_A_DROPS_TX_CRYPTO);
		vpe_tx_free(op);
	} else {
		vpe_tx_finish(dev_net(dev), skb_to_full_sk(skb), op);
	}
	if (fill)
		percpu_ref_put(&sa->inflight);
	rcu_read_unlock();
	local_bh_enable();
	dev_put(dev);
}

/* Encrypt and send a packet that is ours to write. */
static int vpe_tx_owned(struct net *net, struct sock *sk, struct vpe_sa *sa,
			struct sk_buff *skb, const struct vpe_flow *flow,
			const struct vpe_room *room)
{
	struct xfrm_state *x = sa->x;
	struct vpe_op *op = NULL;
	struct net_device *dev;
	int next, err;

	err = VPE_A_DROPS_TX_FRAGMENT;
	next = vpe_push_ip(skb, x);
	if (unlikely(next < 0))
		goto drop;
	dev = skb_dst(skb)->dev;
	skb->dev = dev;
	if (sa->async)
		dev_hold(dev);

	skb->mark = xfrm_smark_get(skb->mark, x);
	err = vpe_tx_seal(sa, skb, flow, room, next, vpe_tx_done, &op);
	if (err == -EINPROGRESS)
		return 0;
	if (sa->async)
		dev_put(dev);
	if (unlikely(room->fill))
		percpu_ref_put(&sa->inflight);
	if (unlikely(err))
		goto drop;

	return vpe_tx_finish(net, sk, op);

drop:
	vpe_tx_free(op);
	vpe_drop(sa, skb, err);
	return -EINVAL;
}

/*
 * No device will do the checksum. Pages that somebody may write meanwhile are
 * copied before, as skb_checksum_help() does it. SCTP's is another checksum.
 */
static int vpe_tx_checksum(struct sk_buff *skb)
{
	int err = 0;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return 0;
	if (skb_end_offset(skb) + skb->data_len > VPE_PIECE_MAX && skb_has_shared_frag(skb))
		err = vpe_pages_own(skb);
	return err ?: skb_csum_hwoffload_help(skb, 0);
}

/* Send one packet of at most the path's MTU, or that may be fragmented. */
static int vpe_tx_one(struct net *net, struct sock *sk, struct vpe_sa *sa,
		      struct sk_buff *skb, const struct vpe_flow *flow)
{
	struct vpe_room room;
	int err;

	err = VPE_A_DROPS_TX_STATE;
	if (unlikely(READ_ONCE(sa->x->km.state) != XFRM_STATE_VALID))
		goto drop;
	err = VPE_A_DROPS_TX_SEGMENT;
	if (vpe_tx_checksum(skb))
		goto drop;
	err = VPE_A_DROPS_TX_NOMEM;
	if (unlikely(vpe_tx_own(sa, skb, &room)))
		goto drop;
	/* A completion needs the bundle, and by the device the namespace. */
	if (sa->async && !skb_dst_force(skb))
		goto drop;
	return vpe_tx_owned(net, sk, sa, skb, flow, &room);

drop:
	vpe_drop(sa, skb, err);
	return -EINVAL;
}

/**
 * vpe_output_clocked - send a packet whose turn it is
 * @sa: SA of VPE
 * @skb: the packet, with its bundle; consumed
 * @lane: which of this CPU's
 *
 * Context: RCU read side, softirqs disabled.
 */
void vpe_output_clocked(struct vpe_sa *sa, struct sk_buff *skb, u32 lane)
{
	const struct vpe_flow flow = { .hash = lane };

	vpe_tx_one(xs_net(sa->x), skb_to_full_sk(skb), sa, skb, &flow);
}

/**
 * vpe_output_fill - send a fill packet
 * @sa: SA of VPE in tunnel mode
 * @skb: zeros, with the outer packet's route and room for all headers; consumed
 * @lane: which of this CPU's
 *
 * Context: RCU read side, softirqs disabled.
 */
void vpe_output_fill(struct vpe_sa *sa, struct sk_buff *skb, u32 lane)
{
	const struct vpe_room room = { .fill = true };
	const struct vpe_flow flow = { .hash = lane };

	/* No bundle holds the SA until the cipher is done. */
	if (percpu_ref_tryget_live(&sa->inflight))
		vpe_tx_owned(xs_net(sa->x), NULL, sa, skb, &flow, &room);
	else
		consume_skb(skb);
}

/* Send a packet now, or when its turn comes. */
static int vpe_tx_or_queue(struct net *net, struct sock *sk, struct vpe_sa *sa,
			   struct sk_buff *skb, const struct vpe_flow *flow)
{
	struct vpe_clock *clock = rcu_dereference(sa->clock);

	if (likely(!clock))
		return vpe_tx_one(net, sk, sa, skb, flow);
	if (vpe_clock_queue(clock, skb, flow->hash))
		return 0;
	vpe_drop(sa, skb, VPE_A_DROPS_TX_QUEUE);
	return -ENOBUFS;
}

/* Tell the sender of a packet that is too big. */
static void vpe_tx_too_big(struct sk_buff *skb, u32 mtu)
{
	struct sock *sk = skb_to_full_sk(skb);

	if (skb->protocol == htons(ETH_P_IPV6))
		skb->dev = skb_dst(skb)->dev;
	if (sk)
		xfrm_local_error(skb, mtu);
	else if (skb->protocol == htons(ETH_P_IP))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(mtu));
	else
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

static bool vpe_tx_fits(struct sk_buff *skb, u32 mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/*
 * Would what we make of it in transport mode be too big for any IP packet? In
 * tunnel mode the inner one is fragmented before.
 */
static bool vpe_tx_is_huge(const struct sk_buff *skb)
{
	const struct xfrm_state *x = skb_dst(skb)->xfrm;
	unsigned int max = IP_MAX_MTU;

	if (skb->protocol == htons(ETH_P_IPV6))
		max += sizeof(struct ipv6hdr);
	return x->props.mode == XFRM_MODE_TRANSPORT && !skb_is_gso(skb) &&
	       skb->len + x->props.header_len + x->props.trailer_len > max;
}

/* Does the packet fit the path, or may it be fragmented? (RFC 4301, 8.2) */
static bool vpe_tx_check_size(const struct vpe_sa *sa, struct sk_buff *skb)
{
	const struct vpe_clock *clock = rcu_dereference(sa->clock);
	u32 mtu = dst_mtu(skb_dst(skb));

	if (unlikely(clock && !vpe_tx_fits(skb, clock->size))) {
		vpe_tx_too_big(skb, clock->size);
		return false;
	}
	if (unlikely(vpe_tx_is_huge(skb))) {
		vpe_tx_too_big(skb, mtu);
		return false;
	}
	if (skb->ignore_df)
		return true;
	if (skb->protocol == htons(ETH_P_IP)) {
		if (!(ip_hdr(skb)->frag_off & htons(IP_DF)))
			return true;
	} else {
		mtu = max_t(u32, mtu, IPV6_MIN_MTU);
	}
	if (likely(vpe_tx_fits(skb, mtu)))
		return true;

	vpe_tx_too_big(skb, mtu);
	return false;
}

/* Segments that are too large to be in one piece share the packet's pages. */
static netdev_features_t vpe_tx_gso_features(const struct sk_buff *skb)
{
	unsigned int size = skb_shinfo(skb)->gso_size;

	return size > VPE_PIECE_MAX && size != GSO_BY_FRAGS ? NETIF_F_SG | NETIF_F_HW_CSUM : 0;
}

static int vpe_tx_gso(struct net *net, struct sock *sk, struct sk_buff *skb,
		      struct vpe_sa *sa, const struct vpe_flow *flow)
{
	struct sk_buff *segs, *next;
	int err, ret = 0;

	BUILD_BUG_ON(sizeof(*IPCB(skb)) > SKB_GSO_CB_OFFSET);
	BUILD_BUG_ON(sizeof(*IP6CB(skb)) > SKB_GSO_CB_OFFSET);

	vpe_count(sa, VPE_A_STATS_TX_GSO, 1);
	segs = skb_gso_segment(skb, vpe_tx_gso_features(skb));
	if (IS_ERR_OR_NULL(segs)) {
		vpe_drop(sa, skb, VPE_A_DROPS_TX_SEGMENT);
		return segs ? PTR_ERR(segs) : -EINVAL;
	}
	consume_skb(skb);

	skb_list_walk_safe(segs, segs, next) {
		skb_mark_not_on_list(segs);
		err = vpe_tx_or_queue(net, sk, sa, segs, flow);
		ret = ret ?: err;
	}
	return ret;
}

/*
 * The source port of an NVO3 packet (VXLAN and its like): it carries the flow
 * of what is inside. 0 of any other packet, and of a fragment.
 */
static __be16 vpe_nvo3_sport(const struct vpe_net *vnet, const struct sk_buff *skb)
{
	const struct udphdr *uh;
	struct udphdr _uh;
	unsigned int i;
	__be16 frag_off;
	int offset;
	u8 proto;

	offset = skb_network_offset(skb);
	if (skb->protocol == htons(ETH_P_IP)) {
		proto = ip_hdr(skb)->protocol;
		frag_off = ip_hdr(skb)->frag_off & htons(IP_MF | IP_OFFSET);
		offset += ip_hdrlen(skb);
	} else {
		proto = ipv6_hdr(skb)->nexthdr;
		offset = ipv6_skip_exthdr(skb, offset + sizeof(struct ipv6hdr), &proto,
					  &frag_off);
	}
	if (proto != IPPROTO_UDP || frag_off || offset < 0)
		return 0;
	uh = skb_header_pointer(skb, offset, sizeof(_uh), &_uh);
	for (i = 0; uh && i < VPE_NVO3_PORTS_MAX; i++)
		if (uh->dest && uh->dest == READ_ONCE(vnet->nvo3_ports[i]))
			return uh->source;
	return 0;
}

static __be16 vpe_hash_port(u32 hash)
{
	return htons(VPE_PORT_FIRST + (hash & VPE_PORT_MASK));
}

/* The DS field of the IP packet at @data. */
static u8 vpe_ds(const u8 *data)
{
	return data[0] >> 4 == 4 ? ipv4_get_dsfield((const struct iphdr *)data) :
				   ipv6_get_dsfield((const struct ipv6hdr *)data);
}

/* The QoS class of a packet that is to be sent in VPE; @ds is its DS field. */
static u8 vpe_tx_class(const struct vpe_net *vnet, const struct sk_buff *skb, u8 ds)
{
	u32 value = ds >> 2;

	if (likely(READ_ONCE(vnet->classes) == 1))
		return 0;
	if (READ_ONCE(vnet->class_source) == VPE_CLASS_SOURCE_PRIORITY)
		value = skb->priority;
	return value < VPE_CLASS_MAP_LEN ? READ_ONCE(vnet->class_map[value]) : 0;
}

/*
 * What chooses among the windows of this CPU. Two flows that share one do not
 * for ever, where the namespace wants that.
 */
static u32 vpe_tx_hash(const struct vpe_net *vnet, u32 hash)
{
	u32 key = READ_ONCE(vnet->flow_key);

	return unlikely(key) ? jhash_1word(hash, key) : hash;
}

/**
 * vpe_output_flow_rekey - give the flows of a namespace other windows
 * @vnet: the namespace
 * @seconds: until that is to be done again; 0: never, and those they began with
 *
 * Only windows of one CPU are chosen among (paper, section 5.1).
 *
 * Context: vpe_sa_mutex held.
 */
void vpe_output_flow_rekey(struct vpe_net *vnet, u32 seconds)
{
	lockdep_assert_held(&vpe_sa_mutex);
	vnet->flow_rekey = seconds;
	vnet->flow_due = jiffies + (unsigned long)seconds * HZ;
	WRITE_ONCE(vnet->flow_key, seconds ? get_random_u32() | 1 : 0);
}

/*
 * What spreads the packet. Of VXLAN and its like the skb's own hash, which is
 * VPE's, is that of what is inside; ESP's is the one that a fabric would see,
 * so that it does not change with the socket's or the device's.
 */
static void vpe_tx_flow(const struct vpe_sa *sa, struct sk_buff *skb,
			struct vpe_flow *flow)
{
	/* The flow dissector asks for the namespace; a packet may have neither. */
	if (!skb->dev && !skb->sk)
		skb->dev = skb_dst(skb)->dev;
	*flow = (struct vpe_flow) {};
	if (!vpe_sa_is_esp(sa)) {
		flow->class = vpe_tx_class(sa->vnet, skb, vpe_ds(skb_network_header(skb)));
		if (sa->ctx->lanes.per_cpu > 1)
			flow->hash = vpe_tx_hash(sa->vnet, skb_get_hash(skb));
		return;
	}
	flow->sport = vpe_nvo3_sport(sa->vnet, skb);
	if (!flow->sport || sa->label)
		flow->hash = skb_get_hash_perturb(skb, &vpe_flow_key);
	flow->sport = flow->sport ?: vpe_hash_port(flow->hash);
}

/* Send a packet through its bundle's SA, which is of ours. */
static int vpe_tx(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct vpe_sa *sa = vpe_sa_of(skb_dst(skb)->xfrm);
	struct vpe_flow flow;
	int err;

	vpe_tx_flow(sa, skb, &flow);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	secpath_reset(skb);

	rcu_read_lock();
	if (!vpe_tx_check_size(sa, skb)) {
		vpe_drop(sa, skb, VPE_A_DROPS_TX_SIZE);
		err = -EMSGSIZE;
	} else if (skb_is_gso(skb)) {
		err = vpe_tx_gso(net, sk, skb, sa, &flow);
	} else {
		err = vpe_tx_or_queue(net, sk, sa, skb, &flow);
	}
	rcu_read_unlock();
	return err;
}

/* After POST_ROUTING, and for each fragment where that was needed. */
static int vpe_output_sized(struct net *net, struct sock *sk,
			    struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	/* Netfilter rerouted it, or another transform follows. */
	if (!vpe_is_ours(dst->xfrm) || xfrm_dst_child(dst)->xfrm)
		return xfrm_output(sk, skb);
	return vpe_tx(net, sk, skb);
}

/*
 * Is what we would make of a packet too big for any IP packet? Then the inner
 * one has to be fragmented.
 */
static bool vpe4_is_huge(const struct sk_buff *skb, const struct xfrm_state *x)
{
	return skb->len + x->props.header_len + x->props.trailer_len > IP_MAX_MTU &&
	       !skb_is_gso(skb);
}

/* The largest inner packet that a clock lets through, bytes; 0: no clock does. */
static u32 vpe_clock_size(const struct xfrm_state *x)
{
	const struct vpe_clock *clock;
	u32 size = 0;

	if (!vpe_is_ours(x) || likely(!rcu_access_pointer(vpe_sa_of(x)->clock)))
		return 0;
	rcu_read_lock();
	clock = rcu_dereference(vpe_sa_of(x)->clock);
	if (clock)
		size = clock->size;
	rcu_read_unlock();
	return size;
}

/* Does IPv4 have to fragment the packet before, and may it? */
static bool vpe4_needs_fragments(struct sk_buff *skb, const struct xfrm_state *x)
{
	u32 size = vpe_clock_size(x);

	if (unlikely(size && skb->len > size) && !skb_is_gso(skb) &&
	    !(ip_hdr(skb)->frag_off & htons(IP_DF))) {
		IPCB(skb)->frag_max_size = size;
		return true;
	}
	return unlikely(vpe4_is_huge(skb, x)) && x->props.mode == XFRM_MODE_TUNNEL;
}

static int vpe4_output_finish(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	struct xfrm_state *x = skb_dst(skb)->xfrm;

	if (!x) {
		IPCB(skb)->flags |= IPSKB_REROUTED;
		return dst_output(net, sk, skb);
	}
	if (vpe4_needs_fragments(skb, x))
		return ip_do_fragment(net, sk, skb, vpe_output_sized);
	return vpe_output_sized(net, sk, skb);
}

static bool vpe6_is_nested_fragment(const struct sk_buff *skb)
{
	const struct frag_hdr *fh;

	if (ipv6_hdr(skb)->nexthdr != NEXTHDR_FRAGMENT)
		return false;
	fh = (const struct frag_hdr *)(skb->data + sizeof(struct ipv6hdr));
	return fh->nexthdr == NEXTHDR_ESP || fh->nexthdr == NEXTHDR_AUTH;
}

/* IPv6 fragments at the source, before encryption (as __xfrm6_output()). */
static int vpe6_output_finish(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	u32 mtu, size;

	if (!skb_dst(skb)->xfrm) {
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
		return dst_output(net, sk, skb);
	}

	mtu = ip6_skb_dst_mtu(skb);
	size = vpe_clock_size(skb_dst(skb)->xfrm);
	if (unlikely(size) && size < mtu) {
		mtu = size;
		IP6CB(skb)->frag_max_size = size;
	}
	if (likely(skb->len <= mtu) || skb_is_gso(skb) ||
	    skb_dst(skb)->xfrm->props.mode != XFRM_MODE_TUNNEL)
		return vpe_output_sized(net, sk, skb);
	if (vpe6_is_nested_fragment(skb)) {
		skb->ignore_df = 1;
		return vpe_output_sized(net, sk, skb);
	}
	if (!skb->ignore_df)
		return vpe_output_sized(net, sk, skb);
	return ip6_fragment(net, sk, skb, vpe_output_sized);
}

/* The output function of bundles that begin with a VPE SA. */
static int vpe_output(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);

	if (dst->ops->family == AF_INET)
		return NF_HOOK_COND(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk,
				    skb, skb->dev, dst->dev, vpe4_output_finish,
				    !(IPCB(skb)->flags & IPSKB_REROUTED));
	return NF_HOOK_COND(NFPROTO_IPV6, NF_INET_POST_ROUTING, net, sk, skb,
			    skb->dev, dst->dev, vpe6_output_finish,
			    !(IP6CB(skb)->flags & IP6SKB_REROUTED));
}

/* Encrypted on xfrm's own path: leave the packet as ESP would. */
static int vpe_core_finish(struct vpe_tx *tx)
{
	struct sk_buff *skb = tx->skb;

	vpe_tx_encrypted(tx);
	*skb_mac_header(skb) = vpe_sa_proto(tx->sa);
	/* No device sees this packet: another transform will encrypt it. */
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)) {
		vpe_count_drop(tx->sa, skb, VPE_A_DROPS_TX_SEGMENT);
		return -EINVAL;
	}
	vpe_tx_sent(tx);
	vpe_count(tx->sa, VPE_A_STATS_TX_CORE, 1);
	vpe_count(tx->sa, VPE_A_STATS_CORE_BYTES, tx->len);
	return 0;
}

static void vpe_core_done(vpe_completion_arg *arg, int err)
{
	struct vpe_op *op = vpe_completion_data(arg);
	struct vpe_tx *tx = (struct vpe_tx *)op->priv;
	struct sk_buff *skb = tx->skb;

	if (err == -EINPROGRESS)
		return;

	if (err)
		vpe_count_drop(tx->sa, skb, VPE_A_DROPS_TX_CRYPTO);
	else
		err = vpe_core_finish(tx);
	vpe_tx_free(op);
	xfrm_output_resume(skb_to_full_sk(skb), skb, err);
}

/**
 * vpe_type_output - encrypt a packet on xfrm's own output path
 * @x: the SA
 * @skb: outer header written, skb->data at the inner packet
 *
 * For bundles of several transforms.
 *
 * Context: RCU read side or a reference to @x, softirqs disabled or not.
 * Return: 0, -EINPROGRESS, or an error upon which xfrm drops the packet.
 */
int vpe_type_output(struct xfrm_state *x, struct sk_buff *skb)
{
	struct vpe_flow flow = { .hash = skb_get_hash_raw(skb) };
	struct vpe_sa *sa = vpe_sa_of(x);
	struct vpe_op *op = NULL;
	struct vpe_room room;
	int err;

	flow.sport = vpe_hash_port(flow.hash);
	if (!vpe_sa_is_esp(sa)) {
		flow.class = vpe_tx_class(sa->vnet, skb, vpe_ds(vpe_sa_is_tunnel(sa) ?
								skb->data :
								skb_network_header(skb)));
		flow.hash = vpe_tx_hash(sa->vnet, flow.hash);
	}
	rcu_read_lock();
	if (unlikely(rcu_access_pointer(sa->clock)))
		err = VPE_A_DROPS_TX_QUEUE;	/* which this path knows not */
	else if (unlikely(vpe_tx_own(sa, skb, &room)))
		err = VPE_A_DROPS_TX_NOMEM;
	else
		err = vpe_tx_seal(sa, skb, &flow, &room, *skb_mac_header(skb),
				  vpe_core_done, &op);
	rcu_read_unlock();
	if (err == -EINPROGRESS)
		return err;

	if (err) {
		vpe_count_drop(sa, skb, err);
		err = -EINVAL;
	} else {
		err = vpe_core_finish((struct vpe_tx *)op->priv);
	}
	vpe_tx_free(op);
	return err;
}

static struct xfrm_state_afinfo vpe_afinfo = {
	.family	= AF_VPE,
	.output	= vpe_output,
};

/**
 * vpe_output_init - give bundles of VPE SAs their output function
 *
 * Return: 0 or an error.
 */
int vpe_output_init(void)
{
	vpe_ip_id_base = get_random_u32();
	get_random_bytes(&vpe_flow_key, sizeof(vpe_flow_key));
	return xfrm_state_register_afinfo(&vpe_afinfo);
}

/**
 * vpe_output_exit - take it away again; no bundle has it any more
 */
void vpe_output_exit(void)
{
	xfrm_state_unregister_afinfo(&vpe_afinfo);
}
