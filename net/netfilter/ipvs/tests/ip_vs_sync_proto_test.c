// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of IPVS sync: the wire format
 *
 * The messages below were written down from the description of the format and
 * not taken from what the code makes of them.
 *
 * - vectors: whole messages, byte for byte, in both directions
 * - headers: what is accepted as a message at all
 * - records: what becomes of records that are good, odd or bad, and of those
 *   that follow
 * - cuts, noise, random: the same at every length, with bytes changed at
 *   random, and with random content
 * - limits: how much a message takes
 *
 * A message to read always lies in a buffer of just its size, so that KASAN
 * sees a read beyond it.
 */

#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/kernel.h>
#include <linux/prandom.h>
#include <linux/socket.h>
#include <linux/string.h>

#include "../ip_vs_sync_proto.h"
#include "ip_vs_sync_bytes.h"

#define RECORDS_MAX	3	/* of a message written down here */

#define SEED		20111122

/* A name that can not be longer, and one that is */
#define NAME_16		"abcdefghijklmnop"
#define NAME_17		"abcdefghijklmnopq"
#define HEX_16		"6162636465666768696a6b6c6d6e6f70"

static void expect_seq(struct kunit *test, const struct ip_vs_sync_seq *got,
		       const struct ip_vs_sync_seq *want)
{
	KUNIT_EXPECT_EQ(test, got->init_seq, want->init_seq);
	KUNIT_EXPECT_EQ(test, got->delta, want->delta);
	KUNIT_EXPECT_EQ(test, got->previous_delta, want->previous_delta);
}

/* Is it the record that was meant, as far as the version can tell it? */
static void expect_record(struct kunit *test, u8 version,
			  const struct ip_vs_sync_record *got,
			  const struct ip_vs_sync_record *want)
{
	size_t alen = want->af == AF_INET6 ? 16 : 4;
	bool has_seq = want->has_seq;

	if (!version)
		has_seq = want->flags & IP_VS_CONN_F_SEQ_MASK;

	KUNIT_EXPECT_EQ(test, got->af, want->af);
	KUNIT_EXPECT_EQ(test, got->protocol, want->protocol);
	KUNIT_EXPECT_EQ(test, got->state, want->state);
	KUNIT_EXPECT_EQ(test, ntohs(got->cport), ntohs(want->cport));
	KUNIT_EXPECT_EQ(test, ntohs(got->vport), ntohs(want->vport));
	KUNIT_EXPECT_EQ(test, ntohs(got->dport), ntohs(want->dport));
	KUNIT_EXPECT_EQ(test, memcmp(&got->caddr, &want->caddr, alen), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&got->vaddr, &want->vaddr, alen), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&got->daddr, &want->daddr, alen), 0);
	KUNIT_EXPECT_EQ(test, got->has_seq, has_seq);
	if (has_seq) {
		expect_seq(test, &got->in_seq, &want->in_seq);
		expect_seq(test, &got->out_seq, &want->out_seq);
	}
	if (!version) {
		KUNIT_EXPECT_EQ(test, got->flags, want->flags & 0xffff);
		KUNIT_EXPECT_EQ(test, got->fwmark, 0);
		KUNIT_EXPECT_EQ(test, got->timeout, 0);
		KUNIT_EXPECT_EQ(test, got->left, 0);
		KUNIT_EXPECT_EQ(test, got->pe_name_len, 0);
		KUNIT_EXPECT_EQ(test, got->pe_data_len, 0);
		return;
	}

	KUNIT_EXPECT_EQ(test, got->flags, want->flags);
	KUNIT_EXPECT_EQ(test, got->fwmark, want->fwmark);
	KUNIT_EXPECT_EQ(test, got->timeout, want->timeout);
	KUNIT_EXPECT_EQ(test, got->left, want->left);
	KUNIT_EXPECT_EQ(test, got->pe_name_len, want->pe_name_len);
	KUNIT_EXPECT_EQ(test, got->pe_data_len, want->pe_data_len);
	if (got->pe_name_len == want->pe_name_len && want->pe_name_len)
		expect_bytes(test, got->pe_name, want->pe_name,
			     want->pe_name_len);
	if (got->pe_data_len == want->pe_data_len && want->pe_data_len)
		expect_bytes(test, got->pe_data, want->pe_data,
			     want->pe_data_len);
}

/* Connections to tell of. No two fields of one have the same value. */

static const struct ip_vs_sync_record tcp4 = {
	.af		= AF_INET,
	.protocol	= IPPROTO_TCP,
	.state		= 0x0a0b,
	.cport		= htons(0xc001),
	.vport		= htons(0x0050),
	.dport		= htons(0x1f90),
	.flags		= 0x81c20103,
	.fwmark		= 0x11121314,
	.timeout	= 0x21222324,
	.caddr.ip	= htonl(0xc0000201),
	.vaddr.ip	= htonl(0xc6336450),
	.daddr.ip	= htonl(0x0a010203),
};

#define TCP4_V0 "00 06 c001 0050 1f90 c0000201 c6336450 0a010203 0103 0a0b"
#define TCP4_V1 "00 06 0024 81c20103 0a0b c001 0050 1f90 11121314 21222324" \
		"c0000201 c6336450 0a010203"

static const struct ip_vs_sync_record udp6 = {
	.af		= AF_INET6,
	.protocol	= IPPROTO_UDP,
	.state		= 0x0d0e,
	.cport		= htons(0xd102),
	.vport		= htons(0x0035),
	.dport		= htons(0x14e9),
	.flags		= 0x00000304,
	.fwmark		= 0x41424344,
	.timeout	= 0x51525354,
	.caddr.ip6	= { htonl(0x20010db8), htonl(0x61626364),
			    htonl(0x65666768), htonl(0x696a6b6c) },
	.vaddr.ip6	= { htonl(0x20010db9), htonl(0x71727374),
			    htonl(0x75767778), htonl(0x797a7b7c) },
	.daddr.ip6	= { htonl(0xfd000001), htonl(0x81828384),
			    htonl(0x85868788), htonl(0x898a8b8c) },
};

#define UDP6_HEAD(size) \
		"01 11 " size " 00000304 0d0e d102 0035 14e9 41424344 " \
		"51525354 20010db8 61626364 65666768 696a6b6c" \
		"20010db9 71727374 75767778 797a7b7c" \
		"fd000001 81828384 85868788 898a8b8c"
#define UDP6_V1	UDP6_HEAD("0048")

/* An FTP session, both directions shifted */
static const struct ip_vs_sync_record ftp4 = {
	.af		= AF_INET,
	.protocol	= IPPROTO_TCP,
	.state		= 0x0001,
	.cport		= htons(0xe203),
	.vport		= htons(0x0015),
	.dport		= htons(0x0849),
	.flags		= 0x00000600,
	.timeout	= 0x00000384,
	.caddr.ip	= htonl(0xcb007107),
	.vaddr.ip	= htonl(0xc6336415),
	.daddr.ip	= htonl(0x0a040506),
	.has_seq	= true,
	.in_seq		= { 0xa1a2a3a4, 0xb1b2b3b4, 0xc1c2c3c4 },
	.out_seq	= { 0xd1d2d3d4, 0xe1e2e3e4, 0xf1f2f3f4 },
};

#define FTP4_V0	"00 06 e203 0015 0849 cb007107 c6336415 0a040506 0600 0001" \
		"[a1a2a3a4 b1b2b3b4 c1c2c3c4 d1d2d3d4 e1e2e3e4 f1f2f3f4]"
#define FTP4_V1	"00 06 003e 00000600 0001 e203 0015 0849 00000000 00000384" \
		"cb007107 c6336415 0a040506" \
		"01 18 a1a2a3a4 b1b2b3b4 c1c2c3c4 d1d2d3d4 e1e2e3e4 f1f2f3f4"

/* One direction only */
static const struct ip_vs_sync_record ftp4_in = {
	.af		= AF_INET,
	.protocol	= IPPROTO_TCP,
	.flags		= IP_VS_CONN_F_IN_SEQ,
	.has_seq	= true,
	.in_seq		= { 1, 2, 3 },
};

#define FTP4_IN_V0 \
		"00 06 0000 0000 0000 00000000 00000000 00000000 0400 0000" \
		"[00000001 00000002 00000003 00000000 00000000 00000000]"

