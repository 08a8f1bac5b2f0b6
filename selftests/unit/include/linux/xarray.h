/* SPDX-License-Identifier: GPL-2.0 */
/* Three levels of tables; readers need no lock, as with the kernel's */
#ifndef _SHIM_LINUX_XARRAY_H
#define _SHIM_LINUX_XARRAY_H

#include <linux/slab.h>
#include <linux/spinlock.h>

#ifndef SHIM_XA_BITS
#define SHIM_XA_BITS	11
#endif
#define SHIM_XA_SLOTS	(1u << SHIM_XA_BITS)

struct shim_xa_node {
	void *slot[SHIM_XA_SLOTS];
};

struct xarray {
	spinlock_t lock;
	struct shim_xa_node *root;
};

#define XA_FLAGS_LOCK_BH	0
#define xa_lock_bh(xa)		spin_lock_bh(&(xa)->lock)
#define xa_unlock_bh(xa)	spin_unlock_bh(&(xa)->lock)

static inline void xa_init_flags(struct xarray *xa, int flags)
{
	(void)flags;
	spin_lock_init(&xa->lock);
	xa->root = NULL;
}

void *xa_load(struct xarray *xa, unsigned long index);
int __xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *shim_xa_next(struct xarray *xa, unsigned long *index);
void xa_destroy(struct xarray *xa);

#define xa_for_each(xa, index, entry)					\
	for ((index) = 0; ((entry) = shim_xa_next(xa, &(index))); (index)++)

#endif /* _SHIM_LINUX_XARRAY_H */
