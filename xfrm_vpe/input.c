// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving. We stand first among the handlers of IP protocol 50 and take what
 * is addressed to an SA of ours; all else goes on to xfrm interfaces, VTI and ESP.
 *
 *	SPI -> SA -> window: seen before? -> ICV and decryption ->
 *	window: commit -> decapsulate -> xfrm interfaces -> GRO -> stack
 *
 * No lock or cache line is written by two CPUs on the way, as long as a
 * window's packets reach one CPU; which CPU they reach changes speed only. ESP
 * has one window for all.
 */
#include <linux/module.h>
#include <net/dsfield.h>
#include <net/dst_metadata.h>
#include <net/gro_cells.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/route.h>

#include "trace.h"
#include "vpe.h"

/**
 * struct vpe_rx - a packet being decrypted
 * @sa: its SA
 * @skb: the packet, skb->data at what is decrypted
 * @num: its number and window
 * @pages: where what is not in its head is decrypted to
 * @family: of the outer packet
 * @ds: outer DS field and ECN bits
 * @next: of VPE in transport mode the Next Header
 */
struct vpe_rx {
	struct vpe_sa		*sa;
	struct sk_buff		*skb;
	struct vpe_seq		num;
	struct vpe_pages	pages;
	u16			family;
	u8			ds;
	u8			next;
};

static struct gro_cells vpe_cells;
static struct net_device *vpe_cells_dev;
static struct xfrm4_protocol vpe4_protocol;
static struct xfrm6_protocol vpe6_protocol;

/* Tell the handlers behind us, as xfrm4_rcv_cb() would; negative: drop. */
static int vpe_rx_callbacks(struct sk_buff *skb, u16 family, int err)
{
	struct xfrm6_protocol *h6;
	struct xfrm4_protocol *h4;
	int ret = 0;

	if (family == AF_INET) {
		XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4 = NULL;
		for (h4 = rcu_dereference(vpe4_protocol.next); h4;
		     h4 = rcu_dereference(h4->next)) {
			ret = h4->cb_handler(skb, err);
			if (ret <= 0)
				break;
		}
	} else {
		XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip6 = NULL;
		for (h6 = rcu_dereference(vpe6_protocol.next); h6;
		     h6 = rcu_dereference(h6->next)) {
			ret = h6->cb_handler(skb, err);
			if (ret <= 0)
				break;
		}
	}
	return min(ret, 0);
}

/* An xfrm interface counts the errors of its SAs. */
static void vpe_rx_tell_interface(struct xfrm_state *x, struct sk_buff *skb,
				  u16 family)
{
	struct sec_path *sp;

	if (likely(!READ_ONCE(x->if_id)))
		return;
	sp = secpath_set(skb);
	if (!sp || sp->len == XFRM_MAX_DEPTH ||
	    !refcount_inc_not_zero(&x->refcnt))
		return;
	sp->xvec[sp->len++] = x;
	sp->olen = 0;
	vpe_rx_callbacks(skb, family, -1);
}

static void vpe_rx_drop(struct vpe_sa *sa, struct sk_buff *skb, u16 family,
			unsigned int reason)
{
	vpe_rx_tell_interface(sa->x, skb, family);
	vpe_drop(sa, skb, reason);
}

/*
 * What the first nibble says is inside, as a protocol: 0 is a fill packet's.
 * An error where there is none, or no such packet.
 */
static int vpe_rx_version(struct sk_buff *skb)
{
	if (!pskb_may_pull(skb, 1))
		return -EINVAL;
	switch (skb->data[0] >> 4) {
	case 0:
		return IPPROTO_NONE;
	case 4:
		return IPPROTO_IPIP;
	case 6:
		return IPPROTO_IPV6;
	default:
		return -EINVAL;
	}
}

/*
 * Take ESP's trailer and ICV off. Returns the next header, or an error if the
 * padding is not as it has to be (RFC 4303 section 2.4).
 */
static int vpe_rx_trailer(const struct vpe_sa *sa, struct sk_buff *skb)
{
	unsigned int len = skb->len - sa->icv_len;
	u8 padding[U8_MAX], end[2];	/* length of the padding, next header */

	if (skb_copy_bits(skb, len - sizeof(end), end, sizeof(end)))
		return -EINVAL;
	len -= sizeof(end);
	if (end[0] > len)
		return -EINVAL;
	len -= end[0];
	if (skb_copy_bits(skb, len, padding, end[0]) ||
	    !vpe_esp_padding_holds(padding, end[0]) || pskb_trim(skb, len))
		return -EINVAL;
	return end[1];
}

/*
 * Leave what was sent. Returns its protocol, IPPROTO_NONE if there is nothing
 * in it by intent, or an error.
 */
static int vpe_rx_strip(struct vpe_rx *rx)
{
	int next;

	if (!vpe_sa_is_esp(rx->sa))
		return vpe_sa_is_tunnel(rx->sa) ? vpe_rx_version(rx->skb) : rx->next;
	next = vpe_rx_trailer(rx->sa, rx->skb);
	if (next < 0 || next == IPPROTO_NONE || !vpe_sa_is_tunnel(rx->sa))
		return next;
	return next == vpe_rx_version(rx->skb) ? next : -EINVAL;
}

