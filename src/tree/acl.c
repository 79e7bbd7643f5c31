/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs as the kernel gives them in an attribute (version 2: entries of
 * tag, permissions, id): the ids mapped, without a library. */
#include "base/mem.h"
#include "tree/xattrs.h"

#include <string.h>

#define ACL_VERSION 2
#define ACL_USER 0x02
#define ACL_GROUP 0x08
#define ENTRY 8

static uint32_t
get32 (const unsigned char *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
         | (uint32_t)p[3] << 24;
}

static void
put32 (unsigned char *p, uint32_t v)
{
  for (int i = 0; i < 4; i++)
    p[i] = (unsigned char)(v >> (8 * i));
}

/* By tag, then id. */
static int
by_tag (const void *a, const void *b)
{
  const unsigned char *x = a, *y = b;
  int t = (x[0] | x[1] << 8) - (y[0] | y[1] << 8);
  if (t != 0)
    return t;
  uint32_t i = get32 (x + 4), j = get32 (y + 4);
  return i < j ? -1 : i > j;
}

static void
map_acl (unsigned char *acl, size_t len, const struct idmaps *maps)
{
  if (len < 4 || (len - 4) % ENTRY != 0 || get32 (acl) != ACL_VERSION)
    return; /* not of the known form: as it is */
  for (size_t at = 4; at < len; at += ENTRY) {
    int tag = acl[at] | acl[at + 1] << 8;
    const struct idmap *m = tag == ACL_USER    ? &maps->uids
                            : tag == ACL_GROUP ? &maps->gids
                                               : NULL;
    if (m != NULL)
      put32 (acl + at + 4, idmap_get (m, get32 (acl + at + 4)));
  }
  qsort (acl + 4, (len - 4) / ENTRY, ENTRY, by_tag);
}

static bool
is_acl (const struct xattr_view *v)
{
  static const char prefix[] = "system.posix_acl_";
  return v->name_len > sizeof prefix - 1
         && memcmp (v->name, prefix, sizeof prefix - 1) == 0;
}

struct err *
xattrs_map (const unsigned char *set, size_t len, const struct idmaps *maps,
            struct buf *out)
{
  buf_reset (out);
  if (len == 0)
    return NULL;
  TRY (buf_put (out, set, len));
  struct cursor c = { out->data, out->len };
  struct xattr_view v;
  while (xattrs_next (&c, &v))
    if (is_acl (&v))
      map_acl (out->data + (v.value - out->data), v.value_len, maps);
  return NULL;
}
