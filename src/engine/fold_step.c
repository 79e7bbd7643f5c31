/* SPDX-License-Identifier: Apache-2.0 */
/* Intents and outcomes of steps and of their undos. */
#include "engine/state.h"

#include <string.h>

/* The stage of an intent names the leg: it may be a later one than this graph
 * would be in, when the record was made under another plan. */
static bool
find_leg (const struct engine *e, size_t step, size_t *leg)
{
  const struct phase_legs *legs = phase_legs (e->phase);
  bool waits = e->steps[step].mark == MARK_WAITING;
  if (legs->how != BESIDE_NONE && legs->beside == state_step (e, step)->stage) {
    *leg = e->leg;
    return waits;
  }
  for (size_t i = e->leg; i < legs->n; i++)
    if (legs->stage[i] == state_step (e, step)->stage && (waits || i > e->leg))
    {
      *leg = i;
      return true;
    }
  return false;
}

static void
go_to_leg (struct engine *e, size_t leg)
{
  if (leg == e->leg)
    return;
  e->leg = leg;
  leg_begin (e);
}

static void
begin_frozen (struct engine *e, const struct record *r)
{
  state_outage (e)->frozen = fold_instant (r);
  state_outage (e)->frozen_at = r->time_ms;
  e->writer = writer_frozen[phase_way (e->phase)].writer;
}

/* From here on there is no abort but by a probe. */
static void
begin_opening (struct engine *e)
{
  e->phase = state_course (e)->opening;
  e->why = WHY_PIVOT;
  e->has_why = true;
  e->leg = 0;
}

static struct err *
fold_undo_intent (struct engine *e, size_t i, const struct record *r)
{
  struct progress *p = &e->steps[i];
  if (e->phase != state_course (e)->aborting)
    return fold_bad (r, "undoes a step while nothing is aborted");
  if (p->undo_open || p->mark == MARK_OPEN || r->attempt != p->undo_attempt + 1)
    return fold_bad (r, "undoes a step that is being worked on");
  p->undo_open = true;
  p->undo_attempt = r->attempt;
  return NULL;
}

static struct err *
fold_run_intent (struct engine *e, size_t i, const struct record *r)
{
  struct progress *p = &e->steps[i];
  const struct step *s = state_step (e, i);
  size_t leg;
  if (!find_leg (e, i, &leg) || p->mark == MARK_OPEN)
    return fold_bad (r, "begins a step that is not to be begun now");
  if (r->attempt != p->attempt + 1)
    return fold_bad (r, "begins an attempt out of its order");
  go_to_leg (e, leg);
  p->mark = MARK_OPEN;
  p->attempt = r->attempt;
  p->wait = p->closed = p->dismissed = false;
  if (p->first_intent == 0)
    p->first_intent = r->seq;
  if (s->stage == state_course (e)->freeze && state_outage (e)->frozen_at == 0)
    begin_frozen (e, r);
  if (s->stage == STAGE_BACK_ROUND && e->back_begun_at == 0)
    e->back_begun_at = r->time_ms;
  if (s->cls == STEP_PIVOT && e->phase == state_course (e)->outside)
    begin_opening (e);
  return NULL;
}

static bool
is_undo (const struct record *r)
{
  return json_is_true (json_at (r->data, "undo"));
}

/* Steps of a plan that was replaced are not in the graph any more. */
static bool
is_unknown (const struct engine *e, const struct record *r, size_t *step)
{
  *step = r->step != NULL ? state_find (e, r->step) : NO_STEP;
  return *step == NO_STEP;
}

struct err *
fold_intent (struct engine *e, const struct record *r)
{
  size_t i;
  if (is_unknown (e, r, &i))
    return e->live ? fold_bad (r, "is of a step that does not exist") : NULL;
  return is_undo (r) ? fold_undo_intent (e, i, r) : fold_run_intent (e, i, r);
}

static void
set_json (json_t **to, json_t *value)
{
  json_t *old = *to;
  *to = json_incref (value);
  json_decref (old);
}

