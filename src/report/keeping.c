/* SPDX-License-Identifier: Apache-2.0 */
/* Retention, owner and expiry; see keeping.h. */
#include "report/keeping.h"

#include "engine/engine.h"
#include "exec/purge.h"

#include <string.h>

static bool
is_end (const char *phase)
{
  return strcmp (phase, phase_name (PHASE_ACCEPTED)) == 0
         || strcmp (phase, phase_name (PHASE_ROLLED_BACK)) == 0
         || strcmp (phase, phase_name (PHASE_ABORTED)) == 0;
}

/* When it ended; 0: it goes on. */
static int64_t
ended_ms (const json_t *facts)
{
  const json_t *phases = json_object_get (facts, "phases");
  size_t n = json_array_size (phases);
  const json_t *last = n > 0 ? json_array_get (phases, n - 1) : NULL;
  const char *phase = json_string_value (json_object_get (last, "phase"));
  return phase != NULL && is_end (phase)
             ? json_integer_value (json_object_get (last, "at_ms"))
             : 0;
}

static bool
is_purged (const json_t *purged, const json_t *entry)
{
  size_t i;
  json_t *one;
  json_array_foreach (purged, i, one)
  {
    if (json_equal (json_object_get (one, "path"),
                    json_object_get (entry, "what"))
        && json_equal (json_object_get (one, "host"),
                       json_object_get (entry, "host")))
      return true;
  }
  return false;
}

static json_t *
still_left (const json_t *left, const json_t *purged)
{
  json_t *still = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (left, i, one)
  {
    if (!is_purged (purged, one))
      json_array_append (still, one);
  }
  return still;
}

void
keeping_put (const struct plan *plan, const json_t *purged, json_t *facts)
{
  const json_t *keeping = plan_keeping (plan);
  json_t *date = json_object_get (keeping, "retention");
  json_t *owner = json_object_get (keeping, "owner");
  int64_t until = purge_expiry (plan, ended_ms (facts));
  json_t *kept = json_object ();
  json_object_set_new (kept, "owner",
                       owner != NULL ? json_incref (owner) : json_null ());
  if (until != 0)
    json_object_set_new (kept, "until_ms", json_integer (until));
  json_object_set_new (kept, "purged", json_deep_copy (purged));
  json_object_set_new (facts, "kept", kept);
  json_object_set_new (facts, "retention",
                       date != NULL ? json_incref (date) : json_null ());
  json_object_set_new (facts, "left",
                       still_left (json_object_get (facts, "left"), purged));
}
