/* SPDX-License-Identifier: Apache-2.0 */
/* The downtime forecast, as a range. */
#include "exec/forecast.h"

#include "base/mem.h"
#include "base/vec.h"
#include "provider/provider.h"

#include <string.h>

/* What a step costs where nothing was measured: the journal's two durable
 * records, a few calls to a host, and the thing itself.  Values of the lab,
 * rounded; docs/BENCHMARKS.md says how they are measured. */
struct known {
  const char *provider; /* NULL: any */
  enum stage stage;
  int64_t ms;
};

static const struct known known_costs[] = {
  { "move", STAGE_FREEZE, 55 },    { NULL, STAGE_FREEZE, 60 },
  { "files", STAGE_FINAL, 50 },    { NULL, STAGE_FINAL, 50 },
  { "files", STAGE_VERIFY, 60 },   { NULL, STAGE_VERIFY, 50 },
  { "service", STAGE_START, 130 }, { NULL, STAGE_STILL, 20 },
  { NULL, STAGE_START, 60 },       { NULL, STAGE_INSIDE, 20 },
  { NULL, STAGE_SWITCH, 40 },      { NULL, STAGE_OUTSIDE, 25 },
  { NULL, STAGE_PIVOT, 75 },
};

/* What the step's provider knows of it; -1: nothing. */
static int64_t
declared_ms (const struct step *s)
{
  const struct provider *p = provider_find (s->provider);
  const struct step_cost *c = p != NULL ? p->costs : NULL;
  for (; c != NULL && c->op != NULL; c++)
    if (strcmp (c->op, s->op) == 0)
      return c->ms;
  return -1;
}

/* The same stage of the way there. */
static enum stage
stage_there (enum stage s)
{
  if (s == STAGE_BACK_PIVOT)
    return STAGE_PIVOT;
  return s >= STAGE_BACK_FREEZE && s < STAGE_BACK_PIVOT
             ? (enum stage) (s - STAGE_BACK_FREEZE + STAGE_FREEZE)
             : s;
}

static int64_t
known_cost (const struct step *s)
{
  enum stage there = stage_there (s->stage);
  for (size_t i = 0; i < sizeof known_costs / sizeof *known_costs; i++) {
    const struct known *k = &known_costs[i];
    if (k->stage == there
        && (k->provider == NULL || strcmp (k->provider, s->provider) == 0))
      return k->ms;
  }
  return 100;
}

/* The step of the same item in another stage; NULL: none. */
static const struct step *
sister (const struct graph *g, const struct step *s, enum stage stage)
{
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *o = graph_at (g, i);
    if (o->stage == stage && o->item == s->item
        && strcmp (o->provider, s->provider) == 0)
      return o;
  }
  return NULL;
}

enum basis { BASIS_MEASURED, BASIS_ROUND, BASIS_KNOWN };
static const char *const basis_names[] = { "measured", "last-round", "known" };

static int64_t
sister_ms (const struct graph *g, const struct measure *m, const struct step *s,
           enum stage stage)
{
  const struct step *o = s->item >= 0 ? sister (g, s, stage) : NULL;
  return o != NULL ? measure_step_ms (m, o->id) : -1;
}

/* A look at each entry of a tree that is in memory: values of the lab, as
 * above. */
static int64_t
walk_ms (const struct graph *g, const struct measure *m, const struct step *s)
{
  const struct step *o = s->item >= 0 ? sister (g, s, STAGE_PREFLIGHT) : NULL;
  return o != NULL ? 20 + measure_step_entries (m, o->id) * 5 / 4000 : -1;
}

/* What a step behind the freeze costs of a whole round. */
static int64_t
of_round (const struct step *s, int64_t round)
{
  const struct provider *p = provider_find (s->provider);
  return p != NULL && p->last_percent > 0 ? round * p->last_percent / 100
                                          : round;
}

/* The final round is a round, and the last proof of a tree looks at what it
 * wrote; beside the start and the smoke checks all of the source is walked;
 * other proofs are made as before the freeze. */
static int64_t
modelled_ms (const struct graph *g, const struct measure *m,
             const struct step *s)
{
  int64_t round = sister_ms (g, m, s, STAGE_ROUND);
  if (s->stage == STAGE_FINAL && round >= 0)
    return of_round (s, round * 6 / 5);
  if (s->stage == STAGE_VERIFY && round >= 0)
    return of_round (s, round);
  if (s->stage == STAGE_STILL && round >= 0)
    return walk_ms (g, m, s);
  return s->stage == STAGE_VERIFY ? sister_ms (g, m, s, STAGE_PROVE) : -1;
}

/* What the same step of the way there took: "x#stop" for "x#back-stop". */
static int64_t
twin_ms (const struct measure *m, const char *id)
{
  const char *hash = strrchr (id, '#');
  if (hash == NULL || strncmp (hash, "#back-", 6) != 0)
    return -1;
  CLEANUP_FREE char *twin
      = mem_printf ("%.*s#%s", (int)(hash - id), id, hash + 6);
  return measure_step_ms (m, twin);
}