static const struct ip_vs_sync_record ftp4_out = {
	.af		= AF_INET,
	.protocol	= IPPROTO_TCP,
	.flags		= IP_VS_CONN_F_OUT_SEQ,
	.has_seq	= true,
	.out_seq	= { 4, 5, 6 },
};

#define FTP4_OUT_V0 \
		"00 06 0000 0000 0000 00000000 00000000 00000000 0200 0000" \
		"[00000000 00000000 00000000 00000004 00000005 00000006]"

/* Templates that a persistence engine has made, of every length mod 4 */
#define PERSISTENT(data, name) {				\
	.af		= AF_INET,				\
	.protocol	= IPPROTO_UDP,				\
	.state		= 0x0001,				\
	.cport		= htons(0xf304),			\
	.vport		= htons(0x13c4),			\
	.flags		= 0x00001000,				\
	.timeout	= 0x00000168,				\
	.caddr.ip	= htonl(0xcb007109),			\
	.vaddr.ip	= htonl(0xc633643c),			\
	.daddr.ip	= htonl(0x0a070809),			\
	.pe_data	= (const u8 *)(data),			\
	.pe_data_len	= sizeof(data) - 1,			\
	.pe_name	= (const u8 *)(name),			\
	.pe_name_len	= sizeof(name) - 1,			\
}

static const struct ip_vs_sync_record sip4_1 = PERSISTENT("\xff\x00", "sip");
static const struct ip_vs_sync_record sip4_2 =
	PERSISTENT("\x01\x80\x7f", "sip");
static const struct ip_vs_sync_record sip4_3 = PERSISTENT("\x40", "ab");
static const struct ip_vs_sync_record sip4_0 = PERSISTENT("\x02", "sip");
static const struct ip_vs_sync_record sip4_16 = PERSISTENT("call", NAME_16);

#define SIP4_V0	"00 11 f304 13c4 0000 cb007109 c633643c 0a070809 1000 0001"
#define SIP4_HEAD(size) \
		"00 11 " size " 00001000 0001 f304 13c4 0000 00000000 " \
		"00000168 cb007109 c633643c 0a070809"
#define SIP4_1_V1 SIP4_HEAD("002d") "02 02 ff00 03 03 736970"
#define SIP4_2_V1 SIP4_HEAD("002e") "02 03 01807f 03 03 736970"
#define SIP4_3_V1 SIP4_HEAD("002b") "02 01 40 03 02 6162"
#define SIP4_0_V1 SIP4_HEAD("002c") "02 01 02 03 03 736970"
#define SIP4_16_V1 SIP4_HEAD("003c") "02 04 63616c6c 03 10" HEX_16

/* All that version 1 has */
static const struct ip_vs_sync_record all6 = {
	.af		= AF_INET6,
	.protocol	= IPPROTO_UDP,
	.state		= 0x0d0e,
	.cport		= htons(0xd102),
	.vport		= htons(0x0035),
	.dport		= htons(0x14e9),
	.flags		= 0x00000304,
	.fwmark		= 0x41424344,
	.timeout	= 0x51525354,
	.caddr.ip6	= { htonl(0x20010db8), htonl(0x61626364),
			    htonl(0x65666768), htonl(0x696a6b6c) },
	.vaddr.ip6	= { htonl(0x20010db9), htonl(0x71727374),
			    htonl(0x75767778), htonl(0x797a7b7c) },
	.daddr.ip6	= { htonl(0xfd000001), htonl(0x81828384),
			    htonl(0x85868788), htonl(0x898a8b8c) },
	.has_seq	= true,
	.in_seq		= { 0x01020304, 0x05060708, 0x090a0b0c },
	.out_seq	= { 0x0d0e0f10, 0x11121314, 0x15161718 },
	.pe_data	= (const u8 *)"data",
	.pe_data_len	= 4,
	.pe_name	= (const u8 *)"n",
	.pe_name_len	= 1,
	.left		= 0x21222324,
};

#define ALL6_V1	UDP6_HEAD("0071") \
		"01 18 01020304 05060708 090a0b0c 0d0e0f10 11121314 15161718" \
		"02 04 64617461 03 01 6e 44 04 21222324"

static const struct ip_vs_sync_record zero4 = {
	.af		= AF_INET,
};

#define ZERO4_V0 "00 00 0000 0000 0000 00000000 00000000 00000000 0000 0000"
#define ZERO4_V1 "00 00 0024 00000000 0000 0000 0000 0000 00000000 00000000" \
		"00000000 00000000 00000000"

/* All bits but ONE_PACKET and, with TEMPLATE set, NO_CPORT */
static const struct ip_vs_sync_record ones4 = {
	.af		= AF_INET,
	.protocol	= 0xff,
	.state		= 0xffff,
	.cport		= htons(0xffff),
	.vport		= htons(0xffff),
	.dport		= htons(0xffff),
	.flags		= 0xffffd7ff,
	.fwmark		= 0xffffffff,
	.timeout	= 0xffffffff,
	.caddr.ip	= htonl(0xffffffff),
	.vaddr.ip	= htonl(0xffffffff),
	.daddr.ip	= htonl(0xffffffff),
	.has_seq	= true,
	.in_seq		= { 0xffffffff, 0xffffffff, 0xffffffff },
	.out_seq	= { 0xffffffff, 0xffffffff, 0xffffffff },
	.left		= 0xffffffff,
};

#define ONES4_V0 "00 ff ffff ffff ffff ffffffff ffffffff ffffffff d7ff ffff" \
		"[ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff]"
#define ONES4_V1 "00 ff 0044 ffffd7ff ffff ffff ffff ffff ffffffff ffffffff" \
		"ffffffff ffffffff ffffffff" \
		"01 18 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff" \
		"44 04 ffffffff"

/* Whole messages: what they tell, where each record ends, their bytes */
static const struct vector {
	const char			*desc;
	u8				version;
	u8				syncid;
	unsigned int			records;
	const struct ip_vs_sync_record	*record[RECORDS_MAX];
	unsigned int			end[RECORDS_MAX];
	const char			*hex;
} vectors[] = {
	{
		"v0", 0, 0x5a,
		1, { &tcp4 }, { 28 },
		"01 5a 001c" TCP4_V0
	}, {
		"v0, sequence data", 0, 1,
		1, { &ftp4 }, { 52 },
		"01 01 0034" FTP4_V0
	}, {
		"v0, sequence data from the client", 0, 1,
		1, { &ftp4_in }, { 52 },
		"01 01 0034" FTP4_IN_V0
	}, {
		"v0, sequence data to the client", 0, 1,
		1, { &ftp4_out }, { 52 },
		"01 01 0034" FTP4_OUT_V0
	}, {
		"v0, sequence data in the middle", 0, 0xff,
		3, { &tcp4, &ftp4, &tcp4 }, { 28, 76, 100 },
		"03 ff 0064" TCP4_V0 FTP4_V0 TCP4_V0
	}, {
		"v0 has no room for an engine", 0, 0,
		2, { &sip4_1, &tcp4 }, { 28, 52 },
		"02 00 0034" SIP4_V0 TCP4_V0
	}, {
		"v0, zeros", 0, 0,
		2, { &zero4, &tcp4 }, { 28, 52 },
		"02 00 0034" ZERO4_V0 TCP4_V0
	}, {
		"v0, ones", 0, 0xff,
		1, { &ones4 }, { 52 },
		"01 ff 0034" ONES4_V0
	}, {
		"v1", 1, 0x5a,
		1, { &tcp4 }, { 44 },
		"00 5a 002c 01 01 0000" TCP4_V1
	}, {
		"v1, IPv6", 1, 0xff,
		1, { &udp6 }, { 80 },
		"00 ff 0050 01 01 0000" UDP6_V1
	}, {
		"v1, both families", 1, 0,
		3, { &tcp4, &udp6, &tcp4 }, { 44, 116, 152 },
		"00 00 0098 03 01 0000" TCP4_V1 UDP6_V1 TCP4_V1
	}, {
		"v1, sequence data", 1, 1,
		1, { &ftp4 }, { 70 },
		"00 01 0046 01 01 0000" FTP4_V1
	}, {
		"v1, engine", 1, 1,
		1, { &sip4_1 }, { 53 },
		"00 01 0035 01 01 0000" SIP4_1_V1
	}, {
		"v1, longest name of an engine", 1, 1,
		1, { &sip4_16 }, { 68 },
		"00 01 0044 01 01 0000" SIP4_16_V1
	}, {
		"v1, everything", 1, 1,
		1, { &all6 }, { 121 },
		"00 01 0079 01 01 0000" ALL6_V1
	}, {
		"v1, no padding", 1, 1,
		2, { &sip4_0, &tcp4 }, { 52, 88 },
		"00 01 0058 02 01 0000" SIP4_0_V1 TCP4_V1
	}, {
		"v1, one byte of padding", 1, 1,
		2, { &sip4_3, &tcp4 }, { 51, 88 },
		"00 01 0058 02 01 0000" SIP4_3_V1 "00" TCP4_V1
	}, {
		"v1, two bytes of padding", 1, 1,
		3, { &sip4_2, &ftp4, &udp6 }, { 54, 118, 192 },
		"00 01 00c0 03 01 0000" SIP4_2_V1 "0000" FTP4_V1 "0000" UDP6_V1
	}, {
		"v1, three bytes of padding", 1, 1,
		3, { &tcp4, &sip4_1, &tcp4 }, { 44, 89, 128 },
		"00 01 0080 03 01 0000" TCP4_V1 SIP4_1_V1 "000000" TCP4_V1
	}, {
		"v1, none after the last", 1, 1,
		3, { &all6, &tcp4, &sip4_3 }, { 121, 160, 203 },
		"00 01 00cb 03 01 0000" ALL6_V1 "000000" TCP4_V1
		SIP4_3_V1
	}, {
		"v1, zeros", 1, 0,
		2, { &zero4, &tcp4 }, { 44, 80 },
		"00 00 0050 02 01 0000" ZERO4_V1 TCP4_V1
	}, {
		"v1, ones", 1, 0xff,
		1, { &ones4 }, { 76 },
		"00 ff 004c 01 01 0000" ONES4_V1
	},
};

