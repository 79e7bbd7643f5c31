/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory's names in canonical order, and what the kernel tells of some
 * of them.
 *
 * Threads: any, each with its own results.
 */
#ifndef REHOME_TREE_SCAN_H
#define REHOME_TREE_SCAN_H

#include "tree/entry.h"

#include <stdbool.h>

struct listing {
  int fd; /* of the directory */
  char *names;
  const char **sorted;
  size_t n;
};

/* How many names are looked at in one go. */
#define LOOKS_MAX 256

struct looked {
  struct tree_entry entry;
  int bad; /* 0 or an errno */
  bool mount;
};

struct looks {
  size_t from, n;      /* the names sorted[from] and on; n 0: none */
  struct tree_time at; /* before the first was looked at */
  struct looked *v;
};

/* Opens `name` in `dirfd`, which must be that inode, and reads its names: 0 or
 * an errno; ESTALE where it is gone or another by now, E2BIG where the names
 * take more than `max` bytes.  On failure there is nothing to free. */
int scan_dir (int dirfd, const char *name, uint64_t dev, uint64_t ino,
              size_t max, struct listing *out);
void listing_free (struct listing *l);

/* Looks at the names from `from` on. */
void scan_looks (const struct listing *l, size_t from, struct looks *out);
void looks_free (struct looks *l);

#endif
