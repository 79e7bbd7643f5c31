/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An approval before it goes into the journal: the engine sees only those
 * whose signature holds.  Pure but for ssh-keygen.
 *
 * Threads: any; the plan is only read.
 */
#ifndef REHOME_EXEC_APPROVE_H
#define REHOME_EXEC_APPROVE_H

#include "base/err.h"
#include "journal/store.h"
#include "plan/plan.h"

/* Compares the text with the plan and the migration and checks the signature
 * against the key that the plan has for that person: the data of the `approve`
 * record, a new reference.  "RH-APPROVE-PLAN" (of another plan, or another
 * migration), "RH-APPROVE-ROLE" (no such role, person or request),
 * "RH-APPROVE-SIGNATURE", "RH-APPROVE-FORM". */
struct err *approve_check (const struct plan *plan, const char *migration,
                           const char *text, const char *signature,
                           json_t **out);
/* The head that was signed with it (`data` as above) is one of this journal:
 * else "RH-APPROVE-HEAD". */
struct err *approve_check_head (struct store *s, const json_t *data);
/* The person of that role, {"name", "key"[, "account"]}; borrowed.  `role` or
 * `name` NULL: where there is only one to choose.  "RH-APPROVE-ROLE". */
struct err *approve_person (const struct plan *plan, const char *role,
                            const char *name, const char **role_out,
                            const json_t **out);

#endif
