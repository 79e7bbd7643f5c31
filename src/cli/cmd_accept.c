/* SPDX-License-Identifier: Apache-2.0 */
/* rehome accept PLAN: ends the guard. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/manifests.h"
#include "cli/say.h"
#include "report/facts.h"

#include <stdio.h>
#include <string.h>

static struct err *
confirm (const struct invocation *in, const struct loaded *l)
{
  CLEANUP_JSON json_t *facts = NULL;
  TRY (load_must_have_journal (l));
  TRY (load_facts (l, &facts));
  TRY (load_permitted (l, facts, REQUEST_ACCEPT));
  const char *source = json_string_value (
      json_object_get (json_object_get (facts, "source"), "name"));
  CLEANUP_FREE char *also = facts_host_name (plan_source (l->plan), NULL);
  bool off = strcmp (plan_fence (l->plan), "poweroff") == 0;
  CLEANUP_FREE char *text = mem_printf (
      "This gives up the way back and removes what rehome keeps on both "
      "hosts.%s\nType the name of the source (%s) to go on: ",
      off ? "  The source is then powered off." : "", source);
  return say_confirm (in, text, source, also);
}

/* The hosts forget what they read with the acceptance: a bundle that is made
 * later has it from here. */
static void
keep_manifests (const struct loaded *l)
{
  CLEANUP_ERR struct err *e = manifests_fetch (l);
  if (e != NULL)
    fprintf (stderr, "The manifests were not asked for: %s: %s\n", err_code (e),
             err_message (e));
}

int
cmd_accept (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL)
    e = confirm (in, &l);
  if (e != NULL)
    return say_err (in, e);
  keep_manifests (&l);
  return follow_request (in, &l, REQUEST_ACCEPT);
}
