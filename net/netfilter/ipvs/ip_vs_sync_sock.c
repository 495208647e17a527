// SPDX-License-Identifier: GPL-2.0
/* IPVS sync: the sockets of the daemons
 *
 * Set up by the options that user space has for the purpose, so that all
 * locking, RTNL included, is done where the options are implemented.
 */

#define KMSG_COMPONENT "IPVS"
#define pr_fmt(fmt) KMSG_COMPONENT ": " fmt

#include <linux/inetdevice.h>
#include <linux/net.h>
#include <linux/sockptr.h>
#include <net/sch_generic.h>
#include <net/sock.h>

#include "ip_vs_sync_internal.h"

static int sock_option(struct socket *sock, int level, int name, void *val,
		       unsigned int len)
{
	return READ_ONCE(sock->ops)->setsockopt(sock, level, name,
						KERNEL_SOCKPTR(val), len);
}

static int sock_option_int(struct socket *sock, int level, int name, int val)
{
	return sock_option(sock, level, name, &val, sizeof(val));
}

static int sock_buffer(struct socket *sock, int name, int size)
{
	if (size <= 0)
		return 0;
	return sock_setsockopt(sock, SOL_SOCKET, name, KERNEL_SOCKPTR(&size),
			       sizeof(size));
}

/* Options of who sends to a group through @dev. Messages that grew beyond
 * the MTU go in fragments. With RECVERR a message that the device's queue drops
 * is an error that the sender learns of.
 */
static int send_options(struct socket *sock,
			const struct ipvs_sync_daemon_cfg *c,
			struct net_device *dev)
{
	struct ip_mreqn mreq = { .imr_ifindex = dev->ifindex };

	if (c->mcast_af == AF_INET6)
		return sock_option_int(sock, SOL_IPV6, IPV6_MULTICAST_IF,
				       dev->ifindex) ?:
		       sock_option_int(sock, SOL_IPV6, IPV6_MULTICAST_LOOP,
				       0) ?:
		       sock_option_int(sock, SOL_IPV6, IPV6_MULTICAST_HOPS,
				       c->mcast_ttl) ?:
		       sock_option_int(sock, SOL_IPV6, IPV6_RECVERR, 1) ?:
		       sock_option_int(sock, SOL_IPV6, IPV6_MTU_DISCOVER,
				       IPV6_PMTUDISC_DONT);
	return sock_option(sock, SOL_IP, IP_MULTICAST_IF, &mreq,
			   sizeof(mreq)) ?:
	       sock_option_int(sock, SOL_IP, IP_MULTICAST_LOOP, 0) ?:
	       sock_option_int(sock, SOL_IP, IP_MULTICAST_TTL,
			       c->mcast_ttl) ?:
	       sock_option_int(sock, SOL_IP, IP_RECVERR, 1) ?:
	       sock_option_int(sock, SOL_IP, IP_MTU_DISCOVER,
			       IP_PMTUDISC_DONT);
}

/* Can the group be reached at all? A socket that has been connected does not
 * hear who is not the group, even after that, so another one tries.
 */
static int try_group(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		     struct net_device *dev)
{
	struct sockaddr_storage group;
	struct socket *sock;
	int len, ret;

	ret = sock_create_kern(net, c->mcast_af, SOCK_DGRAM, IPPROTO_UDP,
			       &sock);
	if (ret)
		return ret;
	len = ip_vs_sync_group_addr(c, 0, &group);
	ret = sock_bindtoindex(sock->sk, dev->ifindex, true) ?:
	      send_options(sock, c, dev) ?:
	      kernel_connect(sock, (struct sockaddr *)&group, len, 0);
	sock_release(sock);
	return ret;
}

/* Of requests the TTL is told, see ip_vs_sync_sock_request() */
static int request_options(struct socket *sock,
			   const struct ipvs_sync_daemon_cfg *c)
{
	return c->mcast_af == AF_INET6 ?
	       sock_option_int(sock, SOL_IPV6, IPV6_RECVHOPLIMIT, 1) :
	       sock_option_int(sock, SOL_IP, IP_RECVTTL, 1);
}

/* Send from the address of @dev: by itself a multicast route chooses one of
 * another device where @dev has none.
 */
static int bind_source(struct socket *sock, struct net_device *dev)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = inet_select_addr(dev, 0, RT_SCOPE_UNIVERSE);
	if (!in.sin_addr.s_addr)
		pr_warn("sync: %s has no IPv4 address to send from\n",
			dev->name);
	return kernel_bind(sock, (struct sockaddr *)&in, sizeof(in));
}

static int join_group(struct socket *sock,
		      const struct ipvs_sync_daemon_cfg *c,
		      struct net_device *dev)
{
	struct ipv6_mreq mreq6 = {
		.ipv6mr_multiaddr	= c->mcast_group.in6,
		.ipv6mr_ifindex		= dev->ifindex,
	};
	struct ip_mreqn mreq = {
		.imr_multiaddr		= c->mcast_group.in,
		.imr_ifindex		= dev->ifindex,
	};

	if (c->mcast_af == AF_INET6)
		return sock_option(sock, SOL_IPV6, IPV6_ADD_MEMBERSHIP,
				   &mreq6, sizeof(mreq6));
	return sock_option(sock, SOL_IP, IP_ADD_MEMBERSHIP, &mreq,
			   sizeof(mreq));
}

/**
 * ip_vs_sync_tx_sock() - socket of a master thread
 * @net:	namespace
 * @c:		configuration of the daemon, complete
 * @dev:	device to send through, and to receive requests from
 * @buf_size:	sync_sock_size, 0 to leave the buffer as it is
 * @sockp:	set to the socket as soon as there is one, also on failure
 *
 * Context: process, may sleep, takes RTNL.
 * Return: 0 or the error of the step that failed.
 */
