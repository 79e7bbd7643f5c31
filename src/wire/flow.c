/* SPDX-License-Identifier: Apache-2.0 */
/* The credit of a stream that is sent; see flow.h. */
#include "wire/flow.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define CREDIT_MAX ((uint64_t)1 << 32)

struct flow {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t credit;
  bool closed;
};

struct flow *
flow_new (uint64_t credit)
{
  struct flow *f = mem_alloc (sizeof *f);
  pthread_mutex_init (&f->lock, NULL);
  pthread_cond_init (&f->changed, NULL);
  f->credit = credit;
  return f;
}

struct err *
flow_take (struct flow *f, size_t want, size_t *got)
{
  struct err *e = NULL;
  pthread_mutex_lock (&f->lock);
  while (!f->closed && f->credit == 0)
    pthread_cond_wait (&f->changed, &f->lock);
  *got = want < f->credit ? want : (size_t)f->credit;
  if (f->closed)
    e = err_new (ERR_TRANSIENT, "RH-WIRE-CANCELLED",
                 "the stream was cancelled");
  else
    f->credit -= *got;
  pthread_mutex_unlock (&f->lock);
  return e;
}

struct err *
flow_give (struct flow *f, uint32_t credit)
{
  struct err *e = NULL;
  pthread_mutex_lock (&f->lock);
  if (f->credit + credit > CREDIT_MAX)
    e = err_new (ERR_CORRUPT, "RH-WIRE-CREDIT",
                 "credit for more than %llu bytes",
                 (unsigned long long)CREDIT_MAX);
  else
    f->credit += credit;
  pthread_cond_signal (&f->changed);
  pthread_mutex_unlock (&f->lock);
  return e;
}

void
flow_close (struct flow *f)
{
  pthread_mutex_lock (&f->lock);
  f->closed = true;
  pthread_cond_broadcast (&f->changed);
  pthread_mutex_unlock (&f->lock);
}

void
flow_free (struct flow *f)
{
  if (f == NULL)
    return;
  pthread_mutex_destroy (&f->lock);
  pthread_cond_destroy (&f->changed);
  free (f);
}
