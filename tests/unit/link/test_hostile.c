/* SPDX-License-Identifier: Apache-2.0 */
/* What breaks the protocol ends the connection, on both sides, and nothing
 * else: agents that lie (agent_other.c), controllers that do (raw frames to a
 * real agent). */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "link/child.h"
#include "link/link.h"
#include "link/request.h"
#include "wire/hello.h"
#include "wire/outlet.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One call to an agent that answers it in that way. */
static struct err *
call_to (const char *how, bool *alive)
{
  const struct link_where w = { .name = "source",
                                .host = "local",
                                .agent_path = getenv ("REHOME_OTHER_AGENT") };
  struct link *l = NULL;
  setenv ("OTHER_AGENT", how, 1);
  struct err *e = link_open (&w, &l);
  unsetenv ("OTHER_AGENT");
  assert_ok (e);
  e = port_call (link_port (l), "facts", json_object (), NULL);
  *alive = link_alive (l);
  link_close (l);
  return e;
}

static void
an_agent_that_breaks_the_protocol_is_a_lost_link (void **state)
{
  (void)state;
  static const char *const ways[]
      = { "behind", "endless", "hello", "deep", "list", "call", "type" };
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    bool alive = true;
    CLEANUP_ERR struct err *e = call_to (ways[i], &alive);
    if (alive || e == NULL || strcmp (err_code (e), "RH-LINK-LOST") != 0)
      fail_msg ("%s: %s", ways[i], e != NULL ? err_code (e) : "taken");
  }
}

static void
a_kernel_before_3_10_is_refused_by_name (void **state)
{
  (void)state;
  static const struct {
    const char *kernel;
    bool taken;
  } hosts[] = { { "2.6.32-754.el6.x86_64", false },
                { "3.2.0-6-amd64", false },
                { "3.9.11", false },
                { "3.10.0-1160.el7", true },
                { "3.16.0-11-amd64", true },
                { "6.1.0-40-amd64", true },
                { "10.0", true } };
  for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
    const struct link_where w = { .name = "source",
                                  .host = "local",
                                  .agent_path = getenv ("REHOME_OTHER_AGENT") };
    struct link *l = NULL;
    setenv ("OTHER_AGENT", "", 1);
    setenv ("OTHER_KERNEL", hosts[i].kernel, 1);
    CLEANUP_ERR struct err *e = link_open (&w, &l);
    unsetenv ("OTHER_AGENT");
    unsetenv ("OTHER_KERNEL");
    link_close (l);
    if ((e == NULL) != hosts[i].taken
        || (e != NULL && strcmp (err_code (e), "RH-LINK-KERNEL") != 0))
      fail_msg ("%s: %s", hosts[i].kernel, e != NULL ? err_code (e) : "taken");
  }
}

static void
more_data_from_an_agent_than_was_granted_is_refused (void **state)
{
  (void)state;
  struct monitor m;
  struct request r;
  struct err *e = NULL;
  monitor_init (&m);
  request_init (&r, &m);
  for (size_t sent = 0; sent <= STREAM_CREDIT && e == NULL; sent += FRAME_MAX) {
    CLEANUP_FRAME struct frame f
        = { FRAME_DATA, 1, 0, FRAME_MAX, mem_alloc (FRAME_MAX) };
    e = request_take (&r, &f);
    assert_true (e == NULL || sent == STREAM_CREDIT);
  }
  request_clear (&r);
  monitor_clear (&m);
  assert_code (e, "RH-WIRE-CREDIT");
}

static void
an_error_that_is_none_is_an_error_of_the_call (void **state)
{
  (void)state;
  bool alive = false;
  assert_code (call_to ("error", &alive), "RH-WIRE-FIELD");
  assert_true (alive);
}

/* A real agent with raw frames on its stdin. */
struct raw {
  struct child child;
  struct outlet *to;
  int fd; /* of it */
  struct frame_reader from;
};

