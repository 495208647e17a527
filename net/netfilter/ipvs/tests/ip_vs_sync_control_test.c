// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: the trailer and the control messages
 *
 * The messages below were written down from the description of the format and
 * not taken from what the code makes of them.
 *
 * - vectors: whole control messages, byte for byte, in both directions
 * - tags: the same with a longer trailer, as a later version may send it
 * - refusals: what is no control message, and what is a bad one
 * - ranges, keys, records: round trips; a trailer behind each kind of record
 * - cuts, noise: the vectors at every length, and with bytes changed
 */

#include <kunit/test.h>
#include <linux/in.h>
#include <linux/kernel.h>
#include <linux/prandom.h>
#include <linux/socket.h>
#include <linux/string.h>

#include "../ip_vs_sync_control.h"
#include "ip_vs_sync_bytes.h"

#define SEED		20111122
#define KEYS_MAX	3	/* of a message written down here */
#define TAG_MAX		236	/* bytes that a trailer can be longer */

static const struct ip_vs_sync_trailer trailer = { 0xa1b2c3d4, 0x01020304 };

/* The header of a message to group 7 */
#define HEAD(size, kind) "00 07 " size " " kind " 02 0000"
/* "IVST" 16 0, instance, number */
#define TRAILER		"49565354 10 00 0000 a1b2c3d4 01020304"
/* The same, of a number that serial arithmetic has before 0 */
#define TRAILER_HIGH	"49565354 10 00 0000 a1b2c3d4 fffffffe"

static const struct ip_vs_sync_key tcp4 = {
	.af		= AF_INET,
	.protocol	= IPPROTO_TCP,
	.cport		= htons(0xc001),
	.vport		= htons(0x0050),
	.caddr.ip	= htonl(0xc0000201),
	.vaddr.ip	= htonl(0xc6336450),
};

static const struct ip_vs_sync_key udp6 = {
	.af		= AF_INET6,
	.protocol	= IPPROTO_UDP,
	.cport		= htons(0xd102),
	.vport		= htons(0x0035),
	.caddr.ip6	= { htonl(0x20010db8), htonl(0x61626364),
			    htonl(0x65666768), htonl(0x696a6b6c) },
	.vaddr.ip6	= { htonl(0x20010db9), htonl(0x71727374),
			    htonl(0x75767778), htonl(0x797a7b7c) },
};

static const struct ip_vs_sync_key template4 = {
	.af		= AF_INET,
	.protocol	= IPPROTO_IP,
	.template	= true,
	.caddr.ip	= htonl(0xcb007100),
	.vaddr.ip	= htonl(0x00000007),
};

static const struct ip_vs_sync_key template6 = {
	.af		= AF_INET6,
	.protocol	= IPPROTO_SCTP,
	.template	= true,
	.vport		= htons(0x0b0c),
	.caddr.ip6	= { htonl(0x20010dba), 0, 0, htonl(1) },
	.vaddr.ip6	= { htonl(0xfd000001), 0, 0, htonl(2) },
};

#define TCP4		"00 06 c001 0050 0000 c0000201 c6336450"
#define UDP6		"01 11 d102 0035 0000 " \
			"20010db8 61626364 65666768 696a6b6c " \
			"20010db9 71727374 75767778 797a7b7c"
#define TEMPLATE4	"02 00 0000 0000 0000 cb007100 00000007"
#define TEMPLATE6	"03 84 0000 0b0c 0000 " \
			"20010dba 00000000 00000000 00000001 " \
			"fd000001 00000000 00000000 00000002"

