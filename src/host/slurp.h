/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files, as /proc and /sys have them (their size is not known
 * before they are read). */
#ifndef REHOME_HOST_SLURP_H
#define REHOME_HOST_SLURP_H

#include "base/buf.h"

/* Appends the bytes of `path` (relative to `dirfd`, AT_FDCWD allowed; links
 * are followed).  0 or an errno; EFBIG above `max`. */
int slurp_at (int dirfd, const char *path, size_t max, struct buf *out);
/* The same of an open descriptor, from where it stands. */
int slurp_fd (int fd, size_t max, struct buf *out);
/* A one-line file without its newline; NULL where it cannot be read or holds
 * a NUL byte; the caller frees. */
char *slurp_line (const char *path);

#endif
