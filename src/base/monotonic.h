/* SPDX-License-Identifier: Apache-2.0 */
/* Time that only goes forward (CLOCK_MONOTONIC, clock_gettime(2)): for spans
 * and deadlines, which no change of the host's clock may shorten or stretch.
 * Callable from any thread; nothing here fails. */
#ifndef REHOME_BASE_MONOTONIC_H
#define REHOME_BASE_MONOTONIC_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds since a point that is the same for all of this host's boot. */
int64_t monotonic_ms (void);

/* The time `ms` from now, for pthread_cond_timedwait() with a condition from
 * monotonic_cond_init(); now, where `ms` is negative. */
struct timespec monotonic_in (int64_t ms);

/* A condition whose deadlines are of this clock; the caller destroys it. */
void monotonic_cond_init (pthread_cond_t *cond);

#endif
