/* SPDX-License-Identifier: Apache-2.0 */
/* Readings of the fold. */
#include "engine/state.h"

enum phase
engine_phase (const struct engine *e)
{
  return e->phase;
}

const char *
writer_name (enum writer w)
{
  static const char *const names[] = {
    [WRITER_SOURCE] = "source",
    [WRITER_NONE] = "none",
    [WRITER_TARGET] = "target",
  };
  return (unsigned)w <= WRITER_TARGET ? names[w] : "?";
}

enum writer
engine_writer (const struct engine *e)
{
  return e->writer;
}

bool
engine_paused (const struct engine *e)
{
  return e->paused;
}

/* Without timers, calls, probes and appends under way nothing will come. */
bool
engine_idle (const struct engine *e)
{
  if (!expected_empty (e) || e->round_timer || e->round_due
      || state_open_count (e) > 0)
    return false;
  for (size_t i = 0; i < e->n; i++) {
    const struct progress *p = &e->steps[i];
    bool wanted = p->mark == MARK_WAITING && p->backoff && !e->paused;
    if (p->probing || p->probe_backoff || p->mark == MARK_DOUBT || wanted
        || p->undo_backoff)
      return false;
  }
  return true;
}

enum request
engine_goal (const struct engine *e)
{
  return e->goal;
}

bool
engine_aborted (const struct engine *e)
{
  bool in_step = e->phase == PHASE_SYNCING && e->goal == REQUEST_COUNT;
  return e->phase == PHASE_ABORTED
         || (e->abort_asked && (in_step || e->phase == PHASE_PLANNED));
}

bool
engine_abort_asked (const struct engine *e)
{
  return e->abort_asked;
}

bool
engine_in_step (const struct engine *e)
{
  return e->phase == PHASE_SYNCING && leg_done (e) && state_open_count (e) == 0;
}

const char *
engine_why (const struct engine *e)
{
  return e->has_why ? why_name (e->why) : NULL;
}

const json_t *
engine_attention (const struct engine *e)
{
  return e->attention;
}

const json_t *
engine_approvals (const struct engine *e)
{
  return e->approvals;
}

int64_t
engine_frozen_at (const struct engine *e)
{
  return e->outage[WAY_OUT].frozen_at;
}

int64_t
engine_opened_at (const struct engine *e)
{
  return e->outage[WAY_OUT].opened_at;
}

int64_t
engine_back_frozen_at (const struct engine *e)
{
  return e->outage[WAY_BACK].frozen_at;
}

int64_t
engine_back_opened_at (const struct engine *e)
{
  return e->outage[WAY_BACK].opened_at;
}

int64_t
engine_back_since (const struct engine *e)
{
  return e->back_since;
}

bool
engine_alone (const struct engine *e)
{
  return e->alone;
}

unsigned
engine_rounds (const struct engine *e)
{
  return e->rounds;
}

unsigned
engine_cutovers (const struct engine *e)
{
  return e->cutovers;
}

const json_t *
engine_result (const struct engine *e, const char *step)
{
  size_t i = state_find (e, step);
  return i != NO_STEP ? e->steps[i].result : NULL;
}

static enum step_state
public_state (const struct progress *p)
{
  static const enum step_state states[] = {
    [MARK_WAITING] = STEP_WAITING, [MARK_OPEN] = STEP_RUNNING,
    [MARK_DOUBT] = STEP_RUNNING,   [MARK_DONE] = STEP_DONE,
    [MARK_FAILED] = STEP_FAILED,   [MARK_UNDONE] = STEP_UNDONE,
  };
  return p->undo_open ? STEP_RUNNING : states[p->mark];
}

enum step_state
engine_step (const struct engine *e, const char *step, uint32_t *attempt)
{
  size_t i = state_find (e, step);
  if (attempt != NULL)
    *attempt = i != NO_STEP ? e->steps[i].attempt : 0;
  return i != NO_STEP ? public_state (&e->steps[i]) : STEP_WAITING;
}

static json_t *
describe_step (const struct progress *p)
{
  static const char *const names[] = {
    [STEP_WAITING] = "waiting", [STEP_RUNNING] = "running",
    [STEP_DONE] = "done",       [STEP_FAILED] = "failed",
    [STEP_UNDONE] = "undone",
  };
  return json_pack (
      "{s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:I}",
      "state", names[public_state (p)], "mark", (int)p->mark, "attempt",
      (int)p->attempt, "undo_attempt", (int)p->undo_attempt, "tries",
      (int)p->tries, "undo_tries", (int)p->undo_tries, "wait", p->wait,
      "undoing", p->undo_open, "undo_failed", p->undo_failed, "closed",
      p->closed, "failed", p->failed, "dismissed", p->dismissed, "first_intent",
      (json_int_t)p->first_intent);
}

static json_t *
describe_steps (const struct engine *e)
{
  json_t *steps = json_object ();
  for (size_t i = 0; i < e->n; i++)
    json_object_set_new (steps, state_step (e, i)->id,
                         describe_step (&e->steps[i]));
  return steps;
}

json_t *
engine_describe (const struct engine *e)
{
  json_t *o = json_pack (
      "{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
      "s:i, s:I, s:b}",
      "phase", phase_name (e->phase), "writer", writer_name (e->writer), "goal",
      request_name (e->goal), "stopped", request_name (e->stopped), "paused",
      e->paused, "rounds", (int)e->rounds, "cutovers", (int)e->cutovers, "leg",
      (json_int_t)e->leg, "seq", (json_int_t)e->seq, "epoch",
      (json_int_t)e->epoch, "frozen_at",
      (json_int_t)e->outage[WAY_OUT].frozen_at, "opened_at",
      (json_int_t)e->outage[WAY_OUT].opened_at, "back_frozen_at",
      (json_int_t)e->outage[WAY_BACK].frozen_at, "back_opened_at",
      (json_int_t)e->outage[WAY_BACK].opened_at, "back_rounds",
      (int)e->back_rounds, "back_since", (json_int_t)e->back_since, "alone",
      e->alone);
  if (e->has_why)
    json_object_set_new (o, "why", json_string (why_name (e->why)));
  if (e->attention != NULL)
    json_object_set (o, "attention", e->attention);
  if (json_array_size (e->approvals) > 0)
    json_object_set (o, "approvals", e->approvals);
  if (e->waived)
    json_object_set_new (o, "waived", json_true ());
  if (e->no_way_back)
    json_object_set_new (o, "no_way_back", json_true ());
  json_object_set_new (o, "steps", describe_steps (e));
  return o;
}
