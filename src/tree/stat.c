/* SPDX-License-Identifier: Apache-2.0 */
/* statx, or what Linux 3.10 has in its place; see stat.h. */
#include "tree/stat.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Whether the kernel has statx, once it was asked. */
enum { UNKNOWN, HAS_IT, LACKS_IT };
static atomic_int kernel;

static enum tree_type
type_of (uint32_t mode)
{
  switch (mode & S_IFMT) {
  case S_IFREG:
    return TREE_FILE;
  case S_IFDIR:
    return TREE_DIR;
  case S_IFLNK:
    return TREE_LINK;
  case S_IFIFO:
    return TREE_FIFO;
  case S_IFSOCK:
    return TREE_SOCKET;
  case S_IFCHR:
    return TREE_CHAR;
  default:
    return TREE_BLOCK;
  }
}

static uint32_t
flags_of (uint64_t attributes)
{
  return (attributes & STATX_ATTR_IMMUTABLE ? TREE_IMMUTABLE : 0u)
         | (attributes & STATX_ATTR_APPEND ? TREE_APPEND : 0u)
         | (attributes & STATX_ATTR_NODUMP ? TREE_NODUMP : 0u);
}

static void
from_statx (const struct statx *s, struct tree_entry *e)
{
  enum tree_type type = type_of (s->stx_mode);
  bool device = type == TREE_CHAR || type == TREE_BLOCK;
  bool flags = (s->stx_attributes_mask & STATX_ATTR_IMMUTABLE) != 0
               && (type == TREE_FILE || type == TREE_DIR);
  *e = (struct tree_entry){
    .type = type,
    .marks = flags ? TREE_HAS_FLAGS : 0,
    .mode = s->stx_mode & 07777,
    .uid = s->stx_uid,
    .gid = s->stx_gid,
    .nlink = s->stx_nlink,
    .iflags = flags ? flags_of (s->stx_attributes) : 0,
    .size = type == TREE_FILE ? s->stx_size : 0,
    .dev = makedev (s->stx_dev_major, s->stx_dev_minor),
    .ino = s->stx_ino,
    .rdev = device ? makedev (s->stx_rdev_major, s->stx_rdev_minor) : 0,
    .blocks = type == TREE_FILE ? s->stx_blocks : 0,
    .mtime = { s->stx_mtime.tv_sec, s->stx_mtime.tv_nsec },
    .ctime = { s->stx_ctime.tv_sec, s->stx_ctime.tv_nsec },
    .atime = { s->stx_atime.tv_sec, s->stx_atime.tv_nsec },
    .path = "",
    .target = "",
    .link = "",
  };
}

static void
from_stat (const struct stat *s, struct tree_entry *e)
{
  enum tree_type type = type_of (s->st_mode);
  bool device = type == TREE_CHAR || type == TREE_BLOCK;
  *e = (struct tree_entry){
    .type = type,
    .mode = s->st_mode & 07777,
    .uid = s->st_uid,
    .gid = s->st_gid,
    .nlink = (uint32_t)s->st_nlink,
    .size = type == TREE_FILE ? (uint64_t)s->st_size : 0,
    .dev = s->st_dev,
    .ino = s->st_ino,
    .rdev = device ? s->st_rdev : 0,
    .blocks = type == TREE_FILE ? (uint64_t)s->st_blocks : 0,
    .mtime = { s->st_mtim.tv_sec, (uint32_t)s->st_mtim.tv_nsec },
    .ctime = { s->st_ctim.tv_sec, (uint32_t)s->st_ctim.tv_nsec },
    .atime = { s->st_atim.tv_sec, (uint32_t)s->st_atim.tv_nsec },
    .path = "",
    .target = "",
    .link = "",
  };
}

/* The C library makes statx up from fstatat where the kernel has none, so
 * the kernel itself is asked, once. */
static bool
has_statx (void)
{
  int is = atomic_load_explicit (&kernel, memory_order_relaxed);
  if (is == UNKNOWN) {
    struct statx s;
    is = syscall (SYS_statx, AT_FDCWD, "/", 0, 0, &s) == 0 ? HAS_IT : LACKS_IT;
    atomic_store (&kernel, is);
  }
  return is == HAS_IT;
}

/* 0, an errno, or ENOSYS. */
static int
try_statx (int fd, const char *name, int flags, struct statx *s)
{
  if (!has_statx ())
    return ENOSYS;
  return statx (fd, name, flags, STATX_BASIC_STATS, s) < 0 ? errno : 0;
}

static void
flags_from_fd (int fd, struct tree_entry *e)
{
  unsigned have = 0;
  if (ioctl (fd, FS_IOC_GETFLAGS, &have) < 0)
    return;
  e->marks |= TREE_HAS_FLAGS;
  e->iflags = (have & FS_IMMUTABLE_FL ? TREE_IMMUTABLE : 0u)
              | (have & FS_APPEND_FL ? TREE_APPEND : 0u)
              | (have & FS_NODUMP_FL ? TREE_NODUMP : 0u);
}

/* Inode flags without statx: the file is opened, and must be the one that was
 * looked at. */
static void
flags_from_name (int dirfd, const char *name, struct tree_entry *e)
{
  if (e->type != TREE_FILE && e->type != TREE_DIR)
    return;
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  CLEANUP_FD int fd = openat (dirfd, name, flags | O_NOATIME);
  if (fd < 0 && errno == EPERM)
    fd = openat (dirfd, name, flags);
  struct stat now;
  if (fd >= 0 && fstat (fd, &now) == 0 && now.st_dev == e->dev
      && now.st_ino == e->ino)
    flags_from_fd (fd, e);
}

/* The mount that a name lies on; -1 where the filesystem cannot tell. */
static int
mount_of (int dirfd, const char *name, int flags)
{
  struct file_handle none = { .handle_bytes = 0 };
  int id = -1;
  /* There is no room for the handle: EOVERFLOW, and the mount is told. */
  if (name_to_handle_at (dirfd, name, &none, &id, flags) < 0
      && errno != EOVERFLOW)
    return -1;
  return id;
}

/* Before Linux 5.8 statx does not tell a mount's root. */
static bool
is_mount (int dirfd, const char *name)
{
  int above = mount_of (dirfd, "", AT_EMPTY_PATH);
  int here = mount_of (dirfd, name, 0);
  return above >= 0 && here >= 0 && above != here;
}

int
tree_stat (int dirfd, const char *name, struct tree_entry *out, bool *mount)
{
  struct statx s;
  int bad = try_statx (dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, &s);
  if (bad != 0 && bad != ENOSYS)
    return bad;
  if (bad == 0)
    from_statx (&s, out);
  else {
    struct stat st;
    if (fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
      return errno;
    from_stat (&st, out);
    flags_from_name (dirfd, name, out);
  }
  if (mount == NULL)
    return 0;
  *mount = bad == 0 && (s.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0
               ? (s.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0
               : is_mount (dirfd, name);
  return 0;
}

int
tree_stat_fd (int fd, struct tree_entry *out)
{
  struct statx s;
  int bad = try_statx (fd, "", AT_EMPTY_PATH, &s);
  if (bad == 0)
    from_statx (&s, out);
  if (bad != ENOSYS)
    return bad;
  struct stat st;
  if (fstat (fd, &st) < 0)
    return errno;
  from_stat (&st, out);
  if (out->type == TREE_FILE || out->type == TREE_DIR)
    flags_from_fd (fd, out);
  return 0;
}
