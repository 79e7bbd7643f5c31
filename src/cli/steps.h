/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: the steps that would run, in their order. */
#ifndef REHOME_CLI_STEPS_H
#define REHOME_CLI_STEPS_H

#include "cli/command.h"
#include "plan/graph.h"

int steps_print (const struct invocation *in, const struct graph *g,
                 enum stage first, enum stage last);

#endif
