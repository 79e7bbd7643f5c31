/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives up what a process that works on a tree does not need, for good:
 *   - files outside the directories that it names (Landlock, where the kernel
 *     has ABI 2, Linux 5.19; ABI 1 cannot move between directories);
 *   - system calls other than those on files, memory, time and its own
 *     threads: no program is started, no socket made, no other process
 *     touched (seccomp; what is left out answers ENOSYS, so that code which
 *     has another way takes it);
 *   - capabilities other than those that reading, or writing, a tree needs.
 *
 * Where the kernel lacks one of them the others hold.  Only the thread that
 * calls is confined, and those that it starts later: call it before any.
 */
#ifndef REHOME_HOST_CONFINE_H
#define REHOME_HOST_CONFINE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A directory (or file) that stays in reach, with all below it. */
struct confine_place {
  int fd; /* open, O_PATH will do */
  bool write;
};

/* What was given up; bits. */
enum { CONFINE_FILES = 1, CONFINE_CALLS = 2, CONFINE_RIGHTS = 4 };

/* `write`: the capabilities of one who writes a tree.  /proc and /sys stay
 * readable.  *got: what this kernel could do.  "RH-HOST-CONFINE": a step that
 * the kernel has failed; the process must not go on. */
struct err *confine (const struct confine_place *places, size_t n, bool write,
                     int *got);

#endif
