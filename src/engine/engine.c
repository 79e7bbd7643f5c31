/* SPDX-License-Identifier: Apache-2.0 */
/* Events: a record is folded and answered, everything else asks for one. */
#include "engine/state.h"

#include "base/mem.h"

#include <string.h>

const struct step *
state_step (const struct engine *e, size_t i)
{
  return graph_at (e->graph, i);
}

size_t
state_find (const struct engine *e, const char *id)
{
  for (size_t i = 0; i < e->n; i++)
    if (strcmp (state_step (e, i)->id, id) == 0)
      return i;
  return NO_STEP;
}

bool
state_reaches (const struct engine *e, size_t i, size_t j)
{
  return e->reach[i * e->n + j];
}

/* Needs lie before the step in the graph's order. */
static void
find_reach (struct engine *e)
{
  e->reach = mem_alloc (e->n * e->n * sizeof *e->reach + 1);
  e->direct = mem_alloc (e->n * e->n * sizeof *e->direct + 1);
  for (size_t i = 0; i < e->n; i++)
    for (const char *const *need = state_step (e, i)->needs;
         need != NULL && *need != NULL; need++)
    {
      size_t j = state_find (e, *need);
      e->reach[i * e->n + j] = e->direct[i * e->n + j] = true;
      for (size_t k = 0; k < j; k++)
        e->reach[i * e->n + k] |= e->reach[j * e->n + k];
    }
}

static void
find_stages (struct engine *e)
{
  size_t i = 0;
  for (unsigned s = 0; s <= STAGE_COUNT; s++) {
    while (i < e->n && (unsigned)state_step (e, i)->stage < s)
      i++;
    e->first_of[s] = i;
  }
}

struct engine *
engine_new (const struct graph *g, const struct plan_limits *l)
{
  struct engine *e = mem_alloc (sizeof *e);
  e->graph = g;
  e->limits = *l;
  e->n = graph_len (g);
  e->steps = mem_alloc (e->n * sizeof *e->steps + 1);
  e->approvals = json_array ();
  e->goal = e->stopped = NO_REQUEST;
  e->attention_step = NO_STEP;
  e->round_delay = 60000;
  find_stages (e);
  find_reach (e);
  return e;
}

void
engine_free (struct engine *e)
{
  if (e == NULL)
    return;
  for (size_t i = 0; i < e->n; i++) {
    json_decref (e->steps[i].result);
    json_decref (e->steps[i].error);
  }
  json_decref (e->attention);
  json_decref (e->planned);
  json_decref (e->approvals);
  free (e->controller);
  free (e->steps);
  free (e->reach);
  free (e->direct);
  VEC_FREE (&e->expected);
  free (e);
}

static struct err *
impossible (const char *what, const char *step)
{
  return err_new (ERR_BUG, "RH-ENGINE-EVENT", "an event that cannot be: %s%s%s",
                  what, step != NULL ? " of " : "", step != NULL ? step : "");
}

static void
answer_intent (struct engine *e, const struct record *r, enum phase before,
               bool was_frozen, struct effects *out)
{
  size_t i = state_find (e, r->step);
  bool undo = e->steps[i].undo_open;
  bool frozen
      = state_frozen_phase (e->phase) && state_outage (e)->frozen_at != 0;
  e->steps[i].flying = true;
  e->steps[i].cancelled = false;
  if (!was_frozen && frozen && !e->alone && e->limits.downtime_ms > 0)
    push_timer (out, "downtime-limit", NULL, e->limits.downtime_ms);
  if (before != e->phase && e->phase == state_course (e)->opening)
    push_timer (out, "downtime-limit", NULL, -1);
  push_call (e, out, undo ? EFFECT_UNDO : EFFECT_RUN, i);
}

static void
answer_outcome (struct engine *e, const struct record *r, struct effects *out)
{
  size_t i = state_find (e, r->step);
  struct progress *p = &e->steps[i];
  bool undo_error = json_is_true (json_at (r->data, "undo"))
                    && json_at (r->data, "error") != NULL;
  if (undo_error && !p->undo_failed) {
    p->undo_backoff = true;
    push_timer (out, "undo", r->step, recover_delay (e, i, p->undo_tries));
  }
  if (p->wait && p->mark == MARK_WAITING) {
    p->backoff = true;
    push_timer (out, "retry", r->step,
                recover_delay (e, i, p->tries > 0 ? p->tries : 1));
  }
}