/* A message, and what it says */
static const struct vector {
	const char			*desc;
	const char			*hex;
	enum ip_vs_sync_kind		kind;
	u8				syncid;
	u32				number;	/* since, or order */
	struct ip_vs_sync_hello		hello;
	unsigned int			n;
	struct ip_vs_sync_range		ranges[3];
	const struct ip_vs_sync_key	*keys[KEYS_MAX];
} vectors[] = {
	{ "delete", "00 07 002c 01 02 0000 01020304" TCP4 TRAILER,
	  IP_VS_SYNC_DELETE, 7, 0x01020304, {}, 1, {}, { &tcp4 } },
	{ "delete of IPv6", "00 07 0044 01 02 0000 01020304" UDP6 TRAILER,
	  IP_VS_SYNC_DELETE, 7, 0x01020304, {}, 1, {}, { &udp6 } },
	{ "delete of templates", "00 07 0054 01 02 0000 01020304"
	  TEMPLATE4 TEMPLATE6 TRAILER, IP_VS_SYNC_DELETE, 7, 0x01020304, {},
	  2, {}, { &template4, &template6 } },
	{ "delete again", "00 ff 0064 01 02 0000 01020303"
	  UDP6 TCP4 TEMPLATE4 TRAILER, IP_VS_SYNC_DELETE, 255, 0x01020303,
	  {}, 3, {}, { &udp6, &tcp4, &template4 } },
	{ "delete of old", "00 00 002c 01 02 0000 81020305" TCP4 TRAILER,
	  IP_VS_SYNC_DELETE, 0, 0x81020305, {}, 1, {}, { &tcp4 } },
	{ "hello", HEAD("002c", "02")
	  "11121314 21222324 31323334 41424344 01f4 0064" TRAILER,
	  IP_VS_SYNC_HELLO, 7, 0,
	  { 0x11121314, 0x21222324, 0x31323334, 0x41424344, 500, 100 } },
	{ "hello before a pass", HEAD("002c", "02")
	  "00000001 00000000 00000000 00000000 ffff 03e8" TRAILER,
	  IP_VS_SYNC_HELLO, 7, 0, { 1, 0, 0, 0, IP_VS_SYNC_NO_PASS, 1000 } },
	{ "hello at the start of a pass", HEAD("002c", "02")
	  "ffffffff ffffffff ffffffff ffffffff 0000 0001" TRAILER,
	  IP_VS_SYNC_HELLO, 7, 0, { -1, -1, -1, -1, 0, 1 } },
	{ "hello after a pass", HEAD("002c", "02")
	  "00000001 00000002 00000003 00000004 03e8 ffff" TRAILER,
	  IP_VS_SYNC_HELLO, 7, 0,
	  { 1, 2, 3, 4, IP_VS_SYNC_PASS_DONE, 0xffff } },
	{ "fill", "00 07 0020 03 02 0000 01020301 01020302" TRAILER,
	  IP_VS_SYNC_FILL, 7, 0, {}, 1, { { 0x01020301, 0x01020302 } } },
	{ "fill of the last", "00 07 0020 03 02 0000 01020304 01020304"
	  TRAILER, IP_VS_SYNC_FILL, 7, 0, {}, 1,
	  { { 0x01020304, 0x01020304 } } },
	{ "nack", HEAD("0030", "04")
	  "00000005 00000005 00000007 00000100 01020000 01020304" TRAILER,
	  IP_VS_SYNC_NACK, 7, 0, {}, 3,
	  { { 5, 5 }, { 7, 0x100 }, { 0x01020000, 0x01020304 } } },
	{ "nack of numbers that wrap", HEAD("0020", "04")
	  "fffffff0 00000002" TRAILER, IP_VS_SYNC_NACK, 7, 0, {}, 1,
	  { { 0xfffffff0, 2 } } },
	{ "join", "00 07 001c 05 02 0000 00abcdef" TRAILER, IP_VS_SYNC_JOIN,
	  7, 0xabcdef },
};

