/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text that is safe to show, to journal and to read back. */
#ifndef REHOME_BASE_TEXT_H
#define REHOME_BASE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* For terminals and logs: control bytes, bytes that are not valid UTF-8, and
 * backslash become \xNN.  The caller frees. */
char *text_escape (const char *bytes, size_t len);
/* For JSON and the journal: RFC 3986 percent-encoding of '%', control bytes,
 * and bytes >= 0x80 that are not valid UTF-8.  text_decode reverses exactly;
 * a malformed escape is "RH-TEXT-ESCAPE". */
char *text_encode (const char *bytes, size_t len);
struct err *text_decode (const char *s, char **out, size_t *len);
/* For a whole output: as text_escape, but newline, tab and backslash stay. */
char *text_printable (const char *bytes, size_t len);
/* RFC 4648 base64, and back ("RH-TEXT-BASE64"). */
char *text_base64 (const void *bytes, size_t len);
struct err *text_unbase64 (const char *s, unsigned char **out, size_t *len);
/* Lower-case hex of `len` bytes; the caller frees. */
char *text_hex (const unsigned char *bytes, size_t len);
bool text_is_utf8 (const char *bytes, size_t len);

#endif
