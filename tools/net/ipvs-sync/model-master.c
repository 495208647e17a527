// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a master of the model, with one thread
 *
 * Functions have the names that they have in ip_vs_sync_tx.c, _stream.c and
 * _walk.c, as far as these do the same.
 */

#include <err.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "model.h"

#define HELLO_INTERVAL		1000
#define HELLO_INTERVAL_PASS	100
#define HELLO_SOON		ms_jiffies(100)

struct master masters[MASTERS];

static u32 instances;

void master_start(struct master *m, bool table)
{
	static const u32 origins[] = {
		1, 1, 0x7fffff80, 0x80000000, 0x80000100, 0xfffffff0,
		0xffffff80, 0xffffffff,
	};
	struct ip_vs_sync_history *h = &m->h;
	struct master old = *m;
	unsigned int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < KEYS; i++) {
		m->conns[i].alive = old.conns[i].alive && table;
		m->conns[i].version = old.conns[i].version;
		m->conns[i].story = old.conns[i].story;
		m->conns[i].story.n = 0;
	}
	m->id = old.id;
	m->versions = old.versions;
	m->up = true;
	m->runs = now;
	m->instance = ++instances;
	m->hello = now;
	m->sent = now;
	m->progress = IP_VS_SYNC_NO_PASS;
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

/* Connections */

static void conn_mark(struct master *m, unsigned int key)
{
	struct conn *c = &m->conns[key];

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
	conn_mark(m, key);
}

/* Its time is over, or it is taken away before that */
static void conn_end(struct master *m, unsigned int key, bool early)
{
	struct conn *c = &m->conns[key];

	if (!c->alive)
		return;
	if (c->owned) {
		m->told--;
		/* A message sent by now can have promised to make up for it */
		judge_note(m, key, m->h.next - 1, GONE);
	}
	if (c->owned && early && m->buried < ARRAY_SIZE(m->graves))
		m->graves[m->buried++] = key;
	c->alive = false;
	c->owned = false;
	c->pending = false;
}

/* Return: false when it has to be tried again, the list is full */
static bool tell(struct master *m, unsigned int key)
{
	if (!m->conns[key].alive)
		return true;
	if (!m->conns[key].pending && percent(2))
		return false;
	conn_mark(m, key);
	return true;
}

/* Messages */

static struct ip_vs_sync_trailer trailer(const struct master *m, u32 seq)
{
	return (struct ip_vs_sync_trailer){ m->instance, seq };
}

/* A numbered message is out */
static void numbered(struct master *m)
{
	ip_vs_sync_history_close(&m->h);
	m->sent = now;
}

static void open_message(struct master *m)
{
	ip_vs_sync_write_open(&m->w, 1, 1);
	m->w.limit = IP_VS_SYNC_HEADER_MAX +
		     bad.per_message * IP_VS_SYNC_RECORD_USUAL;
}

static void send_message(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer(m, m->h.next);

	if (!m->w.records)
		return;
	ip_vs_sync_trailer_write(&m->w, &t);
	link_tell_all(m->id, m->buf, ip_vs_sync_write_close(&m->w));
	numbered(m);
	open_message(m);
}

static void encode(struct master *m, unsigned int key)
{
	struct conn *c = &m->conns[key];
	struct ip_vs_sync_record rec = {
		.af		= AF_INET,
		.protocol	= IPPROTO_TCP,
		.state		= 1,
		.caddr.ip	= htonl(key),
		.fwmark		= c->version,
	};

	if (!ip_vs_sync_write_fits(&m->w, &rec))
		send_message(m);
	if (ip_vs_sync_write_record(&m->w, &rec))
		errx(EXIT_FAILURE, "a record does not fit");
	c->pending = false;
	c->seq = m->h.next;
	m->told += !c->owned;
	c->owned = true;
	judge_note(m, key, c->seq, TOLD);
	ip_vs_sync_history_add(&m->h, key % BUCKETS);
}

