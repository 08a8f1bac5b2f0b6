/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VPE attached to Linux' xfrm: what the files of this directory share.
 */
#ifndef _XFRM_VPE_VPE_H
#define _XFRM_VPE_VPE_H

#define VPE_COMPAT_NET

#include <linux/completion.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/percpu-refcount.h>
#include <linux/ratelimit.h>
#include <linux/rhashtable.h>
#include <net/dst_cache.h>
#include <net/udp.h>
#include <net/xfrm.h>
#include <uapi/linux/vpe.h>

#include "vpe/aead.h"
#include "vpe/compat.h"
#include "vpe/context.h"
#include "vpe/header.h"

struct genl_family;
struct vpe_clock_cpu;
struct vpe_steering;

/* Slot of xfrm_state_afinfo[] that gives VPE bundles their output function. */
#define AF_VPE			AF_SECURITY

/*
 * vpe_type.proto. Anything but ESP: xfrm_state_mtu() then takes header_len for
 * all there is to take off, instead of x->data for an AEAD.
 */
#define VPE_TYPE_PROTO		253

/*
 * What is 0 of the first words that packets of unicast SAs have in layout ares,
 * read as an SPI: the Sender ID, but for its lower byte in transport mode.
 */
#define VPE_ARES_SPI_ZEROS		0xffff0000
#define VPE_ARES_SPI_ZEROS_TRANSPORT	0x00ff0000

/*
 * x->tfcpad of an SA that is being made: kernels that set x->type_offload after
 * init_state refuse to offload what is padded. No user can ask for that much
 * padding, so it can be told from the user's.
 */
#define VPE_TFCPAD_NO_OFFLOAD	U32_MAX

#define VPE_NVO3_PORTS_MAX	8
#define VPE_CLOCK_RATE_MAX	1000000	/* packets a second, of one CPU */
#define VPE_CLOCK_SIZE_MIN	64	/* bytes */
#define VPE_CLASS_MAP_LEN	64	/* DSCPs */

/**
 * struct vpe_flow - what chooses the window of a packet, and its path
 * @hash: 32 bits
 * @class: QoS class, of VPE
 * @sport: outer UDP source port of ESP
 */
struct vpe_flow {
	u32	hash;
	u8	class;
	__be16	sport;
};

/**
 * struct vpe_replay - sequence numbers of an SA
 * @oseq: the last one sent
 * @seq: the highest one received
 */
struct vpe_replay {
	u64	oseq;
	u64	seq;
};

/**
 * struct vpe_counters - packets, by what became of them
 * @stat: indexed by VPE_A_STATS_*
 * @drop: indexed by VPE_A_DROPS_*
 * @late: accepted ones (0) and refused ones (1) by log2 of how far behind the
 *	highest number they were
 */
struct vpe_counters {
	u64	stat[VPE_A_STATS_MAX + 1];
	u64	drop[VPE_A_DROPS_MAX + 1];
	u64	late[2][VPE_LATE_MAX];
};

/**
 * struct vpe_net - a network namespace
 * @scope: its bounds
 * @lanes: windows of one SA that spreads over paths, at least
 * @udp_csum: outer UDP over IPv4 has checksums
 * @udp6_zero_csum_tx: outer UDP over IPv6 has none (RFC 6935)
 * @class_map: QoS class by DSCP or priority
 * @class_source: by which, enum vpe_class_source
 * @classes: one more than the highest one in @class_map; under vpe_sa_mutex,
 *	read by anybody
 * @nvo3_ports: UDP destination ports of packets whose source port carries the
 *	flow of what is inside; 0: no more
 * @listens: sockets; under vpe_listen_mutex
 * @gone: sum of the counters of SAs that are gone; under vpe_sa_mutex
 * @nr_sas: SAs there are; under vpe_sa_mutex
 * @nr_ares: of these in layout ares; likewise, read by anybody
 * @steering: which CPUs decrypt; NULL: those that receive
 * @steers: in the list of those that steer
 * @flow_key: chooses windows together with the flow; 0: the flow does
 * @flow_rekey: seconds after which there is another @flow_key; 0: never
 * @flow_due: when, in jiffies; these two under vpe_sa_mutex
 * @events: limits how many are sent
 * @events_lost: how many were not
 * @ref: the namespace and its SAs, which may outlive it
 */
