// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the master's side
 *
 * The packet path marks, a thread sends. Key points:
 *
 * - A mark sets a bit in the connection and links it on a list of the CPU at
 *   hand. It allocates nothing, copies nothing and takes no lock.
 * - The thread takes the lists whole and encodes what each connection is by
 *   then. So the updates of one connection coalesce, what is sent is never
 *   stale, and a slow link delays but does not drop.
 * - A pending connection is not held by a reference, which would put off its
 *   expiry. It is held by the bits PENDING and DEAD, see
 *   ip_vs_sync_internal.h, and by RCU while it is encoded.
 * - The thread sleeps without a tick. The first mark wakes it, it gives
 *   others sync_delay to follow, then sends all there is, the last message
 *   part-full. Enough marks at once cut that short.
 * - A message that could not be sent is kept and tried again.
 */

#define KMSG_COMPONENT "IPVS"
#define pr_fmt(fmt) KMSG_COMPONENT ": " fmt

#include <linux/kthread.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <trace/events/ip_vs_sync.h>

#include "ip_vs_sync_internal.h"

/* Full messages waiting on one CPU that are worth a wake-up */
#define WAKE_MESSAGES		8
/* Between attempts to send after an error, in jiffies */
#define RETRY_DELAY		max(HZ / 10, 1)
/* The same when the device's queue is full, which it soon is no more */
#define NOBUFS_DELAY		max(HZ / 64, 1)

/* A connection that dies more than this before its time, in jiffies, is told to
 * be gone.
 */
#define DELETE_SLACK		(2 * HZ)
/* From the last message to a HELLO that tells its number, in jiffies */
#define HELLO_SOON		max(HZ / 10, 1)

/* What a state means, see enum ip_vs_sync_phase; 0 is IP_VS_SYNC_HELD */
static const u8 tcp_phase[IP_VS_TCP_S_LAST] = {
	[IP_VS_TCP_S_ESTABLISHED]	= IP_VS_SYNC_STEADY,
	[IP_VS_TCP_S_FIN_WAIT]		= IP_VS_SYNC_TURN,
	[IP_VS_TCP_S_TIME_WAIT]		= IP_VS_SYNC_TURN,
	[IP_VS_TCP_S_CLOSE]		= IP_VS_SYNC_TURN,
	[IP_VS_TCP_S_CLOSE_WAIT]	= IP_VS_SYNC_TURN,
};

static const u8 sctp_phase[IP_VS_SCTP_S_LAST] = {
	[IP_VS_SCTP_S_ESTABLISHED]	 = IP_VS_SYNC_STEADY,
	[IP_VS_SCTP_S_SHUTDOWN_SENT]	 = IP_VS_SYNC_TURN,
	[IP_VS_SCTP_S_SHUTDOWN_RECEIVED] = IP_VS_SYNC_TURN,
	[IP_VS_SCTP_S_SHUTDOWN_ACK_SENT] = IP_VS_SYNC_TURN,
	[IP_VS_SCTP_S_CLOSED]		 = IP_VS_SYNC_TURN,
};

/**
 * ip_vs_sync_phase() - what a connection's state means to sync
 * @protocol:	IPPROTO_*
 * @flags:	%IP_VS_CONN_F_*
 * @state:	state in the protocol's numbering
 *
 * Context: any.
 * Return: the phase; a protocol without states is always steady.
 */
enum ip_vs_sync_phase ip_vs_sync_phase(u16 protocol, u32 flags, u16 state)
{
	if (flags & IP_VS_CONN_F_ONE_PACKET)
		return IP_VS_SYNC_HELD;
	if (flags & IP_VS_CONN_F_TEMPLATE)
		return IP_VS_SYNC_TURN;
	if (protocol == IPPROTO_TCP)
		return state < IP_VS_TCP_S_LAST ? tcp_phase[state] :
						  IP_VS_SYNC_HELD;
	if (protocol == IPPROTO_SCTP)
		return state < IP_VS_SCTP_S_LAST ? sctp_phase[state] :
						   IP_VS_SYNC_HELD;
	return IP_VS_SYNC_STEADY;
}

/**
 * ip_vs_sync_claim() - take on an announcement that is due
 * @sync:	the connection's
 * @v:		what was decided on
 * @next:	what the decision wants in sync_time
 *
 * Of many CPUs that decide on the same reading of sync_time one gets true. A
 * CPU that reads the new time but the old @state or @pkts may announce once
 * more; the pending bit makes that one record.
 *
 * Context: any.
 * Return: true when the caller is to announce.
 */
bool ip_vs_sync_claim(struct ip_vs_sync_conn *sync,
		      const struct ip_vs_sync_view *v, unsigned long next)
{
	if (cmpxchg(&sync->sync_time, v->sync_time, next) != v->sync_time)
		return false;
	WRITE_ONCE(sync->state, v->state);
	WRITE_ONCE(sync->pkts, v->pkts);
	WRITE_ONCE(sync->until, ip_vs_sync_until(v));
	return true;
}

/* Initialisers, not assignments: kernels are built to clear what has none */
static struct ip_vs_sync_view conn_view(const struct ip_vs_conn *cp, u32 pkts)
{
	u16 state = cp->state;

	return (struct ip_vs_sync_view) {
		.now		= jiffies,
		.sync_time	= READ_ONCE(cp->sync.sync_time),
		.timeout	= cp->timeout,
		.pkts		= pkts,
		.last_pkts	= READ_ONCE(cp->sync.pkts),
		.state		= state,
		.last_state	= READ_ONCE(cp->sync.state),
		.phase		= ip_vs_sync_phase(cp->protocol, cp->flags,
						   state),
		.until		= READ_ONCE(cp->sync.until),
		.expires	= READ_ONCE(cp->timer.expires),
		.controls	= atomic_read(&cp->n_control),
	};
}

static struct ip_vs_sync_rules read_rules(const struct ip_vs_sync_knobs *k)
{
	return (struct ip_vs_sync_rules) {
		.threshold	= READ_ONCE(k->threshold[0]),
		.period		= READ_ONCE(k->threshold[1]),
		.refresh	= READ_ONCE(k->refresh_period),
		.retries	= READ_ONCE(k->retries),
		.silent		= READ_ONCE(k->silent),
	};
}

