/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat of a connection; see beat.h. */
#include "wire/beat.h"

#include "base/mem.h"
#include "base/monotonic.h"

#include <pthread.h>
#include <time.h>

struct beat {
  struct outlet *outlet;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool answer, stop;
};

/* Waits up to `ms`; says what is to be done. */
static void
wait_turn (struct beat *b, int64_t ms, bool *answer, bool *stop)
{
  struct timespec until = monotonic_in (ms + 1000);
  pthread_mutex_lock (&b->lock);
  int rc = 0;
  while (!b->answer && !b->stop && rc == 0)
    rc = pthread_cond_timedwait (&b->changed, &b->lock, &until);
  *answer = b->answer;
  *stop = b->stop;
  b->answer = false;
  pthread_mutex_unlock (&b->lock);
}

static void *
run (void *arg)
{
  struct beat *b = arg;
  bool answer = false, stop = false;
  while (!stop) {
    int64_t left = IDLE_MS / 4 - outlet_quiet_ms (b->outlet);
    CLEANUP_ERR struct err *e = NULL;
    wait_turn (b, left > 0 ? left : 0, &answer, &stop);
    if (answer)
      e = outlet_frame (b->outlet, FRAME_PONG, 0, 0, NULL, 0);
    else if (!stop && outlet_quiet_ms (b->outlet) >= IDLE_MS / 4)
      e = outlet_frame (b->outlet, FRAME_PING, 0, 0, NULL, 0);
    if (e != NULL)
      break; /* the reader sees the end, too, and says so */
  }
  return NULL;
}

struct err *
beat_start (struct outlet *o, struct beat **out)
{
  struct beat *b = mem_alloc (sizeof *b);
  pthread_mutex_init (&b->lock, NULL);
  monotonic_cond_init (&b->changed);
  b->outlet = o;
  int rc = pthread_create (&b->thread, NULL, run, b);
  if (rc != 0) {
    free (b);
    return err_sys (rc, "RH-WIRE-THREAD", "starting the heartbeat");
  }
  *out = b;
  return NULL;
}

void
beat_answer (struct beat *b)
{
  pthread_mutex_lock (&b->lock);
  b->answer = true;
  pthread_cond_signal (&b->changed);
  pthread_mutex_unlock (&b->lock);
}

void
beat_stop (struct beat *b)
{
  if (b == NULL)
    return;
  pthread_mutex_lock (&b->lock);
  b->stop = true;
  pthread_cond_signal (&b->changed);
  pthread_mutex_unlock (&b->lock);
  pthread_join (b->thread, NULL);
  pthread_mutex_destroy (&b->lock);
  pthread_cond_destroy (&b->changed);
  free (b);
}
