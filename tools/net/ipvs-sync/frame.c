// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: from a captured frame to a datagram
 *
 * A frame is what somebody else sent: no length in it is believed before it
 * is compared with what is there.
 */

#include <pcap.h>
#include <string.h>

#include "ipvs-sync.h"

#define ETHERTYPE_IP		0x0800
#define ETHERTYPE_VLAN		0x8100
#define ETHERTYPE_IPV6		0x86dd
#define ETHERTYPE_SERVICE_VLAN	0x88a8

#define IP_OFFSET_MASK		0x1fff
#define IP_MORE			0x2000
#define IPV6_OFFSET_MASK	0xfff8
#define IPV6_MORE		0x0001

#define IP_HEADER		20
#define IPV6_HEADER		40
#define IPV6_FRAGMENT_HEADER	8
#define UDP_HEADER		8
#define VLAN_TAG		4

/* Link headers: their length, and where in them the ethertype is */
static const struct link {
	int		type;
	unsigned int	len;
	unsigned int	ethertype;
} links[] = {
	{ DLT_EN10MB,		14,	12 },
	{ DLT_LINUX_SLL,	16,	14 },
	{ DLT_LINUX_SLL2,	20,	0 },
	{ DLT_RAW,		0,	0 },
	{ DLT_IPV4,		0,	0 },
	{ DLT_IPV6,		0,	0 },
};

/* What of a frame is not read yet: the bytes captured, and those on the wire */
struct span {
	const u8	*p;
	unsigned int	len;
	unsigned int	whole;
};

static u16 get16(const u8 *p)
{
	return p[0] << 8 | p[1];
}

static u32 get32(const u8 *p)
{
	return (u32)get16(p) << 16 | get16(p + 2);
}

static bool skip(struct span *s, unsigned int n)
{
	if (n > s->len)
		return false;
	s->p += n;
	s->len -= n;
	s->whole -= n;
	return true;
}

/* A header says how long the rest is. Ethernet pads short frames. */
static void resize(struct span *s, unsigned int whole)
{
	s->whole = whole;
	if (s->len > whole)
		s->len = whole;
}

static enum frame read_udp(struct span s, struct datagram *d)
{
	unsigned int size;

	if (s.len < UDP_HEADER)
		return FRAME_OTHER;
	d->port = get16(s.p + 2);
	size = get16(s.p + 4);
	if (size < UDP_HEADER || size > s.whole)
		return FRAME_OTHER;
	resize(&s, size);
	skip(&s, UDP_HEADER);
	d->data = s.p;
	d->len = s.len;
	d->whole = s.whole;
	return FRAME_DATAGRAM;
}

/* The port is in the first fragment only */
static enum frame read_fragment(struct fragments *fragments, struct span s,
				u32 id, unsigned int offset, bool more,
				struct datagram *d)
{
	d->port = !offset && s.len >= UDP_HEADER ? get16(s.p + 2) : 0;
	if (offset + s.whole > 65535)
		return FRAME_OTHER;
	/* Of a part that was cut off it is not known that it ends there */
	if (!fragments_add(fragments, id, offset, s.p, s.len,
			   !more && s.len == s.whole, d))
		return FRAME_FRAGMENT;
	s.p = d->data;
	s.len = d->len;
	s.whole = d->len;
	return read_udp(s, d);
}

static enum frame read_ip(struct fragments *fragments, struct span s,
			  struct datagram *d)
{
	unsigned int header, size, offset;
	const u8 *p = s.p;

	if (s.len < IP_HEADER)
		return FRAME_OTHER;
	header = (p[0] & 0xf) * 4;
	size = get16(p + 2);
	if (p[0] >> 4 != 4 || header < IP_HEADER || size < header)
		return FRAME_OTHER;
	resize(&s, size);
	if (p[9] != IPPROTO_UDP || !skip(&s, header))
		return FRAME_OTHER;

	d->af = AF_INET;
	memcpy(&d->src.ip, p + 12, sizeof(d->src.ip));
	memcpy(&d->dst.ip, p + 16, sizeof(d->dst.ip));
	offset = get16(p + 6);
	if (offset & (IP_OFFSET_MASK | IP_MORE))
		return read_fragment(fragments, s, get16(p + 4),
				     (offset & IP_OFFSET_MASK) * 8,
				     offset & IP_MORE, d);
	return read_udp(s, d);
}

static enum frame read_ipv6(struct fragments *fragments, struct span s,
			    struct datagram *d)
{
	const u8 *p = s.p;
	unsigned int offset;
	u8 next;

	if (s.len < IPV6_HEADER || p[0] >> 4 != 6)
		return FRAME_OTHER;
	d->af = AF_INET6;
	memcpy(&d->src.in6, p + 8, sizeof(d->src.in6));
	memcpy(&d->dst.in6, p + 24, sizeof(d->dst.in6));
	next = p[6];
	skip(&s, IPV6_HEADER);
	resize(&s, get16(p + 4));

	while (next != IPPROTO_UDP) {
		p = s.p;
		if (s.len < 8)
			return FRAME_OTHER;
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (!skip(&s, (p[1] + 1) * 8))
				return FRAME_OTHER;
			break;
		case IPPROTO_FRAGMENT:
			skip(&s, IPV6_FRAGMENT_HEADER);
			offset = get16(p + 2);
			if (!(offset & (IPV6_OFFSET_MASK | IPV6_MORE)))
				break;
			if (p[0] != IPPROTO_UDP)
				return FRAME_OTHER;
			return read_fragment(fragments, s, get32(p + 4),
					     offset & IPV6_OFFSET_MASK,
					     offset & IPV6_MORE, d);
		default:
			return FRAME_OTHER;
		}
		next = p[0];
	}
	return read_udp(s, d);
}

static const struct link *find_link(int type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(links); i++)
		if (links[i].type == type)
			return &links[i];
	return NULL;
}

bool frame_knows(int link)
{
	return find_link(link);
}

enum frame frame_read(struct fragments *fragments, int link, const u8 *p,
		      unsigned int len, unsigned int whole, struct datagram *d)
{
	struct span s = { .p = p, .len = len, .whole = whole };
	const struct link *l = find_link(link);
	u16 ethertype;

	*d = (struct datagram) { .when = d->when };
	if (!l || !skip(&s, l->len) || !s.len)
		return FRAME_OTHER;
	if (l->len)
		ethertype = get16(p + l->ethertype);
	else
		ethertype = *p >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	while (ethertype == ETHERTYPE_VLAN ||
	       ethertype == ETHERTYPE_SERVICE_VLAN) {
		p = s.p;
		if (!skip(&s, VLAN_TAG))
			return FRAME_OTHER;
		ethertype = get16(p + 2);
	}
	if (ethertype == ETHERTYPE_IP)
		return read_ip(fragments, s, d);
	if (ethertype == ETHERTYPE_IPV6)
		return read_ipv6(fragments, s, d);
	return FRAME_OTHER;
}
