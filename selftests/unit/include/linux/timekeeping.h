/* SPDX-License-Identifier: GPL-2.0 */
/* Clocks that a test sets, see ../shim.h */
#ifndef _SHIM_LINUX_TIMEKEEPING_H
#define _SHIM_LINUX_TIMEKEEPING_H

#include <linux/types.h>

#define NSEC_PER_SEC	1000000000L

typedef s64 ktime_t;

enum tk_offsets {
	TK_OFFS_REAL,
	TK_OFFS_BOOT,
};

u64 ktime_get_real_ns(void);
u64 ktime_get_boottime_ns(void);
ktime_t ktime_mono_to_any(ktime_t mono, enum tk_offsets offs);

#endif /* _SHIM_LINUX_TIMEKEEPING_H */
