// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: waiting for input, and the signals that end it */

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "ipvs-sync.h"

bool stopped;

static int signals;
static sigset_t old_mask;

void wait_prepare(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0)
		err(EXIT_FAILURE, "signals");
}

bool wait_input(struct pollfd *fds, unsigned int n, double seconds)
{
	struct pollfd all[WAIT_MAX + 1];
	int ready;

	memcpy(all, fds, n * sizeof(*fds));
	all[n].fd = signals;
	all[n].events = POLLIN;
	/* Rather a bit late than often */
	ready = poll(all, n + 1, seconds < 0 ? -1 : seconds * 1000 + 1);
	if (ready <= 0)
		return false;
	if (all[n].revents)
		stopped = true;
	memcpy(fds, all, n * sizeof(*fds));
	return ready > stopped;
}

const sigset_t *wait_mask(void)
{
	return &old_mask;
}
