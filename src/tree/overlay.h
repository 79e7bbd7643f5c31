/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rounds that visited only some paths changed in an index: segments
 * PATH.1, PATH.2, ... beside the index PATH, each with entries that are new
 * or other than before and paths that are gone, the later segment above the
 * earlier.  A segment names the index that it belongs to by its id, so that
 * one that is left from an older index counts for nothing.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_OVERLAY_H
#define REHOME_TREE_OVERLAY_H

#include "base/cleanup.h"
#include "tree/entry.h"

struct overlay_writer;
/* Begins a segment for the index of that id, in the file `path`. */
struct err *overlay_create (const char *path, uint64_t id,
                            struct overlay_writer **out);
/* In any order; the last word about a path counts. */
struct err *overlay_put (struct overlay_writer *w, const struct tree_entry *e);
struct err *overlay_gone (struct overlay_writer *w, const char *path,
                          size_t len);
/* Durable when it returns. */
struct err *overlay_finish (struct overlay_writer *w);
/* Frees; what was not finished is removed. */
void overlay_writer_free (struct overlay_writer *w);

struct overlay;
/* All segments of the index at `path`; *out is NULL where there is none. */
struct err *overlay_open (const char *path, uint64_t id, struct overlay **out);
void overlay_free (struct overlay *o);
/* How many paths it speaks of, and how many segments there are. */
size_t overlay_count (const struct overlay *o);
size_t overlay_segments (const struct overlay *o);
/* The paths in canonical order.  Of one that is gone the type is TREE_GONE
 * and nothing but the path is set.  NULL behind the last. */
const struct tree_entry *overlay_at (const struct overlay *o, size_t i);
/* The first that does not stand before `path`. */
size_t overlay_place (const struct overlay *o, const char *path, size_t len);
/* Removes every segment beside the index. */
void overlay_remove (const char *path);

#endif
