// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a message as text
 *
 * A line for the message, an indented one for each record, or for each thing
 * that a control message says. What comes from the wire never reaches the
 * terminal as it is.
 */

#include <arpa/inet.h>
#include <string.h>

#include "ip_vs_sync_control.h"
#include "ipvs-sync.h"

#define HEX_LINE	16	/* bytes shown in a line */

static const char * const tcp_states[] = {
	"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT",
	"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK",
};

static const char * const sctp_states[] = {
	"NONE", "INIT1", "INIT", "COOKIE_SENT", "COOKIE_REPLIED",
	"COOKIE_WAIT", "COOKIE", "COOKIE_ECHOED", "ESTABLISHED",
	"SHUTDOWN_SENT", "SHUTDOWN_RECEIVED", "SHUTDOWN_ACK_SENT",
	"REJECTED", "CLOSED",
};

/* UDP, AH and ESP have but one */
static const char * const other_states[] = { "NORMAL" };

static const char * const template_states[] = { "NONE", "ASSURED" };

static const struct protocol {
	u8			number;
	const char		*name;
	const char * const	*states;
	unsigned int		n;
} protocols[] = {
	{ IPPROTO_TCP,	"TCP",	tcp_states,	ARRAY_SIZE(tcp_states) },
	{ IPPROTO_UDP,	"UDP",	other_states,	ARRAY_SIZE(other_states) },
	{ IPPROTO_SCTP,	"SCTP",	sctp_states,	ARRAY_SIZE(sctp_states) },
	{ IPPROTO_AH,	"AH",	other_states,	ARRAY_SIZE(other_states) },
	{ IPPROTO_ESP,	"ESP",	other_states,	ARRAY_SIZE(other_states) },
	{ IPPROTO_IP,	"IP",	NULL,		0 },
};

/* Values of IP_VS_CONN_F_FWD_MASK */
static const char * const forward[] = {
	"masq", "local", "tunnel", "route", "bypass",
};

static const struct flag {
	u32		bit;
	const char	*name;
} flags[] = {
	{ IP_VS_CONN_F_SYNC,		"sync" },
	{ IP_VS_CONN_F_HASHED,		"hashed" },
	{ IP_VS_CONN_F_NOOUTPUT,	"nooutput" },
	{ IP_VS_CONN_F_INACTIVE,	"inactive" },
	{ IP_VS_CONN_F_OUT_SEQ,		"out_seq" },
	{ IP_VS_CONN_F_IN_SEQ,		"in_seq" },
	{ IP_VS_CONN_F_NO_CPORT,	"no_cport" },
	{ IP_VS_CONN_F_TEMPLATE,	"template" },
	{ IP_VS_CONN_F_ONE_PACKET,	"one_packet" },
	{ IP_VS_CONN_F_NFCT,		"nfct" },
};

static const char * const kinds[IP_VS_SYNC_KINDS] = {
	[IP_VS_SYNC_DELETE]	= "DELETE",
	[IP_VS_SYNC_HELLO]	= "HELLO",
	[IP_VS_SYNC_FILL]	= "FILL",
	[IP_VS_SYNC_NACK]	= "NACK",
	[IP_VS_SYNC_JOIN]	= "JOIN",
};

/* The text stays until the next call */
const char *addr_text(int af, const union nf_inet_addr *addr)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(af, addr, text, sizeof(text));
}

static const struct protocol *find_protocol(u8 number)
{
	const struct protocol *p;

	for (p = protocols; p < protocols + ARRAY_SIZE(protocols); p++)
		if (p->number == number)
			return p;
	return NULL;
}

static void print_end(u16 af, const union nf_inet_addr *addr, __be16 port)
{
	printf(af == AF_INET6 ? "[%s]:%u" : "%s:%u", addr_text(af, addr),
	       ntohs(port));
}

static void print_state(const struct ip_vs_sync_record *rec,
			const struct protocol *p)
{
	const char * const *states = p ? p->states : NULL;
	unsigned int n = p ? p->n : 0;

	if (rec->flags & IP_VS_CONN_F_TEMPLATE) {
		states = template_states;
		n = ARRAY_SIZE(template_states);
	}
	if (rec->state < n)
		printf(" state %s", states[rec->state]);
	else
		printf(" state %u", rec->state);
}

static void print_flags(u32 bits)
{
	unsigned int method = bits & IP_VS_CONN_F_FWD_MASK;
	const struct flag *f;

	bits &= ~IP_VS_CONN_F_FWD_MASK;
	if (method < ARRAY_SIZE(forward))
		printf(" flags %s", forward[method]);
	else
		printf(" flags forward_%u", method);
	for (f = flags; f < flags + ARRAY_SIZE(flags); f++) {
		if (bits & f->bit)
			printf(",%s", f->name);
		bits &= ~f->bit;
	}
	if (bits)
		printf(",0x%x", bits);
}

static void print_seq(const char *name, const struct ip_vs_sync_seq *seq)
{
	printf(" %s %u delta %+d before %+d", name, seq->init_seq,
	       (s32)seq->delta, (s32)seq->previous_delta);
}

