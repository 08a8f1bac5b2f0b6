// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever sits on the wire: hands on what comes by, each frame once, though not
 * in order, and sends frames to the right that he makes of those he saw going
 * there: before the original, soon after it, and much later.
 *
 * Commands come from standard input, one a line, and are answered by a line each:
 *
 *	send N	N frames or a few more, of the KINDS
 *	age	what was seen until now is old: another key's, or other addresses'
 *	report	frames that went to the right, by what they are
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING	23
#endif

#define SIZE		2048		/* room for a frame, bytes */
#define MTU		1500U
#define ETH		14U		/* bytes before the IP header */
#define IP4		20U		/* bytes of its header; it has no options */
#define IP6		40U
#define FRAG6		8U		/* bytes of a fragment header */
#define UDP		8U
#define UDP_PORT	4500
#define HEADER		32U		/* bytes of VPE's header, or of what ESP has there */
#define RING		4096		/* frames that are remembered */
#define NEAR		64		/* of these "recent" */
#define BATCH		64
#define PIECES		8

/**
 * struct frame - an Ethernet frame of protocol 50, or of UDP to port 4500
 * @data: all of it
 * @len: its length, bytes
 * @esp: offset of ESP's or VPE's header
 * @v6: IPv6
 * @udp: in UDP
 * @seen: when
 */
struct frame {
	unsigned char	data[SIZE];
	unsigned int	len;
	unsigned int	esp;
	int		v6;
	int		udp;
	double		seen;
};

/* Part of a header: offset and length, bytes */
struct field {
	unsigned int	at;
	unsigned int	len;
};

static const struct field ip4_fields[] = {
	{ 0, 1 }, { 1, 1 }, { 2, 2 }, { 4, 2 }, { 6, 2 }, { 8, 1 }, { 9, 1 }, { 10, 2 },
	{ 12, 4 }, { 16, 4 }, {}
};

static const struct field ip6_fields[] = {
	{ 0, 1 }, { 0, 4 }, { 4, 2 }, { 6, 1 }, { 7, 1 }, { 8, 16 }, { 24, 16 }, {}
};

static const struct field udp_fields[] = { { 0, 2 }, { 2, 2 }, { 4, 2 }, { 6, 2 }, {} };

/* SPI, Sender and Window ID, number, ICV; in ESP SPI, number, IV */
static const struct field spi_first_fields[] = {
	{ 0, 4 }, { 4, 2 }, { 6, 2 }, { 8, 8 }, { 16, 16 }, {}
};

static const struct field ares_fields[] = {
	{ 12, 4 }, { 0, 2 }, { 2, 2 }, { 4, 8 }, { 16, 16 }, {}
};

static const struct field esp_fields[] = { { 0, 4 }, { 4, 4 }, { 8, 8 }, {} };

static const struct layout {
	const char		*name;
	const struct field	*fields;
} layouts[] = {
	{ "spi-first", spi_first_fields }, { "ares", ares_fields }, { "esp", esp_fields }, {}
};

static const struct layout *layout = &layouts[0];
static struct frame ring[RING], old[RING];
static unsigned long nr_ring, nr_old;		/* ever put there; frames in @old */
static struct frame out[BATCH];			/* to go to the right */
static unsigned int nr_out;
static unsigned long wire4, wire6, handed_on, made, odd;
static unsigned long to_make;
static uint64_t state;
static int left, right;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* 0 to @n - 1 */
static unsigned int below(unsigned int n)
{
	return draw() % n;
}

/* Once in @n times */
static int once_in(unsigned int n)
{
	return !below(n);
}

static unsigned int get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static void put16(unsigned char *p, unsigned int value)
{
	p[0] = value >> 8;
	p[1] = value;
}

static uint32_t sum(const unsigned char *p, unsigned int len, uint32_t total)
{
	for (; len > 1; p += 2, len -= 2)
		total += get16(p);
	return len ? total + (p[0] << 8) : total;
}

static unsigned int fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

static unsigned int ip_len(const struct frame *f)
{
	return f->v6 ? IP6 : IP4;
}

static int is_ours(struct frame *f)
{
	const unsigned char *ip = f->data + ETH;
	unsigned int proto;

	if (f->len < ETH + IP6 + UDP + HEADER)
		return 0;
	f->v6 = get16(f->data + 12) == ETH_P_IPV6;
	if (!f->v6 && (get16(f->data + 12) != ETH_P_IP || ip[0] != 0x45))
		return 0;
	proto = f->v6 ? ip[6] : ip[9];
	f->udp = proto == IPPROTO_UDP && get16(ip + ip_len(f) + 2) == UDP_PORT;
	f->esp = ETH + ip_len(f) + (f->udp ? UDP : 0);
	return f->udp || proto == IPPROTO_ESP;
}

