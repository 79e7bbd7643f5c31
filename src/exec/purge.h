/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was kept aside on the hosts is removed once its time is over, and the
 * evidence once its retention is: each with a record, or not at all.
 */
#ifndef REHOME_EXEC_PURGE_H
#define REHOME_EXEC_PURGE_H

#include "exec/place.h"
#include "plan/plan.h"

#include <stdint.h>

struct purge {
  struct place *place; /* place_make was called */
  const struct plan *plan;
  const char *actor; /* "operator:NAME" */
  int64_t now_ms;
  bool dry_run;
};

/* Counts and hashes what lies aside on both hosts, records it, removes it,
 * looks that it is gone, and records that: a `seal` record each.  *out:
 * [{"host", "path", "entries", "bytes", "digest"}].  "RH-PURGE-PHASE" where
 * the migration has not ended, "RH-PURGE-EARLY" before the expiry,
 * "RH-PURGE-LEFT" where something is still there. */
struct err *purge_kept (const struct purge *p, json_t **out);
/* Removes journal and keys of a migration that has ended.  "RH-PURGE-PHASE",
 * "RH-PURGE-RETENTION" before the plan's date, or where it has none. */
struct err *purge_evidence (const struct purge *p);
/* When what is kept aside may go: ms since the epoch, 0 where `ended_ms` is.
 * Pure. */
int64_t purge_expiry (const struct plan *plan, int64_t ended_ms);
/* The first moment after the plan's retention; 0: it says none.  Pure. */
int64_t purge_retention (const struct plan *plan);

#endif
