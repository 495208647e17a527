// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: which messages of a stream have come
 *
 * - windows: what messages, promises and repairs make of a window, step by
 *   step. Every row is tried with the numbers at several places, such that
 *   they wrap within it in some.
 * - arrivals, complete: what is asked of a window, at each of its edges
 * - full: what becomes of it when there are too many gaps
 * - ask: when a gap is asked for, and again; also where jiffies wrap
 * - random: the same as a plain list of numbers says
 */

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>
#include <linux/string.h>

#include "../ip_vs_sync_window.h"

#define SEED		20111122
#define RANGES		IP_VS_SYNC_RANGES_MAX

/* Too large for the stack; tests run one at a time */
static struct ip_vs_sync_window one;

/* Number of the message that rows call 0 */
static const u32 origins[] = {
	100,
	0,
	1,
	0x7ffffff0,		/* signed numbers wrap within */
	0x80000000,
	0xffffffff,
	0xfffffffa,		/* these wrap within */
	0xffffff80,
};

/* Times do not matter to where gaps are */
#define NOW		1000
#define ASK		1010

enum what {
	END,
	SEEN,			/* a message came */
	KNOWN,			/* one was sent */
	CLOSE,			/* a range need not come any more */
};

struct step {
	enum what			what;
	u32				first;
	u32				last;
};

#define STEPS_MAX	8
#define GAPS_MAX	5

