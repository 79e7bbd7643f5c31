/* SPDX-License-Identifier: Apache-2.0 */
/* What happened when: each step with its times, phases, requests, forecasts,
 * the chain.  Pure: fed with records. */
#ifndef REHOME_REPORT_TIMELINE_H
#define REHOME_REPORT_TIMELINE_H

#include "engine/engine.h"
#include "journal/record.h"
#include "plan/graph.h"

struct timeline;

struct timeline *timeline_new (const struct graph *g);
void timeline_free (struct timeline *t);
/* `who` asked, where it is known by more than the record's actor; or NULL. */
void timeline_record (struct timeline *t, const struct record *r,
                      const char *who, const char *line);
/* Puts migration, epoch, steps, phases, requests, forecast, findings, chain,
 * began_ms and last_ms. */
void timeline_put (const struct timeline *t, const struct engine *e,
                   json_t *facts);

#endif
