// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: what makes the messages of a master thread complete
 *
 * Numbers, HELLOs, and answers to backups that miss something. All of it runs
 * in the thread, between two rounds of sending. What is to be told again is
 * marked like any other connection, so it is sent as it is by then, in a new
 * message.
 */

#include <linux/net.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "ip_vs_sync_internal.h"

/* Least number of messages and records that are remembered */
#define HISTORY_MIN		256
/* Between HELLOs in milliseconds, at rest and during a pass */
#define HELLO_INTERVAL		1000
#define HELLO_INTERVAL_PASS	100
/* Bytes of an IPv4 key in a DELETE, IPv6 takes more */
#define KEY_USUAL		16
/* Requests that are read in one go */
#define ANSWERS_MAX		64

/**
 * ip_vs_sync_stream_init() - prepare a stream
 * @tx:		the thread
 * @instance:	number of the daemon, not 0
 * @by:		%IP_VS_SYNC_BY_MASTER, the daemon's number here and the thread's
 * @ttl:	TTL of messages
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM; ip_vs_sync_stream_exit() cleans up after both.
 */
int ip_vs_sync_stream_init(struct ip_vs_sync_tx *tx, u32 instance, u32 by,
			   u8 ttl)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_history *h = &s->history;
	int records = READ_ONCE(tx->ipvs->sync.knobs.repair);

	if (!records)
		return 0;
	h->records = roundup_pow_of_two(max(records, HISTORY_MIN));
	h->messages = max_t(u32, HISTORY_MIN, h->records /
			    IP_VS_SYNC_HISTORY_RECORDS_PER_MESSAGE);
	h->buckets = kvcalloc(h->records, sizeof(u32), GFP_KERNEL);
	h->starts = kvcalloc(h->messages, sizeof(u32), GFP_KERNEL);
	if (!h->buckets || !h->starts)
		return -ENOMEM;
	ip_vs_sync_history_open(h);
	s->instance = instance;
	s->by = by;
	s->ttl_min = 256 - ttl;
	s->hello = jiffies;
	s->refilled = jiffies;
	s->progress = IP_VS_SYNC_NO_PASS;
	return 0;
}

/**
 * ip_vs_sync_stream_exit() - clean up after a stream
 * @tx:	the thread, stopped
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_stream_exit(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	int i;

	for (i = 0; i < IP_VS_SYNC_KEPT; i++)
		kfree(s->kept[i].buf);
	kvfree(s->history.buckets);
	kvfree(s->history.starts);
}

/**
 * ip_vs_sync_stream_keep() - keep a DELETE in case it is lost
 * @s:		the stream
 * @seq:	its number
 * @buf:	the message
 * @len:	its bytes
 *
 * Without memory it is not kept: the lease does its work, later.
 *
 * Context: the thread.
 */
void ip_vs_sync_stream_keep(struct ip_vs_sync_stream *s, u32 seq,
			    const u8 *buf, unsigned int len)
{
	int i = seq % IP_VS_SYNC_KEPT;

	kfree(s->kept[i].buf);
	s->kept[i].buf = kmemdup(buf, len, GFP_KERNEL);
	s->kept[i].len = len;
	s->kept[i].seq = seq;
}

/**
 * ip_vs_sync_tokens() - connections that may be told beside live updates
 * @tx:	the thread
 *
 * As many as sync_pace allows; what is not used is kept for a tenth of a
 * second.
 *
 * Context: the thread.
 * Return: their number, 0 or less for none.
 */
long ip_vs_sync_tokens(struct ip_vs_sync_tx *tx)
{
	long pace = READ_ONCE(tx->ipvs->sync.knobs.pace);
	struct ip_vs_sync_stream *s = &tx->stream;
	unsigned long now = jiffies;
	/* No more is kept anyway; a second's worth does not fit 32 bits */
	unsigned long gone = min(now - s->refilled, max(HZ / 10UL, 1UL));

	s->refilled = now;
	s->tokens = min(s->tokens + (long)gone * pace / HZ, pace / 10);
	return s->tokens;
}

/**
 * ip_vs_sync_told() - connections told and not gone
 * @tx:	the thread
 *
 * Context: any.
 * Return: their number.
 */
unsigned long ip_vs_sync_told(const struct ip_vs_sync_tx *tx)
{
	long told = READ_ONCE(tx->stream.told);
	int cpu;

	for_each_possible_cpu(cpu)
		told -= READ_ONCE(per_cpu_ptr(tx->queue, cpu)->gone);
	return max(told, 0L);
}

