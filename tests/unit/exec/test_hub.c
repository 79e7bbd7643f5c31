/* SPDX-License-Identifier: Apache-2.0 */
/* What watchers are told. */
#include "../cmocka_api.h"

#include "exec/clock.h"
#include "exec/hub.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static void
drop (struct hub_news *n)
{
  json_decref (n->progress);
  json_decref (n->notices);
}

static void
a_watcher_is_told_each_thing_once (void **state)
{
  struct hub *h = hub_new ();
  struct hub_seen seen = { 0 };
  struct hub_news n;
  (void)state;
  hub_head (h, 3);
  hub_progress (h, json_pack ("{s:i}", "n", 1));
  hub_notice (h, json_pack ("{s:s}", "kind", "phase"));
  hub_wait (h, &seen, 0, &n);
  assert_true (n.records);
  assert_int_equal (json_integer_value (json_object_get (n.progress, "n")), 1);
  assert_int_equal (json_array_size (n.notices), 1);
  drop (&n);
  seen.seq = 3;
  hub_wait (h, &seen, 0, &n);
  assert_false (n.records);
  assert_null (n.progress);
  assert_null (n.notices);
  hub_free (h);
}

static void
equal_progress_wakes_nobody (void **state)
{
  struct hub *h = hub_new ();
  struct hub_seen seen = { 0 };
  struct hub_news n;
  (void)state;
  hub_progress (h, json_pack ("{s:i}", "n", 1));
  hub_wait (h, &seen, 0, &n);
  drop (&n);
  hub_progress (h, json_pack ("{s:i}", "n", 1));
  hub_wait (h, &seen, 0, &n);
  assert_null (n.progress);
  hub_free (h);
}

static void
of_many_notices_the_last_are_kept (void **state)
{
  struct hub *h = hub_new ();
  struct hub_seen seen = { 0 };
  struct hub_news n;
  (void)state;
  for (int i = 0; i < 100; i++)
    hub_notice (h, json_pack ("{s:i}", "n", i));
  hub_wait (h, &seen, 0, &n);
  assert_int_equal (json_array_size (n.notices), 64);
  assert_int_equal (json_integer_value (
                        json_object_get (json_array_get (n.notices, 63), "n")),
                    99);
  drop (&n);
  hub_free (h);
}

static void *
close_soon (void *arg)
{
  struct timespec nap = { 0, 50000000 };
  nanosleep (&nap, NULL);
  hub_close (arg);
  return NULL;
}

static void
closing_wakes_who_waits (void **state)
{
  struct hub *h = hub_new ();
  struct hub_seen seen = { 0 };
  struct hub_news n;
  pthread_t t;
  (void)state;
  int64_t began = clock_boot_ms ();
  pthread_create (&t, NULL, close_soon, h);
  hub_wait (h, &seen, 20000, &n);
  pthread_join (t, NULL);
  assert_true (n.closed);
  assert_true (clock_boot_ms () - began < 10000);
  hub_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_watcher_is_told_each_thing_once),
    cmocka_unit_test (equal_progress_wakes_nobody),
    cmocka_unit_test (of_many_notices_the_last_are_kept),
    cmocka_unit_test (closing_wakes_who_waits),
  };
  return cmocka_run_group_tests_name ("hub", tests, NULL, NULL);
}
