/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared queries of a database (`queries:` of its item): how long each takes
 * on the source while it serves, and on the target after the opening.  Each is
 * one statement that reads, run by the server in a read-only transaction that
 * is rolled back, and timed by the server's own clock; rows are made and
 * dropped there.
 */
#ifndef REHOME_PROVIDER_QUERIES_H
#define REHOME_PROVIDER_QUERIES_H

#include "provider/provider.h"
#include "provider/steps.h"

#include <stdbool.h>
#include <stdint.h>

/* Of one run of one query, which the server itself ends. */
#define QUERIES_SECONDS "60"

/* How an engine is asked. */
struct queries_engine {
  /* Runs `sql`, which has no ';' at its end, `runs` times; what is more than
   * one statement, or writes, is an error of the server.  *out has a line
   * "MICROSECONDS TAB ROWS" for each run, and maybe others that begin with no
   * digit; the caller frees. */
  struct err *(*run) (const struct step_call *call, struct port *p,
                      const char *sql, unsigned runs, char **out);
  /* The arguments of a "program.read" whose program asks `times` times, about
   * twice a second, the item's first query or for a row of its largest table,
   * and says such a line of each at once. */
  struct err *(*watch) (const struct step_call *call, struct port *p,
                        unsigned times, json_t **args);
};

/* Absent, or at most 10 of {name, sql}: "RH-PLAN-VALUE", "RH-PLAN-TYPE",
 * "RH-PLAN-KEY".  Pure. */
struct err *queries_check (const json_t *spec);
/* The step that times them on the target, where the item has some. */
struct err *queries_describe (struct graph *g, const char *provider,
                              const struct plan_item *item, const char *shown,
                              long at);
/* The first one's statement as it is sent, or NULL where the item has none; the
 * caller frees. */
char *queries_first (const struct plan_item *item);
/* Each once on the source: "RH-QUERY-REFUSED" names the first that cannot be
 * run. */
struct err *queries_try (const struct step_call *call,
                         const struct queries_engine *engine);
/* Adds "queries" of the source to a result that has "findings" or gets them:
 * {NAME: {"us", "runs", "rows"}}.  What cannot be run is a finding. */
void queries_before (const struct step_call *call,
                     const struct queries_engine *engine, json_t *result);
/* The same of the target, and what became slower; never an error. */
struct err *queries_after (const struct step_call *call,
                           const struct queries_engine *engine,
                           json_t **result);
/* More than twice as long, and by more than 50 ms. */
bool queries_slower (int64_t before_us, int64_t after_us);
/* The median of the lines of `said`; false: it has none.  It may reorder
 * nothing of `said`. */
bool queries_median (const char *said, int64_t *us, int64_t *rows,
                     unsigned *runs);

#endif
