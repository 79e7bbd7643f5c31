/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a provider describes its steps: a table of literals.  Also the names
 * and places that the steps of different providers share on a host.  Pure.
 */
#ifndef REHOME_PROVIDER_STEPS_H
#define REHOME_PROVIDER_STEPS_H

#include "provider/provider.h"

/* One line of a provider's table of steps; id is PREFIX#op. */
struct step_row {
  const char *op;
  const char *title; /* "%s" stands for the name */
  enum stage stage;
  enum step_class cls;
  enum step_side side;
  long timeout_ms;
};

/* A growing list of ids that a step needs. */
struct needs {
  const char **v;
  size_t n, cap;
};
void needs_add (struct needs *n, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Every service of the plan has stopped; `way` is "" or "back-". */
void needs_services (struct needs *n, const struct plan *plan, const char *way);
void needs_clear (struct needs *n);
#define CLEANUP_NEEDS CLEANUP (needs_clear)

/* Adds the step; `prefix` is the item's name or "move"; `name` is what the
 * title speaks of; needs may be NULL. */
struct err *steps_add (struct graph *g, const struct step_row *row,
                       const char *provider, const char *prefix,
                       const char *name, long item, const json_t *args,
                       const struct needs *needs);

/* The plan's view that several providers need. */
long steps_item_index (const struct plan *plan, const struct plan_item *item);
/* First item of a kind, or NULL. */
const struct plan_item *steps_first (const struct plan *plan, const char *kind);
/* Paths of all items of files and databases on the host that the call goes
 * from, as a JSON array of plain strings. */
json_t *steps_file_paths (const struct step_call *call);
/* The same as arguments of `process.writers`. */
json_t *steps_writers_args (const struct step_call *call);
/* Is `path` one of them or below one? */
bool steps_path_moves (const struct plan *plan, const char *path);

/* /var/lib/rehome/ID/REST; the caller frees. */
char *steps_path (const struct step_call *call, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* The recorded result of a step, or NULL. */
const json_t *steps_input (const struct step_call *call, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* From the rows of `process.list`: the pids (as keys of an object) of the
 * agents and of all their ancestors, through which rehome is connected. */
json_t *steps_agent_pids (const json_t *processes);

/* Checks of specs.  Every member must be in `keys` ("RH-PLAN-KEY"). */
struct err *spec_keys (const json_t *spec, const char *const *keys);
/* Absent, or an array of strings that `fits` takes ("RH-PLAN-VALUE"). */
struct err *spec_words (const json_t *spec, const char *key, bool required,
                        bool (*fits) (const char *), const char *expected);
struct err *spec_flag (const json_t *spec, const char *key);
/* An ERR_UNEQUAL whose message counts the differences (array of strings) and
 * names the first five. */
struct err *steps_unequal (const char *code, const char *what,
                           const json_t *differences);
/* For steps that may run again, whatever they have done: always so. */
struct err *steps_probe_again (const struct step_call *call,
                               enum probe_state *out);
/* For steps that begin with a file on a host, which their undo removes last:
 * begun, and to be run again, or not. */
struct err *steps_probe_record (struct port *p, const char *path,
                                enum probe_state *out);
/* Of two objects what one has and the other lacks, or has otherwise: adds
 * WHAT KEY and words to `differences`. */
void steps_compare (const char *what, const json_t *source,
                    const json_t *target, json_t *differences);
/* Is `word` in the array of strings? */
bool words_have (const json_t *words, const char *word);
void words_add (json_t *words, const char *word); /* unless it is there */

#endif
