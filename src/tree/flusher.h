/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has what is written brought to the disk while more is written: the kernel
 * alone begins with that so late that a copy would wait for it at its end.  It
 * promises nothing; the receiver's own syncs do.
 *
 * Threads: one at a time; syncfs(2) runs in a thread of its own.
 */
#ifndef REHOME_TREE_FLUSHER_H
#define REHOME_TREE_FLUSHER_H

#include "base/err.h"

#include <stdint.h>

struct flusher;
struct flusher *flusher_new (void);
/* So many bytes have been written since the beginning, to the filesystem of
 * `name` in `dirfd`.  Never waits. */
void flusher_note (struct flusher *f, int dirfd, const char *name,
                   uint64_t written);
/* Waits for what was begun.  The kernel tells an error of the disk once to each
 * who syncs, and not to those who come after that: what this one heard fails
 * the caller, "RH-TREE-WRITE". */
struct err *flusher_settle (struct flusher *f);
void flusher_free (struct flusher *f); /* NULL is fine */

#endif
