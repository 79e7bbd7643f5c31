/* SPDX-License-Identifier: Apache-2.0 */
/* A list merged with a walk; what is in both goes, the last first. */
#include "tree/discard.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/rooted.h"
#include "tree/apply.h"
#include "tree/index.h"
#include "tree/records.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- The side that gave ---- */

static struct err *
give (struct index *x, struct record_writer *rec, json_int_t *entries)
{
  const struct tree_entry *e;
  TRY (record_begin (rec, STREAM_LIST, 0, 0));
  for (;;) {
    TRY (index_next (x, &e));
    if (e == NULL)
      return record_finish (rec);
    TRY (record_entry (rec, REC_ENTRY, e));
    ++*entries;
  }
}

struct err *
tree_given (const char *index_dir, const char *index, struct sink *out,
            json_t **result)
{
  CLEANUP_FREE char *acked = NULL;
  CLEANUP_INDEX struct index *x = NULL;
  CLEANUP (record_writer_free) struct record_writer rec = { .sink = out };
  json_int_t entries = 0;
  TRY (index_path (index_dir, index, "acked", &acked));
  TRY (index_open (acked, &x));
  if (x == NULL)
    return err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                    "there is no acknowledged index %s", index);
  TRY (give (x, &rec, &entries));
  *result = json_pack ("{s:I}", "entries", entries);
  return NULL;
}

/* ---- The side that removes ---- */

/* An entry that is as it was sent. */
struct mine {
  size_t path; /* in `paths` */
  enum tree_type type;
  uint64_t size;
  struct tree_time mtime;
};

struct discarder {
  const struct tree_discard *a;
  struct tree_watch *watch;
  struct walk *walk;
  struct tree_entry *own; /* the next of the walk, or NULL */
  struct record_reader in;
  struct buf last, paths;
  bool any;
  VEC (struct mine) mine;
  uint64_t entries, bytes, kept;
  json_t *examples;
};

static void
discarder_clear (struct discarder *d)
{
  walk_free (d->walk);
  record_reader_free (&d->in);
  buf_free (&d->last);
  buf_free (&d->paths);
  VEC_FREE (&d->mine);
  json_decref (d->examples);
}

static void
keep (struct discarder *d, const char *path, const char *why)
{
  d->kept++;
  if (json_array_size (d->examples) < d->a->limit)
    json_array_append_new (
        d->examples, json_pack ("{s:o, s:s}", "path",
                                json_bytes (path, strlen (path)), "why", why));
}

static struct err *
next_own (struct discarder *d)
{
  if (d->walk == NULL) {
    d->own = NULL;
    return NULL;
  }
  return walk_next (d->walk, &d->own);
}

/* As it was sent: content that others changed has another time. */
static bool
is_as_sent (const struct tree_entry *sent, const struct tree_entry *own)
{
  if (sent->type != own->type)
    return false;
  return sent->type == TREE_DIR
         || (sent->size == own->size
             && tree_time_equal (sent->mtime, own->mtime));
}

static struct err *
take (struct discarder *d, const struct tree_entry *own)
{
  *VEC_PUSH (&d->mine) = (struct mine){ .path = d->paths.len,
                                        .type = own->type,
                                        .size = own->size,
                                        .mtime = own->mtime };
  return buf_put (&d->paths, own->path, own->path_len + 1);
}

static struct err *
sent_entry (struct discarder *d, const struct tree_entry *sent)
{
  while (d->own != NULL) {
    int order = tree_path_cmp (d->own->path, d->own->path_len, sent->path,
                               sent->path_len);
    if (order > 0)
      return NULL;
    if (order < 0)
      keep (d, d->own->path, "foreign");
    else if (is_as_sent (sent, d->own))
      TRY (take (d, d->own));
    else
      keep (d, d->own->path, "changed");
    TRY (next_own (d));
    if (order == 0)
      return NULL;
  }
  return NULL;
}

static struct err *
sent_record (struct discarder *d, enum tree_record type, struct cursor *bytes)
{
  struct tree_entry sent;
  if (type != REC_ENTRY)
    return record_bad ("record");
  TRY (entry_decode (bytes, &sent));
  bool after = !d->any
               || tree_path_cmp (sent.path, sent.path_len,
                                 (const char *)d->last.data, d->last.len)
                      > 0;
  if (bytes->left != 0 || !after)
    return record_bad ("order");
  d->any = true;
  buf_reset (&d->last);
  TRY (buf_put (&d->last, sent.path, sent.path_len));
  return sent_entry (d, &sent);
}

