/* SPDX-License-Identifier: Apache-2.0 */
/* A copy gives way to a source whose queries are slow, goes on where they are
 * quick again, and never stands still for ever.  The clock is the test's. */
#include "provider/pace.h"

#include "../cmocka_api.h"

#include "base/mem.h"
#include "tree/brake.h"

#include <stdio.h>
#include <string.h>

#define MS ((int64_t)1000000)
#define MIB ((uint64_t)1 << 20)

static bool
fits (const char *limit)
{
  json_t *spec CLEANUP_JSON = json_pack ("{s:s}", "latency-limit", limit);
  struct err *e CLEANUP_ERR = pace_check (spec);
  if (e != NULL)
    assert_string_equal (err_code (e), "RH-PLAN-VALUE");
  return e == NULL;
}

static void
a_limit_is_a_duration_of_up_to_a_minute (void **state)
{
  (void)state;
  json_t *none CLEANUP_JSON = json_object ();
  assert_ok (pace_check (none));
  assert_true (fits ("50ms"));
  assert_true (fits ("1s"));
  assert_true (fits ("60s"));
  assert_false (fits ("61s"));
  assert_false (fits ("0ms"));
  assert_false (fits ("50"));
  assert_false (fits ("5m"));
  assert_false (fits ("-5ms"));
}

/* An engine that answers twice a second with `ms`, and a stream that takes what
 * it gets, 200 MiB a second at most, for `seconds`; how much that was. */
static uint64_t
run (struct pace *p, int64_t *now, int seconds, int ms)
{
  uint64_t sent = 0;
  for (int i = 0; i < seconds * 100; i++) {
    char line[40];
    *now += 10 * MS;
    if (ms >= 0 && i % 50 == 0) {
      snprintf (line, sizeof line, "{\"x\": 1}\n%d000\t1\n", ms);
      pace_hear (p, line, strlen (line), *now);
    }
    sent += pace_take (p, 2 * MIB, *now);
  }
  return sent;
}

static void
quick_answers_hold_nothing_back (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  assert_int_equal (run (p, &now, 20, 50), 20 * (200 * MIB));
  assert_int_equal (pace_held_ms (p), 0);
  assert_int_equal (pace_worst_ms (p), 50);
  pace_free (p);
}

static void
slow_answers_bring_it_down_to_the_lowest_rate_and_no_further (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  run (p, &now, 20, 120);
  uint64_t sent = run (p, &now, 20, 120);
  assert_in_range (sent, 20 * BRAKE_RATE_MIN * 8 / 10,
                   20 * BRAKE_RATE_MIN * 13 / 10);
  assert_in_range (pace_held_ms (p), 37000, 40000);
  assert_int_equal (pace_worst_ms (p), 120);
  json_t *said CLEANUP_JSON = json_pack ("{s:i}", "bytes", 7);
  json_t *shown CLEANUP_JSON = pace_progress (p, said);
  assert_int_equal (json_integer_value (json_at (shown, "queries_ms")), 120);
  assert_int_equal (json_integer_value (json_at (shown, "queries_limit_ms")),
                    50);
  assert_int_equal (json_integer_value (json_at (shown, "bytes")), 7);
  pace_free (p);
}

static void
it_goes_on_where_they_are_quick_again (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  run (p, &now, 20, 120);
  run (p, &now, 120, 5);
  int64_t held = pace_held_ms (p);
  assert_int_equal (run (p, &now, 5, 5), 5 * (200 * MIB));
  assert_int_equal (pace_held_ms (p), held);
  json_t *none CLEANUP_JSON = json_object ();
  json_t *shown CLEANUP_JSON = pace_progress (p, none);
  assert_int_equal (json_object_size (shown), 0);
  pace_free (p);
}

static void
one_slow_answer_among_quick_ones_holds_nothing_back (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  run (p, &now, 5, 5);
  pace_hear (p, "900000\t1\n", 9, now);
  assert_int_equal (run (p, &now, 5, 5), 5 * (200 * MIB));
  assert_int_equal (pace_worst_ms (p), 900);
  pace_free (p);
}

static void
each_answer_counts_once (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  uint64_t sent = 0;
  run (p, &now, 5, 5);
  for (int i = 0; i < 3; i++)
    pace_hear (p, "90000\t1\n", 8, now);
  for (int i = 0; i < 90; i++) {
    now += 10 * MS;
    uint64_t n = pace_take (p, 2 * MIB, now);
    sent += i < 50 ? 0 : n;
  }
  assert_in_range (sent, 30 * MIB, 50 * MIB); /* at half of 200 a second */
  pace_free (p);
}

static void
a_server_that_answers_no_more_is_slow (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  int64_t now = 1000 * MS;
  run (p, &now, 5, 5);
  run (p, &now, 20, -1);
  uint64_t sent = run (p, &now, 10, -1);
  assert_in_range (sent, 1, 10 * BRAKE_RATE_MIN * 13 / 10);
  assert_in_range (pace_worst_ms (p), 20000, 40000);
  pace_free (p);
}

/* As it comes off a stream; what begins with no digit is none. */
static void
answers_are_lines_that_begin_with_a_number_and_a_tab (void **state)
{
  (void)state;
  struct pace *p = pace_new (50);
  const char *text = "{\"a\":\t7000\t1}\nx9000000\t1\n12000\n3000\t1\n\n";
  for (const char *at = text; *at != '\0'; at++)
    pace_hear (p, at, 1, 1000 * MS);
  assert_int_equal (pace_worst_ms (p), 3);
  pace_free (p);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_limit_is_a_duration_of_up_to_a_minute),
    cmocka_unit_test (quick_answers_hold_nothing_back),
    cmocka_unit_test (
        slow_answers_bring_it_down_to_the_lowest_rate_and_no_further),
    cmocka_unit_test (it_goes_on_where_they_are_quick_again),
    cmocka_unit_test (one_slow_answer_among_quick_ones_holds_nothing_back),
    cmocka_unit_test (each_answer_counts_once),
    cmocka_unit_test (a_server_that_answers_no_more_is_slow),
    cmocka_unit_test (answers_are_lines_that_begin_with_a_number_and_a_tab),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
