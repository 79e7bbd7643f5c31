/* SPDX-License-Identifier: Apache-2.0 */
/* Two item addresses as given to `copy` and `compare`, and links to where
 * they are. */
#ifndef REHOME_CLI_BOTH_H
#define REHOME_CLI_BOTH_H

#include "cli/command.h"
#include "link/link.h"
#include "plan/address.h"

struct both {
  struct address from, to;
  char *agent;
  struct link *source;
  struct link *target;
};

/* Parses both; only trees of files or, with `databases`, two databases of one
 * kind (a server's under one name), and an absolute path after a host:
 * "RH-CLI-ITEM". */
struct err *both_parse (const struct invocation *in, bool databases,
                        struct both *out);
/* The rules of --exclude and --include in the order in which they were typed;
 * percent-encoded for an agent, or as a plan has them.  New reference. */
json_t *both_rules (const struct invocation *in, bool encoded);
/* The pairs of --map-user or --map-group: [[from, to], ...]. */
struct err *both_map (const struct invocation *in, enum option_id id,
                      json_t **out);
struct err *both_open (struct both *i);
void both_clear (struct both *i);
#define CLEANUP_BOTH CLEANUP (both_clear)

#endif
