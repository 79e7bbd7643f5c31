/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum {
  LOOK_MS = 200,  /* how often cancelled is asked */
  BLIND_MS = 10,  /* how often the child is looked at without a pidfd */
  DRAIN_MS = 500, /* for output that a background process still holds */
  CHUNK = 65536,
  WIDE = 4 * CHUNK, /* a pipe that carries a stream */
  FD_LIMIT = 65536  /* closed one by one where close_range is absent */
};

struct running {
  const struct spawn_job *job;
  struct spawn_end *end;
  pid_t pid;
  int pidfd; /* -1 before Linux 5.3 */
  int in, out, err;
  const unsigned char *give; /* what goes to stdin next */
  size_t give_len;
  unsigned char *chunk; /* of `more`; NULL without */
  struct err *why;      /* of `more` or `taker` */
  long deadline;        /* ms; LONG_MAX: none */
};

static void
shut (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* --- the child: only what is async-signal-safe ------------------------- */

struct child {
  const char *file;
  char *const *argv;
  char *const *env;
  int in, out, err;
  int report; /* takes errno when exec fails; closed by a good exec */
  long max_fd;
};

static void __attribute__ ((noreturn))
child_fail (int report)
{
  int e = errno;
  ssize_t n = write (report, &e, sizeof e);
  _exit (n < 0 ? 126 : 127);
}

static void
child_close_from (int first, long max_fd)
{
  if (syscall (SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
    return;
  for (long fd = first; fd < max_fd; fd++)
    close ((int)fd);
}

static void
child_signals (void)
{
  struct sigaction dfl = { .sa_handler = SIG_DFL };
  for (int s = 1; s < _NSIG; s++)
    if (s != SIGKILL && s != SIGSTOP)
      sigaction (s, &dfl, NULL);
  sigset_t none;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

static void __attribute__ ((noreturn))
child_run (const struct child *c)
{
  setsid ();
  child_signals ();
  /* All four out of the way of 0..3 first, then into place. */
  int in = fcntl (c->in, F_DUPFD, 10);
  int out = fcntl (c->out, F_DUPFD, 10);
  int err = fcntl (c->err, F_DUPFD, 10);
  int report = fcntl (c->report, F_DUPFD_CLOEXEC, 10);
  if (in < 0 || out < 0 || err < 0 || report < 0 || dup2 (in, 0) < 0
      || dup2 (out, 1) < 0 || dup2 (err, 2) < 0
      || dup3 (report, 3, O_CLOEXEC) < 0)
    child_fail (c->report);
  child_close_from (4, c->max_fd);
  if (chdir ("/") != 0)
    child_fail (3);
  umask (022);
  execve (c->file, c->argv, c->env);
  child_fail (3);
}

/* --- the parent --------------------------------------------------------- */

static int
find_file (const char *name, char **file)
{
  *file = NULL;
  if (*name == '\0')
    return ENOENT;
  if (strchr (name, '/') != NULL) {
    *file = mem_strdup (name);
    return 0;
  }
  for (const char *dir = SPAWN_PATH; *dir != '\0';) {
    size_t len = strcspn (dir, ":");
    CLEANUP_FREE char *path = mem_printf ("%.*s/%s", (int)len, dir, name);
    struct stat st;
    if (stat (path, &st) == 0 && S_ISREG (st.st_mode)
        && access (path, X_OK) == 0)
    {
      *file = STEAL (path);
      return 0;
    }
    dir += len + (dir[len] == ':');
  }
  return ENOENT;
}

struct environment {
  VEC (char *) list;
};

static void
environment_free (struct environment *e)
{
  for (size_t i = 0; i < e->list.n; i++)
    free (e->list.v[i]);
  VEC_FREE (&e->list);
}

static void
environment_set (struct environment *e, const char *entry)
{
  size_t name = strcspn (entry, "=");
  for (size_t i = 0; i < e->list.n; i++)
    if (strncmp (e->list.v[i], entry, name) == 0 && e->list.v[i][name] == '=') {
      free (e->list.v[i]);
      e->list.v[i] = mem_strdup (entry);
      return;
    }
  *VEC_PUSH (&e->list) = mem_strdup (entry);
}

static void
environment_make (struct environment *e, const char *const *added)
{
  environment_set (e, "PATH=" SPAWN_PATH);
  environment_set (e, "LC_ALL=C.UTF-8");
  environment_set (e, "HOME=/root");
  environment_set (e, "TERM=dumb");
  for (; added != NULL && *added != NULL; added++)
    if (strchr (*added, '=') != NULL && **added != '=')
      environment_set (e, *added);
  *VEC_PUSH (&e->list) = NULL;
}

struct pipes {
  int in[2], out[2], err[2], report[2];
};

static void
pipes_free (struct pipes *p)
{
  int *all[] = { p->in, p->out, p->err, p->report };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    shut (&all[i][0]);
    shut (&all[i][1]);
  }
}

static int
pipes_make (struct pipes *p, bool input)
{
  *p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
  if (pipe2 (p->out, O_CLOEXEC) != 0 || pipe2 (p->err, O_CLOEXEC) != 0
      || pipe2 (p->report, O_CLOEXEC) != 0)
    return errno;
  if (input)
    return pipe2 (p->in, O_CLOEXEC) == 0 ? 0 : errno;
  p->in[0] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  return p->in[0] < 0 ? errno : 0;
}

/* What exec said: 0 once the program runs, else the errno. */
static int
await_exec (int report)
{
  int bad = 0;
  ssize_t n;
  do
    n = read (report, &bad, sizeof bad);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)sizeof bad ? bad : 0;
}

static int
start (struct running *r, struct pipes *p, const char *file,
       struct environment *env)
{
  struct rlimit lim = { .rlim_cur = FD_LIMIT };
  getrlimit (RLIMIT_NOFILE, &lim);
  /* execve takes words that it does not change as changeable. */
  union {
    const char *const *given;
    char *const *taken;
  } argv = { r->job->argv };
  struct child c = {
    .file = file,
    .argv = argv.taken,
    .env = env->list.v,
    .in = p->in[0],
    .out = p->out[1],
    .err = p->err[1],
    .report = p->report[1],
    .max_fd = lim.rlim_cur > FD_LIMIT ? FD_LIMIT : (long)lim.rlim_cur,
  };
  /* No handler of ours may run in the child before it has reset them. */
  sigset_t all, old;
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  r->pid = fork ();
  int bad = errno;
  if (r->pid == 0)
    child_run (&c);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (r->pid < 0)
    return bad;
  shut (&p->report[1]);
  bad = await_exec (p->report[0]);
  if (bad != 0)
    waitpid (r->pid, NULL, 0);
  return bad;
}

/* With nothing more to give stdin is closed. */
static void
refill (struct running *r)
{
  if (r->give_len > 0)
    return;
  if (r->chunk != NULL) {
    r->why = r->job->more (r->job->ctx, r->chunk, CHUNK, &r->give_len);
    r->give = r->chunk;
  }
  if (r->why != NULL || r->give_len == 0)
    shut (&r->in);
}

static void
feed (struct running *r)
{
  ssize_t n = write (r->in, r->give, r->give_len);
  if (n > 0) {
    r->give += n;
    r->give_len -= (size_t)n;
    refill (r);
  } else if (n < 0 && errno == EPIPE) {
    r->end->unread = true;
    shut (&r->in);
  }
}

static void
hand_on (struct running *r, const void *data, size_t len)
{
  if (r->why == NULL)
    r->why = r->job->taker (r->job->ctx, data, len);
}

static void
take (struct running *r, int *fd, struct buf *into)
{
  unsigned char chunk[CHUNK];
  ssize_t n = read (*fd, chunk, sizeof chunk);
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0) {
    shut (fd);
    return;
  }
  if (into == &r->end->out && r->job->taker != NULL) {
    hand_on (r, chunk, (size_t)n);
    return;
  }
  size_t room = r->job->max_output - into->len;
  size_t len = (size_t)n < room ? (size_t)n : room;
  if (len < (size_t)n)
    r->end->truncated = true;
  CLEANUP_ERR struct err *full = buf_put (into, chunk, len);
  if (full != NULL)
    r->end->truncated = true;
}

/* Waits up to `ms` for something to do with the pipes, and does it. */
static bool
pump (struct running *r, long ms)
{
  struct pollfd set[4] = { { .fd = r->in, .events = POLLOUT },
                           { .fd = r->out, .events = POLLIN },
                           { .fd = r->err, .events = POLLIN },
                           { .fd = r->pidfd, .events = POLLIN } };
  if (poll (set, 4, (int)ms) <= 0)
    return false;
  if (r->in >= 0 && set[0].revents != 0)
    feed (r);
  if (r->out >= 0 && set[1].revents != 0)
    take (r, &r->out, &r->end->out);
  if (r->err >= 0 && set[2].revents != 0)
    take (r, &r->err, &r->end->err);
  return true;
}

/* Whether the program has ended; it stays a zombie, so that its process
 * group's number is not given to another. */
static bool
has_ended (const struct running *r)
{
  siginfo_t info = { .si_pid = 0 };
  int got = waitid (P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT);
  return got == 0 && info.si_pid == r->pid;
}

static void
watch (struct running *r)
{
  long step = r->pidfd >= 0 ? LOOK_MS : BLIND_MS;
  int64_t look = monotonic_ms () + LOOK_MS;
  while (!has_ended (r)) {
    int64_t now = monotonic_ms ();
    if (now >= r->deadline)
      r->end->timed_out = true;
    if (now >= look && r->job->cancelled != NULL) {
      r->end->stopped = r->job->cancelled (r->job->ctx);
      look = now + LOOK_MS;
    }
    if (r->end->timed_out || r->end->stopped || r->why != NULL)
      return;
    long left = r->deadline - now;
    pump (r, left < step ? left : step);
  }
  r->end->unread |= r->in >= 0;
  shut (&r->in);
  shut (&r->pidfd);
  int64_t until = monotonic_ms () + DRAIN_MS;
  while ((r->out >= 0 || r->err >= 0) && r->why == NULL
         && monotonic_ms () < until)
    if (pump (r, BLIND_MS))
      until = monotonic_ms () + DRAIN_MS;
}

static void
finish (struct running *r)
{
  kill (-r->pid, SIGKILL);
  int status = 0;
  pid_t got;
  do
    got = waitpid (r->pid, &status, 0);
  while (got < 0 && errno == EINTR);
  r->end->status = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
  r->end->signal = WIFSIGNALED (status) ? WTERMSIG (status) : 0;
}

static void
nonblocking (int fd)
{
  if (fd >= 0)
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
}

/* Where the kernel gives less the stream needs more turns, no more. */
static void
widen (const struct spawn_job *job, int in, int out)
{
  if (job->more != NULL)
    fcntl (in, F_SETPIPE_SZ, WIDE);
  if (job->taker != NULL)
    fcntl (out, F_SETPIPE_SZ, WIDE);
}

/* A program that closes stdin early must not end this process. */
static void
block_sigpipe (sigset_t *old)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &set, old);
}

