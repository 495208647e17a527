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
 *   others SEND_DELAY to follow, then sends all there is, the last message
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

/* What is pending waits this long for company, in jiffies. A sleep may take a
 * tick more than it was asked for, and 20 ms is the promise.
 */
#define SEND_DELAY		max(HZ / 64, 1)
/* Full messages waiting on one CPU that are worth a wake-up */
#define WAKE_MESSAGES		8
/* Between attempts to send after an error, in jiffies */
#define RETRY_DELAY		max(HZ / 10, 1)
/* The same when the device's queue is full, which it soon is no more */
#define NOBUFS_DELAY		SEND_DELAY

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

static void conn_view(struct ip_vs_conn *cp, u32 pkts,
		      struct ip_vs_sync_view *v)
{
	v->now = jiffies;
	v->sync_time = READ_ONCE(cp->sync.sync_time);
	v->timeout = cp->timeout;
	v->pkts = pkts;
	v->last_pkts = READ_ONCE(cp->sync.pkts);
	v->state = cp->state;
	v->last_state = READ_ONCE(cp->sync.state);
	v->phase = ip_vs_sync_phase(cp->protocol, cp->flags, v->state);
	v->until = READ_ONCE(cp->sync.until);
	v->expires = READ_ONCE(cp->timer.expires);
	v->controls = atomic_read(&cp->n_control);
	v->left = false;
}

static void read_rules(const struct ip_vs_sync_knobs *k,
		       struct ip_vs_sync_rules *rules)
{
	rules->threshold = READ_ONCE(k->threshold[0]);
	rules->period = READ_ONCE(k->threshold[1]);
	rules->refresh = READ_ONCE(k->refresh_period);
	rules->retries = READ_ONCE(k->retries);
}

