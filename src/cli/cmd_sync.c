/* SPDX-License-Identifier: Apache-2.0 */
/* rehome sync PLAN: copy and keep in step. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/follow.h"
#include "cli/hosts.h"
#include "cli/itemised.h"
#include "cli/load.h"
#include "cli/say.h"
#include "cli/steps.h"
#include "exec/copy.h"
#include "provider/files.h"

#include <stdio.h>
#include <string.h>

static struct err *
preview_item (const struct invocation *in, const struct plan *plan,
              const struct plan_item *item, struct hosts *hosts,
              const char *migration)
{
  CLEANUP_JSON json_t *r = NULL;
  CLEANUP_FREE char *from = files_from (item->spec);
  CLEANUP_FREE char *shown = text_escape (from, strlen (from));
  struct err *e = copy_preview_item (hosts, plan, item, migration, &r);
  if (e != NULL)
    return err_wrap (e, "looking what a round of files:%s would do", shown);
  if (has (in, OPT_JSON)) {
    json_object_set_new (r, "item", json_bytes (from, strlen (from)));
    say_json (r);
    return NULL;
  }
  printf ("\nfiles:%s\n", shown);
  itemised_print (r);
  if (json_integer_value (json_object_get (r, "differences")) == 0)
    puts ("nothing to do");
  return NULL;
}

/* What a round would send, change and remove, of each item of files. */
static struct err *
preview (const struct invocation *in, const struct loaded *l)
{
  CLEANUP_OPENED struct opened o = { 0 };
  CLEANUP_JSON json_t *facts = NULL;
  const char *migration = NULL;
  if (load_has_journal (l)) {
    TRY (load_facts (l, &facts));
    migration = json_string_value (json_object_get (facts, "migration"));
  }
  TRY (open_hosts (l->plan, &o));
  for (size_t i = 0; i < plan_item_count (l->plan); i++) {
    const struct plan_item *item = plan_item (l->plan, i);
    if (strcmp (item->kind, "files") == 0)
      TRY (preview_item (in, l->plan, item, o.hosts, migration));
  }
  return NULL;
}

int
cmd_sync (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e != NULL)
    return say_err (in, e);
  if (!has (in, OPT_DRY_RUN))
    return follow_request (in, &l, REQUEST_SYNC);
  int status = steps_print (in, l.graph, STAGE_PREFLIGHT, STAGE_ROUND);
  e = preview (in, &l);
  return e != NULL ? say_err (in, e) : status;
}
