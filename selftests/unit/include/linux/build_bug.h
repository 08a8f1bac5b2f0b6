/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_BUILD_BUG_H
#define _SHIM_LINUX_BUILD_BUG_H

#include <assert.h>

/* the kernel's takes the message or makes one */
#undef static_assert
#define static_assert(expr, ...) _Static_assert(expr, #expr)

#endif /* _SHIM_LINUX_BUILD_BUG_H */
