/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to text, from text, and errors as objects; see json.h. */
#include "wire/json.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define DEPTH_MAX 64
#define CONTAINERS_MAX (1 << 18)
#define MEMBERS_MAX (1 << 21)

json_t *
json_u64 (uint64_t v)
{
  char text[24];
  snprintf (text, sizeof text, "%llu", (unsigned long long)v);
  return json_string (text);
}

json_t *
json_bytes (const char *bytes, size_t len)
{
  CLEANUP_FREE char *text = text_encode (bytes, len);
  return json_string (text);
}

/* DEL and the C1 controls, which jansson lets through and some terminals
 * obey, as \u escapes. */
static char *
without_controls (const char *s)
{
  const unsigned char *p = (const unsigned char *)s;
  char *out = mem_resize (NULL, strlen (s) + 1, 6), *o = out;
  for (; *p != 0; p++)
    if (*p == 0x7f)
      o += sprintf (o, "\\u007f");
    else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
      o += sprintf (o, "\\u%04x", *++p);
    else
      *o++ = (char)*p;
  *o = 0;
  return out;
}

static bool
has_controls (const char *s)
{
  for (const unsigned char *p = (const unsigned char *)s; *p != 0; p++)
    if (*p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
      return true;
  return false;
}

char *
json_line (const json_t *j)
{
  if (j == NULL) /* what was to be packed was not there */
    return mem_strdup ("null");
  CLEANUP_FREE char *s
      = json_dumps (j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
  if (s == NULL)
    abort (); /* out of memory: jansson lets no wrong text in */
  return has_controls (s) ? without_controls (s) : STEAL (s);
}

/* What a text will become, before a parser recurses and allocates: 16 MiB of
 * "{}," would be more than a gigabyte. */
struct shape {
  size_t deepest;    /* nesting of arrays and objects */
  size_t containers; /* how many of them */
  size_t members;    /* commas: one less than the members of each */
};

static struct shape
shape_of (const char *text, size_t len)
{
  struct shape s = { 0, 0, 0 };
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (quoted && c == '\\')
      i++;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{')) {
      s.deepest = ++depth > s.deepest ? depth : s.deepest;
      s.containers++;
    } else if (!quoted && (c == ']' || c == '}') && depth > 0)
      depth--;
    else if (!quoted && c == ',')
      s.members++;
  }
  return s;
}

struct err *
json_parse (const char *text, size_t len, size_t max, json_t **out)
{
  json_error_t why;
  *out = NULL;
  if (len > max)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "%zu bytes of JSON are above the limit of %zu", len, max);
  struct shape shape = shape_of (text, len);
  if (shape.deepest > DEPTH_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-JSON",
                    "JSON nested more than %d deep", DEPTH_MAX);
  if (shape.containers > CONTAINERS_MAX || shape.members > MEMBERS_MAX)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "JSON of %zu arrays and objects and %zu members is above "
                    "the limit of %d and %d",
                    shape.containers, shape.members, CONTAINERS_MAX,
                    MEMBERS_MAX);
  *out = json_loadb (text, len, JSON_REJECT_DUPLICATES, &why);
  if (*out == NULL) {
    CLEANUP_FREE char *shown = text_escape (why.text, strlen (why.text));
    return err_new (ERR_CORRUPT, "RH-WIRE-JSON", "not JSON at byte %d: %s",
                    why.position, shown);
  }
  return NULL;
}

/* A string member, where the text is not NULL. */
static void
set_text (json_t *o, const char *key, const char *text)
{
  if (text == NULL)
    return;
  CLEANUP_FREE char *safe = text_is_utf8 (text, strlen (text))
                                ? mem_strdup (text)
                                : text_escape (text, strlen (text));
  json_object_set_new (o, key, json_string (safe));
}

json_t *
json_from_err (const struct err *e)
{
  json_t *o = json_object ();
  set_text (o, "code", err_code (e));
  set_text (o, "class", err_class_name (err_class_of (e)));
  set_text (o, "message", err_message (e));
  set_text (o, "safe", err_safe (e));
  set_text (o, "todo", err_advice (e));
  return o;
}

/* RH- and capitals, digits, dashes. */
static bool
is_code (const char *s)
{
  size_t len = strlen (s);
  return strncmp (s, "RH-", 3) == 0 && len > 3 && len <= 64
         && strspn (s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len;
}

struct err *
json_to_err (const json_t *o)
{
  const char *code = NULL, *cls = NULL, *msg = NULL, *safe = NULL, *todo = NULL;
  enum err_class c = ERR_BUG;
  TRY (json_get_str (o, "code", &code));
  TRY (json_get_str (o, "class", &cls));
  TRY (json_get_str (o, "message", &msg));
  TRY (json_opt_str (o, "safe", NULL, &safe));
  TRY (json_opt_str (o, "todo", NULL, &todo));
  if (!is_code (code) || err_class_from_name (cls, &c) != 0)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "an error whose code or class is not one");
  return err_remote (c, code, msg, safe, todo);
}
