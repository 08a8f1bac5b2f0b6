// SPDX-License-Identifier: GPL-2.0
/*
 * The crypto API's AEADs over OpenSSL's: AES-GCM and ChaCha20-Poly1305, each
 * with the whole nonce as IV, and as ESP has them: a salt ends the key, the IV
 * is what follows it in the nonce and ends the associated data, too, where it is
 * not authenticated.
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
	static const char *const names[] = {
		"gcm(aes)", "rfc7539(chacha20,poly1305)",
		"rfc4106(gcm(aes))", "rfc7539esp(chacha20,poly1305)",
	};
	struct crypto_aead *tfm;
	unsigned int i = 0;

	while (i < ARRAY_SIZE(names) && strcmp(name, names[i]))
		i++;
	if (i == ARRAY_SIZE(names) || type || mask)
		return ERR_PTR(-ENOENT);
	tfm = kzalloc(sizeof(*tfm), GFP_KERNEL);
	if (!tfm)
		return ERR_PTR(-ENOMEM);
	tfm->chacha = i % 2;
	tfm->esp = i / 2;
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
	if (tfm->esp) {
		if (len < sizeof(tfm->salt))
			return -EINVAL;
		len -= sizeof(tfm->salt);
		memcpy(tfm->salt, key + len, sizeof(tfm->salt));
	}
	if (len != 32 && (tfm->chacha || (len != 16 && len != 24)))
		return -EINVAL;
	memcpy(tfm->key, key, len);
	tfm->keylen = len;
	return 0;
}

int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int len)
{
	bool some = len == 8 || len == 12 || len == 16;

	/* as the kernel's: ESP's GCM takes some, bare GCM a few more */
	if (tfm->chacha ? len != 16 :
	    tfm->esp ? !some : !some && len != 4 && (len < 13 || len > 15))
		return -EINVAL;
	tfm->authsize = len;
	return 0;
}

unsigned int crypto_aead_ivsize(struct crypto_aead *tfm)
{
	return tfm->esp ? 8 : 12;
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

/* Some drivers count entries: the list has so many bytes and none to spare. */
static bool is_exact(struct scatterlist *sg, unsigned int len)
{
	for (; sg; sg = sg_next(sg)) {
		if (!sg->length || sg->length > len)
			return false;
		len -= sg->length;
	}
	return !len;
}

static const EVP_CIPHER *cipher(const struct crypto_aead *tfm)
{
	return tfm->chacha ? EVP_chacha20_poly1305() :
	       tfm->keylen == 16 ? EVP_aes_128_gcm() :
	       tfm->keylen == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

/* text: plaintext or ciphertext and then the tag, in place */
static int crypt(const struct crypto_aead *tfm, bool seal, const u8 *nonce,
		 const u8 *aad, int aad_len, u8 *text, int len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, err = -EBADMSG;
	u8 none[16];

	EVP_CipherInit_ex(ctx, cipher(tfm), NULL, tfm->key, nonce, seal);
	if (!seal)
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
				    (int)tfm->authsize, text + len);
	if (aad_len)
		EVP_CipherUpdate(ctx, NULL, &n, aad, aad_len);
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

/* all: associated data, then what crypt() takes */
static int run_flat(struct aead_request *req, u8 *all, unsigned int len)
{
	const struct crypto_aead *tfm = req->tfm;
	unsigned int aad_len = req->assoclen;
	u8 nonce[12];

	if (!tfm->esp) {
		shim_assert(!aad_len);
		return crypt(tfm, req->seal, req->iv, NULL, 0, all, (int)len);
	}
	shim_assert(aad_len == 16 || aad_len == 20);
	/* some of the kernel's take the one for the other */
	shim_assert(!memcmp(all + aad_len - 8, req->iv, 8));
	memcpy(nonce, tfm->salt, 4);
	memcpy(nonce + 4, req->iv, 8);
	return crypt(tfm, req->seal, nonce, all, (int)aad_len - 8, all + aad_len, (int)len);
}

static int run(struct aead_request *req)
{
	unsigned int tag = req->tfm->authsize;
	unsigned int len = req->cryptlen - (req->seal ? 0 : tag);
	u8 *all;
	int err;

	shim_assert(is_exact(req->src, req->assoclen + len + tag));
	shim_assert(is_exact(req->dst, req->assoclen + len + tag));
	/* ciphers may use these as they like */
	memset(req->ctx, 0xa5, crypto_aead_reqsize(req->tfm));
	if (shim_aead.error)
		return shim_aead.error;

	all = malloc(req->assoclen + len + tag);
	copy(req->src, all, req->assoclen + len + (req->seal ? 0 : tag), false);
	err = run_flat(req, all, len);
	memset(req->iv, 0xa5, crypto_aead_ivsize(req->tfm));
	if (!err)
		copy(req->dst, all, req->assoclen + len + (req->seal ? tag : 0), true);
	free(all);
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
