// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: when a connection is due, and where it goes
 *
 * - due, control, walk: one row for each side of each boundary of each rule;
 *   every row is tried at several places of the clock, such that it wraps
 *   between the announcement and the packet in one of them
 * - stream: which packets of a connection announce it
 * - times, never: the same by the clock, in a connection that goes on and on
 * - words, lease: what stands in sync_time, and how long it is good for
 * - race, claim, hammered: CPUs that decide at the same time
 * - phase: what the states of the protocols mean
 * - hash, spread: which thread a flow belongs to
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/in.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "../ip_vs_sync_internal.h"

/* Where time stands when a connection is announced. All are multiples of 4,
 * so that nothing is lost in sync_time and boundaries are sharp.
 */
static const unsigned long epochs[] = {
	0x10000,
	0,
	4,
	-4UL,			/* wraps at the fourth jiffy from here */
	-128UL,
	-1000UL,
	-45000UL & ~3UL,
	(unsigned long)LONG_MAX & ~3UL,
	(unsigned long)LONG_MAX - 1003,
	INITIAL_JIFFIES & ~3UL,
};

/* States of TCP, in short */
enum {
	SYN	= IP_VS_TCP_S_SYN_RECV,
	EST	= IP_VS_TCP_S_ESTABLISHED,
	FIN	= IP_VS_TCP_S_FIN_WAIT,
	TIME	= IP_VS_TCP_S_TIME_WAIT,
	CLOSE	= IP_VS_TCP_S_CLOSE,
	NEVER	= IP_VS_SYNC_NEVER,
};

static enum ip_vs_sync_phase tcp_phase_of(u16 state)
{
	switch (state) {
	case EST:
		return IP_VS_SYNC_STEADY;
	case FIN:
	case TIME:
	case CLOSE:
		return IP_VS_SYNC_TURN;
	default:
		return IP_VS_SYNC_HELD;
	}
}

/* A timeout of TCP, and the last moment before it counts as half over. An
 * announcement of a connection that lives so long is good for half of its
 * timeout less a second.
 */
#define LIFE		(900 * HZ)
#define LEASE		(449 * HZ)
#define BRIDGE		(32 * HZ)

/* Rules */
#define COUNT(t, p)	{ .threshold = (t), .period = (p) }
#define REFRESH(r, n)	{ .threshold = 3, .period = 50, .refresh = (r), \
			  .retries = (n) }

/* A packet of a connection, and whether it announces. @ago and @retry are when
 * it was announced last and which retry that was; @next is which one this is.
 */
