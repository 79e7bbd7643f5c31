/* SPDX-License-Identifier: Apache-2.0 */
/* rehome test PLAN: the way there and back, rehearsed on a copy. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "cli/steps.h"

#include <inttypes.h>
#include <stdio.h>

/* What it showed, where it passed. */
static void
say_passed (const struct loaded *l)
{
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_ERR struct err *e = load_facts (l, &facts);
  const json_t *r = json_object_get (facts, "rehearsal");
  if (e != NULL || !json_is_object (r))
    return;
  fprintf (stderr,
           "The services started on the target on a copy and wrote (%" PRId64
           " files changed); the source's versions started on what came "
           "back.\nNo client was asked or answered.  Until the plan or a "
           "package changes, the way back counts.\n",
           (int64_t)json_integer_value (json_object_get (r, "written")));
}

int
cmd_test (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL && has (in, OPT_DRY_RUN))
    return steps_print (in, l.graph, STAGE_ROUND, STAGE_TEST);
  if (e == NULL)
    e = load_must_have_journal (&l);
  if (e != NULL)
    return say_err (in, e);
  int status = follow_request (in, &l, REQUEST_TEST);
  if (status == EXIT_OK)
    say_passed (&l);
  return status;
}
