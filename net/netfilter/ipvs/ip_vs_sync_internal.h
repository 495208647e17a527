/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: what the files of sync share among themselves */

#ifndef _IP_VS_SYNC_INTERNAL_H
#define _IP_VS_SYNC_INTERNAL_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include <net/ip_vs.h>

#include "ip_vs_sync_policy.h"
#include "ip_vs_sync_proto.h"

struct socket;
struct task_struct;

#define IP_VS_SYNC_PORTS_MAX	64

/* Bits of struct ip_vs_sync_conn. A connection is in at most one pending list,
 * and only who sets PENDING puts it there. Who unlinks the connection from the
 * table sets DEAD; if PENDING was set by then, the thread that takes it off
 * the list frees it, so that a pending connection needs no reference and
 * expires on time.
 */
#define IP_VS_SYNC_PENDING	0x1
#define IP_VS_SYNC_DEAD		0x2
/* Who marked the connection was not about to restart its timer */
#define IP_VS_SYNC_LEFT		0x4

/**
 * enum ip_vs_sync_tx_count - what is counted of a master thread
 * @IP_VS_SYNC_TX_MESSAGES:	messages sent
 * @IP_VS_SYNC_TX_BYTES:	their bytes, UDP and IP headers not included
 * @IP_VS_SYNC_TX_RECORDS:	connections in them
 * @IP_VS_SYNC_TX_WAKEUPS:	times the thread woke up to look for work
 * @IP_VS_SYNC_TX_BLOCKED:	sends put off because the socket was full
 * @IP_VS_SYNC_TX_NOBUFS:	sends put off for want of memory, or of room in
 *				the queue of the device
 * @IP_VS_SYNC_TX_CARRIER:	sends put off because the device has no carrier
 * @IP_VS_SYNC_TX_ERRORS:	sends put off because of another error
 * @IP_VS_SYNC_TX_EXPIRED:	connections gone before they were sent
 * @IP_VS_SYNC_TX_WITHDRAWN:	connections back in an opening state and
 *				templates without a server, not sent
 * @IP_VS_SYNC_TX_UNTOLD:	connections that the format can not tell, not
 *				sent: IPv6 in version 0, mixed families
 * @IP_VS_SYNC_TX_COUNTS:	number of the above: the thread's own counters
 * @IP_VS_SYNC_TX_MARKED:	announcements handed to the thread
 * @IP_VS_SYNC_TX_COALESCED:	announcements of connections that were waiting
 *				already
 * @IP_VS_SYNC_TX_FULL:		announcements put off because sync_qlen_max was
 *				reached
 * @IP_VS_SYNC_TX_WAITING:	connections waiting now
 * @IP_VS_SYNC_TX_WAITING_MAX:	most that waited when the thread came to look
 * @IP_VS_SYNC_TX_SINCE:	milliseconds since the last message, or
 *				%IP_VS_SYNC_NONE
 * @IP_VS_SYNC_TX_STATS:	number of the above; each is an attribute, less
 *				1, of a master thread in netlink: add behind
 *				the last only, there
 */
enum ip_vs_sync_tx_count {
	IP_VS_SYNC_TX_MESSAGES,
	IP_VS_SYNC_TX_BYTES,
	IP_VS_SYNC_TX_RECORDS,
	IP_VS_SYNC_TX_WAKEUPS,
	IP_VS_SYNC_TX_BLOCKED,
	IP_VS_SYNC_TX_NOBUFS,
	IP_VS_SYNC_TX_CARRIER,
	IP_VS_SYNC_TX_ERRORS,
	IP_VS_SYNC_TX_EXPIRED,
	IP_VS_SYNC_TX_WITHDRAWN,
	IP_VS_SYNC_TX_UNTOLD,
	IP_VS_SYNC_TX_COUNTS,
	IP_VS_SYNC_TX_MARKED = IP_VS_SYNC_TX_COUNTS,
	IP_VS_SYNC_TX_COALESCED,
	IP_VS_SYNC_TX_FULL,
	IP_VS_SYNC_TX_WAITING,
	IP_VS_SYNC_TX_WAITING_MAX,
	IP_VS_SYNC_TX_SINCE,
	IP_VS_SYNC_TX_STATS
};

