/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record, little-endian: checksum 8 (XXH3 of the rest), length of the path
 * 4, of the bytes 4, device 8, inode 8, size 8, mtime 8 + 4, offset 8, path,
 * bytes.  What follows a broken one was never acted upon.
 */
#include "tree/undo.h"

#include "base/buf.h"
#include "base/mem.h"
#include "host/durable.h"
#include "host/rooted.h"
#include "host/write_all.h"
#include "tree/meta.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define HEAD 60
/* More than this is not kept: the file is sent whole. */
#define UNDO_MAX ((uint64_t)3 << 30)

void
undo_start (struct undo *u, char *path)
{
  *u = (struct undo){ .path = path, .dirfd = -1, .fd = -1 };
}

void
undo_clear (struct undo *u)
{
  if (u->fd > 0)
    close (u->fd);
  if (u->dirfd > 0)
    close (u->dirfd);
  free (u->path);
}

static struct err *
no_undo (int errnum, const char *path)
{
  return err_advise (err_sys (errnum, "RH-TREE-PATCH",
                              "what is replaced cannot be kept in %s", path),
                     "nothing of the file was changed",
                     "the file is sent whole instead");
}

static struct err *
open_record (struct undo *u)
{
  if (u->fd >= 0)
    return NULL;
  size_t leaf = tree_path_leaf (u->path, strlen (u->path));
  CLEANUP_FREE char *dir = mem_strndup (u->path, leaf);
  u->name = u->path + leaf;
  u->dirfd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (u->dirfd < 0)
    return no_undo (errno, u->path);
  u->fd = openat (u->dirfd, u->name,
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (u->fd < 0 || fsync (u->dirfd) < 0)
    return no_undo (errno, u->path);
  return NULL;
}

static struct err *
put_record (struct undo *u, const struct buf *b)
{
  int e = write_all (u->fd, b->data, b->len);
  if (e != 0)
    return no_undo (e, u->path);
  u->bytes += b->len;
  return NULL;
}

static struct err *
read_old (int fd, unsigned char *to, size_t len, uint64_t at)
{
  for (size_t got = 0; got < len;) {
    ssize_t n = pread (fd, to + got, len - got, (off_t)(at + got));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return err_sys (n < 0 ? errno : EIO, "RH-TREE-WRITE",
                      "cannot read what is to be replaced");
    got += (size_t)n;
  }
  return NULL;
}

struct err *
undo_note (struct undo *u, int fd, const struct tree_entry *have,
           const char *path, size_t path_len, uint64_t at, size_t len)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  unsigned char *room;
  TRY (open_record (u));
  if (u->bytes + len > UNDO_MAX)
    return no_undo (EFBIG, u->path);
  TRY (buf_put_u64 (&b, 0));
  TRY (buf_put_u32 (&b, (uint32_t)path_len));
  TRY (buf_put_u32 (&b, (uint32_t)len));
  TRY (buf_put_u64 (&b, have->dev));
  TRY (buf_put_u64 (&b, have->ino));
  TRY (buf_put_u64 (&b, have->size));
  TRY (buf_put_u64 (&b, (uint64_t)have->mtime.sec));
  TRY (buf_put_u32 (&b, have->mtime.nsec));
  TRY (buf_put_u64 (&b, at));
  TRY (buf_put (&b, path, path_len));
  TRY (buf_reserve (&b, len, &room));
  TRY (read_old (fd, room, len, at));
  b.len += len;
  uint64_t sum = XXH3_64bits (b.data + 8, b.len - 8);
  for (int i = 0; i < 8; i++)
    b.data[i] = (unsigned char)(sum >> (8 * i));
  return put_record (u, &b);
}

struct err *
undo_sync (struct undo *u)
{
  return u->fd >= 0 && fdatasync (u->fd) < 0 ? no_undo (errno, u->path) : NULL;
}

