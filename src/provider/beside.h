/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to hosts that need nothing of each other, made at the same time. */
#ifndef REHOME_PROVIDER_BESIDE_H
#define REHOME_PROVIDER_BESIDE_H

#include "provider/provider.h"

#include <stddef.h>

struct beside {
  struct err *(*run) (void *ctx); /* in a thread of its own */
  void *ctx;
};

/* Runs all of them, at most `most` at a time, and waits for their ends; of
 * several errors the first one's in their order.  The step's cancel reaches
 * each. */
struct err *beside_run (const struct step_call *call, const struct beside *all,
                        size_t n, size_t most);

/* Tables that are copied beside each other, in their order, until one fails. */
struct beside_tables {
  const json_t **order;
  size_t n;
  /* In several threads; `call` has progress only in the step's own. */
  struct err *(*copy) (void *ctx, const struct step_call *call,
                       const json_t *table, json_t **digest);
  /* It was copied; one at a time. */
  void (*done) (void *ctx, const json_t *table, json_t *digest);
  void *ctx;
};
/* At most `most` (8 at the most) at a time, the step's own thread among them;
 * the first error that came. */
struct err *beside_tables (const struct step_call *call,
                           const struct beside_tables *tables, size_t most);

#endif
