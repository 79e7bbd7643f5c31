/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own file where it was pushed: held with a shared lock while a
 * session lives, and removed by the last one, so that nothing is left on the
 * host.
 */
#ifndef REHOME_AGENT_SELF_H
#define REHOME_AGENT_SELF_H

#include "wire/json.h"

struct self;

/* Locks this program's file; "RH-AGENT-SELF". */
struct err *self_hold (struct self **out);
/* Removes agents that nobody runs, and unfinished pushes, from every place to
 * which one is pushed; the paths that were there, percent-encoded: new array.
 * What is younger than ten minutes may just be arriving and stays. */
json_t *self_sweep (const struct self *s);
/* Removes the file, its directory when it is empty then, and older agents
 * and unfinished pushes in it, unless another session holds the file. */
void self_leave (struct self *s);

#endif
