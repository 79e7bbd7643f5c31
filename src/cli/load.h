/* SPDX-License-Identifier: Apache-2.0 */
/* From the argument PLAN (a file, or the name of a migration that is known
 * here) to everything that a command needs of it. */
#ifndef REHOME_CLI_LOAD_H
#define REHOME_CLI_LOAD_H

#include "cli/command.h"
#include "engine/engine.h"
#include "exec/place.h"
#include "journal/store.h"
#include "plan/graph.h"
#include "plan/plan.h"
#include "wire/json.h"

struct loaded {
  char *path; /* as given, for "next:" */
  struct plan *plan;
  struct graph *graph;
  struct place place;
};

/* Reads and compiles; "RH-CLI-NOPLAN" where neither file nor migration. */
struct err *load_plan (const struct invocation *in, const char *arg,
                       struct loaded *out);
void load_clear (struct loaded *l);
#define CLEANUP_LOADED CLEANUP (load_clear)
/* Has the migration a journal here? */
bool load_has_journal (const struct loaded *l);
/* The plan that the journal follows, whatever became of the file. */
struct err *load_plan_of_journal (const struct loaded *l, struct plan **out);
/* "RH-CLI-NOJOURNAL" where nothing was begun. */
struct err *load_must_have_journal (const struct loaded *l);
/* --since, checked; where absent, the journal's head. */
struct err *load_since (const struct invocation *in, const struct loaded *l,
                        uint64_t *out);
/* The facts of its journal, or those of a plan that has none yet. */
struct err *load_facts (const struct loaded *l, json_t **out);
/* The same without names of people, for others' eyes. */
struct err *load_facts_nameless (const struct loaded *l, json_t **out);

/* "RH-ENGINE-APPROVAL" or "RH-ENGINE-BACKUP", with the commands to give, where
 * the plan as it is now lacks what that request needs.  The engine asks again;
 * this is said before people are asked to confirm. */
struct err *load_permitted (const struct loaded *l, const json_t *facts,
                            enum request r);

#endif
