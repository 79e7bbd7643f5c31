/* SPDX-License-Identifier: Apache-2.0 */
/* Time that only goes forward; see monotonic.h. */
#include "base/monotonic.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

int64_t
monotonic_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / NS_PER_MS;
}

struct timespec
monotonic_in (int64_t ms)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  if (ms <= 0)
    return t;
  t.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
  t.tv_sec += (time_t)(ms / 1000) + t.tv_nsec / NS_PER_S;
  t.tv_nsec %= NS_PER_S;
  return t;
}

void
monotonic_cond_init (pthread_cond_t *cond)
{
  pthread_condattr_t attr;
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (cond, &attr);
  pthread_condattr_destroy (&attr);
}