struct err *
undo_done (struct undo *u)
{
  if (u->fd < 0)
    return NULL;
  if ((unlinkat (u->dirfd, u->name, 0) < 0 && errno != ENOENT)
      || fsync (u->dirfd) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot remove %s", u->path);
  return NULL;
}

struct record {
  uint64_t dev, ino, size, at;
  struct tree_time mtime;
  char *path; /* owned */
  const unsigned char *bytes;
  size_t len;
};

/* As they lie in the file, behind the checksum of what follows. */
struct fields {
  uint64_t sum, sec;
  uint32_t path_len, len;
  const unsigned char *path;
};

static struct err *
read_fields (struct cursor *c, struct fields *f, struct record *r)
{
  TRY (cursor_u64 (c, &f->sum));
  TRY (cursor_u32 (c, &f->path_len));
  TRY (cursor_u32 (c, &f->len));
  TRY (cursor_u64 (c, &r->dev));
  TRY (cursor_u64 (c, &r->ino));
  TRY (cursor_u64 (c, &r->size));
  TRY (cursor_u64 (c, &f->sec));
  TRY (cursor_u32 (c, &r->mtime.nsec));
  TRY (cursor_u64 (c, &r->at));
  TRY (cursor_bytes (c, f->path_len, &f->path));
  return cursor_bytes (c, f->len, &r->bytes);
}

/* The next record of the file; false at its end or where it is broken. */
static bool
read_record (int fd, uint64_t *offset, struct buf *b, struct record *r)
{
  unsigned char *room;
  struct fields f = { 0 };
  buf_reset (b);
  CLEANUP_ERR struct err *e
      = buf_reserve (b, HEAD + TREE_PATH_MAX + UNDO_BYTES_MAX, &room);
  if (e != NULL)
    return false;
  ssize_t n
      = pread (fd, room, HEAD + TREE_PATH_MAX + UNDO_BYTES_MAX, (off_t)*offset);
  if (n < HEAD)
    return false;
  struct cursor c = { room, (size_t)n };
  CLEANUP_ERR struct err *bad = read_fields (&c, &f, r);
  if (bad != NULL)
    return false;
  size_t whole = (size_t)n - c.left;
  if (XXH3_64bits (room + 8, whole - 8) != f.sum
      || !tree_path_ok ((const char *)f.path, f.path_len))
    return false;
  r->mtime.sec = (int64_t)f.sec;
  r->path = mem_strndup ((const char *)f.path, f.path_len);
  r->len = f.len;
  *offset += whole;
  return true;
}

static int
open_file (int parent, const char *leaf, const char *path)
{
  if (*path == 0)
    return openat (parent, leaf, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  CLEANUP_FD int root = tree_open (parent, leaf, O_RDONLY | O_DIRECTORY);
  int fd = -1;
  if (root < 0)
    return -1;
  errno = rooted_try (root, path, O_RDWR | O_NONBLOCK, 0, &fd);
  if (errno == EPERM) { /* immutable, or append-only */
    CLEANUP_FD int dir = -1;
    const char *name;
    CLEANUP_ERR struct err *e = rooted_parent (root, path, &dir, &name);
    if (e == NULL)
      meta_unlock (dir, name);
    errno = rooted_try (root, path, O_RDWR | O_NONBLOCK, 0, &fd);
  }
  return errno == 0 ? fd : -1;
}

static struct err *
put_back (int fd, const struct record *r)
{
  for (size_t at = 0; at < r->len;) {
    ssize_t n = pwrite (fd, r->bytes + at, r->len - at, (off_t)(r->at + at));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-TREE-WRITE", "cannot put back \"%s\"",
                      r->path);
    at += (size_t)n;
  }
  if (ftruncate (fd, (off_t)r->size) < 0 || fdatasync (fd) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot put back \"%s\"", r->path);
  return meta_set_mtime (fd, r->mtime);
}

/* A file that is not the one that was written to is left alone. */
static struct err *
undo_record (int parent, const char *leaf, const struct record *r,
             uint64_t *files)
{
  struct tree_entry have;
  CLEANUP_FD int fd = open_file (parent, leaf, r->path);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    return err_sys (errno, "RH-TREE-WRITE", "cannot open \"%s\"", r->path);
  if (fd < 0 || tree_stat_fd (fd, &have) != 0 || have.type != TREE_FILE
      || have.ino != r->ino || have.dev != r->dev)
    return NULL;
  ++*files;
  return put_back (fd, r);
}

struct err *
undo_roll_back (const char *path, int parent, const char *leaf, uint64_t *files)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  uint64_t offset = 0;
  struct record r = { 0 };
  *files = 0;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-TREE-WRITE", "cannot open %s", path);
  while (read_record (fd, &offset, &b, &r)) {
    CLEANUP_FREE char *name = r.path;
    TRY (undo_record (parent, leaf, &r, files));
  }
  CLEANUP_FREE char *dir
      = mem_strndup (path, tree_path_leaf (path, strlen (path)));
  if (unlink (path) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot remove %s", path);
  CLEANUP_FD int held = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return held >= 0 ? durable_sync_dir (held) : NULL;
}
