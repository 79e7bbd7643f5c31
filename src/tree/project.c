/* SPDX-License-Identifier: Apache-2.0 */
/* Project ids by FS_IOC_FSGETXATTR. */
#include "tree/project.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

void
project_read (int fd, struct tree_entry *e)
{
  struct fsxattr x;
  e->marks &= (uint8_t)~(TREE_PROJECT | TREE_INHERIT);
  e->project = 0;
  if (ioctl (fd, FS_IOC_FSGETXATTR, &x) < 0)
    return;
  e->project = x.fsx_projid;
  if (x.fsx_projid != 0)
    e->marks |= TREE_PROJECT;
  if (e->type == TREE_DIR && (x.fsx_xflags & FS_XFLAG_PROJINHERIT))
    e->marks |= TREE_INHERIT;
}

int
project_set (int fd, const struct tree_entry *e)
{
  struct fsxattr x;
  uint32_t want = e->marks & TREE_PROJECT ? e->project : 0;
  bool inherit = (e->marks & TREE_INHERIT) != 0;
  if (ioctl (fd, FS_IOC_FSGETXATTR, &x) < 0)
    return want != 0 || inherit ? errno : 0;
  bool has = (x.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
  if (x.fsx_projid == want && has == inherit)
    return 0;
  x.fsx_projid = want;
  if (has != inherit)
    x.fsx_xflags ^= FS_XFLAG_PROJINHERIT;
  return ioctl (fd, FS_IOC_FSSETXATTR, &x) < 0 ? errno : 0;
}

bool
project_loosen (int dirfd)
{
  struct fsxattr x;
  if (ioctl (dirfd, FS_IOC_FSGETXATTR, &x) < 0
      || !(x.fsx_xflags & FS_XFLAG_PROJINHERIT))
    return false;
  x.fsx_xflags &= ~(unsigned)FS_XFLAG_PROJINHERIT;
  return ioctl (dirfd, FS_IOC_FSSETXATTR, &x) == 0;
}

void
project_tighten (int dirfd)
{
  struct fsxattr x;
  if (ioctl (dirfd, FS_IOC_FSGETXATTR, &x) < 0)
    return;
  x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  (void)ioctl (dirfd, FS_IOC_FSSETXATTR, &x);
}
