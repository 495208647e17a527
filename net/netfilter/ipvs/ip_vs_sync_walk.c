// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the master's walk over the connection table
 *
 * Packets announce connections, but a connection whose packets stop before
 * half of its timeout has gone since it was announced is left with less time
 * on the backups than here, and one that never reaches the threshold is never
 * announced. The slow walk finds these. It looks at every connection once in
 * %IP_VS_SYNC_WALK_PERIOD, a slice of the table each WALK_TICK, so that
 * timeouts of more than twice that are safe.
 *
 * A backup that lacks the table asks for a pass: one that tells every
 * connection, as fast as sync_pace allows. Who asks while a pass runs gets the
 * next one.
 */

#include <linux/jiffies.h>
#include <linux/rculist.h>
#include <linux/sched.h>

#include "ip_vs_sync_internal.h"

/* In jiffies */
#define WALK_TICK	HZ
#define PASS_TICK	max(HZ / 100, 1)
/* Milliseconds of a pass that a thread remembers */
#define PASS_MEMORY		250
/* What has been asked to slow down is back at full pace after so many ticks */
#define PASS_RECOVERY	80

static struct ip_vs_sync_master *walk_master(struct ip_vs_sync_walk *walk)
{
	return container_of(walk, struct ip_vs_sync_master, walk);
}

static void walk_bucket(struct ip_vs_sync_walk *walk, int bucket)
{
	struct ip_vs_sync_master *m = walk_master(walk);
	struct ip_vs_conn *cp;

	rcu_read_lock();
	ip_vs_sync_prefetch_walk(bucket);
	hlist_for_each_entry_rcu(cp, &ip_vs_conn_tab[bucket], c_list)
		if (cp->ipvs == walk->ipvs && ip_vs_sync_renew(m, cp))
			ip_vs_sync_add(&walk->renewed, 1);
	rcu_read_unlock();
}

static void slow_walk(struct ip_vs_sync_walk *walk)
{
	int left;

	if (time_before(jiffies, walk->next_slow))
		return;
	walk->next_slow = jiffies + WALK_TICK;
	left = atomic_read(&walk->ipvs->conn_count) ?
	       DIV_ROUND_UP(ip_vs_conn_tab_size,
			    IP_VS_SYNC_WALK_PERIOD / WALK_TICK) : 0;
	while (left--) {
		walk_bucket(walk, walk->bucket);
		walk->bucket = (walk->bucket + 1) % ip_vs_conn_tab_size;
		cond_resched();
	}
}

/* Is the connection one to tell a backup that knows nothing? What another
 * master that is alive has told, it can tell itself.
 */
static bool in_pass(const struct ip_vs_sync_walk *walk, struct ip_vs_conn *cp)
{
	u32 by = READ_ONCE(cp->sync.by);

	if (cp->ipvs != walk->ipvs)
		return false;
	return by & IP_VS_SYNC_BY_MASTER ||
	       !ip_vs_sync_peer_alive(walk->ipvs, by);
}

/* Return: false when it is to be tried again later */
static bool pass_bucket(struct ip_vs_sync_walk *walk, int bucket)
{
	struct ip_vs_sync_master *m = walk_master(walk);
	struct ip_vs_conn *cp;
	bool done = true;

	rcu_read_lock();
	ip_vs_sync_prefetch_walk(bucket);
	hlist_for_each_entry_rcu(cp, &ip_vs_conn_tab[bucket], c_list) {
		if (!in_pass(walk, cp))
			continue;
		done = ip_vs_sync_tell(m, cp);
		if (!done)
			break;
		walk->tokens--;
		ip_vs_sync_add(&walk->passed, 1);
	}
	rcu_read_unlock();
	return done;
}

static void pass_start(struct ip_vs_sync_walk *walk)
{
	struct ip_vs_sync_master *m = walk_master(walk);
	struct ip_vs_sync_stream *s;
	unsigned int id;

	WRITE_ONCE(walk->wanted, false);
	/* What is marked from here on is in the message that is being built
	 * now, or in a later one.
	 */
	for (id = 0; id < m->threads; id++) {
		s = &m->tx[id].stream;
		WRITE_ONCE(s->progress, 0);
		/* Who finds the new start finds that nothing is done */
		smp_store_release(&s->pass, READ_ONCE(s->history.next));
	}
	walk->passing = true;
	walk->next = 0;
	walk->tokens = 0;
	walk->refilled = jiffies;
}

static void pass_end(struct ip_vs_sync_walk *walk)
{
	struct ip_vs_sync_master *m = walk_master(walk);
	unsigned int id;

	walk->passing = false;
	/* After all marks: a thread that finds the new count sends what is on
	 * its lists, and then says that the pass is through.
	 */
	smp_store_release(&walk->passes, walk->passes + 1);
	for (id = 0; id < m->threads; id++)
		ip_vs_sync_rouse(&m->tx[id]);
}

