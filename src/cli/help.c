/* SPDX-License-Identifier: Apache-2.0 */
/* Help and the man page, from the tables. */
#include "cli/command.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static char *
option_words (const struct option_row *o)
{
  return o->value != NULL ? mem_printf ("--%s=%s", o->name, o->value)
                          : mem_printf ("--%s", o->name);
}

static struct err *
put_options (uint64_t bits, struct buf *out)
{
  for (size_t i = 0; i < OPT_COUNT; i++) {
    if (!(bits & (UINT64_C (1) << option_table[i].id)))
      continue;
    CLEANUP_FREE char *words = option_words (&option_table[i]);
    TRY (buf_printf (out, "  %-22s %s\n", words, option_table[i].about));
  }
  return NULL;
}

struct err *
help_all (struct buf *out)
{
  TRY (buf_put_str (
      out, "rehome moves the work of a running server to a replacement, "
           "proves that nothing\nwas lost, and can go back.\n\n"));
  for (const struct command *c = command_table; c->name != NULL; c++)
    if (!c->hidden)
      TRY (buf_printf (out, "  rehome %-8s %-16s %s\n", c->name, c->args,
                       c->about));
  TRY (buf_put_str (out, "\nFor every command:\n"));
  TRY (put_options (command_common_options, out));
  return buf_put_str (
      out, "\nExit status: 0 done, 1 failed, 2 usage, 3 done with warnings, "
           "4 blocked by\npreflight, 5 not equal, 6 went back by itself, 65 "
           "mistake in the plan, 130 detached\n(the migration continues).  "
           "rehome COMMAND --help says more.\n");
}

struct err *
help_command (const struct command *c, struct buf *out)
{
  TRY (buf_printf (out, "rehome %s %s\n  %s\n", c->name, c->args, c->about));
  if (c->more != NULL)
    TRY (buf_printf (out, "\n%s\n", c->more));
  TRY (buf_put_str (out, "\n"));
  return put_options (c->options | command_common_options, out);
}

/* Characters that scdoc takes for its own. */
static struct err *
put_scd (struct buf *out, const char *text)
{
  for (const char *p = text; *p != '\0'; p++) {
    if (strchr ("_*\\#", *p) != NULL)
      TRY (buf_put_str (out, "\\"));
    TRY (buf_put (out, p, 1));
  }
  return NULL;
}

static struct err *
man_option (const struct option_row *o, struct buf *out)
{
  TRY (buf_printf (out, "*--%s*", o->name));
  if (o->value != NULL)
    TRY (buf_printf (out, "=_%s_", o->value));
  TRY (buf_put_str (out, "\n\t"));
  TRY (put_scd (out, o->about));
  return buf_put_str (out, "\n\n");
}

static struct err *
man_command (const struct command *c, struct buf *out)
{
  TRY (buf_printf (out, "## rehome %s %s\n\n", c->name, c->args));
  TRY (put_scd (out, c->about));
  TRY (buf_put_str (out, ".\n\n"));
  if (c->more != NULL) {
    TRY (put_scd (out, c->more));
    TRY (buf_put_str (out, "\n\n"));
  }
  for (size_t i = 0; i < OPT_COUNT; i++)
    if (c->options & (UINT64_C (1) << option_table[i].id))
      TRY (man_option (&option_table[i], out));
  return NULL;
}

static const char man_head[]
    = "rehome(1)\n\n# NAME\n\nrehome - move the work of a running server to a "
      "replacement\n\n# SYNOPSIS\n\n*rehome* _COMMAND_ [_OPTION_...] "
      "[_ARGUMENT_...]\n\n# DESCRIPTION\n\nCopies files, accounts, services, "
      "scheduled jobs and addresses of a running\nserver to a new one, keeps "
      "the copy in step, proves that nothing was lost,\nswitches over in "
      "seconds, and goes back by itself when anything before the pivot\n"
      "fails. Only ssh is needed on the source.\n\n# COMMANDS\n\n";

static const char man_tail[]
    = "# EXIT STATUS\n\n"
      "*0*\n\tDone.\n\n*1*\n\tFailed; the error's code and what to do are on "
      "stderr.\n\n*2*\n\tUsage.\n\n*3*\n\tDone, with warnings.\n\n*4*\n\t"
      "Blocked by preflight.\n\n*5*\n\tA proof or a comparison found a "
      "difference.\n\n*6*\n\tThe cutover was aborted; the source serves "
      "again.\n\n*65*\n\tA mistake in the plan, with line and column.\n\n"
      "*130*\n\tDetached: the migration continues.\n\n# "
      "SIGNALS\n\n*SIGINT*\n\tDetaches: the migration "
      "continues.\n\n*SIGUSR1*\n\tA "
      "command that follows a migration (sync, cutover, watch, ...) prints the "
      "first\n\tline of *status*.\n\n# FILES\n\n"
      "_/var/lib/rehome/controller/NAME/journal.db_\n\tThe journal of a "
      "migration.\n\n_/var/lib/rehome/ID_\n\tOn the hosts: fence, recorded "
      "state, freeze.\n\n_/root/REHOME-FROZEN.txt_\n\tOn a frozen source: how "
      "to bring it back by hand.\n\n# ENVIRONMENT\n\n*NO\\_COLOR*, *TERM*\n\t"
      "No colour; no animation where TERM is dumb.\n\n*REHOME\\_AGENT*\n\t"
      "The agent's binary, where it does not lie in the place it is "
      "installed\n\tto.\n\n# SEE ALSO\n\n*ssh*(1), *systemctl*(1)\n";

struct err *
help_man (struct buf *out)
{
  TRY (buf_put_str (out, man_head));
  for (const struct command *c = command_table; c->name != NULL; c++)
    if (!c->hidden)
      TRY (man_command (c, out));
  TRY (buf_put_str (out, "# COMMON OPTIONS\n\n"));
  for (size_t i = 0; i < OPT_COUNT; i++)
    if (command_common_options & (UINT64_C (1) << option_table[i].id))
      TRY (man_option (&option_table[i], out));
  return buf_put_str (out, man_tail);
}

int
cmd_help (const struct invocation *in)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const struct command *c
      = in->arg_count > 0 ? command_find (in->args[0]) : NULL;
  CLEANUP_ERR struct err *e = has (in, OPT_MAN)          ? help_man (&b)
                              : has (in, OPT_COMPLETION) ? help_completion (&b)
                              : c != NULL                ? help_command (c, &b)
                                                         : help_all (&b);
  if (e != NULL)
    return EXIT_FAILED;
  fputs ((char *)b.data, stdout);
  return EXIT_OK;
}
