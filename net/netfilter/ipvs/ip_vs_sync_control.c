// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the wire format of what makes version 1 complete
 *
 * Nothing that is read is trusted: a length is checked before the bytes behind
 * it are touched, and a body that is not exactly what its kind has is refused.
 */

#include <linux/string.h>
#ifdef __KERNEL__
#include <linux/socket.h>
#else
#include <sys/socket.h>
#endif

#include <asm/byteorder.h>

#include "ip_vs_sync_control.h"

/* The structs below have no holes, they are copied to and from the wire whole
 */
struct wire_header {
	u8			zero;
	u8			syncid;
	__be16			size;
	u8			kind;
	u8			version;
	__be16			spare;
};

struct wire_trailer {
	__be32			magic;
	u8			len;
	u8			zero;
	__be16			spare;
	__be32			instance;
	__be32			seq;
};

struct wire_hello {
	__be32			oldest;
	__be32			conns;
	__be32			pass;
	__be32			done;
	__be16			progress;
	__be16			interval;
};

struct wire_range {
	__be32			first;
	__be32			last;
};

/* Two addresses of the family follow */
struct wire_key {
	u8			type;
	u8			protocol;
	__be16			cport;
	__be16			vport;
	__be16			spare;
};

#define MAGIC			0x49565354	/* "IVST" */
/* The length is one byte, and a multiple of 4 */
#define TRAILER_MAX		252
#define CONTROL_VERSION		2
#define KEY_INET6		0x01
#define KEY_TEMPLATE		0x02

static unsigned int align4(unsigned int len)
{
	return (len + 3) & ~3U;
}

static u8 *put_trailer(u8 *p, const struct ip_vs_sync_trailer *t)
{
	struct wire_trailer w = {
		.magic		= __cpu_to_be32(MAGIC),
		.len		= sizeof(w),
		.instance	= __cpu_to_be32(t->instance),
		.seq		= __cpu_to_be32(t->seq),
	};

	memcpy(p, &w, sizeof(w));
	return p + sizeof(w);
}

/* A trailer that reaches exactly to the end. Return: true if there is one. */
static bool get_trailer(const u8 *p, unsigned int len,
			struct ip_vs_sync_trailer *t)
{
	struct wire_trailer w;

	if (len < sizeof(w))
		return false;
	memcpy(&w, p, sizeof(w));
	if (w.magic != __cpu_to_be32(MAGIC) || w.len != len || len % 4)
		return false;
	t->instance = __be32_to_cpu(w.instance);
	t->seq = __be32_to_cpu(w.seq);
	return true;
}

static unsigned int put_control(u8 *buf, u8 *end, u8 syncid,
				enum ip_vs_sync_kind kind,
				const struct ip_vs_sync_trailer *t)
{
	unsigned int len = put_trailer(end, t) - buf;
	struct wire_header h = {
		.syncid		= syncid,
		.size		= __cpu_to_be16(len),
		.kind		= kind,
		.version	= CONTROL_VERSION,
	};

	memcpy(buf, &h, sizeof(h));
	return len;
}

/* Where does the trailer of a control message start? It is the last thing, and
 * as long as it says, so each place where one could be is tried: from its
 * shortest form on.
 */
static bool find_trailer(struct ip_vs_sync_control *c)
{
	unsigned int len;

	for (len = IP_VS_SYNC_TRAILER_LEN; len <= c->len && len <= TRAILER_MAX;
	     len += 4) {
		if (get_trailer(c->body + c->len - len, len, &c->trailer)) {
			c->len -= len;
			return true;
		}
	}
	return false;
}

/**
 * ip_vs_sync_control_read() - is this a control message, and which?
 * @c:		set; its kind is %IP_VS_SYNC_DATA if it is none
 * @buf:	the datagram
 * @len:	its length in bytes
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK, or the reason to drop the datagram.
 */
