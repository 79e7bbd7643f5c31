/* SPDX-License-Identifier: Apache-2.0 */
/* The rules while the source serves: seed, keep in step, prove. */
#include "engine/state.h"

#define ROUND_MS 60000

/* An abort undoes what was prepared and is more than a copy. */
static bool
abort_begins (struct engine *e, struct effects *out)
{
  if (!e->abort_asked || state_open_count (e) > 0 || !state_left_prepared (e))
    return false;
  push_phase (e, out, PHASE_ABORTING, WHY_REQUEST);
  return true;
}

void
rule_begin (struct engine *e, struct effects *out)
{
  if (abort_begins (e, out))
    return;
  if (e->goal == REQUEST_SYNC || e->goal == REQUEST_CUTOVER)
    push_phase (e, out, PHASE_SEEDING, WHY_REQUEST);
}

/* A leg of checks has failed when all of them were made; any other, when one
 * step has. */
static bool
gave_up (const struct engine *e)
{
  return leg_failed (e) && (!leg_collects (e) || schedule_nothing_left (e));
}

static void
give_up (struct engine *e, struct effects *out, enum phase to)
{
  enum why why = leg_collects (e) ? WHY_BLOCKED : WHY_FAILED;
  if (schedule_settle (e, out))
    push_phase (e, out, to, why);
}

/* Seeding and proving go the same way: back when asked or when they fail, on
 * when all is done. */
static void
work (struct engine *e, struct effects *out, enum phase back, enum phase next)
{
  bool last = e->leg + 1 == phase_legs (e->phase)->n;
  if (e->goal == REQUEST_ABORT) {
    if (schedule_settle (e, out))
      push_phase (e, out, back, WHY_CANCELLED);
  } else if (gave_up (e))
    give_up (e, out, back);
  else if (e->paused)
    return;
  else if (last && leg_done (e))
    push_phase (e, out, next, WHY_DONE);
  else
    schedule (e, out);
}

void
rule_seeding (struct engine *e, struct effects *out)
{
  work (e, out, e->back, PHASE_SYNCING);
}

void
rule_testing (struct engine *e, struct effects *out)
{
  work (e, out, PHASE_SYNCING, PHASE_SYNCING);
}

void
rule_proving (struct engine *e, struct effects *out)
{
  work (e, out, PHASE_SYNCING, PHASE_HOLDING);
}

static bool
is_prepared (const struct engine *e)
{
  for (size_t i = e->first_of[STAGE_PREPARE];
       i < e->first_of[STAGE_PREPARE + 1]; i++)
    if (e->steps[i].mark != MARK_DONE)
      return false;
  return true;
}

/* In the guard a round that failed is not the last: the next one is made in
 * its time. */
static bool
round_over (const struct engine *e)
{
  if (e->phase != PHASE_GUARDED)
    return leg_done (e);
  return leg_done (e) || (leg_failed (e) && !leg_is_open (e));
}

void
keep_rounds (struct engine *e, unsigned done, int64_t wait_ms,
             struct effects *out)
{
  if (!round_over (e)) {
    schedule (e, out);
    return;
  }
  if (e->round_due) {
    e->round_due = e->round_told = false;
    push_append (e, out, RECORD_CHECKPOINT, NO_STEP, 0,
                 json_pack ("{s:i}", "round", (int)done + 1));
    return;
  }
  if (!e->round_told)
    push_notify (out, json_pack ("{s:s, s:i}", "kind", "in-step", "rounds",
                                 (int)done));
  e->round_told = true;
  if (!e->round_timer)
    push_timer (out, "round", NULL, e->round_delay);
  e->round_timer = true;
  e->round_delay = wait_ms;
}

/* To the looks that a rollback begins with, and their round. */
void
rule_returning (struct engine *e, struct effects *out)
{
  work (e, out, PHASE_GUARDED, PHASE_BACK_HOLDING);
}

void
rule_syncing (struct engine *e, struct effects *out)
{
  bool quiet = state_open_count (e) == 0;
  if (abort_begins (e, out))
    return;
  if (e->paused || e->goal == NO_REQUEST)
    return;
  if (!is_prepared (e)) {
    if (quiet)
      push_phase (e, out, PHASE_SEEDING, WHY_REPLANNED);
  } else if (e->goal == REQUEST_TEST) {
    if (quiet)
      push_phase (e, out, PHASE_TESTING, WHY_REQUEST);
  } else if (e->goal != REQUEST_CUTOVER)
    keep_rounds (e, e->rounds, ROUND_MS, out);
  else if (quiet && permit_given (e, REQUEST_CUTOVER))
    push_phase (e, out, PHASE_PROVING, WHY_REQUEST);
}
