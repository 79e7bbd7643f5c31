/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns. */
#include "tree/glob.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A pattern is a nondeterministic automaton whose states are the places in its
 * own text; all states that a prefix can have led to are kept as a set of bits
 * and advance together.  No place is tried twice for one byte, so stars that
 * nest cost no more than any other byte of a pattern.
 */
#define WORD 64
#define WORDS (GLOB_MAX / WORD + 1)

struct states {
  uint64_t bits[WORDS];
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

/* The ":]" behind a class's name, or NULL. */
static const char *
named_end (const char *p)
{
  while (islower ((unsigned char)*p))
    p++;
  return *p == ':' && p[1] == ']' ? p : NULL;
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
    const char *close = *p == '[' && p[1] == ':' ? named_end (p + 2) : NULL;
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

/* A star may stand for nothing: what follows it is reached with it. */
static void
reach (struct states *set, const char *pattern, size_t at)
{
  set->bits[at / WORD] |= UINT64_C (1) << at % WORD;
  if (pattern[at] != '*')
    return;
  while (pattern[at] == '*')
    at++;
  set->bits[at / WORD] |= UINT64_C (1) << at % WORD;
}

/* From the place `at`, over the byte c. */
static void
advance (struct states *next, const char *pattern, size_t at, unsigned char c)
{
  const char *p = pattern + at, *behind;
  switch (*p) {
  case 0:
    return;
  case '*':
    if (c != '/' || p[1] == '*')
      reach (next, pattern, at);
    return;
  case '?':
    if (c != '/')
      reach (next, pattern, at + 1);
    return;
  case '[':
    if (in_class (p + 1, c, &behind) && behind != NULL)
      reach (next, pattern, (size_t)(behind - pattern));
    return;
  case '\\':
    p++;
    break;
  default:
    break;
  }
  if (*p != 0 && (unsigned char)*p == c)
    reach (next, pattern, (size_t)(p - pattern) + 1);
}

static bool
match (const char *pattern, const char *s, const char *end, bool anywhere)
{
  size_t len = strlen (pattern), words = len / WORD + 1;
  struct states sets[2], *now = &sets[0], *next = &sets[1];
  if (len > GLOB_MAX)
    return false;
  memset (now->bits, 0, words * sizeof *now->bits);
  reach (now, pattern, 0);
  for (; s < end; s++) {
    uint64_t any = 0;
    memset (next->bits, 0, words * sizeof *next->bits);
    for (size_t w = 0; w < words; w++)
      for (uint64_t left = now->bits[w]; left != 0; left &= left - 1)
        advance (next, pattern, w * WORD + (size_t)__builtin_ctzll (left),
                 (unsigned char)*s);
    if (anywhere && *s == '/' && s + 1 < end)
      reach (next, pattern, 0);
    for (size_t w = 0; w < words; w++)
      any |= next->bits[w];
    if (any == 0 && !anywhere)
      return false;
    struct states *swap = now;
    now = next;
    next = swap;
  }
  return (now->bits[len / WORD] >> len % WORD & 1) != 0;
}

bool
glob_match (const char *pattern, const char *s, const char *end)
{
  return match (pattern, s, end, false);
}

bool
glob_match_tail (const char *pattern, const char *s, const char *end)
{
  return match (pattern, s, end, true);
}
