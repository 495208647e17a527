// SPDX-License-Identifier: GPL-2.0
/* A day's traffic of a site behind a director, clients and real servers
 *
 * usage: traffic MIX SCALE SECONDS HOURS THRESHOLD FRONT MAC REAR MAC
 *
 * MIX is one of those below, SCALE how many times its connections. An hour may
 * be shorter, SECONDS, for a site of millions: the day's ups and downs pass
 * faster then, while all that a connection does, and how often one begins,
 * keeps its time. What would still be known of the hours before such a day is
 * played before it, see LEAD.
 *
 * Sends the frames of both sides through a packet socket: a client's out of
 * the device FRONT, a real server's out of REAR, to the MAC address that the
 * director has there. Nobody answers; the director, which looks at headers
 * and flags only, can not tell. Each virtual service has one real server, so
 * it is known who has to reply.
 *
 * What happens when follows from the mix and a seeded generator of random
 * numbers alone: the same arguments give the same frames at the same times.
 * Time goes in ticks, and all frames of a tick go by one system call, for a
 * system call of a guest takes a hundred times as long as a frame.
 *
 * Half a tick after each full hour it prints
 *
 *	hour N sent FRAMES hash HASH
 *	opening PORT CLIENT:PORT ...
 *	end
 *
 * and waits for a line, so that the directors can be looked at between two
 * ticks. "opening" are the TCP connections that are past their SYN but have
 * sent less than THRESHOLD packets. A short day tells its beginning, too, as
 * hour 0. If the line is "over FRONT MAC", each client that is in conversation
 * sends a packet that way, another director's, how many is told by
 *
 *	over PACKETS
 *
 * and the next line is waited for.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* All times are in milliseconds of guest time since the start */
#define SECOND		1000
#define MINUTE		(60 * SECOND)
#define HOUR		(60ULL * MINUTE)

/* The tick of a small site; and that of a large one, whose frames would come
 * in lumps
 */
#define TICK		250
#define LARGE_TICK	ROUND_TRIP

/* From the director to a client and back */
#define ROUND_TRIP	50

#define VIP		0x0a010001	/* 10.1.0.1 */
#define SERVERS		0x0a020014U	/* 10.2.0.20 + port % 100 */
#define CLIENTS		0xac100000	/* 172.16.0.0/12 */
#define CLIENTS_MASK	0x000fffff
#define LARGE_CLIENTS	0x10000000	/* 16.0.0.0/4 */
#define LARGE_MASK	0x0fffffff

/* A short day begins at six with the traffic of a mean hour. It begins at this
 * time, which is longer than any connection is known without a packet.
 */
#define LEAD		(17ULL * MINUTE)
#define DAWN		6
/* So much of it for what is there to begin, so that not all begins at once */
#define SPREAD		MINUTE

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* How a TCP connection ends. Sites see most connections closed by the client,
 * many by a server that tires of waiting, and a few per cent in no proper
 * way: browsers that reset what they do not need, servers that reset what
 * they do not know, phones that leave the cell.
 */
enum ending {
	CLIENT_FIN,	/* FIN of the client, FIN of the server */
	SERVER_FIN,	/* the other way round */
	HALF_CLOSED,	/* FIN of the server, the client only acknowledges */
	CLIENT_RST,
	SERVER_RST,	/* in reply to a packet of the client */
	SERVER_ABORT,	/* out of the blue */
	GONE,		/* no client any more: FIN of the server, repeated */
	UNSENT,		/* no client any more: data of the server, repeated */
	SILENT,		/* both stop */
	UNUSED,		/* opened by a browser just in case, closed unused */
	HALF_OPEN,	/* a SYN and nothing more from the client */
	ENDINGS
};

/* A kind of traffic. Each has a virtual service and a real server of its own.
 * Probabilities are in thousandths.
 */
