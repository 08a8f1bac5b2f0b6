// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/smp.h>

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
	return vpe_aead_alloc(v->cipher, (const u8 *)v->key, v->key_len, v->layout, v->icv_len);
}

/* The first of a layout that has some plaintext. */
static const struct vpe_vector *vector_of(enum vpe_layout layout)
{
	const struct vpe_vector *v = vpe_vectors;

	while (v->layout != layout || v->plaintext_len < 40)
		v++;
	return v;
}

static unsigned int hlen_of(enum vpe_layout layout)
{
	return vpe_formats[layout].hlen;
}

/* What follows the text: VPE has its ICV in the header. */
static unsigned int tail_of(const struct vpe_vector *v)
{
	return vpe_is_esp(v->layout) ? v->icv_len : 0;
}

static unsigned int text_len(const struct vpe_vector *v)
{
	return v->plaintext_len +
	       (vpe_is_esp(v->layout) ? vpe_esp_trailer_len(v->plaintext_len) : 0);
}

/* A packet in memory that is all its own, for the sanitizer to guard. */
static void *packet_of(const char *bytes, unsigned int len)
{
	return memcpy(malloc(len), bytes, len);
}

static void *plain_packet(const struct vpe_vector *v)
{
	u8 *packet = memset(malloc(v->packet_len), 0x5a, v->packet_len);
	u8 *text = packet + hlen_of(v->layout), *trailer = text + v->plaintext_len;

	memcpy(text, v->plaintext, v->plaintext_len);
	if (vpe_is_esp(v->layout)) {
		*(struct vpe_esp_hdr *)packet = (struct vpe_esp_hdr) {
			.spi = cpu_to_be32(v->spi),
			.seq = cpu_to_be32((u32)v->seq),
		};
		memcpy(packet + offsetof(struct vpe_esp_hdr, iv), v->iv, VPE_ESP_IV_LEN);
		vpe_esp_trailer_write(trailer, vpe_esp_trailer_len(v->plaintext_len),
				      v->next_header);
	} else {
		vpe_hdr_write((struct vpe_hdr *)packet, v->layout, cpu_to_be32(v->spi), v->window,
			      v->seq);
	}
	return packet;
}

/* len: of the text */
static int crypt(struct crypto_aead *tfm, void *packet, enum vpe_layout layout, u64 seq,
		 unsigned int len, bool seal)
{
	unsigned int all = len + (vpe_is_esp(layout) ? crypto_aead_authsize(tfm) : 0);
	struct vpe_op *op = vpe_op_alloc(tfm, layout, 0, all ? 1 : 0, 0);
	int err;

	if (all)
		sg_set_buf(op->sg, packet + hlen_of(layout), all);
	err = (seal ? vpe_op_seal : vpe_op_open)(op, packet, seq, all ? 1 : 0, len, done);
	if (err == -EINPROGRESS) {
		expect_eq(shim_aead_complete(), 1);
		expect(done_op == op);
		err = done_err;
	}
	vpe_op_free(op);
	return err;
}

static int open_vector(struct crypto_aead *tfm, void *packet, const struct vpe_vector *v)
{
	return crypt(tfm, packet, v->layout, v->seq, text_len(v), false);
}

static void seal(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	void *packet;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		packet = plain_packet(v);
		expect_eq(v->packet_len, hlen_of(v->layout) + text_len(v) + tail_of(v));
		expect_eq(crypt(tfm, packet, v->layout, v->seq, text_len(v), true), 0);
		expect(!memcmp(packet, v->packet, v->packet_len), "vector %td", v - vpe_vectors);
		free(packet);
		crypto_free_aead(tfm);
	}
}

static void opened_esp(const struct vpe_vector *v, const struct vpe_esp_hdr *hdr)
{
	const u8 *end = (const u8 *)(hdr + 1) + text_len(v);

	expect_eq(be32_to_cpu(hdr->spi), v->spi);
	expect_eq(be32_to_cpu(hdr->seq), (u32)v->seq);
	expect_eq(end[-1], v->next_header);
	expect_eq(text_len(v), v->plaintext_len + end[-2] + 2);
	expect(vpe_esp_padding_holds(end - 2 - end[-2], end[-2]));
	/* so is the ICV */
	expect(!memcmp(end, v->packet + v->packet_len - v->icv_len, v->icv_len));
}

