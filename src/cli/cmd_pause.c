/* SPDX-License-Identifier: Apache-2.0 */
/* rehome pause PLAN: stop: a copy at once, all else at the step's
 * end. */
#include "cli/command.h"

#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"

int
cmd_pause (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL)
    e = load_must_have_journal (&l);
  return e != NULL ? say_err (in, e) : follow_request (in, &l, REQUEST_PAUSE);
}
