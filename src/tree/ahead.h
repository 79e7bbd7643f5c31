/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that read directories, and look at names, before the walk comes
 * there: one while the kernel answers from memory, up to twelve while it has
 * to read.  The walk takes the jobs in its own order; one that nobody began
 * when it is needed is done by who needs it.
 *
 * Threads: the functions are called from one.
 */
#ifndef REHOME_TREE_AHEAD_H
#define REHOME_TREE_AHEAD_H

#include "tree/scan.h"

struct ahead;

struct ahead_job {
  /* Results, once it was waited for. */
  struct listing listing; /* of a directory */
  struct looks looks;     /* the first ones of a directory, or those asked */
  int bad;                /* of scan_dir */

  size_t index; /* the caller's */
  /* Inside of ahead.c. */
  struct ahead_job *prev, *next;
  const struct listing *of; /* NULL: a directory is read */
  size_t from, depth;
  int dirfd;
  const char *name;
  uint64_t dev, ino;
  int state;
};

struct ahead *ahead_new (void);
/* Asks for a directory, for `depth` levels below the root; deeper ones come
 * first.  `dirfd` and `name` stay valid until the job is dropped. */
struct ahead_job *ahead_dir (struct ahead *a, size_t depth, int dirfd,
                             const char *name, uint64_t dev, uint64_t ino);
/* Asks for looks at the names of `of` from `from` on, likewise. */
struct ahead_job *ahead_looks (struct ahead *a, size_t depth,
                               const struct listing *of, size_t from);
/* Whether it is done. */
bool ahead_done (struct ahead *a, struct ahead_job *job);
/* Waits for the end of a job, or does it here. */
void ahead_wait (struct ahead *a, struct ahead_job *job);
/* Ends a job and frees it with what was not taken of its results. */
void ahead_drop (struct ahead *a, struct ahead_job *job);
/* How many jobs were not dropped. */
size_t ahead_jobs (const struct ahead *a);
/* All jobs have been dropped. */
void ahead_free (struct ahead *a);

#endif