/* A window opened at 0, numbers relative to that */
static const struct window_row {
	const char			*desc;
	struct step			steps[STEPS_MAX];
	unsigned int			n;
	struct ip_vs_sync_range		gaps[GAPS_MAX];
	u32				high;
} window_rows[] = {
	{ "nothing", {}, 0, {}, -1 },
	{ "the first", { { SEEN, 0 } }, 0, {}, 0 },
	{ "in order", { { SEEN, 0 }, { SEEN, 1 }, { SEEN, 2 } }, 0, {}, 2 },
	{ "twice", { { SEEN, 0 }, { SEEN, 1 }, { SEEN, 1 }, { SEEN, 0 } },
	  0, {}, 1 },
	{ "before the window", { { SEEN, 0 }, { SEEN, -1 }, { SEEN, -9 } },
	  0, {}, 0 },
	{ "the first is lost", { { SEEN, 1 } }, 1, { { 0, 0 } }, 1 },
	{ "one is lost", { { SEEN, 0 }, { SEEN, 2 } }, 1, { { 1, 1 } }, 2 },
	{ "some are lost", { { SEEN, 0 }, { SEEN, 9 } }, 1, { { 1, 8 } }, 9 },
	{ "two gaps", { { SEEN, 1 }, { SEEN, 5 } }, 2,
	  { { 0, 0 }, { 2, 4 } }, 5 },
	{ "the last is lost", { { SEEN, 0 }, { KNOWN, 0, 1 } }, 1,
	  { { 1, 1 } }, 1 },
	{ "all are lost", { { KNOWN, 0, 7 } }, 1, { { 0, 7 } }, 7 },
	{ "nothing new is known", { { SEEN, 3 }, { KNOWN, 0, 3 },
	  { KNOWN, 0, 2 }, { KNOWN, 0, 0 }, { KNOWN, 0, -1 } }, 1,
	  { { 0, 2 } }, 3 },
	{ "gaps that touch", { { KNOWN, 0, 2 }, { KNOWN, 0, 5 },
	  { SEEN, 8 } }, 3, { { 0, 2 }, { 3, 5 }, { 6, 7 } }, 8 },
	{ "late, the first of a gap", { { SEEN, 4 }, { SEEN, 0 } }, 1,
	  { { 1, 3 } }, 4 },
	{ "late, the last of a gap", { { SEEN, 4 }, { SEEN, 3 } }, 1,
	  { { 0, 2 } }, 4 },
	{ "late, within a gap", { { SEEN, 4 }, { SEEN, 2 } }, 2,
	  { { 0, 1 }, { 3, 3 } }, 4 },
	{ "late, all of a gap", { { SEEN, 1 }, { SEEN, 0 } }, 0, {}, 1 },
	{ "late, in the middle of three", { { SEEN, 1 }, { SEEN, 3 },
	  { SEEN, 5 }, { SEEN, 2 } }, 2, { { 0, 0 }, { 4, 4 } }, 5 },
	{ "backwards", { { SEEN, 3 }, { SEEN, 2 }, { SEEN, 1 }, { SEEN, 0 } },
	  0, {}, 3 },
	{ "close what is complete", { { SEEN, 3 }, { CLOSE, 3, 3 } }, 1,
	  { { 0, 2 } }, 3 },
	{ "close before", { { SEEN, 0 }, { SEEN, 3 }, { CLOSE, -9, 0 } }, 1,
	  { { 1, 2 } }, 3 },
	{ "close behind", { { SEEN, 3 }, { CLOSE, 3, 9 } }, 1,
	  { { 0, 2 } }, 3 },
	{ "close a gap", { { SEEN, 3 }, { CLOSE, 0, 2 } }, 0, {}, 3 },
	{ "close more than a gap", { { SEEN, 3 }, { CLOSE, -1, 3 } }, 0, {},
	  3 },
	{ "close the head", { { SEEN, 6 }, { CLOSE, 0, 2 } }, 1,
	  { { 3, 5 } }, 6 },
	{ "close the head and more", { { SEEN, 6 }, { CLOSE, -5, 0 } }, 1,
	  { { 1, 5 } }, 6 },
	{ "close the tail", { { SEEN, 6 }, { CLOSE, 3, 5 } }, 1,
	  { { 0, 2 } }, 6 },
	{ "close the tail and more", { { SEEN, 6 }, { CLOSE, 5, 20 } }, 1,
	  { { 0, 4 } }, 6 },
	{ "close all but the head", { { SEEN, 6 }, { CLOSE, 1, 5 } }, 1,
	  { { 0, 0 } }, 6 },
	{ "close all but the tail", { { SEEN, 6 }, { CLOSE, 0, 4 } }, 1,
	  { { 5, 5 } }, 6 },
	{ "close within", { { SEEN, 6 }, { CLOSE, 1, 4 } }, 2,
	  { { 0, 0 }, { 5, 5 } }, 6 },
	{ "close across gaps", { { SEEN, 3 }, { SEEN, 7 }, { SEEN, 11 },
	  { CLOSE, 0, 10 } }, 0, {}, 11 },
	{ "close from within to within", { { SEEN, 3 }, { SEEN, 7 },
	  { SEEN, 11 }, { CLOSE, 1, 9 } }, 2, { { 0, 0 }, { 10, 10 } }, 11 },
	{ "close from gap to gap", { { SEEN, 3 }, { SEEN, 7 }, { SEEN, 11 },
	  { CLOSE, 3, 7 } }, 2, { { 0, 2 }, { 8, 10 } }, 11 },
	{ "close gaps that touch", { { KNOWN, 0, 2 }, { KNOWN, 0, 5 },
	  { CLOSE, 2, 3 } }, 2, { { 0, 1 }, { 4, 5 } }, 5 },
	{ "close one of two that touch", { { KNOWN, 0, 2 }, { KNOWN, 0, 5 },
	  { CLOSE, 3, 5 } }, 1, { { 0, 2 } }, 5 },
	{ "closed is not opened again", { { SEEN, 3 }, { CLOSE, 0, 2 },
	  { KNOWN, 0, 2 }, { SEEN, 1 } }, 0, {}, 3 },
	{ "the widest gap", { { SEEN, 0x7fffffff } }, 1,
	  { { 0, 0x7ffffffe } }, 0x7fffffff },
	{ "too far ahead is behind", { { SEEN, 0 }, { SEEN, 0x80000001 },
	  { KNOWN, 0, 0x80000001 } }, 0, {}, 0 },
};

static void window_desc(const struct window_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(window, window_rows, window_desc);

static void expect_gaps(struct kunit *test, const struct ip_vs_sync_window *w,
			u32 origin, const struct ip_vs_sync_range *gaps,
			unsigned int n)
{
	u32 missing = 0;
	unsigned int i;

	KUNIT_ASSERT_EQ_MSG(test, w->n, n, "origin %u", origin);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ_MSG(test, w->gaps[i].r.first - origin,
				    gaps[i].first, "origin %u gap %u",
				    origin, i);
		KUNIT_EXPECT_EQ_MSG(test, w->gaps[i].r.last - origin,
				    gaps[i].last, "origin %u gap %u",
				    origin, i);
		missing += gaps[i].last - gaps[i].first + 1;
	}
	KUNIT_EXPECT_EQ(test, ip_vs_sync_window_missing(w), missing);
}

