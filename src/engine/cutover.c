/* SPDX-License-Identifier: Apache-2.0 */
/* The rules from the first hold to the acceptance. */
#include "engine/state.h"

static const enum phase next_phase[PHASE_COUNT] = {
  [PHASE_HOLDING] = PHASE_FREEZING,  [PHASE_FREEZING] = PHASE_FINAL,
  [PHASE_FINAL] = PHASE_VERIFYING,   [PHASE_VERIFYING] = PHASE_STARTING,
  [PHASE_STARTING] = PHASE_SMOKE,    [PHASE_SMOKE] = PHASE_SWITCHING,
  [PHASE_SWITCHING] = PHASE_OUTSIDE,
};

static void
go_on (struct engine *e, struct effects *out)
{
  if (e->phase == PHASE_HOLDING && e->paused)
    return;
  bool last = e->leg + 1 == phase_legs (e->phase)->n;
  if (last && leg_done (e) && e->phase != PHASE_OUTSIDE)
    push_phase (e, out, next_phase[e->phase], WHY_DONE);
  else
    schedule (e, out);
}

bool
window_ends (const struct engine *e, enum why *why)
{
  bool late = e->limit_due && e->frozen_at != 0;
  if (e->phase < PHASE_HOLDING || e->phase > PHASE_OUTSIDE)
    return false;
  *why = e->abort_asked ? WHY_REQUEST : late ? WHY_DOWNTIME_LIMIT : WHY_FAILED;
  return e->abort_asked || late || leg_failed (e);
}

/* Before the pivot each failure goes back by itself.  What still runs is told
 * to end and awaited in the phase of aborting, before anything is undone. */
void
rule_window (struct engine *e, struct effects *out)
{
  enum why why;
  if (window_ends (e, &why))
    push_phase (e, out, PHASE_ABORTING, why);
  else
    go_on (e, out);
}

/* A probe was sure, for each pivot step that was begun, that it did not
 * happen, and none has begun since. */
static bool
surely_closed (const struct engine *e)
{
  for (size_t i = e->first_of[STAGE_PIVOT]; i < e->first_of[STAGE_PIVOT + 1];
       i++)
  {
    const struct progress *p = &e->steps[i];
    bool begun = p->first_intent != 0;
    if (state_step (e, i)->cls == STEP_PIVOT && begun
        && (p->mark != MARK_WAITING || !p->closed))
      return false;
  }
  return state_open_count (e) == 0;
}

static bool
pivot_failed (const struct engine *e)
{
  for (size_t i = e->first_of[STAGE_PIVOT]; i < e->first_of[STAGE_PIVOT + 1];
       i++)
    if (e->steps[i].failed)
      return true;
  return false;
}

void
rule_opening (struct engine *e, struct effects *out)
{
  bool last = e->leg + 1 == phase_legs (e->phase)->n;
  if (e->opened_at == 0 && surely_closed (e)
      && (pivot_failed (e) || e->limit_due))
    push_phase (e, out, PHASE_ABORTING, WHY_NOT_OPENED);
  else if (last && leg_done (e))
    push_phase (e, out, PHASE_GUARDED, WHY_DONE);
  else
    schedule (e, out);
}

void
rule_guarded (struct engine *e, struct effects *out)
{
  if (e->goal == REQUEST_ACCEPT) {
    if (state_open_count (e) == 0)
      push_phase (e, out, PHASE_ACCEPTING, WHY_REQUEST);
  } else if (!e->paused)
    schedule (e, out);
}

void
rule_accepting (struct engine *e, struct effects *out)
{
  if (e->goal != REQUEST_ACCEPT || e->paused)
    return;
  if (leg_done (e))
    push_phase (e, out, PHASE_ACCEPTED, WHY_DONE);
  else
    schedule (e, out);
}
