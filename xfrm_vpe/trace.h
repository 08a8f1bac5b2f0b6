/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vpe

#if !defined(_XFRM_VPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _XFRM_VPE_TRACE_H

#include <linux/tracepoint.h>

#include "vpe.h"

DECLARE_EVENT_CLASS(vpe_packet,
		    TP_PROTO(const struct vpe_sa *sa, u32 window, u64 seq,
			     unsigned int len),
		    TP_ARGS(sa, window, seq, len),
		    TP_STRUCT__entry(__field(u32, spi)
				     __field(u16, sender)
				     __field(u16, window)
				     __field(u64, seq)
				     __field(unsigned int, len)),
		    TP_fast_assign(__entry->spi = ntohl(sa->spi);
				   __entry->sender = window >> 16;
				   __entry->window = window;
				   __entry->seq = seq;
				   __entry->len = len;),
		    TP_printk("spi=0x%08x sender=%u window=%u seq=%llu len=%u",
			      __entry->spi, __entry->sender, __entry->window,
			      __entry->seq, __entry->len)
);

/* A packet was encrypted; len is that of what was encrypted, bytes. */
DEFINE_EVENT(vpe_packet, vpe_send,
	     TP_PROTO(const struct vpe_sa *sa, u32 window, u64 seq,
		      unsigned int len),
	     TP_ARGS(sa, window, seq, len)
);

/* A packet was authenticated and is no replay. */
DEFINE_EVENT(vpe_packet, vpe_accept,
	     TP_PROTO(const struct vpe_sa *sa, u32 window, u64 seq,
		      unsigned int len),
	     TP_ARGS(sa, window, seq, len)
);

/* A receive window was made by its first packet. */
DEFINE_EVENT(vpe_packet, vpe_new_window,
	     TP_PROTO(const struct vpe_sa *sa, u32 window, u64 seq,
		      unsigned int len),
	     TP_ARGS(sa, window, seq, len)
);

#define VPE_REASON(name) { VPE_A_DROPS_##name, #name }

TRACE_EVENT(vpe_drop,
	    TP_PROTO(const struct vpe_sa *sa, unsigned int reason),
	    TP_ARGS(sa, reason),
	    TP_STRUCT__entry(__field(u32, spi)
			     __field(unsigned int, reason)),
	    TP_fast_assign(__entry->spi = ntohl(sa->spi);
			   __entry->reason = reason;),
	    TP_printk("spi=0x%08x reason=%s", __entry->spi,
		      __print_symbolic(__entry->reason,
				       VPE_REASON(RX_STATE),
				       VPE_REASON(RX_ENCAP),
				       VPE_REASON(RX_SHORT),
				       VPE_REASON(RX_SENDER),
				       VPE_REASON(RX_REPLAY),
				       VPE_REASON(RX_OLD),
				       VPE_REASON(RX_AUTH),
				       VPE_REASON(RX_INNER),
				       VPE_REASON(RX_WINDOWS),
				       VPE_REASON(RX_NOMEM),
				       VPE_REASON(RX_CRYPTO),
				       VPE_REASON(RX_PATH),
				       VPE_REASON(TX_STATE),
				       VPE_REASON(TX_SIZE),
				       VPE_REASON(TX_CLAIM),
				       VPE_REASON(TX_SEQUENCE),
				       VPE_REASON(TX_SEGMENT),
				       VPE_REASON(TX_NOMEM),
				       VPE_REASON(TX_CRYPTO),
				       VPE_REASON(TX_FRAGMENT)))
);

#endif /* _XFRM_VPE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
