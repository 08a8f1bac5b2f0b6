// SPDX-License-Identifier: GPL-2.0
/*
 * Many UDP flows, each with its own numbers: sent by one process per CPU, which
 * has its share of the flows and stays where it is, so that whatever comes out
 * of order was put out of order on the way. The receiver counts per flow.
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define FLOWS		65536U		/* that a receiver can tell apart */
#define NUMBERS		1024U		/* of each flow */
#define FIRST_PORT	10000U		/* source port of a sender's first flow */
#define PAYLOAD		64
#define BATCH		64

/* All of it is big endian. */
struct mark {
	uint32_t	flow;
	uint32_t	number;
};

/**
 * struct sending - what to send
 * @flows: their number
 * @first: number of the first one, as the receiver sees it
 * @packets: of each flow
 * @burst: packets of a flow that follow each other at once
 * @move: half of each burst goes from the next CPU
 * @classes: DSCPs, which the flows take in turn from 0
 * @rate: packets per second, of all; 0: as many as it can
 * @port: destination
 * @hosts: destinations, which the flows take in turn
 * @n_hosts: their number
 */
struct sending {
	unsigned int	flows;
	unsigned int	first;
	unsigned int	packets;
	unsigned int	burst;
	int		move;
	unsigned int	classes;
	double		rate;
	unsigned int	port;
	char		**hosts;
	unsigned int	n_hosts;
};

/* What the processes did, in memory that they share */
struct totals {
	unsigned long	sent;
	unsigned long	refused;
	int		last_error;
};

static void move_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

static int flow_socket(const struct sending *s, unsigned int flow)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_port = htons(FIRST_PORT + flow) };
	const char *host = s->hosts[flow % s->n_hosts];
	int fd, tos = flow % s->classes << 2;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		fprintf(stderr, "%s: no IPv4 address\n", host);
		exit(2);
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	if (setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
		die("IP_TOS");
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	return fd;
}

static void send_one(int fd, unsigned int flow, unsigned int number,
		     struct totals *totals)
{
	unsigned char buf[PAYLOAD] = {};
	struct mark mark = { htonl(flow), htonl(number) };

	memcpy(buf, &mark, sizeof(mark));
	if (send(fd, buf, sizeof(buf), 0) == sizeof(buf)) {
		__atomic_add_fetch(&totals->sent, 1, __ATOMIC_RELAXED);
		return;
	}
	totals->last_error = errno;
	__atomic_add_fetch(&totals->refused, 1, __ATOMIC_RELAXED);
}

/* The flows of the @index-th of the @count @cpus. */
static void send_flows(const struct sending *s, const int *cpus, int count,
		       int index, struct totals *totals)
{
	unsigned int flow, number, i, n = 0;
	static int fds[FLOWS];
	double start;

	for (flow = index; flow < s->flows; flow += count)
		fds[flow] = flow_socket(s, flow);
	move_to(cpus[index]);
	start = now();
	for (number = 0; number < s->packets; number += s->burst) {
		for (flow = index; flow < s->flows; flow += count) {
			for (i = 0; i < s->burst && number + i < s->packets; i++) {
				if (s->move && i == s->burst / 2) {
					index = (index + 1) % count;
					move_to(cpus[index]);
				}
				if (s->rate)
					sleep_until(start + n++ * count / s->rate);
				send_one(fds[flow], s->first + flow, number + i,
					 totals);
			}
		}
	}
}

static int send_options(struct sending *s, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "f:s:n:b:mc:r:")) != -1) {
		switch (opt) {
		case 'f':
			s->flows = atoi(optarg);
			break;
		case 's':
			s->first = atoi(optarg);
			break;
		case 'n':
			s->packets = atoi(optarg);
			break;
		case 'b':
			s->burst = atoi(optarg);
			break;
		case 'm':
			s->move = 1;
			break;
		case 'c':
			s->classes = atoi(optarg);
			break;
		case 'r':
			s->rate = atof(optarg);
			break;
		default:
			return -1;
		}
	}
	if (argc - optind < 2 || !s->flows || s->flows > FLOWS - FIRST_PORT ||
	    s->first > FLOWS - s->flows || !s->packets || s->packets > NUMBERS ||
	    !s->burst || (s->move && s->burst < 2) ||
	    !s->classes || s->classes > 64)
		return -1;
	s->port = atoi(argv[optind]);
	s->hosts = argv + optind + 1;
	s->n_hosts = argc - optind - 1;
	return 0;
}

