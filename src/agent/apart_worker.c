/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side; see apart.h. */
#include "agent/apart.h"

#include "agent/dispatch.h"
#include "base/cleanup.h"
#include "base/monotonic.h"
#include "wire/frame.h"
#include "wire/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTROL_FD = 3, STREAM_FD = 4, SOLE_FD = 5, CALL_ID = 1, TICK_MS = 100 };

static bool is_worker;
static atomic_bool stopped;

struct serving {
  struct outlet *outlet;
  _Atomic int64_t last_tick;
};

bool
apart_is_worker (void)
{
  return is_worker;
}

static void
on_signal (int number)
{
  (void)number;
  atomic_store (&stopped, true);
}

static bool
is_stopped (void *ctx)
{
  (void)ctx;
  return atomic_load (&stopped);
}

static void
tick (void *ctx, json_t *progress)
{
  struct serving *s = ctx;
  CLEANUP_JSON json_t *owned = progress;
  int64_t now = monotonic_ms ();
  if (now - atomic_load (&s->last_tick) < TICK_MS)
    return;
  atomic_store (&s->last_tick, now);
  err_free (outlet_json (s->outlet, FRAME_TICK, CALL_ID, owned));
}

static struct err *
get (void *ctx, void *data, size_t cap, size_t *len)
{
  (void)ctx;
  for (;;) {
    ssize_t n = read (STREAM_FD, data, cap);
    if (n >= 0) {
      *len = (size_t)n;
      return NULL;
    }
    if (errno != EINTR || is_stopped (NULL))
      return err_sys (errno, "RH-WIRE-CANCELLED", "the stream was cancelled");
  }
}

static struct err *
put (void *ctx, const void *data, size_t len)
{
  (void)ctx;
  for (const unsigned char *p = data; len > 0;) {
    ssize_t n = write (STREAM_FD, p, len);
    if (n < 0 && errno == EINTR && !is_stopped (NULL))
      continue;
    if (n < 0)
      return err_sys (errno, "RH-WIRE-CANCELLED", "the stream was cancelled");
    p += n;
    len -= (size_t)n;
  }
  return NULL;
}

static struct err *
read_call (json_t **out)
{
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MESSAGE_MAX);
  struct frame_reader r;
  struct err *e = NULL;
  frame_reader_init (&r, CONTROL_FD);
  r.timeout_ms = -1;
  for (bool more = true; more && e == NULL;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    e = frame_read (&r, &f, &eof);
    if (e == NULL && (eof || f.type != FRAME_CALL))
      e = err_new (ERR_CORRUPT, "RH-AGENT-WORKER", "no call came");
    if (e == NULL)
      e = buf_put (&text, f.body, f.len);
    more = f.value == FRAME_MORE;
  }
  frame_reader_clear (&r);
  TRY (e);
  return json_parse ((const char *)text.data, text.len, MESSAGE_MAX, out);
}

static struct err *
perform (struct serving *s, json_t **result)
{
  CLEANUP_JSON json_t *message = NULL;
  const struct verb *verb = NULL;
  const char *name;
  json_t *args;
  TRY (read_call (&message));
  TRY (json_get_str (message, "verb", &name));
  TRY (json_get_object (message, "args", &args));
  TRY (dispatch_find (name, &verb));
  struct source in = { get, NULL };
  struct sink out = { put, NULL };
  struct verb_call call = { .args = args,
                            .in = verb->flags & VERB_IN ? &in : NULL,
                            .in_fd = -1,
                            .out = verb->flags & VERB_OUT ? &out : NULL,
                            .progress = tick,
                            .cancelled = is_stopped,
                            .ctx = s };
  TRY (verb->run (&call, result));
  if (*result == NULL)
    *result = json_object ();
  return NULL;
}

static bool
is_orphan (void)
{
  struct pollfd p = { .fd = CONTROL_FD, .events = POLLRDHUP };
  return poll (&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* With its agent it ends, too, whatever it does; signals that ask it to end
 * make its call one that was cancelled. */
static struct err *
prepare (void)
{
  struct sigaction stop = { .sa_handler = on_signal };
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  struct stat st;
  if (fstat (CONTROL_FD, &st) != 0 || !S_ISSOCK (st.st_mode)
      || fstat (STREAM_FD, &st) != 0)
    return err_new (ERR_CORRECT, "RH-AGENT-START",
                    "--worker is for the agent itself");
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (is_orphan ()) /* it ended before that counted */
    return err_new (ERR_TRANSIENT, "RH-AGENT-WORKER", "the agent has ended");
  /* Begun as /proc/self/exe it would be "exe" to who looks for writers. */
  prctl (PR_SET_NAME, "rehome-agent");
  fcntl (CONTROL_FD, F_SETFD, FD_CLOEXEC);
  fcntl (STREAM_FD, F_SETFD, FD_CLOEXEC);
  fcntl (SOLE_FD, F_SETFD, FD_CLOEXEC); /* mostly there */
  sigaction (SIGTERM, &stop, NULL);
  sigaction (SIGHUP, &stop, NULL);
  sigaction (SIGINT, &stop, NULL);
  sigaction (SIGPIPE, &ignore, NULL);
  umask (0); /* it gives every mode itself */
  is_worker = true;
  return NULL;
}

struct err *
apart_serve (void)
{
  TRY (prepare ());
  struct serving s = { .outlet = outlet_new (CONTROL_FD) };
  CLEANUP_JSON json_t *result = NULL;
  CLEANUP_ERR struct err *e = perform (&s, &result);
  close (STREAM_FD);
  CLEANUP_JSON json_t *said = e != NULL ? json_from_err (e) : NULL;
  return outlet_json (s.outlet, e != NULL ? FRAME_ERROR : FRAME_RESULT, CALL_ID,
                      e != NULL ? said : result);
}
