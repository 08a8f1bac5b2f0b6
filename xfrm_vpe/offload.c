// SPDX-License-Identifier: GPL-2.0
/*
 * esp4_offload and esp6_offload take every packet of protocol 50 in GRO, look
 * its SA up by themselves and hand it to xfrm_input(), which reads a VPE
 * packet's Sender and Window ID as its sequence number. Where they are loaded,
 * before or after us, we stand before their receive function and keep VPE
 * packets out of GRO. We never take a place that is empty.
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <net/gro.h>
#include <net/protocol.h>

#include "vpe.h"

/**
 * struct vpe_gro - stands before one family's ESP GRO
 * @ours: what GRO calls
 * @esp: whom it stands for, NULL while there is none
 * @owner: module of @esp, held
 * @family: AF_INET or AF_INET6
 * @module: its name
 */
struct vpe_gro {
	struct net_offload		ours;
	const struct net_offload	*esp;
	struct module			*owner;
	u16				family;
	const char			*module;
};

static struct sk_buff *vpe4_gro_receive(struct list_head *head,
					struct sk_buff *skb);
static struct sk_buff *vpe6_gro_receive(struct list_head *head,
					struct sk_buff *skb);

static DEFINE_MUTEX(vpe_gro_mutex);
static struct vpe_gro vpe_gro4 = { .family = AF_INET, .module = "esp4_offload" };
static struct vpe_gro vpe_gro6 = { .family = AF_INET6, .module = "esp6_offload" };

static bool vpe_gro_is_ours(struct sk_buff *skb, const xfrm_address_t *daddr,
			    u16 family)
{
	return vpe_sa_of_packet(dev_net(skb->dev), skb, skb_gro_offset(skb), daddr,
				family);
}

static struct sk_buff *vpe_gro_receive(struct vpe_gro *gro,
				       const void *daddr,
				       struct list_head *head,
				       struct sk_buff *skb)
{
	if (vpe_sa_any() && vpe_gro_is_ours(skb, daddr, gro->family)) {
		NAPI_GRO_CB(skb)->same_flow = 0;
		NAPI_GRO_CB(skb)->flush = 1;
		return NULL;
	}
	return gro->esp->callbacks.gro_receive(head, skb);
}

static struct sk_buff *vpe4_gro_receive(struct list_head *head,
					struct sk_buff *skb)
{
	const struct iphdr *iph = skb_gro_network_header(skb);

	return vpe_gro_receive(&vpe_gro4, &iph->daddr, head, skb);
}

static struct sk_buff *vpe6_gro_receive(struct list_head *head,
					struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = skb_gro_network_header(skb);

	return vpe_gro_receive(&vpe_gro6, &ip6h->daddr, head, skb);
}

static const struct net_offload **vpe_gro_slot(const struct vpe_gro *gro)
{
	return gro->family == AF_INET ?
		(const struct net_offload **)&inet_offloads[IPPROTO_ESP] :
		(const struct net_offload **)&inet6_offloads[IPPROTO_ESP];
}

/* The ESP offload of a family, its module held; NULL if there is none. */
static const struct net_offload *vpe_gro_get_esp(struct vpe_gro *gro)
{
	const struct net_offload *esp;
	struct xfrm_state_afinfo *afinfo;

	rcu_read_lock();
	esp = READ_ONCE(*vpe_gro_slot(gro));
	afinfo = xfrm_state_afinfo_get_rcu(gro->family);
	if (!esp || !afinfo || !afinfo->type_offload_esp ||
	    !try_module_get(afinfo->type_offload_esp->owner))
		esp = NULL;
	else
		gro->owner = afinfo->type_offload_esp->owner;
	rcu_read_unlock();
	return esp;
}

static void vpe_gro_enter(struct vpe_gro *gro)
{
	const struct net_offload *esp;

	mutex_lock(&vpe_gro_mutex);
	if (gro->esp)
		goto out;
	esp = vpe_gro_get_esp(gro);
	if (!esp)
		goto out;

	gro->esp = esp;
	gro->ours = *esp;
	gro->ours.callbacks.gro_receive = gro->family == AF_INET ?
					  vpe4_gro_receive : vpe6_gro_receive;
	if (cmpxchg(vpe_gro_slot(gro), esp, &gro->ours) != esp) {
		gro->esp = NULL;
		module_put(gro->owner);
	}
out:
	mutex_unlock(&vpe_gro_mutex);
}

static void vpe_gro_leave(struct vpe_gro *gro)
{
	if (!gro->esp)
		return;
	WARN_ON(cmpxchg(vpe_gro_slot(gro), &gro->ours, gro->esp) != &gro->ours);
	synchronize_net();
	module_put(gro->owner);
	gro->esp = NULL;
}

static int vpe_gro_module_event(struct notifier_block *nb, unsigned long event,
				void *data)
{
	const struct module *mod = data;

	if (event == MODULE_STATE_LIVE) {
		if (!strcmp(mod->name, vpe_gro4.module))
			vpe_gro_enter(&vpe_gro4);
		if (!strcmp(mod->name, vpe_gro6.module))
			vpe_gro_enter(&vpe_gro6);
	}
	return NOTIFY_DONE;
}

static struct notifier_block vpe_gro_notifier = {
	.notifier_call = vpe_gro_module_event,
};

/**
 * vpe_offload_init - stand before esp4_offload and esp6_offload
 *
 * Return: 0 or an error.
 */
int vpe_offload_init(void)
{
	int err = register_module_notifier(&vpe_gro_notifier);

	if (err)
		return err;
	vpe_gro_enter(&vpe_gro4);
	vpe_gro_enter(&vpe_gro6);
	return 0;
}

/**
 * vpe_offload_exit - give them their places back
 *
 * Context: process, sleeps.
 */
void vpe_offload_exit(void)
{
	unregister_module_notifier(&vpe_gro_notifier);
	vpe_gro_leave(&vpe_gro4);
	vpe_gro_leave(&vpe_gro6);
}