static void vector_desc(const struct vector *v, char *desc)
{
	strscpy(desc, v->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vector, vectors, vector_desc);

/* A writer's buffer is at least this long whatever the limit */
#define BUF_MIN		(IP_VS_SYNC_HEADER_MAX + IP_VS_SYNC_RECORD_MAX)

static void writer_init(struct kunit *test, struct ip_vs_sync_writer *w,
			unsigned int limit)
{
	unsigned int size = max_t(unsigned int, limit, BUF_MIN);

	w->limit = limit;
	w->buf = kunit_kmalloc(test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->buf);
	/* What is not written must not look written */
	memset(w->buf, 0xa5, size);
}

static void vector_encode(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct ip_vs_sync_writer w;
	u8 want[MESSAGE_MAX];
	unsigned int len, i;

	len = unhex(test, v->hex, want);
	writer_init(test, &w, len);
	ip_vs_sync_write_open(&w, v->version, v->syncid);
	KUNIT_EXPECT_EQ(test, w.records, 0);
	for (i = 0; i < v->records; i++) {
		KUNIT_ASSERT_EQ(test,
				ip_vs_sync_write_record(&w, v->record[i]), 0);
		KUNIT_EXPECT_EQ(test, w.records, i + 1);
		KUNIT_EXPECT_EQ(test, w.len, v->end[i]);
	}
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
	expect_bytes(test, w.buf, want, len);
}

/* Twice with the same writer: nothing of the first message is left over */
static void vector_encode_again(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct ip_vs_sync_writer w;
	u8 want[MESSAGE_MAX];
	unsigned int len, i;

	len = unhex(test, v->hex, want);
	writer_init(test, &w, MESSAGE_MAX);
	ip_vs_sync_write_open(&w, 1, 0x77);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &ones4), 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &all6), 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &ones4), 0);
	ip_vs_sync_write_close(&w);

	ip_vs_sync_write_open(&w, v->version, v->syncid);
	for (i = 0; i < v->records; i++)
		KUNIT_ASSERT_EQ(test,
				ip_vs_sync_write_record(&w, v->record[i]), 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
	expect_bytes(test, w.buf, want, len);
}

static void vector_decode(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX];
	unsigned int len, i;
	u8 *buf;

	len = unhex(test, v->hex, bytes);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, r.version, v->version);
	KUNIT_EXPECT_EQ(test, r.syncid, v->syncid);
	for (i = 0; i < v->records; i++) {
		KUNIT_ASSERT_EQ(test, r.left, v->records - i);
		memset(&rec, 0xa5, sizeof(rec));
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, v->version, &rec, v->record[i]);
	}
	KUNIT_EXPECT_EQ(test, r.left, 0);
}

/* Bytes behind the last record, here 32 of them, change nothing */
static void vector_decode_trailer(struct kunit *test)
{
	const struct vector *v = test->param_value;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX];
	unsigned int len, i;
	u8 *buf;

	len = unhex(test, v->hex, bytes);
	memset(bytes + len, 0xee, 32);
	len += 32;
	set_size(bytes, len);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	for (i = 0; i < v->records; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, v->version, &rec, v->record[i]);
	}
	KUNIT_EXPECT_EQ(test, r.left, 0);
}

/* Cut off after each of its bytes: the header is refused, or, where it says
 * that the message is as long as it is, the records that are whole are read
 * and the first that is not ends the message.
 */
static void cut_here(struct kunit *test, const struct vector *v, u8 *bytes,
		     unsigned int len)
{
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;
	unsigned int i;
	u8 *buf;

	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			len < 4 ? IP_VS_SYNC_R_SHORT : IP_VS_SYNC_R_SIZE);

	set_size(buf, len);
	why = ip_vs_sync_read_open(&r, buf, len);
	if (len < 4) {
		KUNIT_ASSERT_EQ(test, why, IP_VS_SYNC_R_SHORT);
		goto out;
	}
	if (v->version && len < 8) {
		KUNIT_ASSERT_EQ(test, why, IP_VS_SYNC_R_VERSION);
		goto out;
	}
	KUNIT_ASSERT_EQ(test, why, IP_VS_SYNC_OK);
	for (i = 0; v->end[i] <= len; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, v->version, &rec, v->record[i]);
	}
	KUNIT_ASSERT_EQ(test, r.left, v->records - i);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_R_TRUNCATED);
	KUNIT_ASSERT_EQ(test, r.left, 0);
out:
	kunit_kfree(test, buf);
}

static void vector_cut(struct kunit *test)
{
	const struct vector *v = test->param_value;
	u8 bytes[MESSAGE_MAX];
	unsigned int len, i;

	len = unhex(test, v->hex, bytes);
	for (i = 0; i < len; i++)
		cut_here(test, v, bytes, i);
}

/* Read all there is. Whatever it says, it must come to an end, and what it
 * points to must lie within.
 */
static void read_noise(struct kunit *test, const u8 *buf, unsigned int len)
{
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;
	unsigned int reads, left;

	if (ip_vs_sync_read_open(&r, buf, len))
		return;
	KUNIT_ASSERT_LE(test, r.left, IP_VS_SYNC_RECORDS_MAX);
	for (reads = 0; r.left; reads++) {
		KUNIT_ASSERT_LT(test, reads, IP_VS_SYNC_RECORDS_MAX);
		left = r.left;
		why = ip_vs_sync_read_record(&r, &rec);
		KUNIT_ASSERT_LT(test, r.left, left);
		KUNIT_ASSERT_LT(test, why, IP_VS_SYNC_REJECTS);
		if (why)
			continue;
		if (rec.pe_data_len) {
			KUNIT_ASSERT_TRUE(test, rec.pe_data > buf);
			KUNIT_ASSERT_LE(test, rec.pe_data_len,
					buf + len - rec.pe_data);
			KUNIT_ASSERT_GT(test, rec.pe_name_len, 0);
		}
		if (rec.pe_name_len) {
			KUNIT_ASSERT_TRUE(test, rec.pe_name > buf);
			KUNIT_ASSERT_LE(test, rec.pe_name_len,
					buf + len - rec.pe_name);
			KUNIT_ASSERT_LE(test, rec.pe_name_len,
					IP_VS_PENAME_MAXLEN);
		}
		KUNIT_ASSERT_FALSE(test, rec.flags & IP_VS_CONN_F_ONE_PACKET);
	}
}

