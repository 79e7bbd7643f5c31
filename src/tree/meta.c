/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata on the target. */
#include "tree/meta.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "tree/project.h"
#include "tree/walk.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static struct err *
refused (const char *what)
{
  return err_sys (errno, "RH-TREE-META", "cannot set the %s", what);
}

static void
times_of (const struct tree_entry *e, struct timespec out[2])
{
  out[0] = (struct timespec){ 0, UTIME_OMIT };
  if (e->marks & TREE_ATIME)
    out[0] = (struct timespec){ e->atime.sec, e->atime.nsec };
  out[1] = (struct timespec){ e->mtime.sec, e->mtime.nsec };
}

struct err *
meta_set_mtime (int fd, struct tree_time mtime)
{
  const struct timespec t[2] = { { 0, UTIME_OMIT }, { mtime.sec, mtime.nsec } };
  return futimens (fd, t) < 0 ? refused ("time") : NULL;
}

/* A filesystem without owners says one of these, also to root. */
static bool
is_lacking (int errnum)
{
  return errnum == EPERM || errnum == EOPNOTSUPP || errnum == EINVAL;
}

static void
note_lost (char **lost, const char *name)
{
  char *both
      = *lost == NULL ? mem_strdup (name) : mem_printf ("%s,%s", *lost, name);
  free (*lost);
  *lost = both;
}

uint32_t
meta_umask (void)
{
  static _Atomic int known = -1;
  int mask = atomic_load (&known);
  if (mask < 0) {
    mask = (int)umask (077);
    umask ((mode_t)mask);
    atomic_store (&known, mask);
  }
  return (uint32_t)mask;
}

/* Where the filesystem has no owners or modes it is said in *lost. */
static struct err *
set_rights (int fd, const struct tree_entry *e, bool *owner, bool *mode)
{
  *owner = fchown (fd, e->uid, e->gid) == 0;
  if (!*owner && !is_lacking (errno))
    return refused ("owner");
  /* Without its owner a file gets no bits that speak of one. */
  *mode = fchmod (fd, *owner ? e->mode : e->mode & 01777) == 0;
  if (!*mode && !is_lacking (errno))
    return refused ("mode");
  return NULL;
}

struct err *
meta_set_times (int fd, const struct tree_entry *e)
{
  struct timespec t[2];
  times_of (e, t);
  return futimens (fd, t) < 0 ? refused ("time") : NULL;
}

struct err *
meta_apply_new (int fd, const struct tree_entry *e, char **lost)
{
  bool owner, mode;
  TRY (set_rights (fd, e, &owner, &mode));
  if (e->xattrs_len > 0)
    TRY (xattrs_apply_fd (fd, e->xattrs, e->xattrs_len, lost));
  if (!owner)
    note_lost (lost, "owner");
  if (!mode)
    note_lost (lost, "mode");
  return meta_set_times (fd, e);
}

struct err *
meta_apply_fd (int fd, const struct tree_entry *e, char **lost)
{
  bool owner, mode;
  TRY (set_rights (fd, e, &owner, &mode));
  TRY (xattrs_apply_fd (fd, e->xattrs, e->xattrs_len, lost));
  if (!owner)
    note_lost (lost, "owner");
  if (!mode)
    note_lost (lost, "mode");
  if (project_set (fd, e) != 0)
    note_lost (lost, "project");
  return meta_set_times (fd, e);
}

struct err *
meta_apply_at (int dirfd, const char *name, const struct tree_entry *e,
               char **lost)
{
  bool owner = fchownat (dirfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) == 0;
  if (!owner && !is_lacking (errno))
    return refused ("owner");
  if (e->type != TREE_LINK
      && fchmodat (dirfd, name, e->mode, AT_SYMLINK_NOFOLLOW) < 0)
    return refused ("mode");
  TRY (xattrs_apply_at (dirfd, name, e->xattrs, e->xattrs_len, lost));
  if (!owner)
    note_lost (lost, "owner");
  struct timespec t[2];
  times_of (e, t);
  if (utimensat (dirfd, name, t, AT_SYMLINK_NOFOLLOW) < 0)
    return refused ("time");
  return NULL;
}

int
meta_set_flags (int fd, uint32_t iflags)
{
  static const struct {
    uint32_t ours;
    unsigned theirs;
  } pairs[] = { { TREE_IMMUTABLE, FS_IMMUTABLE_FL },
                { TREE_APPEND, FS_APPEND_FL },
                { TREE_NODUMP, FS_NODUMP_FL } };
  unsigned have = 0;
  if (ioctl (fd, FS_IOC_GETFLAGS, &have) < 0)
    return errno;
  unsigned want = have;
  for (size_t i = 0; i < 3; i++)
    want = iflags & pairs[i].ours ? want | pairs[i].theirs
                                  : want & ~pairs[i].theirs;
  if (want != have && ioctl (fd, FS_IOC_SETFLAGS, &want) < 0)
    return errno;
  return 0;
}

void
meta_unlock (int dirfd, const char *name)
{
  struct tree_entry e;
  if (tree_stat (dirfd, name, &e, NULL) != 0 || e.iflags == 0)
    return;
  CLEANUP_FD int fd = tree_open (dirfd, name, O_RDONLY);
  if (fd >= 0)
    meta_set_flags (fd, 0);
}
