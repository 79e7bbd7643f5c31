/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender: one walk, merged with the acknowledged index.
 *
 * The digest and metadata of an index entry always describe what the target
 * was given, also where the entry is dirty; a dirty or doubtful entry only
 * means that the file must be looked at again.
 */
#include "tree/sender.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "host/durable.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A larger index is written anew: a segment is held in memory, and must hold
 * all where all has changed. */
#define OVER_MAX ((size_t)96 << 20)

static void
sender_clear (struct sender *s)
{
  walk_free (s->walk);
  index_free (s->base);
  index_writer_free (s->index);
  overlay_writer_free (s->over);
  record_writer_free (&s->rec);
  links_free (&s->links);
  detail_free (&s->detail);
  digest_free (s->digest);
  canon_clear (&s->canon);
  prealloc_free (&s->prealloc);
  blocks_writer_free (s->learnt);
  halfway_free (s->halfway);
  free (s->chunk);
  for (size_t i = 0; i < s->parents.n; i++)
    entry_box_free (&s->parents.v[i].box);
  VEC_FREE (&s->parents);
  buf_free (&s->gone);
  VEC_FREE (&s->gone_at);
  json_decref (s->dirty_paths);
}

struct err *
sender_gone (void *ctx, const struct tree_entry *e)
{
  struct sender *s = ctx;
  if (filter_hides (s->a->filter, e->path, e->path_len, e->type == TREE_DIR))
    return NULL; /* left out since: what was copied stays */
  if (s->over != NULL)
    TRY (overlay_gone (s->over, e->path, e->path_len));
  if (s->a->patch)
    blocks_gone (s->a->index_dir, s->a->index, s->a->round, e);
  *VEC_PUSH (&s->gone_at) = s->gone.len;
  return buf_put (&s->gone, e->path, e->path_len + 1);
}

struct err *
sender_meet (struct sender *s, const struct tree_entry *e)
{
  s->walked++;
  s->watch->files++;
  return watch_step (s->watch, e->path, e->path_len);
}

/* Walks everything, beside the index that it is compared with. */
static struct err *
walk_all (struct sender *s)
{
  struct tree_entry *e;
  const struct tree_entry *known;
  for (;;) {
    TRY (walk_next (s->walk, &e));
    if (e == NULL)
      return index_drain (s->base, sender_gone, s);
    s->dirfd = walk_dirfd (s->walk);
    s->name = walk_name (s->walk);
    TRY (sender_meet (s, e));
    TRY (index_seek (s->base, e->path, e->path_len, sender_gone, s, &known));
    TRY (sender_entry (s, e, known));
  }
}

/* Behind entries that name all there is, also of none: that the source saw
 * everything is what lets the target remove the rest. */
static struct err *
send_deletions (struct sender *s)
{
  bool all_named = !s->a->base || s->a->listing;
  if (walk_notes (s->walk)->unreadable > 0 || (s->gone_at.n == 0 && !all_named))
    return NULL;
  TRY (record_u64 (&s->rec, REC_DELETES, s->gone_at.n));
  for (size_t i = s->gone_at.n; i-- > 0;) {
    const char *path = (const char *)s->gone.data + s->gone_at.v[i];
    TRY (record_put (&s->rec, REC_DELETE, path, strlen (path)));
  }
  return NULL;
}

static struct err *
unreadable_err (const struct sender *s)
{
  const struct walk_notes *n = walk_notes (s->walk);
  const char *first
      = json_string_value (json_array_get (n->unreadable_paths, 0));
  return err_advise (
      err_new (ERR_REFUSED, "RH-TREE-UNREADABLE",
               "%llu entries of %s cannot be read, the first is %s",
               (unsigned long long)n->unreadable, s->a->root,
               first != NULL ? first : "?"),
      "all that can be read was copied; nothing was deleted on the target",
      "mend them, or leave them out with exclude: in the plan");
}

/* Inodes that have names which the walk did not meet. */
static json_int_t
names_outside (const struct sender *s)
{
  json_int_t n = 0;
  for (size_t i = 0; s->a->hints == NULL && i < s->links.cap; i++) {
    const struct link_first *f = &s->links.v[i];
    n += f->path != NULL && f->names < f->nlink;
  }
  return n;
}

