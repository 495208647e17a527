// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: who should know what in the model
 *
 * Of each connection it is kept what each message said. What leaves a master
 * silently, as its time is over, is told by no message: a backup may have it
 * or not.
 */

#include <err.h>
#include <stdlib.h>

#include "model.h"

void judge_note(struct master *m, unsigned int key, u32 seq,
		enum event_what what)
{
	struct story *s = &m->conns[key].story;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->events = realloc(s->events, s->room * sizeof(s->events[0]));
		if (!s->events)
			err(EXIT_FAILURE, "events");
	}
	s->events[s->n++] = (struct event){
		.rel		= seq - m->origin,
		.again		= seq - m->origin,
		.what		= what,
		.version	= m->conns[key].version,
	};
}

/* What a message deleted is told by another now, or by none */
static void pass_on(struct master *m, u32 from, u32 to, enum event_what what)
{
	struct event *e;
	unsigned int key, i;

	for (key = 0; key < KEYS; key++) {
		for (i = 0; i < m->conns[key].story.n; i++) {
			e = &m->conns[key].story.events[i];
			if (e->what != DELETED || e->again != from - m->origin)
				continue;
			e->again = to - m->origin;
			e->what = what;
		}
	}
}

void judge_repeat(struct master *m, u32 old, u32 seq)
{
	pass_on(m, old, seq, DELETED);
}

/* Nobody is bound by it any more but the lease */
void judge_excuse(struct master *m, u32 seq)
{
	pass_on(m, seq, seq, GONE);
}

/* The last word in messages up to a number */
static const struct event *last_word(const struct story *s, u32 rel)
{
	unsigned int i = s->n;

	while (i--)
		if (s->events[i].rel == rel ||
		    ip_vs_sync_before(s->events[i].rel, rel))
			return &s->events[i];
	return NULL;
}

void judge_peer(const struct backup *b, const struct peer *p)
{
	const struct master *m = &masters[p->master];
	const struct event *word;
	const struct entry *e;
	u32 base, high;
	unsigned int i;

	if (!p->joined || p->w.n || p->instance != m->instance)
		return;
	sum.checked++;
	base = p->w.base - m->origin;
	high = p->w.high - m->origin;
	for (i = 0; i < KEYS; i++) {
		word = last_word(&m->conns[i].story, high);
		e = &b->entries[p->master][i];
		if (!word || word->what == GONE)
			continue;
		if (word->what == TOLD && (!e->present ||
					   e->version != word->version))
			broken("backup %u, master %u: %u is %u, not %u of %u",
			       b->id, m->id, i,
			       e->present ? e->version : 0, word->version,
			       word->rel);
		/* What left before the backup heard all may stay */
		if (word->what == DELETED && e->present &&
		    e->by == p->instance && word->rel >= base)
			broken("backup %u, master %u: %u was deleted in %u",
			       b->id, m->id, i, word->rel);
	}
}

static const char *shortcoming(const struct backup *b, const struct master *m)
{
	const struct peer *p = NULL;
	const struct entry *e;
	unsigned int i;

	if (!b->up || !m->up)
		return "is not up, or its master is not,";
	for (i = 0; i < PEERS; i++)
		if (b->peers[i].instance == m->instance)
			p = &b->peers[i];
	if (!p)
		return "has not heard the master";
	if (!p->joined)
		return "has not joined";
	if (p->w.n)
		return "misses messages";
	if (p->w.high != m->h.next - 1)
		return "does not know of all messages";
	for (i = 0; i < KEYS; i++) {
		e = &b->entries[m->id][i];
		if (m->conns[i].alive &&
		    (!e->present || e->version != m->conns[i].version))
			return "lacks a connection";
	}
	return NULL;
}

const char *judge_lack(void)
{
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < MASTERS * BACKUPS && !why; i++)
		why = shortcoming(&backups[i % BACKUPS], &masters[i / BACKUPS]);
	return why;
}
