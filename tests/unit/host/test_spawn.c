/* SPDX-License-Identifier: Apache-2.0 */
/* Programs are run as they are named, bounded in time and output. */
#include "scratch.h"

#include "host/procs.h"
#include "host/spawn.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define RUN(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
run (const char *const *argv, const char *input, struct spawn_end *end)
{
  struct spawn_job job = { .argv = argv,
                           .input = input,
                           .input_len = input == NULL ? 0 : strlen (input),
                           .timeout_ms = 20000,
                           .max_output = 1 << 20 };
  assert_ok (spawn_run (&job, end));
}

static const char *
text (const struct buf *b)
{
  return b->data == NULL ? "" : (const char *)b->data;
}

static long
now_ms (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
output_errors_and_status_come_back (void **state)
{
  (void)state;
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("sh", "-c", "echo out; echo err >&2; exit 3"), NULL, &end);
  assert_string_equal (text (&end.out), "out\n");
  assert_string_equal (text (&end.err), "err\n");
  assert_int_equal (end.status, 3);
  assert_int_equal (end.signal, 0);
}

static void
no_shell_reads_the_arguments (void **state)
{
  (void)state;
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("echo", "$HOME; `id` $(id) * > /tmp/x", "a b"), NULL, &end);
  assert_string_equal (text (&end.out), "$HOME; `id` $(id) * > /tmp/x a b\n");
}

static void
stdin_is_given_whole_also_when_large (void **state)
{
  (void)state;
  CLEANUP_FREE char *large = mem_alloc (500001);
  memset (large, 'x', 500000);
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("cat"), large, &end);
  assert_int_equal (end.out.len, 500000);
  assert_string_equal (text (&end.out), large);
}

static void
a_program_that_reads_no_input_is_no_trouble (void **state)
{
  (void)state;
  CLEANUP_FREE char *large = mem_alloc (500001);
  memset (large, 'x', 500000);
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("true"), large, &end);
  assert_int_equal (end.status, 0);
}

static void
without_input_stdin_is_empty (void **state)
{
  (void)state;
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("cat"), NULL, &end);
  assert_int_equal (end.status, 0);
  assert_int_equal (end.out.len, 0);
}

static void
output_beyond_the_limit_is_dropped_and_told (void **state)
{
  (void)state;
  struct spawn_job job = { .argv = RUN ("head", "-c", "3000000", "/dev/zero"),
                           .timeout_ms = 20000,
                           .max_output = 100000 };
  CLEANUP (spawn_end_free) struct spawn_end end;
  assert_ok (spawn_run (&job, &end));
  assert_int_equal (end.out.len, 100000);
  assert_true (end.truncated);
  assert_int_equal (end.status, 0);
}

static void
the_limit_of_time_kills (void **state)
{
  (void)state;
  struct spawn_job job
      = { .argv = RUN ("sleep", "30"), .timeout_ms = 200, .max_output = 100 };
  CLEANUP (spawn_end_free) struct spawn_end end;
  long begun = now_ms ();
  assert_ok (spawn_run (&job, &end));
  assert_true (now_ms () - begun < 5000);
  assert_true (end.timed_out);
  assert_int_equal (end.signal, SIGKILL);
}

static bool
is_running (pid_t pid)
{
  struct proc p;
  bool there = proc_read (pid, &p) == 0 && p.state != 'Z';
  proc_free (&p);
  return there;
}

static void
what_stays_in_its_group_is_killed (void **state)
{
  (void)state;
  CLEANUP (spawn_end_free) struct spawn_end end;
  long begun = now_ms ();
  run (RUN ("sh", "-c", "sleep 60 & echo $!"), NULL, &end);
  assert_true (now_ms () - begun < 5000);
  pid_t pid = (pid_t)strtol (text (&end.out), NULL, 10);
  assert_true (pid > 1);
  for (int i = 0; i < 100 && is_running (pid); i++)
    usleep (10000);
  assert_false (is_running (pid));
}

static bool
stop_at_once (void *ctx)
{
  ++*(int *)ctx;
  return true;
}

