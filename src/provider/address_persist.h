/* SPDX-License-Identifier: Apache-2.0 */
/* Which configuration brings an address at boot, on the source and on the
 * target.  Reads through a port; changes nothing. */
#ifndef REHOME_PROVIDER_ADDRESS_PERSIST_H
#define REHOME_PROVIDER_ADDRESS_PERSIST_H

#include "provider/remote.h"

/* The file that gives `cidr` to `interface`, and its text without it.  Both
 * NULL where no understood file does; `kind` is "ifupdown", "networkd" or
 * "none".  "RH-ADDRESS-PERSIST" where something that is not understood may
 * bring it back at boot. */
struct persist {
  char *path;
  char *without;
  const char *kind;
  struct remote_file file;
};
void persist_clear (struct persist *p);
#define CLEANUP_PERSIST CLEANUP (persist_clear)
struct err *persist_find (struct port *p, const char *interface,
                          const char *cidr, struct persist *out);

/* Where a host keeps an additional address: a new file and its content, or
 * NULL where its configuration is not understood. */
struct err *persist_place (struct port *p, const char *interface,
                           const char *cidr, char **path, char **content);

#endif
