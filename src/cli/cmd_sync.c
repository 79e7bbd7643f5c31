/* SPDX-License-Identifier: Apache-2.0 */
/* rehome sync PLAN: copy and keep in step. */
#include "cli/command.h"

#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "cli/steps.h"

int
cmd_sync (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e != NULL)
    return say_err (in, e);
  if (has (in, OPT_DRY_RUN))
    return steps_print (in, l.graph, STAGE_PREFLIGHT, STAGE_ROUND);
  return follow_request (in, &l, REQUEST_SYNC);
}
