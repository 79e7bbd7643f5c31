/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of block indexes, little-endian:
 *   magic 8, size 8, mtime 8 + 4, ctime 8 + 4, rows 8, XXH3-128 of the rows 16
 * and the rows: a hash each (RHBLOCKS), or number and hash (RHBLOCKC).
 */
#include "tree/blocks.h"

#include "base/buf.h"
#include "base/mem.h"
#include "host/durable.h"
#include "host/write_all.h"
#include "tree/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define ALL "RHBLOCKS"
#define CHANGES "RHBLOCKC"
#define HEAD 64
#define ROW_CHANGE (8 + BLOCKS_HASH)
#define FLUSH ((size_t)64 << 10)

struct blocks {
  void *map; /* NULL: bytes of the caller */
  size_t len;
  const unsigned char *rows;
  uint64_t count;
};

struct blocks_writer {
  char *path;
  int fd;
  bool changes, done;
  struct buf buf;
  XXH3_state_t *sum;
  uint64_t rows;
  unsigned char part[BLOCKS_SIZE];
  size_t part_len;
};

void
blocks_hash (const void *block, size_t len, unsigned char out[BLOCKS_HASH])
{
  XXH128_canonical_t c;
  XXH128_canonicalFromHash (&c, XXH3_128bits (block, len));
  memcpy (out, c.digest, BLOCKS_HASH);
}

/* DIR/NAME.blk or, of a round, DIR/NAME.blk-ROUND. */
static struct err *
dir_path (const char *index_dir, const char *index, int64_t round, char **out)
{
  CLEANUP_FREE char *suffix = round < 0
                                  ? mem_strdup ("blk")
                                  : mem_printf ("blk-%lld", (long long)round);
  return index_path (index_dir, index, suffix, out);
}

static char *
file_name (const char *dir, const struct tree_entry *e)
{
  unsigned char h[BLOCKS_HASH];
  char hex[2 * BLOCKS_HASH + 1];
  blocks_hash (e->path, e->path_len, h);
  for (size_t i = 0; i < BLOCKS_HASH; i++)
    snprintf (hex + 2 * i, 3, "%02x", h[i]);
  return mem_printf ("%s/%s", dir, hex);
}

static struct err *
make_head (struct buf *b, const char *magic, const struct tree_entry *e,
           uint64_t rows, const unsigned char sum[BLOCKS_HASH])
{
  TRY (buf_put (b, magic, 8));
  TRY (buf_put_u64 (b, e->size));
  TRY (buf_put_u64 (b, (uint64_t)e->mtime.sec));
  TRY (buf_put_u32 (b, e->mtime.nsec));
  TRY (buf_put_u64 (b, (uint64_t)e->ctime.sec));
  TRY (buf_put_u32 (b, e->ctime.nsec));
  TRY (buf_put_u64 (b, rows));
  return buf_put (b, sum, BLOCKS_HASH);
}

static uint64_t
blocks_of (uint64_t size)
{
  return size / BLOCKS_SIZE + (size % BLOCKS_SIZE != 0);
}

/* Whether the bytes are a whole index of the entry. */
static bool
fits (const unsigned char *p, size_t len, const struct tree_entry *known)
{
  CLEANUP_BUF struct buf want = BUF_INIT;
  unsigned char sum[BLOCKS_HASH];
  uint64_t n = blocks_of (known->size);
  if (len < HEAD || (len - HEAD) / BLOCKS_HASH != n
      || (len - HEAD) % BLOCKS_HASH != 0)
    return false;
  blocks_hash (p + HEAD, len - HEAD, sum);
  CLEANUP_ERR struct err *e = make_head (&want, ALL, known, n, sum);
  return e == NULL && memcmp (want.data, p, HEAD) == 0;
}

struct blocks *
blocks_open_bytes (const void *bytes, size_t len,
                   const struct tree_entry *known)
{
  if (!fits (bytes, len, known))
    return NULL;
  struct blocks *b = mem_alloc (sizeof *b);
  b->rows = (const unsigned char *)bytes + HEAD;
  b->count = (len - HEAD) / BLOCKS_HASH;
  return b;
}

struct blocks *
blocks_open (const char *index_dir, const char *index,
             const struct tree_entry *known)
{
  CLEANUP_FREE char *dir = NULL;
  struct stat st;
  CLEANUP_ERR struct err *e = dir_path (index_dir, index, -1, &dir);
  if (e != NULL)
    return NULL;
  CLEANUP_FREE char *path = file_name (dir, known);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)
      || st.st_size < HEAD)
    return NULL;
  size_t len = (size_t)st.st_size;
  void *map = mmap (NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED)
    return NULL;
  struct blocks *b = blocks_open_bytes (map, len, known);
  if (b == NULL) {
    munmap (map, len);
    return NULL;
  }
  b->map = map;
  b->len = len;
  return b;
}

uint64_t
blocks_count (const struct blocks *b)
{
  return b->count;
}

