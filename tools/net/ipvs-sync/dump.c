// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: the verb dump
 *
 * Messages come from a file, from an interface as captured, which includes
 * those that this director sends, or from sockets, which need no privilege.
 */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs-sync.h"

#define SNAPLEN	262144		/* no frame is longer */
#define BUFFER	(8 * 1024 * 1024)	/* for frames that are not read yet */
#define BATCH	256		/* frames between looks at signals */

/* Filters for what could be a NACK or a JOIN */
#define REQUESTS	"udp[8] = 0 and (udp[12:2] = 0x0402 or " \
			"udp[12:2] = 0x0502)"
#define REQUESTS6	"ip6[6] = 17 and ip6[48] = 0 and " \
			"(ip6[52:2] = 0x0402 or ip6[52:2] = 0x0502)"

/**
 * struct dump - what to show, and what was shown
 * @iface:	interface to capture on or listen to
 * @path:	file to read
 * @sockets:	listen on @iface with sockets
 * @verbose:	show the bytes, too
 * @af:		family of @group, 0 for all destinations
 * @group:	show only what was sent there
 * @first:	port of thread 0
 * @last:	port of the last thread
 * @count:	messages to show, 0 for all
 * @tally:	what was in them
 * @incomplete:	messages with fragments missing
 * @other:	frames that were none of sync
 * @dropped:	messages or frames that came too fast
 */
struct dump {
	const char		*iface;
	const char		*path;
	bool			sockets;
	bool			verbose;
	int			af;
	union nf_inet_addr	group;
	u16			first;
	u16			last;
	unsigned long		count;
	struct tally		tally;
	unsigned long		incomplete;
	unsigned long		other;
	unsigned long		dropped;
};

static void __noreturn print_usage(FILE *to)
{
	fputs("usage: ipvs-sync dump [OPTION]... FILE\n"
	      "       ipvs-sync dump [OPTION]... -i IFACE [-u]\n"
	      "\n"
	      "Show the messages in a capture file, - for standard input, or\n"
	      "on an interface.\n"
	      "\n"
	      "  -i IFACE        capture on this interface\n"
	      "  -u              listen with sockets instead: needs no privilege, does not\n"
	      "                  hear what this director sends, nor requests to masters\n"
	      "  -g GROUP        multicast group; 224.0.0.81, of a file any destination\n"
	      "  -p PORT[-PORT]  port of thread 0, and of the last thread; 8848-8911\n"
	      "  -c COUNT        end after so many messages\n"
	      "  -v              show the bytes of each record, too\n", to);
	exit(to == stdout ? EXIT_SUCCESS : EXIT_USAGE);
}

static void __noreturn bad(const char *what, const char *text)
{
	warnx("%s: %s", what, text);
	print_usage(stderr);
}

static bool read_number(const char **text, unsigned long max,
			unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(*text, &end, 10);
	if (errno || end == *text || **text < '0' || **text > '9' ||
	    !*value || *value > max)
		return false;
	*text = end;
	return true;
}

static void read_ports(struct dump *dump, const char *text)
{
	const char *pos = text;
	unsigned long port;

	if (!read_number(&pos, 65535, &port))
		bad(text, "not a port");
	dump->first = port;
	dump->last = port;
	if (*pos == '-') {
		pos++;
		if (!read_number(&pos, 65535, &port))
			bad(text, "not a range of ports");
		dump->last = port;
	}
	if (*pos || dump->last < dump->first ||
	    dump->last - dump->first >= PORTS_MAX)
		bad(text, "not a range of at most 64 ports");
}

static void read_group(struct dump *dump, const char *text)
{
	memset(&dump->group, 0, sizeof(dump->group));
	if (inet_pton(AF_INET, text, &dump->group.in) == 1)
		dump->af = AF_INET;
	else if (inet_pton(AF_INET6, text, &dump->group.in6) == 1)
		dump->af = AF_INET6;
	else
		bad(text, "not an address");
	if (dump->af == AF_INET6 ? !IN6_IS_ADDR_MULTICAST(&dump->group.in6) :
				   !IN_MULTICAST(ntohl(dump->group.ip)))
		bad(text, "not a multicast group");
}

