// A connection's sync state is set up and consulted through ip_vs_sync.h.

// The walk of sync looks at every connection, so does the listing.
@table_offered@
@@
-static
 struct hlist_head *ip_vs_conn_tab;

// A master remembers where in the table it found what it told.
@hash_offered@
identifier cp;
@@
-static
 unsigned int ip_vs_conn_hashkey_conn(const struct ip_vs_conn *cp) { ... }

// A backup looks ahead to where the records of a message go.
@hash_param_offered@
identifier p, inverse;
@@
-static unsigned int ip_vs_conn_hashkey_param(const struct ip_vs_conn_param *p,
-					     bool inverse)
+unsigned int ip_vs_conn_hashkey_param(const struct ip_vs_conn_param *p,
+				      bool inverse)
 { ... }

@state_init@
expression cp;
@@
-cp->old_state = 0;
 cp->timeout = 3*HZ;

@endtime_init@
expression cp, e;
@@
-cp->sync_endtime = e;
+ip_vs_sync_conn_init(cp);

// Sync frees a connection that was unlinked while it was pending.
@rcu_free_offered@
identifier head;
@@
-static
 void ip_vs_conn_rcu_free(struct rcu_head *head) { ... }

@rcu_free_deferred@
expression cp;
@@
-if (cp->flags & IP_VS_CONN_F_ONE_PACKET)
-	ip_vs_conn_rcu_free(&cp->rcu_head);
-else
-	call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);
+if (cp->flags & IP_VS_CONN_F_ONE_PACKET)
+	ip_vs_conn_rcu_free(&cp->rcu_head);
+else if (!ip_vs_sync_conn_release(cp))
+	call_rcu(&cp->rcu_head, ip_vs_conn_rcu_free);

@extended@
expression ipvs, cp;
@@
-if (ipvs->sync_state & IP_VS_STATE_MASTER)
-	ip_vs_sync_conn(ipvs, cp, sysctl_sync_threshold(ipvs));
+ip_vs_sync_conn_extended(cp);

// Packets of the connection may be on their way while it is bound late.
@xmit_never_null@
expression cp;
@@
 spin_unlock_bh(&cp->lock);
-cp->packet_xmit = NULL;

// A template may come by sync before its server.
@template_bound_late@
identifier ct, cdest, dest;
@@
 int ip_vs_check_template(struct ip_vs_conn *ct, struct ip_vs_dest *cdest)
 {
-	struct ip_vs_dest *dest = ct->dest;
+	struct ip_vs_dest *dest = ip_vs_sync_dest(ct);
 	...
 }

// Packets put timers off while others look at them.
@listed_expiry@
expression cp;
@@
-jiffies_delta_to_msecs(cp->timer.expires - jiffies) / 1000
+ip_vs_conn_seconds_left(cp)

@now_expiry@
expression cp;
@@
-time_after(cp->timer.expires, jiffies)
+time_after(READ_ONCE(cp->timer.expires), jiffies)

@drop_expiry@
expression cp;
@@
-if (time_before(cp->timeout + jiffies, cp->timer.expires + 60*HZ))
+if (time_before(cp->timeout + jiffies,
+		READ_ONCE(cp->timer.expires) + 60 * HZ))
	return 0;

// Lists go on where they stopped, see ip_vs_conn_list.c.
@list_find_gone@
@@
-static void *ip_vs_conn_array(...) { ... }

@list_start_gone@
@@
-static void *ip_vs_conn_seq_start(...) { ... }

@list_next_gone@
@@
-static void *ip_vs_conn_seq_next(...) { ... }

@list_stop_gone@
@@
-static void ip_vs_conn_seq_stop(...) { ... }

@list_used@
identifier ops;
@@
 struct seq_operations ops = {
-	.start = ip_vs_conn_seq_start,
-	.next = ip_vs_conn_seq_next,
-	.stop = ip_vs_conn_seq_stop,
+	.start = ip_vs_conn_list_start,
+	.next = ip_vs_conn_list_next,
+	.stop = ip_vs_conn_list_stop,
 };
