/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: what the files of sync share among themselves */

#ifndef _IP_VS_SYNC_INTERNAL_H
#define _IP_VS_SYNC_INTERNAL_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include <linux/ip_vs_sync.h>
#include <net/ip_vs.h>

#include "ip_vs_sync_control.h"
#include "ip_vs_sync_history.h"
#include "ip_vs_sync_policy.h"

struct socket;
struct task_struct;

#define IP_VS_SYNC_PORTS_MAX	64

/* Who told a connection last, see struct ip_vs_sync_conn: nobody; the master of
 * this namespace, by a number of its own, a multiple of %IP_VS_SYNC_PORTS_MAX,
 * and that of the thread; or a stream that a backup hears.
 */
#define IP_VS_SYNC_BY_NOBODY	0
#define IP_VS_SYNC_BY_MASTER	0x80000000

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
/* It died before the time that backups were told: they are to be told that */
#define IP_VS_SYNC_BURIED	0x8

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
 * @IP_VS_SYNC_TX_HELLOS:	HELLOs and FILLs sent
 * @IP_VS_SYNC_TX_SILENT:	of these, not sent because of an error
 * @IP_VS_SYNC_TX_NACKS:	requests for lost messages
 * @IP_VS_SYNC_TX_REPAIRED:	connections told again for these
 * @IP_VS_SYNC_TX_FORGOTTEN:	messages asked for that are not remembered
 * @IP_VS_SYNC_TX_JOINS:	requests for the whole table
 * @IP_VS_SYNC_TX_DELETED:	connections told to be gone
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
 * @IP_VS_SYNC_TX_UNDELETED:	connections gone early and not told to be: too
 *				many at once, or version 0
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
	IP_VS_SYNC_TX_HELLOS,
	IP_VS_SYNC_TX_SILENT,
	IP_VS_SYNC_TX_NACKS,
	IP_VS_SYNC_TX_REPAIRED,
	IP_VS_SYNC_TX_FORGOTTEN,
	IP_VS_SYNC_TX_JOINS,
	IP_VS_SYNC_TX_DELETED,
	IP_VS_SYNC_TX_COUNTS,
	IP_VS_SYNC_TX_MARKED = IP_VS_SYNC_TX_COUNTS,
	IP_VS_SYNC_TX_COALESCED,
	IP_VS_SYNC_TX_FULL,
	IP_VS_SYNC_TX_WAITING,
	IP_VS_SYNC_TX_WAITING_MAX,
	IP_VS_SYNC_TX_SINCE,
	IP_VS_SYNC_TX_UNDELETED,
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
 * @IP_VS_SYNC_RX_LATE:		messages overtaken by later ones
 * @IP_VS_SYNC_RX_AGAIN:	messages that had come before, not applied
 * @IP_VS_SYNC_RX_REPAIRED:	lost messages that were made up for
 * @IP_VS_SYNC_RX_RESTARTS:	times the whole table had to be asked for, as
 *				what was lost could not be told again
 * @IP_VS_SYNC_RX_DELETED:	connections dropped because the master said so
 * @IP_VS_SYNC_RX_ASKED:	requests sent to masters
 * @IP_VS_SYNC_RX_ASK_ERRORS:	of these, not sent because of an error
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
	IP_VS_SYNC_RX_LATE,
	IP_VS_SYNC_RX_AGAIN,
	IP_VS_SYNC_RX_REPAIRED,
	IP_VS_SYNC_RX_RESTARTS,
	IP_VS_SYNC_RX_DELETED,
	IP_VS_SYNC_RX_ASKED,
	IP_VS_SYNC_RX_ASK_ERRORS,
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
 * @added:	connections ever put on it, counted before they are
 * @taken:	connections the thread has ever taken off it; the difference is
 *		how many wait
 * @coalesced:	announcements of connections that were waiting already
 * @full:	announcements put off because sync_qlen_max was reached
 * @gone:	connections that the thread had told and that are gone
 */