/* Good messages with some bytes changed at random, cut at random */
static void vector_noise(struct kunit *test)
{
	const struct vector *v = test->param_value;
	unsigned int len, part, round, i;
	u8 bytes[MESSAGE_MAX];
	struct rnd_state rnd;
	u8 *buf;

	prandom_seed_state(&rnd, SEED);
	len = unhex(test, v->hex, bytes);
	for (round = 0; round < 1000; round++) {
		part = len;
		if (round & 1)
			part = 4 + prandom_u32_state(&rnd) % (len - 3);
		buf = exactly(test, bytes, part);
		for (i = prandom_u32_state(&rnd) % 6; i > 0; i--)
			buf[prandom_u32_state(&rnd) % part] =
				prandom_u32_state(&rnd);
		set_size(buf, part);
		/* Mostly keep it a message */
		if (round & 2)
			memcpy(buf + 4, bytes + 4,
			       min_t(unsigned int, part - 4, 4));
		read_noise(test, buf, part);
		kunit_kfree(test, buf);
	}
}

/* Datagrams that are, or are not, the start of a message */
static const struct header {
	const char		*desc;
	const char		*hex;
	enum ip_vs_sync_reject	why;
	u8			version;
	u8			syncid;
	unsigned int		left;
} headers[] = {
	{ "no byte", "", IP_VS_SYNC_R_SHORT },
	{ "1 byte", "00", IP_VS_SYNC_R_SHORT },
	{ "1 byte, v0", "01", IP_VS_SYNC_R_SHORT },
	{ "2 bytes", "00 00", IP_VS_SYNC_R_SHORT },
	{ "2 bytes, v0", "01 00", IP_VS_SYNC_R_SHORT },
	{ "3 bytes", "00 00 00", IP_VS_SYNC_R_SHORT },
	{ "3 bytes, v0", "01 00 00", IP_VS_SYNC_R_SHORT },
	/* Version 0 with no records to some, which is no use either */
	{ "4 bytes", "00 00 0004", IP_VS_SYNC_R_VERSION },
	{ "5 bytes", "00 00 0005 01", IP_VS_SYNC_R_VERSION },
	{ "6 bytes", "00 00 0006 01 01", IP_VS_SYNC_R_VERSION },
	{ "7 bytes", "00 00 0007 01 01 00", IP_VS_SYNC_R_VERSION },
	{ "8 bytes", "00 00 0008 01 01 0000", IP_VS_SYNC_OK, 1, 0, 1 },
	{ "4 bytes, v0", "01 00 0004", IP_VS_SYNC_OK, 0, 0, 1 },
	{ "5 bytes, v0", "01 00 0005 00", IP_VS_SYNC_OK, 0, 0, 1 },
	{ "7 bytes, v0", "01 00 0007 000000", IP_VS_SYNC_OK, 0, 0, 1 },
	{ "8 bytes, v0", "01 00 0008 00000000", IP_VS_SYNC_OK, 0, 0, 1 },
	{ "v1, no records", "00 07 0008 00 01 0000", IP_VS_SYNC_OK, 1, 7, 0 },
	{ "v1, most records", "00 ff 0008 ff 01 0000",
	  IP_VS_SYNC_OK, 1, 255, 255 },
	{ "v0, most records", "ff 80 0004", IP_VS_SYNC_OK, 0, 128, 255 },
	{ "v0 is not taken for v1", "01 09 0008 02 01 0000",
	  IP_VS_SYNC_OK, 0, 9, 1 },
	{ "says less, 4 bytes", "00 00 0003", IP_VS_SYNC_R_SIZE },
	{ "says more, 4 bytes", "00 00 0005", IP_VS_SYNC_R_SIZE },
	{ "says nothing", "00 00 0000", IP_VS_SYNC_R_SIZE },
	{ "says less", "00 00 0007 01 01 0000", IP_VS_SYNC_R_SIZE },
	{ "says more", "00 00 0009 01 01 0000", IP_VS_SYNC_R_SIZE },
	{ "says most", "00 00 ffff 01 01 0000", IP_VS_SYNC_R_SIZE },
	{ "other byte order", "00 00 0800 01 01 0000", IP_VS_SYNC_R_SIZE },
	{ "high byte wrong", "00 00 0108 01 01 0000", IP_VS_SYNC_R_SIZE },
	{ "says less, v0", "01 00 0003", IP_VS_SYNC_R_SIZE },
	{ "says more, v0", "01 00 0005", IP_VS_SYNC_R_SIZE },
	{ "version 0 in v1", "00 00 0008 01 00 0000", IP_VS_SYNC_R_VERSION },
	{ "version 2", "00 00 0008 01 02 0000", IP_VS_SYNC_R_VERSION },
	{ "version 2 and more", "00 00 000c 01 02 0000 01020304",
	  IP_VS_SYNC_R_VERSION },
	{ "version 0x81", "00 00 0008 01 81 0000", IP_VS_SYNC_R_VERSION },
	{ "version 255", "00 00 0008 01 ff 0000", IP_VS_SYNC_R_VERSION },
	{ "spare 1", "00 00 0008 01 01 0001", IP_VS_SYNC_R_VERSION },
	{ "spare 0x8000", "00 00 0008 01 01 8000", IP_VS_SYNC_R_VERSION },
};

static void header_desc(const struct header *h, char *desc)
{
	strscpy(desc, h->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(header, headers, header_desc);

static void header_decode(struct kunit *test)
{
	const struct header *h = test->param_value;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX];
	unsigned int len;
	u8 *buf;

	len = unhex(test, h->hex, bytes);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len), h->why);
	if (h->why)
		return;
	KUNIT_EXPECT_EQ(test, r.version, h->version);
	KUNIT_EXPECT_EQ(test, r.syncid, h->syncid);
	KUNIT_EXPECT_EQ(test, r.left, h->left);
	if (!h->left)
		return;
	/* None of these has the record it promises */
	KUNIT_EXPECT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_R_TRUNCATED);
	KUNIT_EXPECT_EQ(test, r.left, 0);
}

/* Records, good and bad ones. Those that are good bear as client port their
 * number in the message, from 1. What is behind a record that runs beyond the
 * message is lost, and so it is where @lost says so.
 */
#define OUTCOMES_MAX	4

#define FIXED(type, size, flags, cport) \
		type " 06 " size " " flags " 0001 " cport " 0050 1f90 " \
		"00000000 00000384"
#define ADDRS4	"c0000201 c6336450 0a010203"
#define ADDR6	"20010db8000000000000000000000001"
#define ADDRS6	ADDR6 " " ADDR6 " " ADDR6
#define V4(size, cport) FIXED("00", size, "00000100", cport) " " ADDRS4
#define V6(size, cport) FIXED("01", size, "00000100", cport) " " ADDRS6
#define FLAGS(flags, cport) FIXED("00", "0024", flags, cport) " " ADDRS4
#define V0(flags, cport) \
		"00 06 " cport " 0050 1f90 " ADDRS4 " " flags " 0001"
#define ONE	V4("0024", "0001")
#define TWO	V4("0024", "0002")
#define THREE	V4("0024", "0003")
#define SEQ_22	"00000001 00000002 00000003 00000004 00000005 0000"
#define SEQ_24	SEQ_22 "0006"
#define BAD	"dead"

