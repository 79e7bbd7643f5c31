/* SPDX-License-Identifier: Apache-2.0 */
/* rehome erase PLAN --person NAME: who asked is nobody's business any more. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/load.h"
#include "cli/say.h"
#include "journal/person.h"

#include <stdio.h>
#include <string.h>

static struct err *
erase (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_STORE struct store *s = NULL;
  const char *person = in->value[OPT_PERSON];
  unsigned n = 0;
  if (person == NULL || person[0] == '\0')
    return err_todo (err_new (ERR_CORRECT, "RH-CLI-USAGE",
                              "--person is missing"),
                     "say whom: --person NAME");
  TRY (load_plan (in, in->args[0], &l));
  TRY (load_must_have_journal (&l));
  TRY (store_open_writer (l.place.dir, NULL, NULL, 0, &s));
  TRY (person_erase (s, person, &n));
  CLEANUP_FREE char *safe = text_escape (person, strlen (person));
  if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o = json_pack ("{s:i}", "erased", (int)n);
    say_json (o);
  } else
    printf ("%u values that named %s are erased; the journal still "
            "verifies.\n",
            n, safe);
  return NULL;
}

int
cmd_erase (const struct invocation *in)
{
  return say_err (in, erase (in));
}