struct ip_vs_sync_queue {
	struct llist_head	head;
	unsigned long		added;
	unsigned long		taken;
	unsigned long		coalesced;
	unsigned long		full;
	unsigned long		gone;
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

/* DELETEs that can be sent again */
#define IP_VS_SYNC_KEPT		256

/**
 * struct ip_vs_sync_stream - what makes messages of a master thread complete
 * @instance:	number of the master daemon, the same for all its threads; 0 if
 *		messages are not numbered
 * @by:		%IP_VS_SYNC_BY_MASTER, a number no master had before and the
 *		thread's
 * @maxlen:	most bytes of a message
 * @ttl_min:	least TTL of a request
 * @history:	what was in which message
 * @told:	connections told, of these some are gone
 * @hello:	jiffies when the next HELLO is due at the latest
 * @said:	number of the last message that a HELLO told
 * @sent:	jiffies when the last numbered message was sent
 * @tokens:	connections that may be told beside live updates, now
 * @refilled:	jiffies when @tokens grew last
 * @pass:	message from which on the table is told, or was; set by the walk
 * @done:	last message of that pass, once it is through
 * @progress:	of the pass, see &struct ip_vs_sync_hello; set by the walk, the
 *		end by the thread
 * @passes:	passes whose end was told
 * @fills:	messages whose connections are marked, to be confirmed
 * @n_fills:	number of ranges in @fills
 * @graves:	connections that died early, oldest first
 * @graves_tail: where the next one is linked to @graves
 * @kept:	the last DELETEs, a ring by their number
 * @buf:	a control message
 * @n_graves:	connections in @graves
 * @undeleted:	connections that died early and were left to the lease
 *
 * All CPUs read the first part, when a connection is gone.
 */
struct ip_vs_sync_stream {
	u32				instance;
	u32				by;
	unsigned int			maxlen;
	int				ttl_min;

	struct ip_vs_sync_history	history ____cacheline_aligned_in_smp;
	unsigned long			told;
	unsigned long			hello;
	u32				said;
	unsigned long			sent;
	long				tokens;
	unsigned long			refilled;
	u32				pass;
	u32				done;
	u16				progress;
	unsigned int			passes;
	struct ip_vs_sync_range		fills[IP_VS_SYNC_RANGES_MAX];
	unsigned int			n_fills;
	struct llist_node		*graves;
	struct llist_node		**graves_tail;
	struct {
		u32			seq;
		unsigned int		len;
		u8			*buf;
	} kept[IP_VS_SYNC_KEPT];
	u8				buf[IP_VS_SYNC_CONTROL_MAX];
	unsigned long			n_graves;
	unsigned long			undeleted;
};

/**
 * struct ip_vs_sync_tx - one thread of a master
 * @ipvs:	namespace
 * @master:	its daemon
 * @id:		number of the thread
 * @task:	the thread
 * @queue:	what the CPUs have marked
 * @enough:	connections waiting on one CPU that are worth a wake-up
 * @per_message: usual records that fill a message
 * @held:	connections taken from @queue by a thread that can not send
 * @doze:	&enum ip_vs_sync_doze
 * @heard:	there may be requests in the socket
 * @sock:	sends to the group and the thread's port
 * @group:	address of the group
 * @group_len:	length of that
 * @stream:	what makes its messages complete
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
 * @refused:	requests not answered, by &enum ip_vs_sync_reject
 * @pe_data:	copy of an engine's data while a record is written
 * @pe_name:	copy of an engine's name
 *
 * The packet path reads the first part and the first part of @stream; what the
 * thread writes is on other cache lines.
 */
struct ip_vs_sync_tx {
	struct netns_ipvs		*ipvs;
	struct ip_vs_sync_master	*master;
	unsigned int			id;
	struct task_struct		*task;
	struct ip_vs_sync_queue __percpu *queue;
	unsigned int			enough;
	unsigned int			per_message;
	unsigned long			held;
	int				doze;
	bool				heard;

