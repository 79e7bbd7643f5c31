/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the faults of a failing seed down to those that matter, and keeps them
 * as a case that is run again ever after (tests/sim/regressions). */
#ifndef REHOME_SIM_MINIMISE_H
#define REHOME_SIM_MINIMISE_H

#include "run.h"

/* Delta debugging over the run's faults by their order: as few as still break
 * the same invariant; prints the case.  false: the seed breaks none. */
bool minimise (uint64_t seed, struct graph *g, const struct plant *plant);
/* Runs a case: with its bug it breaks what the case says, without it nothing
 * at all. */
bool regression_holds (const char *path, struct graph *g);

#endif
