// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the backup's side
 *
 * One thread per port takes datagrams off its socket and makes the connection
 * table say what they say. The wire format has been checked by
 * ip_vs_sync_proto.c before a record gets here; what is checked here is what
 * only this director can know, as which protocols it balances.
 */

#include <linux/kthread.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <trace/events/ip_vs_sync.h>

#include "ip_vs_sync_internal.h"

/* Any datagram fits, whatever sync_maxlen the master was started with */
#define DATAGRAM_MAX		65535

/* Before another attempt to receive after an error, in jiffies */
#define RETRY_DELAY		max(HZ / 10, 1)

/* Lifetime in seconds of a template whose sender did not say one */
#define TEMPLATE_TIMEOUT	(3 * 60)

/* Flags taken over from a record. NOOUTPUT is not among them: whether replies
 * pass this director follows from its own server.
 */
#define RECORD_FLAGS		(IP_VS_CONN_F_BACKUP_MASK & \
				 ~IP_VS_CONN_F_NOOUTPUT)

/* What only this director can say of a record */
static enum ip_vs_sync_reject record_check(const struct ip_vs_sync_record *rec)
{
	struct ip_vs_protocol *pp;

	if (!IS_ENABLED(CONFIG_IP_VS_IPV6) && rec->af != AF_INET)
		return IP_VS_SYNC_R_FAMILY;
	if (rec->flags & IP_VS_CONN_F_TEMPLATE)
		return rec->state < IP_VS_CTPL_S_LAST ? IP_VS_SYNC_OK :
							IP_VS_SYNC_R_STATE;
	pp = ip_vs_proto_get(rec->protocol);
	if (!pp)
		return IP_VS_SYNC_R_PROTOCOL;
	return rec->state < pp->num_states ? IP_VS_SYNC_OK :
					     IP_VS_SYNC_R_STATE;
}

static unsigned long record_timeout(struct netns_ipvs *ipvs,
				    const struct ip_vs_sync_record *rec)
{
	struct ip_vs_proto_data *pd;

	if (rec->timeout)
		return min_t(unsigned long, rec->timeout,
			     MAX_SCHEDULE_TIMEOUT / HZ) * HZ;
	if (!(rec->flags & IP_VS_CONN_F_TEMPLATE)) {
		pd = ip_vs_proto_data_get(ipvs, rec->protocol);
		if (pd && pd->timeout_table)
			return pd->timeout_table[rec->state];
	}
	return TEMPLATE_TIMEOUT * HZ;
}

static void seq_apply(struct ip_vs_seq *seq, const struct ip_vs_sync_seq *from)
{
	seq->init_seq = from->init_seq;
	seq->delta = from->delta;
	seq->previous_delta = from->previous_delta;
}

/* Put a connection back, which starts its time anew: all of it, or what the
 * master says is left.
 */
static void conn_put(struct ip_vs_conn *cp,
		     const struct ip_vs_sync_record *rec)
{
	unsigned long left = rec->left;

	if (!left) {
		ip_vs_conn_put(cp);
		return;
	}
	left = min(left, MAX_SCHEDULE_TIMEOUT / HZ) * HZ;
	mod_timer(&cp->timer, jiffies + ip_vs_sync_early(left));
	__ip_vs_conn_put(cp);
}

/* Old kernels count the inactive connections of a server instead of all: there
 * an update would have to change two counts.
 */
static_assert(sizeof_field(struct ip_vs_dest, totalconns));

/* Change the flags that an update may change, and the count of active
 * connections with them. Called with the connection's lock held.
 */
static void flags_apply(struct ip_vs_conn *cp, u32 flags)
{
	u32 changed = (cp->flags ^ flags) & IP_VS_CONN_F_BACKUP_UPD_MASK;
	struct ip_vs_dest *dest = cp->dest;

	if (!changed)
		return;
	if (changed & IP_VS_CONN_F_INACTIVE && dest &&
	    !(cp->flags & IP_VS_CONN_F_TEMPLATE))
		atomic_add(flags & IP_VS_CONN_F_INACTIVE ? -1 : 1,
			   &dest->activeconns);
	cp->flags ^= changed;
}