struct vpe_net {
	struct vpe_scope	scope;
	u32			lanes;
	bool			udp_csum;
	bool			udp6_zero_csum_tx;
	u8			class_map[VPE_CLASS_MAP_LEN];
	u8			class_source;
	u8			classes;
	__be16			nvo3_ports[VPE_NVO3_PORTS_MAX];
	struct list_head	listens;
	struct vpe_counters	gone;
	u32			nr_sas;
	u32			nr_ares;
	struct vpe_steering __rcu *steering;
	struct list_head	steers;
	u32			flow_key;
	u32			flow_rekey;
	unsigned long		flow_due;
	struct ratelimit_state	events;
	atomic64_t		events_lost;
	refcount_t		ref;
};

/**
 * struct vpe_listen - the sockets that receive on one UDP port
 * @port: host order
 * @zero_csum6_rx: packets without a checksum are taken in IPv6
 * @sock4: IPv4
 * @sock6: IPv6; NULL where the host has none
 * @stat: packets that are neither ESP nor VPE, by VPE_A_LISTEN_*
 * @list: in vpe_net.listens
 * @rcu: frees it
 */
struct vpe_listen {
	u16			port;
	bool			zero_csum6_rx;
	struct socket		*sock4;
	struct socket		*sock6;
	atomic64_t		stat[VPE_A_LISTEN_MAX + 1];
	struct list_head	list;
	struct rcu_head		rcu;
};

/**
 * struct vpe_clock - when an SA sends, and how much
 * @sa: the SA
 * @rate: packets a second of each lane
 * @size: inner packets are padded to this, bytes
 * @lanes: of each CPU, a power of two
 * @period: between two ticks
 * @path: route of fill packets
 * @cpu: queues and timers
 */
struct vpe_clock {
	struct vpe_sa			*sa;
	u32				rate;
	u32				size;
	u32				lanes;
	ktime_t				period;
	struct dst_cache		path;
	struct vpe_clock_cpu __percpu	*cpu;
};

/**
 * struct vpe_cpu - what one CPU writes for one SA
 * @counters: its counters
 * @proxy: stands for the SA in its packets' secpaths, NULL until needed
 */
struct vpe_cpu {
	struct vpe_counters	counters;
	struct xfrm_state	*proxy;
} ____cacheline_aligned;

/**
 * struct vpe_sa - the VPE part of an xfrm_state
 * @x: the xfrm_state
 * @tfm: cipher with its key
 * @ctx: counters and windows of the key
 * @cpu: what is written per packet, per CPU
 * @vnet: namespace
 * @spi: SPI, network order
 * @async: @tfm may complete later
 * @udp: its packets are in UDP
 * @label: their IPv6 flow label is their window's, or of ESP their flow's
 * @group: many senders share its key
 * @near_end: it was told that its numbers come to their end
 * @icv_len: bytes of ICV behind the ciphertext, 0 in VPE
 * @pad: bytes to which inner packets are padded, where the path takes them
 * @layout: of its packets
 * @clock: when it sends; NULL: at once
 * @node: in vpe_sas, by SPI, while @hashed
 * @hashed: under vpe_sa_mutex
 * @unhashed: RCU's state when it was taken out of vpe_sas
 * @inflight: packets that need the SA beyond an RCU read side: received or
 *	fill packets whose cipher completes later, or that wait for another CPU
 * @idle: @inflight is zero
 * @key_bits: length of the key
 * @id: number of the SA, rising in @list
 * @list: in vpe_sa_list
 * @shared_proxy: as vpe_cpu.proxy, for packets that need the same on all CPUs
 * @folded: totals already added to x->curlft and x->stats, under vpe_sa_mutex
 * @geniv: what x->geniv points at
 *
 * Up to @clock read for each packet and not written.
 */
struct vpe_sa {
	struct xfrm_state	*x;
	struct crypto_aead	*tfm;
	struct vpe_context	*ctx;
	struct vpe_cpu __percpu	*cpu;
	struct vpe_net		*vnet;
	__be32			spi;
	bool			async;
	bool			udp;
	bool			label;
	bool			group;
	bool			near_end;
	u8			icv_len;
	u16			pad;
	enum vpe_layout		layout;
	struct vpe_clock __rcu	*clock;

	struct rhlist_head	node;
	bool			hashed;
	unsigned long		unhashed;
	struct percpu_ref	inflight;
	struct completion	idle;
	u32			key_bits;
	u64			id;
	struct list_head	list;
	struct xfrm_state	*shared_proxy;
	struct vpe_counters	folded;
	char			geniv[4];
};

