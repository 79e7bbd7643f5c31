/* SPDX-License-Identifier: Apache-2.0 */
/* Objects on the target, one at a time. */
#include "tree/apply.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"
#include "host/rooted.h"
#include "tree/meta.h"
#include "tree/prealloc.h"
#include "tree/project.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WRITE_BACK ((uint64_t)16 << 20)
#define BIG_HOLE ((uint64_t)1 << 30)

/* The temporary name beside a root that is one file. */
static char *
beside_single (const char *leaf)
{
  return mem_printf ("%s-%.200s", TREE_TMP, leaf);
}

void
applier_start (struct applier *a, struct place *place, int parent,
               const char *leaf, bool direct)
{
  *a = (struct applier){ .place = place,
                         .parent = parent,
                         .leaf = leaf,
                         .direct = direct,
                         .tmp = -1,
                         .fd = -1 };
  a->single_tmp = beside_single (leaf);
}

struct err *
apply_sweep (int parent, const char *leaf)
{
  CLEANUP_FREE char *beside = beside_single (leaf);
  if (unlinkat (parent, beside, 0) < 0 && errno != ENOENT && errno != EISDIR)
    return err_sys (errno, "RH-TREE-WRITE", "cannot remove %s", beside);
  struct tree_entry e;
  if (tree_stat (parent, leaf, &e, NULL) != 0 || e.type != TREE_DIR)
    return NULL;
  CLEANUP_FD int fd = tree_open (parent, leaf, O_RDONLY | O_DIRECTORY);
  bool removed;
  if (fd < 0 || tree_stat (fd, TREE_TMP, &e, NULL) == ENOENT)
    return NULL;
  return durable_remove_tree (fd, TREE_TMP, &removed);
}

struct err *
apply_write_err (int n, const char *what, const char *path, size_t len,
                 uint64_t missing)
{
  CLEANUP_FREE char *shown = text_escape (path, len);
  if (n != ENOSPC && n != EDQUOT)
    return err_sys (n, "RH-TREE-WRITE", "cannot %s \"%s\"", what, shown);
  struct err *e
      = err_sys (n, "RH-TREE-NOSPACE", "cannot %s \"%s\"", what, shown);
  e = err_advise (e, "what was copied so far is kept", NULL);
  if (missing > 0)
    return err_todo (e,
                     "make room for at least %llu bytes more on the target, "
                     "then go on",
                     (unsigned long long)missing);
  return err_todo (e, "make room on the target, then go on");
}

static struct err *
write_err (const struct applier *a, const char *what, const char *path,
           size_t len)
{
  uint64_t missing = a->expected > a->bytes ? a->expected - a->bytes : 0;
  return apply_write_err (errno, what, path, len, missing);
}

