/* SPDX-License-Identifier: Apache-2.0 */
/* Progress and cancelling of a long operation on a tree. */
#ifndef REHOME_TREE_WATCH_H
#define REHOME_TREE_WATCH_H

#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

struct tree_watch {
  void (*tick) (void *ctx, json_t *progress); /* NULL: none; steals */
  bool (*cancelled) (void *ctx);              /* NULL: never */
  void *ctx;
  uint64_t files, bytes;       /* done */
  uint64_t of_files, of_bytes; /* 0: not known */
  /* Of a stream that may be compressed: before and after. */
  uint64_t packed_from, packed_to;
  int64_t slowed_ms; /* why the brake slows it: what a request takes; or 0 */
  int64_t last_ms;
};

/* Five times a second: a tick {"files","bytes","of_files","of_bytes","path"},
 * with "packed_from" and "packed_to" where that made it smaller and
 * "slowed_ms" while the brake slows it,
 * and "RH-TREE-CANCELLED" once cancelled.  Cheap enough for every entry. */
struct err *watch_step (struct tree_watch *w, const char *path, size_t len);

#endif
