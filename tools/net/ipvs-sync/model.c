// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: a model of masters and backups, to find what repair misses
 *
 *	model [RUNS [SEED]]
 *
 * Masters announce, backups ask, as ip_vs_sync_tx.c, _stream.c, _walk.c, _rx.c
 * and _peer.c do; what these leave to ip_vs_sync_window.c, _history.c and
 * _control.c is done by these files themselves. The link loses, doubles,
 * delays and reorders, either side dies and comes back at any time, threads do
 * not run for a while; each run has another seed, and small rings, so that
 * much is forgotten. It must hold that
 *
 * - a backup that has joined and misses nothing has just what the master had
 *   told by the last message that the backup knows of;
 * - what has been told later is never overwritten by what was told before, nor
 *   brought back after a DELETE;
 * - once the link is good, and the masters have nothing new, all backups are
 *   complete within a bounded time, and then ask for nothing any more.
 */

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "model.h"

#define RUNS		2000
#define SEED		1

#define TROUBLE		(6 * HZ)	/* how long things go wrong */
#define PATIENCE	(12 * HZ)	/* until all is complete after it */
#define QUIET		(3 * HZ)	/* and nobody asks then */

struct bad bad;
struct sum sum;
unsigned long now;
bool quiet;

static unsigned long seed;
static u64 dice;

void broken(const char *format, ...)
{
	va_list args;

	printf("model 1 %lu, jiffy %lu: ", seed, now);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(EXIT_FAILURE);
}

u32 rnd(u32 n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (u32)(dice >> 32) % n;
}

bool percent(unsigned int n)
{
	return rnd(100) < n;
}

bool in_10000(unsigned int n)
{
	return rnd(10000) < n;
}

unsigned long ms_jiffies(unsigned int ms)
{
	return ms * HZ / 1000 ?: 1;
}

bool is_after_eq(unsigned long a, unsigned long b)
{
	return (long)(a - b) >= 0;
}

static void choose(void)
{
	static const unsigned int losses[] = { 0, 0, 1, 5, 20, 50 };

	bad.loss = losses[rnd(ARRAY_SIZE(losses))];
	bad.twice = rnd(3) * 10;
	bad.delay = rnd(9);
	bad.change = rnd(90);
	bad.crash = rnd(4) * 10;
	bad.per_message = 1 + rnd(6);
	bad.pace = 1 + rnd(8);
}

static void step(void)
{
	unsigned int i;

	now++;
	link_deliver();
	for (i = 0; i < MASTERS; i++)
		master_run(&masters[i]);
	for (i = 0; i < BACKUPS; i++)
		backup_run(&backups[i]);
}

static void start(void)
{
	unsigned int i;

	dice = seed * 2862933555777941757ULL + 3037000493ULL;
	now = rnd(2) ? 0 : -(unsigned long)TROUBLE / 2;
	choose();
	quiet = false;
	link_clear();
	for (i = 0; i < MASTERS; i++) {
		masters[i].id = i;
		masters[i].versions = 0;
		master_start(&masters[i], false);
	}
	memset(backups, 0, sizeof(backups));
	for (i = 0; i < BACKUPS; i++) {
		backups[i].id = i;
		backups[i].deaf = now;
		/* One half starts late */
		backups[i].back = now + rnd(2) * rnd(TROUBLE);
	}
}

static void calm(void)
{
	unsigned int i;

	quiet = true;
	bad.loss = 0;
	bad.twice = 0;
	bad.delay = 0;
	for (i = 0; i < BACKUPS; i++)
		backups[i].deaf = now;
}

static unsigned long all_asked(void)
{
	unsigned long asked = 0;
	unsigned int i;

	for (i = 0; i < BACKUPS; i++)
		asked += backups[i].asked;
	return asked;
}

static void run(void)
{
	unsigned long i, asked;
	const char *why;

	start();
	for (i = 0; i < TROUBLE; i++)
		step();
	calm();
	for (i = 0; (why = judge_lack()) && i < PATIENCE; i++)
		step();
	if (why)
		broken("a backup %s after %d s", why, PATIENCE / HZ);
	if (i > sum.longest)
		sum.longest = i;

	asked = all_asked();
	for (i = 0; i < QUIET; i++)
		step();
	why = judge_lack();
	if (why)
		broken("a backup that was complete %s", why);
	if (asked != all_asked())
		broken("backups ask though nothing is missing");
}

static unsigned long read_number(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (!number || *end)
		errx(2, "%s: not a number above 0\nusage: model [RUNS [SEED]]",
		     text);
	return number;
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? read_number(argv[1]) : RUNS;
	unsigned long first = argc > 2 ? read_number(argv[2]) : SEED;

	printf("model: seeds %lu to %lu\n", first, first + runs - 1);
	fflush(stdout);
	for (seed = first; seed != first + runs; seed++)
		run();
	printf("messages %lu, lost %lu, NACKs %lu, repaired %lu, ",
	       sum.messages, sum.lost, sum.nacks, sum.repaired);
	printf("DELETEs %lu, JOINs %lu, started over %lu\n", sum.deletes,
	       sum.joins, sum.restarts);
	printf("complete and compared %lu times, at the end after %lu ms\n",
	       sum.checked, sum.longest * 1000 / HZ);
	return 0;
}
