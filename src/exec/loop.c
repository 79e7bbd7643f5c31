/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's thread: its queue, its turns, its begin and end. */
#include "exec/inside.h"

#include "base/log.h"
#include "base/mem.h"
#include "exec/clock.h"

#include <pthread.h>
#include <string.h>

/* What other threads put into the queue: an ended job or a request. */
struct answer {
  pthread_mutex_t lock;
  pthread_cond_t done_now;
  bool done;
  struct err *error;
};

struct note {
  struct job *job;       /* or */
  struct answer *answer; /* of a request; or */
  json_t *witness;       /* a signature; or none of them: look at `stop` */
  enum request request;
  json_t *no_way_back; /* of the request; or NULL */
  json_t *record;      /* what is asked for is this record, no request */
  enum record_type type;
  char *actor;
};

static void
on_ended (void *ctx, struct job *j)
{
  struct loop *l = ctx;
  struct note *n = mem_alloc (sizeof *n);
  n->job = j;
  if (!queue_put (l->notes, n)) {
    job_free (j);
    free (n);
  }
}

static void
on_signed (void *ctx, json_t *data)
{
  struct loop *l = ctx;
  struct note *n = mem_alloc (sizeof *n);
  n->witness = data;
  if (!queue_put (l->notes, n)) {
    json_decref (data);
    free (n);
  }
}

static struct witness *
new_witness (struct loop *l)
{
  struct witness_parts wp = { .plan = l->parts.plan,
                              .migration = l->parts.migration,
                              .source = l->parts.source,
                              .target = l->parts.target,
                              .done = on_signed,
                              .ctx = l };
  return l->parts.witnessed ? witness_new (&wp) : NULL;
}

struct loop *
loop_new (const struct loop_parts *parts)
{
  struct loop *l = mem_alloc (sizeof *l);
  l->parts = *parts;
  l->engine = engine_new (parts->graph, parts->limits);
  l->notes = queue_new (4096);
  l->timers = timers_new ();
  l->measure = measure_new (parts->graph);
  l->epoch = 1;
  struct pool_parts pp = { .plan = parts->plan,
                           .migration = parts->migration,
                           .source = parts->source,
                           .target = parts->target,
                           .controller = parts->controller,
                           .find = parts->find,
                           .ended = on_ended,
                           .ctx = l };
  l->pool = pool_new (&pp, parts->threads != 0 ? parts->threads : 8);
  l->witness = new_witness (l);
  return l;
}

/* ---- Replay ---- */

static struct err *
replay_one (void *ctx, const struct record *r, const char *line)
{
  struct loop *l = ctx;
  struct event ev = {
    .kind = EVENT_RECORD, .record = r, .replay = true, .time_ms = r->time_ms
  };
  struct effects none = { 0 };
  if (r->epoch >= l->epoch)
    l->epoch = r->epoch + 1;
  l->seq = r->seq;
  record_hash (line, strlen (line), l->head);
  struct err *e = engine_next (l->engine, &ev, &none);
  effects_clear (&none);
  TRY (err_wrap (e, "while replaying record %llu", (unsigned long long)r->seq));
  measure_record (l->measure, r);
  if (r->type == RECORD_FORECAST)
    l->forecast_made = true;
  loop_watch_phase (l, r);
  loop_watch_witness (l, r);
  return NULL;
}

struct err *
loop_replay (struct loop *l)
{
  TRY (store_each (l->parts.store, 0, replay_one, l));
  if (l->parts.hub != NULL)
    hub_head (l->parts.hub, l->seq);
  if (l->parts.on_head != NULL)
    l->parts.on_head (l->parts.ctx, l->seq, l->head, HEAD_PLAIN);
  return NULL;
}

uint64_t
loop_epoch (const struct loop *l)
{
  return l->epoch;
}

/* ---- The queue ---- */

static void
give_answer (struct answer *a, struct err *e)
{
  pthread_mutex_lock (&a->lock);
  a->error = e;
  a->done = true;
  pthread_cond_signal (&a->done_now);
  pthread_mutex_unlock (&a->lock);
}

static void
drop_note (void *item)
{
  struct note *n = item;
  if (n->answer != NULL)
    give_answer (n->answer,
                 err_new (ERR_TRANSIENT, "RH-EXEC-STOPPED",
                          "the owner of this migration is stopping"));
  job_free (n->job);
  json_decref (n->witness);
  json_decref (n->record);
  json_decref (n->no_way_back);
  free (n->actor);
  free (n);
}

