/* SPDX-License-Identifier: Apache-2.0 */
/* How long evidence and what was kept aside are kept, as facts.  Pure. */
#ifndef REHOME_REPORT_KEEPING_H
#define REHOME_REPORT_KEEPING_H

#include "plan/plan.h"

/* Puts "retention" ("YYYY-MM-DD", or null) and "kept": {"owner" (or null),
 * "until_ms" (once the migration has ended), "purged": [{"host", "path",
 * "entries", "bytes", "digest"}]}; and takes out of "left" what was purged.
 * `facts` has phase, phases and left; `purged` is an array. */
void keeping_put (const struct plan *plan, const json_t *purged, json_t *facts);

#endif
