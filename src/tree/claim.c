/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the way, and the marks. */
#include "tree/claim.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"
#include "host/slurp.h"
#include "tree/index.h"
#include "tree/made.h"
#include "tree/meta.h"
#include "tree/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define ASIDE_TRIES 100

/* How often the inode number was used: what tells one from the next where the
 * kernel (before 4.11) or the filesystem tells no birth.  0: nor that. */
static unsigned
generation (const struct claim *c)
{
  CLEANUP_FD int fd = tree_open (c->parent, c->leaf, O_RDONLY | O_DIRECTORY);
  int version = 0; /* the kernel writes an int, whatever the macro says */
  return fd >= 0 && ioctl (fd, FS_IOC_GETVERSION, &version) == 0
             ? (unsigned)version
             : 0;
}

/* The identity of a root directory: inode and birth, so that another directory
 * put in its place is not taken for ours.  "-" for what is not a directory
 * or not there yet. */
static char *
identity (const struct claim *c)
{
  struct statx s;
  if (statx (c->parent, c->leaf, AT_SYMLINK_NOFOLLOW,
             STATX_TYPE | STATX_INO | STATX_BTIME, &s)
          < 0
      || !S_ISDIR (s.stx_mode))
    return mem_strdup ("-");
  if (!(s.stx_mask & STATX_BTIME))
    return mem_printf ("%llu.v%u", (unsigned long long)s.stx_ino,
                       generation (c));
  return mem_printf ("%llu.%lld.%u", (unsigned long long)s.stx_ino,
                     (long long)s.stx_btime.tv_sec, s.stx_btime.tv_nsec);
}

/* Writes a mark: the identity, a space, the path. */
static struct err *
put_mark (const struct claim *c, const char *mark, const char *root)
{
  CLEANUP_FREE char *id = identity (c);
  CLEANUP_FREE char *text = mem_printf ("%s %s", id, root);
  return durable_put (mark, text, strlen (text));
}

/* True where the mark is there and names this root. */
static bool
is_marked (const struct claim *c, const char *mark, const char *root)
{
  CLEANUP_FD int fd = open (mark, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return false;
  size_t cap = strlen (root) + 128;
  CLEANUP_FREE char *have = mem_alloc (cap + 1);
  CLEANUP_FREE char *id = identity (c);
  ssize_t got = read (fd, have, cap);
  char *space = got > 0 ? strchr (have, ' ') : NULL;
  if (space == NULL || strcmp (space + 1, root) != 0)
    return false;
  *space = 0;
  return strcmp (have, "-") == 0 || strcmp (id, "-") == 0
         || strcmp (have, id) == 0;
}

/* The first name in a directory that counts as content, or NULL. */
static struct err *
first_name (int parent, const char *leaf, char **out)
{
  *out = NULL;
  int fd = tree_open (parent, leaf, O_RDONLY | O_DIRECTORY);
  if (fd < 0)
    return err_sys (errno, "RH-TREE-ROOT", "cannot open \"%s\"", leaf);
  DIR *d = fdopendir (fd);
  if (d == NULL) {
    close (fd);
    return err_sys (ENOMEM, "RH-TREE-ROOT", "cannot read \"%s\"", leaf);
  }
  for (struct dirent *e; *out == NULL && (e = readdir (d)) != NULL;)
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0
        && strcmp (e->d_name, TREE_TMP) != 0
        && strcmp (e->d_name, "lost+found") != 0)
      *out = mem_strdup (e->d_name);
  closedir (d);
  return NULL;
}

static struct err *
in_way (const struct tree_receive *a, const char *name)
{
  CLEANUP_FREE char *shown = text_escape (name, strlen (name));
  CLEANUP_FREE char *where
      = mem_printf ("%s%s%s", a->root, *shown != 0 ? "/" : "", shown);
  return err_advise (
      err_new (ERR_BLOCKED, "RH-TREE-INWAY",
               "content is in the way on the target: %s", where),
      "nothing was changed",
      "move it away, or say overwrite: true at the item; what is there is "
      "then kept aside");
}

/* Renames the root to `to` in `dir`, under the first free name. */
static int
move_to (const struct claim *c, int dir, const char *name, const char *where,
         char **kept)
{
  for (int i = 0; i < ASIDE_TRIES; i++) {
    CLEANUP_FREE char *to
        = i == 0 ? mem_strdup (name) : mem_printf ("%s.%d", name, i + 1);
    CLEANUP_ERR struct err *e
        = durable_rename (c->parent, c->leaf, dir, to, false);
    if (e == NULL) {
      *kept = mem_printf ("%s/%s", where, to);
      return 0;
    }
    if (err_errno (e) != EEXIST)
      return err_errno (e) != 0 ? err_errno (e) : EIO;
  }
  return EEXIST;
}

