// SPDX-License-Identifier: GPL-2.0
/*
 * VPE and ESP in UDP (RFC 3948). In VPE each window has a source port of its
 * own, so that the fabric and receive-side scaling spread the packets of one
 * SA, and yet all of one window take one path. In ESP with entropy the port is
 * that of the flow inside.
 *
 * Receiving takes a socket that hands packets on to IPsec: an IKE daemon's, or
 * one that "ip xfrm vpe listen" makes, here. From either a packet comes to
 * vpe4_input_handler() without its UDP header. ICMP errors for what we sent
 * find no socket, as a window's port is nobody's: UDP then asks the handlers of
 * IP tunnels, in iptun_encaps[], of which we are one.
 *
 * Locks: vpe_listen_mutex guards the lists of sockets.
 */
#include <linux/icmp.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <net/icmp.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ip6_tunnel.h>
#include <net/ip_tunnels.h>
#include <net/ndisc.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include "vpe.h"

/* The last of the slots, of which FOU and GUE have the first. */
#define VPE_ENCAP_SLOT		(MAX_IPTUN_ENCAP_OPS - 1)

#define VPE_KEEPALIVE		0xff	/* RFC 3948, section 2.3 */

DEFINE_MUTEX(vpe_listen_mutex);		/* vpe_net.listens */

/* Sum, or say that there is none. The packet need not be encrypted yet. */
static void vpe_udp_checksum(const struct vpe_sa *sa, struct sk_buff *skb,
			     unsigned int len)
{
	const struct vpe_net *vnet = sa->vnet;

	if (sa->x->props.family == AF_INET)
		udp_set_csum(!READ_ONCE(vnet->udp_csum), skb, ip_hdr(skb)->saddr,
			     ip_hdr(skb)->daddr, len);
	else
		udp6_set_csum(READ_ONCE(vnet->udp6_zero_csum_tx), skb,
			      &ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr, len);
}

/**
 * vpe_udp_push - write the UDP header of a packet
 * @sa: its SA
 * @skb: the packet, network and transport header set to the outer ones,
 *	skb->data at the inner packet
 * @sport: source port
 * @more: bytes that will follow what is in the packet
 *
 * Context: RCU read side.
 */
void vpe_udp_push(const struct vpe_sa *sa, struct sk_buff *skb, __be16 sport,
		  unsigned int more)
{
	unsigned int len = skb->len - skb_transport_offset(skb) + more;
	struct udphdr *uh = udp_hdr(skb);

	uh->source = sport;
	/* xfrm_state_update() may be changing it. */
	uh->dest = READ_ONCE(sa->x->encap->encap_dport);
	uh->len = htons(len);
	vpe_udp_checksum(sa, skb, len);
}

static void vpe_listen_count(struct sock *sk, unsigned int what)
{
	struct vpe_listen *listen = rcu_dereference_sk_user_data(sk);

	if (listen)
		atomic64_inc(&listen->stat[what]);
}

/*
 * Take the UDP header off, if what follows is ESP or VPE. All else, for which
 * nobody reads this socket, is dropped and counted: false.
 */
static bool vpe_udp_filter(struct sock *sk, struct sk_buff *skb)
{
	unsigned int len = skb->len - sizeof(struct udphdr);
	unsigned int what;
	const __be32 *word;
	const u8 *byte;
	__be32 _word;
	u8 _byte;

	byte = skb_header_pointer(skb, sizeof(struct udphdr), 1, &_byte);
	word = skb_header_pointer(skb, sizeof(struct udphdr), 4, &_word);
	if (len == 1 && byte && *byte == VPE_KEEPALIVE)
		what = VPE_A_LISTEN_KEEPALIVE;
	else if (word && !*word)
		what = VPE_A_LISTEN_MARKER;
	else if (len <= sizeof(struct ip_esp_hdr))
		what = VPE_A_LISTEN_SHORT;
	else if (skb_unclone(skb, GFP_ATOMIC))
		what = VPE_A_LISTEN_NOMEM;
	else
		goto good;

	vpe_listen_count(sk, what);
	kfree_skb(skb);
	return false;

good:
	__skb_pull(skb, sizeof(struct udphdr));
	skb_reset_transport_header(skb);
	return true;
}

