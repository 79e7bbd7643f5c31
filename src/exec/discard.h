/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After an abort: the copy on the target goes, as far as it is the move's own,
 * with a record before and after.  The migration is over then: it can be
 * discarded again, and nothing else.
 */
#ifndef REHOME_EXEC_DISCARD_H
#define REHOME_EXEC_DISCARD_H

#include "exec/place.h"
#include "plan/plan.h"

struct discard {
  struct place *place;     /* place_make was called */
  const struct plan *plan; /* the journal's */
  const char *actor;       /* "operator:NAME" */
  bool dry_run;
  /* Shown what would be done; an error keeps all as it is. */
  struct err *(*confirm) (void *ctx, const json_t *found);
  void *ctx;
};

/* *out: {"removed": [{"what", "entries", "bytes"}], "restored": [...], "kept":
 * [{"what", "why"}]}; on both hosts goes what rehome kept for the move, unless
 * something was kept.  "RH-DISCARD-PHASE" where the migration was not aborted;
 * waits some seconds for an owner that is about to end. */
struct err *discard_copy (const struct discard *d, json_t **out);
/* "RH-DISCARD-DONE" where a discard of this migration has begun. */
struct err *discard_refuse (const struct place *p);

#endif
