/* SPDX-License-Identifier: Apache-2.0 */
/* What comes next.  Decided only when every append that was asked for has
 * come back, so that each decision sees all that was decided before. */
#include "engine/state.h"

static void (*const rules[PHASE_COUNT]) (struct engine *, struct effects *) = {
  [PHASE_PLANNED] = rule_begin,
  [PHASE_SEEDING] = rule_seeding,
  [PHASE_SYNCING] = rule_syncing,
  [PHASE_TESTING] = rule_testing,
  [PHASE_PROVING] = rule_proving,
  [PHASE_HOLDING] = rule_window,
  [PHASE_FREEZING] = rule_window,
  [PHASE_FINAL] = rule_window,
  [PHASE_VERIFYING] = rule_window,
  [PHASE_STARTING] = rule_window,
  [PHASE_SMOKE] = rule_window,
  [PHASE_SWITCHING] = rule_window,
  [PHASE_OUTSIDE] = rule_window,
  [PHASE_OPENING] = rule_opening,
  [PHASE_GUARDED] = rule_guarded,
  [PHASE_ACCEPTING] = rule_accepting,
  [PHASE_ACCEPTED] = NULL,
  [PHASE_ABORTING] = rule_aborting,
  [PHASE_ABORTED] = rule_begin,
  [PHASE_STUCK] = rule_stuck,
  [PHASE_RETURNING] = rule_returning,
  [PHASE_BACK_HOLDING] = rule_window,
  [PHASE_BACK_FREEZING] = rule_window,
  [PHASE_BACK_FINAL] = rule_window,
  [PHASE_BACK_VERIFYING] = rule_window,
  [PHASE_BACK_STARTING] = rule_window,
  [PHASE_BACK_SMOKE] = rule_window,
  [PHASE_BACK_SWITCHING] = rule_window,
  [PHASE_BACK_OUTSIDE] = rule_window,
  [PHASE_BACK_OPENING] = rule_opening,
  [PHASE_ROLLED_BACK] = NULL,
  [PHASE_BACK_ABORTING] = rule_aborting,
  [PHASE_BACK_STUCK] = rule_stuck,
};

static void
measure_way (struct engine *e, enum way w, struct effects *out)
{
  const struct outage *o = &e->outage[w];
  if (o->measured || o->frozen_at == 0 || o->ended_at == 0)
    return;
  json_t *data = json_pack ("{s:I, s:s}", "frozen_ms",
                            (json_int_t)(o->ended_at - o->frozen_at), "end",
                            o->opened_at != 0 ? "opened" : "aborted");
  if (w == WAY_BACK)
    json_object_set_new (data, "back", json_true ());
  push_append (e, out, RECORD_MEASURE, NO_STEP, 0, data);
}

/* How long a host was frozen, once that has ended. */
static void
measure (struct engine *e, struct effects *out)
{
  if (e->phase != PHASE_GUARDED && e->phase != PHASE_ABORTED
      && e->phase != PHASE_ROLLED_BACK)
    return;
  measure_way (e, WAY_OUT, out);
  if (expected_empty (e))
    measure_way (e, WAY_BACK, out);
}

/* The timer of the rounds has no meaning outside of them. */
static void
drop_round_timer (struct engine *e, struct effects *out)
{
  bool rounds = (e->phase == PHASE_SYNCING && e->goal == REQUEST_SYNC)
                || (e->phase == PHASE_GUARDED && e->goal == NO_REQUEST);
  bool keeps = rounds && !e->paused;
  if (keeps || (!e->round_timer && !e->round_due))
    return;
  if (e->round_timer)
    push_timer (out, "round", NULL, -1);
  e->round_timer = e->round_due = e->round_told = false;
}

static void
tell_done (struct engine *e, struct effects *out)
{
  bool idle = engine_idle (e);
  if (idle && !e->done_told) {
    struct effect *f = VEC_PUSH (out);
    f->kind = EFFECT_DONE;
  }
  e->done_told = idle;
}

void
decide (struct engine *e, struct effects *out)
{
  drop_round_timer (e, out);
  enum why why;
  if (!window_ends (e, &why)) /* else the undo comes in any case */
    recover_open (e, out);
  if (expected_empty (e))
    measure (e, out);
  if (expected_empty (e) && rules[e->phase] != NULL)
    rules[e->phase](e, out);
  tell_done (e, out);
}
