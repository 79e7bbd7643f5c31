/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory that holds an absolute path, on a system whose own
 * directories may be symbolic links (/lib, /var/run), without following a
 * link that somebody else than root (or this user) made: one who owns a
 * directory on the way cannot lead a write elsewhere.  The last component is
 * never followed.
 */
#ifndef REHOME_HOST_CHASE_H
#define REHOME_HOST_CHASE_H

#include "base/err.h"

#include <stdbool.h>

/* With `make` directories that are missing are made: this user's, 0755.
 * *dirfd: readable, close-on-exec, the caller's.  *leaf: the last component,
 * newly allocated; "." for "/" itself.
 * "RH-PATH-ESCAPE": not absolute, or a ".." in it; "RH-PATH-SYMLINK": a link
 * that is not to be trusted; "RH-PATH-OPEN" with err_errno. */
struct err *chase_parent (const char *path, bool make, int *dirfd, char **leaf);

#endif
