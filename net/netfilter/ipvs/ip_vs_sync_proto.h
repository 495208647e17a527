/* SPDX-License-Identifier: GPL-2.0 */
/* IPVS sync: the wire format, versions 0 and 1
 *
 * Pure: nothing here locks, looks up or allocates, so the same code serves the
 * kernel, KUnit and user space (with -I tools/include). Addresses and ports
 * stay in network order, all other fields of a record are in host order.
 *
 * Documentation/networking/ipvs-sync.rst draws the formats.
 */

#ifndef _IP_VS_SYNC_PROTO_H
#define _IP_VS_SYNC_PROTO_H

#include <linux/types.h>
#include <linux/netfilter.h>
#include <linux/ip_vs.h>

#define IP_VS_SYNC_GROUP	0xe0000051	/* 224.0.0.81 */
#define IP_VS_SYNC_PORT		8848		/* of thread 0 */

/* The count of records is one byte in both versions */
#define IP_VS_SYNC_RECORDS_MAX	255
/* Version 1 with IPv6 addresses and every option at its longest, aligned */
#define IP_VS_SYNC_RECORD_MAX	380
#define IP_VS_SYNC_HEADER_MAX	8
/* The usual record: version 1, IPv4, no option */
#define IP_VS_SYNC_RECORD_USUAL	36

/**
 * enum ip_vs_sync_reject - why a receiver did not use a message or a record
 * @IP_VS_SYNC_OK:		nothing wrong
 * @IP_VS_SYNC_R_SHORT:		datagram shorter than the header
 * @IP_VS_SYNC_R_SIZE:		length of the datagram is not what it says
 * @IP_VS_SYNC_R_VERSION:	message of a version that is not known
 * @IP_VS_SYNC_R_SYNCID:	message for another group of directors
 * @IP_VS_SYNC_R_TRUNCATED:	record runs beyond the message; the rest of the
 *				message can not be read either
 * @IP_VS_SYNC_R_RECORD_SIZE:	record smaller than its fixed part
 * @IP_VS_SYNC_R_RECORD_VERSION: record of a version that is not known
 * @IP_VS_SYNC_R_TYPE:		unknown bits in the type of a record
 * @IP_VS_SYNC_R_OPTION_SIZE:	option empty, beyond its record or of the
 *				wrong length for its type
 * @IP_VS_SYNC_R_OPTION_TWICE:	option given twice
 * @IP_VS_SYNC_R_OPTION_UNKNOWN: unknown option that must not be skipped
 * @IP_VS_SYNC_R_FLAGS:		one-packet connection, or template without a
 *				client port
 * @IP_VS_SYNC_R_FAMILY:	IPv6, and IPVS was built without it
 * @IP_VS_SYNC_R_PROTOCOL:	protocol that this director does not balance
 * @IP_VS_SYNC_R_STATE:		state that the protocol does not have
 * @IP_VS_SYNC_R_PE_NAME:	persistence data without the engine's name, or
 *				an engine that is not loaded
 * @IP_VS_SYNC_R_STALE:		last word on a connection that has been
 *				replaced since
 * @IP_VS_SYNC_R_NOMEM:		no memory for the connection
 * @IP_VS_SYNC_R_ORDER:		an earlier message than the one that told the
 *				connection last
 * @IP_VS_SYNC_R_KIND:		control message of a kind that is not known, or
 *				not for this role
 * @IP_VS_SYNC_R_TRAILER:	control message without a trailer
 * @IP_VS_SYNC_R_BODY:		body that is not what its kind has
 * @IP_VS_SYNC_R_INSTANCE:	request to another instance
 * @IP_VS_SYNC_R_FAR:		request from too far away
 * @IP_VS_SYNC_R_UNSENT:	request for messages that were not sent
 * @IP_VS_SYNC_R_SENDERS:	too many instances are heard
 * @IP_VS_SYNC_REJECTS:		number of the above
 */
enum ip_vs_sync_reject {
	IP_VS_SYNC_OK,
	IP_VS_SYNC_R_SHORT,
	IP_VS_SYNC_R_SIZE,
	IP_VS_SYNC_R_VERSION,
	IP_VS_SYNC_R_SYNCID,
	IP_VS_SYNC_R_TRUNCATED,
	IP_VS_SYNC_R_RECORD_SIZE,
	IP_VS_SYNC_R_RECORD_VERSION,
	IP_VS_SYNC_R_TYPE,
	IP_VS_SYNC_R_OPTION_SIZE,
	IP_VS_SYNC_R_OPTION_TWICE,
	IP_VS_SYNC_R_OPTION_UNKNOWN,
	IP_VS_SYNC_R_FLAGS,
	IP_VS_SYNC_R_FAMILY,
	IP_VS_SYNC_R_PROTOCOL,
	IP_VS_SYNC_R_STATE,
	IP_VS_SYNC_R_PE_NAME,
	IP_VS_SYNC_R_STALE,
	IP_VS_SYNC_R_NOMEM,
	IP_VS_SYNC_R_ORDER,
	IP_VS_SYNC_R_KIND,
	IP_VS_SYNC_R_TRAILER,
	IP_VS_SYNC_R_BODY,
	IP_VS_SYNC_R_INSTANCE,
	IP_VS_SYNC_R_FAR,
	IP_VS_SYNC_R_UNSENT,
	IP_VS_SYNC_R_SENDERS,
	IP_VS_SYNC_REJECTS
};

