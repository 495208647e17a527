// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the wire format, versions 0 and 1
 *
 * A writer fills one message, a reader walks one. Neither trusts what it is
 * given: a record that does not fit is refused, a length is checked before
 * the bytes behind it are touched.
 */

#include <linux/errno.h>
#include <linux/string.h>
#ifdef __KERNEL__
#include <linux/socket.h>
#else
#include <sys/socket.h>
#endif

#include <asm/byteorder.h>

#include "ip_vs_sync_proto.h"

/* The structs below have no holes: they are copied to and from the wire whole.
 *
 * Message headers: the first byte of version 1 is where version 0 counts its
 * records, so that a version 0 receiver finds none.
 */
struct msg_v0 {
	u8			records;
	u8			syncid;
	__be16			size;
};

struct msg_v1 {
	u8			zero;
	u8			syncid;
	__be16			size;
	u8			records;
	u8			version;
	__be16			spare;
};

struct rec_v0 {
	u8			reserved;
	u8			protocol;
	__be16			cport;
	__be16			vport;
	__be16			dport;
	__be32			caddr;
	__be32			vaddr;
	__be32			daddr;
	__be16			flags;
	__be16			state;
};

/* Three addresses of the family follow, then the options */
struct rec_v1 {
	u8			type;
	u8			protocol;
	__be16			ver_size;
	__be32			flags;
	__be16			state;
	__be16			cport;
	__be16			vport;
	__be16			dport;
	__be32			fwmark;
	__be32			timeout;
};

struct seq_v1 {
	__be32			word[6];
};

#define REC_TYPE_INET6		0x01
#define REC_VERSION_SHIFT	12
#define REC_SIZE_MASK		0x0fff

#define OPT_HEADER		2	/* type and length */
#define OPT_SEQ			1
#define OPT_PE_DATA		2
#define OPT_PE_NAME		3
#define OPT_LEFT		4
#define OPT_SKIP_UNKNOWN	0x40	/* not known? skip it */

#define ALIGN4(len)		(((len) + 3) & ~3U)

static unsigned int header_len(u8 version)
{
	return version ? sizeof(struct msg_v1) : sizeof(struct msg_v0);
}

static unsigned int addr_len(u16 af)
{
	return af == AF_INET6 ? 16 : 4;
}

static void put_seq_v1(u8 *p, const struct ip_vs_sync_record *rec)
{
	struct seq_v1 s = { .word = {
		__cpu_to_be32(rec->in_seq.init_seq),
		__cpu_to_be32(rec->in_seq.delta),
		__cpu_to_be32(rec->in_seq.previous_delta),
		__cpu_to_be32(rec->out_seq.init_seq),
		__cpu_to_be32(rec->out_seq.delta),
		__cpu_to_be32(rec->out_seq.previous_delta),
	} };

	memcpy(p, &s, sizeof(s));
}

static void get_seq_v1(const u8 *p, struct ip_vs_sync_record *rec)
{
	struct seq_v1 s;

	memcpy(&s, p, sizeof(s));
	rec->in_seq.init_seq = __be32_to_cpu(s.word[0]);
	rec->in_seq.delta = __be32_to_cpu(s.word[1]);
	rec->in_seq.previous_delta = __be32_to_cpu(s.word[2]);
	rec->out_seq.init_seq = __be32_to_cpu(s.word[3]);
	rec->out_seq.delta = __be32_to_cpu(s.word[4]);
	rec->out_seq.previous_delta = __be32_to_cpu(s.word[5]);
	rec->has_seq = true;
}

static u8 *put_option(u8 *p, u8 type, const void *data, u8 len)
{
	*p++ = type;
	*p++ = len;
	memcpy(p, data, len);
	return p + len;
}

/* A version 0 receiver goes by the flags alone */
static bool has_seq_v0(const struct ip_vs_sync_record *rec)
{
	return rec->flags & IP_VS_CONN_F_SEQ_MASK;
}

static unsigned int record_len(u8 version, const struct ip_vs_sync_record *rec)
{
	unsigned int len;

	if (!version)
		return sizeof(struct rec_v0) +
		       (has_seq_v0(rec) ? sizeof(struct seq_v1) : 0);

	len = sizeof(struct rec_v1) + 3 * addr_len(rec->af);
	if (rec->has_seq)
		len += OPT_HEADER + sizeof(struct seq_v1);
	if (rec->pe_data_len)
		len += OPT_HEADER + rec->pe_data_len;
	if (rec->pe_data_len && rec->pe_name_len)
		len += OPT_HEADER + rec->pe_name_len;
	if (rec->left)
		len += OPT_HEADER + sizeof(__be32);
	return len;
}

