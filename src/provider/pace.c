/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pace.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "tree/throttle.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MS ((int64_t)1000000)

enum {
  LAST = 3,    /* the median of so many counts */
  TIMES = 600, /* that a session asks, before the next */
  SILENT_MS = 1000,
  FIRST_WAITS = 100, /* of 20 ms */
  LEAST_BYTES = 64 << 10
};

struct pace {
  pthread_mutex_t lock; /* of all that follows */
  struct throttle throttle;
  int64_t last_ms[LAST];
  uint64_t heard, told; /* answers; what the brake has been told of */
  uint64_t looks, sum_ms;
  int64_t heard_ns, taken_ns, held_ns, worst_ms;
  bool bound; /* the last one to ask got less than he wanted */
  bool over;
  bool in_line, counts; /* of what is heard */
  int64_t us;
  /* The session's. */
  const struct step_call *call;
  const struct queries_engine *engine;
};

/* ---- The plan ---- */

static int64_t
limit_of (const json_t *spec)
{
  const char *s = json_string_value (json_at (spec, "latency-limit"));
  char *end;
  if (s == NULL || !isdigit ((unsigned char)*s) || strlen (s) > 7)
    return 0;
  long n = strtol (s, &end, 10);
  long ms = strcmp (end, "s") == 0 ? n * 1000 : strcmp (end, "ms") == 0 ? n : 0;
  return ms <= 60000 ? ms : 0;
}

struct err *
pace_check (const json_t *spec)
{
  if (json_at (spec, "latency-limit") == NULL || limit_of (spec) > 0)
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'latency-limit': expected a duration such as 50ms, at most "
                  "60s");
}

/* ---- What is heard ---- */

static int64_t
median_of (const int64_t *v)
{
  int64_t low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];
  return v[2] < low ? low : v[2] > high ? high : v[2];
}

static int64_t
median (const struct pace *p)
{
  return p->heard < LAST ? p->last_ms[0] : median_of (p->last_ms);
}

static void
note (struct pace *p, int64_t ms, int64_t now_ns)
{
  p->last_ms[p->heard++ % LAST] = ms;
  p->heard_ns = now_ns;
  if (ms > p->worst_ms)
    p->worst_ms = ms;
}

static void
hear_byte (struct pace *p, char c, int64_t now_ns)
{
  if (c == '\n') {
    p->in_line = false;
    return;
  }
  if (!p->in_line) {
    p->in_line = p->counts = true;
    p->us = 0;
  }
  if (p->counts && c == '\t')
    note (p, (p->us + 999) / 1000, now_ns);
  p->counts = p->counts && isdigit ((unsigned char)c) && p->us < INT64_MAX / 20;
  if (p->counts)
    p->us = p->us * 10 + (c - '0');
}

void
pace_hear (struct pace *p, const char *data, size_t len, int64_t now_ns)
{
  pthread_mutex_lock (&p->lock);
  for (size_t i = 0; i < len; i++)
    hear_byte (p, data[i], now_ns);
  pthread_mutex_unlock (&p->lock);
}

/* Beyond what there is between two answers. */
static int64_t
silent_ms (const struct pace *p)
{
  return (p->taken_ns - p->heard_ns) / MS - SILENT_MS;
}

/* Nothing heard of late is slow, too.  The brake is told once of each answer,
 * as of a request that took the median. */
static bool
look (void *ctx, uint64_t *requests, uint64_t *ms)
{
  struct pace *p = ctx;
  int64_t silent = silent_ms (p);
  bool quiet = p->heard_ns != 0 && silent > p->throttle.brake.limit_ms;
  if (p->heard == p->told && !quiet)
    return false;
  p->told = p->heard;
  p->looks++;
  p->sum_ms += (uint64_t)(quiet ? silent : median (p));
  if (quiet && silent > p->worst_ms)
    p->worst_ms = silent;
  *requests = p->looks;
  *ms = p->sum_ms;
  return true;
}

/* ---- What may be sent ---- */

uint64_t
pace_take (struct pace *p, uint64_t wanted, int64_t now_ns)
{
  pthread_mutex_lock (&p->lock);
  struct brake *b = &p->throttle.brake;
  uint64_t n = wanted, some = b->rate / 4;
  if (p->bound && now_ns > p->taken_ns)
    p->held_ns += now_ns - p->taken_ns;
  p->taken_ns = now_ns;
  if (b->rate != 0 && p->throttle.free_ns > now_ns)
    n = 0;
  else if (b->rate != 0 && n > (some < LEAST_BYTES ? LEAST_BYTES : some))
    n = some < LEAST_BYTES ? LEAST_BYTES : some;
  brake_take (b, now_ns, n);
  if (n > 0)
    throttle_take (&p->throttle, now_ns, n);
  p->bound = n < wanted;
  pthread_mutex_unlock (&p->lock);
  return n;
}

static uint64_t
take_now (void *ctx, uint64_t wanted)
{
  return wanted == 0 ? 0 : pace_take (ctx, wanted, throttle_now_ns ());
}

void
pace_enter (struct pace *p)
{
  port_pace_hook (p != NULL ? take_now : NULL, p);
}

void
pace_leave (struct pace *p)
{
  (void)p;
  port_pace_hook (NULL, NULL);
}

