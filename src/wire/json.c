/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to text, from text, and errors as objects; see json.h. */
#include "wire/json.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define DEPTH_MAX 64

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

char *
json_line (const json_t *j)
{
  char *s = json_dumps (j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
  if (s == NULL)
    abort (); /* out of memory: jansson lets no wrong text in */
  return s;
}

/* How deep arrays and objects are nested, before a parser recurses. */
static size_t
depth_of (const char *text, size_t len)
{
  size_t depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (quoted && c == '\\')
      i++;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{'))
      deepest = ++depth > deepest ? depth : deepest;
    else if (!quoted && (c == ']' || c == '}') && depth > 0)
      depth--;
  }
  return deepest;
}

struct err *
json_parse (const char *text, size_t len, size_t max, json_t **out)
{
  json_error_t why;
  *out = NULL;
  if (len > max)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "%zu bytes of JSON are above the limit of %zu", len, max);
  if (depth_of (text, len) > DEPTH_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-JSON",
                    "JSON nested more than %d deep", DEPTH_MAX);
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