static void flush(struct master *m)
{
	unsigned int i;

	open_message(m);
	for (i = 0; i < m->queued; i++) {
		m->conns[m->queue[i]].listed = false;
		/* Not what died since */
		if (m->conns[m->queue[i]].pending)
			encode(m, m->queue[i]);
	}
	m->queued = 0;
	send_message(m);
}

static void open_delete(struct master *m)
{
	open_message(m);
	ip_vs_sync_delete_open(&m->w, 1, m->h.next);
}

static void send_delete(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer(m, m->h.next);
	unsigned int len = ip_vs_sync_delete_close(&m->w, &t);

	sum.deletes++;
	link_tell_all(m->id, m->buf, len);
	m->kept[t.seq % KEPT].seq = t.seq;
	m->kept[t.seq % KEPT].len = len;
	memcpy(m->kept[t.seq % KEPT].buf, m->buf, len);
	numbered(m);
}

static void bury(struct master *m)
{
	struct ip_vs_sync_key key = {
		.af		= AF_INET,
		.protocol	= IPPROTO_TCP,
	};
	unsigned int i;

	open_delete(m);
	for (i = 0; i < m->buried && m->tokens > 0; i++) {
		m->tokens--;
		/* It has a successor, told by now: that takes its place */
		if (m->conns[m->graves[i]].alive)
			continue;
		key.caddr.ip = htonl(m->graves[i]);
		if (!ip_vs_sync_delete_add(&m->w, &key)) {
			send_delete(m);
			open_delete(m);
			ip_vs_sync_delete_add(&m->w, &key);
		}
		judge_note(m, m->graves[i], m->h.next, DELETED);
	}
	m->buried -= i;
	memmove(m->graves, m->graves + i, m->buried * sizeof(m->graves[0]));
	if (m->w.records)
		send_delete(m);
}

/* Under its old order */
static void delete_again(struct master *m, u32 seq)
{
	open_message(m);
	m->w.len = m->kept[seq % KEPT].len - IP_VS_SYNC_TRAILER_LEN;
	memcpy(m->buf, m->kept[seq % KEPT].buf, m->w.len);
	judge_repeat(m, seq, m->h.next);
	send_delete(m);
}

/* Answers */

