// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a model of masters and backups, to find what repair misses
 *
 *	model [RUNS [SEED]]
 *
 * Masters announce, backups ask, as ip_vs_sync_tx.c, _stream.c, _walk.c, _rx.c
 * and _peer.c do; what these leave to ip_vs_sync_window.c, _history.c and
 * _control.c is done by these files themselves. The link loses, doubles,
 * delays and reorders, either side dies and comes back at any time, threads do
 * not run for a while; each run has another seed, and small rings, so that
 * much is forgotten. It must hold that
 *
 * - a backup that has joined and misses nothing has just what the master had
 *   told by the last message that the backup knows of;
 * - what has been told later is never overwritten by what was told before, nor
 *   brought back after a DELETE;
 * - once the link is good, and the masters have nothing new, all backups are
 *   complete within a bounded time, and then ask for nothing any more.
 *
 * What leaves a master silently, as its time is over, is told by no message: a
 * backup may have it or not.
 */

#include <err.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/param.h>

#include <linux/kernel.h>

#include "ip_vs_sync_control.h"
#include "ip_vs_sync_history.h"

#define RUNS		3000

#define MASTERS		2
#define BACKUPS		3
#define PEERS		4	/* instances that a backup knows */
#define KEYS		40	/* connections that a master can have */
#define BUCKETS		20
#define KEPT		32
#define FLIGHT_MAX	8192
#define INBOX_MAX	64
#define BUF_MAX		640
#define DELAY_MAX	8	/* jiffies on the link */

/* Jiffies */
#define MS(ms)		((ms) * HZ / 1000 ? (ms) * HZ / 1000 : 1)
#define HELLO_AGAIN	HZ
#define HELLO_PASS	MS(100)
#define HELLO_SOON	MS(100)
#define TROUBLE		(6 * HZ)	/* how long things go wrong */
#define PATIENCE	(12 * HZ)	/* until all is complete after it */
#define QUIET		(3 * HZ)	/* and nobody asks then */
#define FORGET		(60 * HZ)

#define JOIN_TRIES	2

struct packet {
	unsigned long			at;
	unsigned int			from;
	unsigned int			to;
	bool				up;	/* a request */
	unsigned int			len;
	u8				buf[BUF_MAX];
};

enum event_what { TOLD, DELETED, GONE };

/* What a message said of a connection; the number is from the first one on */
struct event {
	u32				rel;
	enum event_what			what;
	u32				version;
};

struct conn {
	bool				alive;
	bool				pending;
	bool				listed;	/* in the queue */
	bool				owned;	/* told by this instance */
	u32				version;
	u32				seq;
	struct event			*events;
	unsigned int			n;
	unsigned int			room;
};

struct master {
	unsigned int			id;
	bool				up;
	unsigned long			back;	/* when it comes back */
	unsigned long			runs;	/* when its thread runs again */
	u32				instance;
	u32				origin;	/* its first number */
	struct conn			conns[KEYS];
	u32				versions;
	unsigned int			queue[KEYS];
	unsigned int			queued;
	unsigned int			graves[4 * KEYS];
	unsigned int			buried;
	struct ip_vs_sync_history	h;
	u32				buckets[256];
	u32				starts[64];
	struct ip_vs_sync_writer	w;
	u8				buf[BUF_MAX];
	struct packet			inbox[INBOX_MAX];
	unsigned int			arrived;
	struct {
		u32			seq;
		unsigned int		len;
		u8			buf[BUF_MAX];
	} kept[KEPT];
	struct ip_vs_sync_range		fills[IP_VS_SYNC_RANGES_MAX];
	unsigned int			n_fills;
	unsigned int			told;
	long				tokens;
	unsigned long			hello;
	unsigned long			sent;
	u32				said;
	u32				pass;
	u32				done;
	u16				progress;
	bool				wanted;
	bool				passing;
	unsigned int			next;
	unsigned int			passes;
	unsigned int			ended;
};

struct entry {
	bool				present;
	u32				by;
	u32				seq;
	u32				version;
	u32				newest;	/* version ever applied */
};

