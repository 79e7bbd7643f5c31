/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link to the agent on one host: two ssh connections (control and data), or
 * two local processes where the host is "local".  Starts the agent: pushed
 * through the user's own ssh, digest checked, run from the first directory
 * that allows it, with `sudo -n` where the login is not root.  Checks the
 * host's identity (ssh host key, machine-id) before any other verb.
 *
 * A link is a port (link/port.h).  Threads: link_* calls may come from
 * several threads; open and close from one.
 */
#ifndef REHOME_LINK_LINK_H
#define REHOME_LINK_LINK_H

#include "link/port.h"

struct link;

struct link_where {
  const char *name;       /* "source" or "target" */
  const char *host;       /* [user@]host as ssh takes it; "local" */
  const char *via;        /* management address or NULL */
  int port;               /* 0: as ssh says */
  const char *machine_id; /* expected, or NULL */
  const char *host_key;   /* expected "SHA256:...", or NULL */
  const char *agent_path; /* the agent's binary on this machine */
  bool batch;             /* no terminal, no caller's ssh agent (owner) */
  const char *identity;   /* private key of the migration's own, or NULL; with
                             `batch` only */
};

/* Errors: RH-LINK-UNKNOWN (name does not resolve), RH-LINK-UNREACHABLE,
 * RH-LINK-HOSTKEY, RH-LINK-IDENTITY (another machine-id), RH-LINK-LOGIN,
 * RH-LINK-NOISE (login prints into the stream), RH-LINK-SUDO (names the
 * sudoers line), RH-LINK-NOEXEC (every directory tried, by name),
 * RH-LINK-VERSION, RH-LINK-LOST. */
struct err *link_open (const struct link_where *where, struct link **out);
/* Begins the close, so that several can be closed at once; link_close follows.
 */
void link_hang_up (struct link *l);
void link_close (struct link *l);
struct port *link_port (struct link *l);
/* What the hello said: version, features, machine_id, boot_id, hostname,
 * kernel, host_key (as ssh saw it), uid, dir (where the agent runs from). */
const json_t *link_hello (const struct link *l);
/* False once a connection is gone. */
bool link_alive (struct link *l);

#endif