/* Make the lengths in the headers what they are. */
static void mend_lengths(struct frame *f)
{
	unsigned char *ip = f->data + ETH;

	put16(ip + (f->v6 ? 4 : 2), f->len - ETH - (f->v6 ? IP6 : 0));
	if (f->udp && f->len >= f->esp)
		put16(f->data + f->esp - UDP + 4, f->len - f->esp + UDP);
}

static void mend_ip(struct frame *f)
{
	unsigned char *ip = f->data + ETH;

	if (f->v6 || f->len < ETH + IP4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum(ip, IP4, 0)));
}

/* UDP's, where there was one. */
static void mend_udp(struct frame *f)
{
	unsigned char *udp = f->data + f->esp - UDP;
	unsigned int len = f->len - f->esp + UDP, sums;

	if (!f->udp || f->len < f->esp || !get16(udp + 6))
		return;
	put16(udp + 6, 0);
	sums = sum(f->data + ETH + (f->v6 ? 8 : 12), f->v6 ? 32 : 8, len + IPPROTO_UDP);
	sums = fold(sum(udp, len, sums));
	put16(udp + 6, sums ? sums : 0xffff);
}

static void mend(struct frame *f)
{
	mend_ip(f);
	mend_udp(f);
}

/* One that came by not long ago, or even not yet; or any that is remembered */
static const struct frame *recent(void)
{
	unsigned long n = nr_ring < RING ? nr_ring : RING;

	if (n > NEAR && !once_in(8))
		n = NEAR;
	return &ring[(nr_ring - 1 - below(n)) % RING];
}

/* One that came by more than a second ago, if there is any */
static const struct frame *late(void)
{
	unsigned int tries;
	const struct frame *f;

	for (tries = 0; tries < 16; tries++) {
		f = &ring[below(nr_ring < RING ? nr_ring : RING)];
		if (f->seen < now() - 1)
			return f;
	}
	return recent();
}

/* One from before "age" */
static const struct frame *aged(void)
{
	return nr_old ? &old[below(nr_old)] : late();
}

static void copy(struct frame *f, const struct frame *from)
{
	memcpy(f->data, from->data, from->len);
	f->len = from->len;
	f->esp = from->esp;
	f->v6 = from->v6;
	f->udp = from->udp;
}

/* The number there, in either byte order, some more or less */
static void step(unsigned char *p, unsigned int len)
{
	uint64_t number = 0, by = 1 + below(2048);
	unsigned int i, little = once_in(2);

	if (len > sizeof(number))
		len = sizeof(number);
	for (i = 0; i < len; i++)
		number = number << 8 | p[little ? len - 1 - i : i];
	number += once_in(2) ? by : -by;
	for (i = len; i--; number >>= 8)
		p[little ? len - 1 - i : i] = number;
}

static void scramble(unsigned char *p, unsigned int len)
{
	while (len--)
		*p++ = draw();
}

static void change(unsigned char *p, unsigned int len)
{
	switch (below(8)) {
	case 0:
		scramble(p, len);
		break;
	case 1:
		memset(p, 0, len);
		break;
	case 2:
		memset(p, 0xff, len);
		break;
	case 3:
	case 4:
		step(p, len);
		break;
	default:
		p[below(len)] ^= 1 << below(8);
	}
}

static const struct field *any_field(const struct field *fields)
{
	unsigned int n;

	for (n = 0; fields[n].len; n++)
		;
	return &fields[below(n)];
}

/* A field of ESP's or VPE's header, or the ICV behind the packet in ESP */
static void change_esp(struct frame *f)
{
	const struct field *field = any_field(layout->fields);

	if (layout->fields == esp_fields && once_in(4))
		change(f->data + f->len - 16, 16);
	else
		change(f->data + f->esp + field->at, field->len);
}

/* A field of any header; mostly not to be told by a checksum */
static void make_field(void)
{
	struct frame *f = &out[nr_out++];
	const struct field *field;

	copy(f, recent());
	switch (below(f->udp ? 4 : 3)) {
	case 0:
		field = any_field(f->v6 ? ip6_fields : ip4_fields);
		change(f->data + ETH + field->at, field->len);
		if (f->v6 || field->at != 10)
			mend_ip(f);
		if (once_in(2))
			mend_udp(f);
		return;
	case 3:
		field = any_field(udp_fields);
		change(f->data + f->esp - UDP + field->at, field->len);
		if (field->at != 6 && !once_in(4))
			mend_udp(f);
		return;
	default:
		change_esp(f);
		if (!once_in(8))
			mend(f);
	}
}

