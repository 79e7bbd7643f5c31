/* SPDX-License-Identifier: Apache-2.0 */
/* The seeded source of every choice that a simulated run makes. */
#ifndef REHOME_SIM_DICE_H
#define REHOME_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
  uint64_t state;
};

static inline uint64_t
dice_next (struct dice *d)
{
  uint64_t z = (d->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* from .. to, both included. */
static inline int64_t
dice_between (struct dice *d, int64_t from, int64_t to)
{
  return from + (int64_t)(dice_next (d) % (uint64_t)(to - from + 1));
}

/* true n times of 10,000. */
static inline bool
dice_odds (struct dice *d, unsigned n)
{
  return dice_next (d) % 10000 < n;
}

#endif