enum ip_vs_sync_reject ip_vs_sync_control_read(struct ip_vs_sync_control *c,
					       const u8 *buf, unsigned int len)
{
	struct wire_header h;

	memset(c, 0, sizeof(*c));
	if (len < sizeof(h))
		return IP_VS_SYNC_OK;
	memcpy(&h, buf, sizeof(h));
	if (h.zero || h.version != CONTROL_VERSION || h.spare)
		return IP_VS_SYNC_OK;
	if (__be16_to_cpu(h.size) != len)
		return IP_VS_SYNC_R_SIZE;
	if (h.kind <= IP_VS_SYNC_DATA || h.kind >= IP_VS_SYNC_KINDS)
		return IP_VS_SYNC_R_KIND;
	c->kind = h.kind;
	c->syncid = h.syncid;
	c->body = buf + sizeof(h);
	c->len = len - sizeof(h);
	c->numbered = find_trailer(c);
	return c->numbered && !(c->len % 4) ? IP_VS_SYNC_OK :
					      IP_VS_SYNC_R_TRAILER;
}

/**
 * ip_vs_sync_trailer_read() - the trailer of a message of records
 * @r:		opened reader
 * @c:		its @numbered and @trailer are set
 *
 * Bytes behind the last record that are no trailer are somebody else's.
 *
 * Context: any.
 */
void ip_vs_sync_trailer_read(const struct ip_vs_sync_reader *r,
			     struct ip_vs_sync_control *c)
{
	unsigned int end = r->version ? ip_vs_sync_records_end(r) : r->len;

	c->numbered = end < r->len && get_trailer(r->buf + end, r->len - end,
						  &c->trailer);
}

/**
 * ip_vs_sync_trailer_write() - number a message of records
 * @w:		writer of version 1 whose limit has left room; not closed yet
 * @t:		the trailer
 *
 * Context: any.
 * Return: bytes of the message so far.
 */
unsigned int ip_vs_sync_trailer_write(struct ip_vs_sync_writer *w,
				      const struct ip_vs_sync_trailer *t)
{
	unsigned int start = align4(w->len);

	memset(w->buf + w->len, 0, start - w->len);
	w->len = put_trailer(w->buf + start, t) - w->buf;
	return w->len;
}

/**
 * ip_vs_sync_hello_write() - write a HELLO
 * @buf:	room for %IP_VS_SYNC_CONTROL_MAX bytes
 * @syncid:	group of directors it is for
 * @h:		what it says
 * @t:		its trailer
 *
 * Context: any.
 * Return: bytes to send.
 */
unsigned int ip_vs_sync_hello_write(u8 *buf, u8 syncid,
				    const struct ip_vs_sync_hello *h,
				    const struct ip_vs_sync_trailer *t)
{
	u8 *p = buf + sizeof(struct wire_header);
	struct wire_hello w = {
		.oldest		= __cpu_to_be32(h->oldest),
		.conns		= __cpu_to_be32(h->conns),
		.pass		= __cpu_to_be32(h->pass),
		.done		= __cpu_to_be32(h->done),
		.progress	= __cpu_to_be16(h->progress),
		.interval	= __cpu_to_be16(h->interval),
	};

	memcpy(p, &w, sizeof(w));
	return put_control(buf, p + sizeof(w), syncid, IP_VS_SYNC_HELLO, t);
}

/**
 * ip_vs_sync_hello_read() - read a HELLO
 * @c:		a control message of that kind
 * @h:		set
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use it.
 */
enum ip_vs_sync_reject
ip_vs_sync_hello_read(const struct ip_vs_sync_control *c,
		      struct ip_vs_sync_hello *h)
{
	struct wire_hello w;

	if (c->len != sizeof(w))
		return IP_VS_SYNC_R_BODY;
	memcpy(&w, c->body, sizeof(w));
	h->oldest = __be32_to_cpu(w.oldest);
	h->conns = __be32_to_cpu(w.conns);
	h->pass = __be32_to_cpu(w.pass);
	h->done = __be32_to_cpu(w.done);
	h->progress = __be16_to_cpu(w.progress);
	h->interval = __be16_to_cpu(w.interval);
	if (!h->interval || (h->progress > IP_VS_SYNC_PASS_DONE &&
			     h->progress != IP_VS_SYNC_NO_PASS))
		return IP_VS_SYNC_R_BODY;
	return IP_VS_SYNC_OK;
}

