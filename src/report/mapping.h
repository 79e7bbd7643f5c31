/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was done, by the lines of the rules that auditors ask for, each with
 * the numbers of the records that show it.
 */
#ifndef REHOME_REPORT_MAPPING_H
#define REHOME_REPORT_MAPPING_H

#include "journal/record.h"
#include "plan/graph.h"

struct mapping;

struct mapping *mapping_new (const struct graph *g);
void mapping_free (struct mapping *m);
/* In the journal's order. */
void mapping_record (struct mapping *m, const struct record *r);
/* [{"rule", "line", "asks", "records": [SEQ...], "more": N}]: at most 12
 * numbers of a line, the first ones and the last, and how many there are
 * besides; none where nothing shows it (yet).  New reference. */
json_t *mapping_make (const struct mapping *m);

#endif
