/* SPDX-License-Identifier: Apache-2.0 */
/* How long declared queries of databases took on the source while it served,
 * and on the target after the opening: from recorded results.  Pure. */
#ifndef REHOME_REPORT_QUERIES_H
#define REHOME_REPORT_QUERIES_H

#include "engine/engine.h"
#include "plan/graph.h"
#include "plan/plan.h"

/* Puts queries: [{"item", "name", "before_us", "after_us", "rows_before",
 * "rows_after"}], without what is not known; nothing where none ran. */
void queries_put (const struct plan *plan, const struct engine *e,
                  json_t *facts);
/* "mariadb:shop, open orders: 1.2 ms before on the source, 0.9 ms after on the
 * target"; the caller frees. */
char *queries_words (const json_t *one);

#endif
