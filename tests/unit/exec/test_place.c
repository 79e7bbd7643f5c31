/* SPDX-License-Identifier: Apache-2.0 */
/* Where the controller keeps what it knows. */
#include "../host/scratch.h"

#include "exec/place.h"

static void
names_that_no_plan_can_have_are_refused (void **state)
{
  static const char *const bad[]
      = { "",   "-x",  "A",   "a/b",
          "..", "a b", "a.b", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop" };
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct place p = { 0 };
    assert_code (place_find ("/tmp", bad[i], &p), "RH-STATE-NAME");
  }
}

static void
a_controllers_id_stays_the_same (void **state)
{
  CLEANUP_PLACE struct place a = { 0 }, b = { 0 };
  assert_ok (place_find (*state, "shop", &a));
  assert_ok (place_find (*state, "other", &b));
  assert_ok (place_make (&a));
  assert_ok (place_make (&b));
  assert_int_equal (strlen (a.controller), 32);
  assert_string_equal (a.controller, b.controller);
}

static void
a_damaged_id_is_named_not_replaced (void **state)
{
  CLEANUP_PLACE struct place p = { 0 };
  CLEANUP_FREE char *path
      = mem_printf ("%s/controller-id", (const char *)*state);
  put_file (path, "not hex at all, but long enough.....");
  assert_ok (place_find (*state, "shop", &p));
  assert_code (place_make (&p), "RH-STATE-ID");
}

static void
migrations_are_listed_by_name (void **state)
{
  static const char *const names[] = { "b", "a", "c-1" };
  char **list = NULL;
  for (size_t i = 0; i < 3; i++) {
    CLEANUP_PLACE struct place p = { 0 };
    assert_ok (place_find (*state, names[i], &p));
    assert_ok (place_make (&p));
  }
  assert_ok (place_names (*state, &list));
  assert_string_equal (list[0], "a");
  assert_string_equal (list[1], "b");
  assert_string_equal (list[2], "c-1");
  assert_null (list[3]);
  for (size_t i = 0; list[i] != NULL; i++)
    free (list[i]);
  free (list);
}

static void
a_state_that_is_not_there_has_no_migrations (void **state)
{
  char **list = NULL;
  CLEANUP_FREE char *none = mem_printf ("%s/none", (const char *)*state);
  assert_ok (place_names (none, &list));
  assert_null (list[0]);
  free (list);
}

static void
the_agent_of_the_environment_comes_first (void **state)
{
  CLEANUP_FREE char *path = NULL;
  (void)state;
  setenv ("REHOME_AGENT", "/some/where/agent", 1);
  assert_ok (place_agent (&path));
  assert_string_equal (path, "/some/where/agent");
}

static void
a_migrations_id_has_the_plans_first_digits (void **state)
{
  CLEANUP_FREE char *id = place_migration ("shop", "0123456789abcdef");
  (void)state;
  assert_string_equal (id, "shop-01234567");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (names_that_no_plan_can_have_are_refused),
    in_scratch (a_controllers_id_stays_the_same),
    in_scratch (a_damaged_id_is_named_not_replaced),
    in_scratch (migrations_are_listed_by_name),
    in_scratch (a_state_that_is_not_there_has_no_migrations),
    cmocka_unit_test (the_agent_of_the_environment_comes_first),
    cmocka_unit_test (a_migrations_id_has_the_plans_first_digits),
  };
  return cmocka_run_group_tests_name ("place", tests, NULL, NULL);
}
