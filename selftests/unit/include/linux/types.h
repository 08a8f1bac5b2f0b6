/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_TYPES_H
#define _SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/compiler.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef unsigned long long u64;	/* as printk's %llu wants it */
typedef __s32 s32;
typedef long long s64;
typedef unsigned int gfp_t;

#define GFP_KERNEL	0u
#define GFP_ATOMIC	1u
#define __GFP_NOWARN	2u

#define BITS_PER_LONG	64

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define shim_le(bits, x)	((u##bits)(x))
#define shim_be(bits, x)	((u##bits)__builtin_bswap##bits(x))
#else
#define shim_le(bits, x)	((u##bits)__builtin_bswap##bits(x))
#define shim_be(bits, x)	((u##bits)(x))
#endif

#define cpu_to_le16(x)	((__le16)shim_le(16, x))
#define cpu_to_le32(x)	((__le32)shim_le(32, x))
#define cpu_to_le64(x)	((__le64)shim_le(64, x))
#define le16_to_cpu(x)	shim_le(16, x)
#define le32_to_cpu(x)	shim_le(32, x)
#define le64_to_cpu(x)	shim_le(64, x)
#define cpu_to_be32(x)	((__be32)shim_be(32, x))
#define cpu_to_be64(x)	((__be64)shim_be(64, x))
#define be32_to_cpu(x)	shim_be(32, x)
#define be64_to_cpu(x)	shim_be(64, x)

#define ALIGN(x, a)		(((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};

#define rcu_head callback_head

#endif /* _SHIM_LINUX_TYPES_H */
