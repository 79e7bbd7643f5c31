/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the engine: the fold of the journal, and beside it, kept apart, what
 * is only true of this process (calls in flight, timers).  Whatever follows
 * from the second alone is lost with the process, and must not matter.
 */
#ifndef REHOME_ENGINE_STATE_H
#define REHOME_ENGINE_STATE_H

#include "engine/engine.h"
#include "engine/phases.h"

#include "base/vec.h"

/* Of a step in the current pass of its stage. */
enum mark {
  MARK_WAITING,
  MARK_OPEN,  /* intent without outcome */
  MARK_DOUBT, /* the pivot failed: only a probe can tell whether it happened */
  MARK_DONE,
  MARK_FAILED,
  MARK_UNDONE,
};

struct progress {
  /* Fold. */
  enum mark mark;
  uint32_t attempt, undo_attempt; /* never reset */
  unsigned tries, undo_tries;     /* failures in this pass */
  uint64_t first_intent;          /* its record in this cutover; 0: none */
  bool wait;                      /* the next attempt waits its turn */
  bool dismissed; /* it was told to end: its failure is no news */
  bool undo_open, undo_failed;
  bool closed; /* a pivot step: the probe was sure that it did not happen */
  bool failed; /* a pivot step: an attempt of this cutover failed */
  json_t *result, *error;
  /* This process. */
  bool flying, cancelled, probing, probe_backoff, backoff, undo_backoff;
  unsigned probe_tries;
};

/* An append that was asked for and has not come back. */
struct expected {
  enum record_type type;
  size_t step; /* NO_STEP */
  uint32_t attempt;
};

#define NO_STEP ((size_t)-1)
#define NO_REQUEST REQUEST_COUNT

/* When a record was made: by the wall clock, which jumps, and by the clock of
 * that boot of the controller's machine, which does not. */
struct instant {
  int64_t wall_ms, boot_ms;
  char boot[40];
};

/* How long one way of a cutover has frozen its host. */
struct outage {
  struct instant frozen;
  int64_t frozen_at, opened_at, ended_at;
  bool measured;
};

struct engine {
  const struct graph *graph;
  struct plan_limits limits;
  size_t n;
  size_t first_of[STAGE_COUNT + 1]; /* steps are ordered by stage */
  bool *reach;                      /* n * n: i needs j, directly or not */
  bool *direct;                     /* n * n: i names j */

  /* Fold. */
  struct progress *steps;
  uint64_t seq, epoch;
  char *controller;
  json_t *planned;
  json_t *approvals;      /* of the plan that is followed */
  bool waived;            /* the proof of a backup, under this plan */
  bool no_way_back;       /* confirmed with the last cutover, under this plan */
  enum phase phase, back; /* back: where seeding returns to */
  enum why why;
  bool has_why;
  enum writer writer;
  bool paused, abort_asked;
  bool alone;                 /* the rollback goes without the target */
  enum request goal, stopped; /* stopped: what `resume` takes up again */
  bool syncs_on;              /* the test was asked for during a sync */
  size_t leg;
  unsigned rounds, cutovers, back_rounds;
  struct outage outage[WAY_COUNT]; /* of the last cutover, and rollback */
  struct instant last, round;      /* the last record, the last round's end */
  int64_t back_begun_at, back_since;
  json_t *attention;
  size_t attention_step;
  unsigned attentions; /* how many there were */

  /* This process. */
  bool live, limit_due, round_due, round_timer, round_told, done_told;
  int64_t round_delay;
  VEC (struct expected) expected;
  size_t expected_from; /* those before have come back */
};

/* phases */
enum stage state_stage (const struct engine *e); /* of the current leg */
bool state_frozen_phase (enum phase p);          /* freezing .. opening */
const struct course *state_course (const struct engine *e);
struct outage *state_outage (struct engine *e);
/* This migration gets reverse rounds. */
bool state_has_back (const struct engine *e);
size_t state_find (const struct engine *e, const char *id); /* or NO_STEP */
const struct step *state_step (const struct engine *e, size_t i);
bool state_reaches (const struct engine *e, size_t i, size_t j);
size_t state_open_count (const struct engine *e);
/* abort.c: something prepared was begun, has an undo, and is not undone. */
bool state_left_prepared (const struct engine *e);

/* effect.c: the pushes; `data` is taken. */
void push_append (struct engine *e, struct effects *out, enum record_type type,
                  size_t step, uint32_t attempt, json_t *data);
