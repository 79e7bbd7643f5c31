/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The downtime forecast, as a range, before the freeze.  Pure: from the graph
 * and from what was measured.
 *
 * Each step between freeze and pivot has a cost: what it took the last time
 * it ran (a rehearsal, a cutover that was aborted); else what the rounds and
 * the proof of the same item took; else a cost known for its kind.  Steps of a
 * stage run beside each other unless one needs the other, so a stage takes its
 * longest chain, or a share of the sum where many run at once.
 */
#ifndef REHOME_EXEC_FORECAST_H
#define REHOME_EXEC_FORECAST_H

#include "exec/measure.h"
#include "plan/graph.h"
#include "wire/json.h"

#include <stdint.h>

struct forecast {
  int64_t lower_ms;
  int64_t upper_ms; /* at most 3 x lower_ms */
  json_t *causes;   /* array of {"stage", "ms", "basis"}, slowest first */
};

/* The caller clears `out`.  `back`: of a rollback; where it was never made,
 * from what the same steps took on the way there. */
void forecast_make (const struct graph *g, const struct measure *m, bool back,
                    struct forecast *out);
void forecast_clear (struct forecast *f);
#define CLEANUP_FORECAST CLEANUP (forecast_clear)

/* What undoing a freeze takes at this point, in milliseconds: the steps of
 * STAGE_FREEZE and later that ran, backwards. */
int64_t forecast_back_ms (const struct graph *g, const struct measure *m);

#endif
