/* SPDX-License-Identifier: Apache-2.0 */
/* What a discard tells. */
#include "provider/provider.h"

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
