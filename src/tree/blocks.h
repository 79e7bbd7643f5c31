/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block index of a large regular file: the XXH3-128 of each 4 KiB of what
 * the target was given, kept by the source beside the item's index
 * (NAME.blk/HASH-OF-THE-PATH), so that of a file that is changed in place only
 * the blocks that changed are sent.
 *
 * A round writes what it learns into NAME.blk-ROUND; blocks_commit lays it
 * over with the acknowledged index.  Every file names the size and times of
 * the index entry that it belongs to and carries a checksum: one that does not
 * fit, or was torn by a loss of power, counts as absent, and nothing needs an
 * fsync.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_BLOCKS_H
#define REHOME_TREE_BLOCKS_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"

#define BLOCKS_SIZE 4096
#define BLOCKS_HASH 16
/* Smaller files have none. */
#define BLOCKS_FILE_MIN ((uint64_t)1 << 20)

void blocks_hash (const void *block, size_t len,
                  unsigned char out[BLOCKS_HASH]);

/* What is known of a file. */
struct blocks;
/* NULL where there is no index that belongs to the entry `known`. */
struct blocks *blocks_open (const char *index_dir, const char *index,
                            const struct tree_entry *known);
/* The same of bytes that stay the caller's. */
struct blocks *blocks_open_bytes (const void *bytes, size_t len,
                                  const struct tree_entry *known);
uint64_t blocks_count (const struct blocks *b);
/* Whether block `n` (below the count) has this hash. */
bool blocks_same (const struct blocks *b, uint64_t n,
                  const unsigned char hash[BLOCKS_HASH]);
void blocks_free (struct blocks *b);
static inline void
cleanup_blocks_ (struct blocks **b)
{
  blocks_free (*b);
}
#define CLEANUP_BLOCKS CLEANUP (cleanup_blocks_)

/* What a round learns: either all blocks in order (blocks_add and
 * blocks_zeros), or those that changed (blocks_change, ascending). */
struct blocks_writer;
struct err *blocks_create (const char *index_dir, const char *index,
                           int64_t round, const struct tree_entry *e,
                           bool changes, struct blocks_writer **out);
struct err *blocks_add (struct blocks_writer *w, const void *data, size_t len);
struct err *blocks_zeros (struct blocks_writer *w, uint64_t len);
struct err *blocks_change (struct blocks_writer *w, uint64_t n,
                           const unsigned char hash[BLOCKS_HASH]);
/* Belongs from now on to `e` as the new index has it. */
struct err *blocks_finish (struct blocks_writer *w, const struct tree_entry *e);
/* Frees; what was not finished is removed. */
void blocks_writer_free (struct blocks_writer *w);
static inline void
cleanup_blocks_writer_ (struct blocks_writer **w)
{
  blocks_writer_free (*w);
}
#define CLEANUP_BLOCKS_WRITER CLEANUP (cleanup_blocks_writer_)

/* The file is gone: so is its index when the round is acknowledged. */
void blocks_gone (const char *index_dir, const char *index, int64_t round,
                  const struct tree_entry *e);
/* Removes what an unacknowledged round of this number left. */
void blocks_forget (const char *index_dir, const char *index, int64_t round);
/* With the acknowledged index: the round's files are laid over.  What cannot
 * be laid over is removed: the file is sent whole once. */
void blocks_commit (const char *index_dir, const char *index, int64_t round);

#endif
