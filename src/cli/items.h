/* SPDX-License-Identifier: Apache-2.0 */
/* Two item addresses as given to `copy` and `compare`, and links to where
 * they are. */
#ifndef REHOME_CLI_ITEMS_H
#define REHOME_CLI_ITEMS_H

#include "cli/command.h"
#include "link/link.h"
#include "plan/address.h"

struct items {
  struct address from, to;
  char *agent;
  struct link *source;
  struct link *target;
};

/* Parses both; only trees of files, and an absolute path after a host:
 * "RH-CLI-ITEM". */
struct err *items_parse (const struct invocation *in, struct items *out);
struct err *items_open (struct items *i);
void items_clear (struct items *i);
#define CLEANUP_ITEMS CLEANUP (items_clear)

#endif
