/* SPDX-License-Identifier: Apache-2.0 */
/* What `ip -j` prints, and commands that bring it back.  Pure. */
#ifndef REHOME_PROVIDER_ADDRESS_IP_H
#define REHOME_PROVIDER_ADDRESS_IP_H

#include "base/cleanup.h"
#include "wire/json.h"

#include <stdbool.h>

/* "10.77.0.10/24" -> "10.77.0.10"; the caller frees. */
char *cidr_address (const char *cidr);
/* "10.77.0.10/24" -> "10-77-0-10-24": a name for files; the caller frees. */
char *cidr_slug (const char *cidr);
bool cidr_is_six (const char *cidr);
/* Does the address lie in the network of this one? */
bool cidr_holds (const char *cidr, const char *address);

/* From `ip -j addr [show dev IF]`: the entry of `cidr`, borrowed, or NULL;
 * *interface says where. */
const json_t *ip_find (const json_t *links, const char *cidr,
                       const char **interface);
/* The addresses of an interface, of the family of `like`, scope global, in
 * the kernel's order: new array of the entries. */
json_t *ip_family (const json_t *links, const char *interface,
                   const char *like);
/* The interface that has an address in the network of `cidr`; or NULL. */
const char *ip_interface_for (const json_t *links, const char *cidr);
/* "addr add ..." or "addr replace ..." for an entry; the caller frees. */
char *ip_addr_line (const char *verb, const json_t *entry,
                    const char *interface);
/* "route replace ..." for an entry of `ip -j route show dev IF`; NULL for
 * routes that the kernel makes itself. */
char *ip_route_line (const json_t *route, const char *interface);

#endif