static const struct sequel {
	const char		*desc;
	u8			version;
	u8			count;
	const char		*hex;
	enum ip_vs_sync_reject	why[OUTCOMES_MAX];
	bool			lost;
} sequels[] = {
	{
		"all good", 1, 3, ONE TWO THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"fewer announced than there are", 1, 2, ONE TWO THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"more announced than there are", 1, 4, ONE TWO THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_OK,
		  IP_VS_SYNC_R_TRUNCATED }
	}, {
		"many more announced", 1, 255, ONE "00000000",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"one byte less than a fixed part", 1, 3,
		ONE "00 06 0024 00000100 0001 0002 0050 1f90 00000000 000003",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"fixed part without addresses", 1, 3,
		ONE FIXED("00", "0024", "00000100", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"size beyond the message by one", 1, 3,
		ONE V4("0025", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"largest size", 1, 2, V4("0fff", BAD) TWO,
		{ IP_VS_SYNC_R_TRUNCATED }
	}, {
		"IPv6 with the bytes of IPv4", 1, 2,
		ONE FIXED("01", "0048", "00000100", "0002") ADDRS4,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"IPv6 beyond the message by one", 1, 2,
		ONE FIXED("01", "0048", "00000100", "0002") ADDR6 ADDR6
		"20010db80000000000000000000000",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"size 0", 1, 2, V4("0000", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE }, true
	}, {
		"size 1", 1, 2, V4("0001", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE }, true
	}, {
		"size without addresses but one", 1, 2, V4("0017", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE }, true
	}, {
		"size without addresses", 1, 2,
		FIXED("00", "0018", "00000100", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE, IP_VS_SYNC_OK }
	}, {
		"size of IPv4 but one", 1, 2, V4("0023", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE, IP_VS_SYNC_OK }
	}, {
		"size of IPv4 but one, at the end", 1, 1,
		FIXED("00", "0023", "00000100", BAD)
		"c0000201 c6336450 0a0102",
		{ IP_VS_SYNC_R_RECORD_SIZE }
	}, {
		"size of IPv4 for IPv6", 1, 2,
		FIXED("01", "0024", "00000100", BAD) ADDRS4 TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE, IP_VS_SYNC_OK }
	}, {
		"size of IPv4 for IPv6, at the end", 1, 1,
		FIXED("01", "0024", "00000100", BAD) ADDRS4,
		{ IP_VS_SYNC_R_RECORD_SIZE }
	}, {
		"size of IPv6 but one", 1, 2, V6("0047", BAD) TWO,
		{ IP_VS_SYNC_R_RECORD_SIZE, IP_VS_SYNC_OK }
	}, {
		"record version 1", 1, 3, ONE V4("1024", BAD) THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_RECORD_VERSION, IP_VS_SYNC_OK }
	}, {
		"record version 8", 1, 3, ONE V4("8024", BAD) THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_RECORD_VERSION, IP_VS_SYNC_OK }
	}, {
		"record version 15, padded", 1, 3,
		ONE V4("f027", BAD) "010203 00" THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_RECORD_VERSION, IP_VS_SYNC_OK }
	}, {
		"record version 1, beyond the message", 1, 3,
		ONE V4("1025", BAD),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"type 2", 1, 3,
		ONE FIXED("02", "0024", "00000100", BAD) ADDRS4 THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE, IP_VS_SYNC_OK }
	}, {
		"type 0x80", 1, 3,
		ONE FIXED("80", "0024", "00000100", BAD) ADDRS4 THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE, IP_VS_SYNC_OK }
	}, {
		"type 3, IPv6", 1, 3,
		ONE FIXED("03", "0048", "00000100", BAD) ADDRS6 THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE, IP_VS_SYNC_OK }
	}, {
		"type 0xff, padded", 1, 3,
		ONE FIXED("ff", "0025", "00000100", BAD) ADDRS4 "ff 000000"
		THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TYPE, IP_VS_SYNC_OK }
	}, {
		"IPv6 among IPv4", 1, 3, ONE V6("0048", "0002") THREE,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"padding is not looked at", 1, 2,
		V4("0027", "0001") "45 01 ff ee" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"no padding", 1, 2, V4("0027", "0001") "45 01 ff" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"padding cut off", 1, 2, V4("0027", "0001") "45 01 ff",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"option without length", 1, 2,
		V4("0025", BAD) "45 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"option without length, at the end", 1, 1,
		V4("0025", BAD) "45",
		{ IP_VS_SYNC_R_OPTION_SIZE }
	}, {
		"second option without length", 1, 2,
		V4("0028", BAD) "45 01 ff 45" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"empty option", 1, 2, V4("0026", BAD) "45 00 0000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"empty engine's data", 1, 2,
		V4("0029", BAD) "02 00 03 01 61 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"empty engine's name", 1, 2,
		V4("0029", BAD) "02 01 61 03 00 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"option beyond its record by one", 1, 2,
		V4("0027", BAD) "45 02 00 00" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"engine's data beyond by one", 1, 2,
		V4("002c", BAD) "03 01 61 02 04 010203" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"engine's name beyond by one", 1, 2,
		V4("002a", BAD) "02 01 61 03 02 61 0000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"longest option, beyond", 1, 2,
		V4("0026", BAD) "45 ff 0000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"last option beyond the message", 1, 1,
		V4("0027", BAD) "45 02 00",
		{ IP_VS_SYNC_R_OPTION_SIZE }
	}, {
		"sequence data too short", 1, 2,
		V4("003d", BAD) "01 17" SEQ_22 "00 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"sequence data too long", 1, 2,
		V4("003f", BAD) "01 19" SEQ_24 "00 00" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"sequence data beyond by one", 1, 2,
		V4("003d", BAD) "01 18" SEQ_24 "0000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"sequence data", 1, 2, V4("003e", "0001") "01 18" SEQ_24 "0000"
		TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"engine's name too long", 1, 2,
		V4("003a", BAD) "02 01 61 03 11" HEX_16 "71 0000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"engine's name as long as can be", 1, 2,
		V4("0039", "0001") "02 01 61 03 10" HEX_16 "000000" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"engine's name first", 1, 2,
		V4("002a", "0001") "03 01 61 02 01 62 0000" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"engine's name, no data", 1, 2,
		V4("0027", "0001") "03 01 61 00" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"engine's data, no name", 1, 2,
		V4("0027", BAD) "02 01 61 00" TWO,
		{ IP_VS_SYNC_R_PE_NAME, IP_VS_SYNC_OK }
	}, {
		"sequence data twice", 1, 2,
		V4("0058", BAD) "01 18" SEQ_24 "01 18" SEQ_24 TWO,
		{ IP_VS_SYNC_R_OPTION_TWICE, IP_VS_SYNC_OK }
	}, {
		"engine's data twice", 1, 2,
		V4("002d", BAD) "02 01 61 03 01 61 02 01 61 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_TWICE, IP_VS_SYNC_OK }
	}, {
		"engine's name twice", 1, 2,
		V4("002d", BAD) "03 01 61 02 01 61 03 01 61 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_TWICE, IP_VS_SYNC_OK }
	}, {
		"option 0", 1, 2, V4("0027", BAD) "00 01 61 00" TWO,
		{ IP_VS_SYNC_R_OPTION_UNKNOWN, IP_VS_SYNC_OK }
	}, {
		"time left, three bytes", 1, 2,
		V4("0029", BAD) "44 03 616263 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"time left, five bytes", 1, 2,
		V4("002b", BAD) "44 05 6162636465 00" TWO,
		{ IP_VS_SYNC_R_OPTION_SIZE, IP_VS_SYNC_OK }
	}, {
		"time left twice", 1, 2,
		V4("0030", BAD) "44 04 00000001 44 04 00000001" TWO,
		{ IP_VS_SYNC_R_OPTION_TWICE, IP_VS_SYNC_OK }
	}, {
		"time left, none", 1, 2,
		V4("002a", "0001") "44 04 00000000 0000" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"option 5", 1, 2, V4("0027", BAD) "05 01 61 00" TWO,
		{ IP_VS_SYNC_R_OPTION_UNKNOWN, IP_VS_SYNC_OK }
	}, {
		"option 0x81", 1, 2, V4("0027", BAD) "81 01 61 00" TWO,
		{ IP_VS_SYNC_R_OPTION_UNKNOWN, IP_VS_SYNC_OK }
	}, {
		"option 0xbf", 1, 2, V4("0027", BAD) "bf 01 61 00" TWO,
		{ IP_VS_SYNC_R_OPTION_UNKNOWN, IP_VS_SYNC_OK }
	}, {
		"option 5 after others", 1, 2,
		V4("002d", BAD) "02 01 61 03 01 61 05 01 61 000000" TWO,
		{ IP_VS_SYNC_R_OPTION_UNKNOWN, IP_VS_SYNC_OK }
	}, {
		"option 0x40", 1, 2, V4("0027", "0001") "40 01 61 00" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"option 0x46", 1, 2, V4("0027", "0001") "46 01 61 00" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"option 0x45", 1, 2, V4("0027", "0001") "45 01 61 00" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"option 0x45 thrice", 1, 2,
		V4("002d", "0001") "45 01 61 45 01 61 45 01 61 000000" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"option 0xff", 1, 2, V4("0027", "0001") "ff 01 61 00" TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"one packet", 1, 2, FLAGS("00002000", BAD) TWO,
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"one packet among others", 1, 2, FLAGS("00002903", BAD) TWO,
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"one packet template", 1, 2, FLAGS("00003000", BAD) TWO,
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"template without client port", 1, 2,
		FLAGS("00001800", BAD) TWO,
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"the same among others", 1, 2, FLAGS("00011f03", BAD) TWO,
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"template", 1, 2, FLAGS("00001000", "0001") TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"no client port", 1, 2, FLAGS("00000800", "0001") TWO,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"bad one after the other", 1, 4,
		FLAGS("00002000", BAD) V4("1024", BAD)
		FIXED("02", "0024", "00000100", BAD) ADDRS4
		V4("0024", "0004"),
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_R_RECORD_VERSION,
		  IP_VS_SYNC_R_TYPE, IP_VS_SYNC_OK }
	}, {
		"bad one last", 1, 2, ONE FLAGS("00002000", BAD),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_FLAGS }
	}, {
		"v0", 0, 3,
		V0("0100", "0001") V0("0100", "0002") V0("0100", "0003"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"v0, fewer announced", 0, 1,
		V0("0100", "0001") V0("0100", "0002"),
		{ IP_VS_SYNC_OK }
	}, {
		"v0, more announced", 0, 3,
		V0("0100", "0001") V0("0100", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"v0, one byte missing", 0, 2,
		V0("0100", "0001")
		"00 06 0002 0050 1f90 c0000201 c6336450 0a010203 0100 00",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"v0, sequence data missing", 0, 2,
		V0("0100", "0001") V0("0200", BAD),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"v0, a byte of sequence data missing", 0, 2,
		V0("0100", "0001")
		V0("0400", BAD) SEQ_22 "00",
		{ IP_VS_SYNC_OK, IP_VS_SYNC_R_TRUNCATED }
	}, {
		"v0, sequence data", 0, 3,
		V0("0200", "0001") SEQ_24 V0("0400", "0002") SEQ_24
		V0("0600", "0003") SEQ_24,
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"v0, one packet", 0, 2, V0("2000", BAD) V0("0100", "0002"),
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"v0, one packet, sequence data", 0, 2,
		V0("2200", BAD) SEQ_24 V0("0100", "0002"),
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"v0, template without client port", 0, 2,
		V0("1800", BAD) V0("0100", "0002"),
		{ IP_VS_SYNC_R_FLAGS, IP_VS_SYNC_OK }
	}, {
		"v0, template", 0, 2, V0("1000", "0001") V0("0100", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"v0, no client port", 0, 2,
		V0("0800", "0001") V0("0100", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	}, {
		"v0, reserved byte is not looked at", 0, 2,
		"ff 06 0001 0050 1f90" ADDRS4 "0100 0001" V0("0100", "0002"),
		{ IP_VS_SYNC_OK, IP_VS_SYNC_OK }
	},
};

static void sequel_desc(const struct sequel *s, char *desc)
{
	strscpy(desc, s->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(sequel, sequels, sequel_desc);

static void sequel_decode(struct kunit *test)
{
	const struct sequel *s = test->param_value;
	unsigned int head = s->version ? 8 : 4;
	struct ip_vs_sync_record rec;
	enum ip_vs_sync_reject want;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX] = {};
	unsigned int len, i;
	u8 *buf;

	len = head + unhex(test, s->hex, bytes + head);
	set_size(bytes, len);
	if (s->version) {
		bytes[4] = s->count;
		bytes[5] = 1;
	} else {
		bytes[0] = s->count;
	}
	buf = exactly(test, bytes, len);

	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, r.left, s->count);
	for (i = 0; r.left; i++) {
		KUNIT_ASSERT_LT(test, i, OUTCOMES_MAX);
		want = s->why[i];
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec), want);
		if (want == IP_VS_SYNC_OK)
			KUNIT_EXPECT_EQ(test, ntohs(rec.cport), i + 1);
		if (want == IP_VS_SYNC_R_TRUNCATED || s->lost)
			KUNIT_EXPECT_EQ(test, r.left, 0);
		else
			KUNIT_EXPECT_EQ(test, r.left, s->count - i - 1);
	}
	for (; i < OUTCOMES_MAX; i++)
		KUNIT_EXPECT_EQ(test, s->why[i], IP_VS_SYNC_OK);
}

/* Bit 0x40 says what to do who does not know an option; who does takes it */
static void known_optional(struct kunit *test)
{
	static const char hex[] =
		"00 00 004f 01 01 0000" V4("0047", "0001")
		"41 18" SEQ_24 "42 01 7f 43 04 6e616d65";
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX];
	unsigned int len;
	u8 *buf;

	len = unhex(test, hex, bytes);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_TRUE(test, rec.has_seq);
	KUNIT_EXPECT_EQ(test, rec.in_seq.previous_delta, 3);
	KUNIT_EXPECT_EQ(test, rec.out_seq.previous_delta, 6);
	KUNIT_ASSERT_EQ(test, rec.pe_data_len, 1);
	KUNIT_EXPECT_EQ(test, rec.pe_data[0], 0x7f);
	KUNIT_ASSERT_EQ(test, rec.pe_name_len, 4);
	KUNIT_EXPECT_EQ(test, memcmp(rec.pe_name, "name", 4), 0);
}

