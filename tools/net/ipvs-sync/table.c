// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: figures of several directors side by side
 *
 * A section for each role: first what is always of interest, then whatever
 * else is not zero. Of the counters there, most tell of trouble.
 */

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs-sync.h"

#define CELL	96	/* bytes of a cell */
#define GAP	2	/* columns of the screen between cells */

enum show { SHOW_RATE, SHOW_SUM, SHOW_AGE };

static const struct figure {
	const char	*name;
	enum show	show;
} figures[] = {
	{ "messages",		SHOW_RATE },
	{ "records",		SHOW_RATE },
	{ "bytes",		SHOW_RATE },
	{ "waiting",		SHOW_SUM },
	{ "waiting_max",	SHOW_SUM },
	{ "since_message_ms",	SHOW_AGE },
	{ "marked",		SHOW_RATE },
	{ "coalesced",		SHOW_RATE },
	{ "walk.renewed",	SHOW_RATE },
	{ "walk.passed",	SHOW_RATE },
	{ "hellos",		SHOW_RATE },
	{ "deleted",		SHOW_RATE },
	{ "created",		SHOW_RATE },
	{ "updated",		SHOW_RATE },
	{ "wakeups",		SHOW_RATE },
};

/**
 * struct table - what is going to be printed
 * @sources:	the directors
 * @n:		how many
 * @totals:	totals in the place of rates
 * @rows:	number of rows
 * @cells:	the rows; each is a label and a cell for each director
 */
struct table {
	struct source *const	*sources;
	unsigned int		n;
	bool			totals;
	unsigned int		rows;
	char			(*cells)[CELL];
};

static char *cell(const struct table *t, unsigned int row, unsigned int column)
{
	return t->cells[row * (t->n + 1) + column];
}

/* A row with a label; its cells are "-" if they are not filled */
static unsigned int __printf(3, 4)
add_row(struct table *t, const char *empty, const char *format, ...)
{
	unsigned int i, row = t->rows++;
	va_list args;

	t->cells = reallocarray(t->cells, t->rows, (t->n + 1) * CELL);
	if (!t->cells)
		err(EXIT_FAILURE, "table");
	va_start(args, format);
	vsnprintf(cell(t, row, 0), CELL, format, args);
	va_end(args);
	for (i = 1; i <= t->n; i++)
		snprintf(cell(t, row, i), CELL, "%s", empty);
	return row;
}

static const struct counter *find(const struct sample *s, const char *role,
				  const char *name)
{
	return s ? sample_find(s, role, name) : NULL;
}

/* Return: is it known? It is not when the daemon was started anew. */
static bool rate(const struct source *s, const char *role, const char *name,
		 double *rate)
{
	const struct sample *now = source_now(s), *before = source_before(s);
	const struct counter *new = find(now, role, name);
	const struct counter *old = find(before, role, name);

	if (!new || !old || new->sum < old->sum || now->when <= before->when)
		return false;
	*rate = (new->sum - old->sum) / (now->when - before->when);
	return true;
}

static void write_age(char *text, size_t size, long long ms)
{
	if (ms < 1000)
		snprintf(text, size, "%lld ms", ms);
	else if (ms < 60 * 1000)
		snprintf(text, size, "%.1f s", ms / 1000.0);
	else if (ms < 60 * 60 * 1000)
		snprintf(text, size, "%lld min", ms / (60 * 1000));
	else
		snprintf(text, size, "%lld h", ms / (60 * 60 * 1000));
}

/* From the thread that had a message last to the one that waits longest */
static void write_ages(char *text, const struct counter *c)
{
	char min[24], max[24], never[24] = "";

	if (c->min > c->max) {
		snprintf(text, CELL, "never");
		return;
	}
	write_age(min, sizeof(min), c->min);
	write_age(max, sizeof(max), c->max);
	if (c->negative)
		snprintf(never, sizeof(never), ", %u never", c->negative);
	if (strcmp(min, max))
		snprintf(text, CELL, "%s - %s%s", min, max, never);
	else
		snprintf(text, CELL, "%s%s", min, never);
}

