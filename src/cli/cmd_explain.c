/* SPDX-License-Identifier: Apache-2.0 */
/* rehome explain [CODE]: what an error means and what to do. */
#include "cli/command.h"

#include "cli/say.h"
#include "report/codes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
list (const struct invocation *in)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (has (in, OPT_MARKDOWN)) {
    struct err *e = codes_markdown (&b);
    if (e != NULL)
      return say_err (in, e);
    fputs ((char *)b.data, stdout);
    return EXIT_OK;
  }
  for (const struct code_row *c = code_table; c->code != NULL; c++)
    printf ("%-26s %s\n", c->code, c->means);
  return EXIT_OK;
}

int
cmd_explain (const struct invocation *in)
{
  char code[64];
  size_t i = 0;
  if (in->arg_count == 0)
    return list (in);
  for (; in->args[0][i] != '\0' && i < sizeof code - 1; i++)
    code[i] = (char)toupper ((unsigned char)in->args[0][i]);
  code[i] = '\0';
  const struct code_row *c = codes_find (code);
  if (c == NULL)
    return say_err (
        in, err_todo (err_new (ERR_CORRECT, "RH-CLI-NOCODE", "no such code"),
                      "rehome explain lists them all"));
  if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:s, s:s, s:s, s:s}", "code", c->code, "means", c->means,
                     "safe", c->safe, "todo", c->todo);
    say_json (o);
    return EXIT_OK;
  }
  printf ("%s\n  what it means: %s\n  what is safe:  %s\n  what to do:    "
          "%s\n",
          c->code, c->means, c->safe, c->todo);
  return EXIT_OK;
}