/* What an option that is skipped or absent leaves of the record before */
static void no_leftovers(struct kunit *test)
{
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 bytes[MESSAGE_MAX];
	unsigned int len;
	u8 *buf;

	len = unhex(test, "00 00 00a0 02 01 0000" ALL6_V1 "000000" TCP4_V1,
		    bytes);
	set_size(bytes, len);
	buf = exactly(test, bytes, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_OK);
	expect_record(test, 1, &rec, &all6);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_OK);
	expect_record(test, 1, &rec, &tcp4);
}

/* Ten records and 32 bytes behind them: ten records */
static void ten_of_ten(struct kunit *test)
{
	u8 bytes[8 + 10 * 36 + 32] = { 0, 0, 0x01, 0x90, 10, 1, 0, 0 };
	u8 record[MESSAGE_MAX];
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	unsigned int i;
	u8 *buf;

	KUNIT_ASSERT_EQ(test, unhex(test, TCP4_V1, record), 36);
	for (i = 0; i < 10; i++)
		memcpy(bytes + 8 + i * 36, record, 36);
	memcpy(bytes + 8 + i * 36, record, 32);
	buf = exactly(test, bytes, sizeof(bytes));

	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, sizeof(bytes)),
			IP_VS_SYNC_OK);
	for (i = 0; r.left; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, 1, &rec, &tcp4);
	}
	KUNIT_EXPECT_EQ(test, i, 10);
}

/* How many of some records a message of some limit takes, and its length */
static const struct limit {
	const char			*desc;
	u8				version;
	const struct ip_vs_sync_record	*record[RECORDS_MAX];
	unsigned int			limit;
	unsigned int			records;
	unsigned int			len;
} limits[] = {
	{ "v0, two fit", 0, { &tcp4, &tcp4, &tcp4 }, 52, 2, 52 },
	{ "v0, one byte short", 0, { &tcp4, &tcp4, &tcp4 }, 51, 1, 28 },
	{ "v0, one byte over", 0, { &tcp4, &tcp4, &tcp4 }, 53, 2, 52 },
	{ "v0, just under three", 0, { &tcp4, &tcp4, &tcp4 }, 75, 2, 52 },
	{ "v0, three", 0, { &tcp4, &tcp4, &tcp4 }, 76, 3, 76 },
	{ "v0, one fits", 0, { &tcp4, &tcp4 }, 28, 1, 28 },
	{ "v0, sequence data fits", 0, { &tcp4, &ftp4 }, 76, 2, 76 },
	{ "v0, sequence data does not", 0, { &tcp4, &ftp4 }, 75, 1, 28 },
	{ "v0, less than one", 0, { &tcp4, &tcp4 }, 27, 1, 28 },
	{ "v0, nothing", 0, { &ftp4, &tcp4 }, 0, 1, 52 },
	{ "two fit", 1, { &tcp4, &tcp4, &tcp4 }, 80, 2, 80 },
	{ "one byte short", 1, { &tcp4, &tcp4, &tcp4 }, 79, 1, 44 },
	{ "one byte over", 1, { &tcp4, &tcp4, &tcp4 }, 81, 2, 80 },
	{ "just under three", 1, { &tcp4, &tcp4, &tcp4 }, 115, 2, 80 },
	{ "three", 1, { &tcp4, &tcp4, &tcp4 }, 116, 3, 116 },
	{ "one fits", 1, { &tcp4, &tcp4 }, 44, 1, 44 },
	{ "less than one", 1, { &tcp4, &tcp4 }, 43, 1, 44 },
	{ "less than a header", 1, { &tcp4, &tcp4 }, 1, 1, 44 },
	{ "nothing", 1, { &all6, &tcp4 }, 0, 1, 121 },
	{ "IPv6 fits", 1, { &tcp4, &udp6 }, 116, 2, 116 },
	{ "IPv6 does not", 1, { &tcp4, &udp6 }, 115, 1, 44 },
	{ "sequence data fits", 1, { &tcp4, &ftp4 }, 106, 2, 106 },
	{ "sequence data does not", 1, { &tcp4, &ftp4 }, 105, 1, 44 },
	{ "engine fits", 1, { &tcp4, &sip4_3 }, 87, 2, 87 },
	{ "engine does not", 1, { &tcp4, &sip4_3 }, 86, 1, 44 },
	{ "padding fits", 1, { &sip4_3, &tcp4 }, 88, 2, 88 },
	{ "padding does not", 1, { &sip4_3, &tcp4 }, 87, 1, 51 },
	{ "more padding fits", 1, { &sip4_1, &tcp4 }, 92, 2, 92 },
	{ "more padding does not", 1, { &sip4_1, &tcp4 }, 91, 1, 53 },
	{ "a smaller one would fit", 1, { &tcp4, &udp6, &tcp4 }, 80, 1, 44 },
};

