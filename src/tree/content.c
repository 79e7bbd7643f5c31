/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and hashing. */
#include "tree/content.h"

#include "base/mem.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* Zeros beyond this many are not put through SHA-256. */
#define SHA_ZEROS_MAX ((uint64_t)16 << 30)

struct digest {
  XXH3_state_t *xxh;
  struct sha256_ctx sha;
  bool with_sha;
  uint64_t zeros;
};

struct digest *
digest_new (void)
{
  struct digest *d = mem_alloc (sizeof *d);
  d->xxh = XXH3_createState ();
  return d;
}

void
digest_free (struct digest *d)
{
  if (d == NULL)
    return;
  XXH3_freeState (d->xxh);
  free (d);
}

void
digest_start (struct digest *d, bool sha)
{
  XXH3_128bits_reset (d->xxh);
  sha256_init (&d->sha);
  d->with_sha = sha;
  d->zeros = 0;
}

void
digest_add (struct digest *d, const void *data, size_t len)
{
  XXH3_128bits_update (d->xxh, data, len);
  if (d->with_sha)
    sha256_update (&d->sha, len, data);
}

void
digest_add_zeros (struct digest *d, uint64_t len)
{
  static const unsigned char zeros[65536];
  d->zeros += len;
  if (d->zeros > SHA_ZEROS_MAX)
    d->with_sha = false;
  while (len > 0) {
    size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
    digest_add (d, zeros, n);
    len -= n;
  }
}

void
digest_end (struct digest *d, struct tree_entry *e)
{
  XXH128_canonical_t c;
  XXH128_canonicalFromHash (&c, XXH3_128bits_digest (d->xxh));
  memcpy (e->xxh, c.digest, 16);
  e->marks = (uint8_t)((e->marks & ~TREE_HAS_SHA) | TREE_HAS_XXH);
  memset (e->sha, 0, sizeof e->sha);
  if (d->with_sha) {
    sha256_digest (&d->sha, 32, e->sha);
    e->marks |= TREE_HAS_SHA;
  }
}

/* Reads [at, end) as data; *at is where it stopped. */
static struct err *
read_data (int fd, uint64_t *at, uint64_t end, unsigned char *chunk,
           struct digest *d, const struct content_taker *taker)
{
  while (*at < end) {
    size_t want
        = end - *at < CONTENT_CHUNK ? (size_t)(end - *at) : CONTENT_CHUNK;
    ssize_t n = pread (fd, chunk, want, (off_t)*at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-TREE-READ", "cannot read at byte %llu",
                      (unsigned long long)*at);
    if (n == 0)
      return NULL;
    digest_add (d, chunk, (size_t)n);
    if (taker != NULL)
      TRY (taker->data (taker->ctx, chunk, (size_t)n));
    *at += (uint64_t)n;
  }
  return NULL;
}

/* The next stretch of data in [at, size): false where there is none. */
static bool
next_data (int fd, uint64_t at, uint64_t size, uint64_t *start, uint64_t *end)
{
  off_t s = lseek (fd, (off_t)at, SEEK_DATA);
  if (s < 0 && errno == ENXIO)
    return false;
  if (s < 0) { /* cannot tell: all is data */
    *start = at;
    *end = size;
    return true;
  }
  off_t e = lseek (fd, s, SEEK_HOLE);
  *start = (uint64_t)s;
  *end = e < 0 || (uint64_t)e > size ? size : (uint64_t)e;
  return *start < size;
}

struct err *
content_read (int fd, uint64_t size, uint64_t blocks, unsigned char *chunk,
              struct digest *d, const struct content_taker *taker,
              uint64_t *got)
{
  uint64_t at = 0, start = 0, end = size;
  bool sparse = size > 0 && blocks < size / 512;
  while (at < size) {
    bool some = !sparse || next_data (fd, at, size, &start, &end);
    uint64_t until = some ? (sparse ? start : at) : size;
    if (until > at) {
      /* A hole up to here, unless the file has become shorter. */
      off_t now = lseek (fd, 0, SEEK_END);
      if (now >= 0 && (uint64_t)now < until)
        until = (uint64_t)now > at ? (uint64_t)now : at;
      if (until == at)
        break;
      digest_add_zeros (d, until - at);
      if (taker != NULL)
        TRY (taker->hole (taker->ctx, until - at));
      at = until;
      continue;
    }
    TRY (read_data (fd, &at, end, chunk, d, taker));
    if (at < end)
      break;
  }
  *got = at;
  return NULL;
}
