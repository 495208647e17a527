/* SPDX-License-Identifier: GPL-2.0 */
/* ipvs-sync: what the parts of the model share */

#ifndef _MODEL_H
#define _MODEL_H

#include <stdbool.h>
#include <asm/param.h>

#include <linux/compiler.h>
#include <linux/types.h>

#include "ip_vs_sync_control.h"
#include "ip_vs_sync_history.h"

/* All of it small, so that it is full, forgotten and run into each other */
#define MASTERS		2
#define BACKUPS		3
#define PEERS		16	/* instances that a backup knows */
#define KEYS		40	/* connections that a master can have */
#define BUCKETS		20	/* of its table */
#define KEPT		32	/* DELETEs that it can send again */
#define INBOX_MAX	64	/* requests that wait for it */
#define BUF_MAX		640	/* bytes of a message */

/* model.c: time, chance and how bad a run is */

/**
 * struct bad - what makes a run hard
 * @loss:	of 100 messages, for each receiver
 * @twice:	of 100 messages come twice
 * @delay:	jiffies on the link at most, at random
 * @change:	of 100: a connection changes, and then another
 * @crash:	of 10000: in a jiffy, either side dies
 * @per_message: records in a message at most
 * @pace:	connections that may be told in a jiffy beside live updates
 */
struct bad {
	unsigned int		loss;
	unsigned int		twice;
	unsigned int		delay;
	unsigned int		change;
	unsigned int		crash;
	unsigned int		per_message;
	long			pace;
};

/**
 * struct sum - what happened in all runs
 * @messages:	sent by masters
 * @lost:	that did not reach one side
 * @nacks:	requests for messages
 * @joins:	requests for the table
 * @repaired:	connections told again
 * @deletes:	messages of connections that are gone
 * @restarts:	times that a backup started over
 * @checked:	times that a complete backup was compared
 * @longest:	jiffies until all was complete after the last trouble
 */
struct sum {
	unsigned long		messages;
	unsigned long		lost;
	unsigned long		nacks;
	unsigned long		joins;
	unsigned long		repaired;
	unsigned long		deletes;
	unsigned long		restarts;
	unsigned long		checked;
	unsigned long		longest;
};

extern struct bad bad;
extern struct sum sum;
extern unsigned long now;
extern bool quiet;		/* nothing goes wrong or changes any more */

void __noreturn __printf(1, 2) broken(const char *format, ...);
u32 rnd(u32 n);
bool percent(unsigned int n);
bool in_10000(unsigned int n);
unsigned long ms_jiffies(unsigned int ms);
bool is_after_eq(unsigned long a, unsigned long b);

/* model-link.c: the link */

/**
 * struct packet - a datagram on its way
 * @at:		jiffies when it comes
 * @from:	who sent it
 * @to:		who gets it
 * @up:		from a backup to a master
 * @len:	bytes of @buf
 * @buf:	what is in it
 */
struct packet {
	unsigned long		at;
	unsigned int		from;
	unsigned int		to;
	bool			up;
	unsigned int		len;
	u8			buf[BUF_MAX];
};

void link_clear(void);
void link_tell_all(unsigned int from, const u8 *buf, unsigned int len);
void link_ask(unsigned int from, unsigned int to, const u8 *buf,
	      unsigned int len);
/* Give all that is due to those that it is for */
void link_deliver(void);

/* model-judge.c: who should know what */

enum event_what { TOLD, DELETED, GONE };

/**
 * struct story - what messages said of a connection
 * @events:	with the number of the message, counted from the first one, and
 *		of the last one that repeats it
 * @n:		how many
 * @room:	for how many there is room
 */
struct story {
	struct event {
		u32			rel;
		u32			again;
		enum event_what		what;
		u32			version;
	} *events;
	unsigned int			n;
	unsigned int			room;
};

struct master;
struct backup;
struct peer;

/* A message says this of a connection */
void judge_note(struct master *m, unsigned int key, u32 seq,
		enum event_what what);
/* A message repeats a DELETE */
void judge_repeat(struct master *m, u32 old, u32 seq);
/* The DELETE in this message is not going to be repeated */
void judge_excuse(struct master *m, u32 seq);
/* Who has joined and misses nothing has what the master had told by then */
void judge_peer(const struct backup *b, const struct peer *p);
/* Why a backup is not complete, NULL if all are */
const char *judge_lack(void);

/* model-master.c */

struct conn {
	bool				alive;
	bool				pending;
	bool				listed;	/* in the queue */
	bool				owned;	/* told by this instance */
	u32				version; /* of what it says */
	u32				seq;	/* message that told it last */
	struct story			story;
};

struct master {
	unsigned int			id;
	bool				up;
	unsigned long			back;	/* when it comes back */
	unsigned long			runs;	/* when its thread runs again */
	u32				instance;
	u32				origin;	/* its first number */

	struct conn			conns[KEYS];
	u32				versions;
	unsigned int			queue[KEYS];
	unsigned int			queued;
	unsigned int			graves[4 * KEYS];
	unsigned int			buried;
	unsigned int			told;

	struct ip_vs_sync_writer	w;
	u8				buf[BUF_MAX];
	struct ip_vs_sync_history	h;
	u32				buckets[256];
	u32				starts[64];
	struct {
		u32			seq;
		unsigned int		len;
		u8			buf[BUF_MAX];
	} kept[KEPT];

	struct packet			inbox[INBOX_MAX];
	unsigned int			arrived;
	struct ip_vs_sync_range		fills[IP_VS_SYNC_RANGES_MAX];
	unsigned int			n_fills;
	long				tokens;
	unsigned long			hello;	/* when to say it, next */
	unsigned long			sent;	/* when the last message was */
	u32				said;	/* number in the last HELLO */

	u32				pass;
	u32				done;
	u16				progress;
	bool				wanted;
	bool				passing;
	unsigned int			next;	/* bucket of the pass */
	unsigned int			passes;	/* walked through */
	unsigned int			ended;	/* and told to be */
};

extern struct master masters[MASTERS];

void master_start(struct master *m, bool table);
void master_hear(struct master *m, const struct packet *p);
/* What happens in a jiffy */
void master_run(struct master *m);

/* model-backup.c */

struct entry {
	bool				present;
	u32				by;	/* instance that told it */
	u32				seq;	/* and message */
	u32				version;
	u32				newest;	/* version ever applied */
};

struct peer {
	u32				instance;
	unsigned int			master;
	bool				joined;
	unsigned int			tries;
	bool				has_deleted;
	u32				deleted;
	u32				said;
	unsigned long			heard;
	unsigned long			join;
	struct ip_vs_sync_hello		hello;
	struct ip_vs_sync_window	w;
};

struct backup {
	unsigned int			id;
	bool				up;
	unsigned long			back;
	unsigned long			deaf;	/* until then hears nothing */
	struct entry			entries[MASTERS][KEYS];
	struct peer			peers[PEERS];
	unsigned long			asked;
};

extern struct backup backups[BACKUPS];

void backup_hear(struct backup *b, const struct packet *packet);
void backup_run(struct backup *b);

#endif	/* _MODEL_H */
