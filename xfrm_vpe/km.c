// SPDX-License-Identifier: GPL-2.0
/*
 * Large packets from local sockets.
 *
 * TCP hands down packets over the MTU only if the first SA of its bundle has a
 * type_offload (xfrm_dst_offload_ok()). We segment them ourselves, so ours may
 * have one, which nobody calls: bundles of ours do not come to xfrm_output(),
 * and where they do (nested transforms) it refuses to offload.
 *
 * It must not be there while the SA is made: up to 6.12 hardware offload of a
 * VPE SA is refused because it is not, and later kernels set the field after
 * init_state. So we listen, as a key manager, for SAs that became valid. From
 * then on they do without VPE_TFCPAD_NO_OFFLOAD.
 */
#include <linux/module.h>

#include "vpe.h"

static const struct xfrm_type_offload vpe_type_offload = {
	.owner	= THIS_MODULE,
	.proto	= IPPROTO_ESP,
};

/**
 * vpe_km_allow_gso - let local sockets send large packets through an SA
 * @x: a VPE SA
 *
 * Context: any; a reference to @x, or what keeps it.
 */
void vpe_km_allow_gso(struct xfrm_state *x)
{
	const struct xfrm_type_offload *old = READ_ONCE(x->type_offload);

	if (old == &vpe_type_offload ||
	    READ_ONCE(x->km.state) != XFRM_STATE_VALID)
		return;
	if (cmpxchg(&x->type_offload, old, &vpe_type_offload) != old)
		return;
	__module_get(THIS_MODULE);
	if (old)
		module_put(old->owner);
}

static int vpe_km_notify(struct xfrm_state *x, const struct km_event *c)
{
	if ((c->event == XFRM_MSG_NEWSA || c->event == XFRM_MSG_UPDSA) &&
	    vpe_is_ours(x)) {
		if (x->tfcpad == VPE_TFCPAD_NO_OFFLOAD)
			x->tfcpad = 0;
		vpe_km_allow_gso(x);
	}
	return 0;
}

/* xfrm asks every key manager; we have neither keys nor policies. */
static int vpe_km_acquire(struct xfrm_state *x, struct xfrm_tmpl *tmpl,
			  struct xfrm_policy *pol)
{
	return -EINVAL;
}

static struct xfrm_policy *vpe_km_compile_policy(struct sock *sk, int opt,
						 u8 *data, int len, int *dir)
{
	return NULL;
}

static struct xfrm_mgr vpe_km = {
	.notify		= vpe_km_notify,
	.acquire	= vpe_km_acquire,
	.compile_policy	= vpe_km_compile_policy,
};

/**
 * vpe_km_init - listen for new SAs
 *
 * Return: 0.
 */
int vpe_km_init(void)
{
	xfrm_register_km(&vpe_km);
	return 0;
}

/**
 * vpe_km_exit - stop listening
 *
 * Context: process, sleeps.
 */
void vpe_km_exit(void)
{
	xfrm_unregister_km(&vpe_km);
}