struct peer {
	u32				instance;
	unsigned int			master;
	bool				joined;
	unsigned int			tries;
	bool				has_deleted;
	u32				deleted;
	u32				said;
	unsigned long			heard;
	unsigned long			join;
	struct ip_vs_sync_hello		hello;
	struct ip_vs_sync_window	w;
};

struct backup {
	unsigned int			id;
	bool				up;
	unsigned long			back;
	unsigned long			deaf;	/* until then it hears nothing */
	struct entry			entries[MASTERS][KEYS];
	struct peer			peers[PEERS];
	unsigned long			asked;
};

/* How bad this run is */
static struct {
	unsigned int			loss;	/* of 100 */
	unsigned int			twice;
	unsigned int			delay;	/* jiffies at most */
	unsigned int			change;	/* of 100, each jiffy */
	unsigned int			crash;	/* of 10000, each jiffy */
	unsigned int			per_message;
	long				pace;	/* connections in a jiffy */
} bad;

static struct master masters[MASTERS];
static struct backup backups[BACKUPS];
static struct packet flight[FLIGHT_MAX];
static unsigned int flying;
static unsigned long now, seed;
static u64 dice;
static u32 instances;
static bool quiet;

static struct {
	unsigned long			messages;
	unsigned long			lost;
	unsigned long			nacks;
	unsigned long			joins;
	unsigned long			repaired;
	unsigned long			deletes;
	unsigned long			restarts;
	unsigned long			checked;
	unsigned long			longest;
} sum;

static void __noreturn __printf(1, 2) broken(const char *format, ...)
{
	va_list args;

	printf("run %lu, jiffy %lu: ", seed, now);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(EXIT_FAILURE);
}

static u32 rnd(u32 n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (u32)(dice >> 32) % n;
}

static bool percent(unsigned int n)
{
	return rnd(100) < n;
}

static unsigned long soon(unsigned int ms)
{
	return now + MS(ms) + rnd(MS(ms) + 1);
}

static bool is_after_eq(unsigned long a, unsigned long b)
{
	return (long)(a - b) >= 0;
}

/* The link */

static void fly(unsigned int from, unsigned int to, bool up, const u8 *buf,
		unsigned int len)
{
	struct packet *p = &flight[flying];

	if (flying == FLIGHT_MAX || len > BUF_MAX)
		errx(EXIT_FAILURE, "the link has no room");
	flying++;
	p->at = now + 1 + (bad.delay ? rnd(bad.delay) : 0);
	p->from = from;
	p->to = to;
	p->up = up;
	p->len = len;
	memcpy(p->buf, buf, len);
}

static void send_to(unsigned int from, unsigned int to, bool up, const u8 *buf,
		    unsigned int len)
{
	if (percent(bad.loss)) {
		sum.lost++;
		return;
	}
	fly(from, to, up, buf, len);
	if (percent(bad.twice))
		fly(from, to, up, buf, len);
}

static void tell_all(const struct master *m, const u8 *buf, unsigned int len)
{
	unsigned int i;

	sum.messages++;
	for (i = 0; i < BACKUPS; i++)
		send_to(m->id, i, false, buf, len);
}

/* What messages say of a connection */

static void note(struct master *m, struct conn *c, u32 seq,
		 enum event_what what)
{
	struct event *e;

	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 16;
		c->events = realloc(c->events, c->room * sizeof(*e));
		if (!c->events)
			err(EXIT_FAILURE, "events");
	}
	e = &c->events[c->n++];
	e->rel = seq - m->origin;
	e->what = what;
	e->version = c->version;
}

/* The last word in messages up to a number */
static const struct event *last_word(const struct conn *c, u32 rel)
{
	unsigned int i = c->n;

	while (i--)
		if ((s32)(c->events[i].rel - rel) <= 0)
			return &c->events[i];
	return NULL;
}

/* A master */

