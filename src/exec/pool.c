/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads that call providers. */
#include "exec/pool.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/vec.h"
#include "exec/clock.h"
#include "exec/kept.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* A job under way, as its provider sees it through step_call.ctx. */
struct slot {
  struct pool *pool;
  struct job *job;
  int64_t started_ms;
  int64_t deadline_ms; /* 0: none */
  atomic_bool cancelled;
  json_t *progress; /* under the pool's lock */
};

struct pool {
  struct pool_parts parts;
  unsigned max_threads;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  VEC (struct job *) waiting;
  VEC (struct slot *) running;
  VEC (pthread_t) threads;
  size_t idle; /* threads that wait for a job */
  size_t left; /* threads that have ended */
  bool stopping;
};

void
job_free (struct job *j)
{
  if (j == NULL)
    return;
  json_decref (j->inputs);
  json_decref (j->result);
  err_free (j->error);
  free (j);
}

struct pool *
pool_new (const struct pool_parts *parts, unsigned threads)
{
  struct pool *p = mem_alloc (sizeof *p);
  p->parts = *parts;
  p->max_threads = threads;
  pthread_mutex_init (&p->lock, NULL);
  monotonic_cond_init (&p->changed);
  return p;
}

static void
on_tick (void *ctx, const json_t *progress)
{
  struct slot *s = ctx;
  json_t *copy = json_deep_copy (progress);
  pthread_mutex_lock (&s->pool->lock);
  json_decref (s->progress);
  s->progress = copy;
  pthread_mutex_unlock (&s->pool->lock);
}

static bool
is_late (const struct slot *s)
{
  return s->deadline_ms != 0 && clock_boot_ms () > s->deadline_ms;
}

static bool
on_cancelled (void *ctx)
{
  struct slot *s = ctx;
  return atomic_load (&s->cancelled) || is_late (s);
}

static enum probe
probe_of (enum probe_state s)
{
  switch (s) {
  case PROBED_DONE:
    return PROBE_DONE;
  case PROBED_NOT_DONE:
    return PROBE_NOT_DONE;
  case PROBED_PARTIAL:
    return PROBE_PARTIAL;
  case PROBED_UNKNOWN:
    break;
  }
  return PROBE_UNKNOWN;
}

static struct err *
run_and_keep (const struct provider *p, const struct step_call *call,
              struct job *j)
{
  int64_t begun = clock_boot_ms ();
  TRY (provider_run (p, call, &j->result));
  kept_put (call, clock_boot_ms () - begun, j->result);
  return NULL;
}

/* The host is asked for the result before anything is looked at. */
static struct err *
find_out (const struct provider *p, const struct step_call *call, struct job *j)
{
  enum probe_state state = PROBED_UNKNOWN;
  j->result = kept_get (call);
  j->probe = j->result != NULL ? PROBE_DONE : PROBE_UNKNOWN;
  if (j->result != NULL)
    return NULL;
  TRY (provider_probe (p, call, &state));
  j->probe = probe_of (state);
  return NULL;
}

static struct err *
call_provider (const struct provider *p, const struct step_call *call,
               struct job *j)
{
  switch (j->kind) {
  case JOB_RUN:
    return run_and_keep (p, call, j);
  case JOB_UNDO:
    return provider_undo (p, call, &j->result);
  case JOB_PROBE:
    return find_out (p, call, j);
  }
  return NULL;
}

static void
perform (struct slot *s)
{
  const struct pool_parts *parts = &s->pool->parts;
  struct job *j = s->job;
  const struct provider *p = parts->find (j->step->provider);
  struct step_call call = {
    .plan = parts->plan,
    .item = j->step->item >= 0 && parts->plan != NULL
                ? plan_item (parts->plan, (size_t)j->step->item)
                : NULL,
    .step = j->step,
    .attempt = j->attempt,
    .source = parts->source,
    .target = parts->target,
    .controller = parts->controller,
    .inputs = j->inputs,
    .migration = parts->migration,
    .alone = j->alone,
    .no_way_back = j->no_way_back,
    .tick = on_tick,
    .cancelled = on_cancelled,
    .ctx = s,
  };
  if (j->cancelled)
    j->error = err_new (ERR_TRANSIENT, "RH-STEP-CANCELLED",
                        "given up before it began");
  else if (p == NULL)
    j->error = err_new (ERR_BUG, "RH-EXEC-PROVIDER", "no provider %s",
                        j->step->provider);
  else {
    port_cancel_hook (on_cancelled, s); /* reaches calls under way, too */
    j->error = call_provider (p, &call, j);
    port_cancel_hook (NULL, NULL);
  }
  if (j->error != NULL && is_late (s) && !atomic_load (&s->cancelled)) {
    struct err *late
        = err_new (ERR_TRANSIENT, "RH-STEP-TIMEOUT",
                   "%s took longer than %ld s: %s",
                   j->step->title != NULL ? j->step->title : j->step->id,
                   j->step->timeout_ms / 1000, err_message (j->error));
    err_free (j->error);
    j->error = late;
  }
  if (j->error == NULL && j->result == NULL && j->kind != JOB_PROBE)
    j->result = json_object ();
}

/* Under the lock. */
static struct job *
next_job (struct pool *p)
{
  struct job *j = p->waiting.v[0];
  p->waiting.n--;
  memmove (p->waiting.v, p->waiting.v + 1, p->waiting.n * sizeof *p->waiting.v);
  return j;
}

