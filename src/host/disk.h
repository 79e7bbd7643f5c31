/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How busy the disk below a path is: the counters of /proc/diskstats (the
 * kernel's Documentation/admin-guide/iostats.rst).
 *
 * Threads: one at a time.
 */
#ifndef REHOME_HOST_DISK_H
#define REHOME_HOST_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct disk {
  int fd; /* of diskstats: -1 where it cannot be told */
  unsigned major, minor;
};

/* Since the host was started: requests that ended, and what they took. */
struct disk_counts {
  uint64_t requests, ms;
};

/* Opened before the process confines itself.  Of a filesystem without a block
 * device of its own number (btrfs) it is the one that the mount names. */
void disk_open (const char *path, struct disk *out);
bool disk_read (struct disk *d, struct disk_counts *out);
void disk_close (struct disk *d);

#endif