static const struct due_row {
	const char			*desc;
	struct ip_vs_sync_rules		rules;
	long				ago;
	unsigned int			retry;
	unsigned long			timeout;
	u32				last_pkts;
	u32				pkts;
	u16				last_state;
	u16				state;
	bool				due;
	unsigned int			next;
	s32				less;
} due_rows[] = {
	/* sync_threshold 3 50: the first announcement */
	{ "first packet", COUNT(3, 50), 0, 0, LIFE, 0, 1, NEVER, EST, false },
	{ "below threshold", COUNT(3, 50), 0, 0, LIFE, 0, 2, NEVER, EST,
	  false },
	{ "at threshold", COUNT(3, 50), 0, 0, LIFE, 0, 3, NEVER, EST, true },
	{ "threshold passed", COUNT(3, 50), 0, 0, LIFE, 0, 4, NEVER, EST,
	  true },
	{ "threshold long passed", COUNT(3, 50), 0, 0, LIFE, 0, 52, NEVER, EST,
	  true },
	{ "threshold passed by a period", COUNT(3, 50), 0, 0, LIFE, 0, 54,
	  NEVER, EST, true },
	{ "threshold passed by 2^31", COUNT(3, 50), 0, 0, LIFE, 0, 0x80000000,
	  NEVER, EST, true },
	{ "threshold passed by most", COUNT(3, 50), 0, 0, LIFE, 0, 0xffffffff,
	  NEVER, EST, true },
	{ "still opening below threshold", COUNT(3, 50), 0, 0, LIFE, 0, 2,
	  NEVER, SYN, false },
	{ "still opening at threshold", COUNT(3, 50), 0, 0, LIFE, 0, 3, NEVER,
	  SYN, false },
	{ "still opening", COUNT(3, 50), 0, 0, LIFE, 0, 53, NEVER, SYN,
	  false },
	{ "threshold 0, no packet", COUNT(0, 50), 0, 0, LIFE, 0, 0, NEVER, EST,
	  true },
	{ "threshold 0", COUNT(0, 50), 0, 0, LIFE, 0, 1, NEVER, EST, true },
	{ "threshold 1, no packet", COUNT(1, 50), 0, 0, LIFE, 0, 0, NEVER, EST,
	  false },
	{ "threshold 1", COUNT(1, 50), 0, 0, LIFE, 0, 1, NEVER, EST, true },
	{ "largest threshold, below", COUNT(S32_MAX, 0), 0, 0, LIFE, 0,
	  S32_MAX - 1, NEVER, EST, false },
	{ "largest threshold", COUNT(S32_MAX, 0), 0, 0, LIFE, 0, S32_MAX,
	  NEVER, EST, true },
	{ "period 0 below threshold", COUNT(3, 0), 0, 0, LIFE, 0, 2, NEVER,
	  EST, false },
	{ "period 0 at threshold", COUNT(3, 0), 0, 0, LIFE, 0, 3, NEVER, EST,
	  true },
	{ "period 0 threshold passed", COUNT(3, 0), 0, 0, LIFE, 0, 4, NEVER,
	  EST, true },
	{ "both 0", COUNT(0, 0), 0, 0, LIFE, 0, 1, NEVER, EST, true },
	{ "below threshold, time does not matter", COUNT(3, 50), LIFE, 0, LIFE,
	  0, 2, NEVER, EST, false },
	{ "below threshold, refresh period passed", REFRESH(1000, 3), 1000, 0,
	  LIFE, 0, 2, NEVER, EST, false },
	{ "below threshold, retry", REFRESH(1000, 3), 125, 0, LIFE, 0, 2,
	  NEVER, EST, false },
	{ "at threshold with a refresh period", REFRESH(1000, 3), 0, 0, LIFE,
	  0, 3, NEVER, EST, true },
	{ "at threshold, new", REFRESH(1000, 3), 4, 0, LIFE, 0, 3, NEVER, EST,
	  true },

	/* Entering the steady state again */
	{ "reopened below threshold", COUNT(3, 50), 8, 0, LIFE, 1, 2, FIN, EST,
	  false },
	{ "reopened at threshold", COUNT(3, 50), 8, 0, LIFE, 2, 3, FIN, EST,
	  true },
	{ "reopened", COUNT(3, 50), 8, 0, LIFE, 6, 7, FIN, EST, true },
	{ "reopened, refresh period", REFRESH(1000, 3), 8, 3, LIFE, 6, 7, FIN,
	  EST, true },

	/* Opening: never */
	{ "opening again", COUNT(3, 50), 8, 0, LIFE, 6, 7, EST, SYN, false },
	{ "opening again, by count", COUNT(3, 50), 8, 0, LIFE, 6, 53, TIME,
	  SYN, false },
	{ "opening again, by lease", COUNT(3, 50), LIFE, 0, LIFE, 6, 7, TIME,
	  SYN, false },
	{ "opening, by refresh", REFRESH(1000, 3), 1000, 0, LIFE, 6, 7, TIME,
	  SYN, false },
	{ "opening, by retry", REFRESH(1000, 3), 125, 0, LIFE, 6, 7, TIME, SYN,
	  false },
	{ "opening, as announced", COUNT(3, 1), LIFE, 0, LIFE, 6, 7, SYN, SYN,
	  false },

	/* Closing: at once */
	{ "closes in the same jiffy", COUNT(3, 50), 0, 0, LIFE, 3, 4, EST, FIN,
	  true },
	{ "closes", COUNT(3, 50), 8, 0, LIFE, 3, 4, EST, FIN, true },
	{ "closes below threshold", COUNT(3, 50), 8, 0, LIFE, 0, 1, NEVER, FIN,
	  true },
	{ "closes without a packet", COUNT(3, 50), 8, 0, LIFE, 0, 0, NEVER,
	  CLOSE, true },
	{ "closes further", COUNT(3, 50), 8, 0, LIFE, 4, 5, FIN, TIME, true },
	{ "closes back", COUNT(3, 50), 8, 0, LIFE, 4, 5, TIME, FIN, true },
	{ "closes, period 0", COUNT(3, 0), 8, 0, LIFE, 3, 4, EST, FIN, true },
	{ "closes within refresh period", REFRESH(1000, 0), 8, 0, LIFE, 3, 4,
	  EST, FIN, true },
	{ "closes between retries", REFRESH(1000, 3), 8, 1, LIFE, 3, 4, EST,
	  FIN, true },
	{ "closes after retries", REFRESH(1000, 3), 8, 3, LIFE, 3, 4, EST, FIN,
	  true },
	{ "closes when a retry is due", REFRESH(1000, 3), 125, 1, LIFE, 3, 4,
	  EST, FIN, true },
	{ "closes, announced in the future", REFRESH(1000, 3), -4, 0, LIFE, 3,
	  4, EST, FIN, true },
	{ "closing already", COUNT(3, 50), 8, 0, LIFE, 4, 5, FIN, FIN, false },

	/* sync_threshold 3 50: the next announcements */
	{ "after the threshold", COUNT(3, 50), 8, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "below period", COUNT(3, 50), 8, 0, LIFE, 3, 52, EST, EST, false },
	{ "at period", COUNT(3, 50), 8, 0, LIFE, 3, 53, EST, EST, true },
	{ "period passed", COUNT(3, 50), 8, 0, LIFE, 3, 54, EST, EST, true },
	{ "at period, just before", COUNT(3, 50), 8, 0, LIFE, 52, 53, EST, EST,
	  true },
	{ "period passed by two CPUs", COUNT(3, 50), 8, 0, LIFE, 52, 54, EST,
	  EST, true },
	{ "after period", COUNT(3, 50), 8, 0, LIFE, 53, 54, EST, EST, false },
	{ "no packet since", COUNT(3, 50), 8, 0, LIFE, 53, 53, EST, EST,
	  false },
	{ "below second period", COUNT(3, 50), 8, 0, LIFE, 53, 102, EST, EST,
	  false },
	{ "at second period", COUNT(3, 50), 8, 0, LIFE, 53, 103, EST, EST,
	  true },
	{ "late first, below period", COUNT(3, 50), 8, 0, LIFE, 5, 52, EST,
	  EST, false },
	{ "late first, at period", COUNT(3, 50), 8, 0, LIFE, 5, 53, EST, EST,
	  true },
	{ "late second, below", COUNT(3, 50), 8, 0, LIFE, 54, 102, EST, EST,
	  false },
	{ "late second, at", COUNT(3, 50), 8, 0, LIFE, 54, 103, EST, EST,
	  true },
	{ "many periods passed", COUNT(3, 50), 8, 0, LIFE, 3, 1000, EST, EST,
	  true },
	{ "in the same jiffy", COUNT(3, 50), 0, 0, LIFE, 52, 53, EST, EST,
	  true },
	{ "announced in the future", COUNT(3, 50), -4, 0, LIFE, 52, 53, EST,
	  EST, true },
	{ "closing, below threshold", COUNT(3, 50), 8, 0, LIFE, 1, 2, FIN, FIN,
	  false },
	{ "closing, at threshold", COUNT(3, 50), 8, 0, LIFE, 2, 3, FIN, FIN,
	  true },
	{ "closing, at period", COUNT(3, 50), 8, 0, LIFE, 52, 53, TIME, TIME,
	  true },
	{ "period 0", COUNT(3, 0), 8, 0, LIFE, 3, 4, EST, EST, false },
	{ "period 0, many", COUNT(3, 0), 8, 0, LIFE, 3, 1000000, EST, EST,
	  false },
	{ "period 0, closing at threshold", COUNT(3, 0), 8, 0, LIFE, 2, 3, FIN,
	  FIN, false },
	{ "every packet", COUNT(0, 1), 8, 0, LIFE, 7, 8, EST, EST, true },
	{ "every packet, none since", COUNT(0, 1), 8, 0, LIFE, 8, 8, EST, EST,
	  false },
	{ "every other packet, the one", COUNT(1, 2), 8, 0, LIFE, 1, 2, EST,
	  EST, false },
	{ "every other packet, the other", COUNT(1, 2), 8, 0, LIFE, 1, 3, EST,
	  EST, true },
	{ "threshold 0, below", COUNT(0, 50), 8, 0, LIFE, 0, 49, EST, EST,
	  false },
	{ "threshold 0, at", COUNT(0, 50), 8, 0, LIFE, 0, 50, EST, EST, true },
	{ "threshold 49, below", COUNT(49, 50), 8, 0, LIFE, 49, 98, EST, EST,
	  false },
	{ "threshold 49, at", COUNT(49, 50), 8, 0, LIFE, 49, 99, EST, EST,
	  true },
	{ "largest period, below", COUNT(3, S32_MAX), 8, 0, LIFE, 3,
	  0x80000001, EST, EST, false },
	{ "largest period, at", COUNT(3, S32_MAX), 8, 0, LIFE, 3, 0x80000002,
	  EST, EST, true },
	/* The count wraps; a period of 64 goes on unbroken */
	{ "wrapping, below", COUNT(3, 64), 8, 0, LIFE, 0xffffffc3, 0xffffffff,
	  EST, EST, false },
	{ "wrapping, 0", COUNT(3, 64), 8, 0, LIFE, 0xffffffc3, 0, EST, EST,
	  false },
	{ "wrapped, below", COUNT(3, 64), 8, 0, LIFE, 0xffffffc3, 2, EST, EST,
	  false },
	{ "wrapped, at", COUNT(3, 64), 8, 0, LIFE, 0xffffffc3, 3, EST, EST,
	  true },
	{ "wrapped, just before", COUNT(3, 64), 8, 0, LIFE, 0xffffffff, 3, EST,
	  EST, true },
	{ "about to wrap, below", COUNT(3, 64), 8, 0, LIFE, 0xffffff83,
	  0xffffffc2, EST, EST, false },
	{ "about to wrap, at", COUNT(3, 64), 8, 0, LIFE, 0xffffff83,
	  0xffffffc3, EST, EST, true },
	{ "wrapped, a period passed", COUNT(3, 50), 8, 0, LIFE, 0xfffffff0,
	  0x22, EST, EST, true },

	{ "about to wrap, just before", COUNT(3, 64), 8, 0, LIFE, 0xffffffc2,
	  0xffffffc3, EST, EST, true },
	{ "wrapped, below threshold", COUNT(3, 64), 8, 0, LIFE, 0xffffffc2, 1,
	  EST, EST, true },
	/* Another CPU was faster: its packet came later, and announced */
	{ "overtaken", COUNT(3, 50), 8, 0, LIFE, 53, 52, EST, EST, false },
	{ "overtaken at period", COUNT(3, 50), 8, 0, LIFE, 54, 53, EST, EST,
	  false },
	{ "overtaken, same jiffy", COUNT(3, 50), 0, 0, LIFE, 53, 52, EST, EST,
	  false },
	{ "overtaken, every packet", COUNT(0, 1), 8, 0, LIFE, 9, 8, EST, EST,
	  false },
	{ "overtaken, wrapping", COUNT(3, 64), 8, 0, LIFE, 0, 0xffffffff, EST,
	  EST, false },

	/* Half of the timeout */
	{ "below half", COUNT(3, 0), LEASE - 1, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "half, less a second", COUNT(3, 0), LEASE, 0, LIFE, 3, 4, EST, EST,
	  true },
	{ "above that", COUNT(3, 0), LEASE + 1, 0, LIFE, 3, 4, EST, EST,
	  true },
	{ "just half", COUNT(3, 0), LIFE / 2, 0, LIFE, 3, 4, EST, EST, true },
	{ "all of it", COUNT(3, 0), LIFE, 0, LIFE, 3, 4, EST, EST, true },
	{ "much more", COUNT(3, 0), 50L * LIFE, 0, LIFE, 3, 4, EST, EST,
	  true },
	{ "below half, 3 50", COUNT(3, 50), LEASE - 1, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "half, 3 50", COUNT(3, 50), LEASE, 0, LIFE, 3, 4, EST, EST, true },
	{ "told a second less, below", COUNT(3, 0), LEASE - HZ - 1, 0, LIFE, 3,
	  4, EST, EST, false, 0, 1 },
	{ "told a second less", COUNT(3, 0), LEASE - HZ, 0, LIFE, 3, 4, EST,
	  EST, true, 0, 1 },
	{ "told half", COUNT(3, 0), 0, 0, LIFE, 3, 4, EST, EST, true, 0,
	  LIFE / 2 / HZ },
	{ "told more", COUNT(3, 0), LEASE, 0, LIFE, 3, 4, EST, EST, false, 0,
	  -1 },
	{ "told less, refresh counts from the announcement",
	  REFRESH(LIFE / 4, 0), LIFE / 4 - 1, 0, LIFE, 3, 4, EST, EST, false,
	  0, 60 },
	{ "below half, no packet counted", COUNT(3, 50), LEASE - 1, 0, LIFE, 3,
	  3, EST, EST, false },
	{ "half, no packet counted", COUNT(3, 50), LEASE, 0, LIFE, 3, 3, EST,
	  EST, true },
	{ "below half, longer refresh", REFRESH(LIFE, 0), LEASE - 1, 0, LIFE,
	  3, 4, EST, EST, false },
	{ "half, longer refresh", REFRESH(LIFE, 0), LEASE, 0, LIFE, 3, 4, EST,
	  EST, true },
	{ "half, retries made", REFRESH(LIFE, 3), LEASE, 3, LIFE, 3, 4, EST,
	  EST, true },
	{ "below half, retries made", REFRESH(LIFE, 3), LEASE - 1, 3, LIFE, 3,
	  4, EST, EST, false },
	{ "half, retries left", REFRESH(LIFE, 3), LEASE, 1, LIFE, 3, 4, EST,
	  EST, true },
	{ "below half, closing", COUNT(3, 50), 59 * HZ - 1, 0, 120 * HZ, 3, 4,
	  FIN, FIN, false },
	{ "half, closing", COUNT(3, 50), 59 * HZ, 0, 120 * HZ, 3, 4, FIN, FIN,
	  true },
	{ "short life, less than half", COUNT(3, 50), 4 * HZ - 1, 0, 10 * HZ,
	  3, 4, CLOSE, CLOSE, false },
	{ "short life, half", COUNT(3, 50), 5 * HZ, 0, 10 * HZ, 3, 4, CLOSE,
	  CLOSE, true },
	{ "a second's life, a quarter", COUNT(3, 50), HZ / 4, 0, HZ, 3, 4, EST,
	  EST, false },
	{ "a second's life, half", COUNT(3, 50), HZ / 2, 0, HZ, 3, 4, EST, EST,
	  true },

	/* sync_refresh_period 1000, without retries */
	{ "below refresh", REFRESH(1000, 0), 999, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "at refresh", REFRESH(1000, 0), 1000, 0, LIFE, 3, 4, EST, EST,
	  true },
	{ "above refresh", REFRESH(1000, 0), 1001, 0, LIFE, 3, 4, EST, EST,
	  true },
	{ "refresh, same jiffy", REFRESH(1000, 0), 0, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "refresh, in the future", REFRESH(1000, 0), -4, 0, LIFE, 3, 4, EST,
	  EST, false },
	{ "refresh, more in the future", REFRESH(1000, 0), -8, 0, LIFE, 3, 4,
	  EST, EST, false },
	{ "refresh, counts do not matter", REFRESH(1000, 0), 999, 0, LIFE, 3,
	  53, EST, EST, false },
	{ "nor does the threshold", REFRESH(1000, 0), 999, 0, LIFE, 2, 3, FIN,
	  FIN, false },
	{ "closing, below refresh", REFRESH(1000, 0), 999, 0, LIFE, 3, 4, FIN,
	  FIN, false },
	{ "closing, at refresh", REFRESH(1000, 0), 1000, 0, LIFE, 1, 2, FIN,
	  FIN, true },
	{ "refresh 1, same jiffy", REFRESH(1, 0), 0, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "refresh 1", REFRESH(1, 0), 1, 0, LIFE, 3, 4, EST, EST, true },

	/* ... with retries */
	{ "no retries", REFRESH(1000, 0), 125, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "below first retry", REFRESH(1000, 1), 124, 0, LIFE, 3, 4, EST, EST,
	  false },
	{ "at first retry", REFRESH(1000, 1), 125, 0, LIFE, 3, 4, EST, EST,
	  true, 1 },
	{ "above first retry", REFRESH(1000, 1), 126, 0, LIFE, 3, 4, EST, EST,
	  true, 1 },
	{ "long after first retry", REFRESH(1000, 1), 999, 0, LIFE, 3, 4, EST,
	  EST, true, 1 },
	{ "only one", REFRESH(1000, 1), 125, 1, LIFE, 3, 4, EST, EST, false },
	{ "only one, below refresh", REFRESH(1000, 1), 999, 1, LIFE, 3, 4, EST,
	  EST, false },
	{ "only one, at refresh", REFRESH(1000, 1), 1000, 1, LIFE, 3, 4, EST,
	  EST, true },
	{ "first of two", REFRESH(1000, 2), 125, 0, LIFE, 3, 4, EST, EST, true,
	  1 },
	{ "below second of two", REFRESH(1000, 2), 124, 1, LIFE, 3, 4, EST,
	  EST, false },
	{ "second of two", REFRESH(1000, 2), 125, 1, LIFE, 3, 4, EST, EST,
	  true, 2 },
	{ "only two", REFRESH(1000, 2), 999, 2, LIFE, 3, 4, EST, EST, false },
	{ "only two, at refresh", REFRESH(1000, 2), 1000, 2, LIFE, 3, 4, EST,
	  EST, true },
	{ "first of three", REFRESH(1000, 3), 125, 0, LIFE, 3, 4, EST, EST,
	  true, 1 },
	{ "second of three", REFRESH(1000, 3), 125, 1, LIFE, 3, 4, EST, EST,
	  true, 2 },
	{ "below third of three", REFRESH(1000, 3), 124, 2, LIFE, 3, 4, EST,
	  EST, false },
	{ "third of three", REFRESH(1000, 3), 125, 2, LIFE, 3, 4, EST, EST,
	  true, 3 },
	{ "only three", REFRESH(1000, 3), 125, 3, LIFE, 3, 4, EST, EST,
	  false },
	{ "only three, below refresh", REFRESH(1000, 3), 999, 3, LIFE, 3, 4,
	  EST, EST, false },
	{ "only three, at refresh", REFRESH(1000, 3), 1000, 3, LIFE, 3, 4, EST,
	  EST, true },
	{ "refresh comes before a retry", REFRESH(1000, 3), 1000, 1, LIFE, 3,
	  4, EST, EST, true },
	{ "retries, counts do not matter", REFRESH(1000, 3), 124, 0, LIFE, 3,
	  53, EST, EST, false },
	{ "retries, closing", REFRESH(1000, 3), 125, 0, LIFE, 3, 4, TIME, TIME,
	  true, 1 },
	{ "retries, in the future", REFRESH(1000, 3), -4, 0, LIFE, 3, 4, EST,
	  EST, false },
	{ "more made than allowed now", REFRESH(1000, 1), 999, 3, LIFE, 3, 4,
	  EST, EST, false },
	{ "made, none allowed now", REFRESH(1000, 0), 999, 3, LIFE, 3, 4, EST,
	  EST, false },
	{ "below an eighth, rounded", REFRESH(1007, 3), 124, 0, LIFE, 3, 4,
	  EST, EST, false },
	{ "above an eighth, rounded", REFRESH(1007, 3), 126, 0, LIFE, 3, 4,
	  EST, EST, true, 1 },
	{ "retries without refresh", { .threshold = 3, .retries = 3 }, 1000, 0,
	  LIFE, 3, 4, EST, EST, false },
};

