// SPDX-License-Identifier: GPL-2.0
/*
 * A few threads at one counter, one key, one window, in all ways there are
 * (explore.c). With explored code as few numbers and threads as there can be say
 * more than many: what goes wrong goes wrong with two or three.
 */
#include <string.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/rcupdate.h>

#include "../../vpe/context.h"
#include "explore.h"
#include "shim.h"
#include "test.h"

#define NOW		1800000000000000000ULL
#define KEY		"0123456789abcdef"
#define WINDOW		7
#define GROUP_WINDOW	(3u << 16 | WINDOW)
#define EACH		4u	/* operations of one thread, at most */
#define ALL		(EACH * (EXPLORE_THREADS + 1))

/* @n numbers from @num on */
struct taken {
	struct vpe_context	*ctx;
	struct vpe_seq		num;
	u32			n;
};

struct received {
	u32			window;
	u64			seq;
	enum vpe_verdict	verdict;
	u32			cpu;
};

/* What one thread has got, in cache lines of its own */
struct notes {
	struct taken taken[EACH];
	struct received received[EACH];
	unsigned int nr_taken, nr_received;
	struct vpe_context *ctx;
} __aligned(64);

static struct notes notes[EXPLORE_THREADS + 1];
static struct vpe_scope here, there;
static struct vpe_context *ctx, *other;
static const struct vpe_lanes lanes = { .per_cpu = 1, .shift = 4 };
static u64 top;			/* of the window, when a step last looked */
static bool done;		/* what a thread did is over */

#define EXPLORE(name, ...)						\
static void name(void)								\
{										\
	static const struct explore_case c = { __VA_ARGS__ };			\
										\
	explore(&c);								\
}

static void load(void)
{
	here = (struct vpe_scope) {
		.windows_max = 8, .context_max = 8, .sender_max = 8, .ahead_max = U64_MAX,
	};
	there = here;
	shim_real_ns = NOW;
	vpe_contexts_init();
}

static struct vpe_context *get(struct vpe_scope *scope)
{
	struct vpe_context *new = vpe_context_get(scope, KEY, strlen(KEY), &lanes);

	holds(new);
	return new;
}

static void unload(void)
{
	vpe_contexts_exit();
	holds(!atomic_read(&here.contexts) && !atomic_read(&there.contexts));
	holds(!atomic_read(&here.windows) && !atomic_read(&there.windows));
}

/* Sending */

static const struct taken *taken(unsigned int i)
{
	const struct notes *o = &notes[i / EACH];

	return i % EACH < o->nr_taken ? &o->taken[i % EACH] : NULL;
}

static const struct received *received(unsigned int i)
{
	const struct notes *o = &notes[i / EACH];

	return i % EACH < o->nr_received ? &o->received[i % EACH] : NULL;
}

static int take_of(struct vpe_context *from, u32 class, u32 n)
{
	struct notes *me = &notes[explore_me()];
	struct vpe_seq num;
	int err = vpe_context_reserve(from, class, 0, n, 10 * n, &num);

	if (err)
		return err;
	me->taken[me->nr_taken++] = (struct taken) { .ctx = from, .num = num, .n = n };
	return 0;
}

static int start_and_take(struct vpe_context *from, u32 n)
{
	int err = 0;

	if (!vpe_context_started(from))
		err = vpe_context_start(from, 0);
	return err ?: take_of(from, 0, n);
}

static u64 end_of(const struct taken *t)
{
	return t->num.seq + t->n;
}

/* Under one key no two have a number of one window. */
static void check_taken_once(void)
{
	const struct taken *t, *u;
	unsigned int i, j;

	for (i = 0; i < ALL; i++) {
		for (j = 0; j < i; j++) {
			t = taken(i);
			u = taken(j);
			holds(!t || !u || t->num.window != u->num.window ||
			      end_of(t) <= u->num.seq || end_of(u) <= t->num.seq);
		}
	}
}

