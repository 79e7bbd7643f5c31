/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of steps that a plan compiles to (provider/compile.h builds it).
 * Pure data: which operation, on which side, in which phase, after which other
 * steps.  Immutable once graph_seal succeeded; may then be shared.
 */
#ifndef REHOME_PLAN_GRAPH_H
#define REHOME_PLAN_GRAPH_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stddef.h>

/* The stages of a move in their order; a step runs in one of them, and a
 * stage begins when the one before has finished. */
enum stage {
  STAGE_PREFLIGHT,  /* identity, clocks, space, ports, packages: pure looks */
  STAGE_PREPARE,    /* accounts, first copy, inert units: source untouched */
  STAGE_ROUND,      /* delta rounds; repeated until cutover */
  STAGE_TEST,       /* the work on a copy, there and back; asked for */
  STAGE_PROVE,      /* everything read back and compared, before the freeze */
  STAGE_RECHECK,    /* fresh preflight just before the freeze */
  STAGE_HOLD,       /* jobs awaited; nothing is down yet */
  STAGE_FREEZE,     /* from here the client sees downtime */
  STAGE_FINAL,      /* last round */
  STAGE_VERIFY,     /* last proof */
  STAGE_START,      /* started on the target behind the gate */
  STAGE_INSIDE,     /* smoke checks from inside */
  STAGE_SWITCH,     /* names and addresses, gate still closed */
  STAGE_OUTSIDE,    /* smoke checks from outside */
  STAGE_STILL,      /* last looks at the source, from the start on, beside the
                       stages above; the pivot waits for them */
  STAGE_PIVOT,      /* the gate is removed: the target takes writes */
  STAGE_OPEN,       /* enabled, cron on, timers on: forward only */
  STAGE_GUARD,      /* looks during the guard: once, beside the rounds */
  STAGE_BACK_ROUND, /* what the target took is brought to the source, and laid
                       up there; repeated while guarded */
  STAGE_ACCEPT,     /* removes what was left, ends the migration */
  /* The way back, a second cutover in the other direction. */
  STAGE_BACK_CHECK,   /* the way back is there: pure looks */
  STAGE_BACK_APPLY,   /* what was laid up goes into the source's files */
  STAGE_BACK_HOLD,    /* jobs awaited on the target */
  STAGE_BACK_FREEZE,  /* from here the client sees downtime */
  STAGE_BACK_FINAL,   /* last reverse round */
  STAGE_BACK_VERIFY,  /* the source holds what the target held */
  STAGE_BACK_START,   /* started on the source behind a gate */
  STAGE_BACK_INSIDE,  /* smoke checks on the source */
  STAGE_BACK_SWITCH,  /* names and addresses back, gate still closed */
  STAGE_BACK_OUTSIDE, /* smoke checks from outside */
  STAGE_BACK_PIVOT,   /* the gate is removed: the source takes writes */
  STAGE_BACK_OPEN,    /* the source works as before; the rest is removed */
  STAGE_COUNT
};
const char *stage_name (enum stage s); /* "preflight", ... */
/* A stage of the way back, from its check to its end. */
static inline bool
stage_is_back (enum stage s)
{
  return s >= STAGE_BACK_CHECK && s < STAGE_COUNT;
}

enum step_class {
  STEP_PURE,       /* looks only; may be repeated at will */
  STEP_IDEMPOTENT, /* may be repeated, leaves nothing that must be undone */
  STEP_REVERSIBLE, /* has an undo, which is run on abort */
  STEP_PIVOT,      /* the point where the target takes writes */
  STEP_FORWARD,    /* after the pivot; must be repeatable until it succeeds */
};
const char *step_class_name (enum step_class c);

enum step_side { SIDE_SOURCE, SIDE_TARGET, SIDE_BOTH, SIDE_OUTSIDE };
const char *step_side_name (enum step_side s);

struct step {
  const char *id;       /* "files:/srv/shop#seed"; unique; text-safe */
  const char *provider; /* whose operation */
  const char *op;       /* the provider's own word */
  const char *title;    /* for people: "first copy of /srv/shop" */
  long item;            /* index in the plan, or -1 */
  const json_t *args;   /* object, may be NULL */
  enum stage stage;
  enum step_class cls;
  enum step_side side;
  const char *const *needs; /* ids, NULL-terminated */
  unsigned retry_max;       /* attempts beyond the first on transient errors */
  long retry_base_ms, retry_cap_ms;
  long timeout_ms; /* of one attempt; 0: none */
};

struct graph;
struct graph *graph_new (void);
void graph_free (struct graph *g);
static inline void
cleanup_graph_ (struct graph **g)
{
  graph_free (*g);
}
#define CLEANUP_GRAPH CLEANUP (cleanup_graph_)

/* Copies everything that `s` points at.  Same id twice: "RH-GRAPH-TWICE". */
struct err *graph_add (struct graph *g, const struct step *s);
/* Orders two items (by their index in the plan): within each stage every step
 * of `item` needs those of `first`; in a freeze it is the other way round, but
 * for steps that need each other already: what depends on another stops before
 * it.  Only before the seal. */
void graph_after (struct graph *g, long item, long first);
/* Checks: needs exist, lie in the same or an earlier stage, no cycle
 * ("RH-GRAPH-CYCLE" names it), one pivot step at least when there is any step
 * in STAGE_OPEN.  Orders the steps: stage, then topologically, then as added.
 */
struct err *graph_seal (struct graph *g);
size_t graph_len (const struct graph *g);
const struct step *graph_at (const struct graph *g, size_t i);
const struct step *graph_find (const struct graph *g, const char *id);
/* Text (one line a step) and Graphviz DOT; the caller frees. */
char *graph_text (const struct graph *g);
char *graph_dot (const struct graph *g);

#endif
