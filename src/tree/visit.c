/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of directories; in each either the hinted names or all of them. */
#include "tree/visit.h"

#include "base/mem.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEPTH_MAX 3000

struct frame {
  int fd;
  size_t path_len;
  bool deep;
  bool top; /* the uppermost deep one */
  /* deep: all names */
  struct buf names;
  VEC (const char *) sorted;
  /* else: the hints from `next` to `end` */
  size_t next, end;
};

struct visit {
  const struct filter *filter;
  const struct hints *hints;
  struct walk *notes;
  int parent;
  const char *leaf;
  char *root;
  uint64_t dev;
  VEC (struct frame) stack;
  struct buf path;
  struct tree_entry entry;
  int dirfd;
  const char *name;
  bool started, descend, deepen;
  size_t hint; /* of the entry last given, or SIZE_MAX below a deep one */
};

struct err *
visit_open (const char *root, const struct filter *filter,
            const struct hints *hints, struct walk *notes, struct visit **out)
{
  *out = NULL;
  CLEANUP_VISIT struct visit *v = mem_alloc (sizeof *v);
  v->parent = -1;
  v->filter = filter;
  v->hints = hints;
  v->notes = notes;
  v->root = mem_strdup (root);
  v->path.max = TREE_PATH_MAX + TREE_NAME_MAX + 2;
  TRY (buf_put (&v->path, "", 0));
  TRY (tree_open_parent (v->root, &v->parent, &v->leaf));
  *out = STEAL (v);
  return NULL;
}

static int
by_bytes (const void *a, const void *b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Reads all names of a directory, sorted: 0 or an errno. */
static int
read_names (struct frame *f)
{
  _Alignas (struct dirent64) char block[32768];
  size_t count = 0;
  for (ssize_t got; (got = getdents64 (f->fd, block, sizeof block)) != 0;) {
    if (got < 0)
      return errno;
    for (ssize_t at = 0; at < got;) {
      const struct dirent64 *d = (const struct dirent64 *)(block + at);
      const char *n = d->d_name;
      at += d->d_reclen;
      if (n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0)))
        continue;
      CLEANUP_ERR struct err *e = buf_put (&f->names, n, strlen (n) + 1);
      if (e != NULL)
        return EOVERFLOW;
      count++;
    }
  }
  const char *p = (const char *)f->names.data;
  for (; count > 0; count--, p += strlen (p) + 1)
    *VEC_PUSH (&f->sorted) = p;
  f->end = f->sorted.n;
  if (f->end > 1)
    qsort (f->sorted.v, f->end, sizeof *f->sorted.v, by_bytes);
  return 0;
}

static void
frame_clear (struct frame *f)
{
  close (f->fd);
  buf_free (&f->names);
  VEC_FREE (&f->sorted);
}

/* What went away since it was looked at is named again by the watcher. */
static struct err *
cannot (const struct visit *v, int errnum)
{
  if (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP)
    return NULL;
  return walk_unreadable (v->notes, (const char *)v->path.data, v->path.len,
                          err_sys (errnum, "RH-TREE-READ", "cannot look at it"),
                          false);
}

/* Goes into the directory that was given last, where there is something to
 * look at. */
static struct err *
enter (struct visit *v)
{
  bool below = v->stack.n > 0 && v->stack.v[v->stack.n - 1].deep;
  struct frame f = { .fd = -1,
                     .path_len = v->path.len,
                     .deep = below || v->deepen,
                     .names = { .max = (size_t)4 << 30 } };
  if (v->hint != SIZE_MAX) {
    const struct hint *h = &v->hints->list.v[v->hint];
    f.deep |= h->deep;
    f.next = v->hint + 1;
    f.end = h->end;
  }
  f.top = f.deep && !below;
  if (!f.deep && f.next == f.end)
    return NULL;
  if (v->stack.n >= DEPTH_MAX)
    return cannot (v, ENAMETOOLONG);
  f.fd = tree_open (v->dirfd, v->name, O_RDONLY | O_DIRECTORY);
  if (f.fd < 0)
    return cannot (v, errno);
  int bad = 0;
  if (f.deep) {
    f.next = f.end = 0;
    bad = read_names (&f);
  }
  if (bad != 0) {
    frame_clear (&f);
    return cannot (v, bad);
  }
  *VEC_PUSH (&v->stack) = f;
  return NULL;
}

