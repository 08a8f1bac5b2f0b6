// SPDX-License-Identifier: GPL-2.0
/*
 * vpe-top: which windows are busy, and which refuse packets.
 *
 * Reads all counters of the netlink family "vpe" again and again and shows by
 * how much they grew.
 */
#define _GNU_SOURCE
#define __SANE_USERSPACE_TYPES__	/* __u64 is unsigned long long everywhere */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/vpe.h>

#define COUNTERS	64	/* of a nest, those of a later module included */
#define CELL		64	/* characters of a number or an address, at most */
#define LINE		1024
#define DUMP_SIZE	32768	/* of a message, at most */

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define die(fmt, ...)								\
	do {									\
		fprintf(stderr, "vpe-top: " fmt "\n", ##__VA_ARGS__);		\
		exit(1);							\
	} while (0)

/* A line of the screen, in the format of printf() */
#define line(fmt, ...)								\
	do {									\
		char line_buf[LINE];						\
										\
		snprintf(line_buf, sizeof(line_buf), fmt, ##__VA_ARGS__);	\
		put_line(line_buf, false);					\
	} while (0)

/* What windows count and may be sorted by */
enum {
	PACKETS,
	REPLAYED,
	LATE,
	ELSEWHERE,
	NR_COUNTS,
};

static const char * const sort_names[NR_COUNTS] = {
	[PACKETS]	= "packets",
	[REPLAYED]	= "replayed",
	[LATE]		= "late",
	[ELSEWHERE]	= "elsewhere",
};

static const char * const drop_names[COUNTERS] = {
	[VPE_A_DROPS_RX_STATE]		= "rx-state",
	[VPE_A_DROPS_RX_ENCAP]		= "rx-encap",
	[VPE_A_DROPS_RX_SHORT]		= "rx-short",
	[VPE_A_DROPS_RX_SENDER]		= "rx-sender",
	[VPE_A_DROPS_RX_REPLAY]		= "rx-replay",
	[VPE_A_DROPS_RX_OLD]		= "rx-old",
	[VPE_A_DROPS_RX_AUTH]		= "rx-auth",
	[VPE_A_DROPS_RX_INNER]		= "rx-inner",
	[VPE_A_DROPS_RX_WINDOWS]	= "rx-windows",
	[VPE_A_DROPS_RX_NOMEM]		= "rx-nomem",
	[VPE_A_DROPS_RX_CRYPTO]		= "rx-crypto",
	[VPE_A_DROPS_RX_PATH]		= "rx-path",
	[VPE_A_DROPS_TX_STATE]		= "tx-state",
	[VPE_A_DROPS_TX_SIZE]		= "tx-size",
	[VPE_A_DROPS_TX_CLAIM]		= "tx-claim",
	[VPE_A_DROPS_TX_SEQUENCE]	= "tx-sequence",
	[VPE_A_DROPS_TX_SEGMENT]	= "tx-segment",
	[VPE_A_DROPS_TX_NOMEM]		= "tx-nomem",
	[VPE_A_DROPS_TX_CRYPTO]		= "tx-crypto",
	[VPE_A_DROPS_TX_FRAGMENT]	= "tx-fragment",
	[VPE_A_DROPS_RX_REFLECTED]	= "rx-reflected",
	[VPE_A_DROPS_RX_BEHIND]		= "rx-behind",
	[VPE_A_DROPS_TX_SENDER]		= "tx-sender",
	[VPE_A_DROPS_RX_QUEUE]		= "rx-queue",
	[VPE_A_DROPS_TX_QUEUE]		= "tx-queue",
};

/**
 * struct key - what tells SAs, and windows, apart
 * @family: of @dst
 * @dst: outer destination
 * @spi: SPI
 * @direction: enum vpe_direction; of an SA 0
 * @id: Sender ID << 16 | Window ID; of an SA its mark
 * @nr: its place in the dump; of two with one key (SAs of different marks) the
 *	first is the first again the next time
 *
 * In network order and without gaps: memcmp() tells which comes first.
 */
struct key {
	__be32	family;
	__u8	dst[16];
	__be32	spi;
	__be32	direction;
	__be32	id;
	__be32	nr;
};

/**
 * struct window - one counter, or replay window, at one moment
 * @key: must be first
 * @known: what it was the last time is known, and @rate means something
 * @has_cpu: @cpu means something
 * @has_class: @class means something
 * @cpu: the one that counts, or that made the window
 * @class: QoS class
 * @port: UDP source port, 0: none
 * @seq: last number, or highest one accepted
 * @source: where a group's sender was heard from last, 0: unknown
 * @count: so many until now
 * @rate: and so many a second since the last time
 */
struct window {
	struct key	key;
	bool		known;
	bool		has_cpu;
	bool		has_class;
	unsigned int	cpu;
	unsigned int	class;
	unsigned int	port;
	__u64		seq;
	__u8		source[16];
	__u64		count[NR_COUNTS];
	double		rate[NR_COUNTS];
};

/**
 * struct sa - what an SA dropped until one moment
 * @key: must be first
 * @flags: VPE_SA_FLAG_*
 * @drops: by VPE_A_DROPS_*
 * @rate: so many a second since the last time
 */
struct sa {
	struct key	key;
	__u32		flags;
	__u64		drops[COUNTERS];
	double		rate[COUNTERS];
};

/**
 * struct array - what grows
 * @items: each begins with its struct key
 * @size: of one, bytes
 * @n: how many there are
 * @room: for how many there is memory
 */
struct array {
	char	*items;
	size_t	size;
	size_t	n;
	size_t	room;
};

/**
 * struct sample - all counters at one moment
 * @time: seconds of a clock that nobody sets
 * @windows_time: likewise, when windows were asked for
 * @over: seconds since the sample before, which rates are of
 * @windows: struct window; sorted by key
 * @sas: struct sa; likewise
 * @has_ipv6: a destination is of IPv6
 * @has_source: a window has a source
 * @esp: SAs that are ESP
 * @tx_windows: windows to send by
 * @rx_windows_max: bound of the others
 * @stats: totals by VPE_A_STATS_*
 * @stat_rate: so many a second
 * @drops: totals by VPE_A_DROPS_*
 * @drop_rate: so many a second
 */
struct sample {
	double		time;
	double		windows_time;
	double		over;
	struct array	windows;
	struct array	sas;
	bool		has_ipv6;
	bool		has_source;
	size_t		esp;
	size_t		tx_windows;
	__u64		rx_windows_max;
	__u64		stats[COUNTERS];
	double		stat_rate[COUNTERS];
	__u64		drops[COUNTERS];
	double		drop_rate[COUNTERS];
};

static struct {
	double		interval;
	unsigned long	times;		/* 0: for ever */
	bool		batch;
	unsigned int	sort;
} opt = { .interval = 1, .sort = PACKETS };

static struct {
	bool		tty;		/* else batch: plain, all windows */
	int		width;
	int		height;
	int		lines;		/* printed so far */
	bool		keys;		/* are heard; @saved is to be restored */
	struct termios	saved;
} screen;

static double clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A new item, all zeros but for its place. */
static void *array_add(struct array *a)
{
	struct key *key;

	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 256;
		a->items = realloc(a->items, a->room * a->size);
		if (!a->items)
			die("there is no memory for so many windows");
	}
	key = memset(a->items + a->n * a->size, 0, a->size);
	key->nr = htonl(a->n++);
	return key;
}

static int key_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

static void array_sort(struct array *a)
{
	if (a->n)
		qsort(a->items, a->n, a->size, key_cmp);
}

/*
 * The first item from @at on whose key begins with @len bytes of @key, NULL if there
 * is none. @at is moved to it: keys are asked for in their order.
 */
static const void *array_find(const struct array *a, size_t *at, const struct key *key,
			      size_t len)
{
	int cmp = 1;

	for (; *at < a->n; ++*at) {
		cmp = memcmp(a->items + *at * a->size, key, len);
		if (cmp >= 0)
			break;
	}
	return *at < a->n && !cmp ? a->items + *at * a->size : NULL;
}

/*
 * Netlink
 */

static struct mnl_socket *nl;

struct attrs {
	const struct nlattr	*tb[COUNTERS];
};

static int attr_cb(const struct nlattr *attr, void *data)
{
	struct attrs *attrs = data;

	if (mnl_attr_get_type(attr) < COUNTERS)
		attrs->tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static void parse(const struct nlmsghdr *nlh, struct attrs *attrs)
{
	memset(attrs, 0, sizeof(*attrs));
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), attr_cb, attrs);
}