static void vector_desc(const struct vector *v, char *desc)
{
	strscpy(desc, v->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vector, vectors, vector_desc);

static unsigned int write_delete(const struct vector *v, u8 *buf,
				 unsigned int size)
{
	struct ip_vs_sync_writer w = { .buf = buf, .limit = size };
	unsigned int i;

	ip_vs_sync_delete_open(&w, v->syncid, v->number);
	for (i = 0; i < v->n; i++)
		if (!ip_vs_sync_delete_add(&w, v->keys[i]))
			return 0;
	return ip_vs_sync_delete_close(&w, &trailer);
}

static unsigned int write_vector(const struct vector *v, u8 *buf,
				 unsigned int size)
{
	switch (v->kind) {
	case IP_VS_SYNC_DELETE:
		return write_delete(v, buf, size);
	case IP_VS_SYNC_HELLO:
		return ip_vs_sync_hello_write(buf, v->syncid, &v->hello,
					      &trailer);
	case IP_VS_SYNC_JOIN:
		return ip_vs_sync_join_write(buf, v->syncid, v->number,
					     &trailer);
	default:
		return ip_vs_sync_ranges_write(buf, v->syncid, v->kind,
					       v->ranges, v->n, &trailer);
	}
}

static void vector_encode(struct kunit *test)
{
	const struct vector *v = test->param_value;
	u8 want[MESSAGE_MAX], *buf;
	unsigned int len;

	len = unhex(test, v->hex, want);
	buf = kunit_kmalloc(test, IP_VS_SYNC_CONTROL_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xa5, IP_VS_SYNC_CONTROL_MAX);
	KUNIT_ASSERT_EQ(test, write_vector(v, buf, IP_VS_SYNC_CONTROL_MAX),
			len);
	expect_bytes(test, buf, want, len);
	KUNIT_EXPECT_EQ(test, buf[len], 0xa5);
}

static void expect_key(struct kunit *test, const struct ip_vs_sync_key *got,
		       const struct ip_vs_sync_key *want)
{
	KUNIT_EXPECT_EQ(test, got->af, want->af);
	KUNIT_EXPECT_EQ(test, got->protocol, want->protocol);
	KUNIT_EXPECT_EQ(test, got->template, want->template);
	KUNIT_EXPECT_EQ(test, ntohs(got->cport), ntohs(want->cport));
	KUNIT_EXPECT_EQ(test, ntohs(got->vport), ntohs(want->vport));
	/* All of it: IPv4 leaves nothing behind */
	KUNIT_EXPECT_EQ(test, memcmp(&got->caddr, &want->caddr,
				     sizeof(got->caddr)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&got->vaddr, &want->vaddr,
				     sizeof(got->vaddr)), 0);
}

static void expect_keys(struct kunit *test, const struct vector *v,
			struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_key key;
	unsigned int i;
	u32 order;

	KUNIT_ASSERT_EQ(test, ip_vs_sync_delete_read(c, &order),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, order, v->number);
	for (i = 0; i < v->n; i++) {
		KUNIT_ASSERT_GT(test, c->len, 0);
		memset(&key, 0xa5, sizeof(key));
		KUNIT_ASSERT_EQ(test, ip_vs_sync_key_read(c, &key),
				IP_VS_SYNC_OK);
		expect_key(test, &key, v->keys[i]);
	}
	KUNIT_EXPECT_EQ(test, c->len, 0);
}

static void expect_ranges(struct kunit *test, const struct vector *v,
			  const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range *ranges;
	unsigned int i, n;

	ranges = kunit_kcalloc(test, IP_VS_SYNC_RANGES_MAX, sizeof(*ranges),
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_ranges_read(c, ranges, &n),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, n, v->n);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, ranges[i].first, v->ranges[i].first);
		KUNIT_EXPECT_EQ(test, ranges[i].last, v->ranges[i].last);
	}
}

static void expect_hello(struct kunit *test, const struct vector *v,
			 const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_hello h;

	KUNIT_ASSERT_EQ(test, ip_vs_sync_hello_read(c, &h), IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, h.oldest, v->hello.oldest);
	KUNIT_EXPECT_EQ(test, h.conns, v->hello.conns);
	KUNIT_EXPECT_EQ(test, h.pass, v->hello.pass);
	KUNIT_EXPECT_EQ(test, h.done, v->hello.done);
	KUNIT_EXPECT_EQ(test, h.progress, v->hello.progress);
	KUNIT_EXPECT_EQ(test, h.interval, v->hello.interval);
}

