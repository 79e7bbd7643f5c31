/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing single blocks of a large file in place, on a target that nobody uses
 * yet.  What is replaced is kept in the undo record first (tree/undo.h).
 */
#ifndef REHOME_TREE_APPLY_PATCH_H
#define REHOME_TREE_APPLY_PATCH_H

#include "tree/apply.h"
#include "tree/undo.h"

/* What the target must have for the blocks to fit. */
struct patch_base {
  uint64_t size;
  struct tree_time mtime;
};

struct patcher {
  struct undo undo;
  bool open; /* a file is being patched: the applier's fd is its */
  struct tree_entry have;
  uint64_t end;     /* behind the last blocks */
  struct buf held;  /* bytes that are not written yet */
  struct buf where; /* their offsets and lengths */
};

void patcher_start (struct patcher *p, char *undo_path); /* takes the path */
/* "RH-TREE-PATCH" where the target's file is not the one that the blocks
 * belong to; nothing was changed then. */
struct err *patch_begin (struct patcher *p, struct applier *a,
                         const struct tree_entry *e,
                         const struct patch_base *base);
/* Ranges come in ascending order and do not overlap. */
struct err *patch_blocks (struct patcher *p, struct applier *a, uint64_t at,
                          const void *data, size_t len);
struct err *patch_end (struct patcher *p, struct applier *a, uint64_t size);
void patcher_clear (struct patcher *p);

#endif
