/* SPDX-License-Identifier: Apache-2.0 */
/* The fold: each record changes the state by what it says, never by when it
 * is read; records that say nothing about the state are passed over. */
#include "engine/state.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

struct err *
fold_bad (const struct record *r, const char *what)
{
  return err_new (ERR_CORRUPT, "RH-ENGINE-RECORD",
                  "record %" PRIu64 " (%s%s%s) %s", r->seq,
                  record_type_name (r->type), r->step != NULL ? " " : "",
                  r->step != NULL ? r->step : "", what);
}

/* An epoch is taken by one controller: a lower one has lost its right, and an
 * equal one belongs to whom it was given. */
static struct err *
fold_claimed (struct engine *e, const struct record *r)
{
  const char *controller;
  TRY (json_opt_str (r->data, "controller", "", &controller));
  bool same = e->controller != NULL && strcmp (controller, e->controller) == 0;
  if (r->epoch < e->epoch || (r->epoch == e->epoch && e->epoch > 0 && !same))
    return fold_bad (r, "claims an epoch that another controller had");
  free (e->controller);
  e->controller = mem_strdup (controller);
  e->epoch = r->epoch;
  return NULL;
}

/* A copy: each run of it is whole, whatever became of the one before.  Only
 * where no step has anything to be undone. */
static struct err *
begin_anew (struct engine *e, const struct record *r)
{
  for (size_t i = 0; i < e->n; i++)
    if (state_step (e, i)->cls != STEP_PURE
        && state_step (e, i)->cls != STEP_IDEMPOTENT)
      return fold_bad (r, "begins anew what may have to be undone");
  for (size_t i = 0; i < e->n; i++) {
    struct progress *p = &e->steps[i];
    *p = (struct progress){ .attempt = p->attempt,
                            .undo_attempt = p->undo_attempt,
                            .result = p->result,
                            .error = p->error };
  }
  attention_clear (e);
  e->phase = e->back = PHASE_PLANNED;
  e->leg = 0;
  e->goal = e->stopped = NO_REQUEST;
  e->has_why = e->paused = e->abort_asked = false;
  json_decref (e->planned);
  e->planned = json_incref (r->data);
  permit_forget (e);
  return NULL;
}

/* Another plan: what prepares the target is done again under it. */
static struct err *
fold_planned (struct engine *e, const struct record *r)
{
  if (json_is_true (json_at (r->data, "anew")))
    return begin_anew (e, r);
  if (e->planned != NULL && json_equal (e->planned, r->data))
    return NULL;
  bool quiet = e->phase == PHASE_PLANNED || e->phase == PHASE_SYNCING
               || e->phase == PHASE_ABORTED;
  if (!quiet || state_open_count (e) > 0)
    return fold_bad (r, "replaces the plan while it is being carried out");
  for (size_t i = 0; e->planned != NULL && i < e->n; i++)
    if (state_step (e, i)->stage == STAGE_PREPARE)
      prepare_again (&e->steps[i]);
  json_decref (e->planned);
  e->planned = json_incref (r->data);
  permit_forget (e);
  permit_check_goal (e);
  return NULL;
}

/* The engine's own: the next round begins.  Those of steps are the steps'. */
static struct err *
fold_checkpoint (struct engine *e, const struct record *r)
{
  if (r->step != NULL)
    return NULL;
  bool rounds = e->phase == PHASE_SYNCING || e->phase == PHASE_GUARDED;
  if (!rounds || leg_is_open (e))
    return fold_bad (r, "begins a round where none can begin");
  leg_begin (e);
  return NULL;
}

static struct err *
fold_measure (struct engine *e, const struct record *r)
{
  bool back = json_is_true (json_at (r->data, "back"));
  if (json_at (r->data, "frozen_ms") != NULL)
    e->outage[back ? WAY_BACK : WAY_OUT].measured = true;
  return NULL;
}

static struct err *
fold_nothing (struct engine *e, const struct record *r)
{
  (void)e;
  (void)r;
  return NULL;
}

static struct err *(*const folds[RECORD_TYPE_COUNT]) (struct engine *,
                                                      const struct record *)
    = {
        [RECORD_CLAIMED] = fold_claimed,  [RECORD_PLANNED] = fold_planned,
        [RECORD_REQUEST] = fold_request,  [RECORD_APPROVE] = fold_approve,
        [RECORD_INTENT] = fold_intent,    [RECORD_OUTCOME] = fold_outcome,
        [RECORD_PHASE] = fold_phase,      [RECORD_CHECKPOINT] = fold_checkpoint,
        [RECORD_FORECAST] = fold_nothing, [RECORD_MEASURE] = fold_measure,
        [RECORD_WAIVER] = fold_waiver,    [RECORD_WITNESS] = fold_nothing,
        [RECORD_SEAL] = fold_nothing,
      };

struct instant
fold_instant (const struct record *r)
{
  struct instant t
      = { .wall_ms = r->time_ms, .boot_ms = (int64_t)(r->mono_ns / 1000000) };
  if (r->boot_id != NULL && strlen (r->boot_id) < sizeof t.boot)
    memcpy (t.boot, r->boot_id, strlen (r->boot_id));
  return t;
}

struct err *
fold_record (struct engine *e, const struct record *r)
{
  if (r->seq != e->seq + 1)
    return fold_bad (r, "does not follow the one before it");
  if (r->type != RECORD_CLAIMED && r->epoch != e->epoch)
    return fold_bad (r, "is of another epoch than the last claim");
  TRY (folds[r->type](e, r));
  e->seq = r->seq;
  e->last = fold_instant (r);
  return NULL;
}