/* Length of the inner packet by its own header, bytes; 0 if it has none. */
static unsigned int vpe_inner_len(struct sk_buff *skb)
{
	switch (vpe_rx_version(skb)) {
	case IPPROTO_IPIP:
		if (!pskb_may_pull(skb, sizeof(struct iphdr)))
			return 0;
		skb->protocol = htons(ETH_P_IP);
		return ntohs(((struct iphdr *)skb->data)->tot_len);
	case IPPROTO_IPV6:
		if (!pskb_may_pull(skb, sizeof(struct ipv6hdr)))
			return 0;
		skb->protocol = htons(ETH_P_IPV6);
		return sizeof(struct ipv6hdr) +
		       ntohs(((struct ipv6hdr *)skb->data)->payload_len);
	}
	return 0;
}

/* DSCP and ECN as xfrm's tunnels treat them (RFC 2983, RFC 6040). */
static void vpe_decap_ds(struct sk_buff *skb, u8 flags, u8 ds)
{
	u8 dscp = ds & ~INET_ECN_MASK;

	if (skb->protocol == htons(ETH_P_IP)) {
		if (flags & XFRM_STATE_DECAP_DSCP)
			ipv4_change_dsfield(ip_hdr(skb), INET_ECN_MASK, dscp);
		if (!(flags & XFRM_STATE_NOECN) && INET_ECN_is_ce(ds))
			IP_ECN_set_ce(ip_hdr(skb));
	} else {
		if (flags & XFRM_STATE_DECAP_DSCP)
			ipv6_change_dsfield(ipv6_hdr(skb), INET_ECN_MASK, dscp);
		if (!(flags & XFRM_STATE_NOECN) && INET_ECN_is_ce(ds))
			IP6_ECN_set_ce(skb, ipv6_hdr(skb));
	}
}

/* Bytes of IP header before the UDP or ESP header. */
static unsigned int vpe_rx_ip_hlen(const struct vpe_rx *rx)
{
	return skb_network_header_len(rx->skb) -
	       (rx->sa->udp ? sizeof(struct udphdr) : 0);
}

/*
 * Put the IP header before what was decrypted. transport_finish() will do the
 * rest.
 */
static void vpe_decap_transport(struct vpe_rx *rx, u8 next)
{
	unsigned int hlen = vpe_rx_ip_hlen(rx);
	struct sk_buff *skb = rx->skb;

	memmove(skb->data - hlen, skb_network_header(skb), hlen);
	skb_set_network_header(skb, -(int)hlen);
	skb_reset_transport_header(skb);
	if (rx->family == AF_INET)
		ip_hdr(skb)->tot_len = htons(skb->len + hlen);
	else
		ipv6_hdr(skb)->payload_len = htons(skb->len + hlen - sizeof(struct ipv6hdr));
	XFRM_MODE_SKB_CB(skb)->protocol = next;
	/* NAT on the way changes addresses that TCP and UDP sum (RFC 3948, 3.1.2). */
	if (rx->sa->udp)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
}

/* Make the decrypted packet the packet; false if there is none in it. */
static bool vpe_decap_tunnel(struct vpe_rx *rx)
{
	struct sk_buff *skb = rx->skb;
	unsigned int len = vpe_inner_len(skb);

	if (!len)
		return false;
	/* What follows is padding. Too short a packet is IP's to refuse. */
	if (len < skb->len && pskb_trim(skb, len))
		return false;

	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	vpe_decap_ds(skb, rx->sa->x->props.flags, rx->ds);
	skb_mac_header_rebuild(skb);
	if (skb->mac_len)
		eth_hdr(skb)->h_proto = skb->protocol;
	XFRM_MODE_SKB_CB(skb)->protocol = skb->protocol == htons(ETH_P_IP) ?
					  IPPROTO_IPIP : IPPROTO_IPV6;
	return true;
}

static bool vpe_decap(struct vpe_rx *rx, u8 next)
{
	if (vpe_sa_is_tunnel(rx->sa))
		return vpe_decap_tunnel(rx);
	vpe_decap_transport(rx, next);
	return true;
}

/*
 * May the stack put the inner packet, or one inside it, together from pieces
 * that reached several CPUs? A secpath must be the same for all pieces.
 */
static bool vpe_is_piece(const struct vpe_rx *rx)
{
	const struct sk_buff *skb = rx->skb;
	u8 proto;

	if (!vpe_sa_is_tunnel(rx->sa)) {
		proto = XFRM_MODE_SKB_CB(skb)->protocol;
		if (ipv6_ext_hdr(proto))
			return true;
	} else if (skb->protocol == htons(ETH_P_IP)) {
		if (ip_is_fragment(ip_hdr(skb)))
			return true;
		proto = ip_hdr(skb)->protocol;
	} else {
		proto = ipv6_hdr(skb)->nexthdr;
		if (ipv6_ext_hdr(proto))
			return true;
	}
	return proto == IPPROTO_ESP || proto == IPPROTO_AH ||
	       proto == IPPROTO_COMP;
}

