/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values with their places; see node.h. */
#include "plan/node.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define COMMAND_WORDS 64

#define WORD_MAX 64 /* longer words get no suggestion */

struct node
node_root (const struct yaml_doc *doc)
{
  return (struct node){ .doc = doc, .value = doc->root };
}

struct node
node_member (struct node map, const char *key)
{
  const json_t *value = json_object_get (map.value, key);
  if (value == NULL) {
    map.value = NULL;
    return map;
  }
  return (struct node){
    .doc = map.doc, .value = value, .in = map.value, .key = key
  };
}

struct node
node_element (struct node list, size_t i)
{
  return (struct node){ .doc = list.doc,
                        .value = json_array_get (list.value, i),
                        .in = list.value,
                        .index = i };
}

__attribute__ ((format (printf, 4, 0))) static struct err *
fault_at (struct node n, struct yaml_place at, const char *code,
          const char *fmt, va_list ap)
{
  CLEANUP_FREE char *text = mem_vprintf (fmt, ap);
  return err_new (ERR_CORRECT, code, "%s:%d:%d: %s", n.doc->label, at.line,
                  at.column, text);
}

struct err *
node_fault (struct node n, const char *code, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  struct err *e = fault_at (n, yaml_mark_of (n.doc, n.in, n.key, n.index)->at,
                            code, fmt, ap);
  va_end (ap);
  return e;
}

struct err *
node_key_fault (struct node n, const char *code, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  struct err *e
      = fault_at (n, yaml_mark_of (n.doc, n.in, n.key, n.index)->key_at, code,
                  fmt, ap);
  va_end (ap);
  return e;
}

/* Text as it may be shown in a message: escaped and not endless. */
static char *
shown (const char *s)
{
  size_t len = strlen (s), cut = len > 80 ? 77 : len;
  while (cut < len && cut > 0 && ((unsigned char)s[cut] & 0xc0) == 0x80)
    cut--;
  CLEANUP_FREE char *safe = text_escape (s, cut);
  return mem_printf ("%s%s", safe, cut < len ? "..." : "");
}

char *
node_found (struct node n)
{
  if (n.value == NULL)
    return mem_strdup ("nothing");
  switch (json_typeof (n.value)) {
  case JSON_OBJECT:
    return mem_strdup ("a mapping");
  case JSON_ARRAY:
    return mem_strdup ("a list");
  case JSON_STRING: {
    CLEANUP_FREE char *safe = shown (json_string_value (n.value));
    return mem_printf ("the text \"%s\"", safe);
  }
  case JSON_INTEGER:
    return mem_printf ("the number %" JSON_INTEGER_FORMAT,
                       json_integer_value (n.value));
  case JSON_TRUE:
  case JSON_FALSE:
    return mem_strdup (json_is_true (n.value) ? "true" : "false");
  case JSON_REAL:
  case JSON_NULL:
    break;
  }
  return mem_strdup ("nothing");
}

static struct err *
found_expected (struct node n, const char *code, const char *what)
{
  CLEANUP_FREE char *found = node_found (n);
  if (n.key == NULL || n.value == NULL)
    return node_fault (n, code, "found %s; expected %s", found, what);
  return node_fault (n, code, "%s: found %s; expected %s", n.key, found, what);
}

struct err *
node_expected (struct node n, const char *what)
{
  return found_expected (n, "RH-PLAN-TYPE", what);
}

struct err *
node_value_fault (struct node n, const char *what)
{
  return found_expected (n, "RH-PLAN-VALUE", what);
}

static size_t
least (size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Levenshtein's distance of two words of at most WORD_MAX bytes. */
static size_t
distance (const char *a, const char *b)
{
  size_t row[WORD_MAX + 1], len = strlen (b);
  for (size_t j = 0; j <= len; j++)
    row[j] = j;
  for (size_t i = 0; a[i] != '\0'; i++) {
    size_t corner = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < len; j++) {
      size_t change = corner + (a[i] != b[j]);
      corner = row[j + 1];
      row[j + 1] = least (change, least (row[j], row[j + 1]) + 1);
    }
  }
  return row[len];
}

const char *
node_nearest (const char *word, const char *const *known)
{
  const char *best = NULL;
  size_t nearest = SIZE_MAX;
  if (strlen (word) > WORD_MAX)
    return NULL;
  for (; *known != NULL; known++) {
    size_t d = strlen (*known) <= WORD_MAX ? distance (word, *known) : SIZE_MAX;
    if (d < nearest && d <= 1 + strlen (*known) / 3) {
      nearest = d;
      best = *known;
    }
  }
  return best;
}

