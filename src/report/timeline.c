/* SPDX-License-Identifier: Apache-2.0 */
/* What happened when. */
#include "report/timeline.h"

#include "report/outages.h"

#include "base/mem.h"

#include <string.h>

struct lived {
  int64_t began_ms, ended_ms, undone_ms; /* 0: not yet */
  unsigned attempts;
  bool undo_failed;
  json_t *error; /* of the last run that failed, until one succeeds */
};

struct timeline {
  const struct graph *graph;
  struct lived *steps;
  json_t *phases, *requests, *witnesses;
  json_t *forecast, *forecast_back;
  json_t *purged;
  json_t *discarded; /* what the last discard did, or NULL */
  json_t *own_key;   /* as it was approved or removed last */
  char *migration;
  uint64_t epoch, seq;
  char first[65], head[65];
  int64_t began_ms, last_ms;
};

struct timeline *
timeline_new (const struct graph *g)
{
  struct timeline *t = mem_alloc (sizeof *t);
  t->graph = g;
  t->steps = mem_alloc ((graph_len (g) + 1) * sizeof *t->steps);
  t->phases = json_array ();
  t->requests = json_array ();
  t->witnesses = json_array ();
  t->purged = json_array ();
  return t;
}

void
timeline_free (struct timeline *t)
{
  if (t == NULL)
    return;
  for (size_t i = 0; i < graph_len (t->graph); i++)
    json_decref (t->steps[i].error);
  free (t->steps);
  json_decref (t->phases);
  json_decref (t->requests);
  json_decref (t->witnesses);
  json_decref (t->forecast);
  json_decref (t->forecast_back);
  json_decref (t->own_key);
  json_decref (t->purged);
  json_decref (t->discarded);
  free (t->migration);
  free (t);
}

static struct lived *
lived_of (struct timeline *t, const char *id)
{
  for (size_t i = 0; id != NULL && i < graph_len (t->graph); i++)
    if (strcmp (graph_at (t->graph, i)->id, id) == 0)
      return &t->steps[i];
  return NULL;
}

static void
take_intent (struct lived *s, const struct record *r)
{
  if (json_is_true (json_object_get (r->data, "undo")))
    return;
  s->began_ms = r->time_ms;
  s->ended_ms = 0;
  s->attempts++;
  s->undone_ms = 0;
}

static void
take_outcome (struct lived *s, const struct record *r)
{
  json_t *error = json_object_get (r->data, "error");
  if (json_is_true (json_object_get (r->data, "undo"))) {
    s->undo_failed = error != NULL;
    if (error == NULL)
      s->undone_ms = r->time_ms;
    return;
  }
  s->ended_ms = r->time_ms;
  json_decref (s->error);
  s->error = json_is_object (error) ? json_deep_copy (error) : NULL;
}

static json_t *
copy_str (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? json_string (s) : json_null ();
}

static void
take_phase (struct timeline *t, const struct record *r)
{
  json_array_append_new (t->phases,
                         json_pack ("{s:o, s:o, s:o, s:I}", "phase",
                                    copy_str (r->data, "to"), "why",
                                    copy_str (r->data, "why"), "writer",
                                    copy_str (r->data, "writer"), "at_ms",
                                    (json_int_t)r->time_ms));
}

static void
take_request (struct timeline *t, const struct record *r, const char *who)
{
  json_array_append_new (t->requests,
                         json_pack ("{s:o, s:s, s:I, s:O*}", "request",
                                    copy_str (r->data, "request"), "actor",
                                    who != NULL ? who : r->actor, "at_ms",
                                    (json_int_t)r->time_ms, "no_way_back",
                                    json_object_get (r->data, "no_way_back")));
}

/* Who signed the head, or why a host did not. */
static void
take_witness (struct timeline *t, const struct record *r)
{
  const json_t *missing = json_object_get (r->data, "missing");
  json_t *o = json_pack ("{s:o, s:o, s:I}", "side", copy_str (r->data, "side"),
                         "phase", copy_str (r->data, "phase"), "at_ms",
                         (json_int_t)r->time_ms);
  if (missing != NULL)
    json_object_set_new (o, "missing", copy_str (missing, "message"));
  else
    json_object_set_new (o, "fingerprint", copy_str (r->data, "fingerprint"));
  json_array_append_new (t->witnesses, o);
}

static void
take_forecast (struct timeline *t, const struct record *r)
{
  bool back = json_is_true (json_object_get (r->data, "back"));
  json_t **made = back ? &t->forecast_back : &t->forecast;
  json_decref (*made);
  *made = json_deep_copy (r->data);
  json_object_set_new (*made, "at_ms", json_integer (r->time_ms));
}

static void
take_approval (struct timeline *t, const struct record *r)
{
  json_t *key = json_object_get (r->data, "own_key");
  if (!json_is_object (key))
    return;
  json_decref (t->own_key);
  t->own_key = json_deep_copy (key);
}

/* What is gone for certain; a purge that only began is none. */
static void
take_purge (struct timeline *t, const struct record *r)
{
  json_t *purge = json_object_get (r->data, "purge");
  if (json_is_array (json_object_get (purge, "removed"))
      && json_array_size (json_object_get (purge, "left")) == 0)
    json_array_extend (t->purged, json_object_get (purge, "removed"));
}