/*
 * Note in the decrypted packet which SA it came by. 0, or the reason to drop
 * it.
 */
static unsigned int vpe_rx_secpath(struct vpe_rx *rx)
{
	struct sec_path *sp = secpath_set(rx->skb);
	struct xfrm_state *x;

	if (!sp)
		return VPE_A_DROPS_RX_NOMEM;
	if (sp->len == XFRM_MAX_DEPTH)
		return VPE_A_DROPS_RX_PATH;
	x = vpe_sa_proxy(rx->sa, vpe_is_piece(rx));
	if (!x)
		return VPE_A_DROPS_RX_STATE;
	sp->xvec[sp->len++] = x;
	sp->olen = 0;
	return 0;
}

/* As xfrm_input() does: the packet passes PRE_ROUTING, now in the clear. */
static void vpe_rx_finish_transport(struct vpe_rx *rx)
{
	const struct xfrm_state_afinfo *afinfo = xfrm_state_afinfo_get_rcu(rx->family);

	/*
	 * To say "asynchronous" would have late kernels put the device, which is
	 * ours. With netfilter it makes no other difference.
	 */
	BUILD_BUG_ON(!IS_ENABLED(CONFIG_NETFILTER));
	/* The packet waits in a queue there, beyond this RCU read side. */
	if (skb_dst(rx->skb))
		skb_dst_force(rx->skb);
	afinfo->transport_finish(rx->skb, 0);
}

/* Hand the inner packet to the stack, as xfrm_input() does. */
static void vpe_rx_deliver(struct vpe_rx *rx)
{
	struct sk_buff *skb = rx->skb;
	unsigned int len = skb->len;
	unsigned int reason;

	reason = vpe_rx_secpath(rx);
	if (!reason && vpe_rx_callbacks(skb, rx->family, 0))
		reason = VPE_A_DROPS_RX_PATH;
	if (unlikely(reason)) {
		vpe_rx_drop(rx->sa, skb, rx->family, reason);
		return;
	}
	vpe_count(rx->sa, VPE_A_STATS_RX_PACKETS, 1);
	vpe_count(rx->sa, VPE_A_STATS_RX_BYTES, len);

	nf_reset_ct(skb);
	if (!vpe_sa_is_tunnel(rx->sa)) {
		vpe_rx_finish_transport(rx);
		return;
	}
	if (skb_valid_dst(skb))
		skb_dst_drop(skb);
	gro_cells_receive(&vpe_cells, skb);
}

/* Count by how far behind its window's highest number a packet is. */
static void vpe_rx_late(struct vpe_sa *sa, struct vpe_window *w, u64 seq, bool refused)
{
	u64 top = READ_ONCE(w->top);
	unsigned int n;

	if (likely(seq >= top))
		return;
	n = min_t(unsigned int, ilog2(top - seq), VPE_LATE_MAX - 1);
	this_cpu_inc(sa->cpu->counters.late[refused][n]);
	vpe_window_late(w, n, refused);
}

/* Its window @w refused a packet. Returns the reason to drop it. */
static unsigned int vpe_rx_refuse(struct vpe_sa *sa, struct vpe_window *w,
				  enum vpe_verdict verdict, const struct vpe_seq *num,
				  const struct sk_buff *skb)
{
	vpe_window_refused(w, verdict);
	vpe_rx_late(sa, w, num->seq, true);
	if (verdict == VPE_REPLAY)
		return VPE_A_DROPS_RX_REPLAY;
	if (verdict == VPE_OLD)
		return VPE_A_DROPS_RX_OLD;
	vpe_notify(sa, VPE_EVENT_KIND_BEHIND, num->window, num->seq, skb);
	return VPE_A_DROPS_RX_BEHIND;
}

/* The outer source address; IPv4 in the first word. */
static void vpe_rx_source(const struct sk_buff *skb, u16 family, u64 source[2])
{
	if (family == AF_INET) {
		source[0] = (__force u32)ip_hdr(skb)->saddr;
		source[1] = 0;
	} else {
		memcpy(source, &ipv6_hdr(skb)->saddr, sizeof(ipv6_hdr(skb)->saddr));
	}
}

/* Of a group: did the sender's packets come from elsewhere until now? */
static void vpe_rx_watch(struct vpe_rx *rx)
{
	u64 source[2];

	vpe_rx_source(rx->skb, rx->family, source);
	if (likely(!vpe_context_moved(rx->sa->ctx, rx->num.window, source)))
		return;
	vpe_count(rx->sa, VPE_A_STATS_RX_MOVED, 1);
	net_warn_ratelimited("vpe: SPI 0x%08x: Sender ID %u sends from two addresses: two hosts may have it\n",
			     ntohl(rx->sa->spi), rx->num.window >> 16);
	vpe_notify(rx->sa, VPE_EVENT_KIND_MOVED, rx->num.window, rx->num.seq, rx->skb);
}