/**
 * vpe_sa_of - the VPE part of an xfrm_state
 * @x: an SA of ours
 *
 * x->data is the cipher, as ESP's: there are functions of xfrm, and drivers,
 * that take it for one.
 *
 * Return: it.
 */
static inline struct vpe_sa *vpe_sa_of(const struct xfrm_state *x)
{
	return container_of(x->geniv, struct vpe_sa, geniv[0]);
}

/**
 * vpe_sa_format - what the packets of an SA look like
 * @sa: the SA
 *
 * Return: the format.
 */
static inline const struct vpe_format *vpe_sa_format(const struct vpe_sa *sa)
{
	return &vpe_formats[sa->layout];
}

/**
 * vpe_sa_is_esp - is it an SA of the ESP format?
 * @sa: the SA
 *
 * Return: false if it is VPE.
 */
static inline bool vpe_sa_is_esp(const struct vpe_sa *sa)
{
	return vpe_is_esp(sa->layout);
}

/**
 * vpe_sa_is_tunnel - is an SA in tunnel mode?
 * @sa: the SA
 *
 * Return: false if it is in transport mode.
 */
static inline bool vpe_sa_is_tunnel(const struct vpe_sa *sa)
{
	return sa->x->props.mode == XFRM_MODE_TUNNEL;
}

/**
 * vpe_sa_sender - the Sender ID of an SA
 * @sa: the SA
 *
 * Return: 0 outside of groups, and of an SA that only receives.
 */
static inline u16 vpe_sa_sender(const struct vpe_sa *sa)
{
	return (sa->x->props.extra_flags & VPE_SA_SENDER_MASK) >> VPE_SA_SENDER_SHIFT;
}

/* main.c */
struct vpe_net *vpe_pernet(const struct net *net);
void vpe_net_put(struct vpe_net *vnet);

/* type.c */
extern const struct xfrm_type vpe_type;
extern const struct xfrm_type vpe_esp_type;
int vpe_type_init(void);
void vpe_type_exit(void);

/**
 * vpe_udp_sport - the UDP source port of a VPE window
 * @sa: SA of VPE in UDP
 * @window: Window ID
 *
 * Return: the SA's, which xfrm_state_update() may be changing, or one of the
 * window's own.
 */
static inline __be16 vpe_udp_sport(const struct vpe_sa *sa, u16 window)
{
	__be16 sport = READ_ONCE(sa->x->encap->encap_sport);

	return sport ?: htons(vpe_context_port(sa->ctx, window));
}

/**
 * vpe_is_ours - is an xfrm_state an SA of ours?
 * @x: it
 *
 * Return: true for VPE and for ESP with entropy.
 */
static inline bool vpe_is_ours(const struct xfrm_state *x)
{
	return x->type == &vpe_type || x->type == &vpe_esp_type;
}

/* sa.c */
extern struct mutex vpe_sa_mutex;
extern struct list_head vpe_sa_list;
extern struct static_key_false_deferred vpe_sas_used;
int vpe_sa_init(void);
void vpe_sa_exit(void);
int vpe_sa_create(struct xfrm_state *x, struct netlink_ext_ack *extack);
void vpe_sa_destroy(struct vpe_sa *sa);
struct vpe_replay vpe_sa_replay(const struct xfrm_state *x);
struct vpe_sa *vpe_sa_of_packet(struct net *net, const struct sk_buff *skb,
				unsigned int offset,
				const xfrm_address_t *daddr, u16 family);
struct xfrm_state *vpe_sa_proxy(struct vpe_sa *sa, bool shared);
struct dst_entry *vpe_sa_route(struct xfrm_state *x);

/**
 * vpe_sa_any - is there any VPE SA?
 *
 * Where there is none, the module should cost classic ESP nothing.
 *
 * Return: false if vpe_sa_of_packet() would find none in any namespace.
 */
static inline bool vpe_sa_any(void)
{
	return static_branch_unlikely(&vpe_sas_used.key);
}

/* pages.c */

/**
 * struct vpe_pages - where a cipher writes what it may not write in place
 * @sg: a page each, of which length bytes from its beginning are used
 * @n: how many; 0: all is in place
 * @len: bytes in all of them
 */
struct vpe_pages {
	struct scatterlist	*sg;
	unsigned int		n;
	unsigned int		len;
};

struct vpe_op *vpe_pages_op(const struct vpe_sa *sa, const struct sk_buff *skb,
			    unsigned int priv, unsigned int tail);
