/* SPDX-License-Identifier: Apache-2.0 */
/* Checked members of JSON objects that came from elsewhere; see json.h. */
#include "wire/json.h"

#include "base/text.h"

#include <string.h>

static const char *
type_name (const json_t *v)
{
  switch (json_typeof (v)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "an array";
  case JSON_STRING:
    return "a string";
  case JSON_INTEGER:
    return "a whole number";
  case JSON_REAL:
    return "a number";
  case JSON_TRUE:
  case JSON_FALSE:
    return "true or false";
  case JSON_NULL:
    break;
  }
  return "null";
}

static struct err *
wrong (const char *key, const json_t *v, const char *expected)
{
  if (v == NULL)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"%s\" is missing; it is %s",
                    key, expected);
  return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"%s\" is %s, not %s", key,
                  type_name (v), expected);
}

json_t *
json_at (const json_t *o, const char *key)
{
  return json_object_get (o, key);
}

const char *
json_text (const json_t *o, const char *key)
{
  const char *v = json_string_value (json_at (o, key));
  return v == NULL ? "" : v;
}

struct err *
json_get_str (const json_t *o, const char *key, const char **out)
{
  json_t *v = json_at (o, key);
  if (!json_is_string (v))
    return wrong (key, v, "a string");
  if (strlen (json_string_value (v)) != json_string_length (v))
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"%s\" has a zero byte inside", key);
  *out = json_string_value (v);
  return NULL;
}

struct err *
json_opt_str (const json_t *o, const char *key, const char *dflt,
              const char **out)
{
  if (json_at (o, key) != NULL)
    return json_get_str (o, key, out);
  *out = dflt;
  return NULL;
}

struct err *
json_get_int (const json_t *o, const char *key, int64_t min, int64_t max,
              int64_t *out)
{
  json_t *v = json_at (o, key);
  if (!json_is_integer (v))
    return wrong (key, v, "a whole number");
  int64_t n = json_integer_value (v);
  if (n < min || n > max)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"%s\" is %lld, not within %lld to %lld", key,
                    (long long)n, (long long)min, (long long)max);
  *out = n;
  return NULL;
}

struct err *
json_opt_int (const json_t *o, const char *key, int64_t min, int64_t max,
              int64_t dflt, int64_t *out)
{
  if (json_at (o, key) != NULL)
    return json_get_int (o, key, min, max, out);
  *out = dflt;
  return NULL;
}

struct err *
json_opt_bool (const json_t *o, const char *key, bool dflt, bool *out)
{
  json_t *v = json_at (o, key);
  if (v != NULL && !json_is_boolean (v))
    return wrong (key, v, "true or false");
  *out = v != NULL ? json_is_true (v) : dflt;
  return NULL;
}

struct err *
json_get_u64 (const json_t *o, const char *key, uint64_t *out)
{
  static const char expected[] = "a decimal number as a string";
  json_t *v = json_at (o, key);
  const char *s = json_string_value (v);
  uint64_t n = 0;
  if (s == NULL)
    return wrong (key, v, expected);
  if (*s == 0 || (s[0] == '0' && s[1] != 0)
      || json_string_length (v) != strlen (s))
    return wrong (key, v, expected);
  for (; *s != 0; s++) {
    if (*s < '0' || *s > '9' || __builtin_mul_overflow (n, 10u, &n)
        || __builtin_add_overflow (n, (uint64_t)(*s - '0'), &n))
      return wrong (key, v, expected);
  }
  *out = n;
  return NULL;
}

struct err *
json_get_array (const json_t *o, const char *key, json_t **out)
{
  json_t *v = json_at (o, key);
  if (!json_is_array (v))
    return wrong (key, v, "an array");
  *out = v;
  return NULL;
}

struct err *
json_get_object (const json_t *o, const char *key, json_t **out)
{
  json_t *v = json_at (o, key);
  if (!json_is_object (v))
    return wrong (key, v, "an object");
  *out = v;
  return NULL;
}

struct err *
json_get_bytes (const json_t *o, const char *key, char **out, size_t *len)
{
  const char *s = NULL;
  size_t n;
  *out = NULL;
  TRY (json_get_str (o, key, &s));
  CLEANUP_FREE char *bytes = NULL;
  TRY (err_wrap (text_decode (s, &bytes, &n), "\"%s\"", key));
  if (memchr (bytes, 0, n) != NULL)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"%s\" has a zero byte inside", key);
  *out = STEAL (bytes);
  if (len != NULL)
    *len = n;
  return NULL;
}
