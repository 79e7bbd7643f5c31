/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the loop: its object, and the half that performs what the engine
 * decided (perform.c).  For loop.c and perform.c alone. */
#ifndef REHOME_EXEC_INSIDE_H
#define REHOME_EXEC_INSIDE_H

#include "exec/loop.h"

#include "base/queue.h"
#include "exec/measure.h"
#include "exec/pool.h"
#include "exec/timers.h"
#include "exec/witness.h"
#include "journal/person.h"

#include <stdatomic.h>

/* The last head that ought to be signed, until its signatures are there. */
struct unsigned_head {
  uint64_t seq; /* 0: none */
  char hash[65];
  const char *phase; /* of the table of phases */
};

struct loop {
  struct loop_parts parts;
  struct engine *engine;
  struct queue *notes;
  struct pool *pool;
  struct timers *timers;
  struct measure *measure;
  struct people people;    /* who asked, in this process */
  struct witness *witness; /* NULL: none is wanted */
  struct unsigned_head to_sign;
  struct effects todo; /* decided, not yet performed; a FIFO from `at` on */
  size_t at;
  uint64_t epoch;
  uint64_t seq;
  char head[65];
  bool forecast_made;   /* for the present cutover */
  int64_t published_ms; /* to the store */
  int64_t ticked_ms;    /* to the hub */
  int64_t busy_ms;      /* when there was last something to do */
  bool over;
  bool rested;         /* the engine had nothing more to do */
  bool unpublished;    /* something happened since the hub was told */
  struct err *refused; /* why the engine refused the request at hand */
  bool pool_left;      /* a call outlived loop_run */
  atomic_bool stopping;
};

/* Asks the engine; what it decides is put behind what is still to do. */
struct err *loop_feed (struct loop *l, const struct event *ev);
/* Performs all that is to do, and what follows from it. */
struct err *loop_perform_all (struct loop *l);
struct err *loop_feed_and_perform (struct loop *l, const struct event *ev);
/* After a record: the forecast stands in the journal before the freeze. */
struct err *loop_observe (struct loop *l);
/* Each cutover is forecast anew. */
void loop_watch_phase (struct loop *l, const struct record *r);
/* Remembers a head that is to be signed, and one that is. */
void loop_watch_witness (struct loop *l, const struct record *r);
void loop_clear_effect (struct effect *fx);

#endif
