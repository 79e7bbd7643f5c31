/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a statx does not tell of an entry: link target, extended attributes,
 * first path of its inode.  A detail object owns the bytes that the entry
 * then borrows, until its next use.
 */
#ifndef REHOME_TREE_DETAIL_H
#define REHOME_TREE_DETAIL_H

#include "base/buf.h"
#include "tree/entry.h"

struct detail {
  struct buf xattrs;
  struct buf target;
};

/* `fd` is the entry opened for reading, or -1.  "RH-TREE-VANISHED"
 * (transient) where it is gone meanwhile. */
struct err *detail_read (struct detail *d, int dirfd, const char *name, int fd,
                         struct tree_entry *e);
/* Takes over what is known of the same inode in the same state. */
void detail_reuse (struct tree_entry *e, const struct tree_entry *known);
void detail_free (struct detail *d);

/* Whether its ctime lies so near to `read_at` (or after it) that a later
 * change might not show: then what was read is not to be trusted later. */
bool detail_doubtful (const struct tree_entry *e, struct tree_time read_at);

#endif
