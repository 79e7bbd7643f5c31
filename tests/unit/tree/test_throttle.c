/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of a stream: bucket and schedule, on a clock of the test's own. */
#include "ground.h"
#include "tree/throttle.h"

#define SECOND ((int64_t)1000000000)
#define HOUR (3600 * SECOND)
#define MIB ((uint64_t)1 << 20)
#define MON_FRI 31

/* Monday 07:00; 20 MiB/s by day, 5 MiB/s from 22:00 to 02:00 of a Friday. */
static void
office_hours (struct throttle *t)
{
  json_t *o CLEANUP_JSON
      = json_pack ("{s:i, s:[{s:s, s:i, s:i, s:i}, {s:s, s:i, s:i, s:i}]}",
                   "now", 7 * 60, "spans", "rate", "20971520", "from", 8 * 60,
                   "len", 600, "days", MON_FRI, "rate", "5242880", "from",
                   22 * 60, "len", 240, "days", 1 << 4);
  assert_ok (throttle_read (o, 5 * SECOND, t));
}

/* Bytes that go out in so long, in pieces of 64 KiB, from `from` on. */
static uint64_t
in_time (struct throttle *t, int64_t from, int64_t len)
{
  uint64_t bytes = 0;
  for (int64_t now = from; now < from + len; bytes += 65536)
    now += throttle_take (t, now, 65536);
  return bytes;
}

static void
a_rate_holds_within_its_hours_alone (void **state)
{
  (void)state;
  struct throttle t;
  office_hours (&t);
  int64_t start = 5 * SECOND;
  assert_int_equal (throttle_rate (&t, start), 0);
  assert_int_equal (throttle_rate (&t, start + HOUR - SECOND), 0);
  assert_int_equal (throttle_rate (&t, start + HOUR), 20 * MIB);
  assert_int_equal (throttle_rate (&t, start + 11 * HOUR - SECOND), 20 * MIB);
  assert_int_equal (throttle_rate (&t, start + 11 * HOUR), 0);
  /* Saturday 01:00 belongs to the night of Friday; Saturday 09:00 is free. */
  assert_int_equal (throttle_rate (&t, start + (4 * 24 + 18) * HOUR), 5 * MIB);
  assert_int_equal (throttle_rate (&t, start + (5 * 24 + 2) * HOUR), 0);
  /* A week later it is as before. */
  assert_int_equal (throttle_rate (&t, start + (7 * 24 + 1) * HOUR), 20 * MIB);
}

static void
the_lowest_of_several_rates_counts (void **state)
{
  (void)state;
  struct throttle t;
  json_t *o CLEANUP_JSON
      = json_pack ("{s:i, s:[{s:s, s:i, s:i, s:i}, {s:s, s:i, s:i, s:i}]}",
                   "now", 0, "spans", "rate", "1048576", "from", 0, "len", 1440,
                   "days", 127, "rate", "4194304", "from", 0, "len", 1440,
                   "days", 127);
  assert_ok (throttle_read (o, 0, &t));
  assert_int_equal (throttle_rate (&t, 0), MIB);
}

static void
the_bucket_gives_what_the_rate_says (void **state)
{
  (void)state;
  struct throttle t;
  office_hours (&t);
  uint64_t bytes = in_time (&t, 2 * HOUR, 10 * SECOND);
  assert_in_range (bytes, 200 * MIB, 206 * MIB);
}

static void
a_pause_is_not_caught_up (void **state)
{
  (void)state;
  struct throttle t;
  office_hours (&t);
  in_time (&t, 2 * HOUR, SECOND);
  uint64_t bytes = in_time (&t, 2 * HOUR + 600 * SECOND, 10 * SECOND);
  assert_in_range (bytes, 200 * MIB, 206 * MIB);
}

static void
without_a_limit_nothing_waits (void **state)
{
  (void)state;
  struct throttle t;
  assert_ok (throttle_read (NULL, 0, &t));
  assert_int_equal (throttle_take (&t, 0, 1000 * MIB), 0);
  office_hours (&t);
  assert_int_equal (throttle_take (&t, 6 * SECOND, 1000 * MIB), 0);
}

static void
what_is_no_limit_is_refused (void **state)
{
  (void)state;
  static const char *const bad[] = {
    "{}",
    "{\"now\":0,\"spans\":[]}",
    "{\"now\":10080,\"spans\":[{\"rate\":\"4096\",\"from\":0,\"len\":1,"
    "\"days\":1}]}",
    "{\"now\":0,\"spans\":[{\"rate\":\"100\",\"from\":0,\"len\":1,\"days\":1}]"
    "}",
    "{\"now\":0,\"spans\":[{\"rate\":\"4096\",\"from\":0,\"len\":0,"
    "\"days\":1}]}",
    "{\"now\":0,\"spans\":[{\"rate\":\"4096\",\"from\":0,\"len\":1,"
    "\"days\":128}]}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct throttle t;
    json_t *o CLEANUP_JSON = json_loads (bad[i], 0, NULL);
    struct err *e CLEANUP_ERR = throttle_read (o, 0, &t);
    assert_non_null (e);
  }
}

