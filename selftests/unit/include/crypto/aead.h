/* SPDX-License-Identifier: GPL-2.0 */
/* AEADs over OpenSSL's libcrypto, see ../shim_crypto.c */
#ifndef _SHIM_CRYPTO_AEAD_H
#define _SHIM_CRYPTO_AEAD_H

#include <linux/crypto.h>
#include <linux/scatterlist.h>

struct aead_alg {
	struct {
		u32 cra_flags;
	} base;
};

struct crypto_aead {
	struct aead_alg alg;
	unsigned int authsize;
	unsigned int keylen;
	bool chacha;
	bool esp;
	u8 key[32];
	u8 salt[4];
};

struct aead_request {
	crypto_completion_t complete;
	void *data;
	unsigned int assoclen, cryptlen;
	u8 *iv;
	struct scatterlist *src, *dst;
	struct crypto_aead *tfm;
	bool seal;
	struct aead_request *next;
	u8 ctx[] __aligned(CRYPTO_MINALIGN);	/* crypto_aead_reqsize() bytes */
};

struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask);
void crypto_free_aead(struct crypto_aead *tfm);
int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key,
		       unsigned int len);
int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int len);
unsigned int crypto_aead_ivsize(struct crypto_aead *tfm);
int crypto_aead_encrypt(struct aead_request *req);
int crypto_aead_decrypt(struct aead_request *req);

static inline const struct aead_alg *crypto_aead_alg(struct crypto_aead *tfm)
{
	return &tfm->alg;
}

static inline unsigned int crypto_aead_authsize(struct crypto_aead *tfm)
{
	return tfm->authsize;
}

static inline struct crypto_aead *crypto_aead_reqtfm(struct aead_request *req)
{
	return req->tfm;
}

/* The context lies behind the request; here it is written to, see run(). */
static inline unsigned int crypto_aead_reqsize(struct crypto_aead *tfm)
{
	(void)tfm;
	return 40;
}

static inline void aead_request_set_tfm(struct aead_request *req,
					struct crypto_aead *tfm)
{
	req->tfm = tfm;
}

static inline void aead_request_set_callback(struct aead_request *req,
					     u32 flags,
					     crypto_completion_t complete,
					     void *data)
{
	(void)flags;
	req->complete = complete;
	req->data = data;
}

static inline void aead_request_set_ad(struct aead_request *req,
				       unsigned int len)
{
	req->assoclen = len;
}

static inline void aead_request_set_crypt(struct aead_request *req,
					  struct scatterlist *src,
					  struct scatterlist *dst,
					  unsigned int len, u8 *iv)
{
	req->src = src;
	req->dst = dst;
	req->cryptlen = len;
	req->iv = iv;
}

#endif /* _SHIM_CRYPTO_AEAD_H */
