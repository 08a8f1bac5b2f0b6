// SPDX-License-Identifier: GPL-2.0
/*
 * VPE SAs, and those of ESP with entropy: made, found, and taken apart.
 *
 * Life of an SA: xfrm calls vpe_sa_create() before the SA is valid and before
 * its replay attributes are known; packets find it from then on, and look at
 * x->km.state. It is taken apart by vpe_sa_destroy() after the last reference
 * to the xfrm_state is gone, which bundles hold while anybody can send with
 * them. What the key must not lose lives on in its context (vpe/context.c).
 *
 * Locks: vpe_sa_mutex guards vpe_sa_list, what SAs fold, which SA holds a key, and
 * how often the machine went back to a snapshot; taken inside xfrm's configuration
 * mutexes; x->lock is taken inside it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "vpe.h"

DEFINE_MUTEX(vpe_sa_mutex);	/* the list, folding, who holds a key */
LIST_HEAD(vpe_sa_list);

/* A key that an admin of a namespace flips: not more than once a second. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(vpe_sas_used, HZ);

static struct rhltable vpe_sas;
static u64 vpe_sa_ids;
static unsigned int vpe_restores;

static const struct rhashtable_params vpe_sa_params = {
	.head_offset = offsetof(struct vpe_sa, node),
	.key_offset = offsetof(struct vpe_sa, spi),
	.key_len = sizeof_field(struct vpe_sa, spi),
	.automatic_shrinking = true,
};

static bool vpe_sa_is_ares(const struct vpe_sa *sa)
{
	return sa->layout == VPE_ARES;
}

/*
 * An SA that is being added (void) or was deleted (dead) is not there, as for
 * xfrm: its SPI may by now be a classic SA's. Nor is the clone that
 * xfrm_state_migrate() makes before it is in xfrm's tables: it is valid, but up
 * to 6.12 still has its original's addresses then, which would stay in proxies.
 */
static struct vpe_sa *vpe_sa_lookup(const struct net *net, bool ares, __be32 spi,
				    const xfrm_address_t *daddr, u16 family,
				    u32 mark)
{
	struct rhlist_head *head, *pos;
	const struct xfrm_state *x;
	struct vpe_sa *sa;
	u8 state;

	head = rhltable_lookup(&vpe_sas, &spi, vpe_sa_params);
	rhl_for_each_entry_rcu(sa, pos, head, node) {
		x = sa->x;
		state = READ_ONCE(x->km.state);
		if (state != XFRM_STATE_VALID && state != XFRM_STATE_EXPIRED)
			continue;
		if (unlikely(hlist_unhashed_lockless(&x->byspi)))
			continue;
		if (vpe_sa_is_ares(sa) == ares &&
		    net_eq(xs_net((struct xfrm_state *)x), net) &&
		    x->props.family == family &&
		    (mark & x->mark.m) == x->mark.v &&
		    xfrm_addr_equal(&x->id.daddr, daddr, family))
			return sa;
	}
	return NULL;
}

static bool vpe_is_multicast(const xfrm_address_t *addr, u16 family)
{
	return family == AF_INET ? ipv4_is_multicast(addr->a4) :
				   ipv6_addr_is_multicast(&addr->in6);
}

/* Would xfrm take the packet for one of an ESP SA? */
static bool vpe_spi_is_esp(struct net *net, __be32 spi,
			   const xfrm_address_t *daddr, u16 family, u32 mark)
{
	struct xfrm_state *x;
	bool esp;

	x = xfrm_state_lookup(net, mark, daddr, spi, IPPROTO_ESP, family);
	if (!x)
		return false;
	esp = !vpe_is_ours(x);
	xfrm_state_put(x);
	return esp;
}

/**
 * vpe_sa_of_packet - the SA of ours that a packet belongs to
 * @net: network namespace
 * @skb: the packet; its mark counts
 * @offset: where what follows the IP header is, bytes from skb->data
 * @daddr: outer destination
 * @family: of @daddr
 *
 * In layout ares the word where ESP has its SPI is Sender and Window ID: such
 * an SA is found last, and not where an ESP SA has that SPI. Groups have any
 * Sender ID, others 0.
 *
 * Context: RCU read side.
 * Return: the SA, valid or expired, or NULL.
 */