static void due_desc(const struct due_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(due, due_rows, due_desc);

/* The word that an announcement leaves in sync_time: it is of now, or as near
 * to that as it gets when it has to differ from the last one.
 */
static void expect_word(struct kunit *test, unsigned long now,
			unsigned long last, unsigned long next,
			unsigned int retry)
{
	long ago = now - (last & ~IP_VS_SYNC_RETRY_MASK);

	KUNIT_EXPECT_NE(test, next, last);
	KUNIT_EXPECT_EQ(test, next & IP_VS_SYNC_RETRY_MASK, retry);
	next &= ~IP_VS_SYNC_RETRY_MASK;
	now &= ~IP_VS_SYNC_RETRY_MASK;
	if (ago >= 4) {
		KUNIT_EXPECT_EQ(test, next, now);
	} else {
		KUNIT_EXPECT_GE(test, (long)(next - now), -4L);
		KUNIT_EXPECT_LE(test, (long)(next - now), 8L - min(ago, 0L));
	}
}

static void due_one(struct kunit *test)
{
	const struct due_row *row = test->param_value;
	struct ip_vs_sync_view v = {
		.timeout	= row->timeout,
		.pkts		= row->pkts,
		.last_pkts	= row->last_pkts,
		.state		= row->state,
		.last_state	= row->last_state,
		.phase		= tcp_phase_of(row->state),
	};
	unsigned long next;
	unsigned int i;
	bool due;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.sync_time = epochs[i] + row->retry;
		v.until = epochs[i] + row->timeout - row->less * HZ;
		v.now = epochs[i] + row->ago;
		next = v.sync_time;
		due = ip_vs_sync_due(&row->rules, &v, &next);
		KUNIT_ASSERT_EQ_MSG(test, due, row->due, "at %#lx", v.now);
		if (due && row->due)
			expect_word(test, v.now, v.sync_time, next, row->next);
	}
}

/* What controls a connection: templates, and sessions of FTP */
static const struct control_row {
	const char			*desc;
	struct ip_vs_sync_rules		rules;
	long				ago;
	unsigned int			retry;
	unsigned long			timeout;
	u16				last_state;
	u16				state;
	enum ip_vs_sync_phase		phase;
	bool				with;
	bool				due;
	unsigned int			next;
	unsigned long			idle;	/* since the timer's restart */
} control_rows[] = {
	/* Along with what they control */
	{ "new, alone", COUNT(3, 50), 8, 0, LIFE, NEVER, 1, IP_VS_SYNC_TURN,
	  false, true },
	{ "new, with", COUNT(3, 50), 8, 0, LIFE, NEVER, 1, IP_VS_SYNC_TURN,
	  true, true },
	{ "alone", COUNT(3, 50), 8, 0, LIFE, 1, 1, IP_VS_SYNC_TURN, false,
	  false },
	{ "with", COUNT(3, 50), 8, 0, LIFE, 1, 1, IP_VS_SYNC_TURN, true,
	  true },
	{ "with, same jiffy", COUNT(3, 50), 0, 0, LIFE, 1, 1, IP_VS_SYNC_TURN,
	  true, true },
	{ "with, in the future", COUNT(3, 50), -4, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true },
	{ "period 0, with", COUNT(3, 0), 8, 0, LIFE, 1, 1, IP_VS_SYNC_TURN,
	  true, true },
	{ "period 1, alone", COUNT(0, 1), 8, 0, LIFE, 1, 1, IP_VS_SYNC_TURN,
	  false, false },
	{ "assured, alone", COUNT(3, 50), 8, 0, LIFE, 0, 1, IP_VS_SYNC_TURN,
	  false, true },
	{ "assured, within refresh", REFRESH(1000, 0), 8, 0, LIFE, 0, 1,
	  IP_VS_SYNC_TURN, false, true },
	{ "alone, below half", COUNT(3, 50), LEASE - 1, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, false },
	{ "alone, half", COUNT(3, 50), LEASE, 0, LIFE, 1, 1, IP_VS_SYNC_TURN,
	  false, true },
	{ "alone, above", COUNT(3, 50), LEASE + 1, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, true },
	{ "alone, half, timer as told", COUNT(3, 50), LEASE, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, false, 0, LEASE },
	{ "alone, end, timer as told", COUNT(3, 50), LIFE - 1, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, false, 0, LIFE - 1 },
	{ "alone, half, timer set before", COUNT(3, 50), LEASE, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, false, 0, LEASE + 100 },
	{ "alone, half, timer set after", COUNT(3, 50), LEASE, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, true, 0, LEASE - 2 * HZ },
	{ "with, timer as told", COUNT(3, 50), 8, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true, 0, 8 },

	/* A refresh period slows them down */
	{ "below refresh, alone", REFRESH(1000, 0), 999, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, false },
	{ "below refresh, with", REFRESH(1000, 0), 999, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, false },
	{ "same jiffy, with", REFRESH(1000, 0), 0, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, false },
	{ "at refresh, alone", REFRESH(1000, 0), 1000, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, true },
	{ "at refresh, with", REFRESH(1000, 0), 1000, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true },
	{ "above refresh, with", REFRESH(1000, 0), 1001, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true },
	{ "new, refresh", REFRESH(1000, 0), 8, 0, LIFE, NEVER, 1,
	  IP_VS_SYNC_TURN, false, true },
	{ "below retry", REFRESH(1000, 3), 124, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, false },
	{ "at first retry", REFRESH(1000, 3), 125, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true, 1 },
	{ "at first retry, alone", REFRESH(1000, 3), 125, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, true, 1 },
	{ "at second retry", REFRESH(1000, 3), 125, 1, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true, 2 },
	{ "at third retry", REFRESH(1000, 3), 125, 2, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true, 3 },
	{ "no fourth retry", REFRESH(1000, 3), 999, 3, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, false },
	{ "retries made, refresh", REFRESH(1000, 3), 1000, 3, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, true },
	{ "no retries allowed", REFRESH(1000, 0), 125, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, true, false },
	{ "longer refresh, below half", REFRESH(LIFE, 0), LEASE - 1, 0, LIFE,
	  1, 1, IP_VS_SYNC_TURN, true, false },
	{ "longer refresh, half", REFRESH(LIFE, 0), LEASE, 0, LIFE, 1, 1,
	  IP_VS_SYNC_TURN, false, true },
	{ "short life, below half", REFRESH(LIFE, 0), 59 * HZ - 1, 0, 120 * HZ,
	  1, 1, IP_VS_SYNC_TURN, true, false },
	{ "short life, half", REFRESH(LIFE, 0), 59 * HZ, 0, 120 * HZ, 1, 1,
	  IP_VS_SYNC_TURN, true, true },

	/* A session goes along whatever its own count */
	{ "session, with", COUNT(3, 50), 8, 0, LIFE, EST, EST,
	  IP_VS_SYNC_STEADY, true, true },
	{ "session, alone", COUNT(3, 50), 8, 0, LIFE, EST, EST,
	  IP_VS_SYNC_STEADY, false, false },
	{ "session, new", COUNT(3, 50), 8, 0, LIFE, NEVER, EST,
	  IP_VS_SYNC_STEADY, true, true },
	{ "session, opening", COUNT(3, 50), 8, 0, LIFE, NEVER, SYN,
	  IP_VS_SYNC_HELD, true, false },
	{ "session, opening again", COUNT(3, 50), LIFE, 0, LIFE, EST, SYN,
	  IP_VS_SYNC_HELD, true, false },
	{ "session, opening, refresh", REFRESH(1000, 3), 1000, 0, LIFE, SYN,
	  SYN, IP_VS_SYNC_HELD, true, false },
};