static void write_v0(u8 *p, const struct ip_vs_sync_record *rec)
{
	struct rec_v0 r = {
		.protocol	= rec->protocol,
		.cport		= rec->cport,
		.vport		= rec->vport,
		.dport		= rec->dport,
		.caddr		= rec->caddr.ip,
		.vaddr		= rec->vaddr.ip,
		.daddr		= rec->daddr.ip,
		.flags		= __cpu_to_be16(rec->flags),
		.state		= __cpu_to_be16(rec->state),
	};

	memcpy(p, &r, sizeof(r));
	p += sizeof(r);
	/* Version 0 never gave these a byte order: they go as they lie in
	 * the sender's memory.
	 */
	if (has_seq_v0(rec)) {
		memcpy(p, &rec->in_seq, sizeof(rec->in_seq));
		p += sizeof(rec->in_seq);
		memcpy(p, &rec->out_seq, sizeof(rec->out_seq));
	}
}

static void write_v1(u8 *p, const struct ip_vs_sync_record *rec,
		     unsigned int len)
{
	__be32 left = __cpu_to_be32(rec->left);
	unsigned int alen = addr_len(rec->af);
	struct rec_v1 r = {
		.type		= rec->af == AF_INET6 ? REC_TYPE_INET6 : 0,
		.protocol	= rec->protocol,
		.ver_size	= __cpu_to_be16(len),
		.flags		= __cpu_to_be32(rec->flags),
		.state		= __cpu_to_be16(rec->state),
		.cport		= rec->cport,
		.vport		= rec->vport,
		.dport		= rec->dport,
		.fwmark		= __cpu_to_be32(rec->fwmark),
		.timeout	= __cpu_to_be32(rec->timeout),
	};

	memcpy(p, &r, sizeof(r));
	p += sizeof(r);
	memcpy(p, &rec->caddr, alen);
	memcpy(p + alen, &rec->vaddr, alen);
	memcpy(p + 2 * alen, &rec->daddr, alen);
	p += 3 * alen;

	if (rec->has_seq) {
		*p++ = OPT_SEQ;
		*p++ = sizeof(struct seq_v1);
		put_seq_v1(p, rec);
		p += sizeof(struct seq_v1);
	}
	if (rec->pe_data_len) {
		p = put_option(p, OPT_PE_DATA, rec->pe_data, rec->pe_data_len);
		if (rec->pe_name_len)
			p = put_option(p, OPT_PE_NAME, rec->pe_name,
				       rec->pe_name_len);
	}
	if (rec->left)
		put_option(p, OPT_LEFT | OPT_SKIP_UNKNOWN, &left,
			   sizeof(left));
}

/**
 * ip_vs_sync_write_open() - start a message
 * @w:		writer with @buf and @limit set
 * @version:	format, 0 or 1
 * @syncid:	group of directors it is for
 *
 * Context: any.
 */
void ip_vs_sync_write_open(struct ip_vs_sync_writer *w, u8 version, u8 syncid)
{
	w->version = version;
	w->syncid = syncid;
	w->records = 0;
	w->len = header_len(version);
}

/**
 * ip_vs_sync_write_fits() - is there room for one more record?
 * @w:		open writer
 * @rec:	the connection
 *
 * Context: any.
 * Return: true if there is; an empty message has room for any.
 */
bool ip_vs_sync_write_fits(const struct ip_vs_sync_writer *w,
			   const struct ip_vs_sync_record *rec)
{
	unsigned int start = w->version ? ALIGN4(w->len) : w->len;

	return !w->records ||
	       (w->records < IP_VS_SYNC_RECORDS_MAX &&
		start + record_len(w->version, rec) <= w->limit);
}

/**
 * ip_vs_sync_write_record() - add a record to a message
 * @w:		open writer
 * @rec:	the connection; for version 0 IPv4 only
 *
 * Context: any.
 * Return: 0, -ENOSPC when the message is full (close it, send it, open a new
 * one), -EAFNOSUPPORT for a family that the version does not know,
 * -EMSGSIZE for a persistence engine's name that no receiver would take.
 */
