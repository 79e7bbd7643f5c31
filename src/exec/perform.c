/* SPDX-License-Identifier: Apache-2.0 */
/* Performing what the engine decided: records are made durable and come back
 * as events, steps are handed to workers, timers set. */
#include "exec/inside.h"

#include "base/log.h"
#include "base/mem.h"
#include "exec/clock.h"
#include "exec/forecast.h"

#include <string.h>

/* ---- Records ---- */

static enum head_kind
kind_of (const struct loop *l, const struct record *r)
{
  const struct step *s = r->type == RECORD_INTENT && r->step != NULL
                             ? graph_find (l->parts.graph, r->step)
                             : NULL;
  if (s != NULL && s->cls == STEP_PIVOT)
    return HEAD_PIVOT;
  return r->type == RECORD_PHASE ? HEAD_PHASE : HEAD_PLAIN;
}

static struct err *
store_record (struct loop *l, struct record *r)
{
  CLEANUP_FREE char *line = NULL;
  r->epoch = l->epoch;
  r->time_ms = clock_wall_ms ();
  r->boot_id = mem_strdup (clock_boot_id ());
  r->mono_ns = clock_boot_ns ();
  TRY (person_hide (l->parts.store, &l->people, r));
  TRY (err_wrap (store_append (l->parts.store, r, &line),
                 "while writing the journal"));
  l->seq = r->seq;
  record_hash (line, strlen (line), l->head);
  if (l->parts.on_head != NULL)
    l->parts.on_head (l->parts.ctx, l->seq, l->head, kind_of (l, r));
  if (l->parts.hub != NULL)
    hub_head (l->parts.hub, l->seq);
  return NULL;
}

/* Each cutover is forecast and measured anew. */
void
loop_watch_phase (struct loop *l, const struct record *r)
{
  const char *to = json_string_value (json_object_get (r->data, "to"));
  if (r->type == RECORD_PHASE && to != NULL
      && (strcmp (to, phase_name (PHASE_PROVING)) == 0
          || strcmp (to, phase_name (PHASE_RETURNING)) == 0))
    l->forecast_made = false;
}

/* After `l->seq` and `l->head` are the record's. */
void
loop_watch_witness (struct loop *l, const struct record *r)
{
  const char *to = json_string_value (json_object_get (r->data, "to"));
  if (r->type == RECORD_WITNESS)
    l->to_sign.seq = 0;
  if (r->type != RECORD_PHASE || !witness_wants (to))
    return;
  l->to_sign.seq = l->seq;
  memcpy (l->to_sign.hash, l->head, sizeof l->head);
  l->to_sign.phase = phase_name (engine_phase (l->engine));
}

static void
ask_witness (struct loop *l, const struct record *r)
{
  loop_watch_witness (l, r);
  if (l->witness != NULL && r->type == RECORD_PHASE && l->to_sign.seq == r->seq)
    witness_ask (l->witness, l->to_sign.seq, l->to_sign.hash, l->to_sign.phase);
}

static struct err *
append (struct loop *l, enum record_type type, const char *step,
        uint32_t attempt, const char *actor, json_t *data)
{
  struct record r = { .type = type,
                      .actor = mem_strdup (actor != NULL ? actor : "engine"),
                      .step = mem_strdup (step),
                      .attempt = attempt,
                      .data = data != NULL ? data : json_object () };
  struct err *e = store_record (l, &r);
  if (e == NULL) {
    struct event ev
        = { .kind = EVENT_RECORD, .record = &r, .time_ms = r.time_ms };
    measure_record (l->measure, &r);
    loop_watch_phase (l, &r);
    e = loop_feed (l, &ev);
    ask_witness (l, &r);
  }
  record_clear (&r);
  return e;
}

struct err *
loop_append (struct loop *l, enum record_type type, const char *actor,
             json_t *data)
{
  return append (l, type, NULL, 0, actor, data);
}

/* ---- The forecast, which exec alone can make ---- */

static bool
phase_is_before_freeze (enum phase p)
{
  return p == PHASE_HOLDING || p == PHASE_FREEZING || p == PHASE_BACK_HOLDING
         || p == PHASE_BACK_FREEZING;
}

/* The engine journals what is measured here, in its own order. */
static struct err *
tick (struct loop *l, json_t *data)
{
  struct event ev
      = { .kind = EVENT_TICK, .data = data, .time_ms = clock_wall_ms () };
  struct err *e = loop_feed (l, &ev);
  json_decref (data);
  return e;
}