/* Bits anywhere */
static void make_flip(void)
{
	struct frame *f = &out[nr_out++];
	unsigned int bits = 1 + below(3);

	copy(f, recent());
	while (bits--)
		f->data[ETH + below(f->len - ETH)] ^= 1 << below(8);
	if (once_in(2))
		mend(f);
}

/* New lengths are told, or not. */
static void new_length(struct frame *f)
{
	if (!once_in(4))
		mend_lengths(f);
	mend(f);
}

static void make_short(void)
{
	struct frame *f = &out[nr_out++];
	unsigned int from = ETH + 1;

	copy(f, recent());
	/* Mostly what gets as far as to IPsec, and there not much further */
	if (!once_in(4))
		from = f->esp;
	f->len = from + below(f->len - from);
	if (once_in(2) && f->len > f->esp + HEADER + 24)
		f->len = f->esp + below(HEADER + 24);
	new_length(f);
}

static void make_long(void)
{
	struct frame *f = &out[nr_out++];
	unsigned int more;

	copy(f, recent());
	more = 1 + below(64);
	if (f->len + more > ETH + MTU)
		more = ETH + MTU - f->len;
	scramble(f->data + f->len, more);
	f->len += more;
	new_length(f);
}

/* The headers of a packet, and its SPI, with any contents: windows that are not there */
static void make_forged(void)
{
	struct frame *f = &out[nr_out++];
	const struct field *spi = &layout->fields[0];
	unsigned char word[4];

	copy(f, recent());
	memcpy(word, f->data + f->esp + spi->at, sizeof(word));
	f->len = f->esp + HEADER + below(512);
	scramble(f->data + f->esp, f->len - f->esp);
	memcpy(f->data + f->esp + spi->at, word, sizeof(word));
	/* Sender ID */
	if (layout->fields != esp_fields && !once_in(4))
		memset(f->data + f->esp + layout->fields[1].at, 0, 2);
	mend_lengths(f);
	mend(f);
}

/* All before @at in ESP's header is of @head, what follows of @tail. */
static void splice(struct frame *f, const struct frame *head, const struct frame *tail,
		   unsigned int at)
{
	unsigned int len = tail->len - tail->esp;

	copy(f, head);
	if (f->esp + len > ETH + MTU)
		len = ETH + MTU - f->esp;
	if (at > f->len - f->esp)
		at = f->len - f->esp;
	f->len = f->esp + len;
	if (at < len)
		memcpy(f->data + f->esp + at, tail->data + tail->esp + at, len - at);
	mend_lengths(f);
	mend(f);
}

static void make_splice(void)
{
	static const unsigned int ends[] = { 0, 4, 6, 8, 12, 16, 32 };
	unsigned int at = once_in(4) ? below(128) : ends[below(7)];

	splice(&out[nr_out++], recent(), once_in(4) ? aged() : recent(), at);
}

static void make_copy(void)
{
	copy(&out[nr_out++], recent());
}

static void make_late(void)
{
	copy(&out[nr_out++], late());
}

/* As it was; in the outer headers of now; with the SPI of now as well */
static void make_aged(void)
{
	const struct field *spi = &layout->fields[0];
	const struct frame *f = aged(), *today = recent();
	unsigned int what = below(3);

	if (!what) {
		copy(&out[nr_out++], f);
		return;
	}
	splice(&out[nr_out], today, f, 0);
	if (what == 2) {
		memcpy(out[nr_out].data + out[nr_out].esp + spi->at,
		       today->data + today->esp + spi->at, spi->len);
		mend_udp(&out[nr_out]);
	}
	nr_out++;
}

/* Bytes @from to @to behind the IP header of @whole; @more: not the last ones */
static void piece(struct frame *f, const struct frame *whole, unsigned int from,
		  unsigned int to, int more, uint32_t id)
{
	unsigned int hlen = ETH + ip_len(whole), add = whole->v6 ? FRAG6 : 0;
	unsigned char *frag = f->data + hlen;

	memcpy(f->data, whole->data, hlen);
	memcpy(f->data + hlen + add, whole->data + hlen + from, to - from);
	f->v6 = whole->v6;
	f->udp = 0;
	f->len = hlen + add + to - from;
	if (f->v6) {
		frag[0] = f->data[ETH + 6];
		frag[1] = 0;
		put16(frag + 2, from | more);
		memcpy(frag + 4, &id, sizeof(id));
		f->data[ETH + 6] = 44;
	} else {
		put16(f->data + ETH + 4, id);
		put16(f->data + ETH + 6, more << 13 | from / 8);
	}
	mend_lengths(f);
	mend_ip(f);
}

