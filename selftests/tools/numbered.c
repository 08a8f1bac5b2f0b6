// SPDX-License-Identifier: GPL-2.0
/*
 * Numbered UDP packets: sent at a rate, from CPU after CPU, and received and
 * counted by number, so that a test knows which came through and how often.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef SOL_UDP
#define SOL_UDP		17
#endif

#define NUMBERS		(16U * 1024 * 1024)	/* that a receiver can tell apart */
#define BATCH		64
#define SEGMENTS	32

/* The n-th CPU of those this process may run on. */
static void move_to(const cpu_set_t *all, unsigned int n)
{
	int cpu, count = CPU_COUNT(all);
	cpu_set_t one;

	n %= count;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, all) && !n--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Address of a number-and-dots or colons HOST; its length, bytes. */
static socklen_t resolve(const char *host, const char *port,
			 struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(atoi(port));
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(atoi(port));
		return sizeof(*in6);
	}
	fprintf(stderr, "%s: no address\n", host);
	exit(2);
}

/* Behind the number each packet has contents of its own, to its end. */
static void fill(unsigned char *buf, uint32_t number, size_t size)
{
	uint32_t wire = htonl(number);
	size_t i;

	memcpy(buf, &wire, sizeof(wire));
	for (i = sizeof(wire); i < size; i++)
		buf[i] = number + i;
	if (size > sizeof(wire))
		buf[size - 1] ^= 0xff;
}

static int is_as_sent(const unsigned char *buf, uint32_t number, size_t size)
{
	unsigned char want[2048];

	fill(want, number, size);
	return !memcmp(buf, want, size);
}

/**
 * struct sending - what to send
 * @count: packets
 * @seconds: or for how long, 0: @count
 * @rate: packets per second, 0: as fast as can be
 * @size: payload of each, bytes
 * @number: of the next packet
 * @hop: calls after which the next CPU is taken, 0: none
 * @segments: packets a call (UDP_SEGMENT)
 * @pause_ms: pause after the first packet, for what it sets up
 * @unconnected: a look-up of the route for each call
 * @to: destination
 * @to_len: length of @to, bytes
 */
struct sending {
	unsigned int		count;
	double			seconds;
	double			rate;
	size_t			size;
	uint32_t		number;
	unsigned int		hop;
	unsigned int		segments;
	unsigned int		pause_ms;
	int			unconnected;
	struct sockaddr_storage	to;
	socklen_t		to_len;
};

/**
 * struct outcome - what became of it
 * @attempts: packets
 * @einval: of these, refused with EINVAL, and so on
 * @eperm: refused
 * @eagain: refused
 * @other: refused with any other error
 * @last_error: an errno
 */
struct outcome {
	unsigned long	attempts;
	unsigned long	einval;
	unsigned long	eperm;
	unsigned long	eagain;
	unsigned long	other;
	int		last_error;
};

static int send_options(struct sending *s, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "n:r:s:f:h:g:t:p:u")) != -1) {
		switch (opt) {
		case 'n':
			s->count = atoi(optarg);
			break;
		case 'r':
			s->rate = atof(optarg);
			break;
		case 's':
			s->size = atoi(optarg);
			break;
		case 'f':
			s->number = atoi(optarg);
			break;
		case 'h':
			s->hop = atoi(optarg);
			break;
		case 'g':
			s->segments = atoi(optarg);
			break;
		case 't':
			s->seconds = atof(optarg);
			s->count = NUMBERS;
			break;
		case 'p':
			s->pause_ms = atoi(optarg);
			break;
		case 'u':
			s->unconnected = 1;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 2 || s->size < 4 || !s->segments ||
	    s->segments > SEGMENTS || s->size * s->segments > 65000)
		return -1;
	s->to_len = resolve(argv[optind], argv[optind + 1], &s->to);
	return 0;
}

static int send_socket(const struct sending *s)
{
	int size = 4 << 20, segment = s->size, fd;

	fd = socket(s->to.ss_family, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (!s->unconnected &&
	    connect(fd, (const struct sockaddr *)&s->to, s->to_len))
		die("connect");
	if (s->segments > 1 && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment,
					  sizeof(segment)))
		die("UDP_SEGMENT");
	return fd;
}

/* One call. */
static void send_some(struct sending *s, int fd, uint32_t end,
		      struct outcome *out)
{
	static unsigned char buf[65536];
	unsigned int i;
	ssize_t ret;

