/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that this agent started and that still run. */
#ifndef REHOME_AGENT_CHILDREN_H
#define REHOME_AGENT_CHILDREN_H

/* Kills each child, and its process group where it leads one. */
void children_kill (void);

#endif
