/* SPDX-License-Identifier: Apache-2.0 */
/* When what was kept may go. */
#include "../cmocka_api.h"

#include "exec/purge.h"
#include "provider/provider.h"

#include <string.h>

#define HEAD                                                  \
  "rehome: 1\nname: shop\nsource: {host: root@old}\nitems:\n" \
  "  - files: /srv/shop\n"
#define DAY 86400000LL

static struct plan *
plan_of (const char *text)
{
  struct plan *p = NULL;
  assert_ok (
      plan_parse (text, strlen (text), "plan.yaml", provider_kinds (), &p));
  return p;
}

static void
refused (const char *text, const char *code)
{
  struct plan *p = NULL;
  assert_code (plan_parse (text, strlen (text), "plan.yaml", provider_kinds (),
                           &p),
               code);
}

static void
the_time_counts_from_the_end (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p
      = plan_of (HEAD "kept: {owner: Otto, for: 10d}\n");
  assert_int_equal (purge_expiry (p, 5 * DAY), 15 * DAY);
  assert_int_equal (purge_expiry (p, 0), 0);
}

static void
thirty_days_where_nothing_is_said (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan_of (HEAD);
  assert_int_equal (purge_expiry (p, DAY), 31 * DAY);
  assert_int_equal (purge_retention (p), 0);
}

static void
the_last_day_of_retention_counts_whole (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan_of (HEAD "retention: 1970-01-03\n");
  assert_int_equal (purge_retention (p), 3 * DAY);
}

static void
a_day_that_does_not_exist_is_refused (void **state)
{
  (void)state;
  refused (HEAD "retention: 2029-02-30\n", "RH-PLAN-VALUE");
  refused (HEAD "retention: in three years\n", "RH-PLAN-VALUE");
}

static void
what_is_kept_needs_an_owner (void **state)
{
  (void)state;
  refused (HEAD "kept: {for: 10d}\n", "RH-PLAN-MISSING");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_time_counts_from_the_end),
    cmocka_unit_test (thirty_days_where_nothing_is_said),
    cmocka_unit_test (the_last_day_of_retention_counts_whole),
    cmocka_unit_test (a_day_that_does_not_exist_is_refused),
    cmocka_unit_test (what_is_kept_needs_an_owner),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
