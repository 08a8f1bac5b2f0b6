// SPDX-License-Identifier: GPL-2.0
/*
 * What of a packet is not in its first buffer is never ours to write: it may be a
 * file's pages, or another skb's. The cipher reads it where it is, and writes into
 * pages of ours, one by one: nothing is copied before, and a jumbo packet takes no
 * memory that has to be in one piece.
 *
 *	packet	[ header | head ][ page fragments, fragment list ]
 *	reads	           head   page fragments, fragment list   tail
 *	writes	           head   fresh pages .................   tail
 *
 * The tail (padding, ESP's trailer) is written into the last pages before. When
 * the cipher is through, the fresh pages take the place of the old.
 */
#include <linux/module.h>
#include <linux/skbuff.h>

#include "vpe.h"

/**
 * vpe_pages_free - free pages that were not used
 * @pages: they
 */
void vpe_pages_free(struct vpe_pages *pages)
{
	while (pages->n)
		__free_page(sg_page(&pages->sg[--pages->n]));
}

/* Entries that a scatter list of @skb takes, at most. */
static unsigned int vpe_pages_count(const struct sk_buff *skb)
{
	unsigned int n = 1 + skb_shinfo(skb)->nr_frags;
	struct sk_buff *frag;

	skb_walk_frags(skb, frag)
		n += vpe_pages_count(frag);
	return n;
}

/**
 * vpe_pages_op - get ready for a packet's encryption or decryption
 * @sa: SA of ours
 * @skb: the packet, skb->data at what is to be encrypted or decrypted; its head is
 *	ours to write
 * @priv: bytes for the caller, at op->priv
 * @tail: bytes that are to follow what is in the packet
 *
 * Context: any.
 * Return: an op, to be freed by vpe_op_free(), or NULL.
 */
struct vpe_op *vpe_pages_op(const struct vpe_sa *sa, const struct sk_buff *skb,
			    unsigned int priv, unsigned int tail)
{
	unsigned int src = 1, dst = 0;

	if (skb_is_nonlinear(skb)) {
		dst = DIV_ROUND_UP(skb->data_len + tail, PAGE_SIZE);
		src = vpe_pages_count(skb) + dst;
		dst += !!skb_headlen(skb);
	}
	return vpe_op_alloc(sa->tfm, sa->layout, priv, src, dst);
}

/* Pages for @len bytes. 0 or an error. */
static int vpe_pages_alloc(struct vpe_pages *pages, unsigned int len)
{
	unsigned int chunk;
	struct page *page;

	if (len > MAX_SKB_FRAGS * PAGE_SIZE)
		return -EMSGSIZE;
	pages->len = len;
	for (; len; len -= chunk) {
		page = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
		if (!page)
			return -ENOMEM;
		chunk = min_t(unsigned int, len, PAGE_SIZE);
		sg_set_page(&pages->sg[pages->n++], page, chunk, 0);
	}
	return 0;
}

/* Have the cipher read what follows the first @skip bytes in the pages, too. */
static int vpe_pages_read(const struct vpe_pages *pages, struct scatterlist *sg,
			  unsigned int skip)
{
	unsigned int i, len;
	int n = 0;

	for (i = 0; i < pages->n; i++, skip -= len) {
		len = min(skip, pages->sg[i].length);
		if (len < pages->sg[i].length)
			sg_set_page(&sg[n++], sg_page(&pages->sg[i]),
				    pages->sg[i].length - len, len);
	}
	return n;
}

/**
 * vpe_pages_map - say where a cipher finds a packet, and where it is to write
 * @pages: to be filled; of a linear packet it stays empty
 * @op: from vpe_pages_op()
 * @skb: as there
 * @tail: as there; room for it is put behind a linear packet
 *
 * Context: any.
 * Return: entries of op->sg in use, or an error. Free @pages in both cases.
 */
int vpe_pages_map(struct vpe_pages *pages, struct vpe_op *op, struct sk_buff *skb,
		  unsigned int tail)
{
	struct scatterlist *dst = op->dst;
	int n, err;

	*pages = (struct vpe_pages) {};
	if (likely(!skb_is_nonlinear(skb))) {
		__skb_put(skb, tail);
		return skb_to_sgvec_nomark(skb, op->sg, 0, skb->len);
	}
	if (skb_headlen(skb))
		sg_set_buf(dst++, skb->data, skb_headlen(skb));
	pages->sg = dst;
	err = vpe_pages_alloc(pages, skb->data_len + tail);
	if (err)
		return err;
	n = skb_to_sgvec_nomark(skb, op->sg, 0, skb->len);
	return n < 0 ? n : n + vpe_pages_read(pages, op->sg + n, skb->data_len);
}

/**
 * vpe_pages_write_tail - write what follows what is in the packet
 * @pages: after vpe_pages_map()
 * @skb: the packet
 * @pad: bytes that are to be 0
 * @end: what comes after these
 * @len: bytes of @end
 */
void vpe_pages_write_tail(const struct vpe_pages *pages, struct sk_buff *skb,
			  unsigned int pad, const void *end, unsigned int len)
{
	if (!pages->n) {
		memset(skb_tail_pointer(skb) - len - pad, 0, pad);
		memcpy(skb_tail_pointer(skb) - len, end, len);
		return;
	}
	sg_zero_buffer(pages->sg, pages->n, pad, skb->data_len);
	sg_pcopy_from_buffer(pages->sg, pages->n, end, len, skb->data_len + pad);
}

/**
 * vpe_pages_use - have the packet consist of what the cipher wrote
 * @pages: where that is
 * @skb: the packet, not cloned
 */
void vpe_pages_use(struct vpe_pages *pages, struct sk_buff *skb)
{
	unsigned int i;

	if (likely(!pages->n))
		return;
	/* Cannot fail: it is not cloned. */
	WARN_ON_ONCE(pskb_trim(skb, skb_headlen(skb)));
	skb_zcopy_clear(skb, true);
	skb_shinfo(skb)->flags &= ~SKBFL_SHARED_FRAG;
	for (i = 0; i < pages->n; i++)
		skb_fill_page_desc(skb, i, sg_page(&pages->sg[i]), 0, pages->sg[i].length);
	skb->len += pages->len;
	skb->data_len = pages->len;
	/* A socket goes on being charged with what it was. */
	if (!skb->sk || skb->destructor == sock_edemux)
		skb->truesize += pages->n * PAGE_SIZE;
	pages->n = 0;
}

/**
 * vpe_pages_own - have a packet's data in pages that nobody else may write
 * @skb: the packet
 *
 * skb_linearize() would do as well, if there is that much memory in one piece.
 *
 * Context: any.
 * Return: 0 or an error.
 */
int vpe_pages_own(struct sk_buff *skb)
{
	struct scatterlist sg[MAX_SKB_FRAGS], *s;
	struct vpe_pages pages = { .sg = sg };
	unsigned int i, offset;
	int err;

	sg_init_table(sg, ARRAY_SIZE(sg));
	err = skb_unclone(skb, GFP_ATOMIC);
	if (!err)
		err = vpe_pages_alloc(&pages, skb->data_len);
	if (err)
		goto out;
	offset = skb_headlen(skb);
	for (i = 0; i < pages.n; i++, offset += s->length) {
		s = &sg[i];
		err = skb_copy_bits(skb, offset, page_address(sg_page(s)), s->length);
		if (err)
			goto out;
	}
	vpe_pages_use(&pages, skb);
out:
	vpe_pages_free(&pages);
	return err;
}
