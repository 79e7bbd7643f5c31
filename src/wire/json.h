/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked access to JSON that came from elsewhere, and the one-line form that
 * is hashed.  All "get" functions borrow from the object; a missing or wrongly
 * typed member is "RH-WIRE-FIELD" naming the member.  Integers above 2^53 and
 * all byte counts travel as decimal strings where noted as u64.
 */
#ifndef REHOME_WIRE_JSON_H
#define REHOME_WIRE_JSON_H

#include "base/cleanup.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline void
cleanup_json_ (json_t **j)
{
  json_decref (*j);
}
#define CLEANUP_JSON CLEANUP (cleanup_json_)

struct err *json_get_str (const json_t *o, const char *key, const char **out);
/* Absent gives `dflt`; present with another type is an error. */
struct err *json_opt_str (const json_t *o, const char *key, const char *dflt,
                          const char **out);
struct err *json_get_int (const json_t *o, const char *key, int64_t min,
                          int64_t max, int64_t *out);
struct err *json_opt_int (const json_t *o, const char *key, int64_t min,
                          int64_t max, int64_t dflt, int64_t *out);
struct err *json_opt_bool (const json_t *o, const char *key, bool dflt,
                           bool *out);
struct err *json_get_u64 (const json_t *o, const char *key, uint64_t *out);
struct err *json_get_array (const json_t *o, const char *key, json_t **out);
struct err *json_get_object (const json_t *o, const char *key, json_t **out);
/* Borrowed; NULL where absent. */
json_t *json_at (const json_t *o, const char *key);
/* A text for people; "" where it is absent or none. */
const char *json_text (const json_t *o, const char *key);

/* New reference: a decimal string. */
json_t *json_u64 (uint64_t v);
/* New reference: text_encode of bytes (names, paths). */
json_t *json_bytes (const char *bytes, size_t len);
/* Decodes what json_bytes made: NUL-terminated, caller frees; a NUL byte
 * inside is refused. */
struct err *json_get_bytes (const json_t *o, const char *key, char **out,
                            size_t *len);

/* One line, sorted keys, no spaces, UTF-8, no control character as it is;
 * caller frees. */
char *json_line (const json_t *j);
/* Parses at most `max` bytes; depth, count and duplicates are refused. */
struct err *json_parse (const char *text, size_t len, size_t max, json_t **out);

/* An error as an object and back (code, class, message, safe, todo). */
json_t *json_from_err (const struct err *e);
struct err *json_to_err (const json_t *o);

#endif
