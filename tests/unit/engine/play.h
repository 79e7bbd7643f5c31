/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage for the engine's stories: a small move, a journal in memory, and
 * calls that end when the test says so.  Every append is durable at once.
 */
#ifndef REHOME_TESTS_ENGINE_PLAY_H
#define REHOME_TESTS_ENGINE_PLAY_H

#include "base/vec.h"
#include "engine/engine.h"

#define PLAY_LIMIT_MS 30000

struct play_call {
  enum effect_kind kind;
  char step[40];
  uint32_t attempt;
  bool cancelled;
};

struct play_timer {
  char name[48];
  int64_t delay_ms;
};

struct play {
  struct graph *graph;
  struct plan_limits limits;
  struct engine *engine;
  VEC (struct record) journal;
  VEC (struct play_call) calls; /* under way */
  VEC (struct play_timer) timers;
  uint64_t epoch;
  int64_t now;      /* by the wall clock */
  int64_t jumped;   /* of that, what it never ticked */
  const char *boot; /* NULL: records do not say */
  json_t *refused;  /* the last refusal, or NULL */
  json_t *inputs;   /* of the last call that began */
  bool no_way_back; /* what it was told of the confirmation */
  unsigned alarms;  /* how often people were told that they are needed */
  unsigned done;    /* how often the engine said that it has nothing to do */
  unsigned undo_n;
  char undone[16][40]; /* steps in the order of their undos */
};

/* cmocka's setup and teardown: *state is a play, resumed, of this graph:
 *   look#a look#b(needs a)  prepare#seed  round#copy  prove#equal
 *   recheck#space  hold#cron(undo)  freeze#flag(undo) freeze#stop(undo, needs
 *   flag)  final#copy  verify#equal  start#gate(undo) start#unit(undo, needs
 *   gate)  inside#smoke  switch#take(undo) switch#give(undo, needs take)
 *   outside#smoke  still#source  pivot#open  open#enable  guard#audit
 *   accept#clean */
int play_setup (void **state);
/* ... with second steps, pivot#other and accept#other. */
int play_setup_two_gates (void **state);
/* ... with prepare#stream(undo, needs seed). */
int play_setup_prepared (void **state);
/* ... with a way back: guard#round  back#check  back#apply(undo)
 *   back#hold(undo)  back#flag(undo)  back#final  back#verify
 *   back#start(undo)  back#inside  back#switch(undo)  back#outside  back#pivot
 *   back#open */
int play_setup_back (void **state);
int play_teardown (void **state);

void play_request (struct play *p, enum request r);
/* ... by somebody else than operator:root. */
void play_asked_by (struct play *p, enum request r, const char *actor);
/* A cutover, with what was confirmed under the plan of that hash. */
void play_no_way_back (struct play *p, const char *plan);
/* A record that another layer writes; `data` is taken. */
void play_record (struct play *p, enum record_type type, json_t *data);
/* Ends the call of a step that is under way; fails the test if none is. */
void play_ends (struct play *p, const char *step);
void play_fails (struct play *p, const char *step, enum err_class cls);
void play_probed (struct play *p, const char *step, enum probe found);
void play_unreachable (struct play *p, const char *step);
void play_timer (struct play *p, const char *name);
/* Ends every call, with success, until the phase is reached. */
void play_to (struct play *p, enum phase phase);
/* ... until a step of that name is under way. */
void play_to_step (struct play *p, const char *step);
/* Everything ends well until nothing is under way. */
void play_out (struct play *p);
/* The wall clock jumps. */
void play_jump (struct play *p, int64_t ms);
/* The process dies; another one begins `ms` later. */
void play_crash (struct play *p, int64_t ms);

const struct play_call *play_call (const struct play *p, const char *step);
bool play_is (const struct play *p, const char *step, enum effect_kind kind);
int64_t play_timer_set (const struct play *p, const char *name); /* or -1 */
const char *play_attention (const struct play *p); /* its code, or "" */
const char *play_refused (const struct play *p);   /* its code, or "" */
size_t play_count (const struct play *p, enum record_type type);

#endif
