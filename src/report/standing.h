/* SPDX-License-Identifier: Apache-2.0 */
/* Where a migration stands, in one line, and the next thing to do: pure
 * functions of the facts. */
#ifndef REHOME_REPORT_STANDING_H
#define REHOME_REPORT_STANDING_H

#include "wire/json.h"

/* "SERVING shop-old | shop-new closed | back: abort, 4 s, loses 0 | next:
 * rehome cutover shop.yaml"; escaped; the caller frees. */
char *standing_line (const json_t *facts);
/* The command to give next, or a sentence; the caller frees. */
char *standing_next (const json_t *facts);
/* Milliseconds as people read them: "0.4 s", "12 s", "3 min 5 s", "2 h 4
 * min"; the caller frees. */
char *standing_duration (int64_t ms);
/* 1234567 as "1,234,567", bytes as "1.2 GB"; the caller frees. */
char *standing_count (int64_t n);
char *standing_bytes (int64_t n);

#endif