struct profile {
	const char *name;
	uint8_t protocol;
	uint16_t port;		/* of the service */
	double rate;		/* new ones a second, mean of the day */
	double exchanges;	/* requests in a connection, mean */
	uint32_t gap;		/* between two requests, mean */
	uint32_t gaps[5];	/* or what each connection chooses from */
	uint8_t replies;	/* packets that answer a request, at most */
	uint32_t there;		/* connections there from the start */
	double visits;		/* connections of a client, mean; 0: one */
	uint64_t persistence;	/* of its service, if there are visits */
	uint64_t before;	/* how long before a short day they begin */
	uint16_t odds[ENDINGS];
};

/* The first seed's site, scaled down by 1000: 3 200 templates, 4 300 active
 * and 4 500 inactive connections on a mean. Active are mostly connections that
 * wait; inactive are closed ones, which stay for two minutes, and UDP.
 */
static const struct profile day[] = {
	{
		/* A page and its pictures over a few connections */
		.name = "web", .protocol = IPPROTO_TCP, .port = 80,
		.before = 200 * SECOND,
		.rate = 8, .exchanges = 2, .gap = SECOND, .replies = 2,
		.odds = {
			[CLIENT_FIN] = 550, [SERVER_FIN] = 310,
			[HALF_CLOSED] = 20, [CLIENT_RST] = 75,
			[SERVER_RST] = 10, [SERVER_ABORT] = 3, [GONE] = 20,
			[SILENT] = 5, [UNUSED] = 4, [HALF_OPEN] = 3,
		},
	}, {
		/* Kept alive for minutes with something every few seconds */
		.name = "keep", .protocol = IPPROTO_TCP, .port = 443,
		.before = 200 * SECOND,
		.rate = 2, .exchanges = 20, .gap = 10 * SECOND, .replies = 1,
		.odds = {
			[CLIENT_FIN] = 450, [SERVER_FIN] = 420,
			[HALF_CLOSED] = 20, [CLIENT_RST] = 50,
			[SERVER_RST] = 10, [SERVER_ABORT] = 5, [GONE] = 30,
			[SILENT] = 10, [UNUSED] = 2, [HALF_OPEN] = 3,
		},
	}, {
		/* Mail and push: hours, a packet each minute or each ten,
		 * less than the 15 minutes of the timeout
		 */
		.name = "long", .protocol = IPPROTO_TCP, .port = 993,
		.before = LEAD,
		.rate = 0.21, .exchanges = 60, .there = 3000,
		.gaps = { 1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE,
			  10 * MINUTE },
		.replies = 1,
		.odds = {
			[CLIENT_FIN] = 450, [SERVER_FIN] = 150,
			[CLIENT_RST] = 50, [SERVER_RST] = 30,
			[SERVER_ABORT] = 10, [UNSENT] = 150, [SILENT] = 160,
		},
	}, {
		/* A shop: a client comes back to its server, -p 3600 */
		.name = "shop", .protocol = IPPROTO_TCP, .port = 8080,
		.before = 200 * SECOND, .persistence = 60 * MINUTE,
		.rate = 0.6, .exchanges = 4, .gap = 2 * SECOND, .replies = 2,
		.visits = 4,
		.odds = {
			[CLIENT_FIN] = 500, [SERVER_FIN] = 385,
			[HALF_CLOSED] = 20, [CLIENT_RST] = 50,
			[SERVER_RST] = 10, [SERVER_ABORT] = 5, [GONE] = 20,
			[SILENT] = 10,
		},
	}, {
		/* A conference: the same, but -p 600, and connections that
		 * outlast it
		 */
		.name = "talk", .protocol = IPPROTO_TCP, .port = 8443,
		.before = 6 * MINUTE, .persistence = 10 * MINUTE,
		.rate = 0.45, .exchanges = 8, .gap = 30 * SECOND,
		.replies = 1, .visits = 2.5,
		.odds = {
			[CLIENT_FIN] = 600, [SERVER_FIN] = 285,
			[HALF_CLOSED] = 20, [CLIENT_RST] = 50,
			[SERVER_RST] = 10, [SERVER_ABORT] = 5, [GONE] = 20,
			[SILENT] = 10,
		},
	}, {
		/* QUIC: a connection for a page. A DNS query, with its one
		 * packet, is never announced by anybody.
		 */
		.name = "quic", .protocol = IPPROTO_UDP, .port = 443,
		.before = 6 * MINUTE,
		.rate = 4, .exchanges = 6, .gap = 2 * SECOND, .replies = 2,
	}, {
		/* Tunnels: something each 25 s or only each two minutes, less
		 * than the five of the timeout
		 */
		.name = "tunnel", .protocol = IPPROTO_UDP, .port = 4500,
		.before = 6 * MINUTE,
		.rate = 0.4, .exchanges = 50, .there = 1500,
		.gaps = { 25 * SECOND, 60 * SECOND, 60 * SECOND,
			  120 * SECOND, 120 * SECOND },
		.replies = 1,
	},
	{ }
};

