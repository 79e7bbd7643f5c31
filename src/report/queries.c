/* SPDX-License-Identifier: Apache-2.0 */
#include "report/queries.h"

#include "base/mem.h"
#include "report/words.h"

static const json_t *
times_of (const struct engine *e, const struct plan_item *item, const char *op)
{
  CLEANUP_FREE char *id = mem_printf ("%s#%s", item->name, op);
  return json_object_get (engine_result (e, id), "queries");
}

static void
put_one (json_t *all, const char *item, const char *name, const json_t *before,
         const json_t *after)
{
  if (before == NULL && after == NULL)
    return;
  json_array_append_new (
      all, json_pack ("{s:s, s:s, s:O*, s:O*, s:O*, s:O*}", "item", item,
                      "name", name, "before_us", json_object_get (before, "us"),
                      "after_us", json_object_get (after, "us"), "rows_before",
                      json_object_get (before, "rows"), "rows_after",
                      json_object_get (after, "rows")));
}

void
queries_put (const struct plan *plan, const struct engine *e, json_t *facts)
{
  json_t *all = json_array ();
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    const json_t *before = times_of (e, item, "prove");
    const json_t *after = times_of (e, item, "queries");
    size_t k;
    json_t *query;
    json_array_foreach (json_object_get (item->spec, "queries"), k, query)
    {
      const char *name = json_string_value (json_object_get (query, "name"));
      put_one (all, item->name, name, json_object_get (before, name),
               json_object_get (after, name));
    }
  }
  if (json_array_size (all) > 0)
    json_object_set (facts, "queries", all);
  json_decref (all);
}

static char *
took (const json_t *one, const char *key)
{
  const json_t *us = json_object_get (one, key);
  return us == NULL
             ? mem_strdup ("not timed")
             : mem_printf ("%.1f ms", (double)json_integer_value (us) / 1000);
}

char *
queries_words (const json_t *one)
{
  CLEANUP_FREE char *item = words_of (one, "item");
  CLEANUP_FREE char *name = words_of (one, "name");
  CLEANUP_FREE char *before = took (one, "before_us");
  CLEANUP_FREE char *after = took (one, "after_us");
  return mem_printf ("%s, %s: %s before on the source, %s after on the target",
                     item, name, before, after);
}
