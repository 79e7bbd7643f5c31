/* SPDX-License-Identifier: Apache-2.0 */
/* Index files. */
#include "tree/index.h"

#include "base/mem.h"
#include "host/durable.h"
#include "host/write_all.h"
#include "tree/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define MAGIC "RHINDEX2"
#define END_MAGIC "RHINDEND"
#define HEAD 8
#define ROW 16  /* of the table: offset, checksum */
#define TAIL 32 /* magic, count, blocks, checksum of table and tail */
#define BLOCK_MIN 16384
#define FLUSH ((size_t)1 << 20)
#define RESIDENT_MAX ((uint64_t)4 << 20)

struct index_writer {
  char *path, *part;
  int fd;
  struct buf buf;
  size_t block; /* where in `buf` the block begins that is not ended */
  uint64_t written;
  struct buf table;
  uint64_t count, blocks;
  bool done;
};

struct index {
  unsigned char *map; /* NULL: bytes of the caller */
  size_t len;
  const unsigned char *bytes, *table;
  uint64_t count, blocks, id;
  bool *verified; /* of each block; NULL: all are */
  struct cursor at;
  uint64_t block;    /* the next one that begins at or behind `at` */
  uint64_t resident; /* bytes looked at since they were let go */
  uint64_t read;
  bool placed; /* `read` does not count from the beginning */
  struct tree_entry entry;
  bool ahead; /* `entry` was decoded and not given yet */
  const struct tree_entry *last;
  bool pending; /* `last` is to be given again */
  struct overlay *over;
  size_t over_at;
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
  int e = write_all (w->fd, w->buf.data, w->buf.len);
  if (e != 0)
    return err_sys (
        e, e == ENOSPC || e == EDQUOT ? "RH-TREE-NOSPACE" : "RH-TREE-INDEX",
        "cannot write %s", w->part);
  w->written += w->buf.len;
  w->block = 0;
  buf_reset (&w->buf);
  return NULL;
}

/* Ends a block, and notes it in the table. */
static struct err *
end_block (struct index_writer *w)
{
  size_t len = w->buf.len - w->block;
  if (len == 0)
    return NULL;
  TRY (buf_put_u64 (&w->table, w->written + w->block));
  TRY (buf_put_u64 (&w->table, XXH3_64bits (w->buf.data + w->block, len)));
  w->block = w->buf.len;
  w->blocks++;
  return w->buf.len >= FLUSH ? flush (w) : NULL;
}

