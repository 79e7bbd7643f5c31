/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated run: a virtual clock with its events, a journal on a disk that
 * loses what was not synced, a controller that can die at every effect, and
 * the real engine in it.  A seed gives the same run every time.
 */
#ifndef REHOME_SIM_RUN_H
#define REHOME_SIM_RUN_H

#include "coverage.h"
#include "dice.h"
#include "world.h"

#include "base/vec.h"
#include "engine/engine.h"

enum happening_kind {
  HAPPENS_HALF,  /* a call is half done on its hosts */
  HAPPENS_WHOLE, /* ... and done */
  HAPPENS_REPLY, /* its end reaches the controller */
  HAPPENS_SYNC,  /* the disk has what was appended (only with a bug) */
  HAPPENS_RECORD,
  HAPPENS_TIMER,
  HAPPENS_CLIENT,
  HAPPENS_CRON,
  HAPPENS_REQUEST,
  HAPPENS_PATIENCE, /* an operator looks whether something waits for them */
  HAPPENS_REPLAN,
  HAPPENS_APPROVE, /* of the plan `index`, perhaps an older one by now */
  HAPPENS_CUT,     /* the network to a host, for a while */
  HAPPENS_CLOCK,   /* the controller's clock jumps */
  HAPPENS_SKEW,    /* a host's clock does */
  HAPPENS_CLOCK_RIGHT,
  HAPPENS_THAW, /* only with a bug */
  HAPPENS_REBOOT,
  HAPPENS_BOOTED,
  HAPPENS_DESTROYED,
  HAPPENS_FOREIGN, /* another controller with a journal of its own */
  HAPPENS_START,   /* the controller's process */
};

struct happening {
  int64_t at;
  uint64_t order;
  enum happening_kind kind;
  unsigned incarnation;
  size_t index; /* of a call or a record */
  char *timer;
  enum request request;
  bool target; /* which host */
};

enum fate {
  FATE_GOOD,
  FATE_NOTHING, /* not done, and said so */
  FATE_HALF,    /* left half done */
  FATE_LOST,    /* done, the reply lost */
  FATE_FINAL,   /* refused for good */
};

struct call {
  enum effect_kind kind; /* run, undo, probe */
  size_t step;
  uint32_t attempt;
  uint64_t epoch;
  int controller;
  enum fate fate;
  bool dead, cancelled, says_no, refused, unreachable;
  bool replied;
  unsigned effects; /* how often it was done on its hosts */
  bool confirmed;   /* that nothing proves a way back */
  bool passed; /* a rollback without the target: this step is passed over */
};

/* Safety runs have faults to their end; live ones end them after a while, and
 * then each migration must end or say why it waits. */
enum run_mode { MODE_MIXED, MODE_SAFE, MODE_LIVE };

struct run {
  uint64_t seed;
  bool trace, thorough, safe;
  struct dice dice, clocks, people;
  struct world world;
  struct graph *graph;
  struct plan_limits limits;
  struct coverage *coverage;

  int64_t now, faults_until, until, delivered_until;
  uint64_t order;
  VEC (struct happening) queue;
  VEC (struct call) calls;
  unsigned odds_step, odds_crash; /* of 10,000 */
  size_t cursed;                  /* a step that always fails */
  const struct plant *plant;
  uint32_t faults;                   /* drawn so far, left out ones too */
  int64_t cut_until[2], clock_off;   /* source, target; of the controller */
  unsigned boots, frozen_boot[2];    /* of the controller's machine */
  int64_t boot_began, frozen_now[2]; /* true time; out, back */
  bool clock_jumped, pivot_intended, asks_approval;
  bool one_way; /* nothing proves a way back */
  size_t plans, steps_begun;

  /* The disk. */
  VEC (struct record) records;
  size_t synced;
  struct chain chain;

  /* The controller. */
  bool alive, destroyed;
  unsigned incarnation;
  uint64_t epoch;
  struct engine *engine;
  int64_t frozen_at;

  const char *failed; /* what went wrong, or NULL */
  char *detail;
};

/* run.c */
/* `g` outlives the run. */
void run_start (struct run *r, uint64_t seed, struct graph *g,
                const struct plant *plant, bool trace, struct coverage *c);
void run_all (struct run *r);
void run_free (struct run *r);
void run_fail (struct run *r, const char *what, const struct err *e);
void run_trace (const struct run *r, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
struct happening *run_later (struct run *r, int64_t delay,
                             enum happening_kind kind);
/* It broke what it was looked at for: any invariant, or the one that the
 * planted bug is meant to break. */
bool run_is_meant (const struct run *r);
/* A fault was drawn; false: it is left out. */
bool run_fault (struct run *r);
int64_t run_clock (const struct run *r); /* as the controller reads it */
bool run_is_cut (const struct run *r, bool target);
bool run_faulty (const struct run *r); /* faults have not stopped yet */

/* controller.c: the shim in exec's place. */
void controller_start (struct run *r);
void controller_crash (struct run *r);
void controller_feed (struct run *r, const struct event *ev);
void controller_record (struct run *r, size_t index);
void controller_request (struct run *r, enum request request);
void controller_replan (struct run *r);
void controller_approve (struct run *r, size_t plan);
void controller_check_fold (struct run *r);

/* calls.c: what happens to a call on the hosts. */
void calls_begin (struct run *r, const struct effect *f);
void calls_cancel (struct run *r, const char *step);
void calls_half (struct run *r, size_t call);
void calls_whole (struct run *r, size_t call);
void calls_reply (struct run *r, size_t call);
void calls_foreign (struct run *r);

/* clocks.c */
void clocks_plan (struct run *r);
void clocks_skew (struct run *r, bool target);
void clocks_set_right (struct run *r, bool target);
void clocks_jump (struct run *r);
void clocks_reboot (struct run *r);
/* A record's time, and its time since the boot. */
void clocks_stamp (const struct run *r, struct record *x);
void clocks_freeze (struct run *r, bool back);
/* The freeze has lasted longer than its limit. */
bool clocks_too_long (const struct run *r, bool back);

/* disk.c */
void disk_append (struct run *r, struct record *record);
bool disk_has_intent (const struct run *r, const char *step, uint32_t attempt,
                      bool undo);
void disk_lose_unsynced (struct run *r);
/* The plan that is followed at the record `i` was approved before it. */
bool disk_has_approval (const struct run *r, size_t i);
/* ... and a cutover by it was asked for by somebody who confirmed that nothing
 * proves a way back. */
bool disk_has_confirmation (const struct run *r, size_t i);
/* The number of the plan that is followed at the record `i`. */
const char *disk_plan_at (const struct run *r, size_t i);

#endif