/* Make a connection say what the record says. If this director takes over, the
 * first packet that comes here announces it, whatever was announced before, see
 * IP_VS_SYNC_NEVER.
 */
static void conn_apply(struct ip_vs_sync_rx *rx, struct ip_vs_conn *cp,
		       const struct ip_vs_sync_record *rec, u32 flags)
{
	int threshold = READ_ONCE(cp->ipvs->sync.knobs.threshold[0]);
	u32 by;

	spin_lock_bh(&cp->lock);
	flags_apply(cp, flags);
	if (rec->has_seq) {
		seq_apply(&cp->in_seq, &rec->in_seq);
		seq_apply(&cp->out_seq, &rec->out_seq);
	}
	cp->state = rec->state;
	cp->timeout = record_timeout(cp->ipvs, rec);
	WRITE_ONCE(cp->sync.state, IP_VS_SYNC_NEVER);
	WRITE_ONCE(cp->sync.pkts, threshold);
	/* Together: a master here may tell it just now */
	WRITE_ONCE(cp->sync.seq, rx->seq);
	by = xchg(&cp->sync.by, rx->by);
	spin_unlock_bh(&cp->lock);
	atomic_set(&cp->in_pkts, threshold);

	if (by != rx->by) {
		ip_vs_sync_conn_lost(cp, by);
		ip_vs_sync_peer_held(cp->ipvs, rx->by);
	}
}

/**
 * ip_vs_sync_dest() - the server of a connection, bound late if need be
 * @cp:	the connection
 *
 * A connection may come by sync before its service or server is configured.
 *
 * Context: any but hard interrupts, the caller holds a reference to @cp.
 * Return: the server, NULL if there is none (yet).
 */
struct ip_vs_dest *ip_vs_sync_dest(struct ip_vs_conn *cp)
{
	if (unlikely(!cp->dest && cp->flags & IP_VS_CONN_F_SYNC)) {
		ip_vs_try_bind_dest(cp);
		if (cp->dest)
			atomic_long_inc(&cp->ipvs->sync.bound_late);
	}
	return cp->dest;
}

/* Return: the new connection, NULL without memory */
static struct ip_vs_conn *conn_create(struct ip_vs_sync_rx *rx,
				      struct ip_vs_conn_param *param,
				      const struct ip_vs_sync_record *rec,
				      u32 flags)
{
	struct ip_vs_conn *cp = NULL;
	struct ip_vs_dest *dest;

	/* A template takes the data over, the message does not last */
	if (param->pe_data) {
		param->pe_data = kmemdup(rec->pe_data, rec->pe_data_len,
					 GFP_KERNEL);
		if (!param->pe_data)
			return NULL;
	}

	rcu_read_lock();
	/* Without a server for now the connection is held all the same */
	dest = ip_vs_find_dest(rx->ipvs, rec->af, rec->af, &rec->daddr,
			       rec->dport, &rec->vaddr, rec->vport,
			       rec->protocol, rec->fwmark, flags);
	cp = ip_vs_conn_new(param, rec->af, &rec->daddr, rec->dport, flags,
			    dest, rec->fwmark);
	rcu_read_unlock();
	if (cp)
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_CREATED], 1);
	else
		kfree(param->pe_data);
	return cp;
}

static bool same_server(const struct ip_vs_conn *cp,
			const struct ip_vs_sync_record *rec)
{
	return cp->dport == rec->dport &&
	       ip_vs_addr_equal(cp->daf, &cp->daddr, &rec->daddr);
}

/* The master says that a flow goes to another server than it does here. Its
 * last words on the old connection may come after the first on the new one. A
 * template that this director gives out as a master is its own affair.
 */
static bool may_replace(const struct ip_vs_conn *cp,
			const struct ip_vs_sync_record *rec)
{
	if (!(rec->flags & IP_VS_CONN_F_TEMPLATE))
		return ip_vs_sync_phase(rec->protocol, 0, rec->state) !=
		       IP_VS_SYNC_TURN;
	return cp->flags & IP_VS_CONN_F_SYNC ||
	       !rcu_access_pointer(cp->ipvs->sync.master);
}

