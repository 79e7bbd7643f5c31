/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes that are whole and on the disk when the function returns: written
 * beside and renamed, the file and its directory fsynced.
 *
 * Names are single components below a held directory, which must be open for
 * reading.  Errors are "RH-FILE-WRITE" with errno, or as noted.
 * Threads: any; two writers of one name leave one of the two whole.
 */
#ifndef REHOME_HOST_DURABLE_H
#define REHOME_HOST_DURABLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct durable_xattr {
  const char *name;
  const void *value;
  size_t len;
};

struct durable_file {
  const void *data;
  size_t len;
  mode_t mode; /* permission and set-id bits */
  uid_t uid;
  gid_t gid;
  const struct durable_xattr *xattrs; /* these, and no ACL but theirs */
  size_t xattr_count;
  const struct timespec *mtime; /* NULL: now */
  bool exclusive;               /* an existing name is "RH-FILE-EXISTS" */
};

struct err *durable_write (int dirfd, const char *name,
                           const struct durable_file *file);

/* Root's file of mode 0600 at an absolute or relative path. */
struct err *durable_put (const char *path, const void *data, size_t len);

struct err *durable_symlink (int dirfd, const char *name, const char *target);

/* Makes one directory; *made says whether it was absent.  What is there
 * already and is not a directory is "RH-FILE-EXISTS".  Owner and mode are set
 * only where it was made. */
struct err *durable_mkdir (int dirfd, const char *name, mode_t mode, uid_t uid,
                           gid_t gid, bool *made);

/* The directory and what is missing above it, owned by the caller. */
struct err *durable_mkdirs (const char *path, mode_t mode);

/* Moves; an existing `to` is "RH-FILE-EXISTS" unless `replace`. */
struct err *durable_rename (int from_dir, const char *from, int to_dir,
                            const char *to, bool replace);

/* Removes a file, a link or an empty directory; *removed is false where the
 * name was not there. */
struct err *durable_remove (int dirfd, const char *name, bool *removed);

/* Removes a directory and all below it without following links or entering
 * other filesystems ("RH-FILE-MOUNT"). */
struct err *durable_remove_tree (int dirfd, const char *name, bool *removed);

struct err *durable_sync_dir (int dirfd);

#endif