static void control_desc(const struct control_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(control, control_rows, control_desc);

static void control_one(struct kunit *test)
{
	static const u32 counts[][2] = {
		{ 0, 0 }, { 0, 1 }, { 3, 4 }, { 52, 53 }, { 0xffffffff, 3 },
	};
	const struct control_row *row = test->param_value;
	struct ip_vs_sync_view v = {
		.timeout	= row->timeout,
		.state		= row->state,
		.last_state	= row->last_state,
		.phase		= row->phase,
	};
	unsigned long next;
	unsigned int i;
	bool due;

	for (i = 0; i < ARRAY_SIZE(epochs) * ARRAY_SIZE(counts); i++) {
		v.sync_time = epochs[i / ARRAY_SIZE(counts)];
		v.until = v.sync_time + row->timeout;
		v.now = v.sync_time + row->ago;
		v.sync_time += row->retry;
		v.last_pkts = counts[i % ARRAY_SIZE(counts)][0];
		v.pkts = counts[i % ARRAY_SIZE(counts)][1];
		next = v.sync_time;
		v.expires = v.now + row->timeout - row->idle;
		due = ip_vs_sync_control_due(&row->rules, &v, row->with,
					     &next);
		KUNIT_ASSERT_EQ_MSG(test, due, row->due, "at %#lx, %u to %u",
				    v.now, v.last_pkts, v.pkts);
		if (due && row->due)
			expect_word(test, v.now, v.sync_time, next, row->next);
	}
}

/* A connection that the walk over the table finds. Its last packet came @later
 * jiffies after it was announced.
 */
static const struct walk_row {
	const char	*desc;
	long		ago;
	unsigned int	retry;
	unsigned long	timeout;
	long		later;
	u16		last_state;
	u16		state;
	bool		due;
	bool		controls;
	s32		less;
	long		silent;
} walk_rows[] = {
	{ "no packet since, half", LEASE, 0, LIFE, 0, EST, EST, false },
	{ "no packet since, end", LIFE, 0, LIFE, 0, EST, EST, false },
	{ "less time than it had", LEASE, 0, LIFE, -HZ, EST, EST, false },
	{ "packet right after", LEASE, 0, LIFE, 1, EST, EST, false },
	{ "packet soon after", LEASE, 0, LIFE, HZ / 10, EST, EST, false },
	{ "packet not so soon after", LEASE, 0, LIFE, HZ / 10 + 4, EST, EST,
	  true },
	{ "packet a second after", LEASE, 0, LIFE, HZ, EST, EST, true },
	{ "the same, below half", LEASE - 1, 0, LIFE, HZ, EST, EST, false },
	{ "the same, above half", LEASE + 1, 0, LIFE, HZ, EST, EST, true },
	{ "the same, end", LIFE - 1, 0, LIFE, HZ, EST, EST, true },
	{ "packet just before half", LEASE, 0, LIFE, LEASE - 1, EST, EST,
	  true },
	{ "packet just now", LEASE, 0, LIFE, LEASE, EST, EST, true },
	{ "packet just now, below half", LEASE - 1, 0, LIFE, LEASE - 1, EST,
	  EST, false },
	{ "much later", LIFE, 0, LIFE, LIFE, EST, EST, true },
	{ "retries made", LEASE, 3, LIFE, HZ, EST, EST, true },
	{ "retries made, below half", LEASE - 1, 3, LIFE, HZ, EST, EST,
	  false },
	{ "retries made, no packet since", LEASE, 3, LIFE, 0, EST, EST,
	  false },
	{ "retries made, packet not so soon after", LEASE, 3, LIFE,
	  HZ / 10 + 4, EST, EST, true },
	{ "in the future", -4, 0, LIFE, HZ, EST, EST, false },
	{ "closing, below half", 59 * HZ - 1, 0, 120 * HZ, HZ, FIN, FIN,
	  false },
	{ "closing, half", 59 * HZ, 0, 120 * HZ, 2 * HZ, FIN, FIN, true },
	{ "closing, a round trip", 59 * HZ, 0, 120 * HZ, HZ + 3, FIN, FIN,
	  false },
	{ "closing, a long round trip", 59 * HZ, 0, 120 * HZ, HZ + 4, FIN,
	  FIN, true },
	{ "controls, long before its end", LIFE - BRIDGE, 0, LIFE, 0, EST,
	  EST, false, true },
	{ "controls, before its end", LIFE - BRIDGE + 1, 0, LIFE, 0, EST, EST,
	  true, true },
	{ "controls, at its end", LIFE, 0, LIFE, 0, EST, EST, true, true },
	{ "controls, past its end", LIFE + 9, 0, LIFE, 0, EST, EST, true,
	  true },
	{ "controls no more", LIFE - BRIDGE + 1, 0, LIFE, 0, EST, EST, false,
	  false },
	{ "controls, told enough", 8, 0, LIFE, -LIFE + BRIDGE, EST, EST,
	  false, true },
	{ "controls, told just enough", 0, 0, LIFE, -LIFE + BRIDGE - 1, EST,
	  EST, false, true, (LIFE - BRIDGE) / HZ },
	{ "controls, told too little", 1, 0, LIFE, -LIFE + BRIDGE - 1, EST,
	  EST, true, true, (LIFE - BRIDGE) / HZ },
	{ "controls, told in advance", BRIDGE, 0, 60 * HZ, 0, EST, EST, false,
	  true, -9 },
	{ "told half, no packet since", LEASE, 0, LIFE, -LIFE / 2, EST, EST,
	  false, false, LIFE / 2 / HZ },
	{ "told half, packet since", 8, 0, LIFE, 8, EST, EST, true, false,
	  LIFE / 2 / HZ },
	{ "told most, packet since", 8, 0, LIFE, 8, EST, EST, false, false,
	  9 },
	{ "controls, opening", LIFE, 0, LIFE, 0, SYN, SYN, false, true },
	{ "closes", 8, 0, LIFE, 8, EST, FIN, true },
	{ "closes, no packet since", 8, 0, LIFE, 0, EST, FIN, true },
	{ "closes, same jiffy", 0, 3, LIFE, 0, FIN, TIME, true },
	{ "opened, below half", 8, 0, LIFE, 8, FIN, EST, false },
	{ "opened, half", LEASE, 0, LIFE, HZ, FIN, EST, false },
	{ "opening", LEASE, 0, LIFE, HZ, EST, SYN, false },
	{ "opening, as announced", LEASE, 0, LIFE, HZ, SYN, SYN, false },
	{ "told by another director", LEASE, 0, LIFE, HZ, NEVER, EST, false },
	{ "closing, told by another", LEASE, 0, LIFE, HZ, NEVER, FIN, false },
	{ "never told, young", 10 * HZ - 1, 0, LIFE, HZ, NEVER, EST, false,
	  false, 0, 10 * HZ },
	{ "never told, silent", 10 * HZ, 0, LIFE, HZ, NEVER, EST, true,
	  false, 0, 10 * HZ },
	{ "never told, silent, closing", 10 * HZ, 0, LIFE, HZ, NEVER, FIN,
	  true, false, 0, 10 * HZ },
	{ "never told, silent, opening", 10 * HZ, 0, LIFE, HZ, NEVER, SYN,
	  false, false, 0, 10 * HZ },
	{ "told, silent", 10 * HZ, 0, LIFE, 0, EST, EST, false, false, 0,
	  10 * HZ },
};

static void walk_desc(const struct walk_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(walk, walk_rows, walk_desc);

static void walk_one(struct kunit *test)
{
	const struct walk_row *row = test->param_value;
	struct ip_vs_sync_rules rules = { .silent = row->silent };
	struct ip_vs_sync_view v = {
		.timeout	= row->timeout,
		.state		= row->state,
		.last_state	= row->last_state,
		.phase		= tcp_phase_of(row->state),
		.controls	= row->controls,
	};
	unsigned long next;
	unsigned int i;
	bool due;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.sync_time = epochs[i] + row->retry;
		v.until = epochs[i] + row->timeout - row->less * HZ;
		v.now = epochs[i] + row->ago;
		v.expires = epochs[i] + row->later + row->timeout;
		next = v.sync_time;
		due = ip_vs_sync_lease_due(&rules, &v, &next);
		KUNIT_ASSERT_EQ_MSG(test, due, row->due, "at %#lx", v.now);
		if (due && row->due)
			expect_word(test, v.now, v.sync_time, next, 0);
	}
}

/* A packet of the server */
static const struct reply_row {
	const char	*desc;
	u16		last_state;
	u16		state;
	bool		due;
} reply_rows[] = {
	{ "closes", EST, FIN, true },
	{ "goes on closing", FIN, TIME, true },
	{ "closes again", FIN, FIN, false },
	{ "carries data", EST, EST, false },
	{ "opens", SYN, EST, false },
	{ "opens again", FIN, SYN, false },
	{ "closes what no backup knows", NEVER, FIN, false },
	{ "carries what no backup knows", NEVER, EST, false },
};

static void reply_desc(const struct reply_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(reply, reply_rows, reply_desc);

static void reply_one(struct kunit *test)
{
	const struct reply_row *row = test->param_value;
	struct ip_vs_sync_view v = {
		.timeout	= LIFE,
		.state		= row->state,
		.last_state	= row->last_state,
		.phase		= tcp_phase_of(row->state),
	};
	unsigned long next;
	unsigned int i;
	bool due;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.sync_time = epochs[i];
		v.now = epochs[i] + 8;
		due = ip_vs_sync_reply_due(&v, &next);
		KUNIT_ASSERT_EQ_MSG(test, due, row->due, "at %#lx", v.now);
		if (due)
			expect_word(test, v.now, v.sync_time, next, 0);
	}
}

/* The timer of what controls others was put off */
static const struct extended_row {
	const char	*desc;
	long		ago;
	u16		last_state;
	u16		state;
	bool		due;
} extended_rows[] = {
	{ "told in advance", 60 * HZ - BRIDGE, EST, EST, false },
	{ "told long before", 60 * HZ - BRIDGE + 1, EST, EST, true },
	{ "told just now", 0, EST, EST, false },
	{ "in the future", -4, EST, EST, false },
	{ "never told", 8, NEVER, EST, true },
	{ "opening", 59 * HZ, SYN, SYN, false },
	{ "opening, never told", 59 * HZ, NEVER, SYN, false },
};

static void extended_desc(const struct extended_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(extended, extended_rows, extended_desc);

static void extended_one(struct kunit *test)
{
	const struct extended_row *row = test->param_value;
	struct ip_vs_sync_view v = {
		.timeout	= 60 * HZ,
		.state		= row->state,
		.last_state	= row->last_state,
		.phase		= tcp_phase_of(row->state),
		.controls	= true,
	};
	unsigned long next;
	unsigned int i;
	bool due;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.sync_time = epochs[i];
		v.until = epochs[i] + 60 * HZ;
		v.now = epochs[i] + row->ago;
		due = ip_vs_sync_extended_due(&v, &next);
		KUNIT_ASSERT_EQ_MSG(test, due, row->due, "at %#lx", v.now);
		if (due)
			expect_word(test, v.now, v.sync_time, next, 0);
	}
}

/* What a backup is told is left */
static const struct left_row {
	const char	*desc;
	long		expires;
	unsigned long	timeout;
	bool		controls;
	unsigned long	left;
} left_rows[] = {
	{ "all", LIFE, LIFE, false, LIFE },
	{ "part", 7, LIFE, false, 7 },
	{ "nothing", 0, LIFE, false, 1 },
	{ "less than nothing", -9, LIFE, false, 1 },
	{ "controls, much", BRIDGE, LIFE, true, BRIDGE },
	{ "controls, little", BRIDGE - 1, LIFE, true, BRIDGE - 1 + 60 * HZ },
	{ "controls, nothing", -9, LIFE, true, 1 + 60 * HZ },
	{ "controls, short", 7, 10 * HZ, true, 7 + 60 * HZ },
};

static void left_desc(const struct left_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(left, left_rows, left_desc);

static void left_one(struct kunit *test)
{
	const struct left_row *row = test->param_value;
	struct ip_vs_sync_view v = {
		.timeout	= row->timeout,
		.controls	= row->controls,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.now = epochs[i];
		v.expires = epochs[i] + row->expires;
		v.left = true;
		KUNIT_ASSERT_EQ(test, ip_vs_sync_until(&v),
				epochs[i] + row->left);
		v.left = false;
		KUNIT_ASSERT_EQ(test, ip_vs_sync_until(&v),
				epochs[i] + row->timeout);
		KUNIT_ASSERT_EQ(test,
				ip_vs_sync_left(epochs[i],
						epochs[i] + row->expires,
						row->controls),
				row->left);
	}
}

/* How late the kernel's timers are: a timer set for this long runs out on a
 * multiple of the step, not on its own time.
 */
static const struct late_row {
	unsigned long	timeout;
	unsigned long	step;
} late_rows[] = {
	{ 0, 1 }, { 62, 1 },
	{ 63, 8 }, { 503, 8 },
	{ 504, 64 }, { 4031, 64 },
	{ 4032, 512 }, { 32255, 512 },
	{ 32256, 4096 }, { 258047, 4096 },
	{ 258048, 32768 },
};

static void late_desc(const struct late_row *row, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu", row->timeout);
}

KUNIT_ARRAY_PARAM(late, late_rows, late_desc);

static void late_one(struct kunit *test)
{
	const struct late_row *row = test->param_value;
	unsigned long base, late;

	for (base = 0; base < 3 * row->step; base++) {
		late = ip_vs_sync_late(base, row->timeout);
		KUNIT_ASSERT_GE(test, late, 1);
		KUNIT_ASSERT_LE(test, late, row->step);
		KUNIT_ASSERT_EQ(test, (base + late) % row->step, 0);
	}
	KUNIT_ASSERT_EQ(test, ip_vs_sync_early(row->timeout),
			row->timeout - row->step / 2);
}

/* Timers are that late, or more if the CPU is not free then */
static void late_timer(struct kunit *test)
{
	static const unsigned long timeouts[] = { 1, 50, 70, 99 };
	unsigned long set, gone;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timeouts); i++) {
		set = jiffies;
		schedule_timeout_uninterruptible(timeouts[i]);
		gone = jiffies - set;
		set += timeouts[i];
		KUNIT_ASSERT_GE(test, gone, timeouts[i] +
				ip_vs_sync_late(set, timeouts[i]));
	}
}

