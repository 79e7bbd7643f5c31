/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a tree in canonical order, from held directory descriptors, never
 * following a link, within one filesystem.
 *
 * A walk_next costs one statx and no open; attributes, link targets and
 * content are the caller's to read (tree/detail.h).  Of a larger tree other
 * threads read directories and look at names ahead (tree/outlook.h); what they
 * saw counts for a second, and not where it had just changed.  The root may be
 * a single file.  What could not be looked at and which mounts were not entered
 * is collected, with the first paths by name.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_WALK_H
#define REHOME_TREE_WALK_H

#include "base/cleanup.h"
#include "base/err.h"
#include "tree/entry.h"
#include "tree/filter.h"
#include "tree/stat.h"
#include "wire/json.h"

struct walk;

/* A receiver's own directory at the top of a root: never an entry. */
#define TREE_TMP ".rehome-tmp"

/* Counts, and the first paths. */
struct walk_notes {
  uint64_t unreadable;
  uint64_t mounts;
  json_t *unreadable_paths; /* arrays of encoded absolute paths */
  json_t *mount_paths;
  uint64_t swaps; /* files that the kernel swaps to: left out */
  json_t *swap_paths;
};

/* `root` is absolute; it is "RH-TREE-ROOT" where it cannot be opened (errno
 * ENOENT: not there).  `filter` (or NULL) is borrowed. */
struct err *walk_open (const char *root, const struct filter *filter,
                       struct walk **out);
/* The next entry, valid until the next call; NULL at the end.  `target`,
 * `link`, digests and attributes are not filled in. */
struct err *walk_next (struct walk *w, struct tree_entry **out);
/* Where the entry last given lies. */
int walk_dirfd (const struct walk *w);
const char *walk_name (const struct walk *w);
/* Notes that an entry could not be read; returns NULL, or an error that says
 * so where `fatal`. */
struct err *walk_unreadable (struct walk *w, const char *path, size_t len,
                             struct err *why, bool fatal);
/* Whether the entry is a file that the kernel swaps to: no data of anybody's.
 */
bool walk_is_swap (const struct walk *w, const struct tree_entry *e);
const struct walk_notes *walk_notes (const struct walk *w);
void walk_free (struct walk *w);
static inline void
cleanup_walk_ (struct walk **w)
{
  walk_free (*w);
}
#define CLEANUP_WALK CLEANUP (cleanup_walk_)

/* Takes a descriptor out of a variable that has a cleanup. */
static inline int
tree_take_fd (int *fd)
{
  int taken = *fd;
  *fd = -1;
  return taken;
}

/* Opens the directory that holds `root`, as a place to name things in alone
 * (O_PATH: a confined process may still do that), and gives the last
 * component. */
struct err *tree_open_parent (const char *root, int *dirfd, const char **leaf);
/* Opens for reading without touching the access time where allowed. */
int tree_open (int dirfd, const char *name, int flags);

#endif
