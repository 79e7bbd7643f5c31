/* SPDX-License-Identifier: Apache-2.0 */
/* One item copied, in this process, with a journal of its own, under the same
 * engine.  Each run begins anew, also after one that was killed; what was
 * copied before makes it a delta. */
#ifndef REHOME_EXEC_COPY_H
#define REHOME_EXEC_COPY_H

#include "exec/place.h"
#include "plan/graph.h"
#include "wire/json.h"

struct hosts;

struct copy {
  struct place *place;
  const struct plan *plan; /* of one item */
  const char *agent_path;
  bool proof; /* both sides are read back and compared, too */
  /* The loop's progress, now and then; from the caller's thread. */
  void (*progress) (void *ctx, const json_t *progress);
  void *ctx;
};

/* Runs until the item is in step once; an item that cannot be copied gives
 * the step's own error. *result: {"files", "bytes", "deleted"} that were sent,
 * {"packed_from", "packed_to"}: of the streams before and after compressing,
 * "findings" (objects with "message"), and "proof" where there is one. */
struct err *copy_run (const struct copy *c, json_t **result);
/* What it would do, itemised (provider/files.h); changes nothing anywhere. */
struct err *copy_preview (const struct copy *c, json_t **result);
/* The same of any item of files of a plan, over hosts that are open.
 * `migration`: under which it was copied before; NULL where it never was. */
struct err *copy_preview_item (struct hosts *hosts, const struct plan *plan,
                               const struct plan_item *item,
                               const char *migration, json_t **result);
/* The steps of the plan's first item up to STAGE_PREPARE that have no undo (as
 * nothing undoes a copy), whose first copy is
 * a delta when it was made before; with `proof` also that of STAGE_PROVE. */
struct err *copy_graph (const struct graph *all, bool proof,
                        struct graph **out);

#endif
