/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request needs besides its phase: approvals by roles, and a backup
 * that was restored.  Pure.
 *
 * The plan says which roles there are; the `planned` record repeats it, so the
 * fold needs the journal alone.  An `approve` record {"approval": {"role",
 * "name", "account", "for", "plan", "time", "meaning", "fingerprint",
 * "signature"}} counts while the plan of that hash is the one that is
 * followed; exec has checked its signature before it was written.
 */
#ifndef REHOME_ENGINE_PERMIT_H
#define REHOME_ENGINE_PERMIT_H

#include "engine/engine.h"

/* What can be approved: cutover, accept, rollback. */
bool permit_can_be_approved (enum request r);
/* The roles that have yet to approve, as an array: with one role that role for
 * a cutover; with two, both for a cutover, and one of them for accept and
 * rollback, which is given as one text "A or B".  `roles` is an array of
 * names, `given` one of approvals.  The caller releases it. */
json_t *permit_missing (const json_t *roles, const json_t *given,
                        enum request r);

#endif
