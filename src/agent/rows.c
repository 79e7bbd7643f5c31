/* SPDX-License-Identifier: Apache-2.0 */
/* Digest of lines whatever their order; see rows.h. */
#include "agent/rows.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct rows {
  XXH3_state_t *part; /* of a line whose beginning came with an earlier put */
  bool open;
  uint64_t count;
  uint64_t high, low;
};

struct rows *
rows_new (void)
{
  struct rows *r = mem_alloc (sizeof *r);
  r->part = XXH3_createState ();
  if (r->part == NULL)
    abort (); /* as mem_alloc does */
  return r;
}

void
rows_free (struct rows *r)
{
  if (r != NULL)
    XXH3_freeState (r->part);
  free (r);
}

static void
add (struct rows *r, XXH128_hash_t h)
{
  r->low += h.low64;
  r->high += h.high64 + (r->low < h.low64);
  r->count++;
}

/* `len` bytes that belong to the line which is open, or open one. */
static void
keep (struct rows *r, const unsigned char *p, size_t len)
{
  if (!r->open)
    XXH3_128bits_reset (r->part);
  r->open = true;
  XXH3_128bits_update (r->part, p, len);
}

static void
close_line (struct rows *r)
{
  add (r, XXH3_128bits_digest (r->part));
  r->open = false;
}

void
rows_put (struct rows *r, const void *data, size_t len)
{
  const unsigned char *p = data, *end = p + len;
  while (p < end) {
    const unsigned char *nl = memchr (p, '\n', (size_t)(end - p));
    if (nl == NULL) {
      keep (r, p, (size_t)(end - p));
      return;
    }
    if (r->open) {
      keep (r, p, (size_t)(nl - p));
      close_line (r);
    } else
      add (r, XXH3_128bits (p, (size_t)(nl - p)));
    p = nl + 1;
  }
}

void
rows_bytes (struct rows *r, const void *data, size_t len, bool last)
{
  if (last && !r->open) {
    add (r, XXH3_128bits (data, len));
    return;
  }
  keep (r, data, len);
  if (last)
    close_line (r);
}

void
rows_end (struct rows *r)
{
  if (r->open)
    close_line (r);
}

uint64_t
rows_count (const struct rows *r)
{
  return r->count;
}

void
rows_sum (const struct rows *r, char out[33])
{
  snprintf (out, 33, "%016" PRIx64 "%016" PRIx64, r->high, r->low);
}
