/* SPDX-License-Identifier: Apache-2.0 */
/* Who claims a connection again ends the agent of the one before. */
#include "verbs.h"

#include "agent/sole.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static bool
at_once (void *ctx)
{
  (void)ctx;
  return true;
}

/* The directory of a migration, made. */
static char *
place (void **state)
{
  char *dir = mem_printf ("%s/shop", (char *)*state);
  assert_int_equal (mkdir (dir, 0700), 0);
  return dir;
}

/* Another process that holds the lock until it is told to end, or for ever;
 * it stands when this returns. */
static pid_t
older (const char *dir, const char *channel, bool deaf)
{
  int ready[2];
  char byte;
  assert_int_equal (pipe (ready), 0);
  pid_t pid = fork ();
  if (pid == 0) {
    if (deaf)
      signal (SIGTERM, SIG_IGN);
    struct err *e = sole_take (dir, "target", channel, never_cancelled_, NULL);
    if (e != NULL || write (ready[1], "x", 1) != 1)
      _exit (1);
    for (;;)
      pause ();
  }
  assert_true (pid > 0);
  close (ready[1]);
  assert_int_equal (read (ready[0], &byte, 1), 1);
  close (ready[0]);
  return pid;
}

/* How a child ended. */
static int
end_of (pid_t pid)
{
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return WIFSIGNALED (status) ? WTERMSIG (status) : 0;
}

static void
an_older_agent_is_asked_to_end (void **state)
{
  CLEANUP_FREE char *dir = place (state);
  pid_t old = older (dir, "data", false);
  assert_ok (sole_take (dir, "target", "data", never_cancelled_, NULL));
  assert_int_equal (end_of (old), SIGTERM);
  assert_true (sole_fd () >= 16);
  /* Who looks for writers does not find it. */
  assert_int_equal (fcntl (sole_fd (), F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void
one_that_does_not_hear_is_killed (void **state)
{
  CLEANUP_FREE char *dir = place (state);
  pid_t old = older (dir, "data", true);
  assert_ok (sole_take (dir, "target", "data", never_cancelled_, NULL));
  assert_int_equal (end_of (old), SIGKILL);
}

static void
other_connections_are_left_alone (void **state)
{
  CLEANUP_FREE char *dir = place (state);
  pid_t old = older (dir, "control", false);
  assert_ok (sole_take (dir, "target", "data", never_cancelled_, NULL));
  assert_ok (sole_take (dir, "target", "data", never_cancelled_, NULL));
  assert_int_equal (kill (old, 0), 0);
  assert_int_equal (waitpid (old, NULL, WNOHANG), 0);
  kill (old, SIGKILL);
  end_of (old);
}

/* Its worker holds the lock as well, and outlives it here. */
static void
a_worker_that_is_left_is_waited_for (void **state)
{
  CLEANUP_FREE char *dir = place (state);
  int go[2];
  char byte;
  assert_int_equal (pipe (go), 0);
  pid_t old = fork ();
  if (old == 0) {
    struct err *e = sole_take (dir, "target", "data", never_cancelled_, NULL);
    if (e == NULL && fork () == 0) {
      close (go[1]);
      (void)!read (go[0], &byte, 1); /* until the test is over */
    }
    _exit (e != NULL);
  }
  assert_int_equal (end_of (old), 0);
  assert_code (sole_take (dir, "target", "data", at_once, NULL),
               "RH-AGENT-OLDER");
  CLEANUP_FREE char *path = mem_printf ("%s/target-data.agent", dir);
  assert_int_equal (access (path, F_OK), 0);
  sole_forget (dir);
  assert_int_equal (access (path, F_OK), -1);
  assert_ok (sole_take (dir, "target", "data", at_once, NULL));
  assert_int_equal (access (path, F_OK), 0);
  close (go[0]);
  close (go[1]);
}

static void
what_lies_in_the_file_is_not_trusted (void **state)
{
  CLEANUP_FREE char *dir = place (state);
  CLEANUP_FREE char *path = mem_printf ("%s/target-data.agent", dir);
  int fd = open (path, O_RDWR | O_CREAT, 0600);
  CLEANUP_FREE char *text = mem_printf ("%d 1\n", (int)getppid ());
  assert_true (write (fd, text, strlen (text)) > 0);
  assert_int_equal (flock (fd, LOCK_EX), 0);
  assert_code (sole_take (dir, "target", "data", at_once, NULL),
               "RH-AGENT-OLDER"); /* and whoever started this lives */
  close (fd);
  assert_ok (sole_take (dir, "target", "data", at_once, NULL));
  assert_code (sole_take (dir, "target", "../x", at_once, NULL),
               "RH-WIRE-FIELD");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_state (an_older_agent_is_asked_to_end),
    in_state (one_that_does_not_hear_is_killed),
    in_state (other_connections_are_left_alone),
    in_state (a_worker_that_is_left_is_waited_for),
    in_state (what_lies_in_the_file_is_not_trusted),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
