/* SPDX-License-Identifier: Apache-2.0 */
/* The two hosts of a plan, opened for looking only (no claim, no journal). */
#ifndef REHOME_CLI_HOSTS_H
#define REHOME_CLI_HOSTS_H

#include "exec/hosts.h"

struct opened {
  char *agent;
  char *migration;
  struct hosts *hosts;
};

/* Opens both links; a host that is the other one is "RH-MOVE-SAMEHOST". */
struct err *open_hosts (const struct plan *plan, struct opened *out);
void opened_clear (struct opened *o);
#define CLEANUP_OPENED CLEANUP (opened_clear)
/* Both hellos: the same machine? */
struct err *refuse_same (const json_t *source, const json_t *target);

#endif
