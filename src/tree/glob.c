/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns. */
#include "tree/glob.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Stars nest: a hostile pattern must not take for ever. */
#define STEPS_MAX 4000000

enum verdict { GLOB_NO, GLOB_YES, GLOB_GIVE_UP };

struct work {
  const char *end;
  unsigned steps;
};

static bool
in_named (const char *name, size_t n, int c)
{
  static const struct {
    const char *name;
    int (*is) (int);
  } classes[]
      = { { "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank },
          { "cntrl", iscntrl }, { "digit", isdigit }, { "graph", isgraph },
          { "lower", islower }, { "print", isprint }, { "punct", ispunct },
          { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit } };
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (strlen (classes[i].name) == n && memcmp (classes[i].name, name, n) == 0)
      return c < 128 && classes[i].is (c) != 0;
  return false;
}

/* One byte of a class, where a backslash takes the next as it is. */
static const char *
class_byte (const char *p, unsigned char *out)
{
  if (*p == '\\' && p[1] != 0)
    p++;
  *out = (unsigned char)*p;
  return *p != 0 ? p + 1 : p;
}

/* The class that starts behind "[" at `p`: *next is what follows its "]", or
 * NULL where it has none. */
static bool
in_class (const char *p, unsigned char c, const char **next)
{
  bool negate = *p == '!' || *p == '^', found = false, first = true;
  *next = NULL;
  if (negate)
    p++;
  for (; *p != 0 && (*p != ']' || first); first = false) {
    const char *close = *p == '[' && p[1] == ':' ? strstr (p + 2, ":]") : NULL;
    if (close != NULL) {
      found = found || in_named (p + 2, (size_t)(close - p) - 2, c);
      p = close + 2;
      continue;
    }
    unsigned char lo, hi;
    p = class_byte (p, &lo);
    hi = lo;
    if (*p == '-' && p[1] != 0 && p[1] != ']')
      p = class_byte (p + 1, &hi);
    found = found || (c >= lo && c <= hi);
  }
  if (*p == ']')
    *next = p + 1;
  return found != negate && c != '/';
}

static enum verdict match (struct work *w, const char *p, const char *s);

/* Behind one or more stars: tries every length. */
static enum verdict
match_stars (struct work *w, const char *p, const char *s)
{
  bool deep = p[1] == '*';
  while (*p == '*')
    p++;
  if (*p == 0 && deep)
    return GLOB_YES;
  for (;; s++) {
    enum verdict v = match (w, p, s);
    if (v != GLOB_NO)
      return v;
    if (s == w->end || (*s == '/' && !deep))
      return GLOB_NO;
  }
}

static enum verdict
match (struct work *w, const char *p, const char *s)
{
  if (++w->steps > STEPS_MAX)
    return GLOB_GIVE_UP;
  for (; *p != 0; s++) {
    if (*p == '*')
      return match_stars (w, p, s);
    if (s == w->end)
      return GLOB_NO;
    if (*p == '[') {
      const char *next;
      bool in = in_class (p + 1, (unsigned char)*s, &next);
      if (next == NULL || !in)
        return GLOB_NO;
      p = next;
      continue;
    }
    if (*p == '?') {
      if (*s == '/')
        return GLOB_NO;
      p++;
      continue;
    }
    if (*p == '\\')
      p++;
    if (*p == 0 || *p != *s)
      return GLOB_NO;
    p++;
  }
  return s == w->end ? GLOB_YES : GLOB_NO;
}

bool
glob_match (const char *pattern, const char *s, const char *end)
{
  struct work w = { .end = end };
  return match (&w, pattern, s) == GLOB_YES;
}
