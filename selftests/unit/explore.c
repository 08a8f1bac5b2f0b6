// SPDX-License-Identifier: GPL-2.0
/*
 * All ways in which a few threads can run beside each other.
 *
 * What is tested is compiled for the thread sanitizer, whose functions, called before
 * each access to memory, are ours (shim_tsan.c): a thread stops before each access that
 * another thread's could meet (one of the two writes), unless one lock is held at all
 * of these, and before it takes a lock. Which thread goes on is then chosen, each in
 * turn (struct frame). To go back to a choice everything is run again.
 *
 * Which memory is shared is found out: all is done again with what was met, until
 * there is nothing new. What a thread has in its registers and on its stack follows
 * from what it has read so far, so that the state of all is a hash of these values and
 * of the shared memory: where a state was before, it is not gone on from again. So few
 * states cover a number of schedules that nobody could run.
 *
 * Found besides: accesses that meet and are not both marked (READ_ONCE(), atomics),
 * memory used after it was freed or beside what was allocated, leaks, deadlocks.
 *
 * Not so: accesses out of the order that the code has, as CPUs may do them. The
 * tests with the thread sanitizer proper look after those.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <errno.h>
#include <sys/mman.h>
#include <linux/cache.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "explore.h"
#include "test.h"

#define STEPS_MAX	1000
#define SHARED_MAX	1024		/* words that threads meet in */
#define WORDS		16384u		/* that any thread has used */
#define STACK		65536u		/* bytes */
#define ARENA		1048576u	/* bytes that one thread may allocate */
#define LINE		SMP_CACHE_BYTES
#define LOCKS		4		/* that one thread holds */
#define MAIN		EXPLORE_THREADS	/* begin(), step() and end() */

static const char *const kind_names[] = {
	"reads", "writes", "reads, marked,", "writes, marked,", "locks", "on its CPU,",
	"arrives", "moves",
};

/* What a thread does next. */
struct op {
	enum explore_kind	kind;
	const char	*addr;
	unsigned int	size;
	const void	*pc;
};

/**
 * struct thread - a thread in one run
 * @top: the beginning
 * @here: where it stopped
 * @next: why
 * @seen: hash of what it has read
 * @pinned: who runs on its CPU matters
 * @held: locks, @nr_held
 * @arena: memory it allocates from
 * @used: bytes of that
 * @told: bytes of that others may have a pointer to
 * @live: which lines of that are allocated
 */
struct thread {
	const struct explore_thread	*t;
	jmp_buf				top, here;
	ucontext_t			uc;
	char				*stack;
	bool				pinned, started, finished, moved;
	unsigned int			cpu;
	int				preempt_off, bh_off;
	struct op			next;
	u64				seen[2];
	const void			*held[LOCKS];
	unsigned int			nr_held;
	char				*arena;
	size_t				used, told;
	bool				live[ARENA / LINE];
};

/**
 * struct word - eight bytes that threads have used
 * @addr: where
 * @first: what begin() left there
 * @readers: bits of threads that have read it, in all runs so far
 * @writers: likewise
 * @guards: locks that were held at all of that, @nr_guards
 * @shared: known before this pass: threads meet there
 * @open: likewise, and no lock guards it
 */
struct word {
	const char	*addr;
	u64		first;
	unsigned int	readers, writers;
	const void	*guards[LOCKS];
	unsigned int	nr_guards;
	bool		shared, open;
};

/* A state that was reached, and in how many ways it can go on from there; while these
 * are counted it is -1 less those so far.
 */
struct state {
	u64	key[2];
	double	ways;
};

/* A state on the way to where we are; bits of what is to be tried there. */
struct frame {
	size_t		state;
	unsigned int	todo;
};

/**
 * struct explorer - all that is not the state of a run
 * @now: who runs
 * @there: the run is where the last frame is
 * @image: of static variables, as begin() left them
 * @arena: of memory it allocated, @used bytes with @live
 * @allocated: pieces of memory there are; as begin() left it
 */
