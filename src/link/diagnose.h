/* SPDX-License-Identifier: Apache-2.0 */
/* Why ssh did not get there: from its own words to a code, what is safe and
 * what to do. */
#ifndef REHOME_LINK_DIAGNOSE_H
#define REHOME_LINK_DIAGNOSE_H

#include "link/ssh.h"

/* `log` is what ssh itself wrote, `said` what came on its stderr (jump hosts,
 * the remote), `noise` what the login printed; never NULL.  Gives an error in
 * any case. */
struct err *diagnose (const struct link_where *w, const struct ssh_names *n,
                      const char *log, const char *said, const char *noise);

/* Whether ssh came as far as the login's shell. */
bool diagnose_logged_in (const char *log);

/* The fingerprint of the key that the host showed ("SHA256:..."; caller
 * frees), or NULL. */
char *diagnose_host_key (const char *log);

/* ssh's last word about a connection that broke (caller frees), or NULL. */
char *diagnose_last_word (const char *log);

/* Checks what ssh saw against the plan's pin and for a changed key that the
 * user's settings let pass.  "RH-LINK-HOSTKEY". */
struct err *diagnose_check_key (const struct link_where *w,
                                const struct ssh_names *n, const char *log);

#endif
