/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a process, from /proc/PID/mountinfo: which filesystem a path
 * lies on, and where in that filesystem.  The latter names a file the same
 * way through bind mounts and in other mount namespaces.
 */
#ifndef REHOME_HOST_MOUNTS_H
#define REHOME_HOST_MOUNTS_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>

struct mount {
  int id;
  unsigned major, minor; /* of the filesystem, not of the subvolume */
  char *root;            /* what of the filesystem is mounted */
  char *point;           /* where */
  char *fstype;
  char *source;
  char *upper; /* overlay: its writable layer's path, else NULL */
  bool readonly;
};

struct mounts {
  VEC (struct mount) list; /* in the kernel's order: later covers earlier */
};

/* `pid` 0 is this process.  0 or an errno. */
int mounts_read (int pid, struct mounts *out);
void mounts_free (struct mounts *m);
/* The parser behind it; what is malformed is left out. */
void mounts_parse (const char *text, size_t len, struct mounts *out);

/* What is mounted: a filesystem of the kernel's own, whose content nobody
 * stored ("pseudo"), one of another machine ("network"), else "disk". */
const char *mount_class (const char *fstype);

const struct mount *mounts_by_id (const struct mounts *m, int id);
/* The mount that an absolute path (no links, no "..") lies on, or NULL. */
const struct mount *mounts_of_path (const struct mounts *m, const char *path);
/* The same among the mounts of one filesystem only. */
const struct mount *mounts_of_path_on (const struct mounts *m, const char *path,
                                       unsigned major, unsigned minor);

/* Where `path` (on `mount`) lies within its filesystem; the caller frees. */
char *mount_inner_path (const struct mount *mount, const char *path);
/* The reverse: where a path within the filesystem is seen through `mount`,
 * or NULL when it is not; the caller frees. */
char *mount_outer_path (const struct mount *mount, const char *inner);

/* Whether `path` is `dir` or lies below it: by whole components. */
bool path_is_below (const char *path, const char *dir);

#endif