static struct explorer {
	const struct explore_case	*c;
	struct thread			threads[EXPLORE_THREADS + 1], *now;
	unsigned int			nr;
	bool				there;
	jmp_buf				scheduler, out;
	ucontext_t			main;
	struct frame			frames[STEPS_MAX + 1];
	struct op			done[STEPS_MAX];
	u8				choices[STEPS_MAX];
	unsigned int			depth, deepest;
	struct word			words[WORDS], *shared[SHARED_MAX];
	unsigned int			nr_words, nr_shared;
	struct state			*states;
	size_t				nr_states, nr_ends, room;
	unsigned long			runs;
	char				*image, *arena;
	size_t				used;
	bool				live[ARENA / LINE];
	int				allocated, allocated_first;
} *e;

static u64 mix(u64 h, u64 value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 32) * 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 29;
}

static void mix_both(u64 h[2], u64 value)
{
	h[0] = mix(h[0], value);
	h[1] = mix(h[1] + 0x94d049bb133111ebULL, ~value);
}

/**
 * explore_saw - what this thread does next depends on a value
 * @value: what it read
 */
void explore_saw(u64 value)
{
	mix_both(e->now->seen, value);
}

/* What failed, and how it came to that */

static void tell_step(unsigned int n, FILE *lines)
{
	unsigned int i = e->choices[n] % EXPLORE_THREADS;
	char where[200] = "?";

	if (lines && fgets(where, sizeof(where), lines))
		where[strcspn(where, "\n")] = '\0';
	printf("    #   %*s%c %s %s\n", 2 * i, "", 'A' + i, kind_names[e->done[n].kind],
	       e->done[n].pc ? where : "");
}

static void tell_steps(unsigned int nr)
{
	char command[64 + 20 * STEPS_MAX];
	unsigned int n, len;
	FILE *lines;

	len = sprintf(command, "addr2line -spfe /proc/%d/exe", getpid());
	for (n = 0; n < nr; n++)
		len += sprintf(command + len, " %p", (char *)e->done[n].pc - 1);
	fflush(stdout);
	lines = popen(command, "r");
	for (n = 0; n < nr; n++)
		tell_step(n, lines);
	if (lines)
		pclose(lines);
}

/**
 * explore_failed - end the case
 * @file: source
 * @line: its line
 * @what: what does not hold
 */
void explore_failed(const char *file, int line, const char *what)
{
	bool on = e->now && e->now != &e->threads[MAIN];

	tell_steps(e->depth);
	test_failed(file, line, what);
	if (on)
		test_say("in %c", (int)('A' + (e->now - e->threads)));
	_longjmp(e->out, 1);
}

/**
 * explore_abort - abort() of the shims, which have told why
 */
void explore_abort(void)
{
	explore_failed(__FILE__, __LINE__, "shim_assert()");
}

/* Memory: never used twice, at addresses that do not depend on other threads */

static struct thread *arena_of(const void *p)
{
	size_t at = (const char *)p - e->threads[0].arena;

	return at < (size_t)ARENA * (EXPLORE_THREADS + 1) ? &e->threads[at / ARENA] : NULL;
}

static void set_live(struct thread *t, const char *p, size_t size, bool live)
{
	memset(&t->live[(p - t->arena) / LINE], live, (size + LINE - 1) / LINE);
}

/**
 * explore_memalign - posix_memalign() of the shims
 * @p: set to the memory
 * @align: a cache line, at most
 * @size: bytes
 *
 * A line with the size comes before it, which nobody else is to use.
 *
 * Return: 0.
 */
int explore_memalign(void **p, size_t align, size_t size)
{
	struct thread *t = e->now;
	char *at = t->arena + t->used;

	shim_assert(align <= LINE);
	t->used += LINE + (size + LINE - 1) / LINE * LINE;
	shim_assert(t->used <= ARENA);
	memcpy(at, &size, sizeof(size));
	set_live(t, at + LINE, size, true);
	e->allocated++;
	*p = at + LINE;
	return 0;
}