int ip_vs_sync_write_record(struct ip_vs_sync_writer *w,
			    const struct ip_vs_sync_record *rec)
{
	unsigned int len = record_len(w->version, rec);
	unsigned int start = w->version ? ALIGN4(w->len) : w->len;

	if (rec->af != AF_INET && (!w->version || rec->af != AF_INET6))
		return -EAFNOSUPPORT;
	if (rec->pe_name_len > IP_VS_PENAME_MAXLEN)
		return -EMSGSIZE;
	if (!ip_vs_sync_write_fits(w, rec))
		return -ENOSPC;

	memset(w->buf + w->len, 0, start - w->len);
	if (w->version)
		write_v1(w->buf + start, rec, len);
	else
		write_v0(w->buf + start, rec);
	w->len = start + len;
	w->records++;
	return 0;
}

/**
 * ip_vs_sync_write_close() - complete the header of a message
 * @w:		writer with at least one record
 *
 * Context: any.
 * Return: bytes to send from @w->buf.
 */
unsigned int ip_vs_sync_write_close(struct ip_vs_sync_writer *w)
{
	if (w->version) {
		struct msg_v1 h = {
			.syncid		= w->syncid,
			.size		= __cpu_to_be16(w->len),
			.records	= w->records,
			.version	= 1,
		};

		memcpy(w->buf, &h, sizeof(h));
	} else {
		struct msg_v0 h = {
			.records	= w->records,
			.syncid		= w->syncid,
			.size		= __cpu_to_be16(w->len),
		};

		memcpy(w->buf, &h, sizeof(h));
	}
	return w->len;
}

/* What no receiver may take over, whatever the version. A one-packet
 * connection is never hashed, so it could not be found again; a template
 * without a client port would be hit by lookups that are not for it.
 */
static bool flags_valid(u32 flags)
{
	u32 no_port_template = IP_VS_CONN_F_NO_CPORT | IP_VS_CONN_F_TEMPLATE;

	return !(flags & IP_VS_CONN_F_ONE_PACKET) &&
	       (flags & no_port_template) != no_port_template;
}

/**
 * ip_vs_sync_read_open() - check a message's header
 * @r:		reader to set up
 * @buf:	the datagram
 * @len:	its length in bytes
 *
 * The syncid is left to the caller, who knows which ones it takes. Bytes
 * behind the last record are no concern of this version.
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason to drop the datagram.
 */
enum ip_vs_sync_reject ip_vs_sync_read_open(struct ip_vs_sync_reader *r,
					    const u8 *buf, unsigned int len)
{
	struct msg_v1 h = {};

	if (len < sizeof(struct msg_v0))
		return IP_VS_SYNC_R_SHORT;
	memcpy(&h, buf, len < sizeof(h) ? len : sizeof(h));
	if (__be16_to_cpu(h.size) != len)
		return IP_VS_SYNC_R_SIZE;

	r->buf = buf;
	r->len = len;
	r->syncid = h.syncid;
	r->version = h.zero == 0;
	r->pos = header_len(r->version);
	if (!r->version) {
		r->left = h.zero;
		return IP_VS_SYNC_OK;
	}

	if (len < sizeof(h) || h.version != 1 || h.spare)
		return IP_VS_SYNC_R_VERSION;
	r->left = h.records;
	return IP_VS_SYNC_OK;
}

/* Where the next record starts is not known */
static enum ip_vs_sync_reject lose_rest(struct ip_vs_sync_reader *r,
					enum ip_vs_sync_reject why)
{
	r->left = 0;
	return why;
}

static enum ip_vs_sync_reject read_v0(struct ip_vs_sync_reader *r,
				      struct ip_vs_sync_record *rec)
{
	const u8 *p = r->buf + r->pos;
	unsigned int len = sizeof(struct rec_v0);
	struct rec_v0 w;

	if (len > r->len - r->pos)
		return lose_rest(r, IP_VS_SYNC_R_TRUNCATED);
	memcpy(&w, p, sizeof(w));
	rec->flags = __be16_to_cpu(w.flags);
	if (has_seq_v0(rec))
		len += sizeof(struct seq_v1);
	if (len > r->len - r->pos)
		return lose_rest(r, IP_VS_SYNC_R_TRUNCATED);
	r->pos += len;

	rec->af = AF_INET;
	rec->protocol = w.protocol;
	rec->state = __be16_to_cpu(w.state);
	rec->cport = w.cport;
	rec->vport = w.vport;
	rec->dport = w.dport;
	rec->caddr.ip = w.caddr;
	rec->vaddr.ip = w.vaddr;
	rec->daddr.ip = w.daddr;
	if (has_seq_v0(rec)) {
		p += sizeof(w);
		memcpy(&rec->in_seq, p, sizeof(rec->in_seq));
		p += sizeof(rec->in_seq);
		memcpy(&rec->out_seq, p, sizeof(rec->out_seq));
		rec->has_seq = true;
	}
	return flags_valid(rec->flags) ? IP_VS_SYNC_OK : IP_VS_SYNC_R_FLAGS;
}

