/* SPDX-License-Identifier: Apache-2.0 */
/* The log: a magic, the attempt (8), and chunks of length (4), XXH3-64 (8) and
 * encoded entries. What follows a broken chunk is not used. */
#include "tree/halfway.h"

#include "base/mem.h"
#include "host/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC "RHSENT01"
#define CHUNK ((size_t)64 << 10)

struct halfway {
  int fd;
  struct buf buf;
};

static struct err *
put_log (int fd, const void *data, size_t len)
{
  int e = write_all (fd, data, len);
  if (e == 0)
    return NULL;
  return err_sys (
      e, e == ENOSPC || e == EDQUOT ? "RH-TREE-NOSPACE" : "RH-TREE-INDEX",
      "cannot write what was sent");
}

static void
put_le (unsigned char *to, uint64_t v, int bytes)
{
  for (int i = 0; i < bytes; i++)
    to[i] = (unsigned char)(v >> (8 * i));
}

static struct err *
flush (struct halfway *h)
{
  unsigned char head[12];
  if (h->buf.len == 0)
    return NULL;
  put_le (head, h->buf.len, 4);
  put_le (head + 4, XXH3_64bits (h->buf.data, h->buf.len), 8);
  TRY (put_log (h->fd, head, sizeof head));
  TRY (put_log (h->fd, h->buf.data, h->buf.len));
  buf_reset (&h->buf);
  return NULL;
}

struct err *
halfway_create (const char *index_dir, const char *index, int64_t attempt,
                struct halfway **out)
{
  CLEANUP_FREE char *path = NULL;
  unsigned char head[16];
  *out = NULL;
  TRY (index_path (index_dir, index, "sent", &path));
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                 0600);
  if (fd < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", path);
  struct halfway *h = mem_alloc (sizeof *h);
  h->fd = fd;
  *out = h;
  for (int i = 0; i < 8; i++)
    head[i] = (unsigned char)MAGIC[i];
  put_le (head + 8, (uint64_t)attempt, 8);
  return put_log (fd, head, sizeof head);
}

struct err *
halfway_put (struct halfway *h, const struct tree_entry *e)
{
  TRY (entry_encode (e, &h->buf));
  return h->buf.len >= CHUNK ? flush (h) : NULL;
}

void
halfway_free (struct halfway *h)
{
  if (h == NULL)
    return;
  err_free (flush (h));
  close (h->fd);
  buf_free (&h->buf);
  free (h);
}

/* The entries of the log up to the point go into the index; *last is the path
 * of the last one. */
struct merge {
  const struct resume_point *point;
  struct index_writer *out;
  struct buf last;
  bool any;
};

static bool
within (const struct resume_point *p, const struct tree_entry *e)
{
  int order = tree_path_cmp (e->path, e->path_len, p->path, p->len);
  return order < 0 || (order == 0 && !p->inside);
}

static struct err *
take (struct merge *m, const struct tree_entry *e)
{
  TRY (index_put (m->out, e));
  m->any = true;
  buf_reset (&m->last);
  return buf_put (&m->last, e->path, e->path_len);
}

static bool
behind_last (const struct merge *m, const struct tree_entry *e)
{
  return !m->any
         || tree_path_cmp (e->path, e->path_len, (const char *)m->last.data,
                           m->last.len)
                > 0;
}

/* *more: the chunk was whole, and the point is not reached. */
static struct err *
merge_chunk (struct merge *m, struct cursor chunk, bool *more)
{
  *more = true;
  while (chunk.left > 0) {
    struct tree_entry e;
    CLEANUP_ERR struct err *bad = entry_decode (&chunk, &e);
    if (bad != NULL || !within (m->point, &e) || !behind_last (m, &e)) {
      *more = false;
      return NULL;
    }
    TRY (take (m, &e));
  }
  return NULL;
}

static struct err *
merge_log (struct merge *m, int fd)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  unsigned char head[16], chunk[12], want[16];
  uint64_t at = sizeof head;
  bool more = true;
  memcpy (want, MAGIC, 8);
  put_le (want + 8, (uint64_t)m->point->attempt, 8);
  if (pread (fd, head, sizeof head, 0) != sizeof head
      || memcmp (head, want, sizeof head) != 0)
    return NULL; /* of another attempt */
  while (more && pread (fd, chunk, sizeof chunk, (off_t)at) == sizeof chunk) {
    unsigned char *room, sum[8];
    size_t len = (size_t)chunk[0] | (size_t)chunk[1] << 8
                 | (size_t)chunk[2] << 16 | (size_t)chunk[3] << 24;
    if (len > CHUNK + TREE_ENTRY_MAX)
      return NULL;
    buf_reset (&b);
    TRY (buf_reserve (&b, len, &room));
    if (pread (fd, room, len, (off_t)(at + sizeof chunk)) != (ssize_t)len)
      return NULL;
    put_le (sum, XXH3_64bits (room, len), 8);
    if (memcmp (sum, chunk + 4, 8) != 0)
      return NULL;
    TRY (merge_chunk (m, (struct cursor){ room, len }, &more));
    at += sizeof chunk + len;
  }
  return NULL;
}

static struct err *
merge_old (struct merge *m, struct index *old)
{
  const struct tree_entry *e;
  for (;;) {
    TRY (index_next (old, &e));
    if (e == NULL)
      return NULL;
    if (behind_last (m, e))
      TRY (take (m, e));
  }
}

static struct err *
merge_both (const char *half, int log, const struct resume_point *point)
{
  CLEANUP_INDEX struct index *old = NULL;
  CLEANUP_INDEX_WRITER struct index_writer *out = NULL;
  struct merge m = { .point = point };
  m.last.max = TREE_PATH_MAX + 1;
  err_free (index_open (half, &old)); /* a broken one counts as none */
  TRY (index_create (half, &out));
  m.out = out;
  struct err *e = log >= 0 ? merge_log (&m, log) : NULL;
  if (e == NULL && old != NULL)
    e = merge_old (&m, old);
  buf_free (&m.last);
  TRY (e);
  return m.any ? index_finish (out) : NULL;
}

struct err *
halfway_resume (const char *index_dir, const char *index,
                const struct resume_point *point, struct index **out)
{
  CLEANUP_FREE char *half = NULL;
  CLEANUP_FREE char *sent = NULL;
  *out = NULL;
  TRY (index_path (index_dir, index, "half", &half));
  TRY (index_path (index_dir, index, "sent", &sent));
  CLEANUP_FD int log = open (sent, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  TRY (merge_both (half, log, point));
  unlink (sent);
  return index_open (half, out);
}

void
halfway_forget (const char *index_dir, const char *index)
{
  static const char *const suffixes[] = { "half", "sent" };
  for (size_t i = 0; i < 2; i++) {
    CLEANUP_FREE char *path = NULL;
    CLEANUP_ERR struct err *e
        = index_path (index_dir, index, suffixes[i], &path);
    if (e == NULL)
      unlink (path);
  }
}
