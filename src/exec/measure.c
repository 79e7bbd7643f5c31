/* SPDX-License-Identifier: Apache-2.0 */
/* Measures as a pure fold over the journal's records. */
#include "exec/measure.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* A moment by two clocks: the second one counts within one boot. */
struct moment {
  bool set;
  int64_t wall_ms;
  uint64_t boot_ns;
  char boot_id[40];
};

struct taken {
  struct moment intent;
  int64_t ms;        /* -1: never ended well */
  int64_t entries;   /* that its result counts */
  bool since_freeze; /* ended well since the freeze began */
};

struct outage {
  struct moment frozen;
  bool ended;
  bool opened;
  int64_t downtime_ms;
};

struct measure {
  const struct graph *graph;
  struct taken *steps;  /* one for each step of the graph */
  struct outage way[2]; /* there, and back */
};

struct measure *
measure_new (const struct graph *g)
{
  struct measure *m = mem_alloc (sizeof *m);
  size_t n = graph_len (g);
  m->graph = g;
  m->steps = mem_alloc ((n + 1) * sizeof *m->steps);
  for (size_t i = 0; i < n; i++)
    m->steps[i].ms = -1;
  return m;
}

void
measure_free (struct measure *m)
{
  if (m == NULL)
    return;
  free (m->steps);
  free (m);
}

static void
set_moment (struct moment *m, const struct record *r)
{
  m->set = true;
  m->wall_ms = r->time_ms;
  m->boot_ns = r->mono_ns;
  snprintf (m->boot_id, sizeof m->boot_id, "%.39s",
            r->boot_id != NULL ? r->boot_id : "");
}

static int64_t
since (const struct moment *from, const struct record *to)
{
  const char *boot = to->boot_id != NULL ? to->boot_id : "";
  if (strcmp (from->boot_id, boot) == 0 && to->mono_ns >= from->boot_ns)
    return (int64_t)((to->mono_ns - from->boot_ns) / 1000000u);
  return to->time_ms > from->wall_ms ? to->time_ms - from->wall_ms : 0;
}

static long
index_of (const struct measure *m, const char *id)
{
  if (id == NULL)
    return -1;
  for (size_t i = 0; i < graph_len (m->graph); i++)
    if (strcmp (graph_at (m->graph, i)->id, id) == 0)
      return (long)i;
  return -1;
}

static bool
is_undo (const struct record *r)
{
  return json_is_true (json_object_get (r->data, "undo"));
}

static bool
is_error (const struct record *r)
{
  return json_is_object (json_object_get (r->data, "error"));
}

static void
take_intent (struct measure *m, const struct record *r, long i)
{
  enum stage stage = graph_at (m->graph, (size_t)i)->stage;
  struct outage *o = &m->way[stage_is_back (stage)];
  set_moment (&m->steps[i].intent, r);
  if ((stage == STAGE_FREEZE || stage == STAGE_BACK_FREEZE) && !o->frozen.set) {
    set_moment (&o->frozen, r);
    o->ended = false;
    for (size_t k = 0; k < graph_len (m->graph); k++)
      m->steps[k].since_freeze = false;
  }
}

static int64_t
count_entries (const struct record *r)
{
  static const char *const kinds[] = { "files", "dirs", "links", "others" };
  const json_t *result = json_object_get (r->data, "result");
  int64_t sum = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    sum += json_integer_value (json_object_get (result, kinds[i]));
  return sum;
}

static void
take_end (struct outage *o, const struct record *r, bool opened)
{
  if (!o->frozen.set)
    return;
  o->ended = true;
  o->opened = opened;
  o->downtime_ms = since (&o->frozen, r);
  o->frozen.set = false;
}

/* Clients are served once every gate is gone. */
static bool
all_pivots_done (const struct measure *m, enum stage stage)
{
  for (size_t i = 0; i < graph_len (m->graph); i++) {
    const struct step *s = graph_at (m->graph, i);
    if (s->stage == stage && s->cls == STEP_PIVOT && !m->steps[i].since_freeze)
      return false;
  }
  return true;
}

static void
take_outcome (struct measure *m, const struct record *r, long i)
{
  if (is_error (r))
    return;
  if (m->steps[i].intent.set)
    m->steps[i].ms = since (&m->steps[i].intent, r);
  m->steps[i].entries = count_entries (r);
  m->steps[i].since_freeze = true;
  const struct step *s = graph_at (m->graph, (size_t)i);
  if (s->cls == STEP_PIVOT && all_pivots_done (m, s->stage))
    take_end (&m->way[stage_is_back (s->stage)], r, true);
}

static void
take_phase (struct measure *m, const struct record *r)
{
  const char *to = json_string_value (json_object_get (r->data, "to"));
  if (to != NULL && strcmp (to, "aborted") == 0)
    take_end (&m->way[0], r, false);
  if (to != NULL && strcmp (to, "guarded") == 0)
    take_end (&m->way[1], r, false);
}

void
measure_record (struct measure *m, const struct record *r)
{
  long i = index_of (m, r->step);
  if (r->type == RECORD_PHASE)
    take_phase (m, r);
  if (i < 0 || is_undo (r))
    return;
  if (r->type == RECORD_INTENT)
    take_intent (m, r, i);
  else if (r->type == RECORD_OUTCOME)
    take_outcome (m, r, i);
}

int64_t
measure_step_ms (const struct measure *m, const char *step)
{
  long i = index_of (m, step);
  return i < 0 ? -1 : m->steps[i].ms;
}

int64_t
measure_step_entries (const struct measure *m, const char *step)
{
  long i = index_of (m, step);
  return i < 0 ? 0 : m->steps[i].entries;
}

bool
measure_downtime (const struct measure *m, bool back, bool *opened, int64_t *ms)
{
  const struct outage *o = &m->way[back];
  if (!o->ended)
    return false;
  *opened = o->opened;
  *ms = o->downtime_ms;
  return true;
}

int64_t
measure_frozen_since (const struct measure *m)
{
  return m->way[0].frozen.set ? m->way[0].frozen.wall_ms : 0;
}