/* What a context tells of a window, when all numbers ever taken are those noted. */
static void check_counts(const struct vpe_context *of, u32 window)
{
	u64 sent = 0, last = 0;
	const struct taken *t;
	unsigned int i;

	for (i = 0; i < ALL; i++) {
		t = taken(i);
		if (!t || t->ctx != of || t->num.window != window)
			continue;
		holds(t->num.seq >= of->first);
		sent += t->n;
		last = last < end_of(t) - 1 ? end_of(t) - 1 : last;
	}
	holds(vpe_context_last(of, window) == last);
	holds(vpe_context_sent(of, window) == sent);
	holds(vpe_context_is_esp(of) || vpe_context_sent_bytes(of, window) == 10 * sent);
}

/* None was taken above the last one that a window tells of. */
static void check_highest(void)
{
	const struct taken *t;
	unsigned int i;

	for (i = 0; i < ALL; i++) {
		t = taken(i);
		holds(!t || end_of(t) - 1 <= vpe_context_last(ctx, t->num.window));
	}
}

static void check_all_counts(void)
{
	u32 window;

	check_taken_once();
	for (window = 0; window < vpe_context_windows_end(ctx); window++)
		check_counts(ctx, window);
}

static void begin_sending(void)
{
	load();
	ctx = get(&here);
	vpe_context_hold(ctx);	/* two SAs */
}

static void begin_started(void)
{
	begin_sending();
	holds(!vpe_context_start(ctx, 0));
}

static void end_sending(void)
{
	check_all_counts();
	vpe_context_put(ctx);
	vpe_context_put(ctx);
	unload();
}

static void send_one(void)
{
	holds(!start_and_take(ctx, 1));
}

static void send_two(void)
{
	holds(!start_and_take(ctx, 2));
	holds(!start_and_take(ctx, 1));
}

static void send_if_started(void)
{
	if (vpe_context_started(ctx))
		holds(!take_of(ctx, 0, 1));
}

/* Who starts, and who comes between. */
EXPLORE(starts, begin_sending, NULL, end_sending,
	{ { send_one, .cpu = 0 }, { send_one, .cpu = 0, .level = EXPLORE_SOFTIRQ },
	  { send_if_started, .cpu = 0, .level = EXPLORE_HARDIRQ }, { send_one, .cpu = 1 } })

EXPLORE(interrupts, begin_started, NULL, end_sending,
	{ { send_two, .cpu = 0 }, { send_two, .cpu = 0, .level = EXPLORE_SOFTIRQ },
	  { send_two, .cpu = 0, .level = EXPLORE_HARDIRQ }, { send_two, .cpu = 1 } })

EXPLORE(migration, begin_started, NULL, end_sending,
	{ { send_two, .cpu = 0, .moves = true, .to = 1 },
	  { send_two, .cpu = 0, .moves = true, .to = 2 },
	  { send_one, .cpu = 1, .level = EXPLORE_SOFTIRQ }, { send_two, .cpu = 1 } })

/* Three numbers are left. */
static void begin_end(void)
{
	begin_started();
	ctx->last = ctx->first + 2;
	ctx->quota = 3;
}

/* What does not fit ends the window. */
static void end_end(void)
{
	check_taken_once();
	check_highest();
	holds(vpe_context_last(ctx, 0) <= ctx->last);
	holds(vpe_context_sent(ctx, 0) < 3 || take_of(ctx, 0, 1));
	vpe_context_put(ctx);
	vpe_context_put(ctx);
	unload();
}

static void take_two(void)
{
	take_of(ctx, 0, 2);
}

static void take_one(void)
{
	take_of(ctx, 0, 1);
}

EXPLORE(last_numbers, begin_end, NULL, end_end,
	{ { take_two, .cpu = 0 }, { take_two, .cpu = 0, .level = EXPLORE_SOFTIRQ },
	  { take_one, .cpu = 0, .level = EXPLORE_HARDIRQ } })

static void add_classes(void)
{
	holds(!vpe_context_add_classes(ctx, 3));
}

static void take_class(void)
{
	holds(!take_of(ctx, 1, 1));
	holds(!take_of(ctx, 2, 1));
}

static void look_at_counters(void)
{
	u32 window;

	for (window = 1; window < vpe_context_windows_end(ctx); window += 1 << lanes.shift)
		holds(vpe_context_sent(ctx, window) <= 2);
}

EXPLORE(classes, begin_started, NULL, end_sending,
	{ { add_classes, .cpu = 0 }, { take_class, .cpu = 1 }, { look_at_counters, .cpu = 2 } })

