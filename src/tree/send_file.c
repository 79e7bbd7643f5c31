/* SPDX-License-Identifier: Apache-2.0 */
/* A regular file of the sender: read, hashed, and sent where it is not what it
 * was. */
#include "tree/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PUNCHED_MIN 65536 /* smaller files are not looked at for holes anew */

static struct err *
take_data (void *ctx, const void *bytes, size_t len)
{
  struct sender *s = ctx;
  if (s->learnt != NULL)
    TRY (blocks_add (s->learnt, bytes, len));
  size_t had = s->skip < len ? (size_t)s->skip : len;
  s->skip -= had;
  bytes = (const unsigned char *)bytes + had;
  len -= had;
  if (len == 0)
    return watch_step (s->watch, s->name, strlen (s->name));
  s->bytes += len;
  s->watch->bytes += len;
  TRY (watch_step (s->watch, s->name, strlen (s->name)));
  return record_put (&s->rec, REC_DATA, bytes, len);
}

static struct err *
take_hole (void *ctx, uint64_t len)
{
  struct sender *s = ctx;
  if (s->learnt != NULL)
    TRY (blocks_zeros (s->learnt, len));
  uint64_t had = s->skip < len ? s->skip : len;
  s->skip -= had;
  len -= had;
  if (len == 0)
    return NULL;
  return record_u64 (&s->rec, REC_HOLE, len);
}

static struct err *
hash_only (struct sender *s, int fd, struct tree_entry *e, uint64_t *got)
{
  digest_start (s->digest, true);
  TRY (err_wrap (content_read (fd, e->size, e->blocks, s->chunk, s->digest,
                               NULL, got),
                 "%s/%s", s->a->root, e->path));
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

/* The block index of a large file, from what was just sent. */
static struct err *
keep_blocks (struct sender *s, const struct tree_entry *e, uint64_t got)
{
  CLEANUP_BLOCKS_WRITER struct blocks_writer *w = STEAL (s->learnt);
  return w != NULL && got == e->size ? blocks_finish (w, e) : NULL;
}

/* Whether the file begins with what the target has of it. */
static struct err *
begins_so (struct sender *s, int fd, const struct tree_entry *e, bool *out)
{
  const struct resume_point *p = s->a->resume;
  struct tree_entry sum = { 0 };
  uint64_t got;
  *out = false;
  if (p == NULL || !p->inside || p->offset == 0 || p->len == 0
      || p->offset > e->size || p->len != e->path_len
      || memcmp (p->path, e->path, p->len) != 0 || e->nlink > 1)
    return NULL;
  digest_start (s->digest, false);
  TRY (err_wrap (content_read (fd, p->offset, 0, s->chunk, s->digest, NULL,
                               &got),
                 "%s/%s", s->a->root, e->path));
  digest_end (s->digest, &sum);
  *out = got == p->offset && memcmp (sum.xxh, p->xxh, sizeof sum.xxh) == 0;
  return NULL;
}

/* CONTENT, or REST where a half-sent file goes on. */
static struct err *
send_begin (struct sender *s, int fd, const struct tree_entry *e)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  bool goes_on;
  s->skip = 0;
  TRY (begins_so (s, fd, e, &goes_on));
  if (!goes_on)
    return sender_send (s, REC_CONTENT, e);
  b.max = RECORD_MAX;
  TRY (buf_put_u64 (&b, s->a->resume->offset));
  TRY (entry_encode (e, &b));
  TRY (sender_parents (s));
  s->skip = s->a->resume->offset;
  s->entries++;
  return record_put (&s->rec, REC_REST, b.data, b.len);
}

static struct err *
send_content (struct sender *s, int fd, struct tree_entry *e, uint64_t *got)
{
  struct content_taker taker = { take_data, take_hole, s };
  s->prealloc.n = 0;
  if (prealloc_likely (e->size, e->blocks))
    prealloc_find (fd, e->size, &s->prealloc);
  uint64_t blocks = s->prealloc.n > 0 ? 0 : e->blocks;
  TRY (send_begin (s, fd, e));
  if (s->a->patch && e->size >= BLOCKS_FILE_MIN)
    TRY (blocks_create (s->a->index_dir, s->a->index, s->a->round, e, false,
                        &s->learnt));
  /* After a first copy both sides are read back with SHA-256. */
  digest_start (s->digest, s->a->base && s->a->resume == NULL);
  struct err *bad
      = content_read (fd, e->size, blocks, s->chunk, s->digest, &taker, got);
  if (bad != NULL) /* the stream stands in the middle of a file */
    return err_wrap (bad, "%s/%s", s->a->root, e->path);
  TRY (keep_blocks (s, e, *got));
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

static struct err *
send_or_not (struct sender *s, int fd, struct tree_entry *e,
             const struct tree_entry *known, uint64_t *got, bool *sent)
{
  enum sender_patched how;
  TRY (sender_patch (s, fd, e, known, got, &how));
  *sent = how == PATCH_SENT;
  if (how != PATCH_CANNOT)
    return NULL;
  if (maybe_same (e, known) && !sender_listed (s->a->force, e)) {
    TRY (hash_only (s, fd, e, got));
    if (*got == e->size && memcmp (e->xxh, known->xxh, 16) == 0) {
      if (entry_same_meta (e, known))
        return sender_keep (s, e);
      return sender_send (s, REC_META, e);
    }
  }
  *sent = true;
  return send_content (s, fd, e, got);
}

struct err *
sender_file (struct sender *s, struct tree_entry *e,
             const struct tree_entry *known)
{
  CLEANUP_FD int fd = tree_open (s->dirfd, s->name, O_RDONLY);
  if (fd < 0)
    return sender_failed (s, e, known,
                          err_sys (errno, "RH-TREE-READ", "cannot open it"));
  struct tree_entry before, after;
  struct tree_time at = sender_now ();
  if (tree_stat_fd (fd, &before) != 0 || before.type != TREE_FILE
      || before.ino != e->ino)
    return sender_failed (
        s, e, known, err_new (ERR_TRANSIENT, "RH-TREE-VANISHED", "replaced"));
  before.marks |= e->marks & TREE_ATIME;
  before.path = e->path;
  before.path_len = e->path_len;
  *e = before;
  struct err *bad = detail_read (&s->detail, -1, "", fd, e);
  if (bad != NULL)
    return sender_failed (s, e, known, bad);
  uint64_t got = 0;
  bool sent;
  TRY (send_or_not (s, fd, e, known, &got, &sent));
  /* Stores through a mapping may come without a newer time. */
  if (detail_doubtful (e, at) || sender_listed (s->a->reread, e))
    e->marks |= TREE_DOUBTFUL;
  if (got != e->size || tree_stat_fd (fd, &after) != 0
      || !same_state (&before, &after))
    TRY (sender_dirty (s, e));
  return sender_finish (s, e, sent);
}
