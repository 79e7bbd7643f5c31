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
#include "base/text.h"
#include "host/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXAMPLES 20
#define PUNCHED_MIN 65536 /* smaller files are not looked at for holes anew */

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
  prealloc_free (&s->prealloc);
  free (s->chunk);
  for (size_t i = 0; i < s->parents.n; i++)
    entry_box_free (&s->parents.v[i].box);
  VEC_FREE (&s->parents);
  buf_free (&s->gone);
  VEC_FREE (&s->gone_at);
  json_decref (s->dirty_paths);
}

static struct tree_time
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return (struct tree_time){ t.tv_sec, (uint32_t)t.tv_nsec };
}

struct err *
sender_gone (void *ctx, const struct tree_entry *e)
{
  struct sender *s = ctx;
  if (filter_hides (s->a->filter, e->path, e->path_len, e->type == TREE_DIR))
    return NULL; /* left out since: what was copied stays */
  if (s->over != NULL)
    TRY (overlay_gone (s->over, e->path, e->path_len));
  *VEC_PUSH (&s->gone_at) = s->gone.len;
  return buf_put (&s->gone, e->path, e->path_len + 1);
}

/* Drops the directories that `path` does not lie in. */
static void
unwind (struct sender *s, const char *path, size_t len)
{
  while (s->depth > 0) {
    const struct tree_entry *d = &s->parents.v[s->depth - 1].box.entry;
    if (d->path_len == 0
        || (len > d->path_len && path[d->path_len] == '/'
            && memcmp (path, d->path, d->path_len) == 0))
      return;
    s->depth--;
  }
}

static struct err *
push_parent (struct sender *s, const struct tree_entry *e, bool sent)
{
  if (s->depth == s->parents.n)
    (void)VEC_PUSH (&s->parents);
  struct parent *p = &s->parents.v[s->depth++];
  p->sent = sent;
  return entry_box_set (&p->box, e);
}

/* The directories on the way to what is written are sent, too: the receiver
 * sets their times behind it. */
static struct err *
send_parents (struct sender *s)
{
  size_t i = s->depth;
  while (i > 0 && !s->parents.v[i - 1].sent)
    i--;
  for (; i < s->depth; i++) {
    s->parents.v[i].sent = true;
    TRY (record_entry (&s->rec, REC_CONTENT, &s->parents.v[i].box.entry));
  }
  return NULL;
}

static struct err *
send_entry (struct sender *s, enum tree_record type, const struct tree_entry *e)
{
  TRY (send_parents (s));
  s->entries++;
  return record_entry (&s->rec, type, e);
}

static struct err *
keep (struct sender *s, const struct tree_entry *e)
{
  if (!s->a->listing)
    return NULL;
  return record_put (&s->rec, REC_KEEP, e->path, e->path_len);
}

/* Into the new index, or above the old one where it differs from there. */
static struct err *
remember (struct sender *s, const struct tree_entry *e)
{
  if (s->over == NULL)
    return index_put (s->index, e);
  const struct tree_entry *known = s->known;
  bool same = known != NULL && entry_same_inode (e, known)
              && e->marks == known->marks && e->is_link == known->is_link;
  return same ? NULL : overlay_put (s->over, e);
}

/* Ends the work on an entry: into the index, and on the stack. */
static struct err *
finish (struct sender *s, const struct tree_entry *e, bool sent)
{
  struct link_first *first = e->nlink > 1 && e->type != TREE_DIR && !e->is_link
                                 ? links_find (&s->links, e->dev, e->ino)
                                 : NULL;
  if (first != NULL) {
    first->sent = sent;
    first->marks = e->marks & (TREE_HAS_XXH | TREE_HAS_SHA);
    memcpy (first->xxh, e->xxh, sizeof e->xxh);
    memcpy (first->sha, e->sha, sizeof e->sha);
  }
  if (e->type == TREE_DIR)
    TRY (push_parent (s, e, sent));
  return remember (s, e);
}

