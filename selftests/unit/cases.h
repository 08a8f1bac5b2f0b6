/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables of cases for the kernel's and the user-space tests.
 */
#ifndef _UNIT_CASES_H
#define _UNIT_CASES_H

#include <linux/errno.h>
#include <linux/limits.h>
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

/*
 * A window of 64 that starts at @first; a step's verdict is of check and commit,
 * or the number is closed.
 */
static const struct vpe_window_case {
	const char	*name;
	u64		first;
	struct {
		u64			seq;
		enum vpe_verdict	verdict;
		bool			close;
	} steps[12];
	unsigned int	nr;
} vpe_window_cases[] = {
#define FRESH(n)	{ .seq = n, .verdict = VPE_FRESH }
#define REPLAY(n)	{ .seq = n, .verdict = VPE_REPLAY }
#define OLD(n)		{ .seq = n, .verdict = VPE_OLD }
#define BEHIND(n)	{ .seq = n, .verdict = VPE_BEHIND }
#define CLOSE(n)	{ .seq = n, .close = true }
	{ "the first number is taken", 1000, { REPLAY(1000) }, 1 },
	{ "in order", 1, { FRESH(2), FRESH(3), REPLAY(3), REPLAY(2), REPLAY(1) }, 5 },
	{ "late inside the window", 100, { FRESH(99), REPLAY(99), FRESH(98), REPLAY(100) }, 4 },
	{ "lower edge", 1000,
	  { BEHIND(935), BEHIND(936), FRESH(937), REPLAY(937), BEHIND(936) }, 5 },
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
	  { FRESH(~0ULL), REPLAY(~0ULL), FRESH(~0ULL - 1), BEHIND(0), BEHIND(1),
	    OLD(~0ULL - 64), FRESH(~0ULL - 63) }, 7 },
	{ "no way round the end", ~0ULL,
	  { BEHIND(0), BEHIND(63), BEHIND(~0ULL / 2), REPLAY(~0ULL) }, 4 },
	{ "all of 64 bits ahead", 0,
	  { FRESH(~0ULL), OLD(0), OLD(1), FRESH(~0ULL - 1) }, 4 },
	{ "closed below the top", 1000,
	  { FRESH(995), CLOSE(990), REPLAY(990), REPLAY(989), REPLAY(937), BEHIND(936), FRESH(991),
	    REPLAY(995), FRESH(999), REPLAY(1000), FRESH(1001) }, 11 },
	{ "closed at the top", 1000,
	  { CLOSE(1000), REPLAY(999), REPLAY(937), BEHIND(936), FRESH(1001), REPLAY(1000) }, 6 },
	{ "closed above the top", 1000,
	  { CLOSE(1010), REPLAY(1010), REPLAY(1001), REPLAY(1000), REPLAY(947), OLD(946),
	    FRESH(1011), REPLAY(948), OLD(947) }, 9 },
	{ "closed by a window above the top", 1000,
	  { CLOSE(1064), REPLAY(1064), REPLAY(1001), OLD(1000), FRESH(1065) }, 5 },
	{ "closed far above", 1000,
	  { CLOSE(5000), REPLAY(5000), REPLAY(4937), OLD(4936), OLD(1000), FRESH(5001),
	    FRESH(5065), FRESH(5002) }, 8 },
	{ "closed at the lower edge", 1000,
	  { CLOSE(937), REPLAY(937), BEHIND(936), FRESH(938) }, 4 },
	{ "closed below the window: nothing to do", 1000,
	  { CLOSE(936), BEHIND(936), FRESH(937), CLOSE(0), FRESH(938) }, 5 },
	{ "0 closed", 5, { CLOSE(0), REPLAY(0), FRESH(1), FRESH(4), REPLAY(5) }, 5 },
	{ "0 closed at 0", 0, { CLOSE(0), REPLAY(0), FRESH(1), FRESH(63), FRESH(2) }, 5 },
	{ "closed across the array's end", 70,
	  { CLOSE(66), REPLAY(66), REPLAY(63), REPLAY(62), REPLAY(7), BEHIND(6), FRESH(67),
	    FRESH(69) }, 8 },
	{ "closed twice", 1000,
	  { CLOSE(990), CLOSE(980), REPLAY(990), FRESH(991), CLOSE(992), REPLAY(992),
	    FRESH(993) }, 7 },
	{ "a window moves on from what is closed", 1000,
	  { CLOSE(1000), FRESH(1064), FRESH(1001), FRESH(1063), FRESH(1128), FRESH(1065),
	    OLD(1064) }, 7 },
	{ "closed to the end", 1000,
	  { CLOSE(~0ULL), REPLAY(~0ULL), REPLAY(~0ULL - 63), OLD(~0ULL - 64), OLD(1001),
	    BEHIND(0) }, 6 },
	{ "closed but for the end", ~0ULL - 5,
	  { CLOSE(~0ULL - 1), REPLAY(~0ULL - 1), REPLAY(~0ULL - 5), REPLAY(~0ULL - 64),
	    FRESH(~0ULL), CLOSE(~0ULL), REPLAY(~0ULL) }, 7 },
