/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for calls, one or two that are joined; see pipe.h.
 *
 * Where the receiver's agent is a child of this process it gets the stream
 * through a pipe (struct duct), into which the sender's connection moves the
 * bodies of its frames: no byte of it is copied here or in that agent.
 */
#include "link/pipe.h"

#include "base/cleanup.h"
#include "link/port.h"
#include "link/side.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DUCT_SIZE (1 << 20)

static void
report (struct side *s, pipe_tick_fn *tick, void *ctx)
{
  CLEANUP_JSON json_t *now = STEAL (s->tick);
  if (now != NULL && tick != NULL)
    tick (ctx, now);
}

/* Gives the stream of a single call away. */
static struct err *
deliver (struct side *s, const struct sink *to, uint64_t *owed)
{
  struct err *e = NULL;
  while (s->pieces != NULL) {
    struct piece *p = s->pieces;
    s->pieces = p->next;
    if (to != NULL && e == NULL && !s->cancelled)
      e = to->put (to->ctx, p->body, p->len);
    *owed += p->len;
    piece_free (p);
  }
  if (*owed >= SIDE_GRANT) {
    side_grant (s, *owed);
    *owed = 0;
  }
  return e;
}

static void
wait_one (struct side *s)
{
  struct monitor *m = s->req.monitor;
  pthread_mutex_lock (&m->lock);
  if (!side_has_news (s, false))
    monitor_wait (m, SIDE_POLL_MS);
  side_take_news (s, false);
  pthread_mutex_unlock (&m->lock);
}

/* Waits for the end of a call; *e has the sink's error, if there is one. */
static void
follow (struct side *s, const struct sink *to, pipe_tick_fn *tick, void *ctx,
        struct err **e)
{
  uint64_t owed = 0;
  while (!s->done) {
    wait_one (s);
    report (s, tick, ctx);
    struct err *failed = deliver (s, *e == NULL ? to : NULL, &owed);
    if (failed != NULL)
      *e = failed;
    if (failed != NULL || port_is_cancelled ())
      side_cancel (s);
    side_give_up (s);
  }
}

struct err *
pipe_call (struct conn *c, const char *verb, const json_t *args,
           const struct sink *to, pipe_tick_fn *tick, void *ctx,
           json_t **result)
{
  CLEANUP (monitor_clear) struct monitor m;
  monitor_init (&m);
  CLEANUP (side_clear) struct side s = { 0 };
  CLEANUP_ERR struct err *sink_error = NULL;
  *result = NULL;
  request_init (&s.req, &m);
  TRY (side_begin (&s, c, verb, args));
  follow (&s, to, tick, ctx, &sink_error);
  if (sink_error != NULL)
    return STEAL (sink_error);
  if (s.req.error != NULL)
    return STEAL (s.req.error);
  *result = STEAL (s.req.result);
  return NULL;
}

static void
wait_both (struct side *a, struct side *b)
{
  struct monitor *m = a->req.monitor;
  pthread_mutex_lock (&m->lock);
  if (!side_has_news (a, false) && !side_has_news (b, true))
    monitor_wait (m, SIDE_POLL_MS);
  side_take_news (a, false);
  side_take_news (b, true);
  pthread_mutex_unlock (&m->lock);
}

/* A pipe from the sender's connection to the receiver's worker. */
struct duct {
  int in;  /* the worker opens it through /proc; closed once it has ended */
  int out; /* closed at the orderly end of the stream */
  uint64_t owed; /* passed on, not granted again */
};

static void
duct_close (struct duct *d)
{
  cleanup_close_ (&d->in);
  cleanup_close_ (&d->out);
  d->in = d->out = -1;
}

/* Where it cannot be had the stream is copied: slower, no more. */
static void
duct_open (struct duct *d, const struct conn *to)
{
  int ends[2];
  if (!conn_is_child (to) || pipe2 (ends, O_CLOEXEC) != 0)
    return;
  fcntl (ends[1], F_SETPIPE_SZ, DUCT_SIZE);
  d->in = ends[0];
  d->out = ends[1];
}

/* Before anything is begun with the sender. */
static void
duct_join (const struct duct *d, struct side *a, struct side *b)
{
  a->req.pass = d->out;
  b->req.input = d->in;
}

/* The sender's connection may stand in the pipe: nobody reads it now, so that
 * is over. */
static void
duct_break (struct duct *d, struct side *a)
{
  cleanup_close_ (&d->in);
  d->in = -1;
  request_pass_stop (&a->req);
}

static uint64_t
take_passed (struct side *a)
{
  pthread_mutex_lock (&a->req.monitor->lock);
  uint64_t n = a->req.passed;
  a->req.passed = 0;
  pthread_mutex_unlock (&a->req.monitor->lock);
  return n;
}