static void open_packets(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	void *packet;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		packet = packet_of(v->packet, v->packet_len);
		expect_eq(open_vector(tfm, packet, v), 0);
		expect(!memcmp(packet + hlen_of(v->layout), v->plaintext, v->plaintext_len),
		       "vector %td", v - vpe_vectors);
		/* the header is as it came */
		expect(!memcmp(packet, v->packet, hlen_of(v->layout)), "vector %td",
		       v - vpe_vectors);
		if (vpe_is_esp(v->layout)) {
			opened_esp(v, packet);
		} else {
			expect_eq(vpe_iv_window(vpe_hdr_iv(packet, v->layout)), v->window);
			expect_eq(le64_to_cpu(vpe_hdr_iv(packet, v->layout)->seq), v->seq);
		}
		free(packet);
		crypto_free_aead(tfm);
	}
}

/* Is this bit VPE's SPI? It is not authenticated: it names the key. */
static bool is_free(enum vpe_layout layout, unsigned int bit)
{
	unsigned int spi = layout == VPE_ARES ? 96 : 0;

	return !vpe_is_esp(layout) && bit >= spi && bit < spi + 32;
}

static void flipped_bits(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	unsigned int bit;
	u8 *packet;

	for (v = vpe_vectors; v < vectors_end; v++) {
		tfm = tfm_of(v);
		for (bit = 0; bit < v->packet_len * 8; bit++) {
			packet = packet_of(v->packet, v->packet_len);
			packet[bit / 8] ^= 1 << bit % 8;
			expect(open_vector(tfm, packet, v) ==
			       (is_free(v->layout, bit) ? 0 : -EBADMSG), "vector %td bit %u",
			       v - vpe_vectors, bit);
			free(packet);
		}
		crypto_free_aead(tfm);
	}
}

/* The half of the number that does not travel */
static void flipped_high_bits(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	unsigned int bit;
	void *packet;

	for (v = vpe_vectors; v < vectors_end; v++) {
		if (v->layout != VPE_ESP_ESN)
			continue;
		tfm = tfm_of(v);
		for (bit = 32; bit < 64; bit++) {
			packet = packet_of(v->packet, v->packet_len);
			expect(crypt(tfm, packet, v->layout, v->seq ^ 1ULL << bit, text_len(v),
				     false) == -EBADMSG, "vector %td bit %u", v - vpe_vectors, bit);
			free(packet);
		}
		crypto_free_aead(tfm);
	}
}

/* With and without extended numbers, even where these begin with 32 zeros. */
static void other_numbers(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	unsigned int tried = 0;
	void *packet;

	for (v = vpe_vectors; v < vectors_end; v++) {
		if (!vpe_is_esp(v->layout) || v->seq >> 32)
			continue;
		tfm = tfm_of(v);
		packet = packet_of(v->packet, v->packet_len);
		expect_eq(crypt(tfm, packet, v->layout == VPE_ESP ? VPE_ESP_ESN : VPE_ESP,
				v->seq, text_len(v), false), -EBADMSG);
		tried |= 1 << v->layout;
		free(packet);
		crypto_free_aead(tfm);
	}
	expect_eq(tried, 1 << VPE_ESP | 1 << VPE_ESP_ESN);
}

static void wrong_length(void)
{
	const struct vpe_vector *v;
	enum vpe_layout layout;
	struct crypto_aead *tfm;
	unsigned int len;
	void *packet;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++) {
		v = vector_of(layout);
		tfm = tfm_of(v);
		for (len = 0; len < text_len(v); len++) {
			packet = packet_of(v->packet, v->packet_len);
			expect_eq(crypt(tfm, packet, layout, v->seq, len, false), -EBADMSG);
			free(packet);
		}
		crypto_free_aead(tfm);
	}
}

