/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine's tables. */
#include "engine/phases.h"

#include <string.h>

static const char *const phase_names[PHASE_COUNT] = {
  [PHASE_PLANNED] = "planned",
  [PHASE_SEEDING] = "seeding",
  [PHASE_SYNCING] = "syncing",
  [PHASE_TESTING] = "testing",
  [PHASE_PROVING] = "proving",
  [PHASE_HOLDING] = "holding",
  [PHASE_FREEZING] = "freezing",
  [PHASE_FINAL] = "final",
  [PHASE_VERIFYING] = "verifying",
  [PHASE_STARTING] = "starting",
  [PHASE_SMOKE] = "smoke",
  [PHASE_SWITCHING] = "switching",
  [PHASE_OUTSIDE] = "outside",
  [PHASE_OPENING] = "opening",
  [PHASE_GUARDED] = "guarded",
  [PHASE_ACCEPTING] = "accepting",
  [PHASE_ACCEPTED] = "accepted",
  [PHASE_ABORTING] = "aborting",
  [PHASE_ABORTED] = "aborted",
  [PHASE_STUCK] = "stuck",
  [PHASE_RETURNING] = "returning",
  [PHASE_BACK_HOLDING] = "back-holding",
  [PHASE_BACK_FREEZING] = "back-freezing",
  [PHASE_BACK_FINAL] = "back-final",
  [PHASE_BACK_VERIFYING] = "back-verifying",
  [PHASE_BACK_STARTING] = "back-starting",
  [PHASE_BACK_SMOKE] = "back-smoke",
  [PHASE_BACK_SWITCHING] = "back-switching",
  [PHASE_BACK_OUTSIDE] = "back-outside",
  [PHASE_BACK_OPENING] = "back-opening",
  [PHASE_ROLLED_BACK] = "rolled-back",
  [PHASE_BACK_ABORTING] = "back-aborting",
  [PHASE_BACK_STUCK] = "back-stuck",
};

static const char *const why_names[WHY_COUNT] = {
  [WHY_REQUEST] = "request",     [WHY_DONE] = "done",
  [WHY_BLOCKED] = "blocked",     [WHY_FAILED] = "failed",
  [WHY_CANCELLED] = "cancelled", [WHY_DOWNTIME_LIMIT] = "downtime-limit",
  [WHY_PIVOT] = "pivot",         [WHY_NOT_OPENED] = "not-opened",
  [WHY_UNDONE] = "undone",       [WHY_UNDO_FAILED] = "undo-failed",
  [WHY_REPLANNED] = "replanned",
};

#define LEGS(n, ...) { n, { __VA_ARGS__ }, BESIDE_NONE, STAGE_GUARD }
#define WITH_STILL(n, ...) { n, { __VA_ARGS__ }, BESIDE_AWAITED, STAGE_STILL }

static const struct phase_legs legs[PHASE_COUNT] = {
  [PHASE_SEEDING] = LEGS (2, STAGE_PREFLIGHT, STAGE_PREPARE),
  [PHASE_SYNCING] = LEGS (1, STAGE_ROUND),
  [PHASE_TESTING] = LEGS (2, STAGE_ROUND, STAGE_TEST),
  [PHASE_PROVING]
  = LEGS (4, STAGE_ROUND, STAGE_PROVE, STAGE_RECHECK, STAGE_ROUND),
  [PHASE_HOLDING] = LEGS (1, STAGE_HOLD),
  [PHASE_FREEZING] = LEGS (1, STAGE_FREEZE),
  [PHASE_FINAL] = LEGS (1, STAGE_FINAL),
  [PHASE_VERIFYING] = LEGS (1, STAGE_VERIFY),
  [PHASE_STARTING] = WITH_STILL (1, STAGE_START),
  [PHASE_SMOKE] = WITH_STILL (1, STAGE_INSIDE),
  [PHASE_SWITCHING] = WITH_STILL (1, STAGE_SWITCH),
  [PHASE_OUTSIDE] = WITH_STILL (2, STAGE_OUTSIDE, STAGE_PIVOT),
  [PHASE_OPENING] = LEGS (2, STAGE_PIVOT, STAGE_OPEN),
  [PHASE_GUARDED] = { 1, { STAGE_BACK_ROUND }, BESIDE_FREE, STAGE_GUARD },
  [PHASE_ACCEPTING] = LEGS (1, STAGE_ACCEPT),
  [PHASE_RETURNING] = LEGS (2, STAGE_BACK_CHECK, STAGE_BACK_ROUND),
  [PHASE_BACK_HOLDING] = LEGS (2, STAGE_BACK_APPLY, STAGE_BACK_HOLD),
  [PHASE_BACK_FREEZING] = LEGS (1, STAGE_BACK_FREEZE),
  [PHASE_BACK_FINAL] = LEGS (1, STAGE_BACK_FINAL),
  [PHASE_BACK_VERIFYING] = LEGS (1, STAGE_BACK_VERIFY),
  [PHASE_BACK_STARTING] = LEGS (1, STAGE_BACK_START),
  [PHASE_BACK_SMOKE] = LEGS (1, STAGE_BACK_INSIDE),
  [PHASE_BACK_SWITCHING] = LEGS (1, STAGE_BACK_SWITCH),
  [PHASE_BACK_OUTSIDE] = LEGS (2, STAGE_BACK_OUTSIDE, STAGE_BACK_PIVOT),
  [PHASE_BACK_OPENING] = LEGS (2, STAGE_BACK_PIVOT, STAGE_BACK_OPEN),
};