	struct socket			*sock ____cacheline_aligned_in_smp;
	struct sockaddr_storage		group;
	int				group_len;
	struct ip_vs_sync_stream	stream;
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
	unsigned long			refused[IP_VS_SYNC_REJECTS];
	u8				pe_data[IP_VS_PEDATA_MAXLEN];
	u8				pe_name[IP_VS_PENAME_MAXLEN];
};

/* Instances that a backup thread knows at a time */
#define IP_VS_SYNC_PEERS_MAX	16
/* Streams that a namespace knows at a time */
#define IP_VS_SYNC_HELD_MAX	(IP_VS_SYNC_PEERS_MAX * IP_VS_SYNC_PORTS_MAX)

/**
 * struct ip_vs_sync_held - what a stream has told and is held here
 * @by:		the stream, as in struct ip_vs_sync_conn: its place in the array
 *		of these, plus a multiple of %IP_VS_SYNC_HELD_MAX; 0 for none
 * @conns:	connections it told last
 * @alive:	jiffies until which its master counts as alive
 */
struct ip_vs_sync_held {
	u32			by;
	atomic_t		conns;
	unsigned long		alive;
};

/**
 * struct ip_vs_sync_peer - an instance, as a backup thread hears it
 * @instance:	its number
 * @by:		the stream, see struct ip_vs_sync_held
 * @syncid:	group of directors it tells
 * @joined:	all that it held when it was asked has been told, and came
 * @tries:	joins whose table did not agree with the master's in number
 * @has_deleted: @deleted is set
 * @deleted:	order of the newest DELETE
 * @said:	number in the newest HELLO
 * @interval:	jiffies between HELLOs
 * @heard:	jiffies when anything came from it
 * @join:	jiffies when to ask for the whole table
 * @addr:	where it sends from
 * @hello:	the newest HELLO
 * @w:		which messages have come
 */
struct ip_vs_sync_peer {
	u32			instance;
	u32			by;
	u8			syncid;
	bool			joined;
	u8			tries;
	bool			has_deleted;
	u32			deleted;
	u32			said;
	unsigned long		interval;
	unsigned long		heard;
	unsigned long		join;
	struct sockaddr_storage	addr;
	struct ip_vs_sync_hello	hello;
	struct ip_vs_sync_window w;
};

/* Records whose connections are fetched from memory at once: those of a message
 * that fills an Ethernet frame. Their lines fit the CPU's first cache.
 */
#define IP_VS_SYNC_AHEAD	40

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
 * @lock:	for @peers, and what changes in them but @heard
 * @peers:	the masters heard, from the front on; one that is there stays,
 *		though it may become another
 * @unnumbered:	jiffies when a message without a number came
 * @has_unnumbered: there was one
 * @by:		who has told the message at hand
 * @seq:	number of that
 * @ahead:	records that are about to be applied
 * @ranges:	what a request asks for
 * @ask:	the request
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
	spinlock_t		lock;	/* what the peers know */
	struct ip_vs_sync_peer	*peers[IP_VS_SYNC_PEERS_MAX];
	unsigned long		unnumbered;
	bool			has_unnumbered;
	u32			by;
	u32			seq;
	struct ip_vs_sync_record ahead[IP_VS_SYNC_AHEAD];
	struct ip_vs_sync_range	ranges[IP_VS_SYNC_RANGES_MAX];
	u8			ask[IP_VS_SYNC_CONTROL_MAX];
};

/**
 * struct ip_vs_sync_walk - the master's walk over the table
 * @ipvs:	namespace
 * @work:	runs it, a slice at a time
 * @next_slow:	jiffies when the slow walk goes on
 * @bucket:	of the table, where that goes on
 * @renewed:	connections that the slow walk announced, because packets that
 *		came before half of their timeout had not, or too few came
 * @wanted:	a backup wants a pass that begins from now on
 * @passing:	a pass is running
 * @next:	bucket where it goes on
 * @tokens:	connections that it may tell now
 * @refilled:	jiffies when @tokens were set
 * @slow:	ticks until it is at full pace again
 * @passes:	passes that are through
 * @passed:	connections that they told
 *
 * But for @wanted and @slow written by the work only.
 */
