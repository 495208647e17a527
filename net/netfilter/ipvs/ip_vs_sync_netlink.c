// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the daemons and their counters over generic netlink
 *
 * A family of its own, so that no number of the family IPVS is taken. It only
 * shows; daemons are started and stopped through IPVS. The attributes are in
 * Documentation/netlink/specs/ip_vs_sync.yaml.
 */

#include <linux/ip_vs_sync.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "ip_vs_sync_internal.h"

static_assert((int)IP_VS_SYNC_ROLE_MASTER == IP_VS_STATE_MASTER);
static_assert((int)IP_VS_SYNC_ROLE_BACKUP == IP_VS_STATE_BACKUP);
static_assert((int)IP_VS_SYNC_A_MASTER_MAX == IP_VS_SYNC_TX_STATS);
static_assert((int)IP_VS_SYNC_A_BACKUP_MAX == IP_VS_SYNC_RX_STATS);
static_assert((int)IP_VS_SYNC_REJECTS - IP_VS_SYNC_A_REJECTS_MAX == 1);

static struct genl_family sync_family;

enum {
	GROUP_STATE,
};

/* What the specification calls uint: 4 bytes, or 8 when it takes them */
static int put_uint(struct sk_buff *skb, int attr, u64 value)
{
	u32 low = value;

	if (low == value)
		return nla_put_u32(skb, attr, low);
	return nla_put(skb, attr, sizeof(value), &value);
}

static int put_stats(struct sk_buff *skb, int attr, const u64 *stats, int n)
{
	struct nlattr *nest;
	int i;

	nest = nla_nest_start(skb, attr);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < n; i++)
		if (stats[i] != IP_VS_SYNC_NONE &&
		    put_uint(skb, i + 1, stats[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static struct ip_vs_sync_master *master_of(struct ip_vs_sync_net *sync)
{
	return rcu_dereference_protected(sync->master,
					 lockdep_is_held(&sync->mutex));
}

static int put_group(struct sk_buff *skb, const struct ipvs_sync_daemon_cfg *c)
{
	if (c->mcast_af == AF_INET6)
		return nla_put_in6_addr(skb, IP_VS_SYNC_A_DAEMON_GROUP6,
					&c->mcast_group.in6);
	return nla_put_in_addr(skb, IP_VS_SYNC_A_DAEMON_GROUP,
			       c->mcast_group.ip);
}

static int put_ready(struct sk_buff *skb, struct ip_vs_sync_backup *b)
{
	struct ip_vs_sync_ready r;

	ip_vs_sync_ready(b, &r);
	if (nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_STATE, r.state) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_PROGRESS, r.progress) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_MISSING, r.missing) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_LAG_MS, r.lag_ms) ||
	    put_uint(skb, IP_VS_SYNC_A_DAEMON_REPAIRED, r.repaired) ||
	    put_uint(skb, IP_VS_SYNC_A_DAEMON_CONNECTIONS_HERE, r.here) ||
	    put_uint(skb, IP_VS_SYNC_A_DAEMON_CONNECTIONS_THERE, r.there) ||
	    (r.heard_ms != UINT_MAX &&
	     nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_HEARD_MS, r.heard_ms)) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_RUNNING_MS, r.running_ms))
		return -EMSGSIZE;
	return 0;
}

