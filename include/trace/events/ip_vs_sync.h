/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: tracepoints of the way from a packet to a backup's table */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM ip_vs_sync

#if !defined(_TRACE_IP_VS_SYNC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IP_VS_SYNC_H

#include <linux/tracepoint.h>
#include <net/ip_vs.h>

/* An address with its port, as "%pISpc" prints it. For that it has to be
 * aligned to 4 bytes, which an array of bytes is not by itself: these stand
 * behind fields of that size.
 */
#define IP_VS_SYNC_END(name)						\
	__array(u8, name, sizeof(struct sockaddr_in6))

DECLARE_EVENT_CLASS(ip_vs_sync_conn,
		    TP_PROTO(const struct ip_vs_conn *cp, bool is_new),
		    TP_ARGS(cp, is_new),
		    TP_STRUCT__entry(__field(u32, netns)
				     __field(u32, flags)
				     IP_VS_SYNC_END(client)
				     IP_VS_SYNC_END(vip)
				     IP_VS_SYNC_END(server)
				     __field(u16, protocol)
				     __field(u16, state)
				     __field(bool, is_new)),
		    TP_fast_assign(put_client(cp, __entry->client);
				   put_vip(cp, __entry->vip);
				   put_server(cp, __entry->server);
				   __entry->netns = cp->ipvs->net->ns.inum;
				   __entry->flags = cp->flags;
				   __entry->protocol = cp->protocol;
				   __entry->state = cp->state;
				   __entry->is_new = is_new;),
		    TP_printk("netns=%u protocol=%u client=%pISpc vip=%pISpc server=%pISpc state=%u flags=0x%x new=%d",
			      __entry->netns, __entry->protocol,
			      __entry->client, __entry->vip,
			      __entry->server, __entry->state,
			      __entry->flags, __entry->is_new)
);

/* new: never announced before */
DEFINE_EVENT(ip_vs_sync_conn, ip_vs_sync_announced,
	     TP_PROTO(const struct ip_vs_conn *cp, bool is_new),
	     TP_ARGS(cp, is_new)
);

/* new: created, not updated */
DEFINE_EVENT(ip_vs_sync_conn, ip_vs_sync_applied,
	     TP_PROTO(const struct ip_vs_conn *cp, bool is_new),
	     TP_ARGS(cp, is_new)
);

DECLARE_EVENT_CLASS(ip_vs_sync_message,
		    TP_PROTO(const struct netns_ipvs *ipvs, unsigned int thread,
			     unsigned int records, unsigned int bytes),
		    TP_ARGS(ipvs, thread, records, bytes),
		    TP_STRUCT__entry(__field(u32, netns)
				     __field(u32, thread)
				     __field(u32, records)
				     __field(u32, bytes)),
		    TP_fast_assign(__entry->netns = ipvs->net->ns.inum;
				   __entry->thread = thread;
				   __entry->records = records;
				   __entry->bytes = bytes;),
		    TP_printk("netns=%u thread=%u records=%u bytes=%u",
			      __entry->netns, __entry->thread, __entry->records,
			      __entry->bytes)
);

DEFINE_EVENT(ip_vs_sync_message, ip_vs_sync_sent,
	     TP_PROTO(const struct netns_ipvs *ipvs, unsigned int thread,
		      unsigned int records, unsigned int bytes),
	     TP_ARGS(ipvs, thread, records, bytes)
);

/* records: as the message announces, 0 if its header is refused */
DEFINE_EVENT(ip_vs_sync_message, ip_vs_sync_received,
	     TP_PROTO(const struct netns_ipvs *ipvs, unsigned int thread,
		      unsigned int records, unsigned int bytes),
	     TP_ARGS(ipvs, thread, records, bytes)
);

/* Records, or a message as a whole */
TRACE_EVENT(ip_vs_sync_rejected,
	    TP_PROTO(const struct netns_ipvs *ipvs, unsigned int thread,
		     const char *reason, unsigned int count),
	    TP_ARGS(ipvs, thread, reason, count),
	    TP_STRUCT__entry(__field(u32, netns)
			     __field(u32, thread)
			     __field(u32, count)
			     __array(char, reason, 16)),
	    TP_fast_assign(__entry->netns = ipvs->net->ns.inum;
			   __entry->thread = thread;
			   __entry->count = count;
			   strscpy(__entry->reason, reason, 16);),
	    TP_printk("netns=%u thread=%u reason=%s count=%u", __entry->netns,
		      __entry->thread, __entry->reason, __entry->count)
);

#endif	/* _TRACE_IP_VS_SYNC_H */

#include <trace/define_trace.h>