struct vpe_sa *vpe_sa_of_packet(struct net *net, const struct sk_buff *skb,
				unsigned int offset,
				const xfrm_address_t *daddr, u16 family)
{
	const __be32 *spi;
	const __le32 *word;
	struct vpe_sa *sa;
	__be32 _spi;
	__le32 _word;

	spi = skb_header_pointer(skb, offset, sizeof(_spi), &_spi);
	if (!spi)
		return NULL;
	sa = vpe_sa_lookup(net, false, *spi, daddr, family, skb->mark);
	if (sa || likely(!READ_ONCE(vpe_pernet(net)->nr_ares)) ||
	    (ntohl(*spi) & VPE_ARES_SPI_ZEROS_TRANSPORT &&
	     !vpe_is_multicast(daddr, family)))
		return sa;

	word = skb_header_pointer(skb, offset + offsetof(struct vpe_hdr, ares.spi),
				  sizeof(_word), &_word);
	if (!word)
		return NULL;
	sa = vpe_sa_lookup(net, true, cpu_to_be32(le32_to_cpu(*word)), daddr, family,
			   skb->mark);
	if (sa && vpe_spi_is_esp(net, *spi, daddr, family, skb->mark))
		return NULL;
	return sa;
}

static void vpe_proxy_destructor(struct xfrm_state *x)
{
}

static const struct xfrm_type vpe_proxy_type = {
	.owner		= THIS_MODULE,
	.proto		= VPE_TYPE_PROTO,
	.destructor	= vpe_proxy_destructor,
};

static struct xfrm_state *vpe_proxy_alloc(const struct xfrm_state *x)
{
	struct xfrm_state *proxy = xfrm_state_alloc(xs_net((void *)x));

	if (!proxy)
		return NULL;

	__module_get(THIS_MODULE);
	proxy->type = &vpe_proxy_type;
	proxy->id = x->id;
	proxy->sel = x->sel;
	proxy->mark = x->mark;
	proxy->if_id = x->if_id;
	proxy->props = x->props;
	proxy->outer_mode = x->outer_mode;
	/* Here the families are the real ones, see vpe_sa_dress(). */
	proxy->inner_mode = x->inner_mode;
	proxy->inner_mode.family = x->sel.family ?: x->props.family;
	proxy->inner_mode_iaf = x->inner_mode_iaf;
	proxy->inner_mode_iaf.family = x->props.family == AF_INET ? AF_INET6 :
								    AF_INET;
	proxy->km.state = XFRM_STATE_VALID;
	return proxy;
}

static void vpe_proxy_put(struct xfrm_state *proxy)
{
	if (!proxy)
		return;
	proxy->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(proxy);
}

/*
 * Put a new proxy in the place of @old, which may be NULL. NULL without memory,
 * or if the proxy of a CPU that was first is gone already.
 */
static struct xfrm_state *vpe_proxy_replace(struct xfrm_state **slot,
					    struct xfrm_state *old,
					    const struct xfrm_state *x)
{
	struct xfrm_state *new = vpe_proxy_alloc(x), *found;

	if (!new)
		return NULL;
	xfrm_state_hold(new);
	found = cmpxchg(slot, old, new);
	if (found == old) {
		vpe_proxy_put(old);
		return new;
	}
	xfrm_state_put(new);
	vpe_proxy_put(new);
	return found && refcount_inc_not_zero(&found->refcnt) ? found : NULL;
}

/*
 * The proxy in @slot, with a reference. Of what xfrm_state_update() changes,
 * packets on their way are asked for the if_id only. Who finds a proxy that is
 * being replaced may come too late for a reference; xfrm frees it a grace
 * period later.
 */
static struct xfrm_state *vpe_proxy_get(struct xfrm_state **slot,
					const struct xfrm_state *x)
{
	/* Pairs with the cmpxchg() above. */
	struct xfrm_state *proxy = smp_load_acquire(slot);

	if (likely(proxy && proxy->if_id == READ_ONCE(x->if_id) &&
		   refcount_inc_not_zero(&proxy->refcnt)))
		return proxy;
	return vpe_proxy_replace(slot, proxy, x);
}

/**
 * vpe_sa_proxy - what goes into a packet's secpath for an SA
 * @sa: the SA
 * @shared: the packet needs the same as others of the SA, whatever the CPU
 *
 * A secpath holds a reference to its SAs. To count that in x->refcnt would
 * have all CPUs write one cache line for each packet, so that each CPU has an
 * xfrm_state of its own which policies and xfrm interfaces take for the SA.
 * Security modules look at the SA itself.
 *
 * The pieces of a packet may reach several CPUs. Late kernels (7.3) put only
 * those fragments together whose secpaths hold the same xfrm_states: for such
 * packets there is one @shared by all CPUs.
 *
 * Context: softirqs disabled, RCU read side.
 * Return: an xfrm_state with a reference for the caller, or NULL if the SA is
 * being freed.
 */
struct xfrm_state *vpe_sa_proxy(struct vpe_sa *sa, bool shared)
{
	struct xfrm_state *proxy = NULL;

