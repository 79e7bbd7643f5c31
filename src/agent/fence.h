/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence: which controller may change this host in the name of a
 * migration, and which migration owns which item.
 *
 * It lies in /var/lib/rehome/ID/fence, fsynced with its directories, and
 * outlives the connection, the agent and a reboot.  A claim is refused when
 * its epoch is lower than the accepted one, or equal and another
 * controller's; when its journal does not extend the remembered (seq, hash),
 * which it shows by the hash of its own record of that number; or when an
 * item of it belongs to another migration.
 *
 * Threads: every function may be called from any thread; claims of several
 * agents are kept apart by a lock file.
 */
#ifndef REHOME_AGENT_FENCE_H
#define REHOME_AGENT_FENCE_H

#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

struct fence {
  int64_t epoch;
  char *controller;
  int64_t seq; /* of the controller's journal when it claimed */
  char *hash;
  json_t *items; /* array of strings */
  bool released; /* only a tombstone is left */
};

/* A record of a journal: its number and the hash of its line. */
struct fence_head {
  int64_t seq;
  const char *hash;
};

void fence_free (struct fence *f);
#define CLEANUP_FENCE CLEANUP (fence_free)

/* [a-z0-9-]{1,64}: "RH-FENCE-ID". */
struct err *fence_check_id (const char *id);

/* *found is false where the migration has no fence here. */
struct err *fence_read (const char *id, struct fence *out, bool *found);

/* "RH-FENCE-EPOCH", "RH-FENCE-HISTORY", "RH-FENCE-OWNED".  From then on this
 * process acts for that claim.  `known` is the record that the claimer's
 * journal has at the number which this host remembers; NULL: it shows none. */
struct err *fence_claim (const char *id, const struct fence *wanted,
                         const struct fence_head *known);

/* Remembers a later head of the journal for which this process holds the
 * claim; an earlier one changes nothing.  "RH-FENCE-HISTORY" where the same
 * number has another hash. */
struct err *fence_head (const char *id, const struct fence_head *head);

/* Ends the claim that this process made ("RH-FENCE-EPOCH" without one); with
 * `tombstone` the epoch stays on record, so that no old controller comes
 * back. */
struct err *fence_release (const char *id, bool tombstone);

/* The ids of all migrations with a fence here, sorted; new reference. */
struct err *fence_list (json_t **ids);

/* Refuses ("RH-FENCE-EPOCH") when this process has claimed and the host has
 * accepted a higher epoch, or another controller, since.  Reads one file. */
struct err *fence_still_ours (void);

/* What this process has claimed; "RH-FENCE-EPOCH" where that is not `id`.
 * The caller frees *controller. */
struct err *fence_claimed (const char *id, int64_t *epoch, char **controller);

/* Where the state lies: /var/lib/rehome, unless a test has moved it. */
const char *fence_state_dir (void);
/* Whether a path lies below it (not the directory itself). */
bool fence_is_state (const char *path);

/* For tests: another state directory (copied), and no claim. */
void fence_set_state_dir (const char *dir);

#endif