/* Claims */

static void begin_claims(void)
{
	load();
	ctx = get(&here);
	other = get(&there);
	holds(ctx != other);
}

static void one_claim(void)
{
	holds(!ctx->claimed || !other->claimed);
	holds(!vpe_context_started(ctx) || !vpe_context_started(other));
}

static void end_claims(void)
{
	check_all_counts();
	holds(ctx->claimed != other->claimed);
	vpe_context_put(ctx);
	vpe_context_put(other);
	unload();
}

static void claim_here(void)
{
	int err = start_and_take(ctx, 1);

	holds(!err || err == -EBUSY);
}

static void claim_there(void)
{
	int err = start_and_take(other, 1);

	holds(!err || err == -EBUSY);
}

EXPLORE(claims, begin_claims, one_claim, end_claims,
	{ { claim_here, .cpu = 0 }, { claim_there, .cpu = 1 }, { claim_there, .cpu = 2 } })

/* One SA after the other goes, and another namespace comes with the key. */
static void begin_handover(void)
{
	begin_started();
	other = get(&there);
}

static void send_and_go(void)
{
	holds(!take_of(ctx, 0, 2));
	vpe_context_put(ctx);
}

static void take_over(void)
{
	int err = start_and_take(other, 1);

	holds(!err || err == -EBUSY);
}

static void end_handover(void)
{
	holds(!take_of(other, 0, 1) || !start_and_take(other, 1));
	check_taken_once();
	vpe_context_put(other);
	unload();
}

EXPLORE(handover, begin_handover, NULL, end_handover,
	{ { send_and_go, .cpu = 0 }, { send_and_go, .cpu = 1 }, { take_over, .cpu = 0 } })

/* While the last SA of a key goes two come, each of which may find it. */
static void begin_coming(void)
{
	load();
	ctx = get(&here);
	holds(!start_and_take(ctx, 1));
}

static void go(void)
{
	vpe_context_put(ctx);
}

static void come_and_send(void)
{
	struct notes *me = &notes[explore_me()];
	int err;

	me->ctx = get(&here);
	err = start_and_take(me->ctx, 1);
	/* of the one that goes the claim may last a little longer */
	holds(!err || (err == -EBUSY && me->ctx != ctx));
}

static void end_coming(void)
{
	check_taken_once();
	holds(notes[1].ctx == notes[2].ctx);
	holds(refcount_read(&notes[1].ctx->ref) == 2);
	holds(atomic_read(&here.contexts) == 1);
	vpe_context_put(notes[1].ctx);
	vpe_context_put(notes[2].ctx);
	unload();
}

EXPLORE(coming, begin_coming, NULL, end_coming,
	{ { go, .cpu = 0 }, { come_and_send, .cpu = 1 }, { come_and_send, .cpu = 2 } })

/* Revocation: once it is over nothing is sent. */

static void revoke(void)
{
	vpe_context_revoke(ctx);
	WRITE_ONCE(done, true);
}

static void send_unless_revoked(void)
{
	bool over = READ_ONCE(done);
	int err = start_and_take(ctx, 1);

	holds(!over || err);
	holds(!err || err == -EOVERFLOW || err == -ESTALE);
}

static void end_revoked(void)
{
	holds(start_and_take(ctx, 1));
	if (vpe_context_started(ctx))
		check_highest();
	check_taken_once();
	vpe_context_put(ctx);
	vpe_context_put(ctx);
	unload();
}

EXPLORE(revoked, begin_started, NULL, end_revoked,
	{ { send_unless_revoked, .cpu = 0 },
	  { send_unless_revoked, .cpu = 0, .level = EXPLORE_SOFTIRQ },
	  { revoke, .cpu = 1 }, { send_unless_revoked, .cpu = 2 } })

EXPLORE(revoked_at_start, begin_sending, NULL, end_revoked,
	{ { send_unless_revoked, .cpu = 0 }, { revoke, .cpu = 1 },
	  { send_unless_revoked, .cpu = 2 } })