static void window_step(struct ip_vs_sync_window *w, u32 origin,
			const struct step *s)
{
	struct ip_vs_sync_range r = { origin + s->first, origin + s->last };

	if (s->what == SEEN)
		ip_vs_sync_window_seen(w, r.first, NOW, ASK);
	else if (s->what == KNOWN)
		ip_vs_sync_window_known(w, r.last, NOW, ASK);
	else
		ip_vs_sync_window_close(w, &r);
}

static void window_one(struct kunit *test)
{
	const struct window_row *row = test->param_value;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		ip_vs_sync_window_open(&one, origins[i]);
		for (j = 0; j < STEPS_MAX && row->steps[j].what; j++)
			window_step(&one, origins[i], &row->steps[j]);
		KUNIT_EXPECT_EQ(test, one.base, origins[i]);
		KUNIT_EXPECT_EQ(test, one.high - origins[i], row->high);
		expect_gaps(test, &one, origins[i], row->gaps, row->n);
	}
}

/* 0 came, 1 to 4 are missed, 5 came, 6 is missed, 7 came, 8 to 9 are missed */
static void holed(struct ip_vs_sync_window *w, u32 origin)
{
	ip_vs_sync_window_open(w, origin);
	ip_vs_sync_window_seen(w, origin, NOW, ASK);
	ip_vs_sync_window_seen(w, origin + 5, NOW, ASK);
	ip_vs_sync_window_seen(w, origin + 7, NOW, ASK);
	ip_vs_sync_window_known(w, origin + 9, NOW, ASK);
}

static const struct arrival_row {
	const char			*desc;
	u32				seq;
	enum ip_vs_sync_arrival		arrival;
} arrival_rows[] = {
	{ "long before", -0x7ffffff0, IP_VS_SYNC_AGAIN },
	{ "before the window", -1, IP_VS_SYNC_AGAIN },
	{ "first of the window", 0, IP_VS_SYNC_AGAIN },
	{ "first of a gap", 1, IP_VS_SYNC_LATE },
	{ "within a gap", 2, IP_VS_SYNC_LATE },
	{ "last of a gap", 4, IP_VS_SYNC_LATE },
	{ "between gaps", 5, IP_VS_SYNC_AGAIN },
	{ "gap of one", 6, IP_VS_SYNC_LATE },
	{ "in front of the last gap", 7, IP_VS_SYNC_AGAIN },
	{ "first of the last gap", 8, IP_VS_SYNC_LATE },
	{ "the last known", 9, IP_VS_SYNC_LATE },
	{ "the next", 10, IP_VS_SYNC_NEXT },
	{ "later", 1000, IP_VS_SYNC_NEXT },
	{ "as late as can be", 9 + 0x7fffffffU, IP_VS_SYNC_NEXT },
};

static void arrival_desc(const struct arrival_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(arrival, arrival_rows, arrival_desc);

static void arrival_one(struct kunit *test)
{
	const struct arrival_row *row = test->param_value;
	unsigned int i;
	u32 seq;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		holed(&one, origins[i]);
		seq = origins[i] + row->seq;
		KUNIT_EXPECT_EQ_MSG(test, ip_vs_sync_window_test(&one, seq),
				    row->arrival, "origin %u", origins[i]);
		/* What is taken is a duplicate from then on */
		ip_vs_sync_window_seen(&one, seq, NOW, ASK);
		KUNIT_EXPECT_EQ_MSG(test, ip_vs_sync_window_test(&one, seq),
				    IP_VS_SYNC_AGAIN, "origin %u",
				    origins[i]);
	}
}

static const struct complete_row {
	const char			*desc;
	u32				first;
	u32				last;
	bool				complete;
	bool				repaired;	/* with no gap at all */
} complete_rows[] = {
	{ "in front of the gaps", 0, 0, true, true },
	{ "begins before the window", -1, 0, false, false },
	{ "begins and ends before", -5, -2, false, false },
	{ "nothing", 0, -1, true, true },
	{ "nothing, before", -1, -2, false, false },
	{ "up to a gap", 0, 1, false, true },
	{ "only a gap", 1, 4, false, true },
	{ "over a gap", 0, 5, false, true },
	{ "from behind a gap", 5, 5, false, true },
	{ "all", 0, 9, false, true },
	{ "nothing, behind gaps", 10, 9, false, true },
	{ "more than was sent", 0, 10, false, false },
	{ "what was not sent", 10, 10, false, false },
	{ "nothing, not sent", 12, 11, false, false },
};

