/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makers of small files in a first copy: each file is made, filled and
 * finished by one of several threads, in batches of one directory, while the
 * stream goes on.  A directory stays with one thread, for its names are made
 * under one lock in any case.  What waits is bounded, so a slow disk slows the
 * stream.
 *
 * Threads: one gives, the pool writes.  The first failure in the order of the
 * stream is what makers_drain says; after one, nothing more is begun.
 */
#ifndef REHOME_TREE_MAKERS_H
#define REHOME_TREE_MAKERS_H

#include "tree/place.h"

/* Larger files are not for it. */
#define MAKERS_FILE_MAX ((uint64_t)128 << 10)

struct makers;

/* Starts no thread yet. */
struct makers *makers_new (struct place *place);
/* Whether a file of this entry may be given: small, without what needs more
 * than its own descriptor (inode flags, project, further names). */
bool makers_take (const struct tree_entry *e);
/* Begins a file in `dir` (held, taken over), under the last component of the
 * entry's path. */
struct err *makers_begin (struct makers *w, struct place_dir *dir,
                          const struct tree_entry *e);
/* More of it; "RH-TREE-STREAM" beyond the entry's size. */
struct err *makers_data (struct makers *w, const void *data, size_t len);
/* It is whole; its XXH3-128 is checked before it is made
 * ("RH-TREE-CORRUPT"). */
struct err *makers_end (struct makers *w, uint64_t size,
                        const unsigned char xxh[16]);
/* The file that was begun is not to be written by the pool after all: what
 * came of it, valid until the next call. */
const void *makers_withdraw (struct makers *w, size_t *len);
/* Waits until all is written; a file that is not whole is dropped. */
struct err *makers_drain (struct makers *w);
/* Bytes written so far. */
uint64_t makers_bytes (struct makers *w);
/* Ends the threads; what was not written is dropped.  NULL is fine. */
void makers_free (struct makers *w);

#endif
