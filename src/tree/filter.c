/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of what is left out. */
#include "tree/filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "tree/entry.h"
#include "tree/glob.h"

#include <string.h>

#define RULES_MAX 10000

enum against {
  AGAINST_LEAF,      /* the last component */
  AGAINST_PATH,      /* the whole path */
  AGAINST_TAIL,      /* as many of the last components as it has itself */
  AGAINST_ANY_START, /* the path from any of its components on */
  AGAINST_SLASHED    /* "/" and the whole path: "**" at the start may stand
                        for nothing */
};

struct rule {
  char *glob; /* without leading and trailing "/" */
  enum against against;
  size_t slashes; /* inside */
  bool take;      /* what matches is not left out */
  bool only_dirs; /* a trailing "/" */
  bool and_below; /* three stars at the end: a directory as "NAME/", too */
  bool literal;   /* no wildcard: a backslash is one */
};

struct filter {
  VEC (struct rule) rules;
};

static struct err *
bad (const char *pattern, const char *what)
{
  CLEANUP_FREE char *shown = text_escape (pattern, strlen (pattern));
  return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                  "the exclude pattern \"%s\" %s", shown, what);
}

static enum against
against (const char *glob, bool anchored, bool slashes)
{
  const char *deep = strpbrk (glob, "*?[") ? strstr (glob, "**") : NULL;
  if (!slashes && !anchored && deep == NULL)
    return AGAINST_LEAF;
  if (anchored)
    return AGAINST_PATH;
  if (deep == NULL)
    return AGAINST_TAIL;
  return deep == glob ? AGAINST_SLASHED : AGAINST_ANY_START;
}

/* `glob` without its prefix; modified. */
static struct err *
parse (const char *text, char *glob, struct rule *out)
{
  size_t len = strlen (glob);
  out->only_dirs = len > 1 && glob[len - 1] == '/';
  if (out->only_dirs)
    glob[--len] = 0;
  bool anchored = glob[0] == '/';
  if (anchored) {
    glob++;
    len--;
  }
  if (*glob == 0)
    return bad (text, "would leave out everything, or nothing");
  out->literal = strpbrk (glob, "*?[") == NULL;
  out->and_below = len >= 3 && strcmp (glob + len - 3, "***") == 0;
  for (const char *p = glob; (p = strchr (p, '/')) != NULL; p++)
    out->slashes++;
  out->against = against (glob, anchored, out->slashes > 0);
  out->glob = mem_strdup (glob);
  return NULL;
}

static void
clear (struct filter *f)
{
  for (size_t i = 0; i < f->rules.n; i++)
    free (f->rules.v[i].glob);
  f->rules.n = 0;
}

static struct err *
add (struct filter *f, const char *text)
{
  char *decoded;
  size_t len;
  TRY (text_decode (text, &decoded, &len));
  CLEANUP_FREE char *hold = decoded;
  struct rule r = { 0 };
  if (strlen (decoded) == len && strcmp (decoded, "!") == 0) {
    clear (f);
    return NULL;
  }
  if (len > 2 && decoded[1] == ' ' && (*decoded == '+' || *decoded == '-')) {
    r.take = *decoded == '+';
    decoded += 2;
    len -= 2;
  }
  if (len == 0 || len > GLOB_MAX || strlen (decoded) != len)
    return bad (text, "is empty, too long or holds a zero byte");
  TRY (parse (text, decoded, &r));
  *VEC_PUSH (&f->rules) = r;
  return NULL;
}

struct err *
filter_read (const json_t *rules, struct filter **out)
{
  *out = NULL;
  if (rules != NULL && !json_is_array (rules))
    return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE", "exclude is not a list");
  if (json_array_size (rules) > RULES_MAX)
    return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                    "more than %d exclude patterns", RULES_MAX);
  CLEANUP_FILTER struct filter *f = mem_alloc (sizeof *f);
  for (size_t i = 0; i < json_array_size (rules); i++) {
    const char *text = json_string_value (json_array_get (rules, i));
    if (text == NULL)
      return err_new (ERR_CORRECT, "RH-TREE-EXCLUDE",
                      "exclude pattern %zu is not a string", i + 1);
    TRY (add (f, text));
  }
  *out = STEAL (f);
  return NULL;
}

static bool
equals (const struct rule *r, const char *s, const char *end)
{
  if (!r->literal)
    return glob_match (r->glob, s, end);
  size_t n = strlen (r->glob);
  return (size_t)(end - s) == n && memcmp (r->glob, s, n) == 0;
}

/* Where the last components begin that have `slashes` between them; NULL
 * where there are fewer. */
static const char *
tail (const char *path, const char *end, size_t slashes)
{
  for (const char *p = end; p > path; p--)
    if (p[-1] == '/' && slashes-- == 0)
      return p;
  return slashes == 0 ? path : NULL;
}

/* `path` stands behind a "/" that belongs to the caller's buffer. */
static bool
matches (const struct rule *r, const char *path, const char *end)
{
  const char *from;
  switch (r->against) {
  case AGAINST_LEAF:
    break;
  case AGAINST_PATH:
    return equals (r, path, end);
  case AGAINST_SLASHED:
    return equals (r, path - 1, end);
  case AGAINST_TAIL:
    from = tail (path, end, r->slashes);
    return from != NULL && equals (r, from, end);
  case AGAINST_ANY_START:
    return glob_match_tail (r->glob, path, end);
  }
  return equals (r, path + tree_path_leaf (path, (size_t)(end - path)), end);
}

static bool
rule_matches (const struct rule *r, const char *path, size_t len, bool is_dir)
{
  if (r->only_dirs && !is_dir)
    return false;
  bool below = r->and_below && is_dir;
  if (r->against == AGAINST_LEAF && !below)
    return equals (r, path + tree_path_leaf (path, len), path + len);
  if (r->against != AGAINST_SLASHED && !below)
    return matches (r, path, path + len);
  /* Compared as if it stood between slashes. */
  CLEANUP_FREE char *slashed
      = mem_printf ("/%.*s%s", (int)len, path, below ? "/" : "");
  return matches (r, slashed + 1, slashed + 1 + len + below);
}

bool
filter_excludes (const struct filter *f, const char *path, size_t len,
                 bool is_dir)
{
  if (f == NULL || len == 0)
    return false;
  for (size_t i = 0; i < f->rules.n; i++)
    if (rule_matches (&f->rules.v[i], path, len, is_dir))
      return !f->rules.v[i].take;
  return false;
}

bool
filter_hides (const struct filter *f, const char *path, size_t len, bool is_dir)
{
  if (filter_empty (f))
    return false;
  for (size_t i = 0; i < len; i++)
    if (path[i] == '/' && filter_excludes (f, path, i, true))
      return true;
  return filter_excludes (f, path, len, is_dir);
}

bool
filter_empty (const struct filter *f)
{
  return f == NULL || f->rules.n == 0;
}

void
filter_free (struct filter *f)
{
  if (f == NULL)
    return;
  clear (f);
  VEC_FREE (&f->rules);
  free (f);
}
