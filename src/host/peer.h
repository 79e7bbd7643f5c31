/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a TCP connection within this host. */
#ifndef REHOME_HOST_PEER_H
#define REHOME_HOST_PEER_H

#include <sys/types.h>

/* The user whose socket is connected to `fd`, from /proc/net/tcp and tcp6
 * (proc(5)): the row of an established connection with the two addresses
 * changed over.  0; ENOENT where there is none (the peer is no socket of this
 * host, or closed already: a closed one has no owner any more), or what
 * hinders reading. */
int peer_uid (int fd, uid_t *uid);

#endif