/* Under the mutex of sync, which keeps a daemon that is there */
static int put_daemon(struct sk_buff *skb, struct ip_vs_sync_net *sync,
		      int state)
{
	const struct ip_vs_sync_master *m = master_of(sync);
	const struct ipvs_sync_daemon_cfg *c;
	unsigned int threads;

	if (state == IP_VS_STATE_MASTER) {
		c = &m->cfg;
		threads = m->threads;
		if (put_uint(skb, IP_VS_SYNC_A_DAEMON_RENEWED,
			     READ_ONCE(m->walk.renewed)) ||
		    put_uint(skb, IP_VS_SYNC_A_DAEMON_PASSES,
			     ip_vs_sync_walk_passes(&m->walk)) ||
		    put_uint(skb, IP_VS_SYNC_A_DAEMON_PASSED,
			     READ_ONCE(m->walk.passed)))
			return -EMSGSIZE;
	} else {
		c = &sync->backup->cfg;
		threads = sync->backup->threads;
		if (put_ready(skb, sync->backup))
			return -EMSGSIZE;
	}
	if (nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_ROLE, state) ||
	    nla_put_string(skb, IP_VS_SYNC_A_DAEMON_IFNAME, c->mcast_ifn) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_SYNCID, c->syncid) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_MAXLEN, c->sync_maxlen) ||
	    put_group(skb, c) ||
	    nla_put_u16(skb, IP_VS_SYNC_A_DAEMON_PORT, c->mcast_port) ||
	    nla_put_u8(skb, IP_VS_SYNC_A_DAEMON_TTL, c->mcast_ttl) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_DAEMON_THREADS, threads) ||
	    put_uint(skb, IP_VS_SYNC_A_DAEMON_BOUND_LATE,
		     atomic_long_read(&sync->bound_late)) ||
	    put_uint(skb, IP_VS_SYNC_A_DAEMON_LOST_AT_STOP,
		     atomic_long_read(&sync->lost_at_stop)))
		return -EMSGSIZE;
	return 0;
}

static int put_reasons(struct sk_buff *skb, int state,
		       const unsigned long *counts)
{
	enum ip_vs_sync_reject why;
	struct nlattr *nest;

	nest = nla_nest_start(skb, IP_VS_SYNC_A_THREAD_REJECTS);
	if (!nest)
		return -EMSGSIZE;
	for (why = IP_VS_SYNC_OK + 1; why < IP_VS_SYNC_REJECTS; why++)
		if (ip_vs_sync_is_reason(state, why) &&
		    put_uint(skb, why, READ_ONCE(counts[why])))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_master_thread(struct sk_buff *skb,
			     const struct ip_vs_sync_tx *tx)
{
	u64 stats[IP_VS_SYNC_TX_STATS];

	ip_vs_sync_tx_stats(tx, stats);
	if (nla_put_u32(skb, IP_VS_SYNC_A_THREAD_ROLE,
			IP_VS_SYNC_ROLE_MASTER) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_THREAD_THREAD, tx->id) ||
	    put_stats(skb, IP_VS_SYNC_A_THREAD_MASTER, stats,
		      IP_VS_SYNC_TX_STATS))
		return -EMSGSIZE;
	return put_reasons(skb, IP_VS_STATE_MASTER, tx->refused);
}

static int put_backup_thread(struct sk_buff *skb,
			     const struct ip_vs_sync_rx *rx)
{
	u64 stats[IP_VS_SYNC_RX_STATS];

	ip_vs_sync_rx_stats(rx, stats);
	if (nla_put_u32(skb, IP_VS_SYNC_A_THREAD_ROLE,
			IP_VS_SYNC_ROLE_BACKUP) ||
	    nla_put_u32(skb, IP_VS_SYNC_A_THREAD_THREAD, rx->id) ||
	    put_stats(skb, IP_VS_SYNC_A_THREAD_BACKUP, stats,
		      IP_VS_SYNC_RX_STATS))
		return -EMSGSIZE;
	return put_reasons(skb, IP_VS_STATE_BACKUP, rx->rejects);
}

/* The threads of the master, then those of the backup, as one array.
 * Return: 0, -EMSGSIZE, -ENOENT past the last one.
 */
static int put_thread(struct sk_buff *skb, struct ip_vs_sync_net *sync,
		      unsigned int i)
{
	const struct ip_vs_sync_master *m = master_of(sync);
	const struct ip_vs_sync_backup *b = sync->backup;

	if (i < IP_VS_SYNC_PORTS_MAX && m && i < m->threads)
		return put_master_thread(skb, &m->tx[i]);
	i = max(i, IP_VS_SYNC_PORTS_MAX) - IP_VS_SYNC_PORTS_MAX;
	if (b && i < b->threads)
		return put_backup_thread(skb, &b->rx[i]);
	return -ENOENT;
}

