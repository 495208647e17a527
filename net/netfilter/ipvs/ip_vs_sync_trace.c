// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: where its tracepoints are defined */

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <net/ip_vs.h>

static void put_end(void *to, u16 af, const union nf_inet_addr *addr,
		    __be16 port)
{
	struct sockaddr_in6 *sin6 = to;
	struct sockaddr_in *sin = to;

	memset(sin6, 0, sizeof(*sin6));
	if (af == AF_INET6) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = port;
		sin6->sin6_addr = addr->in6;
	} else {
		sin->sin_family = AF_INET;
		sin->sin_port = port;
		sin->sin_addr = addr->in;
	}
}

/* Not used in a kernel without tracing */
static void __maybe_unused put_client(const struct ip_vs_conn *cp, void *to)
{
	put_end(to, cp->af, &cp->caddr, cp->cport);
}

static void __maybe_unused put_vip(const struct ip_vs_conn *cp, void *to)
{
	put_end(to, cp->af, &cp->vaddr, cp->vport);
}

static void __maybe_unused put_server(const struct ip_vs_conn *cp, void *to)
{
	put_end(to, cp->daf, &cp->daddr, cp->dport);
}

#define CREATE_TRACE_POINTS
#include <trace/events/ip_vs_sync.h>
