/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a session; see call.h. */
#include "agent/call.h"

#include "agent/dispatch.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "wire/flow.h"
#include "wire/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)256 << 10)
#define TICK_MS 100
#define LOOK_MS 200

struct call {
  uint32_t id;
  struct outlet *outlet;
  struct call_owner owner;
  struct buf text; /* the CALL message until it is whole */
  bool started;
  atomic_bool cancelled;
  json_t *message;
  const char *verb;      /* of the message */
  struct flow *flow;     /* credit of what we send */
  struct intake *intake; /* what the caller sends */
  unsigned char *chunk;  /* DATA not yet sent */
  size_t filled;
  _Atomic int64_t last_tick; /* a verb may report from its own threads */
};

struct call *
call_new (uint32_t id, struct outlet *outlet, const struct call_owner *owner)
{
  struct call *c = mem_alloc (sizeof *c);
  c->id = id;
  c->outlet = outlet;
  c->owner = *owner;
  c->text = (struct buf)BUF_INIT_MAX (MESSAGE_MAX);
  c->flow = flow_new (STREAM_CREDIT);
  c->intake = intake_new (STREAM_CREDIT);
  atomic_init (&c->last_tick, -TICK_MS);
  return c;
}

void
call_free (struct call *c)
{
  if (c == NULL)
    return;
  buf_free (&c->text);
  json_decref (c->message);
  flow_free (c->flow);
  intake_free (c->intake);
  free (c->chunk);
  free (c);
}

uint32_t
call_id (const struct call *c)
{
  return c->id;
}

bool
call_started (const struct call *c)
{
  return c->started;
}

static bool
is_cancelled (void *ctx)
{
  struct call *c = ctx;
  return atomic_load (&c->cancelled);
}

static void
stop_input (void *ctx)
{
  struct call *c = ctx;
  intake_close (c->intake);
}

static void
progress (void *ctx, json_t *tick)
{
  struct call *c = ctx;
  CLEANUP_JSON json_t *owned = tick;
  int64_t now = monotonic_ms ();
  if (now - atomic_load (&c->last_tick) < TICK_MS || !json_is_object (owned))
    return;
  atomic_store (&c->last_tick, now);
  err_free (outlet_json (c->outlet, FRAME_TICK, c->id, owned));
}

/* Sends what is in the chunk, as credit allows. */
static struct err *
flush (struct call *c)
{
  for (size_t at = 0; at < c->filled;) {
    size_t n = 0;
    TRY (flow_take (c->flow, c->filled - at, &n));
    TRY (outlet_frame (c->outlet, FRAME_DATA, c->id, 0, c->chunk + at, n));
    at += n;
  }
  c->filled = 0;
  return NULL;
}

static struct err *
flush_now (void *ctx)
{
  return flush (ctx);
}

static struct err *
stream_put (void *ctx, const void *data, size_t len)
{
  struct call *c = ctx;
  const unsigned char *p = data;
  if (c->chunk == NULL)
    c->chunk = mem_alloc (CHUNK);
  while (len > 0) {
    size_t n = len < CHUNK - c->filled ? len : CHUNK - c->filled;
    memcpy (c->chunk + c->filled, p, n);
    c->filled += n;
    p += n;
    len -= n;
    if (c->filled == CHUNK)
      TRY (flush (c));
  }
  return NULL;
}

static struct err *
stream_get (void *ctx, void *data, size_t cap, size_t *len)
{
  struct call *c = ctx;
  uint32_t credit = 0;
  TRY (intake_get (c->intake, data, cap, len, &credit));
  if (credit > 0)
    TRY (outlet_frame (c->outlet, FRAME_CREDIT, c->id, credit, NULL, 0));
  return NULL;
}

static struct err *
no_pipe (void)
{
  return err_new (ERR_CORRUPT, "RH-AGENT-INPUT",
                  "what the call names as its input is no pipe of the caller");
}

/* A pipe of the process that started this one, by its number there.  The
 * caller closes *out, also after an error. */
static struct err *
open_input (const json_t *message, const struct verb *verb, int *out)
{
  int64_t number;
  struct stat st;
  if (json_at (message, "input") == NULL)
    return NULL;
  TRY (json_get_int (message, "input", 0, INT32_MAX, &number));
  CLEANUP_FREE char *path
      = mem_printf ("/proc/%d/fd/%d", (int)getppid (), (int)number);
  int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  *out = fd;
  if (!(verb->flags & VERB_IN) || fd < 0 || fstat (fd, &st) != 0
      || !S_ISFIFO (st.st_mode) || fcntl (fd, F_SETFL, 0) != 0)
    return no_pipe ();
  return NULL;
}

