// SPDX-License-Identifier: GPL-2.0
/*
 * The crypto API's AEADs over OpenSSL's: AES-GCM and ChaCha20-Poly1305.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <crypto/aead.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "shim.h"

struct shim_aead shim_aead;
static struct aead_request *waiting;

struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask)
{
	bool chacha = !strcmp(name, "rfc7539(chacha20,poly1305)");
	struct crypto_aead *tfm;

	if ((strcmp(name, "gcm(aes)") && !chacha) || type || mask)
		return ERR_PTR(-ENOENT);
	tfm = kzalloc(sizeof(*tfm), GFP_KERNEL);
	if (!tfm)
		return ERR_PTR(-ENOMEM);
	tfm->chacha = chacha;
	if (shim_aead.async)
		tfm->alg.base.cra_flags = CRYPTO_ALG_ASYNC;
	return tfm;
}

void crypto_free_aead(struct crypto_aead *tfm)
{
	kfree(tfm);
}

int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key,
		       unsigned int len)
{
	if (len != 32 && (tfm->chacha || (len != 16 && len != 24)))
		return -EINVAL;
	memcpy(tfm->key, key, len);
	tfm->keylen = len;
	return 0;
}

int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int len)
{
	if (len < 4 || len > 16)
		return -EINVAL;
	tfm->authsize = len;
	return 0;
}

unsigned int crypto_aead_ivsize(struct crypto_aead *tfm)
{
	(void)tfm;
	return 12;
}

static void copy(struct scatterlist *sg, u8 *flat, unsigned int len, bool out)
{
	unsigned int n;

	for (; len; len -= n, flat += n, sg = sg_next(sg)) {
		shim_assert(sg);
		n = sg->length < len ? sg->length : len;
		if (out)
			memcpy(sg->buf, flat, n);
		else
			memcpy(flat, sg->buf, n);
	}
}

static const EVP_CIPHER *cipher(const struct crypto_aead *tfm)
{
	return tfm->chacha ? EVP_chacha20_poly1305() :
	       tfm->keylen == 16 ? EVP_aes_128_gcm() :
	       tfm->keylen == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

/* text: plaintext or ciphertext and then the tag, in place */
static int crypt(const struct crypto_aead *tfm, bool seal, const u8 *iv,
		 u8 *text, int len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, err = -EBADMSG;
	u8 none[16];

	EVP_CipherInit_ex(ctx, cipher(tfm), NULL, tfm->key, iv, seal);
	if (!seal)
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
				    (int)tfm->authsize, text + len);
	if (len)
		EVP_CipherUpdate(ctx, text, &n, text, len);
	if (EVP_CipherFinal_ex(ctx, none, &n) == 1)
		err = 0;
	if (seal)
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
				    (int)tfm->authsize, text + len);
	EVP_CIPHER_CTX_free(ctx);
	return err;
}

static int run(struct aead_request *req)
{
	unsigned int tag = req->tfm->authsize;
	unsigned int len = req->cryptlen - (req->seal ? 0 : tag);
	unsigned int in = len + (req->seal ? 0 : tag);
	u8 *text;
	int err;

	shim_assert(req->assoclen == 0 && req->src == req->dst);
	/* ciphers may use these as they like */
	memset(req->ctx, 0xa5, crypto_aead_reqsize(req->tfm));
	if (shim_aead.error)
		return shim_aead.error;

	text = malloc(len + tag);
	copy(req->src, text, in, false);
	err = crypt(req->tfm, req->seal, req->iv, text, (int)len);
	memset(req->iv, 0xa5, 12);
	if (!err)
		copy(req->dst, text, len + (req->seal ? tag : 0), true);
	free(text);
	return err;
}

static int submit(struct aead_request *req, bool seal)
{
	req->seal = seal;
	shim_aead.requests++;
	if (!(req->tfm->alg.base.cra_flags & CRYPTO_ALG_ASYNC))
		return run(req);
	req->next = waiting;
	waiting = req;
	return -EINPROGRESS;
}

int crypto_aead_encrypt(struct aead_request *req)
{
	return submit(req, true);
}

int crypto_aead_decrypt(struct aead_request *req)
{
	return submit(req, false);
}

/* Runs what waits, and tells how many that were; a request may be gone after. */
unsigned int shim_aead_complete(void)
{
	struct aead_request *req;
	unsigned int n = 0;

	while (waiting) {
		req = waiting;
		waiting = req->next;
		req->complete(req->data, run(req));
		n++;
	}
	return n;
}
