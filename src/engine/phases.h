/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine as data: the phases' legs (which stages they run) and the
 * table of transitions.  docs/STATES.md is printed from it (tests/sim/
 * print-states), the fold takes no other way, and the simulator counts how
 * often each was taken.
 */
#ifndef REHOME_ENGINE_PHASES_H
#define REHOME_ENGINE_PHASES_H

#include "engine/engine.h"

#include <stddef.h>

#define PHASE_LEGS_MAX 4

/* What a stage that runs beside the others has to say. */
enum beside {
  BESIDE_NONE,
  BESIDE_FREE,   /* it holds nothing up */
  BESIDE_AWAITED /* through several phases: its failure is theirs, and the
                    pivot waits for its end */
};

/* The stages that a phase runs, in their order; and one beside them. */
struct phase_legs {
  size_t n;
  enum stage stage[PHASE_LEGS_MAX];
  enum beside how;
  enum stage beside;
};
const struct phase_legs *phase_legs (enum phase p);

/* Why a phase ends: the `why` of a phase record, or the record that does it. */
enum why {
  WHY_REQUEST,        /* an operator asked */
  WHY_DONE,           /* all its steps are done */
  WHY_BLOCKED,        /* checks found something */
  WHY_FAILED,         /* a step failed for good */
  WHY_CANCELLED,      /* an operator asked to stop */
  WHY_DOWNTIME_LIMIT, /* frozen for too long */
  WHY_PIVOT,          /* the intent of the pivot step itself, no phase record */
  WHY_NOT_OPENED,     /* the pivot failed, and the probe is sure of it */
  WHY_UNDONE,         /* everything is as it was */
  WHY_UNDO_FAILED,    /* something could not be undone */
  WHY_REPLANNED,      /* the plan was replaced */
  WHY_COUNT
};
const char *why_name (enum why w);
int why_from_name (const char *name, enum why *out);

struct transition {
  enum phase from, to;
  enum why why;
  const char *who;   /* operator, controller */
  const char *guard; /* what must hold besides, for people */
  bool sets_writer;
  enum writer writer; /* from then on, where sets_writer */
};
const struct transition *transition_at (size_t i); /* NULL behind the last */
const struct transition *transition_find (enum phase from, enum phase to,
                                          enum why why);

/* A cutover goes out or back, by the same rules; these are its landmarks. */
enum way { WAY_OUT, WAY_BACK, WAY_COUNT };
struct course {
  enum phase holding, freezing, outside, opening, open, aborting, stuck;
  enum stage hold, freeze, pivot;
};
enum way phase_way (enum phase p);
const struct course *course_of (enum way w);
/* The phases between the hold and the pivot: any failure goes back. */
bool phase_in_window (enum phase p);

/* The writer changes inside two phases of each way, by the record of a step. */
struct writer_change {
  enum phase phase;
  const char *record; /* for people */
  enum writer writer;
};
extern const struct writer_change writer_frozen[WAY_COUNT]; /* first intent */
extern const struct writer_change writer_opened[WAY_COUNT]; /* pivot's end */

#endif
