/* SPDX-License-Identifier: Apache-2.0 */
/* Effects as data, and the appends that are still to come back. */
#include "engine/state.h"

#include "base/mem.h"

#include <string.h>

static struct effect *
push (struct effects *out, enum effect_kind kind)
{
  struct effect *f = VEC_PUSH (out);
  f->kind = kind;
  return f;
}

static void
expect (struct engine *e, enum record_type type, size_t step, uint32_t attempt)
{
  struct expected *x = VEC_PUSH (&e->expected);
  x->type = type;
  x->step = step;
  x->attempt = attempt;
}

void
push_append (struct engine *e, struct effects *out, enum record_type type,
             size_t step, uint32_t attempt, json_t *data)
{
  struct effect *f = push (out, EFFECT_APPEND);
  f->type = type;
  f->actor = mem_strdup ("engine");
  f->step = step != NO_STEP ? mem_strdup (state_step (e, step)->id) : NULL;
  f->attempt = attempt;
  f->data = data != NULL ? data : json_object ();
  expect (e, type, step, attempt);
}

void
push_request (struct engine *e, struct effects *out, const char *actor,
              enum request request, const json_t *no_way_back)
{
  struct effect *f = push (out, EFFECT_APPEND);
  f->type = RECORD_REQUEST;
  f->actor = mem_strdup (actor != NULL ? actor : "operator");
  f->data = json_pack ("{s:s}", "request", request_name (request));
  if (no_way_back != NULL)
    json_object_set_new (f->data, "no_way_back", json_deep_copy (no_way_back));
  expect (e, RECORD_REQUEST, NO_STEP, 0);
}

void
push_phase (struct engine *e, struct effects *out, enum phase to, enum why why)
{
  const struct transition *t = transition_find (e->phase, to, why);
  enum writer w = t != NULL && t->sets_writer ? t->writer : e->writer;
  json_t *data = json_pack ("{s:s, s:s, s:s, s:s}", "from",
                            phase_name (e->phase), "to", phase_name (to), "why",
                            why_name (why), "writer", writer_name (w));
  if (e->attention != NULL
      && (why == WHY_FAILED || why == WHY_BLOCKED || why == WHY_NOT_OPENED))
    json_object_set (data, "error", e->attention);
  push_append (e, out, RECORD_PHASE, NO_STEP, 0, data);
}

/* What the steps before have found: those of earlier stages, those it needs,
 * and for an undo its own. */
static json_t *
inputs_of (const struct engine *e, size_t step, bool own)
{
  json_t *inputs = json_object ();
  enum stage stage = state_step (e, step)->stage;
  for (size_t j = 0; j < e->n; j++) {
    const struct step *s = state_step (e, j);
    bool given
        = s->stage < stage || state_reaches (e, step, j) || (own && j == step);
    if (given && e->steps[j].result != NULL)
      json_object_set (inputs, s->id, e->steps[j].result);
  }
  return inputs;
}

void
push_call (struct engine *e, struct effects *out, enum effect_kind kind,
           size_t step)
{
  struct effect *f = push (out, kind);
  f->undo = kind == EFFECT_UNDO
            || (kind == EFFECT_CANCEL && e->steps[step].undo_open);
  f->step = mem_strdup (state_step (e, step)->id);
  f->attempt = f->undo ? e->steps[step].undo_attempt : e->steps[step].attempt;
  if (kind != EFFECT_CANCEL)
    f->data = json_pack ("{s:o, s:b, s:b}", "inputs",
                         inputs_of (e, step, kind == EFFECT_UNDO), "alone",
                         e->alone, "no_way_back", e->no_way_back);
}

void
push_timer (struct effects *out, const char *kind, const char *step,
            int64_t delay_ms)
{
  struct effect *f = push (out, EFFECT_TIMER);
  f->timer
      = step != NULL ? mem_printf ("%s:%s", kind, step) : mem_strdup (kind);
  f->delay_ms = delay_ms;
}

void
push_notify (struct effects *out, json_t *data)
{
  push (out, EFFECT_NOTIFY)->data = data;
}

bool
expected_empty (const struct engine *e)
{
  return e->expected_from == e->expected.n;
}

bool
expected_take (struct engine *e, const struct record *r)
{
  if (expected_empty (e))
    return false;
  const struct expected *x = &e->expected.v[e->expected_from];
  const char *id = x->step != NO_STEP ? state_step (e, x->step)->id : NULL;
  bool same_step = id == NULL ? r->step == NULL
                              : r->step != NULL && strcmp (id, r->step) == 0;
  if (x->type != r->type || !same_step || x->attempt != r->attempt)
    return false;
  e->expected_from++;
  if (expected_empty (e))
    e->expected.n = e->expected_from = 0;
  return true;
}

void
effects_clear (struct effects *out)
{
  for (size_t i = 0; i < out->n; i++) {
    free (out->v[i].step);
    free (out->v[i].actor);
    free (out->v[i].timer);
    json_decref (out->v[i].data);
  }
  VEC_FREE (out);
}