static int64_t
cost_of (const struct graph *g, const struct measure *m, const struct step *s,
         enum basis *basis)
{
  int64_t ms = measure_step_ms (m, s->id);
  if (ms < 0)
    ms = twin_ms (m, s->id);
  *basis = BASIS_MEASURED;
  if (ms >= 0)
    return ms;
  *basis = BASIS_KNOWN;
  ms = declared_ms (s);
  if (ms >= 0)
    return ms;
  ms = modelled_ms (g, m, s);
  *basis = ms >= 0 ? BASIS_ROUND : BASIS_KNOWN;
  return ms >= 0 ? ms : known_cost (s);
}

struct stage_cost {
  int64_t chain; /* the longest way through */
  int64_t sum;
  enum basis basis; /* the weakest that it rests on */
};

static long
index_of (const struct graph *g, const char *id)
{
  for (size_t i = 0; i < graph_len (g); i++)
    if (strcmp (graph_at (g, i)->id, id) == 0)
      return (long)i;
  return -1;
}

/* Adds one step; `ends` holds for each step before it when it would end,
 * counted from the stage's begin. */
static void
add_step (const struct graph *g, const struct measure *m, size_t i,
          int64_t *ends, struct stage_cost *sc)
{
  const struct step *s = graph_at (g, i);
  enum basis basis;
  int64_t cost = cost_of (g, m, s, &basis), begin = 0;
  for (size_t k = 0; s->needs != NULL && s->needs[k] != NULL; k++) {
    long at = index_of (g, s->needs[k]);
    if (at >= 0 && graph_at (g, (size_t)at)->stage == s->stage
        && ends[at] > begin)
      begin = ends[at];
  }
  ends[i] = begin + cost;
  if (ends[i] > sc->chain)
    sc->chain = ends[i];
  sc->sum += cost;
  if (basis > sc->basis)
    sc->basis = basis;
}

/* Steps of a stage run beside each other, but share two machines: no more
 * than four of them gain by it. */
static int64_t
stage_ms (const struct stage_cost *sc)
{
  int64_t shared = sc->sum / 4;
  return sc->chain > shared ? sc->chain : shared;
}

static void
add_cause (json_t *causes, enum stage st, const struct stage_cost *sc)
{
  size_t at = 0;
  int64_t ms = stage_ms (sc);
  while (at < json_array_size (causes)
         && json_integer_value (
                json_object_get (json_array_get (causes, at), "ms"))
                >= ms)
    at++;
  json_array_insert_new (causes, at,
                         json_pack ("{s:s, s:I, s:s}", "stage", stage_name (st),
                                    "ms", (json_int_t)ms, "basis",
                                    basis_names[sc->basis]));
}

/* One stage after the other; but the last look at the source runs beside the
 * stages from the start on, and costs only what it takes longer than they. */
static int64_t
all_ms (const struct stage_cost all[STAGE_COUNT], enum stage first,
        enum stage last)
{
  int64_t sum = 0, beside = 0;
  for (enum stage st = first; st <= last; st++) {
    int64_t ms = stage_ms (&all[st]);
    if (st == STAGE_STILL)
      continue;
    sum += ms;
    if (st >= STAGE_START && st < STAGE_STILL)
      beside += ms;
  }
  int64_t still = last == STAGE_PIVOT ? stage_ms (&all[STAGE_STILL]) : 0;
  return still > beside ? sum + still - beside : sum;
}

void
forecast_make (const struct graph *g, const struct measure *m, bool back,
               struct forecast *out)
{
  enum stage first = back ? STAGE_BACK_FREEZE : STAGE_FREEZE;
  enum stage last = back ? STAGE_BACK_PIVOT : STAGE_PIVOT;
  CLEANUP_FREE int64_t *ends = mem_alloc ((graph_len (g) + 1) * sizeof *ends);
  struct stage_cost all[STAGE_COUNT] = { 0 };
  out->causes = json_array ();
  for (size_t i = 0; i < graph_len (g); i++) {
    enum stage st = graph_at (g, i)->stage;
    if (st >= first && st <= last)
      add_step (g, m, i, ends, &all[st]);
  }
  for (enum stage st = first; st <= last; st++)
    if (all[st].sum > 0)
      add_cause (out->causes, st, &all[st]);
  int64_t sum = all_ms (all, first, last);
  /* A quiet machine is faster than what was measured while clients and rounds
   * kept it busy, and a busier one slower: three to one from end to end, set
   * by moves in a row (docs/BENCHMARKS.md). */
  int64_t lower = sum * (back ? 30 : 21) / 50;
  out->lower_ms = lower > 0 ? lower : 1;
  out->upper_ms = out->lower_ms * 3;
}

void
forecast_clear (struct forecast *f)
{
  json_decref (f->causes);
  f->causes = NULL;
}

int64_t
forecast_back_ms (const struct graph *g, const struct measure *m)
{
  int64_t ms = 0;
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    enum basis basis;
    if (s->cls == STEP_REVERSIBLE && s->stage >= STAGE_FREEZE
        && s->stage < STAGE_PIVOT)
      ms += cost_of (g, m, s, &basis);
  }
  return ms;
}
