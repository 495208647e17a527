// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the knobs, net.ipv4.vs.sync_* */

#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/sysctl.h>

#include "ip_vs_sync_internal.h"

static void knobs_init(struct ip_vs_sync_knobs *k)
{
	k->version = 1;
	k->ports = 1;
	k->persist_mode = 0;
	k->qlen_max = nr_free_buffer_pages() / 32;
	k->sock_size = 0;
	k->threshold[0] = 3;
	k->threshold[1] = 50;
	k->refresh_period = 0;
	k->retries = 0;
	k->delay = 15;
	k->repair = 1 << 16;
	k->pace = 200000;
	k->silent = 10 * HZ;
}

#ifdef CONFIG_SYSCTL

/* Whether a handler may write to its table is said in one way by some kernels
 * and in another by others; ours say it as proc_dointvec() does.
 */
#define TABLE_IS_CONST							\
	__same_type(proc_dointvec, int (const struct ctl_table *, int,	\
					void *, size_t *, loff_t *))
#define handler_table							\
	typeof(*__builtin_choose_expr(TABLE_IS_CONST,			\
				      (const struct ctl_table *)NULL,	\
				      (struct ctl_table *)NULL))

/* Two values that must agree are changed together or not at all. The lock is
 * against other writers; the packet path may see one new and one old.
 */
static int do_threshold(handler_table *table, int write, void *buffer,
			size_t *lenp, loff_t *ppos)
{
	struct netns_ipvs *ipvs = table->extra2;
	int *knob = table->data;
	struct ctl_table tmp;
	int val[2];
	int ret;

	mutex_lock(&ipvs->sync.mutex);
	memcpy(val, knob, sizeof(val));
	tmp = *table;
	tmp.data = val;
	ret = proc_dointvec(&tmp, write, buffer, lenp, ppos);
	if (write && !ret) {
		if (val[0] < 0 || val[1] < 0 ||
		    (val[1] && val[0] >= val[1])) {
			ret = -EINVAL;
		} else {
			WRITE_ONCE(knob[0], val[0]);
			WRITE_ONCE(knob[1], val[1]);
		}
	}
	mutex_unlock(&ipvs->sync.mutex);
	return ret;
}

static int do_ports(handler_table *table, int write, void *buffer,
		    size_t *lenp, loff_t *ppos)
{
	int *knob = table->data;
	struct ctl_table tmp = *table;
	int val = READ_ONCE(*knob);
	int ret;

	tmp.data = &val;
	ret = proc_dointvec(&tmp, write, buffer, lenp, ppos);
	if (write && !ret) {
		if (val < 1 || !is_power_of_2(val))
			return -EINVAL;
		WRITE_ONCE(*knob, val);
	}
	return ret;
}

/* Seconds in user space, jiffies here */
static int do_seconds(handler_table *table, int write, void *buffer,
		      size_t *lenp, loff_t *ppos)
{
	unsigned int *knob = table->data;
	struct ctl_table tmp = *table;
	int val = READ_ONCE(*knob);
	int ret;

	tmp.data = &val;
	ret = proc_dointvec_jiffies(&tmp, write, buffer, lenp, ppos);
	if (write && !ret) {
		if (val < 0)
			return -EINVAL;
		WRITE_ONCE(*knob, val);
	}
	return ret;
}

/* Offsets into struct ip_vs_sync_knobs until a namespace has its copy */
#define KNOB_AT(field)	((void *)offsetof(struct ip_vs_sync_knobs, field))
#define KNOB_SIZE(field) sizeof_field(struct ip_vs_sync_knobs, field)

static const int repair_max = 1 << 22;
static const int pace_min = 1000;
static const int pace_max = 10000000;

