/* SPDX-License-Identifier: Apache-2.0 */
/* rehome copy ITEM ITEM: a plan of one item, with its own journal. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/both.h"
#include "cli/say.h"
#include "cli/view.h"
#include "exec/copy.h"
#include "journal/record.h"
#include "provider/provider.h"
#include "report/moved.h"
#include "report/standing.h"

#include <stdio.h>
#include <string.h>

static json_t *
host_of (const struct address *a)
{
  CLEANUP_FREE char *url = a->host == NULL ? mem_strdup ("local")
                           : a->port != 0
                               ? mem_printf ("ssh://%s:%d", a->host, a->port)
                               : mem_strdup (a->host);
  return json_pack ("{s:s}", "host", url);
}

/* JSON is YAML: the plan of one item. */
static char *
plan_of (const struct invocation *in, const struct both *i)
{
  char name[65];
  CLEANUP_FREE char *both = mem_printf ("%s %s", in->args[0], in->args[1]);
  record_hash (both, strlen (both), name);
  CLEANUP_FREE char *copy = mem_printf ("copy-%.8s", name);
  json_t *item = json_pack ("{s:s}", "files", i->from.name);
  if (has (in, OPT_EXCLUDE))
    json_object_set_new (item, "exclude",
                         json_pack ("[s]", in->value[OPT_EXCLUDE]));
  CLEANUP_JSON json_t *plan
      = json_pack ("{s:i, s:s, s:o, s:o, s:[o]}", "rehome", 1, "name", copy,
                   "source", host_of (&i->from), "target", host_of (&i->to),
                   "items", item);
  return json_line (plan);
}

static void
on_progress (void *ctx, const json_t *progress)
{
  view_progress (ctx, progress);
}

/* Copies have a place of their own: they are no migrations to be listed. */
static char *
state_of_copies (const struct invocation *in)
{
  CLEANUP_FREE char *dflt = place_default_state ();
  const char *given = in->value[OPT_STATE];
  return mem_printf ("%s/copies", given != NULL ? given : dflt);
}

static struct err *
run (const struct invocation *in, const struct plan *plan, const char *agent,
     json_t **result)
{
  CLEANUP_PLACE struct place place = { 0 };
  CLEANUP_GRAPH struct graph *graph = NULL;
  TRY (provider_compile (plan, &graph));
  CLEANUP_FREE char *state = state_of_copies (in);
  TRY (place_find (state, plan_name (plan), &place));
  struct view *view = view_new (graph, has (in, OPT_JSON));
  struct copy c = { .place = &place,
                    .plan = plan,
                    .agent_path = agent,
                    .progress = on_progress,
                    .ctx = view };
  struct err *e = copy_run (&c, result);
  view_end (view);
  view_free (view);
  return e;
}

static struct err *
copy (const struct invocation *in)
{
  CLEANUP_BOTH struct both i = { 0 };
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_JSON json_t *result = NULL;
  TRY (both_parse (in, &i));
  if (strcmp (i.from.name, i.to.name) != 0)
    return err_advise (err_new (ERR_CORRECT, "RH-CLI-COPYPATH",
                                "this version copies %s to the same path "
                                "alone, not to %s",
                                i.from.name, i.to.name),
                       "nothing was changed",
                       "give the same path on both sides");
  TRY (place_agent (&i.agent));
  CLEANUP_FREE char *text = plan_of (in, &i);
  TRY (plan_parse (text, strlen (text), "copy", provider_kinds (), &plan));
  TRY (run (in, plan, i.agent, &result));
  CLEANUP_FREE char *files
      = standing_count (moved_number (json_object_get (result, "files")));
  CLEANUP_FREE char *bytes
      = standing_bytes (moved_number (json_object_get (result, "bytes")));
  if (has (in, OPT_JSON))
    say_json (result);
  else
    printf ("copied: %s files, %s\nnext: rehome compare %s %s\n", files, bytes,
            in->args[0], in->args[1]);
  return NULL;
}

int
cmd_copy (const struct invocation *in)
{
  return say_err (in, copy (in));
}
