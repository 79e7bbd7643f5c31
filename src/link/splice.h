/* SPDX-License-Identifier: Apache-2.0 */
/* Two calls that both send and take a stream, joined both ways. */
#ifndef REHOME_LINK_SPLICE_H
#define REHOME_LINK_SPLICE_H

#include "link/conn.h"
#include "link/port.h"

/* What a tunnel's connection is: tunnel.accept on `near`, and once somebody is
 * there tunnel.connect on `far`.  Returns when the connection has ended, or
 * with the first error.  docs/PROTOCOL.md, "Tunnels". */
struct err *splice_join (struct conn *near, const json_t *accept,
                         struct conn *far, const json_t *connect,
                         const struct port_lane *lane);

#endif
