/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step graph: steps are copied in, checked once, ordered, and then only
 * read.
 */
#include "plan/graph.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"

#include <string.h>

/* A plan that needs more is not one that a person reads. */
#define GRAPH_MAX_STEPS 20000

struct node {
  struct step step;
  VEC (char *) needs; /* what step.needs points at once sealed */
  size_t *need;       /* the same as indices, while sealing */
};

struct graph {
  VEC (struct node *) nodes;
  json_t *ids; /* id -> index */
  bool sealed;
};

static const char *const stage_names[STAGE_COUNT] = {
  [STAGE_PREFLIGHT] = "preflight",
  [STAGE_PREPARE] = "prepare",
  [STAGE_ROUND] = "round",
  [STAGE_TEST] = "test",
  [STAGE_PROVE] = "prove",
  [STAGE_RECHECK] = "recheck",
  [STAGE_HOLD] = "hold",
  [STAGE_FREEZE] = "freeze",
  [STAGE_FINAL] = "final",
  [STAGE_VERIFY] = "verify",
  [STAGE_START] = "start",
  [STAGE_INSIDE] = "inside",
  [STAGE_SWITCH] = "switch",
  [STAGE_OUTSIDE] = "outside",
  [STAGE_STILL] = "still",
  [STAGE_PIVOT] = "pivot",
  [STAGE_OPEN] = "open",
  [STAGE_GUARD] = "guard",
  [STAGE_ACCEPT] = "accept",
  [STAGE_BACK_ROUND] = "back-round",
  [STAGE_BACK_CHECK] = "back-check",
  [STAGE_BACK_APPLY] = "back-apply",
  [STAGE_BACK_HOLD] = "back-hold",
  [STAGE_BACK_FREEZE] = "back-freeze",
  [STAGE_BACK_FINAL] = "back-final",
  [STAGE_BACK_VERIFY] = "back-verify",
  [STAGE_BACK_START] = "back-start",
  [STAGE_BACK_INSIDE] = "back-inside",
  [STAGE_BACK_SWITCH] = "back-switch",
  [STAGE_BACK_OUTSIDE] = "back-outside",
  [STAGE_BACK_PIVOT] = "back-pivot",
  [STAGE_BACK_OPEN] = "back-open",
};

const char *
stage_name (enum stage s)
{
  return s < STAGE_COUNT ? stage_names[s] : "?";
}

const char *
step_class_name (enum step_class c)
{
  static const char *const names[]
      = { "pure", "idempotent", "reversible", "pivot", "forward" };
  return c <= STEP_FORWARD ? names[c] : "?";
}

const char *
step_side_name (enum step_side s)
{
  static const char *const names[] = { "source", "target", "both", "outside" };
  return s <= SIDE_OUTSIDE ? names[s] : "?";
}

struct graph *
graph_new (void)
{
  struct graph *g = mem_alloc (sizeof *g);
  g->ids = json_object ();
  return g;
}

static void
node_free (struct node *n)
{
  free ((char *)n->step.id);
  free ((char *)n->step.provider);
  free ((char *)n->step.op);
  free ((char *)n->step.title);
  json_decref ((json_t *)n->step.args);
  for (size_t i = 0; i < n->needs.n; i++)
    free (n->needs.v[i]);
  VEC_FREE (&n->needs);
  free (n->need);
  free (n);
}

void
graph_free (struct graph *g)
{
  if (g == NULL)
    return;
  for (size_t i = 0; i < g->nodes.n; i++)
    node_free (g->nodes.v[i]);
  VEC_FREE (&g->nodes);
  json_decref (g->ids);
  free (g);
}

/* The index of an id, or SIZE_MAX. */
static size_t
index_of (const struct graph *g, const char *id)
{
  const json_t *at = json_object_get (g->ids, id);
  return at == NULL ? SIZE_MAX : (size_t)json_integer_value (at);
}

