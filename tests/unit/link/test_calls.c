/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and streams over real agent processes on this machine: the agent's
 * own sessions with verbs that fail when they are told to (agent_verbs.c).
 */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "link/link.h"
#include "pattern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MB ((json_int_t)1000000)

static struct link *
open_agent (const char *name)
{
  struct link *l = NULL;
  const struct link_where w = { .name = name,
                                .host = "local",
                                .agent_path = getenv ("REHOME_TEST_AGENT") };
  assert_non_null (w.agent_path);
  assert_ok (link_open (&w, &l));
  return l;
}

struct pair {
  struct link *a, *b;
};

static int
setup (void **state)
{
  struct pair *p = mem_alloc (sizeof *p);
  p->a = open_agent ("source");
  p->b = open_agent ("target");
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct pair *p = *state;
  link_close (p->a);
  link_close (p->b);
  free (p);
  return 0;
}

static long
ms_since (const struct timespec *t0)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (t.tv_sec - t0->tv_sec) * 1000 + (t.tv_nsec - t0->tv_nsec) / 1000000;
}

/* One pipe of `n` bytes from a to b, with more arguments for each end. */
static struct err *
pipe_n (struct pair *p, json_int_t n, const char *out_key, json_int_t out_at,
        const char *in_key, json_int_t in_at, json_t **sent, json_t **taken)
{
  struct port *from = link_port (p->a);
  CLEANUP_JSON json_t *out = json_pack ("{s:I}", "n", n);
  CLEANUP_JSON json_t *in = json_object ();
  if (out_key != NULL)
    json_object_set_new (out, out_key, json_integer (out_at));
  if (in_key != NULL)
    json_object_set_new (in, in_key, json_integer (in_at));
  return from->ops->pipe (from, "send", out, link_port (p->b), "take", in, NULL,
                          NULL, sent, taken);
}

static void
the_hello_carries_the_facts (void **state)
{
  struct pair *p = *state;
  const json_t *hello = link_hello (p->a);
  const char *s;
  assert_ok (json_get_str (hello, "machine_id", &s));
  assert_ok (json_get_str (hello, "boot_id", &s));
  assert_ok (json_get_str (hello, "kernel", &s));
  assert_int_equal (json_integer_value (json_at (hello, "version")), 1);
  assert_true (link_alive (p->a));
}

static void
a_call_brings_its_result (void **state)
{
  struct pair *p = *state;
  CLEANUP_JSON json_t *r = NULL;
  assert_ok (port_call (link_port (p->a), "echo",
                        json_pack ("{s:s}", "x", "\xc3\xa9"), &r));
  assert_string_equal (json_string_value (json_at (r, "x")), "\xc3\xa9");
}

static void
an_unknown_verb_is_refused (void **state)
{
  struct pair *p = *state;
  assert_code (port_call (link_port (p->a), "rm -rf", json_object (), NULL),
               "RH-AGENT-VERB");
  assert_ok (port_call (link_port (p->a), "echo", json_object (), NULL));
}

static void
results_and_arguments_may_be_longer_than_a_frame (void **state)
{
  struct pair *p = *state;
  CLEANUP_JSON json_t *r = NULL;
  CLEANUP_JSON json_t *back = NULL;
  assert_ok (port_call (link_port (p->a), "big",
                        json_pack ("{s:I}", "n", 5 * MB), &r));
  assert_int_equal (json_string_length (json_at (r, "text")), 5 * MB);
  assert_ok (port_call (link_port (p->a), "echo", json_incref (r), &back));
  assert_true (json_equal (r, back));
}

static void
a_result_above_the_limit_is_an_error_of_that_call_alone (void **state)
{
  struct pair *p = *state;
  assert_code (port_call (link_port (p->a), "big",
                          json_pack ("{s:I}", "n", 17 * MB), NULL),
               "RH-LIMIT");
  assert_true (link_alive (p->a));
}

static void *
call_echo (void *arg)
{
  for (int i = 0; i < 20; i++) {
    CLEANUP_JSON json_t *r = NULL;
    struct err *e = port_call (arg, "echo", json_pack ("{s:i}", "i", i), &r);
    if (e != NULL || json_integer_value (json_at (r, "i")) != i) {
      err_free (e);
      return arg;
    }
  }
  return NULL;
}

static void
more_threads_than_the_agent_takes_calls_are_all_answered (void **state)
{
  struct pair *p = *state;
  pthread_t t[80];
  for (int i = 0; i < 80; i++)
    assert_int_equal (pthread_create (&t[i], NULL, call_echo, link_port (p->a)),
                      0);
  for (int i = 0; i < 80; i++) {
    void *failed = NULL;
    pthread_join (t[i], &failed);
    assert_null (failed);
  }
}

static void
count_tick (void *ctx, const json_t *tick)
{
  assert_true (json_is_object (tick));
  ++*(int *)ctx;
}