static void read_options(struct dump *dump, int argc, char **argv)
{
	const char *text;
	int option;

	while ((option = getopt(argc, argv, "i:ug:p:c:vh")) != -1) {
		switch (option) {
		case 'i':
			dump->iface = optarg;
			break;
		case 'u':
			dump->sockets = true;
			break;
		case 'g':
			read_group(dump, optarg);
			break;
		case 'p':
			read_ports(dump, optarg);
			break;
		case 'c':
			text = optarg;
			if (!read_number(&text, ~0UL, &dump->count) || *text)
				bad(optarg, "not a number of messages");
			break;
		case 'v':
			dump->verbose = true;
			break;
		case 'h':
			print_usage(stdout);
		default:
			print_usage(stderr);
		}
	}
	if (argc - optind > 1)
		bad(argv[optind + 1], "there can be one file only");
	dump->path = argv[optind];
	if (!dump->iface == !dump->path)
		bad("dump", "needs a file or an interface, and not both");
	if (dump->sockets && !dump->iface)
		bad("-u", "needs an interface");
}

static bool enough(const struct dump *dump)
{
	return dump->count && dump->tally.messages == dump->count;
}

static bool done(const struct dump *dump)
{
	return stopped || ferror(stdout) || enough(dump);
}

static bool wanted(const struct dump *dump, const struct datagram *d)
{
	/* To a master's own address, and the port that it sends from */
	if (message_is_request(d))
		return !dump->af || dump->af == d->af;
	/* Of a fragment the port may not be known */
	if (d->port && (d->port < dump->first || d->port > dump->last))
		return false;
	return !dump->af || (dump->af == d->af &&
			     !memcmp(&d->dst, &dump->group, sizeof(d->dst)));
}

static void show(struct dump *dump, const struct datagram *d)
{
	if (wanted(dump, d))
		message_print(d, dump->first, dump->verbose, &dump->tally);
	else
		dump->other++;
}

/* Tell of messages that are not going to be complete; with @now NULL, of all
 * that are not, unless the end came before it had to.
 */
static void give_up(struct dump *dump, struct fragments *fragments,
		    const struct timeval *now)
{
	struct datagram d;

	if (!now && enough(dump))
		return;
	while (fragments_give_up(fragments, now, &d)) {
		if (!wanted(dump, &d)) {
			dump->other++;
			continue;
		}
		message_print_incomplete(&d, dump->first);
		dump->incomplete++;
	}
}

/* Show what is ready, @max frames at most. Return: as pcap_next_ex(). */
static int read_frames(struct dump *dump, pcap_t *pcap,
		       struct fragments *fragments, unsigned int max)
{
	struct pcap_pkthdr *header;
	struct datagram d = {};
	const u_char *data;
	int ret = 1;

	while (max-- && !done(dump)) {
		ret = pcap_next_ex(pcap, &header, &data);
		if (ret != 1)
			break;
		give_up(dump, fragments, &header->ts);
		d.when = header->ts;
		switch (frame_read(fragments, pcap_datalink(pcap), data,
				   header->caplen, header->len, &d)) {
		case FRAME_DATAGRAM:
			show(dump, &d);
			break;
		case FRAME_FRAGMENT:
			break;
		case FRAME_OTHER:
			dump->other++;
			break;
		}
	}
	return ret;
}

static void check_link(pcap_t *pcap, const char *name)
{
	const char *link = pcap_datalink_val_to_name(pcap_datalink(pcap));

	if (!frame_knows(pcap_datalink(pcap)))
		errx(EXIT_FAILURE, "%s: can not read frames of the type %s",
		     name, link ? link : "unknown");
}

static int dump_file(struct dump *dump)
{
	struct fragments *fragments = fragments_new();
	char why[PCAP_ERRBUF_SIZE];
	int ret, status = EXIT_SUCCESS;
	pcap_t *pcap;

	pcap = pcap_open_offline(dump->path, why);
	if (!pcap)
		errx(EXIT_FAILURE, "%s%s%s",
		     strstr(why, dump->path) ? "" : dump->path,
		     strstr(why, dump->path) ? "" : ": ", why);
	check_link(pcap, dump->path);
	/* What is shown of a running capture is not held back */
	if (!strcmp(dump->path, "-"))
		setvbuf(stdout, NULL, _IOLBF, 0);
	do {
		ret = read_frames(dump, pcap, fragments, BATCH);
	} while (ret == 1 && !done(dump));
	if (ret == PCAP_ERROR)
		status = EXIT_FAILURE;
	give_up(dump, fragments, NULL);
	fflush(stdout);
	if (status)
		warnx("%s: %s", dump->path, pcap_geterr(pcap));
	pcap_close(pcap);
	fragments_free(fragments);
	return status;
}

