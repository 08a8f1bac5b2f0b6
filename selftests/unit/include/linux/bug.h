/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_BUG_H
#define _SHIM_LINUX_BUG_H

#include <linux/spinlock.h>

#define WARN_ON(cond)	shim_assert(!(cond))

#endif /* _SHIM_LINUX_BUG_H */