/* With sync_persist_mode a template stands for all it controls */
static bool left_to_template(const struct ip_vs_sync_knobs *k,
			     const struct ip_vs_conn *cp)
{
	const struct ip_vs_conn *ct;

	if (!READ_ONCE(k->persist_mode))
		return false;
	for (ct = cp->control; ct; ct = ct->control)
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

/* Put a connection that is due on the list of its thread. Called under RCU by
 * who has a reference to it or found it in the table.
 */
static void conn_mark(struct ip_vs_sync_master *m, struct ip_vs_conn *cp,
		      const struct ip_vs_sync_view *v, unsigned long next)
{
	struct ip_vs_sync_tx *tx = conn_thread(m, cp);
	struct ip_vs_sync_queue *q = get_cpu_ptr(tx->queue);
	unsigned long waiting = queue_len(q);
	bool first;
	int bits;

	/* Not claimed: the next packet asks again */
	if (unlikely(queue_full(tx, waiting)) &&
	    !(atomic_read(&cp->sync.bits) & IP_VS_SYNC_PENDING)) {
		this_cpu_inc(tx->queue->full);
		goto out;
	}
	if (!ip_vs_sync_claim(&cp->sync, v, next))
		goto out;
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

static bool conn_announce(struct ip_vs_sync_master *m, struct ip_vs_conn *cp,
			  const struct ip_vs_sync_rules *rules, u32 pkts)
{
	struct ip_vs_sync_view v;
	unsigned long next;

	conn_view(cp, pkts, &v);
	if (!ip_vs_sync_due(rules, &v, &next))
		return false;
	conn_due(m, cp, &v, next);
	return true;
}

static bool control_announce(struct ip_vs_sync_master *m,
			     struct ip_vs_conn *ct,
			     const struct ip_vs_sync_rules *rules, bool with)
{
	const struct ip_vs_sync_knobs *k = &ct->ipvs->sync.knobs;
	struct ip_vs_sync_view v;
	unsigned long next;

	conn_view(ct, atomic_read(&ct->in_pkts), &v);
	/* Its timer is no matter of this packet: that of a template has been
	 * restarted already, if at all.
	 */
	v.left = true;
	if (!ip_vs_sync_control_due(rules, &v, with, &next) ||
	    left_to_template(k, ct))
		return false;
	conn_mark(m, ct, &v, next);
	return true;
}

/**
 * ip_vs_sync_packet() - a packet from the client has passed
 * @cp:	its connection
 *
 * Counts the packet and announces the connection, and those that control it,
 * when they are due.
 *
 * Context: softirq or process context, the caller holds a reference to @cp.
 */
void ip_vs_sync_packet(struct ip_vs_conn *cp)
{
	bool one_packet = cp->flags & IP_VS_CONN_F_ONE_PACKET;
	struct ip_vs_sync_net *sync = &cp->ipvs->sync;
	struct ip_vs_sync_rules rules;
	struct ip_vs_sync_master *m;
	struct ip_vs_conn *ct;
	bool with = true;
	u32 pkts = 0;

	if (!one_packet)
		pkts = atomic_inc_return(&cp->in_pkts);
	else if (cp->control)
		atomic_inc(&cp->control->in_pkts);

	ip_vs_sync_dest(cp);
	if (!rcu_access_pointer(sync->master))
		return;
	rcu_read_lock();
	m = rcu_dereference(sync->master);
	if (!m)
		goto out;

	read_rules(&sync->knobs, &rules);
	if (!one_packet)
		with = conn_announce(m, cp, &rules, pkts) || pkts == 1;
	for (ct = cp->control; ct; ct = ct->control)
		with |= control_announce(m, ct, &rules, with);
out:
	rcu_read_unlock();
}

/**
 * ip_vs_sync_reply() - a packet from the server has passed
 * @cp:	its connection
 *
 * Announces the connection when the packet closes it.
 *
 * Context: softirq or process context, the caller holds a reference to @cp.
 */
void ip_vs_sync_reply(struct ip_vs_conn *cp)
{
	struct ip_vs_sync_net *sync = &cp->ipvs->sync;
	u16 told = READ_ONCE(cp->sync.state);
	struct ip_vs_sync_master *m;
	struct ip_vs_sync_view v;
	unsigned long next;

	/* Most replies end here */
	if (likely(cp->state == told) || told == IP_VS_SYNC_NEVER ||
	    !rcu_access_pointer(sync->master))
		return;
	rcu_read_lock();
	m = rcu_dereference(sync->master);
	if (m) {
		conn_view(cp, atomic_read(&cp->in_pkts), &v);
		if (ip_vs_sync_reply_due(&v, &next))
			conn_due(m, cp, &v, next);
	}
	rcu_read_unlock();
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
	conn_view(cp, atomic_read(&cp->in_pkts), &v);
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
 * Announces it if a backup would forget it before this director does.
 *
 * Context: process, under RCU.
 * Return: true when it was announced.
 */
bool ip_vs_sync_renew(struct ip_vs_sync_master *m, struct ip_vs_conn *cp)
{
	struct ip_vs_sync_view v;
	unsigned long next;

	conn_view(cp, atomic_read(&cp->in_pkts), &v);
	v.left = true;
	if (likely(!ip_vs_sync_lease_due(&v, &next)) ||
	    left_to_template(&cp->ipvs->sync.knobs, cp))
		return false;
	conn_mark(m, cp, &v, next);
	return true;
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
	atomic_set(&cp->sync.bits, 0);
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
	return atomic_fetch_or(IP_VS_SYNC_DEAD, &cp->sync.bits) &
	       IP_VS_SYNC_PENDING;
}

static struct ip_vs_conn *node_conn(struct llist_node *node)
{
	return llist_entry(node, struct ip_vs_conn, sync.node);
}

/* Append a list to the backlog. The lists of the CPUs have the newest first,
 * the backlog has it last.
 */
static void tx_append(struct ip_vs_sync_tx *tx, struct llist_node *list)
{
	struct llist_node *newest = list, *node, *oldest = NULL;

	while (list) {
		node = list;
		list = node->next;
		node->next = oldest;
		oldest = node;
		tx->backlog_len++;
	}
	*tx->tail = oldest;
	tx->tail = &newest->next;
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
		WRITE_ONCE(q->taken, READ_ONCE(q->added));
		tx_append(tx, llist_del_all(&q->head));
	}
	if (tx->backlog_len > tx->waiting_max)
		WRITE_ONCE(tx->waiting_max, tx->backlog_len);
}

/* Free the dead in the backlog while it can not be sent, so that a link that
 * is down costs no more memory than the connections that are alive.
 */
static void tx_sift(struct ip_vs_sync_tx *tx)
{
	struct llist_node **link = &tx->backlog;
	struct ip_vs_conn *cp;

	tx_take(tx);
	while (*link) {
		cp = node_conn(*link);
		if (atomic_read(&cp->sync.bits) & IP_VS_SYNC_DEAD) {
			*link = (*link)->next;
			tx->backlog_len--;
			call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
			ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_EXPIRED], 1);
		} else {
			link = &(*link)->next;
		}
		cond_resched();
	}
	tx->tail = link;
}

/* Take one connection off the backlog. Called under RCU, which keeps it until
 * it is encoded: from here on it may be marked again or die.
 * Return: the connection, NULL if it has died already.
 */
