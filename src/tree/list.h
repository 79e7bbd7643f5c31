/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing two trees: one side lists its canonical entries with digests, the
 * other walks its own and reports what differs.
 */
#ifndef REHOME_TREE_LIST_H
#define REHOME_TREE_LIST_H

#include "tree/idmap.h"
#include "tree/inventory.h"
#include "wire/stream.h"

struct tree_list {
  struct inventory_args what;
  /* Entries that changed since the acknowledged index are marked dirty, and
   * those that are gone since are named. */
  bool baseline;
  bool atimes; /* the times of last access count, too */
};
struct err *tree_list (const struct tree_list *a, struct sink *out,
                       struct tree_watch *watch, json_t **result);

struct tree_compare {
  struct inventory_args what;
  const struct idmaps *maps; /* applied to the other side's entries */
  size_t limit;              /* of examples */
  bool keep;                 /* what only this side holds is no difference */
  /* What a copy would do: a root that is absent is an empty one, what changed
   * since the baseline is compared, and what is gone since is "extra" where
   * this side still has it, also with `keep`. */
  bool preview;
};
/* The result says what differs (docs/PROTOCOL.md); a difference is no
 * error. */
struct err *tree_compare (const struct tree_compare *a, struct source *in,
                          struct tree_watch *watch, json_t **result);

#endif
