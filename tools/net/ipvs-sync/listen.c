// SPDX-License-Identifier: GPL-2.0
/* ipvs-sync: the group's datagrams as a program gets them */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs-sync.h"

#define BUFFER	(4 << 20)	/* bytes of a socket's buffer, if it may be */

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL	29
#endif

/* A socket's address, of either family */
union address {
	struct sockaddr		any;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
};

/* Room for the time and the count of drops */
union control {
	struct cmsghdr		align;
	char			buf[CMSG_SPACE(sizeof(struct timeval)) +
				    CMSG_SPACE(sizeof(u32))];
};

static bool set(int fd, int level, int option, int value)
{
	return !setsockopt(fd, level, option, &value, sizeof(value));
}

void group_join(int fd, int af, const union nf_inet_addr *group,
		const char *iface)
{
	struct ip_mreqn mreq = { .imr_multiaddr = group->in };
	struct ipv6_mreq mreq6 = { .ipv6mr_multiaddr = group->in6 };
	unsigned int index = if_nametoindex(iface);
	int failed;

	if (!index)
		err(EXIT_FAILURE, "%s", iface);
	mreq.imr_ifindex = index;
	mreq6.ipv6mr_interface = index;
	if (af == AF_INET6)
		failed = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP,
				    &mreq6, sizeof(mreq6));
	else
		failed = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP,
				    &mreq, sizeof(mreq));
	if (failed)
		err(EXIT_FAILURE, "%s: could not join %s", iface,
		    addr_text(af, group));
}

/* Beside a backup daemon, which has bound the same address */
static int open_port(int af, const union nf_inet_addr *group,
		     const char *iface, u16 port)
{
	union address addr = { .any.sa_family = af };
	socklen_t len;
	int fd;

	fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err(EXIT_FAILURE, "socket");
	if (af == AF_INET6) {
		addr.in6.sin6_port = htons(port);
		addr.in6.sin6_addr = group->in6;
		addr.in6.sin6_scope_id = if_nametoindex(iface);
		len = sizeof(addr.in6);
		/* What comes by other interfaces is not for this socket */
		set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
	} else {
		addr.in.sin_port = htons(port);
		addr.in.sin_addr = group->in;
		len = sizeof(addr.in);
		set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	}
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER))
		set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
	if (bind(fd, &addr.any, len))
		err(EXIT_FAILURE, "%s port %u", addr_text(af, group), port);
	group_join(fd, af, group, iface);
	return fd;
}

void listen_open(struct listener *l, int af, const union nf_inet_addr *group,
		 const char *iface, u16 first, u16 last)
{
	unsigned int i;

	memset(l, 0, sizeof(*l));
	l->first = first;
	l->n = last - first + 1;
	l->group = *group;
	for (i = 0; i < l->n; i++) {
		l->fds[i].fd = open_port(af, group, iface, first + i);
		l->fds[i].events = POLLIN;
	}
}

bool listen_read(struct listener *l, unsigned int i, struct datagram *d)
{
	struct iovec iov = { .iov_base = l->buf, .iov_len = sizeof(l->buf) };
	union control control;
	union address from;
	struct msghdr msg = {
		.msg_name	= &from,
		.msg_namelen	= sizeof(from),
		.msg_iov	= &iov,
		.msg_iovlen	= 1,
		.msg_control	= &control,
		.msg_controllen	= sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t len;

	len = recvmsg(l->fds[i].fd, &msg, 0);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len < 0)
		err(EXIT_FAILURE, "port %u", l->first + i);

	memset(d, 0, sizeof(*d));
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SO_TIMESTAMP)
			memcpy(&d->when, CMSG_DATA(c), sizeof(d->when));
		else if (c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&l->drops[i], CMSG_DATA(c),
			       sizeof(l->drops[i]));
	}
	d->af = from.any.sa_family;
	if (d->af == AF_INET6)
		d->src.in6 = from.in6.sin6_addr;
	else
		d->src.in = from.in.sin_addr;
	d->dst = l->group;
	d->port = l->first + i;
	d->data = l->buf;
	d->len = len;
	d->whole = len;
	return true;
}
