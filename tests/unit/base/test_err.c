/* SPDX-License-Identifier: Apache-2.0 */
/* Errors say what was being done, and the first advice stays. */
#include "../cmocka_api.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static struct err *
fails (void)
{
  return err_new (ERR_REFUSED, "RH-TEST-A", "number %d", 7);
}

static struct err *
passes_on (int *reached)
{
  TRY (err_wrap (fails (), "while %s", "testing"));
  *reached = 1;
  return NULL;
}

static void
try_returns_the_wrapped_error (void **state)
{
  (void)state;
  int reached = 0;
  CLEANUP_ERR struct err *e = passes_on (&reached);
  assert_int_equal (reached, 0);
  assert_string_equal (err_code (e), "RH-TEST-A");
  assert_string_equal (err_message (e), "while testing: number 7");
  assert_int_equal (err_class_of (e), ERR_REFUSED);
}

static void
a_system_error_has_its_number_and_its_text (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e = err_sys (ENOENT, "RH-TEST-B", "/x");
  assert_int_equal (err_errno (e), ENOENT);
  assert_string_equal (err_message (e), "/x: No such file or directory");
}

static void
the_first_advice_stays (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e = fails ();
  assert_null (err_safe (e));
  e = err_todo (err_advise (e, "all", "first"), "second %d", 2);
  e = err_advise (e, "none", NULL);
  assert_string_equal (err_safe (e), "all");
  assert_string_equal (err_advice (e), "first");
}

static void
no_error_stays_no_error (void **state)
{
  (void)state;
  assert_null (err_wrap (NULL, "x"));
  assert_null (err_advise (NULL, "x", "y"));
  assert_null (err_todo (NULL, "x"));
  err_free (NULL);
}

static void
a_code_of_another_process_is_copied (void **state)
{
  (void)state;
  char code[] = "RH-OTHER";
  CLEANUP_ERR struct err *e = err_remote (ERR_TRANSIENT, code, "m", NULL, NULL);
  code[3] = 'X';
  assert_string_equal (err_code (e), "RH-OTHER");
}

static void
every_class_has_a_name_that_leads_back (void **state)
{
  (void)state;
  for (int i = 0; i <= ERR_BUG; i++) {
    enum err_class c;
    const char *name = err_class_name ((enum err_class)i);
    assert_int_equal (err_class_from_name (name, &c), 0);
    assert_int_equal (c, i);
  }
  enum err_class c;
  assert_int_equal (err_class_from_name ("fatal", &c), -1);
}

static void
steal_leaves_null (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e = fails ();
  struct err *mine = STEAL (e);
  assert_null (e);
  assert_non_null (mine);
  err_free (mine);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (try_returns_the_wrapped_error),
    cmocka_unit_test (a_system_error_has_its_number_and_its_text),
    cmocka_unit_test (the_first_advice_stays),
    cmocka_unit_test (no_error_stays_no_error),
    cmocka_unit_test (a_code_of_another_process_is_copied),
    cmocka_unit_test (every_class_has_a_name_that_leads_back),
    cmocka_unit_test (steal_leaves_null),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