#undef FRESH
#undef REPLAY
#undef OLD
#undef BEHIND
#undef CLOSE
};

/*
 * RFC 4303 appendix A2.2: with @top received, which number has the lower half
 * @low? Case A: the window lies in one subspace of 2^32 numbers; case B: in two.
 */
static const struct vpe_infer_case {
	u32	size;
	u64	top;
	u32	low;
	u64	seq;
} vpe_infer_cases[] = {
#define SUB(n)	((n) * 0x100000000ULL)
	/* nothing is before 0 */
	{ 64, 0, 0, 0 }, { 64, 0, 1, 1 }, { 64, 0, ~0u, SUB(1) - 1 },
	{ 64, 62, 0, 0 }, { 64, 62, ~0u, SUB(1) - 1 },
	{ 64, 63, 0, 0 }, { 64, 63, ~0u, SUB(1) - 1 },
	{ 64, 64, 1, 1 }, { 64, 64, 0, SUB(1) }, { 64, 64, ~0u, SUB(1) - 1 },
	{ 4096, 4095, 0, 0 }, { 4096, 4096, 0, SUB(1) }, { 4096, 4096, 1, 1 },
	/* A */
	{ 64, SUB(1) + 1000, 1000, SUB(1) + 1000 }, { 64, SUB(1) + 1000, 1001, SUB(1) + 1001 },
	{ 64, SUB(1) + 1000, 937, SUB(1) + 937 }, { 64, SUB(1) + 1000, 936, SUB(2) + 936 },
	{ 64, SUB(1) + 1000, ~0u, SUB(2) - 1 }, { 64, SUB(1) + 1000, 0, SUB(2) },
	{ 4096, SUB(1) + 5000, 905, SUB(1) + 905 }, { 4096, SUB(1) + 5000, 904, SUB(2) + 904 },
	{ 64, SUB(1) - 1, ~0u, SUB(1) - 1 }, { 64, SUB(1) - 1, 0, SUB(1) },
	{ 64, SUB(1) - 1, ~0u - 63, SUB(1) - 64 }, { 64, SUB(1) - 1, ~0u - 64, SUB(2) - 65 },
	/* A, the first that is */
	{ 64, SUB(1) + 63, 0, SUB(1) }, { 64, SUB(1) + 63, ~0u, SUB(2) - 1 },
	{ 4096, SUB(1) + 4095, 0, SUB(1) }, { 4096, SUB(1) + 4095, ~0u, SUB(2) - 1 },
	/* B, the last that is */
	{ 64, SUB(1) + 62, ~0u, SUB(1) - 1 }, { 64, SUB(1) + 62, ~0u - 1, SUB(2) - 2 },
	{ 64, SUB(1) + 62, 0, SUB(1) }, { 64, SUB(1) + 62, 63, SUB(1) + 63 },
	{ 4096, SUB(1) + 4094, ~0u, SUB(1) - 1 }, { 4096, SUB(1) + 4094, ~0u - 1, SUB(2) - 2 },
	/* B, the first that is */
	{ 64, SUB(1), 0, SUB(1) }, { 64, SUB(1), 1, SUB(1) + 1 },
	{ 64, SUB(1), ~0u - 62, SUB(1) - 63 }, { 64, SUB(1), ~0u - 63, SUB(2) - 64 },
	{ 4096, SUB(1), ~0u - 4094, SUB(1) - 4095 }, { 4096, SUB(1), ~0u - 4095, SUB(2) - 4096 },
	/* B */
	{ 1024, SUB(1) + 500, ~0u - 522, SUB(1) - 523 },
	{ 1024, SUB(1) + 500, ~0u - 523, SUB(2) - 524 },
	{ 1024, SUB(1) + 500, 2000000000, SUB(1) + 2000000000 },
	/* the next subspace, and a late one */
	{ 64, SUB(2) - 1, 0, SUB(2) }, { 64, SUB(2) - 1, ~0u, SUB(2) - 1 },
	{ 64, SUB(2), ~0u, SUB(2) - 1 }, { 64, SUB(2), 0, SUB(2) },
	{ 1024, SUB(2) + 10, ~0u - 1012, SUB(2) - 1013 },
	{ 1024, SUB(2) + 10, ~0u - 1013, SUB(3) - 1014 },
	{ 64, SUB(0x80000000) - 1, 0, SUB(0x80000000) },
	{ 64, SUB(0x80000000), ~0u, SUB(0x80000000) - 1 },
	/* the last subspace; none is ahead of it: a number long gone */
	{ 64, ~0ULL, ~0u, ~0ULL }, { 64, ~0ULL, ~0u - 63, ~0ULL - 63 },
	{ 64, ~0ULL, ~0u - 64, SUB(1) - 65 }, { 64, ~0ULL, 0, 0 },
	{ 64, ~0ULL - 1, ~0u, ~0ULL },
#undef SUB
};

