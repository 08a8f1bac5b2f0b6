// SPDX-License-Identifier: GPL-2.0
/*
 * What a UDP packet costs from one namespace to another, sending and receiving: one
 * is under way at a time. On a machine whose clock counts instructions a nanosecond
 * is one of these.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>

#include "common.h"

#define PORT		9000
#define HEADERS		28		/* of IPv4 and UDP, bytes */
#define BUF		65536

/**
 * struct job - what to count
 * @packets: of each size
 * @warm: packets before, which fill caches
 * @unconnected: a look-up of the route for each
 * @dropped: they will not arrive
 * @from: sending socket
 * @to: receiving socket
 * @address: of that
 */
struct job {
	unsigned int		packets;
	unsigned int		warm;
	int			unconnected;
	int			dropped;
	int			from;
	int			to;
	struct sockaddr_in	address;
};

/* A socket at ADDRESS in the namespace NS */
static int socket_in(const char *ns, const char *address, int port, struct sockaddr_in *at)
{
	struct timeval second = { .tv_sec = 1 };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	if (inet_pton(AF_INET, address, &at->sin_addr) != 1) {
		fprintf(stderr, "%s: no IPv4 address\n", address);
		exit(2);
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)))
		die("bind");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return fd;
}

static void one(const struct job *job, char *buf, size_t len)
{
	ssize_t n;

	n = sendto(job->from, buf, len, 0,
		   job->unconnected ? (const struct sockaddr *)&job->address : NULL,
		   job->unconnected ? sizeof(job->address) : 0);
	if (n != (ssize_t)len)
		die("send");
	if (job->dropped)
		return;
	n = recv(job->to, buf, BUF, 0);
	if (n != (ssize_t)len) {
		fprintf(stderr, "sent %zu bytes, received %zd: %s\n", len, n,
			n < 0 ? strerror(errno) : "not the same");
		exit(1);
	}
}

/* Sizes of IP packets that follow each other, bytes, up to 0; IMIX: 7 to 4 to 1. */
static const int *sizes_of(const char *name)
{
	static const int imix[] = { 64, 576, 64, 64, 576, 64, 1400, 64, 576, 64, 64, 576, 0 };
	static int same[2];

	if (!strcmp(name, "imix"))
		return imix;
	same[0] = atoi(name);
	if (same[0] > HEADERS && same[0] < BUF)
		return same;
	fprintf(stderr, "%s: no size of an IP packet\n", name);
	exit(2);
}

static double count(const struct job *job, const char *name)
{
	const int *sizes = sizes_of(name), *size = sizes;
	static char buf[BUF];
	double begin = 0;
	unsigned int i;

	for (i = 0; i < job->warm + job->packets; i++, size++) {
		if (i == job->warm)
			begin = now();
		if (!*size)
			size = sizes;
		one(job, buf, *size - HEADERS);
	}
	return (now() - begin) * 1e9 / job->packets;
}

static int how_to_call(void)
{
	fprintf(stderr,
		"usage: count [-n PACKETS] [-w PACKETS] [-u] [-d] FROM_NS FROM TO_NS TO SIZE...\n"
		"  SIZE: bytes of an IPv4 packet, or imix\n"
		"  -n: packets of each size (1200)    -w: before these (600)\n"
		"  -u: the socket is not connected    -d: they will not arrive\n"
		"Prints for each size: SIZE NANOSECONDS\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct job job = { .packets = 1200, .warm = 600 };
	struct sockaddr_in from;
	int opt;

	while ((opt = getopt(argc, argv, "n:w:ud")) != -1) {
		if (opt == 'n')
			job.packets = atoi(optarg);
		else if (opt == 'w')
			job.warm = atoi(optarg);
		else if (opt == 'u')
			job.unconnected = 1;
		else if (opt == 'd')
			job.dropped = 1;
		else
			return how_to_call();
	}
	argv += optind;
	if (argc - optind < 5 || !job.packets)
		return how_to_call();

	job.to = socket_in(argv[2], argv[3], PORT, &job.address);
	job.from = socket_in(argv[0], argv[1], 0, &from);
	if (!job.unconnected &&
	    connect(job.from, (struct sockaddr *)&job.address, sizeof(job.address)))
		die("connect");
	for (argv += 4; *argv; argv++)
		printf("%s %.1f\n", *argv, count(&job, *argv));
	return 0;
}