static void
ticks_come_at_most_ten_times_a_second (void **state)
{
  struct pair *p = *state;
  struct port *port = link_port (p->a);
  CLEANUP_JSON json_t *args = json_pack ("{s:i}", "ms", 1000);
  CLEANUP_JSON json_t *r = NULL;
  int ticks = 0;
  struct timespec t0;
  clock_gettime (CLOCK_MONOTONIC, &t0);
  assert_ok (port->ops->call (port, "nap", args, count_tick, &ticks, &r));
  assert_true (ticks >= 3);
  assert_true (ticks <= ms_since (&t0) / 100 + 1);
}

static bool
after_some_polls (void *ctx)
{
  return ++*(int *)ctx > 2;
}

static void
a_cancelled_call_ends_soon_and_says_so (void **state)
{
  struct pair *p = *state;
  int polls = 0;
  struct timespec t0;
  clock_gettime (CLOCK_MONOTONIC, &t0);
  port_cancel_hook (after_some_polls, &polls);
  struct err *e = port_call (link_port (p->a), "nap", json_object (), NULL);
  port_cancel_hook (NULL, NULL);
  assert_code (e, "RH-AGENT-CANCELLED");
  assert_true (ms_since (&t0) < 5000);
  assert_true (link_alive (p->a));
}

static atomic_int lost_calls;

static void *
nap_until_lost (void *arg)
{
  CLEANUP_ERR struct err *e = port_call (arg, "nap", json_object (), NULL);
  if (e != NULL && strcmp (err_code (e), "RH-LINK-LOST") == 0
      && err_class_of (e) == ERR_TRANSIENT)
    atomic_fetch_add (&lost_calls, 1);
  return NULL;
}

static void
an_agent_killed_in_mid_call_fails_every_call_as_lost (void **state)
{
  struct pair *p = *state;
  pthread_t t;
  atomic_store (&lost_calls, 0);
  assert_int_equal (pthread_create (&t, NULL, nap_until_lost, link_port (p->a)),
                    0);
  assert_code (port_call (link_port (p->a), "die", json_object (), NULL),
               "RH-LINK-LOST");
  pthread_join (t, NULL);
  assert_int_equal (atomic_load (&lost_calls), 1);
  assert_false (link_alive (p->a));
  assert_code (port_call (link_port (p->a), "echo", json_object (), NULL),
               "RH-LINK-LOST");
  assert_true (link_alive (p->b));
}

static void
a_stream_arrives_whole (void **state)
{
  struct pair *p = *state;
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *taken = NULL;
  assert_ok (pipe_n (p, 50 * MB, NULL, 0, NULL, 0, &sent, &taken));
  assert_int_equal (json_integer_value (json_at (sent, "sent")), 50 * MB);
  assert_int_equal (json_integer_value (json_at (taken, "taken")), 50 * MB);
}

static void
an_empty_stream_ends_too (void **state)
{
  struct pair *p = *state;
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *taken = NULL;
  assert_ok (pipe_n (p, 0, NULL, 0, NULL, 0, &sent, &taken));
  assert_int_equal (json_integer_value (json_at (taken, "taken")), 0);
}

static void *
stream_some (void *arg)
{
  json_t *sent = NULL, *taken = NULL;
  struct err *e = pipe_n (arg, 10 * MB, NULL, 0, NULL, 0, &sent, &taken);
  json_decref (sent);
  json_decref (taken);
  return e;
}