int vpe_pages_map(struct vpe_pages *pages, struct vpe_op *op, struct sk_buff *skb,
		  unsigned int tail);
void vpe_pages_write_tail(const struct vpe_pages *pages, struct sk_buff *skb,
			  unsigned int pad, const void *end, unsigned int len);
void vpe_pages_use(struct vpe_pages *pages, struct sk_buff *skb);
void vpe_pages_free(struct vpe_pages *pages);
int vpe_pages_own(struct sk_buff *skb);

/* output.c */
int vpe_output_init(void);
void vpe_output_exit(void);
void vpe_output_flow_rekey(struct vpe_net *vnet, u32 seconds);
int vpe_type_output(struct xfrm_state *x, struct sk_buff *skb);
void vpe_output_clocked(struct vpe_sa *sa, struct sk_buff *skb, u32 lane);
void vpe_output_fill(struct vpe_sa *sa, struct sk_buff *skb, u32 lane);

/* input.c */
int vpe_input_init(void);
void vpe_input_exit(void);
unsigned int vpe_input_window_size(const struct vpe_sa *sa);
enum vpe_verdict vpe_input_close(struct vpe_sa *sa, u32 window, u64 seq);
void vpe_input_steered(struct vpe_sa *sa, struct sk_buff *skb, u16 family, int encap_type);
int vpe_type_input(struct xfrm_state *x, struct sk_buff *skb);
void vpe4_icmp(struct sk_buff *skb, u32 info, u8 proto);
void vpe6_icmp(struct sk_buff *skb, u8 type, __be32 info);

/* steer.c */
int vpe_steer_init(struct net_device *dev);
void vpe_steer_exit(void);
int vpe_steer(struct vpe_sa *sa, struct sk_buff *skb, u32 window, u16 family,
	      int encap_type);
bool vpe_steer_is_home(const struct vpe_sa *sa, u32 window);
struct vpe_steering *vpe_steering_parse(const char *list);
void vpe_steering_use(struct vpe_net *vnet, struct vpe_steering *steering);
char *vpe_steering_list(struct vpe_net *vnet);

/* clock.c */
int vpe_clock_init(void);
void vpe_clock_exit(void);
bool vpe_clock_queue(struct vpe_clock *clock, struct sk_buff *skb, u32 flow);
int vpe_clock_set(struct vpe_sa *sa, u32 rate, u32 size);
void vpe_clock_stop(struct vpe_sa *sa);
void vpe_clock_stop_net(const struct vpe_net *vnet);

/* udp.c */
extern struct mutex vpe_listen_mutex;
int vpe_udp_init(void);
void vpe_udp_exit(void);
void vpe_udp_push(const struct vpe_sa *sa, struct sk_buff *skb, __be16 sport,
		  unsigned int more);
struct vpe_listen *vpe_listen_find(struct vpe_net *vnet, u16 port);
int vpe_listen_add(struct net *net, u16 port, bool zero_csum6_rx);
void vpe_listen_del(struct vpe_listen *listen);
void vpe_listen_flush(struct vpe_net *vnet);

/* km.c */
int vpe_km_init(void);
void vpe_km_exit(void);
void vpe_km_allow_gso(struct xfrm_state *x);

/* offload.c */
int vpe_offload_init(void);
void vpe_offload_exit(void);

/* stats.c */
void vpe_counters_sum(const struct vpe_sa *sa, struct vpe_counters *sum);
void vpe_counters_add(struct vpe_counters *to, const struct vpe_counters *from);
void vpe_stats_start(void);
void vpe_stats_exit(void);
void vpe_count_drop(struct vpe_sa *sa, struct sk_buff *skb,
		    unsigned int reason);
void vpe_drop(struct vpe_sa *sa, struct sk_buff *skb, unsigned int reason);

/**
 * vpe_count - add to a counter of this CPU
 * @sa: the SA
 * @stat: VPE_A_STATS_*
 * @n: how much
 */
static inline void vpe_count(struct vpe_sa *sa, unsigned int stat, u64 n)
{
	this_cpu_add(sa->cpu->counters.stat[stat], n);
}

/* netlink.c */
void vpe_notify(const struct vpe_sa *sa, unsigned int kind, u32 window, u64 seq,
		const struct sk_buff *skb);
void vpe_notify_listen(struct net *net, unsigned int kind, u16 port);
int vpe_netlink_init(void);
void vpe_netlink_exit(void);

#endif /* _XFRM_VPE_VPE_H */