/**
 * struct ip_vs_sync_seq - how far one direction's sequence numbers are shifted
 * @init_seq:		shift applies to numbers after this one
 * @delta:		shift after @init_seq
 * @previous_delta:	shift up to @init_seq
 */
struct ip_vs_sync_seq {
	u32			init_seq;
	u32			delta;
	u32			previous_delta;
};

/**
 * struct ip_vs_sync_record - one connection as the wire tells it
 * @af:		AF_INET or AF_INET6
 * @protocol:	IPPROTO_*
 * @state:	state in the protocol's own numbering
 * @cport:	client port
 * @vport:	virtual port
 * @dport:	destination port
 * @flags:	%IP_VS_CONN_F_*; in version 0 the low 16 bits only
 * @fwmark:	mark of the service or 0; not in version 0
 * @timeout:	seconds the connection lives on without packets, 0 when the
 *		sender did not say (version 0)
 * @left:	seconds of that which are left, 0 for all of them; not in
 *		version 0, and skipped by receivers that do not know it
 * @caddr:	client address
 * @vaddr:	virtual address
 * @daddr:	destination address
 * @has_seq:	@in_seq and @out_seq are given
 * @in_seq:	sequence numbers from the client
 * @out_seq:	sequence numbers to the client
 * @pe_name_len: bytes at @pe_name, 0 for none
 * @pe_data_len: bytes at @pe_data, 0 for none
 * @pe_name:	name of the persistence engine, not terminated; a decoded
 *		record points into the message
 * @pe_data:	data of the persistence engine; likewise
 */
struct ip_vs_sync_record {
	u16			af;
	u8			protocol;
	u16			state;
	__be16			cport;
	__be16			vport;
	__be16			dport;
	u32			flags;
	u32			fwmark;
	u32			timeout;
	u32			left;
	union nf_inet_addr	caddr;
	union nf_inet_addr	vaddr;
	union nf_inet_addr	daddr;
	bool			has_seq;
	struct ip_vs_sync_seq	in_seq;
	struct ip_vs_sync_seq	out_seq;
	u8			pe_name_len;
	u8			pe_data_len;
	const u8		*pe_name;
	const u8		*pe_data;
};

/**
 * struct ip_vs_sync_writer - a message being built
 * @buf:	the message; at least @limit bytes and never less than
 *		%IP_VS_SYNC_HEADER_MAX + %IP_VS_SYNC_RECORD_MAX
 * @limit:	most bytes of a message (sync_maxlen); a lone record may pass it
 * @len:	bytes written so far, header included
 * @records:	records written so far
 * @version:	format of this message, 0 or 1
 * @syncid:	group of directors it is for
 */
struct ip_vs_sync_writer {
	u8			*buf;
	unsigned int		limit;
	unsigned int		len;
	unsigned int		records;
	u8			version;
	u8			syncid;
};

/**
 * struct ip_vs_sync_reader - a message being read
 * @buf:	the message
 * @len:	its bytes
 * @pos:	where the next record starts
 * @left:	records not read yet
 * @version:	format, 0 or 1
 * @syncid:	group of directors it is for
 */
struct ip_vs_sync_reader {
	const u8		*buf;
	unsigned int		len;
	unsigned int		pos;
	unsigned int		left;
	u8			version;
	u8			syncid;
};

void ip_vs_sync_write_open(struct ip_vs_sync_writer *w, u8 version, u8 syncid);
bool ip_vs_sync_write_fits(const struct ip_vs_sync_writer *w,
			   const struct ip_vs_sync_record *rec);
int ip_vs_sync_write_record(struct ip_vs_sync_writer *w,
			    const struct ip_vs_sync_record *rec);
unsigned int ip_vs_sync_write_close(struct ip_vs_sync_writer *w);

enum ip_vs_sync_reject ip_vs_sync_read_open(struct ip_vs_sync_reader *r,
					    const u8 *buf, unsigned int len);
unsigned int ip_vs_sync_records_end(const struct ip_vs_sync_reader *r);
enum ip_vs_sync_reject ip_vs_sync_read_record(struct ip_vs_sync_reader *r,
					      struct ip_vs_sync_record *rec);
const char *ip_vs_sync_reject_name(enum ip_vs_sync_reject why);

#endif	/* _IP_VS_SYNC_PROTO_H */
