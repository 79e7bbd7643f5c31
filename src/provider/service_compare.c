/* SPDX-License-Identifier: Apache-2.0 */
/* Are a unit's files the same on both hosts, and is each unit there? */
#include "provider/service.h"

#include "base/mem.h"
#include "provider/accounts_db.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static const json_t *
unit_in (const json_t *units, const char *name)
{
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    if (strcmp (json_text (one, "unit"), name) == 0)
      return one;
  }
  return NULL;
}

static struct err *
diff_file (const struct step_call *call, const char *path, json_t *diffs)
{
  struct remote_file a CLEANUP_REMOTE = { 0 };
  struct remote_file b CLEANUP_REMOTE = { 0 };
  const json_t *map = steps_input (call, "accounts#map");
  TRY (remote_stat (call->source, path, &a));
  TRY (remote_stat (call->target, path, &b));
  if (!a.exists && !b.exists)
    return NULL;
  if (!a.exists || !b.exists)
    json_array_append_new (diffs,
                           json_sprintf ("%s is missing on the %s", path,
                                         a.exists ? "target" : "source"));
  else if (a.digest == NULL || b.digest == NULL
           || strcmp (a.digest, b.digest) != 0)
    json_array_append_new (diffs, json_sprintf ("%s differs", path));
  else if (a.mode != b.mode)
    json_array_append_new (diffs,
                           json_sprintf ("%s has mode %04o on the source and "
                                         "%04o on the target",
                                         path, a.mode, b.mode));
  else if (accounts_mapped (json_at (map, "uids"), a.uid) != b.uid
           || accounts_mapped (json_at (map, "gids"), a.gid) != b.gid)
    json_array_append_new (
        diffs, json_sprintf ("%s has another owner on the target", path));
  return NULL;
}

/* Files of the source must be there.  What the target has beyond them is its
 * administrator's (limits of the new machine): told, not refused. */
static struct err *
diff_files (const struct step_call *call, const json_t *a, const json_t *b,
            json_t *diffs, json_t *findings)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_at (a, "files"), i, one)
  {
    if (!steps_path_moves (call->plan, json_string_value (one)))
      TRY (diff_file (call, json_string_value (one), diffs));
  }
  json_array_foreach (json_at (b, "files"), i, one)
  {
    if (!words_have (json_at (a, "files"), json_string_value (one)))
      json_array_append_new (findings,
                             json_sprintf ("%s belongs to %s on the target "
                                           "only",
                                           json_string_value (one),
                                           json_text (a, "unit")));
  }
  return NULL;
}

struct err *
service_compare (const struct step_call *call, json_t **result)
{
  const char *unit = service_unit (call->item);
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  json_t *diffs CLEANUP_JSON = json_array ();
  json_t *names CLEANUP_JSON = json_array ();
  json_t *findings CLEANUP_JSON = json_array ();
  TRY (service_read (call->source, unit, &source));
  TRY (service_read (call->target, unit, &target));
  size_t i;
  json_t *one;
  json_array_foreach (source, i, one)
  {
    const char *name = json_text (one, "unit");
    const json_t *there = unit_in (target, name);
    words_add (names, name);
    if (strcmp (json_text (one, "load"), "loaded") != 0)
      continue;
    if (there == NULL || strcmp (json_text (there, "load"), "loaded") != 0) {
      json_array_append_new (diffs, json_sprintf ("%s is missing on the target",
                                                  name));
      continue;
    }
    TRY (diff_files (call, one, there, diffs, findings));
    char *gate CLEANUP_FREE = service_dropin (name, SERVICE_GATE);
    bool closed;
    TRY (remote_exists (call->target, gate, &closed));
    if (!closed)
      json_array_append_new (
          diffs,
          json_sprintf ("the gate of %s is missing on the target", name));
  }
  json_array_foreach (target, i, one)
  {
    if (unit_in (source, json_text (one, "unit")) == NULL
        && strncmp (json_text (one, "fragment"), "/etc/", 5) == 0)
      json_array_append_new (diffs,
                             json_sprintf ("%s exists on the target only",
                                           json_text (one, "unit")));
  }
  if (json_array_size (diffs) > 0)
    return err_todo (steps_unequal ("RH-SERVICE-UNEQUAL", "units are not equal",
                                    diffs),
                     "run 'rehome sync' again, which places them anew");
  *result = json_pack ("{s:O,s:i,s:O}", "units", names, "differences", 0,
                       "findings", findings);
  return NULL;
}
