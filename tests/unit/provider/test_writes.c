/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of tables that took writes or did not, and of relations that
 * differ. */
#include "provider/relations.h"
#include "provider/writes.h"

#include "../cmocka_api.h"

#include "base/mem.h"

#include <string.h>

static struct err *
one (struct buf *sql, size_t index, const json_t *table)
{
  return *json_text (table, "key") == '\0' ? NULL
                                           : buf_printf (sql, "%zu;", index);
}

/* The last of these tables says more than once what it took. */
static struct err *
run (const struct step_call *call, const char *sql, char **out)
{
  (void)call;
  assert_string_equal (sql, "BEGIN;0;1;2;3;4;ROLLBACK;");
  *out = mem_strdup ("0 1 1\n1 0 1 23505 twice\n2 0 0\n3 0 0 by a check\n"
                     "4 1 1\n4 0 1\n");
  return NULL;
}

static void
tables_that_take_no_change_are_named (void **state)
{
  (void)state;
  static const struct writes_engine engine
      = { .one = one, .begin = "BEGIN;", .end = "ROLLBACK;", .run = run };
  struct step_call call = { 0 };
  json_t *tables CLEANUP_JSON = json_pack (
      "[{s:s,s:s}, {s:s,s:s}, {s:s,s:s}, {s:s,s:s}, {s:s,s:s}, {s:s}]", "name",
      "good", "key", "k", "name", "bad", "key", "k", "name", "empty", "key",
      "k", "name", "odd", "key", "k", "name", "half", "key", "k", "name",
      "bare");
  json_t *tried CLEANUP_JSON = json_array ();
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *findings CLEANUP_JSON = json_array ();
  assert_null (
      writes_try (&call, &engine, tables, tried, differences, findings));
  json_t *names CLEANUP_JSON = json_pack ("[s, s, s]", "good", "bad", "half");
  json_t *unlike CLEANUP_JSON
      = json_pack ("[s, s]", "table bad takes no change: 23505 twice",
                   "table half takes no change");
  json_t *said CLEANUP_JSON
      = json_pack ("[s]", "no change was tried in table odd: by a check");
  assert_true (json_equal (tried, names));
  assert_true (json_equal (differences, unlike));
  assert_true (json_equal (findings, said));
}

static void
relations_that_differ_are_named (void **state)
{
  (void)state;
  json_t *a CLEANUP_JSON
      = json_pack ("{s:{s:s, s:s}, s:{s:s}}", "keys", "child.one", "0",
                   "child.two", "1", "hours", "log.at", "3 3 a b 1 3");
  json_t *b CLEANUP_JSON = json_pack ("{s:{s:s}, s:{s:s}}", "keys", "child.one",
                                      "2", "hours", "log.at", "2 2 a b 1 4");
  json_t *differences CLEANUP_JSON = json_array ();
  relations_compare (a, a, differences);
  assert_int_equal (json_array_size (differences), 0);
  relations_compare (a, b, differences);
  json_t *wanted CLEANUP_JSON = json_pack (
      "[s, s, s]", "rows without what they refer to by child.one differs",
      "rows without what they refer to by child.two is missing there",
      "hours with rows in log.at differs");
  assert_true (json_equal (differences, wanted));
}

static void
a_large_database_is_not_read_again (void **state)
{
  (void)state;
  json_t *small CLEANUP_JSON = json_pack ("{s:I}", "bytes", (json_int_t)1000);
  json_t *large CLEANUP_JSON
      = json_pack ("{s:I}", "bytes", (json_int_t)1 << 30);
  assert_true (relations_looked_at (small));
  assert_false (relations_looked_at (large));
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (tables_that_take_no_change_are_named),
    cmocka_unit_test (relations_that_differ_are_named),
    cmocka_unit_test (a_large_database_is_not_read_again),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
