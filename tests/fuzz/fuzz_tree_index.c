/* SPDX-License-Identifier: Apache-2.0 */
/* An index file with any bytes behind a right checksum, read to its end, and
 * each entry written and read again. */
#include "base/mem.h"
#include "tree/index.h"
#include "tree/xattrs.h"

#include <stdint.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
same_again (const struct tree_entry *e)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct tree_entry again;
  CLEANUP_ERR struct err *bad = entry_encode (e, &b);
  struct cursor c = { b.data, b.len };
  if (bad == NULL)
    bad = entry_decode (&c, &again);
  if (bad != NULL || c.left != 0 || !entry_same_meta (e, &again))
    __builtin_trap ();
  err_free (xattrs_check (e->xattrs, e->xattrs_len));
}

static void
read_all (const unsigned char *bytes, size_t len)
{
  CLEANUP_INDEX struct index *x = NULL;
  const struct tree_entry *e = NULL;
  CLEANUP_ERR struct err *bad = index_open_bytes (bytes, len, &x);
  if (bad == NULL)
    bad = index_find (x, "dir/file", 8, &e);
  if (bad != NULL)
    return;
  index_free (x);
  bad = index_open_bytes (bytes, len, &x);
  while (bad == NULL && (bad = index_next (x, &e)) == NULL && e != NULL)
    same_again (e);
}

static uint64_t
get (const unsigned char *p)
{
  uint64_t v = 0;
  for (int i = 0; i < 8; i++)
    v |= (uint64_t)p[i] << (8 * i);
  return v;
}

static void
put (unsigned char *p, uint64_t v)
{
  for (int i = 0; i < 8; i++)
    p[i] = (unsigned char)(v >> (8 * i));
}

/* Makes every checksum of the table, and the table's own, a right one. */
static void
make_right (unsigned char *b, size_t size)
{
  uint64_t blocks = get (b + size - 16);
  if (blocks > (size - 40) / 16)
    return;
  size_t table = size - 32 - (size_t)blocks * 16;
  for (uint64_t i = 0; i < blocks; i++) {
    unsigned char *row = b + table + i * 16;
    uint64_t from = get (row), to = i + 1 < blocks ? get (row + 16) : table;
    if (from < to && to <= table)
      put (row + 8, XXH3_64bits (b + from, (size_t)(to - from)));
  }
  put (b + size - 8, XXH3_64bits (b + table, size - 8 - table));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  read_all (data, size);
  if (size < 40)
    return 0;
  CLEANUP_FREE unsigned char *copy = mem_alloc (size);
  memcpy (copy, data, size);
  make_right (copy, size);
  read_all (copy, size);
  return 0;
}