/* With sync_persist_mode a template stands for all it controls */
static bool left_to_template(const struct ip_vs_sync_knobs *k,
			     const struct ip_vs_conn *cp)
{
	const struct ip_vs_conn *ct;

	if (!READ_ONCE(k->persist_mode))
		return false;
	/* The walk has no reference to @cp, which may lose its control now */
	for (ct = READ_ONCE(cp->control); ct; ct = READ_ONCE(ct->control))
		if (ct->flags & IP_VS_CONN_F_TEMPLATE)
			return true;
	return false;
}

static struct ip_vs_sync_tx *conn_thread(struct ip_vs_sync_master *m,
					 const struct ip_vs_conn *cp)
{
	u32 hash;

	if (m->threads == 1)
		return &m->tx[0];
	hash = ip_vs_sync_flow_hash(cp->af, cp->protocol, &cp->caddr,
				    cp->cport, &cp->vaddr, cp->vport);
	return &m->tx[hash & (m->threads - 1)];
}

static unsigned long queue_len(const struct ip_vs_sync_queue *q)
{
	return READ_ONCE(q->added) - READ_ONCE(q->taken);
}

/* Would one more be beyond sync_qlen_max messages? What a blocked thread has
 * taken waits too.
 */
static bool queue_full(const struct ip_vs_sync_tx *tx, unsigned long waiting)
{
	unsigned long max = READ_ONCE(tx->ipvs->sync.knobs.qlen_max);

	waiting += READ_ONCE(tx->held);
	if (likely(waiting < tx->per_message))
		return !max;
	return waiting / tx->per_message >= max;
}

static void tx_wake(struct ip_vs_sync_tx *tx, int doze)
{
	/* llist_add() orders the mark before this read, tx_doze() the other
	 * way round: one of both sees the other. Who takes doze away is the
	 * one to end the sleep.
	 */
	if (READ_ONCE(tx->doze) < doze)
		return;
	if (xchg(&tx->doze, IP_VS_SYNC_AWAKE) != IP_VS_SYNC_AWAKE)
		wake_up_process(tx->task);
}

/* Set PENDING, and say what the record is to tell: a packet that is about to
 * restart the timer has the last word until it is encoded. Fully ordered: who
 * finds PENDING set knows that the thread has yet to clear it, and reads the
 * connection only after that. Whoever finds DEAD set has come too late.
 * Return: the bits as they were.
 */
static int set_pending(atomic_t *bits, bool left)
{
	int old = atomic_read(bits);
	int new;

	do {
		if (old & IP_VS_SYNC_DEAD)
			break;
		new = old | IP_VS_SYNC_PENDING;
		if (!left)
			new &= ~IP_VS_SYNC_LEFT;
		else if (!(old & IP_VS_SYNC_PENDING))
			new |= IP_VS_SYNC_LEFT;
	} while (!atomic_try_cmpxchg(bits, &old, new));
	return old;
}

enum mark {
	MARK_SET,		/* it is on the list, or has died */
	MARK_OTHERS,		/* another CPU is about to put it there */
	MARK_FULL,		/* there is no room for it */
};

/* Put a connection that is due on the list of its thread. Called under RCU by
 * who has a reference to it or found it in the table.
 */
static enum mark conn_mark(struct ip_vs_sync_master *m,
			   struct ip_vs_conn *cp,
			   const struct ip_vs_sync_view *v,
			   unsigned long next)
{
	struct ip_vs_sync_tx *tx = conn_thread(m, cp);
	struct ip_vs_sync_queue *q = get_cpu_ptr(tx->queue);
	unsigned long waiting = queue_len(q);
	enum mark mark = MARK_SET;
	bool first;
	int bits;

	/* Not claimed: the next packet asks again */
	if (unlikely(queue_full(tx, waiting)) &&
	    !(atomic_read(&cp->sync.bits) & IP_VS_SYNC_PENDING)) {
		this_cpu_inc(tx->queue->full);
		mark = MARK_FULL;
		goto out;
	}
	if (!ip_vs_sync_claim(&cp->sync, v, next)) {
		mark = MARK_OTHERS;
		goto out;
	}
	trace_ip_vs_sync_announced(cp, v->last_state == IP_VS_SYNC_NEVER);

	bits = set_pending(&cp->sync.bits, v->left);
	if (bits & IP_VS_SYNC_DEAD)
		goto out;
	if (bits & IP_VS_SYNC_PENDING) {
		this_cpu_inc(tx->queue->coalesced);
		goto out;
	}
	this_cpu_inc(tx->queue->added);
	first = llist_add(&cp->sync.node, &q->head);
	if (first)
		tx_wake(tx, IP_VS_SYNC_IDLE);
	else if (waiting + 1 >= tx->enough)
		tx_wake(tx, IP_VS_SYNC_GATHER);
out:
	put_cpu_ptr(tx->queue);
	return mark;
}

/* A packet of a connection makes it due */
static void conn_due(struct ip_vs_sync_master *m, struct ip_vs_conn *cp,
		     const struct ip_vs_sync_view *v, unsigned long next)
{
	if (left_to_template(&cp->ipvs->sync.knobs, cp))
		ip_vs_sync_claim(&cp->sync, v, next);
	else
		conn_mark(m, cp, v, next);
}

static bool control_announce(struct ip_vs_sync_master *m,
			     struct ip_vs_conn *ct,
			     const struct ip_vs_sync_rules *rules, bool with)
{
	struct ip_vs_sync_view v = conn_view(ct, atomic_read(&ct->in_pkts));
	unsigned long next;

	/* Its timer is no matter of this packet: that of a template has been
	 * restarted already, if at all.
	 */
	v.left = true;
	if (!ip_vs_sync_control_due(rules, &v, with, &next) ||
	    left_to_template(&ct->ipvs->sync.knobs, ct))
		return false;
	conn_mark(m, ct, &v, next);
	return true;
}

/* A packet may announce its connection and those that control it. Not inlined,
 * so that the packets that announce nothing do not pay for it.
 */
static noinline void packet_announce(struct ip_vs_sync_master *m,
				     struct ip_vs_conn *cp, u32 pkts)
{
	struct ip_vs_sync_rules rules = read_rules(&cp->ipvs->sync.knobs);
	struct ip_vs_sync_view v = conn_view(cp, pkts);
	struct ip_vs_conn *ct;
	unsigned long next;
	bool with = true;

	if (unlikely(!cp->dest))
		ip_vs_sync_dest(cp);
	if (!(cp->flags & IP_VS_CONN_F_ONE_PACKET)) {
		with = ip_vs_sync_due(&rules, &v, &next);
		if (with)
			conn_due(m, cp, &v, next);
		/* A new one takes its control along */
		with |= pkts == 1;
	}
	for (ct = cp->control; ct; ct = ct->control)
		with |= control_announce(m, ct, &rules, with);
}

