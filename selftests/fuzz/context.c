// SPDX-License-Identifier: GPL-2.0
/*
 * Key contexts of several keys and namespaces: the input says who gets and puts
 * them, sends, receives and closes, how the clock goes and when memory runs out.
 * No number is sent twice under a key, none is accepted twice, bounds hold, and at
 * the end nothing is left.
 */
#include <stdlib.h>

/* The epoch, for it to be as freshly loaded with each input */
#include "../../vpe/context.c"
#include "../unit/contexts.h"
#include "../unit/model.h"
#include "fuzz.h"

#define OPS_MAX		300
#define KEYS		2
#define KEY_LEN		16
#define CONTEXTS	6	/* at a time */
#define SLOTS		512	/* of a model: a window takes at most one number an operation */

/**
 * struct range - numbers that were sent
 * @ctx: id of the context
 * @key: number of the key; of ESP, which may share one, the context's
 * @window: Sender ID << 16 | Window ID
 * @first: first number
 * @last: last number
 * @bytes: of their packets
 */
struct range {
	u64 ctx;
	u64 key;
	u32 window;
	u64 first;
	u64 last;
	u64 bytes;
};

/**
 * struct receiver - a window as it has to be
 * @id: Sender ID << 16 | Window ID
 * @bytes: of accepted packets
 * @model: the numbers
 */
struct receiver {
	u32 id;
	u64 bytes;
	struct vpe_model model;
};

/**
 * struct context - a key context as it has to be
 * @ctx: it; NULL: free
 * @refs: references held
 * @scope: its namespace
 * @key: number of its key
 * @claimed: it may send
 * @used_up: one of its windows is
 * @receivers: its windows
 * @nr: how many there are
 * @source: by sender, where its last packet came from
 */
struct context {
	struct vpe_context *ctx;
	unsigned int refs;
	struct vpe_scope *scope;
	unsigned int key;
	bool claimed;
	bool used_up;
	struct receiver receivers[32];
	unsigned int nr;
	u64 source[4];
};

static const u16 senders[4] = { 0, 1, 0x8000, 0xffff };
static const u8 keys[KEYS][36] = { "0123456789abcdef", "0123456789abcdeF" };
static struct vpe_scope *const scopes[] = { &here, &there, &untrusted };
static struct context contexts[CONTEXTS];
static struct range ranges[OPS_MAX];
static unsigned int nr_ranges;
static s64 ahead;	/* of boot time, the clock was so far at most */
static u64 used;	/* highest number sent by contexts that are gone */
static bool armed;	/* an allocation may fail */

/* What contexts.h expects */
void test_failed(const char *file, int line, const char *what)
{
	shim_assert_at(false, what, file, line);
}

void test_say(const char *format, ...)
{
}

static void sample(void)
{
	ahead = max_t(s64, ahead, shim_real_ns - shim_boot_ns);
}

static unsigned int windows_of(const struct vpe_scope *scope)
{
	unsigned int n = 0, i;

	for (i = 0; i < CONTEXTS; i++)
		if (contexts[i].ctx && contexts[i].scope == scope)
			n += contexts[i].nr;
	return n;
}

static void check_counts(void)
{
	unsigned int i, j, n;

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		for (n = 0, j = 0; j < CONTEXTS; j++)
			n += contexts[j].ctx && contexts[j].scope == scopes[i];
		shim_assert(atomic_read(&scopes[i]->contexts) == n);
		shim_assert(atomic_read(&scopes[i]->windows) == windows_of(scopes[i]));
	}
	shim_assert(!shim_preempt_off);
}

static u64 range_key(const struct context *c)
{
	return vpe_context_is_esp(c->ctx) ? KEYS + c->ctx->id : c->key;
}

/* A new context, or one that is there: VPE has one for each key of a namespace. */
static void get(struct input *in)
{
	u8 how = take(in, 1), more = take(in, 1);
	struct context *c = NULL, *old = NULL;
	unsigned int i, key = how & 1;
	struct vpe_scope *scope = scopes[(how >> 1) % ARRAY_SIZE(scopes)];
	bool esp = how & 0x80;
	struct vpe_lanes lanes;
	struct vpe_context *ctx;

	for (i = 0; i < CONTEXTS; i++)
		if (!contexts[i].ctx)
			c = &contexts[i];
		else if (!esp && contexts[i].scope == scope && contexts[i].key == key &&
			 !vpe_context_is_esp(contexts[i].ctx))
			old = &contexts[i];
	if (!c && !old)
		return;
	shim_assert(!vpe_lanes_set(&lanes, more & 1, more >> 2 & 15));
	lanes.sender = senders[more >> 6];
	if (esp)
		ctx = vpe_context_get_esp(scope, keys[key], KEY_LEN, more & 1 ? U32_MAX : U64_MAX);
	else
		ctx = vpe_context_get(scope, keys[key], KEY_LEN, &lanes);
	if (!ctx) {
		shim_assert(armed);
		return;
	}
	shim_assert(!old || ctx == old->ctx);
	if (old) {
		old->refs++;
		return;
	}
	for (i = 0; i < CONTEXTS; i++)
		shim_assert(contexts[i].ctx != ctx);
	shim_assert(!vpe_context_started(ctx) && !vpe_context_has_windows(ctx));
	ctx->window_size = VPE_WINDOW_MIN;
	*c = (struct context) { .ctx = ctx, .refs = 1, .scope = scope, .key = key };
}