/* What a connection remembers of an announcement */
static void announced(struct ip_vs_sync_view *v, unsigned long next)
{
	v->sync_time = next;
	v->until = ip_vs_sync_until(v);
	v->last_pkts = v->pkts;
	v->last_state = v->state;
}

static bool packet(const struct ip_vs_sync_rules *rules,
		   struct ip_vs_sync_view *v)
{
	unsigned long next;

	v->pkts++;
	v->phase = tcp_phase_of(v->state);
	if (!ip_vs_sync_due(rules, v, &next))
		return false;
	announced(v, next);
	return true;
}

/* All packets come in the same jiffy: which of the first 200 announce, when
 * the connection opens with the packet @opens?
 */
static const struct stream {
	const char		*desc;
	struct ip_vs_sync_rules	rules;
	u32			opens;
	u32			at[6];
} streams[] = {
	{ "3 50", COUNT(3, 50), 1, { 3, 53, 103, 153 } },
	{ "3 50, one SYN", COUNT(3, 50), 2, { 3, 53, 103, 153 } },
	{ "3 50, one SYN again", COUNT(3, 50), 3, { 3, 53, 103, 153 } },
	{ "3 50, two SYNs again", COUNT(3, 50), 4, { 4, 53, 103, 153 } },
	{ "3 50, many SYNs", COUNT(3, 50), 20, { 20, 53, 103, 153 } },
	{ "3 50, opens at the period", COUNT(3, 50), 53, { 53, 103, 153 } },
	{ "3 50, opens after the period", COUNT(3, 50), 54, { 54, 103, 153 } },
	{ "3 100", COUNT(3, 100), 1, { 3, 103 } },
	{ "0 50", COUNT(0, 50), 1, { 1, 50, 100, 150, 200 } },
	{ "1 50", COUNT(1, 50), 1, { 1, 51, 101, 151 } },
	{ "49 50", COUNT(49, 50), 1, { 49, 99, 149, 199 } },
	{ "99 100", COUNT(99, 100), 1, { 99, 199 } },
	{ "3 0", COUNT(3, 0), 1, { 3 } },
	{ "3 0, opens late", COUNT(3, 0), 9, { 9 } },
	{ "0 0", COUNT(0, 0), 1, { 1 } },
	{ "200 0", COUNT(200, 0), 1, { 200 } },
	{ "201 0", COUNT(201, 0), 1, { } },
	{ "3 50, never opens", COUNT(3, 50), 201, { } },
	{ "refresh 1000", REFRESH(1000, 0), 1, { 3 } },
	{ "refresh 1000, retries", REFRESH(1000, 3), 1, { 3 } },
	{ "refresh 1000, opens late", REFRESH(1000, 3), 9, { 9 } },
};

