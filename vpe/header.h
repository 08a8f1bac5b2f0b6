/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VPE on the wire, layout "spi-first" (the VPE talk; the ARES 2020 paper,
 * section 4 and figure 3, has the SPI after the sequence number):
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +---------------------------------------------------------------+
 *  |             Security Parameters Index (big endian)            |
 *  +-------------------------------+-------------------------------+ \
 *  |   Sender ID (little endian)   |   Window ID (little endian)   |  |
 *  +-------------------------------+-------------------------------+  | IV
 *  |                                                               |  |
 *  |                Sequence number (little endian)                |  |
 *  +---------------------------------------------------------------+ /
 *  |                                                               |
 *  |                 Integrity Check Value, 128 bits               |
 *  |                                                               |
 *  |                                                               |
 *  +---------------------------------------------------------------+
 *  |  AEAD(inner packet and TFC padding, where set), no AAD ...     |
 *
 * Nothing follows the ciphertext: there is no trailer.
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
 * struct vpe_hdr - VPE header, layout spi-first
 * @spi: Security Parameters Index, network order
 * @sender_id: who sent it, 0 for unicast, little endian
 * @window_id: the sender's sequence counter, little endian
 * @seq: number of the packet in its window, little endian
 * @icv: Integrity Check Value
 *
 * The 12 bytes from @sender_id on are the IV (talk, "Initialization
 * Vectors"). An IP header leaves this struct aligned to 4 bytes, no more.
 */
struct vpe_hdr {
	__be32	spi;
	__le16	sender_id;
	__le16	window_id;
	__le64	seq;
	__u8	icv[VPE_ICV_LEN];
} __packed __aligned(4);

static_assert(sizeof(struct vpe_hdr) == VPE_HLEN);
static_assert(offsetof(struct vpe_hdr, seq) -
	      offsetof(struct vpe_hdr, sender_id) == 4);
static_assert(offsetof(struct vpe_hdr, icv) -
	      offsetof(struct vpe_hdr, sender_id) == VPE_IV_LEN);

/**
 * vpe_hdr_iv - the IV of a packet
 * @hdr: header in wire order
 *
 * Return: pointer to %VPE_IV_LEN bytes inside @hdr.
 */
static inline const void *vpe_hdr_iv(const struct vpe_hdr *hdr)
{
	return &hdr->sender_id;
}

/**
 * vpe_hdr_window - what names the receive window of a packet
 * @hdr: header in wire order
 *
 * Return: Sender ID in the upper, Window ID in the lower 16 bits, host order.
 */
static inline u32 vpe_hdr_window(const struct vpe_hdr *hdr)
{
	return (u32)le16_to_cpu(hdr->sender_id) << 16 |
	       le16_to_cpu(hdr->window_id);
}

/**
 * vpe_hdr_write - fill in all of a header but its ICV
 * @hdr: where to write
 * @spi: SPI, network order
 * @window: Sender ID << 16 | Window ID, host order
 * @seq: sequence number, host order
 */
static inline void vpe_hdr_write(struct vpe_hdr *hdr, __be32 spi, u32 window,
				 u64 seq)
{
	hdr->spi = spi;
	hdr->sender_id = cpu_to_le16(window >> 16);
	hdr->window_id = cpu_to_le16(window & 0xffff);
	hdr->seq = cpu_to_le64(seq);
}

#endif /* _VPE_HEADER_H */
