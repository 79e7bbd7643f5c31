/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's clocks. */
#include "exec/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static char boot_id[40];
static pthread_once_t boot_once = PTHREAD_ONCE_INIT;

int64_t
clock_wall_ms (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_REALTIME, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t
clock_boot_ns (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_BOOTTIME, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t
clock_boot_ms (void)
{
  return (int64_t)(clock_boot_ns () / 1000000u);
}

static void
read_boot_id (void)
{
  FILE *f = fopen ("/proc/sys/kernel/random/boot_id", "re");
  if (f != NULL) {
    if (fgets (boot_id, sizeof boot_id, f) == NULL)
      boot_id[0] = '\0';
    fclose (f);
  }
  boot_id[strcspn (boot_id, "\r\n")] = '\0';
  if (boot_id[0] == '\0')
    snprintf (boot_id, sizeof boot_id, "unknown");
}

const char *
clock_boot_id (void)
{
  pthread_once (&boot_once, read_boot_id);
  return boot_id;
}