/* Tell again what was told last in this message. Return: false when that has
 * to wait.
 */
static bool repair(struct ip_vs_sync_tx *tx, u32 seq)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_master *m = tx->master;
	struct ip_vs_sync_past past;
	struct ip_vs_conn *cp;
	bool done = true;
	unsigned int len;
	u32 bucket;

	if (ip_vs_sync_tokens(tx) <= 0)
		return false;
	/* Even a message without anything to tell takes time to look for */
	s->tokens--;
	if (s->kept[seq % IP_VS_SYNC_KEPT].buf &&
	    s->kept[seq % IP_VS_SYNC_KEPT].seq == seq) {
		len = s->kept[seq % IP_VS_SYNC_KEPT].len;
		s->tokens -= len / KEY_USUAL;
		ip_vs_sync_delete_again(tx, s->kept[seq % IP_VS_SYNC_KEPT].buf,
					len);
		return true;
	}
	if (!ip_vs_sync_history_find(&s->history, seq, &past))
		return false;
	while (done && past.pos != past.end) {
		s->tokens--;
		bucket = ip_vs_sync_history_bucket(&s->history, &past);
		rcu_read_lock();
		hlist_for_each_entry_rcu(cp, &ip_vs_conn_tab[bucket], c_list) {
			if (READ_ONCE(cp->sync.by) != s->by ||
			    READ_ONCE(cp->sync.seq) != seq ||
			    cp->ipvs != tx->ipvs)
				continue;
			done = ip_vs_sync_tell(m, cp);
			if (!done)
				break;
			ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_REPAIRED], 1);
		}
		rcu_read_unlock();
	}
	return done;
}

/* Note that a message is made up for. Return: false when there is no room. */
static bool note_fill(struct ip_vs_sync_stream *s, u32 seq)
{
	struct ip_vs_sync_range *last = &s->fills[s->n_fills];

	if (s->n_fills && last[-1].last + 1 == seq) {
		last[-1].last = seq;
		return true;
	}
	if (s->n_fills == IP_VS_SYNC_RANGES_MAX)
		return false;
	last->first = seq;
	last->last = seq;
	s->n_fills++;
	return true;
}

static enum ip_vs_sync_reject answer_nack(struct ip_vs_sync_tx *tx,
					  const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_history *h = &s->history;
	enum ip_vs_sync_reject why;
	unsigned int i, n;
	u32 seq;

	why = ip_vs_sync_ranges_read(c, ranges, &n);
	if (why)
		return why;
	for (i = 0; i < n; i++) {
		if (!ip_vs_sync_before(ranges[i].last, h->next))
			return IP_VS_SYNC_R_UNSENT;
		/* In order, so that no message is asked for twice */
		if (i && !ip_vs_sync_before(ranges[i - 1].last,
					    ranges[i].first))
			return IP_VS_SYNC_R_BODY;
	}
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_NACKS], 1);
	ip_vs_sync_walk_slow(&tx->master->walk);
	for (i = 0; i < n; i++) {
		seq = ranges[i].first;
		if (ip_vs_sync_before(seq, h->oldest)) {
			/* A HELLO tells which are too old */
			ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_FORGOTTEN],
				       1);
			s->hello = jiffies;
			seq = h->oldest;
		}
		for (; !ip_vs_sync_before(ranges[i].last, seq); seq++) {
			if (!repair(tx, seq) || !note_fill(s, seq))
				return IP_VS_SYNC_OK;
			cond_resched();
		}
	}
	return IP_VS_SYNC_OK;
}

static enum ip_vs_sync_reject answer_join(struct ip_vs_sync_tx *tx,
					  const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	enum ip_vs_sync_reject why;
	u32 since;

	why = ip_vs_sync_join_read(c, &since);
	if (why)
		return why;
	if (ip_vs_sync_before(s->history.next, since))
		return IP_VS_SYNC_R_UNSENT;
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_JOINS], 1);
	if (READ_ONCE(s->progress) == IP_VS_SYNC_NO_PASS ||
	    ip_vs_sync_before(READ_ONCE(s->pass), since))
		ip_vs_sync_walk_pass(&tx->master->walk);
	s->hello = jiffies;
	return IP_VS_SYNC_OK;
}

