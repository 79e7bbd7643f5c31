/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of an item on one side: what was there when, in canonical order,
 * with digests.  A file of a header, encoded entries, a table of blocks (where
 * each begins, and its checksum) and a trailer; written beside, fsynced and
 * renamed, so that it is whole or not there.  Rounds that visited only some
 * paths lie above it as segments (tree/overlay.h), which every reader sees
 * through.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_INDEX_H
#define REHOME_TREE_INDEX_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"

struct index_writer;
/* Begins `path`.part; the directory is made where missing. */
struct err *index_create (const char *path, struct index_writer **out);
/* Entries come in canonical order. */
struct err *index_put (struct index_writer *w, const struct tree_entry *e);
/* Makes it durable under its name. */
struct err *index_finish (struct index_writer *w);
/* Frees; what was not finished is removed. */
void index_writer_free (struct index_writer *w);
static inline void
cleanup_index_writer_ (struct index_writer **w)
{
  index_writer_free (*w);
}
#define CLEANUP_INDEX_WRITER CLEANUP (cleanup_index_writer_)

struct index;
/* *out is NULL where there is no such file; "RH-TREE-INDEX" (corrupt) where
 * it is broken.  All checksums are verified here. */
struct err *index_open (const char *path, struct index **out);
/* The same for a few look-ups: a block is verified when it is first read. */
struct err *index_open_few (const char *path, struct index **out);
/* The same of bytes that stay the caller's. */
struct err *index_open_bytes (const void *bytes, size_t len,
                              struct index **out);
/* The next entry, or NULL at the end; borrows from the index. */
struct err *index_next (struct index *x, const struct tree_entry **out);
/* Goes on to the entry with this path: NULL where there is none.  Entries on
 * the way are passed to `skipped` (may be NULL). */
struct err *index_seek (struct index *x, const char *path, size_t len,
                        struct err *(*skipped) (void *ctx,
                                                const struct tree_entry *e),
                        void *ctx, const struct tree_entry **out);
/* The rest, through `skipped`. */
struct err *index_drain (struct index *x,
                         struct err *(*skipped) (void *ctx,
                                                 const struct tree_entry *e),
                         void *ctx);
/* The entry with this path, or NULL, from wherever it lies.  Afterwards
 * index_next goes on behind it (or behind where it would stand). */
struct err *index_find (struct index *x, const char *path, size_t len,
                        const struct tree_entry **out);
/* The bytes of the file. */
size_t index_size (const struct index *x);
/* Tells this index from all others of its path. */
uint64_t index_id (const struct index *x);
/* What lies above it; NULL where nothing does. */
const struct overlay *index_overlay (const struct index *x);
void index_free (struct index *x);
static inline void
cleanup_index_ (struct index **x)
{
  index_free (*x);
}
#define CLEANUP_INDEX CLEANUP (cleanup_index_)

/* DIR/NAME.SUFFIX; the caller frees.  A name with "/" or a leading dot is
 * "RH-TREE-INDEX". */
struct err *index_path (const char *dir, const char *name, const char *suffix,
                        char **out);

#endif
