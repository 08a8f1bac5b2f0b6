// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "../../vpe/aead.h"
#include "shim.h"
#include "test.h"
#include "vectors.h"

static const struct vpe_vector *const vectors_end =
	vpe_vectors + ARRAY_SIZE(vpe_vectors);

static int done_err;
static void *done_op;

static void done(void *data, int err)
{
	done_op = data;
	done_err = err;
}

static struct crypto_aead *tfm_of(const struct vpe_vector *v)
{
	return vpe_aead_alloc(v->cipher, (const u8 *)v->key, v->key_len);
}

/* A packet in memory that is all its own, for the sanitizer to guard. */
static struct vpe_hdr *packet_of(const char *bytes, unsigned int len)
{
	return memcpy(malloc(len), bytes, len);
}

static struct vpe_hdr *plain_packet(const struct vpe_vector *v)
{
	struct vpe_hdr *hdr = malloc(v->packet_len);

	vpe_hdr_write(hdr, v->layout, cpu_to_be32(v->spi), v->window, v->seq);
	memset(hdr->icv, 0x5a, VPE_ICV_LEN);
	memcpy(hdr + 1, v->plaintext, v->plaintext_len);
	return hdr;
}

static int crypt(struct crypto_aead *tfm, struct vpe_hdr *hdr,
		 enum vpe_layout layout, unsigned int len, bool seal)
{
	struct vpe_op *op = vpe_op_alloc(tfm, 0, len ? 1 : 0);
	int err;

	if (len)
		sg_set_buf(op->sg, hdr + 1, len);
	err = (seal ? vpe_op_seal : vpe_op_open)(op, hdr, layout, len ? 1 : 0, len, done);
	if (err == -EINPROGRESS) {
		expect_eq(shim_aead_complete(), 1);
		expect(done_op == op);
		err = done_err;
	}
	kfree(op);
	return err;
}

static void seal(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	struct vpe_hdr *hdr;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		hdr = plain_packet(v);
		expect_eq(v->packet_len, VPE_HLEN + v->plaintext_len);
		expect_eq(crypt(tfm, hdr, v->layout, v->plaintext_len, true), 0);
		expect(!memcmp(hdr, v->packet, v->packet_len), "vector %td", v - vpe_vectors);
		free(hdr);
		crypto_free_aead(tfm);
	}
}

static void open_packets(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	struct vpe_hdr *hdr;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		hdr = packet_of(v->packet, v->packet_len);
		expect_eq(crypt(tfm, hdr, v->layout, v->plaintext_len, false), 0);
		expect(!memcmp(hdr + 1, v->plaintext, v->plaintext_len), "vector %td",
		       v - vpe_vectors);
		/* the header is as it came */
		expect(!memcmp(hdr, v->packet, VPE_HLEN), "vector %td", v - vpe_vectors);
		expect_eq(vpe_iv_window(vpe_hdr_iv(hdr, v->layout)), v->window);
		expect_eq(le64_to_cpu(vpe_hdr_iv(hdr, v->layout)->seq), v->seq);
		free(hdr);
		crypto_free_aead(tfm);
	}
}

/* All is authenticated but the SPI, which names the key. */
static void flipped_bits(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	struct vpe_hdr *hdr;
	unsigned int bit, spi;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		spi = v->layout == VPE_ARES ? 96 : 0;
		for (bit = 0; bit < v->packet_len * 8; bit++) {
			hdr = packet_of(v->packet, v->packet_len);
			((u8 *)hdr)[bit / 8] ^= 1 << bit % 8;
			expect(crypt(tfm, hdr, v->layout, v->plaintext_len, false) ==
			       (bit >= spi && bit < spi + 32 ? 0 : -EBADMSG), "vector %td bit %u",
			       v - vpe_vectors, bit);
			free(hdr);
		}
		crypto_free_aead(tfm);
	}
}

static void wrong_length(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_hdr *hdr;
	unsigned int len;

	for (len = 0; len < v->plaintext_len; len++) {
		hdr = packet_of(v->packet, v->packet_len);
		expect_eq(crypt(tfm, hdr, v->layout, len, false), -EBADMSG);
		free(hdr);
	}
	crypto_free_aead(tfm);
}

static void other_key(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v + ARRAY_SIZE(vpe_vectors) - 1);
	struct vpe_hdr *hdr = packet_of(v->packet, v->packet_len);

	expect_eq(crypt(tfm, hdr, v->layout, v->plaintext_len, false), -EBADMSG);
	free(hdr);
	crypto_free_aead(tfm);
}