/* What the second seed speaks of: connections with very many packets */
static const struct profile busy[] = {
	{
		.name = "stream", .protocol = IPPROTO_TCP, .port = 443,
		.rate = 0.05, .exchanges = 18000, .gap = 200, .replies = 1,
		.there = 180,
		.odds = { [CLIENT_FIN] = 600, [SERVER_FIN] = 400 },
	},
	{ }
};

/* Retransmissions: seconds from each to the next */
static const uint16_t backoff[] = { 1, 2, 4, 8, 16, 32, 64, 120, 120, 120 };
#define SYN_ACKS	5	/* of a SYN that is not acknowledged */
#define FINS		6
#define SEGMENTS	10

/* Of each thousand SYNs one is answered, but the answer is lost */
#define LOST_SYN_ACKS	10

/* A server closes a connection that is silent for so long */
#define SERVER_PATIENCE	(60 * SECOND)
/* A browser closes one that it does not use after all */
#define CLIENT_PATIENCE	(10 * SECOND)

/* What a conversation does at its next event */
enum step {
	OVER,		/* nothing more */
	ARRIVE,		/* not a conversation: a new client of a profile */
	VISIT,		/* not a conversation: a client connects again */
	OPEN,
	OPEN_AGAIN,
	ANSWER_AGAIN,
	ESTABLISH,
	EXCHANGE,
	END,
	END_REPLY,
	END_AGAIN,
};

/* Small, for there are millions */
struct conv {
	uint32_t at, next;	/* its event, and who has one after it */
	uint32_t client, cseq, sseq;
	uint32_t left;		/* exchanges, or visits */
	uint16_t cport;
	uint16_t packets;	/* of the client, or more */
	uint8_t profile : 4, step : 4;
	uint8_t ending : 4, gap : 4;	/* gap: which of the profile's */
	uint8_t tries;
};

/* The events of a millisecond, in their order, and those of as many
 * milliseconds later as there are slots
 */
struct slot {
	uint32_t first, last;
};

#define SLOTS		0x200000U
#define CONVS_MAX	0x2000000U

#define BATCH		1024
#define FRAME_MAX	80	/* more than Ethernet, IP, TCP and DATA */

struct side {
	struct sockaddr_ll addr;
	uint8_t mac[ETH_ALEN];
};

static const struct profile *mix;
static double scale;
static uint64_t tick = TICK, hour = HOUR, lead;
static struct slot slots[SLOTS];
static struct conv *convs;		/* 0 is none */
static uint32_t convs_used, convs_free;
static uint64_t now, sent, hash = 0xcbf29ce484222325ULL;
static uint64_t random_state = 20111228;	/* the seed: of the seed */
static uint8_t frames[BATCH][FRAME_MAX];
static struct iovec vec[BATCH];
static struct mmsghdr msgs[BATCH];
static unsigned int batch;
static struct side front, rear;
static int sock;

static void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	fputs("traffic: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(1);
}

/* Chance */

