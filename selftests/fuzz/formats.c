// SPDX-License-Identifier: GPL-2.0
/*
 * Packets of all layouts and ciphers, in pieces cut where the input says: what is
 * sealed opens again, with any other bit it does not; and bytes that somebody
 * sends are opened as a packet.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "../../vpe/aead.h"
#include "../unit/shim.h"
#include "fuzz.h"

#define CUTS	5

/**
 * struct sa - how packets are sealed
 * @tfm: the cipher
 * @layout: of the packets
 * @hlen: bytes of header
 * @tail: bytes of ICV behind the text
 */
struct sa {
	struct crypto_aead *tfm;
	enum vpe_layout layout;
	unsigned int hlen;
	unsigned int tail;
};

static void *done_op;
static int done_err;

static void done(void *op, int err)
{
	done_op = op;
	done_err = err;
}

/* Each piece lies in memory of its own, for the sanitizer to guard. Returns how many. */
static unsigned int cut(struct scatterlist *sg, const u8 *from, unsigned int len, const u8 *cuts)
{
	unsigned int i, n;

	for (i = 0; len; i++, from += n, len -= n) {
		n = i < CUTS && cuts[i] && cuts[i] < len ? cuts[i] : len;
		sg_set_buf(&sg[i], memcpy(malloc(n), from, n), n);
	}
	return i;
}

static void join(u8 *to, struct scatterlist *sg, unsigned int n)
{
	for (; n--; to += sg++->length) {
		memcpy(to, sg->buf, sg->length);
		free(sg->buf);
	}
}

/* Of all @len bytes of the packet, in place. */
static int crypt(const struct sa *sa, u8 *packet, u64 seq, unsigned int len, const u8 *cuts,
		 bool seal)
{
	u8 *hdr = memcpy(malloc(sa->hlen), packet, sa->hlen), *text = packet + sa->hlen;
	struct vpe_op *op = vpe_op_alloc(sa->tfm, sa->layout, 0, CUTS + 1);
	unsigned int n = cut(op->sg, text, len - sa->hlen, cuts);
	struct scatterlist sg[CUTS + 1];
	int err;

	/* op may be gone later */
	memcpy(sg, op->sg, n * sizeof(*sg));
	err = (seal ? vpe_op_seal : vpe_op_open)(op, hdr, seq, n, len - sa->hlen - sa->tail, done);
	if (err == -EINPROGRESS) {
		shim_assert(shim_aead_complete() == 1 && done_op == op);
		err = done_err;
	}
	join(text, sg, n);
	memcpy(packet, hdr, sa->hlen);
	vpe_op_free(op);
	free(hdr);
	return err;
}

/* Does a copy of the packet open? */
static bool opens(const struct sa *sa, const u8 *packet, u64 seq, unsigned int len,
		  const u8 *cuts, const u8 *plain)
{
	u8 *copy = memcpy(malloc(len), packet, len);
	int err = crypt(sa, copy, seq, len, cuts, false);

	shim_assert(!err || err == -EBADMSG);
	if (!err && plain) {
		shim_assert(!memcmp(copy, packet, sa->hlen));
		shim_assert(!memcmp(copy + sa->hlen, plain + sa->hlen, len - sa->hlen - sa->tail));
	}
	free(copy);
	return !err;
}

/* VPE's SPI is not authenticated: it names the key. */
static bool is_free(enum vpe_layout layout, unsigned int bit)
{
	return !vpe_is_esp(layout) && bit / 32 == (layout == VPE_ARES ? 3 : 0);
}

static void spoil(const struct sa *sa, u8 *packet, u64 seq, unsigned int len, const u8 *cuts,
		  unsigned int where)
{
	unsigned int bit = where % (len * 8);

	packet[bit / 8] ^= 1 << bit % 8;
	shim_assert(opens(sa, packet, seq, len, cuts, NULL) == is_free(sa->layout, bit));
	packet[bit / 8] ^= 1 << bit % 8;
	if (len > sa->hlen + sa->tail)
		shim_assert(!opens(sa, packet, seq, len - 1, cuts, NULL));
	if (sa->layout == VPE_ESP_ESN)
		shim_assert(!opens(sa, packet, seq ^ 1ULL << (32 + where % 32), len, cuts, NULL));
}