static void stream_desc(const struct stream *s, char *desc)
{
	strscpy(desc, s->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(stream, streams, stream_desc);

static void stream_packets(struct kunit *test)
{
	const struct stream *s = test->param_value;
	struct ip_vs_sync_view v = {
		.now		= 0x10000,
		.sync_time	= 0x10000,
		.timeout	= LIFE,
		.last_state	= NEVER,
	};
	unsigned int n = 0;
	u32 i;

	for (i = 1; i <= 200; i++) {
		v.state = i < s->opens ? SYN : EST;
		if (packet(&s->rules, &v)) {
			KUNIT_ASSERT_LT(test, n, ARRAY_SIZE(s->at));
			KUNIT_EXPECT_EQ(test, i, s->at[n]);
			n++;
		}
	}
	KUNIT_EXPECT_TRUE(test, n == ARRAY_SIZE(s->at) || !s->at[n]);
}

/* When the count of packets wraps no connection is forgotten for more than a
 * period, whatever the period.
 */
static void stream_wrap(struct kunit *test)
{
	static const u32 periods[] = { 1, 2, 3, 4, 7, 50, 64, 100, 1000 };
	struct ip_vs_sync_rules rules = {};
	struct ip_vs_sync_view v;
	unsigned int i, sent;
	u32 before;

	for (i = 0; i < ARRAY_SIZE(periods); i++) {
		rules.period = periods[i];
		rules.threshold = min(periods[i] - 1, 3U);
		memset(&v, 0, sizeof(v));
		v.timeout = LIFE;
		v.state = EST;
		v.last_state = EST;
		v.pkts = -5000;
		v.last_pkts = v.pkts;
		sent = 0;
		do {
			before = v.last_pkts;
			sent += packet(&rules, &v);
			KUNIT_ASSERT_LE_MSG(test, v.pkts - before,
					    rules.period, "period %u, at %u",
					    rules.period, v.pkts);
		} while (v.pkts != 5000);
		/* One more at most where the count wraps, and at the start */
		KUNIT_EXPECT_GE(test, sent, 10000 / rules.period - 1);
		KUNIT_EXPECT_LE(test, sent, 10000 / rules.period + 2);
	}
}

/* A packet in every jiffy: at which jiffies after the first announcement is
 * it announced again?
 */
static const struct times {
	const char		*desc;
	struct ip_vs_sync_rules	rules;
	unsigned long		timeout;
	unsigned long		at[8];
} times[] = {
	{ "no retries", REFRESH(800, 0), LIFE,
	  { 800, 1600, 2400, 3200, 4000, 4800, 5600, 6400 } },
	{ "one retry", REFRESH(800, 1), LIFE,
	  { 100, 900, 1000, 1800, 1900, 2700, 2800, 3600 } },
	{ "two retries", REFRESH(800, 2), LIFE,
	  { 100, 200, 1000, 1100, 1200, 2000, 2100, 2200 } },
	{ "three retries", REFRESH(800, 3), LIFE,
	  { 100, 200, 300, 1100, 1200, 1300, 1400, 2200 } },
	{ "half of the timeout comes first", REFRESH(100 * HZ, 0), 42 * HZ,
	  { 20 * HZ, 40 * HZ, 60 * HZ, 80 * HZ, 100 * HZ, 120 * HZ, 140 * HZ,
	    160 * HZ } },
	{ "period 0", COUNT(3, 0), 42 * HZ,
	  { 20 * HZ, 40 * HZ, 60 * HZ, 80 * HZ, 100 * HZ, 120 * HZ, 140 * HZ,
	    160 * HZ } },
	{ "two retries, then half of the timeout", REFRESH(80 * HZ, 2),
	  42 * HZ,
	  { 10 * HZ, 20 * HZ, 40 * HZ, 50 * HZ, 60 * HZ, 80 * HZ, 90 * HZ,
	    100 * HZ } },
};

static void times_desc(const struct times *t, char *desc)
{
	strscpy(desc, t->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(times, times, times_desc);

static void times_packets(struct kunit *test)
{
	const struct times *t = test->param_value;
	unsigned int i, n = 0;
	struct ip_vs_sync_view v;
	unsigned long start;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		start = epochs[i];
		memset(&v, 0, sizeof(v));
		v.timeout = t->timeout;
		v.state = EST;
		v.last_state = NEVER;
		v.pkts = 2;
		v.now = start;
		v.sync_time = start - 4;
		KUNIT_ASSERT_TRUE(test, packet(&t->rules, &v));
		for (n = 0; n < ARRAY_SIZE(t->at); v.now++) {
			KUNIT_ASSERT_LE(test, v.now - start, t->at[n]);
			if (packet(&t->rules, &v)) {
				KUNIT_ASSERT_EQ(test, v.now - start, t->at[n]);
				n++;
			}
		}
	}
}

/* A connection with a packet a second is announced before half of its timeout
 * has passed, whatever the timeout, the rules and the clock say, also when its
 * first announcement comes @after so few jiffies that the word moves ahead.
 */
static void second_by_second(struct kunit *test,
			     const struct ip_vs_sync_rules *rules,
			     unsigned int seconds, unsigned long start,
			     unsigned int after)
{
	struct ip_vs_sync_view v = {
		.now		= start,
		.sync_time	= (start - after) & ~IP_VS_SYNC_RETRY_MASK,
		.timeout	= (unsigned long)HZ * seconds,
		.pkts		= 2,
		.state		= EST,
		.last_state	= NEVER,
	};
	unsigned long last = start;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, packet(rules, &v));
	for (i = 0; i < 3 * seconds; i++) {
		v.now += HZ;
		KUNIT_ASSERT_LT_MSG(test, v.now - last, v.timeout / 2,
				    "timeout %u, from %#lx, after %u", seconds,
				    start, after);
		if (packet(rules, &v))
			last = v.now;
	}
}

static void never_forgotten(struct kunit *test)
{
	static const unsigned int seconds[] = {
		16, 17, 30, 31, 60, 64, 120, 300, 301, 900, 7200,
	};
	static const struct ip_vs_sync_rules rules[] = {
		COUNT(3, 0), COUNT(3, 1000000), REFRESH(100000 * HZ, 0),
		REFRESH(100000 * HZ, 3), REFRESH(7 * HZ, 2), COUNT(0, 0),
	};
	unsigned int i, j, start;

	for (i = 0; i < ARRAY_SIZE(seconds); i++)
		for (j = 0; j < ARRAY_SIZE(rules); j++)
			for (start = 0; start < 4; start++) {
				second_by_second(test, &rules[j], seconds[i],
						 -10UL * HZ - start, 8);
				second_by_second(test, &rules[j], seconds[i],
						 -10UL * HZ - start, 0);
			}
}

/* However often a connection is announced within one jiffy, half of its timeout
 * later it is announced again.
 */
static void never_ahead(struct kunit *test)
{
	static const struct ip_vs_sync_rules often = COUNT(0, 1);
	static const struct ip_vs_sync_rules rarely = COUNT(3, 0);
	struct ip_vs_sync_view v = {
		.timeout	= LIFE,
		.state		= EST,
		.last_state	= NEVER,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		v.now = epochs[i];
		v.sync_time = epochs[i];
		v.last_state = NEVER;
		for (j = 0; j < 20000; j++)
			KUNIT_ASSERT_TRUE(test, packet(&often, &v));
		KUNIT_ASSERT_FALSE(test, packet(&rarely, &v));
		v.now += LIFE / 2;
		KUNIT_ASSERT_TRUE(test, packet(&rarely, &v));
	}
}

/* The word is one of now that differs from the last, its retry bits clear */
static void words(struct kunit *test)
{
	unsigned long now, last, next;
	long i, j;

	for (i = -24; i < 24; i++) {
		now = i;
		for (j = -24; j < 24; j++) {
			last = i + j;
			next = ip_vs_sync_next_time(now, last);
			expect_word(test, now, last, next, 0);
		}
	}
	for (i = 0; i < 8; i++) {
		now = 0x12340 + i;
		next = ip_vs_sync_next_time(now, 0x100);
		KUNIT_EXPECT_EQ(test, next, 0x12340 + (i & ~3UL));
		now = i;
		next = ip_vs_sync_next_time(now, -1000UL);
		KUNIT_EXPECT_EQ(test, next, i & ~3UL);
	}
}

/* Even if time stands still and the last word is handed out over and over */
static void words_differ(struct kunit *test)
{
	unsigned long next, word = -100;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		next = ip_vs_sync_next_time(-100UL + i / 100, word);
		KUNIT_ASSERT_NE(test, next, word);
		KUNIT_ASSERT_EQ(test, next & IP_VS_SYNC_RETRY_MASK, 0);
		word = next + i % 4;
	}
}

/* How long an announcement is good for */
static void lease(struct kunit *test)
{
	static const unsigned int seconds[][2] = {
		{ 16, 7 }, { 30, 14 }, { 60, 29 }, { 120, 59 }, { 300, 149 },
		{ 900, 449 }, { 86400, 43199 }, { 31 * 86400, 31 * 43200 - 1 },
	};
	unsigned long timeout, got, last = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++)
		KUNIT_EXPECT_EQ(test,
				ip_vs_sync_lease((unsigned long)HZ *
						 seconds[i][0]),
				(unsigned long)HZ * seconds[i][1]);

	KUNIT_EXPECT_EQ(test, ip_vs_sync_lease(0), 0);
	for (timeout = 1; timeout < 40 * HZ; timeout++) {
		got = ip_vs_sync_lease(timeout);
		KUNIT_ASSERT_LE(test, got, timeout / 2);
		KUNIT_ASSERT_LE(test, timeout / 2 - got, HZ);
		KUNIT_ASSERT_GE(test, got, last);
		/* Not so early that it would be no rarer than the packets */
		KUNIT_ASSERT_GE(test, got, timeout / 4);
		last = got;
	}
	got = ip_vs_sync_lease(ULONG_MAX);
	KUNIT_EXPECT_EQ(test, got, ULONG_MAX / 2 - HZ);
}

/* Two CPUs with a packet of the same connection each. In @script a lower case
 * letter has a CPU read the connection and decide, an upper case letter has it
 * claim, if it is due, what it has decided on.
 */
static const struct race {
	const char		*desc;
	struct ip_vs_sync_rules	rules;
	unsigned long		ago;
	unsigned int		retry;
	u32			last_pkts;
	u32			pkts;
	u16			last_state;
	u16			state;
	const char		*script;
	unsigned int		wins[2];
	unsigned int		next;
} races[] = {
	{ "closing, a first", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "aAbB", { 1, 0 } },
	{ "closing, b first", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "bBaA", { 0, 1 } },
	{ "closing, both, a wins", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "abAB", { 1, 0 } },
	{ "closing, both, b wins", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "abBA", { 0, 1 } },
	{ "closing, a tries again", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "abBAaA", { 0, 1 } },
	{ "closing, a claims twice", COUNT(3, 50), 8, 0, 3, 4, EST, FIN,
	  "abAAB", { 1, 0 } },
	{ "closing, same jiffy", COUNT(3, 50), 0, 0, 3, 4, EST, FIN,
	  "abABabAB", { 1, 0 } },
	{ "threshold", COUNT(3, 50), 0, 0, 0, 3, NEVER, EST,
	  "baAB", { 1, 0 } },
	{ "threshold, one after the other", COUNT(3, 50), 0, 0, 0, 3, NEVER,
	  EST, "bBaAbB", { 0, 1 } },
	{ "period", COUNT(3, 50), 8, 0, 3, 53, EST, EST,
	  "abBA", { 0, 1 } },
	{ "period, one after the other", COUNT(3, 50), 8, 0, 3, 53, EST, EST,
	  "aAbB", { 1, 0 } },
	{ "half of the timeout", COUNT(3, 0), LEASE, 0, 3, 4, EST, EST,
	  "abABaA", { 1, 0 } },
	{ "refresh", REFRESH(1000, 0), 1000, 0, 3, 4, EST, EST,
	  "abABbB", { 1, 0 } },
	{ "first retry", REFRESH(1000, 3), 125, 0, 3, 4, EST, EST,
	  "abABaAbB", { 1, 0 }, 1 },
	{ "second retry", REFRESH(1000, 3), 125, 1, 3, 4, EST, EST,
	  "baBAbBaA", { 0, 1 }, 2 },
	{ "third retry", REFRESH(1000, 3), 125, 2, 3, 4, EST, EST,
	  "abAB", { 1, 0 }, 3 },
	{ "refresh after retries", REFRESH(1000, 3), 1000, 3, 3, 4, EST, EST,
	  "abBAaA", { 0, 1 } },
	{ "not due", COUNT(3, 50), 8, 0, 3, 4, EST, EST,
	  "abABaAbB", { 0, 0 } },
};

