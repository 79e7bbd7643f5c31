/* SPDX-License-Identifier: Apache-2.0 */
/* rehome owner NAME: the process that owns a migration (started by the other
 * commands, or by rehome@NAME.service). */
#include "cli/command.h"

#include "base/log.h"
#include "cli/say.h"
#include "exec/owner.h"

#include <unistd.h>

int
cmd_owner (const struct invocation *in)
{
  bool left = false;
  struct owner_options o
      = { .state = in->value[OPT_STATE], .name = in->args[0], .batch = true };
  log_set_name ("owner");
  log_set_level (LOG_INFO);
  struct err *e = owner_run (&o, &left);
  int status = say_err (in, e);
  if (left)
    _exit (status); /* a call to a host is still under way */
  return status;
}
