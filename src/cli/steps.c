/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: the steps that would run. */
#include "cli/steps.h"

#include "cli/say.h"

#include <stdio.h>

static const char *
title_of (const struct step *s)
{
  return s->title != NULL ? s->title : s->id;
}

static void
print_json (const struct step *s)
{
  CLEANUP_JSON json_t *o
      = json_pack ("{s:s, s:s, s:s, s:s, s:s}", "step", s->id, "title",
                   title_of (s), "stage", stage_name (s->stage), "class",
                   step_class_name (s->cls), "side", step_side_name (s->side));
  say_json (o);
}

int
steps_print (const struct invocation *in, const struct graph *g,
             enum stage first, enum stage last)
{
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    if (s->stage < first || s->stage > last)
      continue;
    if (has (in, OPT_JSON))
      print_json (s);
    else
      printf ("%-9s %-7s %-10s %s\n", stage_name (s->stage),
              step_side_name (s->side), step_class_name (s->cls), title_of (s));
  }
  fputs ("Nothing was done.\n", stderr);
  return EXIT_OK;
}