/* As in tree/walk.c: what belongs to the filesystem or to a receiver. */
static bool
is_own (const struct visit *v, const char *name)
{
  if (v->stack.n != 1 || v->entry.type != TREE_DIR)
    return false;
  return (v->entry.ino == 11 && strcmp (name, "lost+found") == 0)
         || strcmp (name, TREE_TMP) == 0;
}

static struct err *
set_path (struct visit *v, const struct frame *f, const char *name, bool *fits)
{
  v->path.len = f->path_len;
  v->path.data[f->path_len] = 0;
  *fits = f->path_len + strlen (name) + 1 <= TREE_PATH_MAX;
  if (!*fits)
    return cannot (v, ENAMETOOLONG);
  if (f->path_len > 0)
    TRY (buf_put (&v->path, "/", 1));
  return buf_put (&v->path, name, strlen (name));
}

/* Looks at one name; `out` stays VISIT_END where it is left out. */
static struct err *
look (struct visit *v, int dirfd, const char *name, struct visit_step *out)
{
  bool mount = false;
  int bad = tree_stat (dirfd, name, &v->entry, &mount);
  const char *path = (const char *)v->path.data;
  out->path = path;
  out->path_len = v->path.len;
  v->dirfd = dirfd;
  v->name = name;
  if (bad == ENOENT)
    out->what = VISIT_GONE;
  if (bad != 0)
    return bad == ENOENT ? NULL : cannot (v, bad);
  bool dir = v->entry.type == TREE_DIR, root = v->stack.n == 0;
  if (root)
    v->dev = v->entry.dev;
  if (!root
      && (filter_excludes (v->filter, path, v->path.len, dir)
          || is_own (v, name) || walk_is_swap (v->notes, &v->entry)))
    return NULL;
  bool other = !root && (mount || (dir && v->entry.dev != v->dev));
  if (other && !dir)
    return NULL;
  v->entry.path = path;
  v->entry.path_len = v->path.len;
  v->descend = dir && !other;
  out->what = VISIT_ENTRY;
  out->entry = &v->entry;
  out->named = v->hint != SIZE_MAX && v->hints->list.v[v->hint].named;
  out->deep = v->hint != SIZE_MAX && v->hints->list.v[v->hint].deep;
  return NULL;
}

/* The next name of the innermost directory. */
static struct err *
next_name (struct visit *v, struct frame *f, struct visit_step *out)
{
  const char *name;
  if (f->deep) {
    name = f->sorted.v[f->next++];
    v->hint = SIZE_MAX;
  } else {
    const struct hint *h = &v->hints->list.v[f->next];
    name = h->path + tree_path_leaf (h->path, h->len);
    v->hint = f->next;
    f->next = h->end;
  }
  bool fits;
  TRY (set_path (v, f, name, &fits));
  return fits ? look (v, f->fd, name, out) : NULL;
}

/* Leaves the innermost directory. */
static void
leave (struct visit *v, struct visit_step *out)
{
  struct frame *f = &v->stack.v[--v->stack.n];
  v->path.len = f->path_len;
  v->path.data[f->path_len] = 0;
  if (f->top) {
    out->what = VISIT_LEFT;
    out->path = (const char *)v->path.data;
    out->path_len = v->path.len;
  }
  frame_clear (f);
}

struct err *
visit_next (struct visit *v, struct visit_step *out)
{
  *out = (struct visit_step){ .what = VISIT_END };
  if (!v->started) {
    v->started = true;
    v->hint = 0; /* the root */
    TRY (look (v, v->parent, v->leaf, out));
    return out->what == VISIT_ENTRY ? NULL
                                    : err_new (ERR_TRANSIENT, "RH-TREE-ROOT",
                                               "cannot look at %s", v->root);
  }
  if (v->descend) {
    v->descend = false;
    TRY (enter (v));
    v->deepen = false;
  }
  while (v->stack.n > 0 && out->what == VISIT_END) {
    struct frame *f = &v->stack.v[v->stack.n - 1];
    if (f->next == f->end)
      leave (v, out);
    else
      TRY (next_name (v, f, out));
  }
  return NULL;
}

void
visit_deepen (struct visit *v)
{
  v->deepen = true;
}

int
visit_dirfd (const struct visit *v)
{
  return v->dirfd;
}

const char *
visit_name (const struct visit *v)
{
  return v->name;
}

void
visit_free (struct visit *v)
{
  if (v == NULL)
    return;
  for (size_t i = 0; i < v->stack.n; i++)
    frame_clear (&v->stack.v[i]);
  VEC_FREE (&v->stack);
  if (v->parent >= 0)
    close (v->parent);
  free (v->root);
  buf_free (&v->path);
  free (v);
}