static void master_start(struct master *m, bool table)
{
	static const u32 origins[] = {
		1, 1, 0x7fffff80, 0x80000000, 0x80000100, 0xfffffff0,
		0xffffff80, 0xffffffff,
	};
	struct ip_vs_sync_history *h = &m->h;
	struct conn *c;
	unsigned int i;

	for (i = 0; i < KEYS; i++) {
		c = &m->conns[i];
		c->alive = c->alive && table;
		c->pending = false;
		c->listed = false;
		c->owned = false;
		c->n = 0;
	}
	m->up = true;
	m->runs = now;
	m->instance = ++instances;
	m->queued = 0;
	m->buried = 0;
	m->arrived = 0;
	m->n_fills = 0;
	m->told = 0;
	m->tokens = 0;
	m->hello = now;
	m->sent = now;
	m->pass = 0;
	m->done = 0;
	m->progress = IP_VS_SYNC_NO_PASS;
	m->wanted = false;
	m->passing = false;
	m->passes = 0;
	m->ended = 0;
	memset(m->kept, 0, sizeof(m->kept));
	h->buckets = m->buckets;
	h->starts = m->starts;
	h->records = 32U << rnd(4);
	h->messages = 8U << rnd(4);
	ip_vs_sync_history_open(h);
	/* As if it had gone on for long */
	m->origin = origins[rnd(ARRAY_SIZE(origins))];
	h->next = m->origin;
	h->oldest = m->origin;
	h->added = rnd(2) ? 0 : -20U;
	h->starts[h->next & (h->messages - 1)] = h->added;
	m->said = h->next - 1;
	m->w.buf = m->buf;
	m->w.syncid = 1;
}

static void mark(struct master *m, unsigned int key)
{
	struct conn *c = &m->conns[key];

	if (!c->alive)
		return;
	c->pending = true;
	if (!c->listed)
		m->queue[m->queued++] = key;
	c->listed = true;
}

static void conn_change(struct master *m, unsigned int key)
{
	struct conn *c = &m->conns[key];

	c->alive = true;
	c->version = ++m->versions;
	mark(m, key);
}

/* Its time is over, or it is taken away before that */
static void conn_end(struct master *m, unsigned int key, bool early)
{
	struct conn *c = &m->conns[key];

	if (!c->alive)
		return;
	if (c->owned) {
		m->told--;
		/* The next message can be the one that makes up for it */
		note(m, c, m->h.next - 1, GONE);
	}
	if (c->owned && early && m->buried < ARRAY_SIZE(m->graves))
		m->graves[m->buried++] = key;
	c->alive = false;
	c->owned = false;
	c->pending = false;
}

static struct ip_vs_sync_trailer trailer_of(const struct master *m, u32 seq)
{
	return (struct ip_vs_sync_trailer){ m->instance, seq };
}

static void message_open(struct master *m)
{
	ip_vs_sync_write_open(&m->w, 1, 1);
	m->w.limit = IP_VS_SYNC_HEADER_MAX +
		     bad.per_message * IP_VS_SYNC_RECORD_USUAL;
}

static void message_send(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer_of(m, m->h.next);
	unsigned int len;

	if (!m->w.records)
		return;
	ip_vs_sync_trailer_write(&m->w, &t);
	len = ip_vs_sync_write_close(&m->w);
	tell_all(m, m->buf, len);
	ip_vs_sync_history_close(&m->h);
	m->sent = now;
	message_open(m);
}

static void conn_tell(struct master *m, unsigned int key)
{
	struct ip_vs_sync_record rec = {
		.af		= AF_INET,
		.protocol	= IPPROTO_TCP,
		.state		= 1,
		.caddr.ip	= htonl(key),
	};
	struct conn *c = &m->conns[key];

	rec.fwmark = c->version;
	if (!ip_vs_sync_write_fits(&m->w, &rec))
		message_send(m);
	if (ip_vs_sync_write_record(&m->w, &rec))
		errx(EXIT_FAILURE, "a record does not fit");
	c->seq = m->h.next;
	m->told += !c->owned;
	c->owned = true;
	note(m, c, c->seq, TOLD);
	ip_vs_sync_history_add(&m->h, key % BUCKETS);
}

