/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_CACHE_H
#define _SHIM_LINUX_CACHE_H

#include <linux/compiler.h>

#define SMP_CACHE_BYTES	64
#define ____cacheline_aligned_in_smp	__aligned(SMP_CACHE_BYTES)

#endif /* _SHIM_LINUX_CACHE_H */