/*
 * As xfrm4_udp_encap_rcv() and xfrm6_udp_encap_rcv(), the latter of which
 * modules cannot call.
 */
static int vpe4_udp_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct iphdr *iph;

	if (!vpe_udp_filter(sk, skb))
		return 0;
	iph = ip_hdr(skb);
	iph->tot_len = htons(ntohs(iph->tot_len) - sizeof(struct udphdr));
	return xfrm4_rcv_encap(skb, IPPROTO_ESP, 0, UDP_ENCAP_ESPINUDP);
}

static int vpe6_udp_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct ipv6hdr *ip6h;

	if (!vpe_udp_filter(sk, skb))
		return 0;
	ip6h = ipv6_hdr(skb);
	ip6h->payload_len = htons(ntohs(ip6h->payload_len) - sizeof(struct udphdr));
	return xfrm6_rcv_encap(skb, IPPROTO_ESP, 0, UDP_ENCAP_ESPINUDP);
}

static int vpe_listen_open(struct net *net, struct vpe_listen *listen,
			   u16 family, struct socket **sock)
{
	struct udp_port_cfg port = {
		.family = family,
		.local_udp_port = htons(listen->port),
		.use_udp6_rx_checksums = !listen->zero_csum6_rx,
		.ipv6_v6only = true,
	};
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = listen,
		.encap_type = UDP_ENCAP_ESPINUDP,
		.encap_rcv = family == AF_INET ? vpe4_udp_rcv : vpe6_udp_rcv,
	};
	int err;

	err = udp_sock_create(net, &port, sock);
	if (err) {
		*sock = NULL;
		return err;
	}
	setup_udp_tunnel_sock(net, vpe_tunnel_sock(*sock), &cfg);
	return 0;
}

static void vpe_listen_close(struct vpe_listen *listen)
{
	if (listen->sock4)
		udp_tunnel_sock_release(vpe_tunnel_sock(listen->sock4));
	if (listen->sock6)
		udp_tunnel_sock_release(vpe_tunnel_sock(listen->sock6));
	kfree_rcu(listen, rcu);
}

/**
 * vpe_listen_find - the sockets of a port
 * @vnet: network namespace
 * @port: UDP port, host order
 *
 * Context: vpe_listen_mutex held.
 * Return: them, or NULL.
 */
struct vpe_listen *vpe_listen_find(struct vpe_net *vnet, u16 port)
{
	struct vpe_listen *listen;

	lockdep_assert_held(&vpe_listen_mutex);
	list_for_each_entry(listen, &vnet->listens, list)
		if (listen->port == port)
			return listen;
	return NULL;
}

/**
 * vpe_listen_add - have a port's ESP and VPE packets handed to IPsec
 * @net: network namespace
 * @port: UDP port, host order
 * @zero_csum6_rx: take packets without a checksum in IPv6, too (RFC 6935)
 *
 * Context: process, sleeps; vpe_listen_mutex held.
 * Return: 0, -EADDRINUSE if the port is somebody's, or another error.
 */
int vpe_listen_add(struct net *net, u16 port, bool zero_csum6_rx)
{
	struct vpe_listen *listen = kzalloc(sizeof(*listen), GFP_KERNEL);
	int err;

	lockdep_assert_held(&vpe_listen_mutex);
	if (!listen)
		return -ENOMEM;
	listen->port = port;
	listen->zero_csum6_rx = zero_csum6_rx;
	err = vpe_listen_open(net, listen, AF_INET, &listen->sock4);
	if (!err)
		err = vpe_listen_open(net, listen, AF_INET6, &listen->sock6);
	/* A host may do without IPv6. */
	if (err == -EAFNOSUPPORT || err == -EPFNOSUPPORT)
		err = 0;
	if (err) {
		vpe_listen_close(listen);
		return err;
	}
	list_add_tail(&listen->list, &vpe_pernet(net)->listens);
	return 0;
}

