/* SPDX-License-Identifier: Apache-2.0 */
/* The walk: a stack of directories, each with its sorted names. */
#include "tree/walk.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/swaps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DEPTH_MAX 3000
#define NOTES_MAX 20

struct frame {
  int fd;
  size_t path_len; /* of the directory's own path */
  char *names;     /* NUL-terminated, one after the other */
  const char **sorted;
  size_t n, next;
};

struct walk {
  const struct filter *filter;
  char *root;
  int parent;
  const char *leaf;
  bool started, descend;
  struct tree_time start;
  uint64_t dev; /* of the root directory */
  VEC (struct frame) stack;
  struct buf path;
  struct tree_entry entry;
  int dirfd;
  const char *name;
  struct walk_notes notes;
  struct swaps swapped;
};

struct err *
tree_open_parent (const char *root, int *dirfd, const char **leaf)
{
  if (root[0] != '/')
    return err_new (ERR_CORRECT, "RH-TREE-ROOT", "%s is not absolute", root);
  size_t cut = tree_path_leaf (root, strlen (root));
  CLEANUP_FREE char *parent = mem_strndup (root, cut);
  *leaf = root[cut] == 0 ? "." : root + cut;
  *dirfd = open (parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*dirfd < 0)
    return err_sys (errno, "RH-TREE-ROOT", "cannot open %s", parent);
  return NULL;
}

int
tree_open (int dirfd, const char *name, int flags)
{
  flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  int fd = openat (dirfd, name, flags | O_NOATIME);
  return fd < 0 && errno == EPERM ? openat (dirfd, name, flags) : fd;
}

struct err *
walk_open (const char *root, const struct filter *filter, struct walk **out)
{
  *out = NULL;
  CLEANUP_WALK struct walk *w = mem_alloc (sizeof *w);
  w->parent = -1;
  w->filter = filter;
  w->root = mem_strdup (root);
  for (size_t n = strlen (w->root); n > 1 && w->root[n - 1] == '/'; n--)
    w->root[n - 1] = 0;
  w->notes.unreadable_paths = json_array ();
  w->notes.mount_paths = json_array ();
  w->notes.swap_paths = json_array ();
  swaps_read (&w->swapped);
  w->path.max = TREE_PATH_MAX + TREE_NAME_MAX + 2;
  TRY (buf_put (&w->path, "", 0));
  struct timespec now;
  clock_gettime (CLOCK_REALTIME, &now);
  w->start = (struct tree_time){ now.tv_sec, (uint32_t)now.tv_nsec };
  TRY (tree_open_parent (w->root, &w->parent, &w->leaf));
  struct tree_entry first = { .type = TREE_NONE };
  int bad = tree_stat (w->parent, w->leaf, &first, NULL);
  if (bad != 0)
    return err_sys (bad, "RH-TREE-ROOT", "cannot look at %s", root);
  w->dev = first.dev;
  *out = STEAL (w);
  return NULL;
}

static void
note_path (struct walk *w, json_t *list, const char *path, size_t len)
{
  if (json_array_size (list) >= NOTES_MAX)
    return;
  CLEANUP_FREE char *full
      = mem_printf ("%s%s%.*s", w->root, len > 0 ? "/" : "", (int)len, path);
  json_array_append_new (list, json_bytes (full, strlen (full)));
}

struct err *
walk_unreadable (struct walk *w, const char *path, size_t len, struct err *why,
                 bool fatal)
{
  w->notes.unreadable++;
  note_path (w, w->notes.unreadable_paths, path, len);
  if (!fatal) {
    err_free (why);
    return NULL;
  }
  CLEANUP_FREE char *shown = text_escape (path, len);
  return err_wrap (why, "%s/%s", w->root, shown);
}

static int
by_bytes (const void *a, const void *b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Reads all names of a directory: 0 or an errno. */
static int
read_names (int fd, struct buf *names, size_t *count)
{
  _Alignas (struct dirent64) char block[65536];
  *count = 0;
  for (;;) {
    ssize_t got = getdents64 (fd, block, sizeof block);
    if (got <= 0)
      return got < 0 ? errno : 0;
    for (ssize_t at = 0; at < got;) {
      const struct dirent64 *d = (const struct dirent64 *)(block + at);
      at += d->d_reclen;
      const char *n = d->d_name;
      if (n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0)))
        continue;
      CLEANUP_ERR struct err *e = buf_put (names, n, strlen (n) + 1);
      if (e != NULL)
        return EOVERFLOW;
      (*count)++;
    }
  }
}

static void
sort_names (struct frame *f)
{
  f->sorted = mem_resize (NULL, f->n + 1, sizeof *f->sorted);
  const char *p = f->names;
  bool sorted = true;
  for (size_t i = 0; i < f->n; i++) {
    f->sorted[i] = p;
    sorted = sorted && (i == 0 || strcmp (f->sorted[i - 1], p) < 0);
    p += strlen (p) + 1;
  }
  if (!sorted)
    qsort (f->sorted, f->n, sizeof *f->sorted, by_bytes);
}

