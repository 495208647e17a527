// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: when a connection is due, and which thread announces it
 *
 * Packets ask whether their connection is due, there is no timer per
 * connection. In the order of the questions:
 *
 * - An opening connection is not announced. Entering a closing state is, at
 *   once. Entering the steady state waits until the threshold is reached, and
 *   reached is also what was passed while the connection was still opening.
 * - A backup forgets a connection one timeout after the last announcement. A
 *   packet that comes when half of that has gone announces it again.
 * - With a refresh period, so does a packet that comes when the period has
 *   passed, and up to three repeats an eighth of the period apart guard
 *   against loss.
 * - Without one, so does every period-th packet after the threshold.
 *
 * A connection that controls others (a template, an FTP session) goes along
 * with them unless a refresh period slows it down.
 *
 * A packet of the server may close a connection, too. Packets that stop before
 * the half leave a backup with less time than the master: a slow walk over the
 * table asks for these.
 */

#include <linux/jhash.h>
#include <asm/byteorder.h>
#include <asm/param.h>
#ifdef __KERNEL__
#include <linux/socket.h>
#else
#include <sys/socket.h>
#endif

#include "ip_vs_sync_policy.h"

/* A packet that follows an announcement so soon is not worth another one. Of a
 * connection that closes, the last acknowledgment is a round trip late.
 */
#define LEASE_SLACK	(HZ / 10 + IP_VS_SYNC_RETRY_MASK)
#define CLOSING_SLACK	(HZ + IP_VS_SYNC_RETRY_MASK)

/**
 * ip_vs_sync_next_time() - the word that stands for an announcement now
 * @now:	jiffies
 * @sync_time:	the word as it was read
 *
 * The result always differs from @sync_time, so that a compare-and-exchange
 * has a single winner: of two announcements within the resolution of the word
 * the second gets the step before, and the third the first again. It is never
 * ahead of the clock nor far behind, however often a connection is announced.
 *
 * Context: any.
 * Return: the word to exchange for @sync_time, with a retry count of 0.
 */
unsigned long ip_vs_sync_next_time(unsigned long now, unsigned long sync_time)
{
	unsigned long next = now & ~IP_VS_SYNC_RETRY_MASK;

	if (next == (sync_time & ~IP_VS_SYNC_RETRY_MASK))
		next -= IP_VS_SYNC_RETRY_MASK + 1;
	return next;
}

/* Jiffies that a backup will keep the connection from now on */
static long told_left(const struct ip_vs_sync_view *v)
{
	return v->until - v->now;
}

static bool lease_over(const struct ip_vs_sync_view *v)
{
	return ip_vs_sync_lease_over(v->now, v->until, v->timeout);
}

/* Has the timer been restarted since the last announcement, which has been
 * relied on for long enough?
 */
static bool outlived(const struct ip_vs_sync_view *v)
{
	long slack = v->phase == IP_VS_SYNC_TURN ? CLOSING_SLACK : LEASE_SLACK;

	return (long)(v->expires - v->until) > slack && lease_over(v);
}

/* Would a backup soon forget what the master will not, once more? */
static bool bridge_due(const struct ip_vs_sync_view *v)
{
	return told_left(v) < (long)IP_VS_SYNC_BRIDGE;
}

/* The period has passed, or it is time to repeat: that counts in *next */
static bool refresh_due(const struct ip_vs_sync_rules *rules,
			const struct ip_vs_sync_view *v, unsigned long *next)
{
	if (!ip_vs_sync_refresh_over(v->now, v->sync_time, rules->refresh,
				     rules->retries))
		return false;
	if (ip_vs_sync_elapsed(v->now, v->sync_time) < rules->refresh)
		*next += (v->sync_time & IP_VS_SYNC_RETRY_MASK) + 1;
	return true;
}

/**
 * ip_vs_sync_due() - does this packet announce its connection?
 * @rules:	the sysctls
 * @v:		the connection
 * @next:	when due: what to exchange for @v->sync_time; who wins that
 *		exchange announces
 *
 * Context: any.
 * Return: true when due.
 */
bool ip_vs_sync_due(const struct ip_vs_sync_rules *rules,
		    const struct ip_vs_sync_view *v, unsigned long *next)
{
	if (v->phase == IP_VS_SYNC_HELD)
		return false;

	*next = ip_vs_sync_next_time(v->now, v->sync_time);
	if (v->state != v->last_state)
		return v->phase == IP_VS_SYNC_TURN ||
		       v->pkts >= rules->threshold;
	if (lease_over(v))
		return true;
	if (rules->refresh)
		return refresh_due(rules, v, next);
	return ip_vs_sync_period_passed(v->pkts, v->last_pkts,
					rules->threshold, rules->period);
}

/**
 * ip_vs_sync_control_due() - does this packet announce what controls its
 * connection?
 * @rules:	the sysctls
 * @v:		the controlling connection; its counts of packets do not matter
 * @with:	the controlled connection is announced now, or is new
 * @next:	when due: what to exchange for @v->sync_time
 *
 * Context: any.
 * Return: true when due.
 */
bool ip_vs_sync_control_due(const struct ip_vs_sync_rules *rules,
			    const struct ip_vs_sync_view *v, bool with,
			    unsigned long *next)
{
	if (v->phase == IP_VS_SYNC_HELD)
		return false;

	*next = ip_vs_sync_next_time(v->now, v->sync_time);
	if (v->state != v->last_state || outlived(v))
		return true;
	if (rules->refresh)
		return refresh_due(rules, v, next);
	return with;
}

