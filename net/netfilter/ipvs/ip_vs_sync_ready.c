// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: can this director take over, /proc/net/ip_vs_sync_ready
 *
 * Its first line is for people and for keepalived to go by; "name value" lines
 * follow.
 */

#include <linux/jiffies.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "ip_vs_sync_internal.h"

/* Messages that are missed for longer are a lag worth telling, in jiffies */
#define LAGGING			(HZ / 5)

static void worse(struct ip_vs_sync_ready *r, enum ip_vs_sync_state state)
{
	r->state = max(r->state, state);
}

static unsigned long age(unsigned long since)
{
	long diff = jiffies - since;

	return max(diff, 0L);
}

static void peer_ready(const struct netns_ipvs *ipvs,
		       const struct ip_vs_sync_peer *peer,
		       struct ip_vs_sync_ready *r)
{
	const struct ip_vs_sync_held *held;
	unsigned int progress = 0;
	unsigned long lag = 0;
	unsigned int i;

	for (i = 0; i < peer->w.n; i++)
		lag = max(lag, age(peer->w.gaps[i].since));
	held = &ipvs->sync.held[peer->by % IP_VS_SYNC_HELD_MAX];
	r->missing += ip_vs_sync_window_missing(&peer->w);
	r->lag_ms = max(r->lag_ms, jiffies_to_msecs(lag));
	r->here += max(atomic_read(&held->conns), 0);
	r->there += peer->hello.conns;
	r->heard_ms = min(r->heard_ms,
			  jiffies_to_msecs(age(READ_ONCE(peer->heard))));
	if (!peer->joined) {
		worse(r, IP_VS_SYNC_STATE_JOINING);
		if (ip_vs_sync_peer_served(peer))
			progress = min_t(unsigned int, peer->hello.progress,
					 IP_VS_SYNC_PASS_DONE - 1);
		r->progress = min(r->progress, progress);
	}
	if (lag > LAGGING)
		worse(r, IP_VS_SYNC_STATE_LAGGING);
}

static void rx_ready(struct ip_vs_sync_rx *rx, struct ip_vs_sync_ready *r)
{
	const struct ip_vs_sync_peer *peer;
	bool alive = false, known = false;
	int i;

	spin_lock(&rx->lock);
	for (i = 0; i < IP_VS_SYNC_PEERS_MAX && rx->peers[i]; i++) {
		peer = rx->peers[i];
		known = known || !READ_ONCE(rx->has_unnumbered) ||
			time_before(READ_ONCE(rx->unnumbered),
				    READ_ONCE(peer->heard));
		if (!ip_vs_sync_peer_alive(rx->ipvs, peer->by))
			continue;
		alive = true;
		peer_ready(rx->ipvs, peer, r);
	}
	spin_unlock(&rx->lock);
	r->repaired += READ_ONCE(rx->counts[IP_VS_SYNC_RX_REPAIRED]);
	if (!alive)
		worse(r, known || !READ_ONCE(rx->has_unnumbered) ?
			 IP_VS_SYNC_STATE_STALE : IP_VS_SYNC_STATE_UNKNOWN);
}

/**
 * ip_vs_sync_ready() - can this director take over?
 * @b:	its backup daemon
 * @r:	set
 *
 * As bad as the worst of its threads, as far as they hear masters that live.
 *
 * Context: process, under the mutex of sync.
 */
void ip_vs_sync_ready(struct ip_vs_sync_backup *b, struct ip_vs_sync_ready *r)
{
	unsigned int id;

	memset(r, 0, sizeof(*r));
	r->progress = IP_VS_SYNC_PASS_DONE;
	r->heard_ms = UINT_MAX;
	r->running_ms = jiffies_to_msecs(age(b->started));
	for (id = 0; id < b->threads; id++)
		rx_ready(&b->rx[id], r);
}

#ifdef CONFIG_PROC_FS

static const char * const state_names[] = {
	[IP_VS_SYNC_STATE_IN_SYNC]	= "in-sync",
	[IP_VS_SYNC_STATE_LAGGING]	= "lagging",
	[IP_VS_SYNC_STATE_UNKNOWN]	= "unknown",
	[IP_VS_SYNC_STATE_STALE]	= "stale",
};

static void show_ready(struct seq_file *seq, const struct ip_vs_sync_ready *r)
{
	if (r->state == IP_VS_SYNC_STATE_JOINING)
		seq_printf(seq, "joining %u %%\n", r->progress / 10);
	else
		seq_printf(seq, "%s\n", state_names[r->state]);
	seq_printf(seq, "lag_ms %u\n", r->lag_ms);
	seq_printf(seq, "missing %u\n", r->missing);
	seq_printf(seq, "repaired %lu\n", r->repaired);
	seq_printf(seq, "connections_here %lu\n", r->here);
	seq_printf(seq, "connections_there %lu\n", r->there);
	seq_printf(seq, "heard_ms %d\n", (int)r->heard_ms);
	seq_printf(seq, "running_ms %u\n", r->running_ms);
}

static int ready_show(struct seq_file *seq, void *v)
{
	struct ip_vs_sync_net *sync = &net_ipvs(seq_file_single_net(seq))->sync;
	struct ip_vs_sync_ready r;

	mutex_lock(&sync->mutex);
	if (sync->backup) {
		ip_vs_sync_ready(sync->backup, &r);
		show_ready(seq, &r);
	} else {
		seq_printf(seq, "%s\n", rcu_access_pointer(sync->master) ?
					"master" : "off");
	}
	mutex_unlock(&sync->mutex);
	return 0;
}

/**
 * ip_vs_sync_ready_init() - show a namespace's readiness
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int __net_init ip_vs_sync_ready_init(struct netns_ipvs *ipvs)
{
	if (!proc_create_net_single("ip_vs_sync_ready", 0444,
				    ipvs->net->proc_net, ready_show, NULL))
		return -ENOMEM;
	return 0;
}

/**
 * ip_vs_sync_ready_exit() - take it away
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_ready_exit(struct netns_ipvs *ipvs)
{
	remove_proc_entry("ip_vs_sync_ready", ipvs->net->proc_net);
}

#else

int __net_init ip_vs_sync_ready_init(struct netns_ipvs *ipvs)
{
	return 0;
}

void ip_vs_sync_ready_exit(struct netns_ipvs *ipvs)
{
}

#endif	/* CONFIG_PROC_FS */
