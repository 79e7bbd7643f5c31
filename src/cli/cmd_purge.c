/* SPDX-License-Identifier: Apache-2.0 */
/* rehome purge PLAN: removes what was kept aside, or the evidence itself, once
 * its time is over. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "exec/clock.h"
#include "exec/purge.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>

static void
say_removed (const struct invocation *in, const json_t *all)
{
  size_t i;
  json_t *one;
  if (has (in, OPT_JSON)) {
    say_json (all);
    return;
  }
  json_array_foreach (all, i, one)
  {
    CLEANUP_FREE char *host = words_of (one, "host");
    CLEANUP_FREE char *path = words_of (one, "path");
    CLEANUP_FREE char *digest = words_of (one, "digest");
    printf ("%s %s: %s (%s)\n", has (in, OPT_DRY_RUN) ? "kept" : "removed",
            host, path, digest);
  }
  if (json_array_size (all) == 0)
    puts ("nothing lies aside on either host");
}

/* The plan that counts is the journal's: a file that was changed since cannot
 * shorten anything. */
static struct err *
purge (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_FREE char *who = follow_actor ();
  CLEANUP_JSON json_t *all = NULL;
  TRY (load_plan (in, in->args[0], &l));
  TRY (load_must_have_journal (&l));
  TRY (load_plan_of_journal (&l, &plan));
  TRY (place_make (&l.place));
  struct purge p = { .place = &l.place,
                     .plan = plan,
                     .actor = who,
                     .now_ms = clock_wall_ms (),
                     .dry_run = has (in, OPT_DRY_RUN) };
  if (has (in, OPT_EVIDENCE)) {
    TRY (purge_evidence (&p));
    if (!has (in, OPT_JSON))
      printf ("%s: %s\n", p.dry_run ? "would be removed" : "removed",
              l.place.dir);
    return NULL;
  }
  TRY (purge_kept (&p, &all));
  say_removed (in, all);
  return NULL;
}

int
cmd_purge (const struct invocation *in)
{
  return say_err (in, purge (in));
}
