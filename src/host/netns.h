/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket inside a network namespace that `ip netns add NAME` made: what is
 * asked through it reaches nobody outside.
 * Threads: any; the caller's own namespace does not change.
 */
#ifndef REHOME_HOST_NETNS_H
#define REHOME_HOST_NETNS_H

#include "base/err.h"

/* A TCP socket, closed on exec and not blocking, into *fd; the caller closes
 * it.  `name` has letters, digits, '-', '_' and '.' only ("RH-HTTP-NETNS"
 * otherwise, and where there is no such namespace). */
struct err *netns_socket (const char *name, int family, int *fd);

#endif
