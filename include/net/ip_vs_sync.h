/* SPDX-License-Identifier: GPL-2.0 */
/* IP Virtual Server: connection synchronisation
 *
 * All that the rest of IPVS sees of sync: what sync keeps in a connection and
 * in a namespace, and the few calls that the packet path, the connection table
 * and the control interfaces make. net/netfilter/ipvs/ip_vs_sync.c has the map
 * of what is behind it.
 */

#ifndef _NET_IP_VS_SYNC_H
#define _NET_IP_VS_SYNC_H

#include <linux/atomic.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct ctl_table;
struct ctl_table_header;
struct ip_vs_conn;
struct ip_vs_conn_param;
struct ip_vs_dest;
struct ip_vs_sync_master;
struct ip_vs_sync_backup;
struct ip_vs_sync_held;
struct ipvs_sync_daemon_cfg;
struct netns_ipvs;
struct seq_file;

/**
 * struct ip_vs_sync_conn - what sync keeps in a connection
 * @sync_time:	jiffies of the last announcement, the retries made since then
 *		in the two low bits; changed by compare-and-exchange only, and
 *		who wins the exchange announces the connection
 * @until:	jiffies until which backups were told to keep the connection
 * @node:	link in a pending list while %IP_VS_SYNC_PENDING is set
 * @bits:	%IP_VS_SYNC_PENDING, %IP_VS_SYNC_DEAD, %IP_VS_SYNC_LEFT
 * @pkts:	count of packets at the last announcement
 * @by:		who told it last, see %IP_VS_SYNC_BY_NOBODY
 * @seq:	number of the message that told it
 * @state:	state last announced by this director, %IP_VS_SYNC_NEVER before
 *		the first announcement
 */
struct ip_vs_sync_conn {
	unsigned long		sync_time;
	unsigned long		until;
	struct llist_node	node;
	atomic_t		bits;
	u32			pkts;
	u32			by;
	u32			seq;
	u16			state;
};

/**
 * struct ip_vs_sync_knobs - the sysctls under net.ipv4.vs.sync_*
 * @version:		format sent, 0 or 1
 * @ports:		threads a daemon starts, a power of two
 * @persist_mode:	with 1, what a template stands for is not sent
 * @qlen_max:		most messages' worth of connections waiting on a CPU
 * @sock_size:		socket buffer in bytes, 0 for the system's default
 * @threshold:		packets before the first announcement, and from there
 *			to the next one (0: no next one)
 * @refresh_period:	jiffies between announcements of an unchanged
 *			connection, 0 to count packets instead
 * @delay:		milliseconds that an announcement may wait for others
 * @retries:		repeats within a refresh period, 0 to 3
 * @repair:		records that each thread of a master remembers to tell
 *			again, 0 not to number messages
 * @pace:		connections a second that a pass tells, or a repair
 * @silent:		jiffies after which a connection is announced that no
 *			packet has announced, 0 for never
 */
struct ip_vs_sync_knobs {
	int			version;
	int			ports;
	int			persist_mode;
	unsigned long		qlen_max;
	int			sock_size;
	int			threshold[2];
	unsigned int		refresh_period;
	int			delay;
	int			retries;
	int			repair;
	int			pace;
	unsigned int		silent;
};

/**
 * struct ip_vs_sync_net - what sync keeps in a network namespace
 * @state:	daemons that run: %IP_VS_STATE_MASTER, %IP_VS_STATE_BACKUP;
 *		written under @mutex, read anywhere
 * @knobs:	the sysctls, read without a lock
 * @master:	the master daemon; the packet path follows it under RCU
 * @backup:	the backup daemon, under @mutex
 * @mutex:	serialises start, stop and the readers of configurations;
 *		taken before RTNL, never inside it
 * @bound_late:	connections that came by sync before their server
 * @lost_at_stop: records lost because a master stopped while its socket would
 *		not take them
 * @masters:	masters ever started
 * @held:	who has told what is held here; there from the first start of a
 *		backup on
 * @sysctl_hdr:	the registered table
 * @sysctl_tbl:	this namespace's own copy of the table
 */
struct ip_vs_sync_net {
	int				state;
	struct ip_vs_sync_knobs		knobs;
	struct ip_vs_sync_master __rcu	*master;
	struct ip_vs_sync_backup	*backup;
	struct mutex			mutex;	/* start and stop */
	atomic_long_t			bound_late;
	atomic_long_t			lost_at_stop;
	u32				masters;
	struct ip_vs_sync_held		*held;
	struct ctl_table_header		*sysctl_hdr;
	struct ctl_table		*sysctl_tbl;
};

/* called by ip_vs_core.c */
int ip_vs_sync_netlink_init(void);
void ip_vs_sync_netlink_exit(void);
int ip_vs_sync_net_init(struct netns_ipvs *ipvs);
void ip_vs_sync_net_exit(struct netns_ipvs *ipvs);
void ip_vs_sync_net_cleanup(struct netns_ipvs *ipvs);
void ip_vs_sync_packet(struct ip_vs_conn *cp);
void ip_vs_sync_reply(struct ip_vs_conn *cp);

/* called by ip_vs_conn.c */
void ip_vs_sync_conn_init(struct ip_vs_conn *cp);
void ip_vs_sync_conn_extended(struct ip_vs_conn *cp);
bool ip_vs_sync_conn_release(struct ip_vs_conn *cp);
struct ip_vs_dest *ip_vs_sync_dest(struct ip_vs_conn *cp);

void *ip_vs_conn_list_start(struct seq_file *seq, loff_t *pos);
void *ip_vs_conn_list_next(struct seq_file *seq, void *v, loff_t *pos);
void ip_vs_conn_list_stop(struct seq_file *seq, void *v);
unsigned int ip_vs_conn_seconds_left(const struct ip_vs_conn *cp);

/* offered by ip_vs_conn.c */
extern struct hlist_head *ip_vs_conn_tab;
unsigned int ip_vs_conn_hashkey_conn(const struct ip_vs_conn *cp);
unsigned int ip_vs_conn_hashkey_param(const struct ip_vs_conn_param *p,
				      bool inverse);
void ip_vs_conn_rcu_free(struct rcu_head *head);

/* called by ip_vs_ctl.c */
int ip_vs_sync_start(struct netns_ipvs *ipvs, struct ipvs_sync_daemon_cfg *c,
		     int state);
int ip_vs_sync_stop(struct netns_ipvs *ipvs, int state);
bool ip_vs_sync_daemon(struct netns_ipvs *ipvs, int state,
		       struct ipvs_sync_daemon_cfg *c);

#endif	/* _NET_IP_VS_SYNC_H */