/* Under the lock. */
static void
forget (struct pool *p, const struct slot *s)
{
  for (size_t i = 0; i < p->running.n; i++)
    if (p->running.v[i] == s) {
      p->running.v[i] = p->running.v[--p->running.n];
      return;
    }
}

static void
run_one (struct pool *p, struct job *j)
{
  struct slot s = { .pool = p, .job = j, .started_ms = clock_boot_ms () };
  if (j->step->timeout_ms > 0)
    s.deadline_ms = s.started_ms + j->step->timeout_ms;
  *VEC_PUSH (&p->running) = &s;
  pthread_mutex_unlock (&p->lock);
  perform (&s);
  pthread_mutex_lock (&p->lock);
  forget (p, &s);
  json_decref (s.progress);
  pthread_mutex_unlock (&p->lock);
  p->parts.ended (p->parts.ctx, j);
  pthread_mutex_lock (&p->lock);
  pthread_cond_broadcast (&p->changed);
}

static void *
worker (void *arg)
{
  struct pool *p = arg;
  pthread_mutex_lock (&p->lock);
  while (!p->stopping) {
    if (p->waiting.n > 0)
      run_one (p, next_job (p));
    else {
      p->idle++;
      pthread_cond_wait (&p->changed, &p->lock);
      p->idle--;
    }
  }
  p->left++;
  pthread_cond_broadcast (&p->changed);
  pthread_mutex_unlock (&p->lock);
  return NULL;
}

/* Under the lock. */
static struct err *
one_more_thread (struct pool *p)
{
  pthread_t t;
  int rc = pthread_create (&t, NULL, worker, p);
  if (rc != 0 && p->threads.n == 0)
    return err_sys (rc, "RH-EXEC-THREAD", "cannot make a thread");
  if (rc == 0)
    *VEC_PUSH (&p->threads) = t;
  return NULL;
}

struct err *
pool_submit (struct pool *p, struct job *j)
{
  struct err *e = NULL;
  pthread_mutex_lock (&p->lock);
  if (p->idle <= p->waiting.n && p->threads.n < p->max_threads)
    e = one_more_thread (p);
  if (e == NULL)
    *VEC_PUSH (&p->waiting) = j;
  else
    job_free (j);
  pthread_cond_broadcast (&p->changed);
  pthread_mutex_unlock (&p->lock);
  return e;
}

size_t
pool_busy (struct pool *p)
{
  pthread_mutex_lock (&p->lock);
  size_t n = p->waiting.n + p->running.n;
  pthread_mutex_unlock (&p->lock);
  return n;
}

void
pool_cancel (struct pool *p, const char *step, uint32_t attempt)
{
  pthread_mutex_lock (&p->lock);
  for (size_t i = 0; i < p->running.n; i++) {
    const struct job *j = p->running.v[i]->job;
    if (j->attempt == attempt && strcmp (j->step->id, step) == 0)
      atomic_store (&p->running.v[i]->cancelled, true);
  }
  for (size_t i = 0; i < p->waiting.n; i++)
    if (p->waiting.v[i]->attempt == attempt
        && strcmp (p->waiting.v[i]->step->id, step) == 0)
      p->waiting.v[i]->cancelled = true;
  pthread_mutex_unlock (&p->lock);
}

bool
pool_stop (struct pool *p, long ms)
{
  struct timespec until = monotonic_in (ms + 1000);
  pthread_mutex_lock (&p->lock);
  p->stopping = true;
  for (size_t i = 0; i < p->running.n; i++)
    atomic_store (&p->running.v[i]->cancelled, true);
  pthread_cond_broadcast (&p->changed);
  while (p->left < p->threads.n)
    if (pthread_cond_timedwait (&p->changed, &p->lock, &until) == ETIMEDOUT)
      break;
  bool all = p->left == p->threads.n;
  pthread_mutex_unlock (&p->lock);
  if (all)
    for (size_t i = 0; i < p->threads.n; i++)
      pthread_join (p->threads.v[i], NULL);
  return all;
}

json_t *
pool_progress (struct pool *p)
{
  json_t *all = json_array ();
  int64_t now = clock_boot_ms ();
  pthread_mutex_lock (&p->lock);
  for (size_t i = 0; i < p->running.n; i++) {
    const struct slot *s = p->running.v[i];
    const struct step *st = s->job->step;
    json_t *o = json_pack ("{s:s, s:s, s:s, s:b, s:i, s:I}", "step", st->id,
                           "title", st->title != NULL ? st->title : st->id,
                           "stage", stage_name (st->stage), "undo",
                           s->job->kind == JOB_UNDO || s->job->undo, "attempt",
                           (int)s->job->attempt, "elapsed_ms",
                           (json_int_t)(now - s->started_ms));
    if (s->progress != NULL)
      json_object_set_new (o, "progress", json_deep_copy (s->progress));
    json_array_append_new (all, o);
  }
  pthread_mutex_unlock (&p->lock);
  return all;
}

void
pool_free (struct pool *p)
{
  if (p == NULL)
    return;
  for (size_t i = 0; i < p->waiting.n; i++)
    job_free (p->waiting.v[i]);
  VEC_FREE (&p->waiting);
  VEC_FREE (&p->running);
  VEC_FREE (&p->threads);
  pthread_cond_destroy (&p->changed);
  pthread_mutex_destroy (&p->lock);
  free (p);
}