static json_t *
send_result (const struct sender *s, int64_t ms)
{
  const struct walk_notes *n = walk_notes (s->walk);
  json_t *j = json_object ();
  json_object_set_new (j, "entries", json_integer ((json_int_t)s->entries));
  json_object_set_new (j, "files", json_integer ((json_int_t)s->files));
  json_object_set_new (j, "bytes", json_u64 (s->bytes));
  json_object_set_new (j, "deleted", json_integer ((json_int_t)s->gone_at.n));
  json_object_set_new (j, "dirty", json_integer ((json_int_t)s->dirty));
  json_object_set (j, "dirty_paths", s->dirty_paths);
  json_object_set_new (j, "vanished", json_integer ((json_int_t)s->vanished));
  json_object_set_new (j, "outside", json_integer (names_outside (s)));
  json_object_set_new (j, "left", json_integer ((json_int_t)s->left));
  json_object_set_new (j, "walked", json_integer ((json_int_t)s->walked));
  json_object_set_new (j, "mounts", json_integer ((json_int_t)n->mounts));
  json_object_set (j, "mount_paths", n->mount_paths);
  CLEANUP_FREE char *canon
      = s->canon.state != NULL ? canon_hex (&s->canon) : NULL;
  if (canon != NULL)
    json_object_set_new (j, "canon", json_string (canon));
  json_object_set_new (j, "ms", json_integer (ms));
  return j;
}

static struct err *
no_base (const struct sender *s)
{
  return err_advise (err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                              "there is no acknowledged index of %s",
                              s->a->root),
                     "nothing was changed", "run a full copy");
}

static struct err *
open_index (struct sender *s)
{
  CLEANUP_FREE char *acked = NULL;
  CLEANUP_FREE char *suffix = mem_printf ("new-%lld", (long long)s->a->round);
  CLEANUP_FREE char *some = mem_printf ("some-%lld", (long long)s->a->round);
  CLEANUP_FREE char *fresh = NULL;
  CLEANUP_FREE char *above = NULL;
  bool few = s->a->hints != NULL;
  TRY (index_path (s->a->index_dir, s->a->index, "acked", &acked));
  TRY (index_path (s->a->index_dir, s->a->index, suffix, &fresh));
  TRY (index_path (s->a->index_dir, s->a->index, some, &above));
  unlink (fresh); /* of a round of this number that was not acknowledged */
  unlink (above);
  /* Of files that are kept the first attempt's block indexes count. */
  if (s->a->resume == NULL)
    blocks_forget (s->a->index_dir, s->a->index, s->a->round);
  if (s->a->resume != NULL) {
    TRY (halfway_resume (s->a->index_dir, s->a->index, s->a->resume, &s->base));
    if (s->base == NULL)
      return no_base (s);
  } else if (s->a->base) {
    struct err *e
        = few ? index_open_few (acked, &s->base) : index_open (acked, &s->base);
    if (e != NULL || s->base == NULL) {
      err_free (e);
      return no_base (s);
    }
  }
  /* Behind a freeze only what changed is written. */
  bool above_all = s->a->final && !s->a->listing && s->base != NULL
                   && index_size (s->base) <= OVER_MAX;
  if (few || above_all)
    return overlay_create (above, index_id (s->base), &s->over);
  TRY (index_create (fresh, &s->index));
  if (s->a->attempt == 0)
    return NULL;
  if (s->a->resume == NULL)
    halfway_forget (s->a->index_dir, s->a->index);
  return halfway_create (s->a->index_dir, s->a->index, s->a->attempt,
                         &s->halfway);
}

static struct err *
run (struct sender *s)
{
  uint32_t flags = s->a->base ? STREAM_DELTA : 0;
  if (s->a->base && s->a->listing)
    flags |= STREAM_LISTING;
  TRY (open_index (s));
  TRY (walk_open (s->a->root, s->a->filter, &s->walk));
  TRY (record_begin (&s->rec, flags, s->watch->of_files, s->watch->of_bytes));
  TRY (s->a->hints != NULL ? sender_visit (s) : walk_all (s));
  TRY (send_deletions (s));
  TRY (record_finish (&s->rec));
  if (walk_notes (s->walk)->unreadable > 0)
    return unreadable_err (s);
  return s->over != NULL ? overlay_finish (s->over) : index_finish (s->index);
}

struct err *
tree_send (const struct tree_send *a, struct sink *out,
           struct tree_watch *watch, json_t **result)
{
  CLEANUP (sender_clear)
  struct sender s
      = { .a = a, .watch = watch, .rec = { .sink = out }, .dirfd = -1 };
  int64_t start = monotonic_ms ();
  s.gone.max = (size_t)4 << 30;
  s.digest = digest_new ();
  s.chunk = mem_alloc (CONTENT_CHUNK);
  s.dirty_paths = json_array ();
  if (a->final && a->maps != NULL && !a->atimes && a->hints == NULL)
    canon_begin (&s.canon, a->maps);
  TRY (run (&s));
  *result = send_result (&s, monotonic_ms () - start);
  return NULL;
}
