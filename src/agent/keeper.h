/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: one process for each host and migration, which holds what must
 * outlive a connection.  Session agents ask it over a Unix socket
 * (docs/PROTOCOL.md, Keeper).
 *
 * It listens at KEEPER_DIR/ID/keeper, for the same user alone; it obeys the
 * fence: a request with a lower epoch than it has seen, or an equal one of
 * another controller, is refused.  It ends when it is told to, at SIGTERM,
 * when nobody asked it for long, and when the migration's fence is gone from
 * the host; socket and directory are removed then.
 */
#ifndef REHOME_AGENT_KEEPER_H
#define REHOME_AGENT_KEEPER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Without an answered request for so long it ends: three days. */
#define KEEPER_IDLE_S 259200

/* DIR/ID and DIR/ID/keeper; the caller frees. */
char *keeper_dir (const char *id);
char *keeper_socket (const char *id);
/* For tests: another place than /run/rehome (copied). */
void keeper_set_run_dir (const char *dir);

/* Serves until the end.  `ready_fd` (-1: none) gets one byte and is closed
 * once the socket listens.  "RH-AGENT-KEEPER" where one is there already, or
 * the socket cannot be made. */
struct err *keeper_run (const char *id, int64_t idle_s, int ready_fd);

/* The same in a process of its own session; returns once that one listens. */
struct err *keeper_detach (const char *id, int64_t idle_s);

#endif
