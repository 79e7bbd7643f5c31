/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tunnels that this process holds for the servers that replicate: by name,
 * each with as many lanes as there are connections, and one that waits for the
 * next.  A lane that broke is opened again; the servers reconnect by
 * themselves.  What is open ends with this process, and who needs it asks
 * again.
 *
 * Any thread may call; tunnels_free only when none does.
 */
#ifndef REHOME_EXEC_TUNNEL_H
#define REHOME_EXEC_TUNNEL_H

#include "link/port.h"

struct tunnels;

struct tunnels *tunnels_new (void);
/* As the port's operation of the name (link/port.h). */
struct err *tunnels_open (struct tunnels *t, struct port *near,
                          struct port *far, const struct tunnel_way *way,
                          unsigned *port);
void tunnels_close (struct tunnels *t, const char *name);
/* None is opened again. */
void tunnels_stop (struct tunnels *t);
void tunnels_free (struct tunnels *t); /* waits for their lanes */

#endif