/**
 * vpe_listen_del - give a port back
 * @listen: its sockets
 *
 * Context: process, sleeps; vpe_listen_mutex held.
 */
void vpe_listen_del(struct vpe_listen *listen)
{
	lockdep_assert_held(&vpe_listen_mutex);
	list_del(&listen->list);
	vpe_listen_close(listen);
}

/**
 * vpe_listen_flush - give all ports of a namespace back
 * @vnet: the namespace
 *
 * Context: process, sleeps.
 */
void vpe_listen_flush(struct vpe_net *vnet)
{
	struct vpe_listen *listen, *next;

	mutex_lock(&vpe_listen_mutex);
	list_for_each_entry_safe(listen, next, &vnet->listens, list)
		vpe_listen_del(listen);
	mutex_unlock(&vpe_listen_mutex);
}

/*
 * ICMP errors about packets of ours. skb->data is at the outer IP header inside
 * the message; the transport header is at the UDP header.
 */
static int vpe4_udp_err(struct sk_buff *skb, u32 info)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;

	if (!vpe_sa_any() ||
	    !vpe_sa_of_packet(dev_net(skb->dev), skb, iph->ihl * 4 + sizeof(struct udphdr),
			      (const xfrm_address_t *)&iph->daddr, AF_INET))
		return -ENOENT;
	vpe4_icmp(skb, info, IPPROTO_UDP);
	return 0;
}

static int vpe6_udp_err(struct sk_buff *skb, struct inet6_skb_parm *opt,
			u8 type, u8 code, int offset, __be32 info)
{
	const struct ipv6hdr *ip6h = (const struct ipv6hdr *)skb->data;

	if (!vpe_sa_any() ||
	    !vpe_sa_of_packet(dev_net(skb->dev), skb, offset + sizeof(struct udphdr),
			      (const xfrm_address_t *)&ip6h->daddr, AF_INET6))
		return -ENOENT;
	vpe6_icmp(skb, type, info);
	return 0;
}

static const struct ip_tunnel_encap_ops vpe4_encap = {
	.err_handler	= vpe4_udp_err,
};

static const struct ip6_tnl_encap_ops vpe6_encap = {
	.err_handler	= vpe6_udp_err,
};

/* As ip_tunnel_encap_add_ops() does; that would have us load the IP tunnels. */
static bool vpe4_encap_exchange(const struct ip_tunnel_encap_ops *from,
				const struct ip_tunnel_encap_ops *to)
{
	return unrcu_pointer(cmpxchg(&iptun_encaps[VPE_ENCAP_SLOT],
				     RCU_INITIALIZER(from),
				     RCU_INITIALIZER(to))) == from;
}

static bool vpe6_encap_exchange(const struct ip6_tnl_encap_ops *from,
				const struct ip6_tnl_encap_ops *to)
{
	return unrcu_pointer(cmpxchg(&ip6tun_encaps[VPE_ENCAP_SLOT],
				     RCU_INITIALIZER(from),
				     RCU_INITIALIZER(to))) == from;
}

/**
 * vpe_udp_init - listen for ICMP errors about UDP
 *
 * Return: 0, or -EBUSY if another module has the place.
 */
int vpe_udp_init(void)
{
	if (!vpe4_encap_exchange(NULL, &vpe4_encap))
		return -EBUSY;
	if (vpe6_encap_exchange(NULL, &vpe6_encap))
		return 0;
	WARN_ON(!vpe4_encap_exchange(&vpe4_encap, NULL));
	synchronize_net();
	return -EBUSY;
}

/**
 * vpe_udp_exit - stop that
 *
 * Context: process, sleeps.
 */
void vpe_udp_exit(void)
{
	WARN_ON(!vpe4_encap_exchange(&vpe4_encap, NULL));
	WARN_ON(!vpe6_encap_exchange(&vpe6_encap, NULL));
	synchronize_net();
}
