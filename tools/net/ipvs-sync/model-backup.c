// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a backup of the model
 *
 * Functions have the names that they have in ip_vs_sync_rx.c and _peer.c, as
 * far as these do the same.
 */

#include <err.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define ASK_DELAY	10
#define JOIN_DELAY	50
#define JOIN_AGAIN	HZ
#define JOIN_TRIES	2
/* As many as come and go while both sides count */
#define COUNT_SLACK	8

struct backup backups[BACKUPS];

static unsigned long soon(unsigned int ms)
{
	return now + ms_jiffies(ms) + rnd(ms_jiffies(ms) + 1);
}

static struct peer *peer_find(struct backup *b, unsigned int master,
			      const struct ip_vs_sync_trailer *t,
			      bool is_numbered)
{
	struct peer *p = b->peers;

	while (p < b->peers + PEERS && p->instance &&
	       p->instance != t->instance)
		p++;
	if (p == b->peers + PEERS)
		errx(EXIT_FAILURE, "too many instances for a backup");
	p->heard = now;
	if (p->instance)
		return p;
	p->instance = t->instance;
	p->master = master;
	p->hello.progress = IP_VS_SYNC_NO_PASS;
	p->join = soon(JOIN_DELAY);
	ip_vs_sync_window_open(&p->w, t->seq + !is_numbered);
	p->said = p->w.high;
	return p;
}

/* Is a numbered message to be applied? */
static bool arrival(struct peer *p, u32 seq)
{
	switch (ip_vs_sync_window_test(&p->w, seq)) {
	case IP_VS_SYNC_AGAIN:
		return false;
	case IP_VS_SYNC_LATE:
		if (p->has_deleted && ip_vs_sync_before(seq, p->deleted))
			return false;
		break;
	case IP_VS_SYNC_NEXT:
		break;
	}
	ip_vs_sync_window_seen(&p->w, seq, now, soon(ASK_DELAY));
	return true;
}

static bool served(const struct peer *p)
{
	return p->hello.progress != IP_VS_SYNC_NO_PASS &&
	       !ip_vs_sync_before(p->hello.pass, p->w.base);
}

static void start_over(struct peer *p)
{
	sum.restarts++;
	ip_vs_sync_window_open(&p->w, p->w.high + 1);
	p->joined = false;
	p->join = soon(JOIN_DELAY);
}

static bool has_joined(const struct peer *p)
{
	return served(p) && p->hello.progress == IP_VS_SYNC_PASS_DONE &&
	       ip_vs_sync_window_complete(&p->w, p->hello.pass,
					  p->hello.done);
}

static bool counts_agree(const struct backup *b, const struct peer *p)
{
	const struct entry *e = b->entries[p->master];
	long here = 0, there = p->hello.conns;
	unsigned int i;

	for (i = 0; i < KEYS; i++)
		here += e[i].present && e[i].by == p->instance;
	return labs(here - there) <= there / 64 + COUNT_SLACK;
}

static void apply_hello(struct backup *b, struct peer *p,
			const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_hello h;
	u32 seq = c->trailer.seq;

	if (ip_vs_sync_hello_read(c, &h))
		broken("a HELLO is refused");
	/* One that is overtaken by others says nothing new */
	if (!ip_vs_sync_before(seq, p->said)) {
		p->said = seq;
		p->hello = h;
	}
	ip_vs_sync_window_known(&p->w, seq, now, soon(ASK_DELAY));
	if (p->w.n && ip_vs_sync_before(p->w.gaps[0].r.first, h.oldest))
		start_over(p);
	if (p->joined || !has_joined(p))
		return;
	p->joined = true;
	if (!counts_agree(b, p) && p->tries++ < JOIN_TRIES)
		start_over(p);
}

static void apply_fill(struct peer *p, const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	unsigned int n;

	if (ip_vs_sync_ranges_read(c, ranges, &n))
		broken("a FILL is refused");
	ip_vs_sync_window_known(&p->w, c->trailer.seq, now, soon(ASK_DELAY));
	while (n--)
		ip_vs_sync_window_close(&p->w, &ranges[n]);
}

static bool is_newer(const struct entry *e, u32 instance, u32 seq)
{
	return e->present && e->by == instance &&
	       ip_vs_sync_before(seq, e->seq);
}