static void limit_desc(const struct limit *l, char *desc)
{
	strscpy(desc, l->desc, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(limit, limits, limit_desc);

/* A record that was refused leaves the message as it was */
static void limit_encode(struct kunit *test)
{
	const struct limit *l = test->param_value;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	struct ip_vs_sync_writer w;
	unsigned int i, len = 0;
	int ret;

	writer_init(test, &w, l->limit);
	ip_vs_sync_write_open(&w, l->version, 1);
	for (i = 0; i < RECORDS_MAX && l->record[i]; i++) {
		ret = ip_vs_sync_write_record(&w, l->record[i]);
		if (i < l->records) {
			KUNIT_ASSERT_EQ(test, ret, 0);
			len = w.len;
		} else {
			KUNIT_ASSERT_EQ(test, ret, -ENOSPC);
			break;
		}
		KUNIT_ASSERT_EQ(test, w.records, i + 1);
	}
	KUNIT_EXPECT_EQ(test, w.records, l->records);
	KUNIT_EXPECT_EQ(test, w.len, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), l->len);

	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, l->len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, r.left, l->records);
	for (i = 0; i < l->records; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, l->version, &rec, l->record[i]);
	}
}

/* The count is one byte: 255 records are a message whatever the limit */
static void count_full(struct kunit *test, u8 version, unsigned int len)
{
	struct ip_vs_sync_record rec = tcp4;
	struct ip_vs_sync_reader r;
	struct ip_vs_sync_writer w;
	unsigned int i;

	writer_init(test, &w, 65507);
	ip_vs_sync_write_open(&w, version, 1);
	for (i = 0; i < 255; i++) {
		rec.cport = htons(i);
		KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &rec), 0);
	}
	KUNIT_ASSERT_EQ(test, w.records, 255);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &rec), -ENOSPC);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &rec), -ENOSPC);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
	KUNIT_EXPECT_EQ(test, w.buf[version ? 4 : 0], 255);

	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, len),
			IP_VS_SYNC_OK);
	for (i = 0; r.left; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		KUNIT_ASSERT_EQ(test, ntohs(rec.cport), i);
	}
	KUNIT_EXPECT_EQ(test, i, 255);
}

static void count_v0(struct kunit *test)
{
	count_full(test, 0, 4 + 255 * 24);
}

static void count_v1(struct kunit *test)
{
	count_full(test, 1, 8 + 255 * 36);
}

/* The longest record, in a buffer that has room for just that */
static void longest(struct kunit *test)
{
	static const u8 options[] = { 0x01, 0x18 };
	struct ip_vs_sync_record got, rec = all6;
	struct ip_vs_sync_reader r;
	struct ip_vs_sync_writer w;
	u8 data[255];
	unsigned int i;
	u8 *buf;

	for (i = 0; i < sizeof(data); i++)
		data[i] = ~i;
	rec.pe_data = data;
	rec.pe_data_len = sizeof(data);
	rec.pe_name = (const u8 *)NAME_16;
	rec.pe_name_len = 16;

	writer_init(test, &w, 0);
	ip_vs_sync_write_open(&w, 1, 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &rec), 0);
	/* 72, options of 24, 255, 16 and 4 bytes with two more each */
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), 8 + 379);
	KUNIT_EXPECT_EQ(test, w.buf[2], 0x01);
	KUNIT_EXPECT_EQ(test, w.buf[3], 0x83);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 2], 0x01);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 3], 0x7b);
	expect_bytes(test, w.buf + 8 + 72, options, 2);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 98], 0x02);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 99], 0xff);
	expect_bytes(test, w.buf + 8 + 100, data, 255);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 355], 0x03);
	KUNIT_EXPECT_EQ(test, w.buf[8 + 356], 0x10);
	expect_bytes(test, w.buf + 8 + 357, (const u8 *)NAME_16, 16);

	buf = exactly(test, w.buf, 8 + 379);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, 8 + 379),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &got),
			IP_VS_SYNC_OK);
	expect_record(test, 1, &got, &rec);
}

/* A record may be as long as 12 bits can say, if with options not known here */
static void largest_size(struct kunit *test)
{
	unsigned int len, end = 8 + 4095;
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 one[MESSAGE_MAX];
	u8 *buf, *p;

	buf = kunit_kzalloc(test, 8 + 4096 + 36, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	len = unhex(test, "00 00 0000 02 01 0000" V4("0fff", "0001"), buf);
	/* 15 options of 2 + 255 bytes and one of 2 + 202 fill it up */
	for (p = buf + len; p < buf + end; p += 2 + p[1]) {
		p[0] = 0x45;
		p[1] = min_t(unsigned int, buf + end - p - 2, 255);
	}
	KUNIT_ASSERT_TRUE(test, p == buf + end);
	len = unhex(test, TWO, one);
	memcpy(buf + 8 + 4096, one, len);
	len += 8 + 4096;
	set_size(buf, len);

	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, ntohs(rec.cport), 1);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
			IP_VS_SYNC_OK);
	KUNIT_EXPECT_EQ(test, ntohs(rec.cport), 2);
	KUNIT_EXPECT_EQ(test, r.left, 0);
}

/* What a message can not tell is refused, and the message goes on */
static void refused(struct kunit *test)
{
	static const struct ip_vs_sync_record name_17 =
		PERSISTENT("call", NAME_17);
	struct ip_vs_sync_record local = tcp4;
	struct ip_vs_sync_writer w;
	u8 want[MESSAGE_MAX];
	unsigned int len;

	local.af = AF_UNIX;

	writer_init(test, &w, MESSAGE_MAX);
	ip_vs_sync_write_open(&w, 0, 0x5a);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &udp6),
			-EAFNOSUPPORT);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &local),
			-EAFNOSUPPORT);
	KUNIT_EXPECT_EQ(test, w.records, 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &tcp4), 0);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &udp6),
			-EAFNOSUPPORT);
	len = unhex(test, "01 5a 001c" TCP4_V0, want);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
	expect_bytes(test, w.buf, want, len);

	ip_vs_sync_write_open(&w, 1, 0x5a);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &local),
			-EAFNOSUPPORT);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &name_17),
			-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, w.records, 0);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &tcp4), 0);
	KUNIT_EXPECT_EQ(test, ip_vs_sync_write_record(&w, &name_17),
			-EMSGSIZE);
	len = unhex(test, "00 5a 002c 01 01 0000" TCP4_V1, want);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_write_close(&w), len);
	expect_bytes(test, w.buf, want, len);
}

/* A version 0 receiver goes by the flags: what follows them has to agree, or
 * it would take the rest of the message for something else.
 */