static void race_desc(const struct race *r, char *desc)
{
	strscpy(desc, r->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(race, races, race_desc);

struct decider {
	struct ip_vs_sync_view	v;
	unsigned long		next;
	bool			due;
	unsigned int		wins;
};

static void race_step(const struct race *r, struct ip_vs_sync_conn *sync,
		      unsigned long now, struct decider *cpu, bool claim)
{
	if (claim) {
		if (cpu->due)
			cpu->wins += ip_vs_sync_claim(sync, &cpu->v,
						      cpu->next);
		return;
	}

	cpu->v = (struct ip_vs_sync_view) {
		.now		= now,
		.sync_time	= sync->sync_time,
		.until		= sync->until,
		.timeout	= LIFE,
		.pkts		= r->pkts,
		.last_pkts	= sync->pkts,
		.state		= r->state,
		.last_state	= sync->state,
		.phase		= tcp_phase_of(r->state),
	};
	cpu->due = ip_vs_sync_due(&r->rules, &cpu->v, &cpu->next);
}

static void race_one(struct kunit *test)
{
	const struct race *r = test->param_value;
	struct ip_vs_sync_conn sync;
	struct decider cpus[2];
	unsigned long now;
	const char *step;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(epochs); i++) {
		now = epochs[i] + r->ago;
		memset(cpus, 0, sizeof(cpus));
		memset(&sync, 0, sizeof(sync));
		sync.sync_time = epochs[i] + r->retry;
		sync.until = epochs[i] + LIFE;
		sync.pkts = r->last_pkts;
		sync.state = r->last_state;
		for (step = r->script; *step; step++)
			race_step(r, &sync, now, &cpus[(*step | 0x20) - 'a'],
				  !(*step & 0x20));
		KUNIT_EXPECT_EQ(test, cpus[0].wins, r->wins[0]);
		KUNIT_EXPECT_EQ(test, cpus[1].wins, r->wins[1]);
		if (!r->wins[0] && !r->wins[1]) {
			KUNIT_EXPECT_EQ(test, sync.sync_time,
					epochs[i] + r->retry);
			KUNIT_EXPECT_EQ(test, sync.pkts, r->last_pkts);
			KUNIT_EXPECT_EQ(test, sync.state, r->last_state);
			continue;
		}
		expect_word(test, now, epochs[i] + r->retry, sync.sync_time,
			    r->next);
		KUNIT_EXPECT_EQ(test, sync.pkts, r->pkts);
		KUNIT_EXPECT_EQ(test, sync.state, r->state);
	}
}

/* A claim on something else than what is there changes nothing */
static void claim_stale(struct kunit *test)
{
	struct ip_vs_sync_conn sync = {
		.sync_time	= 0x1000,
		.pkts		= 7,
		.state		= EST,
	};
	struct ip_vs_sync_view v = {
		.pkts		= 8,
		.state		= FIN,
	};
	static const unsigned long stale[] = {
		0, 0xffc, 0xfff, 0x1001, 0x1002, 0x1003, 0x1004, ~0x1000UL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stale); i++) {
		v.sync_time = stale[i];
		KUNIT_EXPECT_FALSE(test, ip_vs_sync_claim(&sync, &v, 0x2000));
		KUNIT_EXPECT_EQ(test, sync.sync_time, 0x1000);
		KUNIT_EXPECT_EQ(test, sync.pkts, 7);
		KUNIT_EXPECT_EQ(test, sync.state, EST);
	}
	v.sync_time = 0x1000;
	KUNIT_EXPECT_TRUE(test, ip_vs_sync_claim(&sync, &v, 0x2001));
	KUNIT_EXPECT_EQ(test, sync.sync_time, 0x2001);
	KUNIT_EXPECT_EQ(test, sync.pkts, 8);
	KUNIT_EXPECT_EQ(test, sync.state, FIN);
}

/* Threads that all claim whatever word they find, until there have been enough
 * of them: each word has had one winner.
 */
#define HAMMERS		8
#define HAMMER_WORDS	4000000

struct hammer {
	struct ip_vs_sync_conn	*sync;
	struct completion	*start;
	struct completion	done;
	unsigned long		end;
	unsigned long		wins;
};

static int hammer(void *data)
{
	struct ip_vs_sync_view v = { .state = EST };
	struct hammer *h = data;

	wait_for_completion(h->start);
	while ((v.sync_time = READ_ONCE(h->sync->sync_time)) != h->end) {
		h->wins += ip_vs_sync_claim(h->sync, &v, v.sync_time + 4);
		if (++v.pkts % 1024 == 0)
			cond_resched();
	}
	kthread_complete_and_exit(&h->done, 0);
}

static void hammered(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(start);
	struct ip_vs_sync_conn *sync;
	struct task_struct *task;
	unsigned long wins = 0;
	struct hammer *h;
	unsigned int i, n;

	sync = kunit_kzalloc(test, sizeof(*sync), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sync);
	h = kunit_kcalloc(test, HAMMERS, sizeof(*h), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h);
	sync->sync_time = -4UL * (HAMMER_WORDS / 2);

	for (n = 0; n < HAMMERS; n++) {
		h[n].sync = sync;
		h[n].start = &start;
		h[n].end = sync->sync_time + 4UL * HAMMER_WORDS;
		init_completion(&h[n].done);
		task = kthread_run(hammer, &h[n], "ipvs_sync_test%u", n);
		if (IS_ERR(task))
			break;
	}
	complete_all(&start);
	for (i = 0; i < n; i++) {
		wait_for_completion(&h[i].done);
		wins += h[i].wins;
	}

	KUNIT_EXPECT_EQ(test, n, HAMMERS);
	KUNIT_EXPECT_EQ(test, wins, HAMMER_WORDS);
	KUNIT_EXPECT_EQ(test, sync->sync_time, 4UL * (HAMMER_WORDS / 2));
	KUNIT_EXPECT_EQ(test, sync->state, EST);
}

/* States that are told, and how urgent they are */
static const struct phase_row {
	const char		*desc;
	u16			protocol;
	u32			flags;
	u16			state;
	enum ip_vs_sync_phase	phase;
} phase_rows[] = {
	{ "TCP none", IPPROTO_TCP, 0, IP_VS_TCP_S_NONE, IP_VS_SYNC_HELD },
	{ "TCP established", IPPROTO_TCP, 0, IP_VS_TCP_S_ESTABLISHED,
	  IP_VS_SYNC_STEADY },
	{ "TCP SYN sent", IPPROTO_TCP, 0, IP_VS_TCP_S_SYN_SENT,
	  IP_VS_SYNC_HELD },
	{ "TCP SYN received", IPPROTO_TCP, 0, IP_VS_TCP_S_SYN_RECV,
	  IP_VS_SYNC_HELD },
	{ "TCP FIN wait", IPPROTO_TCP, 0, IP_VS_TCP_S_FIN_WAIT,
	  IP_VS_SYNC_TURN },
	{ "TCP time wait", IPPROTO_TCP, 0, IP_VS_TCP_S_TIME_WAIT,
	  IP_VS_SYNC_TURN },
	{ "TCP close", IPPROTO_TCP, 0, IP_VS_TCP_S_CLOSE, IP_VS_SYNC_TURN },
	{ "TCP close wait", IPPROTO_TCP, 0, IP_VS_TCP_S_CLOSE_WAIT,
	  IP_VS_SYNC_TURN },
	{ "TCP last ACK", IPPROTO_TCP, 0, IP_VS_TCP_S_LAST_ACK,
	  IP_VS_SYNC_HELD },
	{ "TCP listen", IPPROTO_TCP, 0, IP_VS_TCP_S_LISTEN, IP_VS_SYNC_HELD },
	{ "TCP SYN ACK", IPPROTO_TCP, 0, IP_VS_TCP_S_SYNACK, IP_VS_SYNC_HELD },
	{ "TCP, one too many", IPPROTO_TCP, 0, IP_VS_TCP_S_LAST,
	  IP_VS_SYNC_HELD },
	{ "TCP, many too many", IPPROTO_TCP, 0, 0xffff, IP_VS_SYNC_HELD },
	{ "SCTP none", IPPROTO_SCTP, 0, IP_VS_SCTP_S_NONE, IP_VS_SYNC_HELD },
	{ "SCTP INIT1", IPPROTO_SCTP, 0, IP_VS_SCTP_S_INIT1, IP_VS_SYNC_HELD },
	{ "SCTP INIT", IPPROTO_SCTP, 0, IP_VS_SCTP_S_INIT, IP_VS_SYNC_HELD },
	{ "SCTP cookie sent", IPPROTO_SCTP, 0, IP_VS_SCTP_S_COOKIE_SENT,
	  IP_VS_SYNC_HELD },
	{ "SCTP cookie replied", IPPROTO_SCTP, 0, IP_VS_SCTP_S_COOKIE_REPLIED,
	  IP_VS_SYNC_HELD },
	{ "SCTP cookie wait", IPPROTO_SCTP, 0, IP_VS_SCTP_S_COOKIE_WAIT,
	  IP_VS_SYNC_HELD },
	{ "SCTP cookie", IPPROTO_SCTP, 0, IP_VS_SCTP_S_COOKIE,
	  IP_VS_SYNC_HELD },
	{ "SCTP cookie echoed", IPPROTO_SCTP, 0, IP_VS_SCTP_S_COOKIE_ECHOED,
	  IP_VS_SYNC_HELD },
	{ "SCTP established", IPPROTO_SCTP, 0, IP_VS_SCTP_S_ESTABLISHED,
	  IP_VS_SYNC_STEADY },
	{ "SCTP shutdown sent", IPPROTO_SCTP, 0, IP_VS_SCTP_S_SHUTDOWN_SENT,
	  IP_VS_SYNC_TURN },
	{ "SCTP shutdown received", IPPROTO_SCTP, 0,
	  IP_VS_SCTP_S_SHUTDOWN_RECEIVED, IP_VS_SYNC_TURN },
	{ "SCTP shutdown ACK sent", IPPROTO_SCTP, 0,
	  IP_VS_SCTP_S_SHUTDOWN_ACK_SENT, IP_VS_SYNC_TURN },
	{ "SCTP rejected", IPPROTO_SCTP, 0, IP_VS_SCTP_S_REJECTED,
	  IP_VS_SYNC_HELD },
	{ "SCTP closed", IPPROTO_SCTP, 0, IP_VS_SCTP_S_CLOSED,
	  IP_VS_SYNC_TURN },
	{ "SCTP, one too many", IPPROTO_SCTP, 0, IP_VS_SCTP_S_LAST,
	  IP_VS_SYNC_HELD },
	{ "SCTP, many too many", IPPROTO_SCTP, 0, 0xffff, IP_VS_SYNC_HELD },
	{ "UDP", IPPROTO_UDP, 0, IP_VS_UDP_S_NORMAL, IP_VS_SYNC_STEADY },
	{ "ESP", IPPROTO_ESP, 0, 0, IP_VS_SYNC_STEADY },
	{ "AH", IPPROTO_AH, 0, 0, IP_VS_SYNC_STEADY },
	{ "other flags", IPPROTO_TCP,
	  ~(IP_VS_CONN_F_ONE_PACKET | IP_VS_CONN_F_TEMPLATE),
	  IP_VS_TCP_S_ESTABLISHED, IP_VS_SYNC_STEADY },
	{ "opening with other flags", IPPROTO_TCP,
	  ~(IP_VS_CONN_F_ONE_PACKET | IP_VS_CONN_F_TEMPLATE),
	  IP_VS_TCP_S_SYN_RECV, IP_VS_SYNC_HELD },
	{ "TCP template", IPPROTO_TCP, IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_NONE, IP_VS_SYNC_TURN },
	{ "TCP template, assured", IPPROTO_TCP, IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_ASSURED, IP_VS_SYNC_TURN },
	{ "UDP template", IPPROTO_UDP, IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_NONE, IP_VS_SYNC_TURN },
	{ "SCTP template", IPPROTO_SCTP, IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_NONE, IP_VS_SYNC_TURN },
	{ "template of a firewall mark", IPPROTO_IP, IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_NONE, IP_VS_SYNC_TURN },
	{ "one packet, UDP", IPPROTO_UDP, IP_VS_CONN_F_ONE_PACKET,
	  IP_VS_UDP_S_NORMAL, IP_VS_SYNC_HELD },
	{ "one packet, TCP", IPPROTO_TCP, IP_VS_CONN_F_ONE_PACKET,
	  IP_VS_TCP_S_ESTABLISHED, IP_VS_SYNC_HELD },
	{ "one packet, template", IPPROTO_UDP,
	  IP_VS_CONN_F_ONE_PACKET | IP_VS_CONN_F_TEMPLATE,
	  IP_VS_CTPL_S_NONE, IP_VS_SYNC_HELD },
};

