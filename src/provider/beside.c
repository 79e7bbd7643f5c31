/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/beside.h"

#include "base/mem.h"

#include <pthread.h>

#define COPIERS_MAX 8

struct crew {
  const struct step_call *call;
  const struct beside *all;
  struct err **failed;
  size_t n, next;
  pthread_mutex_t lock;
};

static bool
is_cancelled (void *ctx)
{
  const struct crew *c = ctx;
  return c->call->cancelled != NULL && c->call->cancelled (c->call->ctx);
}

static void *
work (void *arg)
{
  struct crew *c = arg;
  port_cancel_hook (is_cancelled, c);
  for (;;) {
    pthread_mutex_lock (&c->lock);
    size_t at = c->next++;
    pthread_mutex_unlock (&c->lock);
    if (at >= c->n)
      return NULL;
    c->failed[at] = c->all[at].run (c->all[at].ctx);
  }
}

/* Threads that cannot be had leave their work to the others. */
static void
run_all (struct crew *c, size_t most)
{
  pthread_t *threads CLEANUP_FREE = mem_alloc (most * sizeof *threads);
  size_t started = 0;
  while (started < most
         && pthread_create (&threads[started], NULL, work, c) == 0)
    started++;
  for (size_t i = 0; i < started; i++)
    pthread_join (threads[i], NULL);
  for (; c->next < c->n; c->next++) /* none could be had */
    c->failed[c->next] = c->all[c->next].run (c->all[c->next].ctx);
}

struct err *
beside_run (const struct step_call *call, const struct beside *all, size_t n,
            size_t most)
{
  struct err **failed CLEANUP_FREE = mem_alloc ((n + 1) * sizeof *failed);
  struct crew c = { .call = call,
                    .all = all,
                    .failed = failed,
                    .n = n,
                    .lock = PTHREAD_MUTEX_INITIALIZER };
  struct err *first = NULL;
  run_all (&c, n < most ? n : most);
  for (size_t i = 0; i < n; i++)
    if (first == NULL)
      first = failed[i];
    else
      err_free (failed[i]);
  pthread_mutex_destroy (&c.lock);
  return first;
}

struct copying {
  const struct beside_tables *tables;
  pthread_mutex_t lock; /* of what follows, and of `done` */
  size_t next;
  struct err *failed;
};

/* Without progress from beside: `tick` is the step's own thread's. */
struct copier {
  struct copying *copying;
  struct step_call call;
};

static const json_t *
take (struct copying *c)
{
  pthread_mutex_lock (&c->lock);
  const json_t *one = c->failed == NULL && c->next < c->tables->n
                          ? c->tables->order[c->next++]
                          : NULL;
  pthread_mutex_unlock (&c->lock);
  return one;
}

static void
note (struct copying *c, const json_t *table, struct err *e, json_t *digest)
{
  pthread_mutex_lock (&c->lock);
  if (e == NULL)
    c->tables->done (c->tables->ctx, table, digest);
  if (c->failed == NULL)
    c->failed = e;
  else
    err_free (e);
  pthread_mutex_unlock (&c->lock);
}

static void *
copy_tables (void *arg)
{
  struct copier *own = arg;
  const struct beside_tables *t = own->copying->tables;
  port_cancel_hook (own->call.cancelled, own->call.ctx);
  for (const json_t *one; (one = take (own->copying)) != NULL;) {
    json_t *digest CLEANUP_JSON = NULL;
    struct err *e = t->copy (t->ctx, &own->call, one, &digest);
    note (own->copying, one, e, digest);
  }
  return NULL;
}

struct err *
beside_tables (const struct step_call *call, const struct beside_tables *tables,
               size_t most)
{
  struct copying c = { .tables = tables, .lock = PTHREAD_MUTEX_INITIALIZER };
  struct copier own = { &c, *call }, others[COPIERS_MAX - 1];
  pthread_t threads[COPIERS_MAX - 1];
  size_t n = 0;
  for (; n + 1 < most && n + 1 < COPIERS_MAX; n++) {
    others[n] = own;
    others[n].call.tick = NULL;
    if (pthread_create (&threads[n], NULL, copy_tables, &others[n]) != 0)
      break;
  }
  copy_tables (&own);
  while (n > 0)
    pthread_join (threads[--n], NULL);
  pthread_mutex_destroy (&c.lock);
  return c.failed;
}