/**
 * explore_free - free() of the shims
 * @p: memory or NULL
 */
void explore_free(void *p)
{
	struct thread *t = arena_of(p);
	size_t size;

	if (!p)
		return;
	if (!t || !t->live[((char *)p - t->arena) / LINE])
		explore_failed(__FILE__, __LINE__, "frees what is allocated");
	memcpy(&size, (char *)p - LINE, sizeof(size));
	set_live(t, p, size, false);
	e->allocated--;
}

/**
 * explore_rand - rand() of the shims
 *
 * Return: the same in all runs.
 */
int explore_rand(void)
{
	return 4;
}

static void check_live(const char *p)
{
	struct thread *t = arena_of(p);

	if (t && !t->live[(p - t->arena) / LINE])
		explore_failed(__FILE__, __LINE__, "uses what is allocated");
}

/* Accesses */

static bool writes(const struct op *op)
{
	return op->kind == EXPLORE_WRITE || op->kind == EXPLORE_MARKED_WRITE;
}

static bool is_marked(const struct op *op)
{
	return op->kind == EXPLORE_MARKED_READ || op->kind == EXPLORE_MARKED_WRITE;
}

static const char *first_word(const struct op *op)
{
	return (const char *)((uintptr_t)op->addr & ~7UL);
}

static struct word *word_of(const char *p)
{
	const char *addr = (const char *)((uintptr_t)p & ~7UL);
	size_t i = mix(0, (uintptr_t)addr) % WORDS;

	while (e->words[i].addr && e->words[i].addr != addr)
		i = (i + 1) % WORDS;
	if (!e->words[i].addr)
		shim_assert(++e->nr_words < WORDS / 2);
	e->words[i].addr = addr;
	return &e->words[i];
}

static bool holds_lock(const struct thread *t, const void *lock)
{
	unsigned int i;

	for (i = 0; i < t->nr_held; i++)
		if (t->held[i] == lock)
			return true;
	return false;
}

static void keep_guards(struct word *w, const struct thread *t)
{
	unsigned int i, n = 0;

	if (!w->readers && !w->writers) {
		memcpy(w->guards, t->held, sizeof(w->guards));
		w->nr_guards = t->nr_held;
		return;
	}
	for (i = 0; i < w->nr_guards; i++)
		if (holds_lock(t, w->guards[i]))
			w->guards[n++] = w->guards[i];
	w->nr_guards = n;
}

static bool meets(const struct word *w)
{
	unsigned int all = w->readers | w->writers;

	return w->writers && all & (all - 1);
}

/* Between passes; returns true if there is anything new. */
static bool settle(void)
{
	bool grew = false;
	struct word *w;

	for (w = e->words; w < e->words + WORDS; w++) {
		if (!meets(w) || (w->shared && w->open == !w->nr_guards))
			continue;
		if (!w->shared) {
			shim_assert(e->nr_shared < SHARED_MAX);
			e->shared[e->nr_shared++] = w;
		}
		w->shared = true;
		w->open = !w->nr_guards;
		grew = true;
	}
	return grew;
}

static void stop(enum explore_kind kind, const void *addr, unsigned int size, const void *pc)
{
	struct thread *t = e->now;

	t->next = (struct op) { .kind = kind, .addr = addr, .size = size, .pc = pc };
	if (!_setjmp(t->here))
		_longjmp(e->scheduler, 1);
	explore_saw(kind);
}

static bool is_mine(const struct thread *t, const char *p)
{
	return p >= t->stack && p < t->stack + STACK;
}

static bool use_cpu(const struct thread *t, const struct op *op)
{
	bool matters = op->addr == (const char *)&shim_cpu ? t->t->moves :
							     t->pinned && writes(op);

	if (matters)
		stop(EXPLORE_PIN, NULL, 0, op->pc);
	return matters;
}

