/* SPDX-License-Identifier: Apache-2.0 */
/* Two calls joined both ways; see splice.h.  Bytes of one go to the other with
 * the credit that the other grants, so no more than that is ever held here. */
#include "link/splice.h"

#include "base/cleanup.h"
#include "link/side.h"

#include <string.h>

static void
tell (struct side *s, const struct port_lane *lane)
{
  CLEANUP_JSON json_t *now = STEAL (s->tick);
  if (now != NULL && lane->tick != NULL)
    lane->tick (lane->ctx, now);
}

/* Waits for the byte that says that somebody is there; false: the call has
 * ended. */
static bool
wait_for_somebody (struct side *a, const struct port_lane *lane)
{
  struct monitor *m = a->req.monitor;
  while (!a->done && a->pieces == NULL) {
    pthread_mutex_lock (&m->lock);
    if (!side_has_news (a, false))
      monitor_wait (m, SIDE_POLL_MS);
    side_take_news (a, false);
    pthread_mutex_unlock (&m->lock);
    tell (a, lane);
    if (port_is_cancelled ())
      side_cancel (a);
    side_give_up (a);
  }
  return a->pieces != NULL;
}

/* That byte is ours. */
static struct err *
take_mark (struct side *a)
{
  struct piece *p = a->pieces;
  if (p->len == 0 || p->body[0] != '+')
    return err_new (ERR_CORRUPT, "RH-LINK-STREAM",
                    "a tunnel begins with something else than its mark");
  p->len--;
  memmove (p->body, p->body + 1, p->len);
  side_grant (a, 1);
  return NULL;
}

/* Bytes one way, and credit back. */
static void
pass (struct side *from, struct side *to, bool *end_sent)
{
  uint64_t dropped = 0;
  while (from->pieces != NULL) {
    struct piece *p = from->pieces;
    from->pieces = p->next;
    if (to->done || to->cancelled)
      dropped += p->len;
    else if (p->len > 0)
      conn_send (to->conn, FRAME_DATA, to->req.id, 0, p->body, p->len);
    piece_free (p);
  }
  side_grant (from, to->credit + dropped);
  to->credit = 0;
  if ((from->ended || from->done) && !*end_sent) {
    *end_sent = true;
    if (!to->done)
      conn_send (to->conn, FRAME_END, to->req.id, 0, NULL, 0);
  }
}

static void
wait_both (struct side *a, struct side *b)
{
  struct monitor *m = a->req.monitor;
  pthread_mutex_lock (&m->lock);
  if (!side_has_news (a, true) && !side_has_news (b, true))
    monitor_wait (m, SIDE_POLL_MS);
  side_take_news (a, true);
  side_take_news (b, true);
  pthread_mutex_unlock (&m->lock);
}

/* Its error is the reader's until the call has ended. */
static bool
has_failed (const struct side *s)
{
  return s->done && s->req.error != NULL;
}

static void
carry (struct side *near, struct side *far, const struct port_lane *lane)
{
  bool near_ended = false, far_ended = false;
  pass (near, far, &near_ended); /* what came behind the mark */
  while (!near->done || !far->done) {
    wait_both (near, far);
    pass (near, far, &near_ended);
    pass (far, near, &far_ended);
    tell (near, lane);
    if (has_failed (near) || has_failed (far) || port_is_cancelled ()) {
      side_cancel (near);
      side_cancel (far);
    }
    side_give_up (near);
    side_give_up (far);
  }
}

static void
end_alone (struct side *s)
{
  struct monitor *m = s->req.monitor;
  side_cancel (s);
  while (!s->done) {
    pthread_mutex_lock (&m->lock);
    if (!side_has_news (s, false))
      monitor_wait (m, SIDE_POLL_MS);
    side_take_news (s, false);
    pthread_mutex_unlock (&m->lock);
    side_drop_pieces (s);
    side_give_up (s);
  }
}

static struct err *
join (struct side *near, struct side *far, struct conn *far_conn,
      const json_t *connect, const struct port_lane *lane)
{
  TRY (take_mark (near));
  if (lane->taken != NULL)
    lane->taken (lane->ctx);
  TRY (side_begin (far, far_conn, "tunnel.connect", connect));
  side_skip_first_credit (far);
  carry (near, far, lane);
  return NULL;
}

struct err *
splice_join (struct conn *near, const json_t *accept, struct conn *far,
             const json_t *connect, const struct port_lane *lane)
{
  CLEANUP (monitor_clear) struct monitor m;
  monitor_init (&m);
  CLEANUP (side_clear) struct side a = { 0 };
  CLEANUP (side_clear) struct side b = { 0 };
  request_init (&a.req, &m);
  request_init (&b.req, &m);
  TRY (side_begin (&a, near, "tunnel.accept", accept));
  side_skip_first_credit (&a);
  if (wait_for_somebody (&a, lane)) {
    struct err *e = join (&a, &b, far, connect, lane);
    if (e != NULL) {
      end_alone (&a);
      return e;
    }
  }
  if (b.req.error != NULL && (a.req.error == NULL || b.req.rank < a.req.rank))
    return STEAL (b.req.error);
  return a.req.error != NULL ? STEAL (a.req.error) : NULL;
}
