/* SPDX-License-Identifier: Apache-2.0 */
/* The side that compares: two ordered sequences, merged. */
#include "tree/list.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "tree/differ.h"
#include "tree/records.h"
#include "tree/touched.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <nettle/sha2.h>

struct comparer {
  const struct tree_compare *a;
  struct inventory *inventory;
  struct record_reader in;
  struct tree_entry *own; /* the next of this side, or NULL */
  struct buf last, theirs_acl, own_acl;
  struct sha256_ctx sha;
  struct touched touched; /* what could not be compared */
  uint64_t entries, dirty, differences, by_kind[KIND_COUNT];
  json_t *examples;
  bool any;
};

static void
comparer_clear (struct comparer *c)
{
  inventory_free (c->inventory);
  record_reader_free (&c->in);
  buf_free (&c->last);
  buf_free (&c->theirs_acl);
  buf_free (&c->own_acl);
  touched_free (&c->touched);
  json_decref (c->examples);
}

static struct err *
next_own (struct comparer *c)
{
  if (c->inventory == NULL)
    return NULL;
  TRY (inventory_next (c->inventory, &c->own));
  if (c->own != NULL)
    entry_hash (c->own, &c->sha);
  return NULL;
}

static json_t *
example (unsigned kinds, const struct tree_entry *source,
         const struct tree_entry *target)
{
  const struct tree_entry *e = source != NULL ? source : target;
  json_t *j = json_object ();
  json_t *list = json_array ();
  for (int k = 0; k < KIND_COUNT; k++)
    if (kinds & 1u << k)
      json_array_append_new (list, json_string (tree_kind_name (k)));
  json_object_set_new (j, "path", json_bytes (e->path, e->path_len));
  json_object_set_new (j, "kinds", list);
  json_object_set_new (j, "source", differ_show (source));
  json_object_set_new (j, "target", differ_show (target));
  return j;
}

static void
count (struct comparer *c, unsigned kinds, const struct tree_entry *source,
       const struct tree_entry *target)
{
  c->differences++;
  for (int k = 0; k < KIND_COUNT; k++)
    c->by_kind[k] += (kinds >> k) & 1;
  if (json_array_size (c->examples) < c->a->limit)
    json_array_append_new (c->examples, example (kinds, source, target));
}

static void
report (struct comparer *c, unsigned kinds, const struct tree_entry *source,
        const struct tree_entry *target)
{
  if (source != NULL || !c->a->keep)
    count (c, kinds, source, target);
}

/* Ids and ACLs of both in the target's id space and in one order. */
static struct err *
same_space (struct comparer *c, struct tree_entry *s, struct tree_entry *t)
{
  static const struct idmaps none;
  s->uid = idmap_get (&c->a->maps->uids, s->uid);
  s->gid = idmap_get (&c->a->maps->gids, s->gid);
  TRY (xattrs_map (s->xattrs, s->xattrs_len, c->a->maps, &c->theirs_acl));
  s->xattrs = c->theirs_acl.data;
  TRY (xattrs_map (t->xattrs, t->xattrs_len, &none, &c->own_acl));
  t->xattrs = c->own_acl.data;
  return NULL;
}

static struct err *
both (struct comparer *c, struct tree_entry *s)
{
  if (c->a->preview && s->type == TREE_GONE) {
    count (c, 1u << KIND_EXTRA, NULL, c->own);
    return NULL;
  }
  if ((s->marks & TREE_DIRTY) && !c->a->preview) {
    c->dirty++;
    touched_add (&c->touched, s->path, s->path_len);
    return NULL;
  }
  struct tree_entry own = *c->own;
  TRY (same_space (c, s, &own));
  unsigned kinds = differ (s, &own);
  if (own.marks & TREE_DIRTY) /* somebody writes on this side */
    kinds |= 1u << KIND_CONTENT;
  if (kinds != 0)
    report (c, kinds, s, &own);
  return NULL;
}

static struct err *
their_entry (struct comparer *c, struct tree_entry *s)
{
  int order = 1;
  while (c->own != NULL) {
    order
        = tree_path_cmp (c->own->path, c->own->path_len, s->path, s->path_len);
    if (order >= 0)
      break;
    report (c, 1u << KIND_EXTRA, NULL, c->own);
    TRY (next_own (c));
  }
  c->entries += s->type != TREE_GONE;
  if (c->own != NULL && order == 0) {
    TRY (both (c, s));
    return next_own (c);
  }
  if ((s->marks & TREE_DIRTY) && (!c->a->preview || s->type == TREE_GONE)) {
    c->dirty++;
    touched_add (&c->touched, s->path, s->path_len);
  } else
    report (c, 1u << KIND_MISSING, s, NULL);
  return NULL;
}

