/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Project ids (ext4 with the project feature, XFS): whose quota a file or
 * directory counts for, and whether a directory hands its own down to what is
 * made in it (FS_XFLAG_PROJINHERIT).  A kernel or filesystem without them says
 * 0 and false.
 */
#ifndef REHOME_TREE_PROJECT_H
#define REHOME_TREE_PROJECT_H

#include "tree/entry.h"

/* Fills in the entry's project and marks from its open file. */
void project_read (int fd, struct tree_entry *e);
/* Makes those of an open file the entry's: 0 or an errno. */
int project_set (int fd, const struct tree_entry *e);
/* A directory that hands its project down takes no name of a file of another
 * project (EXDEV): stops that, and says whether it has to be allowed again. */
bool project_loosen (int dirfd);
void project_tighten (int dirfd);

#endif
