/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can write below given paths, or anywhere that counts.
 *
 * A file is recognised by where it lies in its filesystem, so that bind
 * mounts and services with mount namespaces of their own do not hide a
 * writer; by its inode where it was opened by another of its names (hard
 * links); and by the writable layer's path where it was opened through an
 * overlay.
 */
#ifndef REHOME_HOST_WRITERS_H
#define REHOME_HOST_WRITERS_H

#include "host/procs.h"

struct writer {
  pid_t pid;
  uint64_t start;
  uid_t uid;
  char state;
  bool mapped;  /* else by descriptor */
  bool deleted; /* no name leads to the file any more */
  char comm[64];
  char *unit;  /* may be NULL */
  char *path;  /* of the file, as seen here */
  char *under; /* which of the given paths; NULL of writers_everywhere */
};

struct writers {
  VEC (struct writer) list; /* by process, then path; no pair twice */
  size_t unreadable;        /* processes that could not be looked at */
};

/* Writers at or below `paths` (absolute; parents are resolved, the last
 * component is not followed; one that does not exist has none).  Files that
 * were deleted below them are told, too. */
struct err *writers_under (const char *const *paths, size_t count,
                           struct writers *out);

/* Writers of every file that has a name outside /proc, /sys, /dev, /run and
 * /tmp. */
struct err *writers_everywhere (struct writers *out);

void writers_free (struct writers *w);

#endif
