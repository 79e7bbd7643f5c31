/* SPDX-License-Identifier: Apache-2.0 */
/* After an abort the copy goes: what the source acknowledges to have sent and
 * is still so.  What was in its place before comes back. */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/discard.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static const char *
why_kept (const char *word)
{
  if (word != NULL && strcmp (word, "foreign") == 0)
    return "the move did not put it there";
  if (word != NULL && strcmp (word, "changed") == 0)
    return "it was changed since";
  return "it cannot be removed";
}

static struct err *
name_kept (const char *root, const json_t *got, json_t *out)
{
  json_int_t all = json_integer_value (json_at (got, "kept"));
  json_t *examples = json_at (got, "examples");
  size_t i;
  json_t *one;
  json_array_foreach (examples, i, one)
  {
    CLEANUP_FREE char *path = NULL;
    size_t len;
    TRY (json_get_bytes (one, "path", &path, &len));
    CLEANUP_FREE char *whole
        = mem_printf ("%s%s%s", root, len > 0 ? "/" : "", path);
    discard_kept (out, whole,
                  why_kept (json_string_value (json_at (one, "why"))));
  }
  if (all > (json_int_t)json_array_size (examples)) {
    CLEANUP_FREE char *more
        = mem_printf ("%lld more below %s",
                      (long long)all - (long long)json_array_size (examples),
                      root);
    discard_kept (out, more, "not put there by the move, or changed since");
  }
  return NULL;
}

/* Where nothing was acknowledged nobody knows what is ours. */
static struct err *
unknown (const struct step_call *call, const char *root, struct err *e,
         json_t *out)
{
  bool there;
  if (strcmp (err_code (e), "RH-TREE-NOBASE") != 0)
    return e;
  err_free (e);
  TRY (remote_exists (call->target, root, &there));
  if (there)
    discard_kept (out, root,
                  "its first copy did not end: what of it was sent "
                  "is not known");
  return NULL;
}

static struct err *
remove_copy (const struct step_call *call, bool dry, const char *root,
             json_t *out)
{
  CLEANUP_FREE char *from = files_own_index (call, false);
  CLEANUP_JSON json_t *which
      = json_pack ("{s:s, s:s}", "migration", call->migration, "index", from);
  CLEANUP_JSON json_t *what
      = json_pack ("{s:o, s:b, s:i}", "root", json_bytes (root, strlen (root)),
                   "dry", dry, "limit", 20);
  CLEANUP_JSON json_t *given = NULL;
  CLEANUP_JSON json_t *got = NULL;
  struct err *e = call->source->ops->pipe (call->source, "tree.given", which,
                                           call->target, "tree.discard", what,
                                           call->tick, call->ctx, &given, &got);
  if (e != NULL)
    return unknown (call, root, e, out);
  uint64_t bytes;
  TRY (json_get_u64 (got, "bytes", &bytes));
  json_int_t entries = json_integer_value (json_at (got, "entries"));
  if (entries > 0)
    discard_removed (out, root, entries, (json_int_t)bytes);
  return name_kept (root, got, out);
}

/* What was moved aside, from wherever it lies: see tree/claim.c. */
static struct err *
restore (const struct step_call *call, bool dry, bool ours, const char *root,
         json_t *out)
{
  CLEANUP_FREE char *index = files_own_index (call, true);
  CLEANUP_FREE char *aside = steps_path (call, "aside/%s", index);
  const char *leaf = strrchr (root, '/') + 1;
  CLEANUP_FREE char *beside
      = mem_printf ("%.*s.%s.rehome-aside", (int)(leaf - root), root, leaf);
  const char *const places[] = { aside, beside };
  for (size_t i = 0; i < 2; i++) {
    bool kept, taken;
    TRY (remote_exists (call->target, places[i], &kept));
    if (!kept)
      continue;
    TRY (remote_exists (call->target, root, &taken));
    if (taken && !(dry && ours)) {
      discard_kept (out, places[i], "its old place is not free");
      continue;
    }
    if (!dry)
      TRY (remote_rename (call->target, places[i], root, false));
    discard_restored (out, root);
  }
  return NULL;
}

/* Once nothing of the copy is left the place is not ours any more: what comes
 * back there is never taken for a copy. */
static struct err *
give_up (const struct step_call *call, const char *own, const char *root)
{
  bool left;
  TRY (remote_exists (call->target, root, &left));
  return left ? NULL : remote_remove (call->target, own);
}

struct err *
files_discard (const struct step_call *call, bool dry, json_t *out)
{
  CLEANUP_FREE char *root = files_root (call, true);
  CLEANUP_FREE char *index = files_own_index (call, true);
  CLEANUP_FREE char *own = steps_path (call, "index/%s.own", index);
  bool ours;
  TRY (remote_exists (call->target, own, &ours));
  if (ours && files_into (call->item->spec) != INTO_OWN) {
    discard_kept (out, root, "it was copied into what was there before");
    return NULL;
  }
  if (ours)
    TRY (remove_copy (call, dry, root, out));
  if (ours && !dry)
    TRY (give_up (call, own, root));
  return restore (call, dry, ours, root, out);
}