/* A sender of ESP that may go on to @last begins after @oseq. */
static const struct vpe_esp_start_case {
	u64	last;
	u64	oseq;
	int	err;
} vpe_esp_start_cases[] = {
	{ U32_MAX, 0, 0 }, { U32_MAX, 1, 0 }, { U32_MAX, 1000, 0 },
	{ U32_MAX, 0x80000000, 0 }, { U32_MAX, U32_MAX - 1, 0 },
	{ U32_MAX, U32_MAX, -EOVERFLOW }, { U32_MAX, 0x100000000ULL, -EOVERFLOW },
	{ U32_MAX, 0x100000005ULL, -EOVERFLOW }, { U32_MAX, U64_MAX - 1, -EOVERFLOW },
	{ U32_MAX, U64_MAX, -EOVERFLOW },
	{ U64_MAX, 0, 0 }, { U64_MAX, 1, 0 }, { U64_MAX, U32_MAX - 1, 0 },
	{ U64_MAX, U32_MAX, 0 }, { U64_MAX, 0x100000000ULL, 0 },
	{ U64_MAX, 1800000000000000000ULL, 0 }, { U64_MAX, U64_MAX - 1, 0 },
	{ U64_MAX, U64_MAX, -EOVERFLOW },
};

/* With @room numbers left: reservations that fit, and one that does not. */
static const struct vpe_esp_end_case {
	u32	room;
	u32	n[3];
	u32	more;
} vpe_esp_end_cases[] = {
	{ 1, { 1 }, 1 }, { 1, { 0 }, 2 }, { 1, { 0 }, ~0u },
	{ 2, { 1, 1 }, 1 }, { 2, { 2 }, 1 }, { 2, { 1 }, 2 }, { 2, { 0 }, 3 },
	{ 64, { 60, 3, 1 }, 1 }, { 64, { 60, 3 }, 2 }, { 64, { 0 }, 65 },
};

#endif /* _UNIT_CASES_H */