static struct err *
mark_dirty (struct sender *s, struct tree_entry *e)
{
  e->marks |= TREE_DIRTY;
  s->dirty++;
  if (s->a->final) {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_todo (
        err_new (ERR_REFUSED, "RH-TREE-CHANGING",
                 "%s/%s changes although everything should stand still",
                 s->a->root, shown),
        "find what writes it (rehome check names open files), claim or stop "
        "it, then cut over again");
  }
  if (json_array_size (s->dirty_paths) < EXAMPLES)
    json_array_append_new (s->dirty_paths, json_bytes (e->path, e->path_len));
  return NULL;
}

/* Gone or unreadable: what the index knew of it stays, to be looked at again.
 */
static struct err *
stays_as_known (struct sender *s, const struct tree_entry *known)
{
  if (known == NULL)
    return NULL;
  struct tree_entry e = *known;
  e.marks |= TREE_DIRTY;
  if (e.type == TREE_DIR)
    TRY (push_parent (s, &e, false));
  TRY (keep (s, &e));
  return remember (s, &e);
}

static struct err *
failed (struct sender *s, const struct tree_entry *e,
        const struct tree_entry *known, struct err *why)
{
  int n = err_errno (why);
  bool gone = strcmp (err_code (why), "RH-TREE-VANISHED") == 0 || n == ENOENT
              || n == ENOTDIR || n == ELOOP;
  if (gone) {
    s->vanished++;
    err_free (why);
  } else
    TRY (walk_unreadable (s->walk, e->path, e->path_len, why, s->a->final));
  return stays_as_known (s, known);
}

static struct err *
take_data (void *ctx, const void *bytes, size_t len)
{
  struct sender *s = ctx;
  s->bytes += len;
  s->watch->bytes += len;
  TRY (watch_step (s->watch, s->name, strlen (s->name)));
  return record_put (&s->rec, REC_DATA, bytes, len);
}

static struct err *
take_hole (void *ctx, uint64_t len)
{
  struct sender *s = ctx;
  return record_u64 (&s->rec, REC_HOLE, len);
}

static struct err *
hash_only (struct sender *s, int fd, struct tree_entry *e, uint64_t *got)
{
  digest_start (s->digest, true);
  TRY (content_read (fd, e->size, e->blocks, s->chunk, s->digest, NULL, got));
  digest_end (s->digest, e);
  return NULL;
}

static struct err *
send_prealloc (struct sender *s)
{
  for (size_t i = 0; i < s->prealloc.n; i++) {
    unsigned char both[16];
    for (int k = 0; k < 8; k++) {
      both[k] = (unsigned char)(s->prealloc.v[i].at >> (8 * k));
      both[8 + k] = (unsigned char)(s->prealloc.v[i].len >> (8 * k));
    }
    TRY (record_put (&s->rec, REC_ALLOC, both, sizeof both));
  }
  return NULL;
}

static struct err *
send_content (struct sender *s, int fd, struct tree_entry *e, uint64_t *got)
{
  struct content_taker taker = { take_data, take_hole, s };
  s->prealloc.n = 0;
  if (prealloc_likely (e->size, e->blocks))
    prealloc_find (fd, e->size, &s->prealloc);
  uint64_t blocks = s->prealloc.n > 0 ? 0 : e->blocks;
  TRY (send_entry (s, REC_CONTENT, e));
  digest_start (s->digest, true);
  struct err *bad
      = content_read (fd, e->size, blocks, s->chunk, s->digest, &taker, got);
  if (bad != NULL) /* the stream stands in the middle of a file */
    return err_wrap (bad, "%s/%s", s->a->root, e->path);
  TRY (send_prealloc (s));
  digest_end (s->digest, e);
  s->files++;
  unsigned char end[24];
  for (int i = 0; i < 8; i++)
    end[i] = (unsigned char)(*got >> (8 * i));
  memcpy (end + 8, e->xxh, 16);
  return record_put (&s->rec, REC_FILE_END, end, sizeof end);
}

