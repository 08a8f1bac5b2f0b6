/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_LIMITS_H
#define _SHIM_LINUX_LIMITS_H

#include_next <linux/limits.h>

#define U32_MAX	(~0U)
#define U64_MAX	(~0ULL)

#endif /* _SHIM_LINUX_LIMITS_H */