struct ip_vs_sync_walk {
	struct netns_ipvs	*ipvs;
	struct delayed_work	work;
	unsigned long		next_slow;
	int			bucket;
	unsigned long		renewed;
	bool			wanted;
	bool			passing;
	int			next;
	long			tokens;
	unsigned long		refilled;
	int			slow;
	unsigned int		passes;
	unsigned long		passed;
};

/**
 * struct ip_vs_sync_master - a running master daemon
 * @cfg:	as started
 * @threads:	number of @tx, a power of two
 * @walk:	the slow walk
 * @tx:		the threads
 */
struct ip_vs_sync_master {
	struct ipvs_sync_daemon_cfg	cfg;
	unsigned int			threads;
	struct ip_vs_sync_walk		walk ____cacheline_aligned_in_smp;
	struct ip_vs_sync_tx		tx[] __counted_by(threads);
};

/**
 * struct ip_vs_sync_backup - a running backup daemon
 * @cfg:	as started
 * @started:	jiffies when
 * @threads:	number of @rx
 * @rx:		the threads
 */
struct ip_vs_sync_backup {
	struct ipvs_sync_daemon_cfg	cfg;
	unsigned long			started;
	unsigned int			threads;
	struct ip_vs_sync_rx		rx[] __counted_by(threads);
};

/**
 * struct ip_vs_sync_ready - can a backup take over?
 * @state:	&enum ip_vs_sync_state, better ones first
 * @progress:	of joining, in parts of %IP_VS_SYNC_PASS_DONE
 * @missing:	messages that are missed
 * @lag_ms:	milliseconds since the first of them was
 * @repaired:	lost messages that were made up for
 * @here:	connections held that masters that live have told
 * @there:	connections that these say to have told
 * @heard_ms:	milliseconds since the last of them was heard, %UINT_MAX if
 *		there is none
 * @running_ms:	milliseconds since the daemon was started
 */