void push_request (struct engine *e, struct effects *out, const char *actor,
                   enum request request, const json_t *no_way_back);
void push_phase (struct engine *e, struct effects *out, enum phase to,
                 enum why why);
void push_call (struct engine *e, struct effects *out, enum effect_kind kind,
                size_t step);
void push_timer (struct effects *out, const char *kind, const char *step,
                 int64_t delay_ms);
void push_notify (struct effects *out, json_t *data);
bool expected_empty (const struct engine *e);
/* Whether `r` is the one that is to come back next, and takes it. */
bool expected_take (struct engine *e, const struct record *r);

/* fold.c; fold_phase.c, fold_step.c: one record each; unchanged on error. */
struct err *fold_record (struct engine *e, const struct record *r);
struct err *fold_bad (const struct record *r, const char *what);
struct instant fold_instant (const struct record *r);
struct err *fold_phase (struct engine *e, const struct record *r);
struct err *fold_intent (struct engine *e, const struct record *r);
struct err *fold_outcome (struct engine *e, const struct record *r);
/* fold_phase.c: legs. */
bool leg_done (const struct engine *e);
bool leg_failed (const struct engine *e);
bool leg_collects (const struct engine *e); /* all checks run, come what may */
bool leg_is_open (const struct engine *e);  /* a step of it runs */
void leg_begin (struct engine *e);
/* A step that prepares is done again; of one that was undone nothing is left.
 */
void prepare_again (struct progress *p);
void leg_advance (struct engine *e);

/* attention.c */
void attention_clear (struct engine *e);
void attention_step (struct engine *e, size_t step);
void attention_blocked (struct engine *e);
void attention_limit (struct engine *e);
void attention_stuck (struct engine *e);

/* request.c: NULL, or why it is refused now; `actor` asks. */
struct err *request_refused (const struct engine *e, enum request r,
                             const char *actor);
struct err *fold_request (struct engine *e, const struct record *r);

/* permit.c: what a request needs besides its phase. */
bool permit_given (const struct engine *e, enum request r);
struct err *permit_refused (const struct engine *e, enum request r,
                            const char *actor);
void permit_forget (struct engine *e);
void permit_check_goal (struct engine *e);
struct err *fold_approve (struct engine *e, const struct record *r);
struct err *fold_waiver (struct engine *e, const struct record *r);
/* Of a cutover's request that was taken. */
void permit_fold_cutover (struct engine *e, const struct record *r);

/* recover.c */
void recover_open (struct engine *e, struct effects *out);
void recover_resume (struct engine *e, int64_t now_ms, struct effects *out);
struct err *recover_probed (struct engine *e, const struct event *ev,
                            struct effects *out);
int64_t recover_delay (const struct engine *e, size_t step, unsigned tries);

/* schedule.c */
void schedule (struct engine *e, struct effects *out);
/* The same of the stage that runs beside the phase's legs. */
void schedule_beside (struct engine *e, struct effects *out);
bool schedule_nothing_left (const struct engine *e);
/* Ends what runs; true once nothing does. */
bool schedule_settle (struct engine *e, struct effects *out);
void schedule_cancel (struct engine *e, struct effects *out);
/* Behind a pause: cancels what state_is_held tells. */
void schedule_hold (struct engine *e, struct effects *out);
/* Whether a pause ends the step, which is repeated afterwards: while it copies
 * or proves, and where a step may be repeated. */
bool state_is_held (const struct engine *e, size_t i);

/* cutover.c: this cutover is going to be aborted now. */
bool window_ends (const struct engine *e, enum why *why);

/* decide.c, and the rules of the phases in sync.c, cutover.c, abort.c. */
void decide (struct engine *e, struct effects *out);
void rule_begin (struct engine *e, struct effects *out);
void rule_seeding (struct engine *e, struct effects *out);
void rule_syncing (struct engine *e, struct effects *out);
void rule_returning (struct engine *e, struct effects *out);
/* The rounds of syncing and of the guard: one when it is due. */
void keep_rounds (struct engine *e, unsigned done, int64_t wait_ms,
                  struct effects *out);
void rule_testing (struct engine *e, struct effects *out);
void rule_proving (struct engine *e, struct effects *out);
void rule_window (struct engine *e, struct effects *out);
void rule_opening (struct engine *e, struct effects *out);
void rule_guarded (struct engine *e, struct effects *out);
void rule_accepting (struct engine *e, struct effects *out);
void rule_aborting (struct engine *e, struct effects *out);
void rule_stuck (struct engine *e, struct effects *out);

#endif
