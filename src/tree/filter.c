/* SPDX-License-Identifier: Apache-2.0 */
/* Exclude patterns. */
#include "tree/filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "tree/entry.h"

#include <string.h>

#define PATTERNS_MAX 10000
#define PATTERN_MAX 4096

struct pattern {
  char *glob; /* without leading and trailing "/" */
  bool anchored;
  bool only_dirs;
  bool whole; /* compared with the path, not with the last component */
};

struct filter {
  VEC (struct pattern) patterns;
};

/* The end of a bracket expression that starts at `p` ("["), or NULL. */
static const char *
bracket_end (const char *p)
{
  p++;
  if (*p == '!' || *p == '^')
    p++;
  if (*p == ']')
    p++;
  while (*p != 0 && *p != ']')
    p++;
  return *p == ']' ? p : NULL;
}

static bool
in_bracket (const char *p, const char *end, unsigned char c)
{
  bool negate = false, found = false;
  p++;
  if (*p == '!' || *p == '^') {
    negate = true;
    p++;
  }
  while (p < end) {
    unsigned char lo = (unsigned char)*p, hi = lo;
    if (p + 2 < end && p[1] == '-') {
      hi = (unsigned char)p[2];
      p += 2;
    }
    found = found || (c >= lo && c <= hi);
    p++;
  }
  return found != negate && c != '/';
}

static bool glob_match (const char *p, const char *s, const char *end);

/* Behind one or more stars: tries every length. */
static bool
match_stars (const char *p, const char *s, const char *end)
{
  bool deep = p[1] == '*';
  while (*p == '*')
    p++;
  for (;; s++) {
    if (glob_match (p, s, end))
      return true;
    if (s == end || (*s == '/' && !deep))
      return false;
  }
}

static bool
glob_match (const char *p, const char *s, const char *end)
{
  for (; *p != 0; p++) {
    if (*p == '*')
      return match_stars (p, s, end);
    if (s == end)
      return false;
    const char *close = *p == '[' ? bracket_end (p) : NULL;
    if (close != NULL) {
      if (!in_bracket (p, close, (unsigned char)*s))
        return false;
      p = close;
    } else if (*p == '?') {
      if (*s == '/')
        return false;
    } else {
      if (*p == '\\' && p[1] != 0)
        p++;
      if (*p != *s)
        return false;
    }
    s++;
  }
  return s == end;
}

static struct err *
bad (const char *pattern, const char *what)
{
  return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                  "the exclude pattern \"%s\" %s", pattern, what);
}

static struct err *
add (struct filter *f, const char *text)
{
  char *glob;
  size_t len;
  TRY (text_decode (text, &glob, &len));
  CLEANUP_FREE char *hold = glob;
  if (len == 0 || len > PATTERN_MAX || strlen (glob) != len)
    return bad (text, "is empty, too long or holds a zero byte");
  struct pattern p = { 0 };
  p.only_dirs = len > 1 && glob[len - 1] == '/';
  if (p.only_dirs)
    glob[--len] = 0;
  p.anchored = glob[0] == '/';
  if (p.anchored)
    glob++;
  if (*glob == 0)
    return bad (text, "would leave out everything");
  p.whole
      = p.anchored || strchr (glob, '/') != NULL || strstr (glob, "**") != NULL;
  p.glob = mem_strdup (glob);
  *VEC_PUSH (&f->patterns) = p;
  return NULL;
}

struct err *
filter_read (const json_t *patterns, struct filter **out)
{
  *out = NULL;
  if (patterns != NULL && !json_is_array (patterns))
    return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE", "exclude is not a list");
  if (json_array_size (patterns) > PATTERNS_MAX)
    return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                    "more than %d exclude patterns", PATTERNS_MAX);
  CLEANUP_FILTER struct filter *f = mem_alloc (sizeof *f);
  for (size_t i = 0; i < json_array_size (patterns); i++) {
    const char *text = json_string_value (json_array_get (patterns, i));
    if (text == NULL)
      return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                      "exclude pattern %zu is not a string", i + 1);
    TRY (add (f, text));
  }
  *out = STEAL (f);
  return NULL;
}

static bool
matches (const struct pattern *p, const char *path, size_t len)
{
  const char *end = path + len;
  if (!p->whole)
    return glob_match (p->glob, path + tree_path_leaf (path, len), end);
  if (glob_match (p->glob, path, end))
    return true;
  for (size_t i = 0; !p->anchored && i < len; i++)
    if (path[i] == '/' && glob_match (p->glob, path + i + 1, end))
      return true;
  return false;
}

bool
filter_excludes (const struct filter *f, const char *path, size_t len,
                 bool is_dir)
{
  if (f == NULL || len == 0)
    return false;
  for (size_t i = 0; i < f->patterns.n; i++) {
    const struct pattern *p = &f->patterns.v[i];
    if ((is_dir || !p->only_dirs) && matches (p, path, len))
      return true;
  }
  return false;
}

bool
filter_empty (const struct filter *f)
{
  return f == NULL || f->patterns.n == 0;
}

void
filter_free (struct filter *f)
{
  if (f == NULL)
    return;
  for (size_t i = 0; i < f->patterns.n; i++)
    free (f->patterns.v[i].glob);
  VEC_FREE (&f->patterns);
  free (f);
}
