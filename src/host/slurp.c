/* SPDX-License-Identifier: Apache-2.0 */
#include "host/slurp.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int
slurp_fd (int fd, size_t max, struct buf *out)
{
  unsigned char chunk[16384];
  size_t total = 0;
  for (;;) {
    ssize_t got = read (fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return errno;
    if (got == 0)
      return 0;
    total += (size_t)got;
    if (total > max)
      return EFBIG;
    CLEANUP_ERR struct err *full = buf_put (out, chunk, (size_t)got);
    if (full != NULL)
      return EFBIG;
  }
}

int
slurp_at (int dirfd, const char *path, size_t max, struct buf *out)
{
  CLEANUP_FD int fd = openat (dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  return fd < 0 ? errno : slurp_fd (fd, max, out);
}

char *
slurp_line (const char *path)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (slurp_at (AT_FDCWD, path, 65536, &b) != 0)
    return NULL;
  size_t len = 0;
  while (len < b.len && b.data[len] != '\n')
    len++;
  if (len > 0 && memchr (b.data, '\0', len) != NULL)
    return NULL;
  return strndup (b.data == NULL ? "" : (const char *)b.data, len);
}
