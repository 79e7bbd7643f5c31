/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quick look whether any process may have a file below a directory mapped
 * shared and writable: /proc/PID/maps alone, a few milliseconds on a whole
 * host.  Who it is, and which file, tells host/writers.h, which takes longer.
 */
#ifndef REHOME_HOST_MAPPED_H
#define REHOME_HOST_MAPPED_H

#include <stdbool.h>

/* False only where there is none, so far as processes could be looked at;
 * true also where it cannot be told.  `dir` is absolute, without links. */
bool mapped_maybe_below (const char *dir);

/* The same of one process's maps, as text; for tests. */
bool mapped_maybe_in (const char *maps, const char *dir, unsigned major,
                      unsigned minor);

#endif
