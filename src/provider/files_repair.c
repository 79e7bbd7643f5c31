/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what a proof named: {"examples": [...]} waits on the target. */
#include "provider/files.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static char *
record_path (const struct step_call *call)
{
  CLEANUP_FREE char *index = files_own_index (call, true);
  return steps_path (call, "index/%s.repair", index);
}

struct err *
files_repair_leave (const struct step_call *call, const json_t *compared)
{
  CLEANUP_FREE char *path = record_path (call);
  CLEANUP_JSON json_t *record
      = json_pack ("{s:O}", "examples", json_at (compared, "examples"));
  return remote_record (call->target, path, record);
}

struct err *
files_repair_done (const struct step_call *call)
{
  CLEANUP_FREE char *path = record_path (call);
  return remote_remove (call->target, path);
}

/* Is the very same difference in the list? */
static bool
still_so (const json_t *examples, const json_t *known)
{
  size_t i;
  json_t *one;
  json_array_foreach (
      examples, i,
      one) if (json_equal (json_at (one, "path"), json_at (known, "path"))
               && json_equal (json_at (one, "kinds"), json_at (known, "kinds"))
               && json_equal (json_at (one, "target"),
                              json_at (known, "target"))) return true;
  return false;
}

static void
add_path (json_t *list, const char *root, const json_t *example)
{
  CLEANUP_FREE char *base = text_encode (root, strlen (root));
  const char *rel = json_string_value (json_at (example, "path"));
  if (rel != NULL)
    json_array_append_new (list, json_sprintf ("%s%s%s", base,
                                               *rel != 0 ? "/" : "", rel));
}

/* What differs now. */
static struct err *
look_again (const struct step_call *call, json_t **compared)
{
  CLEANUP_JSON json_t *list = files_args (call, false);
  CLEANUP_JSON json_t *own = files_args (call, true);
  CLEANUP_JSON json_t *listed = NULL;
  json_object_set_new (list, "mode", json_string ("quick"));
  json_object_set_new (list, "baseline", json_true ());
  json_object_set_new (own, "mode", json_string ("quick"));
  return files_compare (call, list, own, &listed, compared);
}

struct err *
files_repair_read (const struct step_call *call, json_t **force,
                   json_t **remove)
{
  CLEANUP_FREE char *path = record_path (call);
  CLEANUP_FREE char *from = files_root (call, false);
  CLEANUP_FREE char *to = files_root (call, true);
  CLEANUP_JSON json_t *record = NULL;
  CLEANUP_JSON json_t *compared = NULL;
  *force = *remove = NULL;
  TRY (remote_recall (call->target, path, &record));
  if (record == NULL)
    return NULL;
  TRY (look_again (call, &compared));
  *force = json_array ();
  *remove = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (json_at (record, "examples"), i, one)
  {
    if (!still_so (json_at (compared, "examples"), one))
      continue;
    bool extra = json_is_null (json_at (one, "source"));
    add_path (extra ? *remove : *force, extra ? to : from, one);
  }
  return NULL;
}
