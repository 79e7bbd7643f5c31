/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything about a tree, in canonical order: a walk whose entries are
 * complete (attributes, link targets, first names, digests).
 *
 * Full: every file is read, from the disk.  Quick: what the item's indexes
 * know of the same inode in the same state is taken over.  Files are read by
 * a few threads, ahead of the entry that is given.  What was learnt is saved
 * as NAME.seen when the walk was whole.
 *
 * Threads: one at a time (its own apart).
 */
#ifndef REHOME_TREE_INVENTORY_H
#define REHOME_TREE_INVENTORY_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"
#include "tree/filter.h"
#include "tree/hints.h"
#include "tree/paths.h"
#include "tree/walk.h"
#include "tree/watch.h"

struct inventory;

struct inventory_args {
  const char *root;
  const struct filter *filter; /* or NULL */
  const struct paths *force;   /* always read; or NULL */
  const char *index_dir;       /* NULL: no index is used or saved */
  const char *index;
  bool full;
  bool from_disk; /* what has to be read comes from the disk, though quick */
  bool stat;      /* no content is read, no digest given, nothing saved */
  bool look; /* nothing is saved as NAME.seen, and digests are taken over from
                `only` alone */
  const char *only; /* with `look`: "seen" or "acked" */
  /* Sealed: only these paths are visited, and nothing is saved; NULL: all. */
  const struct hints *hints;
};

struct err *inventory_open (const struct inventory_args *a,
                            struct tree_watch *watch, struct inventory **out);
/* Valid until the next call; NULL at the end, when NAME.seen is saved.  An
 * entry that changed while it was read has TREE_DIRTY.  What cannot be read
 * is "RH-TREE-UNREADABLE". */
struct err *inventory_next (struct inventory *v, struct tree_entry **out);
const struct walk_notes *inventory_notes (const struct inventory *v);
uint64_t inventory_read (const struct inventory *v);  /* files read */
uint64_t inventory_bytes (const struct inventory *v); /* bytes read */
void inventory_free (struct inventory *v);
static inline void
cleanup_inventory_ (struct inventory **v)
{
  inventory_free (*v);
}
#define CLEANUP_INVENTORY CLEANUP (cleanup_inventory_)

#endif
