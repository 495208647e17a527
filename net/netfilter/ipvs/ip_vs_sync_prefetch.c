// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the backup looks ahead
 *
 * The records of a message concern connections that lie anywhere in a large
 * table, and each lookup waits for memory three or four times. Here the lookups
 * of some records are made side by side, so that all of them wait at once.
 * Nothing depends on what is found: it only is in the cache by the time that
 * the records are applied.
 */

#include <linux/prefetch.h>

#include "ip_vs_sync_internal.h"

/* So many connections of a bucket are looked at */
#define DEPTH		4
/* What a record changes lies in the first part of a connection */
#define CHANGED		offsetofend(struct ip_vs_conn, in_pkts)

/* Look at a connection, whose first line has been fetched.
 * Return: the next one to look at, NULL when it is the record's or the last.
 */
static struct hlist_node *look(struct hlist_node *node,
			       const struct ip_vs_sync_record *rec)
{
	const struct ip_vs_conn *cp;
	unsigned int at;

	cp = hlist_entry(node, struct ip_vs_conn, c_list);
	if (cp->cport == rec->cport && cp->af == rec->af &&
	    ip_vs_addr_equal(rec->af, &cp->caddr, &rec->caddr)) {
		for (at = L1_CACHE_BYTES; at < CHANGED; at += L1_CACHE_BYTES)
			prefetchw((const u8 *)cp + at);
		return NULL;
	}
	node = rcu_dereference(hlist_next_rcu(node));
	prefetch(node);
	return node;
}

/**
 * ip_vs_sync_prefetch() - have connections fetched from memory
 * @ipvs:	namespace
 * @rec:	records that are about to be applied
 * @n:		how many, %IP_VS_SYNC_AHEAD at most
 *
 * Context: process.
 */
void ip_vs_sync_prefetch(struct netns_ipvs *ipvs,
			 const struct ip_vs_sync_record *rec, unsigned int n)
{
	struct hlist_head *heads[IP_VS_SYNC_AHEAD];
	struct hlist_node *nodes[IP_VS_SYNC_AHEAD];
	unsigned int depth, hash, i;

	for (i = 0; i < n; i++) {
		hash = ip_vs_conn_hashkey(ipvs, rec[i].af, rec[i].protocol,
					  &rec[i].caddr, rec[i].cport);
		heads[i] = &ip_vs_conn_tab[hash];
		prefetch(heads[i]);
	}
	rcu_read_lock();
	for (i = 0; i < n; i++) {
		nodes[i] = rcu_dereference(hlist_first_rcu(heads[i]));
		prefetchw(nodes[i]);
	}
	for (depth = 0; depth < DEPTH; depth++)
		for (i = 0; i < n; i++)
			if (nodes[i])
				nodes[i] = look(nodes[i], &rec[i]);
	rcu_read_unlock();
}