static void
unblock_sigpipe (const sigset_t *old)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGPIPE);
  struct timespec none = { 0, 0 };
  if (!sigismember (old, SIGPIPE))
    while (sigtimedwait (&set, NULL, &none) == SIGPIPE)
      ;
  pthread_sigmask (SIG_SETMASK, old, NULL);
}

static int
run (const struct spawn_job *job, struct spawn_end *end, struct err **why)
{
  bool fed = job->input != NULL || job->more != NULL;
  CLEANUP (environment_free) struct environment env = { { NULL, 0, 0 } };
  CLEANUP (pipes_free) struct pipes p;
  CLEANUP_FREE char *file = NULL;
  int bad = pipes_make (&p, fed);
  if (bad == 0)
    bad = find_file (job->argv[0], &file);
  if (bad != 0)
    return bad;
  environment_make (&env, job->env);
  CLEANUP_FREE unsigned char *chunk
      = job->more != NULL ? mem_alloc (CHUNK) : NULL;
  struct running r = { .job = job,
                       .end = end,
                       .pidfd = -1,
                       .give = job->input,
                       .give_len = job->input_len,
                       .chunk = chunk };
  int64_t begun = monotonic_ms ();
  bad = start (&r, &p, file, &env);
  if (bad != 0)
    return bad;
  r.in = fed ? p.in[1] : -1;
  r.out = p.out[0];
  r.err = p.err[0];
  p.in[1] = p.out[0] = p.err[0] = -1;
  shut (&p.in[0]);
  shut (&p.out[1]);
  shut (&p.err[1]);
  widen (job, r.in, r.out);
  nonblocking (r.in);
  nonblocking (r.out);
  nonblocking (r.err);
  r.pidfd = (int)syscall (SYS_pidfd_open, r.pid, 0);
  r.deadline
      = job->timeout_ms > 0 ? begun + job->timeout_ms : begun + (1L << 40);
  if (r.in >= 0)
    refill (&r);
  watch (&r);
  finish (&r);
  *why = r.why;
  shut (&r.in);
  shut (&r.out);
  shut (&r.err);
  shut (&r.pidfd);
  return 0;
}

struct err *
spawn_run (const struct spawn_job *job, struct spawn_end *end)
{
  *end = (struct spawn_end){ .status = -1,
                             .out = BUF_INIT_MAX (job->max_output),
                             .err = BUF_INIT_MAX (job->max_output) };
  if (job->argv[0] == NULL)
    return err_new (ERR_CORRECT, "RH-HOST-SPAWN", "no program is named");
  sigset_t old;
  block_sigpipe (&old);
  struct err *why = NULL;
  int bad = run (job, end, &why);
  unblock_sigpipe (&old);
  if (bad == 0)
    return why;
  CLEANUP_FREE char *shown = text_escape (job->argv[0], strlen (job->argv[0]));
  return err_sys (bad, "RH-HOST-SPAWN", "cannot run '%s'", shown);
}

void
spawn_end_free (struct spawn_end *end)
{
  buf_free (&end->out);
  buf_free (&end->err);
}
