/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A position in the tree that is being written: the directories from the root
 * to where work is done are held open, each opened from the one above without
 * following a link.  When one is left, it is given the metadata that came for
 * it, or its old times back; where somebody still holds it, by the last one
 * who gives it back.
 *
 * Threads: one at a time, but for place_release, the questions to a held
 * directory and place_finding.
 */
#ifndef REHOME_TREE_PLACE_H
#define REHOME_TREE_PLACE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"
#include "wire/json.h"

struct place;
struct place_dir;

/* `parent` and `leaf` (borrowed): where the root is or will be. */
struct place *place_new (int parent, const char *leaf);
/* The directory in which `path` is a name, and that name (borrowed from
 * `path`, or the root's).  Its times are kept.  "RH-TREE-MISSING" where a
 * directory on the way is absent. */
struct err *place_at (struct place *p, const char *path, size_t len, int *dirfd,
                      const char **name);
/* Goes into the directory at the entry's path, which exists, and keeps the
 * entry's metadata for when it is left. */
struct err *place_enter (struct place *p, const struct tree_entry *e);
/* The root's own descriptor (a directory). */
struct err *place_root (struct place *p, int *fd);
/* Holds the innermost directory, as place_at left it, for writing in it from
 * another thread; it is not settled before place_release. */
struct place_dir *place_hold (struct place *p);
struct err *place_release (struct place_dir *d);
int place_dir_fd (const struct place_dir *d);
/* What is made in it has our own ids, exactly the mode it is made with, and
 * neither attributes nor a project. */
bool place_dir_plain (const struct place_dir *d);
/* From now on directories are left as they are. */
void place_abandon (struct place *p);
/* To be set at the end of all. */
void place_flags (struct place *p, const char *path, uint32_t iflags);
/* Leaves every directory. */
struct err *place_leave (struct place *p);
/* Leaves, and sets the inode flags. */
struct err *place_finish (struct place *p);
/* Adds a finding {"code","what","count","path","paths"}: one for each code and
 * `what`, with the first paths; bounded. */
void place_finding (struct place *p, const char *code, const char *path,
                    size_t len, const char *what);
json_t *place_findings (struct place *p); /* borrowed */
/* Frees; directories are left as they are. */
void place_free (struct place *p);
static inline void
cleanup_place_ (struct place **p)
{
  place_free (*p);
}
#define CLEANUP_PLACE CLEANUP (cleanup_place_)

#endif
