// SPDX-License-Identifier: GPL-2.0
/*
 * VPE's use of an AEAD (paper, section 4): no associated data, since a changed
 * Sender ID, Window ID or sequence number is another IV and a changed SPI
 * another key; and the ICV in the header, before the ciphertext.
 *
 * The crypto API wants the ICV right behind the ciphertext. The scatter list
 * gives it that without a copy and without tailroom:
 *
 *	packet	[ IP | VPE header ....... ICV | ciphertext ............. ]
 *	                                   |   '----------.------------'
 *	list	                           '-------.      |
 *	                          sg[0] ... sg[nents - 1], sg[nents]
 *	                          ciphertext               ICV
 *
 * ESP has its ICV there. Its associated data is the SPI and the whole sequence
 * number, of which the header may have half (RFC 4106 section 5); the crypto
 * API wants them, and the IV once more, before the ciphertext:
 *
 *	packet	[ IP | SPI | seq | IV | ciphertext, ICV ... ]
 *	list	sg[-1]	                sg[0] ... sg[nents - 1]
 *		SPI, seq, IV: a copy
 *
 * Where what comes out must not go where what goes in is, op->dst is another such
 * list, for that.
 */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "aead.h"

const struct vpe_format vpe_formats[] = {
	[VPE_SPI_FIRST]	= { .hlen = VPE_HLEN, .iv_len = VPE_IV_LEN, .seq_max = U64_MAX },
	[VPE_ARES]	= { .hlen = VPE_HLEN, .iv_len = VPE_IV_LEN, .seq_max = U64_MAX },
	[VPE_ESP]	= { .hlen = sizeof(struct vpe_esp_hdr), .iv_len = VPE_ESP_IV_LEN,
			    .aad_len = VPE_ESP_AAD_LEN, .salt_len = 4, .seq_max = U32_MAX },
	[VPE_ESP_ESN]	= { .hlen = sizeof(struct vpe_esp_hdr), .iv_len = VPE_ESP_IV_LEN,
			    .aad_len = VPE_ESP_AAD_MAX, .salt_len = 4, .seq_max = U64_MAX },
};

/**
 * vpe_aead_alloc - get a cipher ready
 * @name: crypto API name; for VPE "gcm(aes)" or "rfc7539(chacha20,poly1305)",
 *	for ESP "rfc4106(gcm(aes))" or "rfc7539esp(chacha20,poly1305)"
 * @key: key, for ESP followed by its salt
 * @len: length of these, bytes
 * @layout: where it is to be used
 * @icv_len: bytes of ICV
 *
 * Context: process, may sleep.
 * Return: the cipher, to be freed by crypto_free_aead(), or an ERR_PTR.
 */
struct crypto_aead *vpe_aead_alloc(const char *name, const u8 *key,
				   unsigned int len, enum vpe_layout layout,
				   unsigned int icv_len)
{
	struct crypto_aead *tfm = crypto_alloc_aead(name, 0, 0);
	int err;

	if (IS_ERR(tfm))
		return tfm;

	err = crypto_aead_setkey(tfm, key, len);
	if (!err)
		err = crypto_aead_setauthsize(tfm, icv_len);
	if (!err && crypto_aead_ivsize(tfm) != vpe_formats[layout].iv_len)
		err = -EINVAL;
	if (err) {
		crypto_free_aead(tfm);
		return ERR_PTR(err);
	}
	return tfm;
}

/**
 * vpe_aead_is_async - may a request complete later?
 * @tfm: the cipher
 *
 * Return: true if vpe_op_seal() and vpe_op_open() may give -EINPROGRESS.
 */
bool vpe_aead_is_async(struct crypto_aead *tfm)
{
	return crypto_aead_alg(tfm)->base.cra_flags & CRYPTO_ALG_ASYNC;
}

/* Bytes of an op that is kept: of a packet in one piece, with ciphers as they are. */
#define VPE_OP_SIZE	1024

