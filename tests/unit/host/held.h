/* SPDX-License-Identifier: Apache-2.0 */
/* Children that do something and then wait: a test looks at them meanwhile. */
#ifndef REHOME_TEST_HOST_HELD_H
#define REHOME_TEST_HOST_HELD_H

#include "scratch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Forks a child that runs `act` (0: good) and waits until it is killed;
 * returns once it has acted.  The child dies with this process. */
static inline pid_t
held_start (int (*act) (const char *dir), const char *dir)
{
  int ready[2];
  char said = 'x';
  assert_int_equal (pipe (ready), 0);
  pid_t pid = fork ();
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    close (ready[0]);
    said = act (dir) == 0 ? 'y' : 'n';
    ssize_t n = write (ready[1], &said, 1);
    close (ready[1]);
    while (n == 1)
      pause ();
    _exit (1);
  }
  close (ready[1]);
  assert_int_equal (read (ready[0], &said, 1), 1);
  close (ready[0]);
  if (said != 'y') {
    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
    fail_msg ("the child could not do its part");
  }
  return pid;
}

static inline void
held_end (pid_t pid)
{
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

#endif
