/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of rows in the binary form of PostgreSQL's COPY (its manual, COPY,
 * Binary Format): of each row its fields with their lengths, as rows.h does it
 * of lines.  Several streams may follow each other, one of each table; of some
 * of them the first field, an int8, is no part of the row but tells which part
 * of the table it belongs to.
 *
 * The bytes are hostile: what is no such form is an error, nothing of a row is
 * kept, and there are at most GROUPS_MAX groups.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_AGENT_TUPLES_H
#define REHOME_AGENT_TUPLES_H

#include "agent/groups.h"

struct tuples;

/* `streams` (borrowed while it is used; NULL: one stream) are the names of
 * the streams as they will come; one that ends with ":" has parts. */
struct tuples *tuples_new (const json_t *streams);
void tuples_free (struct tuples *t);
/* "RH-PROGRAM-TUPLES": it is no such form, or there is more than was named. */
struct err *tuples_put (struct tuples *t, const void *data, size_t len);
/* The same where something is missing. */
struct err *tuples_end (const struct tuples *t);
/* Number and sum of all rows. */
struct rows *tuples_rows (struct tuples *t);
/* A new object: by "NAME" or "NAME:PART" (percent-encoded) "ROWS SUM". */
json_t *tuples_result (const struct tuples *t);

#endif