/* The clock is ahead of all that was sent, as it is where it can be trusted. */
static void revoke_and_come(void)
{
	vpe_context_revoke(ctx);
	WRITE_ONCE(shim_real_ns, NOW + 1000);
	other = get(&here);
	holds(other != ctx);
	holds(!start_and_take(other, 1));
	holds(!start_and_take(other, 1));
}

static void end_revoked_and_come(void)
{
	check_taken_once();
	vpe_context_put(other);
	vpe_context_put(ctx);
	vpe_context_put(ctx);
	unload();
}

EXPLORE(revoked_key, begin_started, NULL, end_revoked_and_come,
	{ { revoke_and_come, .cpu = 0 }, { send_unless_revoked, .cpu = 1 },
	  { send_unless_revoked, .cpu = 0, .level = EXPLORE_SOFTIRQ } })

/* ... but for what was sent from where the user said. */
static void begin_ahead(void)
{
	begin_sending();
	holds(!vpe_context_start(ctx, NOW + 1000));
}

EXPLORE(revoked_ahead, begin_ahead, NULL, end_revoked_and_come,
	{ { revoke_and_come, .cpu = 0 }, { send_unless_revoked, .cpu = 1 },
	  { send_unless_revoked, .cpu = 0, .level = EXPLORE_SOFTIRQ } })

/* ESP: one counter for all */

static void begin_esp(void)
{
	load();
	ctx = vpe_context_get_esp(&here, KEY "salt", 20, U32_MAX);
	holds(ctx);
}

static void start_esp(void)
{
	if (!vpe_context_started(ctx))
		holds(!vpe_context_start(ctx, U32_MAX - 4 + explore_me() % 2));
	take_of(ctx, 0, 1);
	take_of(ctx, 0, 1);
}

static void end_esp(void)
{
	check_taken_once();
	check_counts(ctx, 0);
	vpe_context_put(ctx);
	unload();
}

EXPLORE(esp_numbers, begin_esp, NULL, end_esp,
	{ { start_esp, .cpu = 0 }, { start_esp, .cpu = 0, .level = EXPLORE_SOFTIRQ },
	  { start_esp, .cpu = 1 } })

/* Receiving */

/* As the receive path does it; but it goes on where the look refused, to compare. */
static enum vpe_verdict receive(u32 window, u64 seq)
{
	struct notes *me = &notes[explore_me()];
	enum vpe_verdict seen = VPE_FRESH, verdict;
	struct vpe_window *w;

	explore_bh_disable();
	w = vpe_context_window(ctx, window);
	if (w)
		seen = vpe_window_check(w, seq);
	verdict = vpe_context_commit(ctx, window, seq, 10, &w);
	explore_bh_enable();
	holds(seen == VPE_FRESH || verdict != VPE_FRESH);
	if (w && verdict != VPE_FRESH)
		vpe_window_refused(w, verdict);
	me->received[me->nr_received++] = (struct received) {
		.window = window, .seq = seq, .verdict = verdict, .cpu = smp_processor_id(),
	};
	return verdict;
}

static unsigned int accepted(u32 window, u64 seq)
{
	const struct received *r;
	unsigned int i, n = 0;

	for (i = 0; i < ALL; i++) {
		r = received(i);
		n += r && r->window == window && r->seq == seq && r->verdict == VPE_FRESH;
	}
	return n;
}

/* The upper edge, and with it the lower one, moves up only. */
static void edge_moves_up(void)
{
	const struct vpe_window *w = vpe_context_window(ctx, WINDOW);

	holds(!w || w->top >= top);
	top = w ? w->top : 0;
}

/* What a window counts, when all packets ever are those noted. */
static void check_window(u32 window)
{
	const struct vpe_window *w = vpe_context_window(ctx, window);
	unsigned int i, fresh = 0, elsewhere = 0, refused = 0;
	const struct received *r;

	holds(w);
	for (i = 0; i < ALL; i++) {
		r = received(i);
		if (!r || r->window != window)
			continue;
		holds(accepted(window, r->seq) <= 1);
		fresh += r->verdict == VPE_FRESH;
		elsewhere += r->verdict == VPE_FRESH && r->cpu != w->cpu;
		refused += r->verdict != VPE_FRESH;
		holds(r->verdict != VPE_FRESH || r->seq <= w->top);
	}
	holds(w->packets == fresh && w->bytes == 10 * fresh && w->elsewhere == elsewhere);
	holds(atomic64_read(&w->replayed) + atomic64_read(&w->old) +
	      atomic64_read(&w->behind) == refused);
	holds(done || accepted(window, w->top) == 1);
}

