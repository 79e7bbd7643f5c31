/* SPDX-License-Identifier: Apache-2.0 */
/* What was moved, what its proof is, what "0 lost" covers, and what is left
 * on the hosts: from the results that the steps recorded.  Pure. */
#ifndef REHOME_REPORT_MOVED_H
#define REHOME_REPORT_MOVED_H

#include "engine/engine.h"
#include "plan/graph.h"
#include "plan/plan.h"

/* Puts items, covers, left. */
void moved_put (const struct plan *plan, const struct graph *g,
                const struct engine *e, json_t *facts);
/* A count that came as an integer or as a decimal string; -1: neither. */
int64_t moved_number (const json_t *v);

#endif
