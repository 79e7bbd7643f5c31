/* SPDX-License-Identifier: Apache-2.0 */
/* Entries: order, encoding, comparison. */
#include "tree/entry.h"

#include <string.h>

/* The fixed part of an encoded entry. */
#define FIXED 148

int
tree_path_cmp (const char *a, size_t alen, const char *b, size_t blen)
{
  size_t n = alen < blen ? alen : blen;
  for (size_t i = 0; i < n; i++) {
    if (a[i] == b[i])
      continue;
    unsigned x = a[i] == '/' ? 0 : (unsigned char)a[i];
    unsigned y = b[i] == '/' ? 0 : (unsigned char)b[i];
    return x < y ? -1 : 1;
  }
  return alen == blen ? 0 : alen < blen ? -1 : 1;
}

bool
tree_path_ok (const char *path, size_t len)
{
  if (len > TREE_PATH_MAX)
    return false;
  if (len == 0)
    return true;
  size_t start = 0;
  for (size_t i = 0; i <= len; i++) {
    if (i < len && path[i] == 0)
      return false;
    if (i < len && path[i] != '/')
      continue;
    size_t n = i - start;
    if (n == 0 || n > TREE_NAME_MAX)
      return false;
    if (path[start] == '.' && (n == 1 || (n == 2 && path[start + 1] == '.')))
      return false;
    start = i + 1;
  }
  return true;
}

size_t
tree_path_leaf (const char *path, size_t len)
{
  while (len > 0 && path[len - 1] != '/')
    len--;
  return len;
}

static void
put_le (unsigned char **p, uint64_t v, int bytes)
{
  for (int i = 0; i < bytes; i++)
    *(*p)++ = (unsigned char)(v >> (8 * i));
}

static uint64_t
get_le (const unsigned char **p, int bytes)
{
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++)
    v |= (uint64_t)*(*p)++ << (8 * i);
  return v;
}

static void
put_fixed (unsigned char **p, const struct tree_entry *e)
{
  put_le (p, (uint64_t)e->type, 1);
  put_le (p, e->marks, 1);
  put_le (p, e->mode, 2);
  put_le (p, e->uid, 4);
  put_le (p, e->gid, 4);
  put_le (p, e->nlink, 4);
  put_le (p, e->iflags, 4);
  put_le (p, e->size, 8);
  put_le (p, e->dev, 8);
  put_le (p, e->ino, 8);
  put_le (p, e->rdev, 8);
  put_le (p, e->blocks, 8);
  put_le (p, (uint64_t)e->mtime.sec, 8);
  put_le (p, e->mtime.nsec, 4);
  put_le (p, (uint64_t)e->ctime.sec, 8);
  put_le (p, e->ctime.nsec, 4);
  memcpy (*p, e->xxh, 16);
  memcpy (*p + 16, e->sha, 32);
  *p += 48;
  put_le (p, e->path_len, 4);
  put_le (p, e->target_len, 4);
  put_le (p, e->is_link ? e->link_len + 1 : 0, 4);
  put_le (p, e->xattrs_len, 4);
}

static void
put_text (unsigned char **p, const char *s, size_t len)
{
  if (len > 0)
    memcpy (*p, s, len);
  (*p)[len] = 0;
  *p += len + 1;
}

/* What follows the fixed part where it is marked. */
static size_t
marked_size (const struct tree_entry *e)
{
  return (e->marks & TREE_PROJECT ? 4u : 0u)
         + (e->marks & TREE_ATIME ? 12u : 0u);
}

static void
put_marked (unsigned char **p, const struct tree_entry *e)
{
  if (e->marks & TREE_PROJECT)
    put_le (p, e->project, 4);
  if (e->marks & TREE_ATIME) {
    put_le (p, (uint64_t)e->atime.sec, 8);
    put_le (p, e->atime.nsec, 4);
  }
}

struct err *
entry_encode (const struct tree_entry *e, struct buf *out)
{
  size_t link = e->is_link ? e->link_len : 0;
  size_t need = FIXED + marked_size (e) + e->path_len + e->target_len + link + 3
                + e->xattrs_len;
  unsigned char *p;
  TRY (buf_reserve (out, need, &p));
  put_fixed (&p, e);
  put_marked (&p, e);
  put_text (&p, e->path, e->path_len);
  put_text (&p, e->target, e->target_len);
  put_text (&p, e->link, link);
  if (e->xattrs_len > 0)
    memcpy (p, e->xattrs, e->xattrs_len);
  out->len += need;
  out->data[out->len] = 0;
  return NULL;
}

