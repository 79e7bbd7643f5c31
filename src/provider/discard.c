/* SPDX-License-Identifier: Apache-2.0 */
/* What a discard tells, and what those of databases share. */
#include "provider/discard.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static json_t *
list_of (json_t *out, const char *key)
{
  json_t *list = json_object_get (out, key);
  if (list == NULL) {
    list = json_array ();
    json_object_set_new (out, key, list);
  }
  return list;
}

void
discard_removed (json_t *out, const char *what, json_int_t entries,
                 json_int_t bytes)
{
  json_array_append_new (list_of (out, "removed"),
                         json_pack ("{s:s, s:I, s:I}", "what", what, "entries",
                                    entries, "bytes", bytes));
}

void
discard_restored (json_t *out, const char *what)
{
  json_array_append_new (list_of (out, "restored"), json_string (what));
}

void
discard_kept (json_t *out, const char *what, const char *why)
{
  json_array_append_new (list_of (out, "kept"),
                         json_pack ("{s:s, s:s}", "what", what, "why", why));
}

struct err *
discard_others (const struct step_call *call,
                char *(*record) (const struct step_call *call), bool *out)
{
  *out = false;
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    struct step_call other = *call;
    other.item = plan_item (call->plan, i);
    if (other.item == call->item
        || strcmp (other.item->kind, call->item->kind) != 0)
      continue;
    char *path CLEANUP_FREE = record (&other);
    bool there;
    TRY (remote_exists (call->target, path, &there));
    *out |= there;
  }
  return NULL;
}

struct err *
discard_made (const struct step_call *call, const char *path,
              struct err *(*drop) (const struct step_call *call,
                                   const char *name, bool dry, json_t *out,
                                   bool *gone),
              bool dry, json_t *out)
{
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  json_t *made = json_object_get (record, "made");
  for (size_t i = json_array_size (made); i-- > 0;) {
    bool gone;
    char *name CLEANUP_FREE
        = mem_strdup (json_string_value (json_array_get (made, i)));
    TRY (drop (call, name, dry, out, &gone));
    if (dry || !gone)
      continue;
    json_array_remove (made, i);
    TRY (remote_record (call->target, path, record));
  }
  return NULL;
}