/* The last discard that ended. */
static void
take_discard (struct timeline *t, const struct record *r)
{
  json_t *done = json_object_get (json_object_get (r->data, "discard"), "done");
  if (!json_is_object (done))
    return;
  json_decref (t->discarded);
  t->discarded = json_deep_copy (done);
}

void
timeline_record (struct timeline *t, const struct record *r, const char *who,
                 const char *line)
{
  struct lived *s = lived_of (t, r->step);
  if (r->seq == 1 || t->migration == NULL) {
    free (t->migration);
    t->migration = mem_strdup (r->migration);
    memcpy (t->first, r->prev, sizeof t->first);
    t->began_ms = r->time_ms;
  }
  t->seq = r->seq;
  t->epoch = r->epoch;
  t->last_ms = r->time_ms;
  record_hash (line, strlen (line), t->head);
  if (r->type == RECORD_INTENT && s != NULL)
    take_intent (s, r);
  else if (r->type == RECORD_OUTCOME && s != NULL)
    take_outcome (s, r);
  else if (r->type == RECORD_PHASE)
    take_phase (t, r);
  else if (r->type == RECORD_REQUEST)
    take_request (t, r, who);
  else if (r->type == RECORD_FORECAST)
    take_forecast (t, r);
  else if (r->type == RECORD_WITNESS)
    take_witness (t, r);
  else if (r->type == RECORD_APPROVE)
    take_approval (t, r);
  else if (r->type == RECORD_SEAL) {
    take_purge (t, r);
    take_discard (t, r);
  }
}

static const char *
state_word (enum step_state s)
{
  static const char *const words[] = { [STEP_WAITING] = "waiting",
                                       [STEP_RUNNING] = "running",
                                       [STEP_DONE] = "done",
                                       [STEP_FAILED] = "failed",
                                       [STEP_UNDONE] = "undone" };
  return words[s];
}

static json_t *
step_fact (const struct timeline *t, const struct engine *e, size_t i)
{
  const struct step *s = graph_at (t->graph, i);
  const struct lived *l = &t->steps[i];
  const json_t *result = engine_result (e, s->id);
  uint32_t attempt = 0;
  json_t *o
      = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "id", s->id, "title",
                   s->title != NULL ? s->title : s->id, "stage",
                   stage_name (s->stage), "class", step_class_name (s->cls),
                   "side", step_side_name (s->side), "state",
                   state_word (engine_step (e, s->id, &attempt)), "attempts",
                   (int)l->attempts);
  if (l->began_ms != 0)
    json_object_set_new (o, "began_ms", json_integer (l->began_ms));
  if (l->ended_ms != 0) {
    json_object_set_new (o, "ended_ms", json_integer (l->ended_ms));
    json_object_set_new (o, "ms",
                         json_integer (l->ended_ms >= l->began_ms
                                           ? l->ended_ms - l->began_ms
                                           : 0));
  }
  if (l->undone_ms != 0)
    json_object_set_new (o, "undone_ms", json_integer (l->undone_ms));
  if (l->error != NULL)
    json_object_set (o, "error", l->error);
  if (result != NULL)
    json_object_set_new (o, "result", json_deep_copy (result));
  return o;
}

/* Findings come as texts or as objects; each gets its step. */
static void
add_findings (json_t *all, const char *step, const json_t *result)
{
  const json_t *list = json_object_get (result, "findings");
  size_t i;
  json_t *f;
  json_array_foreach (list, i, f)
  {
    json_t *o = json_is_object (f) ? json_deep_copy (f) : json_object ();
    if (json_is_string (f))
      json_object_set (o, "message", f);
    json_object_set_new (o, "step", json_string (step));
    json_array_append_new (all, o);
  }
}

void
timeline_put (const struct timeline *t, const struct engine *e, json_t *facts)
{
  json_t *steps = json_array (), *findings = json_array ();
  for (size_t i = 0; i < graph_len (t->graph); i++) {
    const char *id = graph_at (t->graph, i)->id;
    json_array_append_new (steps, step_fact (t, e, i));
    add_findings (findings, id, engine_result (e, id));
  }
  json_object_set_new (facts, "steps", steps);
  json_object_set_new (facts, "findings", findings);
  json_object_set (facts, "phases", t->phases);
  json_object_set (facts, "requests", t->requests);
  json_object_set (facts, "witnesses", t->witnesses);
  json_object_set (facts, "purged", t->purged);
  if (t->discarded != NULL)
    json_object_set (facts, "discarded", t->discarded);
  json_object_set_new (facts, "outages", outages_make (t->phases));
  if (t->forecast != NULL)
    json_object_set (facts, "forecast", t->forecast);
  if (t->forecast_back != NULL)
    json_object_set (facts, "forecast_back", t->forecast_back);
  if (t->own_key != NULL)
    json_object_set (facts, "own_key", t->own_key);
  if (t->migration != NULL)
    json_object_set_new (facts, "migration", json_string (t->migration));
  json_object_set_new (facts, "epoch", json_integer ((json_int_t)t->epoch));
  json_object_set_new (facts, "began_ms", json_integer (t->began_ms));
  json_object_set_new (facts, "last_ms", json_integer (t->last_ms));
  json_object_set_new (facts, "chain",
                       json_pack ("{s:s, s:s, s:I}", "first", t->first, "head",
                                  t->head, "seq", (json_int_t)t->seq));
}
