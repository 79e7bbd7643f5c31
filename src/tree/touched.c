/* SPDX-License-Identifier: Apache-2.0 */
/* A line with the boot's id, then paths with a NUL byte behind each. */
#include "tree/touched.h"

#include "base/mem.h"
#include "tree/entry.h"
#include "tree/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BOOT_LEN 37 /* with its newline */

static struct err *
read_boot (char out[BOOT_LEN])
{
  static const char path[] = "/proc/sys/kernel/random/boot_id";
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read (fd, out, BOOT_LEN) != BOOT_LEN)
    return err_sys (errno, "RH-TREE-INDEX", "cannot read %s", path);
  return NULL;
}

static struct err *
write_file (const char *path, const struct buf *paths)
{
  char boot[BOOT_LEN];
  TRY (read_boot (boot));
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write (fd, boot, BOOT_LEN) != BOOT_LEN
      || (paths->len > 0
          && write (fd, paths->data, paths->len) != (ssize_t)paths->len))
    return err_sys (errno, "RH-TREE-INDEX", "cannot write %s", path);
  return NULL;
}

static struct err *
file_of (const char *index_dir, const char *index, char **out)
{
  return index_path (index_dir, index, "touched", out);
}

struct err *
touched_begin (const char *index_dir, const char *index, struct touched *out)
{
  out->known = true;
  out->paths.max = TOUCHED_MAX + 2;
  return file_of (index_dir, index, &out->path);
}

/* *known false where there is none, or one of another boot. */
static struct err *
read_file (const char *path, struct buf *out, bool *known)
{
  char boot[BOOT_LEN], its[BOOT_LEN];
  *known = false;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  out->max = TOUCHED_MAX + 2;
  if (fd < 0)
    return NULL;
  TRY (read_boot (boot));
  if (read (fd, its, BOOT_LEN) != BOOT_LEN || memcmp (boot, its, BOOT_LEN) != 0)
    return NULL;
  unsigned char *room;
  TRY (buf_reserve (out, TOUCHED_MAX + 1, &room));
  ssize_t n = read (fd, room, TOUCHED_MAX + 1);
  if (n < 0 || (size_t)n > TOUCHED_MAX || (n > 0 && room[n - 1] != 0))
    return NULL;
  out->len = (size_t)n;
  *known = true;
  return NULL;
}

struct err *
touched_take (const char *index_dir, const char *index, struct touched *out)
{
  TRY (file_of (index_dir, index, &out->path));
  TRY (read_file (out->path, &out->paths, &out->known));
  if (unlink (out->path) != 0 && errno != ENOENT)
    return err_sys (errno, "RH-TREE-INDEX", "cannot remove %s", out->path);
  return NULL;
}

void
touched_add (struct touched *t, const char *path, size_t len)
{
  if (!t->known)
    return;
  t->known = t->paths.len + len + 1 <= TOUCHED_MAX;
  struct err *e = t->known ? buf_put (&t->paths, path, len) : NULL;
  if (e == NULL && t->known)
    e = buf_put_u8 (&t->paths, 0);
  t->known &= e == NULL;
  err_free (e);
}

struct err *
touched_save (const struct touched *t)
{
  return t->known ? write_file (t->path, &t->paths) : NULL;
}

void
touched_free (struct touched *t)
{
  free (t->path);
  buf_free (&t->paths);
}

struct err *
touched_read (const char *index_dir, const char *index, bool *known,
              struct hints *out)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_BUF struct buf paths = BUF_INIT;
  TRY (file_of (index_dir, index, &path));
  TRY (read_file (path, &paths, known));
  for (size_t at = 0; *known && at < paths.len;) {
    const char *one = (const char *)paths.data + at;
    size_t len = strlen (one);
    hints_add (out, one, len, false);
    at += len + 1;
  }
  return NULL;
}