static void complete_desc(const struct complete_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(complete, complete_rows, complete_desc);

static void complete_one(struct kunit *test)
{
	const struct complete_row *row = test->param_value;
	struct ip_vs_sync_range all;
	unsigned int i;
	u32 first, last;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		first = origins[i] + row->first;
		last = origins[i] + row->last;
		holed(&one, origins[i]);
		KUNIT_EXPECT_EQ_MSG(test,
				    ip_vs_sync_window_complete(&one, first,
							       last),
				    row->complete, "origin %u", origins[i]);
		all.first = origins[i];
		all.last = origins[i] + 9;
		ip_vs_sync_window_close(&one, &all);
		KUNIT_EXPECT_EQ_MSG(test,
				    ip_vs_sync_window_complete(&one, first,
							       last),
				    row->repaired, "origin %u", origins[i]);
	}
}

#define NONE		RANGES

/* As many gaps as are kept apart, each of 3 messages: 0 to 2, 10 to 12 and so
 * on, one of them of 4. They are as old as their place.
 */
static void fill_up(struct ip_vs_sync_window *w, u32 origin, unsigned int wide)
{
	unsigned int i, j;

	ip_vs_sync_window_open(w, origin);
	for (i = 0; i < RANGES; i++)
		for (j = 3 + (i == wide); j < 10; j++)
			ip_vs_sync_window_seen(w, origin + 10 * i + j,
					       NOW + i, ASK + i);
}

static void expect_full(struct kunit *test, const struct ip_vs_sync_window *w,
			u32 origin, unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = from; i < to; i++) {
		KUNIT_EXPECT_EQ(test, w->gaps[i].r.first - origin, 10 * i);
		KUNIT_EXPECT_EQ(test, w->gaps[i].r.last - origin, 10 * i + 2);
		KUNIT_EXPECT_EQ(test, w->gaps[i].since, NOW + i);
	}
}

/* One gap more: all are as near, so the first two become one */
static void full_merge_first(struct kunit *test)
{
	unsigned int i, j;
	u32 origin;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		origin = origins[i];
		fill_up(&one, origin, NONE);
		KUNIT_ASSERT_EQ(test, one.n, RANGES);
		expect_full(test, &one, origin, 0, RANGES);

		ip_vs_sync_window_seen(&one, origin + 10 * RANGES + 2,
				       NOW + RANGES, ASK + RANGES);
		KUNIT_ASSERT_EQ(test, one.n, RANGES);
		KUNIT_EXPECT_EQ(test, one.gaps[0].r.first, origin);
		KUNIT_EXPECT_EQ(test, one.gaps[0].r.last, origin + 12);
		/* As old as the older */
		KUNIT_EXPECT_EQ(test, one.gaps[0].since, NOW);
		KUNIT_EXPECT_EQ(test, one.gaps[0].ask, ASK);
		for (j = 1; j < RANGES; j++) {
			KUNIT_EXPECT_EQ(test, one.gaps[j].r.first,
					origin + 10 * (j + 1));
			KUNIT_EXPECT_EQ(test, one.gaps[j].since, NOW + j + 1);
		}
		KUNIT_EXPECT_EQ(test, one.gaps[RANGES - 1].r.last,
				origin + 10 * RANGES + 1);
		KUNIT_EXPECT_EQ(test, ip_vs_sync_window_missing(&one),
				3 * RANGES + 2 + 7);
		/* What has come between the two counts as missing */
		KUNIT_EXPECT_EQ(test, ip_vs_sync_window_test(&one, origin + 5),
				IP_VS_SYNC_LATE);
	}
}

