// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: what a master remembers of its messages
 *
 * - bounds: the first message that is remembered, and whether what is said of
 *   each is right, on both sides of what makes the rings forget. Every row is
 *   tried with numbers and counts at several places, such that they wrap within
 *   it in some.
 * - random: the same as a list of all messages says
 */

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/prandom.h>
#include <linux/string.h>

#include "../ip_vs_sync_history.h"

#define SEED		20111122
#define RECORDS		16	/* sizes of the rings */
#define MESSAGES	8
#define LIST_MAX	400	/* messages in a test */

/* Where numbers of messages and counts of records start */
static const struct origin {
	u32				next;
	u32				added;
} origins[] = {
	{ 1, 0 },
	{ 1, 0xffffffff },
	{ 0, 0 },
	{ 0xffffffff, 0xfffffff8 },
	{ 0xfffffffc, 0xfffffff5 },
	{ 0x7ffffffd, 0x7fffffff },
	{ 0xffffff80, 5 },
};

/**
 * struct past - a history, and all that it was told
 * @h:		the history
 * @origin:	number of the first message
 * @starts:	records before each message, and behind the last one
 * @n:		messages that are sent
 */
struct past {
	struct ip_vs_sync_history	h;
	u32				origin;
	u32				starts[LIST_MAX + 1];
	unsigned int			n;
};

static struct past *past_new(struct kunit *test, const struct origin *origin)
{
	struct past *past = kunit_kzalloc(test, sizeof(*past), GFP_KERNEL);
	struct ip_vs_sync_history *h;

	KUNIT_ASSERT_NOT_NULL(test, past);
	h = &past->h;
	h->buckets = kunit_kcalloc(test, RECORDS, sizeof(u32), GFP_KERNEL);
	h->starts = kunit_kcalloc(test, MESSAGES, sizeof(u32), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h->buckets);
	KUNIT_ASSERT_NOT_NULL(test, h->starts);
	h->records = RECORDS;
	h->messages = MESSAGES;
	ip_vs_sync_history_open(h);
	/* As if it had gone on for long */
	h->next = origin->next;
	h->oldest = origin->next;
	h->added = origin->added;
	h->starts[h->next % MESSAGES] = h->added;
	past->origin = origin->next;
	return past;
}

/* Where record n came from is no simple function of n */
static u32 bucket_of(u32 n)
{
	return n * 2654435761U;
}

static void past_add(struct past *past, unsigned int records)
{
	while (records--)
		ip_vs_sync_history_add(&past->h,
				       bucket_of(past->starts[past->n + 1]++));
}

static void past_close(struct past *past)
{
	ip_vs_sync_history_close(&past->h);
	past->n++;
	past->starts[past->n + 1] = past->starts[past->n];
}

/* The first message that can be remembered: the last seven that were sent and
 * the one at hand have a start, and their records are in a ring of sixteen.
 */
static unsigned int past_oldest(const struct past *past)
{
	u32 end = past->starts[past->n + 1];
	unsigned int first = past->n;

	while (first && past->n - first < MESSAGES - 1 &&
	       end - past->starts[first - 1] <= RECORDS)
		first--;
	return first;
}

static void expect_message(struct kunit *test, const struct past *past,
			   unsigned int i)
{
	struct ip_vs_sync_past found;
	u32 n;

	KUNIT_ASSERT_TRUE_MSG(test,
			      ip_vs_sync_history_find(&past->h,
						      past->origin + i,
						      &found),
			      "message %u of %u", i, past->n);
	for (n = past->starts[i]; n != past->starts[i + 1]; n++) {
		KUNIT_ASSERT_NE(test, found.pos, found.end);
		KUNIT_ASSERT_EQ(test,
				ip_vs_sync_history_bucket(&past->h, &found),
				bucket_of(n));
	}
	KUNIT_ASSERT_EQ(test, found.pos, found.end);
}

static void expect_past(struct kunit *test, const struct past *past,
			unsigned int oldest)
{
	struct ip_vs_sync_past found;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, past->h.next - past->origin, past->n);
	KUNIT_ASSERT_EQ(test, past->h.oldest - past->origin, oldest);
	for (i = oldest; i < past->n; i++)
		expect_message(test, past, i);
	/* What is forgotten, and what is not sent */
	for (i = 1; i < 40; i++) {
		KUNIT_EXPECT_FALSE(test,
				   ip_vs_sync_history_find(&past->h,
							   past->h.oldest - i,
							   &found));
		KUNIT_EXPECT_FALSE(test,
				   ip_vs_sync_history_find(&past->h,
							   past->h.next +
							   i - 1, &found));
	}
	KUNIT_EXPECT_FALSE(test, ip_vs_sync_history_find(&past->h,
							 past->h.next +
							 0x80000000U,
							 &found));
}

