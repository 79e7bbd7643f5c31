/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's clocks, read in one place.  Any thread. */
#ifndef REHOME_EXEC_CLOCK_H
#define REHOME_EXEC_CLOCK_H

#include <stdint.h>

/* Milliseconds since the epoch, by the wall clock. */
int64_t clock_wall_ms (void);
/* CLOCK_BOOTTIME: goes on while the machine sleeps, never backwards. */
uint64_t clock_boot_ns (void);
int64_t clock_boot_ms (void);
/* This boot's id, 36 characters; "unknown" where the kernel has none.
 * Static memory, filled at the first call. */
const char *clock_boot_id (void);

#endif
