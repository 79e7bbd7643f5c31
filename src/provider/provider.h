/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a provider: the one that knows one kind of item.
 * docs/PROVIDERS.md says it at length; tests/contract runs every provider
 * through it.
 *
 * - describe adds the item's steps to the graph, each with the name of its
 *   operation; of an operation run performs it; probe tells what an
 *   interrupted run left; undo brings back what was, may be called after any
 *   interruption of run or of undo, and does nothing where nothing was done.
 * - run must be repeatable: after a crash it may be called again in any state
 *   that its own earlier calls left.
 * - What undo needs to know is made durable on the host BEFORE the change, in
 *   /var/lib/rehome/ID/freeze or .../results on that host, or lies in `inputs`.
 * - All work on hosts goes through the ports; a provider opens no file and
 *   starts no process itself.
 * Functions may run in several threads at once for different steps.
 */
#ifndef REHOME_PROVIDER_PROVIDER_H
#define REHOME_PROVIDER_PROVIDER_H

#include "base/err.h"
#include "link/port.h"
#include "plan/graph.h"
#include "plan/plan.h"

#include <stdbool.h>

enum probe_state {
  PROBED_DONE,
  PROBED_NOT_DONE,
  PROBED_PARTIAL,
  PROBED_UNKNOWN
};

struct pace;

/* Everything one call of a provider gets; borrowed for its duration. */
struct step_call {
  const struct plan *plan;
  const struct plan_item *item; /* NULL for steps of the move itself */
  const struct step *step;
  uint32_t attempt;
  struct port *source;
  struct port *target;
  struct port *controller; /* where it is a third host, else NULL */
  /* Results of the steps that this one needs, and of all steps of earlier
   * stages, by id: object of objects. */
  const json_t *inputs;
  const char *migration; /* ID: directory name below /var/lib/rehome */
  /* The call is mirrored: an operation that goes from the source to the
   * target is done from the target (as `source`) to the source. */
  bool back;
  bool alone;        /* a rollback for which the target is given up */
  bool no_way_back;  /* the opening without a proven one was confirmed */
  struct pace *pace; /* holds its pipes back (pace.h); NULL: nothing does */
  /* Progress of this step for people: {"files","bytes","of_files",...}. */
  void (*tick) (void *ctx, const json_t *progress);
  bool (*cancelled) (void *ctx);
  void *ctx;
};

/* What `rehome plan` learns about two hosts; draft functions append items
 * (objects, key order kept) and comments to it.  provider/draft.h. */
struct draft;

/* What one operation of a step does: run, probe and undo.  A NULL probe
 * answers "not done", which is right for pure steps and for what may be run
 * again in any state; a NULL undo does nothing, and no reversible step may
 * have it. */
struct step_op {
  const char *op;
  struct err *(*run) (const struct step_call *call, json_t **result);
  struct err *(*probe) (const struct step_call *call, enum probe_state *out);
  struct err *(*undo) (const struct step_call *call, json_t **result);
};

/* Steps of the way back whose operation is another one's. */
enum back_how {
  BACK_MIRRORED, /* that operation, with the two hosts changed over */
  BACK_UNDONE    /* run is its undo, and undo its run */
};
struct back_op {
  const char *op; /* "back-stop" */
  enum back_how how;
  const char *as; /* "stop" */
};

/* What a rollback can bring back of what the target took. */
enum reverse_mode {
  REVERSE_NONE,      /* nothing, or nothing that is known to work */
  REVERSE_DELTA,     /* reverse rounds in the guard, and a last one */
  REVERSE_REPLICATE, /* a stream that never stands still */
  REVERSE_EMPTY      /* the item takes nothing that could be lost */
};
const char *reverse_name (enum reverse_mode m);

/* What a step takes where it was never measured, for the forecast. */
struct step_cost {
  const char *op;
  int64_t ms;
};

struct provider {
  struct plan_kind kind; /* .kind is the key in the plan: "files" */
  const char *about;     /* one line for people */
  struct err *(*describe) (const struct plan *plan,
                           const struct plan_item *item, struct graph *g);
  /* Before each operation and discard: tells the ports what its programs there
   * need; NULL: nothing. */
  void (*enter) (const struct step_call *call);
  /* The operations of its steps; ends with an entry whose op is NULL. */
  const struct step_op *ops;
  /* Ends with an entry whose op is NULL; or NULL. */
  const struct back_op *back_ops;
  enum reverse_mode reverse;
  /* What the last round, and its proof, cost of a round before the freeze, for
   * the forecast; 0: as much. */
  int last_percent;
  /* Steps that are not as others of their stage; ends with an entry whose op
   * is NULL; or NULL. */
  const struct step_cost *costs;
  /* Looks at the source and adds what it finds; NULL: finds nothing. */
  struct err *(*discover) (struct port *source, struct port *target,
                           struct draft *draft);
  /* After an abort: takes from the target what the item's steps put there and
   * is still as they did, puts back what they replaced, and names the rest.
   * `call` has no step.  Repeatable after any interruption.  `dry`: only tells.
   * Adds to `out`: "removed" [{"what", "entries", "bytes"}], "restored"
   * ["what"], "kept" [{"what", "why"}] by provider/discard.h.  NULL: its copy
   * stays, and is named. */
  struct err *(*discard) (const struct step_call *call, bool dry, json_t *out);
};

extern const struct provider provider_files;
extern const struct provider provider_accounts;
extern const struct provider provider_service;
extern const struct provider provider_cron;
extern const struct provider provider_mariadb;
extern const struct provider provider_sqlite;
extern const struct provider provider_postgresql;
extern const struct provider provider_address; /* plan section switch: */
extern const struct provider provider_move;    /* the move itself: identity,
      claims, freeze flag and text, writers, smoke checks, gate order, clean-up */

/* provider/steps.c: the operation that the step of `call` names.  An unknown
 * one is "RH-STEP-UNKNOWN", a reversible one without an undo
 * "RH-STEP-NOUNDO".  *result is always set after success. */
struct err *provider_run (const struct provider *p,
                          const struct step_call *call, json_t **result);
struct err *provider_probe (const struct provider *p,
                            const struct step_call *call,
                            enum probe_state *out);
struct err *provider_undo (const struct provider *p,
                           const struct step_call *call, json_t **result);

/* provider/back.c */
/* An item's reverse mode: what its last look said in "reverse", or what its
 * provider has (`said` NULL or without it); and the migration's, the weakest of
 * its items', of {ITEM: what was said}. */
enum reverse_mode provider_reverse_of (const struct plan_item *item,
                                       const json_t *said);
enum reverse_mode provider_reverse (const struct plan *plan,
                                    const json_t *said);
/* The call of the way back that `call` means; NULL: it is what it says. */
struct back_call;
const struct back_op *back_op_of (const struct provider *p,
                                  const struct step_call *call);
struct back_call *back_call_new (const struct step_call *call,
                                 const struct back_op *op);
const struct step_call *back_call_inner (const struct back_call *b);
/* In errors of a mirrored call the two hosts change their names. */
struct err *back_call_err (const struct back_call *b, struct err *e);
void back_call_free (struct back_call *b);
/* A rollback without the target passes over what is done there. */
bool back_passes (const struct step_call *call);

/* provider/registry.c */
const struct provider *provider_find (const char *kind);
const struct plan_kinds *provider_kinds (void);
/* provider/compile.c: plan -> sealed graph. */
struct err *provider_compile (const struct plan *plan, struct graph **out);

#endif