static int allowed_cpus(int *cpus)
{
	int cpu, count = 0;
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all))
			cpus[count++] = cpu;
	return count;
}

static int do_send(int argc, char **argv)
{
	struct sending s = { .flows = 1000, .packets = 10, .burst = 1, .classes = 1 };
	int cpus[CPU_SETSIZE], count, i, status, ret = 0;
	struct totals *totals;
	struct rlimit files;
	pid_t pid;

	if (send_options(&s, argc, argv))
		return 2;
	files = (struct rlimit){ s.flows + 64, s.flows + 64 };
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("setrlimit");
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		die("mmap");

	count = allowed_cpus(cpus);
	for (i = 0; i < count; i++) {
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			send_flows(&s, cpus, count, i, totals);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		if (status)
			ret = 1;
	printf("sent=%lu refused=%lu\n", totals->sent, totals->refused);
	if (totals->refused)
		fprintf(stderr, "last error: %s\n", strerror(totals->last_error));
	return ret;
}

/* What came of one flow; @next is one above the highest number seen. */
struct flow {
	unsigned char	seen[NUMBERS / 8];
	unsigned int	next;
	unsigned int	reordered;
};

static struct flow flows[FLOWS];

/* A packet is reordered that comes after one with a higher number (RFC 4737). */
static struct {
	unsigned long	received;
	unsigned long	duplicates;
	unsigned long	foreign;
	unsigned long	reordered;
	unsigned int	farthest;
} counts;

static void take(const unsigned char *buf, size_t size)
{
	unsigned int n, number;
	struct flow *flow;
	struct mark mark;

	memcpy(&mark, buf, sizeof(mark));
	number = ntohl(mark.number);
	if (size != PAYLOAD || ntohl(mark.flow) >= FLOWS || number >= NUMBERS) {
		counts.foreign++;
		return;
	}
	flow = &flows[ntohl(mark.flow)];
	if (flow->seen[number / 8] & 1 << number % 8) {
		counts.duplicates++;
		return;
	}
	flow->seen[number / 8] |= 1 << number % 8;
	counts.received++;
	if (number >= flow->next) {
		flow->next = number + 1;
		return;
	}
	flow->reordered++;
	counts.reordered++;
	n = flow->next - 1 - number;
	if (n > counts.farthest)
		counts.farthest = n;
}

static void report(void)
{
	unsigned int i, count = 0, reordered = 0;

	for (i = 0; i < FLOWS; i++) {
		count += flows[i].next > 0;
		reordered += flows[i].reordered > 0;
	}
	printf("received=%lu flows=%u duplicates=%lu foreign=%lu ",
	       counts.received, count, counts.duplicates, counts.foreign);
	printf("reordered_flows=%u reordered=%lu farthest=%u\n",
	       reordered, counts.reordered, counts.farthest);
}

/* Until SIGTERM, or for as long as not IDLE ms passed without any. */
static int do_recv(int argc, char **argv)
{
	static unsigned char bufs[BATCH][2048];
	struct mmsghdr msgs[BATCH] = {};
	int opt, i, n, idle = 2000;
	struct iovec iovs[BATCH];
	struct pollfd pfd;

	while ((opt = getopt(argc, argv, "i:")) != -1) {
		if (opt != 'i')
			return 2;
		idle = atoi(optarg);
	}
	if (argc - optind != 1)
		return 2;
	pfd = (struct pollfd){ .fd = listen_at(argv[optind]), .events = POLLIN };
	for (i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}

	while (!is_stopped()) {
		n = poll(&pfd, 1, idle);
		if (!n && counts.received)
			break;
		if (n <= 0)
			continue;
		n = recvmmsg(pfd.fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		for (i = 0; i < n; i++)
			take(bufs[i], msgs[i].msg_len);
	}
	report();
	return 0;
}

int main(int argc, char **argv)
{
	int ret = send_or_recv(argc, argv, do_send, do_recv);

	if (ret == 2)
		fprintf(stderr,
			"usage: manyflows send [-f FLOWS] [-s FIRST_FLOW] [-n PACKETS_PER_FLOW]\n"
			"                      [-b BURST] [-m] [-c DSCPS] [-r PER_SECOND] PORT HOST...\n"
			"       manyflows recv [-i IDLE_MS] PORT\n");
	return ret;
}