static struct err *
their_record (struct comparer *c, enum tree_record type, struct cursor *bytes)
{
  struct tree_entry s;
  if (type != REC_ENTRY)
    return record_bad ("record");
  TRY (entry_decode (bytes, &s));
  if (bytes->left != 0
      || (c->any
          && tree_path_cmp (s.path, s.path_len, (const char *)c->last.data,
                            c->last.len)
                 <= 0))
    return record_bad ("order");
  TRY (xattrs_check (s.xattrs, s.xattrs_len));
  c->any = true;
  buf_reset (&c->last);
  TRY (buf_put (&c->last, s.path, s.path_len));
  return their_entry (c, &s);
}

/* From here on it is known what is written behind this comparison. */
static struct err *
begin_touched (struct comparer *c)
{
  const struct inventory_args *w = &c->a->what;
  if (w->index_dir == NULL || w->hints != NULL || w->stat || c->a->preview
      || c->differences > 0)
    return NULL;
  return touched_save (&c->touched);
}

static struct err *
open_own (struct comparer *c, struct tree_watch *watch)
{
  struct err *e = inventory_open (&c->a->what, watch, &c->inventory);
  if (e == NULL || !c->a->preview || err_errno (e) != ENOENT)
    return e;
  err_free (e);
  return NULL;
}

/* What this side says of what it read; nothing where it has nothing. */
static void
add_own (const struct comparer *c, json_t *j)
{
  if (c->inventory == NULL)
    return;
  const struct walk_notes *n = inventory_notes (c->inventory);
  json_object_set_new (
      j, "read", json_integer ((json_int_t)inventory_read (c->inventory)));
  json_object_set_new (j, "bytes", json_u64 (inventory_bytes (c->inventory)));
  json_object_set (j, "mount_paths", n->mount_paths);
  json_object_set (j, "swap_paths", n->swap_paths);
}

static struct err *
run (struct comparer *c, struct tree_watch *watch)
{
  struct tree_head head;
  enum tree_record type;
  struct cursor bytes;
  TRY (open_own (c, watch));
  if (c->a->what.index_dir != NULL)
    TRY (touched_begin (c->a->what.index_dir, c->a->what.index, &c->touched));
  TRY (record_read_head (&c->in, &head));
  if (head.flags != STREAM_LIST)
    return record_bad ("head: it is no list");
  TRY (next_own (c));
  for (;;) {
    TRY (record_next (&c->in, &type, &bytes));
    if (type == REC_NONE)
      break;
    TRY (their_record (c, type, &bytes));
  }
  while (c->own != NULL) {
    report (c, 1u << KIND_EXTRA, NULL, c->own);
    TRY (next_own (c));
  }
  return begin_touched (c);
}

static json_t *
compare_result (struct comparer *c, int64_t ms)
{
  uint8_t sha[32];
  sha256_digest (&c->sha, sizeof sha, sha);
  CLEANUP_FREE char *hex = text_hex (sha, sizeof sha);
  json_t *kinds = json_object ();
  for (int k = 0; k < KIND_COUNT; k++)
    if (c->by_kind[k] > 0)
      json_object_set_new (kinds, tree_kind_name (k),
                           json_integer ((json_int_t)c->by_kind[k]));
  json_t *j = json_object ();
  json_object_set_new (j, "equal", json_boolean (c->differences == 0));
  json_object_set_new (j, "entries", json_integer ((json_int_t)c->entries));
  json_object_set_new (j, "dirty", json_integer ((json_int_t)c->dirty));
  json_object_set_new (j, "differences",
                       json_integer ((json_int_t)c->differences));
  json_object_set_new (j, "kinds", kinds);
  json_object_set (j, "examples", c->examples);
  add_own (c, j);
  json_object_set_new (j, "digest", json_string (hex));
  json_object_set_new (j, "ms", json_integer (ms));
  return j;
}

struct err *
tree_compare (const struct tree_compare *a, struct source *in,
              struct tree_watch *watch, json_t **result)
{
  CLEANUP (comparer_clear)
  struct comparer c = { .a = a, .in = { .source = in } };
  int64_t start = monotonic_ms ();
  c.examples = json_array ();
  sha256_init (&c.sha);
  TRY (run (&c, watch));
  *result = compare_result (&c, monotonic_ms () - start);
  return NULL;
}