/* Its own memory, of which nobody knows yet? */
static bool is_untold(const struct thread *t, const char *p)
{
	return p >= t->arena + t->told && p < t->arena + t->used;
}

static bool use_shared(struct thread *t, const struct op *op)
{
	bool shared = false, open = false;
	struct word *w;
	const char *p;

	for (p = first_word(op); p < op->addr + op->size; p += 8) {
		w = word_of(p);
		keep_guards(w, t);
		*(writes(op) ? &w->writers : &w->readers) |= 1u << explore_me();
		shared |= w->shared;
		open |= w->open;
	}
	if (open)
		stop(op->kind, op->addr, op->size, op->pc);
	if (shared && writes(op))
		t->told = t->used;
	return shared;
}

/**
 * explore_use - an access comes
 * @addr: memory
 * @size: bytes
 * @kind: one of the first four
 * @pc: whose
 *
 * Return: true if the value that is read is to be noted (explore_saw()).
 */
bool explore_use(const void *addr, unsigned int size, enum explore_kind kind, const void *pc)
{
	const struct op op = { .kind = kind, .addr = addr, .size = size, .pc = pc };
	struct thread *t = e ? e->now : NULL;

	if (!t || is_mine(t, addr))
		return false;
	check_live(addr);
	if (t == &e->threads[MAIN] || is_untold(t, addr))
		return false;
	if (addr == &shim_cpu || addr == &shim_preempt_off)
		return use_cpu(t, &op);
	return use_shared(t, &op);
}

/* Locks: who cannot have one does not go on. */

static void hold(spinlock_t *lock, const void *pc, int bh)
{
	struct thread *t = e->now;

	check_live((const char *)lock);
	if (t != &e->threads[MAIN])
		stop(EXPLORE_LOCK, lock, 0, pc);
	if (lock->held)
		explore_failed(__FILE__, __LINE__, "the lock is free");
	lock->held = 1 + t - e->threads;
	shim_assert(t->nr_held < LOCKS);
	t->held[t->nr_held++] = lock;
	t->bh_off += bh;
	shim_preempt_off++;
	if (t->pinned)
		stop(EXPLORE_PIN, NULL, 0, pc);
}

static void let_go(spinlock_t *lock, int bh)
{
	struct thread *t = e->now;

	check_live((const char *)lock);
	if (lock->held != 1 + t - e->threads)
		explore_failed(__FILE__, __LINE__, "the lock is its own");
	lock->held = 0;
	shim_assert(t->held[t->nr_held - 1] == lock);
	t->nr_held--;
	t->bh_off -= bh;
	shim_preempt_off--;
}

void spin_lock(spinlock_t *lock)
{
	hold(lock, __builtin_return_address(0), 0);
}

void spin_lock_bh(spinlock_t *lock)
{
	hold(lock, __builtin_return_address(0), 1);
}

void spin_unlock(spinlock_t *lock)
{
	let_go(lock, 0);
}

void spin_unlock_bh(spinlock_t *lock)
{
	let_go(lock, 1);
}

/**
 * explore_bh_disable - as local_bh_disable()
 */
void explore_bh_disable(void)
{
	if (e->now->pinned)
		stop(EXPLORE_PIN, NULL, 0, __builtin_return_address(0));
	e->now->bh_off++;
	shim_preempt_off++;
}

/**
 * explore_bh_enable - as local_bh_enable()
 */
void explore_bh_enable(void)
{
	e->now->bh_off--;
	shim_preempt_off--;
}

/**
 * explore_me - which thread this is
 *
 * Return: its place in the case.
 */
unsigned int explore_me(void)
{
	return e->now - e->threads;
}

/* Who may go on */