static void flush(struct master *m)
{
	unsigned int i, key;

	message_open(m);
	for (i = 0; i < m->queued; i++) {
		key = m->queue[i];
		m->conns[key].listed = false;
		/* Not what died since */
		if (!m->conns[key].pending)
			continue;
		m->conns[key].pending = false;
		conn_tell(m, key);
	}
	m->queued = 0;
	message_send(m);
}

static void keep(struct master *m, u32 seq, unsigned int len)
{
	m->kept[seq % KEPT].seq = seq;
	m->kept[seq % KEPT].len = len;
	memcpy(m->kept[seq % KEPT].buf, m->buf, len);
}

static void delete_send(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer_of(m, m->h.next);
	unsigned int len = ip_vs_sync_delete_close(&m->w, &t);

	sum.deletes++;
	tell_all(m, m->buf, len);
	keep(m, t.seq, len);
	ip_vs_sync_history_close(&m->h);
	m->sent = now;
}

static void delete_open(struct master *m)
{
	message_open(m);
	ip_vs_sync_delete_open(&m->w, 1, m->h.next);
}

static void bury(struct master *m)
{
	struct ip_vs_sync_key key = {
		.af		= AF_INET,
		.protocol	= IPPROTO_TCP,
	};
	unsigned int i;

	delete_open(m);
	for (i = 0; i < m->buried && m->tokens > 0; i++) {
		/* Told anew, or about to be: that takes its place */
		if (m->conns[m->graves[i]].alive)
			continue;
		key.caddr.ip = htonl(m->graves[i]);
		if (!ip_vs_sync_delete_add(&m->w, &key)) {
			delete_send(m);
			delete_open(m);
			ip_vs_sync_delete_add(&m->w, &key);
		}
		note(m, &m->conns[m->graves[i]], m->h.next, DELETED);
		m->tokens--;
	}
	m->buried -= i;
	memmove(m->graves, m->graves + i, m->buried * sizeof(m->graves[0]));
	if (m->w.records)
		delete_send(m);
}

/* A DELETE that is not kept any more is not made up for: nobody is bound by
 * it then but the lease.
 */
static void excuse(struct master *m, u32 seq)
{
	unsigned int i, j;
	struct event *e;

	for (i = 0; i < KEYS; i++) {
		for (j = 0; j < m->conns[i].n; j++) {
			e = &m->conns[i].events[j];
			if (e->rel == seq - m->origin && e->what == DELETED)
				e->what = GONE;
		}
	}
}

static bool repair(struct master *m, u32 seq)
{
	struct ip_vs_sync_past past;
	unsigned int key;
	struct conn *c;
	u32 bucket;

	if (m->tokens <= 0)
		return false;
	if (m->kept[seq % KEPT].len && m->kept[seq % KEPT].seq == seq) {
		message_open(m);
		m->w.len = m->kept[seq % KEPT].len - IP_VS_SYNC_TRAILER_LEN;
		memcpy(m->buf, m->kept[seq % KEPT].buf, m->w.len);
		m->tokens--;
		delete_send(m);
		return true;
	}
	if (!ip_vs_sync_history_find(&m->h, seq, &past))
		return false;
	excuse(m, seq);
	while (past.pos != past.end) {
		bucket = ip_vs_sync_history_bucket(&m->h, &past);
		for (key = bucket; key < KEYS; key += BUCKETS) {
			c = &m->conns[key];
			if (!c->alive || !c->owned || c->seq != seq)
				continue;
			mark(m, key);
			m->tokens--;
			sum.repaired++;
		}
	}
	return true;
}

static bool note_fill(struct master *m, u32 seq)
{
	struct ip_vs_sync_range *last = &m->fills[m->n_fills];

	if (m->n_fills && last[-1].last + 1 == seq) {
		last[-1].last = seq;
		return true;
	}
	if (m->n_fills == IP_VS_SYNC_RANGES_MAX)
		return false;
	last->first = seq;
	last->last = seq;
	m->n_fills++;
	return true;
}