static void phase_desc(const struct phase_row *row, char *desc)
{
	strscpy(desc, row->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(phase, phase_rows, phase_desc);

static void phase_one(struct kunit *test)
{
	const struct phase_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test,
			ip_vs_sync_phase(row->protocol, row->flags, row->state),
			row->phase);
}

/* Every state has its row above, and none is taken for "never announced" */
static void phase_all(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, IP_VS_TCP_S_LAST, 11);
	KUNIT_EXPECT_EQ(test, IP_VS_SCTP_S_LAST, 14);
	KUNIT_EXPECT_EQ(test, IP_VS_UDP_S_LAST, 1);
	KUNIT_EXPECT_GT(test, IP_VS_SYNC_NEVER, IP_VS_SCTP_S_LAST);
}

/* All directors agree on these, so they can never change. IPv4: the final mix
 * of Jenkins' lookup3 over client, virtual address and both ports, started
 * with the protocol. IPv6: lookup3 over all eight words, started with that of
 * the ports. Computed by an implementation of lookup3 other than the kernel's.
 */
static const struct flow {
	const char	*desc;
	u16		af;
	u8		protocol;
	u32		caddr[4];
	u16		cport;
	u32		vaddr[4];
	u16		vport;
	u32		hash;
} flows[] = {
	{ "TCP", AF_INET, IPPROTO_TCP, { 0xc0000201 }, 49153,
	  { 0xc6336450 }, 80, 0xbc3b9388 },
	{ "UDP", AF_INET, IPPROTO_UDP, { 0xc0000201 }, 49153,
	  { 0xc6336450 }, 80, 0x9fa60c34 },
	{ "next port", AF_INET, IPPROTO_TCP, { 0xc0000201 }, 49154,
	  { 0xc6336450 }, 80, 0xf7400770 },
	{ "next client", AF_INET, IPPROTO_TCP, { 0xc0000202 }, 49153,
	  { 0xc6336450 }, 80, 0x3e6c2186 },
	{ "addresses swapped", AF_INET, IPPROTO_TCP, { 0xc6336450 }, 49153,
	  { 0xc0000201 }, 80, 0x4fa50f35 },
	{ "ports swapped", AF_INET, IPPROTO_TCP, { 0xc0000201 }, 80,
	  { 0xc6336450 }, 49153, 0x1b8272ee },
	{ "zeros", AF_INET, 0, { 0 }, 0, { 0 }, 0, 0x1b68e557 },
	{ "ones", AF_INET, 255, { 0xffffffff }, 65535,
	  { 0xffffffff }, 65535, 0xbbf7e512 },
	{ "IPv6 TCP", AF_INET6, IPPROTO_TCP, { 0x20010db8, 0, 0, 1 }, 49153,
	  { 0x20010db8, 0, 0, 0x80 }, 80, 0x3d84ad85 },
	{ "IPv6 SCTP", AF_INET6, IPPROTO_SCTP, { 0x20010db8, 0, 0, 1 }, 49153,
	  { 0x20010db8, 0, 0, 0x80 }, 80, 0x8236c912 },
	{ "IPv6 next client", AF_INET6, IPPROTO_TCP, { 0x20010db8, 0, 0, 2 },
	  49153, { 0x20010db8, 0, 0, 0x80 }, 80, 0x1cd9472f },
	{ "IPv6 all words", AF_INET6, IPPROTO_UDP,
	  { 0x20010db8, 0x61626364, 0x65666768, 0x696a6b6c }, 53506,
	  { 0x20010db9, 0x71727374, 0x75767778, 0x797a7b7c }, 53,
	  0x3ae71187 },
	{ "IPv6 zeros", AF_INET6, 0, { 0 }, 0, { 0 }, 0, 0x6e71e329 },
};

static void flow_desc(const struct flow *f, char *desc)
{
	strscpy(desc, f->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(flow, flows, flow_desc);

static u32 flow_hash(const struct flow *f)
{
	union nf_inet_addr caddr, vaddr;
	unsigned int i;

	/* What lies behind an IPv4 address does not matter */
	memset(&caddr, 0xa5, sizeof(caddr));
	memset(&vaddr, 0x5a, sizeof(vaddr));
	for (i = 0; i < (f->af == AF_INET6 ? 4 : 1); i++) {
		caddr.ip6[i] = htonl(f->caddr[i]);
		vaddr.ip6[i] = htonl(f->vaddr[i]);
	}
	return ip_vs_sync_flow_hash(f->af, f->protocol, &caddr,
				    htons(f->cport), &vaddr, htons(f->vport));
}

static void hash_one(struct kunit *test)
{
	const struct flow *f = test->param_value;

	KUNIT_EXPECT_EQ(test, flow_hash(f), f->hash);
}

/* What differs from flow to flow in some traffic, and in what steps */
static const struct spread {
	const char	*desc;
	u16		af;
	u32		cport;
	u32		caddr[4];
	u32		vport;
	u32		vaddr;
} spreads[] = {
	{ "ports of one client", AF_INET, .cport = 1 },
	{ "even ports of one client", AF_INET, .cport = 2 },
	{ "clients of a network", AF_INET, .caddr = { 1 } },
	{ "networks of clients", AF_INET, .caddr = { 256 } },
	{ "clients with their ports", AF_INET, 1, { 1 } },
	{ "services", AF_INET, .vport = 1 },
	{ "virtual addresses", AF_INET, .vaddr = 1 },
	{ "IPv6, ports", AF_INET6, .cport = 1 },
	{ "IPv6, even ports", AF_INET6, .cport = 2 },
	{ "IPv6, clients", AF_INET6, .caddr = { 0, 0, 0, 1 } },
	{ "IPv6, networks", AF_INET6, .caddr = { 0, 1 } },
	{ "IPv6, sites", AF_INET6, .caddr = { 0x10000 } },
	{ "IPv6, interfaces", AF_INET6, .caddr = { 0, 0, 0x100 } },
};

static void spread_desc(const struct spread *s, char *desc)
{
	strscpy(desc, s->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(spread, spreads, spread_desc);

#define SPREAD_FLOWS	6400

/* No thread has less than half or more than twice its share */
static void spread_even(struct kunit *test)
{
	unsigned int threads, share, i, j, *count;
	const struct spread *s = test->param_value;
	struct flow f;

	count = kunit_kcalloc(test, IP_VS_SYNC_PORTS_MAX, sizeof(*count),
			      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, count);
	for (threads = 2; threads <= IP_VS_SYNC_PORTS_MAX; threads *= 2) {
		memset(count, 0, IP_VS_SYNC_PORTS_MAX * sizeof(*count));
		share = SPREAD_FLOWS / threads;
		f = (struct flow) {
			.af		= s->af,
			.protocol	= IPPROTO_TCP,
			.caddr		= { 0x0a000000 },
			.cport		= 1024,
			.vaddr		= { 0xc0000201 },
			.vport		= 80,
		};
		for (i = 0; i < SPREAD_FLOWS; i++) {
			count[flow_hash(&f) & (threads - 1)]++;
			f.cport += s->cport;
			f.vport += s->vport;
			f.vaddr[0] += s->vaddr;
			for (j = 0; j < 4; j++)
				f.caddr[j] += s->caddr[j];
		}
		for (i = 0; i < threads; i++) {
			KUNIT_EXPECT_GE_MSG(test, count[i], share / 2,
					    "thread %u of %u", i, threads);
			KUNIT_EXPECT_LE_MSG(test, count[i], share * 2,
					    "thread %u of %u", i, threads);
		}
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(due_one, due_gen_params),
	KUNIT_CASE_PARAM(control_one, control_gen_params),
	KUNIT_CASE_PARAM(walk_one, walk_gen_params),
	KUNIT_CASE_PARAM(reply_one, reply_gen_params),
	KUNIT_CASE_PARAM(extended_one, extended_gen_params),
	KUNIT_CASE_PARAM(left_one, left_gen_params),
	KUNIT_CASE_PARAM(late_one, late_gen_params),
	KUNIT_CASE(late_timer),
	KUNIT_CASE_PARAM(stream_packets, stream_gen_params),
	KUNIT_CASE(stream_wrap),
	KUNIT_CASE_PARAM(times_packets, times_gen_params),
	KUNIT_CASE(never_forgotten),
	KUNIT_CASE(never_ahead),
	KUNIT_CASE(words),
	KUNIT_CASE(words_differ),
	KUNIT_CASE(lease),
	KUNIT_CASE_PARAM(race_one, race_gen_params),
	KUNIT_CASE(claim_stale),
	KUNIT_CASE(hammered),
	KUNIT_CASE_PARAM(phase_one, phase_gen_params),
	KUNIT_CASE(phase_all),
	KUNIT_CASE_PARAM(hash_one, flow_gen_params),
	KUNIT_CASE_PARAM(spread_even, spread_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name		= "ipvs_sync_policy",
	.test_cases	= cases,
};

kunit_test_suites(&suite);
