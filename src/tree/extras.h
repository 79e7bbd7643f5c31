/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree holds beyond a list of paths: all of it, or, where others write
 * there too, what receives made that did not end. */
#ifndef REHOME_TREE_EXTRAS_H
#define REHOME_TREE_EXTRAS_H

#include "tree/filter.h"
#include "tree/made.h"

#include <stddef.h>
#include <stdint.h>

struct extras {
  const char *root;
  const struct filter *filter; /* what it leaves out is never extra */
  const char *list;            /* path of an index file */
  struct made *made;           /* only of these; or NULL */
  uint64_t limit;              /* above it nothing is passed on */
  /* Each extra path, the last in canonical order first, also one that is gone
   * meanwhile. */
  struct err *(*each) (void *ctx, const char *path, size_t len);
  void *ctx;
};
/* *count: how many there are; `each` was called only where they are at most
 * `limit`. */
struct err *extras_find (const struct extras *x, uint64_t *count);

#endif
