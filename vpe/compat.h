/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels this module builds for, and nothing else.
 *
 * HAVE_* come from Kbuild, which compiles a probe for each: stable backports
 * make version numbers useless.
 */
#ifndef _VPE_COMPAT_H
#define _VPE_COMPAT_H

#include <linux/crypto.h>

#if !defined(CONFIG_64BIT) && defined(__KERNEL__)
#error "xfrm_vpe needs a 64-bit kernel"
#endif

/* 6.3 gave completion callbacks their data pointer instead of the request. */
#ifdef HAVE_CRYPTO_COMPLETION_DATA
#define vpe_completion_arg	void

static inline void *vpe_completion_data(void *arg)
{
	return arg;
}
#else
#define vpe_completion_arg	struct crypto_async_request

static inline void *vpe_completion_data(struct crypto_async_request *arg)
{
	return arg->data;
}
#endif

#ifdef VPE_COMPAT_NET
#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

/* 6.5 */
#ifdef HAVE_NET_GSO_H
#include <net/gso.h>
#endif

/* Where IPv6 may be a module it is reached by its stub; 7.x exports it. */
#ifdef HAVE_NET_IPV6_STUBS_H
#include <net/ipv6_stubs.h>
#define ip6_fragment(net, sk, skb, output) \
	ipv6_stub->ipv6_fragment(net, sk, skb, output)
#endif

/* Late kernels' UDP tunnels have a sock where others have its socket. */
#ifdef HAVE_UDP_TUNNEL_SOCK
#define vpe_tunnel_sock(sock)	((sock)->sk)
#else
#define vpe_tunnel_sock(sock)	(sock)
#endif

/* 6.10 */
#ifndef HAVE_ALLOC_NETDEV_DUMMY
static inline struct net_device *alloc_netdev_dummy(int sizeof_priv)
{
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
}

static inline void vpe_free_netdev_dummy(struct net_device *dev)
{
	kfree(dev);
}
#else
static inline void vpe_free_netdev_dummy(struct net_device *dev)
{
	free_netdev(dev);
}
#endif

/* 6.13 */
static inline void vpe_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*function)(struct hrtimer *),
				     clockid_t clock_id, enum hrtimer_mode mode)
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock_id, mode);
#else
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
#endif
}

/* 6.7 */
#ifdef HAVE_GENL_INFO_DUMP
#define vpe_dump_attrs(cb) (genl_info_dump(cb)->attrs)
#else
#define vpe_dump_attrs(cb) (genl_dumpit_info(cb)->attrs)
#endif

#ifndef HAVE_XFRM_STATE_DIR
#define LINUX_MIB_XFRMINSTATEDIRERROR	LINUX_MIB_XFRMINSTATEINVALID
#endif

/* 6.10 gave SAs a direction, 6.13 a CPU. */
static inline bool vpe_xfrm_is_out(const struct xfrm_state *x)
{
#ifdef HAVE_XFRM_STATE_DIR
	return x->dir == XFRM_SA_DIR_OUT;
#else
	return false;
#endif
}

static inline bool vpe_xfrm_has_dir(const struct xfrm_state *x)
{
#ifdef HAVE_XFRM_STATE_DIR
	return x->dir;
#else
	return false;
#endif
}

static inline bool vpe_xfrm_has_cpu(const struct xfrm_state *x)
{
#ifdef HAVE_XFRM_STATE_PCPU_NUM
	return x->pcpu_num != UINT_MAX;
#else
	return false;
#endif
}

/* Late kernels set type_offload after init_state, which cannot leave it unset. */
static inline bool vpe_xfrm_sets_offload_late(void)
{
#ifdef HAVE_XFRM_SET_TYPE_OFFLOAD
	return true;
#else
	return false;
#endif
}
#endif /* VPE_COMPAT_NET */

#endif /* _VPE_COMPAT_H */
