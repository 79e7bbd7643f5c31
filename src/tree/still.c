/* SPDX-License-Identifier: Apache-2.0 */
/* One walk, merged with an index. */
#include "tree/still.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "tree/index.h"

#include <string.h>

struct looker {
  const struct tree_still *a;
  struct inventory *inventory;
  struct index *index;
  json_t *examples;
  uint64_t entries, differences;
};

static void
looker_clear (struct looker *l)
{
  inventory_free (l->inventory);
  index_free (l->index);
  json_decref (l->examples);
}

static void
note (struct looker *l, const struct tree_entry *e)
{
  if (hints_cover (l->a->except, e->path, e->path_len))
    return;
  l->differences++;
  if (json_array_size (l->examples) < l->a->limit)
    json_array_append_new (l->examples, json_bytes (e->path, e->path_len));
}

static struct err *
gone (void *ctx, const struct tree_entry *known)
{
  note (ctx, known);
  return NULL;
}

static bool
same_link (const struct tree_entry *a, const struct tree_entry *b)
{
  return a->is_link == b->is_link
         && (!a->is_link
             || (a->link_len == b->link_len
                 && memcmp (a->link, b->link, a->link_len) == 0));
}

/* What was read anew may still be what it was. */
static bool
same (const struct tree_entry *e, const struct tree_entry *known)
{
  if (e->marks & TREE_DIRTY || !same_link (e, known))
    return false;
  if (entry_same_inode (e, known))
    return true;
  return entry_same_meta (e, known)
         && (e->type != TREE_FILE || e->is_link
             || ((e->marks & known->marks & TREE_HAS_XXH)
                 && memcmp (e->xxh, known->xxh, sizeof e->xxh) == 0));
}

static struct err *
each (struct looker *l, const struct tree_entry *e)
{
  const struct tree_entry *known;
  TRY (index_seek (l->index, e->path, e->path_len, gone, l, &known));
  l->entries++;
  if (known == NULL || !same (e, known))
    note (l, e);
  return NULL;
}

static struct err *
open_index (struct looker *l)
{
  const struct inventory_args *w = &l->a->what;
  CLEANUP_FREE char *path = NULL;
  TRY (index_path (w->index_dir, w->index, w->only, &path));
  struct err *e = index_open (path, &l->index);
  if (e == NULL && l->index != NULL)
    return NULL;
  err_free (e);
  return err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                  "there is no index of what lies in %s", w->root);
}

static struct err *
run (struct looker *l, struct tree_watch *watch)
{
  TRY (open_index (l));
  TRY (inventory_open (&l->a->what, watch, &l->inventory));
  for (;;) {
    struct tree_entry *e;
    TRY (inventory_next (l->inventory, &e));
    if (e == NULL)
      return index_drain (l->index, gone, l);
    TRY (each (l, e));
  }
}

struct err *
tree_still (const struct tree_still *a, struct tree_watch *watch,
            json_t **result)
{
  CLEANUP (looker_clear) struct looker l = { .a = a };
  int64_t start = monotonic_ms ();
  l.examples = json_array ();
  TRY (run (&l, watch));
  *result
      = json_pack ("{s:b, s:I, s:I, s:O, s:I, s:I}", "same", l.differences == 0,
                   "entries", (json_int_t)l.entries, "differences",
                   (json_int_t)l.differences, "examples", l.examples, "read",
                   (json_int_t)inventory_read (l.inventory), "ms",
                   (json_int_t)(monotonic_ms () - start));
  return NULL;
}
