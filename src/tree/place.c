/* SPDX-License-Identifier: Apache-2.0 */
/* The stack of open directories of a receiver. */
#include "tree/place.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/rooted.h"
#include "tree/meta.h"
#include "tree/project.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FINDINGS_MAX 100 /* of different kinds */
#define EXAMPLES 5

struct place_dir {
  struct place *place;
  int fd;
  atomic_uint holds;
  bool pending; /* `box` is what it shall be */
  bool touched; /* something in it was changed */
  bool looked;  /* `plain` is known */
  bool plain;
  struct entry_box box;
  struct tree_entry before;
};

struct frame {
  struct place_dir *dir;
  size_t path_len;
};

struct late_flags {
  char *path;
  uint32_t iflags;
};

struct place {
  int parent;
  const char *leaf;
  struct buf path; /* of the innermost directory */
  VEC (struct frame) frames;
  VEC (struct late_flags) flags;
  pthread_mutex_t lock; /* of the findings */
  json_t *findings;
  atomic_bool abandoned; /* directories are left as they are */
};

struct place *
place_new (int parent, const char *leaf)
{
  struct place *p = mem_alloc (sizeof *p);
  p->parent = parent;
  p->leaf = leaf;
  p->path.max = TREE_PATH_MAX + 1;
  p->findings = json_array ();
  pthread_mutex_init (&p->lock, NULL);
  return p;
}

static void
add_finding (struct place *p, const char *code, const char *path, size_t len,
             const char *what)
{
  size_t i;
  json_t *j;
  json_array_foreach (p->findings, i, j)
  {
    json_t *paths = json_object_get (j, "paths");
    json_t *count = json_object_get (j, "count");
    if (strcmp (json_string_value (json_object_get (j, "code")), code) != 0
        || strcmp (json_string_value (json_object_get (j, "what")), what) != 0)
      continue;
    json_integer_set (count, json_integer_value (count) + 1);
    if (json_array_size (paths) < EXAMPLES)
      json_array_append_new (paths, json_bytes (path, len));
    return;
  }
  if (json_array_size (p->findings) < FINDINGS_MAX)
    json_array_append_new (p->findings,
                           json_pack ("{s:s, s:s, s:i, s:o, s:[o]}", "code",
                                      code, "what", what, "count", 1, "path",
                                      json_bytes (path, len), "paths",
                                      json_bytes (path, len)));
}

void
place_finding (struct place *p, const char *code, const char *path, size_t len,
               const char *what)
{
  pthread_mutex_lock (&p->lock);
  add_finding (p, code, path, len, what);
  pthread_mutex_unlock (&p->lock);
}

json_t *
place_findings (struct place *p)
{
  return p->findings;
}

void
place_flags (struct place *p, const char *path, uint32_t iflags)
{
  struct late_flags *f = VEC_PUSH (&p->flags);
  f->path = mem_strdup (path);
  f->iflags = iflags;
}

static struct err *
settle (const struct place_dir *d)
{
  if (!d->pending)
    return d->touched ? meta_set_mtime (d->fd, d->before.mtime) : NULL;
  CLEANUP_FREE char *lost = NULL;
  const struct tree_entry *e = &d->box.entry;
  struct err *bad = meta_apply_fd (d->fd, e, &lost);
  if (bad != NULL) {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_wrap (bad, "directory \"%s\"", shown);
  }
  if (lost != NULL)
    place_finding (d->place, "RH-TREE-XATTR", e->path, e->path_len, lost);
  return NULL;
}

struct err *
place_release (struct place_dir *d)
{
  if (atomic_fetch_sub (&d->holds, 1) > 1)
    return NULL;
  struct err *e = atomic_load (&d->place->abandoned) ? NULL : settle (d);
  close (d->fd);
  entry_box_free (&d->box);
  free (d);
  return e;
}

static struct err *
pop (struct place *p)
{
  struct frame *f = &p->frames.v[--p->frames.n];
  struct err *e = place_release (f->dir);
  size_t up = p->frames.n > 0 ? p->frames.v[p->frames.n - 1].path_len : 0;
  p->path.len = up;
  if (p->path.data != NULL)
    p->path.data[up] = 0;
  return e;
}

/* Opens `name` below the innermost directory (or as the root). */
static struct err *
push (struct place *p, const char *name, size_t len)
{
  CLEANUP_FREE char *leaf = mem_strndup (name, len);
  bool root = p->frames.n == 0;
  int above = root ? p->parent : p->frames.v[p->frames.n - 1].dir->fd;
  CLEANUP_FD int fd
      = tree_open (above, root ? p->leaf : leaf, O_RDONLY | O_DIRECTORY);
  struct tree_entry before = { 0 };
  int bad = fd < 0 ? errno : tree_stat_fd (fd, &before);
  if (bad == ENOENT || bad == ENOTDIR || bad == ELOOP)
    return err_sys (bad, "RH-TREE-MISSING",
                    "the target lacks a directory \"%s\"",
                    root ? p->leaf : leaf);
  if (bad != 0)
    return err_sys (bad, "RH-TREE-WRITE", "cannot open \"%s\"",
                    root ? p->leaf : leaf);
  if (!root) {
    if (p->path.len > 0)
      TRY (buf_put (&p->path, "/", 1));
    TRY (buf_put (&p->path, leaf, len));
  } else
    TRY (buf_put (&p->path, "", 0));
  if (before.iflags != 0 && meta_set_flags (fd, 0) == 0)
    place_flags (p, (const char *)p->path.data, before.iflags);
  struct frame *f = VEC_PUSH (&p->frames);
  f->path_len = p->path.len;
  f->dir = mem_alloc (sizeof *f->dir);
  f->dir->place = p;
  f->dir->fd = tree_take_fd (&fd);
  f->dir->before = before;
  atomic_init (&f->dir->holds, 1);
  return NULL;
}