/* Where steering changed, a window moves with its first packet. */
static void vpe_rx_elsewhere(struct vpe_rx *rx, struct vpe_window *w)
{
	vpe_count(rx->sa, VPE_A_STATS_RX_ELSEWHERE, 1);
	if (vpe_steer_is_home(rx->sa, rx->num.window))
		WRITE_ONCE(w->cpu, smp_processor_id());
}

/* The number of an authenticated packet, once. 0, or the reason to drop. */
static unsigned int vpe_rx_commit(struct vpe_rx *rx)
{
	struct vpe_context *ctx = rx->sa->ctx;
	enum vpe_verdict verdict;
	struct vpe_window *w;

	verdict = vpe_context_commit(ctx, rx->num.window, rx->num.seq,
				     rx->skb->len - rx->sa->icv_len, &w);
	switch (verdict) {
	case VPE_FRESH:
		break;
	case VPE_REPLAY:
	case VPE_OLD:
	case VPE_BEHIND:
		if (!w)
			return VPE_A_DROPS_RX_OLD;
		return vpe_rx_refuse(rx->sa, w, verdict, &rx->num, rx->skb);
	case VPE_NO_ROOM:
		net_warn_ratelimited("vpe: bound of receive windows reached, packet of SPI 0x%08x dropped\n",
				     ntohl(rx->sa->spi));
		vpe_notify(rx->sa, VPE_EVENT_KIND_BOUND, rx->num.window, rx->num.seq,
			   rx->skb);
		return VPE_A_DROPS_RX_WINDOWS;
	case VPE_NO_MEM:
		return VPE_A_DROPS_RX_NOMEM;
	}

	if (unlikely(!w)) {
		trace_vpe_new_window(rx->sa, rx->num.window, rx->num.seq,
				     rx->skb->len);
		vpe_notify(rx->sa, VPE_EVENT_KIND_NEW_WINDOW, rx->num.window,
			   rx->num.seq, rx->skb);
	} else {
		if (unlikely(READ_ONCE(w->cpu) != smp_processor_id()))
			vpe_rx_elsewhere(rx, w);
		vpe_rx_late(rx->sa, w, rx->num.seq, false);
	}
	if (rx->sa->group)
		vpe_rx_watch(rx);
	trace_vpe_accept(rx->sa, rx->num.window, rx->num.seq, rx->skb->len);
	return 0;
}

/* What became of a packet in the cipher and its window: 0 or why to drop it. */
static unsigned int vpe_rx_opened(struct vpe_rx *rx, int err)
{
	if (likely(!err)) {
		vpe_pages_use(&rx->pages, rx->skb);
		return vpe_rx_commit(rx);
	}
	if (err == -ENOMEM)
		return VPE_A_DROPS_RX_NOMEM;
	return err == -EBADMSG ? VPE_A_DROPS_RX_AUTH : VPE_A_DROPS_RX_CRYPTO;
}

static void vpe_rx_free(struct vpe_op *op)
{
	vpe_pages_free(&((struct vpe_rx *)op->priv)->pages);
	vpe_op_free(op);
}

/* Decryption is through, with @err. RCU read side, softirqs disabled. */
static void vpe_rx_finish(struct vpe_rx *rx, int err)
{
	unsigned int reason = vpe_rx_opened(rx, err);
	int next;

	if (unlikely(reason))
		goto drop;
	next = vpe_rx_strip(rx);
	if (next == IPPROTO_NONE) {
		vpe_count(rx->sa, VPE_A_STATS_RX_FILL, 1);
		consume_skb(rx->skb);
		return;
	}
	reason = VPE_A_DROPS_RX_INNER;
	if (next < 0 || !vpe_decap(rx, next))
		goto drop;
	vpe_rx_deliver(rx);
	return;

drop:
	vpe_rx_drop(rx->sa, rx->skb, rx->family, reason);
}

static void vpe_rx_done(vpe_completion_arg *arg, int err)
{
	struct vpe_op *op = vpe_completion_data(arg);
	struct vpe_rx *rx = (struct vpe_rx *)op->priv;
	struct net_device *dev = rx->skb->dev;
	struct vpe_sa *sa = rx->sa;

	if (err == -EINPROGRESS)
		return;

	local_bh_disable();
	rcu_read_lock();
	vpe_rx_finish(rx, err);
	rcu_read_unlock();
	local_bh_enable();

	vpe_rx_free(op);
	dev_put(dev);
	percpu_ref_put(&sa->inflight);
}

/*
 * Decrypt. *@opp is what to free when that is through, NULL without memory.
 * Returns 0, -EINPROGRESS, or an error of the cipher's.
 */
static int vpe_rx_open(struct vpe_sa *sa, struct sk_buff *skb, u16 family,
		       const struct vpe_seq *num, crypto_completion_t done,
		       struct vpe_op **opp)
{
	struct vpe_rx *rx;
	struct vpe_op *op;
	int nents, err;
	void *hdr;

