/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of a stream: a token bucket whose rate follows a schedule of the
 * week.  What time of the week it is was said at the beginning, in the zone of
 * the schedule; from there this host's clock is counted, also through a
 * suspend.
 */
#ifndef REHOME_TREE_THROTTLE_H
#define REHOME_TREE_THROTTLE_H

#include "tree/brake.h"
#include "tree/watch.h"
#include "wire/stream.h"

enum { WEEK_MINUTES = 7 * 1440, LIMITS_MAX = 100 };

/* A rate from a minute of the day on, on some days, named after the day on
 * which it begins. */
struct limit_span {
  uint64_t rate; /* bytes a second, at least 1024 */
  int from, len; /* minutes; len is 1..1440 */
  unsigned days; /* bit 0 is Monday */
};

struct throttle {
  struct limit_span spans[LIMITS_MAX];
  size_t n;
  int minute;       /* of the week, at `start_ns` */
  int64_t start_ns; /* CLOCK_BOOTTIME */
  struct brake brake;
  int64_t free_ns; /* when the bucket will have paid for what was taken */
};

/* From the argument `limit` of tree.send: {"now": minute of the week,
 * "spans": [{"rate", "from", "len", "days"}], "latency_ms"}, one of the last
 * two at least; NULL or absent: no limit.  How the disk is looked at the caller
 * puts into `brake`. */
struct err *throttle_read (const json_t *limit, int64_t now_ns,
                           struct throttle *t);
/* The lowest rate that holds then, the brake's among them; 0: none does. */
uint64_t throttle_rate (const struct throttle *t, int64_t now_ns);
/* Takes `bytes` and says how many nanoseconds to wait before the next: what
 * was not used up to a quarter of a second ago may be caught up. */
int64_t throttle_take (struct throttle *t, int64_t now_ns, uint64_t bytes);

/* A sink that passes on to `to` no faster than the limit; waiting ends early
 * with "RH-TREE-CANCELLED" where the watch says so. */
struct throttled {
  struct throttle throttle;
  struct sink *to;
  struct tree_watch *watch;
};
struct sink throttled_sink (struct throttled *t);
int64_t throttle_now_ns (void);

#endif
