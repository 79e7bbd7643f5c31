/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of a tree as a value: what a faithful copy carries, and what the
 * quick check needs (dev, inode, ctime).
 *
 * Paths are relative to the item's root, which is "" itself, and ordered as a
 * walk meets them: depth first, names bytewise within a directory.  Entries
 * borrow their strings (from a walk, an index, or an entry_box).
 *
 * The encoding is little-endian and bounded; entry_decode trusts nothing.
 */
#ifndef REHOME_TREE_ENTRY_H
#define REHOME_TREE_ENTRY_H

#include "base/buf.h"
#include "base/err.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum tree_type {
  TREE_NONE,
  TREE_FILE,
  TREE_DIR,
  TREE_LINK,
  TREE_FIFO,
  TREE_SOCKET,
  TREE_CHAR,
  TREE_BLOCK,
  TREE_GONE, /* in a list with a baseline: was there, is no more */
  TREE_TYPE_END
};

enum {
  TREE_HAS_XXH = 1,
  TREE_HAS_SHA = 2,
  TREE_DIRTY = 4,      /* changed while read, or since the baseline */
  TREE_DOUBTFUL = 8,   /* its ctime is too near to when it was read */
  TREE_HAS_FLAGS = 16, /* the filesystem knows inode flags */
  TREE_PROJECT = 32,   /* it counts for a project's quota */
  TREE_INHERIT = 64,   /* a directory that hands its project down */
  TREE_ATIME = 128,    /* the time of the last access is carried, too */
  TREE_MARKS = 255
};

/* Inode flags that are carried. */
enum { TREE_IMMUTABLE = 1, TREE_APPEND = 2, TREE_NODUMP = 4 };

#define TREE_PATH_MAX 65535
#define TREE_NAME_MAX 255
#define TREE_LINK_MAX 65535
#define TREE_XATTRS_MAX ((size_t)1 << 20)
#define TREE_ENTRY_MAX (TREE_XATTRS_MAX + (size_t)3 * 65536 + 256)

struct tree_time {
  int64_t sec;
  uint32_t nsec;
};

struct tree_entry {
  enum tree_type type;
  uint8_t marks;
  uint32_t mode; /* 07777 */
  uint32_t uid, gid;
  uint32_t nlink;
  uint32_t iflags;
  uint64_t size; /* regular files; else 0 */
  uint64_t dev, ino, rdev, blocks;
  struct tree_time mtime, ctime;
  struct tree_time atime; /* encoded with TREE_ATIME alone */
  uint32_t project;       /* with TREE_PROJECT, else 0 */
  unsigned char xxh[16];
  unsigned char sha[32];
  const char *path; /* NUL-terminated, as the next two */
  size_t path_len;
  const char *target; /* of a symbolic link */
  size_t target_len;
  const char *link; /* the first path of the same inode in the walk */
  size_t link_len;
  bool is_link;                /* `link` is set ("" is the root) */
  const unsigned char *xattrs; /* the canonical set: tree/xattrs.h */
  size_t xattrs_len;
};

/* Canonical order. */
int tree_path_cmp (const char *a, size_t alen, const char *b, size_t blen);
/* Relative, no empty component, ".", "..", within the limits. */
bool tree_path_ok (const char *path, size_t len);
/* Where the last component starts (0 where there is one only). */
size_t tree_path_leaf (const char *path, size_t len);

struct err *entry_encode (const struct tree_entry *e, struct buf *out);
/* Borrows from the cursor's bytes.  "RH-TREE-STREAM" where it breaks the
 * format or the limits. */
struct err *entry_decode (struct cursor *c, struct tree_entry *out);

/* Same inode in the same state: what was learnt of it still holds. */
bool entry_same_inode (const struct tree_entry *now,
                       const struct tree_entry *known);
/* Nothing that a copy carries differs, content and links aside. */
bool entry_same_meta (const struct tree_entry *a, const struct tree_entry *b);
bool tree_time_equal (struct tree_time a, struct tree_time b);

/* The entry as the digest of a tree takes it: without what is not copied. */
void entry_hash (const struct tree_entry *e, struct sha256_ctx *ctx);

/* An entry that owns its bytes. */
struct entry_box {
  struct tree_entry entry;
  struct buf bytes;
};
struct err *entry_box_set (struct entry_box *box, const struct tree_entry *e);
void entry_box_free (struct entry_box *box);

const char *tree_type_name (enum tree_type t);

#endif