/* Two neighbours are nearer than the others, wherever they are */
static void full_merge_nearest(struct kunit *test)
{
	unsigned int i, at;
	u32 origin;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		for (at = 0; at + 1 < RANGES; at++) {
			origin = origins[i];
			fill_up(&one, origin, at);
			ip_vs_sync_window_known(&one, origin + 10 * RANGES + 5,
						NOW + RANGES, ASK + RANGES);
			KUNIT_ASSERT_EQ(test, one.n, RANGES);
			expect_full(test, &one, origin, 0, at);
			KUNIT_EXPECT_EQ(test, one.gaps[at].r.first - origin,
					10 * at);
			KUNIT_EXPECT_EQ(test, one.gaps[at].r.last - origin,
					10 * at + 12);
			KUNIT_EXPECT_EQ(test, one.gaps[at].since, NOW + at);
			KUNIT_EXPECT_EQ(test, one.gaps[RANGES - 1].r.first -
					origin, 10 * RANGES);
		}
	}
}

/* Gaps that touch are the nearest of all: to make them one costs nothing */
static void full_merge_touching(struct kunit *test)
{
	unsigned int i;

	ip_vs_sync_window_open(&one, 0);
	for (i = 1; i <= 10 * RANGES; i++)
		ip_vs_sync_window_known(&one, i - 1, NOW, ASK);
	KUNIT_EXPECT_EQ(test, one.n, RANGES);
	KUNIT_EXPECT_EQ(test, one.gaps[0].r.first, 0);
	KUNIT_EXPECT_EQ(test, one.gaps[RANGES - 1].r.last, 10 * RANGES - 1);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_window_missing(&one), 10 * RANGES);
}

/* Without room for two parts a gap stays whole; all else is done */
static void full_cut(struct kunit *test)
{
	struct ip_vs_sync_range r;
	unsigned int i;
	u32 origin;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		origin = origins[i];
		fill_up(&one, origin, NONE);
		ip_vs_sync_window_seen(&one, origin + 11, NOW, ASK);
		KUNIT_EXPECT_EQ(test, one.n, RANGES);
		expect_full(test, &one, origin, 0, RANGES);

		ip_vs_sync_window_seen(&one, origin + 20, NOW, ASK);
		KUNIT_EXPECT_EQ(test, one.gaps[2].r.first, origin + 21);
		ip_vs_sync_window_seen(&one, origin + 32, NOW, ASK);
		KUNIT_EXPECT_EQ(test, one.gaps[3].r.last, origin + 31);
		KUNIT_EXPECT_EQ(test, one.n, RANGES);

		/* Room for one: now it is cut */
		r.first = origin + 40;
		r.last = origin + 42;
		ip_vs_sync_window_close(&one, &r);
		KUNIT_EXPECT_EQ(test, one.n, RANGES - 1);
		ip_vs_sync_window_seen(&one, origin + 11, NOW, ASK);
		KUNIT_EXPECT_EQ(test, one.n, RANGES);
		KUNIT_EXPECT_EQ(test, one.gaps[1].r.last, origin + 10);
		KUNIT_EXPECT_EQ(test, one.gaps[2].r.first, origin + 12);
		KUNIT_EXPECT_EQ(test, one.gaps[2].r.last, origin + 12);
		/* Both parts are as old as the whole */
		KUNIT_EXPECT_EQ(test, one.gaps[1].since, NOW + 1);
		KUNIT_EXPECT_EQ(test, one.gaps[2].since, NOW + 1);
		KUNIT_EXPECT_EQ(test, one.gaps[2].ask, ASK + 1);
	}
}

static void full_close(struct kunit *test)
{
	struct ip_vs_sync_range r;
	unsigned int i;
	u32 origin;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		origin = origins[i];
		fill_up(&one, origin, NONE);
		r.first = origin + 1;
		r.last = origin + 10 * (RANGES - 1) + 1;
		ip_vs_sync_window_close(&one, &r);
		KUNIT_ASSERT_EQ(test, one.n, 2);
		KUNIT_EXPECT_EQ(test, one.gaps[0].r.first, origin);
		KUNIT_EXPECT_EQ(test, one.gaps[0].r.last, origin);
		KUNIT_EXPECT_EQ(test, one.gaps[1].r.first, r.last + 1);
		KUNIT_EXPECT_EQ(test, one.gaps[1].r.last, r.last + 1);
		KUNIT_EXPECT_EQ(test, one.gaps[1].since, NOW + RANGES - 1);
	}
}

/* Jiffies between one request and the next; then as the last */
static const unsigned long waits[] = {
	HZ / 20, HZ / 10, HZ / 5, 2 * HZ / 5, 4 * HZ / 5, HZ,
};

/* More than there are bits to shift */
#define REQUESTS	70