static void
the_caller_can_cancel (void **state)
{
  (void)state;
  int asked = 0;
  struct spawn_job job = { .argv = RUN ("sleep", "30"),
                           .timeout_ms = 20000,
                           .max_output = 100,
                           .cancelled = stop_at_once,
                           .ctx = &asked };
  CLEANUP (spawn_end_free) struct spawn_end end;
  assert_ok (spawn_run (&job, &end));
  assert_true (end.stopped);
  assert_int_equal (asked, 1);
}

static void
the_environment_is_clean (void **state)
{
  (void)state;
  setenv ("REHOME_TEST_SECRET", "leaked", 1);
  struct spawn_job job = { .argv = RUN ("env"),
                           .env = RUN ("A=1", "HOME=/elsewhere"),
                           .timeout_ms = 20000,
                           .max_output = 4096 };
  CLEANUP (spawn_end_free) struct spawn_end end;
  assert_ok (spawn_run (&job, &end));
  assert_null (strstr (text (&end.out), "leaked"));
  assert_non_null (strstr (text (&end.out), "LC_ALL=C.UTF-8\n"));
  assert_non_null (strstr (text (&end.out), "A=1\n"));
  assert_non_null (strstr (text (&end.out), "HOME=/elsewhere\n"));
  assert_null (strstr (text (&end.out), "HOME=/root\n"));
}

static void
no_descriptor_leaks_into_it (void **state)
{
  (void)state;
  int leak = open ("/dev/null", O_RDONLY); /* without O_CLOEXEC */
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("ls", "/proc/self/fd"), NULL, &end);
  close (leak);
  /* 3 is the directory that ls reads. */
  assert_string_equal (text (&end.out), "0\n1\n2\n3\n");
}

static void
signals_are_as_at_the_start (void **state)
{
  (void)state;
  signal (SIGTERM, SIG_IGN);
  CLEANUP (spawn_end_free) struct spawn_end end;
  run (RUN ("sh", "-c", "kill -TERM $$; echo survived"), NULL, &end);
  signal (SIGTERM, SIG_DFL);
  assert_int_equal (end.signal, SIGTERM);
}

static void
what_cannot_be_run_is_an_error (void **state)
{
  struct spawn_job job = { .argv = RUN ("rehome-no-such-program"),
                           .timeout_ms = 1000,
                           .max_output = 100 };
  struct spawn_end end;
  CLEANUP_ERR struct err *e = spawn_run (&job, &end);
  spawn_end_free (&end);
  assert_string_equal (err_code (e), "RH-HOST-SPAWN");
  assert_int_equal (err_errno (e), ENOENT);
  CLEANUP_FREE char *file = mem_printf ("%s/plain", (char *)*state);
  put_file (file, "no program");
  job.argv = RUN (file);
  CLEANUP_ERR struct err *second = spawn_run (&job, &end);
  spawn_end_free (&end);
  assert_int_equal (err_errno (second), EACCES);
}

static void
many_in_a_row_all_answer (void **state)
{
  (void)state;
  for (int i = 0; i < 50; i++) {
    CLEANUP (spawn_end_free) struct spawn_end end;
    run (RUN ("echo", "x"), NULL, &end);
    assert_string_equal (text (&end.out), "x\n");
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (output_errors_and_status_come_back),
    cmocka_unit_test (no_shell_reads_the_arguments),
    cmocka_unit_test (stdin_is_given_whole_also_when_large),
    cmocka_unit_test (a_program_that_reads_no_input_is_no_trouble),
    cmocka_unit_test (without_input_stdin_is_empty),
    cmocka_unit_test (output_beyond_the_limit_is_dropped_and_told),
    cmocka_unit_test (the_limit_of_time_kills),
    cmocka_unit_test (what_stays_in_its_group_is_killed),
    cmocka_unit_test (the_caller_can_cancel),
    cmocka_unit_test (the_environment_is_clean),
    cmocka_unit_test (no_descriptor_leaks_into_it),
    cmocka_unit_test (signals_are_as_at_the_start),
    in_scratch (what_cannot_be_run_is_an_error),
    cmocka_unit_test (many_in_a_row_all_answer),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