struct ip_vs_sync_ready {
	enum ip_vs_sync_state	state;
	unsigned int		progress;
	u32			missing;
	unsigned int		lag_ms;
	unsigned long		repaired;
	unsigned long		here;
	unsigned long		there;
	unsigned int		heard_ms;
	unsigned int		running_ms;
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
void ip_vs_sync_conn_lost(struct ip_vs_conn *cp, u32 by);
void ip_vs_sync_rouse(struct ip_vs_sync_tx *tx);
bool ip_vs_sync_tell(struct ip_vs_sync_master *m, struct ip_vs_conn *cp);
bool ip_vs_sync_transmit(struct ip_vs_sync_tx *tx, const u8 *buf,
			 unsigned int len);
int ip_vs_sync_send(struct ip_vs_sync_tx *tx, const u8 *buf, unsigned int len);
void ip_vs_sync_delete_again(struct ip_vs_sync_tx *tx, const u8 *buf,
			     unsigned int len);

/* ip_vs_sync_stream.c */
void ip_vs_sync_stream_keep(struct ip_vs_sync_stream *s, u32 seq,
			    const u8 *buf, unsigned int len);
int ip_vs_sync_stream_init(struct ip_vs_sync_tx *tx, u32 instance, u32 by,
			   u8 ttl);
void ip_vs_sync_stream_exit(struct ip_vs_sync_tx *tx);
void ip_vs_sync_answer(struct ip_vs_sync_tx *tx);
void ip_vs_sync_confirm(struct ip_vs_sync_tx *tx, unsigned long soon);
long ip_vs_sync_tokens(struct ip_vs_sync_tx *tx);
unsigned long ip_vs_sync_told(const struct ip_vs_sync_tx *tx);

/* ip_vs_sync_prefetch.c */
void ip_vs_sync_prefetch(struct netns_ipvs *ipvs,
			 const struct ip_vs_sync_record *rec, unsigned int n);
void ip_vs_sync_prefetch_walk(unsigned int bucket);

/* ip_vs_sync_walk.c */
void ip_vs_sync_walk_start(struct ip_vs_sync_walk *walk,
			   struct netns_ipvs *ipvs);
void ip_vs_sync_walk_stop(struct ip_vs_sync_walk *walk);
unsigned int ip_vs_sync_walk_passes(const struct ip_vs_sync_walk *walk);
void ip_vs_sync_walk_pass(struct ip_vs_sync_walk *walk);
bool ip_vs_sync_walk_wanted(const struct ip_vs_sync_walk *walk);
void ip_vs_sync_walk_slow(struct ip_vs_sync_walk *walk);

/* ip_vs_sync_rx.c */
int ip_vs_sync_rx_init(struct ip_vs_sync_rx *rx, u8 syncid);
void ip_vs_sync_rx_exit(struct ip_vs_sync_rx *rx);
int ip_vs_sync_rx_thread(void *data);

/* ip_vs_sync_peer.c */
void ip_vs_sync_peer_held(struct netns_ipvs *ipvs, u32 by);
void ip_vs_sync_peer_lost(struct netns_ipvs *ipvs, u32 by);
bool ip_vs_sync_peer_alive(const struct netns_ipvs *ipvs, u32 by);
struct ip_vs_sync_peer *
ip_vs_sync_peer_find(struct ip_vs_sync_rx *rx,
		     const struct ip_vs_sync_trailer *t, u8 syncid,
		     const struct sockaddr_storage *from, bool numbered);
bool ip_vs_sync_peer_arrival(struct ip_vs_sync_rx *rx,
			     struct ip_vs_sync_peer *peer, u32 seq);
void ip_vs_sync_peer_deleted(struct ip_vs_sync_peer *peer, u32 order);
void ip_vs_sync_peer_hello(struct ip_vs_sync_rx *rx,
			   struct ip_vs_sync_peer *peer,
			   const struct ip_vs_sync_hello *h, u32 seq);
void ip_vs_sync_peer_fill(struct ip_vs_sync_rx *rx,
			  struct ip_vs_sync_peer *peer,
			  const struct ip_vs_sync_range *ranges,
			  unsigned int n, u32 seq);
bool ip_vs_sync_peer_served(const struct ip_vs_sync_peer *peer);
long ip_vs_sync_peer_poll(struct ip_vs_sync_rx *rx);
void ip_vs_sync_peer_exit(struct ip_vs_sync_rx *rx);

/* ip_vs_sync_sock.c */
int ip_vs_sync_tx_sock(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		       struct net_device *dev, int buf_size,
		       struct socket **sockp);
int ip_vs_sync_group_addr(const struct ipvs_sync_daemon_cfg *c, int id,
			  struct sockaddr_storage *ss);
int ip_vs_sync_sock_ready(struct socket *sock, int ifindex);
void ip_vs_sync_sock_forget(struct socket *sock);
int ip_vs_sync_sock_request(struct socket *sock, u8 *buf, unsigned int len,
			    int *ttl);
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
bool ip_vs_sync_is_reason(int state, enum ip_vs_sync_reject why);

/* ip_vs_sync_ready.c */
void ip_vs_sync_ready(struct ip_vs_sync_backup *b, struct ip_vs_sync_ready *r);
int ip_vs_sync_ready_init(struct netns_ipvs *ipvs);
void ip_vs_sync_ready_exit(struct netns_ipvs *ipvs);

/* ip_vs_sync_netlink.c */
void ip_vs_sync_notify(struct netns_ipvs *ipvs, int state, u8 cmd);

#endif	/* _IP_VS_SYNC_INTERNAL_H */