/* Is a connection as it was told, and that not too long ago? */
static bool conn_rests(const struct ip_vs_sync_knobs *k,
		       const struct ip_vs_conn *cp, unsigned long now,
		       unsigned int refresh)
{
	if (cp->state != READ_ONCE(cp->sync.state) ||
	    ip_vs_sync_lease_over(now, READ_ONCE(cp->sync.until), cp->timeout))
		return false;
	return !refresh ||
	       !ip_vs_sync_refresh_over(now, READ_ONCE(cp->sync.sync_time),
					refresh, READ_ONCE(k->retries));
}

/* Is there nothing to announce? What packet_announce() finds, from as little as
 * it takes: most packets stop here.
 */
static bool packet_rests(const struct ip_vs_sync_knobs *k,
			 const struct ip_vs_conn *cp, u32 pkts)
{
	unsigned int refresh = READ_ONCE(k->refresh_period);
	const struct ip_vs_conn *ct = cp->control;
	unsigned long now = jiffies;

	if (!conn_rests(k, cp, now, refresh))
		return false;
	if (!refresh &&
	    ip_vs_sync_period_passed(pkts, READ_ONCE(cp->sync.pkts),
				     READ_ONCE(k->threshold[0]),
				     READ_ONCE(k->threshold[1])))
		return false;
	if (likely(!ct))
		return true;
	for (; ct; ct = ct->control)
		if (!conn_rests(k, ct, now, refresh))
			return false;
	return pkts > 1;
}

/**
 * ip_vs_sync_packet() - a packet from the client has passed
 * @cp:	its connection
 *
 * Counts the packet and announces the connection, and those that control it,
 * when they are due.
 *
 * Context: softirq or process context, under RCU, the caller holds a reference
 * to @cp.
 */
void ip_vs_sync_packet(struct ip_vs_conn *cp)
{
	struct ip_vs_sync_net *sync = &cp->ipvs->sync;
	struct ip_vs_sync_master *m;
	u32 pkts = 0;

	m = rcu_dereference(sync->master);
	if (unlikely(cp->flags & IP_VS_CONN_F_ONE_PACKET)) {
		if (cp->control)
			atomic_inc(&cp->control->in_pkts);
	} else {
		pkts = atomic_inc_return(&cp->in_pkts);
		if (!m || packet_rests(&sync->knobs, cp, pkts))
			m = NULL;
	}
	if (m)
		packet_announce(m, cp, pkts);
	else if (unlikely(!cp->dest))
		ip_vs_sync_dest(cp);
}

/**
 * ip_vs_sync_reply() - a packet from the server has passed
 * @cp:	its connection
 *
 * Announces the connection when the packet closes it.
 *
 * Context: softirq or process context, under RCU, the caller holds a reference
 * to @cp.
 */
void ip_vs_sync_reply(struct ip_vs_conn *cp)
{
	u16 told = READ_ONCE(cp->sync.state);
	struct ip_vs_sync_master *m;
	struct ip_vs_sync_view v;
	unsigned long next;

	/* Most replies end here */
	if (likely(cp->state == told) || told == IP_VS_SYNC_NEVER)
		return;
	m = rcu_dereference(cp->ipvs->sync.master);
	if (!m)
		return;
	v = conn_view(cp, atomic_read(&cp->in_pkts));
	if (ip_vs_sync_reply_due(&v, &next))
		conn_due(m, cp, &v, next);
}

/**
 * ip_vs_sync_conn_extended() - a connection lives on without a packet
 * @cp:	the connection; its timeout is new
 *
 * Its timer has run out while it was in use, mostly as the control of others,
 * and was set again. A backup has to set its own again too.
 *
 * Context: timer, the caller holds a reference to @cp.
 */
void ip_vs_sync_conn_extended(struct ip_vs_conn *cp)
{
	struct ip_vs_sync_net *sync = &cp->ipvs->sync;
	struct ip_vs_sync_master *m;
	struct ip_vs_sync_view v;
	unsigned long next;

	rcu_read_lock();
	m = rcu_dereference(sync->master);
	if (!m)
		goto out;
	v = conn_view(cp, atomic_read(&cp->in_pkts));
	if (ip_vs_sync_extended_due(&v, &next) &&
	    !left_to_template(&sync->knobs, cp))
		conn_mark(m, cp, &v, next);
out:
	rcu_read_unlock();
}

/**
 * ip_vs_sync_renew() - the walk has come to a connection
 * @m:	master daemon
 * @cp:	the connection
 *
 * Announces it if a backup would forget it before this director does, or was
 * not told of it for long.
 *
 * Context: process, under RCU.
 * Return: true when it was announced.
 */
bool ip_vs_sync_renew(struct ip_vs_sync_master *m, struct ip_vs_conn *cp)
{
	const struct ip_vs_sync_knobs *k = &cp->ipvs->sync.knobs;
	struct ip_vs_sync_view v = conn_view(cp, atomic_read(&cp->in_pkts));
	struct ip_vs_sync_rules rules = read_rules(k);
	unsigned long next;

	v.left = true;
	if (likely(!ip_vs_sync_lease_due(&rules, &v, &next)) ||
	    left_to_template(k, cp))
		return false;
	/* Who has told it is there to tell it: no two masters tell each other
	 * what neither has a packet of.
	 */
	if (v.last_state == IP_VS_SYNC_NEVER &&
	    ip_vs_sync_peer_alive(cp->ipvs, READ_ONCE(cp->sync.by)))
		return false;
	return conn_mark(m, cp, &v, next) == MARK_SET;
}

/**
 * ip_vs_sync_tell() - tell a connection, due or not
 * @m:	master daemon
 * @cp:	the connection
 *
 * Context: process, under RCU.
 * Return: false when it has to be tried again, the list is full.
 */
bool ip_vs_sync_tell(struct ip_vs_sync_master *m, struct ip_vs_conn *cp)
{
	struct ip_vs_sync_view v;
	unsigned long next;
	enum mark mark;

	do {
		v = conn_view(cp, atomic_read(&cp->in_pkts));
		v.left = true;
		if (v.phase == IP_VS_SYNC_HELD ||
		    left_to_template(&cp->ipvs->sync.knobs, cp))
			return true;
		next = ip_vs_sync_next_time(v.now, v.sync_time);
		mark = conn_mark(m, cp, &v, next);
		/* What others put there may come too late for the caller, who
		 * says next that it is told.
		 */
	} while (mark == MARK_OTHERS);
	return mark == MARK_SET;
}

