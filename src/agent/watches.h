/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees that a keeper watches: which names below a root changed since a
 * round was acknowledged.
 *
 * A round begins with watch_mark (it walks everything) or with watch_take (it
 * visits what is named); both note the present moment as the round's.  Once
 * the round is acknowledged that moment is what later names count from.  A
 * round that is never acknowledged changes nothing.  Whatever makes the
 * names less than certain (events lost, another mount, the root replaced,
 * too many names) makes watch_take answer why, and the next round walks.
 *
 * Threads: the keeper's only one.
 */
#ifndef REHOME_AGENT_WATCHES_H
#define REHOME_AGENT_WATCHES_H

#include "base/err.h"
#include "wire/json.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct watches;

/* Which watch, and which round of it. */
struct watch_round {
  const char *root;
  const char *index;  /* one watch for each */
  const char *filter; /* what is left out, as a digest; "" nothing */
  int64_t round;
};

struct watches *watches_new (void);
void watches_free (struct watches *w);
size_t watches_count (const struct watches *w);

/* Up to `max` descriptors to poll for POLLIN; how many. */
size_t watches_poll (const struct watches *w, struct pollfd *fds, size_t max);
/* Takes in what waits. */
void watches_drain (struct watches *w);

/* Begins a round that walks; starts the watch where there is none.
 * "RH-HOST-EVENTS" where the filesystem cannot be watched. */
struct err *watch_mark (struct watches *w, const struct watch_round *r);
/* {"known":true,"names":[...],"deep":[...],"rounds":n,"age_ms":n}: paths
 * relative to the root, those in `deep` with all below them; `rounds` were
 * taken so since the last whole walk, `age_ms` ago.  Or {"known":false,
 * "why":word}. New reference. */
json_t *watch_take (struct watches *w, const struct watch_round *r);
/* The round's index is in force now; only index and round are looked at. */
void watch_ack (struct watches *w, const struct watch_round *r);
/* Ends the watch of an index. */
void watch_drop (struct watches *w, const struct watch_round *r);

#endif
