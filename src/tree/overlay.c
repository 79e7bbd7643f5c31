/* SPDX-License-Identifier: Apache-2.0 */
/* Segments beside an index: a head with the index's id, records of u8 kind
 * and an entry or a u32 length and a path, a checksum. */
#include "tree/overlay.h"

#include "base/mem.h"
#include "base/vec.h"
#include "host/slurp.h"
#include "host/write_all.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "RHOVER01"
#define HEAD 16
#define TAIL 8
#define SEGMENTS_MAX 10000
#define SEGMENT_MAX ((size_t)256 << 20)

enum { KIND_ENTRY = 1, KIND_GONE = 2 };

struct overlay_writer {
  char *path;
  int fd;
  struct buf buf;
  bool done;
};

struct item {
  struct tree_entry entry;
  size_t serial;
};

struct overlay {
  VEC (struct buf) segments;
  VEC (struct item) items;
};

struct err *
overlay_create (const char *path, uint64_t id, struct overlay_writer **out)
{
  *out = NULL;
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
  if (fd < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", path);
  struct overlay_writer *w = mem_alloc (sizeof *w);
  w->path = mem_strdup (path);
  w->fd = tree_take_fd (&fd);
  w->buf.max = SEGMENT_MAX;
  *out = w;
  TRY (buf_put (&w->buf, MAGIC, 8));
  return buf_put_u64 (&w->buf, id);
}

struct err *
overlay_put (struct overlay_writer *w, const struct tree_entry *e)
{
  TRY (buf_put_u8 (&w->buf, KIND_ENTRY));
  return entry_encode (e, &w->buf);
}

struct err *
overlay_gone (struct overlay_writer *w, const char *path, size_t len)
{
  TRY (buf_put_u8 (&w->buf, KIND_GONE));
  TRY (buf_put_u32 (&w->buf, (uint32_t)len));
  return buf_put (&w->buf, path, len + 1);
}

struct err *
overlay_finish (struct overlay_writer *w)
{
  TRY (buf_put_u64 (&w->buf, XXH3_64bits (w->buf.data, w->buf.len)));
  int e = write_all (w->fd, w->buf.data, w->buf.len);
  if (e != 0)
    return err_sys (e, "RH-TREE-INDEX", "cannot write %s", w->path);
  if (fdatasync (w->fd) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot sync %s", w->path);
  w->done = true;
  return NULL;
}

void
overlay_writer_free (struct overlay_writer *w)
{
  if (w == NULL)
    return;
  close (w->fd);
  if (!w->done)
    unlink (w->path);
  buf_free (&w->buf);
  free (w->path);
  free (w);
}

static struct err *
broken (const char *what)
{
  return err_advise (err_new (ERR_CORRUPT, "RH-TREE-INDEX",
                              "an addition to an index is broken: %s", what),
                     "nothing was changed",
                     "the next full copy writes a new index");
}

static struct err *
read_record (struct overlay *o, struct cursor *c)
{
  uint8_t kind;
  struct item *it = VEC_PUSH (&o->items);
  it->serial = o->items.n;
  TRY (cursor_u8 (c, &kind));
  if (kind == KIND_ENTRY)
    return entry_decode (c, &it->entry);
  uint32_t len;
  const unsigned char *p;
  TRY (cursor_u32 (c, &len));
  if (kind != KIND_GONE || len > TREE_PATH_MAX)
    return broken ("a record");
  TRY (cursor_bytes (c, (size_t)len + 1, &p));
  if (memchr (p, 0, (size_t)len + 1) != p + len)
    return broken ("a path");
  it->entry = (struct tree_entry){ .type = TREE_GONE,
                                   .path = (const char *)p,
                                   .path_len = len,
                                   .target = "",
                                   .link = "" };
  return NULL;
}

/* Takes in one segment; *fits is false where it belongs to another index. */
static struct err *
read_segment (struct overlay *o, const struct buf *b, uint64_t id, bool *fits)
{
  *fits = false;
  if (b->len < HEAD + TAIL || memcmp (b->data, MAGIC, 8) != 0)
    return broken ("its head");
  struct cursor c = { b->data + 8, b->len - 8 };
  struct cursor tail = { b->data + b->len - TAIL, TAIL };
  uint64_t own, sum;
  TRY (cursor_u64 (&c, &own));
  TRY (cursor_u64 (&tail, &sum));
  if (XXH3_64bits (b->data, b->len - TAIL) != sum)
    return broken ("its checksum");
  if (own != id)
    return NULL;
  *fits = true;
  for (c.left -= TAIL; c.left > 0;)
    TRY (read_record (o, &c));
  return NULL;
}

static int
by_path (const void *a, const void *b)
{
  const struct item *x = a, *y = b;
  int order = tree_path_cmp (x->entry.path, x->entry.path_len, y->entry.path,
                             y->entry.path_len);
  return order != 0 ? order : x->serial < y->serial ? -1 : 1;
}

/* Orders all, and keeps the last word about each path. */
static void
settle (struct overlay *o)
{
  size_t kept = 0;
  if (o->items.n > 1)
    qsort (o->items.v, o->items.n, sizeof *o->items.v, by_path);
  for (size_t i = 0; i < o->items.n; i++) {
    const struct tree_entry *e = &o->items.v[i].entry;
    const struct tree_entry *f
        = &o->items.v[i + 1 < o->items.n ? i + 1 : i].entry;
    if (e != f
        && tree_path_cmp (e->path, e->path_len, f->path, f->path_len) == 0)
      continue;
    o->items.v[kept++] = o->items.v[i];
  }
  o->items.n = kept;
}

static void
cleanup_overlay (struct overlay **o)
{
  overlay_free (*o);
}

struct err *
overlay_open (const char *path, uint64_t id, struct overlay **out)
{
  CLEANUP (cleanup_overlay) struct overlay *o = mem_alloc (sizeof *o);
  *out = NULL;
  for (bool fits = true; fits && o->segments.n < SEGMENTS_MAX;) {
    CLEANUP_FREE char *name = mem_printf ("%s.%zu", path, o->segments.n + 1);
    CLEANUP_BUF struct buf b = BUF_INIT_MAX (SEGMENT_MAX);
    int bad = slurp_at (AT_FDCWD, name, SEGMENT_MAX, &b);
    if (bad == ENOENT)
      break;
    if (bad != 0)
      return err_sys (bad, "RH-TREE-INDEX", "cannot read %s", name);
    TRY (read_segment (o, &b, id, &fits));
    if (fits) {
      *VEC_PUSH (&o->segments) = b;
      b = (struct buf)BUF_INIT;
    }
  }
  settle (o);
  if (o->segments.n > 0)
    *out = STEAL (o);
  return NULL;
}

void
overlay_free (struct overlay *o)
{
  if (o == NULL)
    return;
  for (size_t i = 0; i < o->segments.n; i++)
    buf_free (&o->segments.v[i]);
  VEC_FREE (&o->segments);
  VEC_FREE (&o->items);
  free (o);
}

size_t
overlay_count (const struct overlay *o)
{
  return o != NULL ? o->items.n : 0;
}

size_t
overlay_segments (const struct overlay *o)
{
  return o != NULL ? o->segments.n : 0;
}

const struct tree_entry *
overlay_at (const struct overlay *o, size_t i)
{
  return i < overlay_count (o) ? &o->items.v[i].entry : NULL;
}

size_t
overlay_place (const struct overlay *o, const char *path, size_t len)
{
  size_t from = 0, to = overlay_count (o);
  while (from < to) {
    size_t mid = from + (to - from) / 2;
    const struct tree_entry *e = &o->items.v[mid].entry;
    if (tree_path_cmp (e->path, e->path_len, path, len) < 0)
      from = mid + 1;
    else
      to = mid;
  }
  return from;
}

void
overlay_remove (const char *path)
{
  for (size_t i = 1; i < SEGMENTS_MAX; i++) {
    CLEANUP_FREE char *name = mem_printf ("%s.%zu", path, i);
    if (unlink (name) != 0)
      return;
  }
}
