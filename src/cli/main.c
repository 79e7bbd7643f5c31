/* SPDX-License-Identifier: Apache-2.0 */
/* rehome: the command line. */
#include "cli/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/guard.h"
#include "cli/say.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int
no_such_command (const char *word)
{
  return say_err (NULL, err_todo (err_new (ERR_CORRECT, "RH-CLI-USAGE",
                                           "no such command: %s", word),
                                  "rehome --help lists them"));
}

static int
help_of (const struct invocation *in)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct err *e = help_command (in->command, &b);
  if (e != NULL)
    return say_err (in, e);
  fputs ((char *)b.data, stdout);
  return EXIT_OK;
}

static int
run (const struct command *c, int argc, const char *const *argv)
{
  CLEANUP (invocation_clear) struct invocation in;
  struct err *e = command_parse (c, argc, argv, &in);
  if (e != NULL)
    return say_err (&in, e);
  return has (&in, OPT_HELP) ? help_of (&in) : c->run (&in);
}

int
main (int argc, char **argv)
{
  const char *word = argc > 1 ? argv[1] : "--help";
  signal (SIGPIPE, SIG_IGN);
  signal (SIGUSR1, SIG_IGN); /* who follows a migration prints its status */
  log_set_level (LOG_WARN);
  guard_stdio ();
  if (strcmp (word, "--version") == 0) {
    puts ("rehome " REHOME_VERSION);
    return EXIT_OK;
  }
  if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0)
    return run (command_find ("help"), 0, NULL);
  const struct command *c = command_find (word);
  if (c == NULL)
    return no_such_command (word);
  int status = run (c, argc - 2, (const char *const *)argv + 2);
  if (fflush (stdout) != 0 && status == EXIT_OK)
    status = EXIT_FAILED;
  return status;
}
