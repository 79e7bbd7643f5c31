/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One digest of a whole tree, for two sides that should be equal: XXH3 (128
 * bits, https://xxhash.com) over the canonical entries in canonical order,
 * with ids and ACLs as the target has them.  It covers what a comparison of
 * entries looks at (tree/differ.h), and of a further name of an inode only
 * that it is one.  Equal digests mean equal trees; unequal ones only that the
 * entries have to be compared.
 *
 * It is no defence against a side that lies: such a side could as well list
 * entries that it does not hold.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_CANON_H
#define REHOME_TREE_CANON_H

#include "base/buf.h"
#include "tree/entry.h"
#include "tree/idmap.h"
#include "tree/inventory.h"

#include <stdbool.h>

/* XXH3_state_t, which is not named here: its header differs in what it
 * declares. */
struct canon_state;

struct canon {
  struct canon_state *state;
  const struct idmaps *maps; /* applied to what is added; borrowed */
  struct buf acl;
  uint64_t entries;
  bool unsure; /* an entry that cannot be vouched for was added */
};

void canon_begin (struct canon *c, const struct idmaps *maps);
/* Entries come in canonical order, with digests of their content. */
struct err *canon_add (struct canon *c, const struct tree_entry *e);
/* In hexadecimal, the caller frees; NULL where it would not be certain. */
char *canon_hex (const struct canon *c);
void canon_clear (struct canon *c);

/* Walks a tree, quickly or fully as `a` says, and gives `canon` (left out
 * where it would not be certain), `entries`, `read`, `bytes`, `ms`.  What the
 * walk has to read it reads from the disk. */
struct err *tree_digest (const struct inventory_args *a,
                         struct tree_watch *watch, json_t **result);

#endif
