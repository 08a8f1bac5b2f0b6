// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "../../vpe/header.h"
#include "cases.h"
#include "model.h"
#include "test.h"

static void offsets(void)
{
	expect_eq(offsetof(struct vpe_hdr, spi_first.spi), 0);
	expect_eq(offsetof(struct vpe_hdr, spi_first.iv.sender_id), 4);
	expect_eq(offsetof(struct vpe_hdr, spi_first.iv.window_id), 6);
	expect_eq(offsetof(struct vpe_hdr, spi_first.iv.seq), 8);
	expect_eq(offsetof(struct vpe_hdr, ares.iv.sender_id), 0);
	expect_eq(offsetof(struct vpe_hdr, ares.iv.window_id), 2);
	expect_eq(offsetof(struct vpe_hdr, ares.iv.seq), 4);
	expect_eq(offsetof(struct vpe_hdr, ares.spi), 12);
	expect_eq(offsetof(struct vpe_hdr, icv), 16);
	expect_eq(sizeof(struct vpe_hdr), 32);
	expect_eq(VPE_HLEN, 32);
	expect_eq(VPE_IV_LEN, 12);
	expect_eq(VPE_ICV_LEN, 16);
	expect_eq(__alignof__(struct vpe_hdr), 4);
	expect_eq(offsetof(struct vpe_esp_hdr, spi), 0);
	expect_eq(offsetof(struct vpe_esp_hdr, seq), 4);
	expect_eq(offsetof(struct vpe_esp_hdr, iv), 8);
	expect_eq(sizeof(struct vpe_esp_hdr), 16);
	expect_eq(__alignof__(struct vpe_esp_hdr), 4);
	expect(!vpe_is_esp(VPE_SPI_FIRST) && !vpe_is_esp(VPE_ARES));
	expect(vpe_is_esp(VPE_ESP) && vpe_is_esp(VPE_ESP_ESN));
}

/* At an address that IP headers give, which is no multiple of 8. */
static void bytes(void)
{
	u32 room[2 + VPE_HLEN / 4];
	struct vpe_hdr *hdr = (void *)&room[1];
	const struct vpe_hdr_case *c;

	for (c = vpe_hdr_cases; c < vpe_hdr_cases + ARRAY_SIZE(vpe_hdr_cases); c++) {
		memset(room, 0x5a, sizeof(room));
		vpe_hdr_write(hdr, c->layout, cpu_to_be32(c->spi), c->window, c->seq);
		expect(!memcmp(hdr, c->bytes, sizeof(c->bytes)), "spi %#x", c->spi);
		expect((u8 *)vpe_hdr_iv(hdr, c->layout) - (u8 *)hdr ==
		       (c->layout == VPE_ARES ? 0 : 4));
		expect_eq(hdr->icv[0], 0x5a);
		expect_eq(hdr->icv[15], 0x5a);
		expect_eq(room[0], 0x5a5a5a5a);
		expect_eq(room[9], 0x5a5a5a5a);
	}
}

static void read_back(void)
{
	const struct vpe_hdr_case *c;
	struct vpe_hdr hdr;

	for (c = vpe_hdr_cases; c < vpe_hdr_cases + ARRAY_SIZE(vpe_hdr_cases); c++) {
		memcpy(&hdr, c->bytes, sizeof(c->bytes));
		if (c->layout == VPE_ARES)
			expect_eq(le32_to_cpu(hdr.ares.spi), c->spi);
		else
			expect_eq(be32_to_cpu(hdr.spi_first.spi), c->spi);
		expect_eq(vpe_iv_window(vpe_hdr_iv(&hdr, c->layout)), c->window);
		expect_eq(le64_to_cpu(vpe_hdr_iv(&hdr, c->layout)->seq), c->seq);
	}
}

/* Written into memory that ends with it, for the sanitizer to guard. */
static void trailer(void)
{
	u8 should[VPE_ESP_TRAILER_MAX], *is;
	unsigned int len, n, next;

	for (len = 0; len <= 300; len++) {
		n = vpe_esp_trailer_len(len);
		expect_eq((len + n) % 4, 0);
		expect(n >= 2 && n <= VPE_ESP_TRAILER_MAX, "%u: %u", len, n);
		next = (len * 37 + 4) % 256;
		is = memset(malloc(n), 0x5a, n);
		vpe_esp_trailer_write(is, n, next);
		expect_eq(n, vpe_model_trailer(should, len, next));
		expect(!memcmp(is, should, n), "%u bytes", len);
		expect(vpe_esp_padding_holds(is, is[n - 2]));
		free(is);
	}
	/* as long as packets get */
	for (len = 65480; len < 65536; len++)
		expect_eq(vpe_esp_trailer_len(len), vpe_model_trailer(should, len, 0));
}

/* All lengths that a sender may have chosen; of each no byte may be another. */
static void padding(void)
{
	unsigned int len, i, bit;
	u8 *pad;

	for (len = 0; len <= 255; len++) {
		pad = malloc(len);
		for (i = 0; i < len; i++)
			pad[i] = i + 1;
		expect(vpe_esp_padding_holds(pad, len), "%u bytes", len);
		for (i = 0; i < len; i++)
			for (bit = 0; bit < 8; bit++) {
				pad[i] ^= 1 << bit;
				expect(!vpe_esp_padding_holds(pad, len), "%u of %u", i, len);
				pad[i] ^= 1 << bit;
			}
		memset(pad, 0, len);
		expect_eq(vpe_esp_padding_holds(pad, len), !len);
		free(pad);
	}
}

static const struct test_case cases[] = {
	{ "offsets", offsets },
	{ "bytes", bytes },
	{ "read_back", read_back },
	{ "trailer", trailer },
	{ "padding", padding },
	{ }
};

const struct test_suite suite_header = { "vpe_header", cases };