static struct raw
raw_start (const char *agent)
{
  struct raw r = { .child = CHILD_INIT };
  const char *const argv[] = { agent, "--stdio", NULL };
  json_t *theirs = NULL;
  assert_ok (child_start (argv, false, &r.child));
  r.fd = r.child.in;
  r.to = outlet_new (r.fd);
  r.child.in = -1;
  frame_reader_init (&r.from, r.child.out);
  r.from.timeout_ms = 10000;
  assert_ok (hello_read (&r.from, &theirs));
  json_decref (theirs);
  json_t *mine = hello_new (NULL);
  assert_ok (outlet_json (r.to, FRAME_HELLO, 0, mine));
  json_decref (mine);
  return r;
}

static void
raw_call (struct raw *r, uint32_t id, const char *text)
{
  assert_ok (outlet_frame (r->to, FRAME_CALL, id, 0, text, strlen (text)));
}

/* The type of the next frame, 0 at the end of the connection. */
static int
raw_next (struct raw *r, uint32_t *call)
{
  CLEANUP_FRAME struct frame f = FRAME_INIT;
  bool eof = false;
  assert_ok (frame_read (&r->from, &f, &eof));
  if (call != NULL)
    *call = f.call;
  return eof ? 0 : (int)f.type;
}

static void
raw_stop (struct raw *r)
{
  outlet_free (r->to);
  child_end (&r->child, 5000);
  frame_reader_clear (&r->from);
  child_close (&r->child);
}

static const char nap[] = "{\"verb\":\"nap\",\"args\":{\"ms\":0}}";
static const char take[] = "{\"verb\":\"take\",\"args\":{}}";

static void
an_agent_answers_raw_frames (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  uint32_t call = 0;
  raw_call (&r, 7, nap);
  assert_int_equal (raw_next (&r, &call), FRAME_RESULT);
  assert_int_equal (call, 7);
  assert_ok (outlet_frame (r.to, FRAME_PING, 0, 0, NULL, 0));
  assert_int_equal (raw_next (&r, NULL), FRAME_PONG);
  raw_stop (&r);
}

static void
frames_of_calls_that_have_ended_are_ignored (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  raw_call (&r, 1, nap);
  assert_int_equal (raw_next (&r, NULL), FRAME_RESULT);
  assert_ok (outlet_frame (r.to, FRAME_DATA, 1, 0, "x", 1));
  assert_ok (outlet_frame (r.to, FRAME_CREDIT, 1, 9, NULL, 0));
  assert_ok (outlet_frame (r.to, FRAME_CANCEL, 1, 0, NULL, 0));
  raw_call (&r, 2, nap);
  assert_int_equal (raw_next (&r, NULL), FRAME_RESULT);
  raw_stop (&r);
}

static void
wrong_arguments_are_an_error_of_the_call_alone (void **state)
{
  (void)state;
  static const char *const bad[] = { "{}",
                                     "{\"verb\":5,\"args\":{}}",
                                     "{\"verb\":\"nap\"}",
                                     "{\"verb\":\"nap\",\"args\":[]}",
                                     "{\"verb\":\"no\",\"args\":{}}",
                                     "[\"verb\"]" };
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    raw_call (&r, i + 1, bad[i]);
    assert_int_equal (raw_next (&r, NULL), FRAME_ERROR);
  }
  raw_call (&r, 99, nap);
  assert_int_equal (raw_next (&r, NULL), FRAME_RESULT);
  raw_stop (&r);
}

/* Whether the agent closes, with calls under way, after what was sent. */
static void
assert_closes (struct raw *r, const char *what)
{
  int type;
  while ((type = raw_next (r, NULL)) != 0)
    if (type == FRAME_RESULT)
      fail_msg ("%s was taken", what);
  raw_stop (r);
}

static void
a_call_number_that_was_used_ends_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  raw_call (&r, 5, nap);
  assert_int_equal (raw_next (&r, NULL), FRAME_RESULT);
  raw_call (&r, 5, nap);
  assert_closes (&r, "call 5 again");
  r = raw_start (getenv ("REHOME_TEST_AGENT"));
  raw_call (&r, 5, take);
  raw_call (&r, 4, nap);
  assert_closes (&r, "a lower number");
}

