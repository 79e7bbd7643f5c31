/* SPDX-License-Identifier: Apache-2.0 */
/* What the next copy would do, from names and metadata alone: nothing is
 * written on either side, no content is read. */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/steps.h"

#include <string.h>

#define ITEMS 10000

static json_t *
side_args (const struct step_call *call, bool known, bool target)
{
  json_t *args = files_args (call, target);
  json_object_set_new (args, "mode", json_string ("stat"));
  if (!known) {
    json_object_del (args, "migration");
    json_object_del (args, "index");
  }
  return args;
}

static struct err *
look (const struct step_call *call, bool known, bool baseline, json_t **result)
{
  CLEANUP_JSON json_t *list = side_args (call, known, false);
  CLEANUP_JSON json_t *own = side_args (call, known, true);
  CLEANUP_JSON json_t *listed = NULL;
  enum files_into into = files_into (call->item->spec);
  files_maps (call, own);
  json_object_set_new (list, "baseline", json_boolean (baseline));
  json_object_set_new (own, "preview", json_true ());
  json_object_set_new (own, "keep", json_boolean (into != INTO_MIRROR));
  json_object_set_new (own, "limit", json_integer (ITEMS));
  return call->source->ops->pipe (call->source, "tree.list", list, call->target,
                                  "tree.compare", own, call->tick, call->ctx,
                                  &listed, result);
}

struct err *
files_preview (const struct step_call *call, bool known, json_t **result)
{
  CLEANUP_JSON json_t *inway = NULL;
  TRY (files_inway (call, &inway));
  struct err *e = look (call, known, known, result);
  if (known && e != NULL && strcmp (err_code (e), "RH-TREE-NOBASE") == 0) {
    err_free (e);
    e = look (call, known, false, result);
  }
  if (e == NULL)
    json_object_set (*result, "findings", json_at (inway, "findings"));
  return e;
}
