/* SPDX-License-Identifier: Apache-2.0 */
/* A small file in one go; see small_file.h. */
#include "tree/small_file.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "host/write_all.h"
#include "tree/apply.h"
#include "tree/meta.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static struct err *
check (const struct tree_entry *e, const void *data, size_t len,
       const unsigned char xxh[16])
{
  XXH128_canonical_t c;
  XXH128_canonicalFromHash (&c, XXH3_128bits (data, len));
  if (memcmp (c.digest, xxh, 16) == 0)
    return NULL;
  CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
  return err_new (ERR_TRANSIENT, "RH-TREE-CORRUPT",
                  "\"%s\" did not arrive as it was read", shown);
}

static int
make (int dirfd, const char *name, uint32_t mode)
{
  const int flags
      = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  int fd = openat (dirfd, name, flags, mode);
  if (fd >= 0 || errno != EEXIST)
    return fd;
  errno = apply_remove_any (dirfd, name);
  return errno == 0 ? openat (dirfd, name, flags, mode) : -1;
}

struct err *
small_file_write (const struct small_file_us *us, int dirfd, bool plain,
                  const struct tree_entry *e, const void *data, size_t len,
                  const unsigned char xxh[16], char **lost)
{
  const char *name = e->path + tree_path_leaf (e->path, e->path_len);
  bool ours = plain && e->uid == us->uid && e->gid == us->gid;
  /* Only who may read it in the end may do so before. */
  bool made = ours && (e->mode & 07000) == 0 && e->xattrs_len == 0
              && (e->mode & us->mask) == 0;
  TRY (check (e, data, len, xxh));
  CLEANUP_FD int fd = make (dirfd, name, made ? e->mode : 0600);
  if (fd < 0)
    return apply_write_err (errno, "make", e->path, e->path_len, 0);
  int bad = write_all (fd, data, len);
  if (bad != 0)
    return apply_write_err (bad, "write", e->path, e->path_len, 0);
  /* Owner and mode are a transaction of the filesystem each. */
  struct err *refused = made    ? meta_set_times (fd, e)
                        : plain ? meta_apply_new (fd, e, lost)
                                : meta_apply_fd (fd, e, lost);
  if (refused != NULL) {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_wrap (refused, "\"%s\"", shown);
  }
  bad = close (tree_take_fd (&fd)) < 0 ? errno : 0;
  return bad == 0 ? NULL
                  : apply_write_err (bad, "write", e->path, e->path_len, 0);
}