/*
 * What a CPU's last packet left for the next one: memory costs a small packet as much
 * as the cipher does. An interrupt may find none. NULL before vpe_ops_init().
 */
static struct vpe_op * __percpu *vpe_op_spare;

/**
 * vpe_ops_init - have each CPU keep an op
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int vpe_ops_init(void)
{
	/* Where freed memory is watched it is freed. */
	if (IS_ENABLED(CONFIG_KASAN))
		return 0;
	vpe_op_spare = alloc_percpu(struct vpe_op *);
	return vpe_op_spare ? 0 : -ENOMEM;
}

/**
 * vpe_ops_exit - free what is kept; no packet is under way any more
 *
 * Context: process.
 */
void vpe_ops_exit(void)
{
	unsigned int cpu;

	if (!vpe_op_spare)
		return;
	for_each_possible_cpu(cpu)
		kfree(*per_cpu_ptr(vpe_op_spare, cpu));
	free_percpu(vpe_op_spare);
	vpe_op_spare = NULL;
}

static struct vpe_op *vpe_op_get(size_t size)
{
	bool kept = vpe_op_spare && size <= VPE_OP_SIZE;
	struct vpe_op *op = NULL;

	if (likely(kept))
		op = this_cpu_xchg(*vpe_op_spare, NULL);
	if (likely(op))
		return op;
	op = kmalloc(kept ? VPE_OP_SIZE : size, GFP_ATOMIC);
	if (op)
		op->kept = kept;
	return op;
}

/**
 * vpe_op_free - a packet is through with its op
 * @op: from vpe_op_alloc(), or NULL
 *
 * Context: any but NMI.
 */
void vpe_op_free(struct vpe_op *op)
{
	if (!op || !op->kept || this_cpu_cmpxchg(*vpe_op_spare, NULL, op))
		kfree(op);
}

/**
 * vpe_op_alloc - all the memory that one packet's encryption takes
 * @tfm: the cipher
 * @layout: of the packet
 * @priv: bytes for the caller, at op->priv
 * @nents: entries of the scatter list that the packet's parts take
 * @dst_nents: entries that the places for what comes out take, all of them to be
 *	filled at op->dst; 0: it goes where what goes in is
 *
 * Context: any.
 * Return: an op to be freed by vpe_op_free(), or NULL.
 */
struct vpe_op *vpe_op_alloc(struct crypto_aead *tfm, enum vpe_layout layout,
			    unsigned int priv, unsigned int nents, unsigned int dst_nents)
{
	struct scatterlist *list;
	unsigned int req, sg, n;
	struct vpe_op *op;

	req = ALIGN(sizeof(*op) + priv, CRYPTO_MINALIGN);
	sg = ALIGN(req + sizeof(struct aead_request) +
		   crypto_aead_reqsize(tfm), __alignof__(*op->sg));
	n = nents + 1 + (dst_nents ? dst_nents + 1 : 0);
	op = vpe_op_get(sg + n * sizeof(*op->sg));
	if (!op)
		return NULL;

	op->layout = layout;
	op->req = (void *)op + req;
	aead_request_set_tfm(op->req, tfm);
	list = (void *)op + sg;
	sg_init_table(list, n);
	op->sg = list + vpe_is_esp(layout);
	op->dst = dst_nents ? op->sg + nents + 1 : NULL;
	op->dst_nents = dst_nents;
	return op;
}

/* @nents entries of @sg, then VPE's ICV. */
static void vpe_op_end_vpe(struct scatterlist *sg, unsigned int nents, struct vpe_hdr *hdr)
{
	sg_set_buf(&sg[nents], hdr->icv, VPE_ICV_LEN);
	sg_mark_end(&sg[nents]);
}