static void write_figure(const struct table *t, char *text,
			 const struct source *s, const char *role,
			 const struct figure *f)
{
	const struct counter *c = find(source_now(s), role, f->name);
	double value;

	if (!c)
		return;
	if (f->show == SHOW_AGE)
		write_ages(text, c);
	else if (f->show == SHOW_SUM || t->totals)
		snprintf(text, CELL, "%lld", c->sum);
	else if (rate(s, role, f->name, &value))
		snprintf(text, CELL, "%.1f", value);
}

static bool somebody_has(const struct table *t, const char *role,
			 const char *name)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (find(source_now(t->sources[i]), role, name))
			return true;
	return false;
}

static void add_figures(struct table *t, const char *role)
{
	const struct figure *f;
	unsigned int i, row;

	for (f = figures; f < figures + ARRAY_SIZE(figures); f++) {
		if (!somebody_has(t, role, f->name))
			continue;
		if (f->show == SHOW_AGE)
			row = add_row(t, "-", "  since message");
		else
			row = add_row(t, "-", "  %s%s", f->name,
				      f->show == SHOW_RATE && !t->totals ?
				      "/s" : "");
		for (i = 0; i < t->n; i++)
			write_figure(t, cell(t, row, i + 1), t->sources[i],
				     role, f);
	}
}

static bool is_figure(const char *name)
{
	const struct figure *f;

	for (f = figures; f < figures + ARRAY_SIZE(figures); f++)
		if (!strcmp(name, f->name))
			return true;
	return false;
}

static void add_other(struct table *t, const char *role, const char *name)
{
	unsigned int i, row = add_row(t, "-", "  %s", name);
	const struct counter *c;
	double value;
	char *text;

	for (i = 0; i < t->n; i++) {
		c = find(source_now(t->sources[i]), role, name);
		if (!c)
			continue;
		text = cell(t, row, i + 1);
		if (!t->totals && rate(t->sources[i], role, name, &value) &&
		    value)
			snprintf(text, CELL, "%lld %+.1f/s", c->sum, value);
		else
			snprintf(text, CELL, "%lld", c->sum);
	}
}

/* Has a source further left a row for it? */
static bool is_added(const struct table *t, unsigned int n, const char *role,
		     const char *name)
{
	const struct counter *c;
	unsigned int i;

	for (i = 0; i < n; i++) {
		c = find(source_now(t->sources[i]), role, name);
		if (c && c->sum)
			return true;
	}
	return false;
}

/* All of a role that is not zero anywhere, and no figure */
static void add_others(struct table *t, const char *role)
{
	const struct counter *c;
	const struct sample *s;
	unsigned int i, j;

	for (i = 0; i < t->n; i++) {
		s = source_now(t->sources[i]);
		for (j = 0; s && j < s->n; j++) {
			c = &s->counters[j];
			if (strcmp(c->role, role) || !c->sum ||
			    is_figure(c->name) ||
			    is_added(t, i, role, c->name))
				continue;
			add_other(t, role, c->name);
		}
	}
}

static unsigned int count_threads(const struct sample *s, const char *role)
{
	unsigned int i, threads = 0;

	for (i = 0; s && i < s->n; i++)
		if (!strcmp(s->counters[i].role, role) &&
		    s->counters[i].threads > threads)
			threads = s->counters[i].threads;
	return threads;
}

static void add_daemon(struct table *t, const char *role)
{
	unsigned int i, row, threads;

	add_row(t, "", "%s", role);
	row = add_row(t, "-", "  threads");
	for (i = 0; i < t->n; i++) {
		threads = count_threads(source_now(t->sources[i]), role);
		if (threads)
			snprintf(cell(t, row, i + 1), CELL, "%u", threads);
	}
	add_figures(t, role);
	add_others(t, role);
}

/* A section starts with the name of the role, rows in it are indented */
static bool has_section(const struct table *t, const char *role)
{
	unsigned int row;

	for (row = 0; row < t->rows; row++)
		if (!strcmp(cell(t, row, 0), role))
			return true;
	return false;
}