static struct err *
broken (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-TREE-STREAM", "an entry has a bad %s", what);
}

static void
get_fixed (const unsigned char **p, struct tree_entry *e)
{
  e->type = (enum tree_type)get_le (p, 1);
  e->marks = (uint8_t)get_le (p, 1);
  e->mode = (uint32_t)get_le (p, 2);
  e->uid = (uint32_t)get_le (p, 4);
  e->gid = (uint32_t)get_le (p, 4);
  e->nlink = (uint32_t)get_le (p, 4);
  e->iflags = (uint32_t)get_le (p, 4);
  e->size = get_le (p, 8);
  e->dev = get_le (p, 8);
  e->ino = get_le (p, 8);
  e->rdev = get_le (p, 8);
  e->blocks = get_le (p, 8);
  e->mtime.sec = (int64_t)get_le (p, 8);
  e->mtime.nsec = (uint32_t)get_le (p, 4);
  e->ctime.sec = (int64_t)get_le (p, 8);
  e->ctime.nsec = (uint32_t)get_le (p, 4);
  memcpy (e->xxh, *p, 16);
  memcpy (e->sha, *p + 16, 32);
  *p += 48;
  e->path_len = get_le (p, 4);
  e->target_len = get_le (p, 4);
  e->link_len = get_le (p, 4);
  e->xattrs_len = get_le (p, 4);
}

static struct err *
get_marked (struct cursor *c, struct tree_entry *e)
{
  const unsigned char *p;
  e->project = 0;
  e->atime = (struct tree_time){ 0, 0 };
  TRY (cursor_bytes (c, marked_size (e), &p));
  if (e->marks & TREE_PROJECT)
    e->project = (uint32_t)get_le (&p, 4);
  if (e->marks & TREE_ATIME) {
    e->atime.sec = (int64_t)get_le (&p, 8);
    e->atime.nsec = (uint32_t)get_le (&p, 4);
  }
  if (((e->marks & TREE_PROJECT) && e->project == 0)
      || ((e->marks & TREE_INHERIT) && e->type != TREE_DIR)
      || e->atime.nsec > 999999999)
    return broken ("mark");
  return NULL;
}

static struct err *
get_text (struct cursor *c, size_t len, const char **out)
{
  const unsigned char *p;
  TRY (cursor_bytes (c, len + 1, &p));
  if (memchr (p, 0, len + 1) != p + len)
    return broken ("string");
  *out = (const char *)p;
  return NULL;
}

static struct err *
check_fixed (const struct tree_entry *e)
{
  if (e->type < TREE_FILE || e->type >= TREE_TYPE_END)
    return broken ("type");
  if ((e->marks & ~TREE_MARKS) != 0 || e->mode > 07777)
    return broken ("mode");
  if (e->mtime.nsec > 999999999 || e->ctime.nsec > 999999999)
    return broken ("time");
  if (e->size > INT64_MAX)
    return broken ("size");
  if (e->path_len > TREE_PATH_MAX || e->target_len > TREE_LINK_MAX
      || e->link_len > TREE_PATH_MAX || e->xattrs_len > TREE_XATTRS_MAX)
    return broken ("length");
  if ((e->type == TREE_LINK) != (e->target_len > 0))
    return broken ("link target");
  return NULL;
}

struct err *
entry_decode (struct cursor *c, struct tree_entry *e)
{
  const unsigned char *p;
  TRY (cursor_bytes (c, FIXED, &p));
  get_fixed (&p, e);
  e->is_link = e->link_len > 0;
  if (e->is_link)
    e->link_len--;
  TRY (check_fixed (e));
  TRY (get_marked (c, e));
  TRY (get_text (c, e->path_len, &e->path));
  TRY (get_text (c, e->target_len, &e->target));
  TRY (get_text (c, e->link_len, &e->link));
  TRY (cursor_bytes (c, e->xattrs_len, &e->xattrs));
  if (!tree_path_ok (e->path, e->path_len)
      || !tree_path_ok (e->link, e->link_len))
    return broken ("path");
  if (e->is_link
      && (e->type == TREE_DIR
          || tree_path_cmp (e->link, e->link_len, e->path, e->path_len) >= 0))
    return broken ("hard link");
  return NULL;
}

