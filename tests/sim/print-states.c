/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/STATES.md from the table in C; a test compares the two. */
#include "engine/phases.h"

#include <stdio.h>
#include <string.h>

static void
print_phases (void)
{
  printf ("| phase | its stages, in order |\n|---|---|\n");
  for (unsigned p = 0; p < PHASE_COUNT; p++) {
    const struct phase_legs *legs = phase_legs ((enum phase)p);
    printf ("| %s | ", phase_name ((enum phase)p));
    for (size_t i = 0; i < legs->n; i++)
      printf ("%s%s", i > 0 ? ", " : "", stage_name (legs->stage[i]));
    if (legs->how == BESIDE_FREE)
      printf (", and once beside them %s", stage_name (legs->beside));
    if (legs->how == BESIDE_AWAITED)
      printf (", and beside them %s, which the pivot waits for",
              stage_name (legs->beside));
    printf ("%s |\n", legs->n == 0 ? "none" : "");
  }
}

static void
print_transitions (void)
{
  printf ("| from | to | why | who | what must hold besides | writer from then "
          "on |\n|---|---|---|---|---|---|\n");
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++)
    printf ("| %s | %s | %s | %s | %s | %s |\n", phase_name (t->from),
            phase_name (t->to), why_name (t->why), t->who, t->guard,
            t->sets_writer ? writer_name (t->writer) : "unchanged");
}

static void
print_writer (const struct writer_change *c)
{
  printf ("- in phase %s, by %s: %s\n", phase_name (c->phase), c->record,
          writer_name (c->writer));
}

/* One arrow for each pair of phases, with all its reasons. */
static void
print_arrow (size_t first)
{
  const struct transition *t = transition_at (first), *u;
  for (size_t i = 0; i < first; i++)
    if (transition_at (i)->from == t->from && transition_at (i)->to == t->to)
      return;
  printf ("  %s --> %s: %s", phase_name (t->from), phase_name (t->to),
          why_name (t->why));
  for (size_t i = first + 1; (u = transition_at (i)) != NULL; i++)
    if (u->from == t->from && u->to == t->to)
      printf (", %s", why_name (u->why));
  printf ("\n");
}

static void
print_picture (void)
{
  printf ("```mermaid\nstateDiagram-v2\n  [*] --> planned\n");
  for (size_t i = 0; transition_at (i) != NULL; i++)
    print_arrow (i);
  printf ("  accepted --> [*]\n  rolled-back --> [*]\n```\n");
}

static const char intro[]
    = "# The states of a migration\n\n"
      "Printed by `tests/sim/print-states` from the tables in "
      "src/engine/phases.c; do not edit. A test compares them, and the "
      "simulator takes each transition.\n\n"
      "The state is a fold of the journal. A phase changes by a `phase` record "
      "`{from, to, why, writer}`, with one exception: the durable intent of "
      "the pivot step is itself the transition from outside to opening (and "
      "of the pivot back, from back-outside to back-opening), so that no crash "
      "can lie between the two. From there on there is no abort, unless a "
      "probe is sure that the host was never opened.\n\n"
      "A rollback is the same cutover backwards: phases and stages with "
      "`back-`. A failure before its pivot goes back to guarded, with the "
      "target serving.\n\n";

int
main (void)
{
  printf ("%s## Phases\n\n", intro);
  print_phases ();
  printf ("\n## Transitions\n\n");
  print_transitions ();
  printf ("\n## The writer inside a phase\n\n");
  for (unsigned w = 0; w < WAY_COUNT; w++) {
    print_writer (&writer_frozen[w]);
    print_writer (&writer_opened[w]);
  }
  printf ("\nPaused and needs-attention are overlays: they are no phases.\n");
  printf ("\n## Picture\n\n");
  print_picture ();
  return 0;
}
