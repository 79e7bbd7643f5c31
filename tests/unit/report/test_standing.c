/* SPDX-License-Identifier: Apache-2.0 */
/* Where a migration stands, in one line. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "report/standing.h"

#include <string.h>

static json_t *
facts_of (const char *phase, const char *writer)
{
  return json_pack ("{s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:i, s:n}", "name",
                    "shop", "plan", "shop.yaml", "phase", phase, "writer",
                    writer, "source", "name", "shop-old", "target", "name",
                    "shop-new", "back_ms", 3400, "attention");
}

static void
reads (json_t *facts, const char *expected)
{
  CLEANUP_FREE char *line = standing_line (facts);
  assert_string_equal (line, expected);
  json_decref (facts);
}

static void
in_step_it_names_the_cutover (void **state)
{
  json_t *f = facts_of ("syncing", "source");
  (void)state;
  json_object_set_new (f, "in_step", json_true ());
  reads (f, "SERVING shop-old | shop-new closed | back: abort, 1 s, loses 0 | "
            "next: rehome cutover shop.yaml");
}

static void
while_frozen_nobody_serves_and_the_way_back_has_a_price (void **state)
{
  (void)state;
  reads (facts_of ("final", "none"),
         "FROZEN shop-old | shop-new closed | back: abort, 4 s, loses 0 | "
         "next: rehome watch shop.yaml");
}

static void
in_the_guard_the_target_serves (void **state)
{
  (void)state;
  json_t *f = facts_of ("guarded", "target");
  json_object_set_new (f, "forecast_back_now",
                       json_pack ("{s:i, s:i}", "lower_ms", 1500, "upper_ms",
                                  4500));
  reads (f, "SERVING shop-new | shop-old closed | back: rollback, 5 s, loses 0 "
            "| next: rehome accept shop.yaml");
}

static void
after_a_rollback_the_source_serves (void **state)
{
  (void)state;
  reads (facts_of ("rolled-back", "source"),
         "SERVING shop-old | shop-new closed | back: done, lost 0 | next: "
         "rehome report shop.yaml");
}

static void
after_an_abort_nothing_is_lost (void **state)
{
  (void)state;
  reads (facts_of ("aborted", "source"),
         "SERVING shop-old | shop-new closed | back: done, lost 0 | next: "
         "rehome sync shop.yaml");
}

static void
a_pause_says_how_to_go_on (void **state)
{
  json_t *f = facts_of ("syncing", "source");
  (void)state;
  json_object_set_new (f, "paused", json_true ());
  CLEANUP_FREE char *next = standing_next (f);
  assert_string_equal (next, "rehome resume shop.yaml");
  json_decref (f);
}

static void
names_from_hosts_cannot_move_the_cursor (void **state)
{
  json_t *f = facts_of ("planned", "source");
  (void)state;
  json_object_set_new (json_object_get (f, "source"), "name",
                       json_string ("old\033[2J\nSERVING evil"));
  CLEANUP_FREE char *line = standing_line (f);
  assert_null (strchr (line, '\033'));
  assert_null (strchr (line, '\n'));
  json_decref (f);
}

static void
is (char *got, const char *expected)
{
  assert_string_equal (got, expected);
  free (got);
}

static void
durations_read_well (void **state)
{
  (void)state;
  is (standing_duration (0), "0 ms");
  is (standing_duration (99), "99 ms");
  is (standing_duration (100), "0.1 s");
  is (standing_duration (9949), "9.9 s");
  is (standing_duration (12400), "12 s");
  is (standing_duration (185000), "3 min 5 s");
  is (standing_duration (7440000), "2 h 4 min");
}

static void
amounts_read_well (void **state)
{
  (void)state;
  is (standing_count (0), "0");
  is (standing_count (999), "999");
  is (standing_count (1000), "1,000");
  is (standing_count (1234567), "1,234,567");
  is (standing_count (-1), "0");
  is (standing_bytes (999), "999 B");
  is (standing_bytes (1000), "1.0 kB");
  is (standing_bytes (1234567), "1.2 MB");
  is (standing_bytes (INT64_MAX), "9223 PB");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (in_step_it_names_the_cutover),
    cmocka_unit_test (while_frozen_nobody_serves_and_the_way_back_has_a_price),
    cmocka_unit_test (in_the_guard_the_target_serves),
    cmocka_unit_test (after_a_rollback_the_source_serves),
    cmocka_unit_test (after_an_abort_nothing_is_lost),
    cmocka_unit_test (a_pause_says_how_to_go_on),
    cmocka_unit_test (names_from_hosts_cannot_move_the_cursor),
    cmocka_unit_test (durations_read_well),
    cmocka_unit_test (amounts_read_well),
  };
  return cmocka_run_group_tests_name ("standing", tests, NULL, NULL);
}
