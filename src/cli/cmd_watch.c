/* SPDX-License-Identifier: Apache-2.0 */
/* rehome watch PLAN: show what happens until it rests. */
#include "cli/command.h"

#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"

int
cmd_watch (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  uint64_t since = 0;
  struct err *e = load_plan (in, in->args[0], &l);
  if (e == NULL)
    e = load_must_have_journal (&l);
  if (e == NULL)
    e = load_since (in, &l, &since);
  return e != NULL ? say_err (in, e) : follow_watch (in, &l, since);
}
