/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's side of a worker; see apart.h.  The call's own thread moves the
 * bytes, a second one hears what the worker says. */
#include "agent/apart.h"

#include "agent/sole.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "wire/frame.h"
#include "wire/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum {
  LOOK_MS = 100,
  GRACE_MS = 10000, /* for a cancelled worker to end by itself */
  CALL_ID = 1,
  PIPE_SIZE = 1 << 20,
  CONTROL_FD = 3,
  STREAM_FD = 4,
  SOLE_FD = 5,
};
#define BLOCK ((size_t)256 << 10)

struct worker {
  struct verb_call *call;
  pid_t pid;
  int control;
  int stream; /* our end of the pipe; -1: closed */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool answered; /* or gone: nothing more will be said */
  json_t *result;
  struct err *error;
};

static struct err *
failed (int errnum)
{
  return err_sys (errnum, "RH-AGENT-WORKER", "starting a process for a tree");
}

/* Both far above the numbers that the worker gets them under. */
static int
lift (int *fd)
{
  int high = fcntl (*fd, F_DUPFD_CLOEXEC, 16);
  if (high < 0)
    return errno;
  close (*fd);
  *fd = high;
  return 0;
}

static int
start_process (const int fds[2], int lock, pid_t *pid)
{
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  sigset_t none, dflt;
  char name[] = "rehome-agent", worker[] = "--worker";
  char *argv[] = { name, worker, NULL };
  sigemptyset (&none);
  sigfillset (&dflt);
  posix_spawn_file_actions_init (&files);
  posix_spawnattr_init (&attr);
  posix_spawn_file_actions_adddup2 (&files, fds[0], CONTROL_FD);
  posix_spawn_file_actions_adddup2 (&files, fds[1], STREAM_FD);
  if (lock >= 0)
    posix_spawn_file_actions_adddup2 (&files, lock, SOLE_FD);
  posix_spawnattr_setsigmask (&attr, &none);
  posix_spawnattr_setsigdefault (&attr, &dflt);
  posix_spawnattr_setflags (&attr,
                            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int rc = posix_spawn (pid, "/proc/self/exe", &files, &attr, argv, environ);
  posix_spawnattr_destroy (&attr);
  posix_spawn_file_actions_destroy (&files);
  return rc;
}

/* theirs: socket and pipe of the worker; ours stay in *w. */
static int
make_channels (struct worker *w, bool downwards, int theirs[2])
{
  int pair[2], ends[2];
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return errno;
  w->control = pair[0];
  theirs[0] = pair[1];
  if (w->call->in_fd >= 0) {
    theirs[1] = fcntl (w->call->in_fd, F_DUPFD_CLOEXEC, 16);
    return theirs[1] < 0 ? errno : lift (&theirs[0]);
  }
  if (pipe2 (ends, O_CLOEXEC) != 0)
    return errno;
  fcntl (ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* else it is slower, no more */
  w->stream = ends[downwards];
  theirs[1] = ends[!downwards];
  int bad = lift (&theirs[0]);
  return bad != 0 ? bad : lift (&theirs[1]);
}

static struct err *
start (struct worker *w, bool downwards)
{
  int theirs[2] = { -1, -1 };
  int bad = make_channels (w, downwards, theirs);
  if (bad == 0)
    bad = start_process (theirs, sole_fd (), &w->pid);
  for (int i = 0; i < 2; i++)
    if (theirs[i] >= 0)
      close (theirs[i]);
  return bad != 0 ? failed (bad) : NULL;
}

/* One message of the worker; *last: it was the answer. */
static struct err *
take (struct worker *w, enum frame_type type, json_t *o, bool *last)
{
  *last = type == FRAME_RESULT || type == FRAME_ERROR;
  if (type == FRAME_TICK)
    w->call->progress (w->call->ctx, json_incref (o));
  if (type == FRAME_RESULT)
    w->result = json_incref (o);
  return type == FRAME_ERROR ? json_to_err (o) : NULL;
}

static struct err *
hear_all (struct worker *w, struct frame_reader *r)
{
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MESSAGE_MAX);
  for (bool last = false, eof = false; !last;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    TRY (frame_read (r, &f, &eof));
    if (eof)
      return err_new (ERR_TRANSIENT, "RH-AGENT-WORKER",
                      "the process for the tree ended without an answer");
    TRY (buf_put (&text, f.body, f.len));
    if (f.value == FRAME_MORE)
      continue;
    CLEANUP_JSON json_t *o = NULL;
    TRY (json_parse ((const char *)text.data, text.len, MESSAGE_MAX, &o));
    buf_reset (&text);
    TRY (take (w, f.type, o, &last));
  }
  return NULL;
}

static void *
hear (void *arg)
{
  struct worker *w = arg;
  struct frame_reader r;
  frame_reader_init (&r, w->control);
  r.timeout_ms = -1;
  struct err *e = hear_all (w, &r);
  frame_reader_clear (&r);
  pthread_mutex_lock (&w->lock);
  w->error = e;
  w->answered = true;
  pthread_cond_broadcast (&w->changed);
  pthread_mutex_unlock (&w->lock);
  if (w->call->in != NULL) /* what still comes is for nobody */
    w->call->stop_input (w->call->ctx);
  return NULL;
}

static struct err *
feed_down (struct worker *w)
{
  CLEANUP_FREE unsigned char *block = mem_alloc (BLOCK);
  for (;;) {
    size_t len = 0;
    TRY (w->call->in->get (w->call->in->ctx, block, BLOCK, &len));
    if (len == 0)
      return NULL;
    for (size_t at = 0; at < len;) {
      ssize_t n = write (w->stream, block + at, len - at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0) /* it has ended: what it said is the answer */
        return NULL;
      at += (size_t)n;
    }
  }
}

/* Readable, or at its end; false when the caller cancelled. */
static bool
await_bytes (const struct worker *w)
{
  struct pollfd p = { .fd = w->stream, .events = POLLIN };
  while (poll (&p, 1, LOOK_MS) <= 0)
    if (w->call->cancelled (w->call->ctx))
      return false;
  return true;
}

static struct err *
pass_up (struct worker *w)
{
  CLEANUP_FREE unsigned char *block = mem_alloc (BLOCK);
  while (await_bytes (w)) {
    ssize_t n = read (w->stream, block, BLOCK);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return NULL;
    if (w->call->out != NULL)
      TRY (w->call->out->put (w->call->out->ctx, block, (size_t)n));
  }
  return NULL;
}

/* With the lock held: at most LOOK_MS. */
static void
wait_a_little (struct worker *w)
{
  struct timespec until = monotonic_in (LOOK_MS);
  pthread_cond_timedwait (&w->changed, &w->lock, &until);
}

/* Until the answer is there; one who was cancelled is told, and killed when
 * that does not help. */
static void
await_answer (struct worker *w, bool stop)
{
  int waited = 0;
  pthread_mutex_lock (&w->lock);
  while (!w->answered) {
    if (stop || w->call->cancelled (w->call->ctx)) {
      kill (w->pid, waited < GRACE_MS ? SIGTERM : SIGKILL);
      waited += LOOK_MS;
    }
    wait_a_little (w);
  }
  pthread_mutex_unlock (&w->lock);
}

static struct err *
ask (struct worker *w, const char *name)
{
  CLEANUP_JSON json_t *o
      = json_pack ("{s:s, s:O}", "verb", name, "args", w->call->args);
  int fd = fcntl (w->control, F_DUPFD_CLOEXEC, 3);
  struct outlet *outlet = outlet_new (fd);
  struct err *e = outlet_json (outlet, FRAME_CALL, CALL_ID, o);
  outlet_free (outlet);
  return e;
}

/* A pipe of the caller's own needs nobody in between. */
static struct err *
move_stream (struct worker *w)
{
  if (w->call->in_fd >= 0)
    return NULL;
  return w->call->in != NULL ? feed_down (w) : pass_up (w);
}

/* The whole talk with a worker that was started. */
static struct err *
talk (struct worker *w, const char *name)
{
  pthread_t thread;
  TRY (ask (w, name));
  int rc = pthread_create (&thread, NULL, hear, w);
  if (rc != 0)
    return failed (rc);
  struct err *e = move_stream (w);
  if (w->stream >= 0)
    close (w->stream);
  w->stream = -1;
  await_answer (w, e != NULL);
  pthread_join (thread, NULL);
  /* A stream that was stopped because the answer came is no error. */
  if (w->error != NULL || w->result != NULL) {
    err_free (e);
    return STEAL (w->error);
  }
  return e;
}

static void
end (struct worker *w)
{
  if (w->stream >= 0)
    close (w->stream);
  if (w->control >= 0)
    close (w->control);
  if (w->pid > 0) {
    kill (w->pid, SIGKILL); /* it has answered, or shall not any more */
    while (waitpid (w->pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  pthread_mutex_destroy (&w->lock);
  pthread_cond_destroy (&w->changed);
}

struct err *
apart_run (const struct verb *verb, const char *name, struct verb_call *call,
           json_t **result)
{
  struct worker w = { .call = call, .control = -1, .stream = -1 };
  pthread_mutex_init (&w.lock, NULL);
  monotonic_cond_init (&w.changed);
  struct err *e = start (&w, verb->flags & VERB_IN);
  if (e == NULL)
    e = talk (&w, name);
  end (&w);
  *result = STEAL (w.result);
  if (e != NULL) {
    json_decref (*result);
    *result = NULL;
  }
  return e;
}
