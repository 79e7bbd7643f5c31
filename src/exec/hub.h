/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner's engine thread tells everyone who watches: how far the
 * journal is, and the latest progress and notices, which are not journaled.
 * Watchers read records from the store themselves.  Any thread.
 */
#ifndef REHOME_EXEC_HUB_H
#define REHOME_EXEC_HUB_H

#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;

struct hub *hub_new (void);
/* Only when no thread uses it. */
void hub_free (struct hub *h);
/* A record of that number is durable. */
void hub_head (struct hub *h, uint64_t seq);
/* Replaces the progress (stolen). */
void hub_progress (struct hub *h, json_t *progress);
/* One notice for people (stolen); the last 64 are kept. */
void hub_notice (struct hub *h, json_t *notice);
/* Wakes every watcher for good. */
void hub_close (struct hub *h);

/* What a watcher has seen; starts as zeroes. */
struct hub_seen {
  uint64_t seq;      /* records up to here (set by the watcher) */
  uint64_t progress; /* version */
  uint64_t notices;  /* how many */
};
struct hub_news {
  bool records;     /* there are records behind seen->seq */
  json_t *progress; /* new reference, or NULL: nothing new */
  json_t *notices;  /* new array, or NULL */
  bool closed;
};
/* Waits up to `ms` for anything that `seen` lacks; updates progress and
 * notices in `seen`. */
void hub_wait (struct hub *h, struct hub_seen *seen, long ms,
               struct hub_news *out);

#endif
