/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VPE on the wire, in two layouts: "spi-first" (the VPE talk) and "ares" (the
 * ARES 2020 paper, section 4 and figure 3), where Sender and Window ID stand
 * where network cards expect the SPI of ESP.
 *
 *	byte	spi-first				ares
 *	 0	SPI (big endian)			Sender ID
 *	 2						Window ID
 *	 4	Sender ID			\	Sequence number
 *	 6	Window ID			 | IV
 *	 8	Sequence number (64 bits)	/
 *	12						SPI (little endian)
 *	16	Integrity Check Value, 128 bits
 *	32	AEAD(inner packet and TFC padding, where set), no AAD ...
 *
 * All but the SPI of spi-first is little endian. Nothing follows the
 * ciphertext: there is no trailer. In transport mode the lower byte of the
 * Sender ID is the Next Header, the upper one 0.
 *
 * The third format is ESP (RFC 4303) with AES-GCM (RFC 4106) or
 * ChaCha20-Poly1305 (RFC 7634), for SAs with UDP entropy:
 *
 *	 0	SPI (big endian)
 *	 4	lower 32 bits of the sequence number (big endian)
 *	 8	IV, 64 bits
 *	16	AEAD(packet or payload, padding, its length, next header), ICV
 */
#ifndef _VPE_HEADER_H
#define _VPE_HEADER_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define VPE_HLEN	32	/* bytes before the ciphertext */
#define VPE_IV_LEN	12	/* bytes, Sender ID to sequence number */
#define VPE_ICV_LEN	16	/* bytes */

#define VPE_ESP_IV_LEN		8	/* bytes */
#define VPE_ESP_AAD_LEN		16	/* bytes, of 32-bit sequence numbers */
#define VPE_ESP_AAD_MAX		20	/* bytes, of extended ones */
#define VPE_ESP_TRAILER_MAX	5	/* bytes of padding, its length, next header */

/**
 * enum vpe_layout - order of the header's fields
 * @VPE_SPI_FIRST: SPI, IV
 * @VPE_ARES: IV, SPI
 * @VPE_ESP: ESP's, 32-bit sequence numbers
 * @VPE_ESP_ESN: ESP's, extended (64-bit) sequence numbers
 */
enum vpe_layout {
	VPE_SPI_FIRST,
	VPE_ARES,
	VPE_ESP,
	VPE_ESP_ESN,
};

/**
 * struct vpe_format - what the layouts differ in
 * @hlen: bytes from the SPI to the ciphertext
 * @iv_len: bytes of the AEAD's IV
 * @aad_len: bytes of associated data; 0 in VPE
 * @salt_len: bytes of salt that follow the key where it is given to us
 * @seq_max: the last sequence number
 */
struct vpe_format {
	u8	hlen;
	u8	iv_len;
	u8	aad_len;
	u8	salt_len;
	u64	seq_max;
};

/**
 * struct vpe_iv - what makes a packet unique under its key
 * @sender_id: who sent it, 0 for unicast, or in transport mode the Next
 *	       Header, little endian
 * @window_id: the sender's sequence counter, little endian
 * @seq: number of the packet in its window, little endian
 *
 * These 12 bytes are the IV (talk, "Initialization Vectors").
 */
struct vpe_iv {
	__le16	sender_id;
	__le16	window_id;
	__le64	seq;
} __packed __aligned(4);

/**
 * struct vpe_hdr - VPE header
 * @spi_first: what is before the ICV in that layout
 * @spi_first.spi: Security Parameters Index, network order
 * @spi_first.iv: IV
 * @ares: likewise
 * @ares.iv: IV
 * @ares.spi: Security Parameters Index, little endian
 * @icv: Integrity Check Value
 *
 * An IP header leaves this struct aligned to 4 bytes, no more.
 */
struct vpe_hdr {
	union {
		struct {
			__be32		spi;
			struct vpe_iv	iv;
		} spi_first;
		struct {
			struct vpe_iv	iv;
			__le32		spi;
		} ares;
	};
	__u8	icv[VPE_ICV_LEN];
} __packed __aligned(4);

