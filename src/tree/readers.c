/* SPDX-License-Identifier: Apache-2.0 */
/* Reader threads behind a bounded queue. */
#include "tree/readers.h"

#include "base/mem.h"
#include "base/queue.h"
#include "tree/content.h"
#include "tree/detail.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#define THREADS 4
#define BOUND 1024

struct readers {
  struct queue *jobs;
  pthread_mutex_t lock;
  pthread_cond_t done;
  pthread_t threads[THREADS];
  unsigned count;
};

static bool
changed_since (int fd, const struct tree_entry *e)
{
  struct tree_entry now;
  return tree_stat_fd (fd, &now) != 0 || now.size != e->size
         || !tree_time_equal (now.mtime, e->mtime)
         || !tree_time_equal (now.ctime, e->ctime);
}

static void
do_job (struct read_job *job, struct digest *digest, unsigned char *chunk)
{
  struct tree_entry *e = job->entry;
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  struct tree_time at = { t.tv_sec, (uint32_t)t.tv_nsec };
  if (job->from_disk)
    posix_fadvise (job->fd, 0, 0, POSIX_FADV_DONTNEED);
  digest_start (digest, true);
  job->err = content_read (job->fd, e->size, e->blocks, chunk, digest, NULL,
                           &job->got);
  digest_end (digest, e);
  if (job->got != e->size || changed_since (job->fd, e))
    e->marks |= TREE_DIRTY;
  if (detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  close (job->fd);
}

static void *
reader (void *ctx)
{
  struct readers *r = ctx;
  struct digest *digest = digest_new ();
  unsigned char *chunk = mem_alloc (CONTENT_CHUNK);
  struct read_job *job;
  while ((job = queue_take (r->jobs)) != NULL) {
    do_job (job, digest, chunk);
    pthread_mutex_lock (&r->lock);
    job->done = true;
    pthread_cond_broadcast (&r->done);
    pthread_mutex_unlock (&r->lock);
  }
  free (chunk);
  digest_free (digest);
  return NULL;
}

struct readers *
readers_new (void)
{
  struct readers *r = mem_alloc (sizeof *r);
  r->jobs = queue_new (BOUND);
  pthread_mutex_init (&r->lock, NULL);
  pthread_cond_init (&r->done, NULL);
  while (r->count < THREADS
         && pthread_create (&r->threads[r->count], NULL, reader, r) == 0)
    r->count++;
  return r;
}

void
readers_submit (struct readers *r, struct read_job *job)
{
  job->done = false;
  if (r->count == 0) { /* no thread could be had */
    struct digest *digest = digest_new ();
    CLEANUP_FREE unsigned char *chunk = mem_alloc (CONTENT_CHUNK);
    do_job (job, digest, chunk);
    digest_free (digest);
    job->done = true;
    return;
  }
  queue_put (r->jobs, job);
}

void
readers_wait (struct readers *r, struct read_job *job)
{
  pthread_mutex_lock (&r->lock);
  while (!job->done)
    pthread_cond_wait (&r->done, &r->lock);
  pthread_mutex_unlock (&r->lock);
}

void
readers_free (struct readers *r)
{
  if (r == NULL)
    return;
  queue_close (r->jobs);
  for (unsigned i = 0; i < r->count; i++)
    pthread_join (r->threads[i], NULL);
  queue_free (r->jobs, NULL);
  pthread_mutex_destroy (&r->lock);
  pthread_cond_destroy (&r->done);
  free (r);
}