	if (likely(!sa->x->security))
		proxy = vpe_proxy_get(shared ? &sa->shared_proxy :
					       &this_cpu_ptr(sa->cpu)->proxy,
				      sa->x);
	if (unlikely(!proxy))
		return refcount_inc_not_zero(&sa->x->refcnt) ? sa->x : NULL;
	return proxy;
}

/* Nobody finds @sa any more; packets on their way may hold its proxies. */
static void vpe_sa_put_proxies(struct vpe_sa *sa)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		vpe_proxy_put(per_cpu_ptr(sa->cpu, cpu)->proxy);
	vpe_proxy_put(sa->shared_proxy);
}

static void vpe_sa_idle(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct vpe_sa, inflight)->idle);
}

static const char *vpe_refuse_flags(const struct xfrm_state *x)
{
	u32 flags = x->props.extra_flags;

	if (!(flags & VPE_SA_FLAG_VPE) &&
	    flags & (VPE_SA_FLAG_ARES | VPE_SA_FLAG_GROUP | VPE_SA_SENDER_MASK))
		return "VPE: layout, group and Sender ID are for VPE, not for ESP";
	if (flags & VPE_SA_SENDER_MASK && !(flags & VPE_SA_FLAG_GROUP))
		return "VPE: the Sender ID of a unicast SA is 0";
	if (flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP)
		return "VPE: sequence numbers never wrap, OSEQ_MAY_WRAP is refused";
	if (flags & ~(VPE_SA_FLAG_VPE | VPE_SA_FLAG_ARES | VPE_SA_FLAG_ENTROPY |
		      VPE_SA_FLAG_GROUP | VPE_SA_SENDER_MASK |
		      XFRM_SA_XFLAG_DONT_ENCAP_DSCP))
		return "VPE: unknown extra flag";
	return NULL;
}

/* The crypto API's name of an AEAD by xfrm's, which is that of ESP's salted use. */
static const char *vpe_cipher(const struct xfrm_algo_aead *aead)
{
	if (!strcmp(aead->alg_name, "rfc4106(gcm(aes))"))
		return "gcm(aes)";
	if (!strcmp(aead->alg_name, "rfc7539esp(chacha20,poly1305)"))
		return "rfc7539(chacha20,poly1305)";
	return NULL;
}

static const char *vpe_refuse_vpe_key(const struct xfrm_algo_aead *aead)
{
	if (aead->alg_icv_len != VPE_ICV_LEN * 8)
		return "VPE: the ICV must have 128 bits";

	switch (aead->alg_key_len) {
	case 256:
		return NULL;
	case 160:
	case 224:
	case 288:
		return "VPE: the key must come without salt, so that the SA can never run as ESP";
	case 128:
	case 192:
		if (!strcmp(vpe_cipher(aead), "gcm(aes)"))
			return NULL;
		return "VPE: a key of ChaCha20-Poly1305 must have 32 bytes";
	default:
		return "VPE: the key must have 16, 24 or 32 bytes";
	}
}

/* xfrm knows which ICVs there are. */
static const char *vpe_refuse_esp_key(const struct xfrm_algo_aead *aead)
{
	bool gcm = !strcmp(vpe_cipher(aead), "gcm(aes)");

	switch (aead->alg_key_len) {
	case 288:
		return NULL;
	case 160:
	case 224:
		if (gcm)
			return NULL;
		return "VPE: a key of ChaCha20-Poly1305 must have 36 bytes, salt included";
	default:
		return "VPE: the key of an ESP SA must have 20, 28 or 36 bytes, salt included";
	}
}

static const char *vpe_refuse_key(const struct xfrm_state *x)
{
	if (!x->aead)
		return "VPE: needs an AEAD, as rfc4106(gcm(aes))";
	if (!vpe_cipher(x->aead))
		return "VPE: the cipher must be rfc4106(gcm(aes)) or rfc7539esp(chacha20,poly1305)";
	return x->props.extra_flags & VPE_SA_FLAG_VPE ? vpe_refuse_vpe_key(x->aead) :
							vpe_refuse_esp_key(x->aead);
}

static const char *vpe_refuse_encap(const struct xfrm_state *x)
{
	bool entropy = x->props.extra_flags & VPE_SA_FLAG_ENTROPY;
	const struct xfrm_encap_tmpl *encap = x->encap;

	if (!encap && entropy && x->props.family == AF_INET)
		return "VPE: entropy needs encap (UDP), or an IPv6 outer header for its label";
	if (!encap)
		return NULL;
	if (encap->encap_type != UDP_ENCAP_ESPINUDP)
		return "VPE: the encapsulation must be espinudp";
	if (!encap->encap_dport)
		return "VPE: encap needs a destination port";
	if (entropy && encap->encap_sport)
		return "VPE: entropy needs the source port 0, all packets share another";
	return NULL;
}

