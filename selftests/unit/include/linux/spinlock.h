/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_SPINLOCK_H
#define _SHIM_LINUX_SPINLOCK_H

#include <sched.h>
#include <linux/types.h>

typedef struct {
	unsigned int held;
} spinlock_t;

#define DEFINE_SPINLOCK(name)	spinlock_t name

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = 0;
}

#ifdef ONLY_EXPLORE
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void spin_lock_bh(spinlock_t *lock);
void spin_unlock_bh(spinlock_t *lock);
#else
static inline void spin_lock(spinlock_t *lock)
{
	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#define spin_lock_bh(lock)	spin_lock(lock)
#define spin_unlock_bh(lock)	spin_unlock(lock)
#endif

#define lockdep_assert_held(lock) \
	shim_assert(__atomic_load_n(&(lock)->held, __ATOMIC_RELAXED))

#define shim_assert(cond) shim_assert_at(!!(cond), #cond, __FILE__, __LINE__)
void shim_assert_at(bool ok, const char *what, const char *file, int line);

#endif /* _SHIM_LINUX_SPINLOCK_H */
