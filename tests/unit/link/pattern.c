/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a test stream; see pattern.h. */
#include "pattern.h"

#include <pthread.h>

static unsigned char bytes[PATTERN_MAX + 256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill (void)
{
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)(i & 0xff);
}

const unsigned char *
pattern_at (uint64_t position)
{
  pthread_once (&once, fill);
  return bytes + (position & 0xff);
}
