/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sealing and opening packets by an AEAD of the kernel's crypto API.
 */
#ifndef _VPE_AEAD_H
#define _VPE_AEAD_H

#include <crypto/aead.h>
#include <linux/scatterlist.h>

#include "compat.h"
#include "header.h"

/**
 * struct vpe_op - one packet on its way through the cipher
 * @layout: its layout
 * @kept: its size is the one of all that are kept for other packets
 * @iv: copy of the header's IV: ciphers may scribble on it
 * @aad: ESP's associated data
 * @req: the request
 * @sg: where the scatter list has the packet's parts
 * @dst: where what comes out is to go; NULL: in place
 * @dst_nents: entries of @dst
 * @priv: the caller's
 *
 * One allocation: the caller's data, the request with the cipher's context and
 * the scatter lists follow each other.
 */
struct vpe_op {
	enum vpe_layout		layout;
	bool			kept;
	u8			iv[VPE_IV_LEN];
	__be32			aad[VPE_ESP_AAD_MAX / sizeof(__be32)];
	struct aead_request	*req;
	struct scatterlist	*sg;
	struct scatterlist	*dst;
	unsigned int		dst_nents;
	u8			priv[] __aligned(8);
};

extern const struct vpe_format vpe_formats[];

int vpe_ops_init(void);
void vpe_ops_exit(void);

struct crypto_aead *vpe_aead_alloc(const char *name, const u8 *key,
				   unsigned int len, enum vpe_layout layout,
				   unsigned int icv_len);
bool vpe_aead_is_async(struct crypto_aead *tfm);

struct vpe_op *vpe_op_alloc(struct crypto_aead *tfm, enum vpe_layout layout,
			    unsigned int priv, unsigned int nents, unsigned int dst_nents);
void vpe_op_free(struct vpe_op *op);
int vpe_op_seal(struct vpe_op *op, void *hdr, u64 seq, unsigned int nents,
		unsigned int len, crypto_completion_t done);
int vpe_op_open(struct vpe_op *op, void *hdr, u64 seq, unsigned int nents,
		unsigned int len, crypto_completion_t done);

#endif /* _VPE_AEAD_H */