struct err *
node_map (struct node n, const char *what)
{
  return json_is_object (n.value) ? NULL : node_expected (n, what);
}

struct err *
node_list (struct node n, const char *what)
{
  return json_is_array (n.value) ? NULL : node_expected (n, what);
}

struct err *
node_text (struct node n, const char *what, const char **out)
{
  if (!json_is_string (n.value) || json_string_length (n.value) == 0)
    return node_expected (n, what);
  *out = json_string_value (n.value);
  return NULL;
}

struct err *
node_command (struct node n, const char *what)
{
  TRY (node_list (n, what));
  size_t count = json_array_size (n.value);
  for (size_t i = 0; i < count; i++) {
    const char *word = "";
    TRY (node_text (node_element (n, i), what, &word));
    if (i == 0 && *word != '/')
      return node_value_fault (node_element (n, i), what);
  }
  return count > 0 && count <= COMMAND_WORDS ? NULL
                                             : node_value_fault (n, what);
}

struct err *
node_int (struct node n, const char *what, long min, long max, long *out)
{
  if (!json_is_integer (n.value))
    return node_expected (n, what);
  json_int_t v = json_integer_value (n.value);
  if (v < min || v > max)
    return node_value_fault (n, what);
  *out = (long)v;
  return NULL;
}

/* Milliseconds of a unit, or 0. */
static long
unit_ms (const char *unit)
{
  static const struct {
    const char *name;
    long ms;
  } units[] = { { "ms", 1 },
                { "s", 1000 },
                { "m", 60000 },
                { "h", 3600000 },
                { "d", 86400000 } };
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp (unit, units[i].name) == 0)
      return units[i].ms;
  return 0;
}

struct err *
node_duration (struct node n, long min_ms, long max_ms, long *out)
{
  static const char what[]
      = "a duration: a whole number and ms, s, m, h or d, such as 30s, 5m, 7d";
  const char *s = json_string_value (n.value);
  if (s == NULL)
    return node_expected (n, what);
  size_t digits = strspn (s, "0123456789");
  long unit = unit_ms (s + digits);
  if (digits == 0 || digits > 9 || unit == 0)
    return node_value_fault (n, what);
  long long ms = atoll (s) * (long long)unit;
  if (ms < min_ms || ms > max_ms) {
    CLEANUP_FREE char *range = mem_printf ("a duration between %ld s and %ld s",
                                           min_ms / 1000, max_ms / 1000);
    return node_value_fault (n, range);
  }
  *out = (long)ms;
  return NULL;
}

/* "a, b or c". */
static char *
or_list (const char *const *known)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; known[i] != NULL; i++) {
    const char *between = i == 0 ? "" : known[i + 1] != NULL ? ", " : " or ";
    struct err *e = buf_printf (&b, "%s%s", between, known[i]);
    err_free (e); /* a few words: it cannot be too long */
  }
  return buf_steal_str (&b);
}

static struct err *
unknown_key (struct node n, const char *const *known)
{
  const char *near = node_nearest (n.key, known);
  CLEANUP_FREE char *safe = shown (n.key);
  CLEANUP_FREE char *list = or_list (known);
  if (near != NULL)
    return node_key_fault (
        n, "RH-PLAN-KEY",
        "the unknown key \"%s\" (did you mean \"%s\"?); expected %s", safe,
        near, list);
  return node_key_fault (n, "RH-PLAN-KEY",
                         "the unknown key \"%s\"; expected %s", safe, list);
}

static bool
in_list (const char *word, const char *const *known, size_t *at)
{
  for (size_t i = 0; known[i] != NULL; i++)
    if (strcmp (word, known[i]) == 0) {
      *at = i;
      return true;
    }
  return false;
}

struct err *
node_keys (struct node n, const char *what, const char *const *known)
{
  const char *key;
  json_t *value;
  size_t at;
  TRY (node_map (n, what));
  json_object_foreach ((json_t *)n.value, key, value)
  {
    if (!in_list (key, known, &at))
      return unknown_key (node_member (n, key), known);
  }
  return NULL;
}

struct err *
node_choice (struct node n, const char *const *known, size_t *out)
{
  CLEANUP_FREE char *list = or_list (known);
  const char *s;
  TRY (node_text (n, list, &s));
  return in_list (s, known, out) ? NULL : node_value_fault (n, list);
}
