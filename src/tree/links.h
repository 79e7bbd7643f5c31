/* SPDX-License-Identifier: Apache-2.0 */
/* Which inodes with several names were met, and under which path first. */
#ifndef REHOME_TREE_LINKS_H
#define REHOME_TREE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_first {
  uint64_t dev, ino;
  char *path; /* NULL: a free slot */
  size_t len;
  bool sent;      /* its content was sent in this stream */
  uint64_t names; /* how often it was met */
  uint64_t nlink; /* where the caller notes it */
  uint8_t marks;  /* TREE_HAS_XXH, TREE_HAS_SHA: the digests below are known */
  unsigned char xxh[16], sha[32];
};
struct links {
  struct link_first *v;
  size_t n, cap;
};

/* The first path of this inode, or NULL, and then `path` is the first.
 * Valid until the next call. */
struct link_first *links_meet (struct links *l, uint64_t dev, uint64_t ino,
                               const char *path, size_t len);
struct link_first *links_find (struct links *l, uint64_t dev, uint64_t ino);
void links_free (struct links *l);

#endif