static void apply_delete(struct backup *b, struct peer *p,
			 struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_key key;
	struct entry *e;
	u32 order;

	if (ip_vs_sync_delete_read(c, &order))
		broken("a DELETE is refused");
	if (!arrival(p, c->trailer.seq))
		return;
	while (c->len) {
		if (ip_vs_sync_key_read(c, &key))
			broken("a key is refused");
		e = &b->entries[p->master][ntohl(key.caddr.ip)];
		if (e->present && e->by == p->instance &&
		    !is_newer(e, p->instance, order))
			e->present = false;
	}
	if (!p->has_deleted || ip_vs_sync_before(p->deleted, order))
		p->deleted = order;
	p->has_deleted = true;
}

static void apply_records(struct backup *b, struct peer *p,
			  struct ip_vs_sync_reader *r, u32 seq)
{
	struct ip_vs_sync_record rec;
	struct entry *e;
	u32 key;

	if (!arrival(p, seq))
		return;
	while (r->left) {
		if (ip_vs_sync_read_record(r, &rec))
			broken("a record is refused");
		key = ntohl(rec.caddr.ip);
		e = &b->entries[p->master][key];
		if (is_newer(e, p->instance, seq))
			continue;
		if (rec.fwmark < e->newest)
			broken("backup %u, master %u: %u is %u after %u, by %u",
			       b->id, p->master, key, rec.fwmark, e->newest,
			       seq);
		e->present = true;
		e->by = p->instance;
		e->seq = seq;
		e->version = rec.fwmark;
		e->newest = rec.fwmark;
	}
}

void backup_hear(struct backup *b, const struct packet *packet)
{
	struct ip_vs_sync_control c;
	struct ip_vs_sync_reader r;
	struct peer *p;

	if (!b->up || !is_after_eq(now, b->deaf))
		return;
	if (ip_vs_sync_control_read(&c, packet->buf, packet->len))
		broken("a control message is refused");
	if (c.kind == IP_VS_SYNC_DATA) {
		if (ip_vs_sync_read_open(&r, packet->buf, packet->len))
			broken("a message is refused");
		ip_vs_sync_trailer_read(&r, &c);
		if (!c.numbered)
			broken("a message has no number");
	}
	p = peer_find(b, packet->from, &c.trailer,
		      c.kind <= IP_VS_SYNC_DELETE);
	if (c.kind == IP_VS_SYNC_HELLO)
		apply_hello(b, p, &c);
	else if (c.kind == IP_VS_SYNC_FILL)
		apply_fill(p, &c);
	else if (c.kind == IP_VS_SYNC_DELETE)
		apply_delete(b, p, &c);
	else
		apply_records(b, p, &r, c.trailer.seq);
	judge_peer(b, p);
}

static void ask(struct backup *b, const struct peer *p, const u8 *buf,
		unsigned int len)
{
	/* Those that are gone are asked for a while */
	b->asked += p->instance == masters[p->master].instance;
	link_ask(b->id, p->master, buf, len);
}

static void peer_poll(struct backup *b, struct peer *p)
{
	struct ip_vs_sync_trailer t = { p->instance, p->w.high };
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	u8 buf[IP_VS_SYNC_CONTROL_MAX];
	unsigned int n;

	n = ip_vs_sync_window_ask(&p->w, now, ranges);
	if (n) {
		sum.nacks++;
		ask(b, p, buf, ip_vs_sync_ranges_write(buf, 1,
						       IP_VS_SYNC_NACK,
						       ranges, n, &t));
	}
	if (p->joined || served(p) || !is_after_eq(now, p->join))
		return;
	p->join = now + JOIN_AGAIN;
	sum.joins++;
	ask(b, p, buf, ip_vs_sync_join_write(buf, 1, p->w.base, &t));
}

void backup_run(struct backup *b)
{
	unsigned int i;

	if (!b->up) {
		if (!quiet && !is_after_eq(now, b->back))
			return;
		memset(b->entries, 0, sizeof(b->entries));
		memset(b->peers, 0, sizeof(b->peers));
		b->up = true;
	}
	if (!quiet && in_10000(bad.crash)) {
		b->up = false;
		b->back = now + 1 + rnd(percent(50) ? 2 * HZ : HZ / 10);
		return;
	}
	if (!quiet && in_10000(bad.crash))
		b->deaf = now + 1 + rnd(2 * HZ);
	if (percent(20))
		return;
	for (i = 0; i < PEERS && b->peers[i].instance; i++)
		peer_poll(b, &b->peers[i]);
}
