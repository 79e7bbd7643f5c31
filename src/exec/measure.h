/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures, as a pure fold over the journal's records: how long each step
 * took, and the downtime as the controller sees it, from the first intent of
 * STAGE_FREEZE to the pivot's outcome (or to the thawed source, when the
 * cutover was aborted).
 */
#ifndef REHOME_EXEC_MEASURE_H
#define REHOME_EXEC_MEASURE_H

#include "journal/record.h"
#include "plan/graph.h"

#include <stdbool.h>
#include <stdint.h>

struct measure;

/* The graph must outlive it. */
struct measure *measure_new (const struct graph *g);
void measure_free (struct measure *m);
/* Takes the records in their order. */
void measure_record (struct measure *m, const struct record *r);

/* Milliseconds the last successful run of a step took; -1: never ran. */
int64_t measure_step_ms (const struct measure *m, const char *step);
/* How many entries of a tree its last successful run counted (members files,
 * dirs, links, others of its result); 0 where it counts none. */
int64_t measure_step_entries (const struct measure *m, const char *step);
/* True once the pivot's outcome (opened) or the abort's end came after a
 * freeze; *ms is the downtime.  `back`: of the rollback. */
bool measure_downtime (const struct measure *m, bool back, bool *opened,
                       int64_t *ms);
/* When the present freeze began, wall clock; 0: none. */
int64_t measure_frozen_since (const struct measure *m);

#endif