static bool
has_need (const struct node *n, const char *id)
{
  for (size_t i = 0; i < n->needs.n; i++)
    if (strcmp (n->needs.v[i], id) == 0)
      return true;
  return false;
}

static void
node_need (struct node *n, const char *id)
{
  if (!has_need (n, id))
    *VEC_PUSH (&n->needs) = mem_strdup (id);
}

static bool
is_freeze (enum stage s)
{
  return s == STAGE_FREEZE || s == STAGE_BACK_FREEZE;
}

struct err *
graph_add (struct graph *g, const struct step *s)
{
  if (g->sealed)
    return err_new (ERR_BUG, "RH-GRAPH-SEALED", "step %s comes after the seal",
                    s->id);
  if (s->id == NULL || s->provider == NULL || s->op == NULL
      || s->stage >= STAGE_COUNT || s->cls > STEP_FORWARD
      || s->side > SIDE_OUTSIDE)
    return err_new (ERR_BUG, "RH-GRAPH-STEP", "step %s is incomplete",
                    s->id != NULL ? s->id : "(without an id)");
  if (index_of (g, s->id) != SIZE_MAX)
    return err_new (ERR_BUG, "RH-GRAPH-TWICE", "two steps are called %s",
                    s->id);
  if (g->nodes.n >= GRAPH_MAX_STEPS)
    return err_new (ERR_CORRECT, "RH-LIMIT",
                    "the plan makes more than %d steps", GRAPH_MAX_STEPS);
  struct node *n = mem_alloc (sizeof *n);
  n->step = *s;
  n->step.id = mem_strdup (s->id);
  n->step.provider = mem_strdup (s->provider);
  n->step.op = mem_strdup (s->op);
  n->step.title = mem_strdup (s->title != NULL ? s->title : s->id);
  n->step.args = s->args != NULL ? json_deep_copy (s->args) : NULL;
  n->step.needs = NULL;
  for (size_t i = 0; s->needs != NULL && s->needs[i] != NULL; i++)
    node_need (n, s->needs[i]);
  json_object_set_new (g->ids, s->id, json_integer ((json_int_t)g->nodes.n));
  *VEC_PUSH (&g->nodes) = n;
  return NULL;
}

void
graph_after (struct graph *g, long item, long first)
{
  for (size_t i = 0; i < g->nodes.n && !g->sealed; i++)
    for (size_t j = 0; j < g->nodes.n; j++) {
      const struct step *a = &g->nodes.v[i]->step, *b = &g->nodes.v[j]->step;
      if (a->item != item || b->item != first || a->stage != b->stage)
        continue;
      if (!is_freeze (a->stage))
        node_need (g->nodes.v[i], b->id);
      else if (!has_need (g->nodes.v[i], b->id))
        node_need (g->nodes.v[j], a->id);
    }
}

/* Needs become indices; each must exist and may not lie in a later stage. */
static struct err *
resolve (struct graph *g)
{
  for (size_t i = 0; i < g->nodes.n; i++) {
    struct node *n = g->nodes.v[i];
    free (n->need);
    n->need = mem_alloc ((n->needs.n + 1) * sizeof *n->need);
    for (size_t k = 0; k < n->needs.n; k++) {
      size_t at = index_of (g, n->needs.v[k]);
      if (at == SIZE_MAX)
        return err_new (ERR_BUG, "RH-GRAPH-NEEDS",
                        "step %s needs %s, which does not exist", n->step.id,
                        n->needs.v[k]);
      enum stage earlier = g->nodes.v[at]->step.stage;
      if (earlier > n->step.stage)
        return err_new (ERR_BUG, "RH-GRAPH-STAGE",
                        "step %s of stage %s needs %s of the later stage "
                        "%s",
                        n->step.id, stage_name (n->step.stage), n->needs.v[k],
                        stage_name (earlier));
      n->need[k] = at;
    }
  }
  return NULL;
}

