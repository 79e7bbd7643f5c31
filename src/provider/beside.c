/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/beside.h"

#include "base/mem.h"

#include <pthread.h>

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
