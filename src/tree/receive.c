/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver: checks every record of the stream, then applies it. */
#include "tree/receiver.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "tree/extras.h"
#include "tree/walk.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((uint64_t)64 << 20)

static void
receiver_clear (struct receiver *r)
{
  makers_free (r->makers);
  flusher_free (r->flusher);
  entry_box_free (&r->given);
  record_reader_free (&r->in);
  patcher_clear (&r->patcher);
  applier_clear (&r->applier);
  place_free (r->place);
  claim_clear (&r->claim);
  digest_free (r->digest);
  buf_free (&r->acl);
  buf_free (&r->last);
  made_free (r->made);
  resume_point_free (&r->upto);
  index_writer_free (r->got);
  touched_free (&r->touched);
  free (r->got_path);
}

/* Entries come in canonical order, deletions in the reverse. */
static struct err *
check_order (struct receiver *r, const char *path, size_t len)
{
  int order
      = tree_path_cmp (path, len, (const char *)r->last.data, r->last.len);
  if (r->any_entry && (r->deleting ? order >= 0 : order <= 0))
    return record_bad ("order");
  static const char tmp[] = TREE_TMP;
  size_t n = sizeof tmp - 1;
  if (len >= n && memcmp (path, tmp, n) == 0 && (len == n || path[n] == '/'))
    return record_bad ("name");
  r->any_entry = true;
  buf_reset (&r->last);
  return buf_put (&r->last, path, len);
}

static struct err *
check_entry (struct receiver *r, const struct tree_entry *e)
{
  if (r->deleting || e->type == TREE_GONE)
    return record_bad ("record");
  TRY (check_order (r, e->path, e->path_len));
  TRY (xattrs_check (e->xattrs, e->xattrs_len));
  return NULL;
}

static struct err *
note_got (struct receiver *r, const char *path, size_t len)
{
  if (r->got == NULL)
    return NULL;
  struct tree_entry e = { .type = TREE_FILE, .path = path, .path_len = len };
  return index_put (r->got, &e);
}

static struct err *
map_ids (struct receiver *r, struct tree_entry *e)
{
  e->uid = idmap_get (&r->a->maps->uids, e->uid);
  e->gid = idmap_get (&r->a->maps->gids, e->gid);
  TRY (xattrs_map (e->xattrs, e->xattrs_len, r->a->maps, &r->acl));
  e->xattrs = r->acl.data;
  e->xattrs_len = r->acl.len;
  return NULL;
}

/* A small file of a first copy goes to the makers. */
static struct err *
small_begin (struct receiver *r, const struct tree_entry *e)
{
  int dirfd;
  const char *name;
  TRY (place_at (r->place, e->path, e->path_len, &dirfd, &name));
  TRY (entry_box_set (&r->given, e));
  r->small = true;
  return makers_begin (r->makers, place_hold (r->place), e);
}

/* It turned out to have holes: it is written here. */
static struct err *
small_withdraw (struct receiver *r)
{
  size_t len;
  const void *data = makers_withdraw (r->makers, &len);
  r->small = false;
  digest_start (r->digest, false);
  digest_add (r->digest, data, len);
  TRY (apply_file_begin (&r->applier, &r->given.entry));
  return apply_file_data (&r->applier, data, len);
}

static struct err *
small_end (struct receiver *r, struct cursor *c)
{
  const unsigned char *xxh;
  uint64_t size;
  TRY (cursor_u64 (c, &size));
  TRY (cursor_bytes (c, 16, &xxh));
  if (c->left != 0)
    return record_bad ("end of a file");
  r->small = false;
  r->files++;
  return makers_end (r->makers, size, xxh);
}

struct err *
receiver_entry (struct receiver *r, struct tree_entry *e)
{
  TRY (check_entry (r, e));
  TRY (map_ids (r, e));
  TRY (note_got (r, e->path, e->path_len));
  touched_add (&r->touched, e->path, e->path_len);
  if (r->made != NULL)
    TRY (made_add (r->made, e->path, e->path_len, e->type == TREE_DIR));
  r->entries++;
  r->watch->files++;
  return watch_step (r->watch, e->path, e->path_len);
}

