/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_REFCOUNT_H
#define _SHIM_LINUX_REFCOUNT_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

typedef struct {
	int refs;
} refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, n, __ATOMIC_RELAXED);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_RELAXED);
}

static inline void refcount_inc(refcount_t *r)
{
	shim_assert(__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED) > 0);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int n = refcount_read(r);

	while (n)
		if (__atomic_compare_exchange_n(&r->refs, &n, n + 1, false,
						__ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return !__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL);
}

#endif /* _SHIM_LINUX_REFCOUNT_H */
