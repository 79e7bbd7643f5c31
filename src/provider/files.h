/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the files provider share. */
#ifndef REHOME_PROVIDER_FILES_H
#define REHOME_PROVIDER_FILES_H

#include "provider/provider.h"

/* The item's path on the source, and where it goes on the target: without a
 * slash at the end; the caller frees. */
char *files_from (const json_t *spec);
char *files_to (const json_t *spec);
/* The name of its indexes and marks: letters, digits and "-"; another one on
 * the target, since both may be one machine.  The caller frees. */
char *files_index (const json_t *spec, bool target);
/* Percent-encoded patterns for the agent; new reference. */
json_t *files_exclude (const json_t *spec);
bool files_overwrite (const json_t *spec);

/* Where the paths that a proof found to differ wait for the next round, on the
 * target; the caller frees. */
char *files_repair_path (const struct step_call *call);

/* Arguments that every tree verb of this item takes, on one side; new
 * reference. */
json_t *files_args (const struct step_call *call, bool target);

/* files_look.c: before anything is copied. */
struct err *files_usage (const struct step_call *call, json_t **result);
struct err *files_inway (const struct step_call *call, json_t **result);
/* files_copy.c: first copy and rounds. */
struct err *files_seed (const struct step_call *call, json_t **result);
struct err *files_round (const struct step_call *call, json_t **result);
struct err *files_final (const struct step_call *call, json_t **result);
/* files_prove.c: comparisons; what differs is "RH-FILES-UNEQUAL". */
struct err *files_prove (const struct step_call *call, json_t **result);
struct err *files_verify (const struct step_call *call, json_t **result);

#endif
