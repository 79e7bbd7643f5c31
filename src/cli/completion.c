/* SPDX-License-Identifier: Apache-2.0 */
/* The completion for bash, from the tables of commands and options. */
#include "cli/command.h"

static const char head[]
    = "# bash completion for rehome; made by `rehome help --completion`.\n"
      "_rehome ()\n"
      "{\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
      "  case ${COMP_WORDS[1]} in\n";

/* Options behind a dash, commands first, else files: plans and journals. */
static const char tail[]
    = "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    words=$commands\n"
      "  elif [[ $cur != -* ]]; then\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
      "    return\n"
      "  fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
      "  [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null\n"
      "}\n"
      "complete -F _rehome rehome\n";

static struct err *
put_case (const struct command *c, struct buf *out)
{
  TRY (buf_printf (out, "  %s) words='", c->name));
  for (size_t i = 0; i < OPT_COUNT; i++) {
    const struct option_row *o = &option_table[i];
    if ((c->options | command_common_options) & (UINT64_C (1) << o->id))
      TRY (buf_printf (out, "--%s%s ", o->name, o->value != NULL ? "=" : ""));
  }
  return buf_put_str (out, "' ;;\n");
}

struct err *
help_completion (struct buf *out)
{
  TRY (buf_put_str (out, head));
  for (const struct command *c = command_table; c->name != NULL; c++)
    if (!c->hidden)
      TRY (put_case (c, out));
  TRY (buf_put_str (out, "  esac\n  local commands='"));
  for (const struct command *c = command_table; c->name != NULL; c++)
    if (!c->hidden)
      TRY (buf_printf (out, "%s ", c->name));
  TRY (buf_put_str (out, "'\n"));
  return buf_put_str (out, tail);
}
