// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's services in user space: memory, CPUs, RCU, clocks, xarray.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <linux/cache.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include "shim.h"

__thread unsigned int shim_cpu;
__thread int shim_preempt_off;
u64 shim_real_ns;
u64 shim_boot_ns;
unsigned int shim_fail_alloc;

void shim_assert_at(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	printf("# %s:%d: does not hold: %s\n", file, line, what);
	fflush(stdout);
	abort();
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *p;

	(void)gfp;
	if (shim_fail_alloc && !--shim_fail_alloc)
		return NULL;
	/* types that are aligned to cache lines have their way */
	return posix_memalign(&p, SMP_CACHE_BYTES, size) ? NULL : p;
}

void *kzalloc(size_t size, gfp_t gfp)
{
	void *p = kmalloc(size, gfp);

	return p ? memset(p, 0, size) : NULL;
}

void kfree(const void *p)
{
	free((void *)p);
}

void *shim_alloc_percpu(size_t size)
{
	shim_assert(size <= SHIM_PERCPU_STRIDE);
	return kzalloc(SHIM_CPUS * SHIM_PERCPU_STRIDE, GFP_KERNEL);
}

void free_percpu(void *p)
{
	kfree(p);
}

static struct rcu_head *shim_rcu;
static spinlock_t shim_rcu_lock;

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	spin_lock(&shim_rcu_lock);
	head->next = shim_rcu;
	shim_rcu = head;
	spin_unlock(&shim_rcu_lock);
}

void rcu_barrier(void)
{
	struct rcu_head *head, *next;

	spin_lock(&shim_rcu_lock);
	head = shim_rcu;
	shim_rcu = NULL;
	spin_unlock(&shim_rcu_lock);
	for (; head; head = next) {
		next = head->next;
		head->func(head);
	}
}

u64 ktime_get_real_ns(void)
{
	return READ_ONCE(shim_real_ns);
}

u64 ktime_get_boottime_ns(void)
{
	return shim_boot_ns;
}

/* Monotonic time is boot time here. */
ktime_t ktime_mono_to_any(ktime_t mono, enum tk_offsets offs)
{
	return mono + (offs == TK_OFFS_REAL ? ktime_get_real_ns() - shim_boot_ns : 0);
}

void get_random_bytes(void *buf, size_t len)
{
	u8 *p = buf;

	while (len--)
		*p++ = (u8)rand();
}

/* SipHash-2-4 (Aumasson, Bernstein) */
static u64 rotl(u64 x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void sip_rounds(u64 v[4], unsigned int n)
{
	while (n--) {
		v[0] += v[1]; v[1] = rotl(v[1], 13) ^ v[0]; v[0] = rotl(v[0], 32);
		v[2] += v[3]; v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3]; v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1]; v[1] = rotl(v[1], 17) ^ v[2]; v[2] = rotl(v[2], 32);
	}
}

u64 siphash(const void *data, size_t len, const siphash_key_t *key)
{
	u64 v[4] = {
		key->key[0] ^ 0x736f6d6570736575ULL,
		key->key[1] ^ 0x646f72616e646f6dULL,
		key->key[0] ^ 0x6c7967656e657261ULL,
		key->key[1] ^ 0x7465646279746573ULL,
	};
	u64 last = (u64)len << 56, word;
	const u8 *p = data;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		word = le64_to_cpu(word);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, p, len);
	last |= le64_to_cpu(word);
	v[3] ^= last;
	sip_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static unsigned int xa_slot(unsigned long index, unsigned int level)
{
	return index >> (level * SHIM_XA_BITS) & (SHIM_XA_SLOTS - 1);
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void *p = __atomic_load_n(&xa->root, __ATOMIC_ACQUIRE);
	int level;

	for (level = 2; p && level >= 0; level--)
		p = __atomic_load_n(&((struct shim_xa_node *)p)->slot[xa_slot(index, level)],
				    __ATOMIC_ACQUIRE);
	return p;
}

int __xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void **slot = (void **)&xa->root, *new;
	int level;

	lockdep_assert_held(&xa->lock);
	for (level = 2; level >= 0; level--) {
		if (!*slot) {
			new = kzalloc(sizeof(struct shim_xa_node), gfp);
			if (!new)
				return -ENOMEM;
			__atomic_store_n(slot, new, __ATOMIC_RELEASE);
		}
		slot = &((struct shim_xa_node *)*slot)->slot[xa_slot(index, level)];
	}
	if (*slot)
		return -EBUSY;
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
	return 0;
}

static void *xa_next(struct shim_xa_node *node, int level, unsigned long *index)
{
	unsigned long step = 1UL << (level * SHIM_XA_BITS);
	unsigned int i;
	void *p;

	for (i = xa_slot(*index, level); node && i < SHIM_XA_SLOTS; i++) {
		p = node->slot[i];
		if (p && level)
			p = xa_next(p, level - 1, index);	/* moves index on */
		else if (!p)
			*index = (*index & ~(step - 1)) + step;
		if (p)
			return p;
	}
	return NULL;
}

void *shim_xa_next(struct xarray *xa, unsigned long *index)
{
	return *index >> (3 * SHIM_XA_BITS) ? NULL : xa_next(xa->root, 2, index);
}

static void xa_free(struct shim_xa_node *node, int level)
{
	unsigned int i;

	for (i = 0; node && level && i < SHIM_XA_SLOTS; i++)
		xa_free(node->slot[i], level - 1);
	kfree(node);
}

void xa_destroy(struct xarray *xa)
{
	xa_free(xa->root, 2);
	xa->root = NULL;
}