/* Another in any bit, be it the salt's. */
static void other_key(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	enum vpe_layout layout;
	unsigned int bit;
	void *packet;
	u8 *key;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++) {
		v = vector_of(layout);
		key = packet_of(v->key, v->key_len);
		for (bit = 0; bit < v->key_len * 8; bit++) {
			key[bit / 8] ^= 1 << bit % 8;
			tfm = vpe_aead_alloc(v->cipher, key, v->key_len, layout, v->icv_len);
			key[bit / 8] ^= 1 << bit % 8;
			packet = packet_of(v->packet, v->packet_len);
			expect(open_vector(tfm, packet, v) == -EBADMSG, "layout %d bit %u",
			       layout, bit);
			free(packet);
			crypto_free_aead(tfm);
		}
		free(key);
	}
}

/*
 * The text, and ESP's ICV, in pieces that each lie in memory of their own; what
 * comes out in their place, or in one piece elsewhere.
 */
static void pieces(const struct vpe_vector *v, const unsigned int *cuts,
		   unsigned int n, bool seal, bool elsewhere)
{
	unsigned int hlen = hlen_of(v->layout), end = cuts[n - 1], i, at, len;
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_op *op = vpe_op_alloc(tfm, v->layout, 0, n, elsewhere);
	u8 *hdr = packet_of(v->packet, hlen), *plain = plain_packet(v), *dst = NULL;
	const u8 *in = seal ? plain : (const u8 *)v->packet, *now;
	const u8 *out = seal ? (const u8 *)v->packet : plain;
	/* what is opened elsewhere leaves the place of ESP's ICV as it was */
	unsigned int written = seal ? end : text_len(v);

	/* opened, a packet still has its ICV */
	memcpy(plain + v->packet_len - tail_of(v), v->packet + v->packet_len - tail_of(v),
	       tail_of(v));
	if (seal && !vpe_is_esp(v->layout))
		memset(hdr + VPE_HLEN - VPE_ICV_LEN, 0, VPE_ICV_LEN);
	for (i = 0, at = 0; i < n; i++, at += len) {
		len = cuts[i] - at;
		sg_set_buf(&op->sg[i], packet_of((const char *)in + hlen + at, len), len);
	}
	if (elsewhere) {
		dst = malloc(end);
		sg_set_buf(op->dst, dst, end);
	}
	expect_eq((seal ? vpe_op_seal : vpe_op_open)(op, hdr, v->seq, n, text_len(v), done), 0);
	now = elsewhere ? in : out;
	for (i = 0, at = 0; i < n; i++, at += len) {
		len = cuts[i] - at;
		expect(!memcmp(op->sg[i].buf, now + hlen + at, len), "piece %u of %u, end %u",
		       i, n, cuts[i]);
		free(op->sg[i].buf);
	}
	expect(!elsewhere || !memcmp(dst, out + hlen, written), "end %u", cuts[0]);
	expect(!memcmp(hdr, v->packet, hlen));
	free(dst);
	free(hdr);
	free(plain);
	vpe_op_free(op);
	crypto_free_aead(tfm);
}

static void scatter(const struct vpe_vector *v)
{
	unsigned int cuts[128], end = text_len(v) + tail_of(v), i, j;

	for (i = 1; i < end; i++) {
		for (j = 0; j < 4; j++)
			pieces(v, (unsigned int []){ i, end }, 2, j & 1, j & 2);
		for (j = i + 1; j < end; j += 5) {
			pieces(v, (unsigned int []){ i, j, end }, 3, true, false);
			pieces(v, (unsigned int []){ i, j, end }, 3, false, false);
		}
	}
	for (i = 0; i < end; i++)
		cuts[i] = i + 1;
	pieces(v, cuts, end, true, false);
	pieces(v, cuts, end, false, false);
}

static void scattered(void)
{
	enum vpe_layout layout;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++)
		scatter(vector_of(layout));
}

