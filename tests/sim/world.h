/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model world of the simulator: a source that serves, a target, the
 * address, the data, and what the agents on both hosts remember durably.
 * Steps change it as the real ones change hosts, in two halves, so that one
 * can stop between them.
 */
#ifndef REHOME_SIM_WORLD_H
#define REHOME_SIM_WORLD_H

#include "plan/graph.h"
#include "plant.h"

#include <stdbool.h>
#include <stdint.h>

#define STEPS_MAX 512

/* What a step means to the model world, told from its name. */
enum role {
  ROLE_OTHER, /* it has a state, and nothing else */
  ROLE_COPY,
  ROLE_APPLY, /* what reverse rounds laid up goes into the source's files */
  ROLE_PROOF,
  ROLE_FLAG,
  ROLE_STOP,
  ROLE_CRON_STOP,
  ROLE_CLOCKS,  /* looks that the clocks of both hosts agree */
  ROLE_WRITERS, /* looks that nothing can write on the source */
  ROLE_GATE,
  ROLE_UNFLAG, /* the source may start, behind its gate */
  ROLE_START,
  ROLE_SMOKE_INSIDE,
  ROLE_TAKE,
  ROLE_GIVE,
  ROLE_SMOKE_OUTSIDE,
  ROLE_PIVOT,
  ROLE_ENABLE,
  ROLE_RELEASE,
  ROLE_CLAIM,
  ROLE_CLEANUP, /* gives both claims back */
};

struct model_host {
  bool up, destroyed;
  bool running, want_running; /* the service; wanted: starts at boot, thaw */
  bool cron, want_cron;
  bool address, address_kept; /* live; in its configuration */
  bool flag;                  /* durable: nothing may start */
  bool held;                  /* durable: jobs stand still */
  bool gate, gate_lifted;     /* durable; lifted at run time */
  bool claimed;               /* durable: for this migration alone */
  bool address_was;           /* durable: what a switch is undone to */
  int64_t clock_off;          /* of its wall clock, ms */
  uint64_t fence_epoch;
  int fence_controller;
};

struct world {
  const struct graph *graph;
  enum bug bug;
  struct model_host source, target;
  /* Each step's state on its host (0, 1: half, 2), and the last attempt whose
   * result the agent remembers. */
  enum role role[STEPS_MAX];
  int state[STEPS_MAX];
  uint32_t remembered[STEPS_MAX];
  bool proven[STEPS_MAX];  /* passed since the freeze */
  long source_n, target_n; /* acknowledged writes */
  long copied_n;           /* of the source's, on the target */
  long laid_n, returned_n; /* of the target's: laid up on, and in the source */
  int64_t skew_seen;       /* when the clocks were last looked at */
  bool damaged;            /* the copy has a silent fault */
  bool opened;             /* the target ever took writes */
  bool returned;           /* the source took writes again after that */
  const char *broken;      /* the invariant that does not hold */
};

void world_start (struct world *w, const struct graph *g, enum bug bug);
/* A graph of its own, and the one that a plan's file compiles to. */
struct graph *world_graph (void);
struct graph *world_graph_of (const char *plan);
/* role.c */
void world_roles (struct world *w);
size_t world_step (const struct world *w, const char *id);

bool source_can_write (const struct world *w);
bool target_can_write (const struct world *w);
/* A client's write by the moving address; false: nobody acknowledged it. */
bool world_client_write (struct world *w, bool prefer_target);
void world_cron_write (struct world *w);
/* Half of a step, then the rest.  false: the step itself says no (a proof or
 * a check failed). */
void world_half (struct world *w, size_t step);
bool world_whole (struct world *w, size_t step);
void world_undo (struct world *w, size_t step);
/* The source goes back to work by itself. */
void world_thaw_alone (struct world *w);
void world_reboot_down (struct model_host *h);
void world_reboot_up (struct model_host *h);

/* The first invariant that does not hold, or NULL. */
const char *world_check (const struct world *w);
/* What must be so once it is accepted. */
const char *world_check_accepted (const struct world *w);
/* What must be so when a cutover was aborted, or a rollback. */
const char *world_check_aborted (const struct world *w, bool back);
/* What must be so once it is rolled back. */
const char *world_check_rolled_back (const struct world *w);
/* What must be so when a pivot takes effect. */
const char *world_check_pivot (const struct world *w, bool back);
/* A step of a rollback without the target: it is passed over. */
void world_pass (struct world *w, size_t step);

#endif
