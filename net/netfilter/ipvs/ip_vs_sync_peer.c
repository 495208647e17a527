// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the masters that a backup thread hears
 *
 * One peer for each instance: which of its messages have come, what to ask it
 * for and when, and whether the table here is all that it has told.
 */

#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "ip_vs_sync_internal.h"

/* In milliseconds. A message that is late by less is not asked for; some more,
 * at random, lets the first of many backups be answered before the rest ask.
 */
#define ASK_DELAY		10
#define ASK_SPREAD		40
/* Before the first JOIN, at random, and between two */
#define JOIN_SPREAD		50
#define JOIN_AGAIN		1000
/* A master that was not heard for so many intervals may be dead */
#define STALE_INTERVALS		3
/* And is forgotten after so long, in jiffies */
#define FORGET			(60 * HZ)
/* What is that long ago, in jiffies, stays that long ago: where jiffies have 32
 * bits it would be in the future some day. To see to that a thread looks at its
 * peers after so long at the latest.
 */
#define LONG_AGO		MAX_JIFFY_OFFSET
#define POLL_MAX		(3600L * HZ)
/* A table that does not agree in number is asked for so often; what is wrong
 * then is not the way it came, but that some of it is refused here.
 */
#define JOIN_TRIES		2

#define HELD_MASK		(IP_VS_SYNC_HELD_MAX - 1)

static struct ip_vs_sync_held *held_of(const struct netns_ipvs *ipvs, u32 by)
{
	struct ip_vs_sync_held *held;

	if (!by || by & IP_VS_SYNC_BY_MASTER)
		return NULL;
	held = &READ_ONCE(ipvs->sync.held)[by & HELD_MASK];
	return READ_ONCE(held->by) == by ? held : NULL;
}

/**
 * ip_vs_sync_peer_held() - a connection is held that a stream has told
 * @ipvs:	namespace
 * @by:		the stream, or who else told it
 *
 * Context: any.
 */
void ip_vs_sync_peer_held(struct netns_ipvs *ipvs, u32 by)
{
	struct ip_vs_sync_held *held = held_of(ipvs, by);

	if (held)
		atomic_inc(&held->conns);
}

/**
 * ip_vs_sync_peer_lost() - that connection is gone, or told by another
 * @ipvs:	namespace
 * @by:		the stream that had told it, or who else
 *
 * Context: any.
 */
void ip_vs_sync_peer_lost(struct netns_ipvs *ipvs, u32 by)
{
	struct ip_vs_sync_held *held = held_of(ipvs, by);

	if (held)
		atomic_dec(&held->conns);
}

/**
 * ip_vs_sync_peer_alive() - is this stream still heard?
 * @ipvs:	namespace
 * @by:		the stream, or who else told a connection
 *
 * Context: any.
 * Return: false of what is no stream.
 */
bool ip_vs_sync_peer_alive(const struct netns_ipvs *ipvs, u32 by)
{
	const struct ip_vs_sync_held *held = held_of(ipvs, by);

	return held && time_before(jiffies, READ_ONCE(held->alive));
}

/* Jiffies in @ms milliseconds, or up to @spread later */
static unsigned long soon(unsigned int ms, unsigned int spread)
{
	return jiffies + msecs_to_jiffies(ms + get_random_u32_below(spread));
}

/* Jiffies when to ask for what is missed from now on: with what is asked for
 * next, if that is time enough.
 */
static unsigned long ask_soon(const struct ip_vs_sync_window *w)
{
	const struct ip_vs_sync_gap *last = w->n ? &w->gaps[w->n - 1] : NULL;

	if (last && !last->asked &&
	    time_after_eq(last->ask, jiffies + msecs_to_jiffies(ASK_DELAY)))
		return last->ask;
	return soon(ASK_DELAY, ASK_SPREAD);
}

/* A slot for a new peer: a free one, or that of the one that was not heard for
 * longest, if it may be forgotten. Return: the slot, -1 if there is none.
 */