/* End the connection, and the caller's reference first: a timer that fires
 * while there is one starts again.
 */
static void conn_end(struct ip_vs_conn *cp)
{
	rcu_read_lock();
	__ip_vs_conn_put(cp);
	ip_vs_conn_expire_now(cp);
	rcu_read_unlock();
}

/* Has a later message of the same stream told the connection already? */
static bool is_newer(const struct ip_vs_sync_rx *rx,
		     const struct ip_vs_conn *cp)
{
	return rx->by && READ_ONCE(cp->sync.by) == rx->by &&
	       ip_vs_sync_before(rx->seq, READ_ONCE(cp->sync.seq));
}

static enum ip_vs_sync_reject conn_store(struct ip_vs_sync_rx *rx,
					 struct ip_vs_conn_param *param,
					 const struct ip_vs_sync_record *rec)
{
	u32 flags = (rec->flags & RECORD_FLAGS) | IP_VS_CONN_F_SYNC;
	struct ip_vs_conn *cp;
	bool created;

	cp = flags & IP_VS_CONN_F_TEMPLATE ? ip_vs_ct_in_get(param) :
					     ip_vs_conn_in_get(param);
	if (cp && is_newer(rx, cp)) {
		__ip_vs_conn_put(cp);
		return IP_VS_SYNC_R_ORDER;
	}
	if (cp && !same_server(cp, rec)) {
		if (!may_replace(cp, rec)) {
			__ip_vs_conn_put(cp);
			return IP_VS_SYNC_R_STALE;
		}
		conn_end(cp);
		cp = NULL;
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_REPLACED], 1);
	}

	created = !cp;
	if (created)
		cp = conn_create(rx, param, rec, flags);
	if (!cp)
		return IP_VS_SYNC_R_NOMEM;
	conn_apply(rx, cp, rec, flags);
	if (!created) {
		ip_vs_sync_dest(cp);
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_UPDATED], 1);
	}
	trace_ip_vs_sync_applied(cp, created);
	conn_put(cp, rec);
	return IP_VS_SYNC_OK;
}

static enum ip_vs_sync_reject record_apply(struct ip_vs_sync_rx *rx,
					   const struct ip_vs_sync_record *rec)
{
	char pe_name[IP_VS_PENAME_MAXLEN + 1];
	struct ip_vs_conn_param param;
	enum ip_vs_sync_reject why;

	why = record_check(rec);
	if (why)
		return why;

	ip_vs_conn_fill_param(rx->ipvs, rec->af, rec->protocol, &rec->caddr,
			      rec->cport, &rec->vaddr, rec->vport, &param);
	/* Only templates are found by an engine's data */
	if (rec->pe_data_len && rec->flags & IP_VS_CONN_F_TEMPLATE) {
		memcpy(pe_name, rec->pe_name, rec->pe_name_len);
		pe_name[rec->pe_name_len] = '\0';
		param.pe = __ip_vs_pe_getbyname(pe_name);
		if (!param.pe)
			return IP_VS_SYNC_R_PE_NAME;
		/* Looked at only: conn_create() makes a copy */
		param.pe_data = (char *)rec->pe_data;
		param.pe_data_len = rec->pe_data_len;
	}
	why = conn_store(rx, &param, rec);
	ip_vs_pe_put(param.pe);
	return why;
}

static void rx_reject(struct ip_vs_sync_rx *rx, enum ip_vs_sync_reject why,
		      unsigned int n)
{
	ip_vs_sync_add(&rx->rejects[why], n);
	trace_ip_vs_sync_rejected(rx->ipvs, rx->id,
				  ip_vs_sync_reject_name(why), n);
}

/* A connection is gone at the master */
static enum ip_vs_sync_reject key_apply(struct ip_vs_sync_rx *rx,
					const struct ip_vs_sync_key *key)
{
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;

	if (!IS_ENABLED(CONFIG_IP_VS_IPV6) && key->af != AF_INET)
		return IP_VS_SYNC_R_FAMILY;
	ip_vs_conn_fill_param(rx->ipvs, key->af, key->protocol, &key->caddr,
			      key->cport, &key->vaddr, key->vport, &param);
	cp = key->template ? ip_vs_ct_in_get(&param) :
			     ip_vs_conn_in_get(&param);
	if (!cp)
		return IP_VS_SYNC_OK;
	/* What packets have made, or another master told, is not its affair */
	if (READ_ONCE(cp->sync.by) != rx->by || is_newer(rx, cp)) {
		__ip_vs_conn_put(cp);
		return IP_VS_SYNC_R_ORDER;
	}
	conn_end(cp);
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_DELETED], 1);
	return IP_VS_SYNC_OK;
}

