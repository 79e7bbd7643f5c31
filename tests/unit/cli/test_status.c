/* SPDX-License-Identifier: Apache-2.0 */
/* Exit statuses. */
#include "groups.h"

#include "base/cleanup.h"
#include "cli/follow.h"
#include "cli/say.h"

static void
classes_have_their_status (void **state)
{
  (void)state;
  assert_int_equal (say_status (ERR_BLOCKED, "RH-SERVICE-PORT"), 4);
  assert_int_equal (say_status (ERR_UNEQUAL, "RH-FILES-UNEQUAL"), 5);
  assert_int_equal (say_status (ERR_TRANSIENT, "RH-LINK-LOST"), 1);
  assert_int_equal (say_status (ERR_CORRECT, "RH-CLI-USAGE"), 2);
  assert_int_equal (say_status (ERR_CORRECT, "RH-PLAN-KEY"), 65);
  assert_int_equal (say_status (ERR_CORRECT, "RH-GRAPH-CYCLE"), 65);
}

static int
ended (enum request r, const char *phase, const char *cls)
{
  CLEANUP_JSON json_t *attention
      = cls != NULL ? json_pack ("{s:s, s:s}", "class", cls, "code", "RH-X-Y")
                    : json_null ();
  return follow_status (r, phase, false, attention);
}

static void
a_cutover_ends_with_what_became_of_it (void **state)
{
  (void)state;
  assert_int_equal (ended (REQUEST_CUTOVER, "guarded", NULL), 0);
  assert_int_equal (ended (REQUEST_CUTOVER, "aborted", "refused"), 6);
  assert_int_equal (ended (REQUEST_CUTOVER, "aborted", NULL), 6);
  assert_int_equal (ended (REQUEST_CUTOVER, "syncing", "unequal"), 5);
  assert_int_equal (ended (REQUEST_CUTOVER, "syncing", "blocked"), 4);
  assert_int_equal (ended (REQUEST_CUTOVER, "syncing", NULL), 6);
  assert_int_equal (ended (REQUEST_CUTOVER, "stuck", "refused"), 1);
}

static void
a_sync_ends_with_what_became_of_it (void **state)
{
  (void)state;
  assert_int_equal (ended (REQUEST_SYNC, "syncing", NULL), 0);
  assert_int_equal (ended (REQUEST_SYNC, "planned", "blocked"), 4);
  assert_int_equal (ended (REQUEST_SYNC, "planned", NULL), 6);
  assert_int_equal (ended (REQUEST_SYNC, "syncing", "system"), 1);
}

static void
an_abort_that_was_asked_for_is_well (void **state)
{
  (void)state;
  assert_int_equal (ended (REQUEST_ABORT, "aborted", NULL), 0);
  assert_int_equal (ended (REQUEST_ACCEPT, "accepted", NULL), 0);
}

static void
a_confirmation_needs_the_name (void **state)
{
  struct invocation in = { .command = command_find ("cutover") };
  (void)state;
  in.value[OPT_NO_INPUT] = "";
  assert_code (say_confirm (&in, "?", "shop-old", "old"), "RH-CLI-CONFIRM");
  in.value[OPT_CONFIRM] = "shop-new";
  assert_code (say_confirm (&in, "?", "shop-old", "old"), "RH-CLI-CONFIRM");
  in.value[OPT_CONFIRM] = "";
  assert_code (say_confirm (&in, "?", "shop-old", "old"), "RH-CLI-CONFIRM");
  in.value[OPT_CONFIRM] = "shop-old";
  assert_ok (say_confirm (&in, "?", "shop-old", "old"));
  in.value[OPT_CONFIRM] = "old";
  assert_ok (say_confirm (&in, "?", "shop-old", "old"));
}

const struct CMUnitTest status_tests[] = {
  cmocka_unit_test (classes_have_their_status),
  cmocka_unit_test (a_cutover_ends_with_what_became_of_it),
  cmocka_unit_test (a_sync_ends_with_what_became_of_it),
  cmocka_unit_test (an_abort_that_was_asked_for_is_well),
  cmocka_unit_test (a_confirmation_needs_the_name),
};
const size_t status_count = sizeof status_tests / sizeof *status_tests;