/* Quoted if all can be printed, else in hexadecimal */
static void print_bytes(const u8 *p, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if (p[i] < ' ' || p[i] > '~')
			break;
	if (i < len) {
		fputs("0x", stdout);
		for (i = 0; i < len; i++)
			printf("%02x", p[i]);
		return;
	}
	putchar('"');
	for (i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			putchar('\\');
		putchar(p[i]);
	}
	putchar('"');
}

/* Client and virtual end. A template for a mark has the mark in the place of
 * the virtual address.
 */
static void print_ends(u16 af, u8 protocol, bool template,
		       const union nf_inet_addr *caddr, __be16 cport,
		       const union nf_inet_addr *vaddr, __be16 vport)
{
	const struct protocol *p = find_protocol(protocol);

	if (p)
		printf("\t%s ", p->name);
	else
		printf("\tprotocol %u ", protocol);
	print_end(af, caddr, cport);
	fputs(" -> ", stdout);
	if (template && protocol == IPPROTO_IP)
		printf("mark %u", ntohl(vaddr->ip));
	else
		print_end(af, vaddr, vport);
}

static void print_record(const struct ip_vs_sync_record *rec)
{
	print_ends(rec->af, rec->protocol, rec->flags & IP_VS_CONN_F_TEMPLATE,
		   &rec->caddr, rec->cport, &rec->vaddr, rec->vport);
	fputs(" -> ", stdout);
	print_end(rec->af, &rec->daddr, rec->dport);
	print_state(rec, find_protocol(rec->protocol));
	print_flags(rec->flags);
	if (rec->timeout)
		printf(" timeout %u", rec->timeout);
	if (rec->left)
		printf(" left %u", rec->left);
	if (rec->fwmark)
		printf(" fwmark %u", rec->fwmark);
	if (rec->has_seq) {
		print_seq("in", &rec->in_seq);
		print_seq("out", &rec->out_seq);
	}
	if (rec->pe_name) {
		fputs(" pe ", stdout);
		print_bytes(rec->pe_name, rec->pe_name_len);
	}
	if (rec->pe_data) {
		fputs(" data ", stdout);
		print_bytes(rec->pe_data, rec->pe_data_len);
	}
	putchar('\n');
}

static void print_hex(const struct datagram *d, unsigned int pos,
		      unsigned int end)
{
	unsigned int i;

	if (end > d->len)
		end = d->len;
	for (; pos < end; pos += HEX_LINE) {
		printf("\t\t0x%04x:", pos);
		for (i = pos; i < pos + HEX_LINE && i < end; i++)
			printf(" %02x", d->data[i]);
		putchar('\n');
	}
}

static void print_head(const struct datagram *d, u16 base, bool request)
{
	const struct tm *tm = localtime(&d->when.tv_sec);
	char text[16] = "?";

	/* A file can have times beyond all calendars */
	if (tm)
		strftime(text, sizeof(text), "%H:%M:%S", tm);
	printf("%s.%06ld %s", text, (long)d->when.tv_usec,
	       addr_text(d->af, &d->src));
	/* A request goes to the port that the master sends from */
	if (request) {
		fputs(" to ", stdout);
		print_end(d->af, &d->dst, htons(d->port));
	} else if (d->port) {
		printf(" thread %u", d->port - base);
	} else {
		fputs(" thread ?", stdout);
	}
}

static void print_trailer(const struct ip_vs_sync_control *c)
{
	if (c->numbered)
		printf(" instance %08x seq %u", c->trailer.instance,
		       c->trailer.seq);
	putchar('\n');
}

static void print_behind(const struct datagram *d, const char *what,
			 unsigned int end)
{
	if (end < d->len)
		printf("\tbytes behind the %s %u\n", what, d->len - end);
}

static void refuse(enum ip_vs_sync_reject why, unsigned int records,
		   struct tally *tally)
{
	printf("\treject %s", ip_vs_sync_reject_name(why));
	if (records > 1)
		printf(" records %u", records);
	putchar('\n');
	tally->rejects += records;
}

static enum ip_vs_sync_reject print_hello(const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_hello h;
	enum ip_vs_sync_reject why;

	why = ip_vs_sync_hello_read(c, &h);
	if (why)
		return why;
	printf("\toldest %u connections %u interval %u", h.oldest, h.conns,
	       h.interval);
	if (h.progress == IP_VS_SYNC_NO_PASS)
		puts(" no pass");
	else if (h.progress == IP_VS_SYNC_PASS_DONE)
		printf(" pass %u done %u\n", h.pass, h.done);
	else
		printf(" pass %u progress %u\n", h.pass, h.progress);
	return IP_VS_SYNC_OK;
}

static enum ip_vs_sync_reject print_ranges(const struct ip_vs_sync_control *c)
{
	struct ip_vs_sync_range ranges[IP_VS_SYNC_RANGES_MAX];
	enum ip_vs_sync_reject why;
	unsigned int i, n;

	why = ip_vs_sync_ranges_read(c, ranges, &n);
	for (i = 0; !why && i < n; i++)
		printf("\tmessages %u to %u\n", ranges[i].first,
		       ranges[i].last);
	return why;
}

