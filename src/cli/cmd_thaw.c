/* SPDX-License-Identifier: Apache-2.0 */
/* rehome thaw: break-glass, on the source itself. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/say.h"
#include "exec/place.h"
#include "link/link.h"
#include "provider/move.h"
#include "report/words.h"

#include <stdio.h>
#include <unistd.h>

static void
close_link (struct link **l)
{
  link_close (*l);
}

static size_t
print (const json_t *report)
{
  size_t i, failed = 0;
  json_t *s;
  json_array_foreach (json_object_get (report, "steps"), i, s)
  {
    CLEANUP_FREE char *why = words_of (s, "why");
    CLEANUP_FREE char *command = words_of (s, "command");
    json_int_t status = json_integer_value (json_object_get (s, "status"));
    printf ("%s %s\n    %s\n", status == 0 ? "done " : "error", why, command);
    failed += status != 0;
  }
  json_int_t rounds
      = json_integer_value (json_object_get (report, "rounds_not_applied"));
  if (rounds > 0)
    printf ("LOST here: all that the target took after it was opened.  %lld "
            "reverse rounds of it\nlie in /var/lib/rehome/%s/back; they were "
            "not put into the files.\n",
            (long long)rounds,
            json_string_value (json_object_get (report, "migration")));
  return failed;
}

static struct err *
thaw (const struct invocation *in, bool *all)
{
  CLEANUP (close_link) struct link *l = NULL;
  CLEANUP_FREE char *agent = NULL;
  CLEANUP_JSON json_t *report = NULL;
  TRY (place_agent (&agent));
  struct link_where where
      = { .name = "source", .host = "local", .agent_path = agent };
  TRY (link_open (&where, &l));
  TRY (move_thaw (link_port (l), in->arg_count > 0 ? in->args[0] : NULL,
                  &report));
  if (has (in, OPT_JSON))
    say_json (report);
  else
    *all = print (report) == 0;
  return NULL;
}

int
cmd_thaw (const struct invocation *in)
{
  bool all = true;
  if (has (in, OPT_DRY_RUN)) {
    printf ("The commands stand in %s; nothing was done.\n", MOVE_TEXT);
    return access (MOVE_TEXT, R_OK) == 0 ? EXIT_OK : EXIT_FAILED;
  }
  struct err *e = say_confirm (
      in,
      "This brings the frozen work on THIS machine back into service and takes "
      "the migration\naway from its controller.  If the target still runs, two "
      "servers take writes: power it\noff first, or cut it off the network.  "
      "All that the target took after it was opened is "
      "lost here: reverse rounds\nthat were laid up are not applied.  Where "
      "the controller still is, use rehome rollback\n--target-is-gone "
      "instead, which applies them.\nType target-is-off to go on: ",
      "target-is-off", NULL);
  if (e == NULL)
    e = thaw (in, &all);
  if (e != NULL)
    return say_err (in, e);
  if (!all)
    fputs ("Some commands answered with an error; each is harmless where it "
           "was not needed (an\naddress that was gone already, a program that "
           "is not installed).  See that the work\nruns: systemctl --failed\n",
           stderr);
  return all ? EXIT_OK : EXIT_WARNINGS;
}