	*opp = NULL;
	/* Somebody else may look at its head, too. */
	err = skb_unclone(skb, GFP_ATOMIC);
	if (err)
		return err;
	hdr = skb->data;
	skb->ip_summed = CHECKSUM_NONE;
	__skb_pull(skb, vpe_sa_format(sa)->hlen);
	op = vpe_pages_op(sa, skb, sizeof(*rx), 0);
	if (!op)
		return -ENOMEM;
	*opp = op;

	rx = (struct vpe_rx *)op->priv;
	rx->sa = sa;
	rx->skb = skb;
	rx->num = *num;
	rx->family = family;
	rx->ds = family == AF_INET ? ipv4_get_dsfield(ip_hdr(skb)) :
				     ipv6_get_dsfield(ipv6_hdr(skb));

	if (!vpe_sa_is_esp(sa))
		rx->next = le16_to_cpu(vpe_hdr_iv(hdr, sa->layout)->sender_id);
	nents = vpe_pages_map(&rx->pages, op, skb, 0);
	if (nents < 0)
		return nents;
	err = vpe_op_open(op, hdr, num->seq, nents, skb->len - sa->icv_len, done);
	if (err == -EINPROGRESS)
		vpe_count(sa, VPE_A_STATS_RX_ASYNC, 1);
	return err;
}

/* Decrypt and deliver; consumes @skb. */
static void vpe_rx_receive(struct vpe_sa *sa, struct sk_buff *skb, u16 family,
			   const struct vpe_seq *num)
{
	struct net_device *dev = skb->dev;
	struct vpe_op *op;
	int err;

	if (sa->async) {
		dev_hold(dev);
		percpu_ref_get(&sa->inflight);
		if (skb_dst(skb))
			skb_dst_force(skb);
	}
	err = vpe_rx_open(sa, skb, family, num, vpe_rx_done, &op);
	if (err == -EINPROGRESS)
		return;
	if (op) {
		vpe_rx_finish((struct vpe_rx *)op->priv, err);
		vpe_rx_free(op);
	} else {
		vpe_rx_drop(sa, skb, family, VPE_A_DROPS_RX_NOMEM);
	}
	if (sa->async) {
		percpu_ref_put(&sa->inflight);
		dev_put(dev);
	}
}

/*
 * Is the packet in UDP where it should be, and to the SA's port? From any: NAT
 * and entropy change that. The UDP header was taken off, but is there.
 */
static bool vpe_rx_encap_is(const struct vpe_sa *sa, const struct sk_buff *skb,
			    int encap_type)
{
	const struct udphdr *uh;

	if (likely(!sa->udp))
		return !encap_type;
	if (encap_type != UDP_ENCAP_ESPINUDP)
		return false;
	uh = (const struct udphdr *)(skb_transport_header(skb) - sizeof(*uh));
	return uh->dest == READ_ONCE(sa->x->encap->encap_dport);
}

/*
 * Sender ID << 16 | Window ID of a packet whose header was pulled. What stands
 * for the Sender ID in transport mode tells no windows apart.
 */
static u32 vpe_rx_window(const struct vpe_sa *sa, const struct sk_buff *skb)
{
	u32 window;

	if (vpe_sa_is_esp(sa))
		return 0;
	window = vpe_iv_window(vpe_hdr_iv((const struct vpe_hdr *)skb->data, sa->layout));
	return vpe_sa_is_tunnel(sa) ? window : window & 0xffff;
}

/* Is what stands for the Sender ID something that this SA takes? */
static bool vpe_rx_sender_is(const struct vpe_sa *sa, u16 sender)
{
	if (!vpe_sa_is_tunnel(sa))
		return sender <= U8_MAX;
	return sa->group ? sender : !sender;
}

/* The number and window of a packet. 0, or the reason to drop it. */
static unsigned int vpe_rx_parse(const struct vpe_sa *sa, const struct sk_buff *skb,
				 struct vpe_seq *num)
{
	const struct vpe_esp_hdr *esp;
	const struct vpe_iv *iv;

	num->window = vpe_rx_window(sa, skb);
	if (vpe_sa_is_esp(sa)) {
		esp = (const struct vpe_esp_hdr *)skb->data;
		num->seq = vpe_context_infer(sa->ctx, ntohl(esp->seq));
		return 0;
	}
	iv = vpe_hdr_iv((const struct vpe_hdr *)skb->data, sa->layout);
	num->seq = le64_to_cpu(iv->seq);
	if (!vpe_rx_sender_is(sa, le16_to_cpu(iv->sender_id)))
		return VPE_A_DROPS_RX_SENDER;
	/* A member that only receives has 0, which nobody sends. */
	if (unlikely(sa->group && num->window >> 16 == sa->ctx->lanes.sender))
		return VPE_A_DROPS_RX_REFLECTED;
	return 0;
}

