/* SPDX-License-Identifier: Apache-2.0 */
/* getdents, sorted by bytes, and statx. */
#include "tree/scan.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "tree/stat.h"
#include "tree/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int
by_bytes (const void *a, const void *b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Reads all names of a directory: 0 or an errno. */
static int
read_names (int fd, struct buf *names, size_t *count)
{
  _Alignas (struct dirent64) char block[65536];
  *count = 0;
  for (;;) {
    ssize_t got = getdents64 (fd, block, sizeof block);
    if (got <= 0)
      return got < 0 ? errno : 0;
    for (ssize_t at = 0; at < got;) {
      const struct dirent64 *d = (const struct dirent64 *)(block + at);
      at += d->d_reclen;
      const char *n = d->d_name;
      if (n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0)))
        continue;
      CLEANUP_ERR struct err *e = buf_put (names, n, strlen (n) + 1);
      if (e != NULL)
        return E2BIG;
      (*count)++;
    }
  }
}

static void
sort_names (struct listing *l)
{
  l->sorted = mem_resize (NULL, l->n + 1, sizeof *l->sorted);
  const char *p = l->names;
  bool sorted = true;
  for (size_t i = 0; i < l->n; i++) {
    l->sorted[i] = p;
    sorted = sorted && (i == 0 || strcmp (l->sorted[i - 1], p) < 0);
    p += strlen (p) + 1;
  }
  if (!sorted)
    qsort (l->sorted, l->n, sizeof *l->sorted, by_bytes);
}

int
scan_dir (int dirfd, const char *name, uint64_t dev, uint64_t ino, size_t max,
          struct listing *out)
{
  *out = (struct listing){ .fd = -1 };
  CLEANUP_FD int fd = tree_open (dirfd, name, O_RDONLY | O_DIRECTORY);
  if (fd < 0)
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? ESTALE
                                                                 : errno;
  struct stat now;
  if (fstat (fd, &now) < 0 || now.st_ino != ino || now.st_dev != dev)
    return ESTALE; /* another directory has its name by now */
  struct buf names = { .max = max };
  int bad = read_names (fd, &names, &out->n);
  if (bad != 0) {
    buf_free (&names);
    return bad;
  }
  out->fd = tree_take_fd (&fd);
  out->names = (char *)names.data;
  sort_names (out);
  return 0;
}

void
listing_free (struct listing *l)
{
  if (l->fd >= 0)
    close (l->fd);
  free (l->names);
  free (l->sorted);
  *l = (struct listing){ .fd = -1 };
}

void
scan_looks (const struct listing *l, size_t from, struct looks *out)
{
  struct timespec t;
  size_t n = l->n - from < LOOKS_MAX ? l->n - from : LOOKS_MAX;
  clock_gettime (CLOCK_REALTIME, &t);
  *out = (struct looks){ .from = from,
                         .n = n,
                         .at = { t.tv_sec, (uint32_t)t.tv_nsec },
                         .v = mem_resize (NULL, n + 1, sizeof *out->v) };
  for (size_t i = 0; i < n; i++) {
    struct looked *k = &out->v[i];
    k->mount = false;
    k->bad = tree_stat (l->fd, l->sorted[from + i], &k->entry, &k->mount);
  }
}

void
looks_free (struct looks *l)
{
  free (l->v);
  *l = (struct looks){ 0 };
}