static const char *vpe_refuse_group(const struct xfrm_state *x)
{
	if (!(x->props.extra_flags & VPE_SA_FLAG_GROUP))
		return NULL;
	if (!vpe_is_multicast(&x->id.daddr, x->props.family))
		return "VPE: the destination of a group is a multicast address";
	if (x->props.mode != XFRM_MODE_TUNNEL)
		return "VPE: the mode of a group is tunnel";
	if (vpe_xfrm_has_dir(x))
		return "VPE: a member of a group has one SA for both directions, without dir";
	return NULL;
}

static const char *vpe_refuse(const struct xfrm_state *x)
{
	const char *why = vpe_refuse_flags(x);

	if (why)
		return why;
	if (x->props.mode != XFRM_MODE_TUNNEL && x->props.mode != XFRM_MODE_TRANSPORT)
		return "VPE: the mode must be tunnel or transport";
	why = vpe_refuse_group(x) ?: vpe_refuse_encap(x);
	if (why)
		return why;
	if (x->tfcpad && x->props.mode != XFRM_MODE_TUNNEL)
		return "VPE: padding to send (tfcpad) is for tunnel mode";
	if (x->tfcpad > U16_MAX)
		return "VPE: padding to send (tfcpad) is to 65535 bytes at most";
	if (vpe_xfrm_has_cpu(x))
		return "VPE: an SA of one CPU makes no sense, all CPUs share one";
	return vpe_refuse_key(x);
}

static struct dst_entry *vpe_sa_route4(struct xfrm_state *x, u32 mark)
{
	struct flowi4 fl4 = {
		.saddr = x->props.saddr.a4,
		.daddr = x->id.daddr.a4,
		.flowi4_mark = mark,
		.flowi4_proto = x->id.proto,
	};
	struct rtable *rt = __ip_route_output_key(xs_net(x), &fl4);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type != RTN_LOCAL)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *vpe_sa_route6(struct xfrm_state *x, u32 mark)
{
	struct flowi6 fl6 = {
		.saddr = x->props.saddr.in6,
		.daddr = x->id.daddr.in6,
		.flowi6_mark = mark,
		.flowi6_proto = x->id.proto,
	};
	struct rt6_info *rt;

	rt = container_of(ip6_route_output(xs_net(x), NULL, &fl6),
			  struct rt6_info, dst);
	if (!rt->dst.error && !(rt->rt6i_flags & RTF_LOCAL))
		return &rt->dst;
	ip6_rt_put(rt);
	return NULL;
}

/**
 * vpe_sa_route - the way of an SA's packets, as xfrm would look for it
 * @x: the SA
 *
 * Context: any.
 * Return: the route, to be released; NULL if there is none, or none that leaves
 * this host.
 */
struct dst_entry *vpe_sa_route(struct xfrm_state *x)
{
	u32 mark = xfrm_smark_get(0, x);

	return x->props.family == AF_INET ? vpe_sa_route4(x, mark) : vpe_sa_route6(x, mark);
}

/* Would xfrm find @old where @x is to go? */
static bool vpe_sa_same(const struct xfrm_state *old,
			const struct xfrm_state *x)
{
	u32 mark = x->mark.v & x->mark.m;

	return old->id.spi == x->id.spi &&
	       old->props.family == x->props.family &&
	       (mark & old->mark.m) == old->mark.v &&
	       xfrm_addr_equal(&old->id.daddr, &x->id.daddr, x->props.family);
}

/*
 * The clone that xfrm_state_migrate() makes is valid before it is ours; until
 * 6.12 it has its original's addresses then.
 */
static bool vpe_is_clone(const struct xfrm_state *x)
{
	return x->km.state == XFRM_STATE_VALID;
}

/*
 * One key, one SA of VPE's: does another SA hold the key? A clone shares its
 * original's key; an update has the identity of the SA it updates.
 */
static bool vpe_key_is_taken(const struct vpe_sa *sa)
{
	const struct vpe_sa *old;

	lockdep_assert_held(&vpe_sa_mutex);
	if (vpe_is_clone(sa->x))
		return false;
	list_for_each_entry(old, &vpe_sa_list, list)
		if (old->ctx == sa->ctx &&
		    READ_ONCE(old->x->km.state) != XFRM_STATE_DEAD &&
		    !vpe_sa_same(old->x, sa->x))
			return true;
	return false;
}

/*
 * In UDP a first word of 0 means IKE (RFC 3948), so that in layout ares the
 * Window ID must not be 0.
 */