static const struct course courses[WAY_COUNT] = {
  [WAY_OUT] = { PHASE_HOLDING, PHASE_FREEZING, PHASE_OUTSIDE, PHASE_OPENING,
                PHASE_GUARDED, PHASE_ABORTING, PHASE_STUCK, STAGE_HOLD,
                STAGE_FREEZE, STAGE_PIVOT },
  [WAY_BACK]
  = { PHASE_BACK_HOLDING, PHASE_BACK_FREEZING, PHASE_BACK_OUTSIDE,
      PHASE_BACK_OPENING, PHASE_ROLLED_BACK, PHASE_BACK_ABORTING,
      PHASE_BACK_STUCK, STAGE_BACK_APPLY, STAGE_BACK_FREEZE, STAGE_BACK_PIVOT },
};

enum way
phase_way (enum phase p)
{
  return p >= PHASE_RETURNING ? WAY_BACK : WAY_OUT;
}

const struct course *
course_of (enum way w)
{
  return &courses[w];
}

bool
phase_in_window (enum phase p)
{
  const struct course *c = course_of (phase_way (p));
  return p >= c->holding && p <= c->outside;
}

#define OPERATOR "operator"
#define CONTROLLER "controller"
#define STEPS_DONE "every step of the phase is done"
#define BLOCKED "every check was made; what they found is shown"
#define STOPPED "no step is running"
#define PREPARED "abort; no step is running; something prepared has an undo"
#define ABORTS "the pivot's intent is not recorded"

#define KEEP false, WRITER_SOURCE
#define LEAVE(p, q)                                    \
  { p, q, WHY_FAILED, CONTROLLER, ABORTS, KEEP },      \
      { p, q, WHY_REQUEST, OPERATOR, ABORTS, KEEP },   \
  {                                                    \
    p, q, WHY_DOWNTIME_LIMIT, CONTROLLER, ABORTS, KEEP \
  }
#define ABORT_FROM(p) LEAVE (p, PHASE_ABORTING)
#define STAY_FROM(p) LEAVE (p, PHASE_BACK_ABORTING)
#define NEXT(p, q) { p, q, WHY_DONE, CONTROLLER, STEPS_DONE, KEEP }

