/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share: the bytes of an input are read as small numbers
 * and operations, and all that does not hold aborts (shim_assert()).
 */
#ifndef _FUZZ_FUZZ_H
#define _FUZZ_FUZZ_H

#include <string.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* What libFuzzer calls, see the Makefile */
int fuzz_one(const u8 *data, size_t len);

/**
 * struct input - what is left of the bytes
 * @at: the next one
 * @end: behind the last one
 */
struct input {
	const u8 *at;
	const u8 *end;
};

static inline size_t left(const struct input *in)
{
	return in->end - in->at;
}

/* The next bytes; zeros behind the last one. */
static inline void take_bytes(struct input *in, void *to, size_t n)
{
	size_t some = n < left(in) ? n : left(in);

	memset(to, 0, n);
	memcpy(to, in->at, some);
	in->at += some;
}

static inline u64 take(struct input *in, unsigned int bytes)
{
	u64 value = 0;

	take_bytes(in, &value, bytes);
	return value;
}

/**
 * take_seq - a sequence number that may be of interest
 * @in: input
 * @top: of the window
 * @size: of the window, packets
 *
 * Return: one near @top, or at one of the window's edges, or any.
 */
static inline u64 take_seq(struct input *in, u64 top, u64 size)
{
	u8 how = take(in, 1);
	s64 off = (how >> 3) - 16;

	switch (how & 7) {
	case 0:
		return top + off;
	case 1:
		return top - size + off;
	case 2:
		return top + size + off;
	case 3:
		return top - take(in, 2);
	case 4:
		return top + take(in, 2);
	case 5:
		return off;		/* at both ends of all numbers */
	case 6:
		return top + size * (u64)off;
	default:
		return take(in, 8);
	}
}

#endif /* _FUZZ_FUZZ_H */
