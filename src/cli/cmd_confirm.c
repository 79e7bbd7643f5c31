/* SPDX-License-Identifier: Apache-2.0 */
/* rehome confirm NAME: on a target that was rebooted in its guard, started by
 * rehome-confirm@NAME.service before the moved work; or by an operator, to
 * open one that stayed closed. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/say.h"
#include "exec/confirm.h"

#include <stdio.h>

/* The moved work is not held up longer than this by a source that is off. */
#define WAIT_MS 20000

static void
tell (enum confirm_end end, const char *name, const char *why)
{
  switch (end) {
  case CONFIRM_NEEDLESS:
    printf ("Nothing to ask: %s was not rebooted since it was opened, or is "
            "frozen itself.\n",
            name);
    break;
  case CONFIRM_FROZEN:
    printf ("The source is still frozen: %s starts.\n", name);
    break;
  case CONFIRM_SILENT:
    printf ("The source did not answer (%s): %s starts all the same.\n"
            "If somebody thawed the source meanwhile, power one of the two "
            "off now.\n",
            why, name);
    break;
  case CONFIRM_SHUT:
    printf ("%s stays closed here, and its addresses were taken down: %s.\n"
            "Where the source is off for good:\n"
            "    rehome confirm %s --confirm=source-is-off\n"
            "then reboot this machine.\n",
            name, why, name);
    break;
  case CONFIRM_SAID:
    printf ("%s may start here again.  Reboot this machine, or bring its "
            "addresses up and start its units.\n",
            name);
    break;
  }
}

int
cmd_confirm (const struct invocation *in)
{
  struct confirm_options o = { .state = in->value[OPT_STATE],
                               .name = in->args[0],
                               .wait_ms = WAIT_MS,
                               .source_off = in->value[OPT_CONFIRM] != NULL };
  enum confirm_end end = CONFIRM_NEEDLESS;
  CLEANUP_FREE char *why = NULL;
  struct err *e = NULL;
  if (o.source_off)
    e = say_confirm (in, "", "source-is-off", NULL);
  if (e == NULL)
    e = confirm_target (&o, &end, &why);
  if (e != NULL)
    return say_err (in, e);
  tell (end, o.name, why);
  return EXIT_OK;
}
