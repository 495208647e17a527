/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: when a connection is due, and which thread announces it
 *
 * Pure arithmetic over its arguments, so the same code serves the kernel,
 * KUnit and user space (with -I tools/include).
 */

#ifndef _IP_VS_SYNC_POLICY_H
#define _IP_VS_SYNC_POLICY_H

#include <linux/types.h>
#include <linux/netfilter.h>
#include <asm/param.h>

/* The two low bits of sync_time count retries, the rest is jiffies */
#define IP_VS_SYNC_RETRY_MASK	3UL

/* As the state last announced: this director has announced nothing yet. No
 * protocol has so many states.
 */
#define IP_VS_SYNC_NEVER	0xffff

/**
 * enum ip_vs_sync_phase - what a connection's state means to sync
 * @IP_VS_SYNC_HELD:	opening or unknown: not announced
 * @IP_VS_SYNC_STEADY:	carries data; entering it waits for the threshold
 * @IP_VS_SYNC_TURN:	closing, or a template: entering it is announced at
 *			once
 */
enum ip_vs_sync_phase {
	IP_VS_SYNC_HELD,
	IP_VS_SYNC_STEADY,
	IP_VS_SYNC_TURN,
};

/**
 * struct ip_vs_sync_rules - one reading of the sysctls that decide
 * @threshold:		packets before the first announcement
 * @period:		packets from there to the next one, 0 for no next one
 * @refresh:		jiffies between announcements of an unchanged
 *			connection; above 0 it replaces @period
 * @retries:		repeats within @refresh, an eighth of it apart
 * @silent:		jiffies after which the walk announces what no packet
 *			has announced, 0 for never
 */
struct ip_vs_sync_rules {
	u32			threshold;
	u32			period;
	unsigned long		refresh;
	unsigned int		retries;
	unsigned long		silent;
};

/**
 * struct ip_vs_sync_view - what the decision looks at in a connection
 * @now:	jiffies
 * @sync_time:	jiffies of the last announcement and the retries since
 * @timeout:	jiffies the connection lives on without packets
 * @pkts:	packets seen from the client, this one included
 * @last_pkts:	the same at the last announcement
 * @state:	protocol state
 * @last_state:	state last announced, or %IP_VS_SYNC_NEVER
 * @phase:	what @state means
 * @until:	jiffies until which the last announcement told to keep it
 * @expires:	jiffies when the connection's timer runs out
 * @controls:	it controls others: its timer is then set again
 * @left:	an announcement now tells what is left until then, as nothing
 *		is about to restart the timer
 */
struct ip_vs_sync_view {
	unsigned long		now;
	unsigned long		sync_time;
	unsigned long		timeout;
	u32			pkts;
	u32			last_pkts;
	u16			state;
	u16			last_state;
	enum ip_vs_sync_phase	phase;
	unsigned long		until;
	unsigned long		expires;
	bool			controls;
	bool			left;
};

/* Jiffies in which the walk comes to each connection */
#define IP_VS_SYNC_WALK_PERIOD	(16 * HZ)
/* What controls others is told anew when so little time is left to it */
#define IP_VS_SYNC_BRIDGE	(2 * IP_VS_SYNC_WALK_PERIOD)
/* By so much its timer is put off, again and again */
#define IP_VS_SYNC_EXTENSION	(60 * HZ)

/* What follows is asked of packets, so it is for the compiler to see, and takes
 * no more than it needs.
 */

/**
 * ip_vs_sync_elapsed() - time since the last announcement
 * @now:	jiffies; may have been read before it
 * @sync_time:	the connection's word
 *
 * Context: any.
 * Return: jiffies.
 */
static inline unsigned long ip_vs_sync_elapsed(unsigned long now,
					       unsigned long sync_time)
{
	long diff = now - (sync_time & ~IP_VS_SYNC_RETRY_MASK);

	return diff > 0 ? diff : 0;
}

/**
 * ip_vs_sync_lease() - how long an announcement may be relied on
 * @timeout:	jiffies that the backup keeps the connection from then on
 *
 * Half of the timeout, less a second (or less than that where the timeout is
 * short), so that who sends about once a second is announced before and not
 * after the half.
 *
 * Context: any.
 * Return: jiffies after which the next packet announces again.
 */
static inline unsigned long ip_vs_sync_lease(unsigned long timeout)
{
	unsigned long margin = timeout / 16;

	return timeout / 2 - (margin < HZ ? margin : HZ);
}

