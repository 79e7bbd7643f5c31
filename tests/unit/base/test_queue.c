/* SPDX-License-Identifier: Apache-2.0 */
/* The queue between threads: order, bound, and closing as cancelling. */
#include "../cmocka_api.h"

#include "base/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static int numbers[100];

static void
items_come_in_their_order (void **state)
{
  (void)state;
  struct queue *q = queue_new (3);
  for (int round = 0; round < 5; round++) {
    assert_true (queue_put (q, &numbers[1]));
    assert_true (queue_put (q, &numbers[2]));
    assert_ptr_equal (queue_take (q), &numbers[1]);
    assert_ptr_equal (queue_take (q), &numbers[2]);
  }
  queue_free (q, NULL);
}

static void
what_is_inside_can_be_taken_after_closing (void **state)
{
  (void)state;
  struct queue *q = queue_new (3);
  assert_true (queue_put (q, &numbers[1]));
  queue_close (q);
  assert_false (queue_put (q, &numbers[2]));
  assert_ptr_equal (queue_take (q), &numbers[1]);
  assert_null (queue_take (q));
  queue_free (q, NULL);
}

static void
taking_gives_up_in_time_and_says_which_it_was (void **state)
{
  (void)state;
  struct queue *q = queue_new (3);
  bool timed_out = false;
  assert_null (queue_take_for (q, 20, &timed_out));
  assert_true (timed_out);
  queue_close (q);
  assert_null (queue_take_for (q, 1000, &timed_out));
  assert_false (timed_out);
  queue_free (q, NULL);
}

static void *
put_two (void *arg)
{
  struct queue *q = arg;
  bool first = queue_put (q, &numbers[1]);
  bool second = queue_put (q, &numbers[2]);
  return first && !second ? arg : NULL;
}

static void
a_put_that_waits_for_room_is_ended_by_closing (void **state)
{
  (void)state;
  struct queue *q = queue_new (1);
  pthread_t t;
  void *as_expected = NULL;
  assert_int_equal (pthread_create (&t, NULL, put_two, q), 0);
  while (queue_len (q) == 0)
    usleep (1000);
  usleep (20000); /* it waits for room now */
  queue_close (q);
  pthread_join (t, &as_expected);
  assert_ptr_equal (as_expected, q);
  queue_free (q, NULL);
}

static atomic_long sum;

static void *
take_all (void *arg)
{
  for (int *n = queue_take (arg); n != NULL; n = queue_take (arg))
    atomic_fetch_add (&sum, *n);
  return NULL;
}

static void
nothing_is_lost_between_many_threads (void **state)
{
  (void)state;
  struct queue *q = queue_new (4);
  pthread_t t[4];
  long expected = 0;
  atomic_store (&sum, 0);
  for (int i = 0; i < 4; i++)
    assert_int_equal (pthread_create (&t[i], NULL, take_all, q), 0);
  for (int i = 0; i < 20000; i++) {
    expected += i % 100;
    assert_true (queue_put (q, &numbers[i % 100]));
  }
  queue_close (q);
  for (int i = 0; i < 4; i++)
    pthread_join (t[i], NULL);
  assert_int_equal (atomic_load (&sum), expected);
  queue_free (q, NULL);
}

static int dropped;

static void
drop (void *item)
{
  (void)item;
  dropped++;
}

static void
freeing_drops_what_is_left (void **state)
{
  (void)state;
  struct queue *q = queue_new (4);
  queue_put (q, &numbers[1]);
  queue_put (q, &numbers[2]);
  queue_free (q, drop);
  assert_int_equal (dropped, 2);
}

int
main (void)
{
  for (int i = 0; i < 100; i++)
    numbers[i] = i;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (items_come_in_their_order),
    cmocka_unit_test (what_is_inside_can_be_taken_after_closing),
    cmocka_unit_test (taking_gives_up_in_time_and_says_which_it_was),
    cmocka_unit_test (a_put_that_waits_for_room_is_ended_by_closing),
    cmocka_unit_test (nothing_is_lost_between_many_threads),
    cmocka_unit_test (freeing_drops_what_is_left),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
