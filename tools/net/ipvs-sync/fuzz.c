// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: fuzz the wire format
 *
 * Any bytes are read as a message; what else they stand for is told in the
 * other files. Of messages of records it must hold that
 *
 * - no byte behind the message is touched: it lies in memory of just its size
 *   (AddressSanitizer); and no record points to bytes that are not its own;
 * - the records that are read and those that are refused are as many as the
 *   header announces, and reading goes forward, never past the end;
 * - what is read can be written in both versions, and what is written reads
 *   the same, as far as the version can tell it, however many records a
 *   message takes, numbered or not. Memory to write to has just the size that
 *   is promised to be enough.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/kernel.h>

#include "fuzz.h"

#define MESSAGE_MAX	65507	/* bytes of a UDP datagram over IPv4 */

void *copy(const void *data, size_t len)
{
	void *p = malloc(len);

	/* With a length of 0 there may be nothing to copy from */
	if (len)
		memcpy(p, data, len);
	return p;
}

static bool same_seq(const struct ip_vs_sync_seq *a,
		     const struct ip_vs_sync_seq *b)
{
	return a->init_seq == b->init_seq && a->delta == b->delta &&
	       a->previous_delta == b->previous_delta;
}

/* Is what was read what was written, as far as the version can tell? */
static void compare(u8 version, const struct ip_vs_sync_record *got,
		    const struct ip_vs_sync_record *want)
{
	size_t alen = want->af == AF_INET6 ? 16 : 4;
	bool has_seq = want->has_seq;

	check(got->af == want->af);
	check(got->protocol == want->protocol);
	check(got->state == want->state);
	check(got->cport == want->cport);
	check(got->vport == want->vport);
	check(got->dport == want->dport);
	check(!memcmp(&got->caddr, &want->caddr, alen));
	check(!memcmp(&got->vaddr, &want->vaddr, alen));
	check(!memcmp(&got->daddr, &want->daddr, alen));
	if (!version) {
		/* By the flags alone; what is missing goes as 0 */
		has_seq = want->flags & IP_VS_CONN_F_SEQ_MASK;
		check(got->flags == (want->flags & 0xffff));
		check(!got->fwmark && !got->timeout && !got->left);
		check(!got->pe_data_len && !got->pe_name_len);
	} else {
		check(got->flags == want->flags);
		check(got->fwmark == want->fwmark);
		check(got->timeout == want->timeout);
		check(got->left == want->left);
		check(got->pe_data_len == want->pe_data_len);
		check(!got->pe_data_len ||
		      !memcmp(got->pe_data, want->pe_data, got->pe_data_len));
		/* A name without data is of no use, it is not sent */
		check(got->pe_name_len ==
		      (want->pe_data_len ? want->pe_name_len : 0));
		check(!got->pe_name_len ||
		      !memcmp(got->pe_name, want->pe_name, got->pe_name_len));
	}
	check(got->has_seq == has_seq);
	if (has_seq) {
		check(same_seq(&got->in_seq, &want->in_seq));
		check(same_seq(&got->out_seq, &want->out_seq));
	}
}

/* Read back a message that was written of these records, from the one at
 * @first on and round again
 */
static void read_back(struct ip_vs_sync_writer *w,
		      const struct ip_vs_sync_record *records,
		      unsigned int total, unsigned int first,
		      const struct ip_vs_sync_trailer *t)
{
	unsigned int i, len, n = w->records;
	struct ip_vs_sync_control c = {};
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	u8 *buf;

	len = w->len;
	if (t) {
		check(ip_vs_sync_trailer_write(w, t) == w->len);
		while (len < w->len - IP_VS_SYNC_TRAILER_LEN)
			check(!w->buf[len++]);
	}
	len = ip_vs_sync_write_close(w);
	buf = copy(w->buf, len);
	check(ip_vs_sync_read_open(&r, buf, len) == IP_VS_SYNC_OK);
	ip_vs_sync_trailer_read(&r, &c);
	check(c.numbered == !!t);
	check(!t || (c.trailer.instance == t->instance &&
		     c.trailer.seq == t->seq));
	check(r.version == w->version);
	check(r.syncid == w->syncid);
	check(r.left == n);
	for (i = 0; i < n; i++) {
		check(ip_vs_sync_read_record(&r, &rec) == IP_VS_SYNC_OK);
		compare(w->version, &rec, &records[(first + i) % total]);
	}
	check(!r.left);
	if (t)
		len -= IP_VS_SYNC_TRAILER_LEN;
	/* The last record ends the message; 1 stands for "aligned" */
	check(r.pos >= len && r.pos - len < (w->version && !t ? 4 : 1));
	free(buf);
}

/* Write the records in as many messages as it takes. Many go out twice, for
 * there can be more of them than one message can count.
 */
static void write_all(const struct ip_vs_sync_record *records, unsigned int n,
		      u8 version, u8 syncid, unsigned int limit,
		      const struct ip_vs_sync_trailer *t)
{
	size_t size = IP_VS_SYNC_HEADER_MAX + IP_VS_SYNC_RECORD_MAX;
	struct ip_vs_sync_writer w = { .limit = limit };
	unsigned int i, first = 0, len, times = n < 128 ? 1 : 2;
	int ret;

	if (size < limit)
		size = limit;
	if (t)
		size += IP_VS_SYNC_TRAILER_LEN + 3;
	w.buf = malloc(size);
	ip_vs_sync_write_open(&w, version, syncid);
	for (i = 0; i < times * n;) {
		len = w.len;
		ret = ip_vs_sync_write_record(&w, &records[i % n]);
		if (!ret) {
			i++;
			check(w.records == i - first);
			check(w.records <= IP_VS_SYNC_RECORDS_MAX);
			check(w.len > len);
			check(w.records == 1 || w.len <= limit);
			continue;
		}
		/* Full, which an empty message never is */
		check(ret == -ENOSPC);
		check(w.len == len);
		check(w.records == i - first && w.records);
		read_back(&w, records, n, first, t);
		first = i;
		ip_vs_sync_write_open(&w, version, syncid);
	}
	if (w.records)
		read_back(&w, records, n, first, t);
	free(w.buf);
}

