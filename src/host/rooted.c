/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rooted.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Of linux/openat2.h, so that old kernel headers do. */
struct how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
enum { HOW_NO_SYMLINKS = 0x04, HOW_BENEATH = 0x08 };
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static atomic_bool no_openat2;

/* The length of the component at `p`, or an errno where it is not one. */
static int
component (const char *p, size_t *len)
{
  *len = strcspn (p, "/");
  if (*len == 0 || (*len == 2 && p[0] == '.' && p[1] == '.'))
    return EXDEV;
  return *len > NAME_MAX ? ENAMETOOLONG : 0;
}

static int
check (const char *path)
{
  size_t len;
  while (*path != '\0') {
    int bad = component (path, &len);
    if (bad != 0)
      return bad;
    path += len;
    if (*path == '\0')
      return 0;
    path++;
    if (*path == '\0')
      return EXDEV;
  }
  return 0;
}

/* Opens one component.  A symbolic link in the way of O_DIRECTORY is ENOTDIR
 * on some kernels and ELOOP on others; it is always ELOOP here. */
static int
step (int dir, const char *name, int flags, mode_t mode, int *fd)
{
  *fd = openat (dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  if (*fd >= 0)
    return 0;
  int saved = errno;
  struct stat st;
  if (saved == ENOTDIR && fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
      && S_ISLNK (st.st_mode))
    return ELOOP;
  return saved;
}

static int
walk (int root, const char *path, int flags, mode_t mode, int *fd)
{
  CLEANUP_FD int held = -1;
  int at = root;
  for (;;) {
    char name[NAME_MAX + 1];
    size_t len = strcspn (path, "/");
    memcpy (name, path, len);
    name[len] = '\0';
    path += len;
    if (*path == '\0')
      return step (at, name, flags, mode, fd);
    int next = -1;
    int bad = step (at, name, O_PATH | O_DIRECTORY, 0, &next);
    if (bad != 0)
      return bad;
    if (held >= 0)
      close (held);
    held = at = next;
    path++;
  }
}

static int
by_kernel (int root, const char *path, int flags, mode_t mode, int *fd)
{
  struct how how = {
    .flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
    .resolve = HOW_BENEATH | HOW_NO_SYMLINKS,
  };
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
    how.mode = mode & 07777;
  long got;
  do
    got = syscall (SYS_openat2, root, path, &how, sizeof how);
  while (got < 0 && (errno == EAGAIN || errno == EINTR));
  *fd = (int)got;
  return got < 0 ? errno : 0;
}

int
rooted_try (int root, const char *path, int flags, mode_t mode, int *fd)
{
  *fd = -1;
  int bad = check (path);
  if (bad != 0)
    return bad;
  if (*path == '\0')
    path = ".";
  if (!atomic_load (&no_openat2) && strlen (path) < PATH_MAX) {
    bad = by_kernel (root, path, flags, mode, fd);
    /* EPERM is what some seccomp filters answer for what they do not know:
     * then the walk says what is true of this path.  ENOTDIR may be a link
     * at the end: the walk tells them apart. */
    if (bad != ENOSYS && bad != EPERM && bad != ENOTDIR)
      return bad;
    if (bad == ENOSYS)
      atomic_store (&no_openat2, true);
  }
  return walk (root, path, flags, mode, fd);
}

static struct err *
failed (int bad, const char *path)
{
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  if (bad == EXDEV)
    return err_new (ERR_REFUSED, "RH-PATH-ESCAPE",
                    "'%s' does not stay below its directory", shown);
  if (bad == ELOOP)
    return err_sys (bad, "RH-PATH-SYMLINK", "'%s' has a symbolic link in it",
                    shown);
  return err_sys (bad, "RH-PATH-OPEN", "cannot open '%s'", shown);
}

struct err *
rooted_open (int root, const char *path, int flags, mode_t mode, int *fd)
{
  int bad = rooted_try (root, path, flags, mode, fd);
  return bad == 0 ? NULL : failed (bad, path);
}

struct err *
rooted_parent (int root, const char *path, int *dirfd, const char **leaf)
{
  *dirfd = -1;
  int bad = check (path);
  if (bad == 0 && (*path == '\0' || strcmp (path, ".") == 0))
    bad = EXDEV;
  if (bad != 0)
    return failed (bad, path);
  const char *slash = strrchr (path, '/');
  *leaf = slash == NULL ? path : slash + 1;
  CLEANUP_FREE char *above = slash == NULL
                                 ? mem_strdup (".")
                                 : mem_strndup (path, (size_t)(slash - path));
  return rooted_open (root, above, O_RDONLY | O_DIRECTORY, 0, dirfd);
}

/* A path longer than PATH_MAX is walked; each piece follows links as the
 * system does, the last one does not. */
static int
open_long (const char *path, int *fd)
{
  CLEANUP_FD int held = -1;
  int at = AT_FDCWD;
  while (strlen (path) >= PATH_MAX) {
    char piece[PATH_MAX];
    size_t len = PATH_MAX - 1;
    while (len > 0 && path[len] != '/')
      len--;
    if (len == 0)
      return ENAMETOOLONG;
    memcpy (piece, path, len);
    piece[len] = '\0';
    int next = openat (at, piece, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (next < 0)
      return errno;
    if (held >= 0)
      close (held);
    held = at = next;
    path += len + strspn (path + len, "/");
  }
  return step (at, *path == '\0' ? "." : path, O_RDONLY | O_DIRECTORY, 0, fd);
}

struct err *
rooted_open_root (const char *path, int *fd)
{
  /* A trailing slash would make the kernel follow a link at the end. */
  size_t len = strlen (path);
  while (len > 1 && path[len - 1] == '/')
    len--;
  CLEANUP_FREE char *clean = mem_strndup (path, len);
  *fd = -1;
  int bad = open_long (clean, fd);
  return bad == 0 ? NULL : failed (bad, path);
}

void
rooted_force_walk (bool on)
{
  atomic_store (&no_openat2, on);
}
