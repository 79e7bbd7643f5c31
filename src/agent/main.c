/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rehome-agent: does on a host what the controller asks for over its stdin
 * and stdout (docs/PROTOCOL.md).  Static, needs nothing of the host, leaves
 * nothing behind.
 */
#include "agent/apart.h"
#include "agent/children.h"
#include "agent/keeper.h"
#include "agent/self.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 64 };

static int stop_pipe[2] = { -1, -1 };

static void
on_signal (int number)
{
  int saved = errno;
  char byte = (char)number;
  ssize_t n = write (stop_pipe[1], &byte, 1);
  (void)n; /* the pipe is full: it was said already */
  errno = saved;
}

static struct err *
watch_signals (void)
{
  if (pipe2 (stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
    return err_sys (errno, "RH-AGENT-START", "pipe");
  struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigaction (SIGTERM, &stop, NULL);
  sigaction (SIGHUP, &stop, NULL);
  sigaction (SIGINT, &stop, NULL);
  sigaction (SIGPIPE, &ignore, NULL);
  return NULL;
}

/* Moves stdin and stdout away, so that no child and no stray print can reach
 * the connection. */
static struct err *
take_stdio (int *in, int *out)
{
  CLEANUP_FD int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  *in = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  *out = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (null < 0 || *in < 0 || *out < 0 || dup2 (null, STDIN_FILENO) < 0
      || dup2 (null, STDOUT_FILENO) < 0)
    return err_sys (errno, "RH-AGENT-START", "stdin and stdout");
  return NULL;
}

static struct err *
run_session (bool remove_self)
{
  struct self *self = NULL;
  int in = -1, out = -1;
  TRY (watch_signals ());
  TRY (take_stdio (&in, &out));
  umask (077);
  if (chdir ("/") != 0)
    return err_sys (errno, "RH-AGENT-START", "/");
  CLEANUP_JSON json_t *swept = NULL;
  if (remove_self) {
    TRY (self_hold (&self));
    swept = self_sweep (self);
  }
  struct err *e = session_run (in, out, stop_pipe[0], swept);
  children_kill ();
  self_leave (self);
  return e;
}

static int
usage (void)
{
  static const char text[]
      = "usage: rehome-agent --stdio [--remove-self]\n"
        "       rehome-agent --keeper ID [--idle SECONDS]\n"
        "       rehome-agent --version\n"
        "rehome starts this program on a host by itself, over ssh.\n";
  return write (STDERR_FILENO, text, sizeof text - 1) < 0 ? EXIT_FAILED
                                                          : EXIT_USAGE;
}

static struct err *
run_keeper (const char *id, const char *idle)
{
  char *end = NULL;
  errno = 0;
  long seconds = idle != NULL ? strtol (idle, &end, 10) : KEEPER_IDLE_S;
  if (errno != 0 || seconds < 1 || (end != NULL && *end != 0))
    return err_new (ERR_CORRECT, "RH-AGENT-START", "--idle is in seconds");
  return keeper_detach (id, seconds);
}

int
main (int argc, char **argv)
{
  bool stdio = false, remove_self = false, worker = false;
  const char *keeper = NULL, *idle = NULL;
  log_set_name ("rehome-agent");
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--version") == 0)
      return puts ("rehome-agent " REHOME_VERSION) < 0 ? EXIT_FAILED : EXIT_OK;
    if (strcmp (argv[i], "--stdio") == 0)
      stdio = true;
    else if (strcmp (argv[i], "--remove-self") == 0)
      remove_self = true;
    else if (strcmp (argv[i], "--worker") == 0)
      worker = true;
    else if (strcmp (argv[i], "--keeper") == 0 && i + 1 < argc)
      keeper = argv[++i];
    else if (strcmp (argv[i], "--idle") == 0 && i + 1 < argc)
      idle = argv[++i];
    else
      return usage ();
  }
  if (stdio + worker + (keeper != NULL) != 1)
    return usage ();
  CLEANUP_ERR struct err *e = stdio    ? run_session (remove_self)
                              : worker ? apart_serve ()
                                       : run_keeper (keeper, idle);
  if (e != NULL)
    log_err (LOG_ERROR, e);
  /* Calls that did not end may still run: no destructors under them. */
  _exit (e == NULL ? EXIT_OK : EXIT_FAILED);
}
