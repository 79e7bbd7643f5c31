/* SPDX-License-Identifier: Apache-2.0 */
/* One item copied, in this process, with a journal of its own: the item's
 * steps up to the rounds, under the same engine.  Again: a delta. */
#ifndef REHOME_EXEC_COPY_H
#define REHOME_EXEC_COPY_H

#include "exec/place.h"
#include "plan/graph.h"
#include "wire/json.h"

struct copy {
  struct place *place;
  const struct plan *plan; /* of one item */
  const char *agent_path;
  /* The loop's progress, now and then; from the caller's thread. */
  void (*progress) (void *ctx, const json_t *progress);
  void *ctx;
};

/* Runs until the item is in step once; an item that cannot be copied gives
 * the step's own error. *result: {"files", "bytes"} that were sent. */
struct err *copy_run (const struct copy *c, json_t **result);
/* The steps of the plan's first item up to STAGE_ROUND. */
struct err *copy_graph (const struct graph *all, struct graph **out);

#endif