static enum ip_vs_sync_reject read_option(struct ip_vs_sync_record *rec,
					  u8 type, const u8 *data, u8 len)
{
	__be32 left;

	switch (type & ~OPT_SKIP_UNKNOWN) {
	case OPT_SEQ:
		if (len != sizeof(struct seq_v1))
			return IP_VS_SYNC_R_OPTION_SIZE;
		if (rec->has_seq)
			return IP_VS_SYNC_R_OPTION_TWICE;
		get_seq_v1(data, rec);
		return IP_VS_SYNC_OK;
	case OPT_PE_DATA:
		if (rec->pe_data)
			return IP_VS_SYNC_R_OPTION_TWICE;
		rec->pe_data = data;
		rec->pe_data_len = len;
		return IP_VS_SYNC_OK;
	case OPT_PE_NAME:
		if (len > IP_VS_PENAME_MAXLEN)
			return IP_VS_SYNC_R_OPTION_SIZE;
		if (rec->pe_name)
			return IP_VS_SYNC_R_OPTION_TWICE;
		rec->pe_name = data;
		rec->pe_name_len = len;
		return IP_VS_SYNC_OK;
	case OPT_LEFT:
		if (len != sizeof(left))
			return IP_VS_SYNC_R_OPTION_SIZE;
		if (rec->left)
			return IP_VS_SYNC_R_OPTION_TWICE;
		memcpy(&left, data, sizeof(left));
		rec->left = __be32_to_cpu(left);
		return IP_VS_SYNC_OK;
	}
	return type & OPT_SKIP_UNKNOWN ? IP_VS_SYNC_OK :
					 IP_VS_SYNC_R_OPTION_UNKNOWN;
}

static enum ip_vs_sync_reject read_options(struct ip_vs_sync_record *rec,
					   const u8 *p, const u8 *end)
{
	enum ip_vs_sync_reject why;
	u8 type, len;

	while (p < end) {
		if (end - p < OPT_HEADER)
			return IP_VS_SYNC_R_OPTION_SIZE;
		type = *p++;
		len = *p++;
		if (!len || len > end - p)
			return IP_VS_SYNC_R_OPTION_SIZE;
		why = read_option(rec, type, p, len);
		if (why)
			return why;
		p += len;
	}
	return IP_VS_SYNC_OK;
}

static enum ip_vs_sync_reject read_v1(struct ip_vs_sync_reader *r,
				      struct ip_vs_sync_record *rec)
{
	unsigned int room, size, fixed, alen;
	enum ip_vs_sync_reject why;
	const u8 *p, *end;
	struct rec_v1 w;

	/* The last record of a message is not padded to its boundary */
	room = r->pos < r->len ? r->len - r->pos : 0;
	if (room < sizeof(w))
		return lose_rest(r, IP_VS_SYNC_R_TRUNCATED);
	p = r->buf + r->pos;
	memcpy(&w, p, sizeof(w));
	size = __be16_to_cpu(w.ver_size) & REC_SIZE_MASK;
	if (size > room)
		return lose_rest(r, IP_VS_SYNC_R_TRUNCATED);
	if (size < sizeof(w))
		return lose_rest(r, IP_VS_SYNC_R_RECORD_SIZE);
	end = p + size;

	/* From here on the next record is known to be in reach, whatever is
	 * wrong with this one.
	 */
	r->pos += ALIGN4(size);
	if (__be16_to_cpu(w.ver_size) >> REC_VERSION_SHIFT)
		return IP_VS_SYNC_R_RECORD_VERSION;
	if (w.type & ~REC_TYPE_INET6)
		return IP_VS_SYNC_R_TYPE;
	rec->af = w.type & REC_TYPE_INET6 ? AF_INET6 : AF_INET;
	alen = addr_len(rec->af);
	fixed = sizeof(w) + 3 * alen;
	if (size < fixed)
		return IP_VS_SYNC_R_RECORD_SIZE;

