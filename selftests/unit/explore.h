/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All ways in which a few threads can run beside each other, see explore.c.
 */
#ifndef _UNIT_EXPLORE_H
#define _UNIT_EXPLORE_H

#include <linux/types.h>

#define EXPLORE_THREADS	4

/**
 * enum explore_kind - what a thread does next
 * @EXPLORE_READ: memory
 * @EXPLORE_WRITE: likewise
 * @EXPLORE_MARKED_READ: READ_ONCE() and the like
 * @EXPLORE_MARKED_WRITE: WRITE_ONCE() and the like, atomics
 * @EXPLORE_LOCK: takes a lock
 * @EXPLORE_PIN: lets nobody else run on its CPU, or looks which one it is
 * @EXPLORE_ARRIVE: interrupts
 * @EXPLORE_MOVE: goes to another CPU
 */
enum explore_kind {
	EXPLORE_READ,
	EXPLORE_WRITE,
	EXPLORE_MARKED_READ,
	EXPLORE_MARKED_WRITE,
	EXPLORE_LOCK,
	EXPLORE_PIN,
	EXPLORE_ARRIVE,
	EXPLORE_MOVE,
};

/**
 * enum explore_level - what interrupts what on one CPU
 * @EXPLORE_TASK: is preempted by a task where it does not forbid it
 * @EXPLORE_SOFTIRQ: comes where softirqs are not disabled, and runs to its end
 * @EXPLORE_HARDIRQ: comes anywhere, and runs to its end
 */
enum explore_level {
	EXPLORE_TASK,
	EXPLORE_SOFTIRQ,
	EXPLORE_HARDIRQ,
};

/**
 * struct explore_thread - one thread of a case
 * @run: what it does; no loop that waits for another
 * @cpu: where
 * @level: see there
 * @moves: it may be moved to CPU @to, once, wherever it is not forbidden
 * @to: see there
 */
struct explore_thread {
	void			(*run)(void);
	unsigned int		cpu;
	enum explore_level	level;
	bool			moves;
	unsigned int		to;
};

/**
 * struct explore_case - threads, and what must hold
 * @begin: makes what they work on
 * @step: looks after each step of one of them; may be NULL
 * @end: looks when all are done, and frees all
 * @threads: up to the first without @run
 */
struct explore_case {
	void			(*begin)(void);
	void			(*step)(void);
	void			(*end)(void);
	struct explore_thread	threads[EXPLORE_THREADS + 1];
};

double explore(const struct explore_case *c);
unsigned int explore_me(void);
void explore_bh_disable(void);
void explore_bh_enable(void);
void explore_failed(const char *file, int line, const char *what);

/* For the shims */
bool explore_use(const void *addr, unsigned int size, enum explore_kind kind, const void *pc);
void explore_saw(u64 value);
int explore_memalign(void **p, size_t align, size_t size);
void explore_free(void *p);
int explore_rand(void);
void explore_abort(void);

/* Where the linker has put all that is static */
extern char __data_start[], _end[];

#define holds(cond) do {						\
	if (!(cond))							\
		explore_failed(__FILE__, __LINE__, #cond);		\
} while (0)

#endif /* _UNIT_EXPLORE_H */
