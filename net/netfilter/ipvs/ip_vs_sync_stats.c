// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the counters, /proc/net/ip_vs_sync
 *
 * One line a counter, "role.thread.name value", for people and scripts alike.
 * Counters start at 0 with their daemon. Nothing here depends on how many
 * connections there are.
 */

#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/sock.h>

#include "ip_vs_sync_internal.h"

static u64 since(unsigned long messages, unsigned long last)
{
	u64 gone = jiffies - last;

	return messages ? div_u64(gone * MSEC_PER_SEC, HZ) : IP_VS_SYNC_NONE;
}

/**
 * ip_vs_sync_tx_stats() - all that is counted of a master thread
 * @tx:		the thread
 * @stats:	set, by &enum ip_vs_sync_tx_count, %IP_VS_SYNC_TX_STATS of them
 *
 * Context: process, under the mutex of sync.
 */
void ip_vs_sync_tx_stats(const struct ip_vs_sync_tx *tx, u64 *stats)
{
	u64 marked = 0, waiting = 0, coalesced = 0, full = 0;
	const struct ip_vs_sync_queue *q;
	unsigned long added;
	long diff;
	int i, cpu;

	for (i = 0; i < IP_VS_SYNC_TX_COUNTS; i++)
		stats[i] = READ_ONCE(tx->counts[i]);
	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(tx->queue, cpu);
		added = READ_ONCE(q->added);
		/* What is taken may be ahead of what was read */
		diff = added - READ_ONCE(q->taken);
		waiting += max(diff, 0L);
		marked += added;
		coalesced += READ_ONCE(q->coalesced);
		full += READ_ONCE(q->full);
	}
	stats[IP_VS_SYNC_TX_MARKED] = marked;
	stats[IP_VS_SYNC_TX_COALESCED] = coalesced;
	stats[IP_VS_SYNC_TX_FULL] = full;
	stats[IP_VS_SYNC_TX_WAITING] = READ_ONCE(tx->held) + waiting;
	stats[IP_VS_SYNC_TX_WAITING_MAX] = READ_ONCE(tx->waiting_max);
	stats[IP_VS_SYNC_TX_SINCE] = since(stats[IP_VS_SYNC_TX_MESSAGES],
					   READ_ONCE(tx->last_message));
	stats[IP_VS_SYNC_TX_UNDELETED] = READ_ONCE(tx->stream.undeleted);
}

/**
 * ip_vs_sync_rx_stats() - all that is counted of a backup thread, but rejects
 * @rx:		the thread
 * @stats:	set, by &enum ip_vs_sync_rx_count, %IP_VS_SYNC_RX_STATS of them
 *
 * Context: process, under the mutex of sync.
 */
void ip_vs_sync_rx_stats(const struct ip_vs_sync_rx *rx, u64 *stats)
{
	int i;

	for (i = 0; i < IP_VS_SYNC_RX_COUNTS; i++)
		stats[i] = READ_ONCE(rx->counts[i]);
	stats[IP_VS_SYNC_RX_DROPPED] =
		(u32)atomic_read(&rx->sock->sk->sk_drops);
	stats[IP_VS_SYNC_RX_SINCE] = since(stats[IP_VS_SYNC_RX_MESSAGES],
					   READ_ONCE(rx->last_message));
}

/**
 * ip_vs_sync_is_reason() - can a daemon refuse something for this reason?
 * @state:	%IP_VS_STATE_MASTER, of requests, or %IP_VS_STATE_BACKUP, of
 *		messages and records
 * @why:	the reason
 *
 * Context: any.
 * Return: true if it can.
 */
