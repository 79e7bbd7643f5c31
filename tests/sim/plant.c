/* SPDX-License-Identifier: Apache-2.0 */
/* The planted bugs, and by which invariant each is to be found. */
#include "plant.h"

#include <string.h>

#define WAYS_MAX 6

static const struct {
  const char *name;
  const char *breaks[WAYS_MAX]; /* the beginning of an invariant's words */
} bugs[BUG_COUNT] = {
  [BUG_NONE] = { "none", { "" } },
  [BUG_INTENT_LATE]
  = { "intent-late", { "an effect without a durable intent" } },
  [BUG_OUTCOME_EARLY]
  = { "outcome-early", { "an outcome is recorded before its effect" } },
  [BUG_PROOF_FAKED]
  = { "proof-faked", { "opened without every proof of this cutover" } },
  [BUG_UNDO_SKIPPED] = { "undo-skipped",
                         { "an outcome is recorded before its effect",
                           "aborted, but", "a rollback was aborted, but" } },
  [BUG_EQUAL_EPOCH]
  = { "equal-epoch",
      { "opened ", "two writers", "the target can be written before its pivot",
        "the journal names", "the source can be written after" } },
  [BUG_STALE_EPOCH]
  = { "stale-epoch", { "an effect of a controller that was replaced" } },
  [BUG_PROBE_LIES] = { "probe-lies",
                       { "aborted although the target took writes",
                         "a rollback was aborted although",
                         "the source can be written after the target",
                         "the target can be written after the rollback" } },
  [BUG_BACK_DROPPED]
  = { "back-dropped", { "the source was opened without every" } },
  [BUG_BACK_VOLATILE]
  = { "back-volatile",
      { "two writers", "opened while the other side", "the target can be ",
        "the target took a write", "the journal names",
        "the source was opened without every" } },
  [BUG_THAW_TIMEOUT] = { "thaw-timeout",
                         { "two writers", "opened while the other side",
                           "the journal names", "the source can be written",
                           "the source took a write", "the source thawed" } },
  [BUG_GATE_EARLY]
  = { "gate-early", { "the target can be written before its pivot" } },
  [BUG_RETRY_BLIND]
  = { "retry-blind",
      { "aborted, but the source is still frozen or without its address",
        "a rollback was aborted, but the target is still frozen or without" } },
  [BUG_KEY_FORGOTTEN]
  = { "key-forgotten", { "one call had its effect twice" } },
  [BUG_RESULT_OLD]
  = { "result-old", { "an outcome is recorded before its effect" } },
  [BUG_WALL_CLOCK] = { "wall-clock", { "opened after the downtime limit" } },
  [BUG_SKEW_IGNORED]
  = { "skew-ignored", { "frozen although the clocks of the hosts differed" } },
  [BUG_CLAIM_KEPT]
  = { "claim-kept", { "accepted, but a host is still claimed" } },
  [BUG_OLD_APPROVAL]
  = { "old-approval", { "a cutover goes on without an approval of its plan" } },
  [BUG_ONE_WAY]
  = { "one-way", { "a cutover goes on without a way back, unconfirmed" } },
};

const char *
bug_name (enum bug b)
{
  return bugs[b].name;
}

enum bug
bug_from_name (const char *name)
{
  enum bug b = BUG_NONE;
  while (b < BUG_COUNT && strcmp (name, bugs[b].name) != 0)
    b++;
  return b;
}

bool
bug_breaks (enum bug b, const char *invariant)
{
  for (size_t i = 0; i < WAYS_MAX && bugs[b].breaks[i] != NULL; i++)
    if (strncmp (invariant, bugs[b].breaks[i], strlen (bugs[b].breaks[i])) == 0)
      return true;
  return false;
}
