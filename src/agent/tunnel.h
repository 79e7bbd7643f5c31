/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel's ends on a host.  The near one listens on 127.0.0.1 and takes
 * connections of one user alone; the far one connects to a unix socket as one
 * user.  Not for root, on either side.
 */
#ifndef REHOME_AGENT_TUNNEL_H
#define REHOME_AGENT_TUNNEL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tunnel_door;

/* The door on `port` (0: the kernel chooses one); one that is open already in
 * this process is shared, so that a connection that comes between two calls
 * waits.  "RH-TUNNEL-PORT" where it is taken by somebody else. */
struct err *tunnel_door_open (unsigned port, uid_t uid,
                              struct tunnel_door **out);
void tunnel_door_close (struct tunnel_door *d); /* NULL is fine */
unsigned tunnel_door_port (const struct tunnel_door *d);
/* How many connections of others it has closed. */
uint64_t tunnel_door_refused (struct tunnel_door *d);
/* Waits up to `ms`; *fd is a connection of that user, or -1 (nobody came, or
 * somebody else, who read no byte). */
struct err *tunnel_door_accept (struct tunnel_door *d, int ms, int *fd);

/* Connects to a server's socket with the user's credentials, which are what it
 * sees (SO_PEERCRED). */
struct err *tunnel_reach (const char *path, uid_t uid, gid_t gid, int *fd);

#endif
