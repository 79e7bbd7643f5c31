/* SPDX-License-Identifier: Apache-2.0 */
/* The erasable half of a personal value: salt and value in a blob, whose hash
 * and whose salted hash alone stand in the chain. */
#include "journal/record.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define SALT_BYTES 32

char *
record_salted_blob (const unsigned char salt[32], const void *value, size_t len)
{
  json_t *o CLEANUP_JSON = json_object ();
  char *salt_hex CLEANUP_FREE = text_hex (salt, SALT_BYTES);
  char *value_text CLEANUP_FREE = text_base64 (value, len);
  json_object_set_new (o, "salt", json_string (salt_hex));
  json_object_set_new (o, "value", json_string (value_text));
  return json_line (o);
}

static int
digit (char c)
{
  const char *digits = "0123456789abcdef";
  const char *at = c != '\0' ? strchr (digits, c) : NULL;
  return at != NULL ? (int)(at - digits) : -1;
}

static struct err *
get_salt (const json_t *o, unsigned char salt[SALT_BYTES])
{
  const char *hex;
  TRY (json_get_str (o, "salt", &hex));
  bool ok = strlen (hex) == (size_t)2 * SALT_BYTES;
  for (size_t i = 0; ok && i < SALT_BYTES; i++) {
    int high = digit (hex[2 * i]), low = digit (hex[2 * i + 1]);
    ok = high >= 0 && low >= 0;
    salt[i] = (unsigned char)(high * 16 + low);
  }
  return ok ? NULL
            : err_new (ERR_CORRUPT, "RH-JOURNAL-SALT",
                       "a blob's salt is not 64 hex digits");
}

struct err *
record_salted_open (const char *blob, size_t len, const char *salted,
                    unsigned char **value, size_t *value_len)
{
  json_t *o CLEANUP_JSON = NULL;
  TRY (json_parse (blob, len, (size_t)8 << 20, &o));
  unsigned char salt[SALT_BYTES];
  TRY (get_salt (o, salt));
  const char *text;
  TRY (json_get_str (o, "value", &text));
  unsigned char *bytes CLEANUP_FREE = NULL;
  size_t n = 0;
  TRY (text_unbase64 (text, &bytes, &n));
  char hash[65];
  record_salted (salt, bytes, n, hash);
  if (strcmp (hash, salted) != 0)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-SALT",
                    "a blob's value is not the one that the journal names");
  *value = STEAL (bytes);
  *value_len = n;
  return NULL;
}