/**
 * enum ip_vs_sync_rx_count - what is counted of a backup thread, but rejects
 * @IP_VS_SYNC_RX_MESSAGES:	datagrams received
 * @IP_VS_SYNC_RX_BYTES:	their bytes, UDP and IP headers not included
 * @IP_VS_SYNC_RX_RECORDS:	records in them that could be read
 * @IP_VS_SYNC_RX_WAKEUPS:	times the thread woke up to look for datagrams
 * @IP_VS_SYNC_RX_CREATED:	connections created
 * @IP_VS_SYNC_RX_UPDATED:	connections updated
 * @IP_VS_SYNC_RX_REPLACED:	connections dropped because the same flow goes
 *				to another server now
 * @IP_VS_SYNC_RX_ERRORS:	errors of the socket
 * @IP_VS_SYNC_RX_COUNTS:	number of the above: the thread's own counters
 * @IP_VS_SYNC_RX_DROPPED:	datagrams lost because the socket had no room
 *				for them, or damaged
 * @IP_VS_SYNC_RX_SINCE:	milliseconds since the last datagram, or
 *				%IP_VS_SYNC_NONE
 * @IP_VS_SYNC_RX_STATS:	number of the above, see %IP_VS_SYNC_TX_STATS
 */
enum ip_vs_sync_rx_count {
	IP_VS_SYNC_RX_MESSAGES,
	IP_VS_SYNC_RX_BYTES,
	IP_VS_SYNC_RX_RECORDS,
	IP_VS_SYNC_RX_WAKEUPS,
	IP_VS_SYNC_RX_CREATED,
	IP_VS_SYNC_RX_UPDATED,
	IP_VS_SYNC_RX_REPLACED,
	IP_VS_SYNC_RX_ERRORS,
	IP_VS_SYNC_RX_COUNTS,
	IP_VS_SYNC_RX_DROPPED = IP_VS_SYNC_RX_COUNTS,
	IP_VS_SYNC_RX_SINCE,
	IP_VS_SYNC_RX_STATS
};

/* A time since something that has not happened yet */
#define IP_VS_SYNC_NONE		U64_MAX

/**
 * struct ip_vs_sync_queue - connections one CPU has marked for one thread
 * @head:	the pending list
 * @added:	connections ever put on it
 * @taken:	value of @added when the thread last emptied it; the difference
 *		is how many wait, give or take those on their way
 * @coalesced:	announcements of connections that were waiting already
 * @full:	announcements put off because sync_qlen_max was reached
 */
struct ip_vs_sync_queue {
	struct llist_head	head;
	unsigned long		added;
	unsigned long		taken;
	unsigned long		coalesced;
	unsigned long		full;
};

/**
 * enum ip_vs_sync_doze - how deep a master thread sleeps
 * @IP_VS_SYNC_AWAKE:	it does not, or somebody is waking it already
 * @IP_VS_SYNC_GATHER:	it gives a message time to fill: wake it when there is
 *			enough to send
 * @IP_VS_SYNC_IDLE:	nothing to do: wake it for anything
 */
enum ip_vs_sync_doze {
	IP_VS_SYNC_AWAKE,
	IP_VS_SYNC_GATHER,
	IP_VS_SYNC_IDLE,
};

/**
 * struct ip_vs_sync_tx - one thread of a master
 * @ipvs:	namespace
 * @id:		number of the thread
 * @task:	the thread
 * @queue:	what the CPUs have marked
 * @enough:	connections waiting on one CPU that are worth a wake-up
 * @per_message: usual records that fill a message
 * @held:	connections taken from @queue by a thread that can not send
 * @doze:	&enum ip_vs_sync_doze
 * @sock:	connected to the group and the thread's port
 * @ifindex:	device it sends through
 * @backlog:	taken from @queue, not encoded yet, oldest first
 * @tail:	where the next one is linked to @backlog
 * @backlog_len: connections in @backlog
 * @failing:	the last attempt to send met an error, and it was logged
 * @next_sift:	jiffies when @backlog is next searched for the dead
 * @w:		message being built
 * @waiting_max: most connections in @backlog after a look at the lists
 * @last_message: jiffies when a message was sent last
 * @counts:	the thread's own of &enum ip_vs_sync_tx_count
 * @pe_data:	copy of an engine's data while a record is written
 * @pe_name:	copy of an engine's name
 *
 * The packet path reads the first part; from @sock on only the thread writes,
 * on cache lines of its own.
 */
struct ip_vs_sync_tx {
	struct netns_ipvs		*ipvs;
	unsigned int			id;
	struct task_struct		*task;
	struct ip_vs_sync_queue __percpu *queue;
	unsigned int			enough;
	unsigned int			per_message;
	unsigned long			held;
	int				doze;

	struct socket			*sock ____cacheline_aligned_in_smp;
	int				ifindex;
	struct llist_node		*backlog;
	struct llist_node		**tail;
	unsigned long			backlog_len;
	bool				failing;
	unsigned long			next_sift;
	struct ip_vs_sync_writer	w;
	unsigned long			waiting_max;
	unsigned long			last_message;
	unsigned long			counts[IP_VS_SYNC_TX_COUNTS];
	u8				pe_data[IP_VS_PEDATA_MAXLEN];
	u8				pe_name[IP_VS_PENAME_MAXLEN];
};

