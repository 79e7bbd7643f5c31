/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The regular files that processes can write to right now: descriptors open
 * for writing and shared writable mappings, in every mount namespace.
 *
 * Not seen: descriptors in flight over a socket, files registered with an
 * io_uring and closed, and mappings that could be made writable later.
 */
#ifndef REHOME_HOST_OPENFILES_H
#define REHOME_HOST_OPENFILES_H

#include "host/mounts.h"
#include "host/procs.h"

struct open_file {
  const struct proc *proc;
  bool mapped;      /* else an open descriptor */
  bool deleted;     /* the name by which it was opened is gone */
  const char *path; /* as the process's namespace names it */
  dev_t dev;
  ino_t ino;
  nlink_t links;         /* 0: no name leads to it any more */
  unsigned major, minor; /* the filesystem, as mountinfo names it */
  const char *inner;     /* path within that filesystem, or NULL (unknown) */
  const char *here;      /* path in this process's namespace, or NULL */
  const char *upper;     /* overlay: path in the writable layer, or NULL */
};

/* Calls `fn` for each; everything it is given is borrowed until it returns.
 * This process itself is left out.  *unreadable counts the processes that
 * could not be looked at.  "RH-HOST-PROC" when /proc cannot be read. */
struct err *open_files_each (const struct procs *procs,
                             void (*fn) (void *ctx, const struct open_file *f),
                             void *ctx, size_t *unreadable);

#endif
