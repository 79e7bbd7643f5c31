/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a copy away again: one side says what was sent (its acknowledged
 * index), the other removes that, where it still is just so, and names all
 * else.
 *
 * Threads: one at a time for one root.
 */
#ifndef REHOME_TREE_DISCARD_H
#define REHOME_TREE_DISCARD_H

#include "tree/watch.h"
#include "wire/json.h"
#include "wire/stream.h"

#include <stdbool.h>
#include <stddef.h>

/* The entries of the index as a list (docs/PROTOCOL.md); nothing is walked.
 * "RH-TREE-NOBASE" where nothing was acknowledged.  *result: {"entries"}. */
struct err *tree_given (const char *index_dir, const char *index,
                        struct sink *out, json_t **result);

struct tree_discard {
  const char *root;
  bool dry;     /* counts only */
  size_t limit; /* of examples */
  /* Called with the directory that holds the root before anything is removed
   * (may be NULL). */
  struct err *(*settled) (void *ctx, int dirfd);
  void *settled_ctx;
};
/* Files, links and the like go where type, size and time are those of the
 * list; directories where nothing is left in them.  *result: {"entries",
 * "bytes" (what goes, or went), "kept" (how many stay), "examples": [{"path"
 * (relative, encoded), "why": "foreign", "changed" or "stuck"}]}.  A root that
 * is not there is empty.  Repeatable. */
struct err *tree_discard (const struct tree_discard *a, struct source *in,
                          struct tree_watch *watch, json_t **result);

#endif
