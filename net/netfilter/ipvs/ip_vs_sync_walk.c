// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the master's slow walk over the connection table
 *
 * Packets announce connections, but a connection whose packets stop before
 * half of its timeout has gone since it was announced is left with less time
 * on the backups than here. The walk finds these. It looks at every connection
 * once in %IP_VS_SYNC_WALK_PERIOD, a slice of the table each WALK_TICK, so that
 * timeouts of more than twice that are safe.
 */

#include <linux/jiffies.h>
#include <linux/rculist.h>
#include <linux/sched.h>

#include "ip_vs_sync_internal.h"

/* In jiffies */
#define WALK_TICK	HZ

static void walk_bucket(struct ip_vs_sync_walk *walk, int bucket)
{
	struct ip_vs_sync_master *m;
	struct ip_vs_conn *cp;

	m = container_of(walk, struct ip_vs_sync_master, walk);
	rcu_read_lock();
	hlist_for_each_entry_rcu(cp, &ip_vs_conn_tab[bucket], c_list)
		if (cp->ipvs == walk->ipvs && ip_vs_sync_renew(m, cp))
			ip_vs_sync_add(&walk->renewed, 1);
	rcu_read_unlock();
}

static void walk_work(struct work_struct *work)
{
	struct ip_vs_sync_walk *walk;
	int left;

	walk = container_of(to_delayed_work(work), struct ip_vs_sync_walk,
			    work);
	left = atomic_read(&walk->ipvs->conn_count) ?
	       DIV_ROUND_UP(ip_vs_conn_tab_size,
			    IP_VS_SYNC_WALK_PERIOD / WALK_TICK) : 0;
	while (left--) {
		walk_bucket(walk, walk->bucket);
		walk->bucket = (walk->bucket + 1) % ip_vs_conn_tab_size;
		cond_resched();
	}
	queue_delayed_work(system_unbound_wq, &walk->work, WALK_TICK);
}

/**
 * ip_vs_sync_walk_start() - start the walk of a master
 * @walk:	the master's, zeroed
 * @ipvs:	namespace whose connections it looks at
 *
 * Context: process.
 */
void ip_vs_sync_walk_start(struct ip_vs_sync_walk *walk,
			   struct netns_ipvs *ipvs)
{
	walk->ipvs = ipvs;
	INIT_DELAYED_WORK(&walk->work, walk_work);
	queue_delayed_work(system_unbound_wq, &walk->work, WALK_TICK);
}

/**
 * ip_vs_sync_walk_stop() - stop the walk of a master
 * @walk:	a started one
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_walk_stop(struct ip_vs_sync_walk *walk)
{
	cancel_delayed_work_sync(&walk->work);
}
