/* SPDX-License-Identifier: Apache-2.0 */
/* The items of a plan.  Inside the plan layer only. */
#ifndef REHOME_PLAN_ITEMS_H
#define REHOME_PLAN_ITEMS_H

#include "plan/node.h"
#include "plan/plan.h"

struct items {
  VEC (struct plan_item) list;
};

/* Reads the list; kinds and their specs are checked by `kinds`. */
struct err *items_read (struct node n, const struct plan_kinds *kinds,
                        struct items *out);
void items_clear (struct items *items);

#endif