static struct err *
make_forecast (struct loop *l)
{
  struct forecast f;
  bool back = engine_phase (l->engine) >= PHASE_BACK_HOLDING;
  forecast_make (l->parts.graph, l->measure, back, &f);
  json_t *made
      = json_pack ("{s:I, s:I, s:O}", "lower_ms", (json_int_t)f.lower_ms,
                   "upper_ms", (json_int_t)f.upper_ms, "causes", f.causes);
  if (back)
    json_object_set_new (made, "back", json_true ());
  json_t *data = json_pack ("{s:o}", "forecast", made);
  forecast_clear (&f);
  l->forecast_made = true;
  return tick (l, data);
}

/* Runs after every record: the forecast stands in the journal before the
 * freeze begins. */
struct err *
loop_observe (struct loop *l)
{
  if (l->forecast_made || !phase_is_before_freeze (engine_phase (l->engine)))
    return NULL;
  return make_forecast (l);
}

/* ---- Effects ---- */

static struct err *
start_job (struct loop *l, const struct effect *fx, enum job_kind kind)
{
  const struct step *s = graph_find (l->parts.graph, fx->step);
  if (s == NULL)
    return err_new (ERR_BUG, "RH-EXEC-STEP", "no step %s in the graph",
                    fx->step);
  struct job *j = mem_alloc (sizeof *j);
  j->kind = kind;
  j->step = s;
  j->attempt = fx->attempt;
  j->undo = fx->undo || kind == JOB_UNDO;
  j->alone = json_is_true (json_object_get (fx->data, "alone"));
  j->no_way_back = json_is_true (json_object_get (fx->data, "no_way_back"));
  j->inputs = json_deep_copy (json_object_get (fx->data, "inputs"));
  if (j->inputs == NULL)
    j->inputs = json_object ();
  return pool_submit (l->pool, j);
}

static void
notify (struct loop *l, const struct effect *fx)
{
  CLEANUP_FREE char *line = json_line (fx->data);
  const json_t *kind = json_object_get (fx->data, "kind");
  const json_t *error = json_object_get (fx->data, "error");
  log_line (LOG_INFO, "notice: %s", line);
  if (error != NULL && json_is_string (kind)
      && strcmp (json_string_value (kind), "refused") == 0)
  {
    err_free (l->refused);
    l->refused = json_to_err (error);
  }
  if (l->parts.hub != NULL)
    hub_notice (l->parts.hub, json_deep_copy (fx->data));
}

static void
set_timer (struct loop *l, const struct effect *fx)
{
  if (fx->delay_ms < 0)
    timers_cancel (l->timers, fx->timer);
  else
    timers_set (l->timers, fx->timer, clock_boot_ms () + fx->delay_ms);
}

static struct err *
perform (struct loop *l, struct effect *fx)
{
  switch (fx->kind) {
  case EFFECT_APPEND:
    TRY (append (l, fx->type, fx->step, fx->attempt, fx->actor,
                 STEAL (fx->data)));
    return loop_observe (l);
  case EFFECT_RUN:
    return start_job (l, fx, JOB_RUN);
  case EFFECT_UNDO:
    return start_job (l, fx, JOB_UNDO);
  case EFFECT_PROBE:
    return start_job (l, fx, JOB_PROBE);
  case EFFECT_CANCEL:
    pool_cancel (l->pool, fx->step, fx->attempt);
    return NULL;
  case EFFECT_TIMER:
    set_timer (l, fx);
    return NULL;
  case EFFECT_NOTIFY:
    notify (l, fx);
    return NULL;
  case EFFECT_DONE:
    return NULL;
  }
  return NULL;
}

void
loop_clear_effect (struct effect *fx)
{
  free (fx->step);
  free (fx->actor);
  free (fx->timer);
  json_decref (fx->data);
  memset (fx, 0, sizeof *fx);
}

struct err *
loop_perform_all (struct loop *l)
{
  while (l->at < l->todo.n) {
    /* Out of the list first: performing one may add to it. */
    struct effect fx = l->todo.v[l->at];
    memset (&l->todo.v[l->at], 0, sizeof fx);
    l->at++;
    struct err *e = perform (l, &fx);
    loop_clear_effect (&fx);
    TRY (e);
  }
  l->todo.n = l->at = 0;
  return NULL;
}

struct err *
loop_feed (struct loop *l, const struct event *ev)
{
  return engine_next (l->engine, ev, &l->todo);
}

struct err *
loop_feed_and_perform (struct loop *l, const struct event *ev)
{
  TRY (loop_feed (l, ev));
  return loop_perform_all (l);
}
