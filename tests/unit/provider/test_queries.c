/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan may declare as a query, and how its times are read. */
#include "provider/queries.h"

#include "../cmocka_api.h"

#include <string.h>

static bool
fits (const char *queries)
{
  json_t *list CLEANUP_JSON = json_loads (queries, 0, NULL);
  json_t *spec CLEANUP_JSON = json_pack ("{s:O}", "queries", list);
  struct err *e CLEANUP_ERR = queries_check (spec);
  if (e != NULL)
    assert_int_equal (strncmp (err_code (e), "RH-PLAN-", 8), 0);
  return e == NULL;
}

static void
statements_that_read_are_taken (void **state)
{
  (void)state;
  assert_true (fits ("[]"));
  assert_true (fits ("[{\"name\": \"a\", \"sql\": \"SELECT 1\"}]"));
  assert_true (fits ("[{\"name\": \"a b\", \"sql\": \" select 1;\"},"
                     " {\"name\": \"c\", \"sql\": \"WITH\\nx AS (SELECT 1)"
                     " SELECT * FROM x\"}]"));
  assert_true (fits ("[{\"name\": \"a\", \"sql\": \"(SELECT 1)\"}]"));
}

static void
what_begins_otherwise_is_refused (void **state)
{
  (void)state;
  assert_false (fits ("[{\"name\": \"a\", \"sql\": \"DELETE FROM t\"}]"));
  assert_false (fits ("[{\"name\": \"a\", \"sql\": \"selected\"}]"));
  assert_false (fits ("[{\"name\": \"a\", \"sql\": \"\"}]"));
  assert_false (fits ("[{\"name\": \"a\"}]"));
}

static void
each_has_a_name_of_its_own_and_nothing_else (void **state)
{
  (void)state;
  assert_false (fits ("[{\"sql\": \"SELECT 1\"}]"));
  assert_false (fits ("[{\"name\": \"\", \"sql\": \"SELECT 1\"}]"));
  assert_false (fits ("[{\"name\": \"a\\nb\", \"sql\": \"SELECT 1\"}]"));
  assert_false (fits ("[{\"name\": \"a\", \"sql\": \"SELECT 1\"},"
                      " {\"name\": \"a\", \"sql\": \"SELECT 2\"}]"));
  assert_false (fits ("[{\"name\": \"a\", \"sql\": \"SELECT 1\", \"of\": 1}]"));
  assert_false (fits ("[\"SELECT 1\"]"));
  assert_false (fits ("{\"a\": \"SELECT 1\"}"));
}

static void
more_than_ten_are_refused (void **state)
{
  (void)state;
  json_t *list CLEANUP_JSON = json_array ();
  json_t *spec CLEANUP_JSON = json_pack ("{s:O}", "queries", list);
  for (int i = 0; i < 10; i++)
    json_array_append_new (list, json_pack ("{s:o, s:s}", "name",
                                            json_sprintf ("%d", i), "sql",
                                            "SELECT 1"));
  assert_ok (queries_check (spec));
  json_array_append_new (list, json_pack ("{s:s, s:s}", "name", "x", "sql",
                                          "SELECT 1"));
  struct err *e CLEANUP_ERR = queries_check (spec);
  assert_string_equal (err_code (e), "RH-PLAN-VALUE");
}

static void
the_median_of_the_runs_counts_and_other_lines_do_not (void **state)
{
  (void)state;
  int64_t us = 0, rows = 0;
  unsigned runs = 0;
  assert_true (queries_median ("{\"r_rows\": 1}\n900\t3\n100\t3\nx 5\t5\n"
                               "200\t4\n",
                               &us, &rows, &runs));
  assert_int_equal (us, 200);
  assert_int_equal (rows, 4);
  assert_int_equal (runs, 3);
  assert_false (queries_median ("{}\n12\n", &us, &rows, &runs));
  assert_false (queries_median ("", &us, &rows, &runs));
}

static void
slower_is_twice_as_long_and_fifty_milliseconds_more (void **state)
{
  (void)state;
  assert_false (queries_slower (1000, 50000));
  assert_true (queries_slower (1000, 52000));
  assert_false (queries_slower (100000, 200000));
  assert_true (queries_slower (100000, 210000));
  assert_false (queries_slower (200000, 1000));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (statements_that_read_are_taken),
    cmocka_unit_test (what_begins_otherwise_is_refused),
    cmocka_unit_test (each_has_a_name_of_its_own_and_nothing_else),
    cmocka_unit_test (more_than_ten_are_refused),
    cmocka_unit_test (the_median_of_the_runs_counts_and_other_lines_do_not),
    cmocka_unit_test (slower_is_twice_as_long_and_fifty_milliseconds_more),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
