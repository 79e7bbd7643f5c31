/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes in a filesystem, as fanotify tells it (FAN_REPORT_DFID_NAME,
 * a mark on the whole filesystem, Linux 5.9; needs root).
 *
 * Each event names a directory by its file handle and a name in it.  Reading
 * causes none.  Not told: stores through a mapping, inode flags, and what is
 * done through a name in another directory of the same inode.  So it is a
 * hint about names and never a proof that others are as they were.
 *
 * Only filesystems whose every writer is on this host are taken (ext4, xfs,
 * btrfs, f2fs, tmpfs); others are "RH-HOST-EVENTS", as is a kernel that knows
 * no such marks.  Threads: one at a time.
 */
#ifndef REHOME_HOST_FSEVENTS_H
#define REHOME_HOST_FSEVENTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fsevents;

struct fsevent {
  const void *dir; /* the directory's handle, comparable by its bytes */
  size_t dir_len;
  const char *name; /* "." is the directory itself */
  bool tree;        /* a directory was made, removed or renamed so */
  bool moved;       /* that, by a rename */
};

/* A directory, as stat names it. */
struct fsevents_top {
  dev_t dev;
  ino_t ino;
};

/* Marks the filesystem of `fd`, a directory open for reading that stays the
 * caller's and must live as long; paths are told through its mount. */
struct err *fsevents_open (int fd, struct fsevents **out);
void fsevents_free (struct fsevents *e);
/* Readable when events wait. */
int fsevents_fd (const struct fsevents *e);

/* Passes on all that waits.  *lost is set where the kernel dropped some, or
 * where they come faster than they can be read. */
struct err *fsevents_drain (struct fsevents *e,
                            void (*each) (void *ctx, const struct fsevent *ev),
                            void *ctx, bool *lost);

/* Where the directory lies now; the caller frees.  *path is NULL where it is
 * gone; "RH-HOST-EVENTS" where that cannot be told. */
struct err *fsevents_path (const struct fsevents *e, const void *dir,
                           size_t dir_len, char **path);

/* Whether the directory lies below the directory `top`, however long its path
 * is; true also where that cannot be told. */
bool fsevents_below (const struct fsevents *e, const void *dir, size_t dir_len,
                     const struct fsevents_top *top);

/* For tests: queues of the kernel's default length (true), or unlimited. */
void fsevents_force_limit (bool limit);

#endif
