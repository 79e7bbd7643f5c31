/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded set of names that changed, each with the number of the last
 * change: (directory's handle, name) to a sequence.  Threads: one at a time.
 */
#ifndef REHOME_TREE_DIRTY_H
#define REHOME_TREE_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dirty;

struct dirty_name {
  const void *dir;
  size_t dir_len;
  const char *name;
  bool deep; /* the whole tree below the name is to be looked at */
  uint64_t seq;
};

/* `max_names` and `max_bytes` bound it. */
struct dirty *dirty_new (size_t max_names, size_t max_bytes);
void dirty_free (struct dirty *d);
/* Brings a name that is in the set up to date; false where it is not. */
bool dirty_touch (struct dirty *d, const struct dirty_name *n);
/* Adds a name, or touches it; false, and nothing done, where it is full. */
bool dirty_add (struct dirty *d, const struct dirty_name *n);
/* Forgets what did not change after `seq`. */
void dirty_prune (struct dirty *d, uint64_t seq);
void dirty_clear (struct dirty *d);
size_t dirty_count (const struct dirty *d);
/* The names in no order: true while there is another.  *at starts at 0. */
bool dirty_next (const struct dirty *d, size_t *at, struct dirty_name *out);

#endif