/**
 * ip_vs_sync_conn_init() - set up what sync keeps in a new connection
 * @cp:	the connection, not visible to others yet
 *
 * Context: any.
 */
void ip_vs_sync_conn_init(struct ip_vs_conn *cp)
{
	cp->sync.sync_time = jiffies & ~IP_VS_SYNC_RETRY_MASK;
	cp->sync.state = IP_VS_SYNC_NEVER;
	cp->sync.pkts = 0;
	cp->sync.until = cp->sync.sync_time;
	cp->sync.by = IP_VS_SYNC_BY_NOBODY;
	cp->sync.seq = 0;
	atomic_set(&cp->sync.bits, 0);
}

/* ip_vs_check_template() leaves this of a template that lost its server */
static bool is_invalid_template(const struct ip_vs_conn *cp)
{
	return cp->flags & IP_VS_CONN_F_TEMPLATE && !cp->cport &&
	       cp->vport == htons(0xffff);
}

/* Would a backup that was told of the connection keep it now, for long? It does
 * not know an invalid template by that name.
 */
static bool died_early(const struct ip_vs_conn *cp)
{
	if (is_invalid_template(cp))
		return false;
	return (long)(READ_ONCE(cp->sync.until) - jiffies) > DELETE_SLACK;
}

/* The thread that told a connection, which conn_thread() does not find when the
 * ports have changed since.
 * Return: NULL if it is none of this master's.
 */
static struct ip_vs_sync_tx *by_thread(struct ip_vs_sync_master *m, u32 by)
{
	u32 id = by % IP_VS_SYNC_PORTS_MAX;

	return id < m->threads && m->tx[id].stream.by == by ? &m->tx[id] : NULL;
}

/**
 * ip_vs_sync_conn_lost() - what one has told, another tells now
 * @cp:		the connection, the caller holds a reference
 * @by:		who had told it
 *
 * Context: any.
 */
void ip_vs_sync_conn_lost(struct ip_vs_conn *cp, u32 by)
{
	struct ip_vs_sync_master *m;
	struct ip_vs_sync_tx *tx;

	if (!(by & IP_VS_SYNC_BY_MASTER)) {
		ip_vs_sync_peer_lost(cp->ipvs, by);
		return;
	}
	rcu_read_lock();
	m = rcu_dereference(cp->ipvs->sync.master);
	tx = m ? by_thread(m, by) : NULL;
	if (tx)
		this_cpu_inc(tx->queue->gone);
	rcu_read_unlock();
}

/* A connection that this director had told is gone. Return: true when it is on
 * its way to the thread, which tells that and frees it.
 */
static bool conn_bury(struct ip_vs_conn *cp, u32 by)
{
	struct ip_vs_sync_queue *q;
	struct ip_vs_sync_master *m;
	struct ip_vs_sync_tx *tx;
	bool bury = false;

	rcu_read_lock();
	m = rcu_dereference(cp->ipvs->sync.master);
	tx = m ? by_thread(m, by) : NULL;
	if (!tx)
		goto out;
	q = get_cpu_ptr(tx->queue);
	this_cpu_inc(tx->queue->gone);
	bury = READ_ONCE(cp->ipvs->sync.knobs.version) &&
	       tx->stream.instance && died_early(cp);
	if (bury) {
		atomic_or(IP_VS_SYNC_BURIED | IP_VS_SYNC_PENDING,
			  &cp->sync.bits);
		this_cpu_inc(tx->queue->added);
		if (llist_add(&cp->sync.node, &q->head))
			tx_wake(tx, IP_VS_SYNC_IDLE);
	}
	put_cpu_ptr(tx->queue);
out:
	rcu_read_unlock();
	return bury;
}

/**
 * ip_vs_sync_conn_release() - sync has no more to do with a connection
 * @cp:	the connection: out of the table, its last reference gone
 *
 * Context: any.
 * Return: true when a pending list still links it: the thread that takes it
 * off will free it; false when the caller has to.
 */
bool ip_vs_sync_conn_release(struct ip_vs_conn *cp)
{
	u32 by;

	if (atomic_fetch_or(IP_VS_SYNC_DEAD, &cp->sync.bits) &
	    IP_VS_SYNC_PENDING)
		return true;
	by = xchg(&cp->sync.by, IP_VS_SYNC_BY_NOBODY);
	if (by & IP_VS_SYNC_BY_MASTER)
		return conn_bury(cp, by);
	ip_vs_sync_peer_lost(cp->ipvs, by);
	return false;
}

static struct ip_vs_conn *node_conn(struct llist_node *node)
{
	return llist_entry(node, struct ip_vs_conn, sync.node);
}

/* Append a list to the backlog. The lists of the CPUs have the newest first,
 * the backlog has it last.
 * Return: how many there are on the list.
 */
static unsigned long tx_append(struct ip_vs_sync_tx *tx,
			       struct llist_node *list)
{
	struct llist_node *newest = list, *node, *oldest = NULL;
	unsigned long n = 0;

	while (list) {
		node = list;
		list = node->next;
		node->next = oldest;
		oldest = node;
		n++;
	}
	*tx->tail = oldest;
	tx->tail = &newest->next;
	tx->backlog_len += n;
	return n;
}

/* Move all that is pending to the backlog */
static void tx_take(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_queue *q;
	int cpu;

	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(tx->queue, cpu);
		if (llist_empty(&q->head))
			continue;
		ip_vs_sync_add(&q->taken,
			       tx_append(tx, llist_del_all(&q->head)));
	}
	if (tx->backlog_len > tx->waiting_max)
		WRITE_ONCE(tx->waiting_max, tx->backlog_len);
}

/* The thread is about to tell a connection in a message. Called under RCU. */
static void tx_own(struct ip_vs_sync_tx *tx, struct ip_vs_conn *cp, u32 seq)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	u32 by;

	/* Together: a backup here may hear of it just now, from another master,
	 * and the number of one with the name of the other would last.
	 */
	spin_lock_bh(&cp->lock);
	WRITE_ONCE(cp->sync.seq, seq);
	by = xchg(&cp->sync.by, s->by);
	spin_unlock_bh(&cp->lock);
	if (by != s->by) {
		ip_vs_sync_conn_lost(cp, by);
		WRITE_ONCE(s->told, s->told + 1);
	}
	/* It dies on another CPU, which may have come too early to see that.
	 * Both orders are fine: each xchg() is a full barrier, and so is what
	 * sets DEAD.
	 */
	if (unlikely(atomic_read(&cp->sync.bits) & IP_VS_SYNC_DEAD) &&
	    xchg(&cp->sync.by, IP_VS_SYNC_BY_NOBODY) == s->by)
		WRITE_ONCE(s->told, s->told - 1);
}