	for (i = 0; i < s->segments && s->number < end; i++)
		fill(buf + i * s->size, s->number++, s->size);
	ret = sendto(fd, buf, i * s->size, 0,
		     s->unconnected ? (struct sockaddr *)&s->to : NULL,
		     s->unconnected ? s->to_len : 0);
	out->attempts += i;
	if (ret >= 0)
		return;

	out->last_error = errno;
	if (errno == EINVAL)
		out->einval += i;
	else if (errno == EPERM)
		out->eperm += i;
	else if (errno == EAGAIN)
		out->eagain += i;
	else
		out->other += i;
}

static int do_send(int argc, char **argv)
{
	struct sending s = { .count = 1000, .size = 64, .segments = 1 };
	struct outcome out = {};
	unsigned long calls;
	double start, spent;
	cpu_set_t cpus;
	uint32_t end;
	int fd;

	if (send_options(&s, argc, argv))
		return 2;
	fd = send_socket(&s);
	sched_getaffinity(0, sizeof(cpus), &cpus);

	start = now();
	end = s.number + s.count;
	for (calls = 0; s.number < end && !is_stopped(); calls++) {
		if (s.seconds && now() - start >= s.seconds)
			break;
		if (s.pause_ms && calls == 1) {
			usleep(s.pause_ms * 1000);
			start = now();
		}
		if (s.rate)
			sleep_until(start + out.attempts / s.rate);
		if (s.hop && !(calls % s.hop))
			move_to(&cpus, calls / s.hop);
		send_some(&s, fd, end, &out);
	}
	spent = now() - start;
	printf("attempts=%lu einval=%lu eperm=%lu eagain=%lu eother=%lu next=%u rate=%.0f\n",
	       out.attempts, out.einval, out.eperm, out.eagain, out.other,
	       s.number, out.attempts / spent);
	if (out.other)
		fprintf(stderr, "last error: %s\n", strerror(out.last_error));
	return 0;
}

/*
 * Counts until SIGTERM, or for as long as not IDLE ms passed without any. What is
 * not as it was sent is foreign; -c looks at all of it.
 */
static int do_recv(int argc, char **argv)
{
	unsigned long received = 0, unique = 0, foreign = 0, longest = 0;
	static unsigned char bufs[BATCH][2048];
	static unsigned char seen[NUMBERS];
	struct mmsghdr msgs[BATCH] = {};
	int opt, fd, i, n, idle = 1000;
	struct iovec iovs[BATCH];
	unsigned char most = 0;
	double last = 0, t;
	uint32_t number;
	int check = 0;
	long max = -1;

	while ((opt = getopt(argc, argv, "i:c")) != -1) {
		if (opt == 'i')
			idle = atoi(optarg);
		else if (opt == 'c')
			check = 1;
		else
			return 2;
	}
	if (argc - optind != 1)
		return 2;
	fd = listen_at(argv[optind]);
	for (i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}

	while (!is_stopped()) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		n = poll(&pfd, 1, received ? idle : 500);
		if (!n && received)
			break;
		if (n <= 0)
			continue;
		n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		t = now();
		if (n > 0 && last && (t - last) * 1000 > longest)
			longest = (t - last) * 1000;
		last = t;
		for (i = 0; i < n; i++) {
			received++;
			memcpy(&number, bufs[i], sizeof(number));
			number = ntohl(number);
			if (msgs[i].msg_len < 4 || number >= NUMBERS ||
			    (check && !is_as_sent(bufs[i], number, msgs[i].msg_len))) {
				foreign++;
				continue;
			}
			if ((long)number > max)
				max = number;
			unique += !seen[number];
			if (seen[number] < 255)
				seen[number]++;
			if (seen[number] > most)
				most = seen[number];
		}
	}
	printf("received=%lu unique=%lu duplicates=%lu foreign=%lu max=%ld gap_ms=%lu\n",
	       received, unique, received - unique - foreign, foreign, max,
	       longest);
	return 0;
}

int main(int argc, char **argv)
{
	int ret = send_or_recv(argc, argv, do_send, do_recv);

	if (ret == 2)
		fprintf(stderr,
			"usage: numbered send [-n COUNT | -t SECONDS] [-r PER_SECOND] [-s SIZE]\n"
			"                     [-f FIRST] [-h PACKETS_PER_CPU] [-g GSO_SEGMENTS]\n"
			"                     [-p PAUSE_MS] [-u] HOST PORT\n"
			"       numbered recv [-i IDLE_MS] [-c] PORT\n");
	return ret;
}