bool ip_vs_sync_is_reason(int state, enum ip_vs_sync_reject why)
{
	bool master = state == IP_VS_STATE_MASTER;

	switch (why) {
	case IP_VS_SYNC_R_SIZE:
	case IP_VS_SYNC_R_VERSION:
	case IP_VS_SYNC_R_SYNCID:
	case IP_VS_SYNC_R_KIND:
	case IP_VS_SYNC_R_TRAILER:
	case IP_VS_SYNC_R_BODY:
		return true;
	case IP_VS_SYNC_R_INSTANCE:
	case IP_VS_SYNC_R_FAR:
	case IP_VS_SYNC_R_UNSENT:
		return master;
	default:
		return !master;
	}
}

#ifdef CONFIG_PROC_FS

static const char * const tx_names[IP_VS_SYNC_TX_STATS] = {
	[IP_VS_SYNC_TX_MESSAGES]	= "messages",
	[IP_VS_SYNC_TX_BYTES]		= "bytes",
	[IP_VS_SYNC_TX_RECORDS]		= "records",
	[IP_VS_SYNC_TX_WAKEUPS]		= "wakeups",
	[IP_VS_SYNC_TX_BLOCKED]		= "send_blocked",
	[IP_VS_SYNC_TX_NOBUFS]		= "send_nobufs",
	[IP_VS_SYNC_TX_CARRIER]		= "send_no_carrier",
	[IP_VS_SYNC_TX_ERRORS]		= "send_errors",
	[IP_VS_SYNC_TX_EXPIRED]		= "expired_waiting",
	[IP_VS_SYNC_TX_WITHDRAWN]	= "withdrawn",
	[IP_VS_SYNC_TX_UNTOLD]		= "untold",
	[IP_VS_SYNC_TX_HELLOS]		= "hellos",
	[IP_VS_SYNC_TX_SILENT]		= "hello_errors",
	[IP_VS_SYNC_TX_NACKS]		= "nacks",
	[IP_VS_SYNC_TX_REPAIRED]	= "repaired",
	[IP_VS_SYNC_TX_FORGOTTEN]	= "forgotten",
	[IP_VS_SYNC_TX_JOINS]		= "joins",
	[IP_VS_SYNC_TX_DELETED]		= "deleted",
	[IP_VS_SYNC_TX_MARKED]		= "marked",
	[IP_VS_SYNC_TX_COALESCED]	= "coalesced",
	[IP_VS_SYNC_TX_FULL]		= "queue_full",
	[IP_VS_SYNC_TX_WAITING]		= "waiting",
	[IP_VS_SYNC_TX_WAITING_MAX]	= "waiting_max",
	[IP_VS_SYNC_TX_SINCE]		= "since_message_ms",
	[IP_VS_SYNC_TX_UNDELETED]	= "undeleted",
};

static const char * const rx_names[IP_VS_SYNC_RX_STATS] = {
	[IP_VS_SYNC_RX_MESSAGES]	= "messages",
	[IP_VS_SYNC_RX_BYTES]		= "bytes",
	[IP_VS_SYNC_RX_RECORDS]		= "records",
	[IP_VS_SYNC_RX_WAKEUPS]		= "wakeups",
	[IP_VS_SYNC_RX_CREATED]		= "created",
	[IP_VS_SYNC_RX_UPDATED]		= "updated",
	[IP_VS_SYNC_RX_REPLACED]	= "replaced",
	[IP_VS_SYNC_RX_ERRORS]		= "receive_errors",
	[IP_VS_SYNC_RX_LATE]		= "late",
	[IP_VS_SYNC_RX_AGAIN]		= "again",
	[IP_VS_SYNC_RX_REPAIRED]	= "repaired",
	[IP_VS_SYNC_RX_RESTARTS]	= "restarts",
	[IP_VS_SYNC_RX_DELETED]		= "deleted",
	[IP_VS_SYNC_RX_ASKED]		= "asked",
	[IP_VS_SYNC_RX_ASK_ERRORS]	= "ask_errors",
	[IP_VS_SYNC_RX_DROPPED]		= "receive_dropped",
	[IP_VS_SYNC_RX_SINCE]		= "since_message_ms",
};

