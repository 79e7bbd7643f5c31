/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The undo record of a round on the target (NAME.undo in the index
 * directory): what stood in the blocks of large files before they were
 * written in place, and the files' sizes and times.  A record is on the disk
 * before the file is touched.
 *
 * A round that does not end leaves it; the next receive puts everything back
 * before it reads or writes anything else, so that a patch always meets the
 * file that the source's acknowledged index describes.  It is removed, durably,
 * before the end of a round is told.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_UNDO_H
#define REHOME_TREE_UNDO_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"

/* Bytes in one record. */
#define UNDO_BYTES_MAX ((size_t)1 << 20)

struct undo {
  char *path;
  int dirfd; /* of the index directory, -1: not begun */
  int fd;
  char *name; /* borrowed part of `path` */
  uint64_t bytes;
};

void undo_start (struct undo *u, char *path); /* takes the path */
/* Notes `len` bytes that stand at `at` of an open file, which is as `have`;
 * with `len` 0 that it has this size and time.  "RH-TREE-PATCH" where the
 * record cannot be kept. */
struct err *undo_note (struct undo *u, int fd, const struct tree_entry *have,
                       const char *path, size_t path_len, uint64_t at,
                       size_t len);
struct err *undo_sync (struct undo *u);
/* The round is done: removes the record, durably. */
struct err *undo_done (struct undo *u);
void undo_clear (struct undo *u);

/* Puts back what an interrupted round changed below PARENT/LEAF. *files: how
 * many.  Nothing to do where there is no record. */
struct err *undo_roll_back (const char *path, int parent, const char *leaf,
                            uint64_t *files);

#endif
