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
unsigned long ip_vs_sync_left(unsigned long now, unsigned long expires,
			      bool controls);
unsigned long ip_vs_sync_late(unsigned long expires, unsigned long timeout);
unsigned long ip_vs_sync_early(unsigned long timeout);
unsigned long ip_vs_sync_until(const struct ip_vs_sync_view *v);
unsigned long ip_vs_sync_next_time(unsigned long now, unsigned long sync_time);
unsigned long ip_vs_sync_lease(unsigned long timeout);
u32 ip_vs_sync_flow_hash(u16 af, u8 protocol, const union nf_inet_addr *caddr,
			 __be16 cport, const union nf_inet_addr *vaddr,
			 __be16 vport);

#endif	/* _IP_VS_SYNC_POLICY_H */
