/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree uses of the things that the target lacks. */
#include "tree/probe.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "tree/detail.h"
#include "tree/project.h"
#include "tree/stat.h"
#include "tree/walk.h"

#include "tree/xattrs.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <xxhash.h>

#define EXAMPLES 5
#define Y2038 INT64_C (2147483647)
#define Y2106 INT64_C (4294967295)

/* Hashes of folded paths: open addressing, 0 is free. */
struct folded {
  uint64_t *v;
  size_t n, cap;
};

struct probe_uses {
  bool asked[PROBE_COUNT];
  uint64_t count[PROBE_COUNT];
  json_t *paths[PROBE_COUNT];
  bool attributes; /* one of those that need the attributes read */
  struct detail detail;
  char *dir;       /* of the last file that was looked at for a project */
  bool dir_counts; /* what is in it counts for a project */
  struct folded folded;
};

struct err *
probe_uses_new (const json_t *list, struct probe_uses **out)
{
  struct probe_uses *u = mem_alloc (sizeof *u);
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    const char *text = json_string_value (one);
    for (int w = 0; text != NULL && w < PROBE_COUNT; w++)
      u->asked[w]
          = u->asked[w] || strcmp (text, probe_word ((enum probe_what)w)) == 0;
  }
  for (int w = 0; w < PROBE_COUNT; w++)
    u->paths[w] = json_array ();
  u->attributes = u->asked[PROBE_USER] || u->asked[PROBE_TRUSTED]
                  || u->asked[PROBE_SECURITY] || u->asked[PROBE_ACL]
                  || u->asked[PROBE_CAPABILITY];
  *out = u;
  return NULL;
}

static void
used (struct probe_uses *u, enum probe_what w, const struct tree_entry *e)
{
  if (!u->asked[w])
    return;
  u->count[w]++;
  if (json_array_size (u->paths[w]) < EXAMPLES)
    json_array_append_new (u->paths[w], json_bytes (e->path, e->path_len));
}

static bool
starts (const struct xattr_view *v, const char *prefix)
{
  size_t n = strlen (prefix);
  return v->name_len >= n && memcmp (v->name, prefix, n) == 0;
}

/* Of an entry that has them. */
static void
take_attributes (struct probe_uses *u, const struct tree_entry *e)
{
  bool seen[PROBE_COUNT] = { false };
  struct cursor c = { e->xattrs, e->xattrs_len };
  struct xattr_view v;
  while (xattrs_next (&c, &v)) {
    enum probe_what w = starts (&v, "user.")                 ? PROBE_USER
                        : starts (&v, "trusted.")            ? PROBE_TRUSTED
                        : starts (&v, "system.posix_acl_")   ? PROBE_ACL
                        : starts (&v, "security.capability") ? PROBE_CAPABILITY
                                                             : PROBE_SECURITY;
    if (!seen[w])
      used (u, w, e);
    seen[w] = true;
  }
}

static void
take_project (struct probe_uses *u, const struct tree_entry *e)
{
  if (e->marks & (TREE_PROJECT | TREE_INHERIT))
    used (u, PROBE_PROJECT, e);
}

static void
read_attributes (struct probe_uses *u, int dirfd, const char *name,
                 const struct tree_entry *e)
{
  struct tree_entry own = *e;
  CLEANUP_ERR struct err *bad = detail_read (&u->detail, dirfd, name, -1, &own);
  if (bad == NULL) /* else gone, or named as unreadable when it is copied */
    take_attributes (u, &own);
}

/* Whether the directory of a file counts for a project. */
static bool
dir_counts (struct probe_uses *u, int dirfd, const struct tree_entry *e)
{
  size_t leaf = tree_path_leaf (e->path, e->path_len);
  if (u->dir != NULL && strlen (u->dir) == leaf
      && memcmp (u->dir, e->path, leaf) == 0)
    return u->dir_counts;
  struct tree_entry dir = { .type = TREE_DIR };
  project_read (dirfd, &dir);
  free (u->dir);
  u->dir = mem_strndup (e->path, leaf);
  u->dir_counts = (dir.marks & (TREE_PROJECT | TREE_INHERIT)) != 0;
  return u->dir_counts;
}

/* To ask a file it has to be opened, which costs as much as all else: only
 * where its directory counts for a project.  One that does alone is named when
 * it is copied. */
static void
read_project (struct probe_uses *u, int dirfd, const char *name,
              const struct tree_entry *e)
{
  struct tree_entry own = *e;
  if (e->type != TREE_DIR
      && (e->type != TREE_FILE || !dir_counts (u, dirfd, e)))
    return;
  CLEANUP_FD int fd = tree_open (dirfd, name, O_RDONLY);
  if (fd < 0)
    return;
  project_read (fd, &own);
  take_project (u, &own);
}