/**
 * ip_vs_sync_ranges_write() - write a NACK or a FILL
 * @buf:	room for %IP_VS_SYNC_CONTROL_MAX bytes
 * @syncid:	group of directors it is for
 * @kind:	which of both
 * @ranges:	of messages
 * @n:		number of ranges, 1 to %IP_VS_SYNC_RANGES_MAX
 * @t:		its trailer
 *
 * Context: any.
 * Return: bytes to send.
 */
unsigned int ip_vs_sync_ranges_write(u8 *buf, u8 syncid,
				     enum ip_vs_sync_kind kind,
				     const struct ip_vs_sync_range *ranges,
				     unsigned int n,
				     const struct ip_vs_sync_trailer *t)
{
	u8 *p = buf + sizeof(struct wire_header);
	struct wire_range w;
	unsigned int i;

	for (i = 0; i < n; i++) {
		w.first = __cpu_to_be32(ranges[i].first);
		w.last = __cpu_to_be32(ranges[i].last);
		memcpy(p, &w, sizeof(w));
		p += sizeof(w);
	}
	return put_control(buf, p, syncid, kind, t);
}

/**
 * ip_vs_sync_ranges_read() - read a NACK or a FILL
 * @c:		a control message of one of these kinds
 * @ranges:	set; room for %IP_VS_SYNC_RANGES_MAX
 * @n:		set to their number
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use it: also when a range ends
 * after the number in the trailer.
 */
enum ip_vs_sync_reject
ip_vs_sync_ranges_read(const struct ip_vs_sync_control *c,
		       struct ip_vs_sync_range *ranges, unsigned int *n)
{
	struct wire_range w;
	unsigned int i;

	*n = c->len / sizeof(w);
	if (!*n || *n > IP_VS_SYNC_RANGES_MAX || c->len % sizeof(w))
		return IP_VS_SYNC_R_BODY;
	for (i = 0; i < *n; i++) {
		memcpy(&w, c->body + i * sizeof(w), sizeof(w));
		ranges[i].first = __be32_to_cpu(w.first);
		ranges[i].last = __be32_to_cpu(w.last);
		if (ip_vs_sync_before(ranges[i].last, ranges[i].first) ||
		    ip_vs_sync_before(c->trailer.seq, ranges[i].last))
			return IP_VS_SYNC_R_BODY;
	}
	return IP_VS_SYNC_OK;
}

/**
 * ip_vs_sync_join_write() - write a JOIN
 * @buf:	room for %IP_VS_SYNC_CONTROL_MAX bytes
 * @syncid:	group of directors it is for
 * @since:	first message that was heard
 * @t:		its trailer
 *
 * Context: any.
 * Return: bytes to send.
 */
unsigned int ip_vs_sync_join_write(u8 *buf, u8 syncid, u32 since,
				   const struct ip_vs_sync_trailer *t)
{
	u8 *p = buf + sizeof(struct wire_header);
	__be32 w = __cpu_to_be32(since);

	memcpy(p, &w, sizeof(w));
	return put_control(buf, p + sizeof(w), syncid, IP_VS_SYNC_JOIN, t);
}

/**
 * ip_vs_sync_join_read() - read a JOIN
 * @c:		a control message of that kind
 * @since:	set
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use it.
 */
enum ip_vs_sync_reject
ip_vs_sync_join_read(const struct ip_vs_sync_control *c, u32 *since)
{
	__be32 w;

	if (c->len != sizeof(w))
		return IP_VS_SYNC_R_BODY;
	memcpy(&w, c->body, sizeof(w));
	*since = __be32_to_cpu(w);
	return IP_VS_SYNC_OK;
}

static unsigned int key_len(u16 af)
{
	return sizeof(struct wire_key) + (af == AF_INET6 ? 32 : 8);
}

/**
 * ip_vs_sync_delete_open() - start a DELETE
 * @w:		writer with @buf and @limit set
 * @syncid:	group of directors it is for
 * @order:	number that counts for the order of updates
 *
 * Context: any.
 */
void ip_vs_sync_delete_open(struct ip_vs_sync_writer *w, u8 syncid, u32 order)
{
	__be32 word = __cpu_to_be32(order);

	w->syncid = syncid;
	w->records = 0;
	w->len = sizeof(struct wire_header);
	memcpy(w->buf + w->len, &word, sizeof(word));
	w->len += sizeof(word);
}

