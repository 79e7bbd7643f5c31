/* SPDX-License-Identifier: Apache-2.0 */
/* Named timers. */
#include "../cmocka_api.h"

#include "exec/timers.h"

#include <stdlib.h>

static void
take (struct timers *t, int64_t now, const char *expected)
{
  char *name = timers_due (t, now);
  if (expected == NULL)
    assert_null (name);
  else {
    assert_non_null (name);
    assert_string_equal (name, expected);
  }
  free (name);
}

static void
they_fire_in_the_order_of_their_time (void **state)
{
  struct timers *t = timers_new ();
  (void)state;
  timers_set (t, "late", 300);
  timers_set (t, "early", 100);
  timers_set (t, "middle", 200);
  take (t, 99, NULL);
  take (t, 300, "early");
  take (t, 300, "middle");
  take (t, 300, "late");
  take (t, 300, NULL);
  timers_free (t);
}

static void
setting_one_again_moves_it (void **state)
{
  struct timers *t = timers_new ();
  (void)state;
  timers_set (t, "a", 100);
  timers_set (t, "a", 500);
  assert_int_equal (timers_len (t), 1);
  assert_int_equal (timers_wait (t, 100), 400);
  take (t, 499, NULL);
  take (t, 500, "a");
  timers_free (t);
}

static void
a_cancelled_one_never_fires (void **state)
{
  struct timers *t = timers_new ();
  (void)state;
  timers_set (t, "a", 100);
  timers_cancel (t, "a");
  timers_cancel (t, "never set");
  take (t, 1000, NULL);
  assert_int_equal (timers_wait (t, 0), -1);
  timers_free (t);
}

static void
what_is_overdue_is_waited_for_not_at_all (void **state)
{
  struct timers *t = timers_new ();
  (void)state;
  timers_set (t, "a", 100);
  assert_int_equal (timers_wait (t, 5000), 0);
  timers_free (t);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (they_fire_in_the_order_of_their_time),
    cmocka_unit_test (setting_one_again_moves_it),
    cmocka_unit_test (a_cancelled_one_never_fires),
    cmocka_unit_test (what_is_overdue_is_waited_for_not_at_all),
  };
  return cmocka_run_group_tests_name ("timers", tests, NULL, NULL);
}
