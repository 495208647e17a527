#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# May this director take over? For keepalived's vrrp_script, with a weight: a
# director whose table is not complete leaves the addresses with the one that
# has them, if that is alive.
#
# usage: may-take-over.sh [SECONDS]
#
# Exit status 0: yes. It is master, or its table is complete; or no master is
# heard, so there is nothing to wait for; or nothing is known, since the master
# or this kernel is stock; or it has waited SECONDS, 60 if not given. 1: not
# yet.

patience=${1-60}
state=off running_ms=0

case $patience in
'' | *[!0-9]*)
	echo "usage: ${0##*/} [SECONDS]" >&2
	exit 2
	;;
esac

if [ -r /proc/net/ip_vs_sync_ready ]; then
	{
		read -r state _
		while read -r name value; do
			[ "$name" != running_ms ] || running_ms=$value
		done
	} </proc/net/ip_vs_sync_ready
fi

case $state in
stale)
	# A master says hello every second. Give it three.
	[ "$running_ms" -ge 3500 ]
	;;
joining | lagging)
	[ "$running_ms" -ge "${patience}000" ]
	;;
esac
