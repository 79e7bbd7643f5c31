/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of ssh for a link.  The user's own configuration, keys,
 * known_hosts and jump hosts are used; what would get in the way of a clean
 * stream of bytes is turned off.
 */
#ifndef REHOME_LINK_SSH_H
#define REHOME_LINK_SSH_H

#include "base/err.h"
#include "link/link.h"

/* What ssh makes of the host's name (ssh -G). */
struct ssh_names {
  char *user;
  char *hostname;
  char *port;
  char *alias;      /* under which known_hosts has its key */
  bool own_ciphers; /* the configuration names ciphers: they are left alone */
  bool quiet;       /* a login asks nobody for anything (quiet.h) */
};

/* "RH-LINK-SSH" when ssh does not take the name or its own configuration. */
struct err *ssh_resolve (const struct link_where *w, struct ssh_names *out);
void ssh_names_clear (struct ssh_names *n);

/* A NULL-terminated vector that the caller frees with ssh_argv_free.  ssh
 * writes its own messages to the file `log` and the remote's to stderr. */
char **ssh_argv (const struct link_where *w, const struct ssh_names *n,
                 const char *log, const char *script);
void ssh_argv_free (char **argv);

/* The command by which a person accepts the host's key; caller frees. */
char *ssh_accept_command (const struct link_where *w,
                          const struct ssh_names *n);

#endif
