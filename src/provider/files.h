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
/* Percent-encoded patterns for the agent; new reference.  What the plan's items
 * of databases claim goes first: those files are never copied as bytes.
 * `plan`: NULL for the item's own alone. */
json_t *files_exclude (const struct plan *plan, const json_t *spec);
bool files_overwrite (const json_t *spec);

/* What becomes of other content at the item's place on the target. */
enum files_into {
  INTO_OWN,   /* refused at first; what appears there later is not ours to
                 judge, the proof names it */
  INTO_KEEP,  /* refused at first; later it stays */
  INTO_MERGE, /* the same names are replaced, all else stays */
  INTO_MIRROR /* the same names are replaced, all else is removed */
};
enum files_into files_into (const json_t *spec);
/* The id maps of both kinds for a verb: the item's own, else those of the
 * plan's accounts. */
void files_maps (const struct step_call *call, json_t *args);

/* The item's path on the host that the call goes from, or on the other; the
 * same of its index.  The caller frees. */
char *files_root (const struct step_call *call, bool target);
char *files_own_index (const struct step_call *call, bool target);

/* Arguments that every tree verb of this item takes, on one side; new
 * reference. */
json_t *files_args (const struct step_call *call, bool target);

/* files_look.c: before anything is copied. */
struct err *files_usage (const struct step_call *call, json_t **result);
struct err *files_inway (const struct step_call *call, json_t **result);
/* files_findings.c: what of a source's usage a person should know, as
 * `findings` in it; what keeps it from being copied is the error. */
struct err *files_findings (const struct step_call *call, json_t *usage);
/* files_copy.c: first copy and rounds. */
struct err *files_seed (const struct step_call *call, json_t **result);
struct err *files_round (const struct step_call *call, json_t **result);
struct err *files_final (const struct step_call *call, json_t **result);
/* files_back.c: the way back.  `lay` and `apply` are mirrored. */
struct err *files_lay (const struct step_call *call, json_t **result);
struct err *files_apply (const struct step_call *call, json_t **result);
struct err *files_audit (const struct step_call *call, json_t **result);
/* files_discard.c: the copy goes; see struct provider. */
struct err *files_discard (const struct step_call *call, bool dry, json_t *out);
/* What tree.receive is told besides, of this round. */
json_int_t files_delete_limit (const struct step_call *call);
/* files_preview.c: {"differences", "kinds", "examples"} as `tree.compare` has
 * them, at most 10,000: what a copy would send, change and remove.  `known`:
 * it was copied before under call->migration. */
struct err *files_preview (const struct step_call *call, bool known,
                           json_t **result);
/* files_repair.c: what a proof found to differ, named to a person then, is
 * kept on the target, and a later round copies it again where it still differs
 * just so.  What differs in another way is left for the next proof to find. */
struct err *files_repair_leave (const struct step_call *call,
                                const json_t *compared);
/* Encoded paths for `force` of tree.send and `remove` of tree.receive; both
 * NULL where there is nothing to repair.  New references. */
struct err *files_repair_read (const struct step_call *call, json_t **force,
                               json_t **remove);
struct err *files_repair_done (const struct step_call *call);

/* files_prove.c: comparisons; what differs is "RH-FILES-UNEQUAL". */
struct err *files_prove (const struct step_call *call, json_t **result);
/* The comparison itself; `list` and `own` are the two verbs' arguments. */
struct err *files_compare (const struct step_call *call, json_t *list,
                           json_t *own, json_t **listed, json_t **compared);
struct err *files_verify (const struct step_call *call, json_t **result);
/* "source and target differ in N entries: ..." of paths with what differs. */
struct err *files_unequal (json_int_t all, const char *examples);

/* files_still.c: looks that cost no comparison.  Before the freeze: nobody
 * but the rounds wrote on the target since all of it was compared.  Behind
 * it, while the target starts: the frozen source is what the last round
 * gave. */
struct err *files_settled (const struct step_call *call, json_t **result);
struct err *files_still (const struct step_call *call, json_t **result);

/* "auto", "never" or "always". */
const char *files_compress (const json_t *spec);
/* files_limit.c: the item's `limit`, checked, and as tree.send takes it (the
 * target tells what time it is in the plan's zone). */
struct err *files_limit_check (const json_t *spec);
struct err *files_limit (const struct step_call *call, json_t *args);

#endif
