// SPDX-License-Identifier: GPL-2.0
/*
 * UDP packets of two classes: a burst of bulk, and a priority at a steady rate, in
 * one thread and always in the same order. The receiver counts each class, and
 * tells how long each packet took: both ends have the same clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common.h"

#define NUMBERS		(1024U * 1024)	/* that a receiver can tell apart */
#define BATCH		64

enum { BULK, PRIORITY, CLASSES };
static const int tos[CLASSES] = { 8 << 2, 46 << 2 };	/* CS1, EF */
static const char letter[CLASSES] = { 'b', 'p' };

/* Begins each packet. */
struct mark {
	uint32_t	number;		/* of both classes */
	uint32_t	class;
	double		sent;		/* seconds */
};

/**
 * struct sending - what to send
 * @bulk: packets, at once from the start
 * @seconds: for how long the priority is sent
 * @rate: packets per second of each class
 * @size: payload of each, bytes
 * @to: destination
 */
struct sending {
	unsigned int		bulk;
	double			seconds;
	double			rate[CLASSES];
	size_t			size;
	struct sockaddr_in	to;
};

static unsigned long sent[CLASSES], refused;
static int last_error;

static int send_options(struct sending *s, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "n:b:p:t:s:")) != -1) {
		switch (opt) {
		case 'n':
			s->bulk = atoi(optarg);
			break;
		case 'b':
			s->rate[BULK] = atof(optarg);
			break;
		case 'p':
			s->rate[PRIORITY] = atof(optarg);
			break;
		case 't':
			s->seconds = atof(optarg);
			break;
		case 's':
			s->size = atoi(optarg);
			break;
		default:
			return -1;
		}
	}
	s->to.sin_family = AF_INET;
	if (argc - optind != 3 || s->size < sizeof(struct mark) || s->size > 65000 ||
	    s->rate[BULK] <= 0 || s->rate[PRIORITY] <= 0 ||
	    s->bulk + s->seconds * s->rate[PRIORITY] > NUMBERS ||
	    inet_pton(AF_INET, argv[optind + 1], &s->to.sin_addr) != 1)
		return -1;
	s->to.sin_port = htons(atoi(argv[optind + 2]));
	return 0;
}

static int class_socket(const struct sending *s, int class)
{
	int size = 64 << 20, fd;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, IPPROTO_IP, IP_TOS, &tos[class], sizeof(tos[class])))
		die("IP_TOS");
	if (connect(fd, (const struct sockaddr *)&s->to, sizeof(s->to)))
		die("connect");
	return fd;
}

static void send_one(const struct sending *s, int fd, int class, FILE *order)
{
	static unsigned char buf[65536];
	struct mark mark = { sent[BULK] + sent[PRIORITY], class, now() };

	memcpy(buf, &mark, sizeof(mark));
	if (send(fd, buf, s->size, 0) == (ssize_t)s->size) {
		sent[class]++;
		putc(letter[class], order);
		return;
	}
	last_error = errno;
	refused++;
}

/* When the next one is due, after the start; never: all are sent. */
static double due(const struct sending *s, int class)
{
	double when = sent[class] / s->rate[class];

	if (class == BULK)
		return sent[class] < s->bulk ? when : INFINITY;
	return when < s->seconds ? when : INFINITY;
}

/* The order in which they are due is kept where the machine is late. */
static int do_send(int argc, char **argv)
{
	struct sending s = { .bulk = 10000, .seconds = 10, .rate = { 5000, 100 }, .size = 1000 };
	int fds[CLASSES], class;
	double start, when;
	FILE *order;

	if (send_options(&s, argc, argv))
		return 2;
	order = fopen(argv[optind], "w");
	if (!order)
		die(argv[optind]);
	for (class = 0; class < CLASSES; class++)
		fds[class] = class_socket(&s, class);

	start = now();
	while (!is_stopped() && !refused) {
		class = due(&s, PRIORITY) <= due(&s, BULK) ? PRIORITY : BULK;
		when = due(&s, class);
		if (isinf(when))
			break;
		sleep_until(start + when);
		send_one(&s, fds[class], class, order);
		if (sent[BULK] == s.bulk && class == BULK)
			printf("burst_ms=%.0f ", (now() - start) * 1000);
	}
	printf("priority=%lu bulk=%lu refused=%lu\n", sent[PRIORITY], sent[BULK], refused);
	if (refused)
		fprintf(stderr, "last error: %s\n", strerror(last_error));
	return fclose(order) ? 1 : 0;
}

/* What came; delays in the order of arrival. */
static struct {
	unsigned long	received[CLASSES];
	unsigned long	duplicates;
	unsigned long	foreign;
	unsigned char	seen[NUMBERS];
	unsigned char	class[NUMBERS];
	double		delay[NUMBERS];
} came;

static void take(const unsigned char *buf, size_t size, double when)
{
	unsigned long n = came.received[BULK] + came.received[PRIORITY];
	struct mark mark;

	memcpy(&mark, buf, sizeof(mark));
	if (size < sizeof(mark) || mark.class >= CLASSES || mark.number >= NUMBERS) {
		came.foreign++;
		return;
	}
	if (came.seen[mark.number]) {
		came.duplicates++;
		return;
	}
	came.seen[mark.number] = 1;
	came.class[n] = mark.class;
	came.delay[n] = when - mark.sent;
	came.received[mark.class]++;
}

/* A line for each packet: its class, microseconds. */
static int write_delays(const char *path)
{
	unsigned long n, all = came.received[BULK] + came.received[PRIORITY];
	FILE *file = fopen(path, "w");

	if (!file)
		die(path);
	for (n = 0; n < all; n++)
		fprintf(file, "%c %.0f\n", letter[came.class[n]], came.delay[n] * 1e6);
	printf("priority=%lu bulk=%lu duplicates=%lu foreign=%lu\n", came.received[PRIORITY],
	       came.received[BULK], came.duplicates, came.foreign);
	return fclose(file) ? 1 : 0;
}

/* Until SIGTERM: who stops it knows when nothing is on its way any more. */
static int do_recv(int argc, char **argv)
{
	static unsigned char bufs[BATCH][2048];
	struct mmsghdr msgs[BATCH] = {};
	struct iovec iovs[BATCH];
	struct pollfd pfd;
	double when;
	int i, n;

	if (argc != 3)
		return 2;
	pfd = (struct pollfd){ .fd = listen_at(argv[2]), .events = POLLIN };
	for (i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}

	while (!is_stopped()) {
		if (poll(&pfd, 1, 200) <= 0)
			continue;
		n = recvmmsg(pfd.fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		when = now();
		for (i = 0; i < n; i++)
			take(bufs[i], msgs[i].msg_len, when);
	}
	return write_delays(argv[1]);
}

int main(int argc, char **argv)
{
	int ret = send_or_recv(argc, argv, do_send, do_recv);

	if (ret == 2)
		fprintf(stderr,
			"usage: classes send [-n BULK] [-b BULK_PER_SECOND] [-p PRIORITY_PER_SECOND]\n"
			"                    [-t SECONDS] [-s SIZE] ORDER_FILE HOST PORT\n"
			"       classes recv DELAY_FILE PORT\n");
	return ret;
}
