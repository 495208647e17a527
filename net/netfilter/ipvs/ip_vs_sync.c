// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: daemons and namespaces
 *
 * A master director tells backup directors of its connections, so that one of
 * them can take over and none breaks. The rooms:
 *
 *	this file		start and stop of daemons; life of a namespace
 *	ip_vs_sync_tx.c		the master: marks connections, sends them
 *	ip_vs_sync_walk.c	the master's walk over the table
 *	ip_vs_sync_stream.c	the master answers backups that miss something
 *	ip_vs_sync_history.c	what it remembers for that; pure
 *	ip_vs_sync_rx.c		the backup: receives, applies
 *	ip_vs_sync_prefetch.c	what it will need of a large table
 *	ip_vs_sync_peer.c	the masters it hears, what it misses of theirs
 *	ip_vs_sync_window.c	which messages have come; pure
 *	ip_vs_sync_proto.c	the wire format; pure
 *	ip_vs_sync_control.c	that of trailers and control messages; pure
 *	ip_vs_sync_policy.c	when a connection is due; pure
 *	ip_vs_sync_sock.c	sockets
 *	ip_vs_sync_sysctl.c	the knobs, net.ipv4.vs.sync_*
 *	ip_vs_sync_stats.c	the counters, /proc/net/ip_vs_sync
 *	ip_vs_sync_ready.c	can a backup take over?
 *	ip_vs_sync_netlink.c	the same over generic netlink, and what changes
 *	ip_vs_sync_trace.c	tracepoints
 *	tests/			KUnit tests of the pure rooms
 *
 * include/net/ip_vs_sync.h is all that the rest of IPVS sees of them, and
 * Documentation/networking/ipvs-sync.rst tells the whole.
 */

#define KMSG_COMPONENT "IPVS"
#define pr_fmt(fmt) KMSG_COMPONENT ": " fmt

#include <linux/if_ether.h>
#include <linux/ip_vs_sync.h>
#include <linux/kthread.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/sock.h>

#include "ip_vs_sync_internal.h"

/* Least sync_maxlen a backup reports; it takes any datagram */
#define BACKUP_MAXLEN_MIN	1024

/* A connection takes as much of its slab as with the stock engine: five cache
 * lines of 64 bytes, unless locks are debugged.
 */
static_assert(BITS_PER_LONG < 64 || sizeof(spinlock_t) > 4 ||
	      sizeof(struct ip_vs_conn) <= 5 * 64);

static struct lock_class_key ip_vs_sync_key;

static unsigned int sync_threads(const struct ip_vs_sync_knobs *k)
{
	return clamp(READ_ONCE(k->ports), 1, IP_VS_SYNC_PORTS_MAX);
}

/* Longest message by default: what fits an Ethernet frame; a backup says what
 * its device could take.
 */
static unsigned int default_maxlen(const struct net_device *dev, int state,
				   unsigned int headers)
{
	unsigned int mtu = ETH_DATA_LEN;

	if (state == IP_VS_STATE_BACKUP)
		mtu = max(mtu, min(READ_ONCE(dev->mtu), IP_MAX_MTU));
	return mtu - headers;
}

/* Fill in what the caller left open */
static void complete_cfg(struct ipvs_sync_daemon_cfg *c,
			 const struct net_device *dev, int state)
{
	unsigned int least = state == IP_VS_STATE_BACKUP ?
			     BACKUP_MAXLEN_MIN : 1;
	unsigned int headers = sizeof(struct udphdr);

	if (c->mcast_af == AF_UNSPEC) {
		c->mcast_group.ip = htonl(IP_VS_SYNC_GROUP);
		c->mcast_af = AF_INET;
	}
	c->mcast_port = c->mcast_port ?: IP_VS_SYNC_PORT;
	c->mcast_ttl = c->mcast_ttl ?: 1;

	headers += c->mcast_af == AF_INET6 ? sizeof(struct ipv6hdr) :
					     sizeof(struct iphdr);
	if (!c->sync_maxlen)
		c->sync_maxlen = default_maxlen(dev, state, headers);
	else
		c->sync_maxlen = clamp_t(unsigned int, c->sync_maxlen, least,
					 IP_MAX_MTU - headers);
}