static struct err *
merge (struct discarder *d)
{
  struct tree_head head;
  enum tree_record type;
  struct cursor bytes;
  TRY (record_read_head (&d->in, &head));
  if (head.flags != STREAM_LIST)
    return record_bad ("head: it is no list");
  TRY (next_own (d));
  for (;;) {
    TRY (record_next (&d->in, &type, &bytes));
    if (type == REC_NONE)
      break;
    TRY (sent_record (d, type, &bytes));
  }
  while (d->own != NULL) {
    keep (d, d->own->path, "foreign");
    TRY (next_own (d));
  }
  return NULL;
}

/* One name in its directory: 0 or an errno; ESTALE where it is another one by
 * now. */
static int
remove_name (int dirfd, const char *name, const struct mine *m)
{
  struct tree_entry now;
  int bad = tree_stat (dirfd, name, &now, NULL);
  if (bad != 0)
    return bad;
  struct tree_entry sent
      = { .type = m->type, .size = m->size, .mtime = m->mtime };
  if (!is_as_sent (&sent, &now))
    return ESTALE;
  return unlinkat (dirfd, name, m->type == TREE_DIR ? AT_REMOVEDIR : 0) == 0
             ? 0
             : errno;
}

static int
remove_below (int root, const char *path, const struct mine *m)
{
  CLEANUP_FD int dirfd = -1;
  const char *leaf;
  CLEANUP_ERR struct err *e = rooted_parent (root, path, &dirfd, &leaf);
  return e == NULL            ? remove_name (dirfd, leaf, m)
         : err_errno (e) != 0 ? err_errno (e)
                              : ELOOP;
}

static void
count_removed (struct discarder *d, const struct mine *m, const char *path,
               int bad)
{
  if (bad == 0) {
    d->entries++;
    d->bytes += m->type == TREE_FILE ? m->size : 0;
  } else if (bad == ESTALE)
    keep (d, path, "changed");
  else if (bad != ENOENT && bad != ENOTEMPTY && bad != EEXIST)
    keep (d, path, "stuck");
}

static struct err *
remove_all (struct discarder *d, int above, const char *leaf)
{
  CLEANUP_FD int root
      = openat (above, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  TRY (apply_sweep (above, leaf)); /* of a receive that was killed */
  for (size_t i = d->mine.n; i-- > 0;) {
    const struct mine *m = &d->mine.v[i];
    const char *path = (const char *)d->paths.data + m->path;
    if (d->watch->cancelled != NULL && d->watch->cancelled (d->watch->ctx))
      return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED",
                      "tree.discard was cancelled");
    int bad = path[0] == '\0' ? remove_name (above, leaf, m)
                              : remove_below (root, path, m);
    count_removed (d, m, path, bad);
  }
  if (syncfs (above) != 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot sync %s", d->a->root);
  return NULL;
}

static void
count_all (struct discarder *d)
{
  for (size_t i = 0; i < d->mine.n; i++)
    count_removed (d, &d->mine.v[i], "", 0);
}

/* A root that is not there: an empty walk. */
static struct err *
open_walk (struct discarder *d)
{
  struct err *e = walk_open (d->a->root, NULL, &d->walk);
  if (e == NULL || err_errno (e) != ENOENT)
    return e;
  err_free (e);
  return NULL;
}

static struct err *
run (struct discarder *d)
{
  CLEANUP_FD int place = -1;
  const char *leaf = NULL;
  TRY (open_walk (d));
  if (d->walk != NULL)
    TRY (tree_open_parent (d->a->root, &place, &leaf));
  CLEANUP_FD int above
      = place < 0 ? -1
                  : openat (place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (above >= 0 && d->a->settled != NULL)
    TRY (d->a->settled (d->a->settled_ctx, above));
  TRY (merge (d));
  if (d->a->dry || above < 0)
    count_all (d);
  else
    TRY (remove_all (d, above, leaf));
  return NULL;
}

struct err *
tree_discard (const struct tree_discard *a, struct source *in,
              struct tree_watch *watch, json_t **result)
{
  CLEANUP (discarder_clear)
  struct discarder d = { .a = a,
                         .watch = watch,
                         .in = { .source = in },
                         .paths = { .max = (size_t)4 << 30 },
                         .examples = json_array () };
  TRY (run (&d));
  *result = json_pack ("{s:I, s:o, s:I, s:O}", "entries", (json_int_t)d.entries,
                       "bytes", json_u64 (d.bytes), "kept", (json_int_t)d.kept,
                       "examples", d.examples);
  return NULL;
}
