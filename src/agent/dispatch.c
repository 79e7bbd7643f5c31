/* SPDX-License-Identifier: Apache-2.0 */
/* From the name of a verb to its function; see dispatch.h. */
#include "agent/dispatch.h"

#include "agent/apart.h"
#include "agent/fence.h"
#include "base/text.h"

#include <string.h>

static const struct verb *const tables[]
    = { verbs_host,   verbs_file,    verbs_process, verbs_fence,
        verbs_tree,   verbs_laid,    verbs_keeper,  verbs_program,
        verbs_sqlite, verbs_discard, verbs_tunnel };

/* The verbs that change nothing on the host but caches of their own, and the
 * fence's own, which decide for themselves. */
static const char *const looking[] = {
  "facts",        "space",
  "http",         "file.read",
  "file.stat",    "file.list",
  "process.list", "process.writers",
  "process.open", "process.listeners",
  "fence.claim",  "fence.read",
  "fence.list",   "result.get",
  "tree.usage",   "tree.list",
  "tree.compare", "tree.still",
  "tree.touched", "tree.manifest",
  "tree.digest",  "keeper.status",
  "sqlite.find",  "sqlite.look",
  "sqlite.check", "sqlite.name",
  "tree.given",
};

struct err *
dispatch_find (const char *name, const struct verb **out)
{
  for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
    for (const struct verb *v = tables[t]; v->name != NULL; v++)
      if (strcmp (v->name, name) == 0) {
        *out = v;
        return NULL;
      }
  size_t len = strlen (name);
  CLEANUP_FREE char *shown = text_escape (name, len < 64 ? len : 64);
  return err_new (ERR_CORRUPT, "RH-AGENT-VERB", "the agent has no verb \"%s\"",
                  shown);
}

bool
dispatch_looks (const char *name)
{
  for (size_t i = 0; i < sizeof looking / sizeof looking[0]; i++)
    if (strcmp (looking[i], name) == 0)
      return true;
  return false;
}

struct err *
dispatch_run (const struct verb *verb, struct verb_call *call, json_t **result)
{
  *result = NULL;
  if (!dispatch_looks (verb->name))
    TRY (fence_still_ours ());
  TRY (verb->flags & VERB_APART ? apart_run (verb, verb->name, call, result)
                                : verb->run (call, result));
  if (*result == NULL)
    *result = json_object ();
  return NULL;
}
