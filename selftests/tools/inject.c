// SPDX-License-Identifier: GPL-2.0
/*
 * Puts captured frames on a wire again: each of them COPIES times, from as
 * many threads, each on another CPU, all at once and each in an order of its
 * own that leaves no frame further than DISTANCE from its place.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

/* Threads wait for each other after so many frames. */
#define STEP		128
#define DISTANCE	64

struct frame {
	unsigned char	*data;
	unsigned int	len;
};

static struct frame *frames;
static unsigned int nr_frames;
static pthread_barrier_t barrier;
static int ifindex;

/* On protocol 50, or in UDP. */
static int is_esp(const unsigned char *d, unsigned int len)
{
	int proto;

	if (len < 54)
		return 0;
	if (d[12] == 0x08 && d[13] == 0x00)
		proto = d[23];
	else if (d[12] == 0x86 && d[13] == 0xdd)
		proto = d[20];
	else
		return 0;
	return proto == 50 || proto == 17;
}

/* Classic pcap in this machine's byte order, Ethernet. */
static void load(const char *path)
{
	uint32_t head[6], rec[4];
	unsigned char *data;
	FILE *f = fopen(path, "rb");

	if (!f)
		die(path);
	if (fread(head, sizeof(head), 1, f) != 1 || head[5] != 1 ||
	    (head[0] != 0xa1b2c3d4 && head[0] != 0xa1b23c4d)) {
		fprintf(stderr, "%s: not a capture of Ethernet frames\n", path);
		exit(2);
	}
	while (fread(rec, sizeof(rec), 1, f) == 1) {
		data = malloc(rec[2]);
		if (!data || fread(data, rec[2], 1, f) != 1)
			break;
		if (!is_esp(data, rec[2])) {
			free(data);
			continue;
		}
		frames = realloc(frames, (nr_frames + 1) * sizeof(*frames));
		if (!frames)
			die("realloc");
		frames[nr_frames++] = (struct frame){ data, rec[2] };
	}
	fclose(f);
}

struct place {
	unsigned int	frame;
	unsigned int	key;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static void pin(unsigned int thread)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(thread % cpus, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *injector(void *arg)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6,
				  .sll_ifindex = ifindex };
	unsigned int seed = (uintptr_t)arg + 1, i, tries;
	struct place *order = calloc(nr_frames, sizeof(*order));
	unsigned long sent = 0;
	const struct frame *f;
	int fd;

	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || !order)
		die("socket");
	pin((uintptr_t)arg);
	for (i = 0; i < nr_frames; i++) {
		order[i].frame = i;
		order[i].key = i + rand_r(&seed) % DISTANCE;
	}
	qsort(order, nr_frames, sizeof(*order), compare);

	for (i = 0; i < nr_frames; i++) {
		if (!(i % STEP))
			pthread_barrier_wait(&barrier);
		f = &frames[order[i].frame];
		for (tries = 0; tries < 1000; tries++) {
			if (sendto(fd, f->data, f->len, 0,
				   (struct sockaddr *)&to, sizeof(to)) >= 0) {
				sent++;
				break;
			}
			if (errno != ENOBUFS && errno != EAGAIN)
				die("sendto");
			usleep(1000);
		}
	}
	free(order);
	close(fd);
	return (void *)sent;
}

int main(int argc, char **argv)
{
	unsigned long sent = 0;
	unsigned int copies, i;
	pthread_t *threads;
	void *n;

	if (argc != 4) {
		fprintf(stderr, "usage: inject INTERFACE COPIES CAPTURE\n");
		return 2;
	}
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex)
		die(argv[1]);
	copies = atoi(argv[2]);
	load(argv[3]);

	threads = calloc(copies, sizeof(*threads));
	if (!threads || pthread_barrier_init(&barrier, NULL, copies))
		die("threads");
	for (i = 0; i < copies; i++)
		if (pthread_create(&threads[i], NULL, injector,
				   (void *)(uintptr_t)i))
			die("pthread_create");
	for (i = 0; i < copies; i++) {
		pthread_join(threads[i], &n);
		sent += (unsigned long)n;
	}
	printf("frames=%u injected=%lu\n", nr_frames, sent);
	return 0;
}
