/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the name of a verb to its function.  Every verb that is not known to
 * only look counts as one that changes something, and is refused once the
 * host has accepted a higher epoch than this connection's claim.
 */
#ifndef REHOME_AGENT_DISPATCH_H
#define REHOME_AGENT_DISPATCH_H

#include "agent/verb.h"

/* "RH-AGENT-VERB" for a name that is in no table. */
struct err *dispatch_find (const char *name, const struct verb **out);
/* Whether the verb only looks. */
bool dispatch_looks (const char *name);
/* Runs it; *result is a new reference to an object, never NULL on success. */
struct err *dispatch_run (const struct verb *verb, struct verb_call *call,
                          json_t **result);

#endif