static void hold(struct context *c)
{
	shim_assert(vpe_context_hold(c->ctx) == c->ctx);
	c->refs++;
}

static void put(struct context *c)
{
	u64 id = c->ctx->id;
	unsigned int i;

	vpe_context_put(c->ctx);
	if (--c->refs)
		return;
	for (i = 0; c->claimed && i < nr_ranges; i++)
		if (ranges[i].ctx == id)
			used = max(used, ranges[i].last);
	if (c->claimed && c->used_up)
		used = U64_MAX;
	for (i = 0; i < c->nr; i++)
		free(c->receivers[i].model.set);
	*c = (struct context) { };
}

static bool may_claim(const struct context *c)
{
	unsigned int i;

	for (i = 0; i < CONTEXTS; i++)
		if (contexts[i].claimed && contexts[i].key == c->key &&
		    contexts[i].ctx->lanes.sender == c->ctx->lanes.sender)
			return false;
	return true;
}

static void start(struct input *in, struct context *c)
{
	u64 last = take_seq(in, take(in, 1) & 1 ? shim_real_ns : used, VPE_AHEAD_MAX), now;
	bool before = vpe_context_started(c->ctx);
	int err = vpe_context_start(c->ctx, last);

	if (vpe_context_is_esp(c->ctx)) {
		shim_assert(err == (before || last < c->ctx->last ? 0 : -EOVERFLOW));
		shim_assert(before || err || c->ctx->first == last + 1);
		return;
	}
	if (c->claimed || !may_claim(c)) {
		shim_assert(err == (c->claimed ? 0 : -EBUSY));
		return;
	}
	sample();
	now = max(shim_real_ns, shim_boot_ns + ahead);
	if (last > now && last - now > c->scope->ahead_max)
		shim_assert(err == -ERANGE);
	else if (last == U64_MAX || used == U64_MAX)
		shim_assert(err == -EOVERFLOW);
	else
		shim_assert(!err && c->ctx->first > last && c->ctx->first > used &&
			    c->ctx->first >= now);
	c->claimed = !err;
	shim_assert(vpe_context_started(c->ctx) == c->claimed && c->ctx->claimed == c->claimed);
}

/* A number that was sent by this window under this key must not come again. */
static void sent(const struct context *c, const struct vpe_seq *seq, unsigned int n, u8 bytes)
{
	struct range *r = &ranges[nr_ranges++], *old;
	u64 all = 0, count = 0;

	*r = (struct range) { c->ctx->id, range_key(c), seq->window, seq->seq,
			      seq->seq + n - 1, bytes };
	shim_assert(r->first >= c->ctx->first && r->last >= r->first && r->last <= c->ctx->last);
	for (old = ranges; old <= r; old++) {
		if (old->key != r->key || old->window != r->window)
			continue;
		shim_assert(old == r || old->last < r->first || old->first > r->last);
		if (old->ctx != r->ctx)
			continue;
		all += old->bytes;
		count += old->last - old->first + 1;
	}
	shim_assert(vpe_context_sent(c->ctx, seq->window & 0xffff) == count);
	if (!vpe_context_is_esp(c->ctx))
		shim_assert(vpe_context_sent_bytes(c->ctx, seq->window & 0xffff) == all);
}