static const struct transition table[] = {
  { PHASE_PLANNED, PHASE_SEEDING, WHY_REQUEST, OPERATOR, "sync or cutover",
    KEEP },
  { PHASE_ABORTED, PHASE_SEEDING, WHY_REQUEST, OPERATOR, "sync or cutover",
    KEEP },
  { PHASE_SYNCING, PHASE_SEEDING, WHY_REPLANNED, CONTROLLER,
    "the plan was replaced, and a step of it was never done", KEEP },
  { PHASE_SEEDING, PHASE_PLANNED, WHY_BLOCKED, CONTROLLER, BLOCKED, KEEP },
  { PHASE_SEEDING, PHASE_PLANNED, WHY_FAILED, CONTROLLER, STOPPED, KEEP },
  { PHASE_SEEDING, PHASE_PLANNED, WHY_CANCELLED, OPERATOR, STOPPED, KEEP },
  { PHASE_SEEDING, PHASE_ABORTED, WHY_BLOCKED, CONTROLLER, BLOCKED, KEEP },
  { PHASE_SEEDING, PHASE_ABORTED, WHY_FAILED, CONTROLLER, STOPPED, KEEP },
  { PHASE_SEEDING, PHASE_ABORTED, WHY_CANCELLED, OPERATOR, STOPPED, KEEP },
  NEXT (PHASE_SEEDING, PHASE_SYNCING),
  { PHASE_SYNCING, PHASE_TESTING, WHY_REQUEST, OPERATOR,
    "test; no step is running", KEEP },
  { PHASE_TESTING, PHASE_SYNCING, WHY_FAILED, CONTROLLER, STOPPED, KEEP },
  { PHASE_TESTING, PHASE_SYNCING, WHY_CANCELLED, OPERATOR, STOPPED, KEEP },
  NEXT (PHASE_TESTING, PHASE_SYNCING),
  { PHASE_PLANNED, PHASE_ABORTING, WHY_REQUEST, OPERATOR, PREPARED, KEEP },
  { PHASE_SYNCING, PHASE_ABORTING, WHY_REQUEST, OPERATOR, PREPARED, KEEP },
  { PHASE_ABORTED, PHASE_ABORTING, WHY_REQUEST, OPERATOR, PREPARED, KEEP },
  { PHASE_SYNCING, PHASE_PROVING, WHY_REQUEST, OPERATOR,
    "cutover; no step is running; the plan's roles approved it, and a backup "
    "is "
    "to be proven or waived",
    KEEP },
  { PHASE_PROVING, PHASE_SYNCING, WHY_BLOCKED, CONTROLLER, BLOCKED, KEEP },
  { PHASE_PROVING, PHASE_SYNCING, WHY_FAILED, CONTROLLER, STOPPED, KEEP },
  { PHASE_PROVING, PHASE_SYNCING, WHY_CANCELLED, OPERATOR, STOPPED, KEEP },
  NEXT (PHASE_PROVING, PHASE_HOLDING),
  { PHASE_HOLDING, PHASE_ABORTING, WHY_FAILED, CONTROLLER, ABORTS, KEEP },
  { PHASE_HOLDING, PHASE_ABORTING, WHY_REQUEST, OPERATOR, ABORTS, KEEP },
  NEXT (PHASE_HOLDING, PHASE_FREEZING),
  NEXT (PHASE_FREEZING, PHASE_FINAL),
  ABORT_FROM (PHASE_FREEZING),
  NEXT (PHASE_FINAL, PHASE_VERIFYING),
  ABORT_FROM (PHASE_FINAL),
  NEXT (PHASE_VERIFYING, PHASE_STARTING),
  ABORT_FROM (PHASE_VERIFYING),
  NEXT (PHASE_STARTING, PHASE_SMOKE),
  ABORT_FROM (PHASE_STARTING),
  NEXT (PHASE_SMOKE, PHASE_SWITCHING),
  ABORT_FROM (PHASE_SMOKE),
  NEXT (PHASE_SWITCHING, PHASE_OUTSIDE),
  ABORT_FROM (PHASE_SWITCHING),
  { PHASE_OUTSIDE, PHASE_OPENING, WHY_PIVOT, CONTROLLER,
    "every proof and every smoke check of this cutover passed", KEEP },
  ABORT_FROM (PHASE_OUTSIDE),
  { PHASE_OPENING, PHASE_ABORTING, WHY_NOT_OPENED, CONTROLLER,
    "a probe says for certain that the target was never opened", KEEP },
  NEXT (PHASE_OPENING, PHASE_GUARDED),
  { PHASE_GUARDED, PHASE_ACCEPTING, WHY_REQUEST, OPERATOR,
    "accept; of two roles one approved it", KEEP },
  NEXT (PHASE_ACCEPTING, PHASE_ACCEPTED),
  { PHASE_ABORTING, PHASE_SYNCING, WHY_UNDONE, CONTROLLER,
    "no freeze step was begun, and no operator asked", KEEP },
  { PHASE_ABORTING, PHASE_ABORTED, WHY_UNDONE, CONTROLLER,
    "every step that had begun is undone", true, WRITER_SOURCE },
  { PHASE_ABORTING, PHASE_STUCK, WHY_UNDO_FAILED, CONTROLLER,
    "what does not depend on the failed undo is undone", KEEP },
  { PHASE_STUCK, PHASE_ABORTING, WHY_REQUEST, OPERATOR, "resume or abort",
    KEEP },
  { PHASE_GUARDED, PHASE_RETURNING, WHY_REQUEST, OPERATOR,
    "rollback; of two roles one approved it", KEEP },
  { PHASE_RETURNING, PHASE_GUARDED, WHY_BLOCKED, CONTROLLER, BLOCKED, KEEP },
  { PHASE_RETURNING, PHASE_GUARDED, WHY_FAILED, CONTROLLER, STOPPED, KEEP },
  { PHASE_RETURNING, PHASE_GUARDED, WHY_CANCELLED, OPERATOR, STOPPED, KEEP },
  NEXT (PHASE_RETURNING, PHASE_BACK_HOLDING),
  { PHASE_BACK_HOLDING, PHASE_BACK_ABORTING, WHY_FAILED, CONTROLLER, ABORTS,
    KEEP },
  { PHASE_BACK_HOLDING, PHASE_BACK_ABORTING, WHY_REQUEST, OPERATOR, ABORTS,
    KEEP },
  NEXT (PHASE_BACK_HOLDING, PHASE_BACK_FREEZING),
  NEXT (PHASE_BACK_FREEZING, PHASE_BACK_FINAL),
  STAY_FROM (PHASE_BACK_FREEZING),
  NEXT (PHASE_BACK_FINAL, PHASE_BACK_VERIFYING),
  STAY_FROM (PHASE_BACK_FINAL),
  NEXT (PHASE_BACK_VERIFYING, PHASE_BACK_STARTING),
  STAY_FROM (PHASE_BACK_VERIFYING),
  NEXT (PHASE_BACK_STARTING, PHASE_BACK_SMOKE),
  STAY_FROM (PHASE_BACK_STARTING),
  NEXT (PHASE_BACK_SMOKE, PHASE_BACK_SWITCHING),
  STAY_FROM (PHASE_BACK_SMOKE),
  NEXT (PHASE_BACK_SWITCHING, PHASE_BACK_OUTSIDE),
  STAY_FROM (PHASE_BACK_SWITCHING),
  { PHASE_BACK_OUTSIDE, PHASE_BACK_OPENING, WHY_PIVOT, CONTROLLER,
    "every proof and every smoke check of this rollback passed", KEEP },
  STAY_FROM (PHASE_BACK_OUTSIDE),
  { PHASE_BACK_OPENING, PHASE_BACK_ABORTING, WHY_NOT_OPENED, CONTROLLER,
    "a probe says for certain that the source was never opened", KEEP },
  NEXT (PHASE_BACK_OPENING, PHASE_ROLLED_BACK),
  { PHASE_BACK_ABORTING, PHASE_GUARDED, WHY_UNDONE, CONTROLLER,
    "every step that had begun is undone", true, WRITER_TARGET },
  { PHASE_BACK_ABORTING, PHASE_BACK_STUCK, WHY_UNDO_FAILED, CONTROLLER,
    "what does not depend on the failed undo is undone", KEEP },
  { PHASE_BACK_STUCK, PHASE_BACK_ABORTING, WHY_REQUEST, OPERATOR,
    "resume or abort", KEEP },
};