static uint64_t next_random(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* Above 0, at most 1 */
static double chance(void)
{
	return ldexp((next_random() >> 11) + 1, -53);
}

static double exponential(double mean)
{
	return -log(chance()) * mean;
}

/* At least 1, with this mean */
static uint32_t geometric(double mean)
{
	if (mean <= 1)
		return 1;
	return 1 + (uint32_t)(log(chance()) / log(1 - 1 / mean));
}

static enum ending choose_ending(const struct profile *p)
{
	uint32_t x = next_random() % 1000;
	int i;

	for (i = 0; i < ENDINGS; i++) {
		if (x < p->odds[i])
			return i;
		x -= p->odds[i];
	}
	return CLIENT_FIN;
}

/* The night has a fourth of the traffic of the afternoon */
static double daytime(void)
{
	uint64_t since = lead ? now - lead + DAWN * hour : now;

	if (now < lead)
		return 1;
	return 1 - 0.6 * cos(2 * M_PI * since / (24.0 * hour));
}

/* Conversations that have nothing to do yet, each in the slot of its time */

static void append(struct slot *slot, struct conv *c)
{
	uint32_t this = c - convs;

	c->next = 0;
	if (slot->first)
		convs[slot->last].next = this;
	else
		slot->first = this;
	slot->last = this;
}

static void after(uint64_t delay, struct conv *c, enum step step)
{
	c->step = step;
	c->at = now + delay;
	append(&slots[c->at % SLOTS], c);
}

static bool any_at(uint64_t when)
{
	uint32_t i;

	for (i = slots[when % SLOTS].first; i; i = convs[i].next)
		if (convs[i].at == when)
			return true;
	return false;
}

static struct conv *new_conv(void)
{
	uint32_t this = convs_free;

	if (this) {
		convs_free = convs[this].next;
	} else {
		this = ++convs_used;
		if (this == CONVS_MAX) {
			errno = ENOMEM;
			die("too many conversations");
		}
	}
	memset(&convs[this], 0, sizeof(*convs));
	return &convs[this];
}

static void free_conv(struct conv *c)
{
	c->next = convs_free;
	convs_free = c - convs;
}

static const struct profile *profile_of(const struct conv *c)
{
	return &mix[c->profile];
}

/* Frames */

static uint32_t add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len > 1; len -= 2, p += 2)
		sum += p[0] << 8 | p[1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void put16(uint8_t *p, uint16_t value)
{
	value = htons(value);
	memcpy(p, &value, 2);
}

static void put32(uint8_t *p, uint32_t value)
{
	value = htonl(value);
	memcpy(p, &value, 4);
}

static void flush(void)
{
	unsigned int done;
	int ret;

	for (done = 0; done < batch; done += ret) {
		ret = sendmmsg(sock, msgs + done, batch - done, 0);
		if (ret < 0)
			die("can not send");
	}
	batch = 0;
}

/* Queue a frame from one side of a conversation. What: flags of TCP. */
static void emit(struct conv *c, struct side *from, int what, size_t data)
{
	const struct profile *p = profile_of(c);
	bool reply = from == &rear;
	size_t len = data + (p->protocol == IPPROTO_TCP ? 20 : 8);
	uint8_t *eth, *ip, *l4;
	uint16_t sum;

	if (batch == BATCH)
		flush();
	eth = frames[batch];
	memset(eth, 0, FRAME_MAX);
	memcpy(eth, from->mac, ETH_ALEN);
	eth[ETH_ALEN] = 2;		/* any source */
	put16(eth + 2 * ETH_ALEN, ETH_P_IP);

	ip = eth + ETH_HLEN;
	ip[0] = 0x45;
	put16(ip + 2, 20 + len);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = p->protocol;
	put32(ip + 12, reply ? SERVERS + p->port % 100U : c->client);
	put32(ip + 16, reply ? c->client : VIP);
	sum = fold(add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);

	l4 = ip + 20;
	put16(l4, reply ? p->port : c->cport);
	put16(l4 + 2, reply ? c->cport : p->port);
	if (p->protocol == IPPROTO_TCP) {
		put32(l4 + 4, reply ? c->sseq : c->cseq);
		put32(l4 + 8, what & ACK ? reply ? c->cseq : c->sseq : 0);
		l4[12] = 5 << 4;
		l4[13] = what;
		put16(l4 + 14, 8192);
		*(reply ? &c->sseq : &c->cseq) += data + !!(what & (SYN | FIN));
	} else {
		put16(l4 + 4, len);
	}
	sum = fold(add(add(p->protocol + len, ip + 12, 8), l4, len));
	memcpy(l4 + (p->protocol == IPPROTO_TCP ? 16 : 6), &sum, 2);

	vec[batch].iov_len = ETH_HLEN + 20 + len;
	msgs[batch].msg_hdr.msg_name = &from->addr;
	batch++;
	sent++;
	c->packets += !reply && c->packets < UINT16_MAX;
	hash = (hash ^ now ^ (uint64_t)c->client << 32) * 0x100000001b3ULL;
	hash = (hash ^ reply << 24 ^ what << 16 ^ c->cport) * 0x100000001b3ULL;
}

/* Conversations */

/* Length of a segment with data, even for the checksum's sake */
#define DATA		16

static uint64_t pause_of(const struct conv *c)
{
	const struct profile *p = profile_of(c);

	return p->gaps[c->gap] ? p->gaps[c->gap] : exponential(p->gap);
}

static void finish(struct conv *c)
{
	c->step = OVER;
}

static void exchange(struct conv *c)
{
	const struct profile *p = profile_of(c);
	unsigned int n = 1 + next_random() % p->replies;
	int flags = p->protocol == IPPROTO_TCP ? ACK | PSH : 0;

	/* With hours between packets it is mostly the server that speaks */
	if (p->gaps[c->gap] && flags && next_random() % 2) {
		emit(c, &rear, flags, DATA);
		emit(c, &front, ACK, 0);
	} else {
		emit(c, &front, flags, DATA);
		while (n--)
			emit(c, &rear, flags, DATA);
		if (flags)
			emit(c, &front, ACK, 0);
	}
	if (--c->left)
		after(pause_of(c), c, EXCHANGE);
	else if (flags)
		after(c->ending == GONE ? SERVER_PATIENCE : pause_of(c), c,
		      END);
	else
		finish(c);
}

/* UDP: three packets of the client for keys, so that the threshold is met as
 * with TCP
 */
static void open_keys(struct conv *c)
{
	int i;

	for (i = 0; i < 3; i++) {
		emit(c, &front, 0, DATA);
		emit(c, &rear, 0, DATA);
	}
	exchange(c);
}

/* Till the client's ACK, in ticks: it is mostly in the same one */
static uint64_t opening_delay(void)
{
	return next_random() % tick < ROUND_TRIP ? tick : 0;
}

static void open_again(struct conv *c)
{
	emit(c, &front, SYN, 0);
	emit(c, &rear, SYN | ACK, 0);
	/* Sent again, they are the same */
	c->cseq--;
	c->sseq--;
	if (c->ending == HALF_OPEN) {
		c->tries = 0;
		after(backoff[0] * SECOND, c, ANSWER_AGAIN);
	} else if (next_random() % 1000 < LOST_SYN_ACKS &&
		   c->tries < SYN_ACKS) {
		after(backoff[c->tries++] * SECOND, c, OPEN_AGAIN);
	} else {
		after(opening_delay(), c, ESTABLISH);
	}
}

static void answer_again(struct conv *c)
{
	emit(c, &rear, SYN | ACK, 0);
	c->sseq--;
	if (++c->tries < SYN_ACKS)
		after(backoff[c->tries] * SECOND, c, ANSWER_AGAIN);
	else
		finish(c);
}

static void establish(struct conv *c)
{
	c->cseq++;
	c->sseq++;
	c->tries = 0;
	emit(c, &front, ACK, 0);
	if (c->ending == UNUSED)
		after(CLIENT_PATIENCE, c, END);
	else
		exchange(c);
}

static void end(struct conv *c)
{
	switch (c->ending) {
	case CLIENT_FIN:
	case UNUSED:
		emit(c, &front, FIN | ACK, 0);
		emit(c, &rear, FIN | ACK, 0);
		after(tick, c, END_REPLY);
		return;
	case SERVER_FIN:
	case HALF_CLOSED:
		emit(c, &rear, FIN | ACK, 0);
		after(tick, c, END_REPLY);
		return;
	case CLIENT_RST:
		emit(c, &front, RST | ACK, 0);
		break;
	case SERVER_RST:
		emit(c, &front, ACK | PSH, DATA);
		emit(c, &rear, RST, 0);
		break;
	case SERVER_ABORT:
		emit(c, &rear, RST | ACK, 0);
		break;
	case GONE:
		emit(c, &rear, FIN | ACK, 0);
		c->sseq--;
		after(backoff[0] * SECOND, c, END_AGAIN);
		return;
	case UNSENT:
		emit(c, &rear, ACK | PSH, DATA);
		c->sseq -= DATA;
		after(backoff[0] * SECOND, c, END_AGAIN);
		return;
	}
	finish(c);
}

static void end_reply(struct conv *c)
{
	emit(c, &front, ACK, 0);
	if (c->ending == SERVER_FIN) {
		emit(c, &front, FIN | ACK, 0);
		emit(c, &rear, ACK, 0);
	}
	finish(c);
}

static void end_again(struct conv *c)
{
	int n = c->ending == GONE ? FINS : SEGMENTS;

	if (c->ending == GONE) {
		emit(c, &rear, FIN | ACK, 0);
		c->sseq--;
	} else {
		emit(c, &rear, ACK | PSH, DATA);
		c->sseq -= DATA;
	}
	if (++c->tries < n)
		after(backoff[c->tries] * SECOND, c, END_AGAIN);
	else
		finish(c);
}

/* Mean time of a connection from its first packet to its last */
static double lifetime(const struct profile *p)
{
	const uint32_t *g = p->gaps;

	return p->exchanges *
	       (g[0] ? (g[0] + g[1] + g[2] + g[3] + g[4]) / 5.0 : p->gap);
}

static struct conv *start_conv(const struct profile *p, uint32_t client,
			       uint16_t cport, uint64_t delay)
{
	struct conv *c = new_conv();

	c->profile = p - mix;
	c->client = client;
	c->cport = cport;
	c->cseq = next_random();
	c->sseq = next_random();
	c->left = geometric(p->exchanges);
	c->gap = next_random() % 5;
	c->ending = choose_ending(p);
	/* What will have ended need not last, to be remembered then */
	if (now + delay + 4 * lifetime(p) < lead)
		c->left = 1;
	after(delay, c, OPEN);
	return c;
}

static uint32_t any_client(void)
{
	return lead ? LARGE_CLIENTS | (next_random() & LARGE_MASK) :
		      CLIENTS | (next_random() & CLIENTS_MASK);
}

static uint16_t any_port(void)
{
	return 1024 + next_random() % 64512;
}

/* The pause of a visitor: four times out of five a matter of half a minute,
 * else of twenty
 */
#define SOON		(30 * SECOND)
#define LATER		(20 * MINUTE)

static void visit(struct conv *c)
{
	const struct profile *p = profile_of(c);
	struct conv *new = start_conv(p, c->client, c->cport++, 0);
	uint64_t again = LEAD;

	if (--c->left) {
		again = exponential(next_random() % 5 ? SOON : LATER);
		after(again, c, VISIT);
	} else {
		finish(c);
	}
	/* When all but the template will be gone, only the last makes it */
	if (now + again + p->before < lead)
		new->step = OVER;
}

static struct conv *new_visitor(const struct profile *p, uint64_t delay)
{
	struct conv *c = new_conv();

	c->profile = p - mix;
	c->client = any_client();
	c->cport = any_port();
	c->left = 1;
	after(delay, c, VISIT);
	return c;
}

static void arrive(struct conv *c)
{
	static double rests[16];
	uint64_t at = c->at;
	const struct profile *p = profile_of(c);
	struct conv *visitor;
	double pause;

	/* The first event only sets the clock */
	if (c->tries++) {
		if (p->visits) {
			visitor = new_visitor(p, 0);
			visitor->left = geometric(p->visits);
		} else {
			start_conv(p, any_client(), any_port(), 0);
		}
	}
	c->tries = 1;
	pause = exponential(SECOND / (p->rate * scale * daytime()));
	if (!lead) {
		after(pause, c, ARRIVE);
		return;
	}
	/* Many in a tick, several in a millisecond: all of the time counts */
	pause += rests[c->profile];
	rests[c->profile] = pause - floor(pause);
	c->at = at + pause;
	append(&slots[c->at % SLOTS], c);
}

static void next_event(struct conv *c)
{
	switch (c->step) {
	case OVER:
		break;
	case ARRIVE:
		arrive(c);
		break;
	case VISIT:
		visit(c);
		break;
	case OPEN:
	case OPEN_AGAIN:
		if (profile_of(c)->protocol == IPPROTO_TCP)
			open_again(c);
		else
			open_keys(c);
		break;
	case ANSWER_AGAIN:
		answer_again(c);
		break;
	case ESTABLISH:
		establish(c);
		break;
	case EXCHANGE:
		exchange(c);
		break;
	case END:
		end(c);
		break;
	case END_REPLY:
		end_reply(c);
		break;
	case END_AGAIN:
		end_again(c);
		break;
	}
	if (c->step == OVER)
		free_conv(c);
}

/* All that is to be done at a time, also what is added meanwhile */
static void run_slot(uint64_t when)
{
	struct slot *slot = &slots[when % SLOTS], later = { };
	struct conv *c;

	while (slot->first) {
		c = &convs[slot->first];
		slot->first = c->next;
		__builtin_prefetch(&convs[c->next], 1);
		if (c->at == when)
			next_event(c);
		else
			append(&later, c);
	}
	*slot = later;
}

/* Time */

static void sleep_until(const struct timespec *start, uint64_t when)
{
	struct timespec t = *start;

	t.tv_sec += when / 1000;
	t.tv_nsec += when % 1000 * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static int64_t since(const struct timespec *start)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - start->tv_sec) * 1000LL +
	       (t.tv_nsec - start->tv_nsec) / 1000000;
}

