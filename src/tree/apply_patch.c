/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in place: held until there are many, then noted, then written. */
#include "tree/apply_patch.h"

#include "base/text.h"
#include "tree/meta.h"
#include "tree/records.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* One fdatasync of the undo record for so many bytes. */
#define HELD_MAX ((size_t)8 << 20)

struct where {
  uint64_t at;
  size_t len;
};

void
patcher_start (struct patcher *p, char *undo_path)
{
  *p = (struct patcher){ .open = false };
  undo_start (&p->undo, undo_path);
}

void
patcher_clear (struct patcher *p)
{
  undo_clear (&p->undo);
  buf_free (&p->held);
  buf_free (&p->where);
}

static struct err *
write_err (const struct tree_entry *e)
{
  int n = errno;
  CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
  return err_sys (
      n, n == ENOSPC || n == EDQUOT ? "RH-TREE-NOSPACE" : "RH-TREE-WRITE",
      "cannot write \"%s\"", shown);
}

static struct err *
no_base (const struct tree_entry *e)
{
  CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
  return err_advise (err_new (ERR_TRANSIENT, "RH-TREE-PATCH",
                              "the target's \"%s\" is not what was copied "
                              "before",
                              shown),
                     "nothing of the file was changed",
                     "the file is sent whole instead");
}

struct err *
patch_begin (struct patcher *p, struct applier *a, const struct tree_entry *e,
             const struct patch_base *base)
{
  const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  const char *name;
  TRY (place_at (a->place, e->path, e->path_len, &a->dirfd, &name));
  int fd = openat (a->dirfd, name, flags);
  if (fd < 0 && errno == EPERM) { /* immutable, or append-only */
    meta_unlock (a->dirfd, name);
    fd = openat (a->dirfd, name, flags);
  }
  if (fd < 0)
    return no_base (e);
  a->fd = fd;
  p->open = true;
  p->end = 0;
  if (tree_stat_fd (fd, &p->have) != 0 || p->have.type != TREE_FILE
      || p->have.size != base->size
      || !tree_time_equal (p->have.mtime, base->mtime))
    return no_base (e);
  TRY (entry_box_set (&a->file, e));
  /* Size and time first: also a patch that only appends can be undone. */
  return undo_note (&p->undo, fd, &p->have, e->path, e->path_len, 0, 0);
}

static struct err *
note_old (struct patcher *p, struct applier *a, const struct where *w)
{
  const struct tree_entry *e = &a->file.entry;
  uint64_t old = p->have.size;
  if (w->at >= old)
    return NULL;
  size_t len = w->len < old - w->at ? w->len : (size_t)(old - w->at);
  return undo_note (&p->undo, a->fd, &p->have, e->path, e->path_len, w->at,
                    len);
}

static struct err *
write_range (struct applier *a, const struct where *w,
             const unsigned char *data)
{
  for (size_t at = 0; at < w->len;) {
    ssize_t n = pwrite (a->fd, data + at, w->len - at, (off_t)(w->at + at));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return write_err (&a->file.entry);
    at += (size_t)n;
  }
  a->bytes += w->len;
  return NULL;
}

static struct where
held_at (const struct patcher *p, size_t i)
{
  struct where w;
  memcpy (&w, p->where.data + i * sizeof w, sizeof w);
  return w;
}

static struct err *
write_held (struct patcher *p, struct applier *a)
{
  size_t n = p->where.len / sizeof (struct where);
  const unsigned char *data = p->held.data;
  for (size_t i = 0; i < n; i++) {
    struct where w = held_at (p, i);
    TRY (note_old (p, a, &w));
  }
  TRY (undo_sync (&p->undo));
  for (size_t i = 0; i < n; i++) {
    struct where w = held_at (p, i);
    TRY (write_range (a, &w, data));
    data += w.len;
  }
  buf_reset (&p->held);
  buf_reset (&p->where);
  return NULL;
}

struct err *
patch_blocks (struct patcher *p, struct applier *a, uint64_t at,
              const void *data, size_t len)
{
  uint64_t size = a->file.entry.size;
  if (len == 0 || len > UNDO_BYTES_MAX || at < p->end || at > size
      || len > size - at)
    return record_bad ("block: it is empty, out of order or out of bounds");
  p->end = at + len;
  struct where w = { at, len };
  TRY (buf_put (&p->where, &w, sizeof w));
  TRY (buf_put (&p->held, data, len));
  return p->held.len >= HELD_MAX ? write_held (p, a) : NULL;
}

/* What a shorter end cuts off is replaced, too: it can be put back. */
static struct err *
note_cut (struct patcher *p, struct applier *a, uint64_t size)
{
  if (size >= p->have.size)
    return NULL;
  for (uint64_t at = size; at < p->have.size; at += UNDO_BYTES_MAX) {
    struct where w = { at, UNDO_BYTES_MAX };
    TRY (note_old (p, a, &w));
  }
  return undo_sync (&p->undo);
}

struct err *
patch_end (struct patcher *p, struct applier *a, uint64_t size)
{
  const struct tree_entry *e = &a->file.entry;
  struct tree_entry have = { 0 };
  TRY (write_held (p, a));
  if (size > e->size || size < p->end)
    return record_bad ("end of a file");
  TRY (note_cut (p, a, size));
  if (tree_stat_fd (a->fd, &have) != 0 || have.size != size)
    if (ftruncate (a->fd, (off_t)size) < 0)
      return write_err (e);
  CLEANUP_FREE char *lost = NULL;
  if (have.iflags != 0)
    meta_set_flags (a->fd, 0);
  TRY (meta_apply_fd (a->fd, e, &lost));
  if (lost != NULL)
    place_finding (a->place, "RH-TREE-XATTR", e->path, e->path_len, lost);
  int r = close (a->fd);
  a->fd = -1;
  p->open = false;
  if (r < 0)
    return write_err (e);
  if (e->iflags != 0)
    place_flags (a->place, e->path, e->iflags);
  return NULL;
}
