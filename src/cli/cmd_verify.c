/* SPDX-License-Identifier: Apache-2.0 */
/* rehome verify BUNDLE: check a bundle or a journal, offline. */
#include "cli/command.h"

#include "cli/say.h"
#include "report/bundle.h"
#include "report/verify.h"

#include <stdio.h>
#include <string.h>

static bool
is_unequal (const struct err *e)
{
  static const char *const codes[]
      = { "RH-JOURNAL-CHAIN", "RH-BUNDLE-CHANGED", "RH-BUNDLE-FORM", NULL };
  for (size_t i = 0; codes[i] != NULL; i++)
    if (strcmp (err_code (e), codes[i]) == 0)
      return true;
  return false;
}

static int
complain (const struct invocation *in, struct err *e)
{
  bool unequal = is_unequal (e);
  int status = say_err (in, e);
  return unequal ? EXIT_UNEQUAL : status;
}

static void
say_chain (uint64_t records, const char *first, const char *head)
{
  printf ("whole: %llu records\nfrom the plan %s\nto the head   %s\n",
          (unsigned long long)records, first, head);
}

static void
say_bundle (const struct invocation *in, const struct bundle_checked *b)
{
  size_t i;
  json_t *one;
  say_chain (b->records, b->first, b->head);
  printf ("%u signatures of hosts and %u approvals hold\n", b->witnesses,
          b->approvals);
  json_array_foreach (b->signers, i, one)
      printf ("signed by %s\n", json_string_value (one));
  if (b->stamped)
    puts ("It holds a time stamp; VERIFY.sh checks that one, with TSA_CA.");
  if (!has (in, OPT_DIGEST) || !has (in, OPT_SIGNERS))
    puts ("Whether it is the one that was made tells only what was noted then: "
          "--digest and --signers.");
}

static int
verify_bundle (const struct invocation *in)
{
  struct bundle_checked b;
  int status = EXIT_OK;
  struct err *e = bundle_verify (in->args[0], in->value[OPT_DIGEST],
                                 in->value[OPT_SIGNERS], &b);
  if (e != NULL)
    status = complain (in, e);
  else if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:I, s:s, s:s, s:s, s:i, s:i, s:O}", "records",
                     (json_int_t)b.records, "first", b.first, "head", b.head,
                     "sha256", b.sha256, "witnesses", (int)b.witnesses,
                     "approvals", (int)b.approvals, "signers", b.signers);
    say_json (o);
  } else
    say_bundle (in, &b);
  json_decref (b.signers);
  return status;
}

static int
verify_journal (const struct invocation *in)
{
  struct verified v;
  struct err *e = verify_path (in->args[0], in->value[OPT_PLAN_HASH], &v);
  if (e != NULL)
    return complain (in, e);
  if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:I, s:s, s:s}", "records", (json_int_t)v.records,
                     "first", v.first, "head", v.head);
    say_json (o);
    return EXIT_OK;
  }
  say_chain (v.records, v.first, v.head);
  if (!has (in, OPT_PLAN_HASH))
    puts ("That the plan is yours: sha256sum PLAN has to give the first of "
          "these (or --plan-hash).");
  return EXIT_OK;
}

int
cmd_verify (const struct invocation *in)
{
  return verify_is_bundle (in->args[0]) ? verify_bundle (in)
                                        : verify_journal (in);
}