/* Whether the innermost directory is `dir` or lies above it. */
static bool
is_above (const struct place *p, const char *dir, size_t len)
{
  size_t n = p->path.len;
  return n == 0
         || (len >= n && memcmp (p->path.data, dir, n) == 0
             && (len == n || dir[n] == '/'));
}

/* Makes the directory `dir` the innermost one. */
static struct err *
go (struct place *p, const char *dir, size_t len)
{
  while (p->frames.n > 0 && !is_above (p, dir, len))
    TRY (pop (p));
  if (p->frames.n == 0)
    TRY (push (p, "", 0));
  while (p->path.len < len) {
    size_t at = p->path.len > 0 ? p->path.len + 1 : 0;
    const char *slash = memchr (dir + at, '/', len - at);
    size_t n = slash != NULL ? (size_t)(slash - dir) - at : len - at;
    TRY (push (p, dir + at, n));
  }
  return NULL;
}

static struct place_dir *
innermost (const struct place *p)
{
  return p->frames.v[p->frames.n - 1].dir;
}

struct err *
place_at (struct place *p, const char *path, size_t len, int *dirfd,
          const char **name)
{
  if (len == 0) {
    TRY (place_leave (p));
    *dirfd = p->parent;
    *name = p->leaf;
    return NULL;
  }
  size_t leaf = tree_path_leaf (path, len);
  TRY (go (p, path, leaf > 0 ? leaf - 1 : 0));
  struct place_dir *d = innermost (p);
  d->touched = true;
  *dirfd = d->fd;
  *name = path + leaf;
  return NULL;
}

struct err *
place_enter (struct place *p, const struct tree_entry *e)
{
  TRY (go (p, e->path, e->path_len));
  struct place_dir *d = innermost (p);
  d->pending = true;
  (void)project_set (d->fd, e); /* handed down; judged when it is left */
  TRY (entry_box_set (&d->box, e));
  if (e->marks & TREE_HAS_FLAGS && (e->iflags != 0 || d->before.iflags != 0))
    place_flags (p, d->box.entry.path, e->iflags);
  return NULL;
}

struct err *
place_root (struct place *p, int *fd)
{
  if (p->frames.n == 0)
    TRY (push (p, "", 0));
  p->frames.v[0].dir->touched = true;
  *fd = p->frames.v[0].dir->fd;
  return NULL;
}

struct err *
place_leave (struct place *p)
{
  while (p->frames.n > 0)
    TRY (pop (p));
  return NULL;
}

/* What is made in it has our ids, the mode it was made with, no attributes
 * and no project: the directory is ours and hands nothing down. */
static bool
is_plain (const struct place_dir *d)
{
  struct tree_entry e = { .type = TREE_DIR };
  project_read (d->fd, &e);
  /* Other bits than those of mkdir: setgid, or a filesystem without modes. */
  return d->before.mode == S_IRWXU && d->before.uid == geteuid ()
         && d->before.gid == getegid () && !(e.marks & TREE_INHERIT)
         && fgetxattr (d->fd, "system.posix_acl_default", NULL, 0) < 0
         && (errno == ENODATA || errno == ENOTSUP);
}

struct place_dir *
place_hold (struct place *p)
{
  struct place_dir *d = innermost (p);
  if (!d->looked) {
    d->plain = is_plain (d);
    d->looked = true;
  }
  atomic_fetch_add (&d->holds, 1);
  return d;
}

int
place_dir_fd (const struct place_dir *d)
{
  return d->fd;
}

bool
place_dir_plain (const struct place_dir *d)
{
  return d->plain;
}

void
place_abandon (struct place *p)
{
  atomic_store (&p->abandoned, true);
}

static int
open_for_flags (struct place *p, int root, const char *path)
{
  if (*path == 0)
    return tree_open (p->parent, p->leaf, O_RDONLY);
  int fd = -1;
  int bad = rooted_try (root, path, O_RDONLY | O_NONBLOCK, 0, &fd);
  errno = bad;
  return bad == 0 ? fd : -1;
}

struct err *
place_finish (struct place *p)
{
  TRY (place_leave (p));
  if (p->flags.n == 0)
    return NULL;
  CLEANUP_FD int root = tree_open (p->parent, p->leaf, O_RDONLY | O_DIRECTORY);
  for (size_t i = 0; i < p->flags.n; i++) {
    struct late_flags *f = &p->flags.v[i];
    CLEANUP_FD int fd = open_for_flags (p, root, f->path);
    int bad = fd < 0 ? errno : meta_set_flags (fd, f->iflags);
    if (bad == ENOENT) /* deleted in the same round */
      continue;
    if (bad != 0)
      place_finding (p, "RH-TREE-FLAGS", f->path, strlen (f->path),
                     "its inode flags cannot be set");
  }
  return NULL;
}

void
place_free (struct place *p)
{
  if (p == NULL)
    return;
  place_abandon (p);
  for (size_t i = 0; i < p->frames.n; i++)
    err_free (place_release (p->frames.v[i].dir));
  VEC_FREE (&p->frames);
  for (size_t i = 0; i < p->flags.n; i++)
    free (p->flags.v[i].path);
  VEC_FREE (&p->flags);
  buf_free (&p->path);
  json_decref (p->findings);
  pthread_mutex_destroy (&p->lock);
  free (p);
}
