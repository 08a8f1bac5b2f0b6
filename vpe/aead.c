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
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "aead.h"

/**
 * vpe_aead_alloc - get a cipher ready
 * @name: crypto API name, "gcm(aes)" or "rfc7539(chacha20,poly1305)"
 * @key: key without salt
 * @len: its length, bytes
 *
 * Context: process, may sleep.
 * Return: the cipher, to be freed by crypto_free_aead(), or an ERR_PTR.
 */
struct crypto_aead *vpe_aead_alloc(const char *name, const u8 *key,
				   unsigned int len)
{
	struct crypto_aead *tfm = crypto_alloc_aead(name, 0, 0);
	int err;

	if (IS_ERR(tfm))
		return tfm;

	err = crypto_aead_setkey(tfm, key, len);
	if (!err)
		err = crypto_aead_setauthsize(tfm, VPE_ICV_LEN);
	if (!err && crypto_aead_ivsize(tfm) != VPE_IV_LEN)
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

/**
 * vpe_op_alloc - all the memory that one packet's encryption takes
 * @tfm: the cipher
 * @priv: bytes for the caller, at op->priv
 * @nents: entries of the scatter list, the ICV's not counted
 *
 * Context: any.
 * Return: an op to be freed by kfree(), or NULL.
 */
struct vpe_op *vpe_op_alloc(struct crypto_aead *tfm, unsigned int priv,
			    unsigned int nents)
{
	unsigned int req, sg;
	struct vpe_op *op;

	req = ALIGN(sizeof(*op) + priv, CRYPTO_MINALIGN);
	sg = ALIGN(req + sizeof(struct aead_request) +
		   crypto_aead_reqsize(tfm), __alignof__(*op->sg));
	op = kmalloc(sg + (nents + 1) * sizeof(*op->sg), GFP_ATOMIC);
	if (!op)
		return NULL;

	op->req = (void *)op + req;
	op->sg = (void *)op + sg;
	aead_request_set_tfm(op->req, tfm);
	sg_init_table(op->sg, nents + 1);
	return op;
}

static void vpe_op_prepare(struct vpe_op *op, struct vpe_hdr *hdr,
			   enum vpe_layout layout, unsigned int nents,
			   unsigned int len, crypto_completion_t done)
{
	sg_set_buf(&op->sg[nents], hdr->icv, VPE_ICV_LEN);
	sg_mark_end(&op->sg[nents]);
	memcpy(op->iv, vpe_hdr_iv(hdr, layout), VPE_IV_LEN);
	aead_request_set_callback(op->req, 0, done, op);
	aead_request_set_ad(op->req, 0);
	aead_request_set_crypt(op->req, op->sg, op->sg, len, op->iv);
}

/**
 * vpe_op_seal - encrypt a packet in place and write the ICV into its header
 * @op: from vpe_op_alloc(); op->sg holds the plaintext
 * @hdr: header, complete but for the ICV
 * @layout: of @hdr
 * @nents: entries of op->sg in use
 * @len: plaintext, bytes
 * @done: called when an asynchronous cipher is through, with @op
 *
 * Context: process or softirq.
 * Return: 0, -EINPROGRESS (@done will be called; @op may be gone), or an error.
 */
int vpe_op_seal(struct vpe_op *op, struct vpe_hdr *hdr, enum vpe_layout layout,
		unsigned int nents, unsigned int len, crypto_completion_t done)
{
	vpe_op_prepare(op, hdr, layout, nents, len, done);
	return crypto_aead_encrypt(op->req);
}

/**
 * vpe_op_open - verify a packet and decrypt it in place
 * @op: from vpe_op_alloc(); op->sg holds the ciphertext
 * @hdr: header as received
 * @layout: of @hdr
 * @nents: entries of op->sg in use
 * @len: ciphertext, bytes
 * @done: called when an asynchronous cipher is through, with @op
 *
 * Context: process or softirq.
 * Return: 0, -EINPROGRESS (as above), -EBADMSG if the ICV does not hold, or
 * another error.
 */
int vpe_op_open(struct vpe_op *op, struct vpe_hdr *hdr, enum vpe_layout layout,
		unsigned int nents, unsigned int len, crypto_completion_t done)
{
	vpe_op_prepare(op, hdr, layout, nents, len + VPE_ICV_LEN, done);
	return crypto_aead_decrypt(op->req);
}
