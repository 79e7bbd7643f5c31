/* SPDX-License-Identifier: Apache-2.0 */
/* Facts as words, for both forms of the report: sentences that must read the
 * same in each.  Pure; strings are escaped for terminals; the caller frees. */
#ifndef REHOME_REPORT_WORDS_H
#define REHOME_REPORT_WORDS_H

#include "wire/json.h"

/* "What 0 lost covers": the first line of every report. */
char *words_covers (const json_t *facts);
/* "Downtime 3.2 s as the controller saw it; forecast 2.0 s to 5.8 s: held",
 * or NULL before a cutover. */
char *words_downtime (const json_t *facts);
/* The same of the way back; NULL before the pivot. */
char *words_back (const json_t *facts);
/* What a database holds, "4 tables, about 3,060,000 rows, 2 views". */
char *words_holds (const json_t *holds);
/* "20,123 files, 45 MB; all equal (sha256 1f3a...)". */
char *words_item (const json_t *item);
/* One finding, "CODE message (step)". */
char *words_finding (const json_t *finding);
/* "source, guarded: signed by SHA256:...", or why not. */
char *words_witness (const json_t *witness);
/* "Anna Berg as owner, for cutover, 2026-03-01T12:00:05Z: "TEXT", key
 * SHA256:...". */
char *words_approval (const json_t *approval);
/* "cutover"; with what was confirmed of a way back that is not proven. */
char *words_request (const json_t *request);
/* "proven by the plan's check", "waived by Anna: because", or that neither is
 * there. */
char *words_backup (const json_t *facts);
/* "What was kept aside belongs to NAME and may be purged from ... on", with
 * what was, and until when the evidence is kept. */
char *words_kept (const json_t *facts);
/* "removed from the target: PATH, 12 entries, SHA-256 ..." */
char *words_purged (const json_t *one);
/* "12, 40, 41 and 3 more", "none". */
char *words_records (const json_t *line);
/* "2026-11-21 02:00:01 UTC". */
char *words_time (int64_t ms);
/* A member of an object, escaped; "" where absent. */
char *words_of (const json_t *o, const char *key);

/* What of the source documents a section answers, "S0.34, S1.4", or NULL. */
const char *words_demands (const char *section);

#endif