static const unsigned long clocks[] = {
	1000,
	0,
	-1UL,
	-(unsigned long)HZ,		/* wraps between requests */
	(unsigned long)LONG_MAX - HZ,
	(unsigned long)LONG_MAX,
};

/* A gap is asked for when it is time, and then later and later */
static void ask_again(struct kunit *test)
{
	struct ip_vs_sync_range ranges[RANGES];
	unsigned long now, when, next, wait;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(clocks); i++) {
		now = clocks[i];
		when = 7;
		ip_vs_sync_window_open(&one, 1);
		KUNIT_EXPECT_FALSE(test,
				   ip_vs_sync_window_next_ask(&one, &when));
		KUNIT_EXPECT_EQ(test, when, 7);
		ip_vs_sync_window_seen(&one, 5, now, now + 3);
		for (j = 0; j < 2; j++) {
			next = now + 3;
			KUNIT_EXPECT_TRUE(test,
					  ip_vs_sync_window_next_ask(&one,
								     &when));
			KUNIT_EXPECT_EQ(test, when, next);
			KUNIT_EXPECT_EQ(test,
					ip_vs_sync_window_ask(&one, now + j * 2,
							      ranges), 0);
		}
		now += 3;
		for (j = 0; j < REQUESTS; j++) {
			KUNIT_ASSERT_EQ(test,
					ip_vs_sync_window_ask(&one, now - 1,
							      ranges), 0);
			KUNIT_ASSERT_EQ(test,
					ip_vs_sync_window_ask(&one, now,
							      ranges), 1);
			KUNIT_EXPECT_EQ(test, ranges[0].first, 1);
			KUNIT_EXPECT_EQ(test, ranges[0].last, 4);
			KUNIT_EXPECT_TRUE(test,
					  ip_vs_sync_window_next_ask(&one,
								     &when));
			/* A tick may be no part of these times */
			wait = waits[min_t(unsigned int, j,
					   ARRAY_SIZE(waits) - 1)];
			KUNIT_EXPECT_LE(test, when - now, wait);
			KUNIT_EXPECT_GE(test, when - now, wait - wait / 16);
			now = when;
		}
	}
}

/* Of many gaps those that are due, and the next of all */
static void ask_due(struct kunit *test)
{
	struct ip_vs_sync_range ranges[RANGES];
	unsigned long when, now;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(clocks); i++) {
		now = clocks[i];
		ip_vs_sync_window_open(&one, 1);
		ip_vs_sync_window_seen(&one, 2, now, now + 9);
		ip_vs_sync_window_seen(&one, 4, now, now + 5);
		ip_vs_sync_window_seen(&one, 6, now, now + 7);
		KUNIT_EXPECT_TRUE(test,
				  ip_vs_sync_window_next_ask(&one, &when));
		KUNIT_EXPECT_EQ(test, when, now + 5);
		KUNIT_ASSERT_EQ(test, ip_vs_sync_window_ask(&one, now + 7,
							    ranges), 2);
		KUNIT_EXPECT_EQ(test, ranges[0].first, 3);
		KUNIT_EXPECT_EQ(test, ranges[0].last, 3);
		KUNIT_EXPECT_EQ(test, ranges[1].first, 5);
		KUNIT_EXPECT_TRUE(test,
				  ip_vs_sync_window_next_ask(&one, &when));
		KUNIT_EXPECT_EQ(test, when, now + 9);
		KUNIT_EXPECT_EQ(test, one.gaps[0].asked, 0);
		KUNIT_EXPECT_EQ(test, one.gaps[1].asked, 1);
	}
}

/* All of a full window fit into one request */
static void ask_full(struct kunit *test)
{
	struct ip_vs_sync_range *ranges;
	unsigned int i;

	ranges = kunit_kmalloc_array(test, RANGES, sizeof(*ranges), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	fill_up(&one, 1, NONE);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_window_ask(&one, ASK + RANGES, ranges),
			RANGES);
	for (i = 0; i < RANGES; i++) {
		KUNIT_EXPECT_EQ(test, ranges[i].first, 10 * i + 1);
		KUNIT_EXPECT_EQ(test, ranges[i].last, 10 * i + 3);
	}
}

/* The same as a list of numbers: which of the first so many are missed */
#define LIST_MAX	1200