static struct err *
entry_record (struct receiver *r, enum tree_record type, struct cursor *c)
{
  struct tree_entry e;
  TRY (entry_decode (c, &e));
  if (c->left != 0 || (type == REC_META && (e.type != TREE_FILE || e.is_link)))
    return record_bad ("entry");
  TRY (receiver_entry (r, &e));
  if (type == REC_META)
    return apply_meta (&r->applier, &e);
  if (e.type != TREE_FILE || e.is_link)
    return apply_object (&r->applier, &e);
  if (r->makers != NULL && makers_take (&e))
    return small_begin (r, &e);
  digest_start (r->digest, false);
  return apply_file_begin (&r->applier, &e);
}

static struct err *
keep_record (struct receiver *r, struct cursor *c)
{
  if (r->deleting || !(r->head.flags & STREAM_LISTING)
      || !tree_path_ok ((const char *)c->p, c->left))
    return record_bad ("record");
  CLEANUP_FREE char *path = mem_strndup ((const char *)c->p, c->left);
  TRY (check_order (r, path, c->left));
  return note_got (r, path, c->left);
}

static struct err *
file_end (struct receiver *r, struct cursor *c)
{
  struct tree_entry sum = { 0 };
  const unsigned char *xxh;
  uint64_t size;
  TRY (cursor_u64 (c, &size));
  TRY (cursor_bytes (c, 16, &xxh));
  if (c->left != 0)
    return record_bad ("end of a file");
  digest_end (r->digest, &sum);
  if (memcmp (sum.xxh, xxh, 16) != 0) {
    const struct tree_entry *e = &r->applier.file.entry;
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_new (ERR_TRANSIENT, "RH-TREE-CORRUPT",
                    "\"%s\" did not arrive as it was read", shown);
  }
  r->files++;
  if (r->patcher.open)
    return patch_end (&r->patcher, &r->applier, size);
  return apply_file_end (&r->applier, size);
}

/* Zeros are hashed, too: in pieces, so that it can be cancelled. */
static struct err *
hole (struct receiver *r, uint64_t n)
{
  TRY (apply_file_hole (&r->applier, n));
  while (n > 0) {
    uint64_t piece = n < PIECE ? n : PIECE;
    digest_add_zeros (r->digest, piece);
    n -= piece;
    TRY (watch_step (r->watch, r->applier.file.entry.path,
                     r->applier.file.entry.path_len));
  }
  return NULL;
}

static struct err *
alloc (struct receiver *r, struct cursor *c)
{
  uint64_t at, len;
  TRY (cursor_u64 (c, &at));
  TRY (cursor_u64 (c, &len));
  if (c->left != 0)
    return record_bad ("allocation");
  return apply_file_alloc (&r->applier, at, len);
}

/* What belongs to the file that is being written. */
static struct err *
file_record (struct receiver *r, enum tree_record type, struct cursor *c)
{
  uint64_t n;
  if (r->patcher.open != (type == REC_BLOCKS) && type != REC_FILE_END)
    return record_bad ("record: a file is not at its end");
  switch (type) {
  case REC_BLOCKS:
    return receiver_blocks (r, c);
  case REC_DATA:
    r->watch->bytes += c->left;
    TRY (watch_step (r->watch, r->applier.file.entry.path,
                     r->applier.file.entry.path_len));
    r->applying = true; /* where it was cancelled before, it can go on */
    digest_add (r->digest, c->p, c->left);
    return apply_file_data (&r->applier, c->p, c->left);
  case REC_HOLE:
    TRY (cursor_u64 (c, &n));
    if (c->left != 0 || n == 0)
      return record_bad ("hole");
    return hole (r, n);
  case REC_ALLOC:
    return alloc (r, c);
  case REC_FILE_END:
    return file_end (r, c);
  default:
    return record_bad ("record: a file is not at its end");
  }
}

