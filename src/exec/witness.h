/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has both hosts sign the journal's head where a phase begins, with the ssh
 * host keys that the plan pins.  A thread of its own: nothing waits for a
 * signature, and a host that cannot give one is a note in the journal, never
 * a failure of the move.
 */
#ifndef REHOME_EXEC_WITNESS_H
#define REHOME_EXEC_WITNESS_H

#include "link/port.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct witness_parts {
  const struct plan *plan; /* which keys are pinned; may be NULL */
  const char *migration;
  struct port *source, *target;
  /* The data of a witness record (taken by the callee), from the thread. */
  void (*done) (void *ctx, json_t *data);
  void *ctx;
};

struct witness;

struct witness *witness_new (const struct witness_parts *parts);
/* Whether the beginning of a phase is to be signed. */
bool witness_wants (const char *phase);
/* Any thread; does not wait. */
void witness_ask (struct witness *w, uint64_t seq, const char *hash,
                  const char *phase);
/* How many signatures have not been given to `done` yet. */
unsigned witness_pending (const struct witness *w);
/* What was not begun is dropped, what runs is cancelled; false where it still
 * runs after `ms`: nothing that it uses may be freed then. */
bool witness_stop (struct witness *w, long ms);
void witness_free (struct witness *w); /* stops it where it was not */

#endif