/* What belongs to no daemon, and roles that are new */
static void add_rest(struct table *t)
{
	const struct sample *s;
	unsigned int i, j, rows;
	const char *role;

	rows = t->rows;
	add_row(t, "", "namespace");
	add_others(t, "");
	if (t->rows == rows + 1)
		t->rows = rows;
	for (i = 0; i < t->n; i++) {
		s = source_now(t->sources[i]);
		for (j = 0; s && j < s->n; j++) {
			role = s->counters[j].role;
			if (*role && !has_section(t, role))
				add_daemon(t, role);
		}
	}
}

static void add_head(struct table *t)
{
	unsigned int i, row = add_row(t, "", "%s", "");

	for (i = 0; i < t->n; i++)
		snprintf(cell(t, row, i + 1), CELL, "%s",
			 source_name(t->sources[i]));
}

/* Lines of the screen, and what is left of it */
struct screen {
	unsigned int	width;
	unsigned int	left;
	bool		limited;
	bool		clear;
	unsigned int	hidden;
};

static void print_line(struct screen *s, const char *text)
{
	int width = s->width ? s->width : strlen(text);

	if (s->limited && !s->left) {
		s->hidden++;
		return;
	}
	s->left--;
	printf("%.*s%s\n", width, text, s->clear ? "\033[K" : "");
}

static void print_rows(const struct table *t, struct screen *s)
{
	unsigned int row, i, len, label = 0, column = 0, shown = t->n;
	char *line;
	int pos;

	for (row = 0; row < t->rows; row++) {
		len = strlen(cell(t, row, 0));
		label = len > label ? len : label;
		for (i = 1; i <= t->n; i++) {
			len = strlen(cell(t, row, i));
			column = len > column ? len : column;
		}
	}
	column += GAP;
	if (s->width && label + t->n * column > s->width)
		shown = s->width > label ? (s->width - label) / column : 0;

	line = malloc(label + t->n * column + 1);
	if (!line)
		err(EXIT_FAILURE, "table");
	for (row = 0; row < t->rows; row++) {
		pos = sprintf(line, "%s", cell(t, row, 0));
		for (i = 1; i <= shown; i++) {
			if (!*cell(t, row, i))
				continue;
			pos += sprintf(line + pos, "%*s",
				       (int)(label + i * column - pos),
				       cell(t, row, i));
		}
		print_line(s, line);
	}
	free(line);
	if (shown < t->n) {
		char text[CELL];

		snprintf(text, sizeof(text), "%u more: widen the window",
			 t->n - shown);
		print_line(s, text);
	}
}

static void print_notes(const struct table *t, struct screen *screen)
{
	const struct sample *s;
	const char *trouble;
	char text[256];
	unsigned int i;

	for (i = 0; i < t->n; i++) {
		trouble = source_trouble(t->sources[i]);
		s = source_now(t->sources[i]);
		if (trouble)
			snprintf(text, sizeof(text), "%.60s: no data: %s",
				 source_name(t->sources[i]), trouble);
		else if (s->unread)
			snprintf(text, sizeof(text),
				 "%.60s: %u lines not understood",
				 source_name(t->sources[i]), s->unread);
		else
			continue;
		print_line(screen, text);
	}
}

void table_print(struct source *const *sources, unsigned int n, bool totals,
		 unsigned int width, unsigned int height, bool clear)
{
	struct table t = { .sources = sources, .n = n, .totals = totals };
	struct screen s = {
		.width		= width,
		.left		= height,
		.limited	= height,
		.clear		= clear,
	};
	unsigned int i;

	/* Before the rows: a source can turn out to be silent */
	for (i = 0; i < n; i++)
		source_trouble(sources[i]);
	add_head(&t);
	add_daemon(&t, "master");
	add_daemon(&t, "backup");
	add_rest(&t);
	print_notes(&t, &s);
	print_rows(&t, &s);
	free(t.cells);
	if (clear)
		fputs("\033[J", stdout);
	if (s.hidden)
		printf("%u more lines: the window is too low", s.hidden);
}
