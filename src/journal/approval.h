/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an approver signs, in the namespace `rehome-approval`:
 *
 *   rehome approval 1
 *   migration shop-1a2b3c4d
 *   plan 64 hex digits
 *   head 123 64 hex digits
 *   for cutover
 *   role security
 *   name Anna Berg
 *   time 2026-03-01T12:00:05Z
 *   meaning I have read the plan, and the shop may move
 *
 * each line with a newline.  `head` is the journal's when the text was made, so
 * that a chain that was written anew afterwards does not fit the signature;
 * before the first record it is 0 and what the chain begins with.  Its record
 * is docs/JOURNAL.md's `approve`.  Pure.
 */
#ifndef REHOME_JOURNAL_APPROVAL_H
#define REHOME_JOURNAL_APPROVAL_H

#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

#define APPROVAL_SPACE "rehome-approval"
#define APPROVAL_MAX 4096

/* `o` has migration, plan, head, for, role, name, time and meaning, each one
 * line that is not empty: else "RH-APPROVE-FORM".  The caller frees. */
struct err *approval_text (const json_t *o, char **out);
/* Back: exactly such a text, or "RH-APPROVE-FORM". */
struct err *approval_parse (const char *text, json_t **out);
/* The head that `o` names, or "RH-APPROVE-FORM". */
struct err *approval_head (const json_t *o, uint64_t *seq, char hash[65]);
/* How a text names one; the caller frees. */
char *approval_head_text (uint64_t seq, const char *hash);

#endif