static bool vpe_sa_needs_first(const struct vpe_sa *sa)
{
	return sa->udp && vpe_sa_is_ares(sa);
}

static bool vpe_sa_lanes_suit(const struct vpe_sa *sa)
{
	return sa->ctx->lanes.first || !vpe_sa_needs_first(sa);
}

/* Tell the rest of xfrm what it must know, and keep it from what is ours. */
static void vpe_sa_dress(struct vpe_sa *sa, struct xfrm_state *x)
{
	x->data = sa->tfm;
	x->geniv = sa->geniv;
	x->props.header_len = vpe_sa_format(sa)->hlen;
	if (sa->udp)
		x->props.header_len += sizeof(struct udphdr);
	if (x->props.mode == XFRM_MODE_TUNNEL)
		x->props.header_len += x->props.family == AF_INET ?
				       sizeof(struct iphdr) :
				       sizeof(struct ipv6hdr);
	x->props.trailer_len = 0;
	if (vpe_sa_is_esp(sa))
		x->props.trailer_len = VPE_ESP_TRAILER_MAX + sa->icv_len;

	/* Bundles take their output function from this family's slot. */
	x->inner_mode.family = AF_VPE;
	x->inner_mode_iaf.family = AF_VPE;

	if (x->type_offload) {
		module_put(x->type_offload->owner);
		x->type_offload = NULL;
	}
	/*
	 * Where the above comes too early. The clone that xfrm_state_migrate()
	 * makes gets no type_offload.
	 */
	if (vpe_xfrm_sets_offload_late() && !vpe_is_clone(x) && !x->tfcpad)
		x->tfcpad = VPE_TFCPAD_NO_OFFLOAD;
}

static int vpe_sa_enter(struct vpe_sa *sa, unsigned int restores,
			struct netlink_ext_ack *extack)
{
	int err = -EEXIST;

	mutex_lock(&vpe_sa_mutex);
	if (restores != vpe_restores) {
		NL_SET_ERR_MSG(extack, "VPE: the machine went back to a snapshot meanwhile");
		err = -EAGAIN;
		goto out;
	}
	if (vpe_key_is_taken(sa)) {
		NL_SET_ERR_MSG(extack, "VPE: another SA of this namespace holds this key");
		goto out;
	}
	/* It may be a context of another SA's. */
	if (!vpe_sa_lanes_suit(sa)) {
		NL_SET_ERR_MSG(extack,
			       "VPE: layout ares in UDP needs a key not used otherwise before");
		goto out;
	}
	if (sa->ctx->lanes.sender != vpe_sa_sender(sa)) {
		NL_SET_ERR_MSG(extack,
			       "VPE: this key was in use with another Sender ID, and may be on its way still");
		goto out;
	}
	/* The map may have changed since the context was made. */
	if (!vpe_sa_is_esp(sa) &&
	    vpe_context_add_classes(sa->ctx, sa->vnet->classes)) {
		NL_SET_ERR_MSG(extack, "VPE: no memory for the windows of all classes");
		err = -ENOMEM;
		goto out;
	}
	err = rhltable_insert(&vpe_sas, &sa->node, vpe_sa_params);
	if (err) {
		NL_SET_ERR_MSG(extack, "VPE: no room in the table of SAs");
		goto out;
	}
	sa->hashed = true;
	/* Before anybody finds it in the list: a clone is valid by now. */
	vpe_sa_dress(sa, sa->x);
	sa->id = ++vpe_sa_ids;
	list_add_tail(&sa->list, &vpe_sa_list);
	sa->vnet->nr_sas++;
	WRITE_ONCE(sa->vnet->nr_ares,
		   sa->vnet->nr_ares + vpe_sa_is_ares(sa));
	static_branch_deferred_inc(&vpe_sas_used);
	vpe_stats_start();
out:
	mutex_unlock(&vpe_sa_mutex);
	return err;
}

/*
 * Take an SA out of the table, and with it all that are dead: xfrm destroys
 * them one by one, and so they share one grace period. @inflight can be killed
 * at once: it does not drop to zero before a grace period, which those who
 * found the SA before are inside of.
 */
static void vpe_sa_unhash(struct vpe_sa *sa)
{
	struct vpe_sa *dead;

	lockdep_assert_held(&vpe_sa_mutex);
	if (!sa->hashed)
		return;
	list_for_each_entry(dead, &vpe_sa_list, list) {
		if (!dead->hashed ||
		    (dead != sa &&
		     READ_ONCE(dead->x->km.state) != XFRM_STATE_DEAD))
			continue;
		rhltable_remove(&vpe_sas, &dead->node, vpe_sa_params);
		dead->hashed = false;
		dead->unhashed = get_state_synchronize_rcu();
		percpu_ref_kill(&dead->inflight);
	}
}