/**
 * ip_vs_sync_reply_due() - does this packet of the server announce?
 * @v:		the connection
 * @next:	when due: what to exchange for @v->sync_time
 *
 * It does when it closes a connection that backups know: the client may have
 * nothing more to say.
 *
 * Context: any.
 * Return: true when due.
 */
bool ip_vs_sync_reply_due(const struct ip_vs_sync_view *v, unsigned long *next)
{
	*next = ip_vs_sync_next_time(v->now, v->sync_time);
	return v->phase == IP_VS_SYNC_TURN && v->state != v->last_state &&
	       v->last_state != IP_VS_SYNC_NEVER;
}

/**
 * ip_vs_sync_lease_due() - has a backup been left with less time?
 * @rules:	the sysctls
 * @v:		the connection; its counts of packets do not matter
 * @next:	when due: what to exchange for @v->sync_time
 *
 * True of a connection that is old and that no packet has announced. True once
 * the lease has passed since an announcement that later packets have outlived,
 * so that a backup that heard of none of them would forget the connection
 * first. True also for a turn that could not be announced when the
 * last packet came, on an overloaded link, and when the timer of what controls
 * others is about to be put off.
 *
 * Context: any.
 * Return: true when due.
 */
bool ip_vs_sync_lease_due(const struct ip_vs_sync_rules *rules,
			  const struct ip_vs_sync_view *v, unsigned long *next)
{
	if (v->phase == IP_VS_SYNC_HELD)
		return false;
	*next = ip_vs_sync_next_time(v->now, v->sync_time);
	if (v->last_state == IP_VS_SYNC_NEVER)
		return rules->silent &&
		       ip_vs_sync_elapsed(v->now, v->sync_time) >=
		       rules->silent;
	if (v->state != v->last_state)
		return v->phase == IP_VS_SYNC_TURN;
	if (v->controls &&
	    (long)(v->expires - v->now) < (long)IP_VS_SYNC_BRIDGE)
		return bridge_due(v);
	return outlived(v);
}

/**
 * ip_vs_sync_extended_due() - the timer of what controls others was put off
 * @v:		the connection
 * @next:	when due: what to exchange for @v->sync_time
 *
 * Context: any.
 * Return: true when due: if the walk has not told it in advance.
 */
bool ip_vs_sync_extended_due(const struct ip_vs_sync_view *v,
			     unsigned long *next)
{
	*next = ip_vs_sync_next_time(v->now, v->sync_time);
	return v->phase != IP_VS_SYNC_HELD &&
	       (v->last_state == IP_VS_SYNC_NEVER || bridge_due(v));
}

/* The kernel's timers run out late, by a step that grows with the time they
 * are set for: up to an eighth of it, see kernel/time/timer.c.
 */
static unsigned long wheel_step(unsigned long timeout)
{
	unsigned long limit = 63;
	unsigned long step = 1;

	while (timeout >= limit && limit << 3 > limit) {
		limit <<= 3;
		step <<= 3;
	}
	return step;
}

/**
 * ip_vs_sync_late() - how much later than it says a timer runs out
 * @expires:	jiffies it was set to
 * @timeout:	how far ahead that was
 *
 * Context: any.
 * Return: jiffies, at least 1.
 */
unsigned long ip_vs_sync_late(unsigned long expires, unsigned long timeout)
{
	unsigned long step = wheel_step(timeout);

	return step - (expires & (step - 1));
}

/**
 * ip_vs_sync_early() - what to set a timer to so that it is not late
 * @timeout:	jiffies from now that are meant
 *
 * Context: any.
 * Return: jiffies from now: the timer runs out as much before as after what is
 * meant, at the mean of many.
 */
unsigned long ip_vs_sync_early(unsigned long timeout)
{
	return timeout - wheel_step(timeout) / 2;
}

/**
 * ip_vs_sync_flow_hash() - which thread a flow belongs to
 * @af:		AF_INET or AF_INET6
 * @protocol:	IPPROTO_*
 * @caddr:	client address
 * @cport:	client port
 * @vaddr:	virtual address
 * @vport:	virtual port
 *
 * Depends on nothing but the flow, not even on the byte order of the machine:
 * every director puts a flow on the same port.
 *
 * Context: any.
 * Return: the hash; its low bits choose the thread.
 */
u32 ip_vs_sync_flow_hash(u16 af, u8 protocol, const union nf_inet_addr *caddr,
			 __be16 cport, const union nf_inet_addr *vaddr,
			 __be16 vport)
{
	u32 ports = (u32)__be16_to_cpu(cport) << 16 | __be16_to_cpu(vport);
	u32 words[8];
	int i;

	if (af != AF_INET6)
		return jhash_3words(__be32_to_cpu(caddr->ip),
				    __be32_to_cpu(vaddr->ip), ports, protocol);

	for (i = 0; i < 4; i++) {
		words[i] = __be32_to_cpu(caddr->ip6[i]);
		words[4 + i] = __be32_to_cpu(vaddr->ip6[i]);
	}
	return jhash2(words, 8, jhash_1word(ports, protocol));
}