/* The sender gets as much again, at the pace of who waits here. */
static void
grant_paced (struct side *a, uint64_t *owed)
{
  uint64_t n = port_paced (*owed);
  side_grant (a, n);
  *owed -= n;
}

/* The worker's pace is that of the pipe; the sender gets as much again. */
static void
duct_tend (struct duct *d, struct side *a, struct side *b)
{
  if (b->done && d->in >= 0)
    duct_break (d, a);
  d->owed += take_passed (a) + side_drop_pieces (a);
  if (d->owed >= SIDE_GRANT)
    grant_paced (a, &d->owed);
  if (a->ended && d->out >= 0) {
    request_pass_stop (&a->req);
    cleanup_close_ (&d->out);
    d->out = -1;
  }
}

/* Passes on what has come: bytes one way, credit the other. */
static void
pass (struct side *a, struct side *b, bool *end_sent)
{
  uint64_t dropped = 0;
  while (a->pieces != NULL) {
    struct piece *p = a->pieces;
    a->pieces = p->next;
    if (b->done || b->cancelled)
      dropped += p->len;
    else
      conn_send (b->conn, FRAME_DATA, b->req.id, 0, p->body, p->len);
    piece_free (p);
  }
  if (a->ended && !*end_sent) {
    *end_sent = true;
    if (!b->done)
      conn_send (b->conn, FRAME_END, b->req.id, 0, NULL, 0);
  }
  side_drop_pieces (b); /* a receiver has nothing to say here */
  b->credit += dropped;
  grant_paced (a, &b->credit);
}

/* A sender that has answered and never ended its stream: the receiver would
 * wait for ever. */
static bool
broke_off (const struct side *a)
{
  return a->done && a->req.error == NULL && !a->ended;
}

static void
join_both (struct side *a, struct side *b, struct duct *d, pipe_tick_fn *tick,
           void *ctx)
{
  bool end_sent = false;
  while (!a->done || !b->done) {
    wait_both (a, b);
    if (b->req.input >= 0)
      duct_tend (d, a, b);
    else
      pass (a, b, &end_sent);
    /* One measure at a time: the sender's, then the receiver's. */
    report (a, tick, ctx);
    report (b, a->ended ? tick : NULL, ctx);
    bool failed = (a->done && a->req.error != NULL)
                  || (b->done && b->req.error != NULL) || broke_off (a);
    if (failed || port_is_cancelled ()) {
      side_cancel (a);
      side_cancel (b);
    }
    side_give_up (a);
    side_give_up (b);
  }
}

/* The error that ended first is the cause of the other. */
static struct err *
first_cause (struct side *a, struct side *b)
{
  struct side *first = a->req.rank < b->req.rank ? a : b;
  struct side *second = first == a ? b : a;
  if (first->req.error != NULL)
    return STEAL (first->req.error);
  return second->req.error != NULL ? STEAL (second->req.error) : NULL;
}

static struct err *
begin_both (struct side *a, struct conn *from, const char *verb_out,
            const json_t *args_out, struct side *b, struct conn *to,
            const char *verb_in, const json_t *args_in)
{
  TRY (side_begin (b, to, verb_in, args_in));
  side_skip_first_credit (b);
  struct err *e = side_begin (a, from, verb_out, args_out);
  if (e != NULL) {
    side_cancel (b);
    CLEANUP_ERR struct err *ignored = NULL;
    follow (b, NULL, NULL, NULL, &ignored);
  }
  return e;
}

struct err *
pipe_join (struct conn *from, const char *verb_out, const json_t *args_out,
           struct conn *to, const char *verb_in, const json_t *args_in,
           pipe_tick_fn *tick, void *ctx, json_t **result_out,
           json_t **result_in)
{
  CLEANUP (monitor_clear) struct monitor m;
  monitor_init (&m);
  CLEANUP (duct_close) struct duct d = { .in = -1, .out = -1 };
  CLEANUP (side_clear) struct side a = { 0 };
  CLEANUP (side_clear) struct side b = { 0 };
  *result_out = *result_in = NULL;
  request_init (&a.req, &m);
  request_init (&b.req, &m);
  duct_open (&d, to);
  duct_join (&d, &a, &b);
  TRY (begin_both (&a, from, verb_out, args_out, &b, to, verb_in, args_in));
  join_both (&a, &b, &d, tick, ctx);
  duct_break (&d, &a);
  if (broke_off (&a))
    return err_new (ERR_CORRUPT, "RH-LINK-STREAM",
                    "%s answered before the end of its stream", verb_out);
  TRY (first_cause (&a, &b));
  *result_out = STEAL (a.req.result);
  *result_in = STEAL (b.req.result);
  return NULL;
}
