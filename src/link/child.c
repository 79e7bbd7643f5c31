/* SPDX-License-Identifier: Apache-2.0 */
/* A process that one talks to; see child.h. */
#include "link/child.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/* The environment without what would reach a person or their ssh agent. */
static char **
environment (bool private)
{
  static const char *const drop[]
      = { "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=", "SSH_AUTH_SOCK=",
          "SSH_AGENT_PID=", "KRB5CCNAME=" };
  size_t n = 0, o = 0;
  while (environ[n] != NULL)
    n++;
  char **env = mem_alloc ((n + 1) * sizeof *env);
  for (size_t i = 0; i < n; i++) {
    bool dropped = false;
    for (size_t k = 0; k < (private ? 5u : 2u); k++)
      dropped |= strncmp (environ[i], drop[k], strlen (drop[k])) == 0;
    if (!dropped)
      env[o++] = environ[i];
  }
  return env;
}

static int
spawn (const char *const *argv, const int fds[3], char **env, pid_t *pid)
{
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  sigset_t none, dflt;
  sigemptyset (&none);
  sigemptyset (&dflt);
  sigaddset (&dflt, SIGPIPE);
  sigaddset (&dflt, SIGINT);
  sigaddset (&dflt, SIGTERM);
  sigaddset (&dflt, SIGHUP);
  posix_spawn_file_actions_init (&files);
  posix_spawnattr_init (&attr);
  for (int i = 0; i < 3; i++)
    posix_spawn_file_actions_adddup2 (&files, fds[i], i);
  posix_spawnattr_setsigmask (&attr, &none);
  posix_spawnattr_setsigdefault (&attr, &dflt);
  posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSIGMASK
                                       | POSIX_SPAWN_SETSIGDEF
                                       | POSIX_SPAWN_SETSID);
  char **args; /* posix_spawnp takes no const, and changes nothing */
  memcpy (&args, &argv, sizeof args);
  int rc = posix_spawnp (pid, argv[0], &files, &attr, args, env);
  posix_spawnattr_destroy (&attr);
  posix_spawn_file_actions_destroy (&files);
  return rc;
}

static void
close_pair (int (*p)[2])
{
  cleanup_close_ (&(*p)[0]);
  cleanup_close_ (&(*p)[1]);
}

enum { PIPE_SIZE = 1 << 20 };

struct err *
child_start (const char *const *argv, bool private, struct child *out)
{
  CLEANUP (close_pair) int in[2] = { -1, -1 };
  CLEANUP (close_pair) int to[2] = { -1, -1 };
  CLEANUP (close_pair) int err[2] = { -1, -1 };
  if (pipe2 (in, O_CLOEXEC) != 0 || pipe2 (to, O_CLOEXEC) != 0
      || pipe2 (err, O_CLOEXEC) != 0)
    return err_sys (errno, "RH-LINK-START", "starting %s", argv[0]);
  /* Fewer turns for a stream; where it is refused it is slower, no more. */
  fcntl (in[1], F_SETPIPE_SZ, PIPE_SIZE);
  fcntl (to[1], F_SETPIPE_SZ, PIPE_SIZE);
  CLEANUP_FREE char **env = environment (private);
  const int fds[3] = { in[0], to[1], err[1] };
  int rc = spawn (argv, fds, env, &out->pid);
  if (rc != 0) {
    out->pid = 0;
    return err_sys (rc, "RH-LINK-START", "starting %s", argv[0]);
  }
  out->in = in[1];
  out->out = to[0];
  out->err = err[0];
  in[1] = to[0] = err[0] = -1;
  return NULL;
}

/* True once it has ended; waits at most `ms`. */
static bool
reap (pid_t pid, long ms)
{
  const struct timespec nap = { 0, 10000000 };
  for (long waited = 0;; waited += 10) {
    pid_t got = waitpid (pid, NULL, WNOHANG);
    if (got == pid || (got < 0 && errno != EINTR))
      return true;
    if (waited >= ms)
      return false;
    nanosleep (&nap, NULL);
  }
}

void
child_end (struct child *c, long ms)
{
  cleanup_close_ (&c->in);
  c->in = -1;
  if (c->pid > 0 && !reap (c->pid, ms)) {
    kill (c->pid, SIGTERM);
    if (!reap (c->pid, 2000)) {
      kill (c->pid, SIGKILL);
      while (waitpid (c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    }
  }
  c->pid = 0;
}

void
child_close (struct child *c)
{
  cleanup_close_ (&c->in);
  cleanup_close_ (&c->out);
  cleanup_close_ (&c->err);
  c->in = c->out = c->err = -1;
}
