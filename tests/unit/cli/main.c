/* SPDX-License-Identifier: Apache-2.0 */
/* All groups as one, so that there is one TAP plan. */
#include "groups.h"

#include <string.h>

static size_t
add (struct CMUnitTest *all, size_t at, const struct CMUnitTest *some, size_t n)
{
  memcpy (all + at, some, n * sizeof *some);
  return at + n;
}

int
main (void)
{
  struct CMUnitTest all[64];
  size_t n = 0;
  if (bar_count + command_count + guard_count + status_count > 64)
    return 1;
  n = add (all, n, bar_tests, bar_count);
  n = add (all, n, command_tests, command_count);
  n = add (all, n, guard_tests, guard_count);
  n = add (all, n, status_tests, status_count);
  return _cmocka_run_group_tests ("cli", all, n, NULL, NULL);
}
