/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent at a time for each connection that a migration has to a host.
 *
 * A connection that was lost may leave its agent at work for a while, with
 * bytes in its pipes that were sent long ago: what it still wrote would come
 * behind what the next one writes.  So the next one ends it, and begins when
 * it is gone, with its workers.
 *
 * What tells is a lock (flock(2)) on SIDE-CHANNEL.agent in the migration's
 * directory, held by the agent and its workers until the last of them ends;
 * the file names the agent by its number and start time.
 *
 * Threads: any.
 */
#ifndef REHOME_AGENT_SOLE_H
#define REHOME_AGENT_SOLE_H

#include "base/err.h"

#include <stdbool.h>

/* `side`: "source" or "target"; `channel`: "control" or "data"; else
 * "RH-WIRE-FIELD".  `dir` is there.  Waits until an older agent has ended,
 * which is asked to, and killed when that does not help: "RH-AGENT-OLDER"
 * where it does not end all the same, or when the caller cancelled. */
struct err *sole_take (const char *dir, const char *side, const char *channel,
                       bool (*cancelled) (void *ctx), void *ctx);

/* Removes the files of that directory; whoever holds one goes on holding. */
void sole_forget (const char *dir);

/* The lock of this process for its workers to hold as well, or -1. */
int sole_fd (void);

#endif