static bool cpu_lets(const struct thread *t)
{
	const struct thread *o;

	for (o = e->threads; o < e->threads + e->nr; o++) {
		if (o == t || o->cpu != t->cpu || !o->started || o->finished)
			continue;
		if (o->t->level > t->t->level)
			return false;
		if (o->t->level == t->t->level && (o->t->level || o->preempt_off))
			return false;
		if (!t->started && t->t->level == EXPLORE_SOFTIRQ && o->bh_off)
			return false;
	}
	return true;
}

static bool may_go_on(const struct thread *t)
{
	return !t->finished && cpu_lets(t) &&
	       (t->next.kind != EXPLORE_LOCK || !((const spinlock_t *)t->next.addr)->held);
}

static bool may_move(const struct thread *t)
{
	return t->t->moves && !t->moved && !t->finished && cpu_lets(t) && !t->preempt_off;
}

/* A bit for each thread, then one for each that may be moved */
static unsigned int choices(void)
{
	unsigned int all = 0, i;

	for (i = 0; i < e->nr; i++)
		all |= may_go_on(&e->threads[i]) << i |
		       may_move(&e->threads[i]) << (EXPLORE_THREADS + i);
	return all;
}

static void go_on(struct thread *t)
{
	e->now = t;
	shim_cpu = t->cpu;
	shim_preempt_off = t->preempt_off;
	if (!_setjmp(e->scheduler))
		_longjmp(t->started ? t->here : t->top, 1);
	t = e->now;
	t->preempt_off = shim_preempt_off;
	e->now = &e->threads[MAIN];
	shim_preempt_off = 0;
	shim_cpu = 0;
}

static void step(unsigned int choice)
{
	struct thread *t = &e->threads[choice % EXPLORE_THREADS];

	e->choices[e->depth - 1] = choice;
	e->done[e->depth - 1] = t->next;
	if (choice < EXPLORE_THREADS) {
		go_on(t);
	} else {
		e->done[e->depth - 1].kind = EXPLORE_MOVE;
		t->moved = true;
		t->cpu = t->t->to;
	}
	if (e->c->step)
		e->c->step();
}

/* Two accesses meet, and the compiler does not know of it. */
static void check_race(const struct thread *a, const struct thread *b)
{
	const struct op *x = &a->next, *y = &b->next;

	if (x->addr >= y->addr + y->size || y->addr >= x->addr + x->size ||
	    (is_marked(x) && is_marked(y)) || (!writes(x) && !writes(y)))
		return;
	e->done[e->depth] = *x;
	e->choices[e->depth++] = a - e->threads;
	e->done[e->depth] = *y;
	e->choices[e->depth++] = b - e->threads;
	explore_failed(__FILE__, __LINE__, "no data race");
}

static void check_races(unsigned int all)
{
	unsigned int i, j;

	for (i = 0; i < e->nr; i++)
		for (j = 0; j < i; j++)
			if ((all >> i) & (all >> j) & 1)
				check_race(&e->threads[i], &e->threads[j]);
}

/* Runs */

static void entry(void)
{
	struct thread *t = e->now;

	if (!_setjmp(t->top))
		setcontext(&e->main);
	e->now->started = true;
	if (e->now->t->level)
		explore_saw(EXPLORE_ARRIVE);
	e->now->t->run();
	e->now->finished = true;
	_longjmp(e->scheduler, 1);
}

static void make_thread(struct thread *t)
{
	getcontext(&t->uc);
	t->uc.uc_stack.ss_sp = t->stack;
	t->uc.uc_stack.ss_size = STACK;
	makecontext(&t->uc, entry, 0);
	e->now = t;
	swapcontext(&e->main, &t->uc);
}

static void rewind_thread(struct thread *t)
{
	memset(t->arena, 0, t->used);
	memset(t->live, 0, t->used / LINE);
	t->used = 0;
	t->told = 0;
	t->nr_held = 0;
	t->started = false;
	t->finished = false;
	t->moved = false;
	t->preempt_off = 0;
	t->bh_off = 0;
	t->cpu = t->t->cpu;
	t->next = (struct op) { .kind = EXPLORE_ARRIVE };
	t->seen[0] = 0;
	t->seen[1] = 0;
}

