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
#include <sys/statvfs.h>

/* The nearest part of `path` that exists, links resolved. */
static char *
existing (const char *path)
{
  CLEANUP_FREE char *at = mem_strdup (path);
  for (;;) {
    char *real = realpath (at, NULL);
    if (real != NULL || (errno != ENOENT && errno != ENOTDIR))
      return real;
    char *slash = strrchr (at, '/');
    if (slash == NULL || slash[1] == '\0')
      return NULL;
    slash[slash == at ? 1 : 0] = '\0';
  }
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
  CLEANUP_FREE char *real = existing (path);
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
}