static const struct ctl_table sync_vars[] = {
	{
		.procname	= "sync_version",
		.data		= KNOB_AT(version),
		.maxlen		= KNOB_SIZE(version),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
	{
		.procname	= "sync_ports",
		.data		= KNOB_AT(ports),
		.maxlen		= KNOB_SIZE(ports),
		.mode		= 0644,
		.proc_handler	= do_ports,
	},
	{
		.procname	= "sync_persist_mode",
		.data		= KNOB_AT(persist_mode),
		.maxlen		= KNOB_SIZE(persist_mode),
		.mode		= 0644,
		.proc_handler	= proc_dointvec,
	},
	{
		.procname	= "sync_qlen_max",
		.data		= KNOB_AT(qlen_max),
		.maxlen		= KNOB_SIZE(qlen_max),
		.mode		= 0644,
		.proc_handler	= proc_doulongvec_minmax,
	},
	{
		.procname	= "sync_sock_size",
		.data		= KNOB_AT(sock_size),
		.maxlen		= KNOB_SIZE(sock_size),
		.mode		= 0644,
		.proc_handler	= proc_dointvec,
	},
	{
		.procname	= "sync_threshold",
		.data		= KNOB_AT(threshold),
		.maxlen		= KNOB_SIZE(threshold),
		.mode		= 0644,
		.proc_handler	= do_threshold,
	},
	{
		.procname	= "sync_refresh_period",
		.data		= KNOB_AT(refresh_period),
		.maxlen		= KNOB_SIZE(refresh_period),
		.mode		= 0644,
		.proc_handler	= do_seconds,
	},
	{
		.procname	= "sync_retries",
		.data		= KNOB_AT(retries),
		.maxlen		= KNOB_SIZE(retries),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_THREE,
	},
	{
		.procname	= "sync_delay",
		.data		= KNOB_AT(delay),
		.maxlen		= KNOB_SIZE(delay),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE_THOUSAND,
	},
	{
		.procname	= "sync_repair",
		.data		= KNOB_AT(repair),
		.maxlen		= KNOB_SIZE(repair),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= (void *)&repair_max,
	},
	{
		.procname	= "sync_pace",
		.data		= KNOB_AT(pace),
		.maxlen		= KNOB_SIZE(pace),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= (void *)&pace_min,
		.extra2		= (void *)&pace_max,
	},
	{
		.procname	= "sync_silent",
		.data		= KNOB_AT(silent),
		.maxlen		= KNOB_SIZE(silent),
		.mode		= 0644,
		.proc_handler	= do_seconds,
	},
	{ }
};

#define KNOBS		(ARRAY_SIZE(sync_vars) - 1)

/* What costs the host's memory is not for the owner of a container to set */
static bool is_resource(const struct ctl_table *t)
{
	return !strcmp(t->procname, "sync_qlen_max") ||
	       !strcmp(t->procname, "sync_sock_size") ||
	       !strcmp(t->procname, "sync_repair");
}

static struct ctl_table_header *knobs_show(struct net *net,
					   struct ctl_table *tbl)
{
	/* Where this is no macro a table ends with an empty entry */
#ifdef register_net_sysctl
	return register_net_sysctl_sz(net, "net/ipv4/vs", tbl, KNOBS);
#else
	return register_net_sysctl(net, "net/ipv4/vs", tbl);
#endif
}

/**
 * ip_vs_sync_sysctl_init() - set the knobs to their defaults and show them
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int __net_init ip_vs_sync_sysctl_init(struct netns_ipvs *ipvs)
{
	struct ip_vs_sync_net *sync = &ipvs->sync;
	struct ctl_table *tbl;
	int i;

	knobs_init(&sync->knobs);
	tbl = kmemdup(sync_vars, sizeof(sync_vars), GFP_KERNEL);
	if (!tbl)
		return -ENOMEM;
	for (i = 0; i < KNOBS; i++) {
		tbl[i].data = (void *)&sync->knobs + (size_t)tbl[i].data;
		if (tbl[i].proc_handler == do_threshold)
			tbl[i].extra2 = ipvs;
		if (ipvs->net->user_ns != &init_user_ns &&
		    is_resource(&tbl[i]))
			tbl[i].mode = 0444;
	}
	sync->sysctl_hdr = knobs_show(ipvs->net, tbl);
	if (!sync->sysctl_hdr) {
		kfree(tbl);
		return -ENOMEM;
	}
	sync->sysctl_tbl = tbl;
	return 0;
}

/**
 * ip_vs_sync_sysctl_exit() - take the knobs away
 * @ipvs:	namespace
 *
 * Context: process, may sleep.
 */
void ip_vs_sync_sysctl_exit(struct netns_ipvs *ipvs)
{
	unregister_net_sysctl_table(ipvs->sync.sysctl_hdr);
	kfree(ipvs->sync.sysctl_tbl);
}

#else

int __net_init ip_vs_sync_sysctl_init(struct netns_ipvs *ipvs)
{
	knobs_init(&ipvs->sync.knobs);
	return 0;
}

void ip_vs_sync_sysctl_exit(struct netns_ipvs *ipvs)
{
}

#endif	/* CONFIG_SYSCTL */
