/* SPDX-License-Identifier: Apache-2.0 */
/* A stream in compressed blocks as a hostile source could send it: no block
 * gives more than a block may. */
#include "tree/pack.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct bytes {
  const uint8_t *p;
  size_t left;
};

static struct err *
give (void *ctx, void *data, size_t cap, size_t *len)
{
  struct bytes *b = ctx;
  *len = b->left < cap ? b->left : cap;
  memcpy (data, b->p, *len);
  b->p += *len;
  b->left -= *len;
  return NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static unsigned char block[65536];
  struct bytes b = { data, size };
  struct source from = { give, &b };
  CLEANUP_UNPACK struct unpack *u = unpack_new (&from);
  struct source s = unpack_source (u);
  uint64_t all = 0;
  for (;;) {
    size_t got = 0;
    CLEANUP_ERR struct err *e = s.get (s.ctx, block, sizeof block, &got);
    if (e != NULL || got == 0)
      return 0;
    all += got;
    if (got > sizeof block
        || all > (size / (PACK_HEADER + 1) + 1) * PACK_BLOCK + size)
      abort ();
  }
}
