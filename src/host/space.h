/* SPDX-License-Identifier: Apache-2.0 */
/* How much room there is where a path lies, or would lie. */
#ifndef REHOME_HOST_SPACE_H
#define REHOME_HOST_SPACE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct space_info {
  uint64_t bytes_free; /* for an ordinary user: without reserved blocks */
  uint64_t bytes_total;
  uint64_t inodes_free; /* UINT64_MAX: the filesystem has no such limit */
  char *fstype;
  char *source;
  char *mount;
  char *inner; /* the whole path as its filesystem has it: through bind mounts
                  and links, and also where it does not exist yet */
  char device[32]; /* "8:1": equal for two paths on one filesystem */
  bool readonly;
};

/* `path` is absolute; the nearest directory that exists is taken.  The caller
 * frees with space_free in any case.  "RH-HOST-SPACE". */
struct err *space_of (const char *path, struct space_info *out);
void space_free (struct space_info *s);

#endif
