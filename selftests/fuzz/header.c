// SPDX-License-Identifier: GPL-2.0
/*
 * Headers of both layouts and of ESP, and ESP's trailer: whatever bytes come mean
 * what the drawings in vpe/header.h say, and are written as they came.
 */
#include <stdlib.h>

#include "../../vpe/header.h"
#include "../unit/model.h"
#include "fuzz.h"

#define FIELDS	(VPE_HLEN - VPE_ICV_LEN)	/* bytes before the ICV */

static u64 little(const u8 *bytes, unsigned int n)
{
	u64 value = 0;

	while (n--)
		value = value << 8 | bytes[n];
	return value;
}

static u64 big(const u8 *bytes, unsigned int n)
{
	u64 value = 0;

	while (n--)
		value = value << 8 | *bytes++;
	return value;
}

static void vpe(const u8 *bytes, enum vpe_layout layout)
{
	const u8 *iv = bytes + (layout == VPE_ARES ? 0 : 4);
	u32 room[2 + VPE_HLEN / 4], window;	/* no more aligned than packets are */
	struct vpe_hdr *hdr = (void *)&room[1];
	__be32 spi;
	u64 seq;

	memset(room, 0x5a, sizeof(room));
	memcpy(hdr, bytes, FIELDS);
	window = vpe_iv_window(vpe_hdr_iv(hdr, layout));
	seq = le64_to_cpu(vpe_hdr_iv(hdr, layout)->seq);
	spi = layout == VPE_ARES ? cpu_to_be32(le32_to_cpu(hdr->ares.spi)) : hdr->spi_first.spi;
	shim_assert(window == (little(iv, 2) << 16 | little(iv + 2, 2)));
	shim_assert(seq == little(iv + 4, 8));
	shim_assert(be32_to_cpu(spi) ==
		    (layout == VPE_ARES ? little(bytes + 12, 4) : big(bytes, 4)));

	memset(room, 0x5a, sizeof(room));
	vpe_hdr_write(hdr, layout, spi, window, seq);
	shim_assert(!memcmp(hdr, bytes, FIELDS));
	shim_assert(room[0] == 0x5a5a5a5a && room[1 + FIELDS / 4] == 0x5a5a5a5a);
}

static void esp(const u8 *bytes)
{
	struct vpe_esp_hdr hdr;

	memcpy(&hdr, bytes, sizeof(hdr));
	shim_assert(be32_to_cpu(hdr.spi) == big(bytes, 4));
	shim_assert(be32_to_cpu(hdr.seq) == big(bytes + 4, 4));
	shim_assert(be64_to_cpu(hdr.iv) == big(bytes + 8, 8));
}

/* Payload and trailer, as a receiver reads them */
static void read_trailer(const u8 *text, size_t len)
{
	const u8 *end = text + len - 2;
	bool holds = true;
	unsigned int i;
	u8 *again;

	if (len < 2 || end[0] > len - 2)
		return;
	for (i = 0; i < end[0]; i++)
		holds = holds && end[(int)i - end[0]] == i + 1;
	shim_assert(vpe_esp_padding_holds(end - end[0], end[0]) == holds);
	if (!holds)
		return;
	again = malloc(end[0] + 2);
	vpe_esp_trailer_write(again, end[0] + 2, end[1]);
	shim_assert(!memcmp(again, end - end[0], end[0] + 2));
	free(again);
}

static void write_trailer(unsigned int len, u8 next)
{
	unsigned int n = vpe_esp_trailer_len(len);
	u8 should[VPE_ESP_TRAILER_MAX], *is = malloc(n);

	shim_assert(n == vpe_model_trailer(should, len, next));
	vpe_esp_trailer_write(is, n, next);
	shim_assert(!memcmp(is, should, n));
	shim_assert(vpe_esp_padding_holds(is, is[n - 2]));
	free(is);
}

/* Padding as long as a sender may choose; of it no byte may be another. */
static void long_padding(u8 len, u8 where, u8 change)
{
	u8 *trailer = malloc(len + 2);

	vpe_esp_trailer_write(trailer, len + 2, 0);
	if (len)
		trailer[where % len] ^= change;
	shim_assert(vpe_esp_padding_holds(trailer, len) == (!len || !change));
	free(trailer);
}

int fuzz_one(const u8 *data, size_t len)
{
	struct input in = { data, data + len };
	u8 bytes[FIELDS], *text;
	size_t n;

	take_bytes(&in, bytes, sizeof(bytes));
	vpe(bytes, VPE_SPI_FIRST);
	vpe(bytes, VPE_ARES);
	esp(bytes);
	write_trailer(little(bytes, 2), bytes[2]);
	long_padding(bytes[3], bytes[4], bytes[5]);
	/* memory of its own, for the sanitizer to guard */
	n = left(&in);
	text = malloc(n);
	take_bytes(&in, text, n);
	read_trailer(text, n);
	free(text);
	return 0;
}
