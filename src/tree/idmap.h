/* SPDX-License-Identifier: Apache-2.0 */
/* A map of user or group ids: pairs [from, to]; ids without a pair stay.
 * Immutable once made; may be shared. */
#ifndef REHOME_TREE_IDMAP_H
#define REHOME_TREE_IDMAP_H

#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

struct idmap_pair {
  uint32_t from, to;
};
struct idmap {
  struct idmap_pair *v; /* sorted by `from` */
  size_t n;
};
struct idmaps {
  struct idmap uids, gids;
};

/* `a` is an array of [from, to], or NULL.  A `from` twice, or two that become
 * one, is "RH-TREE-IDMAP". */
struct err *idmap_read (const json_t *a, struct idmap *out);
uint32_t idmap_get (const struct idmap *m, uint32_t id);
void idmap_free (struct idmap *m);
void idmaps_free (struct idmaps *m);

#endif