static struct err *
take_job (struct loop *l, const struct job *j)
{
  struct event ev
      = { .kind = j->kind == JOB_PROBE ? EVENT_PROBED : EVENT_OUTCOME,
          .step = j->step->id,
          .attempt = j->attempt,
          .undo = j->undo,
          .error = j->error,
          .data = j->result,
          .probe = j->probe,
          .time_ms = clock_wall_ms () };
  if (j->kind == JOB_PROBE && j->error != NULL)
    ev.probe = PROBE_UNKNOWN;
  return loop_feed_and_perform (l, &ev);
}

static struct err *
err_copy (const struct err *e)
{
  return err_remote (err_class_of (e), err_code (e), err_message (e),
                     err_safe (e), err_advice (e));
}

/* A refused request is the asker's error, all else the loop's. */
static struct err *
take_request (struct loop *l, const struct note *n)
{
  struct event ev = { .kind = EVENT_REQUEST,
                      .request = n->request,
                      .actor = n->actor,
                      .no_way_back = n->no_way_back,
                      .time_ms = clock_wall_ms () };
  struct err *e = loop_feed (l, &ev);
  if (e != NULL) {
    give_answer (n->answer, e);
    return NULL;
  }
  err_free (l->refused);
  l->refused = NULL;
  e = loop_perform_all (l);
  give_answer (n->answer, e == NULL ? STEAL (l->refused) : err_copy (e));
  return e;
}

static struct err *
take_record (struct loop *l, struct note *n)
{
  struct err *e = loop_append (l, n->type, n->actor, STEAL (n->record));
  if (e == NULL)
    e = loop_perform_all (l);
  give_answer (n->answer, e != NULL ? err_copy (e) : NULL);
  return e;
}

static struct err *
take_note (struct loop *l, struct note *n)
{
  struct err *e = NULL;
  if (n->job != NULL)
    e = take_job (l, n->job);
  else if (n->answer != NULL) {
    e = n->record != NULL ? take_record (l, n) : take_request (l, n);
    n->answer = NULL;
  } else if (n->witness != NULL)
    e = loop_append (l, RECORD_WITNESS, "controller", STEAL (n->witness));
  drop_note (n);
  return e;
}

static struct err *
fire_timers (struct loop *l)
{
  for (;;) {
    CLEANUP_FREE char *name = timers_due (l->timers, clock_boot_ms ());
    if (name == NULL)
      return NULL;
    struct event ev
        = { .kind = EVENT_TIMER, .timer = name, .time_ms = clock_wall_ms () };
    TRY (loop_feed_and_perform (l, &ev));
  }
}

static json_t *
progress_now (struct loop *l)
{
  const json_t *attention = engine_attention (l->engine);
  json_t *o
      = json_pack ("{s:s, s:s, s:b, s:b, s:b, s:I, s:o}", "phase",
                   phase_name (engine_phase (l->engine)), "writer",
                   writer_name (engine_writer (l->engine)), "paused",
                   engine_paused (l->engine), "idle", engine_idle (l->engine),
                   "in_step", engine_in_step (l->engine), "time_ms",
                   (json_int_t)clock_wall_ms (), "steps",
                   pool_progress (l->pool));
  int64_t frozen = engine_frozen_at (l->engine);
  if (frozen != 0)
    json_object_set_new (o, "frozen_since_ms", json_integer (frozen));
  if (engine_goal (l->engine) != REQUEST_COUNT)
    json_object_set_new (o, "goal",
                         json_string (request_name (engine_goal (l->engine))));
  if (attention != NULL)
    json_object_set_new (o, "attention", json_deep_copy (attention));
  return o;
}

/* Ten times a second for watchers, and at once where the work is done that
 * they may wait for; once a second into the store. */
static void
publish (struct loop *l)
{
  int64_t now = clock_boot_ms ();
  bool rests = engine_idle (l->engine) || engine_in_step (l->engine);
  bool news = rests && !l->rested;
  l->rested = rests;
  l->unpublished = !news && now - l->ticked_ms < 100;
  if (l->unpublished)
    return;
  l->ticked_ms = now;
  CLEANUP_JSON json_t *p = progress_now (l);
  if (now - l->published_ms >= 1000) {
    CLEANUP_ERR struct err *e = store_set_progress (l->parts.store, p);
    if (e != NULL)
      log_err (LOG_WARN, e);
    l->published_ms = now;
  }
  if (l->parts.hub != NULL)
    hub_progress (l->parts.hub, STEAL (p));
}

static bool
at_end (const struct loop *l)
{
  enum phase p = engine_phase (l->engine);
  return p == PHASE_PLANNED || p == PHASE_ABORTED || p == PHASE_ACCEPTED
         || p == PHASE_ROLLED_BACK || engine_aborted (l->engine);
}

