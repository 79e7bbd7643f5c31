/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads that call providers.  The engine thread submits jobs; each
 * ended job is handed to `ended` on its worker's thread.
 */
#ifndef REHOME_EXEC_POOL_H
#define REHOME_EXEC_POOL_H

#include "engine/engine.h"
#include "provider/provider.h"

#include <stdbool.h>
#include <stdint.h>

enum job_kind { JOB_RUN, JOB_UNDO, JOB_PROBE };

struct job {
  enum job_kind kind;
  const struct step *step; /* borrowed from the graph */
  uint32_t attempt;
  bool undo;        /* of a probe: of an undo */
  bool alone;       /* a rollback without the target */
  bool no_way_back; /* the opening without a proven one was confirmed */
  json_t *inputs;   /* owned by the job */
  bool cancelled;   /* before it began; under the pool's lock */
  /* Filled in when it has ended. */
  struct err *error;
  json_t *result; /* of a probe: what was kept of the run, or NULL */
  enum probe probe;
};
void job_free (struct job *j);

struct pool_parts {
  const struct plan *plan;
  const char *migration;
  struct port *source, *target;
  struct port *controller; /* a third host, else NULL */
  const struct provider *(*find) (const char *kind);
  /* Takes the job over; called from a worker's thread. */
  void (*ended) (void *ctx, struct job *j);
  void *ctx;
};

struct pool;

/* At most `threads` jobs at a time, the rest in their order. */
struct pool *pool_new (const struct pool_parts *parts, unsigned threads);
/* Takes `j`.  "RH-EXEC-THREAD" when no thread can be made. */
struct err *pool_submit (struct pool *p, struct job *j);
/* How many are submitted and have not ended. */
size_t pool_busy (struct pool *p);
/* Asks that call to give up; it still ends as any other. */
void pool_cancel (struct pool *p, const char *step, uint32_t attempt);
/* Asks everything to give up, and waits at most `ms`; false: some still run,
 * and the pool must not be freed (the process ends with them). */
bool pool_stop (struct pool *p, long ms);
/* What runs now: array of {step, title, stage, undo, attempt, elapsed_ms,
 * progress}. */
json_t *pool_progress (struct pool *p);
/* After pool_stop returned true. */
void pool_free (struct pool *p);

#endif