/* Is it a connection that the client uses, and would go on to use? */
static bool living(const struct conv *c)
{
	return c->step == EXCHANGE ||
	       (c->step == END && c->ending != GONE && c->ending != UNSENT);
}

static void find_side(struct side *side, const char *device, const char *mac);

static void take_over(const char *device, const char *mac)
{
	struct side usual = front;
	uint64_t before = sent;
	uint32_t i;
	bool tcp;

	find_side(&front, device, mac);
	for (i = 1; i <= convs_used; i++)
		if (living(&convs[i])) {
			tcp = profile_of(&convs[i])->protocol == IPPROTO_TCP;
			emit(&convs[i], &front, tcp ? ACK | PSH : 0, DATA);
		}
	flush();
	front = usual;
	printf("over %ju\n", (uintmax_t)(sent - before));
	fflush(stdout);
}

/* Tell, and stand by while the directors are looked at. That must take no
 * time, or what is seen is not of one instant.
 */
static void report(const struct timespec *start, uint64_t expected,
		   unsigned int number, unsigned int threshold)
{
	int64_t when = since(start), took;
	char line[80], device[80], mac[80];
	const struct conv *c;
	uint32_t i;

	printf("hour %u sent %ju hash %016jx\n", number, (uintmax_t)sent,
	       (uintmax_t)hash);
	for (i = 1; i <= convs_used; i++) {
		c = &convs[i];
		if (c->step > ESTABLISH && c->packets &&
		    c->packets < threshold &&
		    profile_of(c)->protocol == IPPROTO_TCP)
			printf("opening %u %08X:%u\n", profile_of(c)->port,
			       c->client, c->cport);
	}
	puts("end");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) &&
	       sscanf(line, "over %s %s", device, mac) == 2)
		take_over(device, mac);
	took = since(start) - when;
	if (when >= (int64_t)(expected + tick / 2) || took > 1) {
		fprintf(stderr, "traffic: hour %u: after %jd ms, %jd ms long\n",
			number, (intmax_t)when, (intmax_t)took);
		exit(1);
	}
}

