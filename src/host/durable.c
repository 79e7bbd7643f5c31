/* SPDX-License-Identifier: Apache-2.0 */
#include "host/durable.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/write_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

enum { TRIES = 100, NO_REPLACE = 1, DEPTH_MAX = 1000 };

static struct err *
failed (int errnum, const char *what, const char *name)
{
  CLEANUP_FREE char *shown = text_escape (name, strlen (name));
  if (errnum == EEXIST)
    return err_sys (errnum, "RH-FILE-EXISTS", "%s '%s'", what, shown);
  return err_sys (errnum, "RH-FILE-WRITE", "%s '%s'", what, shown);
}

struct err *
durable_sync_dir (int dirfd)
{
  /* Some filesystems cannot fsync a directory and need not. */
  if (fsync (dirfd) == 0 || errno == EINVAL || errno == EROFS)
    return NULL;
  return err_sys (errno, "RH-FILE-WRITE", "cannot fsync a directory");
}

static void
beside (char *name, size_t size)
{
  static atomic_uint counter;
  struct timespec ts;
  clock_gettime (CLOCK_MONOTONIC, &ts);
  snprintf (name, size, ".rehome-%lx-%x-%lx", (unsigned long)getpid (),
            atomic_fetch_add (&counter, 1), (unsigned long)ts.tv_nsec);
}

static int
open_beside (int dirfd, char *name, size_t size)
{
  int fd = -1;
  for (int i = 0; i < TRIES && fd < 0; i++) {
    beside (name, size);
    fd = openat (dirfd, name,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
      return -1;
  }
  return fd;
}

/* Owner first, since chown clears set-id bits and capabilities; times last.
 * A default ACL of the directory must not leave one that was not asked for. */
static int
dress (int fd, const struct durable_file *f)
{
  if (fchown (fd, f->uid, f->gid) != 0)
    return errno;
  if (fremovexattr (fd, "system.posix_acl_access") != 0 && errno != ENODATA
      && errno != ENOTSUP)
    return errno;
  if (fchmod (fd, f->mode & 07777) != 0)
    return errno;
  for (size_t i = 0; i < f->xattr_count; i++)
    if (fsetxattr (fd, f->xattrs[i].name, f->xattrs[i].value, f->xattrs[i].len,
                   0)
        != 0)
      return errno;
  if (f->mtime != NULL) {
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *f->mtime };
    if (futimens (fd, times) != 0)
      return errno;
  }
  return fsync (fd) == 0 ? 0 : errno;
}

/* renameat2 with RENAME_NOREPLACE, or link and unlink before Linux 3.15 and
 * on filesystems that do not have it. */
