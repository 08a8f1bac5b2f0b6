/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the senders and receivers have in common.
 */
#ifndef _TOOLS_COMMON_H
#define _TOOLS_COMMON_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int stopped;

static inline void on_signal(int sig)
{
	__atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
}

static inline int is_stopped(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

static inline void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Seconds of a clock that nobody sets */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void sleep_until(double when)
{
	double left = when - now();
	struct timespec ts;

	if (left < 0.0005)
		return;
	ts.tv_sec = left;
	ts.tv_nsec = (left - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
}

/* A socket at a UDP port, IPv4 and IPv6, with room for what a busy machine does not read in time */
static inline int listen_at(const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int fd, no = 0, size = 512 << 20;

	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	return fd;
}

/* "send ARG..." or "recv ARG..."; 2: how it was called was wrong */
static inline int send_or_recv(int argc, char **argv, int (*do_send)(int, char **),
			       int (*do_recv)(int, char **))
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (argc > 1 && !strcmp(argv[1], "send"))
		return do_send(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "recv"))
		return do_recv(argc - 1, argv + 1);
	return 2;
}

#endif /* _TOOLS_COMMON_H */