static void answer_nack(struct master *m, const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	unsigned int i, n;
	u32 seq;

	if (ip_vs_sync_ranges_read(c, ranges, &n))
		broken("a NACK is refused");
	for (i = 0; i < n; i++)
		if (!ip_vs_sync_before(ranges[i].last, m->h.next))
			broken("a NACK asks for what was not sent");
	for (i = 0; i < n; i++) {
		seq = ranges[i].first;
		if (ip_vs_sync_before(seq, m->h.oldest)) {
			m->hello = now;
			seq = m->h.oldest;
		}
		for (; !ip_vs_sync_before(ranges[i].last, seq); seq++)
			if (!repair(m, seq) || !note_fill(m, seq))
				return;
	}
}

static void answer(struct master *m, const struct packet *p)
{
	struct ip_vs_sync_control c;
	u32 since;

	if (ip_vs_sync_control_read(&c, p->buf, p->len))
		broken("a request is refused");
	if (c.trailer.instance != m->instance)
		return;
	if (c.kind == IP_VS_SYNC_NACK) {
		answer_nack(m, &c);
		return;
	}
	if (ip_vs_sync_join_read(&c, &since) ||
	    ip_vs_sync_before(m->h.next, since))
		broken("a JOIN is refused");
	if (m->progress == IP_VS_SYNC_NO_PASS ||
	    ip_vs_sync_before(m->pass, since))
		m->wanted = true;
	m->hello = now;
}

static void confirm(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer_of(m, m->h.next - 1);
	struct ip_vs_sync_hello h = {
		.oldest		= m->h.oldest,
		.conns		= m->told,
		.pass		= m->pass,
		.done		= m->done,
		.progress	= m->progress,
		.interval	= m->progress < IP_VS_SYNC_PASS_DONE ? 100 :
								       1000,
	};

	if (m->n_fills)
		tell_all(m, m->buf,
			 ip_vs_sync_ranges_write(m->buf, 1, IP_VS_SYNC_FILL,
						 m->fills, m->n_fills, &t));
	m->n_fills = 0;
	if (!is_after_eq(now, m->hello) &&
	    (m->said == t.seq || !is_after_eq(now, m->sent + HELLO_SOON)))
		return;
	m->said = t.seq;
	m->hello = now + (h.interval == 100 ? HELLO_PASS : HELLO_AGAIN);
	tell_all(m, m->buf, ip_vs_sync_hello_write(m->buf, 1, &h, &t));
}

static void walk(struct master *m)
{
	unsigned int key;
	long told;

	if (!m->passing) {
		/* The end of one is told before the next one begins */
		if (!m->wanted || m->ended != m->passes)
			return;
		m->wanted = false;
		m->pass = m->h.next;
		m->progress = 0;
		m->passing = true;
		m->next = 0;
	}
	for (told = 0; told < bad.pace && m->next < BUCKETS; m->next++) {
		for (key = m->next; key < KEYS; key += BUCKETS) {
			told += m->conns[key].alive;
			mark(m, key);
		}
	}
	m->progress = m->next * (IP_VS_SYNC_PASS_DONE - 1) / BUCKETS;
	if (m->next == BUCKETS) {
		m->passing = false;
		m->passes++;
	}
}

static void thread(struct master *m)
{
	unsigned int i, passes;

	for (i = 0; i < m->arrived; i++)
		answer(m, &m->inbox[i]);
	m->arrived = 0;
	passes = m->passes;
	flush(m);
	bury(m);
	if (passes != m->ended) {
		m->ended = passes;
		m->done = m->h.next - 1;
		m->hello = now;
		m->progress = IP_VS_SYNC_PASS_DONE;
	}
	confirm(m);
}

static void traffic(struct master *m)
{
	unsigned int key;

	while (percent(bad.change)) {
		key = rnd(KEYS);
		if (percent(80))
			conn_change(m, key);
		else
			conn_end(m, key, rnd(2));
		/* The client comes again at once */
		if (!m->conns[key].alive && percent(30))
			conn_change(m, key);
	}
}

