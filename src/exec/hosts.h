/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two hosts of a migration as ports that outlive their connections: each
 * opens its link at the first call, checks who is there, claims the fence,
 * and opens it again after it was lost.  A call that fails with the
 * connection is not repeated here: the engine knows which step may be.
 *
 * Any thread may call the ports; hosts_free only when none does.
 */
#ifndef REHOME_EXEC_HOSTS_H
#define REHOME_EXEC_HOSTS_H

#include "link/link.h"
#include "plan/plan.h"

#include <stdint.h>

struct hosts;

/* What a record is to the hosts. */
enum head_kind {
  HEAD_PLAIN,
  HEAD_PHASE, /* each host remembers it with the next call that it gets */
  HEAD_PIVOT, /* both do, before the call that opens one of them */
};

struct hosts_where {
  const struct plan *plan;
  const char *migration;  /* NULL: read only, no claim */
  const char *controller; /* with a migration */
  uint64_t epoch;         /* with a migration */
  const char *journal;    /* its directory, to show that it extends what a host
                             remembers; NULL: it shows nothing */
  const char *agent_path;
  bool batch;
  const char *identity; /* where the migration's own key lies as soon as a
                           person has approved one (exec/ownkey.h), or NULL */
};

struct hosts *hosts_new (const struct hosts_where *where);
struct port *hosts_source (struct hosts *h);
struct port *hosts_target (struct hosts *h);
/* This machine where it is neither of the two, for looking and asking only (it
 * is claimed by nobody); else NULL. */
struct port *hosts_controller (struct hosts *h);
/* The journal's head, which a claim carries. */
void hosts_head (struct hosts *h, uint64_t seq, const char *hash,
                 enum head_kind kind);
/* With an epoch above 1 the journal is resumed: both hosts are asked, where
 * they can be reached, before the first call to either.  Where one remembers
 * a record that the journal does not have, every call is refused from then on
 * ("RH-FENCE-HISTORY"). */
void hosts_epoch (struct hosts *h, uint64_t epoch);
/* Opens both now; the first error ("while ...: which host"). */
struct err *hosts_open (struct hosts *h);
/* What the hello of a host said (copy), or NULL while there is no link. */
json_t *hosts_hello (struct hosts *h, bool source);
/* Gives the claims on both hosts back, where this or an earlier owner made
 * them: another migration may have the items.  With a tombstone each host goes
 * on refusing lower epochs of this one.  A host that is gone keeps its claim;
 * that is logged. */
void hosts_release (struct hosts *h, bool tombstone);
/* Ends the keepers of the migration on hosts that are still connected; others
 * end by themselves. */
void hosts_end_keepers (struct hosts *h);
/* No call waits for a connection from here on. */
void hosts_stop (struct hosts *h);
void hosts_free (struct hosts *h);

#endif
