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

#endif