static bool
ready (const struct node *n, const bool *placed)
{
  for (size_t k = 0; k < n->needs.n; k++)
    if (!placed[n->need[k]])
      return false;
  return true;
}

/* Follows unplaced needs from `at` until a step comes again, and names the
 * ring. */
static struct err *
name_cycle (const struct graph *g, size_t at, const bool *placed)
{
  CLEANUP_FREE size_t *seen = mem_alloc ((g->nodes.n + 1) * sizeof *seen);
  VEC (size_t) path = { 0 };
  while (seen[at] == 0) {
    *VEC_PUSH (&path) = at;
    seen[at] = path.n;
    const struct node *n = g->nodes.v[at];
    for (size_t k = 0; k < n->needs.n; k++)
      if (!placed[n->need[k]]) {
        at = n->need[k];
        break;
      }
  }
  CLEANUP_BUF struct buf text = BUF_INIT;
  struct err *e = NULL;
  for (size_t i = seen[at] - 1; e == NULL && i < path.n; i++)
    e = buf_printf (&text, "%s needs ", g->nodes.v[path.v[i]]->step.id);
  VEC_FREE (&path);
  TRY (e);
  return err_new (ERR_CORRECT, "RH-GRAPH-CYCLE",
                  "the steps wait for each other: %s%s",
                  (const char *)text.data, g->nodes.v[at]->step.id);
}

/* Stage by stage; within one, again and again the earliest added step whose
 * needs are placed. */
static struct err *
order (struct graph *g, struct node **out)
{
  size_t n = g->nodes.n, placed_n = 0;
  CLEANUP_FREE bool *placed = mem_alloc (n + 1);
  for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
    for (;;) {
      size_t pick = SIZE_MAX, waits = SIZE_MAX;
      for (size_t i = 0; i < n && pick == SIZE_MAX; i++) {
        const struct node *one = g->nodes.v[i];
        if (placed[i] || one->step.stage != (enum stage)stage)
          continue;
        if (ready (one, placed))
          pick = i;
        else if (waits == SIZE_MAX)
          waits = i;
      }
      if (pick == SIZE_MAX && waits != SIZE_MAX)
        return name_cycle (g, waits, placed);
      if (pick == SIZE_MAX)
        break;
      placed[pick] = true;
      out[placed_n++] = g->nodes.v[pick];
    }
  return NULL;
}

/* What may only happen after the pivot needs a pivot. */
static struct err *
check_pivot (const struct graph *g)
{
  const char *open = NULL;
  for (size_t i = 0; i < g->nodes.n; i++) {
    const struct step *s = &g->nodes.v[i]->step;
    if (s->cls == STEP_PIVOT)
      return NULL;
    if (s->stage == STAGE_OPEN && open == NULL)
      open = s->id;
  }
  if (open == NULL)
    return NULL;
  return err_new (ERR_BUG, "RH-GRAPH-PIVOT",
                  "step %s opens the target, but no step is the pivot", open);
}

struct err *
graph_seal (struct graph *g)
{
  size_t n = g->nodes.n;
  TRY (resolve (g));
  TRY (check_pivot (g));
  CLEANUP_FREE struct node **sorted = mem_alloc ((n + 1) * sizeof *sorted);
  TRY (order (g, sorted));
  for (size_t i = 0; i < n; i++) {
    struct node *one = g->nodes.v[i] = sorted[i];
    json_object_set_new (g->ids, one->step.id, json_integer ((json_int_t)i));
    *VEC_PUSH (&one->needs) = NULL;
    one->step.needs = (const char *const *)one->needs.v;
  }
  g->sealed = true;
  return NULL;
}

size_t
graph_len (const struct graph *g)
{
  return g->nodes.n;
}

const struct step *
graph_at (const struct graph *g, size_t i)
{
  return i < g->nodes.n ? &g->nodes.v[i]->step : NULL;
}

const struct step *
graph_find (const struct graph *g, const char *id)
{
  return graph_at (g, index_of (g, id));
}