static void vpe_sa_leave(struct vpe_sa *sa)
{
	struct vpe_counters sum = {};

	mutex_lock(&vpe_sa_mutex);
	vpe_sa_unhash(sa);
	list_del(&sa->list);
	sa->vnet->nr_sas--;
	WRITE_ONCE(sa->vnet->nr_ares,
		   sa->vnet->nr_ares - vpe_sa_is_ares(sa));
	static_branch_slow_dec_deferred(&vpe_sas_used);
	mutex_unlock(&vpe_sa_mutex);

	cond_synchronize_rcu(sa->unhashed);
	wait_for_completion(&sa->idle);

	vpe_counters_sum(sa, &sum);
	mutex_lock(&vpe_sa_mutex);
	vpe_counters_add(&sa->vnet->gone, &sum);
	mutex_unlock(&vpe_sa_mutex);
}

/**
 * vpe_sa_replay - the numbers that xfrm knows of
 * @x: an SA
 *
 * Of ESP we carry ours there now and then.
 *
 * Return: what the user gave, or what was folded there.
 */
struct vpe_replay vpe_sa_replay(const struct xfrm_state *x)
{
	const struct xfrm_replay_state_esn *esn = x->replay_esn;

	if (!esn)
		return (struct vpe_replay) { x->replay.oseq, x->replay.seq };
	return (struct vpe_replay) { (u64)esn->oseq_hi << 32 | esn->oseq,
				     (u64)esn->seq_hi << 32 | esn->seq };
}

/* Also of an SA that is half made: what is not there yet is NULL. */
static void vpe_sa_free(struct vpe_sa *sa)
{
	if (sa->cpu)
		vpe_sa_put_proxies(sa);
	if (sa->ctx)
		vpe_context_put(sa->ctx);
	crypto_free_aead(sa->tfm);
	percpu_ref_exit(&sa->inflight);
	free_percpu(sa->cpu);
	vpe_net_put(sa->vnet);
	kfree(sa);
}

static struct vpe_context *vpe_sa_vpe_context(const struct vpe_sa *sa, const u8 *key,
					      unsigned int len)
{
	u32 want = sa->udp || sa->label ? READ_ONCE(sa->vnet->lanes) : 1;
	struct vpe_context *ctx;
	struct vpe_lanes lanes;
	int err;

	err = vpe_lanes_set(&lanes, vpe_sa_needs_first(sa), want);
	if (err)
		return ERR_PTR(err);
	lanes.sender = vpe_sa_sender(sa);
	ctx = vpe_context_get(&sa->vnet->scope, key, len, &lanes);
	return ctx ?: ERR_PTR(-ENOMEM);
}

/*
 * How much an SA looks as if @x was its clone. Two SAs may have one SPI and
 * key, those of the two directions, say; they differ in what they counted, and
 * a host that moves keeps the other's address. An original that died just now
 * has no numbers any more: xfrm frees them.
 */
static unsigned int vpe_sa_likeness(const struct xfrm_state *old,
				    const struct xfrm_state *x)
{
	struct vpe_replay a = {}, b = vpe_sa_replay(x);
	u16 family = x->props.family;
	bool lives = READ_ONCE(old->km.state) != XFRM_STATE_DEAD;

	if (lives)
		a = vpe_sa_replay(old);
	return 4 * lives + 2 * (a.oseq == b.oseq && a.seq == b.seq) +
	       (old->props.family == family &&
		(xfrm_addr_equal(&old->id.daddr, &x->id.daddr, family) ||
		 xfrm_addr_equal(&old->props.saddr, &x->props.saddr, family)));
}

/* The SA that @sa, which is being made, is a clone of; NULL if it is none. */
static struct vpe_sa *vpe_sa_original(const struct vpe_sa *sa, const u8 *key,
				      unsigned int len)
{
	struct vpe_sa *old, *found = NULL;

	lockdep_assert_held(&vpe_sa_mutex);
	if (!vpe_is_clone(sa->x))
		return NULL;
	/* What dies now keeps its numbers for a grace period. */
	rcu_read_lock();
	list_for_each_entry(old, &vpe_sa_list, list)
		if (old->spi == sa->spi && old->vnet == sa->vnet &&
		    old->layout == sa->layout &&
		    vpe_context_has_key(old->ctx, key, len) &&
		    (!found || vpe_sa_likeness(old->x, sa->x) >
			       vpe_sa_likeness(found->x, sa->x)))
			found = old;
	rcu_read_unlock();
	return found;
}

