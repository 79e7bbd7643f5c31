/* SPDX-License-Identifier: Apache-2.0 */
/* The side that lists. */
#include "tree/list.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "tree/index.h"
#include "tree/records.h"

#include <nettle/sha2.h>
#include <string.h>

struct lister {
  const struct tree_list *a;
  struct inventory *inventory;
  struct index *base;
  struct record_writer rec;
  struct sha256_ctx sha;
  uint64_t entries, dirty;
};

static void
lister_clear (struct lister *l)
{
  inventory_free (l->inventory);
  index_free (l->base);
  record_writer_free (&l->rec);
}

static struct err *
gone (void *ctx, const struct tree_entry *known)
{
  struct lister *l = ctx;
  struct tree_entry e = { .type = TREE_GONE,
                          .marks = TREE_DIRTY,
                          .path = known->path,
                          .path_len = known->path_len };
  l->dirty++;
  return record_entry (&l->rec, REC_ENTRY, &e);
}

/* Whether the entry, read just now, is what the target was given. */
static bool
as_given (const struct tree_entry *e, const struct tree_entry *known)
{
  if (known->is_link != e->is_link || !entry_same_meta (e, known))
    return false;
  if (e->is_link)
    return known->link_len == e->link_len
           && memcmp (known->link, e->link, e->link_len) == 0;
  return e->type != TREE_FILE
         || ((e->marks & known->marks & TREE_HAS_XXH)
             && memcmp (e->xxh, known->xxh, sizeof e->xxh) == 0);
}

static struct err *
each (struct lister *l, struct tree_entry *e)
{
  struct tree_entry out = *e;
  const struct tree_entry *known;
  out.marks &= (uint8_t)~(TREE_DIRTY | TREE_DOUBTFUL);
  if (l->a->baseline) {
    TRY (index_seek (l->base, e->path, e->path_len, gone, l, &known));
    bool forced
        = l->a->what.force != NULL && paths_have (l->a->what.force, e->path);
    if (known == NULL || forced || (e->marks & TREE_DIRTY)
        || (!entry_same_inode (e, known) && !as_given (e, known)))
      out.marks |= TREE_DIRTY;
  } else if (e->marks & TREE_DIRTY) {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_new (ERR_REFUSED, "RH-TREE-CHANGING",
                    "%s/%s changes while it is compared", l->a->what.root,
                    shown);
  }
  if (l->a->atimes && e->type != TREE_LINK)
    out.marks |= TREE_ATIME;
  l->entries++;
  l->dirty += (out.marks & TREE_DIRTY) != 0;
  entry_hash (&out, &l->sha);
  return record_entry (&l->rec, REC_ENTRY, &out);
}

static struct err *
open_base (struct lister *l)
{
  if (!l->a->baseline)
    return NULL;
  CLEANUP_FREE char *acked = NULL;
  TRY (index_path (l->a->what.index_dir, l->a->what.index, "acked", &acked));
  struct err *e = index_open (acked, &l->base);
  if (e == NULL && l->base != NULL)
    return NULL;
  err_free (e);
  return err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                  "there is no acknowledged index of %s", l->a->what.root);
}

static json_t *
list_result (struct lister *l, int64_t ms)
{
  uint8_t sha[32];
  sha256_digest (&l->sha, sizeof sha, sha);
  CLEANUP_FREE char *hex = text_hex (sha, sizeof sha);
  json_t *j = json_object ();
  json_object_set_new (j, "entries", json_integer ((json_int_t)l->entries));
  json_object_set_new (j, "dirty", json_integer ((json_int_t)l->dirty));
  json_object_set_new (
      j, "read", json_integer ((json_int_t)inventory_read (l->inventory)));
  json_object_set_new (j, "bytes", json_u64 (inventory_bytes (l->inventory)));
  json_object_set (j, "mount_paths",
                   inventory_notes (l->inventory)->mount_paths);
  json_object_set (j, "swap_paths", inventory_notes (l->inventory)->swap_paths);
  json_object_set_new (j, "digest", json_string (hex));
  json_object_set_new (j, "ms", json_integer (ms));
  return j;
}

static struct err *
run (struct lister *l, struct tree_watch *watch)
{
  TRY (open_base (l));
  TRY (inventory_open (&l->a->what, watch, &l->inventory));
  TRY (record_begin (&l->rec, STREAM_LIST, 0, 0));
  for (;;) {
    struct tree_entry *e;
    TRY (inventory_next (l->inventory, &e));
    if (e == NULL)
      break;
    TRY (each (l, e));
  }
  TRY (index_drain (l->base, gone, l));
  return record_finish (&l->rec);
}

struct err *
tree_list (const struct tree_list *a, struct sink *out,
           struct tree_watch *watch, json_t **result)
{
  CLEANUP (lister_clear)
  struct lister l = { .a = a, .rec = { .sink = out } };
  int64_t start = monotonic_ms ();
  sha256_init (&l.sha);
  TRY (run (&l, watch));
  *result = list_result (&l, monotonic_ms () - start);
  return NULL;
}
