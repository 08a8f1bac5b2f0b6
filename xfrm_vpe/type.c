// SPDX-License-Identifier: GPL-2.0
/*
 * How an ESP SA with our flag becomes a VPE SA.
 *
 * xfrm knows a fixed list of protocols, and hands each new ESP SA to the type
 * that esp4 or esp6 registered. We put a selector in that place, by one atomic
 * exchange: it passes classic SAs on and keeps ours. After that neither kind
 * meets it again.
 *
 * The selector has no owner, or adding classic SAs would fail between the
 * moment when unloading begins and the one when esp's type is back. Instead
 * vpe_type_exit() waits: for callers that hold the pointer but have not come
 * in yet, and that are about to return (RCU tasks: nobody sleeps there), and
 * for those inside (SRCU: allocations sleep).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/srcu.h>

#include "vpe.h"

DEFINE_STATIC_SRCU(vpe_selector_srcu);

static int vpe_init_state(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	return vpe_sa_create(x, extack);
}

/* Of an SA that was refused x->data is NULL. */
static void vpe_destructor(struct xfrm_state *x)
{
	if (x->data)
		vpe_sa_destroy(vpe_sa_of(x));
}

const struct xfrm_type vpe_type = {
	.owner		= THIS_MODULE,
	.proto		= VPE_TYPE_PROTO,
	.init_state	= vpe_init_state,
	.destructor	= vpe_destructor,
	.input		= vpe_type_input,
	.output		= vpe_type_output,
};

/* ESP with entropy: xfrm reckons its MTU, by the cipher. */
const struct xfrm_type vpe_esp_type = {
	.owner		= THIS_MODULE,
	.proto		= IPPROTO_ESP,
	.init_state	= vpe_init_state,
	.destructor	= vpe_destructor,
	.input		= vpe_type_input,
	.output		= vpe_type_output,
};

/**
 * struct vpe_selector - stands in the place of esp4's or esp6's type
 * @type: what xfrm sees
 * @esp: whom it stands for
 * @family: AF_INET or AF_INET6
 */
struct vpe_selector {
	struct xfrm_type	type;
	const struct xfrm_type	*esp;
	u16			family;
};

static int vpe_select(struct xfrm_state *x, struct netlink_ext_ack *extack);

static struct vpe_selector vpe_selectors[] = {
	{ .type.init_state = vpe_select, .family = AF_INET },
	{ .type.init_state = vpe_select, .family = AF_INET6 },
};

/* The type of a new SA, by its flags; a classic one's is esp's. */
static const struct xfrm_type *vpe_type_of(const struct xfrm_state *x,
					   const struct xfrm_type *esp)
{
	if (x->props.extra_flags & VPE_SA_FLAG_VPE)
		return &vpe_type;
	return x->props.extra_flags & VPE_SA_FLAG_ENTROPY ? &vpe_esp_type : esp;
}

static int __vpe_select(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	const struct vpe_selector *sel =
		container_of(x->type, struct vpe_selector, type);
	const struct xfrm_type *type = vpe_type_of(x, sel->esp);

	if (!try_module_get(type->owner)) {
		x->type = NULL;
		NL_SET_ERR_MSG(extack, "VPE: the module is being unloaded");
		return -EPROTONOSUPPORT;
	}
	x->type = type;
	return type->init_state(x, extack);
}

static int vpe_select(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	int idx = srcu_read_lock(&vpe_selector_srcu);
	int err = __vpe_select(x, extack);

	srcu_read_unlock(&vpe_selector_srcu, idx);
	return err;
}

/* Put @to where @from is; false if it is not there (any more). */
static bool vpe_type_exchange(u16 family, const struct xfrm_type *from,
			      const struct xfrm_type *to)
{
	struct xfrm_state_afinfo *afinfo;
	bool done = false;

	rcu_read_lock();
	afinfo = xfrm_state_afinfo_get_rcu(family);
	if (afinfo)
		done = cmpxchg(&afinfo->type_esp, from, to) == from;
	rcu_read_unlock();
	return done;
}

/* The ESP type of a family, its module held. */
static const struct xfrm_type *vpe_type_get_esp(u16 family)
{
	const struct xfrm_type *esp = NULL;
	struct xfrm_state_afinfo *afinfo;

	request_module("xfrm-type-%d-%d", family, IPPROTO_ESP);
	rcu_read_lock();
	afinfo = xfrm_state_afinfo_get_rcu(family);
	if (afinfo)
		esp = READ_ONCE(afinfo->type_esp);
	if (esp && !try_module_get(esp->owner))
		esp = NULL;
	rcu_read_unlock();
	return esp;
}

static int vpe_selector_enter(struct vpe_selector *sel)
{
	sel->esp = vpe_type_get_esp(sel->family);
	if (!sel->esp) {
		pr_err("no ESP for address family %u: is %s there?\n",
		       sel->family, sel->family == AF_INET ? "esp4" : "esp6");
		return -EPROTONOSUPPORT;
	}
	sel->type.proto = sel->esp->proto;
	sel->type.flags = sel->esp->flags;
	if (vpe_type_exchange(sel->family, sel->esp, &sel->type))
		return 0;

	module_put(sel->esp->owner);
	sel->esp = NULL;
	return -EBUSY;
}

static void vpe_selector_leave(struct vpe_selector *sel)
{
	if (sel->esp)
		WARN_ON(!vpe_type_exchange(sel->family, &sel->type, sel->esp));
}

static void vpe_wait_for_tasks(void)
{
#ifdef CONFIG_TASKS_RCU
	synchronize_rcu_tasks();
#else
	synchronize_rcu();
#endif
}

/**
 * vpe_type_exit - give esp4 and esp6 their places back
 *
 * Context: process, sleeps. No VPE SA is left.
 */
void vpe_type_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vpe_selectors); i++)
		vpe_selector_leave(&vpe_selectors[i]);
	vpe_wait_for_tasks();
	synchronize_srcu(&vpe_selector_srcu);
	vpe_wait_for_tasks();
	for (i = 0; i < ARRAY_SIZE(vpe_selectors); i++)
		if (vpe_selectors[i].esp)
			module_put(vpe_selectors[i].esp->owner);
}

/**
 * vpe_type_init - take the places of esp4 and esp6
 *
 * From here on SAs can be made.
 *
 * Context: process, sleeps.
 * Return: 0 or an error.
 */
int vpe_type_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(vpe_selectors); i++) {
		err = vpe_selector_enter(&vpe_selectors[i]);
		if (err) {
			vpe_type_exit();
			return err;
		}
	}
	return 0;
}