struct list {
	bool				missed[LIST_MAX];
	u32				high;		/* one past it */
	bool				merged;
};

static void list_known(struct list *list, u32 end)
{
	for (; list->high < end; list->high++)
		list->missed[list->high] = true;
}

static void list_close(struct list *list, u32 first, u32 last)
{
	for (; first <= last && first < list->high; first++)
		list->missed[first] = false;
}

/* A window may say that more is missed, but only once it had too many gaps */
static void expect_list(struct kunit *test, const struct ip_vs_sync_window *w,
			u32 origin, const struct list *list)
{
	enum ip_vs_sync_arrival arrival;
	unsigned int i, missed = 0;

	KUNIT_ASSERT_EQ(test, w->high + 1 - origin, list->high);
	for (i = 0; i < list->high; i++) {
		arrival = ip_vs_sync_window_test(w, origin + i);
		missed += arrival == IP_VS_SYNC_LATE;
		if (list->missed[i] || list->merged)
			KUNIT_ASSERT_NE(test, arrival, IP_VS_SYNC_NEXT);
		if (list->missed[i])
			KUNIT_ASSERT_EQ_MSG(test, arrival, IP_VS_SYNC_LATE,
					    "%u is not missed", i);
		else if (!list->merged)
			KUNIT_ASSERT_EQ_MSG(test, arrival, IP_VS_SYNC_AGAIN,
					    "%u is missed", i);
	}
	KUNIT_ASSERT_EQ(test, ip_vs_sync_window_missing(w), missed);
	for (i = 0; i < w->n; i++) {
		KUNIT_ASSERT_LE(test, w->gaps[i].r.first - origin,
				w->gaps[i].r.last - origin);
		KUNIT_ASSERT_LT(test, w->gaps[i].r.last - origin, list->high);
		if (i)
			KUNIT_ASSERT_LT(test, w->gaps[i - 1].r.last - origin,
					w->gaps[i].r.first - origin);
	}
}

static void random_step(struct rnd_state *rnd, struct ip_vs_sync_window *w,
			u32 origin, struct list *list)
{
	u32 first, last, kind = prandom_u32_state(rnd) % 8;
	struct ip_vs_sync_range r;

	list->merged = list->merged || w->n == RANGES;
	first = prandom_u32_state(rnd) % (list->high + 6);
	last = first + prandom_u32_state(rnd) % 9;
	if (kind < 5) {
		list_known(list, first);
		if (first == list->high)
			list->high++;
		list->missed[first] = false;
		ip_vs_sync_window_seen(w, origin + first, NOW, ASK);
	} else if (kind < 6) {
		list_known(list, first + 1);
		ip_vs_sync_window_known(w, origin + first, NOW, ASK);
	} else {
		list_close(list, first, last);
		r.first = origin + first;
		r.last = origin + last;
		ip_vs_sync_window_close(w, &r);
	}
}

static void random_all(struct kunit *test)
{
	struct ip_vs_sync_window *w;
	struct rnd_state rnd;
	struct list *list;
	unsigned int i, j;

	list = kunit_kmalloc(test, sizeof(*list), GFP_KERNEL);
	w = kunit_kmalloc(test, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, list);
	KUNIT_ASSERT_NOT_NULL(test, w);
	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		memset(list, 0, sizeof(*list));
		ip_vs_sync_window_open(w, origins[i]);
		for (j = 0; j < 4000 && list->high < LIST_MAX - 16; j++) {
			random_step(&rnd, w, origins[i], list);
			if (j % 16 == 0)
				expect_list(test, w, origins[i], list);
		}
		expect_list(test, w, origins[i], list);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(window_one, window_gen_params),
	KUNIT_CASE_PARAM(arrival_one, arrival_gen_params),
	KUNIT_CASE_PARAM(complete_one, complete_gen_params),
	KUNIT_CASE(full_merge_first),
	KUNIT_CASE(full_merge_nearest),
	KUNIT_CASE(full_merge_touching),
	KUNIT_CASE(full_cut),
	KUNIT_CASE(full_close),
	KUNIT_CASE(ask_again),
	KUNIT_CASE(ask_due),
	KUNIT_CASE(ask_full),
	KUNIT_CASE(random_all),
	{}
};

static struct kunit_suite suite = {
	.name		= "ipvs_sync_window",
	.test_cases	= cases,
};

kunit_test_suites(&suite);
