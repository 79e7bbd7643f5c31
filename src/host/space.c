/* SPDX-License-Identifier: Apache-2.0 */
#include "host/space.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* The nearest part of `path` that exists, links resolved; what follows it is
 * *rest.  A link at the end is not followed: it is what would be copied. */
static char *
existing (const char *path, const char **rest)
{
  CLEANUP_FREE char *at = mem_strdup (path);
  struct stat st;
  for (size_t n = strlen (at); n > 1 && at[n - 1] == '/'; n--)
    at[n - 1] = '\0';
  char *last = strrchr (at, '/');
  if (last != NULL && last[1] != '\0' && lstat (at, &st) == 0
      && S_ISLNK (st.st_mode))
    last[last == at ? 1 : 0] = '\0';
  for (;;) {
    char *real = realpath (at, NULL);
    *rest = path + strlen (at);
    if (real != NULL || (errno != ENOENT && errno != ENOTDIR))
      return real;
    char *slash = strrchr (at, '/');
    if (slash == NULL || slash[1] == '\0')
      return NULL;
    slash[slash == at ? 1 : 0] = '\0';
  }
}

static char *
inner_path (const char *inner, const char *rest)
{
  size_t n = strlen (rest);
  while (*rest == '/') {
    rest++;
    n--;
  }
  while (n > 0 && rest[n - 1] == '/')
    n--;
  return mem_printf ("%s%s%.*s", strcmp (inner, "/") == 0 ? "" : inner,
                     n > 0 || strcmp (inner, "/") == 0 ? "/" : "", (int)n,
                     rest);
}

static struct err *
failed (int errnum, const char *path)
{
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  return err_sys (errnum, "RH-HOST-SPACE", "cannot tell the space at '%s'",
                  shown);
}

struct err *
space_of (const char *path, struct space_info *out)
{
  *out = (struct space_info){ .readonly = false };
  const char *rest = "";
  CLEANUP_FREE char *real = existing (path, &rest);
  struct statvfs fs;
  if (real == NULL || statvfs (real, &fs) != 0)
    return failed (errno, path);
  out->bytes_free = (uint64_t)fs.f_bavail * fs.f_frsize;
  out->bytes_total = (uint64_t)fs.f_blocks * fs.f_frsize;
  out->inodes_free = fs.f_files == 0 ? UINT64_MAX : fs.f_favail;
  out->readonly = (fs.f_flag & ST_RDONLY) != 0;
  CLEANUP (mounts_free) struct mounts mounts;
  int bad = mounts_read (0, &mounts);
  if (bad != 0)
    return failed (bad, path);
  const struct mount *m = mounts_of_path (&mounts, real);
  out->fstype = mem_strdup (m == NULL ? "" : m->fstype);
  out->source = mem_strdup (m == NULL ? "" : m->source);
  out->mount = mem_strdup (m == NULL ? "/" : m->point);
  CLEANUP_FREE char *inner
      = m != NULL ? mount_inner_path (m, real) : mem_strdup (real);
  out->inner = inner_path (inner != NULL ? inner : real, rest);
  if (m != NULL) {
    snprintf (out->device, sizeof out->device, "%u:%u", m->major, m->minor);
    out->readonly = out->readonly || m->readonly;
  }
  return NULL;
}

void
space_free (struct space_info *s)
{
  free (s->fstype);
  free (s->source);
  free (s->mount);
  free (s->inner);
}