static struct err *
small_record (struct receiver *r, enum tree_record type, struct cursor *c)
{
  if (type == REC_DATA) {
    r->watch->bytes += c->left;
    return makers_data (r->makers, c->p, c->left);
  }
  if (type == REC_FILE_END)
    return small_end (r, c);
  TRY (small_withdraw (r));
  return file_record (r, type, c);
}

static struct err *
too_many (const struct receiver *r, uint64_t n)
{
  return err_advise (
      err_new (ERR_REFUSED, "RH-TREE-DELETES",
               "%llu deletions below %s are more than the %llu allowed",
               (unsigned long long)n, r->a->root,
               (unsigned long long)r->a->delete_limit),
      "nothing was deleted",
      "look whether the source still holds what it should; then raise "
      "delete-limit: at the item");
}

static struct err *
deletes_record (struct receiver *r, struct cursor *c)
{
  uint64_t n;
  TRY (cursor_u64 (c, &n));
  bool delta = r->head.flags & STREAM_DELTA;
  if (c->left != 0 || r->deleting || (!delta && n > 0))
    return record_bad ("count of deletions");
  if (n > r->a->delete_limit)
    return too_many (r, n);
  TRY (place_leave (r->place));
  if (r->makers != NULL)
    TRY (makers_drain (r->makers));
  r->deleting = true;
  r->any_entry = false;
  r->to_delete = n;
  return NULL;
}

static struct err *
delete_record (struct receiver *r, struct cursor *c)
{
  if (!r->deleting || r->to_delete == 0
      || !tree_path_ok ((const char *)c->p, c->left) || c->left == 0)
    return record_bad ("deletion");
  bool removed;
  CLEANUP_FREE char *path = mem_strndup ((const char *)c->p, c->left);
  TRY (check_order (r, path, c->left));
  r->to_delete--;
  TRY (watch_step (r->watch, path, c->left));
  if (filter_hides (r->a->filter, path, c->left, false))
    return NULL;
  touched_add (&r->touched, path, c->left);
  TRY (apply_delete (&r->applier, path, c->left, &removed));
  r->deleted += removed;
  return NULL;
}

static struct err *
each_record (struct receiver *r, enum tree_record type, struct cursor *c)
{
  if (r->small)
    return small_record (r, type, c);
  if (r->applier.fd >= 0)
    return file_record (r, type, c);
  switch (type) {
  case REC_CONTENT:
  case REC_META:
    return entry_record (r, type, c);
  case REC_REST:
    return receiver_rest (r, c);
  case REC_PATCH:
    return receiver_patch (r, c);
  case REC_KEEP:
    return keep_record (r, c);
  case REC_DELETES:
    return deletes_record (r, c);
  case REC_DELETE:
    return delete_record (r, c);
  default:
    return record_bad ("record");
  }
}

static struct err *
extra_found (void *ctx, const char *path, size_t len)
{
  struct receiver *r = ctx;
  bool removed;
  touched_add (&r->touched, path, len);
  TRY (apply_delete (&r->applier, path, len, &removed));
  r->deleted += removed;
  return NULL;
}

/* Removes what lies there and was not in the stream, if the source saw all it
 * has; where others write there too, only what a receive made that did not end.
 */
static struct err *
remove_extras (struct receiver *r)
{
  if (r->got == NULL || !r->deleting)
    return NULL;
  TRY (index_finish (r->got));
  TRY (place_leave (r->place));
  struct extras x = { .root = r->a->root,
                      .filter = r->a->filter,
                      .list = r->got_path,
                      .made = r->made,
                      .limit = r->a->delete_limit,
                      .each = extra_found,
                      .ctx = r };
  uint64_t n = 0;
  struct err *e = extras_find (&x, &n);
  unlink (r->got_path);
  return n > r->a->delete_limit ? too_many (r, n) : e;
}

