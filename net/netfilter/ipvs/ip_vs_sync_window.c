// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: which messages of a stream have come
 *
 * A window keeps the gaps, not the messages. When there are too many gaps to
 * keep apart, the two that are nearest to each other become one: messages
 * between them that have come count as missing, which costs a needless repair
 * but never hides a loss.
 */

#include <linux/string.h>
#include <asm/param.h>

#include "ip_vs_sync_window.h"

/* Before a gap is asked for again, in jiffies: at first and at most */
#define ASK_AGAIN_MIN		(HZ / 20 ? HZ / 20 : 1UL)
#define ASK_AGAIN_MAX		HZ

/**
 * ip_vs_sync_window_open() - begin to watch a stream
 * @w:		the window
 * @base:	first message that counts
 *
 * Context: any.
 */
void ip_vs_sync_window_open(struct ip_vs_sync_window *w, u32 base)
{
	w->base = base;
	w->high = base - 1;
	w->n = 0;
}

static void remove_gap(struct ip_vs_sync_window *w, unsigned int i)
{
	w->n--;
	memmove(&w->gaps[i], &w->gaps[i + 1],
		(w->n - i) * sizeof(w->gaps[0]));
}

/* Make one of two neighbours, the nearest there are; it is as old as the older,
 * which is the first.
 */
static void merge_nearest(struct ip_vs_sync_window *w)
{
	unsigned int i, at = 0;
	u32 apart, least = ~0U;

	for (i = 0; i + 1 < w->n; i++) {
		apart = w->gaps[i + 1].r.first - w->gaps[i].r.last;
		if (apart < least) {
			least = apart;
			at = i;
		}
	}
	w->gaps[at].r.last = w->gaps[at + 1].r.last;
	remove_gap(w, at + 1);
}

static int find_gap(const struct ip_vs_sync_window *w, u32 seq)
{
	unsigned int i;

	for (i = 0; i < w->n; i++)
		if (!ip_vs_sync_before(seq, w->gaps[i].r.first) &&
		    !ip_vs_sync_before(w->gaps[i].r.last, seq))
			return i;
	return -1;
}

/**
 * ip_vs_sync_window_test() - what would this message be?
 * @w:		the window
 * @seq:	its number
 *
 * Context: any.
 * Return: see &enum ip_vs_sync_arrival.
 */
enum ip_vs_sync_arrival
ip_vs_sync_window_test(const struct ip_vs_sync_window *w, u32 seq)
{
	if (ip_vs_sync_before(w->high, seq))
		return IP_VS_SYNC_NEXT;
	return find_gap(w, seq) < 0 ? IP_VS_SYNC_AGAIN : IP_VS_SYNC_LATE;
}

/**
 * ip_vs_sync_window_known() - a message is known to have been sent
 * @w:		the window
 * @last:	its number
 * @now:	jiffies
 * @ask:	jiffies when to ask for what is missed now
 *
 * Context: any.
 */
void ip_vs_sync_window_known(struct ip_vs_sync_window *w, u32 last,
			     unsigned long now, unsigned long ask)
{
	struct ip_vs_sync_gap *gap;

	if (!ip_vs_sync_before(w->high, last))
		return;
	if (w->n == IP_VS_SYNC_RANGES_MAX)
		merge_nearest(w);
	gap = &w->gaps[w->n++];
	gap->r.first = w->high + 1;
	gap->r.last = last;
	gap->since = now;
	gap->ask = ask;
	gap->asked = 0;
	w->high = last;
}

/* Take a range out of one gap, of which it is a part */
static void cut_gap(struct ip_vs_sync_window *w, unsigned int i,
		    const struct ip_vs_sync_range *r)
{
	struct ip_vs_sync_gap *gap = &w->gaps[i];
	bool head = ip_vs_sync_before(gap->r.first, r->first);
	bool tail = ip_vs_sync_before(r->last, gap->r.last);

	if (head && tail) {
		/* The gap is in two parts. Without room for these the next
		 * request asks for what has come, too.
		 */
		if (w->n == IP_VS_SYNC_RANGES_MAX)
			return;
		memmove(gap + 1, gap, (w->n - i) * sizeof(*gap));
		w->n++;
		gap[0].r.last = r->first - 1;
		gap[1].r.first = r->last + 1;
	} else if (head) {
		gap->r.last = r->first - 1;
	} else if (tail) {
		gap->r.first = r->last + 1;
	} else {
		remove_gap(w, i);
	}
}

