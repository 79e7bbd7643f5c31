/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb in a process of its own, which gives up what it does not need: who
 * parses what the other host sent holds no more rights than its work takes.
 *
 * The process is this program begun anew (/proc/self/exe --worker) with two
 * descriptors: 3, a socket with the frames of one call (CALL down; TICK,
 * RESULT or ERROR up), and 4, a pipe with the bytes of its stream; and 5, the
 * lock of a claim (agent/sole.h), where there is one.  It ends with the call,
 * and with the agent.
 */
#ifndef REHOME_AGENT_APART_H
#define REHOME_AGENT_APART_H

#include "agent/verb.h"

#include <stdbool.h>

/* In the agent: the whole call in another process.  Threads: any.
 * "RH-AGENT-WORKER": it could not be started, or ended without an answer. */
struct err *apart_run (const struct verb *verb, const char *name,
                       struct verb_call *call, json_t **result);

/* The other process: answers its one call, and returns. */
struct err *apart_serve (void);

/* True in that process: it is to give up its rights (host/confine.h) before
 * it reads its stream. */
bool apart_is_worker (void);

#endif
