/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on a migration that has ended, without an owner: its journal is opened
 * for writing and both hosts are claimed under a new epoch, so that whoever
 * worked with an older one is out.  What discard.h and purge.h begin with.
 */
#ifndef REHOME_EXEC_CLOSING_H
#define REHOME_EXEC_CLOSING_H

#include "exec/hosts.h"
#include "exec/place.h"
#include "journal/person.h"
#include "plan/plan.h"

struct closing {
  const struct place *place; /* both borrowed; place_make was called */
  const struct plan *plan;
  char *migration; /* these two as the journal has them: the caller's to set */
  uint64_t epoch;
  struct store *store;
  struct hosts *hosts;
  char *agent; /* the path that `hosts` borrows */
  struct people people;
};

/* Closes and frees all that is not borrowed; safe on zeroes. */
void closing_clear (struct closing *c);
/* Opens the journal for writing; an owner that has just ended lingers a
 * little, and is waited for. */
struct err *closing_open (struct closing *c);
/* The hosts of the plan, not opened yet; `claims`: in the migration's name,
 * else only to look. */
struct err *closing_hosts (struct closing *c, bool claims);
/* The claim of a new epoch, recorded before the hosts hear of it. */
struct err *closing_take_over (struct closing *c);
/* `data` is taken. */
struct err *closing_append (struct closing *c, enum record_type type,
                            const char *actor, json_t *data);

#endif
