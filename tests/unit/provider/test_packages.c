/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the target's packages in the guard. */
#include "provider/move.h"

#include "../cmocka_api.h"

#include <stdio.h>

static json_t *
read_list (const char *text)
{
  json_t *o = NULL;
  assert_ok (move_packages_read (text, &o));
  return o;
}

static void
what_is_not_installed_is_passed_over (void **state)
{
  (void)state;
  json_t *o CLEANUP_JSON
      = read_list ("nginx:amd64 1.26-3\nremoved:all \n\n no-name\nlast:all 2");
  assert_int_equal (json_object_size (o), 2);
  assert_string_equal (json_string_value (json_object_get (o, "nginx:amd64")),
                       "1.26-3");
  assert_string_equal (json_string_value (json_object_get (o, "last:all")),
                       "2");
}

static void
upgrades_new_and_removed_packages_are_told_apart (void **state)
{
  (void)state;
  json_t *before CLEANUP_JSON = read_list ("a:all 1\nb:all 1\nc:all 1\n");
  json_t *now CLEANUP_JSON = read_list ("a:all 1\nb:all 2\nd:all 5\n");
  json_t *got CLEANUP_JSON = move_packages_differ (before, now);
  json_t *want CLEANUP_JSON
      = json_pack ("[{s:s,s:s,s:s},{s:s,s:s},{s:s,s:s}]", "package", "b:all",
                   "from", "1", "to", "2", "package", "d:all", "to", "5",
                   "package", "c:all", "from", "1");
  assert_true (json_equal (got, want));
}

static void
no_more_than_a_hundred_are_named (void **state)
{
  (void)state;
  json_t *before CLEANUP_JSON = json_object ();
  json_t *now CLEANUP_JSON = json_object ();
  for (int i = 0; i < 300; i++) {
    char name[16];
    snprintf (name, sizeof name, "p%d", i);
    json_object_set_new (now, name, json_string ("1"));
  }
  json_t *got CLEANUP_JSON = move_packages_differ (before, now);
  assert_int_equal (json_array_size (got), 100);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_is_not_installed_is_passed_over),
    cmocka_unit_test (upgrades_new_and_removed_packages_are_told_apart),
    cmocka_unit_test (no_more_than_a_hundred_are_named),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