static void rx_delete(struct ip_vs_sync_rx *rx, struct ip_vs_sync_peer *peer,
		      struct ip_vs_sync_control *c, u32 order)
{
	enum ip_vs_sync_reject why;
	struct ip_vs_sync_key key;

	if (!ip_vs_sync_peer_arrival(rx, peer, c->trailer.seq))
		return;
	rx->by = peer->by;
	rx->seq = order;
	while (c->len) {
		why = ip_vs_sync_key_read(c, &key) ?: key_apply(rx, &key);
		if (why)
			rx_reject(rx, why, 1);
		cond_resched();
	}
	ip_vs_sync_peer_deleted(peer, order);
}

static enum ip_vs_sync_reject rx_control(struct ip_vs_sync_rx *rx,
					 struct ip_vs_sync_control *c,
					 const struct sockaddr_storage *from)
{
	bool is_delete = c->kind == IP_VS_SYNC_DELETE;
	struct ip_vs_sync_hello hello;
	struct ip_vs_sync_peer *peer;
	enum ip_vs_sync_reject why;
	unsigned int n = 0;
	u32 order = 0;

	if (rx->syncid && rx->syncid != c->syncid)
		return IP_VS_SYNC_R_SYNCID;
	/* What is malformed does not make its sender known */
	if (is_delete)
		why = ip_vs_sync_delete_read(c, &order);
	else if (c->kind == IP_VS_SYNC_HELLO)
		why = ip_vs_sync_hello_read(c, &hello);
	else if (c->kind == IP_VS_SYNC_FILL)
		why = ip_vs_sync_ranges_read(c, rx->ranges, &n);
	else
		why = IP_VS_SYNC_R_KIND;
	if (why)
		return why;
	peer = ip_vs_sync_peer_find(rx, &c->trailer, c->syncid, from,
				    is_delete);
	if (!peer)
		return IP_VS_SYNC_R_SENDERS;
	if (is_delete)
		rx_delete(rx, peer, c, order);
	else if (n)
		ip_vs_sync_peer_fill(rx, peer, rx->ranges, n, c->trailer.seq);
	else
		ip_vs_sync_peer_hello(rx, peer, &hello, c->trailer.seq);
	return IP_VS_SYNC_OK;
}

/* Whose message of records is this, and is it to be applied?
 * Return: IP_VS_SYNC_OK with nothing left to read when it is not.
 */
static enum ip_vs_sync_reject rx_place(struct ip_vs_sync_rx *rx,
				       struct ip_vs_sync_reader *r,
				       const struct sockaddr_storage *from)
{
	struct ip_vs_sync_control c = {};
	struct ip_vs_sync_peer *peer;

	rx->by = IP_VS_SYNC_BY_NOBODY;
	if (rx->syncid && rx->syncid != r->syncid)
		return IP_VS_SYNC_R_SYNCID;
	ip_vs_sync_trailer_read(r, &c);
	if (!c.numbered) {
		WRITE_ONCE(rx->unnumbered, jiffies);
		WRITE_ONCE(rx->has_unnumbered, true);
		return IP_VS_SYNC_OK;
	}
	peer = ip_vs_sync_peer_find(rx, &c.trailer, r->syncid, from, true);
	if (!peer)
		return IP_VS_SYNC_R_SENDERS;
	if (!ip_vs_sync_peer_arrival(rx, peer, c.trailer.seq))
		r->left = 0;
	rx->by = peer->by;
	rx->seq = c.trailer.seq;
	return IP_VS_SYNC_OK;
}

/* Read some records. Return: how many are to be applied. */
static unsigned int rx_read(struct ip_vs_sync_rx *rx,
			    struct ip_vs_sync_reader *r)
{
	enum ip_vs_sync_reject why;
	unsigned int left, n = 0;

