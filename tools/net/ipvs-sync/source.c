// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: directors whose counters are watched
 *
 * Files are read at each interval. On another director ssh runs a loop that
 * prints the file at each interval, with an empty line behind it; nothing has
 * to be installed there. What fails is tried again at the next interval.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipvs-sync.h"

#define COUNTERS	"/proc/net/ip_vs_sync"
/* Of the thread that opens it, which can have entered a namespace */
#define COUNTERS_HERE	"/proc/thread-self/net/ip_vs_sync"
#define NAMESPACES	"/run/netns/"
#define TEXT_MAX	(1024 * 1024)	/* bytes; 64 threads make 100 kB */
#define REASON_MAX	160

enum kind { KIND_FILE, KIND_NETNS, KIND_SSH };

/**
 * struct source - a director
 * @name:	as it was given
 * @kind:	how to come by its counters
 * @where:	path, namespace or host
 * @interval:	seconds from one sample to the next
 * @now:	last sample
 * @before:	the one before
 * @have:	samples so far, 2 for all above
 * @reason:	why there is no data; empty if there is
 * @pid:	ssh, 0 if it does not run
 * @started:	when it was
 * @fds:	its output and errors
 * @text:	output that is not a sample yet
 * @len:	bytes of it
 * @said:	its last line of errors
 * @saying:	bytes of a line that is not complete, -1 between lines
 */
struct source {
	const char		*name;
	enum kind		kind;
	const char		*where;
	double			interval;
	struct sample		now;
	struct sample		before;
	unsigned int		have;
	char			reason[REASON_MAX];
	pid_t			pid;
	double			started;
	int			fds[2];
	char			*text;
	size_t			len;
	char			said[REASON_MAX];
	int			saying;
};

double clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* What others say goes to the terminal without control characters */
static void __printf(2, 3)
no_data(struct source *s, const char *format, ...)
{
	va_list args;
	char *p;

	va_start(args, format);
	vsnprintf(s->reason, sizeof(s->reason), format, args);
	va_end(args);
	for (p = s->reason; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

struct source *source_new(const char *name, double interval)
{
	static const struct {
		const char	*prefix;
		enum kind	kind;
	} kinds[] = {
		{ "netns:", KIND_NETNS },
		{ "ssh:", KIND_SSH },
		{ "file:", KIND_FILE },
	};
	struct source *s = calloc(1, sizeof(*s));
	size_t i, len;

	if (!s)
		err(EXIT_FAILURE, "%s", name);
	s->name = name;
	s->interval = interval;
	s->saying = -1;
	if (!strcmp(name, "local")) {
		s->kind = KIND_FILE;
		s->where = COUNTERS;
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		len = strlen(kinds[i].prefix);
		if (!strncmp(name, kinds[i].prefix, len) && name[len]) {
			s->kind = kinds[i].kind;
			s->where = name + len;
		}
	}
	/* A name of a namespace is no path */
	if (!s->where || (s->kind == KIND_NETNS && strchr(s->where, '/'))) {
		free(s);
		return NULL;
	}
	s->text = malloc(TEXT_MAX + 1);
	if (!s->text)
		err(EXIT_FAILURE, "%s", name);
	no_data(s, "nothing came yet");
	return s;
}

/* A sample came. After one that did not, rates start anew. */
static void take_sample(struct source *s, char *text)
{
	struct sample sample = { .when = clock_now() };

	sample_read(&sample, text);
	if (!sample.n) {
		sample_free(&sample);
		no_data(s, "no counters in it");
		return;
	}
	sample_free(&s->before);
	if (*s->reason) {
		sample_free(&s->now);
		s->have = 0;
	}
	s->before = s->now;
	s->now = sample;
	if (s->have < 2)
		s->have++;
	*s->reason = '\0';
}

static void read_text(struct source *s, const char *path)
{
	size_t len = 0;
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		no_data(s, "%s: %s", path, strerror(errno));
		return;
	}
	while ((got = read(fd, s->text + len, TEXT_MAX - len)) > 0)
		len += got;
	if (got < 0)
		no_data(s, "%s: %s", path, strerror(errno));
	close(fd);
	if (got < 0)
		return;
	s->text[len] = '\0';
	take_sample(s, s->text);
}

static void read_netns(struct source *s)
{
	char path[sizeof(NAMESPACES) + 256];
	int home, away;

	snprintf(path, sizeof(path), NAMESPACES "%s", s->where);
	away = open(path, O_RDONLY | O_CLOEXEC);
	if (away < 0) {
		no_data(s, "%s: %s", path, strerror(errno));
		return;
	}
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		err(EXIT_FAILURE, "network namespace");
	if (setns(away, CLONE_NEWNET)) {
		no_data(s, "%s: %s", path, strerror(errno));
	} else {
		read_text(s, COUNTERS_HERE);
		if (setns(home, CLONE_NEWNET))
			err(EXIT_FAILURE, "network namespace");
	}
	close(home);
	close(away);
}

static void run_ssh(const struct source *s, int out, int error)
{
	char command[160];
	int null;

	snprintf(command, sizeof(command),
		 "while cat " COUNTERS " && echo; do sleep %g; done",
		 s->interval);
	null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
		err(EXIT_FAILURE, "ssh");
	sigprocmask(SIG_SETMASK, wait_mask(), NULL);
	execlp("ssh", "ssh", "-oBatchMode=yes", "-oConnectTimeout=10",
	       "-oServerAliveInterval=5", "-oServerAliveCountMax=2", "--",
	       s->where, command, NULL);
	err(EXIT_FAILURE, "ssh");
}

static void start_ssh(struct source *s)
{
	int out[2], error[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(error, O_CLOEXEC))
		err(EXIT_FAILURE, "ssh");
	fflush(NULL);
	s->pid = fork();
	if (s->pid < 0)
		err(EXIT_FAILURE, "ssh");
	if (!s->pid)
		run_ssh(s, out[1], error[1]);
	close(out[1]);
	close(error[1]);
	s->fds[0] = out[0];
	s->fds[1] = error[0];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(error[0], F_SETFL, O_NONBLOCK);
	s->started = clock_now();
	s->len = 0;
	s->saying = -1;
	*s->said = '\0';
}

static void end_ssh(struct source *s)
{
	int status = 0;

	kill(s->pid, SIGTERM);
	waitpid(s->pid, &status, 0);
	close(s->fds[0]);
	if (s->fds[1] >= 0)
		close(s->fds[1]);
	s->pid = 0;
	if (*s->said)
		no_data(s, "%s", s->said);
	else if (WIFEXITED(status))
		no_data(s, "ssh ended with status %d", WEXITSTATUS(status));
	else
		no_data(s, "ssh was killed by signal %d", WTERMSIG(status));
}

/* Of the lines that ssh and the other side complain with, keep the last */
static void hear(struct source *s, const char *text, size_t len)
{
	for (; len; text++, len--) {
		if (*text == '\n' || *text == '\r') {
			s->saying = -1;
			continue;
		}
		if (s->saying < 0)
			s->saying = 0;
		if (s->saying < REASON_MAX - 1) {
			s->said[s->saying++] = *text;
			s->said[s->saying] = '\0';
		}
	}
}

static void read_errors(struct source *s)
{
	char text[512];
	ssize_t got;

	while ((got = read(s->fds[1], text, sizeof(text))) > 0)
		hear(s, text, got);
	if (!got) {
		close(s->fds[1]);
		s->fds[1] = -1;		/* poll() passes over it */
	}
}

/* The samples in what came: each ends with an empty line */
static void cut_samples(struct source *s)
{
	char *end;

	s->text[s->len] = '\0';
	while ((end = strstr(s->text, "\n\n"))) {
		end[1] = '\0';
		take_sample(s, s->text);
		end += 2;
		s->len -= end - s->text;
		memmove(s->text, end, s->len + 1);
	}
}

void source_input(struct source *s)
{
	ssize_t got;

	if (!s->pid)
		return;
	read_errors(s);
	while (s->len < TEXT_MAX) {
		got = read(s->fds[0], s->text + s->len, TEXT_MAX - s->len);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0)
			break;
		s->len += got;
		cut_samples(s);
	}
	/* Its last words may have come since */
	read_errors(s);
	if (s->len == TEXT_MAX)
		snprintf(s->said, sizeof(s->said), "says too much");
	end_ssh(s);
}

void source_tick(struct source *s)
{
	switch (s->kind) {
	case KIND_FILE:
		read_text(s, s->where);
		break;
	case KIND_NETNS:
		read_netns(s);
		break;
	case KIND_SSH:
		if (!s->pid)
			start_ssh(s);
		break;
	}
}

unsigned int source_fds(const struct source *s, struct pollfd *fds)
{
	unsigned int i;

	if (!s->pid)
		return 0;
	for (i = 0; i < 2; i++) {
		fds[i].fd = s->fds[i];
		fds[i].events = POLLIN;
	}
	return 2;
}

void source_free(struct source *s)
{
	if (s->pid)
		end_ssh(s);
	sample_free(&s->now);
	sample_free(&s->before);
	free(s->text);
	free(s);
}

const char *source_name(const struct source *s)
{
	return s->name;
}

const char *source_trouble(struct source *s)
{
	double since = s->started, silence;

	if (s->have && s->now.when > since)
		since = s->now.when;
	silence = clock_now() - since;
	/* The link of ssh can hang */
	if (s->pid && silence > 3 * s->interval + 2)
		no_data(s, "nothing for %.0f s", silence);
	return *s->reason ? s->reason : NULL;
}

bool source_settled(const struct source *s)
{
	return s->kind != KIND_SSH || !s->pid || s->have;
}

const struct sample *source_now(const struct source *s)
{
	return s->have && !*s->reason ? &s->now : NULL;
}

const struct sample *source_before(const struct source *s)
{
	return s->have == 2 && !*s->reason ? &s->before : NULL;
}