static void reserve(struct input *in, struct context *c)
{
	u8 how = take(in, 1), flow = take(in, 1);
	unsigned int n = how & 0x80 ? take(in, 4) : how >> 5 & 3;
	u32 class = how & 7, window;
	struct vpe_seq seq = { };
	int err;

	if (!vpe_context_started(c->ctx))
		return;
	n += !n;
	shim_cpu = how >> 3 & 3;
	err = vpe_context_reserve(c->ctx, class, flow, n, flow, &seq);
	window = seq.window & 0xffff;
	shim_assert(seq.window >> 16 == c->ctx->lanes.sender);
	if (err) {
		/* none is left, nor will be */
		c->used_up = true;
		shim_assert(err == -EOVERFLOW);
		shim_assert(vpe_context_last(c->ctx, window) == c->ctx->last);
		return;
	}
	sent(c, &seq, n, flow);
	shim_assert(vpe_context_last(c->ctx, window) == seq.seq + n - 1);
	if (class >= c->ctx->classes)
		class = 0;
	if (vpe_context_is_esp(c->ctx))
		shim_assert(!window);
	else
		shim_assert(vpe_context_cpu(c->ctx, window) == shim_cpu &&
			    vpe_context_class(c->ctx, window) == class &&
			    window < vpe_context_windows_end(c->ctx));
}

static void add_classes(struct input *in, struct context *c)
{
	u32 n = 1 + take(in, 1) % VPE_CLASSES, before = c->ctx->classes;

	if (vpe_context_is_esp(c->ctx))
		return;
	if (vpe_context_add_classes(c->ctx, n))
		shim_assert(armed && c->ctx->classes < n);
	else
		shim_assert(c->ctx->classes == max(n, before));
}

static u32 take_id(struct input *in, const struct context *c)
{
	u8 how = take(in, 1);

	if (vpe_context_is_esp(c->ctx))
		return 0;
	return (u32)senders[how & 3] << 16 | (how & 4 ? 0xffff - (how >> 3 & 3) : how >> 3 & 3);
}

static struct receiver *find(struct context *c, u32 id)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->receivers[i].id == id)
			return &c->receivers[i];
	return NULL;
}

static bool has_room(const struct context *c, u32 id)
{
	unsigned int i, of_sender = 0;

	for (i = 0; i < c->nr; i++)
		of_sender += c->receivers[i].id >> 16 == id >> 16;
	return c->nr < c->scope->context_max && windows_of(c->scope) < c->scope->windows_max &&
	       (!(id >> 16) || of_sender < c->scope->sender_max);
}

/* What a number gets that comes first; made says whether there is a window now. */
static enum vpe_verdict expect_first(struct context *c, u32 id, u64 seq,
				     enum vpe_verdict is, bool *made)
{
	bool esp = vpe_context_is_esp(c->ctx);
	struct receiver *r = &c->receivers[c->nr];

	*made = false;
	if (esp && seq <= c->ctx->closed)
		return VPE_OLD;
	if (is == VPE_NO_MEM && armed)
		return VPE_NO_MEM;
	if (!has_room(c, id))
		return VPE_NO_ROOM;
	*made = true;
	*r = (struct receiver) { .id = id };
	r->model = (struct vpe_model) { .size = c->ctx->window_size, .mask = SLOTS - 1 };
	r->model.set = calloc(SLOTS, sizeof(u64));
	r->model.start = esp ? 0 : seq;
	vpe_model_accept(&r->model, seq);
	if (esp)
		vpe_model_close(&r->model, c->ctx->closed);
	c->nr++;
	return VPE_FRESH;
}

static void check_window(struct context *c, u32 id)
{
	const struct vpe_window *w = vpe_context_window(c->ctx, id);
	const struct receiver *r = find(c, id);

	shim_assert(!w == !r);
	shim_assert(vpe_context_has_windows(c->ctx) == !!c->nr && c->ctx->nr_windows == c->nr);
	if (r)
		shim_assert(w->top == r->model.top && w->packets == r->model.accepted &&
			    w->bytes == r->bytes && w->size == r->model.size);
}

static void commit(struct input *in, struct context *c)
{
	u32 id = take_id(in, c);
	struct receiver *r = find(c, id);
	u64 seq = take_seq(in, r ? r->model.top : c->ctx->closed, VPE_WINDOW_MIN);
	struct vpe_window *w, *before = vpe_context_window(c->ctx, id);
	enum vpe_verdict is, should;
	u8 bytes = take(in, 1);
	/* two bits tell senders[] from each other */
	u64 source[2] = { 1 + (bytes & 1), 0 }, *known = &c->source[id >> 30 | (id >> 16 & 1)];
	bool made;

	is = vpe_context_commit(c->ctx, id, seq, bytes, &w);
	shim_assert(w == before);
	if (r) {
		should = vpe_model_check(&r->model, seq);
		if (should == VPE_FRESH)
			vpe_model_accept(&r->model, seq);
	} else {
		should = expect_first(c, id, seq, is, &made);
		r = find(c, id);
	}
	shim_assert(is == should);
	if (is == VPE_FRESH)
		r->bytes += bytes;
	check_window(c, id);
	if (is != VPE_FRESH)
		return;
	shim_assert(vpe_context_moved(c->ctx, id, source) ==
		    (id >> 16 && *known && *known != source[0]));
	*known = source[0];
}

