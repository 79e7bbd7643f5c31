/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an approver signs, in the namespace `rehome-approval`:
 *
 *   rehome approval 1
 *   migration shop-1a2b3c4d
 *   plan 64 hex digits
 *   for cutover
 *   role security
 *   name Anna Berg
 *   time 2026-03-01T12:00:05Z
 *   meaning I have read the plan, and the shop may move
 *
 * each line with a newline.  Its record is docs/JOURNAL.md's `approve`.  Pure.
 */
#ifndef REHOME_JOURNAL_APPROVAL_H
#define REHOME_JOURNAL_APPROVAL_H

#include "base/err.h"
#include "wire/json.h"

#define APPROVAL_SPACE "rehome-approval"
#define APPROVAL_MAX 4096

/* `o` has migration, plan, for, role, name, time and meaning, each one line
 * that is not empty: else "RH-APPROVE-FORM".  The caller frees. */
struct err *approval_text (const json_t *o, char **out);
/* Back: exactly such a text, or "RH-APPROVE-FORM". */
struct err *approval_parse (const char *text, json_t **out);

#endif