#define FIRST_FREEZE "the first intent of a freeze step"
#define PIVOTED "the outcome of a pivot step"

const struct writer_change writer_frozen[WAY_COUNT]
    = { { PHASE_FREEZING, FIRST_FREEZE, WRITER_NONE },
        { PHASE_BACK_FREEZING, FIRST_FREEZE, WRITER_NONE } };
const struct writer_change writer_opened[WAY_COUNT]
    = { { PHASE_OPENING, PIVOTED, WRITER_TARGET },
        { PHASE_BACK_OPENING, PIVOTED, WRITER_SOURCE } };

const char *
phase_name (enum phase p)
{
  return (unsigned)p < PHASE_COUNT ? phase_names[p] : "?";
}

const char *
why_name (enum why w)
{
  return (unsigned)w < WHY_COUNT ? why_names[w] : "?";
}

int
why_from_name (const char *name, enum why *out)
{
  for (unsigned i = 0; i < WHY_COUNT; i++)
    if (strcmp (name, why_names[i]) == 0) {
      *out = (enum why)i;
      return 0;
    }
  return -1;
}

const struct phase_legs *
phase_legs (enum phase p)
{
  return &legs[p];
}

const struct transition *
transition_at (size_t i)
{
  return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct transition *
transition_find (enum phase from, enum phase to, enum why why)
{
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++)
    if (t->from == from && t->to == to && t->why == why)
      return t;
  return NULL;
}