	while (n < IP_VS_SYNC_AHEAD && r->left) {
		left = r->left;
		why = ip_vs_sync_read_record(r, &rx->ahead[n]);
		/* More than one when the rest can not be read */
		if (why)
			rx_reject(rx, why, left - r->left);
		else
			n++;
	}
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_RECORDS], n);
	return n;
}

static void rx_message(struct ip_vs_sync_rx *rx, unsigned int len,
		       const struct sockaddr_storage *from)
{
	struct ip_vs_sync_control c;
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;
	unsigned int i, n;

	WRITE_ONCE(rx->last_message, jiffies);
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_MESSAGES], 1);
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_BYTES], len);
	why = ip_vs_sync_control_read(&c, rx->buf, len);
	if (!why && c.kind != IP_VS_SYNC_DATA)
		why = rx_control(rx, &c, from);
	if (why)
		rx_reject(rx, why, 1);
	if (why || c.kind != IP_VS_SYNC_DATA)
		return;

	why = ip_vs_sync_read_open(&r, rx->buf, len);
	trace_ip_vs_sync_received(rx->ipvs, rx->id, why ? 0 : r.left, len);
	why = why ?: rx_place(rx, &r, from);
	if (why) {
		rx_reject(rx, why, 1);
		return;
	}

	while (r.left) {
		n = rx_read(rx, &r);
		ip_vs_sync_prefetch(rx->ipvs, rx->ahead, n);
		for (i = 0; i < n; i++) {
			why = record_apply(rx, &rx->ahead[i]);
			if (why)
				rx_reject(rx, why, 1);
			cond_resched();
		}
	}
}

/**
 * ip_vs_sync_rx_thread() - body of a backup thread
 * @data:	&struct ip_vs_sync_rx
 *
 * Context: kthread, may sleep.
 * Return: 0.
 */
int ip_vs_sync_rx_thread(void *data)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct ip_vs_sync_rx *rx = data;
	wait_queue_head_t *wq = sk_sleep(rx->sock->sk);
	struct sockaddr_storage from;
	unsigned long polled = jiffies;
	struct msghdr msg = {};
	struct kvec vec;
	long timeout;
	int len;

	add_wait_queue(wq, &wait);
	while (!kthread_should_stop()) {
		vec.iov_base = rx->buf;
		vec.iov_len = DATAGRAM_MAX;
		msg.msg_name = &from;
		len = kernel_recvmsg(rx->sock, &msg, &vec, 1, DATAGRAM_MAX,
				     MSG_DONTWAIT);
		if (len >= 0) {
			rx_message(rx, len, &from);
			cond_resched();
			if (time_before_eq(jiffies, polled))
				continue;
		}
		polled = jiffies;
		timeout = ip_vs_sync_peer_poll(rx);
		if (len >= 0)
			continue;
		/* An error may have eaten the wake-up of a datagram */
		if (len != -EAGAIN) {
			ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_ERRORS], 1);
			timeout = min_t(long, timeout, RETRY_DELAY);
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, timeout);
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_WAKEUPS], 1);
	}
	remove_wait_queue(wq, &wait);
	return 0;
}

/**
 * ip_vs_sync_rx_init() - prepare a backup thread
 * @rx:		zeroed but for @ipvs
 * @syncid:	group of directors to listen to, 0 for all
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM; ip_vs_sync_rx_exit() cleans up after both.
 */
int ip_vs_sync_rx_init(struct ip_vs_sync_rx *rx, u8 syncid)
{
	rx->syncid = syncid;
	spin_lock_init(&rx->lock);
	rx->buf = kvmalloc(DATAGRAM_MAX, GFP_KERNEL);
	return rx->buf ? 0 : -ENOMEM;
}

/**
 * ip_vs_sync_rx_exit() - clean up after a backup thread
 * @rx:	its thread has stopped
 *
 * Context: process.
 */
void ip_vs_sync_rx_exit(struct ip_vs_sync_rx *rx)
{
	ip_vs_sync_peer_exit(rx);
	kvfree(rx->buf);
}