static void show_reasons(struct seq_file *seq, const char *role,
			 unsigned int id, const char *what, int state,
			 const unsigned long *counts)
{
	enum ip_vs_sync_reject why;

	for (why = IP_VS_SYNC_OK + 1; why < IP_VS_SYNC_REJECTS; why++)
		if (ip_vs_sync_is_reason(state, why))
			seq_printf(seq, "%s.%u.%s_%s %lu\n", role, id, what,
				   ip_vs_sync_reject_name(why),
				   READ_ONCE(counts[why]));
}

/* %IP_VS_SYNC_NONE reads -1 */
static void show_stats(struct seq_file *seq, const char *role, unsigned int id,
		       const char * const *names, const u64 *stats, int n)
{
	int i;

	for (i = 0; i < n; i++)
		seq_printf(seq, "%s.%u.%s %lld\n", role, id, names[i],
			   stats[i]);
}

static void show_master(struct seq_file *seq,
			const struct ip_vs_sync_master *m)
{
	u64 stats[IP_VS_SYNC_TX_STATS];
	unsigned int id;

	seq_printf(seq, "master.walk.renewed %lu\n",
		   READ_ONCE(m->walk.renewed));
	seq_printf(seq, "master.walk.passes %u\n",
		   ip_vs_sync_walk_passes(&m->walk));
	seq_printf(seq, "master.walk.passed %lu\n",
		   READ_ONCE(m->walk.passed));
	for (id = 0; id < m->threads; id++) {
		ip_vs_sync_tx_stats(&m->tx[id], stats);
		show_stats(seq, "master", id, tx_names, stats,
			   IP_VS_SYNC_TX_STATS);
		show_reasons(seq, "master", id, "refused", IP_VS_STATE_MASTER,
			     m->tx[id].refused);
	}
}

static void show_backup(struct seq_file *seq,
			const struct ip_vs_sync_backup *b)
{
	u64 stats[IP_VS_SYNC_RX_STATS];
	unsigned int id;

	for (id = 0; id < b->threads; id++) {
		ip_vs_sync_rx_stats(&b->rx[id], stats);
		show_stats(seq, "backup", id, rx_names, stats,
			   IP_VS_SYNC_RX_STATS);
		show_reasons(seq, "backup", id, "reject", IP_VS_STATE_BACKUP,
			     b->rx[id].rejects);
	}
}

static int stats_show(struct seq_file *seq, void *v)
{
	struct ip_vs_sync_net *sync = &net_ipvs(seq_file_single_net(seq))->sync;
	const struct ip_vs_sync_master *m;

	mutex_lock(&sync->mutex);
	seq_printf(seq, "bound_late %ld\n",
		   atomic_long_read(&sync->bound_late));
	seq_printf(seq, "lost_at_stop %ld\n",
		   atomic_long_read(&sync->lost_at_stop));
	m = rcu_dereference_protected(sync->master,
				      lockdep_is_held(&sync->mutex));
	if (m)
		show_master(seq, m);
	if (sync->backup)
		show_backup(seq, sync->backup);
	mutex_unlock(&sync->mutex);
	return 0;
}

/**
 * ip_vs_sync_stats_init() - show the counters of a namespace
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int __net_init ip_vs_sync_stats_init(struct netns_ipvs *ipvs)
{
	if (!proc_create_net_single("ip_vs_sync", 0444, ipvs->net->proc_net,
				    stats_show, NULL))
		return -ENOMEM;
	return 0;
}

/**
 * ip_vs_sync_stats_exit() - take the counters away
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_stats_exit(struct netns_ipvs *ipvs)
{
	remove_proc_entry("ip_vs_sync", ipvs->net->proc_net);
}

#else

int __net_init ip_vs_sync_stats_init(struct netns_ipvs *ipvs)
{
	return 0;
}

void ip_vs_sync_stats_exit(struct netns_ipvs *ipvs)
{
}

#endif	/* CONFIG_PROC_FS */
