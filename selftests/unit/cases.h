/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables of cases for the kernel's and the user-space tests.
 */
#ifndef _UNIT_CASES_H
#define _UNIT_CASES_H

#include <linux/types.h>

#include "../../vpe/header.h"
#include "../../vpe/window.h"

static const struct vpe_hdr_case {
	enum vpe_layout	layout;
	u32		spi;
	u32		window;
	u64		seq;
	u8		bytes[16];
} vpe_hdr_cases[] = {
	{ VPE_SPI_FIRST, 0x01020304, 0x05060708, 0x1112131415161718ULL,
	  { 1, 2, 3, 4, 6, 5, 8, 7,
	    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11 } },
	{ VPE_ARES, 0x01020304, 0x05060708, 0x1112131415161718ULL,
	  { 6, 5, 8, 7, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
	    4, 3, 2, 1 } },
	{ VPE_SPI_FIRST, 0x1000abcd, 0, 1,
	  { 0x10, 0, 0xab, 0xcd, 0, 0, 0, 0, 1 } },
	{ VPE_ARES, 0x1000abcd, 0, 1,
	  { 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xcd, 0xab, 0, 0x10 } },
	{ VPE_SPI_FIRST, 0x100, 0x0000ffff, 0x100,
	  { 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0, 1 } },
	{ VPE_SPI_FIRST, 0x80000000, 0xffff0000, 1ULL << 63,
	  { 0x80, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 } },
	{ VPE_ARES, 0x80000000, 0xffff0000, 1ULL << 63,
	  { 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80 } },
	{ VPE_SPI_FIRST, 0xffffffff, 0xffffffff, ~0ULL,
	  { 255, 255, 255, 255, 255, 255, 255, 255,
	    255, 255, 255, 255, 255, 255, 255, 255 } },
};

static const struct vpe_round_case {
	unsigned int	asked;
	unsigned int	size;
} vpe_round_cases[] = {
	{ 0, 1024 }, { 1, 64 }, { 32, 64 }, { 63, 64 }, { 64, 64 },
	{ 65, 128 }, { 127, 128 }, { 128, 128 }, { 129, 256 }, { 1000, 1024 },
	{ 1023, 1024 }, { 1024, 1024 }, { 1025, 2048 }, { 2049, 4096 },
	{ 4095, 4096 }, { 4096, 4096 }, { 4097, 4096 }, { ~0u, 4096 },
};

/* A window of 64 that starts at @first; a step's verdict is of check and commit. */
static const struct vpe_window_case {
	const char	*name;
	u64		first;
	struct {
		u64			seq;
		enum vpe_verdict	verdict;
	} steps[12];
	unsigned int	nr;
} vpe_window_cases[] = {
#define FRESH(n)	{ n, VPE_FRESH }
#define REPLAY(n)	{ n, VPE_REPLAY }
#define OLD(n)		{ n, VPE_OLD }
	{ "the first number is taken", 1000, { REPLAY(1000) }, 1 },
	{ "in order", 1, { FRESH(2), FRESH(3), REPLAY(3), REPLAY(2), REPLAY(1) }, 5 },
	{ "late inside the window", 100, { FRESH(99), REPLAY(99), FRESH(98), REPLAY(100) }, 4 },
	{ "lower edge", 1000,
	  { OLD(935), OLD(936), FRESH(937), REPLAY(937), OLD(936) }, 5 },
	{ "numbers near 0", 5,
	  { FRESH(0), REPLAY(0), FRESH(4), REPLAY(5), FRESH(63), REPLAY(0) }, 6 },
	{ "0 falls out", 0,
	  { REPLAY(0), FRESH(63), REPLAY(0), FRESH(64), OLD(0), FRESH(1) }, 6 },
	{ "size - 1 ahead", 1000,
	  { FRESH(1063), REPLAY(1000), FRESH(1001), FRESH(1062), OLD(999) }, 5 },
	{ "size ahead", 1000,
	  { FRESH(1064), OLD(1000), FRESH(1001), FRESH(1063), REPLAY(1064) }, 5 },
	{ "size + 1 ahead", 1000,
	  { FRESH(1065), OLD(1001), FRESH(1002), FRESH(1064) }, 4 },
	{ "a bit's next owner", 1000,
	  { FRESH(1001), FRESH(1065), OLD(1001), FRESH(1064), REPLAY(1065) }, 5 },
	{ "a multiple of size ahead", 1000,
	  { FRESH(1000 + 64 * 7), FRESH(999 + 64 * 7), OLD(1000) }, 3 },
	{ "cleared across the array's end", 62,
	  { FRESH(61), FRESH(60), FRESH(70), FRESH(63), FRESH(64), FRESH(69),
	    REPLAY(62), REPLAY(70), REPLAY(60), FRESH(130) }, 10 },
	{ "the end of all numbers", ~0ULL - 2,
	  { FRESH(~0ULL), REPLAY(~0ULL), FRESH(~0ULL - 1), OLD(0), OLD(1),
	    OLD(~0ULL - 64), FRESH(~0ULL - 63) }, 7 },
	{ "no way round the end", ~0ULL,
	  { OLD(0), OLD(63), OLD(~0ULL / 2), REPLAY(~0ULL) }, 4 },
	{ "all of 64 bits ahead", 0,
	  { FRESH(~0ULL), OLD(0), OLD(1), FRESH(~0ULL - 1) }, 4 },
#undef FRESH
#undef REPLAY
#undef OLD
};

#endif /* _UNIT_CASES_H */
