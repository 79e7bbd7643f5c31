/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `credentials:` of a database's item: a file on each host with which its
 * programs log in, where its server lets nobody in for being root or postgres.
 * Only the file's path is in the plan, in argument vectors and in messages; who
 * may read the file is checked before it is used.
 */
#ifndef REHOME_PROVIDER_CREDENTIALS_H
#define REHOME_PROVIDER_CREDENTIALS_H

#include "plan/graph.h"
#include "provider/provider.h"

/* Absent, an absolute path, or {source: ..., target: ...} of such:
 * "RH-PLAN-VALUE", "RH-PLAN-KEY".  Pure. */
struct err *credentials_check (const json_t *spec);
/* All items of the kind name the same, since a host has one server of it:
 * "RH-PLAN-ITEM".  Pure. */
struct err *credentials_alike (const struct plan *plan,
                               const struct plan_item *item);
/* The file on the host that `p` leads to, or NULL: none.  The item's. */
const char *credentials_path (const struct plan_item *item,
                              const struct port *p);
/* From here on both ports know the item's files, for credentials_of. */
void credentials_enter (const struct step_call *call);
/* The same by the kind of the item, where only the port is at hand; the caller
 * frees. */
char *credentials_of (struct port *p, const char *kind);
/* Where the item names credentials: both files are there, root's, and nobody
 * else's ("RH-CREDENTIALS-FILE"), and then `login`, which looks as whom the
 * server lets in, has nothing against the source and the target. */
struct err *credentials_look (const struct step_call *call,
                              struct err *(*login) (struct port *p));

#endif