static void
several_streams_run_at_once (void **state)
{
  pthread_t t[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal (pthread_create (&t[i], NULL, stream_some, *state), 0);
  for (int i = 0; i < 4; i++) {
    void *e = NULL;
    pthread_join (t[i], &e);
    assert_ok ((struct err *)e);
  }
}

static void
the_receivers_error_is_the_cause_and_stops_the_sender (void **state)
{
  struct pair *p = *state;
  json_t *sent, *taken;
  assert_code (pipe_n (p, 900000 * MB, NULL, 0, "fail_at", 20 * MB, &sent,
                       &taken),
               "RH-TEST-FULL");
  assert_null (sent);
  a_stream_arrives_whole (state);
}

static void
the_senders_error_is_the_cause_and_stops_the_receiver (void **state)
{
  struct pair *p = *state;
  json_t *sent, *taken;
  assert_code (pipe_n (p, 900000 * MB, "fail_at", 20 * MB, NULL, 0, &sent,
                       &taken),
               "RH-TEST-SENDER");
  a_stream_arrives_whole (state);
}

static void
a_stream_is_cancelled_at_both_ends (void **state)
{
  struct pair *p = *state;
  json_t *sent, *taken;
  int polls = 0;
  struct timespec t0;
  clock_gettime (CLOCK_MONOTONIC, &t0);
  port_cancel_hook (after_some_polls, &polls);
  struct err *e = pipe_n (p, 900000 * MB, NULL, 0, NULL, 0, &sent, &taken);
  port_cancel_hook (NULL, NULL);
  assert_code (e, "RH-AGENT-CANCELLED");
  assert_true (ms_since (&t0) < 5000);
  a_stream_arrives_whole (state);
}

static void
a_receiver_that_is_killed_leaves_the_sender_alive (void **state)
{
  struct pair *p = *state;
  json_t *sent, *taken;
  assert_code (pipe_n (p, 900000 * MB, NULL, 0, "die_at", 20 * MB, &sent,
                       &taken),
               "RH-LINK-LOST");
  assert_false (link_alive (p->b));
  assert_true (link_alive (p->a));
  assert_ok (
      port_call (link_port (p->a), "send", json_pack ("{s:i}", "n", 9), NULL));
}

struct counted {
  size_t bytes, limit;
};

static struct err *
count_put (void *ctx, const void *data, size_t len)
{
  struct counted *c = ctx;
  if (memcmp (data, pattern_at (c->bytes), len) != 0)
    return err_new (ERR_UNEQUAL, "RH-TEST-BYTE", "a wrong byte");
  c->bytes += len;
  if (c->bytes > c->limit)
    return err_new (ERR_REFUSED, "RH-TEST-FULL", "full");
  return NULL;
}

static void
a_stream_can_be_read_here (void **state)
{
  struct pair *p = *state;
  struct counted c = { 0, SIZE_MAX };
  struct sink sink = { count_put, &c };
  CLEANUP_JSON json_t *r = NULL;
  assert_ok (port_read (link_port (p->a), "send",
                        json_pack ("{s:I}", "n", 30 * MB), &sink, &r));
  assert_int_equal (c.bytes, 30 * MB);
  assert_int_equal (json_integer_value (json_at (r, "sent")), 30 * MB);
}

static void
a_sink_that_fails_ends_the_call_with_its_own_error (void **state)
{
  struct pair *p = *state;
  struct counted c = { 0, 9 * (size_t)MB };
  struct sink sink = { count_put, &c };
  assert_code (port_read (link_port (p->a), "send",
                          json_pack ("{s:I}", "n", 900000 * MB), &sink, NULL),
               "RH-TEST-FULL");
}

static void
a_stream_that_nobody_takes_is_dropped (void **state)
{
  struct pair *p = *state;
  CLEANUP_JSON json_t *r = NULL;
  assert_ok (port_call (link_port (p->a), "send",
                        json_pack ("{s:I}", "n", 30 * MB), &r));
  assert_int_equal (json_integer_value (json_at (r, "sent")), 30 * MB);
}

static void
verbs_that_change_are_refused_once_the_fence_is_lost (void **state)
{
  struct pair *p = *state;
  assert_ok (port_call (link_port (p->a), "echo", json_object (), NULL));
  assert_ok (port_call (link_port (p->a), "lose-fence", json_object (), NULL));
  assert_code (port_call (link_port (p->a), "echo", json_object (), NULL),
               "RH-FENCE-EPOCH");
  assert_ok (port_call (link_port (p->a), "facts", json_object (), NULL));
}

static void
another_machine_than_the_plans_is_refused (void **state)
{
  (void)state;
  struct link *l = NULL;
  const struct link_where w
      = { .name = "source",
          .host = "local",
          .machine_id = "00000000000000000000000000000000",
          .agent_path = getenv ("REHOME_TEST_AGENT") };
  assert_code (link_open (&w, &l), "RH-LINK-IDENTITY");
  assert_null (l);
}

static void
a_program_that_is_no_agent_is_told_apart (void **state)
{
  (void)state;
  struct link *l = NULL;
  struct link_where w = { .name = "source", .host = "local" };
  w.agent_path = "/nonexistent/agent";
  assert_code (link_open (&w, &l), "RH-LINK-START");
  w.agent_path = "/bin/false";
  assert_code (link_open (&w, &l), "RH-LINK-LOST");
  w.agent_path = "/bin/echo"; /* "--stdio\n" is shorter than a header */
  assert_code (link_open (&w, &l), "RH-LINK-LOST");
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (the_hello_carries_the_facts),
    TEST (a_call_brings_its_result),
    TEST (an_unknown_verb_is_refused),
    TEST (results_and_arguments_may_be_longer_than_a_frame),
    TEST (a_result_above_the_limit_is_an_error_of_that_call_alone),
    TEST (more_threads_than_the_agent_takes_calls_are_all_answered),
    TEST (ticks_come_at_most_ten_times_a_second),
    TEST (a_cancelled_call_ends_soon_and_says_so),
    TEST (an_agent_killed_in_mid_call_fails_every_call_as_lost),
    TEST (a_stream_arrives_whole),
    TEST (an_empty_stream_ends_too),
    TEST (several_streams_run_at_once),
    TEST (the_receivers_error_is_the_cause_and_stops_the_sender),
    TEST (the_senders_error_is_the_cause_and_stops_the_receiver),
    TEST (a_stream_is_cancelled_at_both_ends),
    TEST (a_receiver_that_is_killed_leaves_the_sender_alive),
    TEST (a_stream_can_be_read_here),
    TEST (a_sink_that_fails_ends_the_call_with_its_own_error),
    TEST (a_stream_that_nobody_takes_is_dropped),
    TEST (verbs_that_change_are_refused_once_the_fence_is_lost),
    cmocka_unit_test (another_machine_than_the_plans_is_refused),
    cmocka_unit_test (a_program_that_is_no_agent_is_told_apart),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