int ip_vs_sync_tx_sock(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		       struct net_device *dev, int buf_size,
		       struct socket **sockp)
{
	struct socket *sock;
	int ret;

	ret = try_group(net, c, dev) ?:
	      sock_create_kern(net, c->mcast_af, SOCK_DGRAM, IPPROTO_UDP,
			       sockp);
	if (ret)
		return ret;
	sock = *sockp;
	/* A message in fragments must fit whole, or it could never be sent */
	if (buf_size > 0)
		buf_size = max_t(int, buf_size, c->sync_maxlen);
	ret = sock_bindtoindex(sock->sk, dev->ifindex, true) ?:
	      send_options(sock, c, dev) ?:
	      sock_buffer(sock, SO_SNDBUF, buf_size);
	if (!ret && c->mcast_af == AF_INET)
		ret = bind_source(sock, dev);
	if (ret)
		return ret;
	return request_options(sock, c);
}

/**
 * ip_vs_sync_group_addr() - where a thread sends to
 * @c:	configuration of the daemon, complete
 * @id:	number of the thread
 * @ss:	set
 *
 * Context: any.
 * Return: length of the address.
 */
int ip_vs_sync_group_addr(const struct ipvs_sync_daemon_cfg *c, int id,
			  struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = c->mcast_af;
	if (c->mcast_af == AF_INET6) {
		in6->sin6_port = htons(c->mcast_port + id);
		in6->sin6_addr = c->mcast_group.in6;
		return sizeof(*in6);
	}
	in->sin_port = htons(c->mcast_port + id);
	in->sin_addr = c->mcast_group.in;
	return sizeof(*in);
}

/**
 * ip_vs_sync_sock_request() - take a request off a master's socket
 * @sock:	of a master thread
 * @buf:	set to the datagram
 * @len:	room in @buf, more than any request has
 * @ttl:	set to its TTL or hop limit
 *
 * Context: process, does not wait.
 * Return: bytes of the datagram, -EAGAIN when there is none, another error when
 *	there may be more.
 */
int ip_vs_sync_sock_request(struct socket *sock, u8 *buf, unsigned int len,
			    int *ttl)
{
	union {
		struct cmsghdr	header;
		u8		buf[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr msg = {
		.msg_control	= &control,
		.msg_controllen	= sizeof(control),
	};
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	int ret;

	ret = kernel_recvmsg(sock, &msg, &vec, 1, len, MSG_DONTWAIT);
	*ttl = control.header.cmsg_len == CMSG_LEN(sizeof(int)) ?
	       *(int *)CMSG_DATA(&control.header) : 0;
	return ret;
}

/**
 * ip_vs_sync_sock_forget() - drop what the network says of sent messages
 * @sock:	of a master thread
 *
 * RECVERR, which is there for the errors of sending, also has each ICMP error
 * queued, in the room that requests need.
 *
 * Context: process.
 */
void ip_vs_sync_sock_forget(struct socket *sock)
{
	skb_queue_purge(&sock->sk->sk_error_queue);
}

/**
 * ip_vs_sync_sock_ready() - would a message get further than the device?
 * @sock:	of a master thread
 * @ifindex:	the device
 *
 * A device without carrier swallows what it is given, and goes on to do so for
 * a moment when the carrier is back.
 *
 * Context: process.
 * Return: 0, -ENOLINK, -ENODEV without the device.
 */
int ip_vs_sync_sock_ready(struct socket *sock, int ifindex)
{
	struct net_device *dev;
	int ret = 0;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(sock_net(sock->sk), ifindex);
	if (!dev)
		ret = -ENODEV;
	else if (netif_running(dev) &&
		 (!netif_carrier_ok(dev) || qdisc_tx_is_noop(dev)))
		ret = -ENOLINK;
	rcu_read_unlock();
	return ret;
}

/**
 * ip_vs_sync_rx_sock() - socket of a backup thread
 * @net:	namespace
 * @c:		configuration of the daemon, complete
 * @dev:	device to receive from, and from no other
 * @id:		number of the thread
 * @buf_size:	sync_sock_size, 0 to leave the buffer as it is
 * @sockp:	set to the socket as soon as there is one, also on failure
 *
 * Context: process, may sleep, takes RTNL.
 * Return: 0 or the error of the step that failed.
 */
int ip_vs_sync_rx_sock(struct net *net, const struct ipvs_sync_daemon_cfg *c,
		       struct net_device *dev, int id, int buf_size,
		       struct socket **sockp)
{
	struct sockaddr_storage group;
	struct socket *sock;
	int len, ret;

	ret = sock_create_kern(net, c->mcast_af, SOCK_DGRAM, IPPROTO_UDP,
			       sockp);
	if (ret)
		return ret;
	sock = *sockp;
	sock_set_reuseaddr(sock->sk);
	ret = sock_bindtoindex(sock->sk, dev->ifindex, true) ?:
	      sock_buffer(sock, SO_RCVBUF, buf_size);
	if (ret)
		return ret;
	len = ip_vs_sync_group_addr(c, id, &group);
	return kernel_bind(sock, (struct sockaddr *)&group, len) ?:
	       join_group(sock, c, dev) ?:
	       (c->mcast_af == AF_INET6 ?
		sock_option_int(sock, SOL_IPV6, IPV6_UNICAST_HOPS, 255) :
		sock_option_int(sock, SOL_IP, IP_TTL, 255));
}
