/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the controller keeps what it knows: STATE/controller/NAME for each
 * migration (the journal, the owner's socket, its log), and one id of this
 * controller in STATE/controller-id.  STATE is `--state DIR`, else
 * /var/lib/rehome for root, else XDG_STATE_HOME/rehome.
 */
#ifndef REHOME_EXEC_PLACE_H
#define REHOME_EXEC_PLACE_H

#include "base/err.h"
#include "plan/plan.h"

struct place {
  char *state;         /* STATE */
  char *dir;           /* STATE/controller/NAME */
  char *name;          /* the plan's name */
  char *socket;        /* DIR/owner.sock */
  char *log;           /* DIR/owner.log */
  char *error;         /* DIR/owner.error: why the last owner did not start */
  char controller[33]; /* filled by place_make */
};

/* Fills in the paths; makes nothing.  `state` NULL takes the default; a name
 * that no plan can have is "RH-STATE-NAME". */
struct err *place_find (const char *state, const char *name, struct place *out);
/* Makes the directories (0700) and the controller's id, durably. */
struct err *place_make (struct place *p);
void place_clear (struct place *p);
#define CLEANUP_PLACE CLEANUP (place_clear)

/* DIR/evidence-key, which signs bundles; the caller frees. */
char *place_evidence_key (const struct place *p);

/* The default STATE; the caller frees. */
char *place_default_state (void);
/* Names of all migrations below STATE, sorted, NULL-terminated; the caller
 * frees each and the array. */
struct err *place_names (const char *state, char ***out);
/* The directory name of a migration on the hosts: NAME-8HEX. */
char *place_migration (const char *name, const char *first_plan_hash);
/* The agent's binary: $REHOME_AGENT, else ../libexec/rehome/rehome-agent
 * beside this program, else one that lies in a build tree beside it; the
 * caller frees.  "RH-EXEC-NOAGENT" names the places. */
struct err *place_agent (char **out);

#endif