/* A connection on the list has died. Return: true if backups are to be told. */
static bool tx_disown(struct ip_vs_sync_tx *tx, struct ip_vs_conn *cp, int bits)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	u32 by = xchg(&cp->sync.by, IP_VS_SYNC_BY_NOBODY);

	if (by == s->by)
		WRITE_ONCE(s->told, s->told - 1);
	else
		ip_vs_sync_conn_lost(cp, by);
	return bits & IP_VS_SYNC_BURIED ||
	       (by == s->by && s->instance && died_early(cp));
}

static void tx_free(struct ip_vs_sync_tx *tx, struct ip_vs_conn *cp)
{
	call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_EXPIRED], 1);
}

/* Free one that died early, backups are left to the lease */
static void tx_undeleted(struct ip_vs_sync_stream *s, struct ip_vs_conn *cp)
{
	call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
	ip_vs_sync_add(&s->undeleted, 1);
}

/* A connection that died early waits to be told gone, until it is its turn at
 * the pace. As many wait as the thread remembers records, or whole tables of
 * the dead would stay in memory: more are left to the lease.
 */
static void tx_grave(struct ip_vs_sync_stream *s, struct ip_vs_conn *cp)
{
	if (s->n_graves >= s->history.records) {
		tx_undeleted(s, cp);
		return;
	}
	cp->sync.node.next = NULL;
	*s->graves_tail = &cp->sync.node;
	s->graves_tail = &cp->sync.node.next;
	s->n_graves++;
}

/* Take the oldest out of its grave */
static struct ip_vs_conn *tx_exhume(struct ip_vs_sync_stream *s)
{
	struct ip_vs_conn *cp = node_conn(s->graves);

	s->graves = s->graves->next;
	if (!s->graves)
		s->graves_tail = &s->graves;
	s->n_graves--;
	return cp;
}

/* In a grave whose lease is over there is no news */
static void tx_sift_graves(struct ip_vs_sync_stream *s)
{
	struct llist_node **link = &s->graves;
	struct ip_vs_conn *cp;

	while (*link) {
		cp = node_conn(*link);
		if (died_early(cp)) {
			link = &cp->sync.node.next;
		} else {
			*link = cp->sync.node.next;
			s->n_graves--;
			call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
		}
		cond_resched();
	}
	s->graves_tail = link;
}

/* Free the dead while nothing can be sent, so that a link that is down costs no
 * more memory than the connections that are alive, and some graves.
 */
static void tx_sift(struct ip_vs_sync_tx *tx)
{
	struct llist_node **link = &tx->backlog;
	struct ip_vs_conn *cp;
	int bits;

	tx_sift_graves(&tx->stream);
	tx_take(tx);
	while (*link) {
		cp = node_conn(*link);
		bits = atomic_read(&cp->sync.bits);
		if (bits & IP_VS_SYNC_DEAD) {
			*link = (*link)->next;
			tx->backlog_len--;
			if (tx_disown(tx, cp, bits))
				tx_grave(&tx->stream, cp);
			else
				tx_free(tx, cp);
		} else {
			link = &(*link)->next;
		}
		cond_resched();
	}
	tx->tail = link;
}

/* Take one connection off the backlog. Called under RCU, which keeps it until
 * it is encoded: from here on it may be marked again or die.
 * Return: the connection, NULL if it has died already: it is freed, or in its
 * grave until that is told.
 */
static struct ip_vs_conn *tx_next(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_conn *cp = node_conn(tx->backlog);
	int bits;

	tx->backlog = tx->backlog->next;
	tx->backlog_len--;
	if (!tx->backlog)
		tx->tail = &tx->backlog;
	/* Fully ordered: pairs with conn_mark() */
	bits = atomic_fetch_andnot(IP_VS_SYNC_PENDING, &cp->sync.bits);
	if (!(bits & IP_VS_SYNC_DEAD))
		return cp;
	if (tx_disown(tx, cp, bits))
		tx_grave(&tx->stream, cp);
	else
		tx_free(tx, cp);
	return NULL;
}

static void seq_record(const struct ip_vs_seq *seq, struct ip_vs_sync_seq *to)
{
	to->init_seq = seq->init_seq;
	to->delta = seq->delta;
	to->previous_delta = seq->previous_delta;
}

/* How long a backup is to keep a connection. Of a template it has to know the
 * whole timeout as well, which it gives it if it takes over; a new timeout
 * comes with the first packet of any other.
 */
static void tx_lifetime(const struct ip_vs_conn *cp,
			struct ip_vs_sync_record *rec)
{
	unsigned long expires = READ_ONCE(cp->timer.expires);
	unsigned long timeout = cp->timeout;
	unsigned long left, late;

	rec->timeout = timeout / HZ;
	if (!(atomic_read(&cp->sync.bits) & IP_VS_SYNC_LEFT))
		return;
	left = ip_vs_sync_left(jiffies, expires, atomic_read(&cp->n_control));
	if (DIV_ROUND_UP(left, HZ) == rec->timeout)
		return;
	late = left + ip_vs_sync_late(expires, timeout);
	if (rec->flags & IP_VS_CONN_F_TEMPLATE) {
		rec->left = DIV_ROUND_CLOSEST(late, HZ) ?: 1;
	} else {
		/* Of these a backup does not set the timer early */
		left = max(left, min(ip_vs_sync_early(late), timeout));
		rec->timeout = DIV_ROUND_UP(left, HZ);
	}
}

/* What a connection is now. Called under RCU.
 * Return: false when it is not to be told.
 */