	rec->protocol = w.protocol;
	rec->flags = __be32_to_cpu(w.flags);
	rec->state = __be16_to_cpu(w.state);
	rec->cport = w.cport;
	rec->vport = w.vport;
	rec->dport = w.dport;
	rec->fwmark = __be32_to_cpu(w.fwmark);
	rec->timeout = __be32_to_cpu(w.timeout);
	p += sizeof(w);
	memcpy(&rec->caddr, p, alen);
	memcpy(&rec->vaddr, p + alen, alen);
	memcpy(&rec->daddr, p + 2 * alen, alen);

	why = read_options(rec, p + 3 * alen, end);
	if (why)
		return why;
	if (rec->pe_data && !rec->pe_name)
		return IP_VS_SYNC_R_PE_NAME;
	return flags_valid(rec->flags) ? IP_VS_SYNC_OK : IP_VS_SYNC_R_FLAGS;
}

/**
 * ip_vs_sync_records_end() - where the records of a message end
 * @r:		open reader of version 1
 *
 * Context: any.
 * Return: offset of what is behind the last one, aligned, at most the length
 * of the message, which it also is when the records run beyond it.
 */
unsigned int ip_vs_sync_records_end(const struct ip_vs_sync_reader *r)
{
	unsigned int pos = r->pos, left = r->left, size;
	struct rec_v1 w;

	while (left--) {
		if (pos >= r->len || r->len - pos < sizeof(w))
			return r->len;
		memcpy(&w, r->buf + pos, sizeof(w));
		size = __be16_to_cpu(w.ver_size) & REC_SIZE_MASK;
		if (size < sizeof(w) || size > r->len - pos)
			return r->len;
		pos += ALIGN4(size);
	}
	return pos < r->len ? pos : r->len;
}

/**
 * ip_vs_sync_read_record() - read the next record
 * @r:		open reader with @left above 0
 * @rec:	filled in; its engine name and data point into the message
 *
 * After a reject @r->left tells whether there is more to read: it is 0 when
 * the start of the next record can not be known.
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use the record.
 */
enum ip_vs_sync_reject ip_vs_sync_read_record(struct ip_vs_sync_reader *r,
					      struct ip_vs_sync_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	r->left--;
	return r->version ? read_v1(r, rec) : read_v0(r, rec);
}

static const char * const reject_names[IP_VS_SYNC_REJECTS] = {
	[IP_VS_SYNC_OK]			= "none",
	[IP_VS_SYNC_R_SHORT]		= "short",
	[IP_VS_SYNC_R_SIZE]		= "size",
	[IP_VS_SYNC_R_VERSION]		= "version",
	[IP_VS_SYNC_R_SYNCID]		= "syncid",
	[IP_VS_SYNC_R_TRUNCATED]	= "truncated",
	[IP_VS_SYNC_R_RECORD_SIZE]	= "record_size",
	[IP_VS_SYNC_R_RECORD_VERSION]	= "record_version",
	[IP_VS_SYNC_R_TYPE]		= "type",
	[IP_VS_SYNC_R_OPTION_SIZE]	= "option_size",
	[IP_VS_SYNC_R_OPTION_TWICE]	= "option_twice",
	[IP_VS_SYNC_R_OPTION_UNKNOWN]	= "option_unknown",
	[IP_VS_SYNC_R_FLAGS]		= "flags",
	[IP_VS_SYNC_R_FAMILY]		= "family",
	[IP_VS_SYNC_R_PROTOCOL]		= "protocol",
	[IP_VS_SYNC_R_STATE]		= "state",
	[IP_VS_SYNC_R_PE_NAME]		= "pe_name",
	[IP_VS_SYNC_R_STALE]		= "stale",
	[IP_VS_SYNC_R_NOMEM]		= "nomem",
	[IP_VS_SYNC_R_ORDER]		= "order",
	[IP_VS_SYNC_R_KIND]		= "kind",
	[IP_VS_SYNC_R_TRAILER]		= "trailer",
	[IP_VS_SYNC_R_BODY]		= "body",
	[IP_VS_SYNC_R_INSTANCE]		= "instance",
	[IP_VS_SYNC_R_FAR]		= "far",
	[IP_VS_SYNC_R_UNSENT]		= "unsent",
	[IP_VS_SYNC_R_SENDERS]		= "senders",
};

/**
 * ip_vs_sync_reject_name() - a reason as counters and tools call it
 * @why:	the reason
 *
 * Context: any.
 * Return: its name, "unknown" for what is none.
 */
const char *ip_vs_sync_reject_name(enum ip_vs_sync_reject why)
{
	if ((unsigned int)why >= IP_VS_SYNC_REJECTS)
		return "unknown";
	return reject_names[why];
}
