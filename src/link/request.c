/* SPDX-License-Identifier: Apache-2.0 */
/* A call as the controller waits for it; see request.h. */
#include "link/request.h"

#include "base/mem.h"
#include "base/monotonic.h"

#include <time.h>

void
monitor_init (struct monitor *m)
{
  pthread_mutex_init (&m->lock, NULL);
  monotonic_cond_init (&m->changed);
  m->ends = 0;
}

void
monitor_clear (struct monitor *m)
{
  pthread_mutex_destroy (&m->lock);
  pthread_cond_destroy (&m->changed);
}

void
monitor_wait (struct monitor *m, long ms)
{
  struct timespec until = monotonic_in (ms);
  pthread_cond_timedwait (&m->changed, &m->lock, &until);
}

void
piece_free (struct piece *p)
{
  free (p->body);
  free (p);
}

void
request_init (struct request *r, struct monitor *m)
{
  *r = (struct request){ .monitor = m,
                         .text = BUF_INIT_MAX (MESSAGE_MAX),
                         .window = STREAM_CREDIT,
                         .credit = STREAM_CREDIT,
                         .input = -1,
                         .pass = -1 };
  r->last = &r->pieces;
}

void
request_clear (struct request *r)
{
  buf_free (&r->text);
  err_free (r->error);
  json_decref (r->result);
  json_decref (r->tick);
  while (r->pieces != NULL) {
    struct piece *p = r->pieces;
    r->pieces = p->next;
    piece_free (p);
  }
}

/* With the lock held. */
static void
end (struct request *r, struct err *e, json_t *result)
{
  r->done = true;
  r->rank = ++r->monitor->ends;
  r->error = e;
  r->result = result;
}

static struct err *
take_end (struct request *r, const struct frame *f)
{
  TRY (buf_put (&r->text, f->body, f->len));
  if (f->value == FRAME_MORE)
    return NULL;
  CLEANUP_JSON json_t *o = NULL;
  TRY (json_parse ((const char *)r->text.data, r->text.len, MESSAGE_MAX, &o));
  if (!json_is_object (o))
    return err_new (ERR_CORRUPT, "RH-WIRE-JSON", "an answer is no object");
  if (f->type == FRAME_RESULT)
    end (r, NULL, STEAL (o));
  else
    end (r, json_to_err (o), NULL);
  return NULL;
}

static struct err *
check_data (const struct request *r, const struct frame *f)
{
  if (f->len > r->window || r->ended)
    return err_new (ERR_CORRUPT, "RH-WIRE-CREDIT",
                    "more data than was granted");
  return NULL;
}

static struct err *
take_data (struct request *r, struct frame *f)
{
  TRY (check_data (r, f));
  struct piece *p = mem_alloc (sizeof *p);
  p->len = f->len;
  p->body = STEAL (f->body);
  r->window -= p->len;
  *r->last = p;
  r->last = &p->next;
  return NULL;
}

static struct err *
take_tick (struct request *r, const struct frame *f)
{
  json_t *tick = NULL;
  TRY (json_parse ((const char *)f->body, f->len, FRAME_MAX, &tick));
  json_decref (r->tick);
  r->tick = tick;
  return NULL;
}

static struct err *
take (struct request *r, struct frame *f)
{
  switch (f->type) {
  case FRAME_RESULT:
  case FRAME_ERROR:
    return r->done ? NULL : take_end (r, f);
  case FRAME_DATA:
    return take_data (r, f);
  case FRAME_END:
    r->ended = true;
    return NULL;
  case FRAME_CREDIT:
    r->credit += f->value;
    return NULL;
  case FRAME_TICK:
    return take_tick (r, f);
  default:
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "a frame of type %u from the agent", (unsigned)f->type);
  }
}

struct err *
request_take (struct request *r, struct frame *f)
{
  pthread_mutex_lock (&r->monitor->lock);
  struct err *e = take (r, f);
  pthread_cond_broadcast (&r->monitor->changed);
  pthread_mutex_unlock (&r->monitor->lock);
  return e;
}

struct err *
request_pass (struct request *r, const struct frame *f, int *to)
{
  struct err *e = NULL;
  pthread_mutex_lock (&r->monitor->lock);
  *to = r->pass;
  if (r->pass >= 0)
    e = check_data (r, f);
  if (r->pass >= 0 && e == NULL) {
    r->window -= f->len;
    r->passing = true;
  }
  pthread_mutex_unlock (&r->monitor->lock);
  return e;
}

void
request_passed (struct request *r, const struct frame *f)
{
  pthread_mutex_lock (&r->monitor->lock);
  r->passed += f->len;
  r->passing = false;
  pthread_cond_broadcast (&r->monitor->changed);
  pthread_mutex_unlock (&r->monitor->lock);
}

void
request_pass_stop (struct request *r)
{
  pthread_mutex_lock (&r->monitor->lock);
  r->pass = -1;
  while (r->passing)
    monitor_wait (r->monitor, 1000);
  pthread_mutex_unlock (&r->monitor->lock);
}

void
request_lose (struct request *r, struct err *e)
{
  pthread_mutex_lock (&r->monitor->lock);
  if (r->done)
    err_free (e);
  else
    end (r, e, NULL);
  pthread_cond_broadcast (&r->monitor->changed);
  pthread_mutex_unlock (&r->monitor->lock);
}