/* Was the number seen? 0, or the reason to drop the packet. */
static unsigned int vpe_rx_check(struct vpe_sa *sa, const struct vpe_seq *num,
				 const struct sk_buff *skb)
{
	struct vpe_window *w = vpe_context_window(sa->ctx, num->window);
	enum vpe_verdict verdict;

	if (!w)
		return vpe_sa_is_esp(sa) && num->seq <= READ_ONCE(sa->ctx->closed) ?
		       VPE_A_DROPS_RX_OLD : 0;
	verdict = vpe_window_check(w, num->seq);
	if (verdict == VPE_FRESH)
		return 0;
	return vpe_rx_refuse(sa, w, verdict, num, skb);
}

/**
 * vpe_input_window_size - the size of an SA's receive windows
 * @sa: the SA
 *
 * What a context has begun with it keeps.
 *
 * Return: packets, a power of two.
 */
unsigned int vpe_input_window_size(const struct vpe_sa *sa)
{
	const struct xfrm_replay_state_esn *esn = sa->x->replay_esn;

	if (likely(vpe_context_has_windows(sa->ctx)))
		return READ_ONCE(sa->ctx->window_size);
	return vpe_window_round(esn ? esn->replay_window :
				      sa->x->props.replay_window);
}

/*
 * xfrm attaches replay attributes after it made an SA, and XFRM_MSG_NEWAE may
 * change them. What they are when the first packet authenticates is used.
 */
static void vpe_rx_settle(struct vpe_sa *sa)
{
	struct vpe_context *ctx = sa->ctx;

	if (likely(vpe_context_has_windows(ctx)))
		return;
	WRITE_ONCE(ctx->closed, vpe_sa_replay(sa->x).seq);
	WRITE_ONCE(ctx->window_size, vpe_input_window_size(sa));
}

/**
 * vpe_input_close - refuse all up to a number from now on
 * @sa: SA of VPE
 * @window: Sender ID << 16 | Window ID, host order
 * @seq: the number
 *
 * Context: process, RCU read side.
 * Return: %VPE_FRESH, or why there is no room for a new window.
 */
enum vpe_verdict vpe_input_close(struct vpe_sa *sa, u32 window, u64 seq)
{
	enum vpe_verdict verdict;

	local_bh_disable();
	vpe_rx_settle(sa);
	verdict = vpe_context_close(sa->ctx, window, seq);
	local_bh_enable();
	return verdict;
}

/* The least that is a packet of the SA's: ESP's has a trailer, at least. */
static unsigned int vpe_rx_min_len(const struct vpe_sa *sa)
{
	return vpe_sa_format(sa)->hlen +
	       (vpe_sa_is_esp(sa) ? vpe_esp_trailer_len(0) + sa->icv_len : 0);
}

/*
 * Is it worth decrypting? 0 and the packet's number, or the reason to drop.
 */
static unsigned int vpe_rx_precheck(struct vpe_sa *sa, struct sk_buff *skb,
				    int encap_type, struct vpe_seq *num)
{
	unsigned int reason;

	if (skb->len < vpe_rx_min_len(sa) || !pskb_may_pull(skb, vpe_sa_format(sa)->hlen))
		return VPE_A_DROPS_RX_SHORT;
	if (READ_ONCE(sa->x->km.state) != XFRM_STATE_VALID ||
	    vpe_xfrm_is_out(sa->x))
		return VPE_A_DROPS_RX_STATE;
	if (!vpe_rx_encap_is(sa, skb, encap_type))
		return VPE_A_DROPS_RX_ENCAP;

	vpe_rx_settle(sa);
	reason = vpe_rx_parse(sa, skb, num);
	return reason ?: vpe_rx_check(sa, num, skb);
}

/**
 * vpe_input_steered - receive a packet on the CPU it is on
 * @sa: its SA
 * @skb: the packet, at its VPE or ESP header; consumed
 * @family: of the outer packet
 * @encap_type: UDP_ENCAP_*, 0 without
 *
 * Context: softirqs disabled, RCU read side.
 */
void vpe_input_steered(struct vpe_sa *sa, struct sk_buff *skb, u16 family, int encap_type)
{
	struct vpe_seq num;
	unsigned int reason = vpe_rx_precheck(sa, skb, encap_type, &num);

	if (unlikely(reason)) {
		vpe_rx_drop(sa, skb, family, reason);
		return;
	}
	skb->mark = xfrm_smark_get(skb->mark, sa->x);
	vpe_rx_receive(sa, skb, family, &num);
}

/* Receive a packet here, or on the CPU that it is steered to. */
static void vpe_rx(struct vpe_sa *sa, struct sk_buff *skb, u16 family, int encap_type)
{
	int ret = 1;

	/* Too short a packet is refused here. */
	if (unlikely(rcu_access_pointer(sa->vnet->steering)) &&
	    pskb_may_pull(skb, vpe_sa_format(sa)->hlen))
		ret = vpe_steer(sa, skb, vpe_rx_window(sa, skb), family, encap_type);
	if (likely(ret > 0))
		vpe_input_steered(sa, skb, family, encap_type);
	else if (!ret)
		vpe_count(sa, VPE_A_STATS_RX_STEERED, 1);
	else
		vpe_rx_drop(sa, skb, family, VPE_A_DROPS_RX_QUEUE);
}