static int find_slot(const struct ip_vs_sync_rx *rx)
{
	const struct ip_vs_sync_peer *peer;
	int i, slot = -1;

	for (i = 0; i < IP_VS_SYNC_PEERS_MAX; i++) {
		peer = rx->peers[i];
		if (!peer)
			return slot < 0 ? i : slot;
		if (time_before(jiffies, peer->heard + FORGET))
			continue;
		if (slot < 0 ||
		    time_before(peer->heard, rx->peers[slot]->heard))
			slot = i;
	}
	return slot;
}

static struct ip_vs_sync_peer *new_peer(struct ip_vs_sync_rx *rx, u32 instance,
					u32 base)
{
	struct ip_vs_sync_peer *peer;
	struct ip_vs_sync_held *held;
	int slot = find_slot(rx);

	if (slot < 0)
		return NULL;
	peer = rx->peers[slot];
	if (!peer) {
		peer = kzalloc(sizeof(*peer), GFP_KERNEL);
		if (!peer)
			return NULL;
	}
	held = &rx->ipvs->sync.held[rx->id * IP_VS_SYNC_PEERS_MAX + slot];

	spin_lock(&rx->lock);
	memset(peer, 0, sizeof(*peer));
	peer->instance = instance;
	peer->interval = HZ;
	peer->heard = jiffies;
	peer->hello.progress = IP_VS_SYNC_NO_PASS;
	peer->join = soon(0, JOIN_SPREAD);
	peer->said = base - 1;
	ip_vs_sync_window_open(&peer->w, base);
	/* No generation that connections may still bear */
	peer->by = held->by + IP_VS_SYNC_HELD_MAX;
	if (!held->by || peer->by & IP_VS_SYNC_BY_MASTER)
		peer->by = IP_VS_SYNC_HELD_MAX +
			   rx->id * IP_VS_SYNC_PEERS_MAX + slot;
	WRITE_ONCE(held->by, IP_VS_SYNC_BY_NOBODY);
	atomic_set(&held->conns, 0);
	WRITE_ONCE(held->by, peer->by);
	rx->peers[slot] = peer;
	spin_unlock(&rx->lock);
	return peer;
}

/**
 * ip_vs_sync_peer_find() - who has sent a message
 * @rx:		the thread
 * @t:		the message's trailer
 * @syncid:	group of directors it is for
 * @from:	address it came from
 * @numbered:	the number in the trailer is that of the message
 *
 * Context: the thread.
 * Return: the peer, a new one if need be; NULL if it can not be.
 */
struct ip_vs_sync_peer *
ip_vs_sync_peer_find(struct ip_vs_sync_rx *rx,
		     const struct ip_vs_sync_trailer *t, u8 syncid,
		     const struct sockaddr_storage *from, bool numbered)
{
	struct ip_vs_sync_peer *peer = NULL;
	struct ip_vs_sync_held *held;
	int i;

	for (i = 0; i < IP_VS_SYNC_PEERS_MAX && !peer; i++)
		if (rx->peers[i] && rx->peers[i]->instance == t->instance)
			peer = rx->peers[i];
	if (!peer)
		peer = new_peer(rx, t->instance, t->seq + !numbered);
	if (!peer)
		return NULL;
	/* The address may change while a master runs */
	peer->addr = *from;
	peer->syncid = syncid;
	WRITE_ONCE(peer->heard, jiffies);
	held = &rx->ipvs->sync.held[peer->by & HELD_MASK];
	WRITE_ONCE(held->alive, jiffies + STALE_INTERVALS * peer->interval);
	return peer;
}

/**
 * ip_vs_sync_peer_arrival() - a numbered message has come
 * @rx:		the thread
 * @peer:	who sent it
 * @seq:	its number
 *
 * Context: the thread.
 * Return: true if it is to be applied. If not, it has been applied, or comes so
 * late that it could bring back what is gone: it stays missed.
 */
bool ip_vs_sync_peer_arrival(struct ip_vs_sync_rx *rx,
			     struct ip_vs_sync_peer *peer, u32 seq)
{
	enum ip_vs_sync_arrival arrival;
	bool apply = true;

