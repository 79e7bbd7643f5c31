/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that calls syncfs when enough has been written; see flusher.h. */
#include "tree/flusher.h"

#include "base/mem.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Less costs journal commits, more leaves the disk idle. */
#define EVERY ((uint64_t)96 << 20)

struct flusher {
  pthread_t thread;
  bool started, cannot;
  uint64_t noted; /* written when the thread was last woken */
  int fd;         /* what lies on the filesystem */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool wanted, busy, stop; /* guarded by the lock, as what follows */
  int error;               /* the first errno */
};

struct flusher *
flusher_new (void)
{
  struct flusher *f = mem_alloc (sizeof *f);
  pthread_mutex_init (&f->lock, NULL);
  pthread_cond_init (&f->changed, NULL);
  f->fd = -1;
  return f;
}

/* With the lock held; false when it is over. */
static bool
await_turn (struct flusher *f)
{
  while (!f->wanted && !f->stop)
    pthread_cond_wait (&f->changed, &f->lock);
  f->busy = !f->stop;
  f->wanted = false;
  return f->busy;
}

static void *
run (void *arg)
{
  struct flusher *f = arg;
  pthread_mutex_lock (&f->lock);
  while (await_turn (f)) {
    pthread_mutex_unlock (&f->lock);
    int bad = syncfs (f->fd) < 0 ? errno : 0;
    pthread_mutex_lock (&f->lock);
    if (f->error == 0)
      f->error = bad;
    f->busy = false;
    pthread_cond_broadcast (&f->changed);
  }
  pthread_mutex_unlock (&f->lock);
  return NULL;
}

/* Without it the copy is slower, no more. */
static void
start (struct flusher *f, int dirfd, const char *name)
{
  f->fd = tree_open (dirfd, name, O_RDONLY);
  f->started = f->fd >= 0 && pthread_create (&f->thread, NULL, run, f) == 0;
  f->cannot = !f->started;
}

void
flusher_note (struct flusher *f, int dirfd, const char *name, uint64_t written)
{
  if (written - f->noted < EVERY || f->cannot)
    return;
  f->noted = written;
  if (!f->started)
    start (f, dirfd, name);
  pthread_mutex_lock (&f->lock);
  f->wanted = true;
  pthread_cond_broadcast (&f->changed);
  pthread_mutex_unlock (&f->lock);
}

struct err *
flusher_settle (struct flusher *f)
{
  pthread_mutex_lock (&f->lock);
  f->wanted = false; /* the caller syncs */
  while (f->busy)
    pthread_cond_wait (&f->changed, &f->lock);
  int bad = f->error;
  pthread_mutex_unlock (&f->lock);
  return bad == 0 ? NULL : err_sys (bad, "RH-TREE-WRITE", "cannot sync");
}

void
flusher_free (struct flusher *f)
{
  if (f == NULL)
    return;
  pthread_mutex_lock (&f->lock);
  f->stop = true;
  pthread_cond_broadcast (&f->changed);
  pthread_mutex_unlock (&f->lock);
  if (f->started)
    pthread_join (f->thread, NULL);
  if (f->fd >= 0)
    close (f->fd);
  pthread_mutex_destroy (&f->lock);
  pthread_cond_destroy (&f->changed);
  free (f);
}