static void master_run(struct master *m)
{
	if (!m->up) {
		if (quiet || is_after_eq(now, m->back))
			master_start(m, rnd(2));
		return;
	}
	m->tokens += bad.pace;
	if (m->tokens > 10 * bad.pace)
		m->tokens = 10 * bad.pace;
	if (!quiet && rnd(10000) < bad.crash) {
		/* Down for longer than what it sent is under way */
		m->up = false;
		m->back = now + DELAY_MAX + 2 + rnd(2 * HZ);
		return;
	}
	if (!quiet) {
		traffic(m);
		if (percent(5))
			m->runs = now + rnd(HZ / 4);
	}
	/* In any order, and at any time in between */
	if (rnd(2))
		walk(m);
	if (is_after_eq(now, m->runs) && percent(80))
		thread(m);
	if (rnd(2))
		walk(m);
}

/* A backup */

static struct peer *peer_find(struct backup *b, unsigned int master,
			      const struct ip_vs_sync_trailer *t,
			      bool numbered)
{
	struct peer *p, *old = &b->peers[0];
	unsigned int i;

	for (i = 0; i < PEERS; i++) {
		p = &b->peers[i];
		if (p->instance == t->instance) {
			p->heard = now;
			return p;
		}
		if (!p->instance || (old->instance &&
				     (long)(p->heard - old->heard) < 0))
			old = p;
	}
	p = old;
	memset(p, 0, sizeof(*p));
	p->instance = t->instance;
	p->master = master;
	p->heard = now;
	p->hello.progress = IP_VS_SYNC_NO_PASS;
	p->join = soon(50);
	ip_vs_sync_window_open(&p->w, t->seq + !numbered);
	p->said = p->w.high;
	return p;
}

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
	ip_vs_sync_window_seen(&p->w, seq, now, soon(10));
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
	p->join = soon(50);
}

static unsigned int held(const struct backup *b, const struct peer *p)
{
	unsigned int i, n = 0;

	for (i = 0; i < KEYS; i++)
		n += b->entries[p->master][i].present &&
		     b->entries[p->master][i].by == p->instance;
	return n;
}

static void hello(struct backup *b, struct peer *p,
		  const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_hello h;
	u32 seq = c->trailer.seq;

	if (ip_vs_sync_hello_read(c, &h))
		broken("a HELLO is refused");
	if (!ip_vs_sync_before(seq, p->said)) {
		p->said = seq;
		p->hello = h;
	}
	ip_vs_sync_window_known(&p->w, seq, now, soon(10));
	if (p->w.n && ip_vs_sync_before(p->w.gaps[0].r.first, h.oldest))
		start_over(p);
	if (p->joined || !served(p) ||
	    p->hello.progress != IP_VS_SYNC_PASS_DONE ||
	    !ip_vs_sync_window_complete(&p->w, p->hello.pass, p->hello.done))
		return;
	p->joined = true;
	if (labs((long)held(b, p) - p->hello.conns) >
	    p->hello.conns / 64 + 32 && p->tries++ < JOIN_TRIES)
		start_over(p);
}

static void fill(struct peer *p, const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	unsigned int n;

	if (ip_vs_sync_ranges_read(c, ranges, &n))
		broken("a FILL is refused");
	ip_vs_sync_window_known(&p->w, c->trailer.seq, now, soon(10));
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

	while (r->left) {
		if (ip_vs_sync_read_record(r, &rec))
			broken("a record is refused");
		key = ntohl(rec.caddr.ip);
		e = &b->entries[p->master][key];
		if (is_newer(e, p->instance, seq))
			continue;
		if (rec.fwmark < e->newest)
			broken("backup %u, connection %u of master %u: %u after %u, by message %u",
			       b->id, key, p->master, rec.fwmark, e->newest,
			       seq);
		e->present = true;
		e->by = p->instance;
		e->seq = seq;
		e->version = rec.fwmark;
		e->newest = rec.fwmark;
	}
}

