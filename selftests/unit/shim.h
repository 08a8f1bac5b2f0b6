/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's services as tests see them: settable, and able to fail.
 */
#ifndef _UNIT_SHIM_H
#define _UNIT_SHIM_H

#include <linux/types.h>

extern u64 shim_real_ns;	/* ktime_get_real_ns() */
extern u64 shim_boot_ns;	/* ktime_get_boottime_ns() */
extern unsigned int shim_fail_alloc;	/* the how manieth allocation from now fails; 0: none */

/**
 * struct shim_aead - how ciphers behave
 * @async: requests wait for shim_aead_complete()
 * @error: what requests fail with, 0 for none
 * @requests: how many there were
 */
struct shim_aead {
	bool async;
	int error;
	unsigned int requests;
};

extern struct shim_aead shim_aead;

unsigned int shim_aead_complete(void);

#endif /* _UNIT_SHIM_H */
