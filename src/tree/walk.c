/* SPDX-License-Identifier: Apache-2.0 */
/* The walk: a stack of directories, each with its sorted names, and threads
 * that go ahead of it. */
#include "tree/walk.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/swaps.h"
#include "tree/outlook.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 3000
#define NOTES_MAX 20

/* Where a walk gets so far, threads go ahead of it. */
#define AHEAD_FROM 512

struct frame {
  size_t path_len; /* of the directory's own path */
  size_t next;
  struct outlook out;
};

struct walk {
  const struct filter *filter;
  char *root;
  int parent;
  const char *leaf;
  bool started, descend;
  uint64_t dev; /* of the root directory */
  VEC (struct frame *) stack;
  struct ahead *ahead; /* NULL: not yet */
  uint64_t met;
  struct buf path, scouted;
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
  w->path.max = w->scouted.max = TREE_PATH_MAX + TREE_NAME_MAX + 2;
  TRY (buf_put (&w->path, "", 0));
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

/* Whether the walk will go into a directory of `f`, for all that is known. */
static bool
wanted (void *ctx, const struct outlook *o, const char *name)
{
  struct walk *w = ctx;
  const struct frame *f
      = (const struct frame *)((const char *)o - offsetof (struct frame, out));
  if (w->filter == NULL)
    return true;
  buf_reset (&w->scouted);
  CLEANUP_ERR struct err *e = buf_put (&w->scouted, w->path.data, f->path_len);
  if (e == NULL && f->path_len > 0)
    e = buf_put (&w->scouted, "/", 1);
  if (e == NULL)
    e = buf_put (&w->scouted, name, strlen (name) + 1);
  return e == NULL
         && !filter_excludes (w->filter, (const char *)w->scouted.data,
                              w->scouted.len - 1, true);
}

static void
scout (struct walk *w, struct frame *f)
{
  f->out.ahead = w->ahead;
  if (w->ahead != NULL)
    outlook_ask (&f->out, w->dev, f->next, wanted, w);
}

/* Goes into the directory that was given last. */
static struct err *
enter (struct walk *w)
{
  if (w->stack.n >= DEPTH_MAX)
    return walk_unreadable (w, w->entry.path, w->entry.path_len,
                            err_new (ERR_REFUSED, "RH-TREE-DEEP", "too deep"),
                            false);
  CLEANUP (outlook_clear) struct outlook o = { .list = { .fd = -1 } };
  struct outlook *above
      = w->stack.n > 0 ? &w->stack.v[w->stack.n - 1]->out : NULL;
  if (w->ahead == NULL && w->met >= AHEAD_FROM)
    w->ahead = ahead_new ();
  int bad = outlook_open (&o, above, w->ahead, w->dirfd, w->name, &w->entry,
                          w->stack.n);
  if (bad == ESTALE)
    return NULL; /* gone or replaced since it was looked at */
  if (bad != 0)
    return walk_unreadable (
        w, w->entry.path, w->entry.path_len,
        err_sys (bad, "RH-TREE-READ", "cannot read the directory"), false);
  struct frame *f = mem_alloc (sizeof *f);
  *VEC_PUSH (&w->stack) = f;
  f->path_len = w->path.len;
  f->out = o;
  o = (struct outlook){ .list = { .fd = -1 } };
  scout (w, f);
  if (w->stack.n > 1)
    scout (w, w->stack.v[w->stack.n - 2]);
  return NULL;
}

static void
leave (struct walk *w)
{
  struct frame *f = w->stack.v[--w->stack.n];
  outlook_clear (&f->out);
  free (f);
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
look (struct walk *w, struct frame *f, const char *name, bool *taken)
{
  *taken = false;
  if (!set_path (w, f, name))
    return walk_unreadable (
        w, (const char *)w->path.data, w->path.len,
        err_new (ERR_REFUSED, "RH-TREE-DEEP", "too long a path"), false);
  bool mount = false;
  w->met++;
  int bad = outlook_look (&f->out, f->next - 1, &w->entry, &mount);
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
    struct frame *f = w->stack.v[w->stack.n - 1];
    if (f->next == f->out.list.n) {
      leave (w);
      continue;
    }
    bool taken;
    w->name = f->out.list.sorted[f->next++];
    w->dirfd = f->out.list.fd;
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
  ahead_free (w->ahead);
  if (w->parent >= 0)
    close (w->parent);
  free (w->root);
  buf_free (&w->path);
  buf_free (&w->scouted);
  json_decref (w->notes.unreadable_paths);
  json_decref (w->notes.mount_paths);
  json_decref (w->notes.swap_paths);
  swaps_free (&w->swapped);
  free (w);
}