struct piped {
  const struct call *call;
  int fd;
};

static struct err *
piped_get (void *ctx, void *data, size_t cap, size_t *len)
{
  const struct piped *p = ctx;
  struct pollfd ready = { .fd = p->fd, .events = POLLIN };
  for (;;) {
    int n = poll (&ready, 1, LOOK_MS);
    if (atomic_load (&p->call->cancelled))
      return err_new (ERR_TRANSIENT, "RH-WIRE-CANCELLED",
                      "the stream was cancelled");
    ssize_t got = n > 0 ? read (p->fd, data, cap) : -1;
    *len = got > 0 ? (size_t)got : 0;
    if (got >= 0)
      return NULL;
    if (n > 0 && errno != EINTR)
      return err_sys (errno, "RH-WIRE-READ", "reading a pipe");
  }
}

/* Runs the verb with its streams. */
static struct err *
perform (struct call *c, json_t **result)
{
  const struct verb *verb = NULL;
  json_t *args = NULL;
  TRY (json_get_str (c->message, "verb", &c->verb));
  TRY (json_get_object (c->message, "args", &args));
  TRY (dispatch_find (c->verb, &verb));
  CLEANUP_FD int input = -1;
  TRY (open_input (c->message, verb, &input));
  struct piped piped = { c, input };
  struct source in = { stream_get, c };
  if (input >= 0)
    in = (struct source){ piped_get, &piped };
  struct sink out = { stream_put, c };
  struct verb_call vc = { .args = args,
                          .in = verb->flags & VERB_IN ? &in : NULL,
                          .in_fd = input,
                          .out = verb->flags & VERB_OUT ? &out : NULL,
                          .flush = flush_now,
                          .progress = progress,
                          .cancelled = is_cancelled,
                          .stop_input = stop_input,
                          .ctx = c };
  TRY (dispatch_run (verb, &vc, result));
  if (vc.out == NULL)
    return NULL;
  TRY (flush (c));
  return outlet_frame (c->outlet, FRAME_END, c->id, 0, NULL, 0);
}

/* The last frame of the call. */
static struct err *
answer (struct call *c, struct err *why, const json_t *result)
{
  CLEANUP_ERR struct err *e = why;
  if (e == NULL) {
    e = outlet_json (c->outlet, FRAME_RESULT, c->id, result);
    if (e == NULL || strcmp (err_code (e), "RH-LIMIT") != 0)
      return STEAL (e);
  } else if (atomic_load (&c->cancelled)) {
    err_free (e);
    e = err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "%s was cancelled",
                 c->verb != NULL ? c->verb : "the call");
  }
  CLEANUP_JSON json_t *o = json_from_err (e);
  return outlet_json (c->outlet, FRAME_ERROR, c->id, o);
}

static void *
run (void *arg)
{
  struct call *c = arg;
  CLEANUP_JSON json_t *result = NULL;
  struct err *why = perform (c, &result);
  if (why != NULL)
    log_err (LOG_DEBUG, why);
  c->owner.leaving (c->owner.ctx, c);
  err_free (answer (c, why, result)); /* the reader sees a lost connection */
  c->owner.ended (c->owner.ctx, c);
  return NULL;
}

static struct err *
start (struct call *c)
{
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  int rc = pthread_create (&thread, &attr, run, c);
  pthread_attr_destroy (&attr);
  if (rc != 0)
    return err_sys (rc, "RH-AGENT-THREAD", "starting a call");
  return NULL;
}

struct err *
call_text (struct call *c, const struct frame *f)
{
  TRY (buf_put (&c->text, f->body, f->len));
  if (f->value == FRAME_MORE)
    return NULL;
  TRY (json_parse ((const char *)c->text.data, c->text.len, MESSAGE_MAX,
                   &c->message));
  buf_free (&c->text);
  c->started = true;
  struct err *e = start (c);
  c->started = e == NULL;
  return e;
}

struct err *
call_feed (struct call *c, struct frame *f)
{
  switch (f->type) {
  case FRAME_DATA:
    return intake_push (c->intake, STEAL (f->body), f->len);
  case FRAME_END:
    intake_end (c->intake);
    return NULL;
  case FRAME_CREDIT:
    return flow_give (c->flow, f->value);
  case FRAME_CANCEL:
    call_cancel (c);
    return NULL;
  default:
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame of type %u inside a call", (unsigned)f->type);
  }
}

void
call_cancel (struct call *c)
{
  atomic_store (&c->cancelled, true);
  flow_close (c->flow);
  intake_close (c->intake);
}
