/* SPDX-License-Identifier: Apache-2.0 */
/* Steps run directly, one after the other, without engine or journal: the
 * checks of `rehome check`. */
#ifndef REHOME_EXEC_CHECKS_H
#define REHOME_EXEC_CHECKS_H

#include "plan/graph.h"
#include "plan/plan.h"
#include "provider/provider.h"

struct checks {
  const struct plan *plan;
  const struct graph *graph;
  const char *migration;
  struct port *source, *target;
  struct port *controller; /* a third host, else NULL */
  const struct provider *(*find) (const char *kind);
  /* Before and after each step; `error` NULL: it found nothing in the way;
   * `skipped`: a step that it needs has failed. */
  void (*begins) (void *ctx, const struct step *s);
  void (*ended) (void *ctx, const struct step *s, const struct err *error,
                 const json_t *result, bool skipped);
  void *ctx;
};

/* Runs every step of the stage in the graph's order; goes on after a finding.
 * An error is a lost host or a bug, not a finding. */
struct err *checks_run (const struct checks *l, enum stage stage);

#endif