/* Fewer entries of the list in use than there are. */
static void spare_entries(void)
{
	const struct vpe_vector *v;
	struct crypto_aead *tfm;
	enum vpe_layout layout;
	struct vpe_op *op;
	void *packet;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++) {
		v = vector_of(layout);
		tfm = tfm_of(v);
		packet = plain_packet(v);
		op = vpe_op_alloc(tfm, layout, 0, 5, 0);
		sg_set_buf(op->sg, packet + hlen_of(layout), text_len(v) + tail_of(v));
		expect_eq(vpe_op_seal(op, packet, v->seq, 1, text_len(v), done), 0);
		expect(!memcmp(packet, v->packet, v->packet_len), "layout %d", layout);
		vpe_op_free(op);
		free(packet);
		crypto_free_aead(tfm);
	}
}

/* GHASH of nothing: the ICV is a block of key stream, tested as its own inverse. */
static void empty(void)
{
	struct crypto_aead *tfm = tfm_of(vpe_vectors);
	struct vpe_hdr *hdr = packet_of(vpe_vectors->packet, VPE_HLEN);
	struct vpe_hdr before;

	expect_eq(vpe_vectors->layout, VPE_SPI_FIRST);
	memset(hdr->icv, 0, VPE_ICV_LEN);
	before = *hdr;
	expect_eq(crypt(tfm, hdr, VPE_SPI_FIRST, 0, 0, false), -EBADMSG);
	expect_eq(crypt(tfm, hdr, VPE_SPI_FIRST, 0, 0, true), 0);
	expect(!memcmp(hdr, &before, VPE_HLEN - VPE_ICV_LEN));
	expect(memcmp(hdr->icv, before.icv, VPE_ICV_LEN));
	expect_eq(crypt(tfm, hdr, VPE_SPI_FIRST, 0, 0, false), 0);
	hdr->icv[15] ^= 1;
	expect_eq(crypt(tfm, hdr, VPE_SPI_FIRST, 0, 0, false), -EBADMSG);
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
	flipped_high_bits();
	for (v = vpe_vectors; v < vectors_end; v++)
		requests += 2 + 8 * v->packet_len + (v->layout == VPE_ESP_ESN ? 32 : 0);
	expect_eq(shim_aead.requests, requests);
}

static void free_op(void *data, int err)
{
	struct vpe_op *op = data;

	done_err = err;
	vpe_op_free(op);
}

/* Completion in another order than submission, the op freed by its callback. */
static void async_frees(void)
{
	const struct vpe_vector *v;
	void *packet[ARRAY_SIZE(vpe_vectors)];
	struct crypto_aead *tfm[ARRAY_SIZE(vpe_vectors)];
	struct vpe_op *op;
	size_t i;

	shim_aead.async = true;
	for (v = vpe_vectors; v < vectors_end; v++) {
		i = (size_t)(v - vpe_vectors);
		tfm[i] = tfm_of(v);
		packet[i] = plain_packet(v);
		op = vpe_op_alloc(tfm[i], v->layout, 0, 1, 0);
		sg_set_buf(op->sg, packet[i] + hlen_of(v->layout), text_len(v) + tail_of(v));
		expect_eq(vpe_op_seal(op, packet[i], v->seq, 1, text_len(v), free_op),
			  -EINPROGRESS);
	}
	expect_eq(shim_aead_complete(), ARRAY_SIZE(vpe_vectors));
	for (v = vpe_vectors; v < vectors_end; v++) {
		i = (size_t)(v - vpe_vectors);
		expect(!memcmp(packet[i], v->packet, v->packet_len), "vector %zu", i);
		free(packet[i]);
		crypto_free_aead(tfm[i]);
	}
}

static void cipher_fails(void)
{
	const struct vpe_vector *v = vpe_vectors;
	struct crypto_aead *tfm = tfm_of(v);
	void *packet = plain_packet(v);

	shim_aead.error = -EIO;
	expect_eq(crypt(tfm, packet, v->layout, v->seq, v->plaintext_len, true), -EIO);
	expect_eq(crypt(tfm, packet, v->layout, v->seq, v->plaintext_len, false), -EIO);
	free(packet);
	crypto_free_aead(tfm);
}

