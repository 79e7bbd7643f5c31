/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one process that owns a migration: holds the journal for writing, the
 * links to both hosts and the socket on which the command line and the web
 * ask it.  Ended by SIGTERM at any moment without harm: the journal is the
 * truth, the next owner takes up from it.
 */
#ifndef REHOME_EXEC_OWNER_H
#define REHOME_EXEC_OWNER_H

#include "exec/place.h"
#include "plan/plan.h"

#include <stdbool.h>

/* Makes the journal of a plan, or brings the plan's newer bytes into it:
 * `changed` says that the plan was replaced.  Refused with "RH-EXEC-FROZEN"
 * when the migration has gone past the point where its plan may change, and
 * with RH-JOURNAL-BUSY while an owner runs.  The plan of a `copy` may always
 * change. */
struct err *owner_prepare (struct place *p, const struct plan *plan, bool copy,
                           bool *changed);
/* The plan's hash that the journal follows now: 64 hex digits. */
struct err *owner_plan_hash (const struct place *p, char out[65]);

/* "RH-EXEC-FROZEN" when the plan cannot be replaced now; asks the journal
 * only, also while an owner runs. */
struct err *owner_may_replan (const struct place *p);

struct owner_options {
  const char *state; /* NULL: default */
  const char *name;
  bool batch; /* no terminal, no caller's ssh agent */
};

/* Runs until it is told to end.  Blocks SIGTERM, SIGINT and SIGHUP in the
 * whole process.  *left: a call still runs in another thread: the process has
 * to end with _exit. */
struct err *owner_run (const struct owner_options *o, bool *left);

#endif
