// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a message as text
 *
 * A line for the message, an indented one for each record. What comes from
 * the wire never reaches the terminal as it is.
 */

#include <arpa/inet.h>
#include <string.h>

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

static void print_record(const struct ip_vs_sync_record *rec)
{
	const struct protocol *p = find_protocol(rec->protocol);

	if (p)
		printf("\t%s ", p->name);
	else
		printf("\tprotocol %u ", rec->protocol);
	print_end(rec->af, &rec->caddr, rec->cport);
	fputs(" -> ", stdout);
	/* A template for a mark has the mark in the place of the address */
	if (rec->flags & IP_VS_CONN_F_TEMPLATE && rec->protocol == IPPROTO_IP)
		printf("mark %u", ntohl(rec->vaddr.ip));
	else
		print_end(rec->af, &rec->vaddr, rec->vport);
	fputs(" -> ", stdout);
	print_end(rec->af, &rec->daddr, rec->dport);
	print_state(rec, p);
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

static void print_head(const struct datagram *d, u16 base)
{
	const struct tm *tm = localtime(&d->when.tv_sec);
	char text[16] = "?";

	/* A file can have times beyond all calendars */
	if (tm)
		strftime(text, sizeof(text), "%H:%M:%S", tm);
	printf("%s.%06ld %s", text, (long)d->when.tv_usec,
	       addr_text(d->af, &d->src));
	if (d->port)
		printf(" thread %u", d->port - base);
	else
		fputs(" thread ?", stdout);
}

void message_print(const struct datagram *d, u16 base, bool verbose,
		   struct tally *tally)
{
	struct ip_vs_sync_record rec;
	struct ip_vs_sync_reader r;
	enum ip_vs_sync_reject why;
	unsigned int left, start, end;

	tally->messages++;
	print_head(d, base);
	if (d->len < d->whole) {
		printf(" bytes %u cut off at %u\n", d->whole, d->len);
		tally->rejects++;
		return;
	}
	why = ip_vs_sync_read_open(&r, d->data, d->len);
	if (why) {
		printf(" bytes %u reject %s\n", d->len,
		       ip_vs_sync_reject_name(why));
		if (verbose)
			print_hex(d, 0, d->len);
		tally->rejects++;
		return;
	}

	printf(" version %u syncid %u bytes %u records %u\n", r.version,
	       r.syncid, r.len, r.left);
	end = r.pos;
	while ((left = r.left)) {
		start = r.pos;
		why = ip_vs_sync_read_record(&r, &rec);
		left -= r.left;
		if (!why) {
			print_record(&rec);
			tally->records++;
		} else {
			printf("\treject %s", ip_vs_sync_reject_name(why));
			if (left > 1)
				printf(" records %u", left);
			putchar('\n');
			tally->rejects += left;
		}
		/* Where the next one starts may be lost */
		end = r.pos > start ? r.pos : d->len;
		if (verbose)
			print_hex(d, start, end);
	}
	if (end < d->len)
		printf("\tbytes behind the last record %u\n", d->len - end);
}

void message_print_incomplete(const struct datagram *d, u16 base)
{
	print_head(d, base);
	if (d->whole)
		printf(" fragments of %u bytes, %u came\n", d->whole, d->len);
	else
		printf(" fragments, %u bytes came\n", d->len);
}