json_t *
pace_progress (struct pace *p, const json_t *progress)
{
  json_t *out = json_copy ((json_t *)(uintptr_t)progress);
  pthread_mutex_lock (&p->lock);
  const struct brake *b = &p->throttle.brake;
  int64_t now = p->heard > 0 ? median (p) : 0, silent = silent_ms (p);
  if (silent > now)
    now = silent;
  if (b->rate != 0 && p->bound && now > b->limit_ms) {
    json_object_set_new (out, "queries_ms", json_integer (now));
    json_object_set_new (out, "queries_limit_ms", json_integer (b->limit_ms));
  }
  pthread_mutex_unlock (&p->lock);
  return out;
}

int64_t
pace_held_ms (const struct pace *p)
{
  return p->held_ns / MS;
}

int64_t
pace_worst_ms (const struct pace *p)
{
  return p->worst_ms;
}

struct pace *
pace_new (int64_t limit_ms)
{
  struct pace *p = mem_alloc (sizeof *p);
  *p = (struct pace){ .lock = PTHREAD_MUTEX_INITIALIZER };
  p->throttle.brake
      = (struct brake){ .limit_ms = limit_ms, .look = look, .ctx = p };
  return p;
}

static void
pace_clear (struct pace **p)
{
  pace_free (*p);
}

void
pace_free (struct pace *p)
{
  if (p != NULL)
    pthread_mutex_destroy (&p->lock);
  free (p);
}

/* ---- The session ---- */

static bool
is_over (void *ctx)
{
  struct pace *p = ctx;
  pthread_mutex_lock (&p->lock);
  bool over = p->over;
  pthread_mutex_unlock (&p->lock);
  return over;
}

static struct err *
hear (void *ctx, const void *data, size_t len)
{
  pace_hear (ctx, data, len, throttle_now_ns ());
  return NULL;
}

/* Nothing is sent before the first answer, for as long as it may take; where
 * that is slow the copy begins at the lowest rate. */
static void
await_first (struct pace *p)
{
  bool heard = false;
  for (int i = 0; i < FIRST_WAITS && !heard; i++) {
    nanosleep (&(struct timespec){ .tv_nsec = 20 * MS }, NULL);
    pthread_mutex_lock (&p->lock);
    heard = p->heard > 0;
    pthread_mutex_unlock (&p->lock);
  }
  pthread_mutex_lock (&p->lock);
  struct brake *b = &p->throttle.brake;
  if (!heard || median (p) > b->limit_ms) {
    b->rate = BRAKE_RATE_MIN;
    b->disk_ms = heard ? median (p) : (int64_t)FIRST_WAITS * 20;
    p->heard_ns = throttle_now_ns ();
  }
  pthread_mutex_unlock (&p->lock);
}

/* One that ends early is begun again; meanwhile its silence counts. */
static void *
ask_on (void *arg)
{
  struct pace *p = arg;
  struct sink to = { hear, p };
  port_cancel_hook (is_over, p);
  while (!is_over (p)) {
    json_t *args = NULL;
    struct err *e CLEANUP_ERR
        = p->engine->watch (p->call, p->call->source, TIMES, &args);
    if (e == NULL)
      e = port_read (p->call->source, "program.read", args, &to, NULL);
    for (int i = 0; i < 10 && e != NULL && !is_over (p); i++)
      nanosleep (&(struct timespec){ .tv_nsec = 100 * MS }, NULL);
  }
  return NULL;
}

static void
tell (const struct pace *p, json_t *result)
{
  int64_t limit = p->throttle.brake.limit_ms;
  json_object_set_new (result, "latency_limit_ms", json_integer (limit));
  json_object_set_new (result, "latency_worst_ms", json_integer (p->worst_ms));
  json_object_set_new (result, "held_back_ms", json_integer (pace_held_ms (p)));
  if (p->heard > 0 && p->held_ns == 0)
    return;
  json_t *findings = json_object_get (result, "findings");
  if (findings == NULL)
    json_object_set_new (result, "findings", findings = json_array ());
  json_array_append_new (
      findings,
      p->heard == 0
          ? json_string ("how long queries take on the source could not be "
                         "measured: the copy was held to the lowest rate")
          : json_sprintf ("the copy was held back for %.1f s: queries on the "
                          "source took up to %lld ms (limit %lld ms)",
                          (double)pace_held_ms (p) / 1000,
                          (long long)p->worst_ms, (long long)limit));
}

struct err *
pace_run (const struct step_call *call, const struct queries_engine *engine,
          struct err *(*run) (const struct step_call *call, json_t **result),
          json_t **result)
{
  int64_t limit = limit_of (call->item->spec);
  if (limit == 0)
    return run (call, result);
  pthread_t thread;
  struct pace *p CLEANUP (pace_clear) = pace_new (limit);
  struct step_call paced = *call;
  p->call = call;
  p->engine = engine;
  paced.pace = p;
  bool asks = pthread_create (&thread, NULL, ask_on, p) == 0;
  if (asks)
    await_first (p);
  struct err *e = run (&paced, result);
  pthread_mutex_lock (&p->lock);
  p->over = true;
  pthread_mutex_unlock (&p->lock);
  if (asks)
    pthread_join (thread, NULL);
  if (e == NULL && *result != NULL)
    tell (p, *result);
  return e;
}