/**
 * struct vpe_esp_hdr - ESP header (RFC 4303 section 2, RFC 4106 section 3.1)
 * @spi: Security Parameters Index, network order
 * @seq: lower 32 bits of the sequence number, network order
 * @iv: IV, 64 bits that no other packet of the key has
 */
struct vpe_esp_hdr {
	__be32	spi;
	__be32	seq;
	__be64	iv;
} __packed __aligned(4);

static_assert(sizeof(struct vpe_esp_hdr) == VPE_ESP_AAD_LEN);
static_assert(sizeof(struct vpe_iv) == VPE_IV_LEN);
static_assert(sizeof(struct vpe_hdr) == VPE_HLEN);
static_assert(offsetof(struct vpe_hdr, icv) == VPE_HLEN - VPE_ICV_LEN);

/**
 * vpe_is_esp - is a layout ESP's?
 * @layout: layout
 *
 * Return: false if it is VPE.
 */
static inline bool vpe_is_esp(enum vpe_layout layout)
{
	return layout >= VPE_ESP;
}

/**
 * vpe_hdr_iv - the IV of a VPE packet
 * @hdr: header in wire order
 * @layout: its layout
 *
 * Return: where it is inside @hdr.
 */
static inline const struct vpe_iv *vpe_hdr_iv(const struct vpe_hdr *hdr,
					      enum vpe_layout layout)
{
	return layout == VPE_ARES ? &hdr->ares.iv : &hdr->spi_first.iv;
}

/**
 * vpe_iv_window - what names the receive window of a packet
 * @iv: its IV, in wire order
 *
 * Return: Sender ID in the upper, Window ID in the lower 16 bits, host order.
 */
static inline u32 vpe_iv_window(const struct vpe_iv *iv)
{
	return (u32)le16_to_cpu(iv->sender_id) << 16 |
	       le16_to_cpu(iv->window_id);
}

/**
 * vpe_hdr_write - fill in all of a VPE header but its ICV
 * @hdr: where to write
 * @layout: in which order
 * @spi: SPI, network order
 * @window: Sender ID << 16 | Window ID, host order
 * @seq: sequence number, host order
 */
static inline void vpe_hdr_write(struct vpe_hdr *hdr, enum vpe_layout layout,
				 __be32 spi, u32 window, u64 seq)
{
	const struct vpe_iv iv = {
		.sender_id	= cpu_to_le16(window >> 16),
		.window_id	= cpu_to_le16(window & 0xffff),
		.seq		= cpu_to_le64(seq),
	};

	if (layout == VPE_ARES) {
		hdr->ares.iv = iv;
		hdr->ares.spi = cpu_to_le32(be32_to_cpu(spi));
	} else {
		hdr->spi_first.spi = spi;
		hdr->spi_first.iv = iv;
	}
}

#define VPE_ESP_TRAILER_MAX	5	/* bytes */

/**
 * vpe_esp_trailer_len - what ESP puts between payload and ICV
 * @len: payload, bytes
 *
 * Return: bytes: padding, its length and the next header end at a multiple of
 * 4 (RFC 4303 section 2.4).
 */
static inline unsigned int vpe_esp_trailer_len(unsigned int len)
{
	return 2 + (-(len + 2) & 3);
}

/**
 * vpe_esp_trailer_write - write that
 * @trailer: where to
 * @len: its length, a value of vpe_esp_trailer_len()
 * @next: Next Header
 */
static inline void vpe_esp_trailer_write(u8 *trailer, unsigned int len, u8 next)
{
	unsigned int i;

	for (i = 0; i < len - 2; i++)
		trailer[i] = i + 1;
	trailer[len - 2] = len - 2;
	trailer[len - 1] = next;
}

/**
 * vpe_esp_padding_holds - is padding what it has to be?
 * @padding: it
 * @len: its length, bytes
 *
 * Return: true if it counts up from 1 (RFC 4303 section 2.4).
 */
static inline bool vpe_esp_padding_holds(const u8 *padding, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if (padding[i] != i + 1)
			return false;
	return true;
}

#endif /* _VPE_HEADER_H */
