/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a name or an open file, as an entry: by statx
 * where there is one (Linux 4.11), else by fstatat, FS_IOC_GETFLAGS and the
 * mount that name_to_handle_at tells.  Both give the same entry.
 *
 * Threads: any.
 */
#ifndef REHOME_TREE_STAT_H
#define REHOME_TREE_STAT_H

#include "tree/entry.h"

#include <stdbool.h>

/* Looks at `name` in `dirfd`, never following a link: 0 or an errno.  *mount
 * (may be NULL): another filesystem or another part of this one is mounted
 * there. */
int tree_stat (int dirfd, const char *name, struct tree_entry *out,
               bool *mount);
/* The same of an open file. */
int tree_stat_fd (int fd, struct tree_entry *out);

#endif
