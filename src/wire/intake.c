/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that is received; see intake.h. */
#include "wire/intake.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
  struct chunk *next;
  unsigned char *body;
  size_t len;
};

struct intake {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct chunk *first, **last;
  size_t at;       /* read of the first chunk */
  uint64_t credit; /* what the sender may still send */
  uint64_t window; /* what it got at the start */
  uint64_t owed;   /* read, and not yet granted again */
  bool ended, closed;
};

struct intake *
intake_new (uint64_t credit)
{
  struct intake *in = mem_alloc (sizeof *in);
  pthread_mutex_init (&in->lock, NULL);
  pthread_cond_init (&in->changed, NULL);
  in->last = &in->first;
  in->credit = in->window = credit;
  return in;
}

static struct err *
check_push (const struct intake *in, size_t len)
{
  if (in->ended)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME",
                    "data behind the end of its stream");
  if (len > in->credit)
    return err_new (ERR_CORRUPT, "RH-WIRE-CREDIT",
                    "%zu bytes where %llu were granted", len,
                    (unsigned long long)in->credit);
  return NULL;
}

struct err *
intake_push (struct intake *in, unsigned char *body, size_t len)
{
  pthread_mutex_lock (&in->lock);
  struct err *e = check_push (in, len);
  if (e != NULL || in->closed || len == 0) {
    free (body);
  } else {
    struct chunk *c = mem_alloc (sizeof *c);
    c->body = body;
    c->len = len;
    *in->last = c;
    in->last = &c->next;
    in->credit -= len;
    pthread_cond_signal (&in->changed);
  }
  pthread_mutex_unlock (&in->lock);
  return e;
}

void
intake_end (struct intake *in)
{
  pthread_mutex_lock (&in->lock);
  in->ended = true;
  pthread_cond_signal (&in->changed);
  pthread_mutex_unlock (&in->lock);
}

static void
drop_first (struct intake *in)
{
  struct chunk *c = in->first;
  in->first = c->next;
  if (in->first == NULL)
    in->last = &in->first;
  in->at = 0;
  free (c->body);
  free (c);
}

void
intake_close (struct intake *in)
{
  pthread_mutex_lock (&in->lock);
  in->closed = true;
  while (in->first != NULL)
    drop_first (in);
  pthread_cond_broadcast (&in->changed);
  pthread_mutex_unlock (&in->lock);
}

/* Copies out of the chunks, with the lock held. */
static size_t
copy_out (struct intake *in, unsigned char *data, size_t cap)
{
  size_t done = 0;
  while (done < cap && in->first != NULL) {
    struct chunk *c = in->first;
    size_t n = c->len - in->at;
    if (n > cap - done)
      n = cap - done;
    memcpy (data + done, c->body + in->at, n);
    in->at += n;
    done += n;
    if (in->at == c->len)
      drop_first (in);
  }
  return done;
}

struct err *
intake_get (struct intake *in, void *data, size_t cap, size_t *len,
            uint32_t *credit)
{
  struct err *e = NULL;
  *len = 0;
  *credit = 0;
  pthread_mutex_lock (&in->lock);
  while (!in->closed && !in->ended && in->first == NULL)
    pthread_cond_wait (&in->changed, &in->lock);
  if (in->closed) {
    e = err_new (ERR_TRANSIENT, "RH-WIRE-CANCELLED",
                 "the stream was cancelled");
  } else {
    *len = copy_out (in, data, cap);
    in->owed += *len;
    if (in->owed >= in->window / 4 && !in->ended) {
      *credit = (uint32_t)in->owed;
      in->credit += in->owed;
      in->owed = 0;
    }
  }
  pthread_mutex_unlock (&in->lock);
  return e;
}

void
intake_free (struct intake *in)
{
  if (in == NULL)
    return;
  while (in->first != NULL)
    drop_first (in);
  pthread_mutex_destroy (&in->lock);
  pthread_cond_destroy (&in->changed);
  free (in);
}
