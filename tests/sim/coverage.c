/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of many runs, for people; see coverage.h. */
#include "coverage.h"

#include <stdio.h>

static const char *const fault_names[FAULT_COUNT] = {
  [FAULT_NOTHING] = "not done", [FAULT_HALF] = "half done",
  [FAULT_LOST] = "reply lost",  [FAULT_FINAL] = "refused",
  [FAULT_SLOW] = "slow",        [FAULT_TWICE] = "twice",
  [FAULT_CUT] = "cut off",      [FAULT_DOWN] = "host down",
  [FAULT_CRASH] = "crash",      [FAULT_OVERTAKEN] = "overtaken",
};

const char *
fault_name (enum fault f)
{
  return fault_names[f];
}

size_t
coverage_missing_transitions (const struct coverage *c)
{
  size_t missing = 0;
  for (size_t i = 0; transition_at (i) != NULL; i++)
    missing += c->transitions[i] == 0;
  return missing;
}

size_t
coverage_missing_faults (const struct coverage *c, const struct graph *g)
{
  size_t missing = 0;
  for (size_t i = 0; i < graph_len (g); i++)
    for (unsigned f = 0; f < FAULT_CHANCY; f++)
      missing += c->hit[i][f] == 0;
  return missing;
}

static void
write_counts (FILE *f, const char *mark, const struct coverage *c)
{
  fprintf (f,
           "%s%lu migrations, %lu of them with 15 steps or more begun, %lu of "
           "them with a fault; %lu faults\n",
           mark, c->runs, c->long_runs, c->faulty, c->faults);
  fprintf (f,
           "%s%lu records, %lu steps begun, %lu calls, %lu probes, %lu "
           "crashes of the controller, %lu requests refused\n",
           mark, c->records, c->steps, c->calls, c->probes, c->crashes,
           c->refused);
}

void
coverage_print (const struct coverage *c)
{
  size_t n = 0;
  for (const struct transition *t; (t = transition_at (n)) != NULL; n++)
    printf ("# %8lu  %s -> %s (%s)\n", c->transitions[n], phase_name (t->from),
            phase_name (t->to), why_name (t->why));
  printf ("# %zu of %zu transitions taken\n",
          n - coverage_missing_transitions (c), n);
  write_counts (stdout, "# ", c);
  for (unsigned p = 0; p < PHASE_COUNT; p++)
    if (c->ended[p] > 0)
      printf ("# ended %s: %lu\n", phase_name ((enum phase)p), c->ended[p]);
}

static void
write_transitions (FILE *f, const struct coverage *c)
{
  fprintf (f, "\n## Transitions\n\n| from | to | why | taken |\n|---|---|---|"
              "---|\n");
  for (size_t i = 0; transition_at (i) != NULL; i++) {
    const struct transition *t = transition_at (i);
    fprintf (f, "| %s | %s | %s | %lu |\n", phase_name (t->from),
             phase_name (t->to), why_name (t->why), c->transitions[i]);
  }
}

static void
write_faults (FILE *f, const struct coverage *c, const struct graph *g)
{
  fprintf (f, "\n## Steps and faults\n\n| step |");
  for (unsigned k = 0; k < FAULT_COUNT; k++)
    fprintf (f, " %s |", fault_names[k]);
  fprintf (f, "\n|---|");
  for (unsigned k = 0; k < FAULT_COUNT; k++)
    fprintf (f, "---|");
  for (size_t i = 0; i < graph_len (g); i++) {
    fprintf (f, "\n| %s |", graph_at (g, i)->id);
    for (unsigned k = 0; k < FAULT_COUNT; k++)
      fprintf (f, " %lu |", c->hit[i][k]);
  }
  fprintf (f, "\n");
}

bool
coverage_write (const struct coverage *c, const struct graph *g,
                const char *path, double seconds)
{
  FILE *f = fopen (path, "we");
  if (f == NULL)
    return false;
  size_t n = 0;
  while (transition_at (n) != NULL)
    n++;
  fprintf (f, "# Coverage of the simulator\n\n");
  write_counts (f, "- ", c);
  fprintf (f,
           "- %zu of %zu transitions taken; %zu of %zu pairs of step and "
           "fault met; %.0f seconds\n",
           n - coverage_missing_transitions (c), n,
           graph_len (g) * FAULT_CHANCY - coverage_missing_faults (c, g),
           graph_len (g) * FAULT_CHANCY, seconds);
  write_transitions (f, c);
  write_faults (f, c, g);
  return fclose (f) == 0;
}