static void
tell_phase (struct engine *e, enum phase before, struct effects *out)
{
  if (e->phase == before)
    return;
  const struct course *c = state_course (e);
  if (e->phase == c->holding)
    e->limit_due = false;
  if (e->phase == PHASE_GUARDED)
    e->round_delay = e->limits.back_ms;
  if (e->phase == c->aborting && before != c->stuck) {
    push_timer (out, "downtime-limit", NULL, -1);
    e->limit_due = false;
  }
  push_notify (out, json_pack ("{s:s, s:s, s:s, s:s}", "kind", "phase", "from",
                               phase_name (before), "to", phase_name (e->phase),
                               "why", why_name (e->why)));
}

static void
tell_refused (struct effects *out, enum request request, struct err *refused)
{
  push_notify (out, json_pack ("{s:s, s:s, s:o}", "kind", "refused", "request",
                               request_name (request), "error",
                               json_from_err (refused)));
  err_free (refused);
}

/* Asked for in time, but recorded too late. */
static void
answer_request (struct engine *e, const struct record *r, struct err *refused,
                struct effects *out)
{
  enum request request;
  const char *name = json_string_value (json_at (r->data, "request"));
  bool known = name != NULL && request_from_name (name, &request) == 0;
  if (known && refused != NULL)
    tell_refused (out, request, refused);
  else
    err_free (refused);
  if (known && request == REQUEST_ABORT
      && (e->phase == PHASE_SEEDING || e->phase == PHASE_SYNCING
          || e->phase == PHASE_TESTING || e->phase == PHASE_PROVING
          || e->phase == PHASE_RETURNING))
    schedule_cancel (e, out);
  if (known && request == REQUEST_PAUSE && e->paused)
    schedule_hold (e, out);
}

static struct err *
refusal_of (const struct engine *e, const struct record *r)
{
  enum request request;
  const char *name = json_string_value (json_at (r->data, "request"));
  if (r->type != RECORD_REQUEST || name == NULL
      || request_from_name (name, &request) != 0)
    return NULL;
  return request_refused (e, request, r->actor);
}

static void
answer (struct engine *e, const struct record *r, enum phase before,
        bool was_frozen, struct effects *out)
{
  if (r->type == RECORD_INTENT)
    answer_intent (e, r, before, was_frozen, out);
  if (r->type == RECORD_OUTCOME)
    answer_outcome (e, r, out);
  tell_phase (e, before, out);
}

/* Engine records come back as they were asked for; others are others'. */
static struct err *
take_live (struct engine *e, const struct record *r)
{
  bool mine = r->type == RECORD_INTENT || r->type == RECORD_OUTCOME
              || r->type == RECORD_PHASE || r->type == RECORD_REQUEST;
  if (!expected_take (e, r) && mine)
    return impossible ("a record that was not asked for", r->step);
  return NULL;
}

static struct err *
on_record (struct engine *e, const struct event *ev, struct effects *out)
{
  const struct record *r = ev->record;
  if (ev->replay)
    return e->live ? impossible ("a replay of what is live", NULL)
                   : fold_record (e, r);
  TRY (take_live (e, r));
  enum phase before = e->phase;
  bool was_frozen
      = state_frozen_phase (e->phase) && state_outage (e)->frozen_at != 0;
  unsigned attentions = e->attentions;
  struct err *refused = refusal_of (e, r);
  struct err *bad = fold_record (e, r);
  if (bad != NULL) {
    err_free (refused);
    return bad;
  }
  answer (e, r, before, was_frozen, out);
  if (r->type == RECORD_REQUEST)
    answer_request (e, r, refused, out);
  if (e->attention != NULL && e->attentions != attentions)
    push_notify (out, json_pack ("{s:s, s:O}", "kind", "attention", "error",
                                 e->attention));
  return NULL;
}

