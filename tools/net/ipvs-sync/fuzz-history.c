// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: fuzz the history, beside all that was ever in it
 *
 * Each byte of the input is a record, or the end of a message. It must hold
 * that a message is remembered, with all of its records, unless the rings are
 * too small for all that came since.
 */

#include <string.h>

#include "fuzz.h"
#include "ip_vs_sync_history.h"

#define EVENTS_MAX	256
#define RINGS_MAX	64

/* Numbers are those of messages and records, less those of the first ones */
static struct {
	u32			first;
	u32			messages;	/* closed */
	u32			records;
	u32			starts[EVENTS_MAX + 1];
	u32			buckets[EVENTS_MAX];
} m;

static void compare(const struct ip_vs_sync_history *h)
{
	struct ip_vs_sync_past past;
	bool found, want;
	u32 i, j;

	check(h->next == m.first + m.messages);
	check(!ip_vs_sync_history_find(h, h->next, &past));
	check(!ip_vs_sync_history_find(h, m.first - 1, &past));
	for (i = 0; i < m.messages; i++) {
		want = m.messages - i < h->messages &&
		       m.records - m.starts[i] <= h->records;
		found = ip_vs_sync_history_find(h, m.first + i, &past);
		check(found == want);
		check(found == !((s32)(m.first + i - h->oldest) < 0));
		if (!found)
			continue;
		for (j = m.starts[i]; j < m.starts[i + 1]; j++) {
			check(past.pos != past.end);
			check(ip_vs_sync_history_bucket(h, &past) ==
			      m.buckets[j]);
		}
		check(past.pos == past.end);
	}
}

static void add(struct ip_vs_sync_history *h, u32 bucket)
{
	m.buckets[m.records++] = bucket;
	ip_vs_sync_history_add(h, bucket);
}

static void end(struct ip_vs_sync_history *h)
{
	m.starts[++m.messages] = m.records;
	ip_vs_sync_history_close(h);
}

void fuzz_history(const u8 *data, unsigned int len)
{
	u32 buckets[RINGS_MAX], starts[RINGS_MAX];
	struct ip_vs_sync_history h = {
		.buckets	= buckets,
		.starts		= starts,
	};
	unsigned int i;

	if (len < 3)
		return;
	memset(&m, 0, sizeof(m));
	m.first = (data[0] & 1 ? 0 : 0x80000000) + (s8)data[1];
	h.records = 1 << data[2] % 7;
	h.messages = 2 << (data[2] >> 4) % 6;
	ip_vs_sync_history_open(&h);
	check(h.next == 1 && h.oldest == 1);
	/* As if it had gone on for long */
	h.next = m.first;
	h.oldest = m.first;
	h.added = m.first;
	starts[h.next & (h.messages - 1)] = h.added;
	for (i = 3; i < len && i < EVENTS_MAX; i++) {
		if (data[i] % 4 && m.records - m.starts[m.messages] < h.records)
			add(&h, data[i]);
		else
			end(&h);
		compare(&h);
	}
}