static void pass_progress(struct ip_vs_sync_walk *walk)
{
	u16 progress = (u64)walk->next * (IP_VS_SYNC_PASS_DONE - 1) /
		       ip_vs_conn_tab_size;
	struct ip_vs_sync_master *m = walk_master(walk);
	unsigned int id;

	for (id = 0; id < m->threads; id++)
		WRITE_ONCE(m->tx[id].stream.progress, progress);
}

/* Connections that a pass may tell in a second, if no backup misses any: a
 * backup must have the time to ask for what it misses while it is remembered,
 * or the pass begins anew for ever.
 */
static long pass_pace(const struct ip_vs_sync_walk *walk)
{
	const struct ip_vs_sync_master *m;
	long pace = READ_ONCE(walk->ipvs->sync.knobs.pace);

	m = container_of(walk, struct ip_vs_sync_master, walk);
	return min(pace, (long)m->tx[0].stream.history.records *
			 (MSEC_PER_SEC / PASS_MEMORY));
}

/* Connections that may be told now: the work may run later than it was told
 * to, but not more than a tenth of a second counts.
 */
static void pass_refill(struct ip_vs_sync_walk *walk)
{
	long gone = min(jiffies - walk->refilled, HZ / 10UL);
	long slow = READ_ONCE(walk->slow);
	long pace = pass_pace(walk);

	if (slow)
		WRITE_ONCE(walk->slow, slow - 1);
	pace -= pace * slow / (PASS_RECOVERY + PASS_RECOVERY / 16);
	walk->refilled = jiffies;
	walk->tokens = min(walk->tokens, 0L) + max(pace * gone / HZ, 1L);
}

/* Has every thread told the end of the last pass? */
static bool all_told(struct ip_vs_sync_walk *walk)
{
	struct ip_vs_sync_master *m = walk_master(walk);
	unsigned int id;

	for (id = 0; id < m->threads; id++)
		/* Pairs with the thread: it writes progress no more */
		if (smp_load_acquire(&m->tx[id].stream.passes) != walk->passes)
			return false;
	return true;
}

static void pass(struct ip_vs_sync_walk *walk)
{
	if (!walk->passing) {
		if (!READ_ONCE(walk->wanted) || !all_told(walk))
			return;
		pass_start(walk);
	}
	pass_refill(walk);
	while (walk->tokens > 0 && walk->next < ip_vs_conn_tab_size) {
		if (!pass_bucket(walk, walk->next))
			return;
		walk->next++;
		cond_resched();
	}
	pass_progress(walk);
	if (walk->next == ip_vs_conn_tab_size)
		pass_end(walk);
}

static void walk_work(struct work_struct *work)
{
	struct ip_vs_sync_walk *walk;

	walk = container_of(to_delayed_work(work), struct ip_vs_sync_walk,
			    work);
	slow_walk(walk);
	pass(walk);
	queue_delayed_work(system_unbound_wq, &walk->work,
			   walk->passing || READ_ONCE(walk->wanted) ?
			   PASS_TICK : WALK_TICK);
}

/**
 * ip_vs_sync_walk_pass() - a backup wants the whole table
 * @walk:	the master's
 *
 * Context: a thread of the master.
 */
void ip_vs_sync_walk_pass(struct ip_vs_sync_walk *walk)
{
	if (READ_ONCE(walk->wanted))
		return;
	WRITE_ONCE(walk->wanted, true);
	mod_delayed_work(system_unbound_wq, &walk->work, 0);
}

/**
 * ip_vs_sync_walk_wanted() - will a pass start soon?
 * @walk:	the master's
 *
 * Context: any.
 * Return: true if a backup waits for one.
 */
bool ip_vs_sync_walk_wanted(const struct ip_vs_sync_walk *walk)
{
	return READ_ONCE(walk->wanted);
}

/**
 * ip_vs_sync_walk_slow() - a backup has missed messages
 * @walk:	the master's
 *
 * Context: a thread of the master.
 */
void ip_vs_sync_walk_slow(struct ip_vs_sync_walk *walk)
{
	int slow = READ_ONCE(walk->slow);

	WRITE_ONCE(walk->slow, (slow + PASS_RECOVERY + 1) / 2);
}

/**
 * ip_vs_sync_walk_passes() - how many passes are through
 * @walk:	the master's
 *
 * What they told has been marked.
 *
 * Context: any.
 * Return: their number.
 */
unsigned int ip_vs_sync_walk_passes(const struct ip_vs_sync_walk *walk)
{
	/* Pairs with pass_end(): all marks are seen */
	return smp_load_acquire(&walk->passes);
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
	walk->next_slow = jiffies + WALK_TICK;
	INIT_DELAYED_WORK(&walk->work, walk_work);
	queue_delayed_work(system_unbound_wq, &walk->work, WALK_TICK);
}

/**
 * ip_vs_sync_walk_stop() - stop the walk of a master
 * @walk:	a started one; a thread that still runs may start it again
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_walk_stop(struct ip_vs_sync_walk *walk)
{
	cancel_delayed_work_sync(&walk->work);
}
