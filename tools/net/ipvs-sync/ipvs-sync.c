// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: look at IPVS connection synchronisation */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs-sync.h"

static const struct verb {
	const char	*name;
	int		(*main)(int argc, char **argv);
	const char	*does;
} verbs[] = {
	{ "dump",	dump_main,	"show the messages" },
	{ "watch",	watch_main,	"show rates, lag and rejects" },
};

static void __noreturn print_usage(FILE *to)
{
	const struct verb *v;

	fputs("usage: ipvs-sync VERB [OPTION]...\n\n", to);
	for (v = verbs; v < verbs + ARRAY_SIZE(verbs); v++)
		fprintf(to, "  %-8s%s\n", v->name, v->does);
	fputs("\nipvs-sync VERB -h tells more, ipvs-sync(8) all.\n", to);
	exit(to == stdout ? EXIT_SUCCESS : EXIT_USAGE);
}

int main(int argc, char **argv)
{
	const struct verb *v;
	int status;

	if (argc < 2)
		print_usage(stderr);
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
		print_usage(stdout);
	for (v = verbs; v < verbs + ARRAY_SIZE(verbs); v++) {
		if (strcmp(argv[1], v->name))
			continue;
		status = v->main(argc - 1, argv + 1);
		if (ferror(stdout) || fclose(stdout))
			errx(EXIT_FAILURE, "could not write the output");
		return status;
	}
	warnx("there is no verb \"%s\"", argv[1]);
	print_usage(stderr);
}
