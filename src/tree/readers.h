/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads that read and hash files. */
#ifndef REHOME_TREE_READERS_H
#define REHOME_TREE_READERS_H

#include "base/err.h"
#include "tree/entry.h"

struct read_job {
  int fd; /* open for reading; closed by the reader */
  bool from_disk;
  struct tree_entry *entry; /* size, blocks, times; gets the digests, and
                               TREE_DIRTY or TREE_DOUBTFUL */
  uint64_t got;
  struct err *err; /* the owner's after readers_wait */
  bool done;
};

struct readers;
struct readers *readers_new (void);
/* The job and its entry belong to the readers until readers_wait. */
void readers_submit (struct readers *r, struct read_job *job);
void readers_wait (struct readers *r, struct read_job *job);
void readers_free (struct readers *r); /* waits for all jobs */

#endif