/* Who has joined and misses nothing has what the master had told by then */
static void check(const struct backup *b, const struct peer *p)
{
	const struct master *m = &masters[p->master];
	const struct event *word;
	const struct entry *e;
	u32 base, high;
	unsigned int i;

	if (!p->joined || p->w.n || p->instance != m->instance)
		return;
	sum.checked++;
	base = p->w.base - m->origin;
	high = p->w.high - m->origin;
	for (i = 0; i < KEYS; i++) {
		word = last_word(&m->conns[i], high);
		e = &b->entries[p->master][i];
		if (!word || word->what == GONE)
			continue;
		if (word->what == TOLD && (!e->present ||
					   e->version != word->version))
			broken("backup %u, messages %u to %u of master %u: connection %u is %u, not %u as told in %u",
			       b->id, base, high, p->master, i,
			       e->present ? e->version : 0, word->version,
			       word->rel);
		/* What left before the backup heard all may stay */
		if (word->what == DELETED && e->present &&
		    e->by == p->instance && word->rel >= base)
			broken("backup %u, messages %u to %u of master %u: connection %u was deleted in %u",
			       b->id, base, high, p->master, i, word->rel);
	}
}

static void hear(struct backup *b, const struct packet *packet)
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
	p = peer_find(b, packet->from, &c.trailer, c.kind <= IP_VS_SYNC_DELETE);
	if (c.kind == IP_VS_SYNC_HELLO)
		hello(b, p, &c);
	else if (c.kind == IP_VS_SYNC_FILL)
		fill(p, &c);
	else if (c.kind == IP_VS_SYNC_DELETE)
		apply_delete(b, p, &c);
	else if (arrival(p, c.trailer.seq))
		apply_records(b, p, &r, c.trailer.seq);
	check(b, p);
}

static void ask(struct backup *b, const struct peer *p, const u8 *buf,
		unsigned int len)
{
	/* Those that are gone are asked for a while */
	b->asked += p->instance == masters[p->master].instance;
	send_to(b->id, p->master, true, buf, len);
}

static void poll(struct backup *b, struct peer *p)
{
	struct ip_vs_sync_trailer t = { p->instance, p->w.high };
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	u8 buf[IP_VS_SYNC_CONTROL_MAX];
	unsigned int n;

	if (!p->instance || is_after_eq(now, p->heard + FORGET / 2))
		return;
	n = ip_vs_sync_window_ask(&p->w, now, ranges);
	if (n) {
		sum.nacks++;
		ask(b, p, buf, ip_vs_sync_ranges_write(buf, 1,
						       IP_VS_SYNC_NACK,
						       ranges, n, &t));
	}
	if (p->joined || served(p) || !is_after_eq(now, p->join))
		return;
	p->join = now + HZ;
	sum.joins++;
	ask(b, p, buf, ip_vs_sync_join_write(buf, 1, p->w.base, &t));
}

static void backup_run(struct backup *b)
{
	unsigned int i;

	if (!b->up) {
		if (!quiet && !is_after_eq(now, b->back))
			return;
		memset(b->entries, 0, sizeof(b->entries));
		memset(b->peers, 0, sizeof(b->peers));
		b->up = true;
	}
	if (!quiet && rnd(10000) < bad.crash) {
		b->up = false;
		b->back = now + 1 + rnd(percent(50) ? 2 * HZ : HZ / 10);
		return;
	}
	if (!quiet && rnd(10000) < bad.crash)
		b->deaf = now + 1 + rnd(2 * HZ);
	if (percent(20))
		return;
	for (i = 0; i < PEERS; i++)
		poll(b, &b->peers[i]);
}

static void packet_copy(struct packet *to, const struct packet *from)
{
	memcpy(to, from, offsetof(struct packet, buf) + from->len);
}

/* What is due at the same time comes in the order in which it was sent */
static void deliver(void)
{
	unsigned int i, left = 0;
	struct packet *p;
	struct master *m;

	for (i = 0; i < flying; i++) {
		p = &flight[i];
		if (!is_after_eq(now, p->at)) {
			if (left != i)
				packet_copy(&flight[left], p);
			left++;
			continue;
		}
		m = &masters[p->to % MASTERS];
		if (!p->up)
			hear(&backups[p->to], p);
		else if (m->up && m->arrived < INBOX_MAX)
			packet_copy(&m->inbox[m->arrived++], p);
	}
	flying = left;
}

