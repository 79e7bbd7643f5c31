/* SPDX-License-Identifier: Apache-2.0 */
/* Preallocation by FIEMAP and fallocate. */
#include "tree/prealloc.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define EXTENTS 128         /* a call */
#define STRETCHES_MAX 65536 /* of one file */
#define SMALL ((uint64_t)1 << 20)
#define SLACK 65536 /* the end of the last block, and what holds attributes */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

bool
prealloc_likely (uint64_t size, uint64_t blocks)
{
  return blocks > 0 && (size >= SMALL || blocks * 512 > size + SLACK);
}

/* XFS allocates ahead of a writer; what a person asked for it marks. */
static bool
ahead_of_writer (int fd)
{
  struct statfs s;
  struct fsxattr x;
  return fstatfs (fd, &s) == 0 && s.f_type == XFS_SUPER_MAGIC
         && (ioctl (fd, FS_IOC_FSGETXATTR, &x) < 0
             || !(x.fsx_xflags & FS_XFLAG_PREALLOC));
}

static void
add (struct prealloc *p, uint64_t at, uint64_t len)
{
  struct stretch *last = p->n > 0 ? &p->v[p->n - 1] : NULL;
  if (last != NULL && last->at + last->len == at) {
    last->len += len;
    return;
  }
  if (p->n == p->cap) {
    p->cap = p->cap > 0 ? 2 * p->cap : 16;
    p->v = mem_resize (p->v, p->cap, sizeof *p->v);
  }
  p->v[p->n++] = (struct stretch){ at, len };
}

void
prealloc_find (int fd, uint64_t size, struct prealloc *out)
{
  struct {
    struct fiemap map;
    struct fiemap_extent extents[EXTENTS];
  } m;
  uint64_t at = 0;
  bool last = false;
  out->n = 0;
  while (!last && out->n < STRETCHES_MAX) {
    memset (&m.map, 0, sizeof m.map);
    m.map.fm_start = at;
    m.map.fm_length = FIEMAP_MAX_OFFSET - at;
    m.map.fm_extent_count = EXTENTS;
    if (ioctl (fd, FS_IOC_FIEMAP, &m) < 0 || m.map.fm_mapped_extents == 0)
      break;
    for (unsigned i = 0; i < m.map.fm_mapped_extents; i++) {
      const struct fiemap_extent *e = &m.extents[i];
      if (e->fe_flags & FIEMAP_EXTENT_UNWRITTEN)
        add (out, e->fe_logical, e->fe_length);
      at = e->fe_logical + e->fe_length;
      last = last || (e->fe_flags & FIEMAP_EXTENT_LAST);
    }
  }
  if (out->n == 0 || !ahead_of_writer (fd))
    return;
  while (out->n > 0 && out->v[out->n - 1].at >= size)
    out->n--;
}

int
prealloc_apply (int fd, uint64_t at, uint64_t len, bool *lost)
{
  *lost = false;
  if (fallocate (fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len) == 0)
    return 0;
  *lost = errno == EOPNOTSUPP || errno == ENOSYS;
  return *lost ? 0 : errno;
}

void
prealloc_free (struct prealloc *p)
{
  free (p->v);
  *p = (struct prealloc){ 0 };
}
