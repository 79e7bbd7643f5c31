/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of a whole tree. */
#include "tree/canon.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "tree/xattrs.h"

#include <string.h>
#include <xxhash.h>

/* type, marks, mode, uid, gid, size, rdev, mtime, flags, project, four
 * lengths, digest */
#define FIXED_MAX 128

static XXH3_state_t *
state_of (const struct canon *c)
{
  return (XXH3_state_t *)c->state;
}

void
canon_begin (struct canon *c, const struct idmaps *maps)
{
  *c = (struct canon){ .maps = maps };
  XXH3_state_t *state = XXH3_createState ();
  XXH3_128bits_reset (state);
  c->state = (struct canon_state *)state;
}

void
canon_clear (struct canon *c)
{
  XXH3_freeState (state_of (c));
  buf_free (&c->acl);
  c->state = NULL;
}

static void
put (unsigned char **p, uint64_t v, int bytes)
{
  for (int i = 0; i < bytes; i++)
    *(*p)++ = (unsigned char)(v >> (8 * i));
}

/* What an inode is, under its first name. */
static void
put_inode (unsigned char **p, const struct canon *c, const struct tree_entry *e)
{
  bool device = e->type == TREE_CHAR || e->type == TREE_BLOCK;
  put (p, e->marks & (TREE_PROJECT | TREE_INHERIT), 1);
  put (p, e->type == TREE_LINK ? 0 : e->mode, 4);
  put (p, idmap_get (&c->maps->uids, e->uid), 4);
  put (p, idmap_get (&c->maps->gids, e->gid), 4);
  put (p, e->size, 8);
  put (p, device ? e->rdev : 0, 8);
  put (p, (uint64_t)e->mtime.sec, 8);
  put (p, e->mtime.nsec, 4);
  put (p, e->iflags, 4);
  put (p, e->project, 4);
  if (e->type == TREE_FILE) {
    memcpy (*p, e->xxh, sizeof e->xxh);
    *p += sizeof e->xxh;
  }
}

struct err *
canon_add (struct canon *c, const struct tree_entry *e)
{
  unsigned char fixed[FIXED_MAX];
  unsigned char *p = fixed;
  size_t xattrs = e->is_link ? 0 : e->xattrs_len;
  put (&p, e->type, 1);
  put (&p, e->is_link, 1);
  put (&p, e->path_len, 4);
  put (&p, e->target_len, 4);
  put (&p, e->is_link ? e->link_len : 0, 4);
  put (&p, xattrs, 4);
  if (!e->is_link)
    put_inode (&p, c, e);
  c->entries++;
  c->unsure |= (e->marks & TREE_DIRTY) != 0
               || (e->type == TREE_FILE && !e->is_link
                   && (e->marks & TREE_HAS_XXH) == 0);
  XXH3_state_t *s = state_of (c);
  XXH3_128bits_update (s, fixed, (size_t)(p - fixed));
  XXH3_128bits_update (s, e->path, e->path_len);
  if (e->target_len > 0)
    XXH3_128bits_update (s, e->target, e->target_len);
  if (e->is_link)
    XXH3_128bits_update (s, e->link, e->link_len);
  if (xattrs == 0)
    return NULL;
  TRY (xattrs_map (e->xattrs, xattrs, c->maps, &c->acl));
  XXH3_128bits_update (s, c->acl.data, c->acl.len);
  return NULL;
}

char *
canon_hex (const struct canon *c)
{
  if (c->unsure)
    return NULL;
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash (&bytes, XXH3_128bits_digest (state_of (c)));
  return text_hex (bytes.digest, sizeof bytes.digest);
}

static struct err *
add_all (struct canon *c, struct inventory *v)
{
  for (;;) {
    struct tree_entry *e;
    TRY (inventory_next (v, &e));
    if (e == NULL)
      return NULL;
    TRY (canon_add (c, e));
  }
}

struct err *
tree_digest (const struct inventory_args *a, struct tree_watch *watch,
             json_t **result)
{
  static const struct idmaps none;
  CLEANUP_INVENTORY struct inventory *v = NULL;
  CLEANUP (canon_clear) struct canon c;
  int64_t start = monotonic_ms ();
  struct inventory_args what = *a;
  what.from_disk = true;
  canon_begin (&c, &none);
  TRY (inventory_open (&what, watch, &v));
  TRY (add_all (&c, v));
  CLEANUP_FREE char *hex = canon_hex (&c);
  *result = json_pack ("{s:s*, s:I, s:I, s:o, s:I}", "canon", hex, "entries",
                       (json_int_t)c.entries, "read",
                       (json_int_t)inventory_read (v), "bytes",
                       json_u64 (inventory_bytes (v)), "ms",
                       (json_int_t)(monotonic_ms () - start));
  return NULL;
}
