/* SPDX-License-Identifier: Apache-2.0 */
/* One entry as it comes off a stream: decoded, its attributes checked and
 * mapped, compared, shown, hashed, and encoded to the same bytes. */
#include "base/mem.h"
#include "tree/differ.h"
#include "tree/entry.h"
#include "tree/xattrs.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
encode_again (const struct tree_entry *e, const uint8_t *data, size_t used)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  CLEANUP_ERR struct err *bad = entry_encode (e, &b);
  struct tree_entry twice;
  struct cursor c = { b.data, b.len };
  if (bad != NULL || b.len != used
      || memcmp (b.data + 148, data + 148, used - 148) != 0)
    __builtin_trap ();
  CLEANUP_ERR struct err *worse = entry_decode (&c, &twice);
  if (worse != NULL || !entry_same_meta (e, &twice))
    __builtin_trap ();
}

static void
look_at (const struct tree_entry *e)
{
  static struct idmap_pair pairs[] = { { 0, 5 }, { 1000, 2000 } };
  const struct idmaps maps = { { pairs, 2 }, { pairs, 1 } };
  CLEANUP_BUF struct buf mapped = BUF_INIT;
  CLEANUP_ERR struct err *bad
      = xattrs_map (e->xattrs, e->xattrs_len, &maps, &mapped);
  if (bad == NULL)
    err_free (xattrs_check (mapped.data, mapped.len));
  struct tree_entry none
      = { .type = e->type, .path = "", .target = "", .link = "" };
  differ (e, &none);
  CLEANUP_JSON json_t *shown = differ_show (e);
  struct sha256_ctx ctx;
  sha256_init (&ctx);
  entry_hash (e, &ctx);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* Its own allocation: a byte read behind it is found. */
  CLEANUP_FREE unsigned char *copy = mem_alloc (size + 1);
  memcpy (copy, data, size);
  struct cursor c = { copy, size };
  struct tree_entry e;
  CLEANUP_ERR struct err *bad = entry_decode (&c, &e);
  if (bad != NULL)
    return 0;
  CLEANUP_ERR struct err *attributes = xattrs_check (e.xattrs, e.xattrs_len);
  if (attributes == NULL) {
    encode_again (&e, data, size - c.left);
    look_at (&e);
  }
  return 0;
}
