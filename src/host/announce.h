/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the neighbours on a network where an address is now. */
#ifndef REHOME_HOST_ANNOUNCE_H
#define REHOME_HOST_ANNOUNCE_H

#include "base/err.h"

/* Sends, from `interface`, a gratuitous ARP request and reply for an IPv4
 * address, an unsolicited neighbour advertisement for an IPv6 one.  *sent:
 * packets handed to the interface.  Needs CAP_NET_RAW.  "RH-NET-ANNOUNCE". */
struct err *announce_address (const char *interface, const char *address,
                              int *sent);

#endif