static void close_window(struct input *in, struct context *c)
{
	u32 id = take_id(in, c);
	struct receiver *r = find(c, id);
	u64 seq = take_seq(in, r ? r->model.top : c->ctx->closed, VPE_WINDOW_MIN);
	enum vpe_verdict is = vpe_context_close(c->ctx, id, seq), should = VPE_FRESH;
	bool made = false;

	if (!r) {
		should = expect_first(c, id, seq, is, &made);
		r = find(c, id);
	}
	if (made)
		r->model.accepted--;	/* no packet was */
	if (r)
		vpe_model_close(&r->model, seq);
	shim_assert(is == (should == VPE_OLD ? VPE_FRESH : should));
	check_window(c, id);
}

static void infer(struct input *in, struct context *c)
{
	struct receiver *r = find(c, 0);
	u64 top = r ? r->model.top : c->ctx->closed;
	u32 low = take_seq(in, top, VPE_WINDOW_MIN);

	if (vpe_context_is_esp(c->ctx))
		shim_assert(vpe_context_infer(c->ctx, low) ==
			    (c->ctx->last == U32_MAX ? low :
			     vpe_model_infer(top, c->ctx->window_size, low)));
}

/* What the first packet finds; afterwards it stays. */
static void settle(struct input *in, struct context *c)
{
	u8 size = take(in, 1);

	if (vpe_context_has_windows(c->ctx))
		return;
	c->ctx->window_size = VPE_WINDOW_MIN << size % 7;
	c->ctx->closed = take_seq(in, 0, c->ctx->window_size);
}

static void set_bounds(struct input *in)
{
	u8 which = take(in, 1);
	struct vpe_scope *scope = scopes[which % ARRAY_SIZE(scopes)];

	scope->windows_max = take(in, 1) % 32;
	scope->context_max = take(in, 1) % 16;
	scope->sender_max = which >> 4;
}

/* Boot time only goes on, real time goes where somebody sets it. */
static void move_clock(struct input *in)
{
	u8 how = take(in, 1);
	u64 boot = take(in, how & 7) % (1000 * HOUR);

	if (how & 8)
		shim_real_ns += boot;
	shim_boot_ns += boot;
	if (how & 16)
		shim_real_ns = (take(in, 8) >> 2) + shim_boot_ns;
	if (how & 32) {
		vpe_clock_sample();
		sample();
	}
	if (how & 64)
		rcu_barrier();
}

static void has_key(struct input *in, const struct context *c)
{
	unsigned int key = take(in, 1) % KEYS;
	unsigned int len = take(in, 1) % sizeof(keys[0]);

	shim_assert(vpe_context_has_key(c->ctx, keys[key], len) ==
		    (len == KEY_LEN && key == c->key));
}

static void step(struct input *in)
{
	u8 op = take(in, 1), arm = op >> 7 ? take(in, 1) : 0;
	struct context *c = &contexts[(op >> 4 & 7) % CONTEXTS];

	armed = arm;
	shim_fail_alloc = armed ? 1 + arm % 8 : 0;
	switch (c->ctx ? op & 15 : 0) {
	case 0:
		get(in);
		break;
	case 1:
		put(c);
		break;
	case 2:
		hold(c);
		break;
	case 3:
		has_key(in, c);
		break;
	case 4:
		start(in, c);
		break;
	case 5:
		add_classes(in, c);
		break;
	case 6 ... 8:
		reserve(in, c);
		break;
	case 9:
		settle(in, c);
		break;
	case 10 ... 11:
		commit(in, c);
		break;
	case 12:
		close_window(in, c);
		break;
	case 13:
		infer(in, c);
		break;
	case 14:
		set_bounds(in);
		break;
	default:
		move_clock(in);
	}
	shim_fail_alloc = 0;
	check_counts();
}

int fuzz_one(const u8 *data, size_t len)
{
	struct input in = { data, data + len };
	unsigned int i, n = 0;

	srand(1);
	vpe_epoch = (struct vpe_epoch) { };
	vpe_context_ids = 0;
	nr_ranges = 0;
	ahead = 0;
	shim_cpu = 0;
	used = 0;
	load();
	sample();
	while (left(&in) && n++ < OPS_MAX)
		step(&in);
	for (i = 0; i < CONTEXTS; i++)
		while (contexts[i].ctx)
			put(&contexts[i]);
	unload();
	return 0;
}
