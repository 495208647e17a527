// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: waiting, and the signals that end it
 *
 * Signals stay blocked but for the time of the wait, so that none comes
 * between the look at "stopped" and the wait.
 */

#define _GNU_SOURCE
#include "ipvs-sync.h"

volatile sig_atomic_t stopped;

static sigset_t old_mask;

static void stop(int sig)
{
	stopped = 1;
}

void wait_prepare(void)
{
	struct sigaction sa = { .sa_handler = stop };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

int wait_input(struct pollfd *fds, unsigned int n, const struct timespec *time)
{
	return ppoll(fds, n, time, &old_mask);
}

const sigset_t *wait_mask(void)
{
	return &old_mask;
}
