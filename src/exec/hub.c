/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner tells everyone who watches. */
#include "exec/hub.h"

#include "base/mem.h"
#include "base/monotonic.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define NOTICES 64

struct hub {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t seq;
  json_t *progress;
  uint64_t progress_version;
  json_t *notices[NOTICES]; /* ring; the newest is notice_count - 1 */
  uint64_t notice_count;
  bool closed;
};

struct hub *
hub_new (void)
{
  struct hub *h = mem_alloc (sizeof *h);
  pthread_mutex_init (&h->lock, NULL);
  monotonic_cond_init (&h->changed);
  return h;
}

void
hub_free (struct hub *h)
{
  if (h == NULL)
    return;
  json_decref (h->progress);
  for (size_t i = 0; i < NOTICES; i++)
    json_decref (h->notices[i]);
  pthread_cond_destroy (&h->changed);
  pthread_mutex_destroy (&h->lock);
  free (h);
}

void
hub_head (struct hub *h, uint64_t seq)
{
  pthread_mutex_lock (&h->lock);
  h->seq = seq;
  pthread_cond_broadcast (&h->changed);
  pthread_mutex_unlock (&h->lock);
}

void
hub_progress (struct hub *h, json_t *progress)
{
  pthread_mutex_lock (&h->lock);
  if (h->progress != NULL && json_equal (h->progress, progress))
    json_decref (progress);
  else {
    json_decref (h->progress);
    h->progress = progress;
    h->progress_version++;
    pthread_cond_broadcast (&h->changed);
  }
  pthread_mutex_unlock (&h->lock);
}

void
hub_notice (struct hub *h, json_t *notice)
{
  pthread_mutex_lock (&h->lock);
  json_t **slot = &h->notices[h->notice_count % NOTICES];
  json_decref (*slot);
  *slot = notice;
  h->notice_count++;
  pthread_cond_broadcast (&h->changed);
  pthread_mutex_unlock (&h->lock);
}

void
hub_close (struct hub *h)
{
  pthread_mutex_lock (&h->lock);
  h->closed = true;
  pthread_cond_broadcast (&h->changed);
  pthread_mutex_unlock (&h->lock);
}

static bool
has_news (const struct hub *h, const struct hub_seen *seen)
{
  return h->closed || h->seq > seen->seq || h->progress_version > seen->progress
         || h->notice_count > seen->notices;
}

static void
take_notices (struct hub *h, struct hub_seen *seen, struct hub_news *out)
{
  uint64_t from = seen->notices;
  if (h->notice_count == from)
    return;
  if (h->notice_count - from > NOTICES)
    from = h->notice_count - NOTICES;
  out->notices = json_array ();
  for (uint64_t i = from; i < h->notice_count; i++)
    json_array_append_new (out->notices,
                           json_deep_copy (h->notices[i % NOTICES]));
  seen->notices = h->notice_count;
}

void
hub_wait (struct hub *h, struct hub_seen *seen, long ms, struct hub_news *out)
{
  struct timespec until = monotonic_in (ms);
  memset (out, 0, sizeof *out);
  pthread_mutex_lock (&h->lock);
  while (!has_news (h, seen))
    if (pthread_cond_timedwait (&h->changed, &h->lock, &until) != 0)
      break;
  out->records = h->seq > seen->seq;
  out->closed = h->closed;
  if (h->progress_version > seen->progress) {
    out->progress = json_deep_copy (h->progress);
    seen->progress = h->progress_version;
  }
  take_notices (h, seen, out);
  pthread_mutex_unlock (&h->lock);
}