bool
blocks_same (const struct blocks *b, uint64_t n,
             const unsigned char hash[BLOCKS_HASH])
{
  return memcmp (b->rows + n * BLOCKS_HASH, hash, BLOCKS_HASH) == 0;
}

void
blocks_free (struct blocks *b)
{
  if (b == NULL)
    return;
  if (b->map != NULL)
    munmap (b->map, b->len);
  free (b);
}

struct err *
blocks_create (const char *index_dir, const char *index, int64_t round,
               const struct tree_entry *e, bool changes,
               struct blocks_writer **out)
{
  static const unsigned char empty[HEAD];
  CLEANUP_FREE char *dir = NULL;
  *out = NULL;
  TRY (dir_path (index_dir, index, round, &dir));
  if (mkdir (dir, 0700) < 0 && errno != EEXIST)
    return err_sys (errno, "RH-TREE-INDEX", "cannot make %s", dir);
  CLEANUP_BLOCKS_WRITER struct blocks_writer *w = mem_alloc (sizeof *w);
  w->changes = changes;
  w->sum = XXH3_createState ();
  XXH3_128bits_reset (w->sum);
  w->path = file_name (dir, e);
  w->fd = open (w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0600);
  if (w->fd < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", w->path);
  TRY (buf_put (&w->buf, empty, HEAD));
  *out = STEAL (w);
  return NULL;
}

static struct err *
flush (struct blocks_writer *w)
{
  int e = write_all (w->fd, w->buf.data, w->buf.len);
  if (e != 0)
    return err_sys (
        e, e == ENOSPC || e == EDQUOT ? "RH-TREE-NOSPACE" : "RH-TREE-INDEX",
        "cannot write %s", w->path);
  buf_reset (&w->buf);
  return NULL;
}

static struct err *
put_row (struct blocks_writer *w, const void *row, size_t len)
{
  XXH3_128bits_update (w->sum, row, len);
  w->rows++;
  TRY (buf_put (&w->buf, row, len));
  return w->buf.len >= FLUSH ? flush (w) : NULL;
}

static struct err *
put_block (struct blocks_writer *w, const void *block, size_t len)
{
  unsigned char h[BLOCKS_HASH];
  blocks_hash (block, len, h);
  return put_row (w, h, sizeof h);
}

struct err *
blocks_add (struct blocks_writer *w, const void *data, size_t len)
{
  const unsigned char *p = data;
  while (len > 0) {
    if (w->part_len == 0 && len >= BLOCKS_SIZE) {
      TRY (put_block (w, p, BLOCKS_SIZE));
      p += BLOCKS_SIZE;
      len -= BLOCKS_SIZE;
      continue;
    }
    size_t room = BLOCKS_SIZE - w->part_len;
    size_t n = len < room ? len : room;
    memcpy (w->part + w->part_len, p, n);
    w->part_len += n;
    p += n;
    len -= n;
    if (w->part_len == BLOCKS_SIZE) {
      w->part_len = 0;
      TRY (put_block (w, w->part, BLOCKS_SIZE));
    }
  }
  return NULL;
}

struct err *
blocks_zeros (struct blocks_writer *w, uint64_t len)
{
  static const unsigned char zeros[BLOCKS_SIZE];
  unsigned char h[BLOCKS_HASH];
  blocks_hash (zeros, sizeof zeros, h);
  while (len > 0) {
    if (w->part_len == 0 && len >= BLOCKS_SIZE) {
      TRY (put_row (w, h, sizeof h));
      len -= BLOCKS_SIZE;
      continue;
    }
    size_t room = BLOCKS_SIZE - w->part_len;
    size_t n = len < room ? (size_t)len : room;
    TRY (blocks_add (w, zeros, n));
    len -= n;
  }
  return NULL;
}

struct err *
blocks_change (struct blocks_writer *w, uint64_t n,
               const unsigned char hash[BLOCKS_HASH])
{
  unsigned char row[ROW_CHANGE];
  for (int i = 0; i < 8; i++)
    row[i] = (unsigned char)(n >> (8 * i));
  memcpy (row + 8, hash, BLOCKS_HASH);
  return put_row (w, row, sizeof row);
}

struct err *
blocks_finish (struct blocks_writer *w, const struct tree_entry *e)
{
  CLEANUP_BUF struct buf head = BUF_INIT;
  XXH128_canonical_t sum;
  if (w->part_len > 0)
    TRY (put_block (w, w->part, w->part_len));
  TRY (flush (w));
  XXH128_canonicalFromHash (&sum, XXH3_128bits_digest (w->sum));
  TRY (make_head (&head, w->changes ? CHANGES : ALL, e, w->rows, sum.digest));
  if (pwrite (w->fd, head.data, HEAD, 0) != HEAD)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", w->path);
  w->done = true;
  return NULL;
}

void
blocks_writer_free (struct blocks_writer *w)
{
  if (w == NULL)
    return;
  if (w->fd >= 0) {
    close (w->fd);
    if (!w->done)
      unlink (w->path);
  }
  XXH3_freeState (w->sum);
  buf_free (&w->buf);
  free (w->path);
  free (w);
}

void
blocks_gone (const char *index_dir, const char *index, int64_t round,
             const struct tree_entry *e)
{
  struct blocks_writer *w = NULL;
  if (e->type != TREE_FILE || e->is_link || e->size < BLOCKS_FILE_MIN)
    return;
  err_free (blocks_create (index_dir, index, round, e, true, &w));
  if (w != NULL)
    w->done = true; /* an empty file: to be removed */
  blocks_writer_free (w);
}

void
blocks_forget (const char *index_dir, const char *index, int64_t round)
{
  CLEANUP_FREE char *path = NULL;
  struct stat st;
  bool removed;
  CLEANUP_ERR struct err *e = dir_path (index_dir, index, round, &path);
  if (e != NULL || lstat (path, &st) < 0)
    return;
  CLEANUP_FD int dir = open (index_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0)
    err_free (durable_remove_tree (
        dir, path + tree_path_leaf (path, strlen (path)), &removed));
}

/* Reads a file of changes: NULL where it is not whole. */
static unsigned char *
read_changes (int fd, size_t len)
{
  unsigned char sum[BLOCKS_HASH];
  if (len < HEAD || (len - HEAD) % ROW_CHANGE != 0)
    return NULL;
  CLEANUP_FREE unsigned char *p = mem_alloc (len);
  if (pread (fd, p, len, 0) != (ssize_t)len || memcmp (p, CHANGES, 8) != 0)
    return NULL;
  blocks_hash (p + HEAD, len - HEAD, sum);
  return memcmp (sum, p + HEAD - BLOCKS_HASH, BLOCKS_HASH) == 0 ? STEAL (p)
                                                                : NULL;
}

static uint64_t
get_u64 (const unsigned char *p)
{
  uint64_t v = 0;
  for (int i = 0; i < 8; i++)
    v |= (uint64_t)p[i] << (8 * i);
  return v;
}

/* The changed hashes, then the head with the checksum of all. */
static bool
write_changes (int fd, unsigned char *changes, size_t len)
{
  uint64_t count = blocks_of (get_u64 (changes + 8));
  size_t whole = HEAD + (size_t)count * BLOCKS_HASH;
  if (count > ((uint64_t)1 << 40) || ftruncate (fd, (off_t)whole) < 0)
    return false;
  for (size_t at = HEAD; at < len; at += ROW_CHANGE) {
    uint64_t n = get_u64 (changes + at);
    if (n >= count
        || pwrite (fd, changes + at + 8, BLOCKS_HASH,
                   (off_t)(HEAD + n * BLOCKS_HASH))
               != BLOCKS_HASH)
      return false;
  }
  void *map = mmap (NULL, whole, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED)
    return false;
  for (int i = 0; i < 8; i++)
    changes[i] = (unsigned char)ALL[i];
  for (int i = 0; i < 8; i++)
    changes[HEAD - BLOCKS_HASH - 8 + i] = (unsigned char)(count >> (8 * i));
  blocks_hash ((unsigned char *)map + HEAD, whole - HEAD,
               changes + HEAD - BLOCKS_HASH);
  munmap (map, whole);
  return pwrite (fd, changes, HEAD, 0) == HEAD;
}

/* Lays one file of a round over what was known. */
static bool
lay_over (int from, int to, const char *name)
{
  struct stat st;
  char magic[8];
  CLEANUP_FD int fd = openat (from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || fstat (fd, &st) < 0 || pread (fd, magic, 8, 0) != 8)
    return false;
  if (memcmp (magic, ALL, 8) == 0)
    return renameat (from, name, to, name) == 0;
  CLEANUP_FD int have = openat (to, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  CLEANUP_FREE unsigned char *changes = read_changes (fd, (size_t)st.st_size);
  return have >= 0 && changes != NULL
         && write_changes (have, changes, (size_t)st.st_size);
}

void
blocks_commit (const char *index_dir, const char *index, int64_t round)
{
  CLEANUP_FREE char *kept = NULL;
  CLEANUP_FREE char *fresh = NULL;
  CLEANUP_ERR struct err *e = dir_path (index_dir, index, -1, &kept);
  CLEANUP_ERR struct err *f = dir_path (index_dir, index, round, &fresh);
  DIR *d = e == NULL && f == NULL ? opendir (fresh) : NULL;
  if (d == NULL)
    return;
  (void)!mkdir (kept, 0700);
  CLEANUP_FD int to = open (kept, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (struct dirent *n; to >= 0 && (n = readdir (d)) != NULL;) {
    if (n->d_name[0] == '.')
      continue;
    if (!lay_over (dirfd (d), to, n->d_name))
      unlinkat (to, n->d_name, 0);
    unlinkat (dirfd (d), n->d_name, 0);
  }
  closedir (d);
  rmdir (fresh);
}
