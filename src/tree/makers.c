/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of makers; one file is written in small_file.c. */
#include "tree/makers.h"

#include "base/mem.h"
#include "base/queue.h"
#include "base/vec.h"
#include "tree/meta.h"
#include "tree/small_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A batch is given when it holds so much. */
#define BATCH_FILES 64
#define BATCH_BYTES ((size_t)256 << 10)
/* Batches that wait for one thread. */
#define WAITING 4

enum { THREADS_MAX = 4, THREADS_MIN = 2 };

/* A file of a batch; offsets are into the batch's bytes. */
struct item {
  struct tree_entry entry; /* its strings are at the offsets */
  size_t path, xattrs, data;
  size_t len;
  unsigned char xxh[16];
};

struct batch {
  struct batch *next; /* spare */
  struct place_dir *dir;
  uint64_t serial; /* in the order of the stream */
  struct buf bytes;
  VEC (struct item) items;
};

struct makers {
  struct place *place;
  struct small_file_us us;
  struct batch *open;  /* what is being filled */
  struct batch *spare; /* done with, to be filled again */
  bool begun;          /* its last item is not whole */
  uint64_t serial;
  const struct place_dir *last_dir; /* compared alone */
  unsigned last;                    /* the thread that has it */
  unsigned count;
  pthread_t threads[THREADS_MAX];
  struct queue *queues[THREADS_MAX];
  _Atomic uint64_t bytes;
  atomic_bool failed;
  pthread_mutex_t lock;
  pthread_cond_t done;
  size_t out; /* batches that are not finished */
  struct err *error;
  uint64_t error_serial;
};

struct thread_arg {
  struct makers *w;
  struct queue *q;
};

struct makers *
makers_new (struct place *place)
{
  struct makers *w = mem_alloc (sizeof *w);
  w->place = place;
  w->us = (struct small_file_us){ geteuid (), getegid (), meta_umask () };
  pthread_mutex_init (&w->lock, NULL);
  pthread_cond_init (&w->done, NULL);
  return w;
}

bool
makers_take (const struct tree_entry *e)
{
  return e->type == TREE_FILE && !e->is_link && e->nlink <= 1 && e->path_len > 0
         && e->size <= MAKERS_FILE_MAX && e->iflags == 0
         && !(e->marks & TREE_PROJECT);
}

static void
batch_free (struct batch *b)
{
  buf_free (&b->bytes);
  VEC_FREE (&b->items);
  free (b);
}

static void
note_error (struct makers *w, uint64_t serial, struct err *e)
{
  if (e == NULL)
    return;
  atomic_store (&w->failed, true);
  pthread_mutex_lock (&w->lock);
  struct err *drop = e;
  if (w->error == NULL || serial < w->error_serial) {
    drop = w->error;
    w->error = e;
    w->error_serial = serial;
  }
  pthread_mutex_unlock (&w->lock);
  err_free (drop);
}

static struct err *
write_item (struct makers *w, struct batch *b, struct item *i)
{
  struct tree_entry *e = &i->entry;
  const unsigned char *base = b->bytes.data;
  e->path = (const char *)base + i->path;
  e->xattrs = base + i->xattrs;
  CLEANUP_FREE char *lost = NULL;
  TRY (small_file_write (&w->us, place_dir_fd (b->dir),
                         place_dir_plain (b->dir), e, base + i->data, i->len,
                         i->xxh, &lost));
  if (lost != NULL)
    place_finding (w->place, "RH-TREE-XATTR", e->path, e->path_len, lost);
  atomic_fetch_add (&w->bytes, i->len);
  return NULL;
}

/* The directory is given back in any case: it may be settled by that. */
static void
do_batch (struct makers *w, struct batch *b)
{
  struct err *e = NULL;
  for (size_t i = 0; i < b->items.n && e == NULL; i++) {
    if (atomic_load (&w->failed))
      break;
    e = write_item (w, b, &b->items.v[i]);
  }
  note_error (w, b->serial, e);
  if (atomic_load (&w->failed))
    place_abandon (w->place);
  note_error (w, b->serial, place_release (b->dir));
}

static void
finished (struct makers *w, struct batch *b)
{
  b->items.n = 0;
  buf_reset (&b->bytes);
  pthread_mutex_lock (&w->lock);
  b->next = w->spare;
  w->spare = b;
  if (--w->out == 0)
    pthread_cond_signal (&w->done);
  pthread_mutex_unlock (&w->lock);
}

static void *
maker (void *arg)
{
  struct thread_arg *a = arg;
  struct batch *b;
  while ((b = queue_take (a->q)) != NULL) {
    do_batch (a->w, b);
    finished (a->w, b);
  }
  free (a);
  return NULL;
}

static unsigned
wanted_threads (void)
{
  long n = sysconf (_SC_NPROCESSORS_ONLN);
  return n < THREADS_MIN   ? THREADS_MIN
         : n > THREADS_MAX ? THREADS_MAX
                           : (unsigned)n;
}