/* The plaintext in pieces that each lie in memory of their own. */
static void pieces(const struct vpe_vector *v, const unsigned int *cuts,
		   unsigned int n, bool seal)
{
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_op *op = vpe_op_alloc(tfm, 0, n);
	const char *in = seal ? v->plaintext : v->packet + VPE_HLEN;
	const char *out = seal ? v->packet + VPE_HLEN : v->plaintext;
	struct vpe_hdr *hdr = packet_of(v->packet, VPE_HLEN);
	unsigned int i, at, len;

	if (seal)
		memset(hdr->icv, 0, VPE_ICV_LEN);
	for (i = 0, at = 0; i < n; i++, at += len) {
		len = cuts[i] - at;
		sg_set_buf(&op->sg[i], packet_of(in + at, len), len);
	}
	expect_eq((seal ? vpe_op_seal : vpe_op_open)(op, hdr, v->layout, n,
						     v->plaintext_len, done), 0);
	for (i = 0, at = 0; i < n; i++, at += len) {
		len = cuts[i] - at;
		expect(!memcmp(op->sg[i].buf, out + at, len), "piece %u of %u, end %u",
		       i, n, cuts[i]);
		free(op->sg[i].buf);
	}
	expect(!memcmp(hdr, v->packet, VPE_HLEN));
	free(hdr);
	kfree(op);
	crypto_free_aead(tfm);
}

static void scattered(void)
{
	const struct vpe_vector *v = vpe_vectors + 1;
	unsigned int cuts[64], end = v->plaintext_len, i, j;

	for (i = 1; i < end; i++) {
		pieces(v, (unsigned int []){ i, end }, 2, true);
		pieces(v, (unsigned int []){ i, end }, 2, false);
		for (j = i + 1; j < end; j += 5) {
			pieces(v, (unsigned int []){ i, j, end }, 3, true);
			pieces(v, (unsigned int []){ i, j, end }, 3, false);
		}
	}
	for (i = 0; i < end; i++)
		cuts[i] = i + 1;
	pieces(v, cuts, end, true);
	pieces(v, cuts, end, false);
}

/* Fewer entries of the list in use than there are. */
static void spare_entries(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_hdr *hdr = plain_packet(v);
	struct vpe_op *op = vpe_op_alloc(tfm, 0, 5);

	sg_set_buf(op->sg, hdr + 1, v->plaintext_len);
	expect_eq(vpe_op_seal(op, hdr, v->layout, 1, v->plaintext_len, done), 0);
	expect(!memcmp(hdr, v->packet, v->packet_len));
	kfree(op);
	free(hdr);
	crypto_free_aead(tfm);
}

/* GHASH of nothing: the ICV is a block of key stream, tested as its own inverse. */
static void empty(void)
{
	struct crypto_aead *tfm = tfm_of(vpe_vectors);
	struct vpe_hdr *hdr = packet_of(vpe_vectors->packet, VPE_HLEN);
	struct vpe_hdr before;

	memset(hdr->icv, 0, VPE_ICV_LEN);
	before = *hdr;
	expect_eq(crypt(tfm, hdr, vpe_vectors->layout, 0, false), -EBADMSG);
	expect_eq(crypt(tfm, hdr, vpe_vectors->layout, 0, true), 0);
	expect(!memcmp(hdr, &before, VPE_HLEN - VPE_ICV_LEN));
	expect(memcmp(hdr->icv, before.icv, VPE_ICV_LEN));
	expect_eq(crypt(tfm, hdr, vpe_vectors->layout, 0, false), 0);
	hdr->icv[15] ^= 1;
	expect_eq(crypt(tfm, hdr, vpe_vectors->layout, 0, false), -EBADMSG);
	free(hdr);
	crypto_free_aead(tfm);
}

static void async(void)
{
	struct crypto_aead *tfm = tfm_of(vpe_vectors);
	const struct vpe_vector *v;
	unsigned int requests = 0;

	expect(!vpe_aead_is_async(tfm));
	crypto_free_aead(tfm);

	shim_aead.async = true;
	tfm = tfm_of(vpe_vectors);
	expect(vpe_aead_is_async(tfm));
	crypto_free_aead(tfm);
	seal();
	open_packets();
	flipped_bits();
	for (v = vpe_vectors; v < vectors_end; v++)
		requests += 2 + 8 * v->packet_len;
	expect_eq(shim_aead.requests, requests);
}

static void free_op(void *data, int err)
{
	struct vpe_op *op = data;

	done_err = err;
	kfree(op);
}