static bool tx_record(struct ip_vs_sync_tx *tx, struct ip_vs_conn *cp,
		      struct ip_vs_sync_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->af = cp->af;
	rec->protocol = cp->protocol;
	rec->state = cp->state;
	rec->flags = cp->flags & ~IP_VS_CONN_F_HASHED;
	if (ip_vs_sync_phase(cp->protocol, rec->flags, rec->state) ==
	    IP_VS_SYNC_HELD || is_invalid_template(cp)) {
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_WITHDRAWN], 1);
		return false;
	}
	if (cp->daf != cp->af || (!tx->w.version && cp->af != AF_INET)) {
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_UNTOLD], 1);
		return false;
	}

	rec->cport = cp->cport;
	rec->vport = cp->vport;
	rec->dport = cp->dport;
	rec->fwmark = cp->fwmark;
	tx_lifetime(cp, rec);
	rec->caddr = cp->caddr;
	rec->vaddr = cp->vaddr;
	rec->daddr = cp->daddr;
	if (rec->flags & IP_VS_CONN_F_SEQ_MASK) {
		spin_lock_bh(&cp->lock);
		seq_record(&cp->in_seq, &rec->in_seq);
		seq_record(&cp->out_seq, &rec->out_seq);
		spin_unlock_bh(&cp->lock);
		rec->has_seq = true;
	}
	if (cp->pe_data_len) {
		rec->pe_data_len = cp->pe_data_len;
		rec->pe_data = tx->pe_data;
		memcpy(tx->pe_data, cp->pe_data, rec->pe_data_len);
		rec->pe_name_len = strnlen(cp->pe->name, sizeof(tx->pe_name));
		rec->pe_name = tx->pe_name;
		memcpy(tx->pe_name, cp->pe->name, rec->pe_name_len);
	}
	return true;
}

/* Count an attempt that failed. Return: jiffies until the next one. */
static long tx_failed(struct ip_vs_sync_tx *tx, int err)
{
	switch (err) {
	case -EAGAIN:
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_BLOCKED], 1);
		return HZ;
	case -ENOMEM:
	case -ENOBUFS:
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_NOBUFS], 1);
		return NOBUFS_DELAY;
	case -ENOLINK:
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_CARRIER], 1);
		break;
	default:
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_ERRORS], 1);
	}
	if (!tx->failing)
		pr_warn("sync: can not send, error %d, trying on\n", err);
	tx->failing = true;
	return RETRY_DELAY;
}

/* Wait for room in the socket after -EAGAIN, or for better times */
static void tx_wait(struct ip_vs_sync_tx *tx, int err)
{
	bool blocked = err == -EAGAIN;
	struct sock *sk = tx->sock->sk;
	long delay;

	if (time_after_eq(jiffies, tx->next_sift)) {
		tx_sift(tx);
		tx->next_sift = jiffies + HZ;
	}
	WRITE_ONCE(tx->held, tx->backlog_len);
	delay = tx_failed(tx, err);
	wait_event_interruptible_timeout(*sk_sleep(sk),
					 (blocked && sock_writeable(sk)) ||
					 kthread_should_stop(), delay);
}

/* A message is out, the backlog follows */
static void tx_unblocked(struct ip_vs_sync_tx *tx)
{
	if (tx->held)
		WRITE_ONCE(tx->held, tx->backlog_len);
	if (tx->failing)
		pr_info("sync: sending again\n");
	tx->failing = false;
}

/**
 * ip_vs_sync_send() - try to send a datagram to the group
 * @tx:		the master thread
 * @buf:	the datagram
 * @len:	its bytes
 *
 * Context: the thread; does not wait.
 * Return: below 0 when it could not be sent.
 */
int ip_vs_sync_send(struct ip_vs_sync_tx *tx, const u8 *buf, unsigned int len)
{
	struct msghdr msg = {
		.msg_flags	= MSG_DONTWAIT | MSG_NOSIGNAL,
		.msg_name	= &tx->group,
		.msg_namelen	= tx->group_len,
	};
	struct kvec vec = { .iov_base = (void *)buf, .iov_len = len };

	return ip_vs_sync_sock_ready(tx->sock, tx->ifindex) ?:
	       kernel_sendmsg(tx->sock, &msg, &vec, 1, len);
}

/**
 * ip_vs_sync_transmit() - send a message
 * @tx:		the master thread
 * @buf:	the message
 * @len:	its bytes
 *
 * Tries until it is out or the thread is told to stop.
 *
 * Context: the thread, may sleep.
 * Return: false when it had to be given up.
 */
bool ip_vs_sync_transmit(struct ip_vs_sync_tx *tx, const u8 *buf,
			 unsigned int len)
{
	int ret;

	while ((ret = ip_vs_sync_send(tx, buf, len)) < 0) {
		if (kthread_should_stop())
			return false;
		tx_wait(tx, ret);
	}
	tx_unblocked(tx);
	WRITE_ONCE(tx->last_message, jiffies);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_MESSAGES], 1);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_BYTES], len);
	return true;
}

/* Are the messages of this version numbered? */
static bool is_numbered(const struct ip_vs_sync_tx *tx)
{
	return tx->stream.instance && tx->w.version;
}

/* Number the message that is being built */
static void tx_number(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_trailer t = {
		.instance	= tx->stream.instance,
		.seq		= tx->stream.history.next,
	};

	if (is_numbered(tx))
		ip_vs_sync_trailer_write(&tx->w, &t);
}

/* A numbered message is out, or given up; its number is not used again */
static void tx_numbered(struct ip_vs_sync_tx *tx)
{
	if (!is_numbered(tx))
		return;
	ip_vs_sync_history_close(&tx->stream.history);
	tx->stream.sent = jiffies;
}

static void tx_open(struct ip_vs_sync_tx *tx, u8 version)
{
	ip_vs_sync_write_open(&tx->w, version, tx->w.syncid);
	tx->w.limit = tx->stream.maxlen;
	if (is_numbered(tx))
		tx->w.limit = max(tx->w.limit & ~3U,
				  (unsigned int)IP_VS_SYNC_TRAILER_LEN) -
			      IP_VS_SYNC_TRAILER_LEN;
}

static void tx_send(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_writer *w = &tx->w;
	unsigned int len;

	if (!w->records)
		return;
	tx_number(tx);
	len = ip_vs_sync_write_close(w);
	if (ip_vs_sync_transmit(tx, w->buf, len)) {
		trace_ip_vs_sync_sent(tx->ipvs, tx->id, w->records, len);
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_RECORDS], w->records);
	} else {
		atomic_long_add(w->records, &tx->ipvs->sync.lost_at_stop);
	}
	tx_numbered(tx);
	tx_open(tx, w->version);
}

/* Add a record to the message, after sending it if it is full: an empty one
 * takes any record.
 */
static void tx_add(struct ip_vs_sync_tx *tx,
		   const struct ip_vs_sync_record *rec)
{
	if (!ip_vs_sync_write_record(&tx->w, rec))
		return;
	tx_send(tx);
	if (ip_vs_sync_write_record(&tx->w, rec))
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_UNTOLD], 1);
}