/* Messages with so many records each; more are in one that is not sent yet */
static const struct bound_row {
	const char			*desc;
	unsigned int			sizes[12];
	unsigned int			n;
	unsigned int			more;
	unsigned int			oldest;
} bound_rows[] = {
	{ "nothing", {}, 0, 0, 0 },
	{ "one at hand", {}, 0, 5, 0 },
	{ "one", { 5 }, 1, 0, 0 },
	{ "one without records", { 0 }, 1, 0, 0 },
	{ "messages not full", { 1, 1, 1, 1, 1, 1 }, 6, 0, 0 },
	{ "messages full", { 1, 1, 1, 1, 1, 1, 1 }, 7, 0, 0 },
	{ "messages full, one at hand", { 1, 1, 1, 1, 1, 1, 1 }, 7, 1, 0 },
	{ "a message too many", { 1, 1, 1, 1, 1, 1, 1, 1 }, 8, 0, 1 },
	{ "three too many", { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 10, 0, 3 },
	{ "too many without records", { 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 9, 0, 2 },
	{ "records full", { 5, 5, 6 }, 3, 0, 0 },
	{ "records full, none at hand", { 16 }, 1, 0, 0 },
	{ "records full with one at hand", { 5, 5 }, 2, 6, 0 },
	{ "a record too many", { 5, 5, 6, 1 }, 4, 0, 1 },
	{ "a record too many at hand", { 5, 5, 6 }, 3, 1, 1 },
	{ "a record forgets one message", { 5, 5, 6 }, 3, 5, 1 },
	{ "a record more forgets two", { 5, 5, 6 }, 3, 6, 2 },
	{ "all but one at hand", { 5, 5, 6 }, 3, 16, 3 },
	{ "more than all at hand", { 5, 5, 6 }, 3, 40, 3 },
	{ "full of one", { 16, 16 }, 2, 0, 1 },
	{ "empty ones go with those before", { 8, 0, 0, 8, 1 }, 5, 0, 1 },
	{ "empty ones stay", { 8, 0, 0, 8, 8 }, 5, 0, 1 },
	{ "both rings at their end", { 2, 2, 2, 2, 2, 2, 4 }, 7, 0, 0 },
	{ "both go over", { 2, 2, 2, 2, 2, 2, 4, 1 }, 8, 0, 1 },
};

static void bound_desc(const struct bound_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bound, bound_rows, bound_desc);

static void bound_one(struct kunit *test)
{
	const struct bound_row *row = test->param_value;
	struct past *past;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		past = past_new(test, &origins[i]);
		for (j = 0; j < row->n; j++) {
			past_add(past, row->sizes[j]);
			past_close(past);
		}
		past_add(past, row->more);
		expect_past(test, past, row->oldest);
	}
}

static void open_first(struct kunit *test)
{
	struct ip_vs_sync_history h = { .records = 2, .messages = 2 };
	struct ip_vs_sync_past found;
	u32 buckets[2], starts[2];

	h.buckets = buckets;
	h.starts = starts;
	ip_vs_sync_history_open(&h);
	KUNIT_EXPECT_EQ(test, h.next, 1);
	KUNIT_EXPECT_EQ(test, h.oldest, 1);
	KUNIT_EXPECT_FALSE(test, ip_vs_sync_history_find(&h, 0, &found));
	KUNIT_EXPECT_FALSE(test, ip_vs_sync_history_find(&h, 1, &found));
	ip_vs_sync_history_add(&h, 7);
	KUNIT_EXPECT_FALSE(test, ip_vs_sync_history_find(&h, 1, &found));
	ip_vs_sync_history_close(&h);
	KUNIT_ASSERT_TRUE(test, ip_vs_sync_history_find(&h, 1, &found));
	KUNIT_EXPECT_EQ(test, found.end - found.pos, 1);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_history_bucket(&h, &found), 7);
	KUNIT_EXPECT_EQ(test, found.end, found.pos);
}

static void random_all(struct kunit *test)
{
	unsigned int i, size, most;
	struct rnd_state rnd;
	struct past *past;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		past = past_new(test, &origins[i]);
		most = RECORDS;
		while (past->n + 1 < LIST_MAX) {
			/* Times of short messages and of long ones */
			if (!(prandom_u32_state(&rnd) % 16))
				most = prandom_u32_state(&rnd) % RECORDS + 1;
			size = prandom_u32_state(&rnd) % (most + 1);
			while (size--) {
				past_add(past, 1);
				expect_past(test, past, past_oldest(past));
			}
			past_close(past);
			expect_past(test, past, past_oldest(past));
		}
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(open_first),
	KUNIT_CASE_PARAM(bound_one, bound_gen_params),
	KUNIT_CASE(random_all),
	{}
};

static struct kunit_suite suite = {
	.name		= "ipvs_sync_history",
	.test_cases	= cases,
};

kunit_test_suites(&suite);
