// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: what /proc/net/ip_vs_sync says
 *
 * A line is "role.thread.name value", or "name value" for the namespace. No
 * name has a meaning here, so those of other kernels are read as well. Threads
 * are added up.
 */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs-sync.h"

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* Names end up on a terminal */
static bool is_name(const char *text)
{
	const char *p;

	for (p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
			return false;
	return p > text && p - text < NAME_MAX_LEN;
}

static struct counter *add(struct sample *s, const char *role,
			   const char *name)
{
	struct counter *c = (struct counter *)sample_find(s, role, name);

	if (c)
		return c;
	c = reallocarray(s->counters, s->n + 1, sizeof(*c));
	if (!c)
		err(EXIT_FAILURE, "counters");
	s->counters = c;
	c += s->n++;
	memset(c, 0, sizeof(*c));
	snprintf(c->role, sizeof(c->role), "%s", role);
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->min = LLONG_MAX;
	return c;
}

static bool read_line(struct sample *s, char *line)
{
	char *name = line, *text, *end, *dot;
	const char *role = "";
	long long value, sum;
	bool thread = false;
	struct counter *c;

	text = strchr(line, ' ');
	if (!text)
		return false;
	*text++ = '\0';
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return false;

	dot = strchr(line, '.');
	if (dot) {
		*dot = '\0';
		role = line;
		name = dot + 1;
		dot = strchr(name, '.');
		if (dot) {
			*dot = '\0';
			thread = is_number(name);
			if (thread)
				name = dot + 1;
			else
				*dot = '.';
		}
	}
	if ((*role && !is_name(role)) || !is_name(name))
		return false;

	c = add(s, role, name);
	c->threads += thread;
	if (value < 0) {
		c->negative++;
		return true;
	}
	if (__builtin_add_overflow(c->sum, value, &sum))
		return false;
	c->sum = sum;
	if (value < c->min)
		c->min = value;
	if (value > c->max)
		c->max = value;
	return true;
}

void sample_read(struct sample *s, char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (*line && !read_line(s, line))
			s->unread++;
}

void sample_free(struct sample *s)
{
	free(s->counters);
	memset(s, 0, sizeof(*s));
}

const struct counter *sample_find(const struct sample *s, const char *role,
				  const char *name)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->counters[i].role, role) &&
		    !strcmp(s->counters[i].name, name))
			return &s->counters[i];
	return NULL;
}
