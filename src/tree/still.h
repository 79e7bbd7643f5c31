/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a tree is what an index says of it: one walk, nothing is sent and
 * nothing is saved.  On the frozen source that is the full look behind the
 * last round; on the target it tells that nobody wrote since the proof.
 */
#ifndef REHOME_TREE_STILL_H
#define REHOME_TREE_STILL_H

#include "tree/inventory.h"

struct tree_still {
  struct inventory_args what; /* `look`, and `only`: the index */
  /* Sealed: these paths may differ, as may the directories on the way to
   * them; NULL: none may. */
  const struct hints *except;
  size_t limit; /* of examples */
};

/* A difference is no error: {"same", "entries", "differences", "examples":
 * [paths], "read", "ms"}.  "RH-TREE-NOBASE" where there is no such index. */
struct err *tree_still (const struct tree_still *a, struct tree_watch *watch,
                        json_t **result);

#endif
