// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: datagrams that come in IP fragments
 *
 * A message above the MTU comes in fragments. They are put together here, a
 * few datagrams at a time; which ones lack a part is told, too.
 */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs-sync.h"

#define PARTIALS	16
#define PATIENCE	30		/* seconds */
#define UNIT		8		/* bytes; offsets are multiples of it */
#define UNITS		(65536 / UNIT)

/**
 * struct partial - a datagram of which some fragments have come
 * @used:	there is one
 * @id:		IP identification, the same in all its fragments
 * @d:		when the first came, from where to where
 * @got:	bytes that have come
 * @units:	which units have come
 * @data:	the IP payload
 */
struct partial {
	bool			used;
	u32			id;
	struct datagram		d;
	unsigned int		got;
	bool			units[UNITS];
	u8			data[UNITS * UNIT];
};

struct fragments {
	struct partial		partials[PARTIALS];
};

struct fragments *fragments_new(void)
{
	struct fragments *f = calloc(1, sizeof(*f));

	if (!f)
		err(EXIT_FAILURE, "fragments");
	return f;
}

void fragments_free(struct fragments *f)
{
	free(f);
}

static bool same(const struct partial *p, u32 id, const struct datagram *d)
{
	return p->used && p->id == id && p->d.af == d->af &&
	       !memcmp(&p->d.src, &d->src, sizeof(d->src)) &&
	       !memcmp(&p->d.dst, &d->dst, sizeof(d->dst));
}

/* The one that these fragments belong to, or a free one for them */
static struct partial *find(struct fragments *f, u32 id,
			    const struct datagram *d)
{
	struct partial *p, *unused = NULL;

	for (p = f->partials; p < f->partials + PARTIALS; p++) {
		if (same(p, id, d))
			return p;
		if (!p->used)
			unused = p;
	}
	if (!unused)
		return NULL;
	unused->used = true;
	unused->id = id;
	unused->d = *d;
	unused->d.port = 0;
	unused->d.whole = 0;
	unused->got = 0;
	memset(unused->units, 0, sizeof(unused->units));
	return unused;
}

static bool complete(const struct partial *p)
{
	unsigned int i;

	for (i = 0; i * UNIT < p->d.whole; i++)
		if (!p->units[i])
			return false;
	return p->d.whole;
}

bool fragments_add(struct fragments *f, u32 id, unsigned int offset,
		   const u8 *data, unsigned int len, bool last,
		   struct datagram *d)
{
	struct partial *p = find(f, id, d);
	unsigned int i;

	if (!p)
		return false;
	memcpy(p->data + offset, data, len);
	for (i = 0; i < len; i += UNIT) {
		/* But for the last, a fragment is of whole units */
		if (len - i < UNIT && !last)
			break;
		if (!p->units[(offset + i) / UNIT])
			p->got += len - i < UNIT ? len - i : UNIT;
		p->units[(offset + i) / UNIT] = true;
	}
	if (d->port)
		p->d.port = d->port;
	if (last)
		p->d.whole = offset + len;
	if (!complete(p))
		return false;

	/* The bytes stay until the next fragment comes */
	p->used = false;
	d->data = p->data;
	d->len = p->d.whole;
	return true;
}

static bool is_older(const struct timeval *a, const struct timeval *b)
{
	return timercmp(a, b, <);
}

bool fragments_give_up(struct fragments *f, const struct timeval *now,
		       struct datagram *d)
{
	struct partial *p, *oldest = NULL;
	unsigned int used = 0;

	for (p = f->partials; p < f->partials + PARTIALS; p++) {
		if (!p->used)
			continue;
		used++;
		if (!oldest || is_older(&p->d.when, &oldest->d.when))
			oldest = p;
	}
	if (!oldest || (now && used < PARTIALS &&
			now->tv_sec - oldest->d.when.tv_sec <= PATIENCE))
		return false;
	oldest->used = false;
	*d = oldest->d;
	d->data = oldest->data;
	d->len = oldest->got;
	return true;
}