/**
 * struct ip_vs_sync_rx - one thread of a backup
 * @ipvs:	namespace
 * @id:		number of the thread
 * @task:	the thread
 * @sock:	bound to the group and the thread's port
 * @buf:	a datagram
 * @syncid:	group of directors listened to, 0 for all
 * @last_message: jiffies when a datagram came last
 * @counts:	the thread's own of &enum ip_vs_sync_rx_count
 * @rejects:	records not used, by &enum ip_vs_sync_reject; a datagram that
 *		is refused as a whole counts once
 */
struct ip_vs_sync_rx {
	struct netns_ipvs	*ipvs;
	unsigned int		id;
	struct task_struct	*task;
	struct socket		*sock;
	u8			*buf;
	u8			syncid;
	unsigned long		last_message;
	unsigned long		counts[IP_VS_SYNC_RX_COUNTS];
	unsigned long		rejects[IP_VS_SYNC_REJECTS];
};

/**
 * struct ip_vs_sync_walk - the master's slow walk over the table
 * @ipvs:	namespace
 * @work:	runs it, a slice at a time
 * @bucket:	of the table, where the next slice starts
 * @renewed:	connections announced because packets that came before half
 *		of their timeout had not; written by the walk only
 */
struct ip_vs_sync_walk {
	struct netns_ipvs	*ipvs;
	struct delayed_work	work;
	int			bucket;
	unsigned long		renewed;
};

/**
 * struct ip_vs_sync_master - a running master daemon
 * @cfg:	as started
 * @walk:	the slow walk
 * @threads:	number of @tx, a power of two
 * @tx:		the threads
 */
struct ip_vs_sync_master {
	struct ipvs_sync_daemon_cfg	cfg;
	struct ip_vs_sync_walk		walk;
	unsigned int			threads;
	struct ip_vs_sync_tx		tx[] __counted_by(threads);
};

/**
 * struct ip_vs_sync_backup - a running backup daemon
 * @cfg:	as started
 * @threads:	number of @rx
 * @rx:		the threads
 */
struct ip_vs_sync_backup {
	struct ipvs_sync_daemon_cfg	cfg;
	unsigned int			threads;
	struct ip_vs_sync_rx		rx[] __counted_by(threads);
};

/* Counts have one writer and readers that do not lock */
static inline void ip_vs_sync_add(unsigned long *count, unsigned long n)
{
	WRITE_ONCE(*count, *count + n);
}

/* ip_vs_sync_tx.c */
int ip_vs_sync_tx_init(struct ip_vs_sync_tx *tx, unsigned int maxlen,
		       u8 syncid);
void ip_vs_sync_tx_exit(struct ip_vs_sync_tx *tx);
int ip_vs_sync_tx_thread(void *data);
enum ip_vs_sync_phase ip_vs_sync_phase(u16 protocol, u32 flags, u16 state);
bool ip_vs_sync_claim(struct ip_vs_sync_conn *sync,
		      const struct ip_vs_sync_view *v, unsigned long next);

bool ip_vs_sync_renew(struct ip_vs_sync_master *m, struct ip_vs_conn *cp);

/* ip_vs_sync_walk.c */
void ip_vs_sync_walk_start(struct ip_vs_sync_walk *walk,
			   struct netns_ipvs *ipvs);
void ip_vs_sync_walk_stop(struct ip_vs_sync_walk *walk);

/* ip_vs_sync_rx.c */
int ip_vs_sync_rx_init(struct ip_vs_sync_rx *rx, u8 syncid);
void ip_vs_sync_rx_exit(struct ip_vs_sync_rx *rx);
int ip_vs_sync_rx_thread(void *data);

/* ip_vs_sync_sock.c */
int ip_vs_sync_tx_sock(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		       struct net_device *dev, int id, int buf_size,
		       struct socket **sockp);
int ip_vs_sync_sock_ready(struct socket *sock, int ifindex);
int ip_vs_sync_rx_sock(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		       struct net_device *dev, int id, int buf_size,
		       struct socket **sockp);

/* ip_vs_sync_sysctl.c */
int ip_vs_sync_sysctl_init(struct netns_ipvs *ipvs);
void ip_vs_sync_sysctl_exit(struct netns_ipvs *ipvs);

/* ip_vs_sync_stats.c */
int ip_vs_sync_stats_init(struct netns_ipvs *ipvs);
void ip_vs_sync_stats_exit(struct netns_ipvs *ipvs);
void ip_vs_sync_tx_stats(const struct ip_vs_sync_tx *tx, u64 *stats);
void ip_vs_sync_rx_stats(const struct ip_vs_sync_rx *rx, u64 *stats);

/* ip_vs_sync_netlink.c */
void ip_vs_sync_notify(struct netns_ipvs *ipvs, int state, u8 cmd);

#endif	/* _IP_VS_SYNC_INTERNAL_H */