/* Begin a profile with what is there from the start, or what always is: how
 * long a connection goes on does not depend on its age, so it may be a new one.
 * Of visitors who came before the lead the templates are there.
 */
static void begin(const struct profile *p)
{
	double stay = (p->visits - 1) * (4 * SOON + LATER) / 5;
	uint64_t first = 0, spread = 10 * MINUTE;
	double there = p->there * scale;
	struct conv *c = new_conv();
	double templates = 0;
	uint32_t i;

	if (lead) {
		spread = SPREAD;
		first = lead - p->before;
		there = p->rate * scale * fmax(p->visits, 1) * lifetime(p) /
			SECOND;
		if (p->persistence + stay > lead)
			templates = p->rate * scale *
				    (p->persistence + stay - lead) / SECOND;
	}
	for (i = 0; i < there; i++)
		start_conv(p, any_client(), any_port(),
			   first + next_random() % spread);
	for (i = 0; i < templates; i++)
		new_visitor(p, next_random() % (lead - p->before));
	if (p->visits)
		first = 0;
	c->profile = p - mix;
	after(first, c, ARRIVE);
}

static void play(unsigned int hours, unsigned int threshold)
{
	uint64_t next = 0, end, expected;
	const struct profile *p;
	struct timespec start;
	unsigned int number = !lead;

	for (p = mix; p->name; p++)
		begin(p);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		while (!any_at(next))
			next++;
		end = (next + tick - 1) / tick * tick;
		while (end > lead + number * hour) {
			expected = lead + number * hour + tick / 2;
			sleep_until(&start, expected);
			report(&start, expected, number, threshold);
			if (number++ == hours)
				return;
		}
		sleep_until(&start, end);
		now = end;
		for (; next <= now; next++)
			run_slot(next);
		flush();
	}
}

