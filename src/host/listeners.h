/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that wait for someone, in this process's network namespace, with
 * the process that holds each. */
#ifndef REHOME_HOST_LISTENERS_H
#define REHOME_HOST_LISTENERS_H

#include "base/err.h"
#include "base/vec.h"

#include <sys/types.h>

struct listener {
  const char *proto; /* "tcp", "tcp6", "udp", "udp6", "unix" (static) */
  char *address;     /* numeric, or a path; "@..." is an abstract name */
  unsigned port;     /* 0 of unix */
  uid_t uid;         /* of the socket; of unix that of its process */
  pid_t pid;         /* 0: the kernel's, or not to be seen */
  char comm[64];     /* "" where pid is 0 */
  char *unit;        /* may be NULL */
};

struct listeners {
  VEC (struct listener) list; /* by protocol, port, address */
};

/* Where several processes hold a socket, the lowest number but 1 (which
 * holds the sockets of socket units) is told.  "RH-HOST-PROC". */
struct err *listeners_scan (struct listeners *out);
void listeners_free (struct listeners *l);

#endif