/* As begin() left it; tasks go to their first access, interrupts have not come. */
static void rewind_all(void)
{
	struct thread *boss = &e->threads[MAIN], *t;

	memcpy(__data_start, e->image, _end - __data_start);
	memset(boss->arena + e->used, 0, boss->used - e->used);
	memcpy(boss->arena, e->arena, e->used);
	memcpy(boss->live, e->live, boss->used / LINE);
	boss->used = e->used;
	e->allocated = e->allocated_first;
	e->runs++;
	for (t = e->threads; t < e->threads + e->nr; t++)
		rewind_thread(t);
	for (t = e->threads; t < e->threads + e->nr; t++)
		if (t->t->level == EXPLORE_TASK)
			go_on(t);
}

static void key_of(u64 key[2])
{
	const struct thread *t;
	const struct word *w;
	unsigned int i;
	u64 value;

	key[0] = 0;
	key[1] = 0;
	for (i = 0; i < e->nr_shared; i++) {
		w = e->shared[i];
		memcpy(&value, w->addr, sizeof(value));
		if (value == w->first)
			continue;
		key[0] += mix((uintptr_t)w->addr, value);
		key[1] += mix(~(uintptr_t)w->addr, value);
	}
	for (t = e->threads; t < e->threads + e->nr; t++) {
		mix_both(key, t->seen[0]);
		mix_both(key, t->seen[1]);
		mix_both(key, t->cpu | t->started << 8 | t->finished << 9 | t->moved << 10);
	}
}

static size_t state_at(const u64 key[2])
{
	size_t i = key[0] & (e->room - 1);

	while (e->states[i].ways && (e->states[i].key[0] != key[0] ||
				     e->states[i].key[1] != key[1]))
		i = (i + 1) & (e->room - 1);
	return i;
}

/* Frames name states by their place, and find it again. */
static void make_room(void)
{
	struct state *old = e->states;
	size_t i, n = e->room;
	u64 (*keys)[2] = malloc(sizeof(*keys) * (e->depth + 1));

	for (i = 0; i < e->depth; i++)
		memcpy(keys[i], old[e->frames[i].state].key, sizeof(*keys));
	e->room *= 2;
	e->states = calloc(e->room, sizeof(*e->states));
	for (i = 0; i < n; i++)
		if (old[i].ways)
			e->states[state_at(old[i].key)] = old[i];
	for (i = 0; i < e->depth; i++)
		e->frames[i].state = state_at(keys[i]);
	free(keys);
	free(old);
}

static void push(unsigned int all, size_t state)
{
	shim_assert(e->depth < STEPS_MAX - 2);
	e->frames[e->depth++] = (struct frame) { .state = state, .todo = all };
	e->deepest = e->depth > e->deepest ? e->depth : e->deepest;
}

static void end_run(void)
{
	struct thread *t;

	for (t = e->threads; t < e->threads + e->nr; t++)
		if (!t->finished)
			explore_failed(__FILE__, __LINE__, "no deadlock");
	e->c->end();
	if (e->allocated)
		explore_failed(__FILE__, __LINE__, "all memory is freed");
}

static void add_ways(double ways)
{
	if (e->depth)
		e->states[e->frames[e->depth - 1].state].ways -= ways;
}

/* After a step: has this been before? */
static void arrive(void)
{
	unsigned int all = choices();
	struct state *s;
	u64 key[2];

	if (2 * e->nr_states > e->room)
		make_room();
	key_of(key);
	s = &e->states[state_at(key)];
	if (s->ways) {
		e->there = false;
		add_ways(s->ways);
		return;
	}
	e->nr_states++;
	memcpy(s->key, key, sizeof(key));
	s->ways = -1;
	check_races(all);
	if (all) {
		push(all, s - e->states);
		return;
	}
	s->ways = 1;
	e->nr_ends++;
	end_run();
	e->there = false;
	add_ways(1);
}

