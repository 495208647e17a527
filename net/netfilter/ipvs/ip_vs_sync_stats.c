// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the counters, /proc/net/ip_vs_sync
 *
 * One line a counter, "role.thread.name value", for people and scripts alike.
 * Counters start at 0 with their daemon.
 */

#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "ip_vs_sync_internal.h"

#ifdef CONFIG_PROC_FS

static const char * const tx_names[IP_VS_SYNC_TX_COUNTS] = {
	[IP_VS_SYNC_TX_MESSAGES]	= "messages",
	[IP_VS_SYNC_TX_BYTES]		= "bytes",
	[IP_VS_SYNC_TX_RECORDS]		= "records",
	[IP_VS_SYNC_TX_WAKEUPS]		= "wakeups",
	[IP_VS_SYNC_TX_BLOCKED]		= "send_blocked",
	[IP_VS_SYNC_TX_ERRORS]		= "send_errors",
	[IP_VS_SYNC_TX_EXPIRED]		= "expired_waiting",
	[IP_VS_SYNC_TX_WITHDRAWN]	= "withdrawn",
	[IP_VS_SYNC_TX_UNTOLD]		= "untold",
	[IP_VS_SYNC_TX_TOO_BIG]		= "lost_too_big",
	[IP_VS_SYNC_TX_STOPPED]		= "lost_at_stop",
};

static const char * const rx_names[IP_VS_SYNC_RX_COUNTS] = {
	[IP_VS_SYNC_RX_MESSAGES]	= "messages",
	[IP_VS_SYNC_RX_BYTES]		= "bytes",
	[IP_VS_SYNC_RX_RECORDS]		= "records",
	[IP_VS_SYNC_RX_CREATED]		= "created",
	[IP_VS_SYNC_RX_UPDATED]		= "updated",
	[IP_VS_SYNC_RX_REPLACED]	= "replaced",
	[IP_VS_SYNC_RX_ERRORS]		= "receive_errors",
};

static const char * const reject_names[IP_VS_SYNC_REJECTS] = {
	[IP_VS_SYNC_R_SHORT]		= "reject_short",
	[IP_VS_SYNC_R_SIZE]		= "reject_size",
	[IP_VS_SYNC_R_VERSION]		= "reject_version",
	[IP_VS_SYNC_R_SYNCID]		= "reject_syncid",
	[IP_VS_SYNC_R_TRUNCATED]	= "reject_truncated",
	[IP_VS_SYNC_R_RECORD_SIZE]	= "reject_record_size",
	[IP_VS_SYNC_R_RECORD_VERSION]	= "reject_record_version",
	[IP_VS_SYNC_R_TYPE]		= "reject_type",
	[IP_VS_SYNC_R_OPTION_SIZE]	= "reject_option_size",
	[IP_VS_SYNC_R_OPTION_TWICE]	= "reject_option_twice",
	[IP_VS_SYNC_R_OPTION_UNKNOWN]	= "reject_option_unknown",
	[IP_VS_SYNC_R_FLAGS]		= "reject_flags",
	[IP_VS_SYNC_R_FAMILY]		= "reject_family",
	[IP_VS_SYNC_R_PROTOCOL]		= "reject_protocol",
	[IP_VS_SYNC_R_STATE]		= "reject_state",
	[IP_VS_SYNC_R_PE_NAME]		= "reject_pe_name",
	[IP_VS_SYNC_R_STALE]		= "reject_stale",
	[IP_VS_SYNC_R_NOMEM]		= "reject_nomem",
};

static void show_names(struct seq_file *seq, const char *role, unsigned int id,
		       const char * const *names, const unsigned long *counts,
		       int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (names[i])
			seq_printf(seq, "%s.%u.%s %lu\n", role, id, names[i],
				   READ_ONCE(counts[i]));
}

static void show_master(struct seq_file *seq,
			const struct ip_vs_sync_master *m, unsigned int id)
{
	const struct ip_vs_sync_tx *tx = &m->tx[id];
	unsigned long marked = 0, coalesced = 0, full = 0;
	unsigned long waiting = READ_ONCE(tx->held);
	const struct ip_vs_sync_queue *q;
	int cpu;

	for_each_possible_cpu(cpu) {
		q = per_cpu_ptr(tx->queue, cpu);
		waiting += READ_ONCE(q->added) - READ_ONCE(q->taken);
		marked += READ_ONCE(q->added);
		coalesced += READ_ONCE(q->coalesced);
		full += READ_ONCE(q->full);
	}
	seq_printf(seq, "master.%u.marked %lu\n", id, marked);
	seq_printf(seq, "master.%u.coalesced %lu\n", id, coalesced);
	seq_printf(seq, "master.%u.queue_full %lu\n", id, full);
	seq_printf(seq, "master.%u.waiting %lu\n", id, waiting);
	show_names(seq, "master", id, tx_names, tx->counts,
		   IP_VS_SYNC_TX_COUNTS);
}

static int stats_show(struct seq_file *seq, void *v)
{
	struct ip_vs_sync_net *sync = &net_ipvs(seq_file_single_net(seq))->sync;
	const struct ip_vs_sync_backup *b;
	const struct ip_vs_sync_master *m;
	unsigned int id;

	mutex_lock(&sync->mutex);
	m = rcu_dereference_protected(sync->master,
				      lockdep_is_held(&sync->mutex));
	if (m)
		seq_printf(seq, "master.walk.renewed %lu\n",
			   READ_ONCE(m->walk.renewed));
	for (id = 0; m && id < m->threads; id++)
		show_master(seq, m, id);
	seq_printf(seq, "bound_late %ld\n",
		   atomic_long_read(&sync->bound_late));
	b = sync->backup;
	for (id = 0; b && id < b->threads; id++) {
		show_names(seq, "backup", id, rx_names, b->rx[id].counts,
			   IP_VS_SYNC_RX_COUNTS);
		show_names(seq, "backup", id, reject_names, b->rx[id].rejects,
			   IP_VS_SYNC_REJECTS);
	}
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
