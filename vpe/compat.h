/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels this module builds for, and nothing else.
 *
 * HAVE_* come from Kbuild, which compiles a probe for each: stable backports
 * make version numbers useless.
 */
#ifndef _VPE_COMPAT_H
#define _VPE_COMPAT_H

#include <linux/version.h>
#include <linux/crypto.h>

#if !defined(CONFIG_64BIT) && defined(__KERNEL__)
#error "xfrm_vpe needs a 64-bit kernel"
#endif

#if defined(__has_include) && __has_include(<linux/unaligned.h>)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* 6.3 gave completion callbacks their data pointer instead of the request. */
#ifdef HAVE_CRYPTO_COMPLETION_DATA
typedef void *vpe_completion_arg;

static inline void *vpe_completion_data(vpe_completion_arg arg)
{
	return arg;
}
#else
typedef struct crypto_async_request *vpe_completion_arg;

static inline void *vpe_completion_data(vpe_completion_arg arg)
{
	return arg->data;
}
#endif

#ifdef VPE_COMPAT_NET
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/ipv6.h>

/* 6.5 */
#if __has_include(<net/gso.h>)
#include <net/gso.h>
#endif

/* Where IPv6 may be a module it is reached by its stub; 7.x exports it. */
#if __has_include(<net/ipv6_stubs.h>)
#include <net/ipv6_stubs.h>
#define ip6_fragment(net, sk, skb, output) \
	ipv6_stub->ipv6_fragment(net, sk, skb, output)
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

/* 6.7 */
#ifdef HAVE_GENL_INFO_DUMP
#define vpe_dump_attrs(cb) (genl_info_dump(cb)->attrs)
#else
#define vpe_dump_attrs(cb) (genl_dumpit_info(cb)->attrs)
#endif

/* 6.10 gave SAs a direction, 6.13 a CPU. */
#ifdef HAVE_XFRM_STATE_DIR
#define vpe_xfrm_is_out(x) ((x)->dir == XFRM_SA_DIR_OUT)
#else
#define vpe_xfrm_is_out(x) false
#endif
#ifdef HAVE_XFRM_STATE_PCPU_NUM
#define vpe_xfrm_has_cpu(x) ((x)->pcpu_num != UINT_MAX)
#else
#define vpe_xfrm_has_cpu(x) false
#endif
#endif /* VPE_COMPAT_NET */

#endif /* _VPE_COMPAT_H */
