/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key of the migration's own, for a controller that could not connect again
 * once its caller's terminal and ssh agent are gone.  A person approves it
 * (`rehome check --own-key`); it lies in DIR/key beside the journal, stands
 * in the login's authorized_keys with a forced command that starts nothing
 * but the agent of this very digest, and is taken away when the migration is
 * accepted or aborted.
 *
 * Where it was put is durable in DIR/key/hosts.json before a host is changed.
 */
#ifndef REHOME_EXEC_OWNKEY_H
#define REHOME_EXEC_OWNKEY_H

#include "exec/hosts.h"
#include "exec/place.h"

/* DIR/key/id, whether there is a key or not; the caller frees. */
char *ownkey_file (const struct place *p);
/* The same where the migration has a key, else NULL. */
char *ownkey_path (const struct place *p);

/* Makes the key, in place of an older one, and puts it on each host of the
 * plan that is not "local", through `hosts`, which the caller's own means
 * opened.  "RH-OWNKEY-MAKE", "RH-OWNKEY-PLACE", and errors of the hosts. */
struct err *ownkey_make (const struct place *p, const struct plan *plan,
                         const char *migration, const char *agent_path,
                         struct hosts *hosts);

/* What stands in hosts.json: {"mark", "fingerprint", "source": {"user",
 * "path",...}, "target": {...}}, `mark` being the end of our line in each
 * file; *out is NULL where there is no key. */
struct err *ownkey_facts (const struct place *p, json_t **out);

/* Takes it from every host it was put on, then from here.  A host that cannot
 * be reached keeps its line and the key stays here: the error says so. */
struct err *ownkey_remove (const struct place *p, struct hosts *hosts);

/* Connects to a host of the plan as the owner will, without terminal and
 * without the caller's ssh agent, and closes again.  NULL for "local".
 * "RH-OWNKEY-NEEDED" says what was refused and what to do; what has nothing to
 * do with the login is the error that it is. */
struct err *ownkey_prove (const struct place *p, const struct plan_host *host,
                          const char *name, const char *agent_path);

#endif
