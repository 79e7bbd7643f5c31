/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim [--seeds N] [--seed S] [--jobs J] [--for SECONDS] [--plan FILE]
 *     [--safe | --live] [--bug NAME] [--trace] [--report FILE]
 *     [--minimise] [--regression FILE]
 *
 * Drives a graph of its own, or the one that the plan compiles to, by seeds S,
 * S+1, ..., and stops at the first that breaks an invariant (exit 1).  With
 * --bug it is the other way round: one of the seeds must find the planted bug,
 * by the invariant that it is meant to break.  --minimise cuts the faults of
 * the one seed down; --regression runs such a case again.
 */
#include "minimise.h"
#include "pool.h"

#include "base/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum bug
parse_bug (const char *name)
{
  enum bug b = bug_from_name (name);
  if (b < BUG_COUNT)
    return b;
  fprintf (stderr, "sim: no bug of that name: %s\n", name);
  exit (2);
}

static unsigned
parse_jobs (const char *text)
{
  unsigned long n = strtoul (text, NULL, 10);
  return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

/* 90, 90s, 10m, 1h */
static long
parse_time (const char *text)
{
  char *end;
  long n = strtol (text, &end, 10);
  long unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : 1;
  if (n > 0 && n < 1000000)
    return n * unit;
  fprintf (stderr, "sim: not a time: %s\n", text);
  exit (2);
}

static const struct option table[]
    = { { "seeds", required_argument, NULL, 'n' },
        { "seed", required_argument, NULL, 's' },
        { "jobs", required_argument, NULL, 'j' },
        { "for", required_argument, NULL, 'f' },
        { "plan", required_argument, NULL, 'p' },
        { "bug", required_argument, NULL, 'b' },
        { "report", required_argument, NULL, 'o' },
        { "regression", required_argument, NULL, 'r' },
        { "minimise", no_argument, NULL, 'm' },
        { "safe", no_argument, NULL, 'S' },
        { "live", no_argument, NULL, 'L' },
        { "trace", no_argument, NULL, 't' },
        { NULL, 0, NULL, 0 } };

static void
parse_one (struct options *o, int c)
{
  if (c == 'n')
    o->seeds = strtoull (optarg, NULL, 10);
  else if (c == 's')
    o->first = strtoull (optarg, NULL, 10);
  else if (c == 'j')
    o->jobs = parse_jobs (optarg);
  else if (c == 'f')
    o->seconds = parse_time (optarg);
  else if (c == 'p')
    o->plan = optarg;
  else if (c == 'b')
    o->plant.bug = parse_bug (optarg);
  else if (c == 'o')
    o->report = optarg;
  else if (c == 'r')
    o->regression = optarg;
  else if (c == 'm')
    o->minimise = true;
  else if (c == 'S')
    o->plant.mode = MODE_SAFE;
  else if (c == 'L')
    o->plant.mode = MODE_LIVE;
  else if (c == 't')
    o->trace = true;
  else
    exit (2);
}

static struct options
parse (int argc, char **argv)
{
  struct options o = { .first = 1, .jobs = 1 };
  for (int c; (c = getopt_long (argc, argv, "", table, NULL)) != -1;)
    parse_one (&o, c);
  if (o.seeds == 0)
    o.seeds = o.seconds > 0 ? UINT64_MAX : 1000;
  o.asserts = o.plant.bug == BUG_NONE && o.plan == NULL && o.seeds >= 1000
              && o.plant.mode == MODE_MIXED
              && (o.seconds == 0 || o.seconds >= 60);
  return o;
}

/* Few seeds take each transition; only many meet each step with each fault. */
#define SEEDS_FOR_FAULTS 100000

static bool
is_thin (struct pool *p, const struct options *o, const struct graph *g)
{
  const struct coverage *c = pool_sum (p);
  if (!o->asserts)
    return false;
  return coverage_missing_transitions (c) > 0
         || (c->runs >= SEEDS_FOR_FAULTS && coverage_missing_faults (c, g) > 0);
}

/* Those that ended before they had begun 15 steps do not count. */
static void
run_more (struct pool *p, const struct options *o)
{
  for (int round = 0; round < 4 && !pool_found (p); round++) {
    unsigned long n = pool_sum (p)->long_runs;
    if (n >= o->seeds)
      break;
    pool_run (p, o->seeds - n + o->seeds / 500);
  }
}

/* true: as it should be. */
static bool
conclude (struct pool *p, const struct options *o, const struct graph *g,
          double seconds)
{
  struct coverage *c = pool_sum (p);
  bool planted = o->plant.bug != BUG_NONE, found = pool_found (p);
  bool thin = !found && is_thin (p, o, g);
  coverage_print (c);
  if (planted)
    printf ("%s: planted bug %s %s after %lu runs\n", found ? "ok" : "not ok",
            bug_name (o->plant.bug), found ? "found" : "not found", c->runs);
  else
    printf ("%s: %lu runs, %lu of them of 15 steps or more, %.0f seconds\n",
            found ? "not ok" : "ok", c->runs, c->long_runs, seconds);
  if (thin)
    printf ("not ok: %zu transitions were never taken, %zu pairs of a step and "
            "a fault never met\n",
            coverage_missing_transitions (c), coverage_missing_faults (c, g));
  if (o->report != NULL && !coverage_write (c, g, o->report, seconds)) {
    printf ("not ok: %s cannot be written\n", o->report);
    return false;
  }
  return found == planted && !thin;
}

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main (int argc, char **argv)
{
  struct options o = parse (argc, argv);
  CLEANUP_GRAPH struct graph *g
      = o.plan != NULL ? world_graph_of (o.plan) : world_graph ();
  if (o.regression != NULL)
    return regression_holds (o.regression, g) ? 0 : 1;
  if (o.minimise)
    return minimise (o.first, g, &o.plant) ? 0 : 1;
  double begun = now ();
  struct pool *p = pool_new (&o, g);
  pool_run (p, o.seeds);
  if (o.asserts && o.seconds == 0)
    run_more (p, &o);
  /* Rare ones: half as many seeds again are looked at for them. */
  if (o.seconds == 0 && !pool_found (p) && is_thin (p, &o, g))
    pool_run (p, o.seeds / 2);
  bool good = conclude (p, &o, g, now () - begun);
  pool_free (p);
  return good ? 0 : 1;
}
