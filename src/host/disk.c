/* SPDX-License-Identifier: Apache-2.0 */
/* One line of /proc/diskstats, read again and again. */
#include "host/disk.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define STATS_MAX ((size_t)256 << 10)

/* The device that the mount below a path names as its source; 0: none. */
static dev_t
source_of (const char *path)
{
  struct mounts all = { 0 };
  struct stat st;
  dev_t found = 0;
  CLEANUP_FREE char *real = realpath (path, NULL);
  if (real != NULL && mounts_read (0, &all) == 0) {
    const struct mount *m = mounts_of_path (&all, real);
    if (m != NULL && m->source[0] == '/' && stat (m->source, &st) == 0
        && S_ISBLK (st.st_mode))
      found = st.st_rdev;
  }
  mounts_free (&all);
  return found;
}

void
disk_open (const char *path, struct disk *out)
{
  struct stat st;
  *out = (struct disk){ .fd = -1 };
  if (stat (path, &st) < 0)
    return;
  dev_t dev = major (st.st_dev) == 0 ? source_of (path) : st.st_dev;
  out->major = major (dev);
  out->minor = minor (dev);
  if (out->major != 0)
    out->fd = open ("/proc/diskstats", O_RDONLY | O_CLOEXEC);
}

bool
disk_read (struct disk *d, struct disk_counts *out)
{
  CLEANUP_FREE char *text = mem_alloc (STATS_MAX + 1);
  size_t len = 0;
  ssize_t n = 0;
  while (d->fd >= 0 && len < STATS_MAX
         && (n = pread (d->fd, text + len, STATS_MAX - len, (off_t)len)) > 0)
    len += (size_t)n;
  char *at = NULL;
  for (char *l = strtok_r (text, "\n", &at); l != NULL;
       l = strtok_r (NULL, "\n", &at))
  {
    unsigned ma, mi;
    unsigned long long reads, read_ms, writes, write_ms;
    if (sscanf (l, "%u %u %*s %llu %*u %*u %llu %llu %*u %*u %llu", &ma, &mi,
                &reads, &read_ms, &writes, &write_ms)
            == 6
        && ma == d->major && mi == d->minor)
    {
      *out = (struct disk_counts){ reads + writes, read_ms + write_ms };
      return true;
    }
  }
  return false;
}

void
disk_close (struct disk *d)
{
  if (d->fd >= 0)
    close (d->fd);
  d->fd = -1;
}
