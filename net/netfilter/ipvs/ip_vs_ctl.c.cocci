// The knobs and the daemons of sync leave ip_vs_ctl.c: ip_vs_sync_sysctl.c has
// a table of its own, and what a daemon runs with is asked of ip_vs_sync.c.

@threshold_handler@
@@
-static int proc_do_sync_threshold(...) { ... }

@ports_handler@
@@
-static int proc_do_sync_ports(...) { ... }

@knob_entries@
constant name =~ "^\"sync_";
@@
 static struct ctl_table vs_vars[] = {
 	...,
-	{ .procname = name, ... },
 	...,
 };

// Each entry's line takes the next index, so that entries and lines go
// together.
@knob_data@
identifier knob =~ "^sysctl_sync_";
expression tbl, ipvs, idx, unpriv;
@@
(
-if (unpriv)
-	tbl[idx].mode = 0444;
-tbl[idx++].data = &ipvs->knob;
|
-tbl[idx].data = &ipvs->knob;
-tbl[idx].extra2 = ipvs;
-tbl[idx++].maxlen = sizeof(ipvs->knob);
|
-tbl[idx++].data = &ipvs->knob;
)

@knob_defaults@
identifier knob =~ "^sysctl_sync_";
expression ipvs, value;
@@
(
-ipvs->knob = value;
|
-ipvs->knob[...] = value;
)

@start_sockopt@
expression ipvs, cfg, dm;
@@
-start_sync_thread
+ip_vs_sync_start
 (ipvs, cfg, dm->state)

@stop_sockopt@
expression ipvs, dm;
@@
-stop_sync_thread
+ip_vs_sync_stop
 (ipvs, dm->state)

@start_genl@
identifier ret;
expression ipvs, cfg, state;
@@
-ret = start_sync_thread(ipvs, cfg, state);
-return ret;
+return ip_vs_sync_start(ipvs, cfg, state);

@start_genl_ret@
identifier start_genl.ret;
@@
 ip_vs_genl_new_daemon(...)
 {
 	...
-	int ret;
 	...
 }

@stop_genl@
identifier ret;
expression ipvs, state;
@@
-int ret;
 ...
-ret = stop_sync_thread(ipvs, state);
-return ret;
+return ip_vs_sync_stop(ipvs, state);

@get_sockopt@
identifier d;
expression ipvs, e;
statement master, backup;
@@
 struct ip_vs_daemon_user d[2];
+struct ipvs_sync_daemon_cfg cfg;
 ...
-mutex_lock(&ipvs->sync_mutex);
-if (ipvs->sync_state & IP_VS_STATE_MASTER)
+if (ip_vs_sync_daemon(ipvs, IP_VS_STATE_MASTER, &cfg))
 	master
-if (ipvs->sync_state & IP_VS_STATE_BACKUP)
+if (ip_vs_sync_daemon(ipvs, IP_VS_STATE_BACKUP, &cfg))
 	backup
 if (copy_to_user(...) != 0)
 	e = -EFAULT;
-mutex_unlock(&ipvs->sync_mutex);

@get_sockopt_cfg@
identifier config = {mcfg, bcfg};
expression ipvs;
@@
 do_ip_vs_get_ctl(...)
 {
 	<...
-	ipvs->config
+	cfg
 	...>
 }

@dump_genl@
expression cb;
identifier out, ipvs, net;
statement master, backup;
@@
 ip_vs_genl_dump_daemons(...)
 {
 	struct net *net = ...;
 	struct netns_ipvs *ipvs = ...;
+	struct ipvs_sync_daemon_cfg cfg;
-	mutex_lock(&ipvs->sync_mutex);
-	if ((ipvs->sync_state & IP_VS_STATE_MASTER) && !cb->args[0])
+	if (!cb->args[0] && ip_vs_sync_daemon(ipvs, IP_VS_STATE_MASTER, &cfg))
 		master
-	if ((ipvs->sync_state & IP_VS_STATE_BACKUP) && !cb->args[1])
+	if (!cb->args[1] && ip_vs_sync_daemon(ipvs, IP_VS_STATE_BACKUP, &cfg))
 		backup
 out:
-	mutex_unlock(&ipvs->sync_mutex);
 	return ...;
 }

@dump_genl_cfg@
identifier config = {mcfg, bcfg};
expression ipvs;
@@
 ip_vs_genl_dump_daemon(...,
-	&ipvs->config
+	&cfg
 	, ...)

@mixed_family@
expression ipvs;
@@
 if (
-	ipvs->sync_state
+	READ_ONCE(ipvs->sync.state)
 ) { ... }
