/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_BITMAP_H
#define _SHIM_LINUX_BITMAP_H

#include <linux/types.h>

#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

/*
 * Words are read and written whole, as the kernel's are: the thread sanitizer
 * must not take a look without the lock for an error.
 */
static inline bool test_bit(unsigned int nr, const unsigned long *map)
{
	return READ_ONCE(map[nr / BITS_PER_LONG]) >> nr % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned int nr, unsigned long *map)
{
	unsigned long *word = &map[nr / BITS_PER_LONG];

	WRITE_ONCE(*word, *word | 1UL << nr % BITS_PER_LONG);
}

static inline void bitmap_clear(unsigned long *map, unsigned int start,
				unsigned int n)
{
	unsigned long *word, mask;
	unsigned int bit, run;

	for (; n; start += run, n -= run) {
		bit = start % BITS_PER_LONG;
		run = BITS_PER_LONG - bit < n ? BITS_PER_LONG - bit : n;
		mask = (~0UL >> (BITS_PER_LONG - run)) << bit;
		word = &map[start / BITS_PER_LONG];
		WRITE_ONCE(*word, *word & ~mask);
	}
}

static inline void bitmap_zero(unsigned long *map, unsigned int n)
{
	bitmap_clear(map, 0, n);
}

#endif /* _SHIM_LINUX_BITMAP_H */
