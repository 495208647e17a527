// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: who goes over many connections looks ahead
 *
 * The records of a message concern connections that lie anywhere in a large
 * table, and each lookup waits for memory three or four times. Here the lookups
 * of some records are made side by side, so that all of them wait at once. So
 * does the master's walk, whose next connections are as far apart. Nothing
 * depends on what is found: it only is in the cache by the time that it is
 * needed.
 */

#include <linux/cache.h>
#include <linux/prefetch.h>
#include <linux/rculist.h>

#include "ip_vs_sync_internal.h"

/* So many connections of a bucket are looked at */
#define DEPTH		4
/* What a record changes, and what a walk reads, lies in the first part of a
 * connection, but for the sequence numbers, which few have
 */
#define CHANGED		offsetofend(struct ip_vs_conn, in_pkts)
/* A walk needs a connection when it has been to so many more buckets */
#define STEPS		8

static struct hlist_head *record_bucket(struct netns_ipvs *ipvs,
					const struct ip_vs_sync_record *rec)
{
	struct ip_vs_conn_param param;

	ip_vs_conn_fill_param(ipvs, rec->af, rec->protocol, &rec->caddr,
			      rec->cport, &rec->vaddr, rec->vport, &param);
	return &ip_vs_conn_tab[ip_vs_conn_hashkey_param(&param, false)];
}

/* Look at a connection, whose first line has been fetched.
 * Return: the next one to look at, NULL after the last or when this looks like
 * the record's.
 */
static struct hlist_node *look_at(struct hlist_node *node,
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
	if (node)
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
	unsigned int depth, i;

	for (i = 0; i < n; i++) {
		heads[i] = record_bucket(ipvs, &rec[i]);
		prefetch(heads[i]);
	}
	rcu_read_lock();
	for (i = 0; i < n; i++) {
		nodes[i] = rcu_dereference(hlist_first_rcu(heads[i]));
		/* A new connection is linked in front of it */
		if (nodes[i])
			prefetchw(nodes[i]);
	}
	for (depth = 0; depth < DEPTH; depth++)
		for (i = 0; i < n; i++)
			if (nodes[i])
				nodes[i] = look_at(nodes[i], &rec[i]);
	rcu_read_unlock();
}

static void fetch(struct hlist_node *node)
{
	const struct ip_vs_conn *cp = hlist_entry(node, struct ip_vs_conn,
						  c_list);
	unsigned int at;

	for (at = 0; at < CHANGED; at += L1_CACHE_BYTES)
		prefetch((const u8 *)cp + at);
}

static struct hlist_node *first_of(unsigned int bucket)
{
	bucket &= ip_vs_conn_tab_size - 1;
	return rcu_dereference(hlist_first_rcu(&ip_vs_conn_tab[bucket]));
}

/**
 * ip_vs_sync_prefetch_walk() - have fetched what a walk is about to come to
 * @bucket:	where it is
 *
 * The first connection of a bucket, and then, from that, the second: most
 * buckets have no more.
 *
 * Context: any, under RCU.
 */
void ip_vs_sync_prefetch_walk(unsigned int bucket)
{
	struct hlist_node *node = first_of(bucket + 2 * STEPS);

	if (node)
		fetch(node);
	node = first_of(bucket + STEPS);
	if (node)
		node = rcu_dereference(hlist_next_rcu(node));
	if (node)
		fetch(node);
}
