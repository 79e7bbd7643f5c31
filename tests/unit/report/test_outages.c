/* SPDX-License-Identifier: Apache-2.0 */
/* When neither server took writes: each outage, split by quarter and hour. */
#include "../cmocka_api.h"

#include "report/outages.h"

#define QUARTER 900000
#define HOUR 3600000

static json_t *
phase (json_int_t at, const char *writer)
{
  return json_pack ("{s:s, s:I}", "writer", writer, "at_ms", at);
}

static json_int_t
at (const json_t *list, size_t i, const char *key)
{
  return json_integer_value (json_object_get (json_array_get (list, i), key));
}

static void
an_outage_begins_with_the_phase_that_freezes (void **state)
{
  (void)state;
  json_t *phases
      = json_pack ("[o,o,o,o]", phase (1000, "source"), phase (5000, "source"),
                   phase (5400, "none"), phase (6000, "target"));
  json_t *out = outages_make (phases);
  assert_int_equal (json_array_size (out), 1);
  assert_int_equal (at (out, 0, "at_ms"), 5000);
  assert_int_equal (at (out, 0, "ms"), 1000);
  json_decref (out);
  json_decref (phases);
}

static void
one_across_a_quarter_is_told_in_both (void **state)
{
  (void)state;
  json_int_t edge = 5 * (json_int_t)HOUR + QUARTER;
  json_t *phases
      = json_pack ("[o,o,o]", phase (edge - 700, "source"),
                   phase (edge - 500, "none"), phase (edge + 300, "target"));
  json_t *out = outages_make (phases);
  const json_t *one = json_array_get (out, 0);
  const json_t *quarters = json_object_get (one, "quarters");
  const json_t *hours = json_object_get (one, "hours");
  assert_int_equal (json_array_size (quarters), 2);
  assert_int_equal (at (quarters, 0, "at_ms"), edge - QUARTER);
  assert_int_equal (at (quarters, 0, "ms"), 700);
  assert_int_equal (at (quarters, 1, "at_ms"), edge);
  assert_int_equal (at (quarters, 1, "ms"), 300);
  assert_int_equal (json_array_size (hours), 1);
  assert_int_equal (at (hours, 0, "ms"), 1000);
  json_decref (out);
  json_decref (phases);
}

static void
there_and_back_are_two_and_one_that_goes_on_is_none (void **state)
{
  (void)state;
  json_t *phases = json_pack ("[o,o,o,o,o,o,o]", phase (1000, "source"),
                              phase (1100, "none"), phase (2000, "target"),
                              phase (90000, "target"), phase (90100, "none"),
                              phase (91000, "source"), phase (99000, "none"));
  json_t *out = outages_make (phases);
  assert_int_equal (json_array_size (out), 2);
  assert_int_equal (at (out, 1, "at_ms"), 90000);
  assert_int_equal (at (out, 1, "ms"), 1000);
  json_decref (out);
  json_decref (phases);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_outage_begins_with_the_phase_that_freezes),
    cmocka_unit_test (one_across_a_quarter_is_told_in_both),
    cmocka_unit_test (there_and_back_are_two_and_one_that_goes_on_is_none),
  };
  return cmocka_run_group_tests_name ("outages", tests, NULL, NULL);
}