/* Returns -EINVAL if the packet is not ours: the next handler's turn. */
static int vpe_handle(struct sk_buff *skb, u16 family, int encap_type)
{
	const xfrm_address_t *daddr;
	struct vpe_sa *sa;
	int ret = -EINVAL;

	if (!vpe_sa_any())
		return ret;
	daddr = family == AF_INET ?
		(const xfrm_address_t *)&ip_hdr(skb)->daddr :
		(const xfrm_address_t *)&ipv6_hdr(skb)->daddr;

	rcu_read_lock();
	sa = vpe_sa_of_packet(dev_net(skb->dev), skb, 0, daddr, family);
	if (sa) {
		vpe_rx(sa, skb, family, encap_type);
		ret = 0;
	}
	rcu_read_unlock();
	return ret;
}

static int vpe4_handler(struct sk_buff *skb)
{
	return vpe_handle(skb, AF_INET, 0);
}

static int vpe4_input_handler(struct sk_buff *skb, int nexthdr, __be32 spi,
			      int encap_type)
{
	return vpe_handle(skb, AF_INET, encap_type);
}

static int vpe6_handler(struct sk_buff *skb)
{
	return vpe_handle(skb, AF_INET6, 0);
}

static int vpe6_input_handler(struct sk_buff *skb, int nexthdr, __be32 spi,
			      int encap_type)
{
	return vpe_handle(skb, AF_INET6, encap_type);
}

/* Asked about other handlers' packets: let them go on. */
static int vpe_cb_handler(struct sk_buff *skb, int err)
{
	return 1;
}

/*
 * Is an ICMP error about a packet in layout ares? For the others esp4 and esp6
 * find our SAs: their SPI is where ESP's is.
 */
static bool vpe_err_is_ours(const struct sk_buff *skb, unsigned int offset,
			    const void *daddr, u16 family)
{
	struct vpe_sa *sa;

	if (!vpe_sa_any())
		return false;
	sa = vpe_sa_of_packet(dev_net(skb->dev), skb, offset, daddr, family);
	return sa && sa->layout == VPE_ARES;
}

/**
 * vpe4_icmp - do what an ICMP error asks for, as esp4_err()
 * @skb: the error, skb->data at the IP header of our packet in it
 * @info: of it
 * @proto: IP protocol of our packet
 *
 * Context: RCU read side.
 */
void vpe4_icmp(struct sk_buff *skb, u32 info, u8 proto)
{
	const struct icmphdr *icmph = (const struct icmphdr *)(skb->data - sizeof(*icmph));
	struct net *net = dev_net(skb->dev);

	if (icmph->type == ICMP_DEST_UNREACH && icmph->code == ICMP_FRAG_NEEDED)
		ipv4_update_pmtu(skb, net, info, 0, proto);
	else if (icmph->type == ICMP_REDIRECT)
		ipv4_redirect(skb, net, 0, proto);
}

/**
 * vpe6_icmp - do what an ICMPv6 error asks for, as esp6_err()
 * @skb: the error, skb->data at the IPv6 header of our packet in it
 * @type: of the error
 * @info: of it, network order
 *
 * Context: RCU read side.
 */
void vpe6_icmp(struct sk_buff *skb, u8 type, __be32 info)
{
	struct net *net = dev_net(skb->dev);
	kuid_t uid = sock_net_uid(net, NULL);

	if (type == ICMPV6_PKT_TOOBIG)
		ip6_update_pmtu(skb, net, info, 0, 0, uid);
	else if (type == NDISC_REDIRECT)
		ip6_redirect(skb, net, skb->dev->ifindex, 0, uid);
}

static int vpe4_err_handler(struct sk_buff *skb, u32 info)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;

	if (!vpe_err_is_ours(skb, iph->ihl * 4, &iph->daddr, AF_INET))
		return -ENOENT;
	vpe4_icmp(skb, info, IPPROTO_ESP);
	return 0;
}

static int vpe6_err_handler(struct sk_buff *skb, struct inet6_skb_parm *opt,
			    u8 type, u8 code, int offset, __be32 info)
{
	const struct ipv6hdr *ip6h = (const struct ipv6hdr *)skb->data;

	if (!vpe_err_is_ours(skb, offset, &ip6h->daddr, AF_INET6))
		return -ENOENT;
	vpe6_icmp(skb, type, info);
	return 0;
}

static struct xfrm4_protocol vpe4_protocol = {
	.handler	= vpe4_handler,
	.input_handler	= vpe4_input_handler,
	.cb_handler	= vpe_cb_handler,
	.err_handler	= vpe4_err_handler,
	.priority	= 1000,
};

static struct xfrm6_protocol vpe6_protocol = {
	.handler	= vpe6_handler,
	.input_handler	= vpe6_input_handler,
	.cb_handler	= vpe_cb_handler,
	.err_handler	= vpe6_err_handler,
	.priority	= 1000,
};