/* Take one connection off the backlog and add it to the message */
static void tx_encode(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_history *h = &tx->stream.history;
	struct ip_vs_sync_record rec;
	struct ip_vs_conn *cp;
	u32 bucket = 0;
	bool told;

	rcu_read_lock();
	cp = tx_next(tx);
	told = cp && tx_record(tx, cp, &rec);
	if (told && is_numbered(tx)) {
		/* A full message goes first */
		tx_own(tx, cp, h->next + !ip_vs_sync_write_fits(&tx->w, &rec));
		bucket = ip_vs_conn_hashkey_conn(cp);
	}
	rcu_read_unlock();
	if (!told)
		return;
	tx_add(tx, &rec);
	if (is_numbered(tx))
		ip_vs_sync_history_add(h, bucket);
}

/* Send all that is pending now. Sending adds to the backlog when it has to
 * wait, and on a link that is too slow it always has to. That is left to the
 * next flush, or this one would not end, and requests and HELLOs would wait for
 * good. At stop sending does not wait.
 */
static void tx_flush(struct ip_vs_sync_tx *tx)
{
	unsigned long left;

	tx_take(tx);
	tx_open(tx, READ_ONCE(tx->ipvs->sync.knobs.version));
	for (left = tx->backlog_len; left && tx->backlog; left--) {
		tx_encode(tx);
		cond_resched();
	}
	tx_send(tx);
	if (tx->held)
		WRITE_ONCE(tx->held, tx->backlog_len);
}

/* Does one of the CPUs have so many waiting? */
static bool tx_waiting(struct ip_vs_sync_tx *tx, unsigned int many)
{
	struct ip_vs_sync_queue *q;
	int cpu;

	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(tx->queue, cpu);
		if (!llist_empty(&q->head) &&
		    (many <= 1 || queue_len(q) >= many))
			return true;
	}
	return false;
}

/* Sleep until there is so much to do, @timeout jiffies at most */
static void tx_doze(struct ip_vs_sync_tx *tx, int doze, unsigned int many,
		    long timeout)
{
	set_current_state(TASK_IDLE);
	/* After the state, so that who takes doze away finds a sleep to end,
	 * and before the look at the lists, see tx_wake().
	 */
	smp_store_mb(tx->doze, doze);
	if (!tx->backlog && !tx_waiting(tx, many) && !READ_ONCE(tx->heard) &&
	    !kthread_should_stop()) {
		schedule_timeout(timeout);
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_WAKEUPS], 1);
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(tx->doze, IP_VS_SYNC_AWAKE);
}

/* Give those that are waiting time for company. A sleep may take a tick more
 * than it was asked for, so it is rounded down.
 */
static void tx_gather(struct ip_vs_sync_tx *tx)
{
	long delay = READ_ONCE(tx->ipvs->sync.knobs.delay);

	if (delay)
		tx_doze(tx, IP_VS_SYNC_GATHER, tx->enough,
			max(delay * HZ / (long)MSEC_PER_SEC, 1L));
}

static void conn_key(const struct ip_vs_conn *cp, struct ip_vs_sync_key *key)
{
	key->af = cp->af;
	key->protocol = cp->protocol;
	key->template = cp->flags & IP_VS_CONN_F_TEMPLATE;
	key->cport = cp->cport;
	key->vport = cp->vport;
	key->caddr = cp->caddr;
	key->vaddr = cp->vaddr;
}

static bool same_ends(const struct ip_vs_conn *a, const struct ip_vs_conn *b)
{
	return a->ipvs == b->ipvs && a->af == b->af &&
	       a->protocol == b->protocol &&
	       !((a->flags ^ b->flags) & IP_VS_CONN_F_TEMPLATE) &&
	       a->cport == b->cport && a->vport == b->vport &&
	       ip_vs_addr_equal(a->af, &a->caddr, &b->caddr) &&
	       ip_vs_addr_equal(a->af, &a->vaddr, &b->vaddr);
}

/* Is there another connection between the same ends by now? It has been told,
 * or will be, and a backup takes that for the news of the old one. If it is
 * made from here on it is told after the DELETE.
 */
static bool has_successor(const struct ip_vs_conn *old)
{
	struct ip_vs_conn *cp;
	bool found = false;

	/* Without a reference, which would have a timer that fires meanwhile
	 * start again.
	 */
	rcu_read_lock();
	hlist_for_each_entry_rcu(cp,
				 &ip_vs_conn_tab[ip_vs_conn_hashkey_conn(old)],
				 c_list) {
		found = same_ends(cp, old);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/* Send a DELETE, and keep it in case it is lost */
static void tx_send_delete(struct ip_vs_sync_tx *tx,
			   const struct ip_vs_sync_trailer *t)
{
	unsigned int len = ip_vs_sync_delete_close(&tx->w, t);

	if (ip_vs_sync_transmit(tx, tx->w.buf, len))
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_DELETED],
			       tx->w.records);
	ip_vs_sync_stream_keep(&tx->stream, t->seq, tx->w.buf, len);
	tx_numbered(tx);
}

/**
 * ip_vs_sync_delete_again() - send a DELETE that was lost
 * @tx:		the thread, which builds no message
 * @buf:	as it was sent
 * @len:	its bytes
 *
 * Its connections are gone, so there is nothing newer to tell of them than the
 * order of old.
 *
 * Context: the thread, may sleep.
 */
void ip_vs_sync_delete_again(struct ip_vs_sync_tx *tx, const u8 *buf,
			     unsigned int len)
{
	struct ip_vs_sync_trailer t = {
		.instance	= tx->stream.instance,
		.seq		= tx->stream.history.next,
	};
	unsigned int again;

	memcpy(tx->w.buf, buf, len);
	tx->w.version = 1;
	tx->w.len = len - IP_VS_SYNC_TRAILER_LEN;
	again = ip_vs_sync_delete_close(&tx->w, &t);
	ip_vs_sync_transmit(tx, tx->w.buf, again);
	ip_vs_sync_stream_keep(&tx->stream, t.seq, tx->w.buf, again);
	tx_numbered(tx);
}

/* Free those that died early, they are left to the lease */
static void tx_abandon(struct ip_vs_sync_stream *s)
{
	while (s->graves)
		tx_undeleted(s, tx_exhume(s));
}

