/* SPDX-License-Identifier: Apache-2.0 */
/* A stage for exec's tests: a graph of one item that is copied, frozen and
 * opened; a provider whose steps do what a test tells them; a journal in a
 * directory of its own. */
#ifndef REHOME_TEST_EXEC_STAGE_H
#define REHOME_TEST_EXEC_STAGE_H

#include "../cmocka_api.h"

#include "exec/hub.h"
#include "exec/loop.h"
#include "journal/store.h"

#include <pthread.h>

/* What the fake provider was asked, and what it is to do. */
struct play {
  pthread_mutex_t lock;
  pthread_cond_t moved;
  json_t *calls;    /* "run ID", "undo ID", "probe ID", in their order */
  const char *hold; /* a run of this step waits until it is cancelled or this
                       is NULL */
  const char *fail; /* a run of this step is refused */
  enum probe_state probe;
};
extern struct play play;

/* cmocka: *state is a struct stage. */
struct stage_set {
  char *dir;
  struct store *store;
  struct graph *graph;
  struct hub *hub;
  struct loop *loop;
  pthread_t thread;
  bool threaded;
  struct err *ended; /* what loop_run gave */
};
int stage_setup (void **state);
int stage_teardown (void **state);

struct graph *stage_graph (void);
const struct provider *stage_find (const char *kind);
/* How often "WHAT ID" was called. */
int stage_count (const char *call);
/* Waits at most 10 s until that was called. */
void stage_wait (const char *call);
void stage_release (void);

/* Opens the journal, makes the loop, replays, claims. */
void stage_open (struct stage_set *s, const char *controller);
/* Runs the loop in a thread of its own. */
void stage_run (struct stage_set *s);
/* Stops it, joins, frees, closes the journal. */
void stage_close (struct stage_set *s);
/* Waits until the owner's progress says so. */
void stage_until_phase (struct stage_set *s, const char *phase);
void stage_until_in_step (struct stage_set *s);

#endif
