/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan may say of credentials, and which file is whose. */
#include "provider/credentials.h"

#include "../cmocka_api.h"

#include "base/mem.h"

#include <string.h>

static bool
fits (json_t *value)
{
  json_t *spec CLEANUP_JSON = json_pack ("{s:o}", "credentials", value);
  struct err *e CLEANUP_ERR = credentials_check (spec);
  if (e != NULL)
    assert_int_equal (strncmp (err_code (e), "RH-PLAN-", 8), 0);
  return e == NULL;
}

static void
an_absolute_path_or_one_for_each_host_is_taken (void **state)
{
  (void)state;
  assert_true (fits (json_string ("/root/.my.cnf")));
  assert_true (fits (json_pack ("{s:s, s:s}", "source", "/a", "target", "/b")));
}

static void
anything_else_is_refused (void **state)
{
  (void)state;
  assert_false (fits (json_string ("root/.my.cnf")));
  assert_false (fits (json_string ("/a\nb")));
  assert_false (fits (json_integer (1)));
  assert_false (fits (json_pack ("{s:s}", "source", "/a")));
  assert_false (fits (json_pack ("{s:s, s:s, s:s}", "source", "/a", "target",
                                 "/b", "password", "x")));
}

/* A mirrored call has its ports changed over; the files stay the hosts'. */
static void
each_host_has_its_own_file_whichever_way_a_call_goes (void **state)
{
  (void)state;
  json_t *spec CLEANUP_JSON = json_pack ("{s:{s:s, s:s}}", "credentials",
                                         "source", "/a", "target", "/b");
  struct plan_item item = { .kind = "mariadb", .spec = spec };
  struct port source = { .name = "source" }, target = { .name = "target" };
  struct step_call call
      = { .item = &item, .source = &target, .target = &source };
  credentials_enter (&call);
  char *a CLEANUP_FREE = credentials_of (&source, "mariadb");
  char *b CLEANUP_FREE = credentials_of (&target, "mariadb");
  assert_string_equal (a, "/a");
  assert_string_equal (b, "/b");
  assert_null (credentials_of (&source, "postgresql"));
  port_forget (&source);
  port_forget (&target);
}

static void
without_the_key_there_is_none (void **state)
{
  (void)state;
  json_t *spec CLEANUP_JSON = json_object ();
  struct plan_item item = { .kind = "mariadb", .spec = spec };
  struct port source = { .name = "source" }, target = { .name = "target" };
  struct step_call call
      = { .item = &item, .source = &source, .target = &target };
  credentials_enter (&call);
  assert_null (credentials_of (&source, "mariadb"));
  assert_ok (credentials_look (&call));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_absolute_path_or_one_for_each_host_is_taken),
    cmocka_unit_test (anything_else_is_refused),
    cmocka_unit_test (each_host_has_its_own_file_whichever_way_a_call_goes),
    cmocka_unit_test (without_the_key_there_is_none),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