static void stop_thread(struct task_struct *task)
{
	if (!IS_ERR_OR_NULL(task))
		kthread_stop(task);
}

/* Nobody finds @m any more */
static void master_free(struct ip_vs_sync_master *m)
{
	unsigned int id;

	for (id = 0; id < m->threads; id++)
		stop_thread(m->tx[id].task);
	/* A thread may have asked for a pass until it stopped */
	if (m->walk.ipvs)
		ip_vs_sync_walk_stop(&m->walk);
	for (id = 0; id < m->threads; id++) {
		if (m->tx[id].sock)
			sock_release(m->tx[id].sock);
		ip_vs_sync_tx_exit(&m->tx[id]);
	}
	kvfree(m);
}

static void backup_free(struct ip_vs_sync_backup *b)
{
	unsigned int id;

	for (id = 0; id < b->threads; id++)
		stop_thread(b->rx[id].task);
	for (id = 0; id < b->threads; id++) {
		if (b->rx[id].sock)
			sock_release(b->rx[id].sock);
		ip_vs_sync_rx_exit(&b->rx[id]);
	}
	kvfree(b);
}

static int master_thread_init(struct netns_ipvs *ipvs,
			      struct ip_vs_sync_master *m,
			      struct net_device *dev, int id, u32 instance,
			      u32 by)
{
	int buf_size = READ_ONCE(ipvs->sync.knobs.sock_size);
	struct ip_vs_sync_tx *tx = &m->tx[id];
	int ret;

	tx->ipvs = ipvs;
	tx->master = m;
	tx->id = id;
	tx->ifindex = dev->ifindex;
	tx->group_len = ip_vs_sync_group_addr(&m->cfg, id, &tx->group);
	ret = ip_vs_sync_tx_init(tx, m->cfg.sync_maxlen, m->cfg.syncid) ?:
	      ip_vs_sync_stream_init(tx, instance, by | id, m->cfg.mcast_ttl) ?:
	      ip_vs_sync_tx_sock(ipvs->net, &m->cfg, dev, buf_size,
				 &tx->sock);
	if (ret)
		return ret;
	tx->task = kthread_create(ip_vs_sync_tx_thread, tx, "ipvs-m:%d:%d",
				  ipvs->gen, id);
	return PTR_ERR_OR_ZERO(tx->task);
}

static int backup_thread_init(struct netns_ipvs *ipvs,
			      struct ip_vs_sync_backup *b,
			      struct net_device *dev, int id)
{
	int buf_size = READ_ONCE(ipvs->sync.knobs.sock_size);
	struct ip_vs_sync_rx *rx = &b->rx[id];
	int ret;

	rx->ipvs = ipvs;
	rx->id = id;
	ret = ip_vs_sync_rx_init(rx, b->cfg.syncid) ?:
	      ip_vs_sync_rx_sock(ipvs->net, &b->cfg, dev, id, buf_size,
				 &rx->sock);
	if (ret)
		return ret;
	rx->task = kthread_create(ip_vs_sync_rx_thread, rx, "ipvs-b:%d:%d",
				  ipvs->gen, id);
	return PTR_ERR_OR_ZERO(rx->task);
}

static int master_start(struct netns_ipvs *ipvs,
			const struct ipvs_sync_daemon_cfg *c,
			struct net_device *dev, unsigned int threads)
{
	struct ip_vs_sync_master *m;
	u32 instance, by;
	unsigned int id;
	int ret;

	m = kvzalloc(struct_size(m, tx, threads), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	m->cfg = *c;
	m->threads = threads;
	by = IP_VS_SYNC_BY_MASTER |
	     ++ipvs->sync.masters * IP_VS_SYNC_PORTS_MAX;
	do
		instance = get_random_u32();
	while (!instance);
	for (id = 0; id < threads; id++) {
		ret = master_thread_init(ipvs, m, dev, id, instance, by);
		if (ret) {
			master_free(m);
			return ret;
		}
	}
	/* Before the threads: a backup may ask one of them for a pass */
	ip_vs_sync_walk_start(&m->walk, ipvs);
	for (id = 0; id < threads; id++)
		wake_up_process(m->tx[id].task);
	rcu_assign_pointer(ipvs->sync.master, m);
	return 0;
}

static int backup_start(struct netns_ipvs *ipvs,
			const struct ipvs_sync_daemon_cfg *c,
			struct net_device *dev, unsigned int threads)
{
	struct ip_vs_sync_held *held;
	struct ip_vs_sync_backup *b;
	unsigned int id;
	int ret;

