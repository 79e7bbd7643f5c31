/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream slows itself where the disk it reads from becomes slow: four times
 * a second, what a request took since the last look.  Above the limit the rate
 * is halved, below it grows by a step, and where it bounds nothing any more it
 * ends: additive increase, multiplicative decrease, as TCP shares a link.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_TREE_BRAKE_H
#define REHOME_TREE_BRAKE_H

#include <stdbool.h>
#include <stdint.h>

#define BRAKE_LOOK_NS ((int64_t)250000000)
/* It never stops a stream: nothing would tell that the disk is free again
 * sooner than trying does. */
#define BRAKE_RATE_MIN ((uint64_t)256 << 10)
#define BRAKE_STEP ((uint64_t)1 << 20)

struct brake {
  int64_t limit_ms; /* for a request; 0: no brake */
  /* Requests so far and their milliseconds; false: not known. */
  bool (*look) (void *ctx, uint64_t *requests, uint64_t *ms);
  void *ctx;
  uint64_t rate;   /* bytes a second; 0: no bound */
  int64_t disk_ms; /* what a request took when last above the limit, while
                      there is a bound; else 0 */
  /* Inside. */
  bool started;
  int64_t last_ns;
  uint64_t bytes, requests, ms;
};

/* Before `bytes` are sent: looks at the disk when it is time. */
void brake_take (struct brake *b, int64_t now_ns, uint64_t bytes);

#endif