static void
text_that_is_not_json_ends_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  raw_call (&r, 1, "{\"verb\":");
  assert_closes (&r, "half an object");
}

static void
more_data_than_was_granted_ends_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  unsigned char *block = mem_alloc (FRAME_MAX);
  raw_call (&r, 1, "{\"verb\":\"nap\",\"args\":{}}"); /* reads no stream */
  for (int i = 0; i < 5; i++)
    err_free (outlet_frame (r.to, FRAME_DATA, 1, 0, block, FRAME_MAX));
  free (block);
  assert_closes (&r, "a flood");
}

static void
more_calls_than_allowed_end_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  for (uint32_t i = 1; i <= CALLS_MAX; i++)
    raw_call (&r, i, take);
  raw_call (&r, CALLS_MAX + 1, nap);
  assert_closes (&r, "the 33rd call");
}

static void
a_frame_of_an_unknown_type_ends_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  static const unsigned char head[FRAME_HEADER]
      = { 0, 0, 0, 0, 77, 0, 0, 0, 1 };
  assert_int_equal (write (r.fd, head, sizeof head), sizeof head);
  assert_closes (&r, "type 77");
}

static void
an_agents_frame_from_the_controller_ends_the_session (void **state)
{
  (void)state;
  struct raw r = raw_start (getenv ("REHOME_TEST_AGENT"));
  raw_call (&r, 1, take);
  assert_ok (outlet_frame (r.to, FRAME_RESULT, 1, 0, "{}", 2));
  assert_closes (&r, "a result from the controller");
}

/* The number that a program wrote to a file; 0 where it did not in time. */
static pid_t
read_pid (const char *path)
{
  char text[32] = { 0 };
  for (int i = 0; i < 500; i++) {
    CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read (fd, text, sizeof text - 1) > 0
        && strchr (text, '\n') != NULL)
      return (pid_t)atol (text);
    usleep (10000);
  }
  return 0;
}

static void
programs_end_with_the_connection (void **state)
{
  (void)state;
  char path[] = "/tmp/rehome-pid-XXXXXX";
  int fd = mkstemp (path);
  assert_true (fd >= 0);
  close (fd);
  struct raw r = raw_start (getenv ("REHOME_AGENT"));
  CLEANUP_FREE char *text
      = mem_printf ("{\"verb\":\"run\",\"args\":{\"argv\":[\"/bin/sh\",\"-c\","
                    "\"echo $$ >%s; exec sleep 1000\"],\"timeout_ms\":900000}}",
                    path);
  raw_call (&r, 1, text);
  pid_t pid = read_pid (path);
  unlink (path);
  assert_true (pid > 0);
  assert_int_equal (kill (pid, 0), 0);
  raw_stop (&r);
  int gone = 0;
  for (int i = 0; i < 200 && gone == 0; i++) {
    gone = kill (pid, 0);
    usleep (10000);
  }
  assert_int_equal (gone, -1);
}

int
main (void)
{
  signal (SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_agent_that_breaks_the_protocol_is_a_lost_link),
    cmocka_unit_test (a_kernel_before_3_10_is_refused_by_name),
    cmocka_unit_test (more_data_from_an_agent_than_was_granted_is_refused),
    cmocka_unit_test (an_error_that_is_none_is_an_error_of_the_call),
    cmocka_unit_test (an_agent_answers_raw_frames),
    cmocka_unit_test (frames_of_calls_that_have_ended_are_ignored),
    cmocka_unit_test (wrong_arguments_are_an_error_of_the_call_alone),
    cmocka_unit_test (a_call_number_that_was_used_ends_the_session),
    cmocka_unit_test (text_that_is_not_json_ends_the_session),
    cmocka_unit_test (more_data_than_was_granted_ends_the_session),
    cmocka_unit_test (more_calls_than_allowed_end_the_session),
    cmocka_unit_test (a_frame_of_an_unknown_type_ends_the_session),
    cmocka_unit_test (an_agents_frame_from_the_controller_ends_the_session),
    cmocka_unit_test (programs_end_with_the_connection),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
