/* SPDX-License-Identifier: Apache-2.0 */
/* What the providers share that lay up on the source what the target took in
 * the guard. */
#ifndef REHOME_PROVIDER_LAY_H
#define REHOME_PROVIDER_LAY_H

#include "provider/provider.h"

#include <stdint.h>

/* Of a mirrored call: whether `most` bytes find room at `where` on the frozen
 * source, which may serve others: its disk is not filled.  `what`: an item or a
 * database, for the error "RH-FILES-NOSPACE". */
struct err *lay_room (const struct step_call *call, const char *what,
                      const char *where, uint64_t most);

#endif
