/* SPDX-License-Identifier: Apache-2.0 */
/* Many seeds on several processors: a process each, seeds taken in turn, and
 * what each saw added up in shared memory. */
#ifndef REHOME_SIM_POOL_H
#define REHOME_SIM_POOL_H

#include "run.h"

struct options {
  uint64_t first, seeds; /* how many; UINT64_MAX: until `seconds` are over */
  unsigned jobs;
  long seconds; /* 0: no limit */
  const char *plan, *report, *regression;
  struct plant plant;
  bool trace, minimise, asserts; /* asserts: coverage must be complete */
};

struct pool;
struct pool *pool_new (const struct options *o, struct graph *g);
void pool_free (struct pool *p);
/* Runs `n` more seeds, or fewer where one was found or the time is up. */
void pool_run (struct pool *p, uint64_t n);
/* One seed did what was looked for: broke an invariant; or, with a planted
 * bug, broke the one that the bug is meant to break. */
bool pool_found (const struct pool *p);
bool pool_time_is_up (const struct pool *p);
/* What all processes saw. */
struct coverage *pool_sum (struct pool *p);

#endif