/**
 * ip_vs_sync_window_close() - messages need not be missed any more
 * @w:		the window
 * @r:		which; those in no gap do not matter
 *
 * Context: any.
 */
void ip_vs_sync_window_close(struct ip_vs_sync_window *w,
			     const struct ip_vs_sync_range *r)
{
	struct ip_vs_sync_range part;
	unsigned int i = w->n;

	/* From the end: a cut moves only what has been looked at */
	while (i--) {
		part = w->gaps[i].r;
		if (ip_vs_sync_before(part.first, r->first))
			part.first = r->first;
		if (ip_vs_sync_before(r->last, part.last))
			part.last = r->last;
		if (!ip_vs_sync_before(part.last, part.first))
			cut_gap(w, i, &part);
	}
}

/**
 * ip_vs_sync_window_seen() - a message has come
 * @w:		the window
 * @seq:	its number
 * @now:	jiffies
 * @ask:	jiffies when to ask for those that it shows to be missing
 *
 * Context: any.
 */
void ip_vs_sync_window_seen(struct ip_vs_sync_window *w, u32 seq,
			    unsigned long now, unsigned long ask)
{
	struct ip_vs_sync_range r = { seq, seq };

	if (ip_vs_sync_before(w->high, seq)) {
		ip_vs_sync_window_known(w, seq - 1, now, ask);
		w->high = seq;
	} else {
		ip_vs_sync_window_close(w, &r);
	}
}

/**
 * ip_vs_sync_window_complete() - have all these messages come?
 * @w:		the window
 * @first:	number of the first
 * @last:	number of the last; before @first if there are none
 *
 * Context: any.
 * Return: true if they have, or have been made up for, and so have those of the
 * window that were sent before.
 */
bool ip_vs_sync_window_complete(const struct ip_vs_sync_window *w, u32 first,
				u32 last)
{
	if (ip_vs_sync_before(first, w->base) ||
	    ip_vs_sync_before(w->high, last))
		return false;
	return !w->n || ip_vs_sync_before(last, w->gaps[0].r.first);
}

/**
 * ip_vs_sync_window_missing() - how many messages are missed?
 * @w:		the window
 *
 * Context: any.
 * Return: their number.
 */
u32 ip_vs_sync_window_missing(const struct ip_vs_sync_window *w)
{
	unsigned int i;
	u32 sum = 0;

	for (i = 0; i < w->n; i++)
		sum += w->gaps[i].r.last - w->gaps[i].r.first + 1;
	return sum;
}

/**
 * ip_vs_sync_window_ask() - what is to be asked for now?
 * @w:		the window; remembers that it was asked for
 * @now:	jiffies
 * @ranges:	set; room for %IP_VS_SYNC_RANGES_MAX
 *
 * Context: any.
 * Return: number of ranges.
 */
unsigned int ip_vs_sync_window_ask(struct ip_vs_sync_window *w,
				   unsigned long now,
				   struct ip_vs_sync_range *ranges)
{
	struct ip_vs_sync_gap *gap;
	unsigned int i, n = 0;
	unsigned long wait;

	for (i = 0; i < w->n; i++) {
		gap = &w->gaps[i];
		if ((long)(gap->ask - now) > 0)
			continue;
		ranges[n++] = gap->r;
		wait = ASK_AGAIN_MAX;
		if (gap->asked < 5 && ASK_AGAIN_MIN << gap->asked < wait)
			wait = ASK_AGAIN_MIN << gap->asked;
		gap->asked++;
		gap->ask = now + wait;
	}
	return n;
}

/**
 * ip_vs_sync_window_next_ask() - when is there something to ask for?
 * @w:		the window
 * @when:	set to jiffies when; untouched if nothing is missed
 *
 * Context: any.
 * Return: true if something is missed.
 */
bool ip_vs_sync_window_next_ask(const struct ip_vs_sync_window *w,
				unsigned long *when)
{
	unsigned int i;

	for (i = 0; i < w->n; i++)
		if (!i || (long)(w->gaps[i].ask - *when) < 0)
			*when = w->gaps[i].ask;
	return w->n;
}