bool
loop_is_finished (const struct loop *l)
{
  enum phase p = engine_phase (l->engine);
  return p == PHASE_ACCEPTED || p == PHASE_ROLLED_BACK;
}

static bool
has_ended (struct loop *l)
{
  bool quiet = at_end (l) && pool_busy (l->pool) == 0
               && queue_len (l->notes) == 0
               && (l->witness == NULL || witness_pending (l->witness) == 0);
  if (!quiet)
    l->busy_ms = clock_boot_ms ();
  /* After its end there is nothing more to ask for. */
  long linger = loop_is_finished (l) ? 0 : l->parts.linger_ms;
  return quiet && l->parts.linger_ms > 0
         && clock_boot_ms () - l->busy_ms > linger;
}

/* One round: an event if one comes in time, then what is due. */
static struct err *
turn (struct loop *l, bool *stop)
{
  bool timed_out = false;
  int64_t wait = timers_wait (l->timers, clock_boot_ms ());
  long most = pool_busy (l->pool) > 0 || l->unpublished ? 100 : 1000;
  struct note *n
      = queue_take_for (l->notes, wait >= 0 && wait < most ? (long)wait : most,
                        &timed_out);
  if (n == NULL && !timed_out)
    *stop = true;
  if (n != NULL)
    TRY (take_note (l, n));
  TRY (fire_timers (l));
  publish (l);
  if (has_ended (l))
    *stop = l->over = true;
  return NULL;
}

struct err *
loop_run (struct loop *l)
{
  struct event resume = { .kind = EVENT_RESUME, .time_ms = clock_wall_ms () };
  bool stop = false;
  l->busy_ms = clock_boot_ms ();
  struct err *e = loop_feed_and_perform (l, &resume);
  if (e == NULL)
    e = loop_observe (l);
  if (l->witness != NULL && l->to_sign.seq != 0)
    witness_ask (l->witness, l->to_sign.seq, l->to_sign.hash, l->to_sign.phase);
  while (e == NULL && !stop && !atomic_load (&l->stopping))
    e = turn (l, &stop);
  l->ticked_ms = 0; /* who watches sees where it ended */
  if (e == NULL)
    publish (l);
  queue_close (l->notes);
  l->pool_left = !witness_stop (l->witness, 3000);
  l->pool_left |= !pool_stop (l->pool, 3000);
  for (struct note *n; (n = queue_take (l->notes)) != NULL;)
    drop_note (n);
  if (l->parts.hub != NULL)
    hub_close (l->parts.hub);
  return e;
}

bool
loop_is_aborted (const struct loop *l)
{
  return engine_aborted (l->engine);
}

bool
loop_is_over (const struct loop *l)
{
  return l->over;
}

bool
loop_is_quiet (const struct loop *l)
{
  return !l->pool_left;
}

/* `n` is taken. */
static struct err *
ask_and_wait (struct loop *l, struct note *n)
{
  struct answer a = { .done = false };
  pthread_mutex_init (&a.lock, NULL);
  pthread_cond_init (&a.done_now, NULL);
  n->answer = &a;
  if (!queue_put (l->notes, n))
    drop_note (n);
  pthread_mutex_lock (&a.lock);
  while (!a.done)
    pthread_cond_wait (&a.done_now, &a.lock);
  pthread_mutex_unlock (&a.lock);
  pthread_cond_destroy (&a.done_now);
  pthread_mutex_destroy (&a.lock);
  return a.error;
}

struct err *
loop_request (struct loop *l, enum request r, const char *actor,
              const json_t *no_way_back)
{
  struct note *n = mem_alloc (sizeof *n);
  n->request = r;
  n->no_way_back = no_way_back != NULL ? json_deep_copy (no_way_back) : NULL;
  n->actor = mem_strdup (actor);
  return ask_and_wait (l, n);
}

struct err *
loop_record (struct loop *l, enum record_type type, const char *actor,
             json_t *data)
{
  struct note *n = mem_alloc (sizeof *n);
  n->record = data;
  n->type = type;
  n->actor = mem_strdup (actor);
  return ask_and_wait (l, n);
}

void
loop_stop (struct loop *l)
{
  atomic_store (&l->stopping, true);
  queue_close (l->notes);
}

bool
loop_free (struct loop *l)
{
  if (l == NULL)
    return true;
  if (l->pool_left)
    return false;
  queue_free (l->notes, drop_note);
  pool_free (l->pool);
  witness_free (l->witness);
  timers_free (l->timers);
  people_clear (&l->people);
  measure_free (l->measure);
  engine_free (l->engine);
  err_free (l->refused);
  for (size_t i = l->at; i < l->todo.n; i++)
    loop_clear_effect (&l->todo.v[i]);
  free (l->todo.v);
  free (l);
  return true;
}