static void
count_round (struct engine *e, size_t i, const struct record *r)
{
  enum stage s = state_stage (e);
  bool round = s == STAGE_ROUND || s == STAGE_BACK_ROUND;
  if (!round || state_step (e, i)->stage != s || !leg_done (e))
    return;
  e->round = fold_instant (r);
  if (s == STAGE_ROUND) {
    e->rounds++;
    return;
  }
  e->back_rounds++;
  e->back_since = e->back_begun_at;
}

static void
succeed (struct engine *e, size_t i, json_t *result, const struct record *r)
{
  struct progress *p = &e->steps[i];
  p->mark = MARK_DONE;
  p->tries = 0;
  set_json (&p->result, result);
  if (e->attention_step == i)
    attention_clear (e);
  if (state_step (e, i)->cls == STEP_PIVOT) {
    struct outage *o = state_outage (e);
    e->writer = writer_opened[phase_way (e->phase)].writer;
    o->opened_at = o->ended_at = r->time_ms;
  }
  if (phase_legs (e->phase)->n == 0)
    return; /* it ended while its phase was left */
  count_round (e, i, r);
  leg_advance (e);
}

/* Failures of what was told to end, or is ending anyway, are no news: the
 * first one is the reason. */
static bool
is_ending (const struct engine *e)
{
  bool working = e->phase == PHASE_SEEDING || e->phase == PHASE_SYNCING
                 || e->phase == PHASE_TESTING || e->phase == PHASE_PROVING
                 || e->phase == PHASE_RETURNING;
  bool given_up = e->goal == NO_REQUEST || e->goal == REQUEST_ABORT;
  if (e->phase == state_course (e)->aborting
      || (e->phase == PHASE_GUARDED && e->goal != NO_REQUEST))
    return true;
  return working && (given_up || (!leg_collects (e) && leg_failed (e)));
}

/* The step will not be tried again by itself. */
static void
fail_for_good (struct engine *e, size_t i)
{
  e->steps[i].mark = MARK_FAILED;
  if (leg_collects (e))
    attention_blocked (e);
  else
    attention_step (e, i);
  bool ends = e->phase == PHASE_SYNCING || e->phase == PHASE_ACCEPTING;
  if (ends && e->goal != NO_REQUEST) {
    e->stopped = e->goal;
    e->goal = NO_REQUEST;
  }
}

/* Once the pivot is begun there is no way back: everything is tried until it
 * succeeds, and people are told meanwhile. */
static void
try_on (struct engine *e, size_t i)
{
  struct progress *p = &e->steps[i];
  p->mark = MARK_WAITING;
  p->tries++;
  p->wait = true;
  attention_step (e, i);
}

static void
fail (struct engine *e, size_t i, json_t *error)
{
  struct progress *p = &e->steps[i];
  const struct step *s = state_step (e, i);
  const char *cls = json_string_value (json_at (error, "class"));
  bool transient = cls != NULL && strcmp (cls, "transient") == 0;
  set_json (&p->error, error);
  if (s->cls == STEP_PIVOT) {
    p->mark = MARK_DOUBT;
    p->failed = true;
    attention_step (e, i);
  } else if (e->phase == state_course (e)->opening)
    try_on (e, i);
  else if (p->dismissed || is_ending (e) || state_is_held (e, i))
    p->mark = MARK_WAITING;
  else if (transient && p->tries < s->retry_max) {
    p->mark = MARK_WAITING;
    p->tries++;
    p->wait = true;
  } else
    fail_for_good (e, i);
}

/* Nothing could be learnt of what an attempt left. */
static void
fail_unknown (struct engine *e, size_t i)
{
  enum step_class cls = state_step (e, i)->cls;
  bool repeat = cls == STEP_IDEMPOTENT || cls == STEP_PURE;
  struct err *error = err_advise (
      err_new (repeat ? ERR_TRANSIENT : ERR_REFUSED, "RH-ENGINE-UNKNOWN",
               "it cannot be told whether an interrupted step was done"),
      NULL, "see whether the host answers, then `rehome resume`");
  json_t *o CLEANUP_JSON = json_from_err (error);
  err_free (error);
  if (e->phase == state_course (e)->opening) {
    set_json (&e->steps[i].error, o);
    try_on (e, i);
  } else
    fail (e, i, o);
}