	if (!ipvs->sync.held) {
		held = kvcalloc(IP_VS_SYNC_HELD_MAX, sizeof(*held),
				GFP_KERNEL);
		if (!held)
			return -ENOMEM;
		/* Connections that refer to it come later */
		smp_store_release(&ipvs->sync.held, held);
	}
	b = kvzalloc(struct_size(b, rx, threads), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->cfg = *c;
	b->started = jiffies;
	b->threads = threads;
	for (id = 0; id < threads; id++) {
		ret = backup_thread_init(ipvs, b, dev, id);
		if (ret) {
			backup_free(b);
			return ret;
		}
	}
	for (id = 0; id < threads; id++)
		wake_up_process(b->rx[id].task);
	ipvs->sync.backup = b;
	return 0;
}

/**
 * ip_vs_sync_start() - start a daemon
 * @ipvs:	namespace
 * @c:		its configuration; what is 0 gets its default
 * @state:	%IP_VS_STATE_MASTER or %IP_VS_STATE_BACKUP
 *
 * Context: process, may sleep, takes RTNL.
 * Return: 0, -EINVAL for an unknown @state, a syncid that does not fit the
 * wire or a port that leaves none for the last thread, -ENODEV without the
 * interface, -EEXIST when the daemon runs already, or what kept the threads or
 * sockets from being set up.
 */
int ip_vs_sync_start(struct netns_ipvs *ipvs, struct ipvs_sync_daemon_cfg *c,
		     int state)
{
	struct ip_vs_sync_net *sync = &ipvs->sync;
	struct net_device *dev;
	unsigned int threads;
	int ret;

	if (state != IP_VS_STATE_MASTER && state != IP_VS_STATE_BACKUP)
		return -EINVAL;
	if (c->syncid < 0 || c->syncid > U8_MAX)
		return -EINVAL;
	if (!ip_vs_use_count_inc())
		return -ENOPROTOOPT;

	mutex_lock(&sync->mutex);
	dev = dev_get_by_name(ipvs->net, c->mcast_ifn);
	if (!dev) {
		pr_err("sync: no interface %s\n", c->mcast_ifn);
		ret = -ENODEV;
		goto out;
	}
	ret = -EEXIST;
	if (sync->state & state)
		goto out_dev;
	complete_cfg(c, dev, state);
	threads = sync_threads(&sync->knobs);
	if (c->mcast_port + threads - 1 > U16_MAX) {
		pr_err("sync: no %u ports from %u on\n", threads,
		       c->mcast_port);
		ret = -EINVAL;
		goto out_dev;
	}
	if (state == IP_VS_STATE_MASTER)
		ret = master_start(ipvs, c, dev, threads);
	else
		ret = backup_start(ipvs, c, dev, threads);
	if (ret) {
		pr_err("sync: daemon not started, error %d\n", ret);
		goto out_dev;
	}
	WRITE_ONCE(sync->state, sync->state | state);
	ip_vs_sync_notify(ipvs, state, IP_VS_SYNC_CMD_DAEMON_START_NTF);
	pr_info("sync: %s started on %s, syncid %d\n",
		state == IP_VS_STATE_MASTER ? "master" : "backup",
		c->mcast_ifn, c->syncid);
out_dev:
	dev_put(dev);
out:
	mutex_unlock(&sync->mutex);
	if (ret)
		ip_vs_use_count_dec();
	return ret;
}

/**
 * ip_vs_sync_stop() - stop a daemon
 * @ipvs:	namespace
 * @state:	%IP_VS_STATE_MASTER or %IP_VS_STATE_BACKUP
 *
 * A master sends what is pending before it goes.
 *
 * Context: process, may sleep, takes RTNL.
 * Return: 0, -EINVAL for an unknown @state, -ESRCH when the daemon does not
 * run.
 */
int ip_vs_sync_stop(struct netns_ipvs *ipvs, int state)
{
	struct ip_vs_sync_net *sync = &ipvs->sync;
	struct ip_vs_sync_master *m;

	if (state != IP_VS_STATE_MASTER && state != IP_VS_STATE_BACKUP)
		return -EINVAL;

	mutex_lock(&sync->mutex);
	if (!(sync->state & state)) {
		mutex_unlock(&sync->mutex);
		return -ESRCH;
	}
	WRITE_ONCE(sync->state, sync->state & ~state);
	ip_vs_sync_notify(ipvs, state, IP_VS_SYNC_CMD_DAEMON_STOP_NTF);
	if (state == IP_VS_STATE_MASTER) {
		m = rcu_replace_pointer(sync->master, NULL,
					lockdep_is_held(&sync->mutex));
		ip_vs_sync_walk_stop(&m->walk);
		/* The packet path marks under RCU: from here on all marks
		 * are on the lists.
		 */
		synchronize_rcu();
		master_free(m);
	} else {
		backup_free(sync->backup);
		sync->backup = NULL;
	}
	mutex_unlock(&sync->mutex);

	pr_info("sync: %s stopped\n",
		state == IP_VS_STATE_MASTER ? "master" : "backup");
	ip_vs_use_count_dec();
	return 0;
}

/**
 * ip_vs_sync_daemon() - does a daemon run, and how?
 * @ipvs:	namespace
 * @state:	%IP_VS_STATE_MASTER or %IP_VS_STATE_BACKUP
 * @c:		set to its configuration when it runs
 *
 * Context: process, may sleep.
 * Return: true when it runs.
 */
bool ip_vs_sync_daemon(struct netns_ipvs *ipvs, int state,
		       struct ipvs_sync_daemon_cfg *c)
{
	struct ip_vs_sync_net *sync = &ipvs->sync;
	struct ip_vs_sync_master *m;
	bool runs;