/* What the controller wants gone: children before their directory. */
static struct err *
remove_named (struct receiver *r)
{
  const struct paths *p = r->a->remove;
  for (size_t i = p != NULL ? p->n : 0; i-- > 0;)
    if (p->v[i][0] != 0 && tree_path_ok (p->v[i], strlen (p->v[i])))
      TRY (extra_found (r, p->v[i], strlen (p->v[i])));
  return NULL;
}

/* The root where it is a directory, or becomes one; else what holds it. */
static struct err *
open_settled (struct receiver *r, bool dir, int *fd)
{
  const struct claim *c = &r->claim;
  if (dir && mkdirat (c->parent, c->leaf, 0700) < 0 && errno != EEXIST)
    return err_sys (errno, "RH-TREE-WRITE", "cannot make %s", r->a->root);
  if (dir)
    *fd = openat (c->parent, c->leaf,
                  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (!dir || *fd < 0)
    *fd = openat (c->parent, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot open %s", r->a->root);
  return NULL;
}

/* What the first record says of the root decides where is written. */
static struct err *
settle (struct receiver *r)
{
  enum tree_record type;
  struct cursor c;
  struct tree_entry e = { .type = TREE_NONE };
  CLEANUP_FD int fd = -1;
  if (r->a->settled == NULL)
    return NULL;
  TRY (record_peek (&r->in, &type, &c));
  if (type == REC_CONTENT)
    TRY (entry_decode (&c, &e));
  else if (tree_stat (r->claim.parent, r->claim.leaf, &e, NULL) != 0)
    e.type = TREE_NONE;
  TRY (open_settled (r, e.type == TREE_DIR || e.path_len > 0, &fd));
  return r->a->settled (r->a->settled_ctx, fd);
}

/* Where extras are to be found at the end. */
static struct err *
list_what_came (struct receiver *r)
{
  bool whole = !(r->head.flags & STREAM_DELTA)
               || (r->head.flags & STREAM_LISTING) != 0;
  if (r->claim.fresh || !whole || (r->made != NULL && !made_any (r->made)))
    return NULL;
  TRY (index_path (r->a->index_dir, r->a->index, "got", &r->got_path));
  return index_create (r->got_path, &r->got);
}

static struct err *
start (struct receiver *r)
{
  TRY (record_read_head (&r->in, &r->head));
  if (r->head.flags & STREAM_LIST)
    return record_bad ("head: it is a list");
  TRY (claim_take (r->a, &r->claim));
  TRY (touched_take (r->a->index_dir, r->a->index, &r->touched));
  bool delta = r->head.flags & STREAM_DELTA;
  if (delta && r->claim.interrupted && !r->a->again
      && !(r->head.flags & STREAM_LISTING))
    return err_advise (err_new (ERR_TRANSIENT, "RH-TREE-RESUME",
                                "the last round did not end on the target"),
                       "nothing was changed",
                       "send the round again with a listing");
  if (delta && r->claim.fresh)
    return err_new (ERR_REFUSED, "RH-TREE-MISSING",
                    "what was copied to %s before is not there any more",
                    r->a->root);
  TRY (receiver_undo (r));
  if (delta && r->a->attempt != 0)
    TRY (resume_mark_get (r->a->index_dir, r->a->index, &r->upto));
  r->place = place_new (r->claim.parent, r->claim.leaf);
  /* Where nothing was, files are made in place. */
  bool direct = (!delta && (r->a->seed || r->claim.fresh))
                || (r->a->seed && r->a->attempt != 0);
  applier_start (&r->applier, r->place, r->claim.parent, r->claim.leaf, direct);
  bool first = !delta || r->a->attempt != 0;
  r->applier.no_trees = r->a->merge && r->a->keep && first;
  r->applier.expected = r->head.bytes;
  r->watch->of_files = r->head.files;
  r->watch->of_bytes = r->head.bytes;
  TRY (apply_sweep (r->claim.parent, r->claim.leaf));
  TRY (settle (r));
  if (direct)
    r->makers = makers_new (r->place);
  if (r->a->keep)
    TRY (made_open (r->a->index_dir, r->a->index, r->claim.interrupted,
                    &r->made));
  return list_what_came (r);
}

struct err *
receiver_sync (const struct receiver *r)
{
  struct tree_entry above, root;
  TRY (flusher_settle (r->flusher));
  CLEANUP_FD int fd = tree_open (r->claim.parent, r->claim.leaf, O_RDONLY);
  bool one = fd >= 0 && tree_stat_fd (fd, &root) == 0
             && tree_stat_fd (r->claim.parent, &above) == 0
             && root.dev == above.dev;
  if (!one && syncfs (r->claim.parent) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot sync");
  if (fd >= 0 && syncfs (fd) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot sync");
  return NULL;
}

static struct err *
run (struct receiver *r)
{
  enum tree_record type;
  struct cursor c;
  TRY (start (r));
  for (;;) {
    TRY (record_next (&r->in, &type, &c));
    if (type == REC_NONE)
      break;
    r->applying = type != REC_DATA;
    TRY (each_record (r, type, &c));
    r->applying = false;
    TRY (receiver_checkpoint (r, false));
    flusher_note (r->flusher, r->claim.parent, r->claim.leaf,
                  receiver_written (r));
  }
  if (r->applier.fd >= 0 || r->small || r->to_delete > 0)
    return record_bad ("end");
  TRY (place_leave (r->place));
  if (r->makers != NULL)
    TRY (makers_drain (r->makers));
  TRY (remove_extras (r));
  TRY (remove_named (r));
  TRY (applier_finish (&r->applier));
  TRY (place_finish (r->place));
  TRY (touched_save (&r->touched));
  TRY (receiver_sync (r));
  TRY (resume_mark_remove (r->a->index_dir, r->a->index));
  TRY (claim_done (&r->claim, r->a->root));
  return undo_done (&r->patcher.undo);
}

uint64_t
receiver_written (const struct receiver *r)
{
  return r->applier.bytes + (r->makers != NULL ? makers_bytes (r->makers) : 0);
}

static json_t *
receive_result (const struct receiver *r, int64_t ms)
{
  json_t *j = json_object ();
  json_object_set_new (j, "entries", json_integer ((json_int_t)r->entries));
  json_object_set_new (j, "files", json_integer ((json_int_t)r->files));
  json_object_set_new (j, "bytes", json_u64 (receiver_written (r)));
  json_object_set_new (j, "deleted", json_integer ((json_int_t)r->deleted));
  json_object_set_new (j, "kept_aside",
                       r->claim.kept_aside == NULL
                           ? json_null ()
                           : json_bytes (r->claim.kept_aside,
                                         strlen (r->claim.kept_aside)));
  json_object_set (j, "findings", place_findings (r->place));
  json_object_set_new (j, "ms", json_integer (ms));
  return j;
}

struct err *
tree_receive (const struct tree_receive *a, struct source *in,
              struct tree_watch *watch, json_t **result)
{
  CLEANUP (receiver_clear)
  struct receiver r = { .a = a, .watch = watch, .in = { .source = in } };
  r.claim.parent = -1;
  r.applier.fd = r.applier.tmp = -1;
  patcher_start (&r.patcher, NULL);
  r.flusher = flusher_new ();
  r.digest = digest_new ();
  r.last.max = TREE_PATH_MAX + 1;
  int64_t begin = monotonic_ms ();
  struct err *e = run (&r);
  if (e != NULL) { /* what came before is kept */
    struct err *before = r.makers != NULL ? makers_drain (r.makers) : NULL;
    if (before == NULL)
      err_free (receiver_checkpoint (&r, true));
    if (r.place != NULL)
      err_free (apply_sweep (r.claim.parent, r.claim.leaf));
    struct err *first = before != NULL ? before : e;
    err_free (before != NULL ? e : NULL);
    return first;
  }
  *result = receive_result (&r, monotonic_ms () - begin);
  return NULL;
}
