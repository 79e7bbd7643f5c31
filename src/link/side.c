/* SPDX-License-Identifier: Apache-2.0 */
#include "link/side.h"

#include "base/cleanup.h"
#include "base/monotonic.h"

/* How long a cancelled call may take to end before it is given up. */
#define GIVE_UP_MS 60000

uint64_t
side_drop_pieces (struct side *s)
{
  uint64_t n = 0;
  while (s->pieces != NULL) {
    struct piece *p = s->pieces;
    s->pieces = p->next;
    n += p->len;
    piece_free (p);
  }
  return n;
}

void
side_clear (struct side *s)
{
  if (s->begun)
    conn_forget (s->conn, &s->req);
  side_drop_pieces (s);
  json_decref (s->tick);
  request_clear (&s->req);
}

struct err *
side_begin (struct side *s, struct conn *c, const char *verb,
            const json_t *args)
{
  s->conn = c;
  TRY (conn_begin (c, verb, args, &s->req));
  s->begun = true;
  return NULL;
}

void
side_cancel (struct side *s)
{
  if (s->cancelled || s->done)
    return;
  s->cancelled = true;
  s->since = monotonic_ms ();
  conn_send (s->conn, FRAME_CANCEL, s->req.id, 0, NULL, 0);
}

bool
side_has_news (const struct side *s, bool want_credit)
{
  const struct request *r = &s->req;
  return r->pieces != NULL || r->tick != NULL || r->done != s->done
         || r->ended != s->ended || (want_credit && r->credit > 0)
         || r->passed >= SIDE_GRANT;
}

void
side_take_news (struct side *s, bool want_credit)
{
  struct request *r = &s->req;
  s->pieces = r->pieces;
  r->pieces = NULL;
  r->last = &r->pieces;
  s->tick = r->tick;
  r->tick = NULL;
  s->ended = r->ended;
  s->done = r->done;
  if (want_credit) {
    s->credit = r->credit;
    r->credit = 0;
  }
}

void
side_give_up (struct side *s)
{
  if (!s->cancelled || s->done || monotonic_ms () - s->since < GIVE_UP_MS)
    return;
  request_lose (&s->req, err_new (ERR_TRANSIENT, "RH-LINK-STUCK",
                                  "a cancelled call did not end within %d s",
                                  GIVE_UP_MS / 1000));
  conn_break (s->conn, "a cancelled call did not end");
}

void
side_grant (struct side *s, uint64_t n)
{
  while (n > 0 && !s->done) {
    uint32_t step = n < SIDE_GRANT ? (uint32_t)n : (uint32_t)SIDE_GRANT;
    pthread_mutex_lock (&s->req.monitor->lock);
    s->req.window += step;
    pthread_mutex_unlock (&s->req.monitor->lock);
    conn_send (s->conn, FRAME_CREDIT, s->req.id, step, NULL, 0);
    n -= step;
  }
}

void
side_skip_first_credit (struct side *s)
{
  pthread_mutex_lock (&s->req.monitor->lock);
  s->req.credit -= STREAM_CREDIT;
  pthread_mutex_unlock (&s->req.monitor->lock);
}