static void swap(struct frame *a, struct frame *b)
{
	struct frame c;

	copy(&c, a);
	copy(a, b);
	copy(b, &c);
}

static void shuffle(struct frame *frames, unsigned int n)
{
	unsigned int i;

	for (i = n; i > 1; i--)
		swap(&frames[i - 1], &frames[below(i)]);
}

/* @whole in up to PIECES fragments, which overlap by @overlap bytes */
static void fragment(const struct frame *whole, unsigned int overlap)
{
	unsigned int len = whole->len - ETH - ip_len(whole), n = nr_out, from, to;
	unsigned int size = 8 + 8 * below(len / 8);
	uint32_t id = draw();

	if (size < (len / PIECES + 8) / 8 * 8)
		size = (len / PIECES + 8) / 8 * 8;
	for (from = 0; from < len; from = to) {
		to = from + size < len ? from + size : len;
		if (from >= overlap)
			from -= overlap;
		piece(&out[nr_out++], whole, from, to, to < len, id);
	}
	if (once_in(2))
		shuffle(&out[n], nr_out - n);
}

/* Of a copy, of one that was changed; overlapping; one lost */
static void make_fragments(void)
{
	struct frame whole;
	unsigned int n = nr_out;

	copy(&whole, recent());
	if (once_in(2)) {
		change_esp(&whole);
		mend_udp(&whole);
	}
	fragment(&whole, once_in(3) ? 8 : 0);
	if (once_in(3) && nr_out > n + 1) {
		nr_out--;
		copy(&out[n + below(nr_out - n)], &out[nr_out]);
	}
}

/* What is there, with its share */
static struct kind {
	const char	*name;
	void		(*make)(void);
	unsigned int	weight;
	unsigned long	made;
} kinds[] = {
	{ "field", make_field, 12, 0 },
	{ "flip", make_flip, 4, 0 },
	{ "short", make_short, 4, 0 },
	{ "long", make_long, 2, 0 },
	{ "forged", make_forged, 4, 0 },
	{ "splice", make_splice, 5, 0 },
	{ "copy", make_copy, 3, 0 },
	{ "late", make_late, 3, 0 },
	{ "aged", make_aged, 3, 0 },
	{ "fragments", make_fragments, 2, 0 },
	{}
};

static struct kind *any_kind(void)
{
	unsigned int total = 0, i, n;

	for (i = 0; kinds[i].name; i++)
		total += kinds[i].weight;
	n = below(total);
	for (i = 0; n >= kinds[i].weight; i++)
		n -= kinds[i].weight;
	return &kinds[i];
}

/* The kernel may be short of room for a moment. */
static void put(int fd, struct frame *frames, unsigned int n)
{
	struct mmsghdr msgs[BATCH] = {};
	struct iovec iovs[BATCH];
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++) {
		iovs[i] = (struct iovec){ frames[i].data, frames[i].len };
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		if (fd != right)
			continue;
		wire4 += get16(frames[i].data + 12) == ETH_P_IP;
		wire6 += get16(frames[i].data + 12) == ETH_P_IPV6;
	}
	for (i = 0; i < n; i += ret) {
		ret = sendmmsg(fd, msgs + i, n - i, 0);
		if (ret > 0)
			continue;
		if (ret < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("sendmmsg");
		ret = 0;
		usleep(1000);
	}
}

static void put_out(void)
{
	put(right, out, nr_out);
	nr_out = 0;
}

/*
 * Does the IP header say that options follow, or an extension header? IP's counters
 * do not have each of those exactly once.
 */
static int is_odd(const struct frame *f)
{
	const unsigned char *ip = f->data + ETH;

	if (!f->v6)
		return ip[0] != 0x45;
	return ip[6] == IPPROTO_HOPOPTS || ip[6] == IPPROTO_ROUTING ||
	       ip[6] == IPPROTO_FRAGMENT || ip[6] == IPPROTO_DSTOPTS;
}

static void count(struct kind *kind, unsigned int from)
{
	unsigned int n = nr_out - from;

	kind->made += n;
	made += n;
	to_make -= to_make < n ? to_make : n;
	for (; from < nr_out; from++)
		odd += kind->make != make_fragments && is_odd(&out[from]);
}

/* Some of what is to be made */
static void attack(void)
{
	unsigned int before;
	struct kind *kind;

	while (to_make && nr_ring && nr_out + PIECES < BATCH) {
		kind = any_kind();
		before = nr_out;
		kind->make();
		count(kind, before);
	}
	put_out();
}