static void begin_receiving(void)
{
	load();
	ctx = get(&here);
	ctx->window_size = 64;
}

static void end_receiving(void)
{
	vpe_context_put(ctx);
	unload();
}

/* The tables of windows are there: of another window, or of another sender. */
static void begin_beside(u32 size, u32 window)
{
	begin_receiving();
	ctx->window_size = size;
	holds(receive(window, 500) == VPE_FRESH);
}

static void begin_beside_one(void)
{
	begin_beside(64, WINDOW + 1);
}

static void begin_window(void)
{
	begin_receiving();
	holds(receive(WINDOW, 200) == VPE_FRESH);
}

static void end_window(void)
{
	check_window(WINDOW);
	holds(atomic_read(&here.windows) == 1 && ctx->nr_windows == 1);
	end_receiving();
}

#define RECEIVE(name, ...)							\
static void name(void)								\
{										\
	const u64 seqs[] = { __VA_ARGS__ };					\
	unsigned int i;								\
										\
	for (i = 0; i < ARRAY_SIZE(seqs); i++)					\
		receive(WINDOW, seqs[i]);					\
}

RECEIVE(receive_late, 150)
RECEIVE(receive_next, 201)
RECEIVE(receive_far, 201 + 64)
RECEIVE(receive_same_bit, 150 + 64)
RECEIVE(receive_low, 500, 502)
RECEIVE(receive_mixed, 502, 501)

static void end_next(void)
{
	holds(accepted(WINDOW, 201) == 1);
	end_window();
}

/* Copies of a number on three CPUs */
EXPLORE(copies, begin_window, edge_moves_up, end_next,
	{ { receive_next, .cpu = 0 }, { receive_next, .cpu = 1 }, { receive_next, .cpu = 2 } })

/* ... that the window moves on from */
EXPLORE(copies_too_old, begin_window, edge_moves_up, end_window,
	{ { receive_next, .cpu = 0 }, { receive_next, .cpu = 1 }, { receive_far, .cpu = 2 } })

/* ... whose bit gets another owner */
EXPLORE(copies_of_a_bit, begin_window, edge_moves_up, end_window,
	{ { receive_late, .cpu = 0 }, { receive_late, .cpu = 1 },
	  { receive_same_bit, .cpu = 2 } })

/* ... whose bit is still that of a number a window before */
static void begin_stale(void)
{
	begin_window();
	holds(receive(WINDOW, 150) == VPE_FRESH);
}

static void end_stale(void)
{
	holds(accepted(WINDOW, 150 + 64) == 1);
	end_window();
}

RECEIVE(receive_above_stale, 150 + 65)

EXPLORE(copies_of_a_stale_bit, begin_stale, edge_moves_up, end_stale,
	{ { receive_same_bit, .cpu = 0 }, { receive_same_bit, .cpu = 1 },
	  { receive_above_stale, .cpu = 2 } })

static void begin_large_window(void)
{
	begin_receiving();
	ctx->window_size = 128;
	holds(receive(WINDOW, 200) == VPE_FRESH);
}

RECEIVE(receive_up, 320)
RECEIVE(receive_two_words, 195, 320)

/* A window of two words, which are not cleared at once */
EXPLORE(large_window, begin_large_window, edge_moves_up, end_window,
	{ { receive_up, .cpu = 0 }, { receive_two_words, .cpu = 1 } })

/* Windows that are not there yet */

static void end_new(void)
{
	holds(accepted(WINDOW, 500) == 1 && accepted(WINDOW, 501) == 1 &&
	      accepted(WINDOW, 502) == 1);
	check_window(WINDOW);
	holds(atomic_read(&here.windows) == 1 && ctx->nr_windows == 1);
	end_receiving();
}

EXPLORE(new_window, begin_receiving, edge_moves_up, end_new,
	{ { receive_low, .cpu = 0 }, { receive_mixed, .cpu = 1 } })

