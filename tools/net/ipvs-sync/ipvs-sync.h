/* SPDX-License-Identifier: GPL-2.0 */
/* ipvs-sync: what its files share */

#ifndef _IPVS_SYNC_H
#define _IPVS_SYNC_H

/* Ahead of the headers of the kernel, which then leave out what is here */
#include <netinet/in.h>

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include <linux/compiler.h>
#include <linux/kernel.h>

#include "ip_vs_sync_proto.h"

#define EXIT_USAGE	2

/* The verbs. Each returns the exit status. */
int dump_main(int argc, char **argv);
int watch_main(int argc, char **argv);

/* wait.c: waiting for input, and the signals that end it */

#define WAIT_MAX	64	/* what can be waited for at a time */

/* From here on SIGINT and SIGTERM set @stopped, in wait_input(). */
void wait_prepare(void);
/* Wait for so long, for ever if below 0. Return: is there input? */
bool wait_input(struct pollfd *fds, unsigned int n, double seconds);
/* The mask of signals as it was, for children. */
const sigset_t *wait_mask(void);
extern bool stopped;

/* frame.c: from a captured frame to a datagram */

/**
 * struct datagram - a UDP datagram
 * @when:	time of its arrival
 * @af:		AF_INET or AF_INET6
 * @src:	address it came from
 * @dst:	address it was sent to
 * @port:	port it was sent to, 0 if not known
 * @data:	what is in it
 * @len:	bytes at @data
 * @whole:	bytes it had on the wire, 0 if not known; above @len when not
 *		all of them were captured
 */
struct datagram {
	struct timeval		when;
	int			af;
	union nf_inet_addr	src;
	union nf_inet_addr	dst;
	u16			port;
	const u8		*data;
	unsigned int		len;
	unsigned int		whole;
};

enum frame {
	FRAME_DATAGRAM,	/* the datagram is complete */
	FRAME_FRAGMENT,	/* a fragment, kept until the others come */
	FRAME_OTHER,	/* not UDP over IP, or damaged */
};

struct fragments;

/* Is a link type of libpcap, DLT_*, one that frame_read() knows? */
bool frame_knows(int link);
/* Read the frame of @len captured bytes of @whole. @d->when is an input; what
 * @d points to is there until the next call.
 */
enum frame frame_read(struct fragments *fragments, int link, const u8 *p,
		      unsigned int len, unsigned int whole, struct datagram *d);

/* fragment.c: datagrams that come in IP fragments */

struct fragments *fragments_new(void);
void fragments_free(struct fragments *f);
/* Add @len bytes that belong at @offset of the IP payload; @last says that
 * none follow. @d tells when and from where to where, with @len and @data
 * filled in with the IP payload once it is complete. Return: is it?
 */
bool fragments_add(struct fragments *f, u32 id, unsigned int offset,
		   const u8 *data, unsigned int len, bool last,
		   struct datagram *d);
/* Give up on a datagram: the oldest if it waits for long, or if there is no
 * room for others. With @now NULL, on any. Return: was there one?
 */
bool fragments_give_up(struct fragments *f, const struct timeval *now,
		       struct datagram *d);

/* listen.c: the group's datagrams as a program gets them */

#define PORTS_MAX	WAIT_MAX	/* as many as a daemon has */

/**
 * struct listener - one socket for each port
 * @fds:	the sockets, to wait on
 * @n:		how many
 * @first:	port of the first
 * @group:	address they are bound to
 * @drops:	datagrams that did not fit each one's buffer
 * @buf:	the last datagram
 */
struct listener {
	struct pollfd		fds[PORTS_MAX];
	unsigned int		n;
	u16			first;
	union nf_inet_addr	group;
	u32			drops[PORTS_MAX];
	u8			buf[65536];
};

/* These end the program when they fail. */
void group_join(int fd, int af, const union nf_inet_addr *group,
		const char *iface);
void listen_open(struct listener *l, int af, const union nf_inet_addr *group,
		 const char *iface, u16 first, u16 last);
/* Take a datagram from socket @i. Return: was there one? */
bool listen_read(struct listener *l, unsigned int i, struct datagram *d);

/* message.c: a message as text */

/**
 * struct tally - what was in the messages
 * @messages:	datagrams
 * @records:	records that could be read
 * @rejects:	datagrams and records that could not
 */
struct tally {
	unsigned long		messages;
	unsigned long		records;
	unsigned long		rejects;
};

const char *addr_text(int af, const union nf_inet_addr *addr);
/* Does a backup ask a master for something? */
bool message_is_request(const struct datagram *d);
/* Print a message sent to thread 0's port @base or one above. */
void message_print(const struct datagram *d, u16 base, bool verbose,
		   struct tally *tally);
/* Print that not all fragments of a message came. */
void message_print_incomplete(const struct datagram *d, u16 base);

/* counters.c: what /proc/net/ip_vs_sync says */

#define NAME_MAX_LEN	32

/**
 * struct counter - a counter, over all threads of a role
 * @role:	"master", "backup", whatever else there is; "" for the
 *		namespace's
 * @name:	what is counted
 * @threads:	threads that have it; 0 if it belongs to no thread
 * @negative:	threads whose value is below 0, which stands for none
 * @sum:	the values of the others added up
 * @min:	the least of them
 * @max:	the greatest
 */
struct counter {
	char			role[NAME_MAX_LEN];
	char			name[NAME_MAX_LEN];
	unsigned int		threads;
	unsigned int		negative;
	long long		sum;
	long long		min;
	long long		max;
};

/**
 * struct sample - all counters at a time
 * @when:	on the monotonic clock, in seconds
 * @n:		how many there are
 * @unread:	lines that were not understood
 * @counters:	the counters, in the order of the lines
 */
struct sample {
	double			when;
	unsigned int		n;
	unsigned int		unread;
	struct counter		*counters;
};

/* Read @text, which is overwritten. @s is an empty sample. */
void sample_read(struct sample *s, char *text);
void sample_free(struct sample *s);
const struct counter *sample_find(const struct sample *s, const char *role,
				  const char *name);

/* source.c: directors whose counters are watched */

struct source;

/* Return: NULL when @name is not the name of a source. */
struct source *source_new(const char *name, double interval);
void source_free(struct source *s);
/* Read the counters now, or see to it that they come. */
void source_tick(struct source *s);
/* Fill in what to wait for, two at most. Return: how many. */
unsigned int source_fds(const struct source *s, struct pollfd *fds);
/* Take what has come. */
void source_input(struct source *s);
const char *source_name(const struct source *s);
/* Why there is no data, NULL if there is. */
const char *source_trouble(struct source *s);
/* Is it sure by now whether there is data? */
bool source_settled(const struct source *s);
/* The last sample and the one before; NULL without one. */
const struct sample *source_now(const struct source *s);
const struct sample *source_before(const struct source *s);
double clock_now(void);

/* table.c: figures of several directors side by side */

/* Print the table; with @totals it has totals in the place of rates. At most
 * @width columns and @height lines; 0 for as many as there are. @clear ends
 * each line and the table with what removes older text from a screen.
 */
void table_print(struct source *const *sources, unsigned int n, bool totals,
		 unsigned int width, unsigned int height, bool clear);

#endif	/* _IPVS_SYNC_H */
