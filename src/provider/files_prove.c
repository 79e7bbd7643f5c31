/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: the source lists what it holds, the target compares with what it
 * holds.  Before the freeze everything is read from both disks, and what
 * changed on the live source since the last round is left to the next one;
 * inside the freeze what nobody touched need not be read again.
 */
#include "provider/files.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/steps.h"

#include <string.h>

#define EXAMPLES 200

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

struct err *
files_unequal (json_int_t all, const char *examples)
{
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-FILES-UNEQUAL",
               "source and target differ in %lld entries: %s", (long long)all,
               examples),
      "the source is untouched",
      "find out who wrote on the target; what differs is copied again by the "
      "next rehome sync");
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
  return files_unequal (all, b.data != NULL ? (const char *)b.data
                                            : "none is named");
}

static json_t *
side_args (const struct step_call *call, bool target, const char *mode)
{
  json_t *args = files_args (call, target);
  json_object_set_new (args, "mode", json_string (mode));
  return args;
}

static struct err *
check_example (const json_t *example)
{
  const char *path;
  json_t *kinds, *kind;
  size_t i;
  TRY (json_get_str (example, "path", &path));
  TRY (json_get_array (example, "kinds", &kinds));
  json_array_foreach (kinds, i, kind) if (
      !json_is_string (
          kind)) return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                                 "a kind of difference is no word");
  return NULL;
}

/* The other side's answer, before anything is concluded from it. */
static struct err *
check_compared (const json_t *o)
{
  json_t *examples, *one;
  int64_t differences;
  size_t i;
  if (!json_is_boolean (json_at (o, "equal")))
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "a comparison does not say whether all is equal");
  TRY (json_get_int (o, "differences", 0, INT64_MAX, &differences));
  TRY (json_get_array (o, "examples", &examples));
  json_array_foreach (examples, i, one) TRY (check_example (one));
  return NULL;
}

struct err *
files_compare (const struct step_call *call, json_t *list, json_t *own,
               json_t **listed, json_t **compared)
{
  enum files_into into = files_into (call->item->spec);
  files_maps (call, own);
  json_object_set_new (own, "keep",
                       json_boolean (into == INTO_KEEP || into == INTO_MERGE));
  json_object_set_new (own, "limit", json_integer (EXAMPLES));
  TRY (call->source->ops->pipe (call->source, "tree.list", list, call->target,
                                "tree.compare", own, call->tick, call->ctx,
                                listed, compared));
  return check_compared (*compared);
}

static struct err *
compare (const struct step_call *call, json_t *list, json_t *own,
         json_t **result)
{
  CLEANUP_JSON json_t *listed = NULL;
  CLEANUP_JSON json_t *compared = NULL;
  CLEANUP_FREE char *root = files_root (call, true);
  TRY (files_compare (call, list, own, &listed, &compared));
  if (!json_is_true (json_at (compared, "equal"))) {
    TRY (files_repair_leave (call, compared));
    return unequal (root, compared);
  }
  json_object_set (compared, "source_digest", json_at (listed, "digest"));
  json_object_set (compared, "source_read", json_at (listed, "read"));
  json_object_set (compared, "source_ms", json_at (listed, "ms"));
  *result = STEAL (compared);
  return NULL;
}

/* A copy is proven by what its target's disk holds, against the digests with
 * which it left the source; a move reads the source once more, too. */
struct err *
files_prove (const struct step_call *call, json_t **result)
{
  bool copy = files_into (call->item->spec) != INTO_OWN;
  CLEANUP_JSON json_t *list = side_args (call, false, copy ? "quick" : "full");
  CLEANUP_JSON json_t *own = side_args (call, true, "full");
  json_object_set_new (list, "baseline", json_true ());
  return compare (call, list, own, result);
}

/* Mapped paths lie below the source's root; on the target below another one
 * where the item has `to`. */
static json_t *
on_target (const struct step_call *call, const json_t *paths)
{
  CLEANUP_FREE char *from_path = files_root (call, false);
  CLEANUP_FREE char *to_path = files_root (call, true);
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

/* The digest of the frozen source, as its last round walked it; NULL where
 * that says nothing of the whole target. */
static const char *
final_digest (const struct step_call *call)
{
  const json_t *sent
      = steps_input (call, call->back ? "%s#back-final" : "%s#final",
                     call->item->name);
  return files_into (call->item->spec) == INTO_OWN
             ? json_string_value (json_at (sent, "canon"))
             : NULL;
}

/* *result stays NULL where the digests differ. */
static struct err *
same_digest (const struct step_call *call, const json_t *own,
             const char *wanted, json_t **result)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (call->target->ops->call (call->target, "tree.digest", own, call->tick,
                                call->ctx, &got));
  const char *canon = json_string_value (json_at (got, "canon"));
  if (canon == NULL || strcmp (canon, wanted) != 0)
    return NULL;
  json_object_set_new (got, "equal", json_true ());
  json_object_set_new (got, "source_canon", json_string (wanted));
  *result = STEAL (got);
  return NULL;
}

/* The part of `paths` below the item's root, relative to it. */
static void
add_relative (const struct step_call *call, const json_t *paths, json_t *out)
{
  CLEANUP_FREE char *from_path = files_from (call->item->spec);
  CLEANUP_FREE char *from = text_encode (from_path, strlen (from_path));
  size_t i, n = strlen (from);
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *p = json_string_value (one);
    if (p != NULL && strncmp (p, from, n) == 0 && p[n] == '/')
      json_array_append_new (out, json_string (p + n + 1));
  }
}

/* What has to be compared once more: what the rounds wrote behind the proof,
 * where the target has been seen to hold nothing else that is new.  NULL:
 * everything. */
static struct err *
to_compare (const struct step_call *call, json_t *mapped, json_t **out)
{
  CLEANUP_JSON json_t *touched = NULL;
  CLEANUP_FREE char *index = files_index (call->item->spec, true);
  const json_t *settled = steps_input (call, "%s#settled", call->item->name);
  *out = NULL;
  if (call->back || !json_is_true (json_at (settled, "same")))
    return NULL;
  TRY (port_call (call->target, "tree.touched",
                  json_pack ("{s:s, s:s}", "migration", call->migration,
                             "index", index),
                  &touched));
  if (!json_is_true (json_at (touched, "known")))
    return NULL;
  *out = json_deep_copy (json_at (touched, "paths"));
  add_relative (call, mapped, *out);
  return NULL;
}

struct err *
files_verify (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *list = side_args (call, false, "quick");
  CLEANUP_JSON json_t *own = side_args (call, true, "quick");
  CLEANUP_JSON json_t *paths = NULL;
  json_t *mapped = json_at (steps_input (call, "move#mapped"), "paths");
  TRY (to_compare (call, mapped, &paths));
  if (json_is_array (mapped)) {
    json_object_set (list, "force", mapped);
    json_object_set_new (own, "force", on_target (call, mapped));
  }
  const char *wanted = paths == NULL ? final_digest (call) : NULL;
  if (wanted != NULL)
    TRY (same_digest (call, own, wanted, result));
  if (*result != NULL)
    return NULL;
  if (paths != NULL) {
    json_object_set (list, "paths", paths);
    json_object_set (own, "paths", paths);
  }
  TRY (compare (call, list, own, result));
  if (paths != NULL) { /* the whole was counted by the proof before */
    json_object_set (*result, "again", json_at (*result, "entries"));
    json_object_del (*result, "entries");
    json_object_del (*result, "digest");
  }
  return NULL;
}