static struct err *
open_tmp (struct applier *a)
{
  if (a->tmp >= 0)
    return NULL;
  int root;
  TRY (place_root (a->place, &root));
  if (mkdirat (root, TREE_TMP, 0700) < 0 && errno != EEXIST)
    return write_err (a, "make", TREE_TMP, strlen (TREE_TMP));
  a->tmp = tree_open (root, TREE_TMP, O_RDONLY | O_DIRECTORY);
  if (a->tmp < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot open %s", TREE_TMP);
  return NULL;
}

/* Where the object of this path is made, and under which name. */
static struct err *
choose (struct applier *a, const struct tree_entry *e, int *dirfd, int *at,
        const char **name)
{
  TRY (place_at (a->place, e->path, e->path_len, dirfd, name));
  if (e->path_len == 0) {
    *at = *dirfd;
    snprintf (a->name, sizeof a->name, "%s", a->single_tmp);
  } else if (a->direct) {
    *at = *dirfd;
    snprintf (a->name, sizeof a->name, "%s", *name);
  } else {
    TRY (open_tmp (a));
    *at = a->tmp;
    snprintf (a->name, sizeof a->name, "%llx", (unsigned long long)a->serial++);
  }
  return NULL;
}

int
apply_remove_any (int dirfd, const char *name)
{
  meta_unlock (dirfd, name);
  if (unlinkat (dirfd, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR && errno != EPERM)
    return errno;
  bool removed;
  CLEANUP_ERR struct err *e = durable_remove_tree (dirfd, name, &removed);
  return e == NULL ? 0 : err_errno (e) != 0 ? err_errno (e) : EBUSY;
}

/* Changes places with what has the name, which is then removed: ext4 writes
 * a file out at once when it is renamed over another (about 1 ms each), and
 * does not when the two change places.  False where that cannot be. */
static bool
trade_places (struct applier *a, int at, int dirfd, const char *name)
{
  if (renameat2 (at, a->name, dirfd, name, RENAME_EXCHANGE) != 0)
    return false;
  return apply_remove_any (at, a->name) == 0;
}

/* The target's own directory, which holds something. */
static struct err *
tree_in_way (const struct applier *a, int at, const struct tree_entry *e)
{
  CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
  unlinkat (at, a->name, 0);
  return err_advise (
      err_new (ERR_BLOCKED, "RH-TREE-INWAY",
               "a directory with content is in the way on the target: %s",
               shown),
      "what was copied so far is kept, nothing of the target's own is removed",
      "move it away, or say that the target is to become the same (--delete)");
}

/* Moves what was made under the temporary name to where it belongs. */
static struct err *
install (struct applier *a, int at, int dirfd, const char *name,
         const struct tree_entry *e)
{
  if (at == dirfd && strcmp (a->name, name) == 0)
    return NULL;
  if (a->no_trees && unlinkat (dirfd, name, AT_REMOVEDIR) < 0
      && (errno == ENOTEMPTY || errno == EEXIST))
    return tree_in_way (a, at, e);
  if (trade_places (a, at, dirfd, name)
      || renameat (at, a->name, dirfd, name) == 0)
    return NULL;
  if (errno == EXDEV && project_loosen (dirfd)) {
    int r = renameat (at, a->name, dirfd, name);
    int bad = errno;
    project_tighten (dirfd);
    errno = bad;
    if (r == 0)
      return NULL;
  }
  if (errno == EPERM || errno == EISDIR || errno == ENOTEMPTY
      || errno == EEXIST)
  {
    errno = apply_remove_any (dirfd, name);
    if (errno == 0 && renameat (at, a->name, dirfd, name) == 0)
      return NULL;
  }
  return write_err (a, "put in place", e->path, e->path_len);
}

static void
note_lost (struct applier *a, const struct tree_entry *e, char *lost)
{
  if (lost != NULL)
    place_finding (a->place, "RH-TREE-XATTR", e->path, e->path_len, lost);
}

static struct err *
make_dir (struct applier *a, const struct tree_entry *e)
{
  int dirfd;
  const char *name;
  struct tree_entry have;
  TRY (place_at (a->place, e->path, e->path_len, &dirfd, &name));
  int bad = tree_stat (dirfd, name, &have, NULL);
  if (bad == 0 && have.type != TREE_DIR) {
    errno = apply_remove_any (dirfd, name);
    if (errno != 0)
      return write_err (a, "replace", e->path, e->path_len);
    bad = ENOENT;
  }
  if (bad == ENOENT && mkdirat (dirfd, name, 0700) < 0)
    return write_err (a, "make", e->path, e->path_len);
  return place_enter (a->place, e);
}

static int
make_node (int at, const char *name, const struct tree_entry *e)
{
  static const mode_t kinds[] = { [TREE_FIFO] = S_IFIFO,
                                  [TREE_SOCKET] = S_IFSOCK,
                                  [TREE_CHAR] = S_IFCHR,
                                  [TREE_BLOCK] = S_IFBLK };
  if (e->type == TREE_LINK)
    return symlinkat (e->target, at, name);
  return mknodat (at, name, kinds[e->type] | 0600, e->rdev);
}

static struct err *
make_other (struct applier *a, const struct tree_entry *e)
{
  int dirfd, at;
  const char *name;
  TRY (choose (a, e, &dirfd, &at, &name));
  int r = make_node (at, a->name, e);
  if (r < 0 && errno == EEXIST) {
    errno = apply_remove_any (at, a->name);
    r = errno == 0 ? make_node (at, a->name, e) : -1;
  }
  if (r < 0)
    return write_err (a, "make", e->path, e->path_len);
  CLEANUP_FREE char *lost = NULL;
  TRY (meta_apply_at (at, a->name, e, &lost));
  note_lost (a, e, lost);
  return install (a, at, dirfd, name, e);
}

/* The directory and name of the first path of a hard link. */
static struct err *
open_first (struct applier *a, const struct tree_entry *e, int *dirfd,
            const char **name)
{
  CLEANUP_FD int root = tree_open (a->parent, a->leaf, O_RDONLY | O_DIRECTORY);
  if (root < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot open the root");
  return rooted_parent (root, e->link, dirfd, name);
}

static int
link_to (int from, const char *first, int at, const char *name)
{
  if (linkat (from, first, at, name, 0) == 0)
    return 0;
  if (errno == EEXIST)
    errno = apply_remove_any (at, name);
  else if (errno == EPERM)
    meta_unlock (from, first), errno = 0;
  else if (errno == EXDEV && project_loosen (at)) {
    int r = linkat (from, first, at, name, 0);
    int bad = errno;
    project_tighten (at);
    return r == 0 ? 0 : bad;
  }
  if (errno == 0 && linkat (from, first, at, name, 0) == 0)
    return 0;
  return errno;
}

static struct err *
make_link (struct applier *a, const struct tree_entry *e)
{
  CLEANUP_FD int from = -1;
  const char *first, *name;
  int dirfd, at;
  struct tree_entry have, want;
  TRY (choose (a, e, &dirfd, &at, &name));
  TRY (open_first (a, e, &from, &first));
  int bad = tree_stat (from, first, &want, NULL);
  if (bad == 0 && want.type != e->type)
    bad = ENOENT;
  if (bad != 0)
    return err_sys (bad, "RH-TREE-MISSING",
                    "the target lacks the first name of a hard link");
  if (tree_stat (dirfd, name, &have, NULL) == 0 && have.ino == want.ino
      && have.dev == want.dev)
    return NULL;
  errno = link_to (from, first, at, a->name);
  if (errno != 0)
    return write_err (a, "link", e->path, e->path_len);
  if (want.iflags != 0)
    place_flags (a->place, e->path, want.iflags);
  return install (a, at, dirfd, name, e);
}

struct err *
apply_object (struct applier *a, const struct tree_entry *e)
{
  if (e->is_link)
    return make_link (a, e);
  return e->type == TREE_DIR ? make_dir (a, e) : make_other (a, e);
}

static void
want_flags (struct applier *a, const struct tree_entry *e)
{
  if (e->iflags != 0)
    place_flags (a->place, e->path, e->iflags);
}

struct err *
apply_meta (struct applier *a, const struct tree_entry *e)
{
  int dirfd;
  const char *name;
  struct tree_entry have;
  TRY (place_at (a->place, e->path, e->path_len, &dirfd, &name));
  CLEANUP_FD int fd = tree_open (dirfd, name, O_RDONLY);
  if (fd < 0 || tree_stat_fd (fd, &have) != 0 || have.type != TREE_FILE
      || have.size != e->size)
  {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_new (ERR_CORRUPT, "RH-TREE-MISSING",
                    "the target's \"%s\" is not what was copied before", shown);
  }
  if (have.iflags != 0)
    meta_set_flags (fd, 0);
  CLEANUP_FREE char *lost = NULL;
  TRY (meta_apply_fd (fd, e, &lost));
  note_lost (a, e, lost);
  want_flags (a, e);
  return NULL;
}

struct err *
apply_file_begin (struct applier *a, const struct tree_entry *e)
{
  int at;
  const char *name;
  const int flags
      = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  TRY (choose (a, e, &a->dirfd, &at, &name));
  a->fd = openat (at, a->name, flags, 0600);
  if (a->fd < 0 && errno == EEXIST) {
    errno = apply_remove_any (at, a->name);
    if (errno == 0)
      a->fd = openat (at, a->name, flags, 0600);
  }
  if (a->fd < 0)
    return write_err (a, "make", e->path, e->path_len);
  a->in_place = false;
  /* A file with holes has its size first: behind the end XFS would allocate
   * ahead of the writer, and the hole be none. */
  if (e->size > e->blocks * 512 && ftruncate (a->fd, (off_t)e->size) < 0)
    return write_err (a, "write", e->path, e->path_len);
  a->at = 0;
  return entry_box_set (&a->file, e);
}

struct err *
apply_file_go_on (struct applier *a, const struct tree_entry *e,
                  uint64_t offset)
{
  const char *name;
  TRY (place_at (a->place, e->path, e->path_len, &a->dirfd, &name));
  snprintf (a->name, sizeof a->name, "%s", name);
  a->fd = openat (a->dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (a->fd < 0)
    return write_err (a, "go on with", e->path, e->path_len);
  a->in_place = true;
  a->at = offset;
  return entry_box_set (&a->file, e);
}

/* A file never holds more than its entry said. */
static struct err *
check_room (const struct applier *a, uint64_t len)
{
  uint64_t size = a->file.entry.size;
  if (a->at > size || len > size - a->at)
    return err_new (ERR_CORRUPT, "RH-TREE-STREAM",
                    "a file holds more than was said");
  return NULL;
}

/* A large file goes to the disk while it comes, not in one go at the end. */
static void
start_writing_back (const struct applier *a, size_t len)
{
  uint64_t before = a->at / WRITE_BACK, after = (a->at + len) / WRITE_BACK;
  if (after > before && before > 0)
    (void)sync_file_range (a->fd, (off_t)((before - 1) * WRITE_BACK),
                           (off_t)WRITE_BACK, SYNC_FILE_RANGE_WRITE);
}

struct err *
apply_file_data (struct applier *a, const void *data, size_t len)
{
  const char *p = data;
  TRY (check_room (a, len));
  start_writing_back (a, len);
  while (len > 0) {
    ssize_t n = pwrite (a->fd, p, len, (off_t)a->at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return write_err (a, "write", a->file.entry.path, a->file.entry.path_len);
    p += n;
    len -= (size_t)n;
    a->at += (uint64_t)n;
    a->bytes += (uint64_t)n;
  }
  return NULL;
}

struct err *
apply_file_hole (struct applier *a, uint64_t len)
{
  TRY (check_room (a, len));
  /* A hole is hashed: one that the filesystem cannot hold is not begun. */
  if (len >= BIG_HOLE && ftruncate (a->fd, (off_t)(a->at + len)) < 0)
    return write_err (a, "write", a->file.entry.path, a->file.entry.path_len);
  a->at += len;
  return NULL;
}

struct err *
apply_file_alloc (struct applier *a, uint64_t at, uint64_t len)
{
  const struct tree_entry *e = &a->file.entry;
  bool lost;
  if (len == 0 || at > INT64_MAX || len > (uint64_t)INT64_MAX - at)
    return err_new (ERR_CORRUPT, "RH-TREE-STREAM",
                    "a file has a bad preallocation");
  errno = prealloc_apply (a->fd, at, len, &lost);
  if (errno != 0)
    return write_err (a, "allocate", e->path, e->path_len);
  if (lost)
    place_finding (a->place, "RH-TREE-ALLOC", e->path, e->path_len,
                   "the filesystem cannot preallocate");
  return NULL;
}

struct err *
apply_file_end (struct applier *a, uint64_t size)
{
  const struct tree_entry *e = &a->file.entry;
  struct tree_entry have;
  if (size != a->at)
    return err_new (ERR_CORRUPT, "RH-TREE-CORRUPT",
                    "a file arrived with another length than was sent");
  if (tree_stat_fd (a->fd, &have) != 0 || have.size != size)
    if (ftruncate (a->fd, (off_t)size) < 0)
      return write_err (a, "write", e->path, e->path_len);
  CLEANUP_FREE char *lost = NULL;
  TRY (meta_apply_fd (a->fd, e, &lost));
  note_lost (a, e, lost);
  int r = close (a->fd);
  a->fd = -1;
  if (r < 0)
    return write_err (a, "write", e->path, e->path_len);
  want_flags (a, e);
  const char *name = e->path_len == 0
                         ? a->leaf
                         : e->path + tree_path_leaf (e->path, e->path_len);
  bool here = a->in_place || a->direct || e->path_len == 0;
  return install (a, here ? a->dirfd : a->tmp, a->dirfd, name, e);
}

struct err *
apply_delete (struct applier *a, const char *path, size_t len, bool *removed)
{
  int dirfd;
  const char *name;
  *removed = false;
  struct err *e = place_at (a->place, path, len, &dirfd, &name);
  if (e != NULL && strcmp (err_code (e), "RH-TREE-MISSING") == 0) {
    err_free (e); /* its directory is gone, and so is it */
    return NULL;
  }
  TRY (e);
  struct tree_entry have;
  int bad = tree_stat (dirfd, name, &have, NULL);
  if (bad == ENOENT)
    return NULL;
  meta_unlock (dirfd, name);
  if (bad == 0
      && unlinkat (dirfd, name, have.type == TREE_DIR ? AT_REMOVEDIR : 0) == 0)
  {
    *removed = true;
    return NULL;
  }
  if (errno == ENOTEMPTY || errno == EEXIST || errno == EBUSY) {
    place_finding (a->place, "RH-TREE-KEPT", path, len,
                   "a directory that the source no longer has is not empty");
    return NULL;
  }
  return write_err (a, "delete", path, len);
}

struct err *
applier_finish (struct applier *a)
{
  if (a->tmp < 0)
    return NULL;
  int root;
  close (a->tmp);
  a->tmp = -1;
  TRY (place_root (a->place, &root));
  if (unlinkat (root, TREE_TMP, AT_REMOVEDIR) < 0)
    return err_sys (errno, "RH-TREE-WRITE", "cannot remove %s", TREE_TMP);
  return NULL;
}

void
applier_clear (struct applier *a)
{
  if (a->fd >= 0)
    close (a->fd);
  if (a->tmp >= 0)
    close (a->tmp);
  entry_box_free (&a->file);
  free (a->single_tmp);
}