static pcap_t *open_capture(const struct dump *dump)
{
	struct bpf_program filter;
	char text[192], why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap;
	int ret;

	pcap = pcap_create(dump->iface, why);
	if (!pcap)
		errx(EXIT_FAILURE, "%s: %s", dump->iface, why);
	pcap_set_snaplen(pcap, SNAPLEN);
	pcap_set_buffer_size(pcap, BUFFER);
	pcap_set_immediate_mode(pcap, 1);
	ret = pcap_activate(pcap);
	if (ret == PCAP_ERROR_PERM_DENIED)
		errx(EXIT_FAILURE, "%s: may not capture; -u needs no privilege",
		     dump->iface);
	if (ret < 0)
		errx(EXIT_FAILURE, "%s: %s", dump->iface,
		     *pcap_geterr(pcap) ? pcap_geterr(pcap) :
					  pcap_statustostr(ret));
	check_link(pcap, dump->iface);
	/* Fragments have no port, so the group is all to go by; of requests it
	 * is the header.
	 */
	snprintf(text, sizeof(text), "dst host %s or (%s)",
		 addr_text(dump->af, &dump->group),
		 dump->af == AF_INET6 ? REQUESTS6 : REQUESTS);
	if (pcap_compile(pcap, &filter, text, 1, PCAP_NETMASK_UNKNOWN) ||
	    pcap_setfilter(pcap, &filter) || pcap_setnonblock(pcap, 1, why))
		errx(EXIT_FAILURE, "%s: %s", dump->iface, pcap_geterr(pcap));
	pcap_freecode(&filter);
	return pcap;
}

static int dump_capture(struct dump *dump)
{
	struct fragments *fragments = fragments_new();
	pcap_t *pcap = open_capture(dump);
	struct pcap_stat stat = {};
	struct pollfd fd = { .events = POLLIN };
	int group, ret;

	/* Without a member here, switches may not deliver */
	group = socket(dump->af, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (group < 0)
		err(EXIT_FAILURE, "socket");
	group_join(group, dump->af, &dump->group, dump->iface);

	fd.fd = pcap_get_selectable_fd(pcap);
	do {
		ret = read_frames(dump, pcap, fragments, BATCH);
		if (ret == PCAP_ERROR)
			errx(EXIT_FAILURE, "%s: %s", dump->iface,
			     pcap_geterr(pcap));
		if (!done(dump))
			wait_input(&fd, 1, -1);
	} while (!done(dump));

	give_up(dump, fragments, NULL);
	if (!pcap_stats(pcap, &stat))
		dump->dropped = stat.ps_drop;
	close(group);
	pcap_close(pcap);
	fragments_free(fragments);
	return EXIT_SUCCESS;
}

static int dump_sockets(struct dump *dump)
{
	static struct listener listener;
	struct datagram d;
	unsigned int i;

	listen_open(&listener, dump->af, &dump->group, dump->iface,
		    dump->first, dump->last);
	while (!done(dump)) {
		if (!wait_input(listener.fds, listener.n, -1))
			continue;
		for (i = 0; i < listener.n && !done(dump); i++) {
			if (!listener.fds[i].revents ||
			    !listen_read(&listener, i, &d))
				continue;
			message_print(&d, dump->first, dump->verbose,
				      &dump->tally);
		}
	}
	for (i = 0; i < listener.n; i++)
		dump->dropped += listener.drops[i];
	return EXIT_SUCCESS;
}

static void print_summary(const struct dump *dump)
{
	fprintf(stderr, "ipvs-sync: messages %lu records %lu rejected %lu",
		dump->tally.messages, dump->tally.records,
		dump->tally.rejects);
	if (dump->incomplete)
		fprintf(stderr, " incomplete %lu", dump->incomplete);
	if (dump->other)
		fprintf(stderr, " other frames %lu", dump->other);
	if (dump->dropped)
		fprintf(stderr, " dropped %lu", dump->dropped);
	fputc('\n', stderr);
}

int dump_main(int argc, char **argv)
{
	struct dump dump = {
		.first	= IP_VS_SYNC_PORT,
		.last	= IP_VS_SYNC_PORT + PORTS_MAX - 1,
	};
	int status;

	read_options(&dump, argc, argv);
	if (dump.path) {
		status = dump_file(&dump);
	} else {
		if (!dump.af) {
			dump.af = AF_INET;
			dump.group.ip = htonl(IP_VS_SYNC_GROUP);
		}
		if (!if_nametoindex(dump.iface))
			err(EXIT_FAILURE, "%s", dump.iface);
		setvbuf(stdout, NULL, _IOLBF, 0);
		wait_prepare();
		status = dump.sockets ? dump_sockets(&dump) :
					dump_capture(&dump);
	}
	print_summary(&dump);
	return status;
}
