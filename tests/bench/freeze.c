/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trees cost behind a freeze, in seconds of CPU of one process and of
 * the clock, without a connection: a walk alone; the final round and the
 * target's digest; and the way without digests (an index written anew, both
 * sides listed and compared).  One file changes before each.
 *
 *   ninja -C build tests/unit/tree/bench-freeze
 *   sudo build/tests/unit/tree/bench-freeze [DIRECTORIES of 100 files each]
 *   sudo build/tests/unit/tree/bench-freeze /ROOT      walks alone, first cold
 */
#include "ground.h"

#include "tree/canon.h"
#include "tree/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define EACH 100
#define TIMES 3

static double
seconds (void)
{
  struct rusage r;
  getrusage (RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec)
         + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double
wall (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double began; /* wall time of what is shown next */

static double
begin (void)
{
  began = wall ();
  return seconds ();
}

static void
show (const char *what, double since)
{
  printf ("%-40s %.3f s CPU, %.3f s\n", what, seconds () - since,
          wall () - began);
  fflush (stdout);
}

static void
settle (void)
{
  struct timespec t = { 0, 100000000 };
  nanosleep (&t, NULL);
}

static void
fill (struct ground *g, int dirs)
{
  char path[64];
  for (int d = 0; d < dirs; d++) {
    snprintf (path, sizeof path, "d%05d", d);
    make_dir (on_src (g, path));
    for (int f = 0; f < EACH; f++) {
      snprintf (path, sizeof path, "d%05d/f%02d", d, f);
      put_file (on_src (g, path), "some text of a small file");
    }
  }
  settle ();
}

static void
change (struct ground *g, const char *text)
{
  put_file (on_src (g, "d00000/f07"), text);
  settle ();
}

static void
only_walk (struct ground *g)
{
  CLEANUP_WALK struct walk *w = NULL;
  struct tree_entry *e = NULL;
  double since = begin ();
  assert_ok (walk_open (g->src, NULL, &w));
  do
    assert_ok (walk_next (w, &e));
  while (e != NULL);
  show ("walk alone", since);
}

static void
without_digests (struct ground *g)
{
  json_t *out CLEANUP_JSON = NULL;
  change (g, "1");
  g->send.final = false;
  double since = begin ();
  assert_ok (ground_round (g));
  assert_ok (ground_compare (g, false, false, NULL, &out));
  assert_true (json_is_true (json_object_get (out, "equal")));
  show ("round, then list and compare", since);
}

static void
with_digests (struct ground *g)
{
  struct tree_watch watch = { 0 };
  struct inventory_args what
      = { .root = g->dst, .index_dir = g->dst_index, .index = "item" };
  json_t *out CLEANUP_JSON = NULL;
  change (g, "22");
  g->send.final = true;
  g->send.maps = &g->maps;
  double since = begin ();
  assert_ok (ground_round (g));
  show ("final round with a digest", since);
  since = begin ();
  assert_ok (tree_digest (&what, &watch, &out));
  show ("digest of the target", since);
  const char *sent = json_string_value (json_object_get (g->sent, "canon"));
  const char *got = json_string_value (json_object_get (out, "canon"));
  assert_non_null (sent);
  assert_string_equal (sent, got);
}

/* With a directory: only walks it, the first time with nothing in memory. */
static int
walk_there (const char *root)
{
  for (int i = 0; i <= TIMES; i++) {
    CLEANUP_WALK struct walk *w = NULL;
    struct tree_entry *e = NULL;
    FILE *drop = i == 0 ? fopen ("/proc/sys/vm/drop_caches", "w") : NULL;
    if (drop != NULL) {
      fputs ("3", drop);
      fclose (drop);
    }
    double since = begin ();
    assert_ok (walk_open (root, NULL, &w));
    do
      assert_ok (walk_next (w, &e));
    while (e != NULL);
    show (i == 0 ? "walk, cold" : "walk, warm", since);
  }
  return 0;
}

int
main (int argc, char **argv)
{
  void *state = NULL;
  if (argc > 1 && argv[1][0] == '/')
    return walk_there (argv[1]);
  ground_needs_root ();
  ground_set_up (&state);
  struct ground *g = state;
  fill (g, argc > 1 ? atoi (argv[1]) : 300);
  double since = begin ();
  assert_ok (ground_copy (g));
  show ("first copy", since);
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (ground_compare (g, false, false, NULL, &out)); /* to be known */
  for (int i = 0; i < TIMES; i++) {
    only_walk (g);
    without_digests (g);
    with_digests (g);
  }
  return ground_tear_down (&state);
}