static enum ip_vs_sync_reject print_join(const struct ip_vs_sync_control *c)
{
	enum ip_vs_sync_reject why;
	u32 since;

	why = ip_vs_sync_join_read(c, &since);
	if (!why)
		printf("\tsince %u\n", since);
	return why;
}

static enum ip_vs_sync_reject print_delete(struct ip_vs_sync_control *c)
{
	enum ip_vs_sync_reject why;
	struct ip_vs_sync_key key;
	u32 order;

	why = ip_vs_sync_delete_read(c, &order);
	if (why)
		return why;
	printf("\torder %u\n", order);
	while (c->len) {
		why = ip_vs_sync_key_read(c, &key);
		if (why)
			return why;
		print_ends(key.af, key.protocol, key.template, &key.caddr,
			   key.cport, &key.vaddr, key.vport);
		puts(key.template ? " template" : "");
	}
	return IP_VS_SYNC_OK;
}

static void print_control(const struct datagram *d,
			  struct ip_vs_sync_control *c, bool verbose,
			  struct tally *tally)
{
	unsigned int start = c->body - d->data, end = start + c->len;
	enum ip_vs_sync_reject why = IP_VS_SYNC_OK;

	printf(" version 2 syncid %u bytes %u %s", c->syncid, d->len,
	       kinds[c->kind]);
	print_trailer(c);
	switch (c->kind) {
	case IP_VS_SYNC_HELLO:
		why = print_hello(c);
		break;
	case IP_VS_SYNC_FILL:
	case IP_VS_SYNC_NACK:
		why = print_ranges(c);
		break;
	case IP_VS_SYNC_JOIN:
		why = print_join(c);
		break;
	case IP_VS_SYNC_DELETE:
		why = print_delete(c);
		break;
	case IP_VS_SYNC_DATA:
	case IP_VS_SYNC_KINDS:
		break;
	}
	if (why)
		refuse(why, 1, tally);
	if (verbose)
		print_hex(d, start, end);
	print_behind(d, "sequence number", end + IP_VS_SYNC_TRAILER_LEN);
}

/* Return: where the last record ends. */
static unsigned int print_records(const struct datagram *d,
				  struct ip_vs_sync_reader *r, bool verbose,
				  struct tally *tally)
{
	unsigned int left, start, end = r->pos;
	struct ip_vs_sync_record rec;
	enum ip_vs_sync_reject why;

	while ((left = r->left)) {
		start = r->pos;
		why = ip_vs_sync_read_record(r, &rec);
		if (!why) {
			print_record(&rec);
			tally->records++;
		} else {
			refuse(why, left - r->left, tally);
		}
		/* Where the next one starts may be lost */
		end = r->pos > start ? r->pos : d->len;
		if (verbose)
			print_hex(d, start, end);
	}
	return end;
}

static void print_data(const struct datagram *d, struct ip_vs_sync_reader *r,
		       bool verbose, struct tally *tally)
{
	struct ip_vs_sync_control c = {};
	unsigned int end;

	printf(" version %u syncid %u bytes %u records %u", r->version,
	       r->syncid, r->len, r->left);
	ip_vs_sync_trailer_read(r, &c);
	print_trailer(&c);
	end = print_records(d, r, verbose, tally);
	if (c.numbered)
		print_behind(d, "sequence number",
			     end + IP_VS_SYNC_TRAILER_LEN);
	else
		print_behind(d, "last record", end);
}

bool message_is_request(const struct datagram *d)
{
	struct ip_vs_sync_control c;

	/* Of what was cut off the size is wrong */
	return !ip_vs_sync_control_read(&c, d->data, d->len) &&
	       (c.kind == IP_VS_SYNC_NACK || c.kind == IP_VS_SYNC_JOIN);
}

void message_print(const struct datagram *d, u16 base, bool verbose,
		   struct tally *tally)
{
	struct ip_vs_sync_control c;
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;

	tally->messages++;
	print_head(d, base, message_is_request(d));
	if (d->len < d->whole) {
		printf(" bytes %u cut off at %u\n", d->whole, d->len);
		tally->rejects++;
		return;
	}
	why = ip_vs_sync_control_read(&c, d->data, d->len);
	if (!why && c.kind == IP_VS_SYNC_DATA)
		why = ip_vs_sync_read_open(&r, d->data, d->len);
	if (why) {
		printf(" bytes %u reject %s\n", d->len,
		       ip_vs_sync_reject_name(why));
		if (verbose)
			print_hex(d, 0, d->len);
		tally->rejects++;
	} else if (c.kind == IP_VS_SYNC_DATA) {
		print_data(d, &r, verbose, tally);
	} else {
		print_control(d, &c, verbose, tally);
	}
}

void message_print_incomplete(const struct datagram *d, u16 base)
{
	print_head(d, base, false);
	if (d->whole)
		printf(" fragments of %u bytes, %u came\n", d->whole, d->len);
	else
		printf(" fragments, %u bytes came\n", d->len);
}
