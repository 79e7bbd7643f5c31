/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim --seeds N --seed S [--plan FILE] [--bug NAME] [--trace]: drives a graph
 * of its own, or the one that the plan compiles to, by seeds S, S+1, ..., and
 * stops at the first that breaks an invariant (exit 1).  With --bug it is the
 * other way round: one of the seeds must find the planted bug.
 */
#include "run.h"

#include "engine/phases.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
  uint64_t first, seeds;
  const char *plan;
  enum bug bug;
  bool trace;
};

static enum bug
parse_bug (const char *name)
{
  for (unsigned i = 0; i < BUG_COUNT; i++)
    if (strcmp (name, bug_name ((enum bug)i)) == 0)
      return (enum bug)i;
  fprintf (stderr, "sim: no bug of that name: %s\n", name);
  exit (2);
}

static struct options
parse (int argc, char **argv)
{
  static const struct option table[]
      = { { "seeds", required_argument, NULL, 'n' },
          { "seed", required_argument, NULL, 's' },
          { "plan", required_argument, NULL, 'p' },
          { "bug", required_argument, NULL, 'b' },
          { "trace", no_argument, NULL, 't' },
          { NULL, 0, NULL, 0 } };
  struct options o = { .first = 1, .seeds = 1000 };
  for (int c; (c = getopt_long (argc, argv, "", table, NULL)) != -1;)
    if (c == 'n')
      o.seeds = strtoull (optarg, NULL, 10);
    else if (c == 's')
      o.first = strtoull (optarg, NULL, 10);
    else if (c == 'p')
      o.plan = optarg;
    else if (c == 'b')
      o.bug = parse_bug (optarg);
    else if (c == 't')
      o.trace = true;
    else
      exit (2);
  return o;
}

static void
print_coverage (const struct coverage *c)
{
  size_t taken = 0, n = 0;
  for (const struct transition *t; (t = transition_at (n)) != NULL; n++) {
    taken += c->transitions[n] > 0;
    printf ("# %8lu  %s -> %s (%s)\n", c->transitions[n], phase_name (t->from),
            phase_name (t->to), why_name (t->why));
  }
  printf ("# %zu of %zu transitions taken; %lu records, %lu calls, %lu probes,"
          " %lu crashes, %lu requests refused\n",
          taken, n, c->records, c->calls, c->probes, c->crashes, c->refused);
  for (unsigned p = 0; p < PHASE_COUNT; p++)
    if (c->ended[p] > 0)
      printf ("# ended %s: %lu\n", phase_name ((enum phase)p), c->ended[p]);
}

/* true: an invariant was broken. */
static bool
run_seed (const struct options *o, struct graph *g, uint64_t seed,
          struct coverage *c)
{
  struct run r;
  run_start (&r, seed, g, o->bug, o->trace, c);
  run_all (&r);
  bool failed = r.failed != NULL;
  if (failed)
    printf ("# seed %llu at %lld ms: %s%s%s\n", (unsigned long long)seed,
            (long long)r.now, r.failed, r.detail != NULL ? ": " : "",
            r.detail != NULL ? r.detail : "");
  run_free (&r);
  return failed;
}

static bool
covers_all (const struct coverage *c)
{
  for (size_t i = 0; transition_at (i) != NULL; i++)
    if (c->transitions[i] == 0)
      return false;
  return true;
}

/* Rare transitions: half as many seeds again are looked at for them. */
static bool
enough (const struct options *o, uint64_t n, const struct coverage *c)
{
  bool counts = o->bug == BUG_NONE && o->plan == NULL && o->seeds >= 1000;
  return n >= o->seeds
         && (!counts || covers_all (c) || n >= o->seeds + o->seeds / 2);
}

int
main (int argc, char **argv)
{
  struct options o = parse (argc, argv);
  struct coverage c = { 0 };
  CLEANUP_GRAPH struct graph *g
      = o.plan != NULL ? world_graph_of (o.plan) : world_graph ();
  bool found = false;
  uint64_t i;
  for (i = 0; !enough (&o, i, &c) && !found; i++)
    found = run_seed (&o, g, o.first + i, &c);
  print_coverage (&c);
  if (o.bug != BUG_NONE)
    printf ("%s: planted bug %s %s in %llu runs\n", found ? "ok" : "not ok",
            bug_name (o.bug), found ? "found" : "not found",
            (unsigned long long)i);
  else
    printf ("%s: %llu runs\n", found ? "not ok" : "ok", (unsigned long long)i);
  bool thin = o.bug == BUG_NONE && o.plan == NULL && o.seeds >= 1000
              && !covers_all (&c);
  if (thin)
    printf ("not ok: a transition was never taken\n");
  return found == (o.bug != BUG_NONE) && !thin ? 0 : 1;
}
