// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: fuzz the control messages
 *
 * It must hold that
 *
 * - no byte behind the message is touched, and its body is inside of it;
 * - it is refused for one of the reasons that there are;
 * - what is read can be written and reads the same, in as many messages as the
 *   limit makes of it, and a body is the same byte for byte.
 */

#include <netinet/in.h>
#include <string.h>

#include "fuzz.h"

#define HEADER_LEN	8
#define KEYS_MAX	4096

static bool is_body(enum ip_vs_sync_reject why)
{
	check(!why || why == IP_VS_SYNC_R_BODY);
	return !why;
}

/* What was written has the head, the body and the trailer that were read */
static void compare(const struct ip_vs_sync_control *want, const u8 *written,
		    unsigned int len)
{
	u8 *buf = copy(written, len);
	struct ip_vs_sync_control c;

	check(!ip_vs_sync_control_read(&c, buf, len));
	check(c.kind == want->kind && c.syncid == want->syncid);
	check(c.numbered);
	check(c.trailer.instance == want->trailer.instance);
	check(c.trailer.seq == want->trailer.seq);
	check(len == HEADER_LEN + c.len + IP_VS_SYNC_TRAILER_LEN);
	check(c.len == want->len && !memcmp(c.body, want->body, c.len));
	free(buf);
}

static void hello(const struct ip_vs_sync_control *c)
{
	u8 buf[IP_VS_SYNC_CONTROL_MAX];
	struct ip_vs_sync_hello h;

	if (!is_body(ip_vs_sync_hello_read(c, &h)))
		return;
	check(h.interval);
	check(h.progress <= IP_VS_SYNC_PASS_DONE ||
	      h.progress == IP_VS_SYNC_NO_PASS);
	compare(c, buf, ip_vs_sync_hello_write(buf, c->syncid, &h,
					       &c->trailer));
}

static void ranges(const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range r[IP_VS_SYNC_RANGES_MAX];
	u8 buf[IP_VS_SYNC_CONTROL_MAX];
	unsigned int i, n;

	if (!is_body(ip_vs_sync_ranges_read(c, r, &n)))
		return;
	check(n && n <= IP_VS_SYNC_RANGES_MAX);
	for (i = 0; i < n; i++) {
		check((s32)(r[i].last - r[i].first) >= 0);
		check((s32)(c->trailer.seq - r[i].last) >= 0);
	}
	compare(c, buf, ip_vs_sync_ranges_write(buf, c->syncid, c->kind, r, n,
						&c->trailer));
}

static void join(const struct ip_vs_sync_control *c)
{
	u8 buf[IP_VS_SYNC_CONTROL_MAX];
	u32 since;

	if (is_body(ip_vs_sync_join_read(c, &since)))
		compare(c, buf, ip_vs_sync_join_write(buf, c->syncid, since,
						      &c->trailer));
}

/* Read the keys. Return: how many there are at @keys. */
static unsigned int read_keys(struct ip_vs_sync_control *c,
			      struct ip_vs_sync_key *keys)
{
	enum ip_vs_sync_reject why;
	unsigned int n = 0, left;
	const u8 *end;

	while (c->len) {
		left = c->len;
		end = c->body + c->len;
		why = ip_vs_sync_key_read(c, &keys[n]);
		check(c->len < left);
		if (why) {
			check(why == IP_VS_SYNC_R_TRUNCATED ||
			      why == IP_VS_SYNC_R_TYPE);
			check(!c->len);
			return n;
		}
		check(c->body + c->len == end);
		check(keys[n].af == AF_INET || keys[n].af == AF_INET6);
		n++;
	}
	return n;
}

/* Read back a DELETE of these keys */
static void read_back(struct ip_vs_sync_writer *w, u32 order,
		      const struct ip_vs_sync_trailer *t,
		      const struct ip_vs_sync_key *keys)
{
	unsigned int i, n = w->records, len = ip_vs_sync_delete_close(w, t);
	u8 *buf = copy(w->buf, len);
	struct ip_vs_sync_control c;
	struct ip_vs_sync_key key;
	u32 got;

	check(n == 1 || len <= w->limit);
	check(!ip_vs_sync_control_read(&c, buf, len));
	check(c.kind == IP_VS_SYNC_DELETE && c.syncid == w->syncid);
	check(!ip_vs_sync_delete_read(&c, &got) && got == order);
	for (i = 0; i < n; i++) {
		check(c.len && !ip_vs_sync_key_read(&c, &key));
		check(key.af == keys[i].af);
		check(key.protocol == keys[i].protocol);
		check(key.template == keys[i].template);
		check(key.cport == keys[i].cport);
		check(key.vport == keys[i].vport);
		check(!memcmp(&key.caddr, &keys[i].caddr, sizeof(key.caddr)));
		check(!memcmp(&key.vaddr, &keys[i].vaddr, sizeof(key.vaddr)));
	}
	check(!c.len);
	free(buf);
}

/* But for what is to be 0 */
static bool is_same_key(const u8 *a, const u8 *b, unsigned int len)
{
	return !memcmp(a, b, 6) && !memcmp(a + 8, b + 8, len - 8);
}

static void delete(struct ip_vs_sync_control *c, unsigned int limit)
{
	size_t size = IP_VS_SYNC_HEADER_MAX + IP_VS_SYNC_RECORD_MAX;
	static struct ip_vs_sync_key keys[KEYS_MAX];
	struct ip_vs_sync_writer w = { .limit = limit };
	unsigned int i, first = 0, n, len;
	const u8 *was, *end = c->body + c->len;
	u32 order;

	if (!is_body(ip_vs_sync_delete_read(c, &order)))
		return;
	check((s32)(c->trailer.seq - order) >= 0);
	was = c->body;
	check(was + c->len == end);
	n = read_keys(c, keys);
	w.buf = malloc(limit > size ? limit : size);
	ip_vs_sync_delete_open(&w, c->syncid, order);
	for (i = 0; i < n;) {
		len = w.len;
		if (ip_vs_sync_delete_add(&w, &keys[i])) {
			i++;
			check(w.records == i - first);
			len = w.len - len;
			check(is_same_key(w.buf + w.len - len, was, len));
			was += len;
			continue;
		}
		/* Full, which an empty one never is */
		check(w.records && w.records == i - first);
		read_back(&w, order, &c->trailer, &keys[first]);
		first = i;
		ip_vs_sync_delete_open(&w, c->syncid, order);
	}
	if (w.records)
		read_back(&w, order, &c->trailer, &keys[first]);
	free(w.buf);
}

void fuzz_control(const u8 *data, unsigned int len)
{
	enum ip_vs_sync_reject why;
	struct ip_vs_sync_control c;

	why = ip_vs_sync_control_read(&c, data, len);
	check(!why || why == IP_VS_SYNC_R_SIZE || why == IP_VS_SYNC_R_KIND ||
	      why == IP_VS_SYNC_R_TRAILER);
	if (why || c.kind == IP_VS_SYNC_DATA)
		return;
	check(c.numbered && c.body == data + HEADER_LEN && !(c.len % 4));
	check(HEADER_LEN + c.len + IP_VS_SYNC_TRAILER_LEN <= len);
	switch (c.kind) {
	case IP_VS_SYNC_DELETE:
		delete(&c, choose_limit(data, len));
		break;
	case IP_VS_SYNC_HELLO:
		hello(&c);
		break;
	case IP_VS_SYNC_JOIN:
		join(&c);
		break;
	case IP_VS_SYNC_FILL:
	case IP_VS_SYNC_NACK:
		ranges(&c);
		break;
	default:
		check(!"a kind that there is");
	}
}
