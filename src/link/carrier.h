/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that carries a connection: ssh with the agent at its far end,
 * or the agent itself on this machine.  Started, the agent's hello is the next
 * thing to come.
 */
#ifndef REHOME_LINK_CARRIER_H
#define REHOME_LINK_CARRIER_H

#include "link/binary.h"
#include "link/link.h"
#include "link/order.h"
#include "link/ssh.h"
#include "wire/frame.h"

struct carrier;

/* Which of a link's connections it is. */
struct carrier_turn {
  struct order *order; /* borrowed for the start */
  bool first;          /* else it waits as order.h says */
};

/* Checks the host's key before a byte is sent to it.  *out is set also on
 * error, for carrier_end; the reader reads from its stdout. */
struct err *carrier_start (const struct link_where *where,
                           const struct ssh_names *names,
                           const struct binary *agent,
                           const struct carrier_turn *turn,
                           struct carrier **out, struct frame_reader *reader);
int carrier_take_in (struct carrier *c); /* its stdin; the caller's now */
const char *carrier_host_key (const struct carrier *c); /* NULL: local */
const char *carrier_dir (const struct carrier *c);
/* What ssh said last; caller frees, or NULL. */
char *carrier_last_word (struct carrier *c);
/* What came last on stderr; caller frees, or NULL. */
char *carrier_said (struct carrier *c);
/* Waits for the process's end (its stdin must be closed), then kills it; not
 * long where the connection is broken already. */
void carrier_end (struct carrier *c, bool broken);
void carrier_free (struct carrier *c); /* ended; NULL is fine */

#endif
