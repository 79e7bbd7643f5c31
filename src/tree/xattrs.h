/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes as one canonical set of bytes, sorted by name:
 *   u8 length of the name, name, u32 length of the value, value ...
 * Carried: user.*, trusted.*, security.* (but security.evm and security.ima,
 * which belong to one inode), and the two POSIX ACL attributes.
 */
#ifndef REHOME_TREE_XATTRS_H
#define REHOME_TREE_XATTRS_H

#include "base/buf.h"
#include "tree/idmap.h"

#include <stdbool.h>

/* Reads them from an open file or directory. */
struct err *xattrs_read_fd (int fd, struct buf *out);
/* Of a name below a directory, never following it (links, fifos, devices). */
struct err *xattrs_read_at (int dirfd, const char *name, struct buf *out);

struct xattr_view {
  const char *name; /* not NUL-terminated */
  size_t name_len;
  const unsigned char *value;
  size_t value_len;
};
/* Steps through a set; false at the end.  The set has been checked. */
bool xattrs_next (struct cursor *c, struct xattr_view *out);
/* Checks a set that came from elsewhere: names allowed, sorted, bounded. */
struct err *xattrs_check (const unsigned char *set, size_t len);
/* The set with the ids in its ACLs mapped and their entries in order. */
struct err *xattrs_map (const unsigned char *set, size_t len,
                        const struct idmaps *maps, struct buf *out);

/* Makes the file's attributes those of the set: sets what differs or is
 * absent, removes what else is carried.  *lost: names that the filesystem
 * does not take (comma-separated, caller frees) or NULL. */
struct err *xattrs_apply_fd (int fd, const unsigned char *set, size_t len,
                             char **lost);
struct err *xattrs_apply_at (int dirfd, const char *name,
                             const unsigned char *set, size_t len, char **lost);

#endif
