// SPDX-License-Identifier: GPL-2.0
/*
 * What code that is compiled for the thread sanitizer calls, see explore.c.
 */
#include "explore.h"

/* The compiler knows their types, and wants no declarations. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static void use_plain(const void *addr, unsigned int size, bool write, const void *pc)
{
	const unsigned char *p = addr;

	if (explore_use(addr, size, write ? EXPLORE_WRITE : EXPLORE_READ, pc) && !write)
		while (size--)
			explore_saw(*p++);
}

void __tsan_init(void) {}
void __tsan_func_entry(void *pc) {}
void __tsan_func_exit(void) {}

#define PLAIN(name, size)							\
void __tsan_##name(void *p)							\
{										\
	use_plain(p, size, #name[0] == 'w', __builtin_return_address(0));	\
}

PLAIN(read1, 1)
PLAIN(read2, 2)
PLAIN(read4, 4)
PLAIN(read8, 8)
PLAIN(read16, 16)
PLAIN(write1, 1)
PLAIN(write2, 2)
PLAIN(write4, 4)
PLAIN(write8, 8)
PLAIN(write16, 16)

void __tsan_read_range(void *p, long size)
{
	use_plain(p, size, false, __builtin_return_address(0));
}

void __tsan_write_range(void *p, long size)
{
	use_plain(p, size, true, __builtin_return_address(0));
}

#define USE(p, kind) \
	explore_use((const void *)(p), sizeof(*(p)), kind, __builtin_return_address(0))

#define RMW(bits, name, type, expr)						\
type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)		\
{										\
	bool noted = USE(p, EXPLORE_MARKED_WRITE);				\
	type old = *p;								\
										\
	if (noted)								\
		explore_saw((u64)old);						\
	*p = (expr);								\
	return old;								\
}

#define ATOMIC(bits, type)							\
type __tsan_atomic##bits##_load(const volatile type *p, int order)		\
{										\
	if (USE(p, EXPLORE_MARKED_READ))					\
		explore_saw((u64)*p);						\
	return *p;								\
}										\
void __tsan_atomic##bits##_store(volatile type *p, type v, int order)		\
{										\
	USE(p, EXPLORE_MARKED_WRITE);						\
	*p = v;									\
}										\
RMW(bits, exchange, type, v)							\
RMW(bits, fetch_add, type, old + v)						\
RMW(bits, fetch_sub, type, old - v)						\
int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *old,	\
						  type v, int order, int failed) \
{										\
	bool noted = USE(p, EXPLORE_MARKED_WRITE), same;			\
	type was = *p;								\
										\
	if (noted)								\
		explore_saw((u64)was);						\
	same = was == *old;							\
	if (same)								\
		*p = v;								\
	*old = was;								\
	return same;								\
}

ATOMIC(8, char)
ATOMIC(32, int)
ATOMIC(64, long)