	spin_lock(&rx->lock);
	arrival = ip_vs_sync_window_test(&peer->w, seq);
	if (arrival == IP_VS_SYNC_AGAIN) {
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_AGAIN], 1);
		apply = false;
	} else if (arrival == IP_VS_SYNC_LATE) {
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_LATE], 1);
		apply = !peer->has_deleted ||
			!ip_vs_sync_before(seq, peer->deleted);
	}
	if (apply)
		ip_vs_sync_window_seen(&peer->w, seq, jiffies,
				       ask_soon(&peer->w));
	spin_unlock(&rx->lock);
	return apply;
}

/**
 * ip_vs_sync_peer_deleted() - a DELETE has been applied
 * @peer:	who sent it
 * @order:	its order
 *
 * Context: the thread.
 */
void ip_vs_sync_peer_deleted(struct ip_vs_sync_peer *peer, u32 order)
{
	if (!peer->has_deleted || ip_vs_sync_before(peer->deleted, order))
		peer->deleted = order;
	peer->has_deleted = true;
}

/**
 * ip_vs_sync_peer_served() - is the table told to who hears this peer?
 * @peer:	the peer
 *
 * Context: the thread, or under the lock of the peers.
 * Return: true if a pass, running or through, began when all was heard.
 */
bool ip_vs_sync_peer_served(const struct ip_vs_sync_peer *peer)
{
	return peer->hello.progress != IP_VS_SYNC_NO_PASS &&
	       !ip_vs_sync_before(peer->hello.pass, peer->w.base);
}

/* What is missed can not be had any more: all has to be told again */
static void start_over(struct ip_vs_sync_rx *rx, struct ip_vs_sync_peer *peer)
{
	ip_vs_sync_window_open(&peer->w, peer->w.high + 1);
	peer->joined = false;
	peer->join = soon(0, JOIN_SPREAD);
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_RESTARTS], 1);
}

/* Has all come that the master held when it was asked? */
static bool has_joined(const struct ip_vs_sync_peer *peer)
{
	return ip_vs_sync_peer_served(peer) &&
	       peer->hello.progress == IP_VS_SYNC_PASS_DONE &&
	       ip_vs_sync_window_complete(&peer->w, peer->hello.pass,
					  peer->hello.done);
}

/* And are there as many connections? Some come and go while both are counted */
static bool counts_agree(const struct netns_ipvs *ipvs,
			 const struct ip_vs_sync_peer *peer)
{
	long there = peer->hello.conns;
	long here;

	here = atomic_read(&ipvs->sync.held[peer->by & HELD_MASK].conns);
	return abs(here - there) <= there / 64 + 32;
}

/**
 * ip_vs_sync_peer_hello() - a HELLO has come
 * @rx:		the thread
 * @peer:	who sent it
 * @h:		what it says
 * @seq:	last message sent
 *
 * Context: the thread.
 */
void ip_vs_sync_peer_hello(struct ip_vs_sync_rx *rx,
			   struct ip_vs_sync_peer *peer,
			   const struct ip_vs_sync_hello *h, u32 seq)
{
	spin_lock(&rx->lock);
	/* One that is overtaken by others says nothing new */
	if (!ip_vs_sync_before(seq, peer->said)) {
		peer->said = seq;
		peer->hello = *h;
		peer->interval = max(msecs_to_jiffies(h->interval), 1UL);
	}
	ip_vs_sync_window_known(&peer->w, seq, jiffies, ask_soon(&peer->w));
	if (peer->w.n &&
	    ip_vs_sync_before(peer->w.gaps[0].r.first, h->oldest))
		start_over(rx, peer);
	if (!peer->joined && has_joined(peer)) {
		peer->joined = true;
		if (!counts_agree(rx->ipvs, peer) &&
		    peer->tries++ < JOIN_TRIES)
			start_over(rx, peer);
	}
	spin_unlock(&rx->lock);
}

/**
 * ip_vs_sync_peer_fill() - a FILL has come
 * @rx:		the thread
 * @peer:	who sent it
 * @ranges:	messages that are made up for
 * @n:		number of ranges
 * @seq:	last message that does so
 *
 * Context: the thread.
 */
