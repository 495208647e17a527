// Whether a packet is a reason to announce its connection is decided in
// ip_vs_sync_tx.c, which also counts the packet.

// drop comment: Increase its packet counter and check if it is needed
@packet@
expression ipvs, cp;
identifier pkts;
@@
-if (cp->flags & IP_VS_CONN_F_ONE_PACKET)
-	pkts = sysctl_sync_threshold(ipvs);
-else
-	pkts = atomic_inc_return(&cp->in_pkts);
-if (ipvs->sync_state & IP_VS_STATE_MASTER)
-	ip_vs_sync_conn(ipvs, cp, pkts);
-else if ((cp->flags & IP_VS_CONN_F_ONE_PACKET) && cp->control)
-	atomic_inc(&cp->control->in_pkts);
+ip_vs_sync_packet(cp);

@packet_count@
identifier packet.pkts;
type T;
@@
 ip_vs_in_hook(...)
 {
 	...
-	T pkts;
 	...
 }

// A packet of the server may be the last one of its connection.
@reply@
expression cp, skb, pd, len;
@@
 ip_vs_set_state(cp, IP_VS_DIR_OUTPUT, skb, pd, len);
+ip_vs_sync_reply(cp);

// Connections refer to what sync holds until they are gone.
@net_exit@
expression ipvs;
@@
 ip_vs_conn_net_cleanup(ipvs);
+ip_vs_sync_net_exit(ipvs);
 ip_vs_app_net_cleanup(ipvs);

// Last in, first out: with it, user space sees namespaces that are set up.
@netlink_init@
identifier ret;
expression list say;
@@
 ret = ip_vs_register_nl_ioctl();
 if (ret < 0) {
 	pr_err(say);
 	goto cleanup_dev;
 }
+ret = ip_vs_sync_netlink_init();
+if (ret < 0) {
+	ip_vs_unregister_nl_ioctl();
+	goto cleanup_dev;
+}

@netlink_exit@
@@
+ip_vs_sync_netlink_exit();
 ip_vs_unregister_nl_ioctl();
 unregister_pernet_device(&ipvs_core_dev_ops);
