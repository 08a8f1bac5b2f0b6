// SPDX-License-Identifier: GPL-2.0
/*
 * Vector Packet Encapsulation for Linux' xfrm: start and stop.
 *
 * Everything is ready to receive before the first SA can be made
 * (vpe_type_init()), and no SA is left when the module goes: each holds it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/user_namespace.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "vpe.h"

static unsigned int vpe_net_id;

/**
 * vpe_pernet - the VPE part of a network namespace
 * @net: the namespace
 *
 * Return: valid as long as @net is.
 */
struct vpe_net *vpe_pernet(const struct net *net)
{
	return *(struct vpe_net **)net_generic(net, vpe_net_id);
}

/**
 * vpe_net_put - let go of a namespace's VPE part
 * @vnet: it
 */
void vpe_net_put(struct vpe_net *vnet)
{
	if (!refcount_dec_and_test(&vnet->ref))
		return;
	vpe_steering_use(vnet, NULL);
	kfree(vnet);
}

/* VXLAN (RFC 7348, and Linux' former port), GENEVE (RFC 8926), GUE */
static const u16 vpe_nvo3_default[] = { 4789, 8472, 6081, 6080 };

#define VPE_EVENTS_PER_SECOND	1000

static int __net_init vpe_net_init(struct net *net)
{
	struct vpe_net **slot = net_generic(net, vpe_net_id);
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(vpe_nvo3_default) > VPE_NVO3_PORTS_MAX);
	*slot = kzalloc(sizeof(**slot), GFP_KERNEL);
	if (!*slot)
		return -ENOMEM;
	(*slot)->lanes = VPE_LANES_DEFAULT;
	for (i = 0; i < ARRAY_SIZE(vpe_nvo3_default); i++)
		(*slot)->nvo3_ports[i] = htons(vpe_nvo3_default[i]);
	INIT_LIST_HEAD(&(*slot)->listens);
	(*slot)->classes = 1;
	/* As many as a reader takes in, and one that does not hold up traffic. */
	ratelimit_state_init(&(*slot)->events, HZ, VPE_EVENTS_PER_SECOND);
	ratelimit_set_flags(&(*slot)->events, RATELIMIT_MSG_ON_RELEASE);
	(*slot)->scope.windows_max = VPE_NET_WINDOWS_MAX;
	(*slot)->scope.context_max = VPE_CONTEXT_WINDOWS_MAX;
	(*slot)->scope.sender_max = VPE_SENDER_WINDOWS_MAX;
	(*slot)->scope.ahead_max = net->user_ns == &init_user_ns ?
				   U64_MAX : VPE_AHEAD_MAX;
	refcount_set(&(*slot)->ref, 1);
	return 0;
}

/*
 * A socket remembers the route that multicast came by, and lo cannot go before
 * it: devices have their turn after this, and before vpe_net_exit(). Fill packets
 * look for routes, which IPv6 cannot when it is through.
 */
static void __net_exit vpe_net_pre_exit(struct net *net)
{
	vpe_clock_stop_net(vpe_pernet(net));
	vpe_listen_flush(vpe_pernet(net));
}

static void __net_exit vpe_net_exit(struct net *net)
{
	vpe_net_put(vpe_pernet(net));
}

static struct pernet_operations vpe_net_ops = {
	.init = vpe_net_init,
	.pre_exit = vpe_net_pre_exit,
	.exit = vpe_net_exit,
	.id = &vpe_net_id,
	.size = sizeof(struct vpe_net *),
};

static const struct {
	int (*init)(void);
	void (*exit)(void);
} vpe_parts[] = {
	{ vpe_ops_init, vpe_ops_exit },
	{ vpe_sa_init, vpe_sa_exit },
	{ vpe_input_init, vpe_input_exit },
	{ vpe_offload_init, vpe_offload_exit },
	{ vpe_output_init, vpe_output_exit },
	{ vpe_clock_init, vpe_clock_exit },
	{ vpe_udp_init, vpe_udp_exit },
	{ vpe_netlink_init, vpe_netlink_exit },
	{ vpe_km_init, vpe_km_exit },
	{ vpe_type_init, vpe_type_exit },
};

static void vpe_stop(unsigned int n)
{
	while (n--)
		vpe_parts[n].exit();
	vpe_contexts_exit();
	unregister_pernet_subsys(&vpe_net_ops);
	/* Packets of the sockets that this closed may be on their way. */
	synchronize_net();
}

static int __init vpe_init(void)
{
	unsigned int i;
	int err;

	err = register_pernet_subsys(&vpe_net_ops);
	if (err)
		return err;
	vpe_contexts_init();

	for (i = 0; i < ARRAY_SIZE(vpe_parts); i++) {
		err = vpe_parts[i].init();
		if (err) {
			vpe_stop(i);
			return err;
		}
	}
	return 0;
}

static void __exit vpe_exit(void)
{
	vpe_stop(ARRAY_SIZE(vpe_parts));
}

module_init(vpe_init);
module_exit(vpe_exit);

MODULE_DESCRIPTION("Vector Packet Encapsulation (VPE) for IPsec");
MODULE_LICENSE("GPL");
MODULE_ALIAS_GENL_FAMILY(VPE_FAMILY_NAME);
MODULE_SOFTDEP("pre: esp4 esp6 gcm");
