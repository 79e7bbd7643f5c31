/* SPDX-License-Identifier: Apache-2.0 */
/* The minimiser and its cases; see minimise.h. */
#include "minimise.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ids {
  uint32_t *v;
  size_t n;
};

/* What the run breaks, or NULL; `faults`: how many were drawn. */
static const char *
breaks (uint64_t seed, struct graph *g, const struct plant *plant, bool trace,
        uint32_t *faults)
{
  static struct coverage c;
  struct run r;
  run_start (&r, seed, g, plant, trace, &c);
  run_all (&r);
  const char *what = r.failed; /* a constant */
  if (faults != NULL)
    *faults = r.faults;
  run_free (&r);
  return what;
}

static bool
same (uint64_t seed, struct graph *g, struct plant plant, struct ids kept,
      const char *what)
{
  plant.limited = true;
  plant.kept = kept.v;
  plant.n = kept.n;
  const char *now = breaks (seed, g, &plant, false, NULL);
  return now != NULL && strcmp (now, what) == 0;
}

/* Tries without the `parts`-th slices, one after the other; true: one was not
 * needed, and is gone. */
static bool
drop_one (uint64_t seed, struct graph *g, const struct plant *plant,
          struct ids *kept, size_t parts, const char *what)
{
  CLEANUP_FREE uint32_t *rest = mem_alloc (kept->n * sizeof *rest + 1);
  for (size_t i = 0; i < parts; i++) {
    size_t from = kept->n * i / parts, to = kept->n * (i + 1) / parts;
    memcpy (rest, kept->v, from * sizeof *rest);
    memcpy (rest + from, kept->v + to, (kept->n - to) * sizeof *rest);
    struct ids fewer = { rest, kept->n - (to - from) };
    if (to == from || !same (seed, g, *plant, fewer, what))
      continue;
    memcpy (kept->v, rest, fewer.n * sizeof *rest);
    kept->n = fewer.n;
    return true;
  }
  return false;
}

/* Zeller's ddmin, by complements. */
static void
cut_down (uint64_t seed, struct graph *g, const struct plant *plant,
          struct ids *kept, const char *what)
{
  if (same (seed, g, *plant, (struct ids){ kept->v, 0 }, what)) {
    kept->n = 0;
    return;
  }
  size_t parts = 2;
  while (kept->n > 1) {
    if (drop_one (seed, g, plant, kept, parts, what))
      parts = parts > 2 ? parts - 1 : 2;
    else if (parts < kept->n)
      parts = parts * 2 < kept->n ? parts * 2 : kept->n;
    else
      break;
    parts = parts < kept->n ? parts : kept->n;
  }
}

bool
minimise (uint64_t seed, struct graph *g, const struct plant *plant)
{
  uint32_t n;
  const char *what = breaks (seed, g, plant, false, &n);
  if (what == NULL)
    return false;
  CLEANUP_FREE uint32_t *v = mem_alloc (n * sizeof *v + 1);
  for (uint32_t i = 0; i < n; i++)
    v[i] = i;
  struct ids kept = { v, n };
  cut_down (seed, g, plant, &kept, what);
  printf ("# %zu of %u faults matter\nseed %llu\nmode %d\nbug %s\nkeep", kept.n,
          n, (unsigned long long)seed, plant->mode, bug_name (plant->bug));
  for (size_t i = 0; i < kept.n; i++)
    printf (" %u", kept.v[i]);
  printf ("\nbreaks %s\n", what);
  return true;
}

struct kept_case {
  uint64_t seed;
  struct plant plant;
  uint32_t kept[256];
  char breaks[256];
};

static bool
parse_kept (struct kept_case *k, char *text)
{
  char *end = text;
  for (text += strspn (text, " "); *text != '\0'; text = end) {
    if (k->plant.n == sizeof k->kept / sizeof *k->kept)
      return false;
    k->kept[k->plant.n++] = (uint32_t)strtoul (text, &end, 10);
    if (end == text)
      return false;
    end += strspn (end, " ");
  }
  return true;
}

static bool
parse_line (struct kept_case *k, char *line)
{
  line[strcspn (line, "\n")] = '\0';
  if (line[0] == '#' || line[0] == '\0')
    return true;
  if (strncmp (line, "seed ", 5) == 0)
    k->seed = strtoull (line + 5, NULL, 10);
  else if (strncmp (line, "mode ", 5) == 0)
    k->plant.mode = atoi (line + 5);
  else if (strncmp (line, "bug ", 4) == 0)
    k->plant.bug = bug_from_name (line + 4);
  else if (strncmp (line, "keep", 4) == 0)
    return parse_kept (k, line + 4);
  else if (strncmp (line, "breaks ", 7) == 0)
    snprintf (k->breaks, sizeof k->breaks, "%.255s", line + 7);
  else
    return false;
  return k->plant.bug < BUG_COUNT;
}

static bool
read_case (const char *path, struct kept_case *k)
{
  char line[4096];
  FILE *f = fopen (path, "re");
  bool good = f != NULL;
  while (good && fgets (line, sizeof line, f) != NULL)
    good = parse_line (k, line);
  if (f != NULL)
    fclose (f);
  k->plant.limited = true;
  k->plant.kept = k->kept;
  return good;
}

bool
regression_holds (const char *path, struct graph *g)
{
  struct kept_case k = { 0 };
  if (!read_case (path, &k)) {
    printf ("not ok: %s cannot be read\n", path);
    return false;
  }
  const char *what = NULL;
  if (k.plant.bug != BUG_NONE) {
    what = breaks (k.seed, g, &k.plant, false, NULL);
    if (what == NULL || strcmp (what, k.breaks) != 0) {
      printf ("not ok: %s breaks %s\n", path, what != NULL ? what : "nothing");
      return false;
    }
  }
  k.plant.bug = BUG_NONE;
  what = breaks (k.seed, g, &k.plant, false, NULL);
  printf ("%s: %s%s%s\n", what == NULL ? "ok" : "not ok", path,
          what != NULL ? ": " : "", what != NULL ? what : "");
  return what == NULL;
}
