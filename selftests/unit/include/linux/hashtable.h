/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_HASHTABLE_H
#define _SHIM_LINUX_HASHTABLE_H

#include <linux/list.h>

#define DEFINE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]
#define shim_bucket(table, key) \
	((u64)(key) * 0x61C8864680B583EBULL % ARRAY_SIZE(table))

#define hash_add(table, node, key) \
	hlist_add_head(node, &(table)[shim_bucket(table, key)])
#define hash_del(node)		hlist_del_init(node)
#define hash_empty(table)	shim_hash_empty(table, ARRAY_SIZE(table))

static inline bool shim_hash_empty(const struct hlist_head *h, size_t n)
{
	while (n--)
		if (h[n].first)
			return false;
	return true;
}

#define shim_entry(n, type, member) \
	((n) ? container_of(n, type, member) : NULL)
#define hash_for_each_possible(table, obj, member, key)			\
	for ((obj) = shim_entry((table)[shim_bucket(table, key)].first,	\
				__typeof__(*(obj)), member);		\
	     (obj);							\
	     (obj) = shim_entry((obj)->member.next, __typeof__(*(obj)),	\
				member))

#endif /* _SHIM_LINUX_HASHTABLE_H */