static struct err *
on_request (struct engine *e, const struct event *ev, struct effects *out)
{
  struct err *refused = request_refused (e, ev->request, ev->actor);
  if (refused != NULL)
    tell_refused (out, ev->request, refused);
  else
    push_request (e, out, ev->actor, ev->request, ev->no_way_back);
  return NULL;
}

static struct err *
on_outcome (struct engine *e, const struct event *ev, struct effects *out)
{
  size_t i = state_find (e, ev->step);
  if (i == NO_STEP || !e->steps[i].flying)
    return impossible ("an outcome", ev->step);
  struct progress *p = &e->steps[i];
  bool undo = p->undo_open;
  uint32_t attempt = undo ? p->undo_attempt : p->attempt;
  if (undo != ev->undo || attempt != ev->attempt)
    return impossible ("an outcome of another attempt", ev->step);
  json_t *data = json_object ();
  if (undo)
    json_object_set_new (data, "undo", json_true ());
  if (ev->error != NULL)
    json_object_set_new (data, "error", json_from_err (ev->error));
  else
    json_object_set_new (data, "result",
                         ev->data != NULL ? json_deep_copy (ev->data)
                                          : json_object ());
  p->flying = false;
  push_append (e, out, RECORD_OUTCOME, i, attempt, data);
  return NULL;
}

static void
on_step_timer (struct engine *e, const char *kind, size_t kind_len,
               const char *step)
{
  size_t i = state_find (e, step);
  if (i == NO_STEP)
    return;
  if (strncmp (kind, "retry", kind_len) == 0)
    e->steps[i].backoff = false;
  else if (strncmp (kind, "undo", kind_len) == 0)
    e->steps[i].undo_backoff = false;
  else if (strncmp (kind, "probe", kind_len) == 0)
    e->steps[i].probe_backoff = false;
}

static struct err *
on_timer (struct engine *e, const struct event *ev, struct effects *out)
{
  (void)out;
  const char *colon = strchr (ev->timer, ':');
  if (colon != NULL)
    on_step_timer (e, ev->timer, (size_t)(colon - ev->timer), colon + 1);
  else if (strcmp (ev->timer, "downtime-limit") == 0)
    e->limit_due = state_frozen_phase (e->phase);
  else if (strcmp (ev->timer, "round") == 0) {
    e->round_due = e->round_timer;
    e->round_timer = false;
  } else
    return impossible ("an unknown timer", NULL);
  return NULL;
}

static struct err *
on_tick (struct engine *e, const struct event *ev, struct effects *out)
{
  json_t *forecast = json_at (ev->data, "forecast");
  json_t *measured = json_at (ev->data, "measure");
  if (json_is_object (forecast))
    push_append (e, out, RECORD_FORECAST, NO_STEP, 0,
                 json_deep_copy (forecast));
  if (json_is_object (measured))
    push_append (e, out, RECORD_MEASURE, NO_STEP, 0, json_deep_copy (measured));
  return NULL;
}

static struct err *
on_resume (struct engine *e, const struct event *ev, struct effects *out)
{
  if (e->live)
    return impossible ("a second resume", NULL);
  recover_resume (e, ev->time_ms, out);
  return NULL;
}

static struct err *(*const handlers[]) (struct engine *, const struct event *,
                                        struct effects *)
    = {
        [EVENT_RECORD] = on_record,      [EVENT_RESUME] = on_resume,
        [EVENT_REQUEST] = on_request,    [EVENT_OUTCOME] = on_outcome,
        [EVENT_PROBED] = recover_probed, [EVENT_TIMER] = on_timer,
        [EVENT_TICK] = on_tick,
      };

struct err *
engine_next (struct engine *e, const struct event *ev, struct effects *out)
{
  bool early = ev->kind != EVENT_RECORD && ev->kind != EVENT_RESUME;
  if (!e->live && early)
    return impossible ("something happens before the resume", NULL);
  TRY (handlers[ev->kind](e, ev, out));
  if (e->live && expected_empty (e))
    decide (e, out);
  else
    e->done_told = false;
  return NULL;
}
