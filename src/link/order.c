/* SPDX-License-Identifier: Apache-2.0 */
/* Two connections that come up beside each other; see order.h. */
#include "link/order.h"

void
order_init (struct order *o)
{
  pthread_mutex_init (&o->lock, NULL);
  pthread_cond_init (&o->changed, NULL);
  o->stage = ORDER_BEGUN;
}

void
order_clear (struct order *o)
{
  pthread_mutex_destroy (&o->lock);
  pthread_cond_destroy (&o->changed);
}

void
order_reach (struct order *o, enum order_stage stage)
{
  pthread_mutex_lock (&o->lock);
  if (stage > o->stage)
    o->stage = stage;
  pthread_cond_broadcast (&o->changed);
  pthread_mutex_unlock (&o->lock);
}

bool
order_await (struct order *o, enum order_stage stage)
{
  pthread_mutex_lock (&o->lock);
  while (o->stage < stage)
    pthread_cond_wait (&o->changed, &o->lock);
  bool reached = o->stage != ORDER_FAILED;
  pthread_mutex_unlock (&o->lock);
  return reached;
}
