/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to its sealed graph of steps: each provider describes what it
 * does for its items, the plan says in which order. */
#include "provider/provider.h"

#include "base/cleanup.h"

#include <string.h>

static struct err *
describe (const char *kind, const struct plan *plan,
          const struct plan_item *item, struct graph *g)
{
  const struct provider *p = provider_find (kind);
  if (p == NULL || p->describe == NULL)
    return err_new (ERR_BUG, "RH-GRAPH-KIND", "nothing describes %s", kind);
  return err_wrap (p->describe (plan, item, g), "steps of %s",
                   item != NULL ? item->name : kind);
}

static long
index_by_name (const struct plan *plan, const char *name)
{
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->name, name) == 0)
      return (long)i;
  return -1;
}

/* The plan's own order of items: `after`. */
static void
order_items (const struct plan *plan, struct graph *g)
{
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const json_t *after = plan_item (plan, i)->after;
    for (size_t k = 0; k < json_array_size (after); k++) {
      const char *name = json_string_value (json_array_get (after, k));
      graph_after (g, (long)i, index_by_name (plan, name));
    }
  }
}

struct err *
provider_compile (const struct plan *plan, struct graph **out)
{
  CLEANUP_GRAPH struct graph *g = graph_new ();
  *out = NULL;
  TRY (describe ("move", plan, NULL, g));
  for (size_t i = 0; i < plan_item_count (plan); i++)
    TRY (describe (plan_item (plan, i)->kind, plan, plan_item (plan, i), g));
  if (json_array_size (plan_switch (plan)) > 0)
    TRY (describe ("address", plan, NULL, g));
  order_items (plan, g);
  TRY (graph_seal (g));
  *out = STEAL (g);
  return NULL;
}