/* Can the first len bytes be a key? */
static void try_key(const char *cipher, const u8 *key, unsigned int len,
		    enum vpe_layout layout, bool taken)
{
	struct crypto_aead *tfm = vpe_aead_alloc(cipher, key, len, layout, 16);

	expect(PTR_ERR(tfm) == -EINVAL || taken, "%s: %u bytes", cipher, len);
	expect(!IS_ERR(tfm) || !taken, "%s: %u bytes", cipher, len);
	if (!IS_ERR(tfm))
		crypto_free_aead(tfm);
}

static void refused(void)
{
	static const u8 key[40];
	unsigned int len;
	void *tfm;

	for (len = 0; len <= sizeof(key); len++) {
		try_key("gcm(aes)", key, len, VPE_ARES, len == 16 || len == 24 || len == 32);
		try_key("rfc7539(chacha20,poly1305)", key, len, VPE_ARES, len == 32);
		try_key("rfc4106(gcm(aes))", key, len, VPE_ESP,
			len == 20 || len == 28 || len == 36);
		try_key("rfc7539esp(chacha20,poly1305)", key, len, VPE_ESP_ESN, len == 36);
	}
	expect_eq(PTR_ERR(vpe_aead_alloc("ccm(aes)", key, 16, VPE_ARES, 16)), -ENOENT);
	shim_fail_alloc = 1;
	expect_eq(PTR_ERR(vpe_aead_alloc("gcm(aes)", key, 16, VPE_ARES, 16)), -ENOMEM);

	tfm = vpe_aead_alloc("gcm(aes)", key, 16, VPE_ARES, 16);
	shim_fail_alloc = 1;
	expect(!vpe_op_alloc(tfm, VPE_ARES, 0, 1, 0));
	crypto_free_aead(tfm);
}

static void icv_lengths(void)
{
	static const u8 key[36];
	struct crypto_aead *tfm;
	unsigned int len;

	for (len = 0; len <= 17; len++) {
		tfm = vpe_aead_alloc("rfc4106(gcm(aes))", key, 20, VPE_ESP, len);
		expect(IS_ERR(tfm) == (len != 8 && len != 12 && len != 16), "%u bytes", len);
		if (!IS_ERR(tfm)) {
			expect_eq(crypto_aead_authsize(tfm), len);
			crypto_free_aead(tfm);
		}
		tfm = vpe_aead_alloc("rfc7539esp(chacha20,poly1305)", key, 36, VPE_ESP, len);
		expect(IS_ERR(tfm) == (len != 16), "%u bytes", len);
		if (!IS_ERR(tfm))
			crypto_free_aead(tfm);
	}
}

/* A cipher's IV must be as long as the layout's. */
static void other_format(void)
{
	static const u8 key[36];

	try_key("gcm(aes)", key, 16, VPE_ESP, false);
	try_key("gcm(aes)", key, 32, VPE_ESP_ESN, false);
	try_key("rfc7539(chacha20,poly1305)", key, 32, VPE_ESP, false);
	try_key("rfc4106(gcm(aes))", key, 20, VPE_SPI_FIRST, false);
	try_key("rfc4106(gcm(aes))", key, 36, VPE_ARES, false);
	try_key("rfc7539esp(chacha20,poly1305)", key, 36, VPE_SPI_FIRST, false);
}

static void formats(void)
{
	static const struct vpe_format should[] = {
		[VPE_SPI_FIRST]	= { 32, 12, 0, 0, ~0ULL },
		[VPE_ARES]	= { 32, 12, 0, 0, ~0ULL },
		[VPE_ESP]	= { 16, 8, 16, 4, 0xffffffff },
		[VPE_ESP_ESN]	= { 16, 8, 20, 4, ~0ULL },
	};
	enum vpe_layout layout;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++) {
		expect_eq(vpe_formats[layout].hlen, should[layout].hlen);
		expect_eq(vpe_formats[layout].iv_len, should[layout].iv_len);
		expect_eq(vpe_formats[layout].aad_len, should[layout].aad_len);
		expect_eq(vpe_formats[layout].salt_len, should[layout].salt_len);
		expect_eq(vpe_formats[layout].seq_max, should[layout].seq_max);
	}
}

