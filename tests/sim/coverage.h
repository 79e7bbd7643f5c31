/* SPDX-License-Identifier: Apache-2.0 */
/* What many runs have taken and hit, and the report on it. */
#ifndef REHOME_SIM_COVERAGE_H
#define REHOME_SIM_COVERAGE_H

#include "engine/phases.h"
#include "world.h"

/* What can befall the call of a step. */
enum fault {
  FAULT_NOTHING, /* it does nothing, and says so */
  FAULT_HALF,    /* it stops half done */
  FAULT_LOST,    /* its reply is lost */
  FAULT_FINAL,   /* it refuses for good */
  FAULT_SLOW,    /* it takes long */
  FAULT_TWICE,   /* it arrives twice */
  FAULT_CUT,     /* the network to its host is cut */
  FAULT_DOWN,    /* its host is down */
  FAULT_CHANCY,  /* those from here on are counted, and not asked for */
  FAULT_CRASH = FAULT_CHANCY, /* the controller dies meanwhile */
  FAULT_OVERTAKEN, /* it reaches the host after a later controller did */
  FAULT_COUNT
};
const char *fault_name (enum fault f);

#define TRANSITIONS_MAX 128

/* Counters, and nothing else: they are added up. */
struct coverage {
  unsigned long transitions[TRANSITIONS_MAX], ended[PHASE_COUNT];
  unsigned long runs, faulty, long_runs; /* a fault and more; 15 steps */
  unsigned long records, crashes, refused, probes, calls, steps, faults;
  unsigned long astray; /* broke what a planted bug is not meant to */
  unsigned long hit[STEPS_MAX][FAULT_COUNT];
};

/* How many of the table's transitions were never taken, of steps and faults
 * never met. */
size_t coverage_missing_transitions (const struct coverage *c);
size_t coverage_missing_faults (const struct coverage *c,
                                const struct graph *g);
void coverage_print (const struct coverage *c);
/* As markdown; false: the file cannot be written. */
bool coverage_write (const struct coverage *c, const struct graph *g,
                     const char *path, double seconds);

#endif
