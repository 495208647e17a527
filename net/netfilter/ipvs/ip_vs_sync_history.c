// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: what a master remembers of the messages it has sent
 *
 * Two rings. A message is forgotten when the ring of messages comes round to
 * it, or when that of records comes round to its first record.
 */

#include "ip_vs_sync_history.h"

/**
 * ip_vs_sync_history_open() - begin with message 1
 * @h:	its rings and their sizes are set
 *
 * Context: any.
 */
void ip_vs_sync_history_open(struct ip_vs_sync_history *h)
{
	h->added = 0;
	h->next = 1;
	h->oldest = 1;
	h->starts[h->next & (h->messages - 1)] = 0;
}

/**
 * ip_vs_sync_history_add() - a record is in the message that is being built
 * @h:		the history
 * @bucket:	where the record came from
 *
 * Context: any.
 */
void ip_vs_sync_history_add(struct ip_vs_sync_history *h, u32 bucket)
{
	h->buckets[h->added++ & (h->records - 1)] = bucket;
	while (h->oldest != h->next &&
	       h->added - h->starts[h->oldest & (h->messages - 1)] >
	       h->records)
		h->oldest++;
}

/**
 * ip_vs_sync_history_close() - the message that was being built is sent
 * @h:	the history
 *
 * Context: any.
 */
void ip_vs_sync_history_close(struct ip_vs_sync_history *h)
{
	h->next++;
	if (h->next - h->oldest >= h->messages)
		h->oldest++;
	h->starts[h->next & (h->messages - 1)] = h->added;
}

/**
 * ip_vs_sync_history_find() - what was in a message?
 * @h:		the history
 * @seq:	number of the message
 * @past:	set
 *
 * Context: any.
 * Return: false when it is not remembered, or not sent yet.
 */
bool ip_vs_sync_history_find(const struct ip_vs_sync_history *h, u32 seq,
			     struct ip_vs_sync_past *past)
{
	if (seq - h->oldest >= h->next - h->oldest)
		return false;
	past->pos = h->starts[seq & (h->messages - 1)];
	past->end = h->starts[(seq + 1) & (h->messages - 1)];
	return true;
}

/**
 * ip_vs_sync_history_bucket() - where the next record of a message came from
 * @h:		the history
 * @past:	its @pos is not its @end
 *
 * Context: any.
 * Return: the bucket.
 */
u32 ip_vs_sync_history_bucket(const struct ip_vs_sync_history *h,
			      struct ip_vs_sync_past *past)
{
	return h->buckets[past->pos++ & (h->records - 1)];
}
