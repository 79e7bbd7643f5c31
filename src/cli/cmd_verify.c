/* SPDX-License-Identifier: Apache-2.0 */
/* rehome verify JOURNAL: check a chain, offline. */
#include "cli/command.h"

#include "cli/say.h"
#include "report/verify.h"

#include <stdio.h>
#include <string.h>

int
cmd_verify (const struct invocation *in)
{
  struct verified v;
  struct err *e = verify_path (in->args[0], in->value[OPT_PLAN_HASH], &v);
  if (e != NULL && strcmp (err_code (e), "RH-JOURNAL-CHAIN") == 0) {
    say_err (in, e);
    return EXIT_UNEQUAL;
  }
  if (e != NULL)
    return say_err (in, e);
  if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:I, s:s, s:s}", "records", (json_int_t)v.records,
                     "first", v.first, "head", v.head);
    say_json (o);
    return EXIT_OK;
  }
  printf ("whole: %llu records\nfrom the plan %s\nto the head   %s\n",
          (unsigned long long)v.records, v.first, v.head);
  if (!has (in, OPT_PLAN_HASH))
    puts ("That the plan is yours: sha256sum PLAN has to give the first of "
          "these (or --plan-hash).");
  return EXIT_OK;
}