/* Tell of those that died early, as many as the pace allows */
static void tx_bury(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_sync_stream *s = &tx->stream;
	struct ip_vs_sync_trailer t = { .instance = s->instance };
	struct ip_vs_sync_key key;
	struct ip_vs_conn *cp;

	if (!s->graves)
		return;
	/* Version 0 knows no DELETE */
	if (!READ_ONCE(tx->ipvs->sync.knobs.version)) {
		tx_abandon(s);
		return;
	}
	tx_open(tx, 1);
	t.seq = s->history.next;
	ip_vs_sync_delete_open(&tx->w, tx->w.syncid, t.seq);
	while (s->graves && ip_vs_sync_tokens(tx) > 0) {
		cp = node_conn(s->graves);
		conn_key(cp, &key);
		if (!has_successor(cp) &&
		    !ip_vs_sync_delete_add(&tx->w, &key)) {
			tx_send_delete(tx, &t);
			t.seq = s->history.next;
			ip_vs_sync_delete_open(&tx->w, tx->w.syncid, t.seq);
			continue;
		}
		s->tokens--;
		tx_exhume(s);
		call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
		cond_resched();
	}
	if (tx->w.records)
		tx_send_delete(tx, &t);
}

/* Jiffies until there is something to do though nothing is marked */
static long tx_timeout(const struct ip_vs_sync_tx *tx)
{
	const struct ip_vs_sync_stream *s = &tx->stream;
	long left;

	if (!s->instance)
		return MAX_SCHEDULE_TIMEOUT;
	if (s->graves)
		return 1;
	left = s->hello - jiffies;
	if (s->said != s->history.next - 1)
		left = min(left, (long)(s->sent + HELLO_SOON - jiffies));
	return max(left, 0L);
}

/**
 * ip_vs_sync_rouse() - end a thread's sleep
 * @tx:		the thread
 *
 * Context: any.
 */
void ip_vs_sync_rouse(struct ip_vs_sync_tx *tx)
{
	/* The walk goes on while the threads are stopped. One that dozes when
	 * doze is taken away from it has not ended by then, but may before it
	 * is woken. A task is freed a grace period after its end, so until this
	 * is over it is there.
	 */
	rcu_read_lock();
	/* Before the read of doze, as a mark is, see tx_wake() */
	smp_store_mb(tx->heard, true);
	tx_wake(tx, IP_VS_SYNC_GATHER);
	rcu_read_unlock();
}

/* Woken by the socket: there is a request in it, or room */
static int tx_heard(struct wait_queue_entry *wait, unsigned int mode, int sync,
		    void *key)
{
	struct ip_vs_sync_tx *tx = wait->private;

	if (key && !(key_to_poll(key) & (EPOLLIN | EPOLLERR)))
		return 0;
	ip_vs_sync_rouse(tx);
	return 0;
}

/**
 * ip_vs_sync_tx_thread() - body of a master thread
 * @data:	&struct ip_vs_sync_tx
 *
 * Context: kthread, may sleep.
 * Return: 0.
 */
int ip_vs_sync_tx_thread(void *data)
{
	DEFINE_WAIT_FUNC(wait, tx_heard);
	struct ip_vs_sync_tx *tx = data;
	struct ip_vs_sync_stream *s = &tx->stream;
	unsigned int passes;

	wait.private = tx;
	add_wait_queue(sk_sleep(tx->sock->sk), &wait);
	while (!kthread_should_stop()) {
		tx_doze(tx, IP_VS_SYNC_IDLE, 1, tx_timeout(tx));
		if (READ_ONCE(tx->heard))
			ip_vs_sync_answer(tx);
		passes = ip_vs_sync_walk_passes(&tx->master->walk);
		if (tx->backlog || tx_waiting(tx, 1)) {
			/* Who asked waits for the answer, and so do others who
			 * might ask for the same.
			 */
			if (!s->n_fills)
				tx_gather(tx);
			tx_flush(tx);
		}
		if (!s->instance)
			continue;
		tx_bury(tx);
		if (passes != s->passes) {
			/* All that it marked is out */
			s->done = s->history.next - 1;
			s->hello = jiffies;
			WRITE_ONCE(s->progress, IP_VS_SYNC_PASS_DONE);
			/* The next pass may start */
			smp_store_release(&s->passes, passes);
		}
		ip_vs_sync_confirm(tx, HELLO_SOON);
	}
	/* Nothing is marked any more: what was, gets its last chance */
	tx_flush(tx);
	remove_wait_queue(sk_sleep(tx->sock->sk), &wait);
	return 0;
}

/**
 * ip_vs_sync_tx_init() - prepare a master thread
 * @tx:		zeroed but for @ipvs
 * @maxlen:	most bytes of a message
 * @syncid:	group of directors it is for
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM; ip_vs_sync_tx_exit() cleans up after both.
 */
int ip_vs_sync_tx_init(struct ip_vs_sync_tx *tx, unsigned int maxlen,
		       u8 syncid)
{
	unsigned int size;

	size = max(maxlen, (unsigned int)(IP_VS_SYNC_HEADER_MAX +
					  IP_VS_SYNC_RECORD_MAX));
	tx->w.buf = kvmalloc(size + IP_VS_SYNC_TRAILER_LEN + 3, GFP_KERNEL);
	tx->stream.maxlen = maxlen;
	tx->stream.graves_tail = &tx->stream.graves;
	tx->w.syncid = syncid;
	tx->tail = &tx->backlog;
	tx->next_sift = jiffies;
	tx->per_message = clamp(maxlen / IP_VS_SYNC_RECORD_USUAL, 1U,
				(unsigned int)IP_VS_SYNC_RECORDS_MAX);
	tx->enough = tx->per_message * WAKE_MESSAGES;
	tx->queue = alloc_percpu(struct ip_vs_sync_queue);
	return tx->w.buf && tx->queue ? 0 : -ENOMEM;
}

/**
 * ip_vs_sync_tx_exit() - clean up after a master thread
 * @tx:	its thread has stopped, its socket is released and an RCU grace
 *	period has passed since it could last be found
 *
 * Context: process.
 */
void ip_vs_sync_tx_exit(struct ip_vs_sync_tx *tx)
{
	if (tx->queue)
		tx_take(tx);
	/* Only if the thread never ran: it leaves nothing behind */
	rcu_read_lock();
	while (tx->backlog)
		if (tx_next(tx))
			atomic_long_inc(&tx->ipvs->sync.lost_at_stop);
	rcu_read_unlock();
	tx_abandon(&tx->stream);
	ip_vs_sync_stream_exit(tx);
	free_percpu(tx->queue);
	kvfree(tx->w.buf);
}
