/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that can be made to fail, see ../shim.h */
#ifndef _SHIM_LINUX_SLAB_H
#define _SHIM_LINUX_SLAB_H

#include <linux/bug.h>
#include <linux/types.h>

void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

#define struct_size(p, member, n) \
	(offsetof(__typeof__(*(p)), member) + (n) * sizeof((p)->member[0]))

#endif /* _SHIM_LINUX_SLAB_H */
