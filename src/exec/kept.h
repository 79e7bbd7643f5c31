/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results that outlive the controller: what a step gave is kept on the host
 * that it changed, and asked for when its outcome is not in the journal.
 * docs/ARCHITECTURE.md, "After a crash", says which steps are worth it.
 *
 * The key is the step's id; beside the result lies the attempt, so that there
 * is one file a step, and what an earlier round gave is never taken for this
 * one's.  The agent notes its boot: what a step did may not outlive that.
 *
 * For any thread.
 */
#ifndef REHOME_EXEC_KEPT_H
#define REHOME_EXEC_KEPT_H

#include "provider/provider.h"

/* Steps that took less are not worth a write: what they left is looked at. */
#define KEPT_FROM_MS 250

/* Keeps the result of a run that took `took_ms`, where it is worth it.  One
 * that could not be kept changes nothing: it is looked at, then. */
void kept_put (const struct step_call *call, int64_t took_ms,
               const json_t *result);

/* The result of this very attempt (a new reference), or NULL: it was not kept,
 * the host was booted since, or does not answer. */
json_t *kept_get (const struct step_call *call);

#endif
