// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: fuzz the window, beside a set of the messages that are missing
 *
 * Each two bytes of the input are something that happens. It must hold that
 *
 * - what is in the gaps is what is in the set. A window that is full may count
 *   more as missing than is, but never a message as there that has not come;
 * - the gaps are in order, apart and not empty;
 * - it is asked for a gap when that is due, and then each time later, up to
 *   a second.
 */

#include <string.h>
#include <asm/param.h>

#include "fuzz.h"

#define SPAN		512	/* messages from the base on */
#define EVENTS_MAX	512

/* Numbers are those of messages, less the base */
static struct {
	u32			base;
	u32			next;		/* not known to be sent yet */
	bool			lost[SPAN];	/* has not come, in truth */
	bool			set[SPAN];	/* is in a gap */
	unsigned long		now;
} m;

static bool full(const struct ip_vs_sync_window *w)
{
	return w->n == IP_VS_SYNC_RANGES_MAX;
}

/* Take over what is in the gaps, after checking it. With @same it is what is
 * in the set, without it no less than what is lost.
 */
static void compare(const struct ip_vs_sync_window *w, bool same)
{
	u32 i, j = 0, sum = 0;
	unsigned int g;
	bool set;

	check(w->base == m.base && w->high == m.base + m.next - 1);
	check(w->n <= IP_VS_SYNC_RANGES_MAX);
	for (g = 0; g < w->n; g++) {
		i = w->gaps[g].r.first - m.base;
		check(i >= j && i <= w->gaps[g].r.last - m.base);
		j = w->gaps[g].r.last - m.base + 1;
		check(j <= m.next);
		sum += j - i;
	}
	check(ip_vs_sync_window_missing(w) == sum);
	for (i = 0, g = 0; i < m.next; i++) {
		while (g < w->n && w->gaps[g].r.last - m.base < i)
			g++;
		set = g < w->n && w->gaps[g].r.first - m.base <= i;
		check(set || !m.lost[i]);
		check(!same || set == m.set[i]);
		m.set[i] = set;
	}
}

static void miss(u32 i, bool missing)
{
	m.lost[i] = missing;
	m.set[i] = missing;
}

/* All up to @end are known to be sent */
static void sent(u32 end)
{
	for (; m.next < end; m.next++)
		miss(m.next, true);
}

static void seen(struct ip_vs_sync_window *w, u32 i)
{
	bool exact = !full(w);

	check(ip_vs_sync_window_test(w, m.base + i) ==
	      (i >= m.next ? IP_VS_SYNC_NEXT :
	       m.set[i] ? IP_VS_SYNC_LATE : IP_VS_SYNC_AGAIN));
	sent(i + 1);
	miss(i, false);
	ip_vs_sync_window_seen(w, m.base + i, m.now, m.now + 1);
	compare(w, exact);
}

static void known(struct ip_vs_sync_window *w, u32 i)
{
	bool exact = !full(w);

	sent(i + 1);
	ip_vs_sync_window_known(w, m.base + i, m.now, m.now + 1);
	compare(w, exact);
}

static void close_range(struct ip_vs_sync_window *w, u32 first, u32 last)
{
	struct ip_vs_sync_range r = { m.base + first, m.base + last };
	bool exact = !full(w);
	u32 i;

	for (i = first; i <= last && i < m.next; i++)
		miss(i, false);
	ip_vs_sync_window_close(w, &r);
	compare(w, exact);
}

static void complete(const struct ip_vs_sync_window *w, u32 first, u32 end)
{
	u32 i, last = m.base + end - 1;
	bool want = end <= m.next;

	for (i = 0; want && i < end; i++)
		want = !m.set[i];
	check(ip_vs_sync_window_complete(w, m.base + first, last) == want);
	check(!ip_vs_sync_window_complete(w, m.base - 1, last));
}

static void ask(struct ip_vs_sync_window *w)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	struct ip_vs_sync_window was = *w;
	unsigned long wait, when = 0, least = ~0UL;
	unsigned int g, n, i = 0;

	n = ip_vs_sync_window_ask(w, m.now, ranges);
	for (g = 0; g < was.n; g++) {
		if (was.gaps[g].ask > m.now) {
			check(w->gaps[g].ask == was.gaps[g].ask);
			continue;
		}
		check(i < n && !memcmp(&ranges[i++], &was.gaps[g].r,
				       sizeof(ranges[0])));
		wait = w->gaps[g].ask - m.now;
		check(wait >= HZ / 20 && wait <= HZ);
		check(w->gaps[g].asked == was.gaps[g].asked + 1);
		check(w->gaps[g].asked < 6 || wait == HZ);
	}
	check(i == n);
	compare(w, true);
	check(ip_vs_sync_window_next_ask(w, &when) == !!w->n);
	for (g = 0; g < w->n; g++)
		if (w->gaps[g].ask < least)
			least = w->gaps[g].ask;
	check(!w->n || when == least);
}

static void happen(struct ip_vs_sync_window *w, u8 what, u8 number)
{
	u32 ahead = m.next + number % 32;
	u32 i = m.next ? m.next * number / 256 : 0;

	switch (what % 8) {
	case 0:
		seen(w, m.next);
		break;
	case 1:
		seen(w, ahead);
		break;
	case 2:
		seen(w, i);
		break;
	case 3:
		known(w, ahead);
		break;
	case 4:
		close_range(w, i, i + what / 8);
		break;
	case 5:
		complete(w, i, i + what / 8);
		break;
	case 6:
		m.now += number;
		ask(w);
		break;
	case 7:
		/* Each second one is lost */
		while (number-- && m.next < SPAN - 64)
			seen(w, m.next + 1);
		break;
	}
}

void fuzz_window(const u8 *data, unsigned int len)
{
	struct ip_vs_sync_window w;
	unsigned int i;

	if (len < 2)
		return;
	memset(&m, 0, sizeof(m));
	/* Where numbers wrap, as such or with a sign */
	m.base = (data[0] & 1 ? 0 : 0x80000000) + (s8)data[1];
	ip_vs_sync_window_open(&w, m.base);
	for (i = 2; i + 1 < len && i < EVENTS_MAX &&
	     m.next < SPAN - 64; i += 2)
		happen(&w, data[i], data[i + 1]);
}
