/* SPDX-License-Identifier: Apache-2.0 */
/* Tables compared by ranges of a key. */
#include "provider/parts.h"

#include "../cmocka_api.h"

static json_t *
sums (const char *text)
{
  return json_loads (text, 0, NULL);
}

static char *
where (const char *these, const char *those, struct parts_cut cut)
{
  CLEANUP_JSON json_t *a = sums (these);
  CLEANUP_JSON json_t *b = sums (those);
  struct parts p CLEANUP_PARTS = { 0 };
  parts_changed (1, a, b, &p);
  return parts_where (&p, &cut, "`id`");
}

static void
a_reach_makes_fewer_parts_than_allowed (void **state)
{
  (void)state;
  struct parts_cut c = parts_cut_of (1000000, 1000000 + (100 << 20), 100);
  assert_true (c.by && c.high - c.low < 100 && c.shift > 10);
  c = parts_cut_of (0, 5, 100);
  assert_true (c.by && c.shift == 10 && c.low == 0 && c.high == 0);
  assert_false (parts_cut_of (-1, 5, 100).by);
  assert_false (parts_cut_of (5, 1, 100).by);
}

static void
what_either_lacks_or_has_otherwise_is_changed_and_neighbours_are_one (
    void **state)
{
  (void)state;
  CLEANUP_FREE char *w = where ("{\"1%3A0\": \"1 a\", \"1%3A1\": \"1 b\","
                                " \"1%3A5\": \"1 c\", \"2%3A9\": \"1 z\"}",
                                "{\"1%3A1\": \"1 x\", \"1%3A5\": \"1 c\","
                                " \"1%3A7\": \"1 c\", \"11%3A3\": \"1 d\"}",
                                parts_cut_of (0, 8000, 100));
  assert_string_equal (w, "(`id` BETWEEN 0 AND 2047 OR `id` BETWEEN 7168 AND"
                          " 8191)");
}

static void
what_lies_outside_is_one_part (void **state)
{
  (void)state;
  CLEANUP_FREE char *w
      = where ("{\"1%3Ax\": \"1 a\"}", "{}", parts_cut_of (2000, 3000, 100));
  assert_string_equal (w, "(`id` NOT BETWEEN 1024 AND 3071)");
}

static void
a_table_that_is_not_cut_or_does_not_differ_has_no_parts (void **state)
{
  (void)state;
  CLEANUP_FREE char *whole = where ("{\"1\": \"1 a\"}", "{\"1\": \"1 b\"}",
                                    (struct parts_cut){ .by = false });
  CLEANUP_FREE char *equal
      = where ("{\"1%3A0\": \"1 a\"}", "{\"1%3A0\": \"1 a\"}",
               parts_cut_of (0, 5, 100));
  assert_null (whole);
  assert_null (equal);
}

static void
a_tables_sum_is_that_of_its_parts (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *tables = sums ("[{\"name\": \"a\"}, {\"name\": \"b\"}]");
  CLEANUP_JSON json_t *parts
      = sums ("{\"0%3A1\": \"2 00000000000000010000000000000001\","
              " \"0%3Ax\": \"1 0000000000000000ffffffffffffffff\"}");
  CLEANUP_JSON json_t *out = json_object ();
  assert_null (parts_totals (tables, parts, out));
  assert_string_equal (json_string_value (json_at (out, "a")),
                       "3 00000000000000020000000000000000");
  assert_string_equal (json_string_value (json_at (out, "b")), "0");
}

static void
sums_that_are_none_are_refused (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *tables = sums ("[{\"name\": \"a\"}]");
  CLEANUP_JSON json_t *other = sums ("{\"1%3A1\": \"1 0\"}");
  CLEANUP_JSON json_t *bad = sums ("{\"0\": \"x\"}");
  CLEANUP_JSON json_t *out = json_object ();
  assert_code (parts_totals (tables, other, out), "RH-PARTS-SUM");
  assert_code (parts_totals (tables, bad, out), "RH-PARTS-SUM");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_reach_makes_fewer_parts_than_allowed),
    cmocka_unit_test (
        what_either_lacks_or_has_otherwise_is_changed_and_neighbours_are_one),
    cmocka_unit_test (what_lies_outside_is_one_part),
    cmocka_unit_test (a_table_that_is_not_cut_or_does_not_differ_has_no_parts),
    cmocka_unit_test (a_tables_sum_is_that_of_its_parts),
    cmocka_unit_test (sums_that_are_none_are_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