/* The caller's bytes, the request, the cipher's and the list do not overlap. */
static void op_parts(const struct vpe_vector *v, unsigned int priv)
{
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_op *op = vpe_op_alloc(tfm, v->layout, priv, 1, 0);
	struct scatterlist *list = op->sg - vpe_is_esp(v->layout);
	void *packet = plain_packet(v);
	unsigned int i;

	expect_eq(op->layout, v->layout);
	expect_eq((uintptr_t)op->priv % 8, 0);
	expect_eq((uintptr_t)op->req % CRYPTO_MINALIGN, 0);
	expect_eq((uintptr_t)list % __alignof__(*list), 0);
	expect((u8 *)op->req >= op->priv + priv);
	expect((u8 *)list >= op->req->ctx + crypto_aead_reqsize(tfm));
	memset(op->priv, 0xee, priv);
	sg_set_buf(op->sg, packet + hlen_of(v->layout), text_len(v) + tail_of(v));
	expect_eq(vpe_op_seal(op, packet, v->seq, 1, text_len(v), done), 0);
	expect(!memcmp(packet, v->packet, v->packet_len), "%u bytes", priv);
	for (i = 0; i < priv; i++)
		expect_eq(op->priv[i], 0xee);
	vpe_op_free(op);
	free(packet);
	crypto_free_aead(tfm);
}

static void op_layout(void)
{
	enum vpe_layout layout;
	unsigned int priv;

	for (layout = VPE_SPI_FIRST; layout <= VPE_ESP_ESN; layout++)
		for (priv = 0; priv < 70; priv++)
			op_parts(vector_of(layout), priv);
}

/* Each CPU keeps one op of the usual size for its next packet. */
static void spare_ops(void)
{
	const struct vpe_vector *v = vector_of(VPE_SPI_FIRST);
	struct crypto_aead *tfm = tfm_of(v);
	struct vpe_op *first, *second, *large;

	shim_fail_alloc = 1;
	expect_eq(vpe_ops_init(), -ENOMEM);
	expect_eq(vpe_ops_init(), 0);
	first = vpe_op_alloc(tfm, v->layout, 64, 1, 0);
	second = vpe_op_alloc(tfm, v->layout, 0, 8, 0);
	large = vpe_op_alloc(tfm, v->layout, 0, 64, 0);
	expect(first != second);
	vpe_op_free(large);
	vpe_op_free(first);
	vpe_op_free(second);

	expect(vpe_op_alloc(tfm, v->layout, 0, 1, 8) == first);
	shim_cpu = 1;
	shim_fail_alloc = 1;
	expect(!vpe_op_alloc(tfm, v->layout, 0, 1, 0));
	/* It stays where it was freed. */
	vpe_op_free(first);
	large = vpe_op_alloc(tfm, v->layout, 0, 64, 0);
	expect(large != first);
	vpe_op_free(large);
	expect(vpe_op_alloc(tfm, v->layout, 64, 1, 0) == first);
	vpe_op_free(first);
	shim_cpu = 0;
	vpe_ops_exit();
	crypto_free_aead(tfm);
}

static const struct test_case cases[] = {
	{ "seal", seal },
	{ "open", open_packets },
	{ "flipped_bits", flipped_bits },
	{ "flipped_high_bits", flipped_high_bits },
	{ "other_numbers", other_numbers },
	{ "wrong_length", wrong_length },
	{ "other_key", other_key },
	{ "scattered", scattered },
	{ "spare_entries", spare_entries },
	{ "empty", empty },
	{ "async", async },
	{ "async_frees", async_frees },
	{ "cipher_fails", cipher_fails },
	{ "refused", refused },
	{ "icv_lengths", icv_lengths },
	{ "other_format", other_format },
	{ "formats", formats },
	{ "op_layout", op_layout },
	{ "spare_ops", spare_ops },
	{ }
};

const struct test_suite suite_aead = { "vpe_aead", cases };
