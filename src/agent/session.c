/* SPDX-License-Identifier: Apache-2.0 */
/* One connection as the agent sees it; see session.h.  The thread that reads
 * never writes: answers come from the calls' threads and the heartbeat's. */
#include "agent/session.h"

#include "agent/call.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "host/facts.h"
#include "wire/beat.h"
#include "wire/hello.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define LEAVE_MS 15000

struct session {
  struct outlet *outlet;
  struct beat *beat;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct call *calls[CALLS_MAX];
  size_t count;   /* of calls */
  size_t running; /* threads, also those that only answer yet */
  uint32_t last_id;
};

static struct session *
session_new (int out_fd)
{
  struct session *s = mem_alloc (sizeof *s);
  pthread_mutex_init (&s->lock, NULL);
  monotonic_cond_init (&s->changed);
  s->outlet = outlet_new (out_fd);
  return s;
}

/* The slot of a call, with the lock held; NULL where it has ended. */
static struct call **
find (struct session *s, uint32_t id)
{
  for (size_t i = 0; i < CALLS_MAX; i++)
    if (s->calls[i] != NULL && call_id (s->calls[i]) == id)
      return &s->calls[i];
  return NULL;
}

/* With the lock held. */
static void
vacate (struct session *s, struct call **slot)
{
  *slot = NULL;
  s->count--;
}

/* On the call's own thread, as the next one. */
static void
leaving (void *ctx, struct call *c)
{
  struct session *s = ctx;
  pthread_mutex_lock (&s->lock);
  vacate (s, find (s, call_id (c)));
  pthread_mutex_unlock (&s->lock);
}

static void
ended (void *ctx, struct call *c)
{
  struct session *s = ctx;
  call_free (c);
  pthread_mutex_lock (&s->lock);
  s->running--;
  pthread_cond_broadcast (&s->changed);
  pthread_mutex_unlock (&s->lock);
}

/* A call that was not started, with the lock held. */
static void
abandon (struct session *s, struct call **slot)
{
  call_free (*slot);
  vacate (s, slot);
}

static struct err *
admit (struct session *s, uint32_t id, struct call ***slot)
{
  if (id <= s->last_id)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME", "call %u a second time", id);
  s->last_id = id;
  if (s->count == CALLS_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "more than %d calls at a time", CALLS_MAX);
  for (size_t i = 0; i < CALLS_MAX; i++)
    if (s->calls[i] == NULL)
      *slot = &s->calls[i];
  const struct call_owner owner = { leaving, ended, s };
  **slot = call_new (id, s->outlet, &owner);
  s->count++;
  return NULL;
}

/* With the lock held. */
static struct err *
take_call (struct session *s, const struct frame *f)
{
  struct call **slot = find (s, f->call);
  if (slot != NULL && call_started (*slot))
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME", "call %u a second time",
                    f->call);
  if (slot == NULL)
    TRY (admit (s, f->call, &slot));
  struct err *e = call_text (*slot, f);
  if (call_started (*slot))
    s->running++;
  else if (e != NULL)
    abandon (s, slot);
  return e;
}

static struct err *
take (struct session *s, struct frame *f)
{
  struct err *e = NULL;
  if (f->type == FRAME_PING)
    beat_answer (s->beat);
  if (f->type == FRAME_PING || f->type == FRAME_PONG)
    return NULL;
  pthread_mutex_lock (&s->lock);
  if (f->type == FRAME_CALL) {
    e = take_call (s, f);
  } else {
    struct call **slot = find (s, f->call);
    if (slot != NULL) /* else it has ended meanwhile */
      e = call_feed (*slot, f);
  }
  pthread_mutex_unlock (&s->lock);
  return e;
}

/* As pipes of another process are opened (proc(5), /proc/PID/fd). */
static bool
can_read_pipes (pid_t pid)
{
  char target[8];
  CLEANUP_FREE char *path = mem_printf ("/proc/%d/exe", (int)pid);
  return readlink (path, target, sizeof target) > 0;
}

static struct err *
greet (struct session *s, struct frame_reader *r, const json_t *swept)
{
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_JSON json_t *theirs = NULL;
  TRY (err_wrap (host_facts (&facts), "looking at this host"));
  if (json_array_size (swept) > 0)
    json_object_set_new (facts, "swept", json_deep_copy (swept));
  if (can_read_pipes (getppid ()))
    json_object_set_new (facts, "parent", json_integer (getppid ()));
  CLEANUP_JSON json_t *mine = hello_new (facts);
  TRY (outlet_json (s->outlet, FRAME_HELLO, 0, mine));
  TRY (hello_read (r, &theirs));
  int64_t version;
  return hello_agree (theirs, &version);
}

static struct err *
serve (struct session *s, struct frame_reader *r, const json_t *swept)
{
  TRY (greet (s, r, swept));
  TRY (beat_start (s->outlet, &s->beat));
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    TRY (frame_read (r, &f, &eof));
    if (eof)
      return NULL;
    TRY (take (s, &f));
  }
}

/* Cancels all calls and waits for their ends, but not for ever. */
static void
leave (struct session *s)
{
  struct timespec until = monotonic_in (LEAVE_MS);
  pthread_mutex_lock (&s->lock);
  for (size_t i = 0; i < CALLS_MAX; i++)
    if (s->calls[i] != NULL && !call_started (s->calls[i]))
      abandon (s, &s->calls[i]);
    else if (s->calls[i] != NULL)
      call_cancel (s->calls[i]);
  int rc = 0;
  while (s->running > 0 && rc == 0)
    rc = pthread_cond_timedwait (&s->changed, &s->lock, &until);
  if (s->running > 0)
    log_line (LOG_WARN, "%zu calls did not end and are abandoned", s->running);
  pthread_mutex_unlock (&s->lock);
}

struct err *
session_run (int in_fd, int out_fd, int stop_fd, const json_t *swept)
{
  struct session *s = session_new (out_fd);
  struct frame_reader r;
  frame_reader_init (&r, in_fd);
  r.wake_fd = stop_fd;
  r.timeout_ms = IDLE_MS;
  struct err *e = serve (s, &r, swept);
  leave (s);
  frame_reader_clear (&r);
  return e; /* the session is left to the threads that may still use it */
}