/* True where the file may well hold what was sent before: then it is hashed
 * first. */
static bool
maybe_same (const struct tree_entry *e, const struct tree_entry *known)
{
  return known != NULL && known->type == TREE_FILE && !known->is_link
         && (known->marks & TREE_HAS_XXH) && known->size == e->size
         && (known->blocks == e->blocks || e->size < PUNCHED_MIN)
         && (e->size <= CONTENT_CHUNK
             || tree_time_equal (e->mtime, known->mtime));
}

static bool
same_state (const struct tree_entry *a, const struct tree_entry *b)
{
  return a->size == b->size && tree_time_equal (a->mtime, b->mtime)
         && tree_time_equal (a->ctime, b->ctime);
}

static bool
listed (const struct paths *p, const struct tree_entry *e)
{
  return p != NULL && paths_have (p, e->path);
}

static struct err *
send_or_not (struct sender *s, int fd, struct tree_entry *e,
             const struct tree_entry *known, uint64_t *got, bool *sent)
{
  *sent = false;
  if (maybe_same (e, known) && !listed (s->a->force, e)) {
    TRY (hash_only (s, fd, e, got));
    if (*got == e->size && memcmp (e->xxh, known->xxh, 16) == 0) {
      if (entry_same_meta (e, known))
        return keep (s, e);
      return send_entry (s, REC_META, e);
    }
  }
  *sent = true;
  return send_content (s, fd, e, got);
}

static struct err *
changed_file (struct sender *s, struct tree_entry *e,
              const struct tree_entry *known)
{
  CLEANUP_FD int fd = tree_open (s->dirfd, s->name, O_RDONLY);
  if (fd < 0)
    return failed (s, e, known,
                   err_sys (errno, "RH-TREE-READ", "cannot open it"));
  struct tree_entry before, after;
  struct tree_time at = now ();
  if (tree_stat_fd (fd, &before) != 0 || before.type != TREE_FILE
      || before.ino != e->ino)
    return failed (s, e, known,
                   err_new (ERR_TRANSIENT, "RH-TREE-VANISHED", "replaced"));
  before.marks |= e->marks & TREE_ATIME;
  before.path = e->path;
  before.path_len = e->path_len;
  *e = before;
  struct err *bad = detail_read (&s->detail, -1, "", fd, e);
  if (bad != NULL)
    return failed (s, e, known, bad);
  uint64_t got = 0;
  bool sent;
  TRY (send_or_not (s, fd, e, known, &got, &sent));
  /* Stores through a mapping may come without a newer time. */
  if (detail_doubtful (e, at) || listed (s->a->reread, e))
    e->marks |= TREE_DOUBTFUL;
  if (got != e->size || tree_stat_fd (fd, &after) != 0
      || !same_state (&before, &after))
    TRY (mark_dirty (s, e));
  return finish (s, e, sent);
}

/* The root is sent in any case, and in a listing every directory, so that the
 * times that an interrupted round left behind are mended. */
static struct err *
unchanged (struct sender *s, struct tree_entry *e)
{
  bool send = e->type == TREE_DIR && (e->path_len == 0 || s->a->listing);
  TRY (send ? send_entry (s, REC_CONTENT, e) : keep (s, e));
  return finish (s, e, send);
}

