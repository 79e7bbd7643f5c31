/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a tree's stream out of tree.send: compressed or not, no faster
 * than the limit and than the source's disk bears.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_AGENT_SENDING_H
#define REHOME_AGENT_SENDING_H

#include "host/disk.h"
#include "tree/pack.h"
#include "tree/send.h"
#include "tree/throttle.h"

struct sending {
  struct throttled limited;
  struct disk disk;
  enum pack_mode mode;
};

/* From the arguments `limit` and `compress`; before the process confines
 * itself.  `out` and `watch` are borrowed. */
struct err *sending_begin (struct sending *s, const json_t *args,
                           const char *root, struct sink *out,
                           struct tree_watch *watch);
/* tree_send through it. */
struct err *sending_run (struct sending *s, const struct tree_send *a,
                         json_t **result);
void sending_clear (struct sending *s);

#endif