static void vpe_op_prepare_vpe(struct vpe_op *op, struct vpe_hdr *hdr,
			       unsigned int nents, unsigned int len)
{
	vpe_op_end_vpe(op->sg, nents, hdr);
	if (op->dst)
		vpe_op_end_vpe(op->dst, op->dst_nents, hdr);
	memcpy(op->iv, vpe_hdr_iv(hdr, op->layout), VPE_IV_LEN);
	aead_request_set_ad(op->req, 0);
	aead_request_set_crypt(op->req, op->sg, op->dst ?: op->sg, len, op->iv);
}

/* ESP's associated data, then @nents entries of @sg. Returns where that begins. */
static struct scatterlist *vpe_op_begin_esp(struct vpe_op *op, struct scatterlist *sg,
					    unsigned int nents)
{
	sg_set_buf(sg - 1, op->aad, vpe_formats[op->layout].aad_len);
	sg_mark_end(&sg[nents - 1]);
	return sg - 1;
}

static void vpe_op_prepare_esp(struct vpe_op *op, const struct vpe_esp_hdr *hdr,
			       u64 seq, unsigned int nents, unsigned int len)
{
	struct scatterlist *src, *dst;
	__be32 *aad = op->aad;

	*aad++ = hdr->spi;
	if (op->layout == VPE_ESP_ESN)
		*aad++ = cpu_to_be32(seq >> 32);
	*aad++ = hdr->seq;
	memcpy(aad, &hdr->iv, VPE_ESP_IV_LEN);
	memcpy(op->iv, &hdr->iv, VPE_ESP_IV_LEN);

	src = vpe_op_begin_esp(op, op->sg, nents);
	dst = op->dst ? vpe_op_begin_esp(op, op->dst, op->dst_nents) : src;
	aead_request_set_ad(op->req, vpe_formats[op->layout].aad_len);
	aead_request_set_crypt(op->req, src, dst, len, op->iv);
}

static void vpe_op_prepare(struct vpe_op *op, void *hdr, u64 seq,
			   unsigned int nents, unsigned int len,
			   crypto_completion_t done)
{
	aead_request_set_callback(op->req, 0, done, op);
	if (vpe_is_esp(op->layout))
		vpe_op_prepare_esp(op, hdr, seq, nents, len);
	else
		vpe_op_prepare_vpe(op, hdr, nents, len);
}

/**
 * vpe_op_seal - encrypt a packet and write its ICV
 * @op: from vpe_op_alloc(); op->sg holds the plaintext, of ESP the trailer and
 *	room for the ICV included
 * @hdr: header, complete but for VPE's ICV
 * @seq: sequence number
 * @nents: entries of op->sg in use
 * @len: plaintext, bytes
 * @done: called when an asynchronous cipher is through, with @op
 *
 * Context: process or softirq.
 * Return: 0, -EINPROGRESS (@done will be called; @op may be gone), or an error.
 */
int vpe_op_seal(struct vpe_op *op, void *hdr, u64 seq, unsigned int nents,
		unsigned int len, crypto_completion_t done)
{
	vpe_op_prepare(op, hdr, seq, nents, len, done);
	return crypto_aead_encrypt(op->req);
}

/**
 * vpe_op_open - verify a packet and decrypt it
 * @op: from vpe_op_alloc(); op->sg holds the ciphertext, of ESP followed by the
 *	ICV
 * @hdr: header as received
 * @seq: sequence number
 * @nents: entries of op->sg in use
 * @len: ciphertext, bytes
 * @done: called when an asynchronous cipher is through, with @op
 *
 * Context: process or softirq.
 * Return: 0, -EINPROGRESS (as above), -EBADMSG if the ICV does not hold, or
 * another error.
 */
int vpe_op_open(struct vpe_op *op, void *hdr, u64 seq, unsigned int nents,
		unsigned int len, crypto_completion_t done)
{
	len += crypto_aead_authsize(crypto_aead_reqtfm(op->req));
	vpe_op_prepare(op, hdr, seq, nents, len, done);
	return crypto_aead_decrypt(op->req);
}