static struct err *
changed_other (struct sender *s, struct tree_entry *e,
               const struct tree_entry *known)
{
  CLEANUP_FD int fd = -1;
  if (e->type == TREE_DIR) {
    fd = tree_open (s->dirfd, s->name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
      return failed (s, e, known,
                     err_sys (errno, "RH-TREE-READ", "cannot open it"));
  }
  struct tree_time at = now ();
  struct err *bad = detail_read (&s->detail, s->dirfd, s->name, fd, e);
  if (bad != NULL)
    return failed (s, e, known, bad);
  if (detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  bool same = known != NULL && !known->is_link && entry_same_meta (e, known)
              && !listed (s->a->force, e);
  if (same && e->type == TREE_DIR)
    return unchanged (s, e);
  TRY (same ? keep (s, e) : send_entry (s, REC_CONTENT, e));
  return finish (s, e, !same);
}

static bool
same_link (const struct tree_entry *e, const struct tree_entry *known)
{
  return known != NULL && known->type == e->type && known->is_link == e->is_link
         && (!e->is_link
             || (known->link_len == e->link_len
                 && memcmp (known->link, e->link, e->link_len) == 0));
}

/* A further name of an inode that was met before. */
static struct err *
further_name (struct sender *s, struct tree_entry *e,
              const struct tree_entry *known, const struct link_first *first)
{
  struct tree_time at = now ();
  struct err *bad = detail_read (&s->detail, s->dirfd, s->name, -1, e);
  if (bad != NULL)
    return failed (s, e, known, bad);
  e->marks |= first->marks;
  memcpy (e->xxh, first->xxh, sizeof e->xxh);
  memcpy (e->sha, first->sha, sizeof e->sha);
  if (detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  bool same = same_link (e, known) && !first->sent && !listed (s->a->force, e);
  TRY (same ? keep (s, e) : send_entry (s, REC_CONTENT, e));
  return finish (s, e, !same);
}

struct err *
sender_entry (struct sender *s, struct tree_entry *e,
              const struct tree_entry *known)
{
  struct link_first *first = NULL;
  s->known = known;
  if (s->a->atimes && e->type != TREE_LINK) /* to read a link touches it */
    e->marks |= TREE_ATIME;
  unwind (s, e->path, e->path_len);
  if (e->nlink > 1 && e->type != TREE_DIR)
    first = links_meet (&s->links, e->dev, e->ino, e->path, e->path_len);
  if (first != NULL) {
    e->is_link = true;
    e->link = first->path;
    e->link_len = first->len;
  } else if (e->nlink > 1 && e->type != TREE_DIR)
    links_find (&s->links, e->dev, e->ino)->nlink = e->nlink;
  bool forced = listed (s->a->force, e) || listed (s->a->reread, e)
                || (s->named && e->type == TREE_FILE);
  if (known != NULL && !forced && entry_same_inode (e, known)
      && same_link (e, known) && (first == NULL || !first->sent))
  {
    detail_reuse (e, known);
    return unchanged (s, e);
  }
  if (first != NULL)
    return further_name (s, e, known, first);
  return e->type == TREE_FILE ? changed_file (s, e, known)
                              : changed_other (s, e, known);
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

static struct err *
send_deletions (struct sender *s)
{
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
  for (size_t i = 0; s->over == NULL && i < s->links.cap; i++) {
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
  if (s->a->base) {
    struct err *e
        = few ? index_open_few (acked, &s->base) : index_open (acked, &s->base);
    if (e != NULL || s->base == NULL) {
      err_free (e);
      return no_base (s);
    }
  }
  if (few)
    return overlay_create (above, index_id (s->base), &s->over);
  return index_create (fresh, &s->index);
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
  TRY (s->over != NULL ? sender_visit (s) : walk_all (s));
  bool blind = walk_notes (s->walk)->unreadable > 0;
  if (s->gone_at.n > 0 && !blind)
    TRY (send_deletions (s));
  TRY (record_finish (&s->rec));
  if (blind)
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
  int64_t start = watch_now_ms ();
  s.gone.max = (size_t)4 << 30;
  s.digest = digest_new ();
  s.chunk = mem_alloc (CONTENT_CHUNK);
  s.dirty_paths = json_array ();
  TRY (run (&s));
  *result = send_result (&s, watch_now_ms () - start);
  return NULL;
}
