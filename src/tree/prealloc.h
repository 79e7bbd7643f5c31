/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preallocation: stretches of a file that have blocks but were never written
 * (fallocate), within its size and beyond it.  They read as zeros.
 */
#ifndef REHOME_TREE_PREALLOC_H
#define REHOME_TREE_PREALLOC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct stretch {
  uint64_t at, len;
};
struct prealloc {
  struct stretch *v;
  size_t n, cap;
};

/* Whether it may have such: looking costs a call. */
bool prealloc_likely (uint64_t size, uint64_t blocks);
/* Finds those of an open file (FIEMAP); none where the filesystem cannot
 * tell.  What XFS allocates ahead of a writer by itself is left out. */
void prealloc_find (int fd, uint64_t size, struct prealloc *out);
/* Allocates: 0 or an errno; *lost where the filesystem cannot. */
int prealloc_apply (int fd, uint64_t at, uint64_t len, bool *lost);
void prealloc_free (struct prealloc *p);

#endif