/* Completion in another order than submission, the op freed by its callback. */
static void async_frees(void)
{
	const struct vpe_vector *v;
	struct vpe_hdr *hdr[ARRAY_SIZE(vpe_vectors)];
	struct crypto_aead *tfm[ARRAY_SIZE(vpe_vectors)];
	struct vpe_op *op;
	size_t i;

	shim_aead.async = true;
	for (v = vpe_vectors; v < vectors_end; v++) {
		i = (size_t)(v - vpe_vectors);
		tfm[i] = tfm_of(v);
		hdr[i] = plain_packet(v);
		op = vpe_op_alloc(tfm[i], 0, 1);
		sg_set_buf(op->sg, hdr[i] + 1, v->plaintext_len);
		expect_eq(vpe_op_seal(op, hdr[i], v->layout, 1, v->plaintext_len, free_op),
			  -EINPROGRESS);
	}
	expect_eq(shim_aead_complete(), ARRAY_SIZE(vpe_vectors));
	for (v = vpe_vectors; v < vectors_end; v++) {
		i = (size_t)(v - vpe_vectors);
		expect(!memcmp(hdr[i], v->packet, v->packet_len), "vector %zu", i);
		free(hdr[i]);
		crypto_free_aead(tfm[i]);
	}
}

static void cipher_fails(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_hdr *hdr = plain_packet(v);

	shim_aead.error = -EIO;
	expect_eq(crypt(tfm, hdr, v->layout, v->plaintext_len, true), -EIO);
	expect_eq(crypt(tfm, hdr, v->layout, v->plaintext_len, false), -EIO);
	free(hdr);
	crypto_free_aead(tfm);
}

static void refused(void)
{
	static const u8 key[33];
	unsigned int len;
	void *tfm;

	for (len = 0; len <= sizeof(key); len++) {
		tfm = vpe_aead_alloc("gcm(aes)", key, len);
		if (len == 16 || len == 24 || len == 32) {
			expect(!IS_ERR(tfm), "%u bytes", len);
			crypto_free_aead(tfm);
		} else {
			expect_eq(PTR_ERR(tfm), -EINVAL);
		}
	}
	expect_eq(PTR_ERR(vpe_aead_alloc("rfc7539(chacha20,poly1305)", key, 16)), -EINVAL);
	expect_eq(PTR_ERR(vpe_aead_alloc("ccm(aes)", key, 16)), -ENOENT);
	shim_fail_alloc = 1;
	expect_eq(PTR_ERR(vpe_aead_alloc("gcm(aes)", key, 16)), -ENOMEM);

	tfm = vpe_aead_alloc("gcm(aes)", key, 16);
	shim_fail_alloc = 1;
	expect(!vpe_op_alloc(tfm, 0, 1));
	crypto_free_aead(tfm);
}

/* The caller's bytes, the request, the cipher's and the list do not overlap. */
static void op_layout(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_hdr *hdr;
	struct vpe_op *op;
	unsigned int priv, i;

	for (priv = 0; priv < 70; priv++) {
		hdr = plain_packet(v);
		op = vpe_op_alloc(tfm, priv, 1);
		expect_eq((uintptr_t)op->priv % 8, 0);
		expect_eq((uintptr_t)op->req % CRYPTO_MINALIGN, 0);
		expect_eq((uintptr_t)op->sg % __alignof__(*op->sg), 0);
		expect((u8 *)op->req >= op->priv + priv);
		expect((u8 *)op->sg >= op->req->ctx + crypto_aead_reqsize(tfm));
		memset(op->priv, 0xee, priv);
		sg_set_buf(op->sg, hdr + 1, v->plaintext_len);
		expect_eq(vpe_op_seal(op, hdr, v->layout, 1, v->plaintext_len, done), 0);
		expect(!memcmp(hdr, v->packet, v->packet_len), "%u bytes", priv);
		for (i = 0; i < priv; i++)
			expect_eq(op->priv[i], 0xee);
		kfree(op);
		free(hdr);
	}
	crypto_free_aead(tfm);
}

static const struct test_case cases[] = {
	{ "seal", seal },
	{ "open", open_packets },
	{ "flipped_bits", flipped_bits },
	{ "wrong_length", wrong_length },
	{ "other_key", other_key },
	{ "scattered", scattered },
	{ "spare_entries", spare_entries },
	{ "empty", empty },
	{ "async", async },
	{ "async_frees", async_frees },
	{ "cipher_fails", cipher_fails },
	{ "refused", refused },
	{ "op_layout", op_layout },
	{ }
};

const struct test_suite suite_aead = { "vpe_aead", cases };