/**
 * ip_vs_sync_lease_over() - has an announcement been relied on for that long?
 * @now:	jiffies
 * @until:	jiffies until which it told to keep the connection
 * @timeout:	the connection's
 *
 * Context: any.
 * Return: true when it has.
 */
static inline bool ip_vs_sync_lease_over(unsigned long now, unsigned long until,
					 unsigned long timeout)
{
	return (long)(until - now) <=
	       (long)(timeout - ip_vs_sync_lease(timeout));
}

/**
 * ip_vs_sync_refresh_over() - is it time to refresh, or to repeat that?
 * @now:	jiffies
 * @sync_time:	the connection's word
 * @refresh:	jiffies of the refresh period
 * @retries:	repeats within it
 *
 * Context: any.
 * Return: true when it is.
 */
static inline bool ip_vs_sync_refresh_over(unsigned long now,
					   unsigned long sync_time,
					   unsigned long refresh,
					   unsigned int retries)
{
	bool repeats = (sync_time & IP_VS_SYNC_RETRY_MASK) < retries;

	return ip_vs_sync_elapsed(now, sync_time) >=
	       (repeats ? refresh / 8 : refresh);
}

/**
 * ip_vs_sync_period_passed() - is this packet one in so many?
 * @pkts:	packets seen, this one included
 * @last_pkts:	the same at the last announcement
 * @threshold:	sync_threshold, below @period
 * @period:	sync_period, 0 for none
 *
 * Is there a count among threshold, threshold + period, threshold + 2 * period
 * ... that came after the last announcement? A wrap of the counter may make it
 * one too many; a packet that another CPU has overtaken is none.
 *
 * Context: any.
 * Return: true when there is.
 */
static inline bool ip_vs_sync_period_passed(u32 pkts, u32 last_pkts,
					    u32 threshold, u32 period)
{
	u32 since = pkts - last_pkts;

	return period && (s32)since > 0 &&
	       (pkts + (period - threshold)) % period < since;
}

/**
 * ip_vs_sync_left() - how long a backup is to keep a connection from now on
 * @now:	jiffies
 * @expires:	jiffies when its timer runs out
 * @controls:	it controls others
 *
 * As long as it is kept here; what will be put off here, until after that.
 *
 * Context: any.
 * Return: jiffies, at least 1.
 */
static inline unsigned long ip_vs_sync_left(unsigned long now,
					    unsigned long expires,
					    bool controls)
{
	long left = expires - now;

	if (left < 1)
		left = 1;
	if (controls && left < (long)IP_VS_SYNC_BRIDGE)
		left += IP_VS_SYNC_EXTENSION;
	return left;
}

/**
 * ip_vs_sync_until() - how long an announcement now tells to keep a connection
 * @v:	the connection
 *
 * At least: timers run out late, see ip_vs_sync_late().
 *
 * Context: any.
 * Return: jiffies until which.
 */
static inline unsigned long
ip_vs_sync_until(const struct ip_vs_sync_view *v)
{
	return v->now + (v->left ? ip_vs_sync_left(v->now, v->expires,
						   v->controls) :
				   v->timeout);
}

bool ip_vs_sync_due(const struct ip_vs_sync_rules *rules,
		    const struct ip_vs_sync_view *v, unsigned long *next);
bool ip_vs_sync_control_due(const struct ip_vs_sync_rules *rules,
			    const struct ip_vs_sync_view *v, bool with,
			    unsigned long *next);
bool ip_vs_sync_reply_due(const struct ip_vs_sync_view *v, unsigned long *next);
bool ip_vs_sync_lease_due(const struct ip_vs_sync_rules *rules,
			  const struct ip_vs_sync_view *v, unsigned long *next);
bool ip_vs_sync_extended_due(const struct ip_vs_sync_view *v,
			     unsigned long *next);
unsigned long ip_vs_sync_late(unsigned long expires, unsigned long timeout);
unsigned long ip_vs_sync_early(unsigned long timeout);
unsigned long ip_vs_sync_next_time(unsigned long now, unsigned long sync_time);
u32 ip_vs_sync_flow_hash(u16 af, u8 protocol, const union nf_inet_addr *caddr,
			 __be16 cport, const union nf_inet_addr *vaddr,
			 __be16 vport);

#endif	/* _IP_VS_SYNC_POLICY_H */
