// The state, the knobs and the prototypes of sync leave ip_vs.h; what the rest
// of IPVS still needs of them is in ip_vs_sync.h.

@include_sync@
@@
+#include <net/ip_vs_sync.h>
 #include <net/net_namespace.h>

// The length of an engine's data moves to where it costs no padding.
@conn_data_len@
type T;
@@
 struct ip_vs_conn {
 	...
 	char *pe_data;
-	T pe_data_len;
 	...
 };

// drop comment: old state, to be used for state transition
@conn_old_state@
typedef __u8;
type T;
@@
 struct ip_vs_conn {
 	...
-	T old_state;
+	__u8			pe_data_len;
 	...
 };

// drop comment: jiffies + sent_retries
@conn_sync@
type T;
@@
 struct ip_vs_conn {
 	...
-	T sync_endtime;
+	struct ip_vs_sync_conn	sync;		/* synchronization */
 	...
 };

@net_knobs@
type T;
identifier knob =~ "^sysctl_sync_";
@@
 struct netns_ipvs {
 	...
-	T knob;
 	...
 };

// drop comment: Backup Configuration
@net_state@
@@
 struct netns_ipvs {
 	...
-	spinlock_t sync_lock;
+	struct ip_vs_sync_net	sync;
-	struct ipvs_master_sync_state *ms;
-	spinlock_t sync_buff_lock;
-	struct ip_vs_sync_thread_data *master_tinfo;
-	struct ip_vs_sync_thread_data *backup_tinfo;
-	int threads_mask;
-	volatile int sync_state;
-	struct mutex sync_mutex;
-	struct ipvs_sync_daemon_cfg mcfg;
-	struct ipvs_sync_daemon_cfg bcfg;
 	...
 };

@master_state@
@@
-struct ipvs_master_sync_state { ... };

@thread_data@
@@
-struct ip_vs_sync_thread_data;

@constants@
identifier name =~ "^(DEFAULT|IPVS)_SYNC_";
expression value;
@@
-#define name value

@knob_helpers@
type T;
identifier helper =~ "^sysctl_sync_";
identifier ipvs;
@@
-static inline T helper(struct netns_ipvs *ipvs) { ... }

@backup_only@
identifier ipvs;
@@
-return ipvs->sync_state & IP_VS_STATE_BACKUP && ipvs->sysctl_backup_only;
+return READ_ONCE(ipvs->sync.state) & IP_VS_STATE_BACKUP &&
+       ipvs->sysctl_backup_only;

@version_extern@
@@
-extern int sysctl_ip_vs_sync_ver;

@net_prototypes@
identifier f =~ "^ip_vs_sync_";
type T;
@@
-T f(...);

@start_prototype@
type T;
@@
-T start_sync_thread(...);

@stop_prototype@
type T;
@@
-T stop_sync_thread(...);