struct err *
index_create (const char *path, struct index_writer **out)
{
  *out = NULL;
  CLEANUP_FREE char *dir
      = mem_strndup (path, tree_path_leaf (path, strlen (path)));
  TRY (durable_mkdirs (dir, 0700));
  CLEANUP_INDEX_WRITER struct index_writer *w = mem_alloc (sizeof *w);
  w->table.max = (size_t)1 << 30;
  w->path = mem_strdup (path);
  w->part = mem_printf ("%s.part", path);
  w->fd = open (w->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0600);
  if (w->fd < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", w->part);
  TRY (buf_put (&w->buf, MAGIC, HEAD));
  w->block = HEAD;
  *out = STEAL (w);
  return NULL;
}

struct err *
index_put (struct index_writer *w, const struct tree_entry *e)
{
  TRY (entry_encode (e, &w->buf));
  w->count++;
  return w->buf.len - w->block >= BLOCK_MIN ? end_block (w) : NULL;
}

struct err *
index_finish (struct index_writer *w)
{
  TRY (end_block (w));
  TRY (buf_put (&w->table, END_MAGIC, 8));
  TRY (buf_put_u64 (&w->table, w->count));
  TRY (buf_put_u64 (&w->table, w->blocks));
  TRY (buf_put_u64 (&w->table, XXH3_64bits (w->table.data, w->table.len)));
  TRY (buf_put (&w->buf, w->table.data, w->table.len));
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
  buf_free (&w->buf);
  buf_free (&w->table);
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

static uint64_t
get_u64 (const unsigned char *p)
{
  uint64_t v = 0;
  for (int i = 0; i < 8; i++)
    v |= (uint64_t)p[i] << (8 * i);
  return v;
}

static uint64_t
block_start (const struct index *x, uint64_t block)
{
  return block < x->blocks ? get_u64 (x->table + block * ROW)
                           : (uint64_t)(x->table - x->bytes);
}

/* The trailer, and that the table names the blocks one behind the other. */
static struct err *
check_table (struct index *x)
{
  if (x->len < HEAD + TAIL || memcmp (x->bytes, MAGIC, HEAD) != 0
      || memcmp (x->bytes + x->len - TAIL, END_MAGIC, 8) != 0)
    return broken ("it has no head or no end");
  const unsigned char *tail = x->bytes + x->len - TAIL;
  x->count = get_u64 (tail + 8);
  x->blocks = get_u64 (tail + 16);
  x->id = get_u64 (tail + 24);
  if (x->blocks > (x->len - HEAD - TAIL) / ROW)
    return broken ("its table is too long");
  x->table = tail - x->blocks * ROW;
  if (XXH3_64bits (x->table, x->len - (size_t)(x->table - x->bytes) - 8)
      != x->id)
    return broken ("the checksum of its table is wrong");
  uint64_t at = HEAD;
  for (uint64_t i = 0; i < x->blocks; i++) {
    uint64_t start = block_start (x, i);
    if (i == 0 ? start != at : start <= at)
      return broken ("its table is not in order");
    at = start;
  }
  if (at > block_start (x, x->blocks)
      || (x->blocks == 0 && block_start (x, 0) != HEAD))
    return broken ("its table is not in order");
  return NULL;
}

/* What was read of the file goes out of this process's memory again: it stays
 * in the kernel's cache, from where it comes back when it is looked at. */
static void
touched (struct index *x, uint64_t bytes)
{
  x->resident += bytes;
  if (x->map == NULL || x->resident < RESIDENT_MAX)
    return;
  madvise (x->map, x->len, MADV_DONTNEED);
  x->resident = 0;
}

static struct err *
verify (struct index *x, uint64_t block)
{
  if (x->verified != NULL && x->verified[block])
    return NULL;
  uint64_t from = block_start (x, block), to = block_start (x, block + 1);
  if (to <= from
      || XXH3_64bits (x->bytes + from, (size_t)(to - from))
             != get_u64 (x->table + block * ROW + 8))
    return broken ("a checksum is wrong");
  if (x->verified != NULL)
    x->verified[block] = true;
  touched (x, to - from);
  return NULL;
}

/* The reading goes on with this block. */
static void
place_base (struct index *x, uint64_t block)
{
  uint64_t from = block_start (x, block);
  x->at = (struct cursor){ x->bytes + from,
                           (size_t)(block_start (x, x->blocks) - from) };
  x->block = block;
  x->ahead = x->pending = false;
}

static struct err *
check (struct index *x, bool few)
{
  TRY (check_table (x));
  place_base (x, 0);
  if (few)
    x->verified = mem_resize (NULL, x->blocks + 1, sizeof *x->verified);
  for (uint64_t i = 0; i < x->blocks; i++)
    if (few)
      x->verified[i] = false;
    else
      TRY (verify (x, i));
  return NULL;
}

struct err *
index_open_bytes (const void *bytes, size_t len, struct index **out)
{
  *out = NULL;
  CLEANUP_INDEX struct index *x = mem_alloc (sizeof *x);
  x->len = len;
  x->bytes = bytes;
  TRY (check (x, false));
  *out = STEAL (x);
  return NULL;
}

static struct err *
open_file (const char *path, bool few, struct index **out)
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
  x->bytes = map;
  TRY (check (x, few));
  TRY (overlay_open (path, x->id, &x->over));
  *out = STEAL (x);
  return NULL;
}

struct err *
index_open (const char *path, struct index **out)
{
  return open_file (path, false, out);
}

struct err *
index_open_few (const char *path, struct index **out)
{
  return open_file (path, true, out);
}

/* Decodes the next entry of the file, unless it is there already. */
static struct err *
read_ahead (struct index *x)
{
  if (x->ahead)
    return NULL;
  uint64_t here = (uint64_t)(x->at.p - x->bytes);
  if (x->at.left == 0)
    return x->placed || x->read == x->count ? NULL
                                            : broken ("its count is wrong");
  if (here >= block_start (x, x->block)) {
    if (here > block_start (x, x->block))
      return broken ("an entry lies in two blocks");
    if (x->verified != NULL)
      TRY (verify (x, x->block));
    touched (x, block_start (x, x->block + 1) - here);
    x->block++;
  }
  struct err *e = entry_decode (&x->at, &x->entry);
  if (e != NULL) {
    err_free (e);
    return broken ("an entry cannot be read");
  }
  x->read++;
  x->ahead = true;
  return NULL;
}

/* The next of file and segments; where both have the path, the latter. */
static struct err *
next_of_both (struct index *x, const struct tree_entry **out)
{
  *out = NULL;
  for (;;) {
    TRY (read_ahead (x));
    const struct tree_entry *over = overlay_at (x->over, x->over_at);
    const struct tree_entry *base = x->ahead ? &x->entry : NULL;
    int order = over == NULL   ? -1
                : base == NULL ? 1
                               : tree_path_cmp (base->path, base->path_len,
                                                over->path, over->path_len);
    if (over == NULL || order < 0) {
      x->ahead = false;
      *out = base;
      return NULL;
    }
    x->over_at++;
    if (order == 0)
      x->ahead = false;
    if (over->type != TREE_GONE) {
      *out = over;
      return NULL;
    }
  }
}

struct err *
index_next (struct index *x, const struct tree_entry **out)
{
  if (!x->pending)
    TRY (next_of_both (x, &x->last));
  x->pending = false;
  *out = x->last;
  return NULL;
}

/* The first entry of a block. */
static struct err *
first_of (struct index *x, uint64_t block, struct tree_entry *out)
{
  TRY (x->verified != NULL ? verify (x, block) : NULL);
  uint64_t from = block_start (x, block);
  struct cursor c
      = { x->bytes + from, (size_t)(block_start (x, block + 1) - from) };
  return entry_decode (&c, out);
}

struct err *
index_find (struct index *x, const char *path, size_t len,
            const struct tree_entry **out)
{
  uint64_t from = 0, to = x->blocks; /* the last that begins at or before */
  *out = NULL;
  while (to - from > 1) {
    uint64_t mid = from + (to - from) / 2;
    struct tree_entry e;
    TRY (first_of (x, mid, &e));
    if (tree_path_cmp (e.path, e.path_len, path, len) <= 0)
      from = mid;
    else
      to = mid;
  }
  place_base (x, from);
  x->placed = true;
  x->over_at = overlay_place (x->over, path, len);
  for (;;) { /* what of the file stands before; segments stand at the path */
    TRY (read_ahead (x));
    if (!x->ahead
        || tree_path_cmp (x->entry.path, x->entry.path_len, path, len) >= 0)
      break;
    x->ahead = false;
  }
  const struct tree_entry *e;
  TRY (index_next (x, &e));
  if (e != NULL && tree_path_cmp (e->path, e->path_len, path, len) == 0)
    *out = e;
  else
    x->pending = e != NULL;
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

size_t
index_size (const struct index *x)
{
  return x->len;
}

uint64_t
index_id (const struct index *x)
{
  return x->id;
}

const struct overlay *
index_overlay (const struct index *x)
{
  return x->over;
}

void
index_free (struct index *x)
{
  if (x == NULL)
    return;
  if (x->map != NULL)
    munmap (x->map, x->len);
  overlay_free (x->over);
  free (x->verified);
  free (x);
}
