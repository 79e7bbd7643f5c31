/* SPDX-License-Identifier: Apache-2.0 */
/* One end of what is joined: a call, and what its waiter took out of its
 * request for handling without the lock.  For pipe.c and splice.c alone. */
#ifndef REHOME_LINK_SIDE_H
#define REHOME_LINK_SIDE_H

#include "link/conn.h"

#define SIDE_POLL_MS 200
#define SIDE_GRANT ((uint64_t)1 << 20)

struct side {
  struct conn *conn;
  struct request req;
  bool begun;
  bool cancelled;
  int64_t since; /* when it was cancelled */
  struct piece *pieces;
  bool ended;
  bool done;
  uint64_t credit;
  json_t *tick;
};

struct err *side_begin (struct side *s, struct conn *c, const char *verb,
                        const json_t *args);
void side_clear (struct side *s);
void side_cancel (struct side *s);
/* Two streams that are joined begin with the same credit, which is not to be
 * passed on. */
void side_skip_first_credit (struct side *s);
/* With the lock held. */
bool side_has_news (const struct side *s, bool want_credit);
void side_take_news (struct side *s, bool want_credit);
/* Returns how many bytes they had. */
uint64_t side_drop_pieces (struct side *s);
/* Lets the sender send `n` bytes more. */
void side_grant (struct side *s, uint64_t n);
/* A call that was cancelled and does not end is given up, and its connection
 * with it. */
void side_give_up (struct side *s);

#endif
