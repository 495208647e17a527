/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: what a master remembers of the messages it has sent
 *
 * Not the messages: a connection says itself in which one it was told last, so
 * where in the connection table each record came from is enough to find those
 * that a lost message told. Pure: the memory is the caller's.
 */

#ifndef _IP_VS_SYNC_HISTORY_H
#define _IP_VS_SYNC_HISTORY_H

#include <linux/types.h>

/* Messages that are remembered for each so many records: many are short */
#define IP_VS_SYNC_HISTORY_RECORDS_PER_MESSAGE	4

/**
 * struct ip_vs_sync_history - the newest messages of a stream
 * @buckets:	where each record came from, a ring
 * @starts:	of each message, the count of records before it, a ring
 * @records:	size of @buckets, a power of two, no less than the records that
 *		a message can have
 * @messages:	size of @starts, a power of two
 * @added:	records ever added
 * @next:	number of the message that is being built
 * @oldest:	first message that is remembered whole
 */
struct ip_vs_sync_history {
	u32			*buckets;
	u32			*starts;
	u32			records;
	u32			messages;
	u32			added;
	u32			next;
	u32			oldest;
};

/**
 * struct ip_vs_sync_past - records of a message, one after the other
 * @pos:	count of the next one
 * @end:	count behind the last one
 */
struct ip_vs_sync_past {
	u32			pos;
	u32			end;
};

void ip_vs_sync_history_open(struct ip_vs_sync_history *h);
void ip_vs_sync_history_add(struct ip_vs_sync_history *h, u32 bucket);
void ip_vs_sync_history_close(struct ip_vs_sync_history *h);
bool ip_vs_sync_history_find(const struct ip_vs_sync_history *h, u32 seq,
			     struct ip_vs_sync_past *past);
u32 ip_vs_sync_history_bucket(const struct ip_vs_sync_history *h,
			      struct ip_vs_sync_past *past);

#endif	/* _IP_VS_SYNC_HISTORY_H */
