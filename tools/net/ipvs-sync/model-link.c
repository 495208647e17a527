// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: the link of the model: it loses, doubles, delays and reorders */

#include <err.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define FLIGHT_MAX	8192

static struct packet flight[FLIGHT_MAX];
static unsigned int flying;

void link_clear(void)
{
	flying = 0;
}

static void fly(unsigned int from, unsigned int to, bool up, const u8 *buf,
		unsigned int len)
{
	struct packet *p = &flight[flying];

	if (flying == FLIGHT_MAX || len > BUF_MAX)
		errx(EXIT_FAILURE, "the link has no room");
	flying++;
	p->at = now + 1 + (bad.delay ? rnd(bad.delay) : 0);
	p->from = from;
	p->to = to;
	p->up = up;
	p->len = len;
	memcpy(p->buf, buf, len);
}

static void try(unsigned int from, unsigned int to, bool up, const u8 *buf,
		unsigned int len)
{
	if (percent(bad.loss)) {
		sum.lost++;
		return;
	}
	fly(from, to, up, buf, len);
	if (percent(bad.twice))
		fly(from, to, up, buf, len);
}

void link_tell_all(unsigned int from, const u8 *buf, unsigned int len)
{
	unsigned int i;

	sum.messages++;
	for (i = 0; i < BACKUPS; i++)
		try(from, i, false, buf, len);
}

void link_ask(unsigned int from, unsigned int to, const u8 *buf,
	      unsigned int len)
{
	try(from, to, true, buf, len);
}

/* What is due at the same time comes in the order in which it was sent */
void link_deliver(void)
{
	unsigned int i, left = 0;
	struct packet *p;

	for (i = 0; i < flying; i++) {
		p = &flight[i];
		if (!is_after_eq(now, p->at)) {
			if (left != i)
				memcpy(&flight[left], p,
				       offsetof(struct packet, buf) + p->len);
			left++;
		} else if (p->up) {
			master_hear(&masters[p->to], p);
		} else {
			backup_hear(&backups[p->to], p);
		}
	}
	flying = left;
}
