/* SPDX-License-Identifier: Apache-2.0 */
/* A process that one talks to over its stdin, stdout and stderr (ssh, or an
 * agent on this machine): a session leader, so that a key pressed at the
 * terminal does not reach it. */
#ifndef REHOME_LINK_CHILD_H
#define REHOME_LINK_CHILD_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct child {
  pid_t pid; /* 0: none */
  int in;    /* write end of its stdin; -1 once given away */
  int out;   /* read end of its stdout */
  int err;   /* read end of its stderr */
};
#define CHILD_INIT { 0, -1, -1, -1 }

/* argv[0] is looked for in PATH.  `private` takes the caller's ssh agent,
 * askpass programs and tickets out of the environment.  "RH-LINK-START". */
struct err *child_start (const char *const *argv, bool private,
                         struct child *out);
/* Closes its stdin and waits for its end; after `ms` it is told to end, then
 * killed.  Its output can still be read. */
void child_end (struct child *c, long ms);
/* Closes the descriptors; nobody reads them any more. */
void child_close (struct child *c);

#endif