/* Read a request. Return: the reason not to answer it. */
static enum ip_vs_sync_reject answer(struct ip_vs_sync_tx *tx, const u8 *buf,
				     unsigned int len, int ttl)
{
	struct ip_vs_sync_control c;
	enum ip_vs_sync_reject why;

	why = ip_vs_sync_control_read(&c, buf, len);
	if (why)
		return why;
	/* Nothing is numbered now */
	if (!READ_ONCE(tx->ipvs->sync.knobs.version))
		return IP_VS_SYNC_R_VERSION;
	if (ttl < tx->stream.ttl_min)
		return IP_VS_SYNC_R_FAR;
	if (c.kind != IP_VS_SYNC_NACK && c.kind != IP_VS_SYNC_JOIN)
		return IP_VS_SYNC_R_KIND;
	if (c.syncid != tx->w.syncid)
		return IP_VS_SYNC_R_SYNCID;
	if (c.trailer.instance != tx->stream.instance)
		return IP_VS_SYNC_R_INSTANCE;
	return c.kind == IP_VS_SYNC_NACK ? answer_nack(tx, &c) :
					   answer_join(tx, &c);
}

/**
 * ip_vs_sync_answer() - read what backups ask for
 * @tx:	the thread
 *
 * Marks what is to be told again.
 *
 * Context: the thread, may sleep.
 */
void ip_vs_sync_answer(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	enum ip_vs_sync_reject why;
	int i, len, ttl;

	/* Before the socket is read: what comes later sets it again */
	smp_store_mb(tx->heard, false);
	ip_vs_sync_sock_forget(tx->sock);
	for (i = 0; i < ANSWERS_MAX; i++) {
		len = ip_vs_sync_sock_request(tx->sock, s->buf, sizeof(s->buf),
					      &ttl);
		if (len == -EAGAIN)
			return;
		/* Nothing says that no request is behind an error */
		if (len < 0 || !s->instance)
			continue;
		why = answer(tx, s->buf, len, ttl);
		if (why)
			ip_vs_sync_add(&tx->refused[why], 1);
		cond_resched();
	}
	WRITE_ONCE(tx->heard, true);
}

/* Send a control message. It is not tried again: who needs it asks again, or
 * gets the next one.
 */
static void say(struct ip_vs_sync_tx *tx, unsigned int len)
{
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_HELLOS], 1);
	if (ip_vs_sync_send(tx, tx->stream.buf, len) < 0)
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_SILENT], 1);
}

static void say_hello(struct ip_vs_sync_tx *tx,
		      const struct ip_vs_sync_trailer *t)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_hello h = {
		.oldest		= s->history.oldest,
		.conns		= ip_vs_sync_told(tx),
		.done		= s->done,
		.interval	= HELLO_INTERVAL,
	};

	/* Pairs with pass_start(): no progress of an earlier pass */
	h.pass = smp_load_acquire(&s->pass);
	h.progress = READ_ONCE(s->progress);
	/* A pass that starts between the two looks is told of late */
	if (h.progress < IP_VS_SYNC_PASS_DONE ||
	    ip_vs_sync_walk_wanted(&tx->master->walk))
		h.interval = HELLO_INTERVAL_PASS;
	s->said = t->seq;
	s->hello = jiffies + msecs_to_jiffies(h.interval);
	say(tx, ip_vs_sync_hello_write(s->buf, tx->w.syncid, &h, t));
}

/**
 * ip_vs_sync_confirm() - say what has been sent
 * @tx:		the thread; what was marked by now has been sent
 * @soon:	jiffies that a HELLO may be behind the last message
 *
 * Context: the thread, does not wait.
 */
void ip_vs_sync_confirm(struct ip_vs_sync_tx *tx, unsigned long soon)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_trailer t = {
		.instance	= s->instance,
		.seq		= s->history.next - 1,
	};

	if (!READ_ONCE(tx->ipvs->sync.knobs.version)) {
		s->hello = jiffies + HZ;
		s->said = t.seq;
		s->n_fills = 0;
		return;
	}
	if (s->n_fills)
		say(tx, ip_vs_sync_ranges_write(s->buf, tx->w.syncid,
						IP_VS_SYNC_FILL, s->fills,
						s->n_fills, &t));
	s->n_fills = 0;
	if (time_after_eq(jiffies, s->hello) ||
	    (s->said != t.seq && time_after_eq(jiffies, s->sent + soon)))
		say_hello(tx, &t);
}