/* The rest of the input as what is to be sent: a packet that the caller frees */
static u8 *plain_packet(struct input *in, const struct sa *sa, u64 seq, unsigned int *len)
{
	unsigned int n, trailer = 0;
	u32 spi = take(in, 4);
	u64 iv = take(in, 8);
	u8 *packet, *text;

	n = left(in);
	if (vpe_is_esp(sa->layout))
		trailer = vpe_esp_trailer_len(n);
	*len = sa->hlen + n + trailer + sa->tail;
	packet = memset(malloc(*len), 0x5a, *len);
	text = packet + sa->hlen;
	take_bytes(in, text, n);
	if (trailer) {
		*(struct vpe_esp_hdr *)packet = (struct vpe_esp_hdr) {
			.spi = cpu_to_be32(spi),
			.seq = cpu_to_be32((u32)seq),
			.iv = cpu_to_be64(iv),
		};
		vpe_esp_trailer_write(text + n, trailer, spi);
	} else {
		vpe_hdr_write((void *)packet, sa->layout, cpu_to_be32(spi), iv, seq);
	}
	return packet;
}

static void send(struct input *in, const struct sa *sa, u64 seq, const u8 *cuts)
{
	static const u8 whole[CUTS];
	unsigned int where = take(in, 2), len;
	u8 *plain = plain_packet(in, sa, seq, &len);
	u8 *packet = memcpy(malloc(len), plain, len);
	u8 *again = memcpy(malloc(len), plain, len);

	shim_assert(!crypt(sa, packet, seq, len, cuts, true));
	shim_assert(!crypt(sa, again, seq, len, whole, true));
	shim_assert(!memcmp(packet, again, len));
	shim_assert(opens(sa, packet, seq, len, cuts, plain));
	shim_assert(opens(sa, packet, seq, len, whole, plain));
	spoil(sa, packet, seq, len, cuts, where);
	free(again);
	free(packet);
	free(plain);
}

/* The rest of the input as what has come; if it opens, the sender sealed it so. */
static void receive(struct input *in, const struct sa *sa, u64 seq, const u8 *cuts)
{
	unsigned int len = left(in);
	u8 *packet, *again;

	if (len < sa->hlen + sa->tail)
		return;
	packet = malloc(len);
	take_bytes(in, packet, len);
	again = memcpy(malloc(len), packet, len);
	if (!crypt(sa, again, seq, len, cuts, false)) {
		shim_assert(!crypt(sa, again, seq, len, cuts, true));
		shim_assert(!memcmp(packet, again, len));
	}
	free(again);
	free(packet);
}

/* A cipher with a key from the input; ERR_PTR if the two cannot go together. */
static struct crypto_aead *take_tfm(struct input *in, enum vpe_layout layout)
{
	static const char *const names[] = {
		"gcm(aes)", "rfc7539(chacha20,poly1305)",
		"rfc4106(gcm(aes))", "rfc7539esp(chacha20,poly1305)",
	};
	static const u8 icv_lens[] = { 16, 12, 8, 0 };
	u8 how = take(in, 1), key[36];
	bool chacha = how & 1, esp = vpe_is_esp(layout);
	unsigned int len = 8 + 8 * (how >> 1 & 3), icv_len = icv_lens[how >> 3 & 3];
	bool fits = len > 8 && (len == 32 || !chacha) && icv_len && (icv_len == 16 || !chacha);
	struct crypto_aead *tfm;

	shim_aead.async = how & 0x20;
	if (!esp && icv_len != VPE_ICV_LEN)
		return ERR_PTR(-EINVAL);	/* the module does not ask for it */
	take_bytes(in, key, sizeof(key));
	tfm = vpe_aead_alloc(names[esp << 1 | chacha], key, len + vpe_formats[layout].salt_len,
			     layout, icv_len);
	shim_assert(IS_ERR(tfm) == !fits);
	return tfm;
}

int fuzz_one(const u8 *data, size_t len)
{
	struct input in = { data, data + len };
	u8 how = take(&in, 1), cuts[CUTS];
	struct sa sa = { .layout = how & 3 };
	u64 seq;

	sa.tfm = take_tfm(&in, sa.layout);
	if (IS_ERR(sa.tfm))
		return 0;
	sa.hlen = vpe_formats[sa.layout].hlen;
	sa.tail = vpe_is_esp(sa.layout) ? crypto_aead_authsize(sa.tfm) : 0;
	seq = take(&in, 8);
	take_bytes(&in, cuts, sizeof(cuts));
	(how & 4 ? receive : send)(&in, &sa, seq, cuts);
	crypto_free_aead(sa.tfm);
	return 0;
}
