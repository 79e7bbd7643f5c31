/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps: range, perms, offset, device, inode, path. */
#include "host/mapped.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "host/mounts.h"
#include "host/procs.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAPS_MAX ((size_t)64 << 20)

/* Memory that only looks like a file. */
static bool
is_no_file (const char *path)
{
  static const char *const kinds[]
      = { "/memfd:", "/dev/zero", "/SYSV", "/[aio]", "anon_inode:", "[" };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp (path, kinds[i], strlen (kinds[i])) == 0)
      return true;
  return path[0] == 0;
}

/* Whether the path leads to this very inode, which has no other name. */
static bool
is_only_name (const char *path, unsigned major, unsigned minor,
              unsigned long long ino)
{
  struct stat st;
  return lstat (path, &st) == 0 && st.st_ino == ino && st.st_nlink == 1
         && gnu_dev_major (st.st_dev) == major
         && gnu_dev_minor (st.st_dev) == minor;
}

static bool
maybe_line (const char *line, const char *dir, unsigned major, unsigned minor)
{
  char perms[5];
  unsigned own_major, own_minor;
  unsigned long long ino;
  int at = 0;
  if (sscanf (line, "%*s %4s %*s %x:%x %llu %n", perms, &own_major, &own_minor,
              &ino, &at)
          != 4
      || perms[1] != 'w' || perms[3] != 's')
    return false;
  const char *path = line + at;
  if (is_no_file (path))
    return false;
  if (path_is_below (path, dir))
    return true;
  /* Numbers of block devices are the same for all; others are a mount's own,
   * as of btrfs and overlays. */
  bool elsewhere = own_major != 0 && major != 0
                   && (own_major != major || own_minor != minor);
  return !elsewhere && !is_only_name (path, own_major, own_minor, ino);
}

bool
mapped_maybe_in (const char *maps, const char *dir, unsigned major,
                 unsigned minor)
{
  char line[4200];
  while (*maps != 0) {
    size_t len = strcspn (maps, "\n");
    size_t n = len < sizeof line ? len : sizeof line - 1;
    const char *s = memchr (maps, ' ', len);
    if (s != NULL && len > 5 && s[2] == 'w' && s[4] == 's') {
      memcpy (line, maps, n);
      line[n] = 0;
      if (n < len || maybe_line (line, dir, major, minor))
        return true;
    }
    maps += len + (maps[len] != 0);
  }
  return false;
}

bool
mapped_maybe_below (const char *dir)
{
  struct pids pids = { .list = { NULL, 0, 0 } };
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MAPS_MAX);
  struct stat st;
  bool maybe = stat (dir, &st) != 0 || pids_list ("/proc", &pids) != 0;
  for (size_t i = 0; !maybe && i < pids.list.n; i++) {
    char path[64];
    snprintf (path, sizeof path, "/proc/%d/maps", (int)pids.list.v[i]);
    buf_reset (&text);
    int bad = slurp_at (AT_FDCWD, path, MAPS_MAX, &text);
    if (bad == EFBIG)
      maybe = true;
    else if (bad == 0 && text.len > 0)
      maybe = mapped_maybe_in ((const char *)text.data, dir,
                               gnu_dev_major (st.st_dev),
                               gnu_dev_minor (st.st_dev));
  }
  VEC_FREE (&pids.list);
  return maybe;
}
