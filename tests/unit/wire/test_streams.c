/* SPDX-License-Identifier: Apache-2.0 */
/* Credits: nobody sends more than the other side granted. */
#include "../cmocka_api.h"

#include "base/mem.h"
#include "wire/flow.h"
#include "wire/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
credit_is_taken_in_parts_and_given_back (void **state)
{
  (void)state;
  struct flow *f = flow_new (10);
  size_t got;
  assert_ok (flow_take (f, 7, &got));
  assert_int_equal (got, 7);
  assert_ok (flow_take (f, 7, &got));
  assert_int_equal (got, 3);
  assert_ok (flow_give (f, 5));
  assert_ok (flow_take (f, 7, &got));
  assert_int_equal (got, 5);
  flow_free (f);
}

static void *
give_later (void *arg)
{
  usleep (20000);
  return flow_give (arg, 4);
}

static void *
close_later (void *arg)
{
  usleep (20000);
  flow_close (arg);
  return NULL;
}

static void
without_credit_the_sender_waits (void **state)
{
  (void)state;
  struct flow *f = flow_new (0);
  pthread_t t;
  void *e = NULL;
  size_t got;
  assert_int_equal (pthread_create (&t, NULL, give_later, f), 0);
  assert_ok (flow_take (f, 100, &got));
  assert_int_equal (got, 4);
  pthread_join (t, &e);
  assert_null (e);
  assert_int_equal (pthread_create (&t, NULL, close_later, f), 0);
  assert_code (flow_take (f, 100, &got), "RH-WIRE-CANCELLED");
  pthread_join (t, &e);
  flow_free (f);
}

static void
endless_credit_is_refused (void **state)
{
  (void)state;
  struct flow *f = flow_new (10);
  struct err *e = NULL;
  assert_ok (flow_give (f, UINT32_MAX - 10));
  e = flow_give (f, UINT32_MAX);
  assert_code (e, "RH-WIRE-CREDIT");
  flow_free (f);
}

static unsigned char *
bytes (size_t n, int fill)
{
  unsigned char *b = mem_alloc (n);
  memset (b, fill, n);
  return b;
}

static void
bytes_come_in_order_over_piece_borders (void **state)
{
  (void)state;
  struct intake *in = intake_new (100);
  char out[10] = { 0 };
  size_t len;
  uint32_t credit;
  assert_ok (intake_push (in, bytes (3, 'a'), 3));
  assert_ok (intake_push (in, bytes (3, 'b'), 3));
  assert_ok (intake_get (in, out, 4, &len, &credit));
  assert_int_equal (len, 4);
  assert_memory_equal (out, "aaab", 4);
  assert_ok (intake_get (in, out, 9, &len, &credit));
  assert_int_equal (len, 2);
  assert_memory_equal (out, "bb", 2);
  intake_end (in);
  assert_ok (intake_get (in, out, 9, &len, &credit));
  assert_int_equal (len, 0);
  intake_free (in);
}

static void
more_than_was_granted_is_refused (void **state)
{
  (void)state;
  struct intake *in = intake_new (10);
  assert_ok (intake_push (in, bytes (6, 0), 6));
  assert_code (intake_push (in, bytes (5, 0), 5), "RH-WIRE-CREDIT");
  assert_ok (intake_push (in, bytes (4, 0), 4));
  intake_free (in);
}

static void
what_was_read_is_granted_again (void **state)
{
  (void)state;
  struct intake *in = intake_new (8);
  char out[8];
  size_t len;
  uint32_t credit, granted = 0;
  for (int i = 0; i < 100; i++) {
    assert_ok (intake_push (in, bytes (4, 0), 4));
    assert_ok (intake_get (in, out, 4, &len, &credit));
    granted += credit;
  }
  assert_int_equal (granted, 400);
  intake_free (in);
}

static void
data_behind_the_end_is_refused (void **state)
{
  (void)state;
  struct intake *in = intake_new (8);
  intake_end (in);
  assert_code (intake_push (in, bytes (4, 0), 4), "RH-WIRE-FRAME");
  intake_free (in);
}

static void *
close_intake (void *arg)
{
  usleep (20000);
  intake_close (arg);
  return NULL;
}

static void
closing_ends_a_wait (void **state)
{
  (void)state;
  struct intake *in = intake_new (8);
  pthread_t t;
  char out[8];
  size_t len;
  uint32_t credit;
  assert_int_equal (pthread_create (&t, NULL, close_intake, in), 0);
  assert_code (intake_get (in, out, 8, &len, &credit), "RH-WIRE-CANCELLED");
  pthread_join (t, NULL);
  assert_ok (intake_push (in, bytes (4, 0), 4)); /* dropped */
  intake_free (in);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (credit_is_taken_in_parts_and_given_back),
    cmocka_unit_test (without_credit_the_sender_waits),
    cmocka_unit_test (endless_credit_is_refused),
    cmocka_unit_test (bytes_come_in_order_over_piece_borders),
    cmocka_unit_test (more_than_was_granted_is_refused),
    cmocka_unit_test (what_was_read_is_granted_again),
    cmocka_unit_test (data_behind_the_end_is_refused),
    cmocka_unit_test (closing_ends_a_wait),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