static struct err *
move_aside (const struct tree_receive *a, struct claim *c)
{
  int bad = EXDEV;
  if (a->aside != NULL) {
    TRY (durable_mkdirs (a->aside, 0700));
    CLEANUP_FD int dir = open (a->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bad = dir < 0 ? errno
                  : move_to (c, dir, a->index, a->aside, &c->kept_aside);
  }
  if (bad == EXDEV) { /* another filesystem: beside it */
    CLEANUP_FREE char *name = mem_printf (".%s.rehome-aside", c->leaf);
    CLEANUP_FREE char *where
        = mem_strndup (a->root, (size_t)(c->leaf - a->root) - 1);
    bad = move_to (c, c->parent, name, where, &c->kept_aside);
  }
  if (bad == 0)
    return NULL;
  return err_advise (
      err_sys (bad, "RH-TREE-ASIDE", "cannot move %s aside", a->root),
      "nothing was changed",
      bad == EBUSY ? "it is a mount point: empty it by hand" : NULL);
}

/* What lies at the root, and whether it may stay. */
static struct err *
look (const struct tree_receive *a, struct claim *c)
{
  struct tree_entry e;
  int bad = tree_stat (c->parent, c->leaf, &e, NULL);
  if (bad != 0 && bad != ENOENT)
    return err_sys (bad, "RH-TREE-ROOT", "cannot look at %s", a->root);
  c->fresh = bad == ENOENT;
  if (c->fresh || a->adopt || is_marked (c, c->own, a->root))
    return NULL;
  CLEANUP_FREE char *name = NULL;
  if (e.type == TREE_DIR) {
    TRY (first_name (c->parent, c->leaf, &name));
    c->fresh = name == NULL;
  }
  if (c->fresh || a->merge)
    return NULL;
  if (!a->seed || !a->overwrite)
    return in_way (a, name != NULL ? name : "");
  TRY (move_aside (a, c));
  c->fresh = true;
  return NULL;
}

/* For fsync and times the directory itself is opened. */
static struct err *
open_for_writing (const char *root, struct claim *c)
{
  CLEANUP_FD int place = -1;
  TRY (tree_open_parent (root, &place, &c->leaf));
  c->parent = openat (place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (c->parent < 0)
    return err_sys (errno, "RH-TREE-ROOT", "cannot open what holds %s", root);
  return NULL;
}

static struct err *
open_parent (const char *root, struct claim *c)
{
  struct err *e = open_for_writing (root, c);
  if (e == NULL || err_errno (e) != ENOENT)
    return e;
  err_free (e);
  CLEANUP_FREE char *parent
      = mem_strndup (root, tree_path_leaf (root, strlen (root)));
  TRY (durable_mkdirs (parent, 0755));
  return open_for_writing (root, c);
}

/* Says durably that the root is ours, where that is not said already. */
static struct err *
own_mark (const struct claim *c, const char *root)
{
  CLEANUP_FREE char *id = identity (c);
  CLEANUP_FREE char *want = mem_printf ("%s %s", id, root);
  CLEANUP_BUF struct buf have = BUF_INIT;
  size_t len = strlen (want);
  bool same = slurp_at (AT_FDCWD, c->own, len + 1, &have) == 0
              && have.len == len && memcmp (have.data, want, len) == 0;
  return same ? NULL : put_mark (c, c->own, root);
}

struct err *
claim_take (const struct tree_receive *a, struct claim *c)
{
  *c = (struct claim){ .parent = -1 };
  TRY (index_path (a->index_dir, a->index, "own", &c->own));
  TRY (index_path (a->index_dir, a->index, "busy", &c->busy));
  TRY (open_parent (a->root, c));
  struct tree_entry above;
  int bad = tree_stat_fd (c->parent, &above);
  if (bad != 0)
    return err_sys (bad, "RH-TREE-ROOT", "cannot look above %s", a->root);
  c->above = above.mtime;
  TRY (look (a, c));
  c->interrupted = is_marked (c, c->busy, a->root);
  TRY (durable_mkdirs (a->index_dir, 0700));
  TRY (own_mark (c, a->root));
  return put_mark (c, c->busy, a->root);
}

struct err *
claim_done (struct claim *c, const char *root)
{
  TRY (own_mark (c, root));
  return meta_set_mtime (c->parent, c->above);
}

struct err *
tree_acknowledge (const char *index_dir, const char *index)
{
  CLEANUP_FREE char *busy = NULL;
  TRY (index_path (index_dir, index, "busy", &busy));
  if (unlink (busy) < 0 && errno != ENOENT)
    return err_sys (errno, "RH-TREE-WRITE", "cannot remove %s", busy);
  return made_drop (index_dir, index);
}

void
claim_clear (struct claim *c)
{
  if (c->parent >= 0)
    close (c->parent);
  free (c->kept_aside);
  free (c->own);
  free (c->busy);
}
