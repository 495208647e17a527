/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: which messages of a stream have come
 *
 * Pure arithmetic over its arguments, so the same code serves the kernel,
 * KUnit and user space (with -I tools/include). Numbers are serial: a is
 * before b when (s32)(a - b) is below 0.
 */

#ifndef _IP_VS_SYNC_WINDOW_H
#define _IP_VS_SYNC_WINDOW_H

#include <linux/types.h>

/* Most gaps that are kept apart, and ranges in a request or an answer */
#define IP_VS_SYNC_RANGES_MAX	64

/**
 * struct ip_vs_sync_range - consecutive messages
 * @first:	number of the first
 * @last:	number of the last, not before @first
 */
struct ip_vs_sync_range {
	u32			first;
	u32			last;
};

/**
 * struct ip_vs_sync_gap - messages that have not come
 * @r:		which
 * @since:	jiffies when they were first missed
 * @ask:	jiffies when to ask for them, next
 * @asked:	how often that was done
 */
struct ip_vs_sync_gap {
	struct ip_vs_sync_range	r;
	unsigned long		since;
	unsigned long		ask;
	unsigned int		asked;
};

/**
 * struct ip_vs_sync_window - what has come of a stream
 * @base:	first message that counts; all from here to @high have come or
 *		are in a gap
 * @high:	last message known to have been sent, @base - 1 for none
 * @gaps:	the gaps, in order, none of them empty; two that were missed at
 *		different times may touch
 * @n:		number of them
 */
struct ip_vs_sync_window {
	u32			base;
	u32			high;
	struct ip_vs_sync_gap	gaps[IP_VS_SYNC_RANGES_MAX];
	unsigned int		n;
};

/**
 * enum ip_vs_sync_arrival - what a message is to a window
 * @IP_VS_SYNC_NEXT:	newer than all that came
 * @IP_VS_SYNC_LATE:	it closes a gap, or a part of one
 * @IP_VS_SYNC_AGAIN:	it has come, or been made up for, before
 */
enum ip_vs_sync_arrival {
	IP_VS_SYNC_NEXT,
	IP_VS_SYNC_LATE,
	IP_VS_SYNC_AGAIN,
};

static inline bool ip_vs_sync_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

void ip_vs_sync_window_open(struct ip_vs_sync_window *w, u32 base);
enum ip_vs_sync_arrival
ip_vs_sync_window_test(const struct ip_vs_sync_window *w, u32 seq);
void ip_vs_sync_window_seen(struct ip_vs_sync_window *w, u32 seq,
			    unsigned long now, unsigned long ask);
void ip_vs_sync_window_known(struct ip_vs_sync_window *w, u32 last,
			     unsigned long now, unsigned long ask);
void ip_vs_sync_window_close(struct ip_vs_sync_window *w,
			     const struct ip_vs_sync_range *r);
bool ip_vs_sync_window_complete(const struct ip_vs_sync_window *w, u32 first,
				u32 last);
u32 ip_vs_sync_window_missing(const struct ip_vs_sync_window *w);
unsigned int ip_vs_sync_window_ask(struct ip_vs_sync_window *w,
				   unsigned long now,
				   struct ip_vs_sync_range *ranges);
bool ip_vs_sync_window_next_ask(const struct ip_vs_sync_window *w,
				unsigned long *when);

#endif	/* _IP_VS_SYNC_WINDOW_H */