/**
 * ip_vs_sync_delete_add() - add a connection to a DELETE
 * @w:		open writer
 * @key:	the connection
 *
 * Context: any.
 * Return: false when the message is full: close it, send it, open a new one.
 */
bool ip_vs_sync_delete_add(struct ip_vs_sync_writer *w,
			   const struct ip_vs_sync_key *key)
{
	unsigned int alen = key->af == AF_INET6 ? 16 : 4;
	struct wire_key k = {
		.type		= (key->af == AF_INET6 ? KEY_INET6 : 0) |
				  (key->template ? KEY_TEMPLATE : 0),
		.protocol	= key->protocol,
		.cport		= key->cport,
		.vport		= key->vport,
	};
	u8 *p = w->buf + w->len;

	if (w->records &&
	    w->len + key_len(key->af) + IP_VS_SYNC_TRAILER_LEN > w->limit)
		return false;
	memcpy(p, &k, sizeof(k));
	memcpy(p + sizeof(k), &key->caddr, alen);
	memcpy(p + sizeof(k) + alen, &key->vaddr, alen);
	w->len += key_len(key->af);
	w->records++;
	return true;
}

/**
 * ip_vs_sync_delete_close() - complete a DELETE
 * @w:		writer with at least one connection
 * @t:		the trailer
 *
 * Context: any.
 * Return: bytes to send from @w->buf.
 */
unsigned int ip_vs_sync_delete_close(struct ip_vs_sync_writer *w,
				     const struct ip_vs_sync_trailer *t)
{
	w->len = put_control(w->buf, w->buf + w->len, w->syncid,
			     IP_VS_SYNC_DELETE, t);
	return w->len;
}

/**
 * ip_vs_sync_delete_read() - start to read a DELETE
 * @c:		a control message of that kind
 * @order:	set
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use it.
 */
enum ip_vs_sync_reject
ip_vs_sync_delete_read(struct ip_vs_sync_control *c, u32 *order)
{
	__be32 word;

	if (c->len < sizeof(word))
		return IP_VS_SYNC_R_BODY;
	memcpy(&word, c->body, sizeof(word));
	*order = __be32_to_cpu(word);
	c->body += sizeof(word);
	c->len -= sizeof(word);
	if (ip_vs_sync_before(c->trailer.seq, *order))
		return IP_VS_SYNC_R_BODY;
	return IP_VS_SYNC_OK;
}

/**
 * ip_vs_sync_key_read() - read the next connection of a DELETE
 * @c:		one that ip_vs_sync_delete_read() took, with @len above 0; what
 *		is left is 0 after a reject
 * @key:	set
 *
 * Context: any.
 * Return: IP_VS_SYNC_OK or the reason not to use the rest.
 */
enum ip_vs_sync_reject ip_vs_sync_key_read(struct ip_vs_sync_control *c,
					   struct ip_vs_sync_key *key)
{
	unsigned int room = c->len;
	unsigned int alen, len;
	const u8 *p = c->body;
	struct wire_key k;

	c->len = 0;
	if (room < sizeof(k))
		return IP_VS_SYNC_R_TRUNCATED;
	memcpy(&k, p, sizeof(k));
	if (k.type & ~(KEY_INET6 | KEY_TEMPLATE))
		return IP_VS_SYNC_R_TYPE;
	memset(key, 0, sizeof(*key));
	key->af = k.type & KEY_INET6 ? AF_INET6 : AF_INET;
	len = key_len(key->af);
	if (room < len)
		return IP_VS_SYNC_R_TRUNCATED;
	key->protocol = k.protocol;
	key->template = k.type & KEY_TEMPLATE;
	key->cport = k.cport;
	key->vport = k.vport;
	alen = key->af == AF_INET6 ? 16 : 4;
	memcpy(&key->caddr, p + sizeof(k), alen);
	memcpy(&key->vaddr, p + sizeof(k) + alen, alen);
	c->body += len;
	c->len = room - len;
	return IP_VS_SYNC_OK;
}