static bool
is_cancelled (void *ctx)
{
  return *(bool *)ctx;
}

static struct err *
count (void *ctx, const void *data, size_t len)
{
  (void)data;
  *(size_t *)ctx += len;
  return NULL;
}

/* At 1 KiB/s the second piece of 64 KiB would wait for a minute. */
static void
a_cancel_ends_the_wait (void **state)
{
  (void)state;
  static const unsigned char data[200000];
  bool stop = true;
  size_t passed = 0;
  struct sink to = { count, &passed };
  struct tree_watch watch = { .cancelled = is_cancelled, .ctx = &stop };
  struct throttled t = { .to = &to, .watch = &watch };
  json_t *o CLEANUP_JSON
      = json_pack ("{s:i, s:[{s:s, s:i, s:i, s:i}]}", "now", 0, "spans", "rate",
                   "1024", "from", 0, "len", 1440, "days", 127);
  assert_ok (throttle_read (o, throttle_now_ns (), &t.throttle));
  struct sink sink = throttled_sink (&t);
  struct err *e CLEANUP_ERR = sink.put (sink.ctx, data, sizeof data);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-CANCELLED");
  assert_true (passed < sizeof data);
}

/* A disk of the test's own: how long its requests take. */
struct slow_disk {
  uint64_t requests, ms, each;
};

static bool
look (void *ctx, uint64_t *requests, uint64_t *ms)
{
  struct slow_disk *d = ctx;
  d->requests += 10;
  d->ms += 10 * d->each;
  *requests = d->requests;
  *ms = d->ms;
  return true;
}

/* Bytes a second that go out on a link of 100 MiB a second, in pieces of 64
 * KiB. */
static uint64_t
braked (struct throttle *t, int64_t *now, int seconds)
{
  uint64_t bytes = 0;
  int64_t end = *now + seconds * SECOND;
  for (; *now < end; bytes += 65536) {
    brake_take (&t->brake, *now, 65536);
    *now += throttle_take (t, *now, 65536);
    *now += SECOND / (100 * 16);
  }
  return bytes / (uint64_t)seconds;
}

static void
a_slow_disk_slows_the_stream_and_a_fast_one_frees_it (void **state)
{
  (void)state;
  struct throttle t;
  struct slow_disk disk = { .each = 5 };
  json_t *o CLEANUP_JSON = json_pack ("{s:i}", "latency_ms", 20);
  int64_t now = 5 * SECOND;
  assert_ok (throttle_read (o, now, &t));
  t.brake.look = look;
  t.brake.ctx = &disk;
  assert_true (braked (&t, &now, 10) > 90 * MIB);
  assert_int_equal (t.brake.disk_ms, 0);
  disk.each = 35;
  assert_true (braked (&t, &now, 10) < 20 * MIB);
  assert_int_equal (t.brake.disk_ms, 35);
  uint64_t least = braked (&t, &now, 10);
  assert_true (least < 2 * BRAKE_RATE_MIN && least > BRAKE_RATE_MIN / 2);
  disk.each = 20; /* the limit itself is borne */
  braked (&t, &now, 5);
  assert_true (braked (&t, &now, 5) > 10 * MIB);
  braked (&t, &now, 300);
  assert_true (braked (&t, &now, 5) > 90 * MIB);
}

static void
a_brake_bounds_besides_a_rate (void **state)
{
  (void)state;
  struct throttle t;
  struct slow_disk disk = { .each = 5 };
  json_t *o CLEANUP_JSON
      = json_pack ("{s:i, s:i, s:[{s:s, s:i, s:i, s:i}]}", "latency_ms", 20,
                   "now", 0, "spans", "rate", "8388608", "from", 0, "len", 1440,
                   "days", 127);
  int64_t now = 5 * SECOND;
  assert_ok (throttle_read (o, now, &t));
  t.brake.look = look;
  t.brake.ctx = &disk;
  braked (&t, &now, 5);
  uint64_t rate = braked (&t, &now, 10);
  assert_true (rate > 7 * MIB && rate < 9 * MIB);
  disk.each = 100;
  braked (&t, &now, 5);
  assert_true (braked (&t, &now, 10) < MIB);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_rate_holds_within_its_hours_alone),
    cmocka_unit_test (the_lowest_of_several_rates_counts),
    cmocka_unit_test (the_bucket_gives_what_the_rate_says),
    cmocka_unit_test (a_pause_is_not_caught_up),
    cmocka_unit_test (without_a_limit_nothing_waits),
    cmocka_unit_test (what_is_no_limit_is_refused),
    cmocka_unit_test (a_cancel_ends_the_wait),
    cmocka_unit_test (a_slow_disk_slows_the_stream_and_a_fast_one_frees_it),
    cmocka_unit_test (a_brake_bounds_besides_a_rate),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
