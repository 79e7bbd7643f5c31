/* SPDX-License-Identifier: Apache-2.0 */
/* Index files. */
#include "tree/index.h"

#include "base/mem.h"
#include "host/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define MAGIC "RHINDEX1"
#define END_MAGIC "RHINDEND"
#define HEAD 8
#define TAIL 24 /* magic, count, checksum */
#define FLUSH ((size_t)1 << 20)

struct index_writer {
  char *path, *part;
  int fd;
  struct buf buf;
  XXH3_state_t *sum;
  uint64_t count;
  bool done;
};

struct index {
  unsigned char *map; /* NULL: bytes of the caller */
  size_t len;
  struct cursor at;
  uint64_t count, read;
  struct tree_entry entry;
  bool pending; /* `entry` was read ahead */
};

struct err *
index_path (const char *dir, const char *name, const char *suffix, char **out)
{
  size_t n = strlen (name);
  if (n == 0 || n > 200 || name[0] == '.' || strchr (name, '/') != NULL)
    return err_new (ERR_CORRECT, "RH-TREE-INDEX", "\"%s\" names no index",
                    name);
  *out = mem_printf ("%s/%s.%s", dir, name, suffix);
  return NULL;
}

static struct err *
flush (struct index_writer *w)
{
  XXH3_64bits_update (w->sum, w->buf.data, w->buf.len);
  for (size_t at = 0; at < w->buf.len;) {
    ssize_t n = write (w->fd, w->buf.data + at, w->buf.len - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno,
                      errno == ENOSPC || errno == EDQUOT ? "RH-TREE-NOSPACE"
                                                         : "RH-TREE-INDEX",
                      "cannot write %s", w->part);
    at += (size_t)n;
  }
  buf_reset (&w->buf);
  return NULL;
}

struct err *
index_create (const char *path, struct index_writer **out)
{
  *out = NULL;
  CLEANUP_FREE char *dir
      = mem_strndup (path, tree_path_leaf (path, strlen (path)));
  TRY (durable_mkdirs (dir, 0700));
  CLEANUP_INDEX_WRITER struct index_writer *w = mem_alloc (sizeof *w);
  w->sum = XXH3_createState ();
  XXH3_64bits_reset (w->sum);
  w->path = mem_strdup (path);
  w->part = mem_printf ("%s.part", path);
  w->fd = open (w->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0600);
  if (w->fd < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", w->part);
  TRY (buf_put (&w->buf, MAGIC, HEAD));
  *out = STEAL (w);
  return NULL;
}

struct err *
index_put (struct index_writer *w, const struct tree_entry *e)
{
  TRY (entry_encode (e, &w->buf));
  w->count++;
  return w->buf.len >= FLUSH ? flush (w) : NULL;
}

struct err *
index_finish (struct index_writer *w)
{
  TRY (flush (w));
  TRY (buf_put (&w->buf, END_MAGIC, 8));
  TRY (buf_put_u64 (&w->buf, w->count));
  TRY (flush (w));
  TRY (buf_put_u64 (&w->buf, XXH3_64bits_digest (w->sum)));
  TRY (flush (w));
  if (fdatasync (w->fd) < 0 || rename (w->part, w->path) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot finish %s", w->path);
  w->done = true;
  return NULL;
}

void
index_writer_free (struct index_writer *w)
{
  if (w == NULL)
    return;
  if (w->fd >= 0) {
    close (w->fd);
    if (!w->done)
      unlink (w->part);
  }
  XXH3_freeState (w->sum);
  buf_free (&w->buf);
  free (w->path);
  free (w->part);
  free (w);
}

static struct err *
broken (const char *what)
{
  return err_advise (err_new (ERR_CORRUPT, "RH-TREE-INDEX",
                              "an index file is broken: %s", what),
                     "nothing was changed",
                     "the next full copy writes a new one");
}

static struct err *
check (struct index *x, const unsigned char *p)
{
  if (x->len < HEAD + TAIL || memcmp (p, MAGIC, HEAD) != 0
      || memcmp (p + x->len - TAIL, END_MAGIC, 8) != 0)
    return broken ("it has no head or no end");
  struct cursor tail = { p + x->len - 16, 16 };
  uint64_t sum;
  TRY (cursor_u64 (&tail, &x->count));
  TRY (cursor_u64 (&tail, &sum));
  if (XXH3_64bits (p, x->len - 8) != sum)
    return broken ("its checksum is wrong");
  x->at = (struct cursor){ p + HEAD, x->len - HEAD - TAIL };
  return NULL;
}

struct err *
index_open_bytes (const void *bytes, size_t len, struct index **out)
{
  *out = NULL;
  CLEANUP_INDEX struct index *x = mem_alloc (sizeof *x);
  x->len = len;
  TRY (check (x, bytes));
  *out = STEAL (x);
  return NULL;
}

struct err *
index_open (const char *path, struct index **out)
{
  *out = NULL;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-TREE-INDEX", "cannot open %s", path);
  struct stat st;
  if (fstat (fd, &st) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot look at %s", path);
  if (st.st_size < HEAD + TAIL)
    return broken ("it is too short");
  CLEANUP_INDEX struct index *x = mem_alloc (sizeof *x);
  x->len = (size_t)st.st_size;
  void *map = mmap (NULL, x->len, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED)
    return err_sys (errno, "RH-TREE-INDEX", "cannot map %s", path);
  x->map = map;
  TRY (check (x, x->map));
  *out = STEAL (x);
  return NULL;
}

struct err *
index_next (struct index *x, const struct tree_entry **out)
{
  *out = NULL;
  if (x->pending) {
    x->pending = false;
    *out = &x->entry;
    return NULL;
  }
  if (x->at.left == 0)
    return x->read == x->count ? NULL : broken ("its count is wrong");
  struct err *e = entry_decode (&x->at, &x->entry);
  if (e != NULL) {
    err_free (e);
    return broken ("an entry cannot be read");
  }
  x->read++;
  *out = &x->entry;
  return NULL;
}

struct err *
index_seek (struct index *x, const char *path, size_t len,
            struct err *(*skipped) (void *ctx, const struct tree_entry *e),
            void *ctx, const struct tree_entry **out)
{
  *out = NULL;
  const struct tree_entry *e;
  while (x != NULL) {
    TRY (index_next (x, &e));
    if (e == NULL)
      return NULL;
    int order = tree_path_cmp (e->path, e->path_len, path, len);
    if (order == 0)
      *out = e;
    if (order > 0)
      x->pending = true;
    if (order >= 0)
      return NULL;
    if (skipped != NULL)
      TRY (skipped (ctx, e));
  }
  return NULL;
}

struct err *
index_drain (struct index *x,
             struct err *(*skipped) (void *ctx, const struct tree_entry *e),
             void *ctx)
{
  const struct tree_entry *e = NULL;
  while (x != NULL) {
    TRY (index_next (x, &e));
    if (e == NULL)
      return NULL;
    TRY (skipped (ctx, e));
  }
  return NULL;
}

uint64_t
index_count (const struct index *x)
{
  return x->count;
}

void
index_free (struct index *x)
{
  if (x == NULL)
    return;
  if (x->map != NULL)
    munmap (x->map, x->len);
  free (x);
}
