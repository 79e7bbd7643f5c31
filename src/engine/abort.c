/* SPDX-License-Identifier: Apache-2.0 */
/* Going back before the pivot: what was begun is undone, last first, one at a
 * time.  An undo that fails holds back only what needs it; the rest is undone
 * before the migration stands stuck. */
#include "engine/state.h"

/* Nothing was frozen and nobody asked to stop: the copy is kept in step. */
static enum phase
undone_phase (const struct engine *e)
{
  if (e->phase == PHASE_BACK_ABORTING)
    return PHASE_GUARDED;
  bool frozen = e->outage[WAY_OUT].frozen_at != 0;
  return !frozen && !e->abort_asked ? PHASE_SYNCING : PHASE_ABORTED;
}

/* What was prepared stays so while the copy is kept in step; at the end of the
 * move that of it goes which has an undo. */
static enum stage
first_undone (const struct engine *e)
{
  return undone_phase (e) == PHASE_ABORTED ? STAGE_PREPARE
                                           : state_course (e)->hold;
}

bool
state_left_prepared (const struct engine *e)
{
  for (size_t i = e->first_of[STAGE_PREPARE];
       i < e->first_of[STAGE_PREPARE + 1]; i++)
    if (state_step (e, i)->cls == STEP_REVERSIBLE
        && e->steps[i].first_intent != 0 && e->steps[i].mark != MARK_UNDONE)
      return true;
  return false;
}

static bool
to_undo (const struct engine *e, size_t i)
{
  const struct step *s = state_step (e, i);
  const struct progress *p = &e->steps[i];
  const struct course *c = state_course (e);
  return s->cls == STEP_REVERSIBLE && s->stage >= first_undone (e)
         && s->stage <= c->pivot && p->first_intent != 0
         && p->mark != MARK_UNDONE;
}

/* A step is undone after those that were built on it. */
static bool
is_built_on (const struct engine *e, size_t i)
{
  for (size_t j = i + 1; j < e->n; j++)
    if (state_reaches (e, j, i) && to_undo (e, j))
      return true;
  return false;
}

static size_t
next_undo (const struct engine *e)
{
  size_t best = NO_STEP;
  for (size_t i = 0; i < e->n; i++) {
    const struct progress *p = &e->steps[i];
    if (!to_undo (e, i) || p->undo_failed || p->undo_backoff
        || is_built_on (e, i))
      continue;
    if (best == NO_STEP || p->first_intent > e->steps[best].first_intent)
      best = i;
  }
  return best;
}

static void
count_undos (const struct engine *e, size_t *waiting, size_t *failed)
{
  for (size_t i = 0; i < e->n; i++)
    if (to_undo (e, i)) {
      *waiting += e->steps[i].undo_backoff;
      *failed += e->steps[i].undo_failed;
    }
}

void
rule_aborting (struct engine *e, struct effects *out)
{
  if (!schedule_settle (e, out))
    return;
  size_t next = next_undo (e);
  size_t waiting = 0, failed = 0;
  count_undos (e, &waiting, &failed);
  if (next != NO_STEP)
    push_append (e, out, RECORD_INTENT, next, e->steps[next].undo_attempt + 1,
                 json_pack ("{s:b}", "undo", 1));
  else if (waiting > 0)
    return;
  else if (failed > 0)
    push_phase (e, out, state_course (e)->stuck, WHY_UNDO_FAILED);
  else
    push_phase (e, out, undone_phase (e), WHY_UNDONE);
}

void
rule_stuck (struct engine *e, struct effects *out)
{
  if (e->goal == REQUEST_ABORT)
    push_phase (e, out, state_course (e)->aborting, WHY_REQUEST);
}