RECEIVE(receive_first, 500)

static void end_beside(void)
{
	holds(accepted(WINDOW, 500) == 1);
	check_window(WINDOW);
	holds(atomic_read(&here.windows) == 2 && ctx->nr_windows == 2);
	end_receiving();
}

EXPLORE(new_window_thrice, begin_beside_one, edge_moves_up, end_beside,
	{ { receive_first, .cpu = 0 }, { receive_first, .cpu = 1 },
	  { receive_first, .cpu = 2 } })

/* A sender's first windows: one record, and its bound */
static void begin_group(void)
{
	begin_beside(64, 2 << 16 | WINDOW);
	here.sender_max = 1;
}

static void receive_sender(void)
{
	receive(GROUP_WINDOW, 500);
}

static void receive_sender_more(void)
{
	enum vpe_verdict verdict = receive(GROUP_WINDOW + 1, 500);

	holds(verdict == VPE_FRESH || verdict == VPE_NO_ROOM);
}

static void end_group(void)
{
	struct vpe_sender *sender = xa_load(&ctx->senders, GROUP_WINDOW >> 16);

	holds(sender && sender->windows == 1);
	holds(ctx->nr_windows == 2 && atomic_read(&here.windows) == 2);
	holds(accepted(GROUP_WINDOW, 500) + accepted(GROUP_WINDOW + 1, 500) == 1);
	end_receiving();
}

EXPLORE(new_sender, begin_group, NULL, end_group,
	{ { receive_sender, .cpu = 0 }, { receive_sender, .cpu = 1 },
	  { receive_sender_more, .cpu = 2 } })

/* With room for one window its maker's rival is let in to it. */
static void begin_last_room(void)
{
	begin_beside_one();
	here.windows_max = 2;
}

static void receive_elsewhere(void)
{
	receive(WINDOW + 2, 500);
}

static void end_last_room(void)
{
	bool one = vpe_context_window(ctx, WINDOW);

	holds(atomic_read(&here.windows) == 2 && ctx->nr_windows == 2);
	holds(accepted(WINDOW, 500) == one && accepted(WINDOW, 501) == one);
	holds(accepted(WINDOW + 2, 500) == !one);
	check_window(one ? WINDOW : WINDOW + 2);
	end_receiving();
}

RECEIVE(receive_second, 501)

EXPLORE(last_room, begin_last_room, NULL, end_last_room,
	{ { receive_first, .cpu = 0 }, { receive_second, .cpu = 1 },
	  { receive_elsewhere, .cpu = 2 } })

/* Closing: once it is over nothing up to there comes in. */

/* A bit of which is soon set. */
static void begin_small_window(void)
{
	begin_beside(4, WINDOW + 1);
	holds(receive(WINDOW, 200) == VPE_FRESH);
}

static void begin_small_beside(void)
{
	begin_beside(4, WINDOW + 1);
}

static void close_at(u64 seq)
{
	explore_bh_disable();
	holds(vpe_context_close(ctx, WINDOW, seq) == VPE_FRESH);
	explore_bh_enable();
	WRITE_ONCE(done, true);
}

static void close_low(void)
{
	close_at(202);
}

static void close_new(void)
{
	close_at(500);
}

static void receive_unless_closed(u64 seq)
{
	bool over = READ_ONCE(done);

	holds(receive(WINDOW, seq) != VPE_FRESH || !over);
}

static void receive_closed_old(void)
{
	receive_unless_closed(199);
	receive_unless_closed(202);
}

static void receive_closed_new(void)
{
	receive_unless_closed(500);
}

static void receive_above(void)
{
	holds(receive(WINDOW, 203) == VPE_FRESH);
}

static void receive_above_new(void)
{
	holds(receive(WINDOW, 501) == VPE_FRESH);
}

static void end_closed(void)
{
	holds(receive(WINDOW, 202) != VPE_FRESH && receive(WINDOW, 199) != VPE_FRESH);
	check_window(WINDOW);
	end_receiving();
}

static void end_closed_new(void)
{
	holds(receive(WINDOW, 500) != VPE_FRESH && receive(WINDOW, 499) != VPE_FRESH);
	check_window(WINDOW);
	holds(atomic_read(&here.windows) == 2 && ctx->nr_windows == 2);
	end_receiving();
}