static void
start_threads (struct makers *w)
{
  unsigned n = wanted_threads ();
  for (unsigned i = 0; i < n; i++) {
    struct thread_arg *a = mem_alloc (sizeof *a);
    w->queues[i] = queue_new (WAITING);
    *a = (struct thread_arg){ w, w->queues[i] };
    if (pthread_create (&w->threads[i], NULL, maker, a) != 0) {
      queue_free (w->queues[i], NULL);
      free (a);
      break;
    }
    w->count++;
  }
}

/* Gives the open batch to the thread of its directory. */
static void
give (struct makers *w)
{
  struct batch *b = STEAL (w->open);
  if (b == NULL)
    return;
  if (w->count == 0)
    start_threads (w);
  pthread_mutex_lock (&w->lock);
  w->out++;
  pthread_mutex_unlock (&w->lock);
  if (w->count > 0 && queue_put (w->queues[w->last], b))
    return;
  do_batch (w, b); /* no thread could be had */
  finished (w, b);
}

static struct batch *
take_spare (struct makers *w)
{
  pthread_mutex_lock (&w->lock);
  struct batch *b = w->spare;
  if (b != NULL)
    w->spare = b->next;
  pthread_mutex_unlock (&w->lock);
  return b != NULL ? b : mem_alloc (sizeof *b);
}

static struct err *
open_batch (struct makers *w, struct place_dir *dir)
{
  if (w->open != NULL && w->open->dir == dir)
    return place_release (dir); /* the batch holds it already */
  give (w);
  struct batch *b = take_spare (w);
  b->dir = dir;
  b->serial = w->serial++;
  b->bytes.max = BATCH_BYTES + MAKERS_FILE_MAX + TREE_ENTRY_MAX;
  w->open = b;
  return NULL;
}

/* A thread keeps a directory; the next one goes to the next thread. */
static void
choose_thread (struct makers *w, const struct place_dir *dir)
{
  if (dir != w->last_dir && w->count > 0)
    w->last = (w->last + 1) % w->count;
  w->last_dir = dir;
}

static struct err *
failure (struct makers *w)
{
  if (!atomic_load (&w->failed))
    return NULL;
  return makers_drain (w);
}

struct err *
makers_begin (struct makers *w, struct place_dir *dir,
              const struct tree_entry *e)
{
  TRY (open_batch (w, dir));
  choose_thread (w, dir);
  TRY (failure (w));
  struct batch *b = w->open;
  struct item *i = VEC_PUSH (&b->items);
  i->entry = *e;
  i->path = b->bytes.len;
  TRY (buf_put (&b->bytes, e->path, e->path_len + 1));
  i->xattrs = b->bytes.len;
  if (e->xattrs_len > 0)
    TRY (buf_put (&b->bytes, e->xattrs, e->xattrs_len));
  i->data = b->bytes.len;
  w->begun = true;
  return NULL;
}

struct err *
makers_data (struct makers *w, const void *data, size_t len)
{
  struct batch *b = w->open;
  struct item *i = &b->items.v[b->items.n - 1];
  if (len > i->entry.size - i->len)
    return err_new (ERR_CORRUPT, "RH-TREE-STREAM",
                    "a file holds more than was said");
  i->len += len;
  return buf_put (&b->bytes, data, len);
}

struct err *
makers_end (struct makers *w, uint64_t size, const unsigned char xxh[16])
{
  struct batch *b = w->open;
  struct item *i = &b->items.v[b->items.n - 1];
  if (size != i->len)
    return err_new (ERR_CORRUPT, "RH-TREE-CORRUPT",
                    "a file arrived with another length than was sent");
  memcpy (i->xxh, xxh, sizeof i->xxh);
  w->begun = false;
  if (b->items.n < BATCH_FILES && b->bytes.len < BATCH_BYTES)
    return NULL;
  give (w);
  return failure (w);
}

const void *
makers_withdraw (struct makers *w, size_t *len)
{
  struct batch *b = w->open;
  struct item *i = &b->items.v[--b->items.n];
  *len = i->len;
  b->bytes.len = i->path;
  w->begun = false;
  return b->bytes.data + i->data;
}

struct err *
makers_drain (struct makers *w)
{
  size_t dropped;
  if (w->begun)
    (void)makers_withdraw (w, &dropped);
  give (w);
  pthread_mutex_lock (&w->lock);
  while (w->out > 0)
    pthread_cond_wait (&w->done, &w->lock);
  struct err *e = STEAL (w->error);
  pthread_mutex_unlock (&w->lock);
  return e;
}

uint64_t
makers_bytes (struct makers *w)
{
  return atomic_load (&w->bytes);
}

void
makers_free (struct makers *w)
{
  if (w == NULL)
    return;
  atomic_store (&w->failed, true);
  if (w->open != NULL) {
    place_abandon (w->place);
    err_free (place_release (w->open->dir));
    batch_free (w->open);
  }
  for (unsigned i = 0; i < w->count; i++)
    queue_close (w->queues[i]);
  for (unsigned i = 0; i < w->count; i++) {
    pthread_join (w->threads[i], NULL);
    queue_free (w->queues[i], NULL);
  }
  while (w->spare != NULL)
    batch_free (take_spare (w));
  err_free (w->error);
  pthread_mutex_destroy (&w->lock);
  pthread_cond_destroy (&w->done);
  free (w);
}