/* While there is an attack, one in 16 as fragments: as good as the whole */
static void hand_on(struct frame *frames, unsigned int n)
{
	unsigned int i;

	if (to_make)
		shuffle(frames, n);
	for (i = 0; i < n; i++) {
		if (nr_out + PIECES >= BATCH)
			put_out();
		if (to_make && is_ours(&frames[i]) && once_in(16))
			fragment(&frames[i], 0);
		else
			copy(&out[nr_out++], &frames[i]);
	}
	put_out();
	handed_on += n;
}

static unsigned int get(int fd, struct frame *frames)
{
	struct mmsghdr msgs[BATCH] = {};
	struct iovec iovs[BATCH];
	int i, n;

	for (i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ frames[i].data, SIZE };
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++)
		frames[i].len = msgs[i].msg_len;
	return n > 0 ? n : 0;
}

static void remember(const struct frame *frames, unsigned int n)
{
	struct frame *f;

	for (; n--; frames++) {
		f = &ring[nr_ring % RING];
		copy(f, frames);
		f->seen = now();
		nr_ring += is_ours(f);
	}
}

static void wire(void)
{
	static struct frame frames[BATCH];
	unsigned int n;

	n = get(right, frames);
	put(left, frames, n);
	n = get(left, frames);
	remember(frames, n);
	attack();
	hand_on(frames, n);
	attack();
}

/* Half of what is old from before stays. */
static void age(void)
{
	unsigned int keep = nr_old < RING / 2 ? nr_old : RING / 2, i;
	unsigned int n = nr_ring < RING / 2 ? nr_ring : RING / 2;

	shuffle(old, nr_old);
	for (i = 0; i < n; i++)
		copy(&old[keep + i], &ring[(nr_ring - 1 - i) % RING]);
	nr_old = keep + n;
	nr_ring = 0;
}

static void report(void)
{
	unsigned int i;

	printf("handed_on=%lu made=%lu odd=%lu wire4=%lu wire6=%lu", handed_on, made, odd,
	       wire4, wire6);
	for (i = 0; kinds[i].name; i++)
		printf(" %s=%lu", kinds[i].name, kinds[i].made);
	printf("\n");
}

/* 0 when there are no more commands. */
static int command(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return 0;
	if (sscanf(line, "send %lu", &to_make) == 1)
		return 1;
	if (!strcmp(line, "age\n"))
		age();
	report();
	return 1;
}

static int open_wire(const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd, one = 1, size = 64 << 20;

	at.sll_ifindex = if_nametoindex(interface);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || !at.sll_ifindex)
		die(interface);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)))
		die("PACKET_IGNORE_OUTGOING");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("bind");
	return fd;
}

/* Commands wait until the last one is done. */
static void serve(void)
{
	struct pollfd fds[] = {
		{ .fd = left, .events = POLLIN }, { .fd = right, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	int sending = 0;

	for (;;) {
		if (poll(fds, sending ? 2 : 3, to_make ? 0 : -1) < 0)
			die("poll");
		wire();
		if (sending && !to_make)
			report();
		else if (!sending && fds[2].revents && !command())
			return;
		sending = to_make > 0;
	}
}

static int is_named(const char *names, const char *name)
{
	size_t len = strlen(name);

	while (names) {
		if (!strncmp(names, name, len) && (!names[len] || names[len] == ','))
			return 1;
		names = strchr(names, ',');
		if (names)
			names++;
	}
	return 0;
}

/* Only the kinds named, separated by commas. */
static int choose(const char *names)
{
	unsigned int i, total = 0;

	for (i = 0; kinds[i].name; i++) {
		if (!is_named(names, kinds[i].name))
			kinds[i].weight = 0;
		total += kinds[i].weight;
	}
	return total > 0;
}

static int options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "s:l:k:")) != -1) {
		switch (opt) {
		case 's':
			state = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			for (layout = layouts; layout->name; layout++)
				if (!strcmp(layout->name, optarg))
					break;
			if (!layout->name)
				return 0;
			break;
		case 'k':
			if (!choose(optarg))
				return 0;
			break;
		default:
			return 0;
		}
	}
	return argc - optind == 2;
}

int main(int argc, char **argv)
{
	if (!options(argc, argv)) {
		fprintf(stderr,
			"usage: attack [-s SEED] [-l spi-first|ares|esp] [-k KIND,...] LEFT RIGHT\n");
		return 2;
	}
	left = open_wire(argv[optind]);
	right = open_wire(argv[optind + 1]);
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	serve();
	return 0;
}