static bool repair(struct master *m, u32 seq)
{
	struct ip_vs_sync_past past;
	bool done = true;
	unsigned int key;
	u32 bucket;

	if (m->tokens <= 0)
		return false;
	if (m->kept[seq % KEPT].len && m->kept[seq % KEPT].seq == seq) {
		delete_again(m, seq);
		return true;
	}
	if (!ip_vs_sync_history_find(&m->h, seq, &past))
		return false;
	/* If it was a DELETE, nothing of it is kept any more */
	if (m->h.next - seq > KEPT)
		judge_excuse(m, seq);
	while (done && past.pos != past.end) {
		m->tokens--;
		bucket = ip_vs_sync_history_bucket(&m->h, &past);
		for (key = bucket; done && key < KEYS; key += BUCKETS) {
			if (!m->conns[key].owned || m->conns[key].seq != seq)
				continue;
			done = tell(m, key);
			sum.repaired += done;
		}
	}
	return done;
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
	struct ip_vs_sync_range r[IP_VS_SYNC_RANGES_MAX];
	unsigned int i, n;
	u32 seq;

	if (ip_vs_sync_ranges_read(c, r, &n))
		broken("a NACK is refused");
	for (i = 0; i < n; i++) {
		if (!ip_vs_sync_before(r[i].last, m->h.next))
			broken("a NACK asks for what was not sent");
		if (i && !ip_vs_sync_before(r[i - 1].last, r[i].first))
			broken("a NACK is not in order");
	}
	for (i = 0; i < n; i++) {
		seq = r[i].first;
		if (ip_vs_sync_before(seq, m->h.oldest)) {
			m->hello = now;
			seq = m->h.oldest;
		}
		for (; !ip_vs_sync_before(r[i].last, seq); seq++)
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

void master_hear(struct master *m, const struct packet *p)
{
	if (m->up && m->arrived < INBOX_MAX)
		m->inbox[m->arrived++] = *p;
}

static void say_hello(struct master *m, const struct ip_vs_sync_trailer *t)
{
	struct ip_vs_sync_hello h = {
		.oldest		= m->h.oldest,
		.conns		= m->told,
		.pass		= m->pass,
		.done		= m->done,
		.progress	= m->progress,
		.interval	= HELLO_INTERVAL,
	};

	if (h.progress < IP_VS_SYNC_PASS_DONE || m->wanted)
		h.interval = HELLO_INTERVAL_PASS;
	m->said = t->seq;
	m->hello = now + ms_jiffies(h.interval);
	link_tell_all(m->id, m->buf, ip_vs_sync_hello_write(m->buf, 1, &h, t));
}

static void confirm(struct master *m)
{
	struct ip_vs_sync_trailer t = trailer(m, m->h.next - 1);

	if (m->n_fills)
		link_tell_all(m->id, m->buf,
			      ip_vs_sync_ranges_write(m->buf, 1,
						      IP_VS_SYNC_FILL,
						      m->fills, m->n_fills,
						      &t));
	m->n_fills = 0;
	if (is_after_eq(now, m->hello) ||
	    (m->said != t.seq && is_after_eq(now, m->sent + HELLO_SOON)))
		say_hello(m, &t);
}

/* The walk */

static bool pass_bucket(struct master *m, long *tokens)
{
	unsigned int key;

	for (key = m->next; key < KEYS; key += BUCKETS) {
		if (!tell(m, key))
			return false;
		*tokens -= m->conns[key].alive;
	}
	return true;
}

static void walk(struct master *m)
{
	long tokens = bad.pace;

	if (!m->passing) {
		/* The end of one is told before the next one begins */
		if (!m->wanted || m->ended != m->passes)
			return;
		m->wanted = false;
		m->progress = 0;
		m->pass = m->h.next;
		m->passing = true;
		m->next = 0;
	}
	for (; tokens > 0 && m->next < BUCKETS; m->next++)
		if (!pass_bucket(m, &tokens))
			return;
	m->progress = m->next * (IP_VS_SYNC_PASS_DONE - 1) / BUCKETS;
	if (m->next == BUCKETS) {
		m->passing = false;
		m->passes++;
	}
}

/* The walk is another thread: it runs at any time in between */
static void meanwhile(struct master *m)
{
	if (rnd(4) == 0)
		walk(m);
}

static void thread(struct master *m)
{
	unsigned int i, passes;

	for (i = 0; i < m->arrived; i++)
		answer(m, &m->inbox[i]);
	m->arrived = 0;
	passes = m->passes;
	meanwhile(m);
	flush(m);
	meanwhile(m);
	bury(m);
	if (passes != m->ended) {
		/* All that it marked is out */
		m->done = m->h.next - 1;
		m->hello = now;
		m->progress = IP_VS_SYNC_PASS_DONE;
		m->ended = passes;
	}
	meanwhile(m);
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

void master_run(struct master *m)
{
	if (!m->up) {
		if (quiet || is_after_eq(now, m->back))
			master_start(m, rnd(2));
		return;
	}
	m->tokens += bad.pace;
	if (m->tokens > 10 * bad.pace)
		m->tokens = 10 * bad.pace;
	if (!quiet && in_10000(bad.crash)) {
		/* Until what it has sent is no more under way */
		m->up = false;
		m->back = now + bad.delay + 2 + rnd(2 * HZ);
		return;
	}
	if (!quiet) {
		traffic(m);
		if (percent(5))
			m->runs = now + rnd(HZ / 4);
	}
	meanwhile(m);
	if (is_after_eq(now, m->runs) && percent(80))
		thread(m);
	meanwhile(m);
}