/* A step that may be repeated is, when its result is lost. */
static void
probed_done (struct engine *e, size_t i, json_t *result, const struct record *r)
{
  enum step_class cls = state_step (e, i)->cls;
  bool repeat = cls == STEP_PURE || cls == STEP_IDEMPOTENT;
  json_t *none CLEANUP_JSON = json_object ();
  if (result == NULL && repeat)
    e->steps[i].mark = MARK_WAITING;
  else
    succeed (e, i, result != NULL ? result : none, r);
}

/* After a failure, and where it does not end in an abort, not at once. */
static void
probed_not_done (struct engine *e, size_t i)
{
  struct progress *p = &e->steps[i];
  p->wait = p->mark == MARK_DOUBT;
  p->tries += p->wait;
  p->mark = MARK_WAITING;
  p->closed = true;
}

static void
probed_partial (struct engine *e, size_t i)
{
  struct progress *p = &e->steps[i];
  p->wait = p->mark == MARK_DOUBT;
  p->tries += p->wait;
  p->mark = MARK_WAITING;
}

static struct err *
fold_probed (struct engine *e, size_t i, const char *probe,
             const struct record *r)
{
  if (strcmp (probe, probe_name (PROBE_DONE)) == 0)
    probed_done (e, i, json_at (r->data, "result"), r);
  else if (strcmp (probe, probe_name (PROBE_NOT_DONE)) == 0)
    probed_not_done (e, i);
  else if (strcmp (probe, probe_name (PROBE_PARTIAL)) == 0)
    probed_partial (e, i);
  else if (strcmp (probe, probe_name (PROBE_UNKNOWN)) == 0)
    fail_unknown (e, i);
  else
    return fold_bad (r, "tells an unknown finding of a probe");
  return NULL;
}

static struct err *
fold_run_outcome (struct engine *e, size_t i, const struct record *r)
{
  struct progress *p = &e->steps[i];
  if ((p->mark != MARK_OPEN && p->mark != MARK_DOUBT)
      || r->attempt != p->attempt)
    return fold_bad (r, "ends an attempt that is not under way");
  json_t *result = json_at (r->data, "result");
  json_t *error = json_at (r->data, "error");
  const char *probe = json_string_value (json_at (r->data, "probe"));
  if (probe != NULL)
    return fold_probed (e, i, probe, r);
  if (error != NULL)
    fail (e, i, error);
  else if (result != NULL)
    succeed (e, i, result, r);
  else if (json_is_true (json_at (r->data, "lost")))
    p->mark = MARK_WAITING;
  else
    return fold_bad (r, "does not say how the attempt ended");
  return NULL;
}

static struct err *
fold_undo_outcome (struct engine *e, size_t i, const struct record *r)
{
  struct progress *p = &e->steps[i];
  json_t *error = json_at (r->data, "error");
  if (!p->undo_open || r->attempt != p->undo_attempt)
    return fold_bad (r, "ends an undo that is not under way");
  p->undo_open = false;
  if (error != NULL) {
    set_json (&p->error, error);
    p->undo_failed = p->undo_tries >= state_step (e, i)->retry_max;
    p->undo_tries++;
  } else if (json_at (r->data, "result") != NULL)
    p->mark = MARK_UNDONE;
  return NULL;
}

struct err *
fold_outcome (struct engine *e, const struct record *r)
{
  size_t i;
  if (is_unknown (e, r, &i))
    return e->live ? fold_bad (r, "is of a step that does not exist") : NULL;
  return is_undo (r) ? fold_undo_outcome (e, i, r) : fold_run_outcome (e, i, r);
}
