/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's socket: DIR/owner.sock, mode 0600, JSON lines (docs/OWNER.md).
 *
 *   {"request":"cutover","actor":"operator:root"} -> {"ok":true}; with
 *       "no_way_back":{"how":..,"why":[..]} where that was confirmed
 *   {"status":true}                  -> {"pid":..,"progress":{..},"seq":..}
 *   {"watch":true,"since":12}        -> {"seq":13,"record":{..}} ...,
 *                                       {"progress":{..}}, {"notice":{..}}
 *   {"stop":true}                    -> {"ok":true}, and the owner ends
 *   anything that fails              -> {"error":{..}}
 *
 * Each client has a thread; at most 32 at a time.
 */
#ifndef REHOME_EXEC_DOOR_H
#define REHOME_EXEC_DOOR_H

#include "exec/hub.h"
#include "exec/loop.h"

struct door;

struct door_parts {
  const char *dir; /* holds the journal and the socket */
  const char *socket;
  struct hub *hub;
  struct loop *loop;
  const struct plan *plan; /* whose approvals are taken; may be NULL */
  const char *migration;
};

/* Listens.  Another owner that answers there: "RH-EXEC-OWNED" with its pid. */
struct err *door_open (const struct door_parts *parts, struct door **out);
/* After hub_close: closes, and waits for its clients' threads. */
void door_close (struct door *d);

#endif
