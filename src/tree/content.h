/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's content: read once, in order, hashed on the way (XXH3-128 to match
 * and SHA-256 to prove), holes told from data where there are any.
 *
 * A digest object may be reused; threads: one each.
 */
#ifndef REHOME_TREE_CONTENT_H
#define REHOME_TREE_CONTENT_H

#include "base/err.h"
#include "tree/entry.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTENT_CHUNK ((size_t)256 << 10)

struct digest;
struct digest *digest_new (void);
void digest_free (struct digest *d);
static inline void
cleanup_digest_ (struct digest **d)
{
  digest_free (*d);
}
#define CLEANUP_DIGEST CLEANUP (cleanup_digest_)
/* `sha`: SHA-256, too. */
void digest_start (struct digest *d, bool sha);
void digest_add (struct digest *d, const void *data, size_t len);
void digest_add_zeros (struct digest *d, uint64_t len);
/* Sets the digests of the entry and the marks that say so. */
void digest_end (struct digest *d, struct tree_entry *e);

/* Who takes what a file holds; data is at most CONTENT_CHUNK bytes a call. */
struct content_taker {
  struct err *(*data) (void *ctx, const void *bytes, size_t len);
  struct err *(*hole) (void *ctx, uint64_t len);
  void *ctx;
};
/* Reads `size` bytes (fewer where the file ends before: *got) into the digest
 * and, where not NULL, the taker.  `blocks` tells whether to look for holes.
 * `chunk` has CONTENT_CHUNK bytes.  "RH-TREE-READ". */
struct err *content_read (int fd, uint64_t size, uint64_t blocks,
                          unsigned char *chunk, struct digest *d,
                          const struct content_taker *taker, uint64_t *got);

#endif
