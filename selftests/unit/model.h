/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a replay window must do, said in the plainest way: the set of all
 * numbers ever accepted, and the highest of them. For the kernel and for user
 * space.
 */
#ifndef _UNIT_MODEL_H
#define _UNIT_MODEL_H

#include <linux/types.h>

#include "../../vpe/window.h"

/**
 * struct vpe_model - reference of one window
 * @size: packets
 * @top: highest number accepted
 * @start: the first one
 * @accepted: how many were
 * @mask: entries of @set, minus one
 * @set: the numbers, each plus one, hashed; 0 is empty
 * @last: whether 2^64 - 1 is among them
 * @closing: whether numbers were closed
 * @closed: the highest of them
 */
struct vpe_model {
	u64	size;
	u64	top;
	u64	start;
	u64	accepted;
	u64	mask;
	u64	*set;
	bool	last;
	bool	closing;
	u64	closed;
};

static inline u64 *vpe_model_slot(const struct vpe_model *m, u64 seq)
{
	u64 i = (seq + 1) * 0x9e3779b97f4a7c15ULL >> 20;

	while (m->set[i & m->mask] && m->set[i & m->mask] != seq + 1)
		i++;
	return &m->set[i & m->mask];
}

static inline bool vpe_model_has(const struct vpe_model *m, u64 seq)
{
	return seq + 1 ? *vpe_model_slot(m, seq) : m->last;
}

static inline enum vpe_verdict vpe_model_check(const struct vpe_model *m,
					       u64 seq)
{
	if (m->start >= m->size && seq <= m->start - m->size)
		return VPE_BEHIND;
	if (m->top >= m->size && seq <= m->top - m->size)
		return VPE_OLD;
	if (m->closing && seq <= m->closed)
		return VPE_REPLAY;
	return vpe_model_has(m, seq) ? VPE_REPLAY : VPE_FRESH;
}

static inline void vpe_model_close(struct vpe_model *m, u64 seq)
{
	if (!m->closing || seq > m->closed)
		m->closed = seq;
	m->closing = true;
	if (seq > m->top)
		m->top = seq;
}

static inline void vpe_model_accept(struct vpe_model *m, u64 seq)
{
	if (seq + 1)
		*vpe_model_slot(m, seq) = seq + 1;
	else
		m->last = true;
	m->accepted++;
	if (seq > m->top)
		m->top = seq;
}

/*
 * As RFC 4303 appendix A2.2 says it, Tl, Th and all, but that the first subspace
 * has none before it.
 */
static inline u64 vpe_model_infer(u64 top, u32 size, u32 low)
{
	u32 tl = (u32)top, th = top >> 32, high;

	if (tl >= size - 1)
		high = low >= tl - size + 1 ? th : th + 1;
	else
		high = low >= tl - size + 1 && th ? th - 1 : th;
	return (u64)high << 32 | low;
}

/* What ESP puts after @len bytes of payload. Return: how many bytes */
static inline unsigned int vpe_model_trailer(u8 *trailer, unsigned int len, u8 next)
{
	u8 pad = 0;

	while ((len + pad + 2) % 4) {
		trailer[pad] = pad + 1;
		pad++;
	}
	trailer[pad] = pad;
	trailer[pad + 1] = next;
	return pad + 2;
}

static inline u64 vpe_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* A first number that a sender, or an attacker, may choose. */
static inline u64 vpe_model_first(const struct vpe_model *m, u64 *state)
{
	const u64 edges[] = {
		0, 1, m->size - 1, m->size, m->size + 1, 1000 * m->size,
		1800000000000000000ULL, ~0ULL, ~0ULL - 1, ~0ULL - m->size,
		~0ULL - 1000 * m->size,
	};
	u64 r = vpe_random(state);

	if (r % 4 == 0)
		return vpe_random(state);
	return edges[r / 4 % ARRAY_SIZE(edges)];
}

/* The next number to try: in order most of the time, else at some edge. */
static inline u64 vpe_model_next(const struct vpe_model *m, u64 *state)
{
	u64 r = vpe_random(state), near = r >> 8 & 1023, off = (r >> 20) % 3 - 1;

	switch (r % 16) {
	case 0 ... 4:
		return m->top + 1;
	case 5:
		return m->top + 2 + near % 7;
	case 6 ... 8:
		return m->top - near * 8 % (m->size + 2);
	case 9:
		return m->top - near % 8;
	case 10:
		return m->top - m->size + off;
	case 11:
		return m->top + m->size + off;
	case 12:
		return m->top + m->size * (1 + near % 5) + off;
	case 13:
		return near % (2 * m->size);
	case 14:
		return m->top - m->size * (1 + near % 5) + off;
	default:
		/* now and then the end of all numbers, which few come back from */
		if (near % 64)
			return m->top + near * near;
		return ~0ULL - near / 64;
	}
}

/**
 * struct vpe_infer_draw - something to infer a number from
 * @size: of the window
 * @top: highest number received
 * @low: the lower half that comes next
 */
struct vpe_infer_draw {
	u32	size;
	u64	top;
	u32	low;
};

/* Mostly around the borders of subspaces and of the window. */
static inline struct vpe_infer_draw vpe_model_infer_draw(u64 *state)
{
	u64 r = vpe_random(state), near = vpe_random(state) % 10000;
	struct vpe_infer_draw draw;

	draw.size = 64 << r % 7;
	draw.top = vpe_random(state) >> (r >> 8) % 64;
	if (r >> 16 & 1)
		draw.top = ((r >> 17) % 4 << 32) - 5000 + near;
	switch ((r >> 32) % 4) {
	case 0:
		draw.low = draw.top - (r >> 40) % (2 * draw.size);
		break;
	case 1:
		draw.low = draw.top + (r >> 40) % 10000;
		break;
	case 2:
		draw.low = draw.top - draw.size + (r >> 40) % 3;
		break;
	default:
		draw.low = vpe_random(state);
	}
	return draw;
}

#endif /* _UNIT_MODEL_H */
