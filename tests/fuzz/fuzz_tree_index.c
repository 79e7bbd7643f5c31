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
  while (bad == NULL && x != NULL && (bad = index_next (x, &e)) == NULL
         && e != NULL)
    same_again (e);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  read_all (data, size);
  if (size < 40)
    return 0;
  CLEANUP_FREE unsigned char *copy = mem_alloc (size);
  memcpy (copy, data, size);
  uint64_t sum = XXH3_64bits (copy, size - 8);
  for (int i = 0; i < 8; i++)
    copy[size - 8 + (size_t)i] = (unsigned char)(sum >> (8 * i));
  read_all (copy, size);
  return 0;
}
