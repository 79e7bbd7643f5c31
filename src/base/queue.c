/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of pointers, cancelled by closing it; see queue.h. */
#include "base/queue.h"

#include "base/mem.h"
#include "base/monotonic.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct queue {
  pthread_mutex_t lock;
  pthread_cond_t not_empty;
  pthread_cond_t not_full;
  size_t bound;
  size_t head;
  size_t len;
  bool closed;
  void **items;
};

struct queue *
queue_new (size_t bound)
{
  struct queue *q = mem_alloc (sizeof *q);
  pthread_mutex_init (&q->lock, NULL);
  monotonic_cond_init (&q->not_empty);
  monotonic_cond_init (&q->not_full);
  q->bound = bound > 0 ? bound : 1;
  q->items = mem_resize (NULL, q->bound, sizeof *q->items);
  return q;
}

bool
queue_put (struct queue *q, void *item)
{
  pthread_mutex_lock (&q->lock);
  while (!q->closed && q->len == q->bound)
    pthread_cond_wait (&q->not_full, &q->lock);
  bool taken = !q->closed;
  if (taken) {
    q->items[(q->head + q->len) % q->bound] = item;
    q->len++;
    pthread_cond_signal (&q->not_empty);
  }
  pthread_mutex_unlock (&q->lock);
  return taken;
}

/* The first item, with the lock held; NULL where there is none. */
static void *
pop (struct queue *q)
{
  if (q->len == 0)
    return NULL;
  void *item = q->items[q->head];
  q->head = (q->head + 1) % q->bound;
  q->len--;
  pthread_cond_signal (&q->not_full);
  return item;
}

void *
queue_take (struct queue *q)
{
  pthread_mutex_lock (&q->lock);
  while (!q->closed && q->len == 0)
    pthread_cond_wait (&q->not_empty, &q->lock);
  void *item = pop (q);
  pthread_mutex_unlock (&q->lock);
  return item;
}

void *
queue_take_for (struct queue *q, long ms, bool *timed_out)
{
  struct timespec until = monotonic_in (ms);
  int rc = 0;
  pthread_mutex_lock (&q->lock);
  while (!q->closed && q->len == 0 && rc != ETIMEDOUT)
    rc = pthread_cond_timedwait (&q->not_empty, &q->lock, &until);
  void *item = pop (q);
  *timed_out = item == NULL && !q->closed;
  pthread_mutex_unlock (&q->lock);
  return item;
}

void
queue_close (struct queue *q)
{
  pthread_mutex_lock (&q->lock);
  q->closed = true;
  pthread_cond_broadcast (&q->not_empty);
  pthread_cond_broadcast (&q->not_full);
  pthread_mutex_unlock (&q->lock);
}

size_t
queue_len (struct queue *q)
{
  pthread_mutex_lock (&q->lock);
  size_t n = q->len;
  pthread_mutex_unlock (&q->lock);
  return n;
}

void
queue_free (struct queue *q, void (*drop) (void *))
{
  if (q == NULL)
    return;
  for (void *item = pop (q); item != NULL; item = pop (q))
    if (drop != NULL)
      drop (item);
  pthread_mutex_destroy (&q->lock);
  pthread_cond_destroy (&q->not_empty);
  pthread_cond_destroy (&q->not_full);
  free (q->items);
  free (q);
}