static void step(void)
{
	unsigned int i;

	now++;
	deliver();
	for (i = 0; i < MASTERS; i++)
		master_run(&masters[i]);
	for (i = 0; i < BACKUPS; i++)
		backup_run(&backups[i]);
}

/* Why a backup is not complete, NULL if it is */
static const char *lacks(const struct backup *b, const struct master *m)
{
	const struct peer *p = NULL;
	const struct entry *e;
	unsigned int i;

	if (!b->up || !m->up)
		return "is not up, or its master is not,";
	for (i = 0; i < PEERS; i++)
		if (b->peers[i].instance == m->instance)
			p = &b->peers[i];
	if (!p)
		return "has not heard the master";
	if (!p->joined)
		return "has not joined";
	if (p->w.n)
		return "misses messages";
	if (p->w.high != m->h.next - 1)
		return "does not know of all messages";
	for (i = 0; i < KEYS; i++) {
		e = &b->entries[m->id][i];
		if (m->conns[i].alive &&
		    (!e->present || e->version != m->conns[i].version))
			return "lacks a connection";
	}
	return NULL;
}

static const char *anything_lacking(void)
{
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < MASTERS * BACKUPS && !why; i++)
		why = lacks(&backups[i % BACKUPS], &masters[i / BACKUPS]);
	return why;
}

static void choose(void)
{
	static const unsigned int losses[] = { 0, 0, 1, 5, 20, 50 };

	bad.loss = losses[rnd(ARRAY_SIZE(losses))];
	bad.twice = rnd(3) * 10;
	bad.delay = rnd(DELAY_MAX + 1);
	bad.change = rnd(90);
	bad.crash = rnd(4) * 20;
	bad.per_message = 1 + rnd(6);
	bad.pace = 1 + rnd(8);
}

static void run(void)
{
	unsigned long end, asked;
	const char *why;
	unsigned int i;

	dice = seed * 2862933555777941757ULL + 3037000493ULL;
	now = rnd(2) ? 0 : -(unsigned long)TROUBLE / 2;
	for (i = 0; i < 16; i++)
		rnd(2);
	choose();
	quiet = false;
	flying = 0;
	for (i = 0; i < MASTERS; i++) {
		masters[i].id = i;
		master_start(&masters[i], false);
	}
	for (i = 0; i < BACKUPS; i++) {
		memset(&backups[i], 0, sizeof(backups[i]));
		backups[i].id = i;
		backups[i].deaf = now;
		backups[i].back = now + rnd(2) * rnd(TROUBLE);
	}
	for (end = now + TROUBLE; now != end;)
		step();

	quiet = true;
	bad.loss = 0;
	bad.twice = 0;
	bad.delay = 0;
	for (i = 0; i < BACKUPS; i++)
		backups[i].deaf = now;
	for (end = now + PATIENCE; (why = anything_lacking()) && now != end;)
		step();
	if (why)
		broken("a backup %s after %d s", why, PATIENCE / HZ);
	if (now - (end - PATIENCE) > sum.longest)
		sum.longest = now - (end - PATIENCE);

	for (i = 0, asked = 0; i < BACKUPS; i++)
		asked += backups[i].asked;
	for (end = now + QUIET; now != end;)
		step();
	why = anything_lacking();
	if (why)
		broken("a backup that was complete %s", why);
	for (i = 0; i < BACKUPS; i++)
		asked -= backups[i].asked;
	if (asked)
		broken("backups ask though nothing is missing");
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;
	unsigned long first = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	if (!runs || argc > 3)
		errx(2, "usage: model [RUNS [SEED]]");
	for (seed = first; seed != first + runs; seed++)
		run();
	printf("%lu runs, messages %lu, lost %lu, NACKs %lu, repaired %lu, ",
	       runs, sum.messages, sum.lost, sum.nacks, sum.repaired);
	printf("DELETEs %lu, JOINs %lu, started over %lu; ", sum.deletes,
	       sum.joins, sum.restarts);
	printf("complete and compared %lu times, at the end after %lu ms\n",
	       sum.checked, sum.longest * 1000 / HZ);
	return 0;
}