static int
move (int from_dir, const char *from, int to_dir, const char *to, bool replace)
{
  if (replace)
    return renameat (from_dir, from, to_dir, to) == 0 ? 0 : errno;
  if (syscall (SYS_renameat2, from_dir, from, to_dir, to, NO_REPLACE) == 0)
    return 0;
  if (errno != ENOSYS && errno != EINVAL)
    return errno;
  if (linkat (from_dir, from, to_dir, to, 0) == 0)
    return unlinkat (from_dir, from, 0) == 0 ? 0 : errno;
  if (errno != EPERM)
    return errno;
  /* A directory: rename takes its place only where that is empty. */
  struct stat st;
  if (fstatat (to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return EEXIST;
  return renameat (from_dir, from, to_dir, to) == 0 ? 0 : errno;
}

struct err *
durable_write (int dirfd, const char *name, const struct durable_file *f)
{
  char tmp[64];
  CLEANUP_FD int fd = open_beside (dirfd, tmp, sizeof tmp);
  if (fd < 0)
    return failed (errno, "cannot write beside", name);
  int bad = write_all (fd, f->data, f->len);
  if (bad == 0)
    bad = dress (fd, f);
  if (bad == 0)
    bad = move (dirfd, tmp, dirfd, name, !f->exclusive);
  if (bad != 0) {
    unlinkat (dirfd, tmp, 0);
    return failed (bad, "cannot write", name);
  }
  return durable_sync_dir (dirfd);
}

struct err *
durable_symlink (int dirfd, const char *name, const char *target)
{
  char tmp[64];
  int bad = EEXIST;
  for (int i = 0; i < TRIES && bad == EEXIST; i++) {
    beside (tmp, sizeof tmp);
    bad = symlinkat (target, dirfd, tmp) == 0 ? 0 : errno;
  }
  if (bad == 0 && renameat (dirfd, tmp, dirfd, name) != 0) {
    bad = errno;
    unlinkat (dirfd, tmp, 0);
  }
  if (bad != 0)
    return failed (bad, "cannot make the link", name);
  return durable_sync_dir (dirfd);
}

struct err *
durable_mkdir (int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid,
               bool *made)
{
  *made = mkdirat (dirfd, name, 0700) == 0;
  if (!*made && errno != EEXIST)
    return failed (errno, "cannot make the directory", name);
  CLEANUP_FD int fd
      = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return failed (!*made && (errno == ENOTDIR || errno == ELOOP) ? EEXIST
                                                                  : errno,
                   "cannot make the directory", name);
  if (!*made)
    return NULL;
  if (fchown (fd, uid, gid) != 0 || fchmod (fd, mode & 07777) != 0)
    return failed (errno, "cannot set owner and mode of", name);
  TRY (durable_sync_dir (fd));
  return durable_sync_dir (dirfd);
}

static struct err *
make_below (int at, const char *name, mode_t mode)
{
  bool made;
  CLEANUP_FD int dir = openat (at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return failed (errno, "cannot make the directory", name);
  return durable_mkdir (dir, name, mode, geteuid (), getegid (), &made);
}

/* What is there is passed through without being opened: a process that may
 * not read it still can. */
struct err *
durable_mkdirs (const char *path, mode_t mode)
{
  static const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  CLEANUP_FD int at = open (*path == '/' ? "/" : ".", flags);
  if (at < 0)
    return failed (errno, "cannot open the start of", path);
  for (const char *p = path + strspn (path, "/"); *p != '\0';) {
    size_t len = strcspn (p, "/");
    CLEANUP_FREE char *name = mem_strndup (p, len);
    int next = openat (at, name, flags);
    if (next < 0 && errno == ENOENT) {
      TRY (make_below (at, name, mode));
      next = openat (at, name, flags);
    }
    if (next < 0)
      return failed (errno, "cannot make the directory", path);
    close (at);
    at = next;
    p += len + strspn (p + len, "/");
  }
  return NULL;
}

struct err *
durable_put (const char *path, const void *data, size_t len)
{
  const char *slash = strrchr (path, '/');
  CLEANUP_FREE char *dir = slash == NULL ? mem_strdup (".")
                           : slash == path
                               ? mem_strdup ("/")
                               : mem_strndup (path, (size_t)(slash - path));
  CLEANUP_FD int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return failed (errno, "cannot open the directory", dir);
  struct durable_file f = {
    .data = data, .len = len, .mode = 0600, .uid = geteuid (), .gid = getegid ()
  };
  return durable_write (fd, slash == NULL ? path : slash + 1, &f);
}

struct err *
durable_rename (int from_dir, const char *from, int to_dir, const char *to,
                bool replace)
{
  int bad = move (from_dir, from, to_dir, to, replace);
  if (bad != 0)
    return failed (bad, "cannot move to", to);
  TRY (durable_sync_dir (to_dir));
  return durable_sync_dir (from_dir);
}

struct err *
durable_remove (int dirfd, const char *name, bool *removed)
{
  *removed = true;
  if (unlinkat (dirfd, name, 0) != 0
      && ((errno != EISDIR && errno != EPERM)
          || unlinkat (dirfd, name, AT_REMOVEDIR) != 0))
  {
    *removed = false;
    if (errno == ENOENT)
      return NULL;
    return failed (errno, "cannot remove", name);
  }
  return durable_sync_dir (dirfd);
}

static void
close_dir (DIR **d)
{
  if (*d != NULL)
    closedir (*d);
}

static struct err *empty (int dirfd, dev_t dev, int depth);

static struct err *
remove_entry (int dirfd, const char *name, dev_t dev, int depth)
{
  if (unlinkat (dirfd, name, 0) == 0 || errno == ENOENT)
    return NULL;
  if (errno != EISDIR && errno != EPERM)
    return failed (errno, "cannot remove", name);
  CLEANUP_FD int fd
      = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return failed (errno, "cannot remove", name);
  TRY (empty (fd, dev, depth + 1));
  if (unlinkat (dirfd, name, AT_REMOVEDIR) != 0)
    return failed (errno, "cannot remove", name);
  return NULL;
}

static struct err *
empty (int dirfd, dev_t dev, int depth)
{
  struct stat st;
  if (fstat (dirfd, &st) != 0 || st.st_dev != dev)
    return err_new (ERR_REFUSED, "RH-FILE-MOUNT",
                    "another filesystem is mounted below");
  if (depth > DEPTH_MAX)
    return err_new (ERR_REFUSED, "RH-LIMIT", "directories too deep to remove");
  int held = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);
  CLEANUP (close_dir) DIR *dir = held < 0 ? NULL : fdopendir (held);
  if (dir == NULL)
    return err_sys (errno, "RH-FILE-WRITE", "cannot list a directory");
  for (struct dirent *e; (e = readdir (dir)) != NULL;)
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0)
      TRY (remove_entry (dirfd, e->d_name, dev, depth));
  return NULL;
}

struct err *
durable_remove_tree (int dirfd, const char *name, bool *removed)
{
  *removed = false;
  CLEANUP_FD int fd
      = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return NULL;
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
    return durable_remove (dirfd, name, removed);
  struct stat above, st;
  if (fd < 0 || fstat (fd, &st) != 0 || fstat (dirfd, &above) != 0)
    return failed (errno, "cannot remove", name);
  if (st.st_dev != above.st_dev)
    return err_new (ERR_REFUSED, "RH-FILE-MOUNT", "it is a mount point");
  TRY (empty (fd, st.st_dev, 0));
  return durable_remove (dirfd, name, removed);
}
