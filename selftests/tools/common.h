/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the senders and receivers have in common.
 */
#ifndef _TOOLS_COMMON_H
#define _TOOLS_COMMON_H

#include <stdio.h>
#include <stdlib.h>
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

#endif /* _TOOLS_COMMON_H */