/* Does the message say what it is meant to? */
static void expect_vector(struct kunit *test, const struct vector *v,
			  const u8 *buf, unsigned int len)
{
	struct ip_vs_sync_control c;
	u32 since;

	KUNIT_ASSERT_EQ(test, ip_vs_sync_control_read(&c, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, c.kind, v->kind);
	KUNIT_EXPECT_EQ(test, c.syncid, v->syncid);
	KUNIT_EXPECT_TRUE(test, c.numbered);
	KUNIT_EXPECT_EQ(test, c.trailer.instance, trailer.instance);
	KUNIT_EXPECT_EQ(test, c.trailer.seq, trailer.seq);
	switch (v->kind) {
	case IP_VS_SYNC_DELETE:
		expect_keys(test, v, &c);
		break;
	case IP_VS_SYNC_HELLO:
		expect_hello(test, v, &c);
		break;
	case IP_VS_SYNC_JOIN:
		KUNIT_ASSERT_EQ(test, ip_vs_sync_join_read(&c, &since),
				IP_VS_SYNC_OK);
		KUNIT_EXPECT_EQ(test, since, v->number);
		break;
	default:
		expect_ranges(test, v, &c);
	}
}

static void vector_decode(struct kunit *test)
{
	const struct vector *v = test->param_value;
	u8 bytes[MESSAGE_MAX];
	unsigned int len;

	len = unhex(test, v->hex, bytes);
	expect_vector(test, v, exactly(test, bytes, len), len);
}

/* The trailer of a message is longer by a tag, which receivers ignore. The tag
 * may even look as the rest of a trailer does.
 */
static void vector_tags(struct kunit *test)
{
	const struct vector *v = test->param_value;
	unsigned int len, tag, i;
	u8 *bytes;

	bytes = kunit_kzalloc(test, MESSAGE_MAX + TAG_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	len = unhex(test, v->hex, bytes);
	for (tag = 4; tag <= TAG_MAX; tag += 4) {
		for (i = 0; i < tag; i++)
			bytes[len + i] = i * 7 + tag;
		bytes[len - IP_VS_SYNC_TRAILER_LEN + 4] =
			IP_VS_SYNC_TRAILER_LEN + tag;
		set_size(bytes, len + tag);
		expect_vector(test, v, exactly(test, bytes, len + tag),
			      len + tag);
	}
}

/* A tag whose length is no multiple of 4, or not the one that is said */
static void tag_bad(struct kunit *test)
{
	struct ip_vs_sync_control c;
	unsigned int len, tag, said;
	u8 *bytes;

	bytes = kunit_kzalloc(test, MESSAGE_MAX + 256, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	len = unhex(test, vectors[0].hex, bytes);
	for (tag = 0; tag < 256; tag++) {
		set_size(bytes, len + tag);
		for (said = 0; said < 256; said++) {
			bytes[len - IP_VS_SYNC_TRAILER_LEN + 4] = said;
			KUNIT_ASSERT_EQ_MSG(test,
					    ip_vs_sync_control_read(&c, bytes,
								    len + tag),
					    said == 16 + tag && !(tag % 4) ?
					    IP_VS_SYNC_OK :
					    IP_VS_SYNC_R_TRAILER,
					    "%u bytes, said %u", tag, said);
		}
	}
}

/* Messages that are refused, or none of control */
static const struct refusal {
	const char			*desc;
	const char			*hex;
	enum ip_vs_sync_reject		why;	/* of the message */
	enum ip_vs_sync_reject		body;	/* of what is in it */
} refusals[] = {
	{ "empty", "", IP_VS_SYNC_OK },
	{ "short", "00 07 0020 05 02 00", IP_VS_SYNC_OK },
	{ "version 0", "01 07 001c 05 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_OK },
	{ "version 1", "00 07 001c 05 01 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_OK },
	{ "version 3", "00 07 001c 05 03 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_OK },
	{ "spare", "00 07 001c 05 02 0001 00abcdef" TRAILER, IP_VS_SYNC_OK },
	{ "size less", "00 07 001b 05 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_R_SIZE },
	{ "size more", "00 07 001d 05 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_R_SIZE },
	{ "kind 0", "00 07 001c 00 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_R_KIND },
	{ "kind 6", "00 07 001c 06 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_R_KIND },
	{ "kind 255", "00 07 001c ff 02 0000 00abcdef" TRAILER,
	  IP_VS_SYNC_R_KIND },
	{ "header only", "00 07 0008 05 02 0000", IP_VS_SYNC_R_TRAILER },
	{ "no trailer", "00 07 000c 05 02 0000 00abcdef",
	  IP_VS_SYNC_R_TRAILER },
	{ "magic", HEAD("001c", "05")
	  "00abcdef 49565355 10 00 0000 a1b2c3d4 01020304",
	  IP_VS_SYNC_R_TRAILER },
	{ "trailer of 12", HEAD("0018", "05")
	  "00abcdef 49565354 0c 00 0000 a1b2c3d4", IP_VS_SYNC_R_TRAILER },
	{ "trailer of 15", HEAD("001b", "05")
	  "00abcdef 49565354 0f 00 0000 a1b2c3d4 010203",
	  IP_VS_SYNC_R_TRAILER },
	{ "something behind", "00 07 0020 05 02 0000 00abcdef" TRAILER
	  "00000000", IP_VS_SYNC_R_TRAILER },
	{ "body not of words", "00 07 001b 05 02 0000 abcdef" TRAILER,
	  IP_VS_SYNC_R_TRAILER },
	{ "join without body", "00 07 0018 05 02 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "join with more", "00 07 0020 05 02 0000 00abcdef 00000000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "hello without body", "00 07 0018 02 02 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "hello with less", HEAD("0028", "02")
	  "00000001 00000000 00000000 00000000" TRAILER, IP_VS_SYNC_OK,
	  IP_VS_SYNC_R_BODY },
	{ "hello with more", HEAD("0030", "02")
	  "00000001 00000000 00000000 00000000 ffff 03e8 00000000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "hello without interval", HEAD("002c", "02")
	  "00000001 00000000 00000000 00000000 ffff 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "hello beyond the end", HEAD("002c", "02")
	  "00000001 00000000 00000000 00000000 03e9 03e8" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "hello far beyond the end", HEAD("002c", "02")
	  "00000001 00000000 00000000 00000000 fffe 03e8" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "no range", "00 07 0018 04 02 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "half a range", "00 07 001c 04 02 0000 00000001" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "a range and a half", HEAD("0024", "04")
	  "00000001 00000001 00000003" TRAILER, IP_VS_SYNC_OK,
	  IP_VS_SYNC_R_BODY },
	{ "range that ends before", "00 07 0020 04 02 0000 00000002 00000001"
	  TRAILER, IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "second range that ends before", HEAD("0028", "03")
	  "00000001 00000002 00000005 00000004" TRAILER, IP_VS_SYNC_OK,
	  IP_VS_SYNC_R_BODY },
	{ "range beyond the trailer", HEAD("0020", "03")
	  "01020304 01020305" TRAILER, IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "wrapped beyond the trailer", HEAD("0020", "04")
	  "fffffff0 00000001" TRAILER_HIGH, IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "delete without body", "00 07 0018 01 02 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "delete of the future", "00 07 002c 01 02 0000 01020305" TCP4
	  TRAILER, IP_VS_SYNC_OK, IP_VS_SYNC_R_BODY },
	{ "delete without keys", "00 07 001c 01 02 0000 01020304" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_OK },
	{ "key cut in its head", "00 07 0020 01 02 0000 01020304 00 06 c001"
	  TRAILER, IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED },
	{ "key cut", HEAD("0028", "01")
	  "01020304 00 06 c001 0050 0000 c0000201" TRAILER, IP_VS_SYNC_OK,
	  IP_VS_SYNC_R_TRUNCATED },
	{ "key of IPv6 cut", HEAD("002c", "01")
	  "01020304 01 06 c001 0050 0000 c0000201 c6336450" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED },
	{ "second key cut", "00 07 0034 01 02 0000 01020304" TCP4
	  "00 06 c001 0050 0000" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED },
	{ "key of unknown type", HEAD("003c", "01")
	  "01020304 04 06 c001 0050 0000 c0000201 c6336450" TCP4 TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE },
	{ "key of all types", HEAD("002c", "01")
	  "01020304 ff 06 c001 0050 0000 c0000201 c6336450" TRAILER,
	  IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE },
};

static void refusal_desc(const struct refusal *r, char *desc)
{
	strscpy(desc, r->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(refusal, refusals, refusal_desc);

/* Read all that is in a message. Return: why it is not to be used, or the rest
 * of it is not.
 */
static enum ip_vs_sync_reject read_body(struct kunit *test,
					struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	enum ip_vs_sync_reject why;
	struct ip_vs_sync_hello h;
	struct ip_vs_sync_key key;
	unsigned int n, left;
	u32 number;

	switch (c->kind) {
	case IP_VS_SYNC_HELLO:
		return ip_vs_sync_hello_read(c, &h);
	case IP_VS_SYNC_JOIN:
		return ip_vs_sync_join_read(c, &number);
	case IP_VS_SYNC_DELETE:
		why = ip_vs_sync_delete_read(c, &number);
		while (!why && c->len) {
			left = c->len;
			why = ip_vs_sync_key_read(c, &key);
			KUNIT_ASSERT_LT(test, c->len, left);
			if (why)
				KUNIT_ASSERT_EQ(test, c->len, 0);
		}
		return why;
	default:
		return ip_vs_sync_ranges_read(c, ranges, &n);
	}
}

static void refusal_decode(struct kunit *test)
{
	const struct refusal *r = test->param_value;
	struct ip_vs_sync_control c;
	u8 bytes[MESSAGE_MAX];
	unsigned int len;
	u8 *buf;

	len = unhex(test, r->hex, bytes);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_control_read(&c, buf, len), r->why);
	if (r->why)
		return;
	/* What the other reader is to look at */
	if (len < 8 || buf[0] || buf[5] != 2 || buf[7]) {
		KUNIT_EXPECT_EQ(test, c.kind, IP_VS_SYNC_DATA);
		return;
	}
	KUNIT_ASSERT_NE(test, c.kind, IP_VS_SYNC_DATA);
	KUNIT_EXPECT_EQ(test, read_body(test, &c), r->body);
}

/* As many ranges as there can be, and one more */
static void ranges_most(struct kunit *test)
{
	struct ip_vs_sync_range *ranges, *got;
	struct ip_vs_sync_control c;
	unsigned int i, n, len;
	u8 *buf;

	ranges = kunit_kcalloc(test, IP_VS_SYNC_RANGES_MAX, sizeof(*ranges),
			       GFP_KERNEL);
	got = kunit_kcalloc(test, IP_VS_SYNC_RANGES_MAX, sizeof(*got),
			    GFP_KERNEL);
	buf = kunit_kzalloc(test, IP_VS_SYNC_CONTROL_MAX + 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < IP_VS_SYNC_RANGES_MAX; i++) {
		ranges[i].first = 10 * i;
		ranges[i].last = 10 * i + i % 7;
	}
	len = ip_vs_sync_ranges_write(buf, 1, IP_VS_SYNC_NACK, ranges,
				      IP_VS_SYNC_RANGES_MAX, &trailer);
	KUNIT_ASSERT_EQ(test, len, IP_VS_SYNC_CONTROL_MAX);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_control_read(&c, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_ranges_read(&c, got, &n),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, n, IP_VS_SYNC_RANGES_MAX);
	KUNIT_EXPECT_EQ(test, memcmp(got, ranges, n * sizeof(*got)), 0);

	memmove(buf + 16, buf + 8, len - 8);
	set_size(buf, len + 8);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_control_read(&c, buf, len + 8),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_ranges_read(&c, got, &n),
			IP_VS_SYNC_R_BODY);
}

/* A DELETE takes as many keys as the limit has room for, one at least */
static void delete_limit(struct kunit *test)
{
	static const struct {
		unsigned int	limit;
		unsigned int	keys4;
		unsigned int	keys6;
	} rows[] = {
		{ 1, 1, 1 },
		{ 12 + 16 + 16 - 1, 1, 1 },
		{ 12 + 2 * 16 + 16 - 1, 1, 1 },
		{ 12 + 2 * 16 + 16, 2, 1 },
		{ 12 + 2 * 40 + 16 - 1, 4, 1 },
		{ 12 + 2 * 40 + 16, 5, 2 },
		{ 1472, 90, 36 },
	};
	struct ip_vs_sync_writer w;
	unsigned int i, j, keys;
	u8 *buf;

	buf = kunit_kmalloc(test, 1472, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		w.buf = buf;
		w.limit = rows[i / 2].limit;
		ip_vs_sync_delete_open(&w, 1, 1);
		for (j = 0; ip_vs_sync_delete_add(&w, i & 1 ? &udp6 : &tcp4);
		     j++)
			KUNIT_ASSERT_LT(test, j, 100);
		keys = i & 1 ? rows[i / 2].keys6 : rows[i / 2].keys4;
		KUNIT_EXPECT_EQ_MSG(test, j, keys, "limit %u", w.limit);
		KUNIT_EXPECT_EQ(test, w.records, keys);
		KUNIT_EXPECT_EQ(test, ip_vs_sync_delete_close(&w, &trailer),
				12 + keys * (i & 1 ? 40 : 16) + 16);
	}
}

/* Connections whose records have options, and lengths that leave 0 to 3 bytes
 * up to the next word
 */
static void make_record(struct ip_vs_sync_record *rec, unsigned int i)
{
	static const u8 text[] = "abcdefghijklmnop";

	memset(rec, 0, sizeof(*rec));
	rec->af = i & 1 ? AF_INET6 : AF_INET;
	rec->protocol = IPPROTO_TCP;
	rec->cport = htons(i);
	rec->timeout = 900;
	rec->caddr.ip = htonl(0x0a000001 + i);
	if (i & 2) {
		rec->has_seq = true;
		rec->in_seq.delta = i;
	}
	if (i & 4) {
		rec->pe_data = text;
		rec->pe_data_len = i / 16 % 4 + 1;
		rec->pe_name = text;
		rec->pe_name_len = 3;
	}
	if (i & 8)
		rec->left = i;
}

static void write_records(struct kunit *test, struct ip_vs_sync_writer *w,
			  u8 version, unsigned int first, unsigned int n)
{
	struct ip_vs_sync_record rec;
	unsigned int i;

	memset(w->buf, 0xa5, w->limit);
	ip_vs_sync_write_open(w, version, 9);
	for (i = 0; i < n; i++) {
		make_record(&rec, version ? first + i : 2 * (first + i));
		KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(w, &rec), 0);
	}
}

/* A trailer behind every kind of record, with tags of every length */
static void records_numbered(struct kunit *test)
{
	struct ip_vs_sync_writer w = { .limit = 1024 };
	struct ip_vs_sync_control c;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	unsigned int i, n, len, end, tag;
	u8 *buf;

	w.buf = kunit_kmalloc(test, w.limit, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w.buf);
	for (i = 0; i < 64; i++) {
		n = i % 3 + 1;
		write_records(test, &w, 1, i, n);
		end = w.len;
		len = ip_vs_sync_trailer_write(&w, &trailer);
		KUNIT_ASSERT_EQ(test, len, ((end + 3) & ~3U) +
				IP_VS_SYNC_TRAILER_LEN);
		KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
		for (; end % 4; end++)
			KUNIT_EXPECT_EQ(test, w.buf[end], 0);
		for (tag = 0; tag <= TAG_MAX; tag += i ? 116 : 4) {
			w.buf[end + 4] = IP_VS_SYNC_TRAILER_LEN + tag;
			set_size(w.buf, len + tag);
			buf = exactly(test, w.buf, len + tag);
			KUNIT_ASSERT_EQ(test,
					ip_vs_sync_control_read(&c, buf,
								len + tag),
					IP_VS_SYNC_OK);
			KUNIT_ASSERT_EQ(test, c.kind, IP_VS_SYNC_DATA);
			KUNIT_ASSERT_EQ(test,
					ip_vs_sync_read_open(&r, buf,
							     len + tag),
					IP_VS_SYNC_OK);
			KUNIT_EXPECT_EQ(test, ip_vs_sync_records_end(&r), end);
			ip_vs_sync_trailer_read(&r, &c);
			KUNIT_ASSERT_TRUE_MSG(test, c.numbered,
					      "record %u tag %u", i, tag);
			KUNIT_EXPECT_EQ(test, c.trailer.instance,
					trailer.instance);
			KUNIT_EXPECT_EQ(test, c.trailer.seq, trailer.seq);
			/* It takes nothing from the records */
			KUNIT_ASSERT_EQ(test, r.left, n);
			while (r.left)
				KUNIT_ASSERT_EQ(test,
						ip_vs_sync_read_record(&r,
								       &rec),
						IP_VS_SYNC_OK);
			kunit_kfree(test, buf);
		}
	}
}

/* What is behind the last record is somebody else's */
static void records_not_numbered(struct kunit *test)
{
	static const char * const behind[] = {
		"",
		"00000000",
		"49565355 10 00 0000 a1b2c3d4 01020304",
		"49565354 14 00 0000 a1b2c3d4 01020304",
		"49565354 0c 00 0000 a1b2c3d4",
		"49565354 10 00 0000 a1b2c3d4 010203",
		"00000000" TRAILER,
		TRAILER "00000000",
		TRAILER "00",
	};
	struct ip_vs_sync_writer w = { .limit = 512 };
	struct ip_vs_sync_control c;
	struct ip_vs_sync_reader r;
	unsigned int i, j, len;
	u8 *buf;

	w.buf = kunit_kmalloc(test, w.limit, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w.buf);
	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		for (j = 0; j < 4; j++) {
			write_records(test, &w, 1, 16 * j + 4, 2);
			len = (w.len + 3) & ~3U;
			memset(w.buf + w.len, 0, len - w.len);
			len += unhex(test, behind[i], w.buf + len);
			ip_vs_sync_write_close(&w);
			set_size(w.buf, len);
			buf = exactly(test, w.buf, len);
			KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf,
								   len),
					IP_VS_SYNC_OK);
			c.numbered = true;
			ip_vs_sync_trailer_read(&r, &c);
			KUNIT_EXPECT_FALSE_MSG(test, c.numbered, "%s",
					       behind[i]);
		}
	}
}

/* Records that can not be walked over, and version 0, have no trailer */
static void records_astray(struct kunit *test)
{
	struct ip_vs_sync_writer w = { .limit = 512 };
	struct ip_vs_sync_control c;
	struct ip_vs_sync_reader r;
	unsigned int len, size;

	w.buf = kunit_kmalloc(test, w.limit, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w.buf);
	write_records(test, &w, 1, 0, 2);
	len = ip_vs_sync_trailer_write(&w, &trailer);
	ip_vs_sync_write_close(&w);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, len),
			IP_VS_SYNC_OK);
	for (size = 0; size < 0x1000; size++) {
		w.buf[10] = size >> 8;
		w.buf[11] = size;
		ip_vs_sync_trailer_read(&r, &c);
		/* The right one, less what is aligned away */
		KUNIT_ASSERT_EQ_MSG(test, c.numbered, size > 32 && size <= 36,
				    "size %u", size);
		KUNIT_ASSERT_LE(test, ip_vs_sync_records_end(&r), len);
	}
	w.buf[10] = 0;
	w.buf[11] = 36;
	for (w.buf[4] = 0; w.buf[4] < 255; w.buf[4]++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, len),
				IP_VS_SYNC_OK);
		ip_vs_sync_trailer_read(&r, &c);
		KUNIT_ASSERT_EQ_MSG(test, c.numbered, w.buf[4] == 2,
				    "%u records", w.buf[4]);
	}

	write_records(test, &w, 0, 0, 1);
	len = w.len + unhex(test, TRAILER, w.buf + w.len);
	ip_vs_sync_write_close(&w);
	set_size(w.buf, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, len),
			IP_VS_SYNC_OK);
	ip_vs_sync_trailer_read(&r, &c);
	KUNIT_EXPECT_FALSE(test, c.numbered);
}

/* Whatever it is, it is read without harm. */
static void read_noise(struct kunit *test, const u8 *bytes, unsigned int len)
{
	u8 *buf = exactly(test, bytes, len);
	struct ip_vs_sync_control c;

	if (!ip_vs_sync_control_read(&c, buf, len) &&
	    c.kind != IP_VS_SYNC_DATA) {
		KUNIT_ASSERT_PTR_EQ(test, c.body, buf + 8);
		KUNIT_ASSERT_LE(test, c.len, len - 8 - IP_VS_SYNC_TRAILER_LEN);
		read_body(test, &c);
	}
	kunit_kfree(test, buf);
}

static void vector_cut(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct ip_vs_sync_control c;
	u8 bytes[MESSAGE_MAX];
	unsigned int len, i;

	len = unhex(test, v->hex, bytes);
	for (i = 0; i < len; i++) {
		KUNIT_EXPECT_EQ(test, ip_vs_sync_control_read(&c, bytes, i),
				i < 8 ? IP_VS_SYNC_OK : IP_VS_SYNC_R_SIZE);
		if (i >= 4)
			set_size(bytes, i);
		KUNIT_EXPECT_EQ_MSG(test,
				    ip_vs_sync_control_read(&c, bytes, i),
				    i < 8 ? IP_VS_SYNC_OK :
					    IP_VS_SYNC_R_TRAILER,
				    "at %u", i);
		read_noise(test, bytes, i);
		set_size(bytes, len);
	}
	/* Parts of the body that are left out, the trailer as it was */
	for (i = 8; i + IP_VS_SYNC_TRAILER_LEN < len; i++) {
		memmove(bytes + 8, bytes + 9, --len - 8);
		set_size(bytes, len);
		read_noise(test, bytes, len);
	}
}

static void vector_noise(struct kunit *test)
{
	const struct vector *v = test->param_value;
	u8 bytes[MESSAGE_MAX], noisy[MESSAGE_MAX];
	unsigned int len, round, i;
	struct rnd_state rnd;
	u32 dice;

	prandom_seed_state(&rnd, SEED);
	len = unhex(test, v->hex, bytes);
	for (round = 0; round < 1000; round++) {
		memcpy(noisy, bytes, len);
		for (i = round % 4; i < 4; i++) {
			dice = prandom_u32_state(&rnd);
			noisy[(dice >> 8) % len] = dice;
		}
		read_noise(test, noisy, len);
		set_size(noisy, len);
		read_noise(test, noisy, len);
	}
}

static void constants(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_TRAILER_LEN, 16);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_DELETE, 1);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_HELLO, 2);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_FILL, 3);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_NACK, 4);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_JOIN, 5);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_RANGES_MAX, 64);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_NO_PASS, 0xffff);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_PASS_DONE, 1000);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(constants),
	KUNIT_CASE_PARAM(vector_encode, vector_gen_params),
	KUNIT_CASE_PARAM(vector_decode, vector_gen_params),
	KUNIT_CASE_PARAM(vector_tags, vector_gen_params),
	KUNIT_CASE_PARAM(vector_cut, vector_gen_params),
	KUNIT_CASE_PARAM(vector_noise, vector_gen_params),
	KUNIT_CASE_PARAM(refusal_decode, refusal_gen_params),
	KUNIT_CASE(tag_bad),
	KUNIT_CASE(ranges_most),
	KUNIT_CASE(delete_limit),
	KUNIT_CASE(records_numbered),
	KUNIT_CASE(records_not_numbered),
	KUNIT_CASE(records_astray),
	{}
};

static struct kunit_suite suite = {
	.name		= "ipvs_sync_control",
	.test_cases	= cases,
};

kunit_test_suites(&suite);
