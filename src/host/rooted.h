/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File access below a held directory: no path leaves it, no symbolic link is
 * followed in any component.
 *
 * With openat2 the kernel checks (RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS);
 * where it answers ENOSYS (before Linux 5.6), and for paths longer than
 * PATH_MAX, the path is walked component by component with O_NOFOLLOW from
 * held descriptors.  Both give the same answers.
 *
 * Paths are relative; "" and "." are the root itself.  Absolute paths, "..",
 * and empty components are "RH-PATH-ESCAPE"; a symbolic link on the way (or
 * at the end, unless O_PATH|O_NOFOLLOW asks for the link itself) is
 * "RH-PATH-SYMLINK"; everything else is "RH-PATH-OPEN" with err_errno set
 * (ENOENT, ENOTDIR, EACCES, ...).
 *
 * Threads: every function may be called from any thread.
 */
#ifndef REHOME_HOST_ROOTED_H
#define REHOME_HOST_ROOTED_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Opens an existing directory by its path (absolute or below the working
 * directory), readable, close-on-exec.  Its parents are resolved as the
 * system does; the last component is not followed. */
struct err *rooted_open_root (const char *path, int *fd);

/* Opens `path` below `root` with openat's flags (O_CLOEXEC and O_NOFOLLOW
 * are added). */
struct err *rooted_open (int root, const char *path, int flags, mode_t mode,
                         int *fd);

/* Opens the directory that holds `path` (readable: it can be listed and
 * fsynced); *leaf is the last component, borrowed from `path`.  The root
 * itself has no parent: "RH-PATH-ESCAPE". */
struct err *rooted_parent (int root, const char *path, int *dirfd,
                           const char **leaf);

/* As rooted_open without an error object, for loops over many files: 0 or an
 * errno (ELOOP: a symbolic link; EXDEV: an escape). */
int rooted_try (int root, const char *path, int flags, mode_t mode, int *fd);

/* For tests: never use openat2 from now on (true), or again (false). */
void rooted_force_walk (bool walk);

#endif
