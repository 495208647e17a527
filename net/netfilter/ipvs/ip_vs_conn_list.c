// SPDX-License-Identifier: GPL-2.0
/* IPVS: what /proc/net/ip_vs_conn and ip_vs_conn_sync list, in which order
 *
 * A position tells where in the table an entry stands: the bucket in the high
 * half, the place in its chain in the low one, plus 1 since 0 is the heading.
 * So a reader that comes back for more goes on in that chain, instead of
 * counting its way from the start of the table, which takes a time quadratic
 * in the number of connections.
 */

#include <linux/proc_fs.h>
#include <linux/rculist.h>
#include <linux/rcupdate_wait.h>
#include <linux/seq_file.h>

#include <net/ip_vs.h>

#ifdef CONFIG_PROC_FS

#define PLACE_BITS	32

static loff_t bucket_pos(u32 bucket)
{
	return ((loff_t)bucket << PLACE_BITS) + 1;
}

/* The entry at *pos or the first one behind it, whose position *pos becomes */
static struct ip_vs_conn *list_find(loff_t *pos)
{
	u32 bucket = (*pos - 1) >> PLACE_BITS;
	u32 place = *pos - 1;
	struct ip_vs_conn *cp;

	for (; bucket < ip_vs_conn_tab_size; bucket++) {
		hlist_for_each_entry_rcu(cp, &ip_vs_conn_tab[bucket], c_list)
			if (!place--)
				return cp;
		place = 0;
		*pos = bucket_pos(bucket + 1);
		cond_resched_rcu();
	}
	return NULL;
}

/**
 * ip_vs_conn_list_start() - begin or resume a listing
 * @seq:	file
 * @pos:	position, see above
 *
 * Context: process, takes RCU.
 * Return: the entry there, %SEQ_START_TOKEN for the heading, NULL at the end.
 */
void *ip_vs_conn_list_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	rcu_read_lock();
	return *pos ? list_find(pos) : SEQ_START_TOKEN;
}

/**
 * ip_vs_conn_list_next() - go on to the next entry
 * @seq:	file
 * @v:		entry at @pos
 * @pos:	its position, becomes that of the next
 *
 * Context: process, under RCU.
 * Return: the next entry, NULL at the end.
 */
void *ip_vs_conn_list_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct ip_vs_conn *cp = v;
	struct hlist_node *node;

	++*pos;
	if (v == SEQ_START_TOKEN)
		return list_find(pos);
	node = rcu_dereference(hlist_next_rcu(&cp->c_list));
	if (node)
		return hlist_entry(node, struct ip_vs_conn, c_list);
	*pos = bucket_pos(((*pos - 2) >> PLACE_BITS) + 1);
	return list_find(pos);
}

/**
 * ip_vs_conn_list_stop() - end or pause a listing
 * @seq:	file
 * @v:		entry it ends at, or NULL
 *
 * Context: process, gives RCU back.
 */
void ip_vs_conn_list_stop(struct seq_file *seq, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

/**
 * ip_vs_conn_seconds_left() - what a listing tells of an entry's timer
 * @cp:		connection
 *
 * A packet may be putting it off meanwhile.
 *
 * Context: any.
 * Return: time until it expires, in seconds.
 */
unsigned int ip_vs_conn_seconds_left(const struct ip_vs_conn *cp)
{
	long left = READ_ONCE(cp->timer.expires) - jiffies;

	return jiffies_delta_to_msecs(left) / MSEC_PER_SEC;
}

#endif	/* CONFIG_PROC_FS */
