/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people have to say yes to, and what they said: approvals and the
 * backup.  Pure.
 */
#ifndef REHOME_REPORT_PERMITS_H
#define REHOME_REPORT_PERMITS_H

#include "plan/plan.h"

/* Puts into the facts, by this plan and the approvals of the journal that are
 * about it:
 *   approvals  {"roles": [{"role", "people": [NAME...]}], "given": [...],
 *               "missing": {"cutover": [ROLE...], "accept", "rollback"}}
 *   backup     {"state": "check"|"waiver"|"missing"[, "by", "reason"]} */
void permits_put (const struct plan *plan, const json_t *given, json_t *facts);
/* The approvals that are missing for "cutover", "accept" or "rollback", each
 * with the command that gives it, a line each; NULL where none is.  The caller
 * frees. */
char *permits_missing (const json_t *facts, const char *request,
                       const char *plan_path);

#endif
