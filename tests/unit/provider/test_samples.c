/* SPDX-License-Identifier: Apache-2.0 */
/* Where samples are looked for, and what is said of records that differ. */
#include "provider/samples.h"

#include "../cmocka_api.h"

#include "base/mem.h"

#include <string.h>

static void
places_are_spread_over_all_keys (void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 500; seed++)
    for (unsigned n = 0; n < 5; n++) {
      int64_t at = samples_place (-1000, 1000, n, 5, seed * 77);
      assert_in_range (at + 1000, n * 400, n * 400 + 399);
    }
}

static void
another_seed_gives_other_places (void **state)
{
  (void)state;
  int same = 0;
  for (uint64_t seed = 0; seed < 100; seed++)
    same += samples_place (0, 1 << 30, 2, 5, seed)
            == samples_place (0, 1 << 30, 2, 5, seed + 1);
  assert_int_equal (same, 0);
}

static void
the_ends_of_all_numbers_are_places (void **state)
{
  (void)state;
  assert_true (samples_place (INT64_MIN, INT64_MAX, 4, 5, 9) > 0);
  assert_true (samples_place (INT64_MIN, INT64_MAX, 0, 5, 9) < 0);
  assert_int_equal (samples_place (7, 7, 4, 5, 123456789), 7);
  assert_int_equal (samples_place (7, 9, 0, 5, 123456789), 7);
}

/* ---- Records ---- */

static struct err *
reach (struct buf *sql, size_t index, const json_t *table)
{
  (void)table;
  return buf_printf (sql, "reach %zu;", index);
}

static struct err *
record (struct buf *sql, size_t index, const json_t *table, int64_t from)
{
  (void)table;
  (void)from;
  return buf_printf (sql, "record %zu;", index);
}

/* Of three tables the first has rows, the second none, the third no key. */
static struct err *
run (const struct step_call *call, struct port *p, const char *sql, char **out)
{
  if (strncmp (sql, "reach", 5) == 0) {
    assert_null (strstr (sql, "reach 2"));
    *out = mem_strdup ("0\t1\t1000\n1\tNULL\tNULL\n");
    return NULL;
  }
  assert_non_null (strstr (sql, "record 0"));
  assert_null (strstr (sql, "record 1"));
  *out = mem_strdup (p == call->source ? "0\t3\ta\tb\n0\t200\tx\n0\t900\ty\n"
                                       : "0\t3\ta\tb\n0\t200\tz\n");
  return NULL;
}

static void
records_that_differ_or_are_missing_are_named (void **state)
{
  (void)state;
  static const struct samples_engine engine = { reach, record, run };
  struct port a = { 0 }, b = { 0 };
  struct step_call call = { .source = &a, .target = &b };
  json_t *tables CLEANUP_JSON
      = json_pack ("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "name", "orders",
                   "key", "id", "name", "empty", "key", "id", "name", "bare",
                   "key", "");
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *out CLEANUP_JSON = NULL;
  assert_null (samples_compare (&call, &engine, tables, differences, &out));
  json_t *wanted CLEANUP_JSON
      = json_pack ("[s, s]", "record 200 of table orders differs",
                   "record 900 of table orders is missing there");
  assert_true (json_equal (differences, wanted));
  const json_t *list = json_object_get (out, "orders");
  assert_int_equal (json_array_size (list), 3);
  const json_t *one = json_array_get (list, 0);
  assert_string_equal (json_string_value (json_object_get (one, "key")), "3");
  assert_true (json_equal (json_object_get (one, "source"),
                           json_object_get (one, "target")));
  assert_null (json_object_get (out, "empty"));
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (places_are_spread_over_all_keys),
    cmocka_unit_test (another_seed_gives_other_places),
    cmocka_unit_test (the_ends_of_all_numbers_are_places),
    cmocka_unit_test (records_that_differ_or_are_missing_are_named),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
