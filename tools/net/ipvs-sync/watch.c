// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: the verb watch */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ipvs-sync.h"

#define SOURCES_MAX	(WAIT_MAX / 2)	/* each waits for two things */
#define INTERVAL	2	/* seconds */
#define INTERVAL_MIN	0.1
#define INTERVAL_MAX	3600
#define ONCE_PATIENCE	15	/* seconds for the first figures */

static void __noreturn print_usage(FILE *to)
{
	fputs("usage: ipvs-sync watch [OPTION]... [SOURCE]...\n"
	      "\n"
	      "Show rates, lag and rejects of directors, side by side.\n"
	      "\n"
	      "  SOURCE      local        this network namespace, if no other is named\n"
	      "              netns:NAME   a namespace of ip-netns(8)\n"
	      "              ssh:HOST     another director, by ssh without a password\n"
	      "              file:PATH    a file in the format of /proc/net/ip_vs_sync\n"
	      "  -n SECONDS  interval; 2\n"
	      "  -c COUNT    end after so many tables\n"
	      "  -1          print totals, once\n", to);
	exit(to == stdout ? EXIT_SUCCESS : EXIT_USAGE);
}

static void __noreturn bad(const char *what, const char *text)
{
	warnx("%s: %s", what, text);
	print_usage(stderr);
}

static double read_interval(const char *text)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= INTERVAL_MIN) ||
	    !(seconds <= INTERVAL_MAX))
		bad(text, "not a number of seconds from 0.1 to 3600");
	return seconds;
}

static unsigned long read_count(const char *text)
{
	unsigned long count;
	char *end;

	errno = 0;
	count = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || !count)
		bad(text, "not a number of tables");
	return count;
}

/* Let the sources have what they wait for, until a time or a signal */
static void wait_until(struct source **sources, unsigned int n, double end)
{
	struct pollfd fds[2 * SOURCES_MAX];
	unsigned int i, used = 0;
	double left;

	left = end - clock_now();
	if (left < 0)
		left = 0;
	for (i = 0; i < n; i++)
		used += source_fds(sources[i], fds + used);
	if (!wait_input(fds, used, left))
		return;
	for (i = 0; i < n; i++)
		source_input(sources[i]);
}

static bool settled(struct source **sources, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!source_settled(sources[i]))
			return false;
	return true;
}

static int watch_once(struct source **sources, unsigned int n)
{
	double end = clock_now() + ONCE_PATIENCE;
	int status = EXIT_SUCCESS;
	unsigned int i;

	for (i = 0; i < n; i++)
		source_tick(sources[i]);
	while (!stopped && !settled(sources, n) && clock_now() < end)
		wait_until(sources, n, end);
	table_print(sources, n, true, 0, 0, false);
	for (i = 0; i < n; i++)
		if (source_trouble(sources[i]))
			status = EXIT_FAILURE;
	return status;
}

static void print_table(struct source **sources, unsigned int n,
			double interval, bool screen)
{
	struct winsize size = {};
	time_t now = time(NULL);
	char text[16];

	strftime(text, sizeof(text), "%H:%M:%S", localtime(&now));
	if (screen) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		/* To the top; each line ends with "erase the rest of it" */
		fputs("\033[H", stdout);
	}
	printf("%s  every %g s%s\n", text, interval, screen ? "\033[K" : "");
	table_print(sources, n, false, size.ws_col,
		    size.ws_row > 2 ? size.ws_row - 2 : 0, screen);
	if (!screen)
		putchar('\n');
	fflush(stdout);
}

static int watch(struct source **sources, unsigned int n, double interval,
		 unsigned long count)
{
	bool screen = isatty(STDOUT_FILENO);
	unsigned long tables = 0;
	double next = clock_now();
	unsigned int i;

	if (screen)
		fputs("\033[2J", stdout);
	while (!stopped && !ferror(stdout)) {
		for (i = 0; i < n; i++)
			source_tick(sources[i]);
		print_table(sources, n, interval, screen);
		tables++;
		if (tables == count)
			break;
		next += interval;
		/* After a stop or a long sleep, do not hurry */
		if (next < clock_now())
			next = clock_now() + interval;
		while (!stopped && clock_now() < next)
			wait_until(sources, n, next);
	}
	return EXIT_SUCCESS;
}

int watch_main(int argc, char **argv)
{
	struct source *sources[SOURCES_MAX];
	const char *name = "local";
	double interval = INTERVAL;
	unsigned long count = 0;
	unsigned int i, n;
	bool once = false;
	int option, status;

	while ((option = getopt(argc, argv, "n:c:1h")) != -1) {
		switch (option) {
		case 'n':
			interval = read_interval(optarg);
			break;
		case 'c':
			count = read_count(optarg);
			break;
		case '1':
			once = true;
			break;
		case 'h':
			print_usage(stdout);
		default:
			print_usage(stderr);
		}
	}
	n = optind < argc ? argc - optind : 1;
	if (n > SOURCES_MAX)
		bad(argv[optind + SOURCES_MAX], "one source too many");
	for (i = 0; i < n; i++) {
		if (optind < argc)
			name = argv[optind + i];
		sources[i] = source_new(name, interval);
		if (!sources[i])
			bad(name, "no source is called so");
	}
	wait_prepare();
	status = once ? watch_once(sources, n) :
			watch(sources, n, interval, count);
	for (i = 0; i < n; i++)
		source_free(sources[i]);
	return status;
}
