/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: the wire format of what makes version 1 complete
 *
 * The trailer of numbered messages, and the control messages. Pure like
 * ip_vs_sync_proto.h. Documentation/networking/ipvs-sync.rst draws them.
 */

#ifndef _IP_VS_SYNC_CONTROL_H
#define _IP_VS_SYNC_CONTROL_H

#include "ip_vs_sync_proto.h"
#include "ip_vs_sync_window.h"

#define IP_VS_SYNC_TRAILER_LEN	16
/* The longest control message but DELETE, which is as long as sync_maxlen */
#define IP_VS_SYNC_CONTROL_MAX	(8 + IP_VS_SYNC_RANGES_MAX * 8 + \
				 IP_VS_SYNC_TRAILER_LEN)
/* As the progress of a pass: there has been none */
#define IP_VS_SYNC_NO_PASS	0xffff
#define IP_VS_SYNC_PASS_DONE	1000

/**
 * enum ip_vs_sync_kind - what a message with a trailer is
 * @IP_VS_SYNC_DATA:	records of connections; no control message
 * @IP_VS_SYNC_DELETE:	connections that are gone before their time
 * @IP_VS_SYNC_HELLO:	what the master has sent
 * @IP_VS_SYNC_FILL:	what lost messages said has been told again
 * @IP_VS_SYNC_NACK:	messages a backup misses
 * @IP_VS_SYNC_JOIN:	a backup wants the whole table
 * @IP_VS_SYNC_KINDS:	number of the above
 */
enum ip_vs_sync_kind {
	IP_VS_SYNC_DATA,
	IP_VS_SYNC_DELETE,
	IP_VS_SYNC_HELLO,
	IP_VS_SYNC_FILL,
	IP_VS_SYNC_NACK,
	IP_VS_SYNC_JOIN,
	IP_VS_SYNC_KINDS
};

/**
 * struct ip_vs_sync_trailer - who has sent a message
 * @instance:	the master daemon; of a request, the one that is asked
 * @seq:	number of the message; of one without, the last that its sender
 *		knows of
 */
struct ip_vs_sync_trailer {
	u32			instance;
	u32			seq;
};

/**
 * struct ip_vs_sync_hello - what a master says of one stream
 * @oldest:	first message that can be told again
 * @conns:	connections told and not gone
 * @pass:	the table is told, or has been, from this message on
 * @done:	with all of @progress, the last of these messages
 * @progress:	of the pass, in parts of %IP_VS_SYNC_PASS_DONE, or
 *		%IP_VS_SYNC_NO_PASS
 * @interval:	milliseconds until the next one
 */
struct ip_vs_sync_hello {
	u32			oldest;
	u32			conns;
	u32			pass;
	u32			done;
	u16			progress;
	u16			interval;
};

/**
 * struct ip_vs_sync_key - a connection that is gone
 * @af:		AF_INET or AF_INET6
 * @protocol:	IPPROTO_*
 * @template:	it is a template
 * @cport:	client port
 * @vport:	virtual port
 * @caddr:	client address
 * @vaddr:	virtual address
 */
struct ip_vs_sync_key {
	u16			af;
	u8			protocol;
	bool			template;
	__be16			cport;
	__be16			vport;
	union nf_inet_addr	caddr;
	union nf_inet_addr	vaddr;
};

/**
 * struct ip_vs_sync_control - a message taken apart as far as its trailer
 * @kind:	what it is
 * @syncid:	group of directors it is for
 * @numbered:	it has a trailer
 * @trailer:	that
 * @body:	of a control message
 * @len:	bytes of @body
 */
struct ip_vs_sync_control {
	enum ip_vs_sync_kind	kind;
	u8			syncid;
	bool			numbered;
	struct ip_vs_sync_trailer trailer;
	const u8		*body;
	unsigned int		len;
};

enum ip_vs_sync_reject ip_vs_sync_control_read(struct ip_vs_sync_control *c,
					       const u8 *buf, unsigned int len);
void ip_vs_sync_trailer_read(const struct ip_vs_sync_reader *r,
			     struct ip_vs_sync_control *c);
unsigned int ip_vs_sync_trailer_write(struct ip_vs_sync_writer *w,
				      const struct ip_vs_sync_trailer *t);

unsigned int ip_vs_sync_hello_write(u8 *buf, u8 syncid,
				    const struct ip_vs_sync_hello *h,
				    const struct ip_vs_sync_trailer *t);
enum ip_vs_sync_reject
ip_vs_sync_hello_read(const struct ip_vs_sync_control *c,
		      struct ip_vs_sync_hello *h);

unsigned int ip_vs_sync_ranges_write(u8 *buf, u8 syncid,
				     enum ip_vs_sync_kind kind,
				     const struct ip_vs_sync_range *ranges,
				     unsigned int n,
				     const struct ip_vs_sync_trailer *t);
enum ip_vs_sync_reject
ip_vs_sync_ranges_read(const struct ip_vs_sync_control *c,
		       struct ip_vs_sync_range *ranges, unsigned int *n);

unsigned int ip_vs_sync_join_write(u8 *buf, u8 syncid, u32 since,
				   const struct ip_vs_sync_trailer *t);
enum ip_vs_sync_reject
ip_vs_sync_join_read(const struct ip_vs_sync_control *c, u32 *since);

void ip_vs_sync_delete_open(struct ip_vs_sync_writer *w, u8 syncid, u32 order);
bool ip_vs_sync_delete_add(struct ip_vs_sync_writer *w,
			   const struct ip_vs_sync_key *key);
unsigned int ip_vs_sync_delete_close(struct ip_vs_sync_writer *w,
				     const struct ip_vs_sync_trailer *t);
enum ip_vs_sync_reject
ip_vs_sync_delete_read(struct ip_vs_sync_control *c, u32 *order);
enum ip_vs_sync_reject ip_vs_sync_key_read(struct ip_vs_sync_control *c,
					   struct ip_vs_sync_key *key);

#endif	/* _IP_VS_SYNC_CONTROL_H */
