/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order the two connections of a link come up beside each other.
 *
 * A handshake of ssh takes several round trips and most of a connection's
 * time, so the second is not kept waiting for the first where nothing speaks
 * against it: it logs in at the same time where nobody can be asked anything
 * (else one person would be asked two things at once: then it waits until the
 * first is logged in), and asks for the agent when the first has brought it.
 *
 * Threads: all functions from any.
 */
#ifndef REHOME_LINK_ORDER_H
#define REHOME_LINK_ORDER_H

#include <pthread.h>
#include <stdbool.h>

enum order_stage {
  ORDER_BEGUN,
  ORDER_LOGGED_IN, /* the first one's login took it in, by the right host */
  ORDER_THERE,     /* the agent's file is on the host */
  ORDER_FAILED     /* the first did not come up */
};

struct order {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  enum order_stage stage;
};

void order_init (struct order *o);
void order_clear (struct order *o);
/* The first connection is so far; never goes back. */
void order_reach (struct order *o, enum order_stage stage);
/* The second waits until then; false: it failed. */
bool order_await (struct order *o, enum order_stage stage);

#endif
