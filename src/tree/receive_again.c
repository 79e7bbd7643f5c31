/* SPDX-License-Identifier: Apache-2.0 */
/* What a receiver writes in place, and how a copy goes on that was
 * interrupted. */
#include "tree/receiver.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "tree/resume_point.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHECK_MS 30000
#define CHECK_BYTES ((uint64_t)4 << 30)

/* Some blocks of a file that the target has. */
struct err *
receiver_patch (struct receiver *r, struct cursor *c)
{
  struct tree_entry e;
  struct patch_base base;
  uint64_t sec;
  TRY (cursor_u64 (c, &base.size));
  TRY (cursor_u64 (c, &sec));
  TRY (cursor_u32 (c, &base.mtime.nsec));
  base.mtime.sec = (int64_t)sec;
  TRY (entry_decode (c, &e));
  if (c->left != 0 || e.type != TREE_FILE || e.is_link
      || !(r->head.flags & STREAM_DELTA) || r->a->merge)
    return record_bad ("patch");
  TRY (receiver_entry (r, &e));
  digest_start (r->digest, false);
  return patch_begin (&r->patcher, &r->applier, &e, &base);
}

struct err *
receiver_blocks (struct receiver *r, struct cursor *c)
{
  uint64_t at;
  digest_add (r->digest, c->p, c->left);
  TRY (cursor_u64 (c, &at));
  r->watch->bytes += c->left;
  TRY (watch_step (r->watch, r->applier.file.entry.path,
                   r->applier.file.entry.path_len));
  return patch_blocks (&r->patcher, &r->applier, at, c->p, c->left);
}

/* What an interrupted round wrote in place is put back before anything else.
 */
struct err *
receiver_undo (struct receiver *r)
{
  CLEANUP_FREE char *path = NULL;
  uint64_t files;
  TRY (index_path (r->a->index_dir, r->a->index, "undo", &path));
  TRY (undo_roll_back (path, r->claim.parent, r->claim.leaf, &files));
  undo_start (&r->patcher.undo, STEAL (path));
  return NULL;
}

static struct err *
cannot_go_on (const struct tree_entry *e)
{
  CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
  return err_advise (err_new (ERR_TRANSIENT, "RH-TREE-CORRUPT",
                              "\"%s\" on the target is not the file that was "
                              "half sent",
                              shown),
                     "what was copied so far is kept",
                     "the copy is begun again");
}

/* Takes what is there into the digest. */
static struct err *
hash_begun (struct receiver *r, int fd, uint64_t len)
{
  CLEANUP_FREE unsigned char *chunk = mem_alloc (CONTENT_CHUNK);
  for (uint64_t at = 0; at < len;) {
    uint64_t left = len - at;
    size_t want = left < CONTENT_CHUNK ? (size_t)left : CONTENT_CHUNK;
    ssize_t n = pread (fd, chunk, want, (off_t)at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return cannot_go_on (&r->applier.file.entry);
    digest_add (r->digest, chunk, (size_t)n);
    at += (uint64_t)n;
    TRY (watch_step (r->watch, r->applier.file.entry.path,
                     r->applier.file.entry.path_len));
  }
  return NULL;
}

/* The one file that this side said it has so much of. */
static bool
is_half_sent (const struct receiver *r, const struct tree_entry *e,
              uint64_t offset)
{
  const struct resume_point *p = &r->upto;
  return p->attempt != 0 && p->inside && p->offset == offset
         && p->len == e->path_len && memcmp (p->path, e->path, p->len) == 0;
}

struct err *
receiver_rest (struct receiver *r, struct cursor *c)
{
  struct tree_entry e, have;
  uint64_t offset;
  TRY (cursor_u64 (c, &offset));
  TRY (entry_decode (c, &e));
  if (c->left != 0 || e.type != TREE_FILE || e.is_link || e.path_len == 0
      || offset > e.size || !is_half_sent (r, &e, offset))
    return record_bad ("rest of a file");
  TRY (receiver_entry (r, &e));
  TRY (apply_file_go_on (&r->applier, &e, offset));
  if (tree_stat_fd (r->applier.fd, &have) != 0 || have.type != TREE_FILE
      || have.nlink != 1 || have.size < offset)
    return cannot_go_on (&e);
  digest_start (r->digest, false);
  return hash_begun (r, r->applier.fd, offset);
}

/* Where the copy is: behind the last entry, or within a file. */
static bool
here (const struct receiver *r, struct resume_point *p)
{
  *p = (struct resume_point){ .attempt = r->a->attempt,
                              .path = (char *)r->last.data,
                              .len = r->last.len };
  if (!r->any_entry || r->deleting || r->patcher.open)
    return false;
  p->inside = r->small || r->applier.fd >= 0;
  if (r->applier.fd < 0 || !(r->applier.direct || r->applier.in_place))
    return true; /* a temporary file does not outlive its receive */
  struct tree_entry sum = { 0 };
  p->offset = r->applier.at;
  digest_end (r->digest, &sum);
  memcpy (p->xxh, sum.xxh, sizeof p->xxh);
  return true;
}

struct err *
receiver_checkpoint (struct receiver *r, bool now)
{
  struct resume_point p;
  if (r->a->attempt == 0 || r->applying)
    return NULL;
  int64_t ms = monotonic_ms ();
  uint64_t bytes = receiver_written (r);
  int64_t every = r->a->checkpoint_ms > 0 ? r->a->checkpoint_ms : CHECK_MS;
  if (r->checked_ms == 0)
    r->checked_ms = ms;
  if (!now && ms - r->checked_ms < every
      && bytes - r->checked_bytes < CHECK_BYTES)
    return NULL;
  /* A small file is drained with those before it when it is whole. */
  if (!here (r, &p) || (r->small && !now))
    return NULL;
  if (r->makers != NULL)
    TRY (makers_drain (r->makers));
  TRY (receiver_sync (r));
  TRY (resume_mark_put (r->a->index_dir, r->a->index, &p));
  r->checked_ms = monotonic_ms ();
  r->checked_bytes = bytes;
  return NULL;
}
