/* SPDX-License-Identifier: Apache-2.0 */
/* rehome abort PLAN: before the pivot the source serves again. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/hosts.h"
#include "cli/load.h"
#include "cli/say.h"
#include "engine/phases.h"
#include "exec/ownkey.h"

#include <stdio.h>
#include <string.h>

/* A key that was approved, and then nothing was begun, or not again: no owner
 * takes it away. */
static struct err *
only_a_key (const struct loaded *l, bool *yes)
{
  CLEANUP_FREE char *key = ownkey_path (&l->place);
  CLEANUP_JSON json_t *facts = NULL;
  *yes = key != NULL;
  if (key == NULL || !load_has_journal (l))
    return NULL;
  TRY (load_facts (l, &facts));
  const char *phase = json_string_value (json_object_get (facts, "phase"));
  *yes = phase != NULL && strcmp (phase, phase_name (PHASE_ABORTED)) == 0;
  return NULL;
}

static struct err *
drop_key (struct loaded *l)
{
  CLEANUP_OPENED struct opened o = { 0 };
  TRY (open_hosts (l->plan, &o));
  TRY (ownkey_remove (&l->place, o.hosts));
  fputs ("Nothing is to be undone; the migration's own key was removed.\n",
         stderr);
  return NULL;
}

int
cmd_abort (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  bool key = false;
  if (e == NULL)
    e = only_a_key (&l, &key);
  if (e == NULL && key)
    return say_err (in, drop_key (&l));
  if (e == NULL)
    e = load_must_have_journal (&l);
  return e != NULL ? say_err (in, e) : follow_request (in, &l, REQUEST_ABORT);
}