/* The socket */

static void find_side(struct side *side, const char *device, const char *mac)
{
	side->addr.sll_family = AF_PACKET;
	side->addr.sll_protocol = htons(ETH_P_IP);
	side->addr.sll_ifindex = if_nametoindex(device);
	if (!side->addr.sll_ifindex)
		die("%s", device);
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &side->mac[0],
		   &side->mac[1], &side->mac[2], &side->mac[3], &side->mac[4],
		   &side->mac[5]) != ETH_ALEN) {
		errno = EINVAL;
		die("%s", mac);
	}
}

static void open_socket(void)
{
	int i, on = 1;

	sock = socket(AF_PACKET, SOCK_RAW, 0);
	if (sock < 0 || setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &on,
				   sizeof(on)))
		die("packet socket");
	for (i = 0; i < BATCH; i++) {
		vec[i].iov_base = frames[i];
		msgs[i].msg_hdr.msg_iov = &vec[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_ll);
	}
}

int main(int argc, char *argv[])
{
	if (argc != 10) {
		fputs("usage: traffic MIX SCALE SECONDS HOURS THRESHOLD FRONT MAC REAR MAC\n",
		      stderr);
		return 2;
	}
	mix = strcmp(argv[1], "busy") ? day : busy;
	scale = atof(argv[2]);
	hour = atoi(argv[3]) * SECOND;
	if (hour != HOUR) {
		lead = LEAD;
		tick = LARGE_TICK;
	}
	find_side(&front, argv[6], argv[7]);
	find_side(&rear, argv[8], argv[9]);
	open_socket();
	convs = mmap(NULL, CONVS_MAX * sizeof(*convs), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (convs == MAP_FAILED)
		die("out of memory");
	/* Wake up when told, not 50 us later */
	if (prctl(PR_SET_TIMERSLACK, 1))
		die("PR_SET_TIMERSLACK");
	play(atoi(argv[4]), atoi(argv[5]));
	return 0;
}
