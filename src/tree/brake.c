/* SPDX-License-Identifier: Apache-2.0 */
/* The rate that a slow disk leaves; see brake.h. */
#include "tree/brake.h"

#define SECOND 1000000000.0

static void
adjust (struct brake *b, int64_t request_ms, uint64_t sent)
{
  if (request_ms > b->limit_ms) {
    uint64_t from = b->rate != 0 && b->rate < sent ? b->rate : sent;
    b->rate = from / 2 > BRAKE_RATE_MIN ? from / 2 : BRAKE_RATE_MIN;
    b->disk_ms = request_ms;
    return;
  }
  if (b->rate == 0)
    return;
  b->rate += BRAKE_STEP;
  if (b->rate > 4 * (sent + BRAKE_STEP)) /* others bound it by now */
    b->rate = 0;
  if (b->rate == 0)
    b->disk_ms = 0;
}

void
brake_take (struct brake *b, int64_t now_ns, uint64_t bytes)
{
  uint64_t requests, ms;
  if (b->limit_ms == 0)
    return;
  int64_t gone = now_ns - b->last_ns;
  if (b->started && gone < BRAKE_LOOK_NS) {
    b->bytes += bytes;
    return;
  }
  if (!b->look (b->ctx, &requests, &ms)) {
    b->bytes += bytes;
    return;
  }
  /* A host that was suspended, or counters that began anew, tell nothing. */
  if (b->started && requests >= b->requests && ms >= b->ms) {
    uint64_t n = requests - b->requests;
    int64_t each = n > 0 ? (int64_t)((ms - b->ms + n - 1) / n) : 0;
    adjust (b, each, (uint64_t)((double)b->bytes * SECOND / (double)gone));
  }
  b->started = true;
  b->last_ns = now_ns;
  b->bytes = bytes;
  b->requests = requests;
  b->ms = ms;
}