static struct vpe_context *vpe_sa_esp_context(const struct vpe_sa *sa, const u8 *key,
					      unsigned int len)
{
	struct vpe_context *ctx = NULL;
	struct vpe_sa *original;

	mutex_lock(&vpe_sa_mutex);
	original = vpe_sa_original(sa, key, len);
	if (original)
		ctx = vpe_context_hold(original->ctx);
	mutex_unlock(&vpe_sa_mutex);
	if (!ctx)
		ctx = vpe_context_get_esp(&sa->vnet->scope, key, len,
					  vpe_sa_format(sa)->seq_max);
	return ctx ?: ERR_PTR(-ENOMEM);
}

static int vpe_sa_set_key(struct vpe_sa *sa, const struct xfrm_algo_aead *aead)
{
	const char *cipher = vpe_sa_is_esp(sa) ? aead->alg_name : vpe_cipher(aead);
	unsigned int len = aead->alg_key_len / 8;
	struct vpe_context *ctx;
	struct crypto_aead *tfm;

	ctx = vpe_sa_is_esp(sa) ? vpe_sa_esp_context(sa, aead->alg_key, len) :
				  vpe_sa_vpe_context(sa, aead->alg_key, len);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	sa->ctx = ctx;
	tfm = vpe_aead_alloc(cipher, aead->alg_key, len, sa->layout, aead->alg_icv_len / 8);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	sa->tfm = tfm;
	sa->async = vpe_aead_is_async(tfm);
	sa->key_bits = aead->alg_key_len - vpe_sa_format(sa)->salt_len * 8;
	return 0;
}

static enum vpe_layout vpe_sa_layout(const struct xfrm_state *x)
{
	if (x->props.extra_flags & VPE_SA_FLAG_ARES)
		return VPE_ARES;
	if (x->props.extra_flags & VPE_SA_FLAG_VPE)
		return VPE_SPI_FIRST;
	return x->props.flags & XFRM_STATE_ESN ? VPE_ESP_ESN : VPE_ESP;
}

static struct vpe_sa *vpe_sa_alloc(struct xfrm_state *x)
{
	struct vpe_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	int err = -ENOMEM;

	if (!sa)
		return ERR_PTR(-ENOMEM);

	sa->x = x;
	sa->spi = x->id.spi;
	sa->layout = vpe_sa_layout(x);
	if (vpe_sa_is_esp(sa))
		sa->icv_len = x->aead->alg_icv_len / 8;
	sa->pad = x->tfcpad;
	/* Drivers that would program the SA as ESP check this. */
	strscpy(sa->geniv, "vpe", sizeof(sa->geniv));
	sa->udp = x->encap;
	sa->group = x->props.extra_flags & VPE_SA_FLAG_GROUP;
	sa->label = x->props.family == AF_INET6 &&
		    x->props.extra_flags & VPE_SA_FLAG_ENTROPY;
	sa->vnet = vpe_pernet(xs_net(x));
	refcount_inc(&sa->vnet->ref);
	init_completion(&sa->idle);
	sa->cpu = alloc_percpu(struct vpe_cpu);
	if (sa->cpu)
		err = percpu_ref_init(&sa->inflight, vpe_sa_idle, 0, GFP_KERNEL);
	if (!err)
		err = vpe_sa_set_key(sa, x->aead);
	if (!err)
		return sa;

	vpe_sa_free(sa);
	return ERR_PTR(err);
}

/**
 * struct vpe_clash - what stands in the way of an SA in layout ares
 * @ares: the SA
 * @found: another one takes its packets
 * @known: there is an SA of its identity: it is no new one
 */
struct vpe_clash {
	const struct xfrm_state	*ares;
	bool			found;
	bool			known;
};

/* Could an SPI be the first word of a packet of an SA in layout ares? */
static bool vpe_spi_may_be(const struct xfrm_state *ares, __be32 spi)
{
	if (ares->props.extra_flags & VPE_SA_FLAG_GROUP)
		return true;
	return !(ntohl(spi) & (ares->props.mode == XFRM_MODE_TUNNEL ?
			       VPE_ARES_SPI_ZEROS : VPE_ARES_SPI_ZEROS_TRANSPORT));
}

static int vpe_clash_look(struct xfrm_state *x, int count, void *data)
{
	struct vpe_clash *clash = data;
	const struct xfrm_state *ares = clash->ares;
	bool is_ares = vpe_is_ours(x) &&
		       x->props.extra_flags & VPE_SA_FLAG_ARES;

	if (vpe_sa_same(x, ares))
		clash->known = true;
	if (!is_ares && vpe_spi_may_be(ares, x->id.spi) &&
	    x->props.family == ares->props.family &&
	    xfrm_addr_equal(&x->id.daddr, &ares->id.daddr, x->props.family))
		clash->found = true;
	return 0;
}

