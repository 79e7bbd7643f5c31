/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's thread: takes events from a queue, asks the engine what to do,
 * and performs it.  An append that fails ends it at once: nothing runs
 * without its durable record.
 */
#ifndef REHOME_EXEC_LOOP_H
#define REHOME_EXEC_LOOP_H

#include "engine/engine.h"
#include "exec/hosts.h"
#include "exec/hub.h"
#include "journal/store.h"
#include "provider/provider.h"

struct loop_parts {
  struct store *store;       /* open for writing; used by loop_run only */
  const struct plan *plan;   /* may be NULL where providers need none */
  const struct graph *graph; /* sealed; outlives the loop */
  const struct plan_limits *limits;
  const char *migration; /* ID on the hosts */
  struct port *source, *target;
  struct port *controller; /* a third host, else NULL */
  const struct provider *(*find) (const char *kind);
  struct hub *hub;
  bool witnessed; /* both hosts sign the head where a phase begins */
  /* After each durable record (the engine's thread); may be NULL. */
  void (*on_head) (void *ctx, uint64_t seq, const char *hash,
                   enum head_kind kind);
  void *ctx;
  unsigned threads; /* 0: 8 */
  long linger_ms;   /* ends by itself after this long with nothing to do in a
                       phase that is an end (planned, aborted, accepted), or
                       when a sync was aborted; 0: never */
};

struct loop;

struct loop *loop_new (const struct loop_parts *parts);
/* Appends a record outside the engine's decisions (claimed, planned, witness);
 * on the thread of loop_run, also before and after it, and not while an effect
 * is performed. */
struct err *loop_append (struct loop *l, enum record_type type,
                         const char *actor, json_t *data);
/* Replays the journal, sets the epoch to one more than the last, and leaves
 * the engine ready; before loop_run. */
struct err *loop_replay (struct loop *l);
/* The epoch of this owner, after loop_replay. */
uint64_t loop_epoch (const struct loop *l);
/* Works until loop_stop, or until nothing is left to do. */
struct err *loop_run (struct loop *l);
/* After loop_run: the migration was accepted, or rolled back. */
bool loop_is_finished (const struct loop *l);
/* After loop_run: it was aborted, and nothing was begun again. */
bool loop_is_aborted (const struct loop *l);
/* After loop_run: it ended because nothing was left to do. */
bool loop_is_over (const struct loop *l);
/* After loop_run: no provider's call is under way. */
bool loop_is_quiet (const struct loop *l);
/* Any thread: hands a request in and waits for the answer: NULL when it is
 * in the journal, else why the engine refuses it.  `no_way_back`: of a cutover,
 * as docs/JOURNAL.md has it; may be NULL. */
struct err *loop_request (struct loop *l, enum request r, const char *actor,
                          const json_t *no_way_back);
/* Any thread: has a record written outside the engine's decisions, and waits
 * until it is; `data` is taken. */
struct err *loop_record (struct loop *l, enum record_type type,
                         const char *actor, json_t *data);
/* Any thread, not a signal handler. */
void loop_stop (struct loop *l);
/* False where a provider's call still runs after loop_run: the process has
 * to end, nothing may be freed. */
bool loop_free (struct loop *l);

#endif