/* What a message is limited to: to a record, to the usual, to what there can
 * be, or to just not the length that the records had when they came. One for
 * each input, or fewer could be tried.
 */
unsigned int choose_limit(const u8 *data, unsigned int len)
{
	unsigned int limits[] = { 1, 1472, MESSAGE_MAX, len - 1 };
	unsigned int i, sum = 0;

	for (i = 0; i < len; i++)
		sum += data[i];
	return limits[sum % ARRAY_SIZE(limits)];
}

/* A record that a version can not tell leaves the message as it was */
static void refuse(const struct ip_vs_sync_record *rec, u8 version, int why)
{
	u8 buf[IP_VS_SYNC_HEADER_MAX + IP_VS_SYNC_RECORD_MAX];
	struct ip_vs_sync_writer w = { .buf = buf, .limit = sizeof(buf) };
	unsigned int len;

	ip_vs_sync_write_open(&w, version, 0);
	len = w.len;
	check(ip_vs_sync_write_record(&w, rec) == why);
	check(!w.records && w.len == len);
}

/* The records that version 0 can tell, in front; how many these are */
static unsigned int keep_inet(struct ip_vs_sync_record *records,
			      unsigned int n)
{
	unsigned int i, kept = 0;

	for (i = 0; i < n; i++) {
		if (records[i].af == AF_INET)
			records[kept++] = records[i];
		else
			refuse(&records[i], 0, -EAFNOSUPPORT);
	}
	return kept;
}

/* No receiver takes a name that is too long */
static void refuse_name(struct ip_vs_sync_record rec)
{
	rec.pe_name_len = IP_VS_PENAME_MAXLEN + 1;
	refuse(&rec, 1, -EMSGSIZE);
}

/* What a record points to is in it; it starts at @pos */
static void check_inside(const struct ip_vs_sync_reader *r, unsigned int pos,
			 const struct ip_vs_sync_record *rec)
{
	const u8 *start = r->buf + pos, *end;

	end = start + ((start[2] << 8 | start[3]) & 0xfff);
	check(end <= r->buf + r->len);
	check(!rec->pe_data_len || (rec->pe_data > start &&
				    rec->pe_data + rec->pe_data_len <= end));
	check(!rec->pe_name_len || (rec->pe_name > start &&
				    rec->pe_name + rec->pe_name_len <= end));
}

/* Read all records. Return: how many there are at @records. */
static unsigned int read_all(struct ip_vs_sync_reader *r,
			     struct ip_vs_sync_record *records)
{
	unsigned int got = 0, refused = 0, announced, left, pos;
	enum ip_vs_sync_reject why;

	announced = r->version ? r->buf[4] : r->buf[0];
	check(r->left == announced);
	while ((left = r->left)) {
		pos = r->pos;
		why = ip_vs_sync_read_record(r, &records[got]);
		check(r->left < left);
		check(strcmp(ip_vs_sync_reject_name(why), "unknown"));
		/* Nothing is left when the start of the next one is lost */
		check(left - r->left == 1 || (why && !r->left));
		check(r->pos > pos || (why && !r->left));
		if (r->version && !why)
			check_inside(r, pos, &records[got]);
		/* The last record of version 1 need not fill its words */
		check(r->pos <= (r->version ? (r->len + 3) & ~3U : r->len));
		if (why)
			refused += left - r->left;
		else
			got++;
	}
	check(got + refused == announced);
	return got;
}

static void fuzz_records(const u8 *data, unsigned int len)
{
	static struct ip_vs_sync_record records[IP_VS_SYNC_RECORDS_MAX];
	struct ip_vs_sync_control c = {};
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;
	unsigned int limit, n;

	why = ip_vs_sync_read_open(&r, data, len);
	if (why) {
		check(why == IP_VS_SYNC_R_SHORT || why == IP_VS_SYNC_R_SIZE ||
		      why == IP_VS_SYNC_R_VERSION);
		return;
	}
	check(r.buf == data && r.len == len && r.version <= 1);
	ip_vs_sync_trailer_read(&r, &c);
	check(!c.numbered || r.version);
	n = read_all(&r, records);
	limit = choose_limit(data, len);
	write_all(records, n, 1, r.syncid, limit,
		  c.numbered ? &c.trailer : NULL);
	if (n)
		refuse_name(records[0]);
	n = keep_inet(records, n);
	write_all(records, n, 0, r.syncid, limit, NULL);
}

int fuzz_input(const u8 *data, size_t len)
{
	u8 *buf = copy(data, len);

	fuzz_records(buf, len);
	fuzz_control(buf, len);
	fuzz_window(buf, len);
	fuzz_history(buf, len);
	free(buf);
	return 0;
}

/* A message that does not tell its size is refused at once. Most are mended,
 * so that what follows is tried.
 */
size_t fuzz_mutate(u8 *data, size_t len, size_t max, unsigned int seed)
{
	len = fuzz_mutate_bytes(data, len, max);
	if (len >= 4 && seed % 16) {
		data[2] = len >> 8;
		data[3] = len;
	}
	return len;
}