/* Goes into the directory that was given last. */
static struct err *
enter (struct walk *w)
{
  if (w->stack.n >= DEPTH_MAX)
    return walk_unreadable (w, w->entry.path, w->entry.path_len,
                            err_new (ERR_REFUSED, "RH-TREE-DEEP", "too deep"),
                            false);
  CLEANUP_FD int fd = tree_open (w->dirfd, w->name, O_RDONLY | O_DIRECTORY);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
    return NULL; /* gone or replaced since it was looked at */
  struct stat now;
  if (fd >= 0
      && (fstat (fd, &now) < 0 || now.st_ino != w->entry.ino
          || now.st_dev != w->entry.dev))
    return NULL; /* another directory has its name by now */
  struct buf names = { .max = (size_t)4 << 30 };
  size_t n = 0;
  int bad = fd < 0 ? errno : read_names (fd, &names, &n);
  if (bad != 0) {
    buf_free (&names);
    return walk_unreadable (
        w, w->entry.path, w->entry.path_len,
        err_sys (bad, "RH-TREE-READ", "cannot read the directory"), false);
  }
  struct frame *f = VEC_PUSH (&w->stack);
  f->fd = tree_take_fd (&fd);
  f->path_len = w->path.len;
  f->n = n;
  f->names = (char *)names.data;
  sort_names (f);
  return NULL;
}

static void
leave (struct walk *w)
{
  struct frame *f = &w->stack.v[--w->stack.n];
  close (f->fd);
  free (f->names);
  free (f->sorted);
}

/* The path of `name` in the directory of `f`; false where it is too long. */
static bool
set_path (struct walk *w, const struct frame *f, const char *name)
{
  w->path.len = f->path_len;
  w->path.data[f->path_len] = 0;
  size_t len = strlen (name);
  if (f->path_len + len + 1 > TREE_PATH_MAX)
    return false;
  CLEANUP_ERR struct err *e = NULL;
  if (f->path_len > 0)
    e = buf_put (&w->path, "/", 1);
  if (e == NULL)
    e = buf_put (&w->path, name, len);
  return e == NULL;
}

/* ext4's own directory for fsck, at the top of a filesystem, and ours. */
static bool
is_own (const struct walk *w, const char *name)
{
  if (w->stack.n != 1 || w->entry.type != TREE_DIR)
    return false;
  return (w->entry.ino == 11 && strcmp (name, "lost+found") == 0)
         || strcmp (name, TREE_TMP) == 0;
}

/* Looks at one name; *taken says whether it is an entry of the walk. */
static struct err *
look (struct walk *w, const struct frame *f, const char *name, bool *taken)
{
  *taken = false;
  if (!set_path (w, f, name))
    return walk_unreadable (
        w, (const char *)w->path.data, w->path.len,
        err_new (ERR_REFUSED, "RH-TREE-DEEP", "too long a path"), false);
  bool mount = false;
  int bad = tree_stat (f->fd, name, &w->entry, &mount);
  const char *path = (const char *)w->path.data;
  if (bad == ENOENT)
    return NULL;
  if (bad != 0)
    return walk_unreadable (w, path, w->path.len,
                            err_sys (bad, "RH-TREE-READ", "cannot look at it"),
                            false);
  bool dir = w->entry.type == TREE_DIR;
  if (filter_excludes (w->filter, path, w->path.len, dir) || is_own (w, name))
    return NULL;
  if (walk_is_swap (w, &w->entry)) {
    w->notes.swaps++;
    note_path (w, w->notes.swap_paths, path, w->path.len);
    return NULL;
  }
  w->entry.path = path;
  w->entry.path_len = w->path.len;
  *taken = true;
  w->descend = dir && !mount && w->entry.dev == w->dev;
  if (mount || (dir && !w->descend)) {
    w->notes.mounts++;
    note_path (w, w->notes.mount_paths, path, w->path.len);
    *taken = dir; /* the mount point stays as an empty directory */
  }
  return NULL;
}

static struct err *
first (struct walk *w, struct tree_entry **out)
{
  w->started = true;
  w->dirfd = w->parent;
  w->name = w->leaf;
  int bad = tree_stat (w->parent, w->leaf, &w->entry, NULL);
  if (bad != 0)
    return err_sys (bad, "RH-TREE-ROOT", "cannot look at %s", w->root);
  w->entry.path = (const char *)w->path.data;
  w->descend = w->entry.type == TREE_DIR;
  *out = &w->entry;
  return NULL;
}

struct err *
walk_next (struct walk *w, struct tree_entry **out)
{
  *out = NULL;
  if (!w->started)
    return first (w, out);
  if (w->descend) {
    w->descend = false;
    TRY (enter (w));
  }
  while (w->stack.n > 0) {
    struct frame *f = &w->stack.v[w->stack.n - 1];
    if (f->next == f->n) {
      leave (w);
      continue;
    }
    bool taken;
    w->name = f->sorted[f->next++];
    w->dirfd = f->fd;
    TRY (look (w, f, w->name, &taken));
    if (taken) {
      *out = &w->entry;
      return NULL;
    }
    w->descend = false;
  }
  return NULL;
}

int
walk_dirfd (const struct walk *w)
{
  return w->dirfd;
}

const char *
walk_name (const struct walk *w)
{
  return w->name;
}

struct tree_time
walk_start (const struct walk *w)
{
  return w->start;
}

bool
walk_is_swap (const struct walk *w, const struct tree_entry *e)
{
  return w->swapped.list.n > 0 && e->type == TREE_FILE
         && swaps_have (&w->swapped, e->dev, e->ino);
}

const struct walk_notes *
walk_notes (const struct walk *w)
{
  return &w->notes;
}

void
walk_free (struct walk *w)
{
  if (w == NULL)
    return;
  while (w->stack.n > 0)
    leave (w);
  VEC_FREE (&w->stack);
  if (w->parent >= 0)
    close (w->parent);
  free (w->root);
  buf_free (&w->path);
  json_decref (w->notes.unreadable_paths);
  json_decref (w->notes.mount_paths);
  json_decref (w->notes.swap_paths);
  swaps_free (&w->swapped);
  free (w);
}
