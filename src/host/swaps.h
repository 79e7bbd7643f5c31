/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the kernel swaps to, from /proc/swaps. */
#ifndef REHOME_HOST_SWAPS_H
#define REHOME_HOST_SWAPS_H

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct swap_file {
  uint64_t dev, ino;
};
struct swaps {
  VEC (struct swap_file) list;
};

/* Swap on disks is left out; where nothing can be read there is none. */
void swaps_read (struct swaps *out);
bool swaps_have (const struct swaps *s, uint64_t dev, uint64_t ino);
void swaps_free (struct swaps *s);

#endif
