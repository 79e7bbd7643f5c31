/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: the source lists what it holds, the target compares with what it
 * holds.  Before the freeze everything is read from the disks, and what
 * changed on the live source since the last round is left to the next one;
 * inside the freeze what nobody touched need not be read again.
 */
#include "provider/files.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* So many can be repaired one by one; else the whole is copied again. */
#define EXAMPLES 1000

/* "PATH (content, mtime)" */
static char *
example_text (const char *root, const json_t *example)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const char *path = json_string_value (json_at (example, "path"));
  size_t i;
  json_t *kind;
  err_free (buf_printf (&b, "%s%s%s (", root,
                        path != NULL && *path != 0 ? "/" : "",
                        path != NULL ? path : ""));
  json_array_foreach (json_at (example, "kinds"), i, kind) err_free (
      buf_printf (&b, "%s%s", i > 0 ? ", " : "", json_string_value (kind)));
  err_free (buf_put_str (&b, ")"));
  return buf_steal_str (&b);
}

static struct err *
unequal (const char *root, const json_t *result)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const json_t *examples = json_at (result, "examples");
  size_t shown = json_array_size (examples);
  json_int_t all = json_integer_value (json_at (result, "differences"));
  for (size_t i = 0; i < shown && i < 5; i++) {
    CLEANUP_FREE char *text = example_text (root, json_array_get (examples, i));
    TRY (buf_printf (&b, "%s%s", i > 0 ? "; " : "", text));
  }
  if (all > 5)
    TRY (buf_printf (&b, "; and %lld more", (long long)all - 5));
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-FILES-UNEQUAL",
               "source and target differ in %lld entries: %s", (long long)all,
               (const char *)b.data),
      "the source is untouched",
      "find out who wrote on the target; what differs is copied again by the "
      "next rehome sync");
}

/* Leaves for the next round what it has to copy again: {"paths": [...]}, of
 * the source, or {"all": true}. */
static struct err *
leave_repair (const struct step_call *call, const json_t *result)
{
  CLEANUP_FREE char *path = files_repair_path (call);
  CLEANUP_FREE char *root = files_from (call->item->spec);
  CLEANUP_FREE char *base = text_encode (root, strlen (root));
  const json_t *examples = json_at (result, "examples");
  json_t *paths = json_array ();
  CLEANUP_JSON json_t *record = json_pack (
      "{s:b, s:o}", "all",
      json_integer_value (json_at (result, "differences")) > EXAMPLES, "paths",
      paths);
  size_t i;
  json_t *one;
  json_array_foreach (examples, i, one)
  {
    const char *rel = json_string_value (json_at (one, "path"));
    json_array_append_new (paths,
                           json_sprintf ("%s%s%s", base,
                                         rel != NULL && *rel != 0 ? "/" : "",
                                         rel != NULL ? rel : ""));
  }
  return remote_record (call->target, path, record);
}

static json_t *
side_args (const struct step_call *call, bool target, const char *mode)
{
  json_t *args = files_args (call, target);
  json_object_set_new (args, "mode", json_string (mode));
  return args;
}

static struct err *
compare (const struct step_call *call, json_t *list, json_t *own,
         json_t **result)
{
  CLEANUP_JSON json_t *listed = NULL;
  CLEANUP_JSON json_t *compared = NULL;
  const json_t *map = steps_input (call, "accounts#map");
  if (map != NULL) {
    json_object_set (own, "uids", json_at (map, "uids"));
    json_object_set (own, "gids", json_at (map, "gids"));
  }
  json_object_set_new (own, "limit", json_integer (EXAMPLES));
  TRY (call->source->ops->pipe (call->source, "tree.list", list, call->target,
                                "tree.compare", own, call->tick, call->ctx,
                                &listed, &compared));
  CLEANUP_FREE char *root = files_to (call->item->spec);
  if (!json_is_true (json_at (compared, "equal"))) {
    TRY (leave_repair (call, compared));
    return unequal (root, compared);
  }
  json_object_set (compared, "source_digest", json_at (listed, "digest"));
  json_object_set (compared, "source_read", json_at (listed, "read"));
  json_object_set (compared, "source_ms", json_at (listed, "ms"));
  *result = STEAL (compared);
  return NULL;
}

struct err *
files_prove (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *list = side_args (call, false, "full");
  CLEANUP_JSON json_t *own = side_args (call, true, "full");
  json_object_set_new (list, "baseline", json_true ());
  return compare (call, list, own, result);
}

/* Mapped paths lie below the source's root; on the target below another one
 * where the item has `to`. */
static json_t *
on_target (const struct step_call *call, const json_t *paths)
{
  CLEANUP_FREE char *from_path = files_from (call->item->spec);
  CLEANUP_FREE char *to_path = files_to (call->item->spec);
  CLEANUP_FREE char *from = text_encode (from_path, strlen (from_path));
  CLEANUP_FREE char *to = text_encode (to_path, strlen (to_path));
  json_t *out = json_array ();
  size_t i, n = strlen (from);
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *p = json_string_value (one);
    if (p != NULL && strncmp (p, from, n) == 0)
      json_array_append_new (out, json_sprintf ("%s%s", to, p + n));
  }
  return out;
}

struct err *
files_verify (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *list = side_args (call, false, "quick");
  CLEANUP_JSON json_t *own = side_args (call, true, "quick");
  json_t *mapped = json_at (steps_input (call, "move#mapped"), "paths");
  if (json_is_array (mapped)) {
    json_object_set (list, "force", mapped);
    json_object_set_new (own, "force", on_target (call, mapped));
  }
  return compare (call, list, own, result);
}