/* Decrypted on xfrm's own path: the inner protocol, or an error to drop it. */
static int vpe_core_finish(struct vpe_rx *rx, int err)
{
	unsigned int reason = vpe_rx_opened(rx, err);
	struct sk_buff *skb = rx->skb;
	int next;

	if (reason)
		goto drop;
	next = vpe_rx_strip(rx);
	if (next == IPPROTO_NONE) {
		vpe_count(rx->sa, VPE_A_STATS_RX_FILL, 1);
		return -EINVAL;
	}
	reason = VPE_A_DROPS_RX_INNER;
	if (next < 0)
		goto drop;

	if (vpe_sa_is_tunnel(rx->sa))
		skb_reset_transport_header(skb);
	else
		skb_set_transport_header(skb, -(int)vpe_rx_ip_hlen(rx));
	vpe_count(rx->sa, VPE_A_STATS_RX_PACKETS, 1);
	vpe_count(rx->sa, VPE_A_STATS_RX_BYTES, skb->len);
	vpe_count(rx->sa, VPE_A_STATS_RX_CORE, 1);
	vpe_count(rx->sa, VPE_A_STATS_CORE_BYTES, skb->len);
	return next;

drop:
	/* -EBADMSG would have xfrm count and report it once more. */
	vpe_count_drop(rx->sa, skb, reason);
	return -EINVAL;
}

static void vpe_core_done(vpe_completion_arg *arg, int err)
{
	struct vpe_op *op = vpe_completion_data(arg);
	struct vpe_rx *rx = (struct vpe_rx *)op->priv;
	struct sk_buff *skb = rx->skb;

	if (err == -EINPROGRESS)
		return;

	local_bh_disable();
	rcu_read_lock();
	err = vpe_core_finish(rx, err);
	vpe_rx_free(op);
	xfrm_input_resume(skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * vpe_type_input - decrypt a packet on xfrm's own input path
 * @x: the SA
 * @skb: the packet, at the VPE header
 *
 * For VPE inside another transform's transport mode: xfrm goes on there by
 * itself. It has taken the Sender and Window ID for a sequence number, which
 * does no harm as long as the SA has no replay window of xfrm's (replay-window
 * not given: ours has the default size then).
 *
 * Context: softirqs disabled; xfrm holds @x.
 * Return: the inner protocol, -EINPROGRESS, or an error upon which xfrm drops
 * the packet.
 */
int vpe_type_input(struct xfrm_state *x, struct sk_buff *skb)
{
	struct vpe_sa *sa = vpe_sa_of(x);
	unsigned int reason;
	struct vpe_seq num;
	struct vpe_op *op;
	int err;

	reason = vpe_rx_precheck(sa, skb, 0, &num);
	if (reason) {
		vpe_count_drop(sa, skb, reason);
		return -EINVAL;
	}
	err = vpe_rx_open(sa, skb, x->props.family, &num, vpe_core_done, &op);
	if (err == -EINPROGRESS)
		return err;
	if (!op) {
		vpe_count_drop(sa, skb, VPE_A_DROPS_RX_NOMEM);
		return err;
	}
	err = vpe_core_finish((struct vpe_rx *)op->priv, err);
	vpe_rx_free(op);
	return err;
}

static int vpe_cells_init(void)
{
	int err;

	vpe_cells_dev = alloc_netdev_dummy(0);
	if (!vpe_cells_dev)
		return -ENOMEM;
	err = gro_cells_init(&vpe_cells, vpe_cells_dev);
	if (err)
		vpe_free_netdev_dummy(vpe_cells_dev);
	return err;
}

static void vpe_cells_exit(void)
{
	gro_cells_destroy(&vpe_cells);
	vpe_free_netdev_dummy(vpe_cells_dev);
}

/**
 * vpe_input_init - take a place before the other handlers
 *
 * Return: 0 or an error.
 */
int vpe_input_init(void)
{
	int err;

	err = vpe_cells_init();
	if (err)
		return err;
	err = vpe_steer_init(vpe_cells_dev);
	if (err)
		goto err_cells;
	err = xfrm4_protocol_register(&vpe4_protocol, IPPROTO_ESP);
	if (err)
		goto err_steer;
	err = xfrm6_protocol_register(&vpe6_protocol, IPPROTO_ESP);
	if (err)
		goto err_v4;
	return 0;

err_v4:
	xfrm4_protocol_deregister(&vpe4_protocol, IPPROTO_ESP);
err_steer:
	vpe_steer_exit();
err_cells:
	vpe_cells_exit();
	return err;
}

/**
 * vpe_input_exit - leave that place
 *
 * Context: process, sleeps.
 */
void vpe_input_exit(void)
{
	xfrm6_protocol_deregister(&vpe6_protocol, IPPROTO_ESP);
	xfrm4_protocol_deregister(&vpe4_protocol, IPPROTO_ESP);
	vpe_steer_exit();
	vpe_cells_exit();
}
