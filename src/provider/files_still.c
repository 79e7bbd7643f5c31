/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at one side alone, so that little has to be compared inside the
 * freeze.  Before it the target is looked at: nobody but the rounds wrote
 * there since all of it was read back and compared, so behind the last round
 * only what the rounds wrote is compared once more.  Behind the freeze, while
 * the target's services start, all of the source is walked: it is what the
 * last round gave, whatever a watcher may have missed.
 */
#include "provider/files.h"

#include "base/buf.h"
#include "provider/steps.h"

#include <string.h>

static json_t *
still_args (const struct step_call *call, bool target)
{
  json_t *args = files_args (call, target);
  json_object_set_new (args, "against",
                       json_string (target ? "seen" : "acked"));
  json_object_set_new (args, "touched", json_boolean (target));
  return args;
}

/* The paths in an error, each below its root. */
static struct err *
different (const struct step_call *call, bool target, const json_t *looked)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  CLEANUP_FREE char *root
      = target ? files_to (call->item->spec) : files_from (call->item->spec);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (looked, "examples"), i, one)
  {
    const char *path = json_string_value (one);
    if (i < 5)
      TRY (buf_printf (&b, "%s%s%s%s", i > 0 ? "; " : "", root,
                       path != NULL && *path != 0 ? "/" : "",
                       path != NULL ? path : ""));
  }
  json_int_t all = json_integer_value (json_at (looked, "differences"));
  if (all > 5)
    TRY (buf_printf (&b, "; and %lld more", (long long)all - 5));
  TRY (buf_printf (&b, " (written on the %s meanwhile)",
                   target ? "target" : "source"));
  return files_unequal (all, (const char *)b.data);
}

/* Where it is not known what was written, all is compared later. */
struct err *
files_settled (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *looked = NULL;
  struct err *e = port_call (call->target, "tree.still",
                             still_args (call, true), &looked);
  if (e != NULL && strcmp (err_code (e), "RH-TREE-NOBASE") == 0) {
    *result = json_pack ("{s:b, s:s}", "same", 0, "why", err_message (e));
    err_free (e);
    return NULL;
  }
  TRY (e);
  if (!json_is_true (json_at (looked, "same")))
    return different (call, true, looked);
  *result = STEAL (looked);
  return NULL;
}

struct err *
files_still (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *looked = NULL;
  TRY (port_call (call->source, "tree.still", still_args (call, false),
                  &looked));
  if (!json_is_true (json_at (looked, "same")))
    return different (call, false, looked);
  *result = STEAL (looked);
  return NULL;
}