void ip_vs_sync_peer_fill(struct ip_vs_sync_rx *rx,
			  struct ip_vs_sync_peer *peer,
			  const struct ip_vs_sync_range *ranges,
			  unsigned int n, u32 seq)
{
	u32 missed;

	spin_lock(&rx->lock);
	ip_vs_sync_window_known(&peer->w, seq, jiffies, ask_soon(&peer->w));
	missed = ip_vs_sync_window_missing(&peer->w);
	while (n--)
		ip_vs_sync_window_close(&peer->w, &ranges[n]);
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_REPAIRED],
		       missed - ip_vs_sync_window_missing(&peer->w));
	spin_unlock(&rx->lock);
}

static void ask(struct ip_vs_sync_rx *rx, const struct ip_vs_sync_peer *peer,
		unsigned int len)
{
	struct msghdr msg = {
		.msg_flags	= MSG_DONTWAIT | MSG_NOSIGNAL,
		.msg_name	= (void *)&peer->addr,
		.msg_namelen	= peer->addr.ss_family == AF_INET6 ?
				  sizeof(struct sockaddr_in6) :
				  sizeof(struct sockaddr_in),
	};
	struct kvec vec = { .iov_base = rx->ask, .iov_len = len };

	/* What is lost is asked for again */
	ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_ASKED], 1);
	if (kernel_sendmsg(rx->sock, &msg, &vec, 1, len) < 0)
		ip_vs_sync_add(&rx->counts[IP_VS_SYNC_RX_ASK_ERRORS], 1);
}

static void peer_poll(struct ip_vs_sync_rx *rx, struct ip_vs_sync_peer *peer)
{
	struct ip_vs_sync_trailer t = { .instance = peer->instance };
	unsigned int n, nack = 0;
	bool join = false;

	spin_lock(&rx->lock);
	t.seq = peer->w.high;
	n = ip_vs_sync_window_ask(&peer->w, jiffies, rx->ranges);
	if (n)
		nack = ip_vs_sync_ranges_write(rx->ask, peer->syncid,
					       IP_VS_SYNC_NACK, rx->ranges, n,
					       &t);
	if (!peer->joined && !ip_vs_sync_peer_served(peer) &&
	    time_after_eq(jiffies, peer->join)) {
		peer->join = jiffies + msecs_to_jiffies(JOIN_AGAIN);
		join = true;
	}
	spin_unlock(&rx->lock);
	if (nack)
		ask(rx, peer, nack);
	if (join)
		ask(rx, peer, ip_vs_sync_join_write(rx->ask, peer->syncid,
						    peer->w.base, &t));
}

/* Keep times that are past in the past, see LONG_AGO */
static void peer_age(struct ip_vs_sync_rx *rx, struct ip_vs_sync_peer *peer)
{
	struct ip_vs_sync_held *held;
	unsigned long now = jiffies;

	held = &rx->ipvs->sync.held[peer->by & HELD_MASK];
	if (now - peer->heard > LONG_AGO)
		WRITE_ONCE(peer->heard, now - LONG_AGO);
	if (time_after(now, held->alive))
		WRITE_ONCE(held->alive, now);
}

/**
 * ip_vs_sync_peer_poll() - ask for what is missed
 * @rx:	the thread
 *
 * Context: the thread, may sleep.
 * Return: jiffies until there is something to ask for.
 */
long ip_vs_sync_peer_poll(struct ip_vs_sync_rx *rx)
{
	struct ip_vs_sync_peer *peer;
	long left = POLL_MAX;
	unsigned long when;
	int i;

	for (i = 0; i < IP_VS_SYNC_PEERS_MAX && rx->peers[i]; i++) {
		peer = rx->peers[i];
		peer_age(rx, peer);
		/* The dead do not answer */
		if (time_after(jiffies, peer->heard + FORGET / 2))
			continue;
		peer_poll(rx, peer);
		if (ip_vs_sync_window_next_ask(&peer->w, &when))
			left = min(left, (long)(when - jiffies));
		if (!peer->joined && !ip_vs_sync_peer_served(peer))
			left = min(left, (long)(peer->join - jiffies));
	}
	return max(left, 1L);
}

/**
 * ip_vs_sync_peer_exit() - forget all
 * @rx:	the thread, stopped
 *
 * Context: process.
 */
void ip_vs_sync_peer_exit(struct ip_vs_sync_rx *rx)
{
	int i;

	for (i = 0; i < IP_VS_SYNC_PEERS_MAX; i++)
		kfree(rx->peers[i]);
}
