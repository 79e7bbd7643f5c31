/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket, the schedule, and the sink that waits. */
#include "tree/throttle.h"

#include <errno.h>
#include <time.h>

#define SECOND ((int64_t)1000000000)
#define MINUTE (60 * SECOND)
/* What may be caught up, and how often a wait looks around. */
#define SLACK (SECOND / 4)
#define SLICE (SECOND / 10)
#define RATE_MIN 1024
/* So that a large piece does not go out in one go. */
#define PIECE ((size_t)64 << 10)

int64_t
throttle_now_ns (void)
{
  struct timespec t;
  clock_gettime (CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static struct err *
read_span (const json_t *o, struct limit_span *out)
{
  int64_t from, len, days;
  TRY (json_get_u64 (o, "rate", &out->rate));
  TRY (json_get_int (o, "from", 0, 1439, &from));
  TRY (json_get_int (o, "len", 1, 1440, &len));
  TRY (json_get_int (o, "days", 1, 127, &days));
  if (out->rate < RATE_MIN || out->rate > INT64_MAX)
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "a rate below %d bytes a second", RATE_MIN);
  out->from = (int)from;
  out->len = (int)len;
  out->days = (unsigned)days;
  return NULL;
}

struct err *
throttle_read (const json_t *limit, int64_t now_ns, struct throttle *t)
{
  int64_t minute;
  *t = (struct throttle){ .start_ns = now_ns, .free_ns = now_ns };
  if (limit == NULL)
    return NULL;
  TRY (json_opt_int (limit, "latency_ms", 1, 60000, 0, &t->brake.limit_ms));
  if (t->brake.limit_ms != 0 && json_at (limit, "spans") == NULL)
    return NULL;
  TRY (json_get_int (limit, "now", 0, WEEK_MINUTES - 1, &minute));
  t->minute = (int)minute;
  const json_t *spans = json_at (limit, "spans");
  size_t n = json_array_size (spans);
  if (n == 0 || n > LIMITS_MAX)
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"spans\" is an array of 1 to %d", LIMITS_MAX);
  for (; t->n < n; t->n++)
    TRY (read_span (json_array_get (spans, t->n), &t->spans[t->n]));
  return NULL;
}

static bool
holds (const struct limit_span *s, int minute)
{
  for (int day = 0; day < 7; day++) {
    int begins = day * 1440 + s->from;
    if (s->days >> day & 1
        && (minute - begins + WEEK_MINUTES) % WEEK_MINUTES < s->len)
      return true;
  }
  return false;
}

uint64_t
throttle_rate (const struct throttle *t, int64_t now_ns)
{
  int64_t gone = (now_ns - t->start_ns) / MINUTE % WEEK_MINUTES;
  int minute = (t->minute + (int)gone) % WEEK_MINUTES;
  uint64_t least = t->brake.rate;
  for (size_t i = 0; i < t->n; i++)
    if (holds (&t->spans[i], minute)
        && (least == 0 || t->spans[i].rate < least))
      least = t->spans[i].rate;
  return least;
}

int64_t
throttle_take (struct throttle *t, int64_t now_ns, uint64_t bytes)
{
  uint64_t rate = throttle_rate (t, now_ns);
  if (rate == 0) {
    t->free_ns = now_ns;
    return 0;
  }
  if (t->free_ns < now_ns - SLACK)
    t->free_ns = now_ns - SLACK;
  t->free_ns += (int64_t)((double)bytes * (double)SECOND / (double)rate);
  return t->free_ns > now_ns ? t->free_ns - now_ns : 0;
}

/* In slices: a cancel or a pause is heard, and a rate that has ended meanwhile
 * holds nobody any longer. */
static struct err *
wait_for (struct throttled *t, int64_t ns)
{
  while (ns > 0) {
    int64_t slice = ns < SLICE ? ns : SLICE;
    const struct timespec pause = { slice / SECOND, slice % SECOND };
    clock_nanosleep (CLOCK_MONOTONIC, 0, &pause, NULL);
    if (t->watch->cancelled != NULL && t->watch->cancelled (t->watch->ctx))
      return err_new (ERR_TRANSIENT, "RH-TREE-CANCELLED", "cancelled");
    int64_t now = throttle_now_ns ();
    ns = throttle_rate (&t->throttle, now) == 0 ? 0 : t->throttle.free_ns - now;
  }
  return NULL;
}

static struct err *
put (void *ctx, const void *data, size_t len)
{
  struct throttled *t = ctx;
  const unsigned char *p = data;
  while (len > 0) {
    size_t n = len < PIECE ? len : PIECE;
    brake_take (&t->throttle.brake, throttle_now_ns (), n);
    t->watch->slowed_ms = t->throttle.brake.disk_ms;
    TRY (wait_for (t, throttle_take (&t->throttle, throttle_now_ns (), n)));
    TRY (t->to->put (t->to->ctx, p, n));
    p += n;
    len -= n;
  }
  return NULL;
}

struct sink
throttled_sink (struct throttled *t)
{
  return t->throttle.n > 0 || t->throttle.brake.limit_ms > 0
             ? (struct sink){ put, t }
             : *t->to;
}