static void v0_seq_follows_flags(struct kunit *test)
{
	struct ip_vs_sync_record rec, odd[2] = { tcp4, tcp4 };
	struct ip_vs_sync_reader r;
	struct ip_vs_sync_writer w;
	unsigned int i, len;

	odd[0].flags |= IP_VS_CONN_F_SEQ_MASK;
	odd[1].has_seq = true;
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		writer_init(test, &w, MESSAGE_MAX);
		ip_vs_sync_write_open(&w, 0, 0);
		ip_vs_sync_write_record(&w, &odd[i]);
		KUNIT_ASSERT_EQ(test, ip_vs_sync_write_record(&w, &ftp4), 0);
		len = ip_vs_sync_write_close(&w);

		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, w.buf, len),
				IP_VS_SYNC_OK);
		while (r.left > 1)
			KUNIT_EXPECT_EQ(test, ip_vs_sync_read_record(&r, &rec),
					IP_VS_SYNC_OK);
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, 0, &rec, &ftp4);
	}
}

/* Random connections */
static u8 random_bytes[255];

static void random_addr(struct rnd_state *rnd, union nf_inet_addr *addr,
			u16 af)
{
	unsigned int i;

	for (i = 0; i < (af == AF_INET6 ? 4 : 1); i++)
		addr->ip6[i] = (__force __be32)prandom_u32_state(rnd);
}

static void random_seq(struct rnd_state *rnd, struct ip_vs_sync_seq *seq)
{
	seq->init_seq = prandom_u32_state(rnd);
	seq->delta = prandom_u32_state(rnd);
	seq->previous_delta = prandom_u32_state(rnd);
}

static void random_record(struct rnd_state *rnd, u8 version,
			  struct ip_vs_sync_record *rec)
{
	u32 options = prandom_u32_state(rnd);

	memset(rec, 0, sizeof(*rec));
	rec->af = version && options & 1 ? AF_INET6 : AF_INET;
	rec->protocol = prandom_u32_state(rnd);
	rec->state = prandom_u32_state(rnd);
	rec->cport = (__force __be16)prandom_u32_state(rnd);
	rec->vport = (__force __be16)prandom_u32_state(rnd);
	rec->dport = (__force __be16)prandom_u32_state(rnd);
	rec->flags = prandom_u32_state(rnd);
	rec->flags &= ~(IP_VS_CONN_F_ONE_PACKET | IP_VS_CONN_F_SEQ_MASK);
	if (rec->flags & IP_VS_CONN_F_TEMPLATE)
		rec->flags &= ~IP_VS_CONN_F_NO_CPORT;
	rec->fwmark = prandom_u32_state(rnd);
	rec->timeout = prandom_u32_state(rnd);
	random_addr(rnd, &rec->caddr, rec->af);
	random_addr(rnd, &rec->vaddr, rec->af);
	random_addr(rnd, &rec->daddr, rec->af);
	if (options & 2) {
		rec->flags |= IP_VS_CONN_F_SEQ_MASK;
		rec->has_seq = true;
		random_seq(rnd, &rec->in_seq);
		random_seq(rnd, &rec->out_seq);
	}
	if (options & 4) {
		rec->pe_data = random_bytes;
		rec->pe_data_len = 1 + prandom_u32_state(rnd) % 255;
		rec->pe_name_len = 1 + prandom_u32_state(rnd) % 16;
		rec->pe_name = random_bytes + prandom_u32_state(rnd) % 200;
	}
	if (options & 8)
		rec->left = prandom_u32_state(rnd);
}

static void expect_records(struct kunit *test, struct ip_vs_sync_writer *w,
			   const struct ip_vs_sync_record *recs)
{
	unsigned int i, len = ip_vs_sync_write_close(w);
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 *buf;

	KUNIT_ASSERT_LE(test, len, w->limit);
	buf = exactly(test, w->buf, len);
	KUNIT_ASSERT_EQ(test, ip_vs_sync_read_open(&r, buf, len),
			IP_VS_SYNC_OK);
	KUNIT_ASSERT_EQ(test, r.version, w->version);
	KUNIT_ASSERT_EQ(test, r.syncid, w->syncid);
	KUNIT_ASSERT_EQ(test, r.left, w->records);
	for (i = 0; r.left; i++) {
		KUNIT_ASSERT_EQ(test, ip_vs_sync_read_record(&r, &rec),
				IP_VS_SYNC_OK);
		expect_record(test, w->version, &rec, &recs[i]);
	}
	kunit_kfree(test, buf);
}

/* All that is written is read, in its order, in as many messages as it takes */
static void round_trip(struct kunit *test)
{
	struct ip_vs_sync_record *recs;
	struct ip_vs_sync_writer w;
	struct rnd_state rnd;
	unsigned int round, i;
	u32 word;

	prandom_seed_state(&rnd, SEED);
	for (i = 0; i < sizeof(random_bytes); i++)
		random_bytes[i] = prandom_u32_state(&rnd);
	recs = kunit_kcalloc(test, IP_VS_SYNC_RECORDS_MAX + 1, sizeof(*recs),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, recs);
	writer_init(test, &w, 1500);

	for (round = 0; round < 400; round++) {
		word = prandom_u32_state(&rnd);
		w.limit = 400 + (word >> 8) % 1101;
		ip_vs_sync_write_open(&w, word & 1, word >> 24);
		for (i = 0; i <= IP_VS_SYNC_RECORDS_MAX; i++) {
			random_record(&rnd, w.version, &recs[i]);
			if (ip_vs_sync_write_record(&w, &recs[i]))
				break;
		}
		KUNIT_ASSERT_EQ(test, w.records, i);
		KUNIT_ASSERT_GT(test, i, 0);
		expect_records(test, &w, recs);
	}
}

/* Nothing but noise */
static void noise(struct kunit *test)
{
	unsigned int round, len, i;
	struct rnd_state rnd;
	u8 *buf;

	prandom_seed_state(&rnd, SEED);
	for (round = 0; round < 5000; round++) {
		len = prandom_u32_state(&rnd) % 600;
		buf = kunit_kmalloc(test, len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		for (i = 0; i < len; i++)
			buf[i] = prandom_u32_state(&rnd);
		set_size(buf, len);
		if (len >= 8 && round & 1) {
			/* Version 1 and a first record to walk into */
			buf[0] = 0;
			buf[5] = 1;
			buf[6] = 0;
			buf[7] = 0;
			if (len >= 12) {
				buf[8] &= 1;
				buf[10] &= 1;
			}
		}
		read_noise(test, buf, len);
		kunit_kfree(test, buf);
	}
}

/* What senders and receivers of other makes rely on */
static void constants(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_GROUP, 0xe0000051);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_PORT, 8848);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_RECORDS_MAX, 255);
	KUNIT_EXPECT_GE(test, IP_VS_SYNC_RECORD_MAX, 379);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_RECORD_MAX % 4, 0);
	KUNIT_EXPECT_GE(test, IP_VS_SYNC_HEADER_MAX, 8);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_RECORD_USUAL, 36);
	KUNIT_EXPECT_EQ(test, IP_VS_SYNC_OK, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(constants),
	KUNIT_CASE_PARAM(vector_encode, vector_gen_params),
	KUNIT_CASE_PARAM(vector_encode_again, vector_gen_params),
	KUNIT_CASE_PARAM(vector_decode, vector_gen_params),
	KUNIT_CASE_PARAM(vector_decode_trailer, vector_gen_params),
	KUNIT_CASE_PARAM(vector_cut, vector_gen_params),
	KUNIT_CASE_PARAM(vector_noise, vector_gen_params),
	KUNIT_CASE_PARAM(header_decode, header_gen_params),
	KUNIT_CASE_PARAM(sequel_decode, sequel_gen_params),
	KUNIT_CASE(known_optional),
	KUNIT_CASE(no_leftovers),
	KUNIT_CASE(ten_of_ten),
	KUNIT_CASE_PARAM(limit_encode, limit_gen_params),
	KUNIT_CASE(count_v0),
	KUNIT_CASE(count_v1),
	KUNIT_CASE(longest),
	KUNIT_CASE(largest_size),
	KUNIT_CASE(refused),
	KUNIT_CASE(v0_seq_follows_flags),
	KUNIT_CASE(round_trip),
	KUNIT_CASE(noise),
	{}
};

static struct kunit_suite suite = {
	.name		= "ipvs_sync_proto",
	.test_cases	= cases,
};

kunit_test_suites(&suite);
