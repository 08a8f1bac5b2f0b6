/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_PERCPU_H
#define _SHIM_LINUX_PERCPU_H

#include <linux/atomic.h>
#include <linux/smp.h>

#ifndef SHIM_PERCPU_STRIDE
#define SHIM_PERCPU_STRIDE	65536
#endif

void *shim_alloc_percpu(size_t size);
void free_percpu(void *p);

#define alloc_percpu(type)	((type *)shim_alloc_percpu(sizeof(type)))
#define __alloc_percpu(size, align)	shim_alloc_percpu(size)
#define per_cpu_ptr(p, cpu) \
	((__typeof__(p))((char *)(p) + (size_t)(cpu) * SHIM_PERCPU_STRIDE))
#define this_cpu_ptr(p)		per_cpu_ptr(p, smp_processor_id())
#define this_cpu_add_return(var, n) \
	__atomic_add_fetch(this_cpu_ptr(&(var)), n, __ATOMIC_RELAXED)
#define this_cpu_add(var, n)	((void)this_cpu_add_return(var, n))
#define this_cpu_write(var, n) \
	__atomic_store_n(this_cpu_ptr(&(var)), n, __ATOMIC_RELAXED)
#define this_cpu_xchg(var, new) \
	__atomic_exchange_n(this_cpu_ptr(&(var)), new, __ATOMIC_RELAXED)
#define this_cpu_cmpxchg(var, old, new)	cmpxchg(this_cpu_ptr(&(var)), old, new)

#endif /* _SHIM_LINUX_PERCPU_H */