	mutex_lock(&sync->mutex);
	runs = sync->state & state;
	m = rcu_dereference_protected(sync->master,
				      lockdep_is_held(&sync->mutex));
	if (runs)
		*c = state == IP_VS_STATE_MASTER ? m->cfg : sync->backup->cfg;
	mutex_unlock(&sync->mutex);
	return runs;
}

/**
 * ip_vs_sync_net_init() - set up sync in a new namespace
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int __net_init ip_vs_sync_net_init(struct netns_ipvs *ipvs)
{
	int ret;

	__mutex_init(&ipvs->sync.mutex, "ipvs->sync.mutex", &ip_vs_sync_key);
	ret = ip_vs_sync_sysctl_init(ipvs);
	if (ret)
		return ret;
	ret = ip_vs_sync_stats_init(ipvs);
	if (ret)
		goto out_sysctl;
	ret = ip_vs_sync_ready_init(ipvs);
	if (ret)
		goto out_stats;
	return 0;

out_stats:
	ip_vs_sync_stats_exit(ipvs);
out_sysctl:
	ip_vs_sync_sysctl_exit(ipvs);
	return ret;
}

/**
 * ip_vs_sync_net_cleanup() - stop the daemons of a namespace that goes
 * @ipvs:	namespace; its devices are about to go
 *
 * Context: process, may sleep, takes RTNL.
 */
void ip_vs_sync_net_cleanup(struct netns_ipvs *ipvs)
{
	/* -ESRCH is as good as stopped */
	ip_vs_sync_stop(ipvs, IP_VS_STATE_MASTER);
	ip_vs_sync_stop(ipvs, IP_VS_STATE_BACKUP);
}

/**
 * ip_vs_sync_net_exit() - undo ip_vs_sync_net_init()
 * @ipvs:	namespace; its daemons are stopped
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_net_exit(struct netns_ipvs *ipvs)
{
	ip_vs_sync_ready_exit(ipvs);
	ip_vs_sync_stats_exit(ipvs);
	ip_vs_sync_sysctl_exit(ipvs);
	kvfree(ipvs->sync.held);
}