bool
tree_time_equal (struct tree_time a, struct tree_time b)
{
  return a.sec == b.sec && a.nsec == b.nsec;
}

static bool
same_atime (const struct tree_entry *a, const struct tree_entry *b)
{
  return (a->marks & TREE_ATIME) == (b->marks & TREE_ATIME)
         && (!(a->marks & TREE_ATIME) || tree_time_equal (a->atime, b->atime));
}

bool
entry_same_inode (const struct tree_entry *now, const struct tree_entry *known)
{
  return (known->marks & (TREE_DIRTY | TREE_DOUBTFUL)) == 0
         && now->type == known->type && now->ino == known->ino
         && now->dev == known->dev && now->size == known->size
         && tree_time_equal (now->ctime, known->ctime)
         && tree_time_equal (now->mtime, known->mtime)
         && now->mode == known->mode && now->uid == known->uid
         && now->gid == known->gid && now->nlink == known->nlink
         && now->iflags == known->iflags && same_atime (now, known);
}

bool
entry_same_meta (const struct tree_entry *a, const struct tree_entry *b)
{
  return a->type == b->type && a->mode == b->mode && a->uid == b->uid
         && a->gid == b->gid && a->size == b->size && a->rdev == b->rdev
         && a->iflags == b->iflags && a->project == b->project
         && (a->marks & TREE_INHERIT) == (b->marks & TREE_INHERIT)
         && same_atime (a, b) && tree_time_equal (a->mtime, b->mtime)
         && a->target_len == b->target_len
         && memcmp (a->target, b->target, a->target_len) == 0
         && a->xattrs_len == b->xattrs_len
         && (a->xattrs_len == 0
             || memcmp (a->xattrs, b->xattrs, a->xattrs_len) == 0);
}

void
entry_hash (const struct tree_entry *e, struct sha256_ctx *ctx)
{
  struct tree_entry plain = *e;
  plain.marks = e->marks & (TREE_PROJECT | TREE_INHERIT | TREE_ATIME);
  plain.nlink = 0;
  plain.dev = plain.ino = plain.blocks = 0;
  plain.ctime = (struct tree_time){ 0, 0 };
  memset (plain.sha, 0, sizeof plain.sha);
  if (e->type != TREE_FILE)
    memset (plain.xxh, 0, sizeof plain.xxh);
  if (e->type != TREE_CHAR && e->type != TREE_BLOCK)
    plain.rdev = 0;
  unsigned char fixed[FIXED];
  unsigned char *p = fixed;
  put_fixed (&p, &plain);
  sha256_update (ctx, FIXED, fixed);
  unsigned char marked[16];
  p = marked;
  put_marked (&p, &plain);
  sha256_update (ctx, (size_t)(p - marked), marked);
  sha256_update (ctx, e->path_len, (const uint8_t *)e->path);
  sha256_update (ctx, e->target_len, (const uint8_t *)e->target);
  if (e->is_link)
    sha256_update (ctx, e->link_len, (const uint8_t *)e->link);
  if (e->xattrs_len > 0)
    sha256_update (ctx, e->xattrs_len, e->xattrs);
}

struct err *
entry_box_set (struct entry_box *box, const struct tree_entry *e)
{
  buf_reset (&box->bytes);
  TRY (entry_encode (e, &box->bytes));
  box->entry = *e;
  const char *at = (const char *)box->bytes.data + FIXED + marked_size (e);
  box->entry.path = at;
  at += e->path_len + 1;
  box->entry.target = at;
  at += e->target_len + 1;
  box->entry.link = at;
  at += (e->is_link ? e->link_len : 0) + 1;
  box->entry.xattrs = (const unsigned char *)at;
  return NULL;
}

void
entry_box_free (struct entry_box *box)
{
  buf_free (&box->bytes);
}

const char *
tree_type_name (enum tree_type t)
{
  static const char *const names[] = { "",     "file",  "dir",
                                       "link", "fifo",  "socket",
                                       "char", "block", "gone" };
  return t > 0 && t < TREE_TYPE_END ? names[t] : "unknown";
}
