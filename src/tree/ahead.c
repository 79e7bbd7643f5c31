/* SPDX-License-Identifier: Apache-2.0 */
/* A list of jobs, deepest first, and the threads that take from it. */
#include "tree/ahead.h"

#include "base/mem.h"

#include <pthread.h>
#include <sys/resource.h>

/* Where the names of a directory take more, the walk reads it by itself: no
 * more than this is held for each job. */
#define NAMES_MAX ((size_t)256 << 10)
#define THREADS_MAX 12
/* Of so many jobs half have waited for a disk: one thread more. */
#define JUDGED 8

enum { WAITING, RUNNING, DONE };

struct ahead {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  struct ahead_job list; /* a ring: the next to do first */
  bool closed;
  unsigned judged, waited;
  pthread_t threads[THREADS_MAX];
  unsigned count;
  size_t jobs;
};

/* Times that this thread gave up the processor by itself. */
static long
waits (void)
{
  struct rusage r;
  return getrusage (RUSAGE_THREAD, &r) == 0 ? r.ru_nvcsw : 0;
}

/* Does it, without the lock; true where the kernel had to wait. */
static bool
run (struct ahead_job *j)
{
  long before = waits ();
  if (j->of == NULL)
    j->bad
        = scan_dir (j->dirfd, j->name, j->dev, j->ino, NAMES_MAX, &j->listing);
  if (j->bad == 0)
    scan_looks (j->of != NULL ? j->of : &j->listing, j->from, &j->looks);
  return waits () > before;
}

static void
unlist (struct ahead_job *j)
{
  j->prev->next = j->next;
  j->next->prev = j->prev;
}

/* With the lock held, which is let go meanwhile. */
static void
take (struct ahead *a, struct ahead_job *j)
{
  unlist (j);
  j->state = RUNNING;
  pthread_mutex_unlock (&a->lock);
  bool waited = run (j);
  pthread_mutex_lock (&a->lock);
  j->state = DONE;
  a->judged++;
  a->waited += waited;
  pthread_cond_broadcast (&a->done);
}

static void *
worker (void *ctx)
{
  struct ahead *a = ctx;
  pthread_mutex_lock (&a->lock);
  for (;;) {
    while (a->list.next == &a->list && !a->closed)
      pthread_cond_wait (&a->work, &a->lock);
    if (a->closed)
      break;
    take (a, a->list.next);
  }
  pthread_mutex_unlock (&a->lock);
  return NULL;
}

static void
grow (struct ahead *a)
{
  if (a->count < THREADS_MAX
      && pthread_create (&a->threads[a->count], NULL, worker, a) == 0)
    a->count++;
}

struct ahead *
ahead_new (void)
{
  struct ahead *a = mem_alloc (sizeof *a);
  pthread_mutex_init (&a->lock, NULL);
  pthread_cond_init (&a->work, NULL);
  pthread_cond_init (&a->done, NULL);
  a->list.next = a->list.prev = &a->list;
  grow (a);
  return a;
}

/* Behind those as deep, before those less deep. */
static struct ahead_job *
ask (struct ahead *a, struct ahead_job *j)
{
  j->listing.fd = -1;
  pthread_mutex_lock (&a->lock);
  struct ahead_job *at = a->list.next;
  while (at != &a->list && at->depth >= j->depth)
    at = at->next;
  j->next = at;
  j->prev = at->prev;
  at->prev->next = j;
  at->prev = j;
  bool judge = a->judged >= JUDGED;
  bool more = judge && a->waited * 2 >= a->judged;
  if (judge)
    a->judged = a->waited = 0;
  pthread_cond_signal (&a->work);
  pthread_mutex_unlock (&a->lock);
  if (more)
    grow (a);
  a->jobs++;
  return j;
}

struct ahead_job *
ahead_dir (struct ahead *a, size_t depth, int dirfd, const char *name,
           uint64_t dev, uint64_t ino)
{
  struct ahead_job *j = mem_alloc (sizeof *j);
  j->depth = depth;
  j->dirfd = dirfd;
  j->name = name;
  j->dev = dev;
  j->ino = ino;
  return ask (a, j);
}

struct ahead_job *
ahead_looks (struct ahead *a, size_t depth, const struct listing *of,
             size_t from)
{
  struct ahead_job *j = mem_alloc (sizeof *j);
  j->depth = depth;
  j->of = of;
  j->from = from;
  return ask (a, j);
}

bool
ahead_done (struct ahead *a, struct ahead_job *job)
{
  pthread_mutex_lock (&a->lock);
  bool is = job->state == DONE;
  pthread_mutex_unlock (&a->lock);
  return is;
}

void
ahead_wait (struct ahead *a, struct ahead_job *job)
{
  pthread_mutex_lock (&a->lock);
  if (job->state == WAITING)
    take (a, job);
  while (job->state != DONE)
    if (a->list.next != &a->list) /* rather than sleep */
      take (a, a->list.next);
    else
      pthread_cond_wait (&a->done, &a->lock);
  pthread_mutex_unlock (&a->lock);
}

void
ahead_drop (struct ahead *a, struct ahead_job *job)
{
  pthread_mutex_lock (&a->lock);
  if (job->state == WAITING) {
    unlist (job);
    job->state = DONE;
  }
  while (job->state != DONE)
    pthread_cond_wait (&a->done, &a->lock);
  pthread_mutex_unlock (&a->lock);
  listing_free (&job->listing);
  looks_free (&job->looks);
  free (job);
  a->jobs--;
}

size_t
ahead_jobs (const struct ahead *a)
{
  return a->jobs;
}

void
ahead_free (struct ahead *a)
{
  if (a == NULL)
    return;
  pthread_mutex_lock (&a->lock);
  a->closed = true;
  pthread_cond_broadcast (&a->work);
  pthread_mutex_unlock (&a->lock);
  for (unsigned i = 0; i < a->count; i++)
    pthread_join (a->threads[i], NULL);
  pthread_cond_destroy (&a->work);
  pthread_cond_destroy (&a->done);
  pthread_mutex_destroy (&a->lock);
  free (a);
}