static int put_running(struct sk_buff *skb, struct ip_vs_sync_net *sync,
		       unsigned int i)
{
	static const int states[] = { IP_VS_STATE_MASTER, IP_VS_STATE_BACKUP };

	if (!(sync->state & states[i]))
		return -ENOENT;
	return put_daemon(skb, sync, states[i]);
}

/* A message for each of so many items that is there */
static int dump_items(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
		      unsigned int items,
		      int (*put)(struct sk_buff *skb,
				 struct ip_vs_sync_net *sync, unsigned int i))
{
	struct ip_vs_sync_net *sync = &net_ipvs(sock_net(skb->sk))->sync;
	int ret = 0;
	void *hdr;

	mutex_lock(&sync->mutex);
	for (; cb->args[0] < items; cb->args[0]++) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &sync_family,
				  NLM_F_MULTI, cmd);
		ret = hdr ? put(skb, sync, cb->args[0]) : -EMSGSIZE;
		if (!ret)
			genlmsg_end(skb, hdr);
		else if (hdr)
			genlmsg_cancel(skb, hdr);
		if (ret == -EMSGSIZE)
			break;
	}
	mutex_unlock(&sync->mutex);
	/* What did not fit comes first the next time */
	return ret == -EMSGSIZE && !skb->len ? ret : skb->len;
}

static int dump_daemons(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_items(skb, cb, IP_VS_SYNC_CMD_DAEMON_GET, 2, put_running);
}

static int dump_threads(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_items(skb, cb, IP_VS_SYNC_CMD_THREAD_GET,
			  2 * IP_VS_SYNC_PORTS_MAX, put_thread);
}

/**
 * ip_vs_sync_notify() - tell who listens that a daemon starts or stops
 * @ipvs:	namespace
 * @state:	%IP_VS_STATE_MASTER or %IP_VS_STATE_BACKUP: the daemon, there
 * @cmd:	%IP_VS_SYNC_CMD_DAEMON_START_NTF or %..._STOP_NTF
 *
 * Context: process, under the mutex of sync, may sleep.
 */
void ip_vs_sync_notify(struct netns_ipvs *ipvs, int state, u8 cmd)
{
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		goto lost;
	hdr = genlmsg_put(skb, 0, 0, &sync_family, 0, cmd);
	if (!hdr || put_daemon(skb, &ipvs->sync, state)) {
		nlmsg_free(skb);
		goto lost;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&sync_family, ipvs->net, skb, 0, GROUP_STATE,
				GFP_KERNEL);
	return;
lost:
	/* Listeners read this from their sockets and know to ask */
	genl_set_err(&sync_family, ipvs->net, 0, GROUP_STATE, -ENOBUFS);
}

static const struct genl_ops sync_ops[] = {
	{
		.cmd	= IP_VS_SYNC_CMD_DAEMON_GET,
		.dumpit	= dump_daemons,
	},
	{
		.cmd	= IP_VS_SYNC_CMD_THREAD_GET,
		.dumpit	= dump_threads,
	},
};

static const struct genl_multicast_group sync_groups[] = {
	[GROUP_STATE]	= { .name = IP_VS_SYNC_MCGRP_STATE },
};

static struct genl_family sync_family __ro_after_init = {
	.name		= IP_VS_SYNC_FAMILY_NAME,
	.version	= IP_VS_SYNC_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= sync_ops,
	.n_ops		= ARRAY_SIZE(sync_ops),
	.mcgrps		= sync_groups,
	.n_mcgrps	= ARRAY_SIZE(sync_groups),
};

/**
 * ip_vs_sync_netlink_init() - register the family
 *
 * Context: process, may sleep; namespaces are set up.
 * Return: 0 or an error.
 */
int __init ip_vs_sync_netlink_init(void)
{
	return genl_register_family(&sync_family);
}

/**
 * ip_vs_sync_netlink_exit() - take the family away
 *
 * Context: process, may sleep; no daemon runs.
 */
void ip_vs_sync_netlink_exit(void)
{
	genl_unregister_family(&sync_family);
}
