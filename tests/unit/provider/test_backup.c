/* SPDX-License-Identifier: Apache-2.0 */
/* What the check of a backup says about its age. */
#include "provider/move.h"

#include "../cmocka_api.h"

#define HOUR 3600000LL
#define AT 1772334000000LL /* 2026-03-01T03:00:00Z */

static void
a_backup_of_this_night_counts (void **state)
{
  (void)state;
  int64_t taken = 0;
  assert_ok (move_backup_age ("2026-03-01T03:00:00Z\n17 tables\n",
                              AT + 5 * HOUR, 24 * HOUR, &taken));
  assert_int_equal (taken, AT);
}

static void
one_that_is_too_old_does_not (void **state)
{
  (void)state;
  int64_t taken = 0;
  assert_code (move_backup_age ("2026-03-01T03:00:00Z\n", AT + 25 * HOUR,
                                24 * HOUR, &taken),
               "RH-MOVE-BACKUP");
}

static void
one_of_the_future_does_not (void **state)
{
  (void)state;
  int64_t taken = 0;
  assert_code (move_backup_age ("2026-03-01T03:00:00Z\n", AT - HOUR, 24 * HOUR,
                                &taken),
               "RH-MOVE-BACKUP");
}

static void
a_check_that_names_no_time_proves_nothing (void **state)
{
  (void)state;
  int64_t taken = 0;
  assert_code (move_backup_age ("all good\n", AT, 24 * HOUR, &taken),
               "RH-MOVE-BACKUP");
  assert_code (move_backup_age ("", AT, 24 * HOUR, &taken), "RH-MOVE-BACKUP");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_backup_of_this_night_counts),
    cmocka_unit_test (one_that_is_too_old_does_not),
    cmocka_unit_test (one_of_the_future_does_not),
    cmocka_unit_test (a_check_that_names_no_time_proves_nothing),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