static struct ip_vs_conn *tx_next(struct ip_vs_sync_tx *tx)
{
	struct ip_vs_conn *cp = node_conn(tx->backlog);

	tx->backlog = tx->backlog->next;
	tx->backlog_len--;
	if (!tx->backlog)
		tx->tail = &tx->backlog;
	/* Fully ordered: pairs with conn_mark() */
	if (atomic_fetch_andnot(IP_VS_SYNC_PENDING, &cp->sync.bits) &
	    IP_VS_SYNC_DEAD) {
		call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
		return NULL;
	}
	return cp;
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
	unsigned long left;
	bool whole;

	rec->timeout = timeout / HZ;
	if (!(atomic_read(&cp->sync.bits) & IP_VS_SYNC_LEFT))
		return;
	left = ip_vs_sync_left(jiffies, expires, atomic_read(&cp->n_control));
	whole = DIV_ROUND_UP(left, HZ) == rec->timeout;
	if (!(rec->flags & IP_VS_CONN_F_TEMPLATE)) {
		rec->timeout = DIV_ROUND_UP(left, HZ);
	} else if (!whole) {
		left += ip_vs_sync_late(expires, timeout);
		rec->left = DIV_ROUND_CLOSEST(left, HZ) ?: 1;
	}
}

/* ip_vs_check_template() leaves this of a template that lost its server */
static bool is_invalid_template(const struct ip_vs_conn *cp)
{
	return cp->flags & IP_VS_CONN_F_TEMPLATE && !cp->cport &&
	       cp->vport == htons(0xffff);
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

static void tx_send(struct ip_vs_sync_tx *tx)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct ip_vs_sync_writer *w = &tx->w;
	struct kvec vec;
	int ret;

	if (!w->records)
		return;
	vec.iov_base = w->buf;
	vec.iov_len = ip_vs_sync_write_close(w);
	while ((ret = ip_vs_sync_sock_ready(tx->sock, tx->ifindex) ?:
		      kernel_sendmsg(tx->sock, &msg, &vec, 1,
				     vec.iov_len)) < 0) {
		if (kthread_should_stop()) {
			atomic_long_add(w->records,
					&tx->ipvs->sync.lost_at_stop);
			goto out;
		}
		tx_wait(tx, ret);
	}
	tx_unblocked(tx);
	trace_ip_vs_sync_sent(tx->ipvs, tx->id, w->records, vec.iov_len);
	WRITE_ONCE(tx->last_message, jiffies);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_MESSAGES], 1);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_BYTES], vec.iov_len);
	ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_RECORDS], w->records);
out:
	ip_vs_sync_write_open(w, w->version, w->syncid);
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
	struct ip_vs_sync_record rec;
	struct ip_vs_conn *cp;
	bool told;

	rcu_read_lock();
	cp = tx_next(tx);
	told = cp && tx_record(tx, cp, &rec);
	rcu_read_unlock();
	if (!cp)
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_EXPIRED], 1);
	if (told)
		tx_add(tx, &rec);
}

/* Send all that is pending */
static void tx_flush(struct ip_vs_sync_tx *tx)
{
	tx_take(tx);
	ip_vs_sync_write_open(&tx->w, READ_ONCE(tx->ipvs->sync.knobs.version),
			      tx->w.syncid);
	/* Sending adds to the backlog when it has to wait */
	while (tx->backlog) {
		while (tx->backlog) {
			tx_encode(tx);
			cond_resched();
		}
		tx_send(tx);
	}
	if (tx->held)
		WRITE_ONCE(tx->held, 0);
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
	if (!tx_waiting(tx, many) && !kthread_should_stop()) {
		schedule_timeout(timeout);
		ip_vs_sync_add(&tx->counts[IP_VS_SYNC_TX_WAKEUPS], 1);
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(tx->doze, IP_VS_SYNC_AWAKE);
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
	struct ip_vs_sync_tx *tx = data;

	while (!kthread_should_stop()) {
		tx_doze(tx, IP_VS_SYNC_IDLE, 1, MAX_SCHEDULE_TIMEOUT);
		if (!tx_waiting(tx, 1))
			continue;
		tx_doze(tx, IP_VS_SYNC_GATHER, tx->enough, SEND_DELAY);
		tx_flush(tx);
	}
	/* Nothing is marked any more: what was, gets its last chance */
	tx_flush(tx);
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
	tx->w.buf = kvmalloc(size, GFP_KERNEL);
	tx->w.limit = maxlen;
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
		tx_next(tx);
	rcu_read_unlock();
	free_percpu(tx->queue);
	kvfree(tx->w.buf);
}