static void vpe_clash_warn(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct vpe_clash clash = { .ares = x };
	struct xfrm_state_walk walk;

	if (!(x->props.extra_flags & VPE_SA_FLAG_ARES))
		return;
	xfrm_state_walk_init(&walk, IPPROTO_ESP, NULL);
	xfrm_state_walk(xs_net(x), &walk, vpe_clash_look, &clash);
	xfrm_state_walk_done(&walk, xs_net(x));
	if (clash.found && !clash.known)
		NL_SET_ERR_MSG(extack,
			       "VPE: an SA to the same address has an SPI that takes packets of layout ares");
}

/**
 * vpe_sa_create - make an xfrm_state an SA of ours
 * @x: as xfrm's init_state() gets it
 * @extack: where the reason of a refusal goes, may be NULL
 *
 * Context: process, sleeps.
 * Return: 0 or an error; then nothing is left of it.
 */
int vpe_sa_create(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	unsigned int restores = READ_ONCE(vpe_restores);
	const char *why = vpe_refuse(x);
	struct vpe_sa *sa;
	int err;

	x->data = NULL;
	if (why) {
		err = -EINVAL;
		do_trace_netlink_extack(why);
		if (extack)
			extack->_msg = why;
		goto refused;
	}
	if (x->props.extra_flags & VPE_SA_FLAG_VPE && !vpe_clock_is_set()) {
		if (restores)
			NL_SET_ERR_MSG(extack,
				       "VPE: the clock was not set since the machine went back to a snapshot, sequence numbers could repeat");
		else
			NL_SET_ERR_MSG(extack,
				       "VPE: the clock is not set (before 2024), sequence numbers could repeat");
		err = -EAGAIN;
		goto refused;
	}
	sa = vpe_sa_alloc(x);
	err = PTR_ERR_OR_ZERO(sa);
	if (err == -E2BIG) {
		NL_SET_ERR_MSG(extack, "VPE: more CPUs than Window IDs have room for");
		goto refused;
	}
	if (err) {
		NL_SET_ERR_MSG(extack,
			       "VPE: the cipher or memory for the SA is not to be had");
		goto refused;
	}
	err = vpe_sa_enter(sa, restores, extack);
	if (err) {
		vpe_sa_free(sa);
		goto refused;
	}
	vpe_clash_warn(x, extack);
	return 0;

refused:
	/* xfrm_state_migrate() puts a clone that failed while it is valid. */
	x->km.state = XFRM_STATE_DEAD;
	return err;
}

/**
 * vpe_sa_destroy - take an SA apart
 * @sa: of an xfrm_state that nobody refers to any more
 *
 * Context: process, sleeps.
 */
void vpe_sa_destroy(struct vpe_sa *sa)
{
	vpe_clock_stop(sa);
	vpe_sa_leave(sa);
	vpe_sa_free(sa);
}

/*
 * This machine is a copy of one that went on, and may have used any number that
 * comes next here: nothing is sent any more under the keys that are there. Their SAs
 * expire when they are folded.
 */
static int vpe_restored(struct notifier_block *nb, unsigned long action, void *data)
{
	unsigned int n = 0;
	struct vpe_sa *sa;

	vpe_clock_distrust();
	mutex_lock(&vpe_sa_mutex);
	WRITE_ONCE(vpe_restores, vpe_restores + 1);
	list_for_each_entry(sa, &vpe_sa_list, list) {
		vpe_context_revoke(sa->ctx);
		n++;
	}
	mutex_unlock(&vpe_sa_mutex);
	pr_warn("the machine went back to a snapshot: its %u SAs end, and no VPE SA is taken until the clock was set\n",
		n);
	return NOTIFY_DONE;
}

static struct notifier_block vpe_restore_nb = { .notifier_call = vpe_restored };

/**
 * vpe_sa_init - make the table of SAs
 *
 * Return: 0 or an error.
 */
int vpe_sa_init(void)
{
	int err = rhltable_init(&vpe_sas, &vpe_sa_params);

	if (err)
		return err;
	if (!IS_ENABLED(CONFIG_VMGENID))
		pr_info("this kernel has no VMGENID: when a virtual machine goes back to a snapshot it is not noticed\n");
	err = register_random_vmfork_notifier(&vpe_restore_nb);
	if (err)
		rhltable_destroy(&vpe_sas);
	return err;
}

/**
 * vpe_sa_exit - free the table of SAs, which is empty
 */
void vpe_sa_exit(void)
{
	unregister_random_vmfork_notifier(&vpe_restore_nb);
	vpe_stats_exit();
	static_key_deferred_flush(&vpe_sas_used);
	rhltable_destroy(&vpe_sas);
}