EXPLORE(closed, begin_small_window, edge_moves_up, end_closed,
	{ { close_low, .cpu = 0 }, { receive_closed_old, .cpu = 1 },
	  { receive_above, .cpu = 2 } })

EXPLORE(closed_new, begin_small_beside, edge_moves_up, end_closed_new,
	{ { close_new, .cpu = 0 }, { receive_closed_new, .cpu = 1 },
	  { receive_above_new, .cpu = 2 } })

/* ESP's window is made with what is closed. */
static void begin_esp_window(void)
{
	begin_esp();
	ctx->last = U64_MAX;
	ctx->window_size = 4;
	ctx->closed = 100;
	holds(receive(WINDOW, 500) == VPE_FRESH);	/* makes the tables */
}

static void receive_esp(void)
{
	receive(0, vpe_context_infer(ctx, 101));
}

static void receive_esp_closed(void)
{
	holds(receive(0, 100) != VPE_FRESH);
	holds(receive(0, 102) == VPE_FRESH);
}

static void end_esp_window(void)
{
	holds(accepted(0, 101) == 1);
	holds(accepted(0, 100) == 0);
	holds(vpe_context_window(ctx, 0)->packets == 2);
	holds(ctx->nr_windows == 2 && atomic_read(&here.windows) == 2);
	end_receiving();
}

EXPLORE(esp_window, begin_esp_window, NULL, end_esp_window,
	{ { receive_esp, .cpu = 0 }, { receive_esp, .cpu = 1 },
	  { receive_esp_closed, .cpu = 2 } })

/* Counts of late packets, for which memory is found when the first comes. */

static void count_late(void)
{
	vpe_window_late(vpe_context_window(ctx, WINDOW), 3, explore_me());
}

static void end_late(void)
{
	const struct vpe_window *w = vpe_context_window(ctx, WINDOW);

	holds(atomic64_read(&w->late->packets[0][3]) == 1);
	holds(atomic64_read(&w->late->packets[1][3]) == 2);
	end_receiving();
}

static void count_late_twice(void)
{
	struct vpe_window *w = vpe_context_window(ctx, WINDOW);

	vpe_window_late(w, 3, true);
	vpe_window_late(w, 3, true);
}

EXPLORE(late, begin_window, NULL, end_late,
	{ { count_late, .cpu = 0 }, { count_late_twice, .cpu = 1 } })

/* Of the explorer itself: three writes beside three more */

static u64 written;

static void write_thrice(void)
{
	WRITE_ONCE(written, 1);
	WRITE_ONCE(written, 2);
	WRITE_ONCE(written, 3);
}

static void end_nothing(void)
{
	holds(written == 3);
}

static void all_orders(void)
{
	static const struct explore_case c = {
		load, NULL, end_nothing,
		{ { write_thrice, .cpu = 0 }, { write_thrice, .cpu = 1 } }
	};

	expect_eq(explore(&c), 20);	/* 6! / 3! / 3! */
}

static const struct test_case cases[] = {
	{ "all_orders", all_orders },
	{ "starts", starts },
	{ "interrupts", interrupts },
	{ "migration", migration },
	{ "last_numbers", last_numbers },
	{ "classes", classes },
	{ "claims", claims },
	{ "handover", handover },
	{ "coming", coming },
	{ "revoked", revoked },
	{ "revoked_at_start", revoked_at_start },
	{ "revoked_key", revoked_key },
	{ "revoked_ahead", revoked_ahead },
	{ "esp_numbers", esp_numbers },
	{ "copies", copies },
	{ "copies_too_old", copies_too_old },
	{ "copies_of_a_bit", copies_of_a_bit },
	{ "copies_of_a_stale_bit", copies_of_a_stale_bit },
	{ "large_window", large_window },
	{ "new_window", new_window },
	{ "new_window_thrice", new_window_thrice },
	{ "new_sender", new_sender },
	{ "last_room", last_room },
	{ "closed", closed },
	{ "closed_new", closed_new },
	{ "esp_window", esp_window },
	{ "late", late },
	{ }
};

const struct test_suite suite_explore = { "vpe_explore", cases };
