/* SPDX-License-Identifier: Apache-2.0 */
/* The clock that only goes forward: deadlines that are valid for every span,
 * and conditions that wait by it, not by the host's own time. */
#include "../cmocka_api.h"

#include "base/monotonic.h"

#include <errno.h>
#include <stddef.h>

static int64_t
in_ms (struct timespec t)
{
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
a_deadline_is_valid_and_lies_ahead_by_its_span (void **state)
{
  (void)state;
  static const int64_t spans[] = { 0, 1, 999, 1000, 1001, 59999, 86400123 };
  for (size_t k = 0; k < 2000; k++) {
    int64_t ms = spans[k % (sizeof spans / sizeof *spans)];
    int64_t before = monotonic_ms ();
    struct timespec t = monotonic_in (ms);
    assert_in_range (t.tv_nsec, 0, 999999999);
    assert_true (in_ms (t) >= before + ms);
    assert_true (in_ms (t) <= monotonic_ms () + ms);
  }
}

static void
a_span_below_zero_is_now (void **state)
{
  (void)state;
  int64_t before = monotonic_ms ();
  struct timespec t = monotonic_in (-5000);
  assert_true (in_ms (t) >= before);
}

/* By the host's own time this deadline, seconds behind the boot, would be
 * decades ago, and the wait would end at once. */
static void
a_condition_waits_by_this_clock (void **state)
{
  (void)state;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond;
  monotonic_cond_init (&cond);
  int64_t before = monotonic_ms ();
  struct timespec until = monotonic_in (30);
  pthread_mutex_lock (&lock);
  int rc = 0;
  while (rc == 0)
    rc = pthread_cond_timedwait (&cond, &lock, &until);
  pthread_mutex_unlock (&lock);
  pthread_cond_destroy (&cond);
  assert_int_equal (rc, ETIMEDOUT);
  assert_true (monotonic_ms () >= before + 30);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_deadline_is_valid_and_lies_ahead_by_its_span),
    cmocka_unit_test (a_span_below_zero_is_now),
    cmocka_unit_test (a_condition_waits_by_this_clock),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
