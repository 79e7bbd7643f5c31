/* SPDX-License-Identifier: Apache-2.0 */
/* The rules from the first hold to the acceptance. */
#include "engine/state.h"

static void
go_on (struct engine *e, struct effects *out)
{
  const struct course *c = state_course (e);
  if (e->phase == c->holding && e->paused)
    return;
  bool last = e->leg + 1 == phase_legs (e->phase)->n;
  if (last && leg_done (e) && e->phase != c->outside)
    push_phase (e, out, (enum phase) (e->phase + 1), WHY_DONE);
  else {
    schedule (e, out);
    schedule_beside (e, out);
  }
}

bool
window_ends (const struct engine *e, enum why *why)
{
  bool late = e->limit_due && e->outage[phase_way (e->phase)].frozen_at != 0;
  if (!phase_in_window (e->phase))
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
    push_phase (e, out, state_course (e)->aborting, why);
  else
    go_on (e, out);
}

/* A probe was sure, for each pivot step that was begun, that it did not
 * happen, and none has begun since. */
static bool
surely_closed (const struct engine *e)
{
  enum stage pivot = state_course (e)->pivot;
  for (size_t i = e->first_of[pivot]; i < e->first_of[pivot + 1]; i++) {
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
  enum stage pivot = state_course (e)->pivot;
  for (size_t i = e->first_of[pivot]; i < e->first_of[pivot + 1]; i++)
    if (e->steps[i].failed)
      return true;
  return false;
}

void
rule_opening (struct engine *e, struct effects *out)
{
  bool last = e->leg + 1 == phase_legs (e->phase)->n;
  const struct course *c = state_course (e);
  if (state_outage (e)->opened_at == 0 && surely_closed (e)
      && (pivot_failed (e) || e->limit_due))
    push_phase (e, out, c->aborting, WHY_NOT_OPENED);
  else if (last && leg_done (e))
    push_phase (e, out, c->open, WHY_DONE);
  else
    schedule (e, out);
}

void
rule_guarded (struct engine *e, struct effects *out)
{
  if (e->goal != NO_REQUEST) {
    enum phase to
        = e->goal == REQUEST_ACCEPT ? PHASE_ACCEPTING : PHASE_RETURNING;
    if (schedule_settle (e, out))
      push_phase (e, out, to, WHY_REQUEST);
  } else if (!e->paused) {
    schedule_beside (e, out);
    if (state_has_back (e))
      keep_rounds (e, e->back_rounds, e->limits.back_ms, out);
  }
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
