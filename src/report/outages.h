/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When neither server took writes, and what of it fell into which clock hour
 * and which quarter of an hour: records that are kept by the hour (40 CFR
 * 75.57) name their gaps so.  Pure.
 */
#ifndef REHOME_REPORT_OUTAGES_H
#define REHOME_REPORT_OUTAGES_H

#include "wire/json.h"

/* `phases` as in facts.h.  An array, oldest first, of {"at_ms", "ms",
 * "hours": [{"at_ms", "ms"}], "quarters": [{"at_ms", "ms"}]}: the times are of
 * UTC and begin an hour or a quarter.  It begins with the phase that freezes
 * and ends with the record that names a writer again, so it is never shorter
 * than what was out.  An outage that goes on is not in it. */
json_t *outages_make (const json_t *phases);

#endif