static void leave(void)
{
	struct state *s = &e->states[e->frames[--e->depth].state];

	s->ways = -s->ways - 1;
	e->there = false;
	add_ways(s->ways);
}

static void replay(void)
{
	unsigned int n = e->depth;
	u64 key[2];

	rewind_all();
	for (e->depth = 1; e->depth < n; e->depth++)
		step(e->choices[e->depth - 1]);
	key_of(key);
	shim_assert(!memcmp(key, e->states[e->frames[n - 1].state].key, sizeof(key)));
	e->there = true;
}

static void explore_all(void)
{
	unsigned int i, choice;
	struct frame *f;

	memset(e->states, 0, e->room * sizeof(*e->states));
	e->nr_states = 0;
	e->nr_ends = 0;
	e->depth = 0;
	e->deepest = 0;
	rewind_all();
	for (i = 0; i < e->nr_shared; i++)
		memcpy(&e->shared[i]->first, e->shared[i]->addr, sizeof(u64));
	e->there = true;
	arrive();
	while (e->depth) {
		f = &e->frames[e->depth - 1];
		if (!f->todo) {
			leave();
			continue;
		}
		if (!e->there)
			replay();
		choice = __builtin_ctz(f->todo);
		f->todo &= f->todo - 1;
		step(choice);
		arrive();
	}
}

static void take_image(void)
{
	struct thread *boss = &e->threads[MAIN];

	e->used = boss->used;
	e->arena = malloc(boss->used);
	memcpy(e->arena, boss->arena, boss->used);
	memcpy(e->live, boss->live, sizeof(e->live));
	e->allocated_first = e->allocated;
	e->image = malloc(_end - __data_start);
	memcpy(e->image, __data_start, _end - __data_start);
}

static void *get_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	shim_assert(p != MAP_FAILED);
	return p;
}

static bool is_pinned(const struct explore_thread *t)
{
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->c->threads[i].moves ||
		    (t != &e->c->threads[i] && t->cpu == e->c->threads[i].cpu))
			return true;
	return false;
}

static void make_explorer(const struct explore_case *c)
{
	char *arenas, *stacks;
	unsigned int i;

	e = get_pages(sizeof(*e));
	e->c = c;
	e->room = 1 << 16;
	e->states = calloc(e->room, sizeof(*e->states));
	arenas = get_pages((size_t)ARENA * (EXPLORE_THREADS + 1));
	stacks = get_pages((size_t)STACK * EXPLORE_THREADS);
	while (c->threads[e->nr].run)
		e->nr++;
	for (i = 0; i <= EXPLORE_THREADS; i++)
		e->threads[i].arena = arenas + (size_t)ARENA * i;
	for (i = 0; i < e->nr; i++) {
		e->threads[i].t = &c->threads[i];
		e->threads[i].pinned = is_pinned(&c->threads[i]);
		e->threads[i].stack = stacks + (size_t)STACK * i;
		make_thread(&e->threads[i]);
	}
	e->now = &e->threads[MAIN];
}

/**
 * explore - run a case in all ways
 * @c: the case
 *
 * Fails at the first way that is wrong, which it tells. Once in a process.
 *
 * Return: how many ways there are; 0 if it failed.
 */
double explore(const struct explore_case *c)
{
	double ways;

	make_explorer(c);
	if (_setjmp(e->out))
		return 0;
	c->begin();
	take_image();
	do
		explore_all();
	while (settle());
	ways = e->states[e->frames[0].state].ways;
	printf("    # %.4g schedules: %zu states, %zu of them ends, %u steps, %lu runs\n",
	       ways, e->nr_states, e->nr_ends, e->deepest, e->runs);
	return ways;
}