/* Grows to twice its size; the hashes find their places anew. */
static void
grow (struct folded *f)
{
  struct folded next = { .cap = f->cap > 0 ? f->cap * 2 : 1024 };
  next.v = mem_resize (NULL, next.cap, sizeof *next.v);
  memset (next.v, 0, next.cap * sizeof *next.v);
  for (size_t i = 0; i < f->cap; i++)
    if (f->v[i] != 0) {
      size_t at = f->v[i] & (next.cap - 1);
      while (next.v[at] != 0)
        at = (at + 1) & (next.cap - 1);
      next.v[at] = f->v[i];
    }
  next.n = f->n;
  free (f->v);
  *f = next;
}

/* Whether the hash was there already. */
static bool
remember (struct folded *f, uint64_t hash)
{
  if (f->n * 2 >= f->cap)
    grow (f);
  size_t at = hash & (f->cap - 1);
  for (; f->v[at] != 0; at = (at + 1) & (f->cap - 1))
    if (f->v[at] == hash)
      return true;
  f->v[at] = hash;
  f->n++;
  return false;
}

static void
take_case (struct probe_uses *u, const struct tree_entry *e)
{
  CLEANUP_FREE char *low = mem_strndup (e->path, e->path_len);
  for (size_t i = tree_path_leaf (low, e->path_len); i < e->path_len; i++)
    low[i] = (char)tolower ((unsigned char)low[i]);
  uint64_t hash = XXH3_64bits (low, e->path_len);
  if (remember (&u->folded, hash != 0 ? hash : 1))
    used (u, PROBE_CASE, e);
}

static bool
is_odd (const char *name)
{
  size_t n = strlen (name);
  bool odd = !text_is_utf8 (name, n) || strpbrk (name, "\\:*?\"<>|") != NULL
             || name[n - 1] == '.' || name[n - 1] == ' ';
  for (size_t i = 0; i < n; i++)
    odd = odd || (unsigned char)name[i] < 0x20;
  return odd;
}

static void
take_plain (struct probe_uses *u, const char *name, const struct tree_entry *e)
{
  static const struct {
    enum probe_what what;
    unsigned types;
  } kinds[] = {
    { PROBE_SPECIAL, 1u << TREE_FIFO | 1u << TREE_SOCKET | 1u << TREE_CHAR
                         | 1u << TREE_BLOCK },
    { PROBE_SYMLINK, 1u << TREE_LINK },
  };
  for (size_t i = 0; i < 2; i++)
    if (kinds[i].types & 1u << e->type)
      used (u, kinds[i].what, e);
  if (e->uid != 0 || e->gid != 0)
    used (u, PROBE_OWNER, e);
  if (e->type != TREE_LINK && e->mode != (e->type == TREE_DIR ? 0755 : 0644))
    used (u, PROBE_MODE, e);
  if (e->iflags != 0)
    used (u, PROBE_FLAGS, e);
  if (e->mtime.nsec != 0)
    used (u, PROBE_NANOSECONDS, e);
  if (e->mtime.sec < 0)
    used (u, PROBE_OLD, e);
  if (e->mtime.sec > Y2038)
    used (u, PROBE_Y2038, e);
  if (e->mtime.sec > Y2106)
    used (u, PROBE_Y2106, e);
  if (e->type == TREE_FILE && e->blocks * 512 < e->size / 2 && e->size > 65536)
    used (u, PROBE_HOLES, e);
  if (e->type != TREE_DIR && e->nlink > 1)
    used (u, PROBE_HARDLINK, e);
  if (strlen (name) > 143) /* what eCryptfs takes; others less than 255 */
    used (u, PROBE_LONG_NAME, e);
  if (e->path_len > 0 && is_odd (name))
    used (u, PROBE_ODD_NAME, e);
  if (e->size >= (uint64_t)1 << 32)
    used (u, PROBE_BIG, e);
}

void
probe_uses_take (struct probe_uses *u, int dirfd, const char *name,
                 const struct tree_entry *e)
{
  take_plain (u, name, e);
  if (u->asked[PROBE_CASE] && e->path_len > 0)
    take_case (u, e);
  if (u->attributes)
    read_attributes (u, dirfd, name, e);
  if (u->asked[PROBE_PROJECT])
    read_project (u, dirfd, name, e);
}

void
probe_uses_take_known (struct probe_uses *u, const struct tree_entry *e)
{
  take_plain (u, e->path + tree_path_leaf (e->path, e->path_len), e);
  if (u->asked[PROBE_CASE] && e->path_len > 0)
    take_case (u, e);
  if (u->attributes)
    take_attributes (u, e);
  if (u->asked[PROBE_PROJECT])
    take_project (u, e);
}

json_t *
probe_uses_result (const struct probe_uses *u)
{
  json_t *out = json_object ();
  for (int w = 0; w < PROBE_COUNT; w++)
    if (u->count[w] > 0)
      json_object_set_new (out, probe_word ((enum probe_what)w),
                           json_pack ("{s:I, s:O}", "count",
                                      (json_int_t)u->count[w], "paths",
                                      u->paths[w]));
  return out;
}

void
probe_uses_free (struct probe_uses *u)
{
  if (u == NULL)
    return;
  for (int w = 0; w < PROBE_COUNT; w++)
    json_decref (u->paths[w]);
  detail_free (&u->detail);
  free (u->dir);
  free (u->folded.v);
  free (u);
}
