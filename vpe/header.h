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
 * ciphertext: there is no trailer.
 */
#ifndef _VPE_HEADER_H
#define _VPE_HEADER_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define VPE_HLEN	32	/* bytes before the ciphertext */
#define VPE_IV_LEN	12	/* bytes, Sender ID to sequence number */
#define VPE_ICV_LEN	16	/* bytes */

/**
 * enum vpe_layout - order of the header's fields
 * @VPE_SPI_FIRST: SPI, IV
 * @VPE_ARES: IV, SPI
 */
enum vpe_layout {
	VPE_SPI_FIRST,
	VPE_ARES,
};

/**
 * struct vpe_iv - what makes a packet unique under its key
 * @sender_id: who sent it, 0 for unicast, little endian
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

static_assert(sizeof(struct vpe_iv) == VPE_IV_LEN);
static_assert(sizeof(struct vpe_hdr) == VPE_HLEN);
static_assert(offsetof(struct vpe_hdr, icv) == VPE_HLEN - VPE_ICV_LEN);

/**
 * vpe_hdr_iv - the IV of a packet
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
 * vpe_hdr_write - fill in all of a header but its ICV
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

#endif /* _VPE_HEADER_H */
