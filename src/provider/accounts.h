/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the accounts provider share. */
#ifndef REHOME_PROVIDER_ACCOUNTS_H
#define REHOME_PROVIDER_ACCOUNTS_H

#include "provider/accounts_db.h"
#include "provider/provider.h"

/* Reads and decodes the three files of a host. */
struct err *accounts_load (struct port *p, struct accounts_db **out);

/* Everything that the plan's accounts items name, plus each group that a
 * named user belongs to; new references (arrays of strings). */
struct accounts_scope {
  json_t *users, *groups, *sudoers;
  bool overwrite;
};
void accounts_scope_read (const struct plan *plan,
                          const struct accounts_db *source,
                          struct accounts_scope *out);
void accounts_scope_clear (struct accounts_scope *s);
#define CLEANUP_SCOPE CLEANUP (accounts_scope_clear)

/* Differences between a user on both hosts, as texts appended to `out`; ids
 * are compared through the map's pairs, hashes by salted digest. */
void accounts_diff_user (const struct accounts_db *source,
                         const struct accounts_db *target, const char *name,
                         const json_t *map, json_t *out);
void accounts_diff_groups (const struct accounts_db *source,
                           const struct accounts_db *target,
                           const struct accounts_scope *scope,
                           const json_t *map, json_t *out);

/* "RH-ACCOUNTS-INWAY" for a moved user whose name the target gives to an
 * account with other data, unless overwriting is allowed or rehome made it
 * (`made`: {"users": [...]}, may be NULL). */
struct err *accounts_in_way (const struct accounts_scope *scope,
                             const struct accounts_db *source,
                             const struct accounts_db *target,
                             const json_t *map, const json_t *made);

struct err *accounts_discard (const struct step_call *call, bool dry,
                              json_t *out);
struct err *accounts_create (const struct step_call *call, json_t **result);
struct err *accounts_create_probe (const struct step_call *call,
                                   enum probe_state *out);
struct err *accounts_compare (const struct step_call *call, json_t **result);
/* What was changed on the target in the guard. */
struct err *accounts_note (const struct step_call *call, json_t **result);
struct err *accounts_carry (const struct step_call *call, json_t **result);
struct err *accounts_suspend (const struct step_call *call, json_t **result);
struct err *accounts_suspend_probe (const struct step_call *call,
                                    enum probe_state *out);
struct err *accounts_suspend_undo (const struct step_call *call,
                                   json_t **result);

#endif