/* An unsigned number of any width, 0 if it is absent. */
static __u64 number(const struct nlattr *attr)
{
	switch (attr ? mnl_attr_get_payload_len(attr) : 0) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return mnl_attr_get_u16(attr);
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	}
	return 0;
}

static void copy_addr(__u8 to[16], const struct nlattr *attr)
{
	if (attr && mnl_attr_get_payload_len(attr) <= 16)
		memcpy(to, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static void copy_counters(__u64 to[COUNTERS], const struct nlattr *nest)
{
	struct attrs counters = {};
	int i;

	if (nest)
		mnl_attr_parse_nested(nest, attr_cb, &counters);
	for (i = 0; i < COUNTERS; i++)
		to[i] = number(counters.tb[i]);
}

static int window_cb(const struct nlmsghdr *nlh, void *data)
{
	struct sample *s = data;
	struct window *w = array_add(&s->windows);
	struct attrs a;

	parse(nlh, &a);
	w->key.family = htonl(number(a.tb[VPE_A_WINDOW_FAMILY]));
	copy_addr(w->key.dst, a.tb[VPE_A_WINDOW_DST]);
	w->key.spi = number(a.tb[VPE_A_WINDOW_SPI]);
	w->key.direction = htonl(number(a.tb[VPE_A_WINDOW_DIRECTION]));
	w->key.id = htonl(number(a.tb[VPE_A_WINDOW_SENDER_ID]) << 16 |
			  number(a.tb[VPE_A_WINDOW_WINDOW_ID]));
	w->has_cpu = a.tb[VPE_A_WINDOW_CPU];
	w->cpu = number(a.tb[VPE_A_WINDOW_CPU]);
	w->has_class = a.tb[VPE_A_WINDOW_CLASS];
	w->class = number(a.tb[VPE_A_WINDOW_CLASS]);
	w->port = ntohs(number(a.tb[VPE_A_WINDOW_PORT]));
	w->seq = number(a.tb[VPE_A_WINDOW_SEQ]);
	copy_addr(w->source, a.tb[VPE_A_WINDOW_SOURCE]);
	w->count[PACKETS] = number(a.tb[VPE_A_WINDOW_PACKETS]);
	w->count[REPLAYED] = number(a.tb[VPE_A_WINDOW_REPLAYED]);
	w->count[LATE] = number(a.tb[VPE_A_WINDOW_OLD]) + number(a.tb[VPE_A_WINDOW_BEHIND]);
	w->count[ELSEWHERE] = number(a.tb[VPE_A_WINDOW_ELSEWHERE]);

	s->has_ipv6 |= ntohl(w->key.family) == AF_INET6;
	s->has_source |= !!a.tb[VPE_A_WINDOW_SOURCE];
	s->tx_windows += ntohl(w->key.direction) == VPE_DIRECTION_TX;
	return MNL_CB_OK;
}

static int sa_cb(const struct nlmsghdr *nlh, void *data)
{
	struct sample *s = data;
	struct sa *sa = array_add(&s->sas);
	struct attrs a;

	parse(nlh, &a);
	sa->key.family = htonl(number(a.tb[VPE_A_SA_FAMILY]));
	copy_addr(sa->key.dst, a.tb[VPE_A_SA_DST]);
	sa->key.spi = number(a.tb[VPE_A_SA_SPI]);
	sa->key.id = htonl(number(a.tb[VPE_A_SA_MARK]));
	sa->flags = number(a.tb[VPE_A_SA_FLAGS]);
	copy_counters(sa->drops, a.tb[VPE_A_SA_DROPS]);
	s->esp += !(sa->flags & VPE_SA_FLAG_VPE);
	return MNL_CB_OK;
}

static int netns_cb(const struct nlmsghdr *nlh, void *data)
{
	struct sample *s = data;
	struct attrs a;

	parse(nlh, &a);
	s->rx_windows_max = number(a.tb[VPE_A_NETNS_RX_WINDOWS_MAX]);
	copy_counters(s->stats, a.tb[VPE_A_NETNS_STATS]);
	copy_counters(s->drops, a.tb[VPE_A_NETNS_DROPS]);
	return MNL_CB_OK;
}

static int family_cb(const struct nlmsghdr *nlh, void *data)
{
	struct attrs a;

	parse(nlh, &a);
	*(unsigned int *)data = number(a.tb[CTRL_ATTR_FAMILY_ID]);
	return MNL_CB_OK;
}

/* Ask @cmd of @type, NLM_F_DUMP or NLM_F_ACK as @flags; 0 or -1 and errno. */
static int ask(unsigned int type, unsigned int cmd, unsigned int flags, const char *name,
	       mnl_cb_t cb, void *data)
{
	static char buf[DUMP_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	static unsigned int seq;
	struct genlmsghdr *genl;
	ssize_t ret;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	if (name)
		mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	ret = mnl_socket_sendto(nl, nlh, nlh->nlmsg_len);
	while (ret > 0) {
		ret = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (ret >= 0)
			ret = mnl_cb_run(buf, ret, seq, mnl_socket_get_portid(nl), cb, data);
	}
	return ret;
}

/* A request failed, with errno. */
static void die_unanswered(void)
{
	/* EPROTONOSUPPORT: it is being unloaded. */
	if (errno == ENOENT || errno == EPROTONOSUPPORT)
		die("the module xfrm_vpe is not loaded (\"modprobe xfrm_vpe\" does that)");
	die("the kernel does not tell the counters of VPE: %s", strerror(errno));
}

static void take_sample(struct sample *s)
{
	struct array windows = { s->windows.items, sizeof(struct window), 0, s->windows.room };
	struct array sas = { s->sas.items, sizeof(struct sa), 0, s->sas.room };
	unsigned int family = 0;

	*s = (struct sample) { .windows = windows, .sas = sas };
	/* Again each time: the module may have been loaded anew. */
	if (ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, VPE_FAMILY_NAME, family_cb,
		&family))
		die_unanswered();
	s->time = clock_now();
	if (ask(family, VPE_CMD_NETNS_GET, NLM_F_ACK, NULL, netns_cb, s) ||
	    ask(family, VPE_CMD_SA_GET, NLM_F_DUMP, NULL, sa_cb, s))
		die_unanswered();
	s->windows_time = clock_now();
	if (ask(family, VPE_CMD_WINDOW_GET, NLM_F_DUMP, NULL, window_cb, s))
		die_unanswered();
	array_sort(&s->sas);
	array_sort(&s->windows);
}

/*
 * Rates
 */

/* A counter that is less than it was belongs to something new. */
static double per_second(__u64 now, __u64 before, double seconds)
{
	return (now >= before ? now - before : now) / seconds;
}

static void rates(double *rate, const __u64 *now, const __u64 *before, double seconds)
{
	int i;

	for (i = 0; i < COUNTERS; i++)
		rate[i] = per_second(now[i], before[i], seconds);
}

static void sa_rates(struct sample *s, const struct sample *before)
{
	static const struct sa zero;
	struct sa *sa = (struct sa *)s->sas.items;
	size_t i, at = 0;

	for (i = 0; i < s->sas.n; i++, sa++) {
		const struct sa *was = array_find(&before->sas, &at, &sa->key,
						  offsetof(struct key, nr));

		at += !!was;
		rates(sa->rate, sa->drops, (was ?: &zero)->drops, s->over);
	}
}

/*
 * A window that was not there was made since, if its SA was there. Else it may have
 * come from another SA (update, migration) with all that it ever counted.
 */
static void window_rates(struct sample *s, const struct sample *before)
{
	static const struct window zero;
	struct window *w = (struct window *)s->windows.items;
	double seconds = s->windows_time - before->windows_time;
	size_t i, at = 0, sa_at = 0;
	int c;

	for (i = 0; i < s->windows.n; i++, w++) {
		const struct window *was = array_find(&before->windows, &at, &w->key,
						      offsetof(struct key, nr));

		at += !!was;
		w->known = was || array_find(&before->sas, &sa_at, &w->key,
					     offsetof(struct key, direction));
		for (c = 0; w->known && c < NR_COUNTS; c++)
			w->rate[c] = per_second(w->count[c], (was ?: &zero)->count[c],
						seconds);
	}
}

static void sample_rates(struct sample *s, const struct sample *before)
{
	s->over = s->time - before->time;
	rates(s->stat_rate, s->stats, before->stats, s->over);
	rates(s->drop_rate, s->drops, before->drops, s->over);
	sa_rates(s, before);
	window_rates(s, before);
}

/*
 * Words
 */

/* A rate, in not more than @width characters where that can be. */
static char *human(char buf[CELL], double rate, int width)
{
	static const char unit[][2] = { "", "k", "M", "G", "T" };
	size_t u = 0;

	if (rate < 9.95 && rate != (int)rate) {
		snprintf(buf, CELL, "%.1f", rate);
		return buf;
	}
	while (snprintf(buf, CELL, "%.0f%s", rate, unit[u]) > width &&
	       u < ARRAY_SIZE(unit) - 1) {
		rate /= 1000;
		u++;
	}
	return buf;
}

static char *address(char buf[CELL], __be32 family, const __u8 *addr)
{
	if (!inet_ntop(ntohl(family), addr, buf, CELL))
		snprintf(buf, CELL, "-");
	return buf;
}

static char *drop_name(char buf[CELL], unsigned int reason)
{
	snprintf(buf, CELL, drop_names[reason] ?: "reason-%u", reason);
	return buf;
}

/*
 * A terminal's lines are cut, what is beyond its last one left away; that one stays
 * empty for the cursor.
 */
static void put_line(const char *text, bool inverse)
{
	if (screen.tty && screen.lines >= screen.height - 1)
		return;
	screen.lines++;
	if (!screen.tty)
		printf("%s\n", text);
	else if (inverse)
		printf("\033[7m%-*.*s\033[0m\n", screen.width, screen.width, text);
	else
		printf("%.*s\033[K\n", screen.width, text);
}

/*
 * The table
 */

static void cell_spi(char *buf, const struct window *w)
{
	snprintf(buf, CELL, "%08x", ntohl(w->key.spi));
}

static void cell_direction(char *buf, const struct window *w)
{
	snprintf(buf, CELL, ntohl(w->key.direction) == VPE_DIRECTION_TX ? "tx" : "rx");
}

static void cell_sender(char *buf, const struct window *w)
{
	snprintf(buf, CELL, "%u", ntohl(w->key.id) >> 16);
}

static void cell_window(char *buf, const struct window *w)
{
	snprintf(buf, CELL, "%u", ntohl(w->key.id) & 0xffff);
}

static void cell_class(char *buf, const struct window *w)
{
	snprintf(buf, CELL, w->has_class ? "%u" : "-", w->class);
}

static void cell_cpu(char *buf, const struct window *w)
{
	snprintf(buf, CELL, w->has_cpu ? "%u" : "-", w->cpu);
}

static void cell_rate(char *buf, const struct window *w, int count, int width)
{
	if (count != PACKETS && ntohl(w->key.direction) == VPE_DIRECTION_TX)
		snprintf(buf, CELL, "-");
	else if (w->known)
		human(buf, w->rate[count], width);
	else
		snprintf(buf, CELL, "new");
}

static void cell_packet_rate(char *buf, const struct window *w)
{
	cell_rate(buf, w, PACKETS, 8);
}

static void cell_replayed_rate(char *buf, const struct window *w)
{
	cell_rate(buf, w, REPLAYED, 6);
}

static void cell_late_rate(char *buf, const struct window *w)
{
	cell_rate(buf, w, LATE, 6);
}

static void cell_elsewhere(char *buf, const struct window *w)
{
	if (ntohl(w->key.direction) == VPE_DIRECTION_TX || !w->rate[PACKETS])
		snprintf(buf, CELL, "-");
	else
		snprintf(buf, CELL, "%.1f", 100 * w->rate[ELSEWHERE] / w->rate[PACKETS]);
}

static void cell_seq(char *buf, const struct window *w)
{
	snprintf(buf, CELL, "%llu", w->seq);
}

static void cell_dst(char *buf, const struct window *w)
{
	address(buf, w->key.family, w->key.dst);
}

static void cell_packets(char *buf, const struct window *w)
{
	snprintf(buf, CELL, "%llu", w->count[PACKETS]);
}

static void cell_port(char *buf, const struct window *w)
{
	snprintf(buf, CELL, w->port ? "%u" : "-", w->port);
}

static void cell_source(char *buf, const struct window *w)
{
	static const __u8 none[16];

	if (memcmp(w->source, none, sizeof(none)))
		address(buf, w->key.family, w->source);
	else
		snprintf(buf, CELL, "-");
}

/* The first ones take 79 characters. The others are there where they fit. */
static struct column {
	const char	*title;
	int		width;		/* below 0: from the left */
	bool		shown;
	void		(*print)(char *buf, const struct window *w);
} columns[] = {
	{ "SPI",	8,	true,	cell_spi },
	{ "DIR",	3,	true,	cell_direction },
	{ "SENDR",	5,	true,	cell_sender },
	{ "WINDW",	5,	true,	cell_window },
	{ "C",		1,	true,	cell_class },
	{ "CPU",	3,	true,	cell_cpu },
	{ "PKT/S",	8,	true,	cell_packet_rate },
	{ "REPL/S",	6,	true,	cell_replayed_rate },
	{ "LATE/S",	6,	true,	cell_late_rate },
	{ "ELSE%",	5,	true,	cell_elsewhere },
	{ "LAST",	19,	true,	cell_seq },
#define NR_NARROW	11
	{ "TO",		-15,	false,	cell_dst },
	{ "FROM",	-15,	false,	cell_source },
	{ "PACKETS",	15,	false,	cell_packets },
	{ "PORT",	5,	false,	cell_port },
};

static void choose_columns(const struct sample *s)
{
	struct column *c;
	int used = 79;

	for (c = columns + NR_NARROW; c < columns + ARRAY_SIZE(columns); c++) {
		if (c->width < 0)
			c->width = s->has_ipv6 ? -39 : -15;
		c->shown = used + 1 + abs(c->width) <= screen.width &&
			   (c->print != cell_source || s->has_source);
		if (c->shown)
			used += 1 + abs(c->width);
	}
}

/* NULL: the titles */
static void show_window(const struct window *w)
{
	char buf[LINE], cell[CELL];
	const struct column *c;
	int used = 0;

	for (c = columns; c < columns + ARRAY_SIZE(columns); c++) {
		if (!c->shown)
			continue;
		if (w)
			c->print(cell, w);
		used += snprintf(buf + used, sizeof(buf) - used, "%s%*s", used ? " " : "",
				 c->width, w ? cell : c->title);
	}
	put_line(buf, !w);
}

/* The largest first; by key where they are the same */
static int rate_cmp(const void *a, const void *b)
{
	const struct window *x = *(const struct window **)a;
	const struct window *y = *(const struct window **)b;
	double d = y->rate[opt.sort] - x->rate[opt.sort];

	if (!d)
		d = y->rate[PACKETS] - x->rate[PACKETS];
	return d ? (d > 0) - (d < 0) : key_cmp(x, y);
}

static void show_windows(const struct sample *s)
{
	const struct window **order = calloc(s->windows.n + 1, sizeof(*order));
	size_t i;

	if (!order)
		die("there is no memory for so many windows");
	for (i = 0; i < s->windows.n; i++)
		order[i] = (struct window *)s->windows.items + i;
	qsort(order, s->windows.n, sizeof(*order), rate_cmp);

	choose_columns(s);
	show_window(NULL);
	for (i = 0; i < s->windows.n; i++) {
		if (screen.tty && screen.lines >= screen.height - 1)
			break;
		show_window(order[i]);
	}
	free(order);
}

/*
 * The header
 */

/* Dropped packets a second; those sent if @prefix is 't', received ones if 'r' */
static double drops_sum(const double *rate, char prefix)
{
	double sum = 0;
	int i;

	for (i = 0; i < COUNTERS; i++)
		if (!prefix || (drop_names[i] && *drop_names[i] == prefix))
			sum += rate[i];
	return sum;
}

/* The largest rate that is below @last, or at it and behind it; -1: none */
static int next_largest(const double *rate, int last)
{
	int i, largest = -1;

	for (i = 0; i < COUNTERS; i++) {
		if (!rate[i] || (last >= 0 && (rate[i] > rate[last] ||
					       (rate[i] == rate[last] && i <= last))))
			continue;
		if (largest < 0 || rate[i] > rate[largest])
			largest = i;
	}
	return largest;
}

/* "rx-replay 10, rx-old 2": the largest first, as many as fit in @width. */
static char *reasons(char buf[LINE], int width, const double *rate)
{
	char name[CELL], n[CELL], more[2 * CELL];
	int used = 0, i = -1;

	strcpy(buf, "none");
	while ((i = next_largest(rate, i)) >= 0) {
		snprintf(more, sizeof(more), "%s%s %s", used ? ", " : "",
			 drop_name(name, i), human(n, rate[i], 6));
		if (used + (int)strlen(more) > width || used + sizeof(more) > LINE)
			break;
		used += sprintf(buf + used, "%s", more);
	}
	return buf;
}

/* What is dropped, and the SA that drops most */
static void show_drops(const struct sample *s)
{
	const struct sa *sa = (const struct sa *)s->sas.items, *worst = NULL;
	char buf[LINE], addr[CELL];
	size_t i;

	line("drops/s  %s", reasons(buf, screen.width - 9, s->drop_rate));
	for (i = 0; i < s->sas.n; i++, sa++)
		if (drops_sum(sa->rate, 0) > (worst ? drops_sum(worst->rate, 0) : 0))
			worst = sa;
	if (worst)
		line("most by  %08x %s: %s", ntohl(worst->key.spi),
		     address(addr, worst->key.family, worst->key.dst),
		     reasons(buf, screen.width - 20 - strlen(addr), worst->rate));
	else
		line("most by  -");
}

static char *bitrate(char buf[CELL], double bytes)
{
	static const char unit[] = " kMGT";
	size_t u = 0;

	for (bytes *= 8; bytes >= 999.95 && unit[u + 1]; u++)
		bytes /= 1000;
	snprintf(buf, CELL, "%.1f %cbit/s", bytes, unit[u]);
	return buf;
}

static void show_direction(const struct sample *s, const char *title, int packets, int bytes,
			   char prefix)
{
	char n[CELL], bits[CELL], dropped[CELL], elsewhere[CELL] = "";

	if (prefix == 'r' && s->stat_rate[packets])
		snprintf(elsewhere, sizeof(elsewhere), "  elsewhere %.1f %%",
			 100 * s->stat_rate[VPE_A_STATS_RX_ELSEWHERE] / s->stat_rate[packets]);
	line("%-7s %9s packets/s %13s %7s dropped/s%s", title,
	     human(n, s->stat_rate[packets], 9), bitrate(bits, s->stat_rate[bytes]),
	     human(dropped, drops_sum(s->drop_rate, prefix), 6), elsewhere);
}

static void show_header(const struct sample *s)
{
	time_t t = time(NULL);
	char when[CELL];

	strftime(when, sizeof(when), "%H:%M:%S", localtime(&t));
	line("%s %.2f s  SAs %zu (ESP %zu)  windows tx %zu, rx %zu of %llu",
	     when, s->over, s->sas.n, s->esp, s->tx_windows,
	     s->windows.n - s->tx_windows, s->rx_windows_max);
	show_direction(s, "out", VPE_A_STATS_TX_PACKETS, VPE_A_STATS_TX_BYTES, 't');
	show_direction(s, "in", VPE_A_STATS_RX_PACKETS, VPE_A_STATS_RX_BYTES, 'r');
	show_drops(s);
}

/* As large as the terminal is now; a pipe is as wide as COLUMNS says. */
static void measure_screen(void)
{
	const char *columns_env = getenv("COLUMNS");
	struct winsize ws;

	screen.width = 80;
	screen.height = 24;
	if (screen.tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_col && ws.ws_row) {
		screen.width = ws.ws_col;
		screen.height = ws.ws_row;
	} else if (!screen.tty && columns_env && atoi(columns_env) > 80) {
		screen.width = atoi(columns_env);
	}
}

static void show(const struct sample *s, bool again)
{
	measure_screen();
	screen.lines = 0;
	if (screen.tty)
		printf("\033[H");
	else if (again)
		printf("\n");
	show_header(s);
	show_windows(s);
	if (screen.tty)
		printf("\033[J");
	if (fflush(stdout))
		die("cannot write: %s", strerror(errno));
}

/*
 * The terminal, keys and signals
 */

static void keys_restore(void)
{
	if (screen.keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen.saved);
}

/* Keys come at once and unseen. Again at each time: a shell may have undone it. */
static void keys_take(void)
{
	struct termios t;

	if (!screen.tty || (!screen.keys && tcgetattr(STDIN_FILENO, &screen.saved)))
		return;
	if (!screen.keys)
		atexit(keys_restore);
	screen.keys = true;
	t = screen.saved;
	t.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static int signals_take(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (screen.tty)
		sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	return fd;
}

enum event {
	EVENT_TIME,
	EVENT_REDRAW,
	EVENT_END,
};

static enum event key_pressed(void)
{
	unsigned int i;
	char key;

	if (read(STDIN_FILENO, &key, 1) != 1) {
		screen.keys = false;
		return EVENT_REDRAW;
	}
	if (key == 'q')
		return EVENT_END;
	for (i = 0; i < NR_COUNTS; i++)
		if (key == *sort_names[i])
			opt.sort = i;
	return EVENT_REDRAW;
}

static enum event wait_until(double when, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = screen.keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	double left = when - clock_now();
	struct signalfd_siginfo info;

	if (left < 0 || !poll(fds, ARRAY_SIZE(fds), left * 1000 + 1))
		return EVENT_TIME;
	if (fds[0].revents && read(signals, &info, sizeof(info)) == sizeof(info))
		return info.ssi_signo == SIGWINCH ? EVENT_REDRAW : EVENT_END;
	return fds[1].revents ? key_pressed() : EVENT_REDRAW;
}

static void run(int signals)
{
	struct sample samples[2] = {}, *now = &samples[0];
	unsigned long shown = 0;
	enum event event;
	double next;

	take_sample(now);
	next = now->time;
	do {
		keys_take();
		next += opt.interval;
		if (next < clock_now())		/* it takes longer than that */
			next = clock_now() + 0.1;
		while ((event = wait_until(next, signals)) == EVENT_REDRAW)
			if (shown)
				show(now, true);
		if (event == EVENT_END)
			break;
		now = &samples[now == samples];
		take_sample(now);
		sample_rates(now, &samples[now == samples]);
		show(now, shown++);
	} while (shown != opt.times);
	free(samples[0].windows.items);
	free(samples[0].sas.items);
	free(samples[1].windows.items);
	free(samples[1].sas.items);
}

/*
 * Options
 */

static void help(FILE *to)
{
	fprintf(to,
		"usage: vpe-top [-d SECONDS] [-n TIMES] [-b] [-s packets|replayed|late|elsewhere]\n"
		"\n"
		"Shows the windows of VPE, and of ESP with entropy, in this network namespace,\n"
		"those with the highest rates first.\n"
		"\n"
		"  -d SECONDS  between two looks, 0.1 or more (default 1)\n"
		"  -n TIMES    ends after so many\n"
		"  -b          plain and all windows, for pipes; so it is when the output is no\n"
		"              terminal. COLUMNS=160 in the environment makes it wider than 80\n"
		"  -s RATE     which rate decides. On a terminal the keys p, r, l and e change\n"
		"              it, and q ends\n"
		"  -h          this\n"
		"\n"
		"A line is a sequence counter (tx) or a replay window (rx):\n"
		"  SENDR WINDW Sender ID and Window ID          C       QoS class\n"
		"  CPU     that counts, or made the window      PKT/S   sent, or accepted\n"
		"  REPL/S  refused, seen before                 LATE/S  refused, old or behind\n"
		"  ELSE%%   accepted on another CPU              LAST    number sent, or highest\n"
		"and, where it is wide enough, destination, a group's sender, packets in all,\n"
		"UDP source port. \"new\": of an SA that was not there at the look before.\n");
}

static unsigned int sort_option(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++)
		if (!strcmp(name, sort_names[i]))
			return i;
	die("-s: one of packets, replayed, late and elsewhere, not \"%s\"", name);
}

static void options(int argc, char **argv)
{
	char *end;
	int c;

	while ((c = getopt(argc, argv, "d:n:bs:h")) != -1) {
		switch (c) {
		case 'd':
			opt.interval = strtod(optarg, &end);
			if (*end || end == optarg ||
			    !(opt.interval >= 0.1 && opt.interval <= 86400))
				die("-d: 0.1 to 86400 seconds, not \"%s\"", optarg);
			break;
		case 'n':
			opt.times = strtoul(optarg, &end, 10);
			if (*end || !opt.times || *optarg == '-')
				die("-n: a number from 1 on, not \"%s\"", optarg);
			break;
		case 'b':
			opt.batch = true;
			break;
		case 's':
			opt.sort = sort_option(optarg);
			break;
		case 'h':
			help(stdout);
			exit(0);
		default:
			help(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		help(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	options(argc, argv);
	screen.tty = !opt.batch && isatty(STDOUT_FILENO);
	nl = mnl_socket_open(NETLINK_GENERIC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("no netlink socket: %s", strerror(errno));
	run(signals_take());
	mnl_socket_close(nl);
	return 0;
}
